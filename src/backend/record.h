/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record.h: what is known of one operation, as a file /run/mdevd/ops/<parent>:<uuid>: written
 * before the first step, given its result by the worker, removed by the daemon that has acted on
 * it. JSON; a file of another shape is -EBADMSG.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/model.h"
#include "model/outcome.h"

typedef enum RecordKind {
        RECORD_CREATE,    /* reserve (ours), write "create", attributes */
        RECORD_STOP,      /* write "remove" */
        RECORD_CONFIGURE, /* bind to our driver, CONFIGURE */
        _RECORD_KIND_MAX,
} RecordKind;

typedef enum RecordStep {
        STEP_WRITTEN,  /* nothing was done yet */
        STEP_BOUND,    /* configure: the driver has it */
        STEP_RESERVED, /* create: extents are taken */
        STEP_CREATED,  /* create: the mdev exists */
        STEP_DONE,     /* outcome and error are valid */
        _RECORD_STEP_MAX,
} RecordStep;

DECLARE_STRING_TABLE(record_kind, RecordKind)
DECLARE_STRING_TABLE(record_step, RecordStep)

typedef struct Record Record;

/* Self-contained: all strings are its own, so that a restarted daemon needs nothing else. */
struct Record {
        RecordKind kind;
        RecordStep step;
        pid_t pid; /* of the worker; 0 before it started */
        char *parent;      /* name */
        char *parent_path; /* sysfs path below the root */
        char *type;        /* sysfs id */
        char *type_name;   /* as our module knows it; NULL for a vendor's */
        Uuid uuid;         /* null for configure */
        char *owner;
        char *client; /* unique bus name or "config" */
        Origin origin;
        bool ours;
        Extent extents[EXTENTS_MAX];
        size_t n_extents;
        Attribute *attributes;
        size_t n_attributes;
        Parent *config; /* configure: an unlinked parent with pools and types; owned */
        Outcome outcome;
        int error;  /* negative errno behind the outcome, 0 where there is none */
        char *text; /* the sentence for people */
};

int record_new(Record **ret, RecordKind kind);
Record *record_free(Record *r);
DEFINE_CLEANUP(Record *, record_free)

/* "<parent>:<uuid>", or "<parent>" for configure. */
int record_name(const Record *r, char **ret);
int record_parse(Record **ret, const char *text, size_t size);
int record_format(const Record *r, char **ret);

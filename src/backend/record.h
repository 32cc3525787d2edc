/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record.h: what is known of one operation, as a file /run/mdevd/ops/<parent>:<uuid>: written
 * before the first step, given its result by the worker, removed by the daemon that has acted on
 * it.
 *
 * The file is a journal: the first line is the whole record as JSON, put there under a temporary
 * name and linked when it is complete; every later line is a JSON object with what has changed,
 * appended by one write(). A line counts when its newline is there, so whoever is killed in the
 * middle of a write leaves a file that reads as if that write had not begun. A file of another
 * shape is -EBADMSG.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backend/holders.h"
#include "model/model.h"
#include "model/outcome.h"

typedef enum RecordKind {
        RECORD_CREATE,    /* reserve (ours), write "create", attributes */
        RECORD_STOP,      /* write "remove" */
        RECORD_CONFIGURE, /* bind to our driver, CONFIGURE */
        RECORD_DEFINE,    /* write a definition that was not there */
        RECORD_MODIFY,    /* write another definition, attributes of the live device, or both */
        RECORD_UNDEFINE,  /* remove a definition */
        RECORD_EVICT,     /* kill who has a device open whose parent is going away */
        RECORD_SUSPEND,   /* hold who touches a device, until it is resumed or the time is over */
        RECORD_MOVE,      /* an extent of a device goes elsewhere */
        RECORD_DEFRAGMENT, /* extents of a parent's devices do */
        RECORD_PROFILE,    /* a profile is applied, by operations of their own: no file */
        RECORD_LOOK,      /* find out who has a device open; a question, never a file */
        _RECORD_KIND_MAX,
} RecordKind;

typedef enum RecordStep {
        STEP_WRITTEN,  /* nothing was done yet */
        STEP_PREPARED, /* the new definition is on disk under a temporary name */
        STEP_BOUND,    /* configure: the driver has it */
        STEP_HOLDING,  /* suspend: the device is held */
        STEP_MOVING,   /* n_moved of the moves are done, and the next one may have begun */
        STEP_RESERVED, /* create: extents are taken, or the function was free and is written to */
        STEP_CREATED,  /* create: the mdev exists */
        STEP_SETTLING, /* outcome and error are valid; the definition's folder is to be synced */
        STEP_DONE,     /* outcome and error are valid */
        _RECORD_STEP_MAX,
} RecordStep;

DECLARE_STRING_TABLE(record_kind, RecordKind)
DECLARE_STRING_TABLE(record_step, RecordStep)

typedef struct Record Record;
typedef struct RecordMove RecordMove;

/* To be carried out in this order, before all else that the operation is to do. */
struct RecordMove {
        Uuid uuid; /* of a device of the parent */
        unsigned extent;
        Extent to; /* its size is the extent's */
};

/* Self-contained: all strings are its own, so that a restarted daemon needs nothing else. */
struct Record {
        RecordKind kind;
        RecordStep step;
        pid_t pid; /* of the worker; 0 before it started */
        char *parent;      /* name */
        char *parent_path; /* sysfs path below the root */
        char *function;    /* the same of the function that bears the device; NULL: it is an mdev */
        char *type;        /* sysfs id */
        char *type_name;   /* as our module knows it; NULL for a vendor's */
        Uuid uuid;         /* null for configure */
        uint64_t id;       /* callout scripts run for it: no other of its name has this; else 0 */
        char *owner;
        char *client; /* unique bus name or "config" */
        Origin origin;
        char *profile; /* of ORIGIN_PROFILE: its name; else NULL */
        bool ours;
        bool define;    /* the operation writes a definition, from what stands here */
        bool autostart; /* of the definition */
        bool reserve;   /* of the definition */
        bool live;      /* modify: the attributes are written to the device */
        bool relabel;   /* modify: the device that is active gets the owner as well */
        bool insist;    /* stop: although it is in use */
        bool force;     /* although a callout script refuses it */
        LeaseKind lease; /* create: of the device; LEASE_CLIENT: that of `client` */
        unsigned linger_sec; /* of that */
        pid_t caller;   /* stop: it and its ancestors may hold the group open; 0: nobody */
        unsigned opened; /* stop: how many times it was open, of our module's devices */
        pid_t opener;    /* stop, evict: who opened it first; 0: not known */
        char *opener_name; /* stop, evict: its comm, or NULL */
        Extent extents[EXTENTS_MAX];
        size_t n_extents;
        RecordMove *moves;
        size_t n_moves;
        size_t n_moved;      /* of them that are done */
        uint64_t moved;      /* bytes, of all moves */
        unsigned longest_us; /* that a guest may have waited for a chunk so far */
        unsigned pause_ms; /* a chunk that takes longer ends the moves; 0: none does */
        bool mend;         /* moves were begun and left: each goes the shorter way, on or back */
        bool release;      /* what an extent of an open device has left is free at once */
        unsigned hold_ms;  /* suspend: at most */
        Attribute *attributes;
        size_t n_attributes;
        Holders *holders; /* look: the answer; owned, NULL before it */
        Parent *config; /* configure: an unlinked parent with pools and types; owned */
        uint64_t took_us; /* that its worker was at it when it ended; 0: not known */
        Outcome outcome;
        int error;  /* negative errno behind the outcome, 0 where there is none */
        char *text; /* the sentence for people: everybody reads it */
        /*
         * Who has the device open: a list of processes, "qemu-system-x86 (pid 12, machine vm1)";
         * NULL: it is not known, or does not matter. Only for the journal, and for who may manage
         * the device.
         */
        char *who;
};

int record_new(Record **ret, RecordKind kind);
Record *record_free(Record *r);
DEFINE_CLEANUP(Record *, record_free)

#define RECORD_SIZE_MAX (256U * 1024U)
#define RECORD_ATTRIBUTES_MAX 256

/*
 * "<parent>:<uuid>"; "<parent>" for configure; "<parent>:<uuid>:evict" for evict, since the removal
 * of that device may be under way, and wait for just that. "look" has none: -EINVAL.
 */
int record_name(const Record *r, char **ret);
/* First line and all changes after it. */
int record_parse(Record **ret, const char *text, size_t size);
/* The first line, with its newline. -E2BIG: it would not be read back. */
int record_format(const Record *r, char **ret);
/*
 * One later line, with its newline: pid, step, how far moves are and, from STEP_SETTLING on, the
 * result.
 */
int record_format_change(const Record *r, char **ret);
/* Reads such a line, with its newline, into @r. -EBADMSG: it is none. */
int record_parse_change(Record *r, const char *line);

int record_add_attribute(Record *r, const char *name, const char *value);
/* -E2BIG: MOVES_MAX. */
int record_add_move(Record *r, const RecordMove *move);
/* Bytes of all moves. */
uint64_t record_moves_size(const Record *r);
/* The definition that @r writes, as a new one. */
int record_to_definition(const Record *r, Definition **ret);
/* Copies name, pools and types of @p into ->config. */
int record_set_config(Record *r, const Parent *p);
/* Sets outcome, error and text, which is taken; step becomes STEP_DONE. */
void record_set_result(Record *r, Outcome outcome, int error, char *text);

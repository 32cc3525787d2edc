/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * request.h: a validated wish for a device or its definition, from whatever road; and the answer of
 * the policy.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/definition.h"
#include "model/device.h"
#include "model/types.h"
#include "util/uuid.h"

/* What may be left to whoever carries it out. */
typedef enum Choice {
        CHOICE_OPEN = -1,
        CHOICE_NO,
        CHOICE_YES,
} Choice;

struct Request {
        char *parent; /* NULL: any */
        char *type;   /* id or name; "": as it is */
        char *owner;  /* never NULL */
        bool owner_given;
        Uuid uuid;    /* always set: random unless given */
        bool uuid_given;
        Origin origin;
        char *profile; /* of ORIGIN_PROFILE: its name; else NULL */
        int numa_node; /* -1: any */
        bool plan;     /* say what would happen, do nothing */
        bool define;   /* create: the device is defined, too */
        Choice autostart, reserve; /* of the definition */
        Choice live, config; /* modify: the device, its definition */
        bool insist;   /* stop: although somebody has it open */
        bool force;    /* although a callout script refuses it */
        LeaseKind lease;     /* create */
        unsigned linger_sec; /* of that */
        bool linger_given;
        bool moves;    /* create: others may be moved to make room, where the policy says "ask" */
        char *pool;    /* defragment: NULL is any */
        uint64_t max_bytes; /* defragment: of all moves; UINT64_MAX is any */
        uint64_t offset; /* move: in the BAR; UINT64_MAX is any place */
        int extent;      /* move: -1 is the only one */
        Attribute *attributes;
        size_t n_attributes;
        bool attributes_given;
};

struct Placement {
        Parent *parent; /* borrowed from the model */
        Type *type;     /* borrowed */
        Extent extents[EXTENTS_MAX];
        size_t n_extents; /* 0 for a vendor's device */
};

/* With a random UUID, no parent, no owner, no NUMA node, ORIGIN_REQUEST, all choices open. */
int request_new(Request **ret, const char *type);
Request *request_free(Request *r);
DEFINE_CLEANUP(Request *, request_free)
int request_add_attribute(Request *r, const char *name, const char *value);

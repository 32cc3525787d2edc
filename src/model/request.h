/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* request.h: a validated wish for a device, from whatever road; and the answer of the policy. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/definition.h"
#include "model/device.h"
#include "model/types.h"
#include "util/uuid.h"

struct Request {
        char *parent; /* NULL: any */
        char *type;   /* id or name */
        char *owner;  /* never NULL */
        Uuid uuid;    /* always set: random unless given */
        bool uuid_given;
        Origin origin;
        int numa_node; /* -1: any */
        bool plan;     /* say what would happen, do nothing */
        Attribute *attributes;
        size_t n_attributes;
};

struct Placement {
        Parent *parent; /* borrowed from the model */
        Type *type;     /* borrowed */
        Extent extents[EXTENTS_MAX];
        size_t n_extents; /* 0 for a vendor's device */
};

/* With a random UUID, no parent, no owner, no NUMA node, ORIGIN_REQUEST. */
int request_new(Request **ret, const char *type);
Request *request_free(Request *r);
DEFINE_CLEANUP(Request *, request_free)
int request_add_attribute(Request *r, const char *name, const char *value);

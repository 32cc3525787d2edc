/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy.h: may this device be, and where. Pure: the model and what running operations have planned
 * to take go in; a placement, or the reasons why not, come out. Nothing here does I/O.
 */
#pragma once

#include "model/model.h"
#include "model/outcome.h"

typedef struct Planned Planned;

/* What a running operation is about to take: counted as taken. */
struct Planned {
        List node;      /* in a list that the caller owns */
        Parent *parent; /* borrowed */
        Type *type;     /* borrowed */
        Uuid uuid;
        const char *owner; /* borrowed */
        const Extent *extents; /* borrowed */
        size_t n_extents;
};

/*
 * Finds a place for @request. 0: @ret is filled. OUTCOME_NO_TYPE, _NO_PARENT, _EXISTS, _NO_ROOM:
 * @reason has a sentence a parent, in the model's order, with the value, what said no and what
 * would have to change. -ENOMEM. @planned is a list of Planned.
 */
int policy_place(const Model *model, const List *planned, const Request *request, Placement *ret,
                 Reason *reason);

/* How many devices of @type could be made on @parent now, in bytes terms only. */
unsigned policy_count_available(const Model *model, const List *planned, const Parent *parent,
                                const Type *type);

typedef struct PoolUsage PoolUsage;

struct PoolUsage {
        uint64_t used;         /* bytes */
        uint64_t free;         /* bytes */
        uint64_t largest_hole; /* bytes */
};

int policy_pool_usage(const Model *model, const List *planned, const Parent *parent,
                      const Pool *pool, PoolUsage *ret);

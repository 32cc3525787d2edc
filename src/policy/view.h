/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * view.h: what policy has to know of one parent, made from the model and remembered in
 * parent->view until the parent or the rules change: what is free in each region of its pools, and
 * how much each group has there. Devices that arrive are added to it; where something is planned,
 * to a copy that is made for each question.
 */
#pragma once

#include "model/model.h"
#include "policy/allocator.h"
#include "policy/policy.h"

typedef struct Region Region;
typedef struct Tally Tally;
typedef struct View View;

/* A pool less its partitions, or one partition. */
struct Region {
        Allocator allocator;
        const Pool *pool;
        const Group *group; /* whose partition; NULL: in common */
};

/* Devices of one type of one group, or its bytes in one pool. */
struct Tally {
        const char *name; /* borrowed: the type's id in a device or plan, or the pool's name */
        unsigned group;
        bool is_pool;
        uint64_t n;
};

struct View {
        const Parent *parent;
        uint64_t changes, rules_changes, pools; /* of what it was made */
        uint64_t arrivals; /* how many of the parent's are in it */
        bool spoilt;       /* half changed, for want of memory: to be made anew */
        View *planned;     /* the latest copy that has plans, too; NULL: none was asked for */
        unsigned n_devices;
        uint64_t *owners; /* a hash of each device's owner: an owner is sought on every parent */
        Region *regions; /* of a pool next to each other: its partitions, then what is in common */
        size_t n_regions;
        Limits *groups; /* what each has, by match_group_index() */
        size_t n_groups;
        Tally *tallies;
        size_t n_tallies;
        const ParentRule *rule; /* never NULL */
};

/* Borrowed, valid until the model changes or the next call with other plans. -ENOMEM. */
int view_get(const Model *model, const List *planned, const Parent *parent, View **ret);

/* Devices of a type id, of all groups. */
uint64_t view_count_type(const View *v, const char *type);
/* A type id that this parent has devices of and that is not @type; NULL: none. */
const char *view_other_type(const View *v, const char *type);
uint64_t view_tally(const View *v, bool is_pool, const char *name, unsigned group);

/* It counts as gone. */
bool planned_is_leaving(const List *planned, const Device *d);
bool planned_has_leaving(const List *planned);
/* Whether somebody owns a device there. */
bool view_has_owner(const View *v, const List *planned, const char *owner);

/*
 * The region of @pool from which @group gets @size: its partition, else what is in common.
 * NULL: none has room. @ret_order: of the block that would be cut.
 */
Region *view_find_region(View *v, const Pool *pool, const Group *group, uint64_t size,
                         unsigned *ret_order);
Region *view_next_region(View *v, const Pool *pool, const Group *group, const Region *after);

/* The BARs of a type, the largest first, so that none spoils another's place. How many. */
size_t type_order_bars(const Type *type, size_t order[static BARS_MAX]);

/* The pool of a BAR of a type; NULL: the parent has none of that name, or of no size. */
const Pool *view_pool(const View *v, const TypeBar *bar);

/*
 * Places all BARs of @type or none. 0, ALLOCATOR_FULL or ALLOCATOR_BAD_SIZE with *@ret_bar the BAR
 * that found no place; -EINVAL: that BAR's pool does not exist; -ENOMEM. @extents has room for
 * BARS_MAX, in order of BARs; NULL, and @ret_n too: only whether there is one. The view is as it
 * was: what was taken on the way is given back.
 */
int view_place(View *v, const Group *group, const Type *type, Extent *extents, size_t *ret_n,
               size_t *ret_bar);

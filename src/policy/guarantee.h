/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guarantee.h: whether, after one more device, everything that was promised still has room at the
 * same time: what groups are guaranteed and do not have yet, and definitions that reserve and are
 * not running. Only numbers of free blocks are moved about, no extent.
 *
 * The answer "it has room" is always true. "It has none" is exact where the promises that compete
 * may use the same parents, have one BAR each and no limit for a parent, or one parent each;
 * elsewhere a cleverer distribution may exist (with limits some hundred are tried), and a request
 * is refused that could have been granted. How vendors' types share a parent nobody tells: what is
 * said of these is an estimate, see vendor_has_room() in trial.c.
 */
#pragma once

#include "policy/host.h"

typedef struct Broken Broken;
typedef struct Promises Promises;

/* The first promise that found no room. */
struct Broken {
        const Group *group;
        const Guarantee *guarantee;   /* or */
        const Definition *definition;
        uint64_t missing; /* devices, or bytes */
        uint64_t wanted;
};

typedef struct Demand Demand;

struct Demand {
        const Group *group;
        const Guarantee *guarantee;
        const Definition *definition; /* the first of @wanted that are alike */
        const char *parent; /* NULL: any */
        const char *type;   /* or */
        const char *pool;
        uint64_t piece; /* bytes of a pool to be found in one piece */
        uint64_t wanted; /* in all, as the rule says */
        uint64_t have;   /* devices, or bytes */
        uint64_t largest; /* bytes of its largest BAR: what is placed first */
        size_t n_parents; /* that could bear it */
        bool limited; /* the group may have so much on one parent and no more */
        size_t first, end; /* the host's places that it may use: of a parent, or all */
        Type **types;      /* one a place from @first on; entries NULL: none of that name */
};

/*
 * All that was promised on a host, with what is already had. Borrows from the host and its model.
 */
struct Promises {
        const Host *host;
        const Uuid *except; /* of a definition on @except_parent, which asks for no more; or NULL */
        const char *except_parent;
        Demand *demands;
        size_t n;
        bool any_limited;
        const Planned **planned; /* all that are not @still, by their UUIDs; NULL: there are none */
        size_t n_planned;        /* room in that table, a power of two */
        uint64_t times;   /* how many of the device are tried together; 0 means 1 */
        uint64_t *before; /* what each lacks as things are; NULL: not asked for yet */
};

/* @except: a definition that is being started, NULL: none. */
int promises_init(Promises *p, const Host *host, const Uuid *except, const char *except_parent);
void promises_done(Promises *p);
/* The @n-th, from 0, of the definitions that @d stands for. */
const Definition *promises_definition_at(const Promises *p, const Demand *d, uint64_t n);

/*
 * Positive: after a device of @type for @group on place @i some promise would lack more room than
 * it does now; *@ret says which. @space: the group whose partitions it may lie in, or NULL: in
 * none. @type NULL: some promise lacks room as things are.
 */
int promises_check(Promises *p, size_t i, const Group *group, const Group *space,
                   const Type *type, Broken *ret);

/*
 * The same of what changes the views and is no device: first what each lacks before it is noted,
 * then, with the views as they would be, whether some lack more. @bytes of @group's go from @from
 * to @to.
 */
int promises_note(Promises *p);
void promises_carry(Promises *p, const Group *group, const Parent *parent, const char *from,
                    const char *to, uint64_t bytes);
int promises_compare(Promises *p, Broken *ret);

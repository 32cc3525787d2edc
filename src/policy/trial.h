/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * trial.h: placing devices in numbers only, without places: what is left of a host's free blocks,
 * and of what its parents bear, after some that may come. Begins as the host is; ends as if it had
 * not been.
 */
#pragma once

#include "policy/guarantee.h"

typedef struct Scratch Scratch;
typedef struct Taken Taken;
typedef struct Trial Trial;

/* Copies of a parent's numbers, made when they are first changed. */
struct Scratch {
        BlockCounts *counts; /* one a region; NULL: as in the view */
        Type *type;          /* of the current demand, NULL: it cannot be borne here */
        const Type *coming_of; /* the type of which @coming are on their way; NULL: of none */
        uint64_t coming;
};

/* Devices, or pieces of bytes, placed in this trial. */
struct Taken {
        size_t unit;
        size_t place;
        const Group *group; /* whose they are */
        const Type *type;   /* NULL: pieces of bytes */
        uint64_t n;
        uint64_t bytes; /* of each */
};

struct Trial {
        const Host *host;
        Scratch *scratch;
        Taken *taken;
        size_t n_taken;
        bool own_only; /* look into the group's partitions and nowhere else */
};

int trial_init(Trial *t, const Host *host);
void trial_done(Trial *t);

/*
 * Positive: a device of @type for @group was placed on place @i, in the partitions of @space or in
 * what is in common. Zero: there is no room, nothing changed. Rules are not asked.
 */
int trial_take_device(Trial *t, size_t i, const Group *group, const Group *space,
                      const Type *type);
/* The same of @n, as far as there is room. *@ret_taken: of how many. */
int trial_take_devices(Trial *t, size_t i, const Group *group, const Group *space,
                       const Type *type, uint64_t n, uint64_t *ret_taken);
/* The next one of a demand's devices on place @i. As trial_take_device(), and rules are asked. */
int trial_take_demand(Trial *t, size_t i, const Demand *d);

/* What was taken on one place, to be put back. */
typedef struct TrialMark TrialMark;

struct TrialMark {
        size_t place;
        BlockCounts *counts; /* NULL: as in the view */
        Taken *taken;
        size_t n_taken;
};

int trial_mark(const Trial *t, size_t i, TrialMark *ret);
/* Consumes the mark. */
void trial_return(Trial *t, TrialMark *mark);

/*
 * Places @n devices, or pieces of bytes, each into the smallest block that will do, over all
 * parents that the demand may use. *@ret_short: how many found no room.
 */
int trial_place(Trial *t, const Demand *d, uint64_t n, uint64_t *ret_short);

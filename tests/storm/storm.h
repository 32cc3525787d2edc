/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * storm.h: what the threads of a storm share. Three kinds of them do as they like at once: callers
 * on the bus, writers to sysfs, and holders, which have a device open as a VMM has and find in it
 * what they wrote. None waits for another; each operation is counted, and they end together.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "util/macro.h"

#define STORM_CALLERS 20
#define STORM_WRITERS 4
#define STORM_HOLDERS 4
#define STORM_RESIDENTS 2 /* hold theirs from the first operation to the last */
#define STORM_UUIDS 48    /* the same ones are wanted by all */
#define STORM_TENANTS_MAX 2

typedef struct Storm Storm;
typedef struct Actor Actor;
typedef struct Parent Parent;

/* A parent as a client and as a writer of sysfs names it, and its types. */
struct Parent {
        const char *name;
        const char *types[3];
};

/* What became of operations; all of it is printed at the end. */
struct Storm {
        Parent parents[3];
        /* Of the first parent, open in somebody else's hands: moved and held, they stay his. */
        char *const *tenants;
        unsigned n_tenants;
        unsigned total;
        atomic_uint begun, done, refused, interrupted, granted, denied, removed, held, checks;
        atomic_uint wrong, moved, suspended, tenants_moved;
        /* Odd while the daemon is dead: what is under way then may be interrupted. */
        atomic_uint epoch;
        pthread_mutex_t lock;
        pthread_cond_t progress; /* of @begun, @epoch and @over */
        atomic_bool over;
};

/* One thread. */
struct Actor {
        pthread_t thread;
        Storm *storm;
        unsigned number;
        uint64_t seed;
};

uint64_t storm_random(Actor *a);
/* One more operation may begin; false: there were enough. */
bool storm_next(Storm *s);
/* Until @n operations have begun, or all of them, or all is over. */
void storm_await(Storm *s, unsigned n);
/* The killer's: the daemon is dead, or there again. */
void storm_next_epoch(Storm *s);
/* Until it is there. */
void storm_await_daemon(Storm *s);
void storm_wrong(Storm *s, const char *format, ...) _printf_(2, 3);
/* Any of those that all want; a resident's has its own. */
void storm_uuid(unsigned i, char ret[static 37]);
void storm_resident(unsigned i, char ret[static 37]);
const Parent *storm_parent(Actor *a);
const char *storm_type(Actor *a, const Parent *p);

void *caller_run(void *actor);
void *writer_run(void *actor);
void *holder_run(void *actor);
void *resident_run(void *actor);

/* The killer's: @s->total operations, with the daemon killed @kills times in between. */
void killer_run(Storm *s, unsigned kills);

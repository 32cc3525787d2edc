/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* simulate.h: what the simulator measures, shared with its plot. */
#pragma once

#include "model/rule.h"

#define LOADS_MAX 32
#define N_CONTENDERS 7

typedef enum Ideal {
        IDEAL_NO,      /* the real thing */
        IDEAL_PARENTS, /* a parent takes whatever its free bytes hold, never in pieces */
        IDEAL_HOST,    /* the same of all parents as if they were one: no host can do that */
} Ideal;

typedef enum Moving {
        MOVING_NEVER,
        MOVING_LAST, /* when no parent has room as things are: MOVES_FEWEST */
        MOVING_PACK, /* MOVES_PACK */
} Moving;

typedef struct Contender Contender;
typedef struct Result Result;
typedef struct Setup Setup;

struct Contender {
        const char *name;
        const char *colour;
        Order order;
        Ideal ideal;
        Moving moving;
};

extern const Contender contenders[N_CONTENDERS];

struct Result {
        uint64_t offered, granted; /* bytes */
        uint64_t large_offered, large_granted; /* devices of the largest size */
        uint64_t moves, moved_bytes;
        double utilisation;   /* mean over time */
        double fragmentation; /* mean over arrivals */
};

struct Setup {
        unsigned n_parents;
        uint64_t pool; /* bytes, of each */
        uint64_t largest;
};

static inline uint64_t setup_capacity(const Setup *s) {
        return s->n_parents * s->pool;
}

/* A panel a measure, over the load; a line a contender. */
int svg_write(const char *path, const Setup *setup, const double *loads, size_t n_loads,
              Result results[][N_CONTENDERS]);

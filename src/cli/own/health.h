/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* health.h: what is wrong, as far as the daemon's own words show it, and what to do about it. */
#pragma once

#include "cli/own/state.h"

typedef struct Trouble Trouble;
typedef struct Health Health;

struct Trouble {
        char *what, *remedy; /* a sentence each */
        bool warning;        /* nothing is broken by it */
};

struct Health {
        Trouble *troubles;
        size_t n;
        size_t n_warnings; /* of those */
};

int health_read(const State *s, Health *ret);
void health_done(Health *h);

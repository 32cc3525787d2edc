/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * untold.h: operations that clients have not been told of. Most succeed at once, and what they did
 * is told by their device: two signals of fifteen properties that nobody reads would be most of
 * what a create costs. Clients are told of one that fails, that takes long, that somebody has seen,
 * and, as long as somebody wants that (Subscribe), of all.
 */
#pragma once

#include <systemd/sd-event.h>

#include "core/manager.h"

/* One that takes longer, with the wait for its turn, is told of. */
#define UNTOLD_USEC UINT64_C(1000000)

typedef struct Bus Bus;
typedef struct Untold Untold;

/* @b is borrowed; what is under way already may be told of, too. */
int untold_new(Untold **ret, Bus *b);
Untold *untold_free(Untold *u);
DEFINE_CLEANUP(Untold *, untold_free)

void untold_added(Untold *u, Operation *op);
void untold_changed(Untold *u, Operation *op);
/*
 * Somebody has been given its path, or has found it: he is to hear how it ends, and when it goes.
 */
void untold_seen(Untold *u, Operation *op);
void untold_all_seen(Untold *u);
/* Somebody wants to be told of all: of those that are under way now, too. */
void untold_tell(Untold *u);

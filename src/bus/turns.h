/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * turns.h: clients take turns. The bus hands us calls in the order of their arrival, so one client
 * that sends thousands would have all others wait. Calls are read ahead instead, cheaply, and
 * answered one from each client in turn; who has too many unanswered is refused.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "util/macro.h"

#define TURNS_PER_CLIENT_MAX 1024 /* calls of one connection that wait for their turn */
#define TURNS_MAX 16384           /* of all, but for the first of each */

typedef struct Turns Turns;

int turns_new(Turns **ret, sd_bus *bus, sd_event *event);
/* Answers what still waits with BUS_ERROR_STOPPING. */
Turns *turns_free(Turns *t);
DEFINE_CLEANUP(Turns *, turns_free)

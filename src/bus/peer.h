/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer.h: which user, and process, is behind a bus name. Unique names are never given twice, so the
 * answer holds for good and is remembered. It is asked for without blocking: a sender that floods
 * us must not get the loop to wait behind its own messages.
 */
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "util/macro.h"

#define PEERS_MAX 1024        /* remembered, the least recently seen goes */
#define PEER_MESSAGES_MAX 256 /* of one sender, waiting for the answer */

typedef struct Peers Peers;

int peers_new(Peers **ret, sd_bus *bus);
Peers *peers_free(Peers *p);
DEFINE_CLEANUP(Peers *, peers_free)

/* The process of a sender whose user is known; 0: the bus did not say. */
pid_t peers_get_pid(Peers *p, sd_bus_message *m);
/* Positive: *@ret is the user. 0: @m will be dispatched again once it is known. */
int peers_get_uid(Peers *p, sd_bus_message *m, uid_t *ret, sd_bus_error *e);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * follow.h: a change that is waited for, however long it takes. After 2 s stderr shows how far it
 * is; Ctrl-C ends the waiting and not the change, and it is said how to look for it.
 */
#pragma once

#include "cli/own/own.h"
#include "cli/client.h"

typedef struct Followed Followed;

/* What became of it. Strings are the follower's; what the operation has none of is "". */
struct Followed {
        char *id, *kind, *uuid, *parent, *type, *owner;
        /* the D-Bus name of why it failed; NULL: it did not, that is not known, or Ctrl-C came */
        char *error;
};

void followed_done(Followed *f);
/*
 * Sends @m, a call of a method whose name ends in Async, and waits for the end of the operation
 * whose path is its answer. EXIT_SUCCESS, or the exit status after it was said what went wrong.
 * @ret may be NULL.
 */
int follow(Client *c, sd_bus_message *m, Followed *ret);
/* As an object, one member for each of its strings. */
void followed_print_json(const Followed *f, JsonMode mode);
/* That with --json, else nothing. An exit status. */
int followed_print(const Followed *f, JsonMode mode);
/* follow(), and with --json that object on stdout. */
int follow_and_print(Client *c, sd_bus_message *m, const Given *given);

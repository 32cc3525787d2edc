/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* find.h: the device that a verb is about, found by what was typed, to be called. */
#pragma once

#include "cli/own/own.h"
#include "cli/own/state.h"

typedef struct Target Target;

struct Target {
        Client client;
        State state;
        Found found;
        char *path; /* object path */
};

/* EXIT_SUCCESS, or the exit status after it was said why. */
int target_find(Target *t, const char *word);
void target_done(Target *t);
/* The same, with a call of a method of the device's, to which arguments can be appended. */
int target_begin(Target *t, const char *word, const char *member, sd_bus_message **ret);
/* Sends a call whose answer is empty, and waits for it; then target_print(). As above. */
int target_send(Target *t, sd_bus_message *m, const Given *given);
/* With --json all that is known of it now, asked for again. */
int target_print(Target *t, const Given *given);

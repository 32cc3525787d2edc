/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exit.h: how a verb ends. Beside EXIT_FAILED (1) and EXIT_USAGE (2) of answer.h, the numbers are
 * those of systemctl, which has them from the LSB.
 */
#pragma once

#include "cli/answer.h"
#include "cli/client.h"

enum {
        EXIT_NOT_RUNNING = 3,   /* the daemon is not there */
        EXIT_NOTHING_THERE = 4, /* no device, parent, type, definition or operation of that name */
        EXIT_INTERRUPTED = 130, /* Ctrl-C; what was begun goes on */
};

/* Says what the daemon or the bus refused; the exit status for it. */
int exit_refused(Client *c);
/*
 * Says that a call could not be made: @error is of appending its arguments. -EINVAL is of @what, a
 * string that somebody typed: what is sent must be utf8_is_sendable().
 */
int exit_not_sent(int error, const char *what);
/* The exit status for an error of that name. */
int exit_of_error(const char *name);

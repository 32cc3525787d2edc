/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon.h: what is known of the daemon without a word to it, and what it means when it, or the bus
 * before it, refuses. For both ways to ask: ask.h of mdevctl's commands, client.h of mdevdctl's
 * verbs.
 */
#pragma once

#include <stdbool.h>

typedef struct Refusal Refusal;

/* An error's name and sentence as D-Bus has them, "" where there is none; borrowed. */
struct Refusal {
        const char *name;
        const char *text;
};

#define DBUS_ERROR_PREFIX "org.freedesktop.DBus.Error."

/* It is started when somebody asks for it, or at boot. */
bool daemon_is_enabled(int root_fd);
/*
 * Another root has other devices than the daemon of this system: it must not be asked to change
 * those that happen to have the same names. A test brings its own bus along with its own root.
 */
bool daemon_is_of_this_root(void);
#define DAEMON_OTHER_ROOT                                                                          \
        "MDEVCTL_ENV_ROOT is %s, and the daemon on this system's bus is not that root's; set "     \
        "DBUS_SYSTEM_BUS_ADDRESS to the bus of its own."
/* With the errno's words. */
#define DAEMON_NO_BUS                                                                              \
        "mdevd cannot be reached, for the system bus cannot: %s; see that dbus.socket is there."

/* Nobody is there who could be asked. */
bool refusal_is_daemon_missing(const Refusal *r);
/* It is about what was asked for, and not about the way to the daemon. */
bool refusal_is_an_answer(const Refusal *r);
/* It is a callout script's, in mdevctl's words. */
bool refusal_is_a_scripts(const Refusal *r);
/* Ends a command with its sentence: EXIT_FAILED. */
int refusal_say(const Refusal *r);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * udev.h: the kernel's uevents as a source of the loop. Those of the kernel group, not udevd's: the
 * daemon never waits for udevd. With a root other than "/" there is no kernel to hear of it, and a
 * datagram socket <root>/run/mdevd/uevent takes its place, so that whoever plays the kernel there
 * can say what it did: the text of a uevent, "KEY=value" each ended by NUL.
 */
#pragma once

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct Uevents Uevents;
typedef struct Uevent Uevent;

/* All borrowed for the time of the call; NULL where there is none but @action and @devpath. */
struct Uevent {
        const char *action;
        const char *devpath; /* without the first slash: "devices/…" */
        const char *sysname; /* its last component */
        const char *subsystem;
        const char *driver;
        const char *mdev_state; /* "registered", "unregistered" */
};

/* @event NULL: some were lost, enumerate anew. */
typedef void (*UeventFn)(const Uevent *event, void *userdata);

int uevents_new(Uevents **ret, sd_event *event, int root_fd, const char *root, UeventFn fn,
                void *userdata);
Uevents *uevents_free(Uevents *u);
DEFINE_CLEANUP(Uevents *, uevents_free)

/*
 * While the kernel does what a worker asked for, each of the uevents that come of it would wake the
 * daemon, for nothing, and on the worker's CPU where no other is idle; and when it is done whoever
 * waits for that comes first. So they are left where they are until uevents_resume(), and for
 * UEVENTS_HOLD_USEC at most; if they are held already, for what is left of that.
 */
#define UEVENTS_HOLD_USEC 20000
void uevents_hold(Uevents *u);
void uevents_resume(Uevents *u);
/* Those that have come, held or not. */
void uevents_take(Uevents *u);

/* The text of a uevent, as the kernel and the socket have it; 0, or -EBADMSG. For fuzzers too. */
int uevent_parse(char *text, size_t size, Uevent *ret);

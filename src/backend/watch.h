/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * watch.h: notices changes of the definition store, /etc/mdevctl.d/<parent>/<uuid>, whoever makes
 * them, by inotify(7). Folders that are not there yet, or go and come back, are watched when they
 * come.
 */
#pragma once

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct Watch Watch;

/*
 * Where to look: @name in the folder @parent; with @name NULL, all of that folder; with both NULL,
 * everything. What is there is for the callee to find out.
 */
typedef void (*WatchFn)(const char *parent, const char *name, void *userdata);

/* From now on: what is there already is not told. */
int watch_new(Watch **ret, sd_event *event, int root_fd, WatchFn fn, void *userdata);
Watch *watch_free(Watch *w);
DEFINE_CLEANUP(Watch *, watch_free)

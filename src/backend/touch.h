/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * touch.h: tells that somebody has written to a file of sysfs, by inotify(7). For what a driver
 * changes because it was asked to by a write, and sends no uevent of.
 */
#pragma once

#include <stddef.h>
#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct Touch Touch;

/*
 * @path: which file of @key's was written to, with success, by whomever; NULL: one has gone. @key
 * NULL: any may have been, events were lost. What stands there now is for the callee to see. It
 * comes before everything else in the loop: also before what who wrote there says later.
 */
typedef void (*TouchFn)(const char *key, const char *path, void *userdata);

int touch_new(Touch **ret, sd_event *event, int root_fd, TouchFn fn, void *userdata);
Touch *touch_free(Touch *t);
DEFINE_CLEANUP(Touch *, touch_free)
/*
 * The files, by paths below the root, that @key is told of from now on, and no others. One that
 * is not there is passed over.
 */
int touch_set(Touch *t, const char *key, char *const *paths, size_t n);
/* Tells at once what was not told yet. */
void touch_flush(Touch *t);

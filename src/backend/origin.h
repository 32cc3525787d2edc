/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * origin.h: what must be remembered of a live device over a restart of the daemon and not over one
 * of the machine: who made it, for whom. One link /run/mdevd/devices/<uuid> each.
 */
#pragma once

#include "backend/record.h"
#include "model/device.h"

/* Fills origin, and owner where the kernel does not know it, of @d if its file fits. */
int origin_load(int root_fd, Device *d);
/* Only the lease; of none the file says nothing. */
int origin_load_lease(int root_fd, Device *d);
int origin_save(int root_fd, const Device *d);
/*
 * The same for a device that is about to be made: the file is there before it. It names no
 * function: until the record is there, what the function bears is somebody else's.
 */
int origin_announce(int root_fd, const Record *r);
/*
 * Which device of @parent and @type is what @function (PCI address) bears, by the files. -ENOENT:
 * none, so somebody else has made it.
 */
int origin_find(int root_fd, const char *parent, const char *type, const char *function, Uuid *ret);
bool origin_is_known(int root_fd, const Uuid *uuid);
/* Its file says that @function of @parent bears it. */
bool origin_names(int root_fd, const Uuid *uuid, const char *parent, const char *function);
/* Which parent its file says. -ENOENT: there is none. */
int origin_read_parent(int root_fd, const Uuid *uuid, char **ret);
/* The file is there, and was written within the last @usec, by the wall clock. */
bool origin_is_recent(int root_fd, const Uuid *uuid, uint64_t usec);
int origin_forget(int root_fd, const Uuid *uuid);

typedef bool (*OriginKnown)(const Uuid *uuid, void *userdata);

/* Removes the files that @known denies. */
int origin_sweep(int root_fd, OriginKnown known, void *userdata);

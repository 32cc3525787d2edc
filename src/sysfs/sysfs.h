/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sysfs.h: reading the kernel's mdev tree below a root. Nothing here writes, waits or remembers.
 * Whatever vanishes in mid-read is as if it had never been there: -ENOENT for the object asked for,
 * silence for a part of it. Paths of devices are as in a uevent's DEVPATH, without the first slash:
 * "devices/pci0000:00/0000:00:05.0".
 */
#pragma once

#include <limits.h>

#include "model/parent.h"
#include "util/uuid.h"

/* Of one answer; the rest is left out. The kernel has no limit of its own. */
#define SYSFS_PARENTS_MAX 4096
#define SYSFS_TYPES_MAX 512
#define SYSFS_DEVICES_MAX 65536

typedef struct SysfsDevice SysfsDevice;

/* An mdev as sysfs shows it, or what a function bears. */
struct SysfsDevice {
        Uuid uuid;
        char *path;     /* of the mdev, or the function */
        char *parent;   /* name */
        char *type;     /* sysfs id */
        char *function; /* its PCI address; NULL: it is an mdev */
};

enum {
        _SYSFS_SUCCESS,
        SYSFS_INCOMPLETE, /* the mdev is being made: its type is not to be seen yet */
};

void sysfs_device_done(SysfsDevice *d);

/* A path that stays below /sys/devices: no "..", no empty component, no leading slash. */
bool sysfs_path_is_valid(const char *path);

/*
 * Where a parent is: by its link in /sys/class/mdev_bus, else as a PCI device. -ENOENT: nowhere.
 * @registered (may be NULL): it offers mdev types.
 */
int sysfs_find_parent(int root_fd, const char *name, char **ret_path, bool *registered);
/*
 * Fills path, driver, unit, numa_node, bar_sizes and state (never PARENT_CLOSING) of @p, at @path.
 * -ENOENT: the device is gone, @p is untouched. Types: see sysfs_read_types().
 */
int sysfs_read_parent(int root_fd, const char *path, Parent *p);
/*
 * Brings p->types in line with sysfs: known ids are refreshed, new ones linked at the end. Of a
 * parent that is not ours, types that sysfs has no more are freed, unless @keep is set.
 */
int sysfs_read_types(int root_fd, Parent *p, bool keep);
/*
 * Only what is available of the known types, but for our module's, whose room policy knows.
 * -ENOENT: one of them, or the parent, has gone.
 */
int sysfs_read_counts(int root_fd, Parent *p);

/* Positive SYSFS_INCOMPLETE; -ENOENT: no such mdev. */
int sysfs_read_device(int root_fd, const Uuid *uuid, SysfsDevice *ret);

typedef int (*SysfsParentFn)(const char *name, void *userdata);
typedef int (*SysfsDeviceFn)(const Uuid *uuid, void *userdata);

/* Calls @fn for each name in /sys/class/mdev_bus, or each mdev; a non-zero answer ends it. */
int sysfs_foreach_parent(int root_fd, SysfsParentFn fn, void *userdata);
int sysfs_foreach_device(int root_fd, SysfsDeviceFn fn, void *userdata);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sysfs-internal.h: how the files of this layer read; paths are as in sysfs.h. */
#pragma once

#include <dirent.h>
#include <stdbool.h>

/* Gone, or going: the kernel answers with either while a device is being taken down. */
bool sysfs_is_vanished(int r);
/*
 * A link's target as such a path: links in sysfs are relative and stay in it. -ENOENT: it is
 * none.
 */
int sysfs_read_device_link(int root_fd, const char *path, char **ret);
int sysfs_read_attr(int root_fd, const char *path, const char *name, char **ret);
/* The last component of a link's target. */
int sysfs_read_link_name(int root_fd, const char *path, const char *name, char **ret);
/* @name may be NULL: the folder itself. */
bool sysfs_exists(int root_fd, const char *path, const char *name);
/* @path is below the root. */
int sysfs_open_dir(int root_fd, const char *path, DIR **ret);

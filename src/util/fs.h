/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fs.h: files and sysfs attributes below an injected directory descriptor. Paths are relative to
 * it.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Reads at most @max bytes (-EFBIG beyond), NUL terminates. @ret_size may be NULL. */
int read_file_at(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size);
/* A sysfs attribute: at most 64 KiB, trailing newline and NULs cut. */
int read_attr_at(int dir_fd, const char *path, char **ret);
/* One write(); never creates, never truncates. A short write is -EIO. */
int write_attr_at(int dir_fd, const char *path, const char *value);
/*
 * The same of @name below @folder, when whoever chose @name is not trusted: -ELOOP if there is a
 * link on the way (a device has links to its driver, its bus, its type), -EXDEV if it leads out.
 */
int write_attr_beneath_at(int dir_fd, const char *folder, const char *name, const char *value);
/* Last component of a link's target. */
int readlink_base_at(int dir_fd, const char *path, char **ret);
/*
 * Creates the missing folders before the last slash of @path ("a/b/c": a and a/b), less the umask.
 */
int mkdir_parents_at(int dir_fd, const char *path, mode_t mode);
/* Temporary file beside it, fdatasync, rename, fsync of the folder. */
int write_file_atomic_at(int dir_fd, const char *path, const char *data, size_t size, mode_t mode);

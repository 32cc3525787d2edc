/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-kernel.h: mdev's part of sysfs below a test's root: what the kernel does when a UUID is
 * written to "create" or a 1 to "remove", with its errors. The daemon and its workers get it by
 * preloading (fake-kernel-preload.c); a test calls it directly to play somebody else.
 *
 * Below <root>/fake a test steers it, per parent:
 *   errno-create-<parent>, errno-remove-<parent>  a file with the errno to fail with
 *   gate-create-<parent>, gate-remove-<parent>    a FIFO: the write waits there until the test has
 *                                                 opened and closed it
 *   hide-<parent>                                 a file: the device is made, and not to be seen
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * What a write of @size bytes to @path (absolute, below @root) does. Positive: as many bytes were
 * taken. Negative errno: refused. 0: not a file that the kernel would act on.
 */
ssize_t fake_kernel_write(const char *root, const char *path, const void *data, size_t size);

/* A parent of another driver than ours, with one type; what is there already stays. */
int fake_kernel_add_parent(const char *root, const char *parent, const char *type,
                           unsigned instances);
/* Uevents of the parent: ACTION, and MDEV_STATE where @state is not NULL. */
void fake_kernel_tell_parent(const char *root, const char *parent, const char *action,
                             const char *state);

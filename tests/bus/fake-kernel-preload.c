/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-kernel-preload.c: write() of the C library for the daemon under test and its workers: below
 * $MDEVD_FAKE_ROOT a write to an mdev's sysfs file does what the kernel would, before it returns. A
 * write to a real file could only be seen afterwards, when the worker has long said "made".
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake-kernel.h"

__attribute__((visibility("default"))) ssize_t write(int fd, const void *data, size_t size) {
        const char *root = getenv("MDEVD_FAKE_ROOT");
        char link[64], path[PATH_MAX];
        ssize_t n;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = root ? readlink(link, path, sizeof(path) - 1) : -1;
        if (n > 0) {
                path[n] = '\0';
                n = fake_kernel_write(root, path, data, size);
                if (n > 0)
                        return n;
                if (n < 0) {
                        errno = (int) -n;
                        return -1;
                }
        }
        return syscall(SYS_write, fd, data, size);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* root.h: a root folder for targets that read files; in memory where it can be, gone at exit. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"

static char fuzz_root_path[64];

static inline int fuzz_root_unlink(const char *path, const struct stat *st, int type,
                                   struct FTW *ftw) {
        (void) st;
        (void) type;
        (void) ftw;
        return remove(path);
}

static inline void fuzz_root_remove(void) {
        (void) nftw(fuzz_root_path, fuzz_root_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int fuzz_root_open(void) {
        int fd;

        (void) snprintf(fuzz_root_path, sizeof(fuzz_root_path), "%s/mdevd-fuzz-XXXXXX",
                        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert(mkdtemp(fuzz_root_path) && atexit(fuzz_root_remove) == 0);
        fd = open(fuzz_root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert(fd >= 0);
        return fd;
}

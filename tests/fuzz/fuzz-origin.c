/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-origin.c: the file about a device gives it a valid owner and origin, or leaves it as it was. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/origin.h"
#include "root.h"
#include "model/parent.h"
#include "names.h"
#include "util/fs.h"
#include "util/parse.h"

static int root_fd = -EBADF;

static void make_root(void) {
        root_fd = fuzz_root_open();
        assert(mkdir_parents_at(root_fd, MDEVD_PATH_DEVICES "/", 0755) == 0);
}

static void write_file(const Uuid *uuid, const void *data, size_t size) {
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closep) int fd = -EBADF;

        assert(asprintf(&path, MDEVD_PATH_DEVICES "/%s", UUID_STR(uuid)) > 0);
        fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert(fd >= 0 && write(fd, data, size) == (ssize_t) size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const Uuid uuid = { .bytes = { 1 } };
        _cleanup_(parent_freep) Parent *p = NULL;
        Device *d;
        int r;

        if (root_fd < 0)
                make_root();
        assert(parent_new(&p, "0000:00:05.0") == 0);
        assert(device_new(&d, p, &uuid, "t") == 0);
        write_file(&uuid, data, size);
        r = origin_load(root_fd, d);
        assert(origin_to_string(d->origin) && name_is_valid_owner(d->owner));
        if (r >= 0) {
                Origin origin = d->origin;
                char *owner = strdup(d->owner);

                /* what was understood is what is written */
                assert(owner && origin_save(root_fd, d) == 0 && origin_load(root_fd, d) == 0);
                assert(d->origin == origin && streq(d->owner, owner));
                free(owner);
        }
        device_free(d);
        return 0;
}

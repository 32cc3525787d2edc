/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-origin.c: the file about a device gives it a valid owner and origin, or leaves it as it was.
 */
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

/* False: no link can have that text. */
static bool make_link(const Uuid *uuid, const void *data, size_t size) {
        _cleanup_(freep) char *path = NULL, *text = calloc(1, size + 1);

        assert(text);
        if (size > 0)
                memcpy(text, data, size);
        assert(asprintf(&path, MDEVD_PATH_DEVICES "/%s", UUID_STR(uuid)) > 0);
        (void) unlinkat(root_fd, path, 0);
        return symlinkat(text, root_fd, path) >= 0;
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
        r = make_link(&uuid, data, size) ? origin_load(root_fd, d) : -EBADMSG;
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * actives.c owns reading all mdevs: their UUIDs from the bus, the rest from the folders of types.
 */
#include "cli/actives.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "names.h"
#include "sysfs/sysfs.h"

typedef struct Reader Reader;

struct Reader {
        int root_fd;
        Actives *actives;
};

void actives_done(Actives *a) {
        for (size_t i = 0; i < a->n; i++) {
                free(a->devices[i].parent);
                free(a->devices[i].type);
        }
        free(a->devices);
        *a = (Actives) {};
}

static int compare(const void *a, const void *b) {
        const ActiveDevice *x = a, *y = b;

        return memcmp(x->uuid.bytes, y->uuid.bytes, sizeof(x->uuid.bytes));
}

const ActiveDevice *actives_find(const Actives *a, const Uuid *uuid) {
        const ActiveDevice key = { .uuid = *uuid };

        return a->n > 0 ? bsearch(&key, a->devices, a->n, sizeof(key), compare) : NULL;
}

static int compare_parents(const void *a, const void *b) {
        const ActiveDevice *x = a, *y = b;
        int c = strcmp(x->parent, y->parent);

        return c != 0 ? c : compare(a, b);
}

void actives_sort_by_parent(Actives *a) {
        size_t i = 1;

        /* with one parent they are */
        while (i < a->n && compare_parents(&a->devices[i - 1], &a->devices[i]) <= 0)
                i++;
        if (i < a->n)
                qsort(a->devices, a->n, sizeof(*a->devices), compare_parents);
}

static int add(const Uuid *uuid, void *userdata) {
        Actives *a = userdata;
        ActiveDevice *bigger;

        /* doubles at every power of two */
        if ((a->n & (a->n - 1)) == 0) {
                bigger = reallocarray(a->devices, a->n ? a->n * 2 : 1, sizeof(*bigger));
                if (!bigger)
                        return -ENOMEM;
                a->devices = bigger;
        }
        a->devices[a->n++] = (ActiveDevice) { .uuid = *uuid };
        return 0;
}

static int place(Actives *a, const Uuid *uuid, const char *parent, const char *type) {
        ActiveDevice *d = (ActiveDevice *) actives_find(a, uuid);

        if (!d || d->parent) /* made since */
                return 0;
        d->parent = strdup(parent);
        d->type = strdup(type);
        return d->parent && d->type ? 0 : -ENOMEM;
}

typedef struct TypeReader TypeReader;

struct TypeReader {
        Reader *reader;
        const char *parent, *types; /* its folder of types */
        const char *type;
};

static int read_device(const char *name, void *userdata) {
        const TypeReader *t = userdata;
        Uuid uuid;

        return uuid_parse(name, &uuid) < 0 ? 0
                                           : place(t->reader->actives, &uuid, t->parent, t->type);
}

/* What goes away meanwhile is no error: the rest is read device by device. */
static int walk(const Reader *r, const char *path, FileNameFn fn, TypeReader *t) {
        int q = file_foreach(r->root_fd, path, fn, t);

        return q == -ENOMEM ? q : 0;
}

static int read_type(const char *name, void *userdata) {
        _cleanup_(freep) char *path = NULL;
        TypeReader *t = userdata;

        if (asprintf(&path, "%s/%s/devices", t->types, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        t->type = name;
        return walk(t->reader, path, read_device, t);
}

static int read_parent(const char *name, void *userdata) {
        _cleanup_(freep) char *path = NULL, *types = NULL;
        Reader *r = userdata;
        int q;

        q = sysfs_find_parent(r->root_fd, name, &path, NULL);
        if (q < 0)
                return q == -ENOMEM ? q : 0;
        if (asprintf(&types, MDEVD_PATH_SYSFS "/%s/mdev_supported_types", path) < 0) {
                types = NULL;
                return -ENOMEM;
        }
        return walk(r, types, read_type,
                    &(TypeReader) { .reader = r, .parent = name, .types = types });
}

/* Those that no type has told of; what is no more, or not yet, is dropped. */
static int complete(int root_fd, Actives *a) {
        size_t kept = 0;
        int r = 0;

        for (size_t i = 0; i < a->n; i++) {
                _cleanup_(sysfs_device_done) SysfsDevice device = {};
                ActiveDevice *d = &a->devices[i];

                if (!d->parent && r >= 0) {
                        r = sysfs_read_device(root_fd, &d->uuid, &device);
                        d->parent = TAKE_PTR(device.parent);
                        d->type = TAKE_PTR(device.type);
                        r = r == -ENOENT ? 0 : r;
                }
                if (d->parent && d->type)
                        a->devices[kept++] = *d;
        }
        a->n = kept;
        return MIN(r, 0);
}

int actives_read(int root_fd, const Uuid *only, Actives *ret) {
        _cleanup_(actives_done) Actives a = {};
        Reader reader = { .root_fd = root_fd, .actives = &a };
        int r;

        if (only) {
                r = add(only, &a);
        } else {
                r = sysfs_foreach_device(root_fd, add, &a);
                if (r >= 0 && a.n > 0) {
                        qsort(a.devices, a.n, sizeof(*a.devices), compare);
                        r = sysfs_foreach_parent(root_fd, read_parent, &reader);
                }
        }
        if (r >= 0)
                r = complete(root_fd, &a);
        if (r < 0)
                return r;
        *ret = TAKE_GENERIC(a, (Actives) {});
        return 0;
}

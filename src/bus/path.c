/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * path.c: /org/mdevd1/parent/<name>, /org/mdevd1/device/<parent>/<uuid>,
 * /org/mdevd1/operation/<id>; names and UUIDs escaped as sd_bus_path_encode() does. An object has
 * one path: another spelling of it (sd-bus unescapes what needed no escape) finds nothing.
 */
#include "bus/path.h"

#include <inttypes.h>
#include <systemd/sd-bus.h>

#include "names.h"
#include "util/parse.h"

int path_of_parent(const Parent *p, char **ret) {
        return sd_bus_path_encode(MDEVD_OBJECT_PARENT, p->name, ret);
}

int path_of_mdev(const char *parent, const Uuid *uuid, char **ret) {
        return sd_bus_path_encode_many(ret, MDEVD_OBJECT_DEVICE "/%/%", parent, UUID_STR(uuid));
}

int path_of_device(const Device *d, char **ret) {
        return path_of_mdev(d->parent->name, &d->uuid, ret);
}

static int path_of_definition(const Definition *d, char **ret) {
        return path_of_mdev(d->parent, &d->uuid, ret);
}

int path_of_operation(const Operation *op, char **ret) {
        if (asprintf(ret, MDEVD_OBJECT_OPERATION "/%" PRIu64, op->id) < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

int path_of(ObjectKind kind, const void *object, char **ret) {
        switch (kind) {
        case OBJECT_MANAGER:
                *ret = strdup(MDEVD_OBJECT_ROOT);
                return *ret ? 0 : -ENOMEM;
        case OBJECT_PARENT:
                return path_of_parent(object, ret);
        case OBJECT_DEVICE:
                return path_of_device(object, ret);
        case OBJECT_DEFINITION:
                return path_of_definition(object, ret);
        case OBJECT_OPERATION:
                return path_of_operation(object, ret);
        case _OBJECT_KIND_MAX:
                break;
        }
        return -EINVAL;
}

static bool path_is(ObjectKind kind, const void *object, const char *path) {
        _cleanup_(freep) char *right = NULL;

        return path_of(kind, object, &right) >= 0 && streq(right, path);
}

Parent *path_find_parent(Manager *m, const char *path) {
        _cleanup_(freep) char *name = NULL;
        Parent *p;

        if (sd_bus_path_decode(path, MDEVD_OBJECT_PARENT, &name) <= 0)
                return NULL;
        p = model_find_parent(manager_get_model(m), name);
        return p && path_is(OBJECT_PARENT, p, path) ? p : NULL;
}

bool path_find_mdev(Manager *m, const char *path, Mdev *ret) {
        _cleanup_(freep) char *name = NULL, *text = NULL, *right = NULL;
        Uuid uuid;

        if (sd_bus_path_decode_many(path, MDEVD_OBJECT_DEVICE "/%/%", &name, &text) <= 0 ||
            uuid_parse(text, &uuid) < 0 ||
            !mdev_find(manager_get_model(m), name, &uuid, ret))
                return false;
        return path_of_mdev(name, &uuid, &right) >= 0 && streq(right, path);
}

Operation *path_find_operation(Manager *m, const char *path) {
        const size_t prefix = strlen(MDEVD_OBJECT_OPERATION "/");
        Operation *op;
        uint64_t id;

        if (strncmp(path, MDEVD_OBJECT_OPERATION "/", prefix) != 0 ||
            parse_u64(path + prefix, &id) < 0)
                return NULL;
        op = manager_find_operation(m, id);
        return op && path_is(OBJECT_OPERATION, op, path) ? op : NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* find.c: looking up what a client names, and a helpful word when it is not there. */
#include "bus/find.h"

#include <limits.h>

#include "bus/bus-error.h"
#include "util/closest.h"
#include "util/parse.h"

#define PARENT_NAME_MAX 63 /* as name_is_valid_parent() */

int find_parse_uuid(const char *text, Uuid *ret, sd_bus_error *e) {
        Uuid uuid;

        if (uuid_parse(text, &uuid) < 0 || uuid_is_null(&uuid))
                return sd_bus_error_setf(
                        e, BUS_ERROR_INVALID_UUID,
                        "\"%s\" is no UUID; give one such as "
                        "2f1d9f0a-6a9c-4a0e-9f0e-0c5e0d6c1b7a.", BUS_QUOTE(text));
        *ret = uuid;
        return 0;
}

int find_check_parent_name(const char *name, sd_bus_error *e) {
        if (strlen(name) > PARENT_NAME_MAX)
                return sd_bus_error_setf(e, BUS_ERROR_TOO_LONG,
                                         "The parent's name \"%s\" has %zu bytes; names of parents "
                                         "have %d at most.", BUS_QUOTE(name), strlen(name),
                                         PARENT_NAME_MAX);
        if (!name_is_valid_parent(name))
                return sd_bus_error_setf(e, BUS_ERROR_INVALID_ARGUMENT,
                                         "\"%s\" cannot be the name of a parent; give one such as "
                                         "0000:00:05.0.", BUS_QUOTE(name));
        return 0;
}

static const char *closest_parent(const Model *model, const char *name) {
        Closest closest = closest_begin(name, UINT_MAX);

        list_foreach(p, &model->parents, Parent, node)
                (void) closest_offer(&closest, p->name);
        return closest.name;
}

int find_parent(Manager *m, const char *name, Parent **ret, sd_bus_error *e) {
        const char *closest;
        int r;

        r = find_check_parent_name(name, e);
        if (r < 0)
                return r;
        *ret = model_find_parent(manager_get_model(m), name);
        if (*ret)
                return 0;

        closest = closest_parent(manager_get_model(m), name);
        if (!closest)
                return sd_bus_error_setf(e, BUS_ERROR_NO_SUCH_PARENT,
                                         "There is no parent %s, nor any other; name one in the "
                                         "configuration, or load a driver that has some.", name);
        return sd_bus_error_setf(e, BUS_ERROR_NO_SUCH_PARENT,
                                 "There is no parent %s. Did you mean %s?", name, closest);
}

static int find_ambiguous(const Model *model, const Uuid *uuid, sd_bus_error *e) {
        _cleanup_(reason_done) Reason list = {};
        int r;

        list_foreach(p, &model->parents, Parent, node) {
                Mdev d;

                if (!mdev_find(model, p->name, uuid, &d))
                        continue;
                r = reason_add(&list, "%s", d.parent);
                if (r < 0)
                        return r;
        }
        for (char *c = list.text; c && *c; c++)
                if (*c == '\n')
                        *c = ' ';
        return sd_bus_error_setf(e, BUS_ERROR_AMBIGUOUS,
                                 "Device %s is known under several parents; name one of: %s",
                                 UUID_STR(uuid), list.text ? list.text : "");
}

int find_mdev(Manager *m, const char *text, const char *parent, Mdev *ret, sd_bus_error *e) {
        const Model *model = manager_get_model(m);
        Parent *p = NULL;
        Uuid uuid;
        size_t n;
        int r;

        r = find_parse_uuid(text, &uuid, e);
        if (r < 0)
                return r;
        if (parent[0]) {
                r = find_parent(m, parent, &p, e);
                if (r < 0)
                        return r;
        }

        n = p ? mdev_find(model, p->name, &uuid, ret) : mdev_count(model, &uuid, ret);
        if (n > 1)
                return find_ambiguous(model, &uuid, e);
        if (n == 0)
                return sd_bus_error_setf(e, BUS_ERROR_NO_SUCH_DEVICE,
                                         "There is no device %s%s%s; GetManagedObjects lists those "
                                         "that are.", UUID_STR(&uuid), p ? " on " : "",
                                         p ? p->name : "");
        return 0;
}

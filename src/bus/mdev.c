/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mdev.c: looking up a device and its definition together. */
#include "bus/mdev.h"

bool mdev_find(const Model *m, const char *parent, const Uuid *uuid, Mdev *ret) {
        const Parent *p = model_find_parent(m, parent);
        Definition *definition = model_find_definition(m, parent, uuid, NULL);
        Device *device = p ? model_find_device(m, p, uuid, NULL) : NULL;

        if (!device && !definition)
                return false;
        *ret = (Mdev){
                .parent = device ? device->parent->name : definition->parent,
                .uuid = *uuid,
                .device = device,
                .definition = definition,
        };
        return true;
}

size_t mdev_count(const Model *m, const Uuid *uuid, Mdev *ret) {
        size_t n = 0;

        list_foreach(p, &m->parents, Parent, node) {
                Mdev found;

                if (!mdev_find(m, p->name, uuid, &found))
                        continue;
                if (n++ == 0)
                        *ret = found;
        }
        return n;
}

const char *mdev_type(const Mdev *d) {
        return d->device ? d->device->type : d->definition->type;
}

const char *mdev_owner(const Mdev *d) {
        return d->device ? d->device->owner : d->definition->owner;
}

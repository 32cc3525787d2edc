/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * model.c: the registry. Three lists in order of arrival; a host has tens of parents and hundreds of
 * devices, so they are searched from the front.
 */
#include "model/model.h"

int model_new(Model **ret) {
        Model *m;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        list_init(&m->parents);
        list_init(&m->devices);
        list_init(&m->definitions);

        *ret = m;
        return 0;
}

Model *model_free(Model *m) {
        if (!m)
                return NULL;

        /* devices point to parents, so they go first */
        list_foreach_safe(d, &m->devices, Device, node)
                device_free(d);
        list_foreach_safe(d, &m->definitions, Definition, node)
                definition_free(d);
        list_foreach_safe(p, &m->parents, Parent, node)
                parent_free(p);
        free(m);
        return NULL;
}

Parent *model_find_parent(const Model *m, const char *name) {
        list_foreach(p, &m->parents, Parent, node)
                if (streq(p->name, name))
                        return p;
        return NULL;
}

Device *model_find_device(const Model *m, const Parent *parent, const Uuid *uuid, size_t *ret_n) {
        Device *found = NULL;
        size_t n = 0;

        list_foreach(d, &m->devices, Device, node) {
                if ((parent && d->parent != parent) || !uuid_equal(&d->uuid, uuid))
                        continue;
                if (n++ == 0)
                        found = d;
        }
        if (ret_n)
                *ret_n = n;
        return found;
}

Definition *model_find_definition(const Model *m, const char *parent, const Uuid *uuid,
                                  size_t *ret_n) {
        Definition *found = NULL;
        size_t n = 0;

        list_foreach(d, &m->definitions, Definition, node) {
                if ((parent && !streq(d->parent, parent)) || !uuid_equal(&d->uuid, uuid))
                        continue;
                if (n++ == 0)
                        found = d;
        }
        if (ret_n)
                *ret_n = n;
        return found;
}

void model_link_parent(Model *m, Parent *p) {
        assert(!model_find_parent(m, p->name));
        p->model = m;
        list_append(&m->parents, &p->node);
}

void model_link_device(Model *m, Device *d) {
        assert(!model_find_device(m, d->parent, &d->uuid, NULL));
        d->model = m;
        list_append(&m->devices, &d->node);
}

void model_link_definition(Model *m, Definition *d) {
        assert(!model_find_definition(m, d->parent, &d->uuid, NULL));
        d->model = m;
        list_append(&m->definitions, &d->node);
}

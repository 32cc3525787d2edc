/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * model.c: the registry. Three lists in order of arrival, and devices and definitions by UUID as
 * well, because a host may have ten thousands of them and every event asks for one.
 */
#include "model/model.h"

static size_t bucket_of(const Uuid *u) {
        return uuid_hash(u) % MODEL_BUCKETS;
}

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
        rules_free(m->rules);
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

        for (Device *d = m->buckets[bucket_of(uuid)]; d; d = d->next_alike) {
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

        for (Definition *d = m->definition_buckets[bucket_of(uuid)]; d; d = d->next_alike) {
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
        Definition *definition = model_find_definition(m, d->parent->name, &d->uuid, NULL);
        Device **last;

        assert(!model_find_device(m, d->parent, &d->uuid, NULL));
        d->model = m;
        list_append(&m->devices, &d->node);
        list_append(&d->parent->devices, &d->parent_node);
        for (last = &m->buckets[bucket_of(&d->uuid)]; *last; last = &(*last)->next_alike)
                ;
        *last = d; /* in order of arrival, too */
        if (definition)
                definition->device = d;
        d->parent->arrivals++;
}

void model_unlink_device(Device *d) {
        Definition *definition = model_find_definition(d->model, d->parent->name, &d->uuid, NULL);
        Device **i = &d->model->buckets[bucket_of(&d->uuid)];

        if (definition)
                definition->device = NULL;
        while (*i != d)
                i = &(*i)->next_alike;
        *i = TAKE_PTR(d->next_alike);
        list_unlink(&d->node);
        list_unlink(&d->parent_node);
        parent_changed(d->parent);
        d->model = NULL;
}

static void compare_with_before(Model *m, List *node) {
        Definition *d = list_entry(node, Definition, node), *before;

        if (node == &m->definitions)
                return;
        before = list_entry(node->prev, Definition, node);
        d->as_before = node->prev != &m->definitions && streq(d->parent, before->parent) &&
                       streq_ptr(d->type, before->type) && streq(d->owner, before->owner);
}

void model_definition_changed(Definition *d) {
        compare_with_before(d->model, &d->node);
        compare_with_before(d->model, d->node.next);
}

void model_link_definition(Model *m, Definition *d) {
        Parent *parent = model_find_parent(m, d->parent);
        Definition **last;

        assert(!model_find_definition(m, d->parent, &d->uuid, NULL));
        d->model = m;
        list_append(&m->definitions, &d->node);
        for (last = &m->definition_buckets[bucket_of(&d->uuid)]; *last;
             last = &(*last)->next_alike)
                ;
        *last = d;
        compare_with_before(m, &d->node);
        d->device = parent ? model_find_device(m, parent, &d->uuid, NULL) : NULL;
}

void model_unlink_definition(Definition *d) {
        Definition **i = &d->model->definition_buckets[bucket_of(&d->uuid)];
        List *next = d->node.next;

        while (*i != d)
                i = &(*i)->next_alike;
        *i = TAKE_PTR(d->next_alike);
        list_unlink(&d->node);
        compare_with_before(d->model, next);
        d->model = NULL;
        d->device = NULL;
}

void model_set_rules(Model *m, Rules *rules) {
        rules_free(m->rules);
        m->rules = rules;
        m->rules_changes++;
}

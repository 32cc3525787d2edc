/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* definition.c: life of a definition. It owns its strings; the model owns it once it is linked. */
#include "model/definition.h"

int definition_new(Definition **ret, const char *parent, const Uuid *uuid) {
        _cleanup_(definition_freep) Definition *d = NULL;

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        list_init(&d->node);
        d->uuid = *uuid;

        d->parent = strdup(parent);
        d->owner = strdup("");
        if (!d->parent || !d->owner)
                return -ENOMEM;

        *ret = TAKE_PTR(d);
        return 0;
}

Definition *definition_free(Definition *d) {
        if (!d)
                return NULL;

        list_unlink(&d->node);
        for (size_t i = 0; i < d->n_attributes; i++)
                attribute_done(&d->attributes[i]);
        free(d->attributes);
        free(d->parent);
        free(d->type);
        free(d->owner);
        free(d->invalid);
        free(d);
        return NULL;
}

void attribute_done(Attribute *a) {
        free(a->name);
        free(a->value);
        *a = (Attribute) {};
}

int attributes_add(Attribute **attributes, size_t *n_attributes, const char *name,
                   const char *value) {
        Attribute a, *bigger;

        bigger = reallocarray(*attributes, *n_attributes + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        *attributes = bigger;

        a = (Attribute) { .name = strdup(name), .value = strdup(value) };
        if (!a.name || !a.value) {
                attribute_done(&a);
                return -ENOMEM;
        }
        bigger[(*n_attributes)++] = a;
        return 0;
}

int definition_add_attribute(Definition *d, const char *name, const char *value) {
        return attributes_add(&d->attributes, &d->n_attributes, name, value);
}

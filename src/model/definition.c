/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* definition.c: life of a definition. It owns its strings; the model owns it once it is linked. */
#include "model/definition.h"

#include "model/model.h"

#define ATTRIBUTE_NAME_MAX 255

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

        if (d->model)
                model_unlink_definition(d);
        attributes_free(d->attributes, d->n_attributes);
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

void attributes_free(Attribute *attributes, size_t n) {
        for (size_t i = 0; i < n; i++)
                attribute_done(&attributes[i]);
        free(attributes);
}

bool attributes_equal(const Attribute *a, size_t n_a, const Attribute *b, size_t n_b) {
        if (n_a != n_b)
                return false;
        for (size_t i = 0; i < n_a; i++)
                if (!streq(a[i].name, b[i].name) || !streq(a[i].value, b[i].value))
                        return false;
        return true;
}

bool attribute_name_is_valid(const char *s) {
        if (strlen(s) > ATTRIBUTE_NAME_MAX)
                return false;
        for (;;) {
                size_t n = strcspn(s, "/");

                if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
                        return false;
                for (size_t i = 0; i < n; i++)
                        if ((unsigned char) s[i] < 0x20 || s[i] == 0x7f)
                                return false;
                if (s[n] == '\0')
                        return true;
                s += n + 1;
        }
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

bool definition_equals(const Definition *a, const Definition *b) {
        return streq(a->type, b->type) && a->autostart == b->autostart &&
               a->reserve == b->reserve && streq(a->owner, b->owner) &&
               streq_ptr(a->invalid, b->invalid) &&
               attributes_equal(a->attributes, a->n_attributes, b->attributes, b->n_attributes);
}

static void swap_strings(char **a, char **b) {
        char *c = *a;

        *a = *b;
        *b = c;
}

void definition_take(Definition *d, Definition *from) {
        Attribute *attributes = d->attributes;
        size_t n = d->n_attributes;

        assert(!from->model);
        swap_strings(&d->type, &from->type);
        swap_strings(&d->owner, &from->owner);
        swap_strings(&d->invalid, &from->invalid);
        d->attributes = from->attributes;
        d->n_attributes = from->n_attributes;
        from->attributes = attributes;
        from->n_attributes = n;
        d->autostart = from->autostart;
        d->reserve = from->reserve;
        definition_free(from);
        if (d->model)
                model_definition_changed(d);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * definition.h: a device's persistent description, one file /etc/mdevctl.d/<parent>/<uuid> in
 * mdevctl's format (its src/mdev.rs), with what that format has no word for kept beside it.
 */
#pragma once

#include <stdbool.h>

#include "model/types.h"
#include "util/list.h"
#include "util/uuid.h"

struct Attribute {
        char *name;
        char *value;
};

void attribute_done(Attribute *a);
/* Appends a copy to an array that grows. For definitions and requests alike. */
int attributes_add(Attribute **attributes, size_t *n_attributes, const char *name,
                   const char *value);

/* What may be written to a device: a path of at most 255 bytes that stays below its folder. */
bool attribute_name_is_valid(const char *s);
/* The same names and values in the same order. */
bool attributes_equal(const Attribute *a, size_t n_a, const Attribute *b, size_t n_b);
/* Frees the array and all that is in it. */
void attributes_free(Attribute *attributes, size_t n);

struct Definition {
        List node; /* in model->definitions */
        Definition *next_alike; /* in the model's index by UUID */
        Model *model;
        Device *device; /* that it describes, while both are linked; borrowed, the model's to set */
        /* while linked: parent, type and owner are those of the one before; the model's to set */
        bool as_before;
        char *parent; /* name; the parent may be absent */
        Uuid uuid;
        char *type;
        bool autostart;
        Attribute *attributes; /* in order, duplicates meaningful */
        size_t n_attributes;
        char *owner; /* never NULL */
        bool reserve;
        char *invalid; /* why the file cannot be used; NULL: it can */
        bool told_invalid; /* scratch of who tells clients */
};

int definition_new(Definition **ret, const char *parent, const Uuid *uuid);
Definition *definition_free(Definition *d);
DEFINE_CLEANUP(Definition *, definition_free)
/* Whether the files of both would say the same. */
bool definition_equals(const Definition *a, const Definition *b);
/* @d, which may be linked, takes all that @from says but where it belongs; @from is freed. */
void definition_take(Definition *d, Definition *from);
int definition_add_attribute(Definition *d, const char *name, const char *value);

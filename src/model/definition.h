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

struct Definition {
        List node; /* in model->definitions */
        Model *model;
        char *parent; /* name; the parent may be absent */
        Uuid uuid;
        char *type;
        bool autostart;
        Attribute *attributes; /* in order, duplicates meaningful */
        size_t n_attributes;
        char *owner; /* never NULL */
        bool reserve;
        char *invalid; /* why the file cannot be used; NULL: it can */
};

int definition_new(Definition **ret, const char *parent, const Uuid *uuid);
Definition *definition_free(Definition *d);
DEFINE_CLEANUP(Definition *, definition_free)
int definition_add_attribute(Definition *d, const char *name, const char *value);

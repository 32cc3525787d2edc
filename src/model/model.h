/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * model.h: the registry of parents, devices and definitions. It owns what is linked in it. It
 * changes only on an event; every change goes through a link/unlink or a setter in core, never
 * through policy or bus.
 */
#pragma once

#include "model/definition.h"
#include "model/device.h"
#include "model/parent.h"
#include "model/request.h"
#include "model/rule.h"

#define MODEL_BUCKETS 4096

struct Model {
        List parents;
        List devices;
        List definitions;
        Rules *rules;           /* NULL: there are none */
        uint64_t rules_changes; /* counts model_set_rules() */
        Device *buckets[MODEL_BUCKETS]; /* devices by UUID */
        Definition *definition_buckets[MODEL_BUCKETS];
};

int model_new(Model **ret);
Model *model_free(Model *m); /* frees all that is linked */
DEFINE_CLEANUP(Model *, model_free)

Parent *model_find_parent(const Model *m, const char *name);
/* @parent NULL: any; *@ret_n (may be NULL) says how many there are, the first is returned. */
Device *model_find_device(const Model *m, const Parent *parent, const Uuid *uuid, size_t *ret_n);
Definition *model_find_definition(const Model *m, const char *parent, const Uuid *uuid,
                                  size_t *ret_n);

/* Ownership passes to the model. The name, or parent and UUID, must not be linked yet. */
void model_link_parent(Model *m, Parent *p);
void model_link_device(Model *m, Device *d);
void model_link_definition(Model *m, Definition *d);
/* The reverse: ownership is the caller's. device_free() and definition_free() call them. */
void model_unlink_device(Device *d);
void model_unlink_definition(Definition *d);

/* @d is linked, and its type or owner may be another. definition_take() calls it. */
void model_definition_changed(Definition *d);

/* Ownership of @rules passes to the model; the former ones are freed. NULL: none. */
void model_set_rules(Model *m, Rules *rules);

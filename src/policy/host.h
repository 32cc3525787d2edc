/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host.h: all parents of the model with their views, for the length of one decision; and parents
 * that share their capacity (siblings: the virtual functions of one physical function) tied
 * together. What a rule says of a parent it says of all siblings as one.
 */
#pragma once

#include "policy/view.h"

typedef struct Host Host;
typedef struct Place Place;

struct Place {
        Parent *parent;
        View *view;
        size_t unit;    /* index of the first of its siblings; its own: it is the first */
        size_t sibling; /* index of the next one, 0: none */
};

struct Host {
        const Model *model;
        const List *planned;
        Place *places; /* in the model's order */
        size_t n;
};

int host_init(Host *h, const Model *model, const List *planned);
void host_done(Host *h);

/* Over all siblings of place @i. */
uint64_t host_count_devices(const Host *h, size_t i);
uint64_t host_count_type(const Host *h, size_t i, const char *type);
const char *host_other_type(const Host *h, size_t i, const char *type);
bool host_has_owner(const Host *h, size_t i, const char *owner);
Limits host_group_on_unit(const Host *h, size_t i, unsigned group);
/* Over all parents. */
Limits host_group_in_all(const Host *h, unsigned group);

/* How many devices of a type are being made on @parent that its driver does not count yet. */
uint64_t host_vendor_coming(const Host *h, const Parent *parent, const Type *type);
/* How many devices of a vendor's type can still be made on its parent, plans counted. */
uint64_t host_vendor_room(const Host *h, const Parent *parent, const Type *type);

/* Bytes of a device of our type; vectors too. */
Limits type_needs(const Type *type);

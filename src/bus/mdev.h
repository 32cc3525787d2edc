/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mdev.h: one mediated device as clients see it: what is active, what is defined, or both, which
 * are two things in the model and one object on the bus.
 */
#pragma once

#include "core/manager.h"

typedef struct Mdev Mdev;

struct Mdev {
        const char *parent; /* name, borrowed */
        Uuid uuid;
        Device *device;         /* borrowed; NULL: it is not active */
        Definition *definition; /* borrowed; NULL: it is not defined */
};

/* Of this parent and UUID; false: there is neither. */
bool mdev_find(const Model *m, const char *parent, const Uuid *uuid, Mdev *ret);
/* How many parents have one of that UUID; *@ret is the first. */
size_t mdev_count(const Model *m, const Uuid *uuid, Mdev *ret);

const char *mdev_type(const Mdev *d);  /* of what is active, else as it is defined */
const char *mdev_owner(const Mdev *d); /* the same */

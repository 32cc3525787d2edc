/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * actives.h: the mdevs that there are, all at once. A parent's types have a folder of their devices
 * (Documentation/ABI/testing/sysfs-bus-vfio-mdev), so that a thousand cost no call each.
 */
#pragma once

#include <stddef.h>

#include "util/uuid.h"

typedef struct ActiveDevice ActiveDevice;
typedef struct Actives Actives;

struct ActiveDevice {
        Uuid uuid;
        char *parent; /* name */
        char *type;   /* sysfs id */
};

struct Actives {
        ActiveDevice *devices; /* by UUID */
        size_t n;
};

/* @only (may be NULL): just this one, if it is there. One that is being made is left out. */
int actives_read(int root_fd, const Uuid *only, Actives *ret);
/* By parent, then UUID; none can be looked up any more. */
void actives_sort_by_parent(Actives *a);
const ActiveDevice *actives_find(const Actives *a, const Uuid *uuid);
void actives_done(Actives *a);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device.c: life of a device. Its parent outlives it: the model frees devices first. */
#include "model/device.h"

#include "model/model.h"

static const char *const device_state_table[_DEVICE_STATE_MAX] = {
        [DEVICE_RESERVED] = "reserved",
        [DEVICE_LIVE] = "live",
        [DEVICE_SCRUBBING] = "scrubbing",
        [DEVICE_DYING] = "dying",
        [DEVICE_REVOKED] = "revoked",
        [DEVICE_SUSPENDED] = "suspended",
        [DEVICE_MOVING] = "moving",
};

static const char *const origin_table[_ORIGIN_MAX] = {
        [ORIGIN_FOREIGN] = "foreign",
        [ORIGIN_REQUEST] = "request",
        [ORIGIN_DEFINITION] = "definition",
        [ORIGIN_PROFILE] = "profile",
        [ORIGIN_SYSFS] = "sysfs",
};

DEFINE_STRING_TABLE(device_state, DeviceState, _DEVICE_STATE_MAX)
DEFINE_STRING_TABLE(origin, Origin, _ORIGIN_MAX)

int device_new(Device **ret, Parent *parent, const Uuid *uuid, const char *type) {
        _cleanup_(device_freep) Device *d = NULL;

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        list_init(&d->node);
        list_init(&d->parent_node);
        d->parent = parent;
        d->uuid = *uuid;
        d->state = DEVICE_LIVE;

        d->type = strdup(type);
        d->owner = strdup("");
        if (!d->type || !d->owner)
                return -ENOMEM;

        *ret = TAKE_PTR(d);
        return 0;
}

Device *device_free(Device *d) {
        if (!d)
                return NULL;

        if (d->model)
                model_unlink_device(d);
        attributes_free(d->attributes, d->n_attributes);
        lease_done(&d->lease);
        free(d->profile);
        free(d->function);
        free(d->type);
        free(d->owner);
        free(d);
        return NULL;
}

void device_set_extents(Device *d, const Extent *extents, size_t n) {
        assert(n <= EXTENTS_MAX);
        memmove(d->extents, extents, n * sizeof(*extents));
        d->n_extents = n;
        if (d->model)
                parent_changed(d->parent);
}

void device_set_other(Device *d, const Other *other) {
        d->other = *other;
        if (d->model)
                parent_changed(d->parent);
}

int device_set_owner(Device *d, const char *owner) {
        char *copy;

        copy = strdup(owner);
        if (!copy)
                return -ENOMEM;
        free(d->owner);
        d->owner = copy;
        if (d->model)
                parent_changed(d->parent);
        return 0;
}

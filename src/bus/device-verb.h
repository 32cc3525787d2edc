/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device-verb.h: handlers for the vtable of org.mdevd1.Device; userdata is an Mdev. */
#pragma once

#include "bus/bus-internal.h"

/* Each in two forms: answered at its end, and at once with the operation. */
#define DEVICE_VERB(name)                                                                          \
        int device_method_##name(sd_bus_message *m, void *userdata, sd_bus_error *e);              \
        int device_method_##name##_async(sd_bus_message *m, void *userdata, sd_bus_error *e)

DEVICE_VERB(start);
DEVICE_VERB(start_with_options);
DEVICE_VERB(stop);
DEVICE_VERB(stop_with_options);
DEVICE_VERB(undefine);
DEVICE_VERB(undefine_with_options);
DEVICE_VERB(modify);
DEVICE_VERB(suspend);
DEVICE_VERB(resume);
DEVICE_VERB(move);

/* Of the device, or what is defined, for org.mdevd1.manage; returns as bus_authorize(). */
int device_authorize(Bus *b, sd_bus_message *m, const Mdev *d, uid_t *ret_uid, sd_bus_error *e);

int device_method_set_owner(sd_bus_message *m, void *userdata, sd_bus_error *e);
int device_method_get_attributes(sd_bus_message *m, void *userdata, sd_bus_error *e);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus-holders.h: GetHolders() of org.mdevd1.Device: a call that is answered when a worker has
 * looked.
 */
#pragma once

#include "bus/bus-internal.h"

int device_method_get_holders(sd_bus_message *m, void *userdata, sd_bus_error *e);
/* How many calls of @uid wait for an answer. */
size_t holder_calls_count(const Bus *b, uid_t uid);
/* All calls are told that the daemon is being stopped. */
void holder_calls_stop(Bus *b);

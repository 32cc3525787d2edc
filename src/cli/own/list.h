/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list.h: what the tables of "list" are made of, for other verbs. */
#pragma once

#include "cli/own/state.h"
#include "cli/own/table.h"

/* Of a parent, a device or an operation. */
Colour list_state_colour(const char *state);
/* Bytes of all extents. */
uint64_t list_device_size(const JsonNode *device);
/* All devices and definitions, of one parent or (NULL) of all. */
int list_devices(const State *s, const char *parent, Table **ret);

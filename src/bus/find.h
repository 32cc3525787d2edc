/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* find.h: what a client names, looked up in the model. Each returns 0, or fills @e. */
#pragma once

#include <systemd/sd-bus.h>

#include "bus/mdev.h"

/* Checks the form only: what a client says where a UUID, or a parent's name, is expected. */
int find_parse_uuid(const char *text, Uuid *ret, sd_bus_error *e);
int find_check_parent_name(const char *name, sd_bus_error *e);

int find_parent(Manager *m, const char *name, Parent **ret, sd_bus_error *e);
/* Active or defined. @parent "": any, if there is but one. */
int find_mdev(Manager *m, const char *uuid, const char *parent, Mdev *ret, sd_bus_error *e);

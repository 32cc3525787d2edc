/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* path.h: object paths, there and back. Clients get them from us and never put one together. */
#pragma once

#include "bus/changes.h"
#include "bus/mdev.h"
#include "core/manager.h"

int path_of_parent(const Parent *p, char **ret);
int path_of_device(const Device *d, char **ret);
/* Of a device, a definition, or both: they are one object. */
int path_of_mdev(const char *parent, const Uuid *uuid, char **ret);
int path_of_operation(const Operation *op, char **ret);
int path_of(ObjectKind kind, const void *object, char **ret);

/* NULL: no such object, or a path that is not the one path_of_…() gives. */
Parent *path_find_parent(Manager *m, const char *path);
bool path_find_mdev(Manager *m, const char *path, Mdev *ret);
Operation *path_find_operation(Manager *m, const char *path);

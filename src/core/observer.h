/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * observer.h: how what is below tells what is above. All members optional. "added" comes after the
 * object is linked and consistent, "removed" before it is unlinked.
 */
#pragma once

#include "core/operation.h"

typedef struct Observer Observer;

struct Observer {
        void (*parent_added)(Parent *p, void *userdata);
        void (*parent_changed)(Parent *p, void *userdata);
        void (*parent_removed)(Parent *p, void *userdata);
        void (*device_added)(Device *d, void *userdata);
        void (*device_changed)(Device *d, void *userdata);
        void (*device_removed)(Device *d, void *userdata);
        void (*definition_added)(Definition *d, void *userdata);
        void (*definition_changed)(Definition *d, void *userdata);
        void (*definition_removed)(Definition *d, void *userdata);
        void (*operation_added)(Operation *op, void *userdata);
        void (*operation_changed)(Operation *op, void *userdata);
        void (*operation_removed)(Operation *op, void *userdata);
        void (*autostart_changed)(void *userdata); /* see manager_count_autostart() */
        void *userdata;
};

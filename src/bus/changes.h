/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * changes.h: InterfacesAdded and PropertiesChanged, once for each object that has changed since
 * they were told last, and before any reply that tells of the change; what else the call changed
 * follows the reply. Work is begun first and told after that, so that nobody who works waits for
 * the signals.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "model/definition.h"
#include "model/device.h"
#include "model/parent.h"

typedef struct Operation Operation;
typedef struct Changes Changes;

typedef enum ObjectKind {
        OBJECT_MANAGER,
        OBJECT_PARENT,
        OBJECT_DEVICE,
        OBJECT_DEFINITION, /* of a device that is not active: the same object */
        OBJECT_OPERATION,
        _OBJECT_KIND_MAX,
} ObjectKind;

typedef struct Change Change;

struct Change {
        ObjectKind kind;
        void *object; /* borrowed: changes_forget() before it goes */
        bool added;   /* nobody was told that there is one */
        uint32_t which; /* properties, a bit each; of one that was added they are all told */
};

struct Changes {
        sd_bus *bus; /* borrowed */
        sd_event_source *defer;
        Change *items;
        size_t n, size;
        uint64_t since_usec; /* CLOCK_MONOTONIC; of the first */
        bool due;            /* it has waited for long enough */
};

int changes_init(Changes *c, sd_bus *bus, sd_event *event);
void changes_done(Changes *c);
/* There is one more. */
void changes_announce(Changes *c, ObjectKind kind, void *object);
void changes_add(Changes *c, ObjectKind kind, void *object);
/* What is not told yet never is; answers whether that was that there is one. */
bool changes_forget(Changes *c, const void *object);
/* Another stands for the object of the bus that @old stood for, and has changed. */
void changes_replace(Changes *c, const void *old, ObjectKind kind, void *object);
/* The same of a definition that is active from now on, and of one that is no more. */
void changes_start(Changes *c, Definition *definition, Device *device);
void changes_stop(Changes *c, Device *device, Definition *definition);
/* Tells of this object now, if there is anything to tell. */
void changes_tell(Changes *c, const void *object);
void changes_flush(Changes *c);

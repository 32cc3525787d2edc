/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus-internal.h: what the files of this layer share. A file per interface holds a vtable and its
 * glue: read, validate, authorise, one call of the manager, reply. userdata of the Manager's vtable
 * is the Bus; of the others it is the object that their find function answered with.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "bus/authz.h"
#include "bus/bus.h"
#include "bus/changes.h"
#include "bus/clients.h"
#include "bus/mdev.h"
#include "bus/peer.h"
#include "bus/turns.h"
#include "bus/untold.h"
#include "util/list.h"

/* Calls of one user that were begun and not answered: what they ask of workers must have an end. */
#define BUS_CALLS_PER_UID_MAX 256

typedef enum BusAction {
        BUS_ACTION_CREATE,
        BUS_ACTION_MANAGE,
        BUS_ACTION_CONFIGURE,
        _BUS_ACTION_MAX,
} BusAction;

struct Bus {
        sd_bus *bus;
        sd_bus *launcher; /* to systemd, with file descriptors; NULL until one is passed */
        sd_event *event;  /* referenced */
        Manager *manager; /* borrowed */
        Authz *authz;
        Peers *peers;
        Turns *turns;
        Changes changes;
        Mdev found; /* scratch, and userdata of bus_device_vtable: the object that is asked for */
        List calls; /* of Call, waiting for their operation */
        List holder_calls; /* of HolderCall */
        Clients *clients;
        Untold *untold;
        sd_event_source *status;
        uint64_t plan_usec; /* CLOCK_MONOTONIC; before it, who is not root gets no profile's plan */
        size_t n_devices, n_parents; /* as the service manager was told */
        unsigned n_pending, n_failed; /* as clients and the service manager were told */
};

/* What a call is about, as polkit's details; NULL members are "". Borrowed. */
typedef struct Subject Subject;

struct Subject {
        const char *uuid, *parent, *type, *owner;
};

/*
 * May the sender do this? Positive: yes, and *@ret_uid is who it is. 0: it will be known later, the
 * handler returns 1 and is run again from its start. Negative: @e has the refusal.
 */
int bus_authorize(Bus *b, sd_bus_message *m, BusAction action, const Subject *subject,
                  uid_t *ret_uid, sd_bus_error *e);

/*
 * May the sender name this owner? Who names nobody ("") needs no right, and root has all of them.
 * Asked before polkit, whose dialog would otherwise promise too much. Returns as bus_authorize().
 */
int bus_check_owner(Bus *b, sd_bus_message *m, const char *owner, sd_bus_error *e);

/*
 * The Bus, within a handler or a getter of a fallback vtable: its userdata is the object found, the
 * Bus comes with the slot.
 */
Bus *bus_current(sd_bus *bus);

/* Clients see signals of a change before the reply of the call that made it. */
int bus_reply(Bus *b, sd_bus_message *call, const char *types, ...);

/* As sd_bus_open_system(), but with a word on whether messages may carry file descriptors. */
int bus_open_system(const char *description, bool takes_fds, sd_bus **ret);
/*
 * What clients are still to be told goes first, but a bus that reads no more (a dbus-daemon that is
 * stopped, or hangs) keeps us for a second at most. Who was not told sees us leave. NULL: nothing.
 */
void bus_flush_close(sd_bus *bus);

extern const sd_bus_vtable bus_manager_vtable[];
extern const sd_bus_vtable bus_parent_vtable[];
extern const sd_bus_vtable bus_device_vtable[];
extern const sd_bus_vtable bus_operation_vtable[];
extern const sd_bus_vtable bus_log_control_vtable[];

/* That there is one more, at @path. */
int bus_device_emit_added(Bus *b, const char *parent, const Uuid *uuid, const char *path);

/* sd-bus' find and enumerate functions, userdata is the Bus. */
int bus_parent_find(sd_bus *bus, const char *path, const char *iface, void *userdata,
                    void **ret_found, sd_bus_error *e);
int bus_parent_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                         sd_bus_error *e);
int bus_device_find(sd_bus *bus, const char *path, const char *iface, void *userdata,
                    void **ret_found, sd_bus_error *e);
int bus_device_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                         sd_bus_error *e);
int bus_operation_find(sd_bus *bus, const char *path, const char *iface, void *userdata,
                       void **ret_found, sd_bus_error *e);
int bus_operation_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                            sd_bus_error *e);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus.h: mdevd on the system bus. What main() needs of it; the rest of the layer shares
 * bus-internal.h. Nothing below this layer knows of D-Bus.
 */
#pragma once

#include <stdio.h>
#include <systemd/sd-event.h>

#include "core/manager.h"

typedef struct Bus Bus;

/* Connects and exports all objects. @manager is borrowed and must have been started. */
int bus_new(Bus **ret, sd_event *event, Manager *manager);
/* Answers what is still waiting with an error that says so, flushes and disconnects. */
Bus *bus_free(Bus *b);
DEFINE_CLEANUP(Bus *, bus_free)

/* Takes the name: from here on clients come. The last step of the start. */
int bus_start(Bus *b);
/* Callout scripts run outside of this service, in units of systemd. */
void bus_launch_outside(Bus *b);
/* manager_reload(), with clients and the service manager told. */
int bus_reload(Bus *b);

/* A client: waits until all that is to be up is, or has failed. Returns an exit status. */
int bus_wait_devices(unsigned seconds);

/*
 * For a worker: systemd kills @unit by SIGKILL, all of it if @whole, else its main process, which
 * must be @pid. Blocks for at most some seconds. On failure *@ret_why is half a sentence, to be
 * freed, or NULL; -EBUSY: it was not asked.
 */
int bus_kill_unit(const char *unit, bool whole, pid_t pid, char **ret_why);

/* Prints the interfaces as sd-bus shows them, without a daemon or a bus. */
int bus_introspect(FILE *file);

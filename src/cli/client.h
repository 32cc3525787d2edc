/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client.h: what mdevdctl's own verbs ask of the daemon, over the system bus. The bus starts the
 * daemon if it is enabled and not running. A call waits for its answer however long the work takes.
 */
#pragma once

#include <signal.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "model/definition.h"

typedef struct Client Client;

/* The daemon, or the bus, refused; client->error says what. */
#define CLIENT_REFUSED 1

struct Client {
        sd_bus *bus; /* NULL: not connected yet; the first call does it */
        sd_bus_error error;
        /* microseconds that an answer may take; 0: it is waited for without limit */
        uint64_t limit;
        /* NULL, or what ends a wait with -EINTR once a signal's handler has set it */
        const volatile sig_atomic_t *stop;
        /* Called each second from the third on that an answer is waited for; NULL: a sentence */
        void (*waits)(void *userdata);
        void *userdata;
};

void client_done(Client *c);

/* A call of any method, to be filled and sent; connects. CLIENT_REFUSED, or negative errno. */
int client_method(Client *c, const char *path, const char *iface, const char *member,
                  sd_bus_message **ret);
/* The entry "attributes" of a call's options. */
int client_append_attributes(sd_bus_message *m, const Definition *d);
/*
 * Waits for the answer, which can take long: a person may be asked for a password meanwhile, and a
 * daemon may hang. What else comes over the bus is dispatched meanwhile.
 */
int client_send(Client *c, sd_bus_message *m, sd_bus_message **ret);
/* Asks for a property; the answer is read from its variant on. As client_send(). */
int client_get(Client *c, const char *path, const char *iface, const char *name,
               sd_bus_message **ret);
/* Object path of a device, to be freed. @parent: "" for any. */
int client_find_device(Client *c, const char *uuid, const char *parent, char **ret);

/* Microseconds of a clock. */
uint64_t client_now_usec(clockid_t clock);

/* Whether the daemon is there; it is not started. A bus that cannot be reached has none. */
int client_is_running(Client *c);
/* The refusal is that nobody is there who could be asked. */
bool client_is_daemon_missing(const Client *c);
/* The refusal is about what was asked for, and not about the way to the daemon. */
bool client_was_answered(const Client *c);
/* Ends the command with the refusal's sentence. */
int client_failed(const Client *c);

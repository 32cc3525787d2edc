/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clients.c: one match for all clients, and only while there are any: the bus allows a connection few
 * matches, and tells us of everybody who leaves. Whoever is new is asked for once the match is there,
 * so that a departure before it is not missed.
 */
#include "bus/clients.h"

#include "util/log.h"

#define DBUS "org.freedesktop.DBus"
#define MATCH                                                                                      \
        "type='signal',sender='" DBUS "',path='/org/freedesktop/DBus',interface='" DBUS "',"       \
        "member='NameOwnerChanged',arg2=''"

typedef struct Client Client;

struct Client {
        List node; /* in clients->list */
        Clients *clients;
        char *name;
        sd_bus_slot *query;
};

struct Clients {
        sd_bus *bus;      /* referenced */
        Manager *manager; /* borrowed */
        sd_bus_slot *match; /* NULL: nobody is watched */
        List list;
};

static Client *client_free(Client *c) {
        list_unlink(&c->node);
        sd_bus_slot_unref(c->query);
        free(c->name);
        free(c);
        return NULL;
}

int clients_new(Clients **ret, sd_bus *bus, Manager *manager) {
        Clients *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->bus = sd_bus_ref(bus);
        c->manager = manager;
        list_init(&c->list);
        *ret = c;
        return 0;
}

Clients *clients_free(Clients *c) {
        if (!c)
                return NULL;
        list_foreach_safe(i, &c->list, Client, node)
                client_free(i);
        sd_bus_slot_unref(c->match);
        sd_bus_unref(c->bus);
        free(c);
        return NULL;
}

static Client *find(Clients *c, const char *name) {
        list_foreach(i, &c->list, Client, node)
                if (streq(i->name, name))
                        return i;
        return NULL;
}

static void client_left(Client *client) {
        Clients *c = client->clients;
        _cleanup_(freep) char *name = TAKE_PTR(client->name);

        client_free(client);
        if (list_is_empty(&c->list))
                c->match = sd_bus_slot_unref(c->match);
        manager_client_left(c->manager, name);
}

static int on_departure(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Clients *c = userdata;
        const char *name;
        Client *client;

        if (sd_bus_message_read(m, "s", &name) < 0)
                return 0;
        client = find(c, name);
        if (client)
                client_left(client);
        return 0;
}

/* Else it stays for good, as a device without a lease: that is said, and the next one tries again. */
static void tell_unwatched(const char *why) {
        log_warning(&(LogFields){ .topic = "lease" },
                    "Clients that devices are leased to cannot be watched (%s), so these stay when "
                    "they leave the bus.", why);
}

static int on_match(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        if (error)
                tell_unwatched(error->message ?: error->name);
        return 0;
}

static int on_query(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        Client *client = userdata;
        int there = 1;

        client->query = sd_bus_slot_unref(client->query);
        if (!sd_bus_message_is_method_error(reply, NULL) &&
            sd_bus_message_read(reply, "b", &there) >= 0 && !there)
                client_left(client);
        return 0;
}

static int client_new(Clients *c, const char *name) {
        Client *client = calloc(1, sizeof(*client));
        int r = 0;

        if (!client)
                return -ENOMEM;
        list_init(&client->node);
        client->clients = c;
        client->name = strdup(name);
        if (!client->name)
                r = -ENOMEM;
        if (r >= 0 && !c->match)
                r = sd_bus_add_match_async(c->bus, &c->match, MATCH, on_departure, on_match, c);
        if (r >= 0)
                r = sd_bus_call_method_async(c->bus, &client->query, DBUS, "/org/freedesktop/DBus",
                                             DBUS, "NameHasOwner", on_query, client, "s", name);
        if (r < 0) {
                client_free(client);
                return r;
        }
        list_append(&c->list, &client->node);
        return 0;
}

void clients_note(Clients *c, const Device *d) {
        const char *name = d->lease.client;
        int r;

        /* from a file of an earlier daemon, and what is no name would be refused by the bus */
        if (!name || d->lease.phase != LEASE_UNOPENED || find(c, name))
                return;
        r = sd_bus_service_name_is_valid(name) > 0 ? client_new(c, name) : -EINVAL;
        if (r < 0)
                tell_unwatched(strerrordesc_np(-r));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clients.c: one match for all clients, and only while there are any: the bus allows a connection
 * few matches, and tells us of everybody who leaves. Whoever is new is asked for once the match is
 * there, so that a departure before it is not missed.
 */
#include "bus/clients.h"

#include "util/log.h"

#define DBUS "org.freedesktop.DBus"
#define MATCH                                                                                      \
        "type='signal',sender='" DBUS "',path='/org/freedesktop/DBus',interface='" DBUS "',"       \
        "member='NameOwnerChanged',arg2=''"

#define RETRY_USEC (10 * UINT64_C(1000000))

typedef struct Client Client;

struct Client {
        List node; /* in clients->list */
        Clients *clients;
        char *name;
        sd_bus_slot *query;
        bool listens;
        uid_t uid; /* then */
};

struct Clients {
        sd_bus *bus;      /* referenced */
        Manager *manager; /* borrowed */
        sd_bus_slot *match; /* NULL: nobody is watched */
        sd_event_source *retry;
        List list;
        size_t n_listen;
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
        sd_event_source_disable_unref(c->retry);
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

        c->n_listen -= client->listens;
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

static void retry_later(Clients *c, const char *why);

static int on_query(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        Client *client = userdata;
        int there = 1;

        client->query = sd_bus_slot_unref(client->query);
        if (error && client->clients->match) /* that is no word of whether he is there */
                retry_later(client->clients, error->message ?: error->name);
        else if (!error && sd_bus_message_read(reply, "b", &there) >= 0 && !there)
                client_left(client);
        return 0;
}

/* Whether he is there still. An answer to an earlier question would be older than the match. */
static int client_ask(Client *client) {
        client->query = sd_bus_slot_unref(client->query);
        return sd_bus_call_method_async(client->clients->bus, &client->query, DBUS,
                                        "/org/freedesktop/DBus", DBUS, "NameHasOwner", on_query,
                                        client, "s", client->name);
}

static int on_match(sd_bus_message *reply, void *userdata, sd_bus_error *e);
static int on_retry(sd_event_source *s, uint64_t usec, void *userdata);

/*
 * A bus that refuses a match has too many of them: said at every try, tried as long as it matters.
 */
static void retry_later(Clients *c, const char *why) {
        int r;

        c->match = sd_bus_slot_unref(c->match);
        log_warning(&(LogFields){ .topic = "lease" },
                    "Clients that devices are leased to, or that listen, cannot be watched (%s); "
                    "tried again in %u s, and whoever leaves before is found then.", why,
                    (unsigned) (RETRY_USEC / 1000000));
        if (!c->retry)
                r = sd_event_add_time_relative(sd_bus_get_event(c->bus), &c->retry, CLOCK_MONOTONIC,
                                               RETRY_USEC, 0, on_retry, c);
        else {
                r = sd_event_source_set_time_relative(c->retry, RETRY_USEC);
                if (r >= 0)
                        r = sd_event_source_set_enabled(c->retry, SD_EVENT_ONESHOT);
        }
        if (r < 0)
                (void) log_warning_errno(r, &(LogFields){ .topic = "lease" },
                                         "Cannot set a timer for that, so the devices of those "
                                         "stay until the next device is leased: %m");
}

static int watch(Clients *c) {
        int r;

        r = sd_bus_add_match_async(c->bus, &c->match, MATCH, on_departure, on_match, c);
        list_foreach(i, &c->list, Client, node)
                if (r >= 0)
                        r = client_ask(i);
        return r;
}

static int on_match(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        if (error)
                retry_later(userdata, error->message ?: error->name);
        return 0;
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        Clients *c = userdata;
        int r;

        if (c->match || list_is_empty(&c->list))
                return 0;
        r = watch(c);
        if (r < 0)
                retry_later(c, strerrordesc_np(-r));
        return 0;
}

static int client_new(Clients *c, const char *name) {
        Client *client = calloc(1, sizeof(*client));

        if (!client)
                return -ENOMEM;
        list_init(&client->node);
        client->clients = c;
        client->name = strdup(name);
        if (!client->name) {
                client_free(client);
                return -ENOMEM;
        }
        list_append(&c->list, &client->node);
        return c->match ? client_ask(client) : watch(c);
}

void clients_note(Clients *c, const Device *d) {
        const char *name = d->lease.client;
        int r;

        if (!name || d->lease.phase != LEASE_UNOPENED || find(c, name))
                return;
        /* from a file of an earlier daemon, and what is no name would be refused by the bus */
        if (sd_bus_service_name_is_valid(name) <= 0) {
                const LogFields f = { .topic = "lease", .device = UUID_STR(&d->uuid) };

                log_warning(&f, "Device %s is leased to a client whose name is none on a bus, so "
                            "it stays until it is removed.", UUID_STR(&d->uuid));
                return;
        }
        r = client_new(c, name);
        if (r < 0)
                retry_later(c, strerrordesc_np(-r));
}

bool clients_any_listens(const Clients *c) {
        return c->n_listen > 0;
}

int clients_listen(Clients *c, const char *name, uid_t uid) {
        Client *client = find(c, name);
        size_t n = 0;
        int r = 0;

        if (client && client->listens)
                return 0;
        list_foreach(i, &c->list, Client, node)
                n += i->listens && i->uid == uid;
        if (n >= CLIENTS_LISTEN_MAX)
                return -EUSERS;
        if (!client) {
                r = client_new(c, name);
                client = find(c, name);
                if (!client)
                        return r;
        }
        client->listens = true;
        client->uid = uid;
        c->n_listen++;
        if (r < 0)
                retry_later(c, strerrordesc_np(-r));
        return 0;
}

void clients_stop_listening(Clients *c, const char *name) {
        Client *client = find(c, name);

        if (!client || !client->listens)
                return;
        client->listens = false;
        c->n_listen--;
}

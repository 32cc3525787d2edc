/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * turns.c: a filter before all handlers takes every call out of the way and into its client's
 * queue; an event source that comes after reading gives one call at a time back to sd-bus, which
 * then passes the filter. Reading goes first so that everybody's calls are seen, but READ_AHEAD
 * calls at most for one that is answered, lest a client that never stops sending has nobody
 * answered.
 */
#include "bus/turns.h"

#include "bus/bus-error.h"
#include "util/clock.h"
#include "util/list.h"

#define READ_AHEAD 64
/* Calls answered, or begun, before others than clients have their turn. */
#define TOGETHER 8
#define TOGETHER_USEC 5000
#define PRIORITY_AFTER_READING (SD_EVENT_PRIORITY_NORMAL + 1)
#define PRIORITY_BEFORE_READING (SD_EVENT_PRIORITY_NORMAL - 1)

typedef struct Call Call;
typedef struct Client Client;

struct Call {
        List node; /* in client->calls */
        sd_bus_message *message;
};

/* Lives as long as it has calls. */
struct Client {
        List node; /* in turns->clients, the next to be served first */
        char *name;
        List calls;
        size_t n;
};

struct Turns {
        sd_bus *bus;
        sd_bus_slot *filter;
        sd_event_source *source;
        List clients;
        size_t n;       /* of all calls */
        size_t n_ahead; /* read since the last was given back */
        sd_bus_message *granted; /* the one that may pass */
};

static Client *client_free(Client *c) {
        if (!c)
                return NULL;
        list_unlink(&c->node);
        list_foreach_safe(call, &c->calls, Call, node) {
                list_unlink(&call->node);
                sd_bus_message_unref(call->message);
                free(call);
        }
        free(c->name);
        free(c);
        return NULL;
}
DEFINE_CLEANUP(Client *, client_free)

static Client *find_client(Turns *t, const char *name) {
        list_foreach(c, &t->clients, Client, node)
                if (streq(c->name, name))
                        return c;
        return NULL;
}

static int add_client(Turns *t, const char *name, Client **ret) {
        _cleanup_(client_freep) Client *c = NULL;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        list_init(&c->node);
        list_init(&c->calls);
        c->name = strdup(name);
        if (!c->name)
                return -ENOMEM;
        list_append(&t->clients, &c->node);
        *ret = TAKE_PTR(c);
        return 0;
}

static int add_call(Turns *t, Client *c, sd_bus_message *m) {
        Call *call = calloc(1, sizeof(*call));

        if (!call)
                return -ENOMEM;
        list_init(&call->node);
        call->message = sd_bus_message_ref(m);
        list_append(&c->calls, &call->node);
        c->n++;
        t->n++;
        return 0;
}

/* Takes the first call of the client whose turn it is. */
static sd_bus_message *take_call(Turns *t) {
        Client *c = list_first(&t->clients, Client, node);
        Call *call = list_first(&c->calls, Call, node);
        sd_bus_message *m = call->message;

        list_unlink(&call->node);
        free(call);
        c->n--;
        t->n--;
        list_unlink(&c->node);
        if (c->n > 0)
                list_append(&t->clients, &c->node);
        else
                client_free(c);
        return m;
}

/* Lets the next turn come after what there is to read, or before it. */
static int schedule(Turns *t) {
        int r;

        r = sd_event_source_set_priority(t->source, t->n_ahead < READ_AHEAD ?
                                                            PRIORITY_AFTER_READING :
                                                            PRIORITY_BEFORE_READING);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(t->source, t->n > 0 && !t->granted ? SD_EVENT_ONESHOT :
                                                                                SD_EVENT_OFF);
}

/* The next one passes, and its handler has run when we come back. */
static int grant(Turns *t) {
        int r;

        t->granted = take_call(t);
        t->n_ahead = 0;
        r = sd_bus_enqueue_for_read(t->bus, t->granted);
        if (r < 0) {
                (void) sd_bus_reply_method_errno(t->granted, r, NULL);
                t->granted = sd_bus_message_unref(t->granted);
                (void) schedule(t);
                return 0;
        }
        /* now, and not in a turn of the loop of its own with a timer that makes it come */
        while (t->granted && sd_bus_process(t->bus, NULL) > 0)
                ;
        return 0;
}

/* A few at a time, each in its client's turn: what they begin is looked at together. */
static int on_turn(sd_event_source *s, void *userdata) {
        const uint64_t until = clock_usec(CLOCK_MONOTONIC) + TOGETHER_USEC;
        Turns *t = userdata;

        for (size_t i = 0; i < TOGETHER && t->n > 0 && !t->granted; i++) {
                int r = grant(t);

                if (r < 0)
                        return r;
                if (clock_usec(CLOCK_MONOTONIC) > until)
                        break;
        }
        return 0;
}

/* Positive: refused, also when the reply says 0 since none is wanted. */
static int refuse(Turns *t, Client *c, sd_bus_message *m) {
        int r;

        if (!c || (c->n < TURNS_PER_CLIENT_MAX && t->n < TURNS_MAX))
                return 0;
        if (c->n >= TURNS_PER_CLIENT_MAX)
                r = sd_bus_reply_method_errorf(m, BUS_ERROR_LIMIT,
                                               "%zu calls of %s wait for their turn already; wait "
                                               "for some answers first.", c->n, c->name);
        else
                r = sd_bus_reply_method_errorf(m, BUS_ERROR_LIMIT,
                                               "%zu calls wait for their turn already; send one "
                                               "after the other.", t->n);
        return r < 0 ? r : 1;
}

/* Positive: the message goes no further now. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name = sd_bus_message_get_sender(m);
        Turns *t = userdata;
        Client *c;
        int r;

        if (m == t->granted) {
                t->granted = sd_bus_message_unref(t->granted);
                (void) schedule(t);
                return 0;
        }
        if (!sd_bus_message_is_method_call(m, NULL, NULL) || !name)
                return 0;

        c = find_client(t, name);
        r = refuse(t, c, m);
        if (r == 0 && !c)
                r = add_client(t, name, &c);
        if (r != 0)
                return r;
        r = add_call(t, c, m);
        if (r < 0) {
                if (c->n == 0)
                        client_free(c);
                return r;
        }
        t->n_ahead++;
        r = schedule(t);
        return r < 0 ? r : 1;
}

int turns_new(Turns **ret, sd_bus *bus, sd_event *event) {
        _cleanup_(turns_freep) Turns *t = NULL;
        int r;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        list_init(&t->clients);
        t->bus = sd_bus_ref(bus);
        r = sd_event_add_defer(event, &t->source, on_turn, t);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(t->source, "bus-turns");
        r = schedule(t);
        if (r < 0)
                return r;
        r = sd_bus_add_filter(bus, &t->filter, on_message, t);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

Turns *turns_free(Turns *t) {
        if (!t)
                return NULL;
        sd_bus_slot_unref(t->filter);
        sd_event_source_disable_unref(t->source);
        sd_bus_message_unref(t->granted);
        while (t->n > 0) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = take_call(t);

                (void) sd_bus_reply_method_errorf(m, BUS_ERROR_STOPPING,
                                                  "mdevd is being stopped; call again when it is "
                                                  "back.");
        }
        sd_bus_unref(t->bus);
        free(t);
        return NULL;
}

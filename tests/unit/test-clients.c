/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-clients.c: who a device is leased to is watched on a bus that refuses what it is asked for,
 * and takes it later. The bus is the other end of a socket; the pause of 10 s is 10 ms here.
 */
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "bus/clients.h"
#include "fixture.h"
#include "short-timers.h"

#define LEASED_TO ":1.77"

typedef struct BusDaemon BusDaemon;

struct BusDaemon {
        sd_bus *bus;    /* its end */
        sd_bus *client; /* ours */
        unsigned refuse_matches, refuse_questions; /* so many of those to come */
        unsigned n_matches, n_questions;           /* that came */
        bool there; /* the client that is asked about */
};

static int reply_limit(sd_bus_message *m) {
        return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_LIMITS_EXCEEDED, "Too many.");
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        BusDaemon *d = userdata;

        if (sd_bus_message_is_method_call(m, NULL, "Hello"))
                return sd_bus_reply_method_return(m, "s", ":1.1");
        if (sd_bus_message_is_method_call(m, NULL, "AddMatch")) {
                d->n_matches++;
                if (d->refuse_matches == 0)
                        return sd_bus_reply_method_return(m, "");
                d->refuse_matches--;
                return reply_limit(m);
        }
        if (sd_bus_message_is_method_call(m, NULL, "NameHasOwner")) {
                d->n_questions++;
                if (d->refuse_questions == 0)
                        return sd_bus_reply_method_return(m, "b", (int) d->there);
                d->refuse_questions--;
                return reply_limit(m);
        }
        return sd_bus_reply_method_return(m, ""); /* RemoveMatch */
}

static void bus_begin(BusDaemon *d, sd_event *event) {
        sd_id128_t id = {};
        int pair[2];

        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        ASSERT_OK(sd_bus_new(&d->bus));
        ASSERT_OK(sd_bus_set_fd(d->bus, pair[0], pair[0]));
        ASSERT_OK(sd_bus_set_server(d->bus, 1, id));
        ASSERT_OK(sd_bus_set_anonymous(d->bus, 1));
        ASSERT_TRUE(sd_bus_add_filter(d->bus, NULL, on_call, d) >= 0);
        ASSERT_TRUE(sd_bus_start(d->bus) >= 0);
        ASSERT_TRUE(sd_bus_attach_event(d->bus, event, 0) >= 0);
        ASSERT_OK(sd_bus_new(&d->client));
        ASSERT_OK(sd_bus_set_fd(d->client, pair[1], pair[1]));
        ASSERT_OK(sd_bus_set_bus_client(d->client, 1));
        ASSERT_TRUE(sd_bus_start(d->client) >= 0);
        ASSERT_TRUE(sd_bus_attach_event(d->client, event, 0) >= 0);
}

static void bus_done(BusDaemon *d) {
        sd_bus_close_unref(d->client);
        sd_bus_close_unref(d->bus);
}

static const Device *lease_out(Fixture *f) {
        _cleanup_(reason_done) Reason reason = {};
        Request *q = new_request(P1, "vendor-1", U1, "vm1");
        Operation *op;

        q->lease = LEASE_CLIENT;
        ASSERT_EQ(manager_create(f->manager, q, LEASED_TO, &op, &reason), 0);
        wait_for(f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        return find_device(f, U1);
}

/* He has left; that is found out whatever the bus refuses at first. */
static void try_bus(BusDaemon *d) {
        Clients *clients;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fixture_start(&f);
        bus_begin(d, f.event);
        ASSERT_OK(clients_new(&clients, d->client, f.manager));
        clients_note(clients, lease_out(&f));
        RUN_UNTIL(&f, !find_device(&f, U1));
        clients_free(clients);
        bus_done(d);
}

TEST(nothing_is_refused) {
        BusDaemon d = {};

        try_bus(&d);
        ASSERT_EQ(d.n_matches, 1);
        ASSERT_EQ(d.n_questions, 1);
}

/* No answer is no word of whether he is there. */
TEST(the_question_is_refused) {
        BusDaemon d = { .refuse_questions = 1 };

        try_bus(&d);
        ASSERT_EQ(d.n_questions, 2);
}

/* Without a match nobody would tell of his departure. */
TEST(the_match_is_refused) {
        BusDaemon d = { .refuse_matches = 1, .refuse_questions = 1 };

        try_bus(&d);
        ASSERT_EQ(d.n_matches, 2);
        ASSERT_EQ(d.n_questions, 2);
}

/* Who is there keeps it, and is watched by the match that was taken in the end. */
TEST(he_is_there) {
        BusDaemon d = { .refuse_matches = 1, .there = true };
        Clients *clients;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fixture_start(&f);
        bus_begin(&d, f.event);
        ASSERT_OK(clients_new(&clients, d.client, f.manager));
        clients_note(clients, lease_out(&f));
        RUN_UNTIL(&f, d.n_matches == 2 && d.n_questions == 2);
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
        clients_free(clients);
        bus_done(&d);
}

WORKER_TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-limits.c: a client that wants too much gets an error, and the others what they asked for. */
#include <signal.h>

#include "polkit.h"

#define CREATE MANAGER, "CreateDevice", "ssa{sv}"
#define CALLS_PER_UID 256  /* BUS_CALLS_PER_UID_MAX */
#define TURNS_PER_CLIENT 1024 /* TURNS_PER_CLIENT_MAX */
#define FLOOD 5000
#define FLOODS_MAX 30
#define STRANGERS 200

static Reply many[CALLS_PER_UID];

TEST(calls_of_one_user_have_a_limit) {
        const char *path, *uuid;
        Polkit polkit;
        sd_bus *nobody;
        Reply r = {};
        Fixture f;
        int gate;

        fixture_init(&f);
        ASSERT_OK(fake_kernel_add_parent(f.tree.path, PARENT, TYPE, 1000));
        gate_make(&f, "gate-create-" PARENT);
        polkit_init(&polkit, &f);
        polkit.mode = POLKIT_YES;
        fixture_start(&f);
        nobody = fixture_connect(&f, NOBODY);
        for (size_t i = 0; i < ARRAY_SIZE(many); i++)
                call_begin(f.client, &many[i], CREATE, PARENT, TYPE, 0);
        gate = gate_hold(&f, "gate-create-" PARENT);
        CALL_ERROR(&f, f.client, "LimitExceeded", "256", CREATE, PARENT, TYPE, 0);
        CALL_ERROR(&f, f.watcher, "LimitExceeded", "256", MANAGER, "CreateDeviceAsync", "ssa{sv}",
                   OTHER, TYPE, 0);
        /* reading is not counted, and neither are other users */
        CALL(&f, f.client, &r, MANAGER, "Describe", "");
        reply_done(&r);
        CALL(&f, nobody, &r, CREATE, OTHER, TYPE, 0);
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &path, &uuid) > 0);
        /* who asks who has a device open has a worker read all of /proc */
        CALL_ERROR(&f, f.client, "LimitExceeded", "256", path, MDEVD_IFACE_DEVICE, "GetHolders",
                   "");
        reply_done(&r);

        gate_release(&f, "gate-create-" PARENT, gate);
        for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
                call_wait(&f, &many[i]);
                ASSERT_REPLY(&many[i]);
                reply_done(&many[i]);
        }
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 0);
        reply_done(&r);
        sd_bus_flush_close_unref(nobody);
        polkit_done(&polkit);
        fixture_done(&f);
}

TEST(async_calls_count_until_their_operation_ends) {
        Reply r = {};
        Fixture f;
        int gate;

        fixture_init(&f);
        ASSERT_OK(fake_kernel_add_parent(f.tree.path, PARENT, TYPE, 1000));
        gate_make(&f, "gate-create-" PARENT);
        fixture_start(&f);
        for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
                CALL(&f, f.client, &r, MANAGER, "CreateDeviceAsync", "ssa{sv}", PARENT, TYPE, 0);
                reply_done(&r);
        }
        gate = gate_hold(&f, "gate-create-" PARENT);
        CALL_ERROR(&f, f.client, "LimitExceeded", "256", CREATE, OTHER, TYPE, 0);
        gate_release(&f, "gate-create-" PARENT, gate);
        fixture_done(&f);
}

static unsigned n_good, n_refused;
static uint64_t last_cookie; /* of the answers: the daemon numbers what it sends */

static int on_flood_reply(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const sd_bus_error *error = sd_bus_message_get_error(m);
        uint64_t cookie;

        ASSERT_TRUE(sd_bus_message_get_cookie(m, &cookie) >= 0);
        last_cookie = MAX(last_cookie, cookie);
        if (error)
                ASSERT_STREQ(error->name, MDEVD_ERROR_PREFIX "LimitExceeded");
        n_good += !error;
        n_refused += !!error;
        return 0;
}

/* Sends so many costly calls at once, all of them are with the bus when it returns. */
static void flood(sd_bus *bus, size_t n) {
        n_good = n_refused = 0;
        last_cookie = 0;
        for (size_t i = 0; i < n; i++)
                ASSERT_TRUE(sd_bus_call_method_async(
                                    bus, NULL, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                    "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                                    on_flood_reply, NULL, NULL) >= 0);
        ASSERT_TRUE(sd_bus_flush(bus) >= 0);
}

static bool all_answered(void *userdata) {
        return n_good + n_refused == *(const size_t *) userdata;
}

/*
 * While the daemon is stopped, what is sent is with it all at once when it goes on: how fast it is,
 * and how busy the machine, plays no part. The bus has passed on all that came before a Ping.
 */
static void daemon_stop(const Fixture *f) {
        ASSERT_OK(kill(f->daemon_pid, SIGSTOP));
}

static void daemon_go_on(const Fixture *f, sd_bus *sender) {
        ASSERT_TRUE(sd_bus_call_method(sender, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL) >= 0);
        ASSERT_OK(kill(f->daemon_pid, SIGCONT));
}

TEST(a_user_who_hammers_reads_keeps_nobody_from_an_answer) {
        size_t n = TURNS_PER_CLIENT;
        sd_bus *nobody, *fresh;
        uint64_t cookie;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        nobody = fixture_connect(&f, NOBODY);
        /* a client that the daemon has never heard of: it must ask the bus who that is */
        fresh = fixture_connect(&f, 0);
        daemon_stop(&f);
        flood(nobody, n);
        ASSERT_TRUE(sd_bus_call_method(nobody, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL) >= 0);
        call_begin(fresh, &r, MANAGER, "GetParent", "s", PARENT);
        daemon_go_on(&f, fresh);
        call_wait(&f, &r);
        ASSERT_REPLY(&r);
        ASSERT_TRUE(sd_bus_message_get_cookie(r.m, &cookie) >= 0);
        reply_done(&r);
        fixture_wait(&f, all_answered, &n, "the answers to the flood");
        ASSERT_EQ(n_good, n);
        /* in the order of their arrival, all of the flood would have been answered before it */
        ASSERT_TRUE(cookie < last_cookie);

        /* nor does it keep a create, which takes a worker, from its answer */
        daemon_stop(&f);
        flood(nobody, n);
        call_begin(fresh, &r, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        daemon_go_on(&f, fresh);
        call_wait(&f, &r);
        ASSERT_REPLY(&r);
        reply_done(&r);
        fixture_wait(&f, all_answered, &n, "the answers to the second flood");
        ASSERT_EQ(n_good, n);
        sd_bus_flush_close_unref(nobody);
        sd_bus_flush_close_unref(fresh);
        fixture_done(&f);
}

TEST(a_flood_is_refused_and_every_call_answered_once) {
        size_t n = FLOOD;
        Reply r = {};
        sd_bus *nobody;
        Fixture f;

        n_refused = 0;
        fixture_init(&f);
        fixture_start(&f);
        nobody = fixture_connect(&f, NOBODY);
        /*
         * The socket holds some hundred calls; the rest comes when the bus has its turn on the
         * processor, and where that is late the daemon has answered meanwhile. So: more than one.
         */
        for (size_t i = 0; i < FLOODS_MAX && n_refused == 0; i++) {
                daemon_stop(&f);
                flood(nobody, n);
                daemon_go_on(&f, nobody);
                if (i == 0) {
                        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
                        reply_done(&r);
                }
                fixture_wait(&f, all_answered, &n, "the answers to the flood");
        }
        ASSERT_TRUE(n_refused > 0);
        ASSERT_TRUE(n_good >= TURNS_PER_CLIENT);
        /* and it is forgiven */
        CALL(&f, nobody, &r, MANAGER, "GetParent", "s", PARENT);
        reply_done(&r);
        sd_bus_flush_close_unref(nobody);
        fixture_done(&f);
}

/* They would be ours for as long as the call waits for its turn. */
TEST(file_descriptors_do_not_come_in) {
        sd_bus *nobody;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        nobody = fixture_connect(&f, NOBODY);
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_NOT_SUPPORTED, "", MANAGER, "GetParent", "h",
                   STDIN_FILENO);
        CALL(&f, nobody, &r, MANAGER, "GetParent", "s", PARENT);
        reply_done(&r);
        sd_bus_flush_close_unref(nobody);
        fixture_done(&f);
}

static void send_unanswered(sd_bus *bus, const char *path, const char *iface, const char *member,
                            const char *types, const char *a, const char *b) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        ASSERT_TRUE(sd_bus_message_new_method_call(bus, &m, MDEVD_BUS_NAME, path, iface, member) >=
                    0);
        if (types)
                ASSERT_TRUE(sd_bus_message_append(m, types, a, b, "s", "notice") >= 0);
        ASSERT_TRUE(sd_bus_message_set_expect_reply(m, 0) >= 0);
        ASSERT_TRUE(sd_bus_send(bus, m, NULL) >= 0);
}

/*
 * The level of the log after a flood of calls whose last would set it; it is the caller's to free.
 */
static char *level_after_flood(Fixture *f, sd_bus *bus, const char *path, const char *iface) {
        const sd_bus_error *error;
        bool waits = true;

        daemon_stop(f);
        for (size_t i = 0; i < FLOOD; i++)
                send_unanswered(bus, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager",
                                "GetManagedObjects", NULL, NULL, NULL);
        send_unanswered(bus, path, "org.freedesktop.DBus.Properties", "Set", "ssv", iface,
                        "LogLevel");
        ASSERT_TRUE(sd_bus_flush(bus) >= 0);
        daemon_go_on(f, bus);
        /* taken at last, and answered after all that were taken before */
        while (waits) {
                Reply r = {};

                call_begin(bus, &r, MANAGER, "GetParent", "s", PARENT);
                call_wait(f, &r);
                error = sd_bus_message_get_error(r.m);
                waits = error;
                if (error)
                        ASSERT_STREQ(error->name, MDEVD_ERROR_PREFIX "LimitExceeded");
                reply_done(&r);
        }
        return get_property(f, path, iface, "LogLevel");
}

/*
 * Who asks for no answers fills the daemon's memory as well as others: the last call is not taken.
 */
TEST(a_flood_that_wants_no_answers_is_refused) {
        const char *path = "/org/freedesktop/LogControl1", *iface = "org.freedesktop.LogControl1";
        char *before, *after;
        sd_bus *bus;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        before = get_property(&f, path, iface, "LogLevel");
        ASSERT_TRUE(strcmp(before, "notice") != 0);
        bus = fixture_connect(&f, 0);
        after = level_after_flood(&f, bus, path, iface);
        /* as above, a flood may come so slowly that all of it is taken */
        for (size_t i = 1; i < FLOODS_MAX && strcmp(after, before) != 0; i++) {
                ASSERT_TRUE(sd_bus_set_property(bus, MDEVD_BUS_NAME, path, iface, "LogLevel", NULL,
                                                "s", before) >= 0);
                free(after);
                after = level_after_flood(&f, bus, path, iface);
        }
        ASSERT_STREQ(after, before);
        free(before);
        free(after);
        sd_bus_flush_close_unref(bus);
        fixture_done(&f);
}

TEST(many_strangers_are_told_apart) {
        sd_bus *strangers[STRANGERS];
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        for (size_t i = 0; i < STRANGERS; i++)
                strangers[i] = fixture_connect(&f, i % 2 ? NOBODY : 0);
        for (size_t i = 0; i < STRANGERS; i++) {
                if (i % 2)
                        CALL_ERROR(&f, strangers[i], SD_BUS_ERROR_ACCESS_DENIED, "", MANAGER,
                                   "Reload", "");
                else {
                        CALL(&f, strangers[i], &r, MANAGER, "Reload", "");
                        reply_done(&r);
                }
        }
        for (size_t i = 0; i < STRANGERS; i++)
                sd_bus_flush_close_unref(strangers[i]);
        fixture_done(&f);
}

/*
 * A plan of a thousand devices takes long, and nobody needs a right to ask for one: of many calls
 * at once the first has its answer, and of the others none but what comes much later. Root is not
 * kept from it.
 */
TEST(who_asks_for_costly_plans_again_and_again) {
        Reply plans[20] = {};
        unsigned n_planned = 0;
        sd_bus *nobody;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        tree_write(&f.tree, "etc/mdevd/mdevd.json",
                   "{ \"profiles\": { \"p\": { \"devices\": [ { \"type\": \"" TYPE "\","
                   " \"count\": 1024 } ] } } }");
        fixture_start(&f);
        nobody = fixture_connect(&f, NOBODY);
        daemon_stop(&f);
        for (size_t i = 0; i < ARRAY_SIZE(plans); i++)
                call_begin(nobody, &plans[i], MANAGER, "PlanProfile", "sa{sv}", "p", 0);
        daemon_go_on(&f, nobody);
        for (size_t i = 0; i < ARRAY_SIZE(plans); i++) {
                call_wait(&f, &plans[i]);
                if (sd_bus_message_get_error(plans[i].m))
                        ASSERT_STREQ(sd_bus_message_get_error(plans[i].m)->name,
                                     MDEVD_ERROR_PREFIX "LimitExceeded");
                else
                        n_planned++;
                reply_done(&plans[i]);
        }
        /* which of them, that is who was looked at first */
        ASSERT_TRUE(n_planned > 0 && n_planned < ARRAY_SIZE(plans) / 2);
        CALL(&f, f.client, &r, MANAGER, "PlanProfile", "sa{sv}", "p", 0);
        reply_done(&r);
        sd_bus_flush_close_unref(nobody);
        fixture_done(&f);
}

TESTS_MAIN

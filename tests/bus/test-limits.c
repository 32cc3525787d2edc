/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-limits.c: a client that wants too much gets an error, and the others what they asked for. */
#include "polkit.h"

#define CREATE MANAGER, "CreateDevice", "ssa{sv}"
#define CALLS_PER_UID 256  /* BUS_CALLS_PER_UID_MAX */
#define TURNS_PER_CLIENT 1024 /* TURNS_PER_CLIENT_MAX */
#define FLOOD 5000
#define STRANGERS 200

static Reply many[CALLS_PER_UID];

TEST(calls_of_one_user_have_a_limit) {
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

static int on_flood_reply(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const sd_bus_error *error = sd_bus_message_get_error(m);

        if (error)
                ASSERT_STREQ(error->name, MDEVD_ERROR_PREFIX "LimitExceeded");
        n_good += !error;
        n_refused += !!error;
        return 0;
}

/* Sends so many costly calls at once, all of them are with the bus when it returns. */
static void flood(sd_bus *bus, size_t n) {
        n_good = n_refused = 0;
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

/* What the bus has for this client by now is here when the bus has answered a call. */
static void catch_up(sd_bus *bus) {
        ASSERT_TRUE(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL) >= 0);
        while (sd_bus_process(bus, NULL) > 0)
                ;
}

TEST(a_user_who_hammers_reads_keeps_no_create_from_its_answer) {
        size_t n = TURNS_PER_CLIENT;
        Reply r = {};
        sd_bus *nobody, *fresh;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        nobody = fixture_connect(&f, NOBODY);
        ASSERT_TRUE(sd_bus_detach_event(nobody) >= 0);
        flood(nobody, n);
        /* a client that the daemon has never heard of: it must ask the bus who that is */
        fresh = fixture_connect(&f, 0);
        CALL(&f, fresh, &r, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        reply_done(&r);
        /* in the order of their arrival, all of the flood would have come before it */
        catch_up(nobody);
        ASSERT_TRUE(n_good < n);
        ASSERT_EQ(n_refused, 0);

        ASSERT_TRUE(sd_bus_attach_event(nobody, f.event, 0) >= 0);
        fixture_wait(&f, all_answered, &n, "the answers to the flood");
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

        fixture_init(&f);
        fixture_start(&f);
        nobody = fixture_connect(&f, NOBODY);
        flood(nobody, n);
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        reply_done(&r);
        fixture_wait(&f, all_answered, &n, "the answers to the flood");
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

/* Who asks for no answers fills the daemon's memory as well as others: the last call is not taken. */
TEST(a_flood_that_wants_no_answers_is_refused) {
        const char *path = "/org/freedesktop/LogControl1", *iface = "org.freedesktop.LogControl1";
        const sd_bus_error *error;
        bool waits = true;
        char *before, *after;
        sd_bus *bus;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        before = get_property(&f, path, iface, "LogLevel");
        ASSERT_TRUE(strcmp(before, "notice") != 0);
        bus = fixture_connect(&f, 0);
        for (size_t i = 0; i < FLOOD; i++)
                send_unanswered(bus, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager",
                                "GetManagedObjects", NULL, NULL, NULL);
        send_unanswered(bus, path, "org.freedesktop.DBus.Properties", "Set", "ssv", iface,
                        "LogLevel");
        ASSERT_TRUE(sd_bus_flush(bus) >= 0);
        /* taken at last, and answered after all that were taken before */
        while (waits) {
                Reply r = {};

                call_begin(bus, &r, MANAGER, "GetParent", "s", PARENT);
                call_wait(&f, &r);
                error = sd_bus_message_get_error(r.m);
                waits = error;
                if (error)
                        ASSERT_STREQ(error->name, MDEVD_ERROR_PREFIX "LimitExceeded");
                reply_done(&r);
        }
        after = get_property(&f, path, iface, "LogLevel");
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

TESTS_MAIN

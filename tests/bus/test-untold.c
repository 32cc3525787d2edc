/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-untold.c: of which operations signals tell. */
#include "fixture.h"
#include "util/clock.h"

#define CREATE MANAGER, "CreateDevice", "ssa{sv}"
#define OPERATION "/org/mdevd1/operation/"
#define LISTENERS_MAX 16
#define TOLD_USEC 1000000 /* what takes longer is told */

/* Whatever the daemon said before has arrived then. */
static void drain(Fixture *f) {
        Reply r = {};

        CALL(f, f->watcher, &r, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.Peer", "Ping", "");
        reply_done(&r);
}

static size_t count_told(Fixture *f) {
        drain(f);
        return f->signals ? count_lines(f->signals, OPERATION) : 0;
}

static void make(Fixture *f, const char *uuid) {
        free(create_device(f, PARENT, uuid, ""));
}

/* On a slow machine it may take so long that it is told, and then that is right. */
static void make_untold(Fixture *f) {
        static unsigned n;

        for (unsigned tries = 0; tries < 5; tries++) {
                uint64_t before = clock_usec(CLOCK_MONOTONIC);
                char uuid[37];
                size_t told;

                forget_signals(f);
                (void) snprintf(uuid, sizeof(uuid), "22222222-2222-3333-4444-%012x", n++);
                make(f, uuid);
                told = count_told(f);
                if (told == 0)
                        return;
                if (clock_usec(CLOCK_MONOTONIC) - before < TOLD_USEC)
                        test_fail(__FILE__, __LINE__, "%zu signals tell of it", told);
        }
}

static void call(Fixture *f, sd_bus *bus, const char *method) {
        Reply r = {};

        CALL(f, bus, &r, MANAGER, method, "");
        reply_done(&r);
}

TEST(one_that_succeeds_at_once_is_told_to_who_wants_it) {
        sd_bus *other;
        Fixture f;

        fixture_init(&f);
        ASSERT_OK(fake_kernel_add_parent(f.tree.path, PARENT, TYPE, 100));
        fixture_start(&f);
        make_untold(&f);

        call(&f, f.client, "Subscribe");
        call(&f, f.client, "Subscribe"); /* once is enough, and taken back at once */
        forget_signals(&f);
        make(&f, UUID2);
        wait_signal(&f, "InterfacesAdded " OPERATION);
        ASSERT_EQ(count_lines(f.signals, "InterfacesAdded " OPERATION), 1);

        other = fixture_connect(&f, NOBODY);
        call(&f, other, "Subscribe");
        call(&f, f.client, "Unsubscribe");
        call(&f, f.client, "Unsubscribe");
        forget_signals(&f);
        make(&f, UUID3);
        wait_signal(&f, "InterfacesAdded " OPERATION);

        call(&f, other, "Unsubscribe");
        drain(&f);
        make_untold(&f);
        sd_bus_flush_close_unref(other);
        fixture_done(&f);
}

static void wait_left(Fixture *f, const char *name) {
        for (int there = true; there;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

                ASSERT_TRUE(sd_bus_call_method(f->client, "org.freedesktop.DBus",
                                               "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                               "NameHasOwner", NULL, &m, "s", name) >= 0);
                ASSERT_TRUE(sd_bus_message_read(m, "b", &there) > 0);
        }
}

TEST(who_has_left_wants_nothing) {
        _cleanup_(freep) char *name = NULL;
        const char *unique;
        sd_bus *other;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        other = fixture_connect(&f, NOBODY);
        call(&f, other, "Subscribe");
        ASSERT_OK(sd_bus_get_unique_name(other, &unique));
        name = strdup(unique);
        sd_bus_flush_close_unref(other);
        wait_left(&f, name);
        make_untold(&f);
        fixture_done(&f);
}

TEST(one_that_fails_is_told) {
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        write_fake(&f, "errno-create-" PARENT, "5");
        CALL_ERROR(&f, f.client, "Failed", UUID1, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        wait_signal(&f, "InterfacesAdded " OPERATION);
        ASSERT_EQ(count_told(&f), 1);
        fixture_done(&f);
}

/* Starts the daemon, and a create that stands still until let_go(). */
static int begin_held(Fixture *f, Reply *r) {
        gate_make(f, "gate-create-" PARENT);
        fixture_start(f);
        call_begin(f->client, r, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        return gate_hold(f, "gate-create-" PARENT);
}

static void let_go(Fixture *f, int fd, Reply *r) {
        gate_release(f, "gate-create-" PARENT, fd);
        call_wait(f, r);
        ASSERT_REPLY(r);
}

TEST(one_that_takes_long_is_told_and_its_end) {
        Reply r = {};
        Fixture f;
        int fd;

        fixture_init(&f);
        fd = begin_held(&f, &r);
        wait_signal(&f, "InterfacesAdded " OPERATION);
        let_go(&f, fd, &r);
        reply_done(&r);
        wait_signal(&f, "PropertiesChanged " OPERATION);
        ASSERT_EQ(count_lines(f.signals, "InterfacesAdded " OPERATION), 1);
        fixture_done(&f);
}

TEST(one_that_is_under_way_is_told_to_who_comes) {
        Reply r = {};
        Fixture f;
        int fd;

        fixture_init(&f);
        fd = begin_held(&f, &r);
        call(&f, f.watcher, "Subscribe");
        wait_signal(&f, "InterfacesAdded " OPERATION);
        ASSERT_EQ(count_told(&f), 1);
        let_go(&f, fd, &r);
        reply_done(&r);
        wait_signal(&f, "PropertiesChanged " OPERATION);
        fixture_done(&f);
}

/*
 * Whoever has seen it run hears of its end, however he saw it. If it ends before the signal that
 * it is there has gone, that one tells of the end as well; so it is awaited.
 */
static void see(const char *path, const char *iface, const char *method) {
        Reply r = {}, seen = {};
        Fixture f;
        int fd;

        fixture_init_for(&f, method);
        fd = begin_held(&f, &r);
        CALL(&f, f.watcher, &seen, path, iface, method, "");
        wait_signal(&f, "InterfacesAdded " OPERATION);
        let_go(&f, fd, &r);
        wait_signal(&f, "PropertiesChanged " OPERATION);
        reply_done(&r);
        reply_done(&seen);
        fixture_done(&f);
}

TEST(one_that_was_seen_is_told) {
        see(MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
        see(MANAGER, "Describe");
        see(OPERATION "1", "org.freedesktop.DBus.Introspectable", "Introspect");
}

TEST(a_user_has_so_many_subscribers) {
        sd_bus *many[LISTENERS_MAX + 1];
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        for (size_t i = 0; i < ARRAY_SIZE(many); i++)
                many[i] = fixture_connect(&f, NOBODY);
        for (size_t i = 0; i < LISTENERS_MAX; i++)
                call(&f, many[i], "Subscribe");
        call(&f, many[0], "Subscribe");
        CALL_ERROR(&f, many[LISTENERS_MAX], "LimitExceeded", "16 clients", MANAGER, "Subscribe",
                   "");
        call(&f, f.client, "Subscribe"); /* another user */
        call(&f, many[3], "Unsubscribe");
        call(&f, many[LISTENERS_MAX], "Subscribe");
        for (size_t i = 0; i < ARRAY_SIZE(many); i++)
                sd_bus_flush_close_unref(many[i]);
        fixture_done(&f);
}

TESTS_MAIN

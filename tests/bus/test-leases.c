/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-leases.c: devices that go with the client that made them, and what is no lease. */
#include "fixture.h"

#define CREATE MANAGER, "CreateDevice", "ssa{sv}"

static bool is_gone(void *userdata) {
        return !file_exists(userdata, "sys/bus/mdev/devices/" UUID1);
}

static char *lease_out(Fixture *f, sd_bus *client, const char *uuid, const char *lease) {
        const char *path, *got;
        Reply r = {};
        char *ret;

        CALL(f, client, &r, CREATE, PARENT, TYPE, 2, "uuid", "s", uuid, "lease", "s", lease);
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &path, &got) > 0);
        ret = strdup(path);
        reply_done(&r);
        return ret;
}

static void expect(Fixture *f, const char *path, const char *name, const char *value) {
        _cleanup_(freep) char *got = get_property(f, path, MDEVD_IFACE_DEVICE, name);

        ASSERT_STREQ(got, value);
}

TEST(it_goes_with_its_client) {
        _cleanup_(freep) char *mine = NULL, *others = NULL, *none = NULL;
        sd_bus *leaver;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        leaver = fixture_connect(&f, 0);
        mine = lease_out(&f, leaver, UUID1, "client");
        others = lease_out(&f, f.client, UUID2, "client");
        none = lease_out(&f, leaver, UUID3, "none");
        expect(&f, mine, "Lease", "client");
        expect(&f, mine, "LeaseUntil", "0");
        expect(&f, mine, "Linger", "30");
        expect(&f, none, "Lease", "none");
        leaver = sd_bus_flush_close_unref(leaver);
        fixture_wait(&f, is_gone, &f, "the end of the lease");
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID2));
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID3));
        fixture_done(&f);
}

#define DEVICE1                                                                                    \
        "/org/mdevd1/device/_30000_3a00_3a05_2e0/"                                                 \
        "_311111111_2d2222_2d3333_2d4444_2d555555555501"

/* Begins a lease; its worker is at the kernel then. */
static int begin_lease(Fixture *f, sd_bus *client, Reply *r) {
        gate_make(f, "gate-create-" PARENT);
        call_begin(client, r, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1, "lease", "s", "client");
        return gate_hold(f, "gate-create-" PARENT);
}

/* It was made, and has gone. A daemon that was busy for both tells of neither. */
static void await_end(Fixture *f) {
        const char *text;

        for (bool ended = false; !ended;) {
                Reply r = {};

                CALL(f, f->client, &r, MANAGER, "Describe", "");
                ASSERT_TRUE(sd_bus_message_read(r.m, "s", &text) > 0);
                ended = strstr(text, "\"kind\":\"stop\",\"state\":\"done\"");
                reply_done(&r);
        }
        ASSERT_TRUE(is_gone(f));
        ASSERT_FALSE(file_exists(f, MDEVD_PATH_DEVICES "/" UUID1));
}

/* He does not wait for its answer: it is made, and goes at once. */
TEST(he_leaves_while_it_is_made) {
        sd_bus *leaver;
        Reply r = {};
        Fixture f;
        int fd;

        fixture_init(&f);
        fixture_start(&f);
        leaver = fixture_connect(&f, 0);
        fd = begin_lease(&f, leaver, &r);
        reply_done(&r);
        leaver = sd_bus_flush_close_unref(leaver);
        gate_release(&f, "gate-create-" PARENT, fd);
        await_end(&f);
        CALL(&f, f.watcher, &r, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.Peer", "Ping", "");
        reply_done(&r);
        ASSERT_TRUE(count_lines(f.signals, "InterfacesAdded " DEVICE1) <= 1);
        ASSERT_EQ(count_lines(f.signals, "InterfacesRemoved " DEVICE1),
                  count_lines(f.signals, "InterfacesAdded " DEVICE1));
        fixture_done(&f);
}

/* Nor does the daemon that heard him: the next one finds the worker, and nobody whose it is. */
TEST(he_and_the_daemon_leave_while_it_is_made) {
        sd_bus *leaver;
        Reply r = {};
        Fixture f;
        int fd;

        fixture_init(&f);
        fixture_start(&f);
        leaver = fixture_connect(&f, 0);
        fd = begin_lease(&f, leaver, &r);
        (void) fixture_end(&f, SIGKILL);
        reply_done(&r);
        leaver = sd_bus_flush_close_unref(leaver);
        fixture_start(&f);
        forget_signals(&f);
        gate_release(&f, "gate-create-" PARENT, fd);
        await_end(&f);
        fixture_done(&f);
}

/* He left while no daemon was there to hear of it. */
TEST(he_leaves_while_the_daemon_is_away) {
        _cleanup_(freep) char *mine = NULL, *others = NULL;
        sd_bus *leaver;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        leaver = fixture_connect(&f, 0);
        mine = lease_out(&f, leaver, UUID1, "client");
        others = lease_out(&f, f.client, UUID2, "client");
        (void) fixture_end(&f, SIGKILL);
        leaver = sd_bus_flush_close_unref(leaver);
        fixture_start(&f);
        fixture_wait(&f, is_gone, &f, "the end of the lease");
        expect(&f, others, "Lease", "client");
        fixture_done(&f);
}

TEST(what_is_no_lease) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "InvalidArgument", "\"host\" is no lease; there are none, client",
                   CREATE, PARENT, TYPE, 1, "lease", "s", "host");
        CALL_ERROR(&f, f.client, "InvalidArgument", "Option \"linger\" says how a lease ends",
                   CREATE, PARENT, TYPE, 1, "linger", "u", 5);
        CALL_ERROR(&f, f.client, "InvalidArgument", "at most 86400 s (a day), and 86401 were asked",
                   CREATE, PARENT, TYPE, 2, "lease", "s", "vm", "linger", "u", 86401);
        CALL_ERROR(&f, f.client, "InvalidArgument", "cannot be leased (lease \"vm\")", CREATE,
                   PARENT, TYPE, 2, "lease", "s", "vm", "define", "b", 1);
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 3, "uuid", "s", UUID1, "lease", "s", "vm",
             "linger", "u", 86400);
        reply_done(&r);
        CALL_ERROR(&f, f.client, "InvalidArgument", "is leased (lease \"vm\")", MANAGER,
                   "DefineDevice", "ssa{sv}", PARENT, TYPE, 1, "uuid", "s", UUID1);
        fixture_done(&f);
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-async.c: the variants that answer with an operation, one after the other on one device. */
#include "fixture.h"

#define DEVICE1                                                                                    \
        "/org/mdevd1/device/_30000_3a00_3a05_2e0/_311111111_2d2222_2d3333_2d4444_2d555555555501"
#define ON1 DEVICE1, MDEVD_IFACE_DEVICE

/* Awaits the operation that is the answer; it must end well, and be of that kind. */
static void await_operation(Fixture *f, Reply *r, const char *kind) {
        _cleanup_(freep) char *state = NULL, *found = NULL;
        const char *path;

        ASSERT_TRUE(sd_bus_message_read(r->m, "o", &path) > 0);
        state = wait_operation(f, path);
        ASSERT_STREQ(state, "done");
        found = get_property(f, path, MDEVD_IFACE_OPERATION, "Kind");
        ASSERT_STREQ(found, kind);
        reply_done(r);
}

TEST(each_verb_answers_with_its_operation) {
        const char *name, *value;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL(&f, f.client, &r, MANAGER, "DefineDeviceAsync", "ssa{sv}", PARENT, TYPE, 1, "uuid",
             "s", UUID1);
        await_operation(&f, &r, "define");
        ASSERT_TRUE(file_exists(&f, "etc/mdevctl.d/" PARENT "/" UUID1));
        CALL(&f, f.client, &r, ON1, "ModifyAsync", "a{sv}", 1, "attributes", "a(ss)", 1, "vram",
             "7");
        await_operation(&f, &r, "modify");
        CALL(&f, f.client, &r, ON1, "GetAttributes", "");
        ASSERT_TRUE(sd_bus_message_read(r.m, "a(ss)", 1, &name, &value) > 0);
        ASSERT_STREQ(name, "vram");
        ASSERT_STREQ(value, "7");
        reply_done(&r);
        CALL(&f, f.client, &r, ON1, "StartAsync", "");
        await_operation(&f, &r, "create");
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        CALL(&f, f.client, &r, ON1, "StopWithOptions", "a{sv}", 1, "insist", "b", 0);
        reply_done(&r);
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        CALL(&f, f.client, &r, ON1, "StartAsync", "");
        await_operation(&f, &r, "create");
        CALL(&f, f.client, &r, ON1, "StopWithOptionsAsync", "a{sv}", 0);
        await_operation(&f, &r, "stop");
        CALL(&f, f.client, &r, ON1, "StartWithOptions", "a{sv}", 1, "force", "b", 1);
        reply_done(&r);
        CALL(&f, f.client, &r, ON1, "StopAsync", "");
        await_operation(&f, &r, "stop");
        CALL(&f, f.client, &r, ON1, "StartWithOptionsAsync", "a{sv}", 0);
        await_operation(&f, &r, "create");
        CALL(&f, f.client, &r, ON1, "UndefineAsync", "");
        await_operation(&f, &r, "undefine");
        CALL(&f, f.client, &r, MANAGER, "DefineDevice", "ssa{sv}", PARENT, TYPE, 1, "uuid", "s",
             UUID1);
        reply_done(&r);
        CALL(&f, f.client, &r, ON1, "UndefineWithOptionsAsync", "a{sv}", 0);
        await_operation(&f, &r, "undefine");
        CALL(&f, f.client, &r, MANAGER, "DefineDevice", "ssa{sv}", PARENT, TYPE, 1, "uuid", "s",
             UUID1);
        reply_done(&r);
        CALL(&f, f.client, &r, ON1, "UndefineWithOptions", "a{sv}", 1, "force", "b", 0);
        reply_done(&r);
        ASSERT_FALSE(file_exists(&f, "etc/mdevctl.d/" PARENT "/" UUID1));
        fixture_done(&f);
}

TEST(a_uuid_under_two_parents_is_ambiguous) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        write_definition(&f, "0000:00:1a.0", UUID1, TYPE);
        write_definition(&f, "0000:00:1b.0", UUID1, TYPE);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "Ambiguous", "0000:00:1b.0", MANAGER, "GetDevice", "ss", UUID1,
                   "");
        CALL(&f, f.client, &r, MANAGER, "GetDevice", "ss", UUID1, "0000:00:1b.0");
        reply_done(&r);
        fixture_done(&f);
}

TESTS_MAIN

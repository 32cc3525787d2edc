/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-authz.c: what a user without privilege may do, with, without and despite polkit. */
#include "polkit.h"

#define CREATE MANAGER, "CreateDevice", "ssa{sv}"
#define QUERIES_PER_UID 16 /* AUTHZ_QUERIES_PER_UID_MAX */

static sd_bus *nobody;
static Polkit polkit;

static void begin(Fixture *f, PolkitMode mode) {
        fixture_init(f);
        tree_write(&f->tree, "etc/mdevd/mdevd.json",
                   "{ \"policy\": { \"groups\": [ { \"name\": \"vms\", \"owners\": [ \"vm*\" ], "
                   "\"users\": [ 65534 ] } ] } }");
        polkit_init(&polkit, f);
        polkit.mode = mode;
        fixture_start(f);
        nobody = fixture_connect(f, NOBODY);
}

static void end(Fixture *f) {
        nobody = sd_bus_flush_close_unref(nobody);
        polkit_done(&polkit);
        fixture_done(f);
}

/* As busctl and the like do it. */
static void create_interactively(Reply *r, const char *uuid) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        ASSERT_TRUE(sd_bus_message_new_method_call(nobody, &m, MDEVD_BUS_NAME, MANAGER,
                                                   "CreateDevice") >= 0);
        ASSERT_TRUE(sd_bus_message_append(m, "ssa{sv}", PARENT, TYPE, 1, "uuid", "s", uuid) >= 0);
        ASSERT_TRUE(sd_bus_message_set_allow_interactive_authorization(m, true) >= 0);
        call_begin_message(nobody, r, m);
}

TEST(reading_is_open_and_asks_nobody) {
        _cleanup_(freep) char *path = NULL;
        Reply r = {};
        Fixture f;

        begin(&f, POLKIT_NO);
        path = create_device(&f, PARENT, UUID1, "vm1");
        CALL(&f, nobody, &r, path, "org.freedesktop.DBus.Properties", "GetAll", "s",
             MDEVD_IFACE_DEVICE);
        reply_done(&r);
        CALL(&f, nobody, &r, MANAGER, "GetDevice", "ss", UUID1, "");
        reply_done(&r);
        CALL(&f, nobody, &r, MANAGER, "GetParent", "s", PARENT);
        reply_done(&r);
        CALL(&f, nobody, &r, MANAGER, "PlanDevice", "ssa{sv}", "", TYPE, 0);
        reply_done(&r);
        CALL(&f, nobody, &r, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager",
             "GetManagedObjects", "");
        reply_done(&r);
        CALL(&f, nobody, &r, path, "org.freedesktop.DBus.Introspectable", "Introspect", "");
        reply_done(&r);
        ASSERT_EQ(polkit.n_asked, 0);
        end(&f);
}

TEST(describe_keeps_attributes_from_users) {
        const char *text;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        write_definition(&f, PARENT, UUID1, TYPE);
        fixture_start(&f);
        nobody = fixture_connect(&f, NOBODY);
        CALL(&f, f.client, &r, MANAGER, "Describe", "");
        ASSERT_TRUE(sd_bus_message_read(r.m, "s", &text) > 0);
        ASSERT_CONTAINS(text, "\"attributes\":[]");
        reply_done(&r);
        CALL(&f, nobody, &r, MANAGER, "Describe", "");
        ASSERT_TRUE(sd_bus_message_read(r.m, "s", &text) > 0);
        ASSERT_CONTAINS(text, UUID1);
        ASSERT_NULL(strstr(text, "attributes"));
        reply_done(&r);
        nobody = sd_bus_flush_close_unref(nobody);
        fixture_done(&f);
}

TEST(root_is_not_asked_about) {
        _cleanup_(freep) char *path = NULL;
        Reply r = {};
        Fixture f;

        begin(&f, POLKIT_NO);
        path = create_device(&f, PARENT, UUID1, "");
        CALL(&f, f.client, &r, path, MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        CALL(&f, f.client, &r, MANAGER, "Reload", "");
        reply_done(&r);
        ASSERT_EQ(polkit.n_asked, 0);
        end(&f);
}

TEST(a_user_is_denied_and_nothing_happens) {
        _cleanup_(freep) char *path = NULL;
        Fixture f;

        begin(&f, POLKIT_NO);
        path = create_device(&f, OTHER, UUID2, "");
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.create", CREATE, PARENT,
                   TYPE, 1, "uuid", "s", UUID1);
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.create", MANAGER,
                   "CreateDeviceAsync", "ssa{sv}", PARENT, TYPE, 1, "uuid", "s", UUID1);
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.manage", path,
                   MDEVD_IFACE_DEVICE, "Stop", "");
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.manage", path,
                   MDEVD_IFACE_DEVICE, "StopAsync", "");
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.configure", MANAGER,
                   "Reload", "");
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID2));
        ASSERT_EQ(polkit.n_asked, 5);
        end(&f);
}

TEST(a_user_is_allowed_and_polkit_gets_the_details) {
        _cleanup_(freep) char *path = NULL, *asked = NULL;
        const char *device, *uuid, *name;
        Reply r = {};
        Fixture f;

        begin(&f, POLKIT_YES);
        CALL(&f, nobody, &r, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1, "owner", "s", "vm1");
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &device, &uuid) > 0);
        path = strdup(device);
        reply_done(&r);
        ASSERT_TRUE(sd_bus_get_unique_name(nobody, &name) >= 0);
        ASSERT_TRUE(asprintf(&asked, "org.mdevd1.create %s 0 uuid=" UUID1 " parent=" PARENT
                             " type=" TYPE " owner=vm1\n", name) > 0);
        ASSERT_STREQ(polkit.asked, asked);

        CALL(&f, nobody, &r, path, MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        ASSERT_CONTAINS(polkit.asked, "org.mdevd1.manage");
        ASSERT_CONTAINS(strchr(polkit.asked, '\n'), "uuid=" UUID1 " parent=" PARENT " type=" TYPE
                        " owner=vm1\n");
        ASSERT_EQ(polkit.n_asked, 2);
        CALL(&f, nobody, &r, MANAGER, "Reload", "");
        reply_done(&r);
        end(&f);
}

TEST(what_is_left_open_is_an_empty_detail) {
        Reply r = {};
        Fixture f;

        begin(&f, POLKIT_YES);
        CALL(&f, nobody, &r, CREATE, "", TYPE, 0);
        reply_done(&r);
        ASSERT_CONTAINS(polkit.asked, "uuid= parent= type=" TYPE " owner=\n");
        ASSERT_EQ(polkit.n_asked, 1);
        end(&f);
}

TEST(nonsense_is_refused_before_polkit_is_asked) {
        Fixture f;

        begin(&f, POLKIT_YES);
        CALL_ERROR(&f, nobody, "InvalidUuid", "x", CREATE, "", TYPE, 1, "uuid", "s", "x");
        CALL_ERROR(&f, nobody, "NoSuchParent", PARENT, CREATE, "0000:00:05.1", TYPE, 0);
        ASSERT_EQ(polkit.n_asked, 0);
        end(&f);
}

TEST(a_dialog_only_if_the_message_allows_it) {
        Reply r = {};
        Fixture f;

        begin(&f, POLKIT_CHALLENGE);
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, "interactive",
                   CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        create_interactively(&r, UUID1);
        call_wait(&f, &r);
        ASSERT_REPLY(&r);
        reply_done(&r);
        ASSERT_CONTAINS(polkit.asked, " 0 uuid=");
        ASSERT_CONTAINS(polkit.asked, " 1 uuid=");

        polkit.mode = POLKIT_DISMISSED;
        create_interactively(&r, UUID2);
        call_wait(&f, &r);
        ASSERT_ERROR(&r, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.create");
        reply_done(&r);
        end(&f);
}

TEST(no_polkit_means_no) {
        Reply r = {};
        Fixture f;

        begin(&f, POLKIT_ERROR);
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "polkit gave no answer", CREATE, PARENT,
                   TYPE, 0);
        polkit_done(&polkit);
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "polkit gave no answer", CREATE, PARENT,
                   TYPE, 0);
        /* and root does without */
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 0);
        reply_done(&r);
        nobody = sd_bus_flush_close_unref(nobody);
        fixture_done(&f);
}

TEST(polkit_that_thinks_holds_up_nobody_else) {
        _cleanup_(freep) char *path = NULL;
        Reply held = {};
        Fixture f;

        begin(&f, POLKIT_HOLD);
        call_begin(nobody, &held, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        polkit_wait_asked(&polkit, &f, 1);
        path = create_device(&f, PARENT, UUID2, "");
        ASSERT_NULL(held.m);
        polkit.mode = POLKIT_YES;
        polkit_release(&polkit);
        call_wait(&f, &held);
        ASSERT_REPLY(&held);
        reply_done(&held);
        end(&f);
}

TEST(what_changed_while_polkit_thought_is_looked_at_again) {
        _cleanup_(freep) char *path = NULL;
        Reply held = {}, r = {};
        Fixture f;

        begin(&f, POLKIT_HOLD);
        path = create_device(&f, PARENT, UUID1, "vm1");
        call_begin(nobody, &held, path, MDEVD_IFACE_DEVICE, "Stop", "");
        polkit_wait_asked(&polkit, &f, 1);
        CALL(&f, f.client, &r, path, MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        polkit.mode = POLKIT_YES;
        polkit_release(&polkit);
        call_wait(&f, &held);
        ASSERT_ERROR(&held, SD_BUS_ERROR_UNKNOWN_OBJECT, "");
        reply_done(&held);
        end(&f);
}

TEST(a_verdict_is_for_what_was_asked) {
        _cleanup_(freep) char *path = NULL, *again = NULL;
        Reply held = {}, r = {};
        Fixture f;

        begin(&f, POLKIT_HOLD);
        path = create_device(&f, PARENT, UUID1, "vm1");
        call_begin(nobody, &held, path, MDEVD_IFACE_DEVICE, "Stop", "");
        polkit_wait_asked(&polkit, &f, 1);
        CALL(&f, f.client, &r, path, MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        /* the same path, and somebody else's */
        again = create_device(&f, PARENT, UUID1, "vm2");
        polkit.mode = POLKIT_YES;
        polkit_release(&polkit);
        polkit.mode = POLKIT_NO;
        call_wait(&f, &held);
        ASSERT_ERROR(&held, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.manage");
        ASSERT_CONTAINS(polkit.asked, "owner=vm2");
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        reply_done(&held);
        end(&f);
}

/* Who knows the UUID of another's definition can make a device of it; that opens nothing else. */
TEST(a_definition_is_its_owners_whosever_the_device_is) {
        _cleanup_(freep) char *path = NULL;
        const char *device, *uuid;
        Reply r = {};
        Fixture f;

        begin(&f, POLKIT_YES);
        CALL(&f, f.client, &r, MANAGER, "DefineDevice", "ssa{sv}", PARENT, TYPE, 2, "uuid", "s",
             UUID1, "owner", "s", "other");
        reply_done(&r);
        CALL(&f, nobody, &r, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1, "owner", "s", "vm1");
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &device, &uuid) > 0);
        path = strdup(device);
        reply_done(&r);

        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "different owners", path,
                   MDEVD_IFACE_DEVICE, "SetOwner", "s", "vm2");
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "different owners", path,
                   MDEVD_IFACE_DEVICE, "Modify", "a{sv}", 3, "live", "b", 1, "config", "b", 1,
                   "attributes", "a(ss)", 0);
        ASSERT_TRUE(!strstr(polkit.asked, "owner=other"));
        polkit.mode = POLKIT_NO;
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.manage", path,
                   MDEVD_IFACE_DEVICE, "GetAttributes", "");
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.manage", path,
                   MDEVD_IFACE_DEVICE, "GetHolders", "");
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.manage", path,
                   MDEVD_IFACE_DEVICE, "Undefine", "");
        ASSERT_CONTAINS(strstr(polkit.asked, "owner=other"), "\n");
        ASSERT_CONTAINS(strstr(polkit.asked, "owner=other") + 1, "owner=other");
        polkit.mode = POLKIT_YES;
        CALL(&f, nobody, &r, path, MDEVD_IFACE_DEVICE, "GetHolders", "");
        reply_done(&r);
        CALL(&f, nobody, &r, path, MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        end(&f);
}

TEST(who_leaves_takes_the_question_along) {
        sd_bus *leaver;
        Reply held = {};
        Fixture f;

        begin(&f, POLKIT_HOLD);
        leaver = fixture_connect(&f, NOBODY);
        call_begin(leaver, &held, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        polkit_wait_asked(&polkit, &f, 1);
        reply_done(&held);
        sd_bus_flush_close_unref(leaver);
        polkit_wait_cancelled(&polkit, &f, 1);
        polkit.mode = POLKIT_YES;
        polkit_release(&polkit);
        CALL(&f, nobody, &held, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID2);
        reply_done(&held);
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        end(&f);
}

TEST(questions_of_one_user_have_a_limit) {
        Reply held[QUERIES_PER_UID] = {}, r = {};
        sd_bus *second;
        Fixture f;

        begin(&f, POLKIT_HOLD);
        for (size_t i = 0; i < ARRAY_SIZE(held); i++)
                call_begin(nobody, &held[i], CREATE, "", TYPE, 0);
        polkit_wait_asked(&polkit, &f, ARRAY_SIZE(held));
        /* of the user, not of the connection */
        second = fixture_connect(&f, NOBODY);
        CALL_ERROR(&f, second, "LimitExceeded", "65534", CREATE, "", TYPE, 0);
        ASSERT_EQ(polkit.n_asked, ARRAY_SIZE(held));

        polkit.mode = POLKIT_NO;
        polkit_release(&polkit);
        for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
                call_wait(&f, &held[i]);
                ASSERT_ERROR(&held[i], SD_BUS_ERROR_ACCESS_DENIED, "");
                reply_done(&held[i]);
        }
        polkit.mode = POLKIT_YES;
        CALL(&f, second, &r, CREATE, "", TYPE, 0);
        reply_done(&r);
        sd_bus_flush_close_unref(second);
        end(&f);
}

TEST(a_daemon_that_stops_calls_its_questions_off) {
        Reply held = {};
        Fixture f;

        begin(&f, POLKIT_HOLD);
        call_begin(nobody, &held, CREATE, PARENT, TYPE, 0);
        polkit_wait_asked(&polkit, &f, 1);
        ASSERT_EQ(fixture_end(&f, SIGTERM), 0);
        polkit_wait_cancelled(&polkit, &f, 1);
        call_wait(&f, &held);
        ASSERT_TRUE(sd_bus_message_is_method_error(held.m, NULL));
        reply_done(&held);
        end(&f);
}

TEST(log_level_is_for_root) {
        _cleanup_(freep) char *level = NULL;
        Fixture f;

        begin(&f, POLKIT_YES);
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "", "/org/freedesktop/LogControl1",
                   "org.freedesktop.DBus.Properties", "Set", "ssv", "org.freedesktop.LogControl1",
                   "LogLevel", "s", "emerg");
        level = get_property(&f, "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1",
                             "LogLevel");
        ASSERT_STREQ(level, "debug");
        end(&f);
}

TESTS_MAIN

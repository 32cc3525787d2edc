/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-create.c: making, finding and removing devices, from a client's view. */
#include "fixture.h"

#define CREATE MANAGER, "CreateDevice", "ssa{sv}"

TEST(create_replies_with_path_and_uuid_and_the_device_is_there) {
        _cleanup_(freep) char *path = NULL, *uuid = NULL, *parent = NULL, *state = NULL,
                              *owner = NULL, *origin = NULL, *type = NULL, *parent_path = NULL,
                              *driver = NULL;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "vm1");
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));

        uuid = get_property(&f, path, MDEVD_IFACE_DEVICE, "Uuid");
        parent = get_property(&f, path, MDEVD_IFACE_DEVICE, "ParentName");
        state = get_property(&f, path, MDEVD_IFACE_DEVICE, "State");
        owner = get_property(&f, path, MDEVD_IFACE_DEVICE, "Owner");
        origin = get_property(&f, path, MDEVD_IFACE_DEVICE, "Origin");
        type = get_property(&f, path, MDEVD_IFACE_DEVICE, "Type");
        parent_path = get_property(&f, path, MDEVD_IFACE_DEVICE, "Parent");
        ASSERT_STREQ(uuid, UUID1);
        ASSERT_STREQ(parent, PARENT);
        ASSERT_STREQ(state, "live");
        ASSERT_STREQ(owner, "vm1");
        ASSERT_STREQ(origin, "request");
        ASSERT_STREQ(type, TYPE);
        driver = get_property(&f, parent_path, MDEVD_IFACE_PARENT, "Driver");
        ASSERT_STREQ(driver, "faker");
        fixture_done(&f);
}

TEST(create_without_a_uuid_gives_a_random_one) {
        const char *path, *uuid;
        Reply a = {}, b = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL(&f, f.client, &a, CREATE, "", TYPE, 0);
        CALL(&f, f.client, &b, CREATE, "", TYPE, 0);
        ASSERT_TRUE(sd_bus_message_read(a.m, "os", &path, &uuid) > 0);
        ASSERT_EQ(strlen(uuid), 36);
        ASSERT_EQ(uuid[14], '4');
        ASSERT_TRUE(sd_bus_message_read(b.m, "os", &path, &path) > 0);
        ASSERT_FALSE(streq(path, uuid));
        reply_done(&a);
        reply_done(&b);
        fixture_done(&f);
}

TEST(an_upper_case_uuid_is_the_same_uuid) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 1, "uuid", "s",
             "AAAAAAAA-2222-3333-4444-555555555501");
        reply_done(&r);
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/aaaaaaaa-2222-3333-4444-555555555501"));
        CALL(&f, f.client, &r, MANAGER, "GetDevice", "ss",
             "aaaaAAAA-2222-3333-4444-555555555501", "");
        reply_done(&r);
        fixture_done(&f);
}

TEST(get_device_and_get_parent_find_them) {
        _cleanup_(freep) char *path = NULL;
        const char *found;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, OTHER, UUID1, "");
        CALL(&f, f.client, &r, MANAGER, "GetDevice", "ss", UUID1, "");
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &found) > 0);
        ASSERT_STREQ(found, path);
        reply_done(&r);
        CALL(&f, f.client, &r, MANAGER, "GetDevice", "ss", UUID1, OTHER);
        reply_done(&r);
        CALL_ERROR(&f, f.client, "NoSuchDevice", "on " PARENT, MANAGER, "GetDevice", "ss", UUID1,
                   PARENT);
        CALL(&f, f.client, &r, MANAGER, "GetParent", "s", PARENT);
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &found) > 0);
        reply_done(&r);
        CALL(&f, f.client, &r, found = "/org/mdevd1/parent/_30000_3a00_3a05_2e0", GET,
             MDEVD_IFACE_PARENT, "Name");
        reply_done(&r);
        fixture_done(&f);
}

TEST(signals_come_before_the_reply_and_once) {
        _cleanup_(freep) char *path = NULL;
        char added[256];
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "");
        /* of what another connection was sent first, nothing can be on its way any more */
        CALL(&f, f.watcher, &r, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.Peer", "Ping", "");
        reply_done(&r);
        (void) snprintf(added, sizeof(added), "InterfacesAdded %s ", path);
        ASSERT_EQ(count_lines(f.signals, added), 1);
        ASSERT_TRUE(count_lines(f.signals, "InterfacesAdded /org/mdevd1/operation/") <= 1);
        /* less room: told once, when there is nothing better to do */
        wait_signal(&f, "PropertiesChanged /org/mdevd1/parent/");
        ASSERT_EQ(count_lines(f.signals, "PropertiesChanged /org/mdevd1/parent/"), 1);

        forget_signals(&f);
        CALL(&f, f.client, &r, path, MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        CALL(&f, f.watcher, &r, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.Peer", "Ping", "");
        reply_done(&r);
        (void) snprintf(added, sizeof(added), "InterfacesRemoved %s ", path);
        ASSERT_EQ(count_lines(f.signals, added), 1);
        fixture_done(&f);
}

TEST(interfaces_removed_names_the_interface) {
        _cleanup_(freep) char *path = NULL;
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        const char *removed, *member = "";
        bool named = false;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "");
        bus = fixture_connect(&f, 0);
        ASSERT_TRUE(sd_bus_detach_event(bus) >= 0);
        ASSERT_TRUE(sd_bus_add_match(bus, NULL, "type='signal',member='InterfacesRemoved'", NULL,
                                     NULL) >= 0);
        CALL(&f, f.client, &r, path, MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        while (!streq(member, "InterfacesRemoved")) {
                m = sd_bus_message_unref(m);
                ASSERT_TRUE(sd_bus_process(bus, &m) >= 0);
                if (m)
                        member = sd_bus_message_get_member(m) ?: "";
                else
                        ASSERT_TRUE(sd_bus_wait(bus, UINT64_MAX) >= 0);
        }
        ASSERT_TRUE(sd_bus_message_read(m, "o", &removed) > 0);
        ASSERT_STREQ(removed, path);
        ASSERT_TRUE(sd_bus_message_enter_container(m, 'a', "s") > 0);
        for (const char *iface; sd_bus_message_read_basic(m, 's', &iface) > 0;)
                named |= streq(iface, MDEVD_IFACE_DEVICE);
        ASSERT_TRUE(named);
        fixture_done(&f);
}

TEST(managed_objects_are_all_objects) {
        _cleanup_(freep) char *path = NULL;
        size_t n_parents = 0, n_devices = 0, n_operations = 0;
        const char *object;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "");
        CALL(&f, f.client, &r, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager",
             "GetManagedObjects", "");
        ASSERT_TRUE(sd_bus_message_enter_container(r.m, 'a', "{oa{sa{sv}}}") > 0);
        while (sd_bus_message_enter_container(r.m, 'e', "oa{sa{sv}}") > 0) {
                ASSERT_TRUE(sd_bus_message_read_basic(r.m, 'o', &object) > 0);
                ASSERT_TRUE(sd_bus_message_skip(r.m, "a{sa{sv}}") > 0);
                ASSERT_TRUE(sd_bus_message_exit_container(r.m) > 0);
                n_parents += strncmp(object, MDEVD_OBJECT_PARENT "/", 19) == 0;
                n_devices += streq(object, path);
                n_operations += strncmp(object, MDEVD_OBJECT_OPERATION "/", 22) == 0;
        }
        ASSERT_EQ(n_parents, 2);
        ASSERT_EQ(n_devices, 1);
        ASSERT_EQ(n_operations, 1);
        reply_done(&r);
        fixture_done(&f);
}

TEST(the_same_call_again_joins_or_gets_the_answer) {
        const char *path1, *path2, *path3, *uuid;
        Reply a = {}, b = {}, c = {};
        Fixture f;
        int gate;

        fixture_init(&f);
        gate_make(&f, "gate-create-" PARENT);
        fixture_start(&f);
        call_begin(f.client, &a, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        gate = gate_hold(&f, "gate-create-" PARENT);
        call_begin(f.watcher, &b, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        /* another wish for the same UUID is no repetition */
        CALL_ERROR(&f, f.client, "Busy", UUID1, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1,
                   "owner", "s", "vm2");
        ASSERT_NULL(a.m);
        ASSERT_NULL(b.m);
        gate_release(&f, "gate-create-" PARENT, gate);
        call_wait(&f, &a);
        call_wait(&f, &b);
        ASSERT_REPLY(&a);
        ASSERT_REPLY(&b);
        CALL(&f, f.client, &c, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        ASSERT_TRUE(sd_bus_message_read(a.m, "os", &path1, &uuid) > 0);
        ASSERT_TRUE(sd_bus_message_read(b.m, "os", &path2, &uuid) > 0);
        ASSERT_TRUE(sd_bus_message_read(c.m, "os", &path3, &uuid) > 0);
        ASSERT_STREQ(path1, path2);
        ASSERT_STREQ(path1, path3);
        reply_done(&a);
        reply_done(&b);
        reply_done(&c);
        fixture_done(&f);
}

TEST(async_replies_at_once_and_the_operation_tells_the_rest) {
        _cleanup_(freep) char *op = NULL, *state = NULL, *step = NULL, *client = NULL, *kind = NULL,
                              *uuid = NULL, *done = NULL, *device = NULL;
        const char *path;
        Reply r = {};
        Fixture f;
        int gate;

        fixture_init(&f);
        gate_make(&f, "gate-create-" PARENT);
        fixture_start(&f);
        CALL(&f, f.client, &r, MANAGER, "CreateDeviceAsync", "ssa{sv}", PARENT, TYPE, 2, "uuid",
             "s", UUID1, "owner", "s", "vm1");
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &path) > 0);
        op = strdup(path);
        reply_done(&r);
        gate = gate_hold(&f, "gate-create-" PARENT);
        state = get_property(&f, op, MDEVD_IFACE_OPERATION, "State");
        kind = get_property(&f, op, MDEVD_IFACE_OPERATION, "Kind");
        uuid = get_property(&f, op, MDEVD_IFACE_OPERATION, "Uuid");
        client = get_property(&f, op, MDEVD_IFACE_OPERATION, "Client");
        step = get_property(&f, op, MDEVD_IFACE_OPERATION, "Device");
        ASSERT_STREQ(state, "running");
        ASSERT_STREQ(kind, "create");
        ASSERT_STREQ(uuid, UUID1);
        ASSERT_STREQ(step, "/");
        ASSERT_EQ(client[0], ':');

        gate_release(&f, "gate-create-" PARENT, gate);
        done = wait_operation(&f, op);
        device = get_property(&f, op, MDEVD_IFACE_OPERATION, "Device");
        ASSERT_STREQ(done, "done");
        ASSERT_CONTAINS(device, MDEVD_OBJECT_DEVICE);
        fixture_done(&f);
}

TEST(a_failed_operation_says_why) {
        _cleanup_(freep) char *op = NULL, *state = NULL, *error = NULL, *name = NULL;
        const char *path;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        write_fake(&f, "errno-create-" PARENT, "5");
        fixture_start(&f);
        CALL(&f, f.client, &r, MANAGER, "CreateDeviceAsync", "ssa{sv}", PARENT, TYPE, 1, "uuid",
             "s", UUID1);
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &path) > 0);
        op = strdup(path);
        reply_done(&r);
        state = wait_operation(&f, op);
        error = get_property(&f, op, MDEVD_IFACE_OPERATION, "Error");
        name = get_property(&f, op, MDEVD_IFACE_OPERATION, "ErrorName");
        ASSERT_STREQ(state, "failed");
        ASSERT_STREQ(name, MDEVD_ERROR_PREFIX "Failed");
        ASSERT_CONTAINS(error, UUID1);
        fixture_done(&f);
}

TEST(a_plan_does_nothing) {
        const char *text;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL(&f, f.client, &r, MANAGER, "PlanDevice", "ssa{sv}", "", TYPE, 2, "uuid", "s", UUID1,
             "owner", "s", "vm1");
        ASSERT_TRUE(sd_bus_message_read(r.m, "s", &text) > 0);
        ASSERT_CONTAINS(text, "would be made on 0000:00:0");
        ASSERT_CONTAINS(text, "vm1");
        reply_done(&r);
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        CALL_ERROR(&f, f.client, "NoSuchType", "nix", MANAGER, "PlanDevice", "ssa{sv}", "", "nix",
                   0);
        fixture_done(&f);
}

TEST(create_with_plan_says_where_and_does_nothing) {
        const char *path, *uuid;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL(&f, f.client, &r, CREATE, OTHER, TYPE, 2, "uuid", "s", UUID1, "plan", "b", 1);
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &path, &uuid) > 0);
        ASSERT_STREQ(path, "/org/mdevd1/device/_30000_3a00_3a06_2e0/"
                           "_311111111_2d2222_2d3333_2d4444_2d555555555501");
        ASSERT_STREQ(uuid, UUID1);
        reply_done(&r);
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        ASSERT_EQ(count_lines(f.signals, "InterfacesAdded /org/mdevd1/operation"), 0);
        CALL_ERROR(&f, f.client, "NoSuchType", "nix", CREATE, "", "nix", 1, "plan", "b", 1);
        fixture_done(&f);
}

TEST(attributes_are_written_in_order) {
        _cleanup_(freep) char *value = NULL;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1, "attributes", "a(ss)",
             2, "vram", "1", "vram", "2");
        reply_done(&r);
        ASSERT_OK(read_attr_at(f.tree.fd, "sys/devices/pci0000:00/" PARENT "/" UUID1 "/vram",
                               &value));
        ASSERT_STREQ(value, "2");
        fixture_done(&f);
}

TEST(a_refused_attribute_takes_the_device_down) {
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "InvalidArgument", "nix", CREATE, PARENT, TYPE, 2, "uuid", "s",
                   UUID1, "attributes", "a(ss)", 1, "nix", "1");
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        fixture_done(&f);
}

TEST(stop_removes_it_and_it_can_be_made_again) {
        _cleanup_(freep) char *path = NULL, *again = NULL;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "");
        CALL(&f, f.client, &r, path, MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        CALL_ERROR(&f, f.client, "NoSuchDevice", UUID1, MANAGER, "GetDevice", "ss", UUID1, "");
        CALL_ERROR(&f, f.client, SD_BUS_ERROR_UNKNOWN_OBJECT, "", path, MDEVD_IFACE_DEVICE, "Stop",
                   "");
        again = create_device(&f, PARENT, UUID1, "");
        ASSERT_STREQ(again, path);
        fixture_done(&f);
}

TEST(stop_of_a_device_in_use_is_busy) {
        _cleanup_(freep) char *path = NULL;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "");
        write_fake(&f, "errno-remove-" PARENT, "16");
        CALL_ERROR(&f, f.client, "Busy", UUID1, path, MDEVD_IFACE_DEVICE, "Stop", "");
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        fixture_done(&f);
}

TEST(stop_async_replies_at_once) {
        _cleanup_(freep) char *path = NULL;
        char removed[256];
        Reply r = {};
        Fixture f;
        int gate;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "");
        gate_make(&f, "gate-remove-" PARENT);
        CALL(&f, f.client, &r, path, MDEVD_IFACE_DEVICE, "StopAsync", "");
        reply_done(&r);
        gate = gate_hold(&f, "gate-remove-" PARENT);
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        gate_release(&f, "gate-remove-" PARENT, gate);
        (void) snprintf(removed, sizeof(removed), "InterfacesRemoved %s ", path);
        wait_signal(&f, removed);
        fixture_done(&f);
}

TEST(a_blocked_create_delays_nothing_else) {
        _cleanup_(freep) char *other = NULL, *state = NULL;
        Reply blocked = {}, r = {};
        Fixture f;
        int gate;

        fixture_init(&f);
        gate_make(&f, "gate-create-" PARENT);
        fixture_start(&f);
        call_begin(f.client, &blocked, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        gate = gate_hold(&f, "gate-create-" PARENT);

        other = create_device(&f, OTHER, UUID2, "");
        state = get_property(&f, other, MDEVD_IFACE_DEVICE, "State");
        CALL(&f, f.client, &r, other, MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        CALL(&f, f.client, &r, MANAGER, "Describe", "");
        reply_done(&r);
        ASSERT_NULL(blocked.m);

        gate_release(&f, "gate-create-" PARENT, gate);
        call_wait(&f, &blocked);
        ASSERT_REPLY(&blocked);
        reply_done(&blocked);
        fixture_done(&f);
}

TEST(a_foreign_device_is_seen_and_left_alone) {
        _cleanup_(freep) char *create = NULL, *origin = NULL;
        const char *path;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        ASSERT_TRUE(asprintf(&create, "%s/sys/devices/pci0000:00/" PARENT
                             "/mdev_supported_types/" TYPE "/create", f.tree.path) > 0);
        ASSERT_EQ(fake_kernel_write(f.tree.path, create, UUID3, 36), 36);
        wait_signal(&f, "InterfacesAdded /org/mdevd1/device/");
        CALL(&f, f.client, &r, MANAGER, "GetDevice", "ss", UUID3, "");
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &path) > 0);
        origin = get_property(&f, path, MDEVD_IFACE_DEVICE, "Origin");
        ASSERT_STREQ(origin, "foreign");
        reply_done(&r);
        /* an explicit call works on any device */
        CALL(&f, f.client, &r, "/org/mdevd1/device/_30000_3a00_3a05_2e0/"
             "_311111111_2d2222_2d3333_2d4444_2d555555555503", MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        fixture_done(&f);
}

TEST(a_device_that_is_not_there_after_all_is_an_error) {
        Fixture f;

        fixture_init(&f);
        write_fake(&f, "hide-" PARENT, "");
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "Failed", UUID1, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        fixture_done(&f);
}

TEST(only_the_one_path_of_an_object_leads_to_it) {
        static const char *const paths[] = {
                /* '5' and 'a' need no escape; upper case is another path; neither is one of ours */
                "/org/mdevd1/device/_30000_3a00_3a0_35_2e0/"
                "_311111111_2d2222_2d3333_2d4444_2d555555555501",
                "/org/mdevd1/device/_30000_3a00_3a05_2e0/"
                "_311111111_2D2222_2d3333_2d4444_2d555555555501",
                "/org/mdevd1/operation/01",
                "/org/mdevd1/operation/0",
                "/org/mdevd1/operation/99999999999999999999999999",
                "/org/mdevd1/device/_30000_3a00_3a05_2e0",
                "/org/mdevd1/device",
        };
        _cleanup_(freep) char *path = NULL;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "");
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                Reply r = {};

                call_begin(f.client, &r, paths[i], GET, MDEVD_IFACE_DEVICE, "Uuid");
                call_wait(&f, &r);
                ASSERT_TRUE(sd_bus_message_is_method_error(r.m, NULL));
                reply_done(&r);
        }
        fixture_done(&f);
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-define.c: definitions, from a client's view: made, started, changed, removed. */
#include "fixture.h"

#define CREATE MANAGER, "CreateDevice", "ssa{sv}"
#define DEFINE MANAGER, "DefineDevice", "ssa{sv}"
#define DEVICE1                                                                                    \
        "/org/mdevd1/device/_30000_3a00_3a05_2e0/_311111111_2d2222_2d3333_2d4444_2d555555555501"
#define ON1 DEVICE1, MDEVD_IFACE_DEVICE
#define FILE1 "etc/mdevctl.d/" PARENT "/" UUID1
#define EXTRAS1 "etc/mdevd/definitions/" PARENT "/" UUID1 ".json"
#define SYSFS1 "sys/devices/pci0000:00/" PARENT "/" UUID1

static void assert_property(Fixture *f, const char *name, const char *value) {
        _cleanup_(freep) char *text = get_property(f, DEVICE1, MDEVD_IFACE_DEVICE, name);

        ASSERT_STREQ(text, value);
}

static void assert_file(Fixture *f, const char *path, const char *expected) {
        _cleanup_(freep) char *text = NULL;

        ASSERT_OK(read_file_at(f->tree.fd, path, 1 << 20, &text, NULL));
        ASSERT_STREQ(text, expected);
}

/* A call without arguments and without an answer. */
static void verb(Fixture *f, const char *name) {
        Reply r = {};

        CALL(f, f->client, &r, ON1, name, "");
        reply_done(&r);
}

static void define(Fixture *f, const char *parent, const char *uuid) {
        const char *path, *given;
        Reply r = {};

        CALL(f, f->client, &r, DEFINE, parent, TYPE, 1, "uuid", "s", uuid);
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &path, &given) > 0);
        ASSERT_STREQ(given, uuid);
        reply_done(&r);
}

/* A type that nobody offers yet has as many bytes as a file name. */
TEST(a_type_has_255_bytes) {
        char type[257] = "";
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        memset(type, 't', 256);
        CALL_ERROR(&f, f.client, "TooLong", "256 bytes", DEFINE, PARENT, type, 1, "uuid", "s",
                   UUID1);
        type[255] = '\0';
        CALL(&f, f.client, &r, DEFINE, PARENT, type, 1, "uuid", "s", UUID1);
        reply_done(&r);
        assert_property(&f, "DefinedType", type);
        verb(&f, "Undefine");
        fixture_done(&f);
}

TEST(define_start_stop_undefine) {
        const char *path, *uuid;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL(&f, f.client, &r, DEFINE, PARENT, TYPE, 4, "uuid", "s", UUID1, "owner", "s", "vm1",
             "autostart", "b", 1, "attributes", "a(ss)", 2, "vram", "1", "vram", "2");
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &path, &uuid) > 0);
        ASSERT_STREQ(path, DEVICE1);
        ASSERT_STREQ(uuid, UUID1);
        reply_done(&r);
        assert_file(&f, FILE1,
                    "{\n  \"mdev_type\": \"" TYPE "\",\n  \"start\": \"auto\",\n  \"attrs\": [\n"
                    "    {\n      \"vram\": \"1\"\n    },\n    {\n      \"vram\": \"2\"\n    }\n"
                    "  ]\n}");
        assert_file(&f, EXTRAS1, "{\n  \"owner\": \"vm1\"\n}\n");
        assert_property(&f, "State", "defined");
        assert_property(&f, "Persistent", "true");
        assert_property(&f, "Autostart", "true");
        assert_property(&f, "Reserve", "true");
        assert_property(&f, "Owner", "vm1");
        assert_property(&f, "Origin", "definition");
        assert_property(&f, "DefinedType", TYPE);
        assert_property(&f, "Invalid", "");
        /* nobody has asked for the device */
        ASSERT_FALSE(file_exists(&f, SYSFS1));

        verb(&f, "Start");
        assert_property(&f, "State", "live");
        assert_property(&f, "Owner", "vm1");
        assert_file(&f, SYSFS1 "/vram", "2\n");
        verb(&f, "Stop");
        assert_property(&f, "State", "defined");
        ASSERT_FALSE(file_exists(&f, SYSFS1));
        CALL_ERROR(&f, f.client, "NoSuchDevice", "not active", ON1, "Stop", "");

        verb(&f, "Undefine");
        ASSERT_FALSE(file_exists(&f, FILE1));
        ASSERT_FALSE(file_exists(&f, EXTRAS1));
        CALL_ERROR(&f, f.client, SD_BUS_ERROR_UNKNOWN_OBJECT, "", ON1, "Start", "");
        ASSERT_EQ(count_lines(f.signals, "InterfacesAdded " DEVICE1), 1);
        ASSERT_EQ(count_lines(f.signals, "InterfacesRemoved " DEVICE1), 1);
        fixture_done(&f);
}

/* As Nova does it: made, then defined while it is active, then set to start by itself. */
TEST(an_active_device_is_defined) {
        _cleanup_(freep) char *path = NULL;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "vm1");
        CALL(&f, f.client, &r, DEFINE, "", "", 1, "uuid", "s", UUID1);
        reply_done(&r);
        CALL(&f, f.client, &r, ON1, "Modify", "a{sv}", 1, "autostart", "b", 1);
        reply_done(&r);
        assert_file(&f, FILE1,
                    "{\n  \"mdev_type\": "
                    "\"" TYPE "\",\n  \"start\": \"auto\",\n  \"attrs\": []\n}");
        assert_file(&f, EXTRAS1, "{\n  \"owner\": \"vm1\"\n}\n");
        assert_property(&f, "State", "live");
        assert_property(&f, "Persistent", "true");
        assert_property(&f, "Origin", "request");

        verb(&f, "Undefine");
        assert_property(&f, "State", "live");
        assert_property(&f, "Persistent", "false");
        verb(&f, "Stop");
        CALL_ERROR(&f, f.client, "NoSuchDevice", UUID1, MANAGER, "GetDevice", "ss", UUID1, "");
        fixture_done(&f);
}

TEST(create_defines_as_well) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 4, "uuid", "s", UUID1, "define", "b", 1,
             "autostart", "b", 1, "attributes", "a(ss)", 1, "vram", "7");
        reply_done(&r);
        assert_property(&f, "State", "live");
        assert_property(&f, "Autostart", "true");
        ASSERT_TRUE(file_exists(&f, FILE1));

        /* what is not made is not defined either, and nothing of it is left */
        write_fake(&f, "errno-create-" PARENT, "5");
        CALL_ERROR(&f, f.client, "Failed", UUID2, CREATE, PARENT, TYPE, 3, "uuid", "s", UUID2,
                   "define", "b", 1, "owner", "s", "vm2");
        ASSERT_FALSE(file_exists(&f, "etc/mdevctl.d/" PARENT "/" UUID2));
        ASSERT_FALSE(file_exists(&f, "etc/mdevd/definitions/" PARENT "/" UUID2 ".json"));
        ASSERT_FALSE(file_exists(&f, "etc/mdevctl.d/." PARENT ":" UUID2 ".mdevd"));
        CALL_ERROR(&f, f.client, "NoSuchDevice", UUID2, MANAGER, "GetDevice", "ss", UUID2, "");
        fixture_done(&f);
}

TEST(a_definition_is_of_a_parent_that_need_not_be_there) {
        _cleanup_(freep) char *state = NULL;
        const char *path;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        define(&f, "0000:77:00.0", UUID1);
        CALL(&f, f.client, &r, MANAGER, "GetParent", "s", "0000:77:00.0");
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &path) > 0);
        state = get_property(&f, path, MDEVD_IFACE_PARENT, "State");
        ASSERT_STREQ(state, "absent");
        reply_done(&r);
        fixture_done(&f);
}

TEST(what_cannot_be_defined) {
        _cleanup_(freep) char *path = NULL;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        define(&f, PARENT, UUID1);
        CALL_ERROR(&f, f.client, "DeviceExists", "already defined", DEFINE, PARENT, TYPE, 2, "uuid",
                   "s", UUID1, "autostart", "b", 1);
        CALL_ERROR(&f, f.client, "DeviceExists", "already defined", CREATE, PARENT, TYPE, 2, "uuid",
                   "s", UUID1, "define", "b", 1);
        CALL_ERROR(&f, f.client, "InvalidArgument", "belongs to a parent", DEFINE, "", TYPE, 0);
        CALL_ERROR(&f, f.client, "InvalidArgument", "needs a type", DEFINE, PARENT, "", 0);
        CALL_ERROR(&f, f.client, "InvalidArgument", "cannot be the name", DEFINE, "../x", TYPE, 0);
        CALL_ERROR(&f, f.client, "InvalidArgument", "..", DEFINE, PARENT, TYPE, 1, "attributes",
                   "a(ss)", 1, "../remove", "1");
        CALL_ERROR(&f, f.client, "UnknownOption", "uuid, owner, attributes", DEFINE, PARENT, TYPE,
                   1, "numa", "i", 0);
        CALL_ERROR(&f, f.client, "InvalidArgument", "give \"define\"", CREATE, PARENT, TYPE, 1,
                   "autostart", "b", 1);
        path = create_device(&f, PARENT, UUID2, "");
        CALL_ERROR(&f, f.client, "NoSuchDefinition", "not defined", path, MDEVD_IFACE_DEVICE,
                   "Undefine", "");
        CALL_ERROR(&f, f.client, "NoSuchDefinition", "not defined", path, MDEVD_IFACE_DEVICE,
                   "Start", "");
        CALL_ERROR(&f, f.client, "NoSuchDefinition", "not defined", path, MDEVD_IFACE_DEVICE,
                   "GetAttributes", "");
        fixture_done(&f);
}

/*
 * U+FFFE is UTF-8, but sd-bus neither sends nor takes it: an answer that had it would fail, whoever
 * asked. An owner that has it is none; a label of a driver's that has it is shown escaped.
 */
TEST(what_no_bus_carries_spoils_no_answer) {
        static const char *const owners[] = { "a\xef\xbf\xbe", "a\xef\xb7\x90", "a\xff",
                                              "a\\ufffe" };
        Fixture f;

        fixture_init(&f);
        tree_write(&f.tree, "sys/devices/pci0000:00/" PARENT "/mdev_supported_types/" TYPE "/name",
                   "a \xef\xbf\xbe card\n");
        fixture_start(&f);
        for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
                _cleanup_(freep) char *invalid = NULL, *owner = NULL;
                char text[64];
                Reply r = {};

                define(&f, PARENT, UUID1);
                (void) snprintf(text, sizeof(text), "{\"owner\": \"%s\"}\n", owners[i]);
                tree_write(&f.tree, EXTRAS1, text);
                CALL(&f, f.client, &r, MANAGER, "Reload", "");
                reply_done(&r);
                CALL(&f, f.client, &r, MANAGER, "Describe", "");
                reply_done(&r);
                CALL(&f, f.client, &r, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager",
                     "GetManagedObjects", "");
                reply_done(&r);
                invalid = get_property(&f, DEVICE1, MDEVD_IFACE_DEVICE, "Invalid");
                ASSERT_CONTAINS(invalid, EXTRAS1 ":1:");
                owner = get_property(&f, DEVICE1, MDEVD_IFACE_DEVICE, "Owner");
                ASSERT_STREQ(owner, "");
                verb(&f, "Undefine");
                ASSERT_FALSE(file_exists(&f, EXTRAS1));
        }
        fixture_done(&f);
}

TESTS_MAIN

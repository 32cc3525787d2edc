/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-modify.c: definitions and owners that change, by us and by others; and who may change them.
 */
#include "polkit.h"

#define DEFINE MANAGER, "DefineDevice", "ssa{sv}"
#define DEVICE1                                                                                    \
        "/org/mdevd1/device/_30000_3a00_3a05_2e0/_311111111_2d2222_2d3333_2d4444_2d555555555501"
#define ON1 DEVICE1, MDEVD_IFACE_DEVICE
#define FILE1 "etc/mdevctl.d/" PARENT "/" UUID1
#define EXTRAS1 "etc/mdevd/definitions/" PARENT "/" UUID1 ".json"
#define SYSFS1 "sys/devices/pci0000:00/" PARENT "/" UUID1
#define CHANGED "PropertiesChanged " DEVICE1 " "

static void assert_property(Fixture *f, const char *name, const char *value) {
        _cleanup_(freep) char *text = get_property(f, DEVICE1, MDEVD_IFACE_DEVICE, name);

        ASSERT_STREQ(text, value);
}

static void assert_file(Fixture *f, const char *path, const char *expected) {
        _cleanup_(freep) char *text = NULL;

        ASSERT_OK(read_file_at(f->tree.fd, path, 1 << 20, &text, NULL));
        ASSERT_STREQ(text, expected);
}

static void call(Fixture *f, const char *name) {
        Reply r = {};

        CALL(f, f->client, &r, ON1, name, "");
        reply_done(&r);
}

static void define(Fixture *f, const char *owner) {
        Reply r = {};

        CALL(f, f->client, &r, DEFINE, PARENT, TYPE, 3, "uuid", "s", UUID1, "owner", "s", owner,
             "attributes", "a(ss)", 1, "vram", "1");
        reply_done(&r);
}

/* As a tool does it that writes a file beside and renames it. */
static void put_file(Fixture *f, const char *path, const char *text) {
        tree_write(&f->tree, "etc/mdevctl.d/.new", text);
        ASSERT_EQ(renameat(f->tree.fd, "etc/mdevctl.d/.new", f->tree.fd, path), 0);
}

/* ---- by us ---- */

TEST(what_is_not_said_stays) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        define(&f, "vm1");
        CALL(&f, f.client, &r, ON1, "Modify", "a{sv}", 1, "autostart", "b", 1);
        reply_done(&r);
        assert_property(&f, "Autostart", "true");
        assert_property(&f, "Reserve", "true"); /* it follows, as nobody said otherwise */
        assert_property(&f, "Owner", "vm1");
        assert_file(&f, FILE1,
                    "{\n  \"mdev_type\": \"" TYPE "\",\n  \"start\": \"auto\",\n  \"attrs\": [\n"
                    "    {\n      \"vram\": \"1\"\n    }\n  ]\n}");
        CALL(&f, f.client, &r, ON1, "Modify", "a{sv}", 2, "reserve", "b", 0, "type", "s", "other");
        reply_done(&r);
        assert_property(&f, "Reserve", "false");
        assert_property(&f, "Type", "other");
        CALL(&f, f.client, &r, ON1, "Modify", "a{sv}", 1, "attributes", "a(ss)", 0);
        reply_done(&r);
        assert_file(&f, FILE1,
                    "{\n  \"mdev_type\": \"other\",\n  \"start\": \"auto\",\n  \"attrs\": []\n}");
        fixture_done(&f);
}

TEST(live_config_or_both) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        define(&f, "");
        CALL_ERROR(&f, f.client, "NoSuchDevice", "not active", ON1, "Modify", "a{sv}", 2, "live",
                   "b", 1, "attributes", "a(ss)", 1, "vram", "2");
        call(&f, "Start");
        CALL(&f, f.client, &r, ON1, "Modify", "a{sv}", 2, "live", "b", 1, "attributes", "a(ss)", 2,
             "vram", "2", "vram", "3");
        reply_done(&r);
        assert_file(&f, SYSFS1 "/vram", "3\n");
        CALL(&f, f.client, &r, ON1, "GetAttributes", "");
        ASSERT_TRUE(sd_bus_message_skip(r.m, "a(ss)") > 0);
        reply_done(&r);
        CALL(&f, f.client, &r, ON1, "Modify", "a{sv}", 3, "live", "b", 1, "config", "b", 1,
             "attributes", "a(ss)", 1, "vram", "4");
        reply_done(&r);
        assert_file(&f, SYSFS1 "/vram", "4\n");
        assert_file(&f, FILE1,
                    "{\n  \"mdev_type\": \"" TYPE "\",\n  \"start\": \"manual\",\n  \"attrs\": [\n"
                    "    {\n      \"vram\": \"4\"\n    }\n  ]\n}");

        /* what the device refuses is not what it will be given the next time */
        CALL_ERROR(&f, f.client, "InvalidArgument", "number 2 of 2", ON1, "Modify", "a{sv}", 3,
                   "live", "b", 1, "config", "b", 1, "attributes", "a(ss)", 2, "vram", "5", "nix",
                   "1");
        assert_file(&f, FILE1,
                    "{\n  \"mdev_type\": \"" TYPE "\",\n  \"start\": \"manual\",\n  \"attrs\": [\n"
                    "    {\n      \"vram\": \"4\"\n    }\n  ]\n}");
        ASSERT_FALSE(file_exists(&f, "etc/mdevctl.d/." PARENT ":" UUID1 ".mdevd"));

        CALL_ERROR(&f, f.client, "Busy", "active", ON1, "Modify", "a{sv}", 1, "type", "s", "other");
        CALL_ERROR(&f, f.client, "InvalidArgument", "Nothing", ON1, "Modify", "a{sv}", 0);
        CALL_ERROR(&f, f.client, "InvalidArgument", "definition's", ON1, "Modify", "a{sv}", 2,
                   "live", "b", 1, "autostart", "b", 1);
        CALL_ERROR(&f, f.client, "InvalidArgument", "Only attributes", ON1, "Modify", "a{sv}", 3,
                   "live", "b", 1, "config", "b", 1, "autostart", "b", 1);
        CALL_ERROR(&f, f.client, "InvalidArgument", "..", ON1, "Modify", "a{sv}", 2, "live", "b", 1,
                   "attributes", "a(ss)", 1, "../../x", "1");
        call(&f, "Undefine");
        CALL_ERROR(&f, f.client, "NoSuchDefinition", "not defined", ON1, "Modify", "a{sv}", 1,
                   "autostart", "b", 1);
        fixture_done(&f);
}

TEST(keys_of_other_tools_stay) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        tree_write(&f.tree, FILE1,
                   "{ \"x-tool\": {\"a\": [1, 2.50, null], \"b\": \"\\u00e9\"},\n"
                   "  \"mdev\\u005ftype\": \"" TYPE "\", \"start\": \"manual\", \"y\": [] }");
        fixture_start(&f);
        assert_property(&f, "DefinedType", TYPE);
        CALL(&f, f.client, &r, ON1, "Modify", "a{sv}", 1, "autostart", "b", 1);
        reply_done(&r);
        assert_file(&f, FILE1,
                    "{\n  \"mdev_type\": \"" TYPE "\",\n  \"start\": \"auto\",\n  \"attrs\": [],\n"
                    "  \"x-tool\": { \"a\": [ 1, 2.50, null ], \"b\": \"\\u00e9\" },\n"
                    "  \"y\": []\n}");
        assert_property(&f, "Invalid", "");
        fixture_done(&f);
}

TEST(owners_change) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        tree_write(&f.tree, "etc/mdevd/mdevd.json",
                   "{ \"policy\": { \"groups\": [ { \"name\": \"none\", \"owners\": [ \"no*\" ], "
                   "\"limit\": { \"devices\": 0 } } ] } }");
        fixture_start(&f);
        define(&f, "vm1");
        call(&f, "Start");
        CALL(&f, f.client, &r, ON1, "SetOwner", "s", "vm2");
        reply_done(&r);
        assert_property(&f, "Owner", "vm2");
        assert_file(&f, EXTRAS1, "{\n  \"owner\": \"vm2\"\n}\n");
        call(&f, "Undefine");
        CALL(&f, f.client, &r, ON1, "SetOwner", "s", "vm3");
        reply_done(&r);
        assert_property(&f, "Owner", "vm3");

        (void) fixture_end(&f, SIGKILL);
        fixture_start(&f);
        assert_property(&f, "Owner", "vm3");
        CALL_ERROR(&f, f.client, "NoRoom", "none", ON1, "SetOwner", "s", "no1");
        assert_property(&f, "Owner", "vm3");
        CALL_ERROR(&f, f.client, "InvalidOwner", "control", ON1, "SetOwner", "s", "a\nb");
        CALL(&f, f.client, &r, ON1, "SetOwner", "s",
             "123456789012345678901234567890123456789012345678901234567890123");
        reply_done(&r);
        CALL_ERROR(&f, f.client, "TooLong", "64 bytes", ON1, "SetOwner", "s",
                   "1234567890123456789012345678901234567890123456789012345678901234");
        fixture_done(&f);
}

/* ---- by others ---- */

TEST(files_that_others_write_are_noticed) {
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        /* the folder, too, comes while we look */
        tree_mkdir(&f.tree, "etc/mdevctl.d/" PARENT);
        put_file(&f, FILE1, "{ \"mdev_type\": \"" TYPE "\", \"start\": \"auto\" }");
        wait_signal(&f, "InterfacesAdded " DEVICE1);
        assert_property(&f, "State", "defined");
        assert_property(&f, "Autostart", "true");
        ASSERT_FALSE(file_exists(&f, SYSFS1)); /* not started now */

        forget_signals(&f);
        put_file(&f, FILE1, "{ \"mdev_type\": \"" TYPE "\", \"start\": ");
        wait_signal(&f, CHANGED);
        wait_signal(&f, "PropertiesChanged " MDEVD_OBJECT_ROOT " ");
        CALL_ERROR(&f, f.client, "InvalidArgument", FILE1, ON1, "Start", "");
        CALL_ERROR(&f, f.client, "InvalidArgument", FILE1, ON1, "Modify", "a{sv}", 1, "autostart",
                   "b", 0);

        forget_signals(&f);
        put_file(&f, FILE1, "{ \"mdev_type\": \"" TYPE "\", \"start\": \"manual\" }");
        wait_signal(&f, CHANGED);
        assert_property(&f, "Invalid", "");
        assert_property(&f, "Autostart", "false");
        ASSERT_EQ(unlinkat(f.tree.fd, FILE1, 0), 0);
        wait_signal(&f, "InterfacesRemoved " DEVICE1);

        /* a folder that goes takes its definitions with it, one that comes back brings them */
        forget_signals(&f);
        put_file(&f, FILE1, "{ \"mdev_type\": \"" TYPE "\", \"start\": \"manual\" }");
        wait_signal(&f, "InterfacesAdded " DEVICE1);
        ASSERT_EQ(renameat(f.tree.fd, "etc/mdevctl.d", f.tree.fd, "etc/away"), 0);
        wait_signal(&f, "InterfacesRemoved " DEVICE1);
        forget_signals(&f);
        ASSERT_EQ(renameat(f.tree.fd, "etc/away", f.tree.fd, "etc/mdevctl.d"), 0);
        wait_signal(&f, "InterfacesAdded " DEVICE1);
        forget_signals(&f);
        ASSERT_EQ(unlinkat(f.tree.fd, FILE1, 0), 0);
        wait_signal(&f, "InterfacesRemoved " DEVICE1);
        fixture_done(&f);
}

static unsigned events_max(void) {
        unsigned n = 0;
        FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

        ASSERT_NOT_NULL(file);
        ASSERT_EQ(fscanf(file, "%u", &n), 1);
        (void) fclose(file);
        return n;
}

/* What inotify had no room to tell: a folder has another name. */
TEST(a_folder_renamed_among_lost_events_is_followed) {
        const char *const away = "etc/mdevctl.d/0000:3a:00.0";
        const unsigned n = events_max();
        Fixture f;
        int fd;

        fixture_init(&f);
        tree_write(&f.tree, FILE1, "{ \"mdev_type\": \"" TYPE "\", \"start\": \"manual\" }");
        fixture_start(&f);
        ASSERT_OK(kill(f.daemon_pid, SIGSTOP));
        /* two in turn, for the same twice is told once */
        for (unsigned i = 0; i <= n; i++) {
                fd = openat(f.tree.fd, i % 2 ? FILE1 ".a" : FILE1 ".b",
                            O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                ASSERT_TRUE(fd >= 0);
                safe_close(fd);
        }
        ASSERT_EQ(renameat(f.tree.fd, "etc/mdevctl.d/" PARENT, f.tree.fd, away), 0);
        ASSERT_OK(kill(f.daemon_pid, SIGCONT));
        wait_signal(&f, "InterfacesRemoved " DEVICE1);
        forget_signals(&f);
        put_file(&f, "etc/mdevctl.d/0000:3a:00.0/" UUID2,
                 "{ \"mdev_type\": \"" TYPE "\", \"start\": \"manual\" }");
        wait_signal(&f, "InterfacesAdded /org/mdevd1/device/_30000_3a3a_3a00_2e0/"
                        "_311111111_2d2222_2d3333_2d4444_2d555555555502");
        fixture_done(&f);
}

TEST(a_bad_file_is_one_bad_definition) {
        Fixture f;

        fixture_init(&f);
        tree_write(&f.tree, FILE1, "{ no json");
        write_definition(&f, OTHER, UUID2, TYPE);
        fixture_start(&f);
        wait_signal(&f, "PropertiesChanged /org/mdevd1/device/_30000_3a00_3a06_2e0/");
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID2));
        assert_property(&f, "State", "defined");
        call(&f, "Undefine");
        ASSERT_FALSE(file_exists(&f, FILE1));
        fixture_done(&f);
}

/* ---- the same call once more ---- */

TEST(repeated_calls_join) {
        static const char *const verbs[] = { "Start", "Stop" };
        static const char *const gates[] = { "gate-create-" PARENT, "gate-remove-" PARENT };
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        define(&f, "");
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
                Reply a = {}, b = {};
                int gate;

                gate_make(&f, gates[i]);
                call_begin(f.client, &a, ON1, verbs[i], "");
                gate = gate_hold(&f, gates[i]);
                call_begin(f.watcher, &b, ON1, verbs[i], "");
                CALL_ERROR(&f, f.client, "Busy", UUID1, ON1, "Undefine", "");
                CALL_ERROR(&f, f.client, "Busy", UUID1, ON1, "Modify", "a{sv}", 1, "autostart", "b",
                           1);
                gate_release(&f, gates[i], gate);
                call_wait(&f, &a);
                call_wait(&f, &b);
                ASSERT_REPLY(&a);
                ASSERT_REPLY(&b);
                reply_done(&a);
                reply_done(&b);
        }
        fixture_done(&f);
}

TEST(a_repeated_define_gets_the_answer_of_the_first) {
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        define(&f, "vm1");
        define(&f, "vm1");
        CALL_ERROR(&f, f.client, "DeviceExists", "already defined", DEFINE, PARENT, TYPE, 2, "uuid",
                   "s", UUID1, "owner", "s", "vm1");
        fixture_done(&f);
}

/* ---- who may ---- */

TEST(every_change_asks_polkit) {
        static const char *const verbs[] = { "Start", "StartAsync", "Stop", "StopAsync", "Undefine",
                                             "UndefineAsync", "GetAttributes" };
        static const char *const with_options[] = { "Modify", "ModifyAsync", "StopWithOptions",
                                                    "StopWithOptionsAsync", "StartWithOptions",
                                                    "StartWithOptionsAsync",
                                                    "UndefineWithOptions",
                                                    "UndefineWithOptionsAsync" };
        sd_bus *nobody;
        Polkit polkit;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        polkit_init(&polkit, &f);
        polkit.mode = POLKIT_NO;
        fixture_start(&f);
        define(&f, "vm1");
        nobody = fixture_connect(&f, NOBODY);
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.manage", ON1,
                           verbs[i], "");
        for (size_t i = 0; i < ARRAY_SIZE(with_options); i++)
                CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.manage", ON1,
                           with_options[i], "a{sv}", 0);
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.manage", ON1, "SetOwner",
                   "s", "");
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "may not name", ON1, "SetOwner", "s",
                   "vm2");
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "org.mdevd1.create", DEFINE, PARENT,
                   TYPE, 0);
        /* what is another's stays another's: nobody may not name its owner */
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "may not name", DEFINE, "", "", 1,
                   "uuid", "s", UUID1);
        ASSERT_CONTAINS(polkit.asked, "org.mdevd1.manage ");
        ASSERT_CONTAINS(polkit.asked, "uuid=" UUID1 " parent=" PARENT " type=" TYPE " owner=vm1");
        ASSERT_TRUE(file_exists(&f, FILE1));
        assert_property(&f, "State", "defined");

        polkit.mode = POLKIT_YES;
        CALL(&f, nobody, &r, ON1, "Start", "");
        reply_done(&r);
        CALL(&f, nobody, &r, ON1, "Stop", "");
        reply_done(&r);
        CALL(&f, nobody, &r, ON1, "Undefine", "");
        reply_done(&r);
        sd_bus_flush_close_unref(nobody);
        polkit_done(&polkit);
        fixture_done(&f);
}

TEST(async_forms_tell_by_their_operation) {
        _cleanup_(freep) char *op = NULL, *state = NULL, *kind = NULL, *device = NULL;
        const char *path;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL(&f, f.client, &r, MANAGER, "DefineDeviceAsync", "ssa{sv}", PARENT, TYPE, 1, "uuid",
             "s", UUID1);
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &path) > 0);
        op = strdup(path);
        reply_done(&r);
        state = wait_operation(&f, op);
        kind = get_property(&f, op, MDEVD_IFACE_OPERATION, "Kind");
        device = get_property(&f, op, MDEVD_IFACE_OPERATION, "Device");
        ASSERT_STREQ(state, "done");
        ASSERT_STREQ(kind, "define");
        ASSERT_STREQ(device, DEVICE1);
        fixture_done(&f);
}

TESTS_MAIN

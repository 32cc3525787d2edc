/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-interfaces.c: InterfacesAdded is what sd-bus would send, and what GetManagedObjects says. */
#include <sys/socket.h>

#include "bus/interfaces.h"
#include "fixture.h"

#define OBJECT_MANAGER_IFACE "org.freedesktop.DBus.ObjectManager"
#define OBJECT MDEVD_OBJECT_DEVICE "/a/b"
#define IFACE "org.mdevd1.Test"

/* Types and values of the a{sa{sv}} that is next in @m; to be freed. */
static char *dump(sd_bus_message *m) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *copy = NULL;
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ASSERT_NOT_NULL(f);
        ASSERT_TRUE(sd_bus_message_new_signal(sd_bus_message_get_bus(m), &copy, "/", "a.b", "C") >=
                    0);
        ASSERT_TRUE(sd_bus_message_copy(copy, m, false) >= 0);
        ASSERT_TRUE(sd_bus_message_seal(copy, 1, 0) >= 0);
        ASSERT_TRUE(sd_bus_message_dump(copy, f, 0) >= 0);
        ASSERT_EQ(fclose(f), 0);
        return text;
}

static void open_ends(sd_bus *ret[static 2]) {
        const sd_id128_t id = SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, a, b, c, d, e, f, 10);
        int fds[2];

        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        for (size_t i = 0; i < 2; i++) {
                ASSERT_OK(sd_bus_new(&ret[i]));
                ASSERT_OK(sd_bus_set_fd(ret[i], fds[i], fds[i]));
                if (i == 0)
                        ASSERT_OK(sd_bus_set_server(ret[i], true, id));
                ASSERT_TRUE(sd_bus_start(ret[i]) >= 0);
        }
}

static int get_anything(sd_bus *bus, const char *path, const char *iface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        ASSERT_STREQ(path, OBJECT);
        ASSERT_STREQ(iface, IFACE);
        ASSERT_STREQ(userdata, "object");
        if (streq(property, "Path"))
                return sd_bus_message_append(reply, "o", path);
        if (streq(property, "Structs"))
                return sd_bus_message_append(reply, "a(yt)", 2, 1, UINT64_C(2), 3, UINT64_C(4));
        if (streq(property, "No"))
                return sd_bus_message_append(reply, "b", 0);
        if (streq(property, "Number"))
                return sd_bus_message_append(reply, "t", UINT64_MAX);
        return sd_bus_message_append(reply, "s", property);
}

static int set_nothing(sd_bus *bus, const char *path, const char *iface, const char *property,
                       sd_bus_message *value, void *userdata, sd_bus_error *e) {
        return -ENOSYS;
}

static const sd_bus_vtable all_kinds[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Method", "", "", NULL, 0),
        SD_BUS_SIGNAL("Signal", "", 0),
        SD_BUS_PROPERTY("Name", "s", get_anything, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Path", "o", get_anything, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("No", "b", get_anything, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Hidden", "s", get_anything, 0, SD_BUS_VTABLE_HIDDEN),
        SD_BUS_PROPERTY("Explicit", "s", get_anything, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_PROPERTY("Costly", "s", get_anything, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_PROPERTY("Structs", "a(yt)", get_anything, 0, 0),
        SD_BUS_WRITABLE_PROPERTY("Written", "s", get_anything, set_nothing, 0, 0),
        SD_BUS_PROPERTY("Number", "t", get_anything, 0, 0),
        SD_BUS_VTABLE_END,
};

static int find(sd_bus *bus, const char *path, const char *iface, void *userdata, void **ret_found,
                sd_bus_error *e) {
        *ret_found = userdata;
        return streq(path, OBJECT);
}

static int keep_signal(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        sd_bus_message **kept = userdata;

        if (sd_bus_message_is_signal(m, OBJECT_MANAGER_IFACE, "InterfacesAdded") > 0)
                *(kept[0] ? &kept[1] : &kept[0]) = sd_bus_message_ref(m);
        return 0;
}

TEST(it_is_what_sd_bus_sends) {
        sd_bus_message *kept[2] = {};
        char userdata[] = "object";
        char *texts[2];
        sd_bus *ends[2];

        open_ends(ends);
        ASSERT_TRUE(sd_bus_add_object_manager(ends[0], NULL, MDEVD_OBJECT_ROOT) >= 0);
        ASSERT_TRUE(sd_bus_add_fallback_vtable(ends[0], NULL, MDEVD_OBJECT_DEVICE, IFACE, all_kinds,
                                               find, userdata) >= 0);
        ASSERT_TRUE(sd_bus_add_filter(ends[1], NULL, keep_signal, kept) >= 0);
        ASSERT_TRUE(sd_bus_emit_object_added(ends[0], OBJECT) >= 0);
        ASSERT_TRUE(interfaces_emit_added(ends[0], OBJECT, IFACE, all_kinds, userdata) >= 0);
        while (!kept[1])
                for (size_t i = 0; i < 2; i++)
                        ASSERT_TRUE(sd_bus_process(ends[i], NULL) >= 0);

        for (size_t i = 0; i < 2; i++) {
                const char *path;

                ASSERT_STREQ(sd_bus_message_get_path(kept[i]), MDEVD_OBJECT_ROOT);
                ASSERT_STREQ(sd_bus_message_get_signature(kept[i], true), "oa{sa{sv}}");
                ASSERT_EQ(sd_bus_message_get_expect_reply(kept[i]), 0);
                ASSERT_TRUE(sd_bus_message_read(kept[i], "o", &path) > 0);
                ASSERT_STREQ(path, OBJECT);
                texts[i] = dump(kept[i]);
                ASSERT_TRUE(sd_bus_message_at_end(kept[i], true) > 0);
                sd_bus_message_unref(kept[i]);
        }
        ASSERT_CONTAINS(texts[0], "Structs");
        ASSERT_STREQ(texts[1], texts[0]);
        for (size_t i = 0; i < 2; i++) {
                free(texts[i]);
                sd_bus_unref(ends[i]);
        }
}

static char *dump_managed(Fixture *f, const char *path) {
        char *text = NULL;
        const char *other;
        Reply r = {};

        CALL(f, f->client, &r, MDEVD_OBJECT_ROOT, OBJECT_MANAGER_IFACE, "GetManagedObjects", "");
        ASSERT_TRUE(sd_bus_message_enter_container(r.m, 'a', "{oa{sa{sv}}}") > 0);
        while (!text && sd_bus_message_enter_container(r.m, 'e', "oa{sa{sv}}") > 0) {
                ASSERT_TRUE(sd_bus_message_read_basic(r.m, 'o', &other) > 0);
                if (streq(path, other))
                        text = dump(r.m);
                else
                        ASSERT_TRUE(sd_bus_message_skip(r.m, "a{sa{sv}}") > 0);
                ASSERT_TRUE(sd_bus_message_exit_container(r.m) >= 0);
        }
        ASSERT_NOT_NULL(text);
        reply_done(&r);
        return text;
}

typedef struct Seen Seen;

struct Seen {
        const char *path;
        char *text;
};

static int on_added(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Seen *seen = userdata;
        const char *path;

        ASSERT_TRUE(sd_bus_message_read(m, "o", &path) > 0);
        if (streq(path, seen->path)) {
                ASSERT_NULL(seen->text);
                seen->text = dump(m);
        }
        return 0;
}

static bool is_seen(void *userdata) {
        return ((Seen *) userdata)->text;
}

/* Calls @method, and compares what is told of the object then with what can be asked. */
static void compare(Fixture *f, const char *method, const char *uuid, const char *state) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_(freep) char *path = NULL, *managed = NULL;
        Seen seen = {};
        Reply r = {};

        ASSERT_TRUE(sd_bus_path_encode_many(&path, MDEVD_OBJECT_DEVICE "/%/%", PARENT, uuid) >= 0);
        seen.path = path;
        ASSERT_TRUE(sd_bus_match_signal(f->watcher, &slot, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                        OBJECT_MANAGER_IFACE, "InterfacesAdded", on_added,
                                        &seen) >= 0);
        CALL(f, f->client, &r, MANAGER, method, "ssa{sv}", PARENT, TYPE, 2, "uuid", "s", uuid,
             "owner", "s", "vm1");
        reply_done(&r);
        fixture_wait(f, is_seen, &seen, "InterfacesAdded");
        managed = dump_managed(f, path);
        ASSERT_CONTAINS(managed, state);
        ASSERT_STREQ(seen.text, managed);
        free(seen.text);
}

TEST(it_is_what_can_be_asked_for) {
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        compare(&f, "CreateDevice", UUID1, "\"live\"");
        compare(&f, "DefineDevice", UUID2, "\"defined\"");
        fixture_done(&f);
}

TESTS_MAIN

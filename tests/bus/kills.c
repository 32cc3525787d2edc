/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kills.c: owns the scenarios of test-kills.c: each is one thing that the daemon can do. */
#include <dirent.h>

#include "../unit/fake-kernel.h"
#include "kills.h"
#include "util/uuid.h"

#define DEVICE_ON_PARENT(uuid_tail)                                                                \
        "/org/mdevd1/device/_30000_3a00_3a05_2e0/_311111111_2d2222_2d3333_2d4444_2d5555555555"     \
        uuid_tail
#define DEVICE_ON_MODULE(uuid_tail)                                                                \
        "/org/mdevd1/device/_30000_3a00_3a07_2e0/_311111111_2d2222_2d3333_2d4444_2d5555555555"     \
        uuid_tail

#define UUID4 "11111111-2222-3333-4444-555555555504"
#define UUID5 "11111111-2222-3333-4444-555555555505"

/* ---- create ---- */

static void act_create(Trial *t, Reply *r) {
        call_begin(t->f.client, r, MANAGER, "CreateDevice", "ssa{sv}", PARENT, TYPE, 3, "uuid",
                   "s", UUID1, "owner", "s", "vm1", "attributes", "a(ss)", 2, "first", "1",
                   "second", "2");
}

static const Scenario create = {
        .name = "create",
        .devices = { { UUID1, PARENT, "vm1", "request", false, true } },
        .act = act_create,
        .done_error = "DeviceExists",
};

static void act_create_ours(Trial *t, Reply *r) {
        call_begin(t->f.client, r, MANAGER, "CreateDevice", "ssa{sv}", MODULE, MODULE_TYPE, 2,
                   "uuid", "s", UUID2, "owner", "s", "vm2");
}

static const Scenario create_ours = {
        .name = "create-ours",
        .devices = { { UUID2, MODULE, "vm2", "request", false, true } },
        .act = act_create_ours,
};

/* ---- leases ---- */

static void act_create_leased(Trial *t, Reply *r) {
        call_begin(t->f.client, r, MANAGER, "CreateDevice", "ssa{sv}", MODULE, MODULE_TYPE, 3,
                   "uuid", "s", UUID2, "owner", "s", "vm2", "lease", "s", "vm");
}

static const Scenario create_leased = {
        .name = "create-leased",
        .devices = { { UUID2, MODULE, "vm2", "request", false, true, "vm" } },
        .act = act_create_leased,
};

/*
 * It is opened for the first time, and closed: the daemon notes both before it hears a call that
 * comes after. Whoever dies meanwhile, it lingers in the end, or still waits for its first open.
 */
static void act_use_leased(Trial *t, Reply *r) {
        Reply ping = {};
        Uuid uuid;

        ASSERT_OK(uuid_parse(UUID2, &uuid));
        fake_module_open(t->f.tree.path, uuid.bytes, 4712, "guest");
        call_begin(t->f.client, &ping, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.Peer", "Ping", "");
        call_wait(&t->f, &ping);
        reply_done(&ping);
        fake_module_close(t->f.tree.path, uuid.bytes);
        call_begin(t->f.client, r, MANAGER, "GetDevice", "ss", UUID2, "");
}

static const Scenario use_leased = {
        .name = "use-leased",
        .devices = { { UUID2, MODULE, "vm2", "request", true, true, "vm" } },
        .act = act_use_leased,
};

/* Its time has come while no daemon was there. */
static void prepare_end(Trial *t) {
        char text[4096];
        json_object *o, *lease;
        ssize_t n;

        n = readlinkat(t->f.tree.fd, MDEVD_PATH_DEVICES "/" UUID2, text, sizeof(text) - 1);
        ASSERT_TRUE(n > 0);
        text[n] = '\0';
        o = json_tokener_parse(text);
        ASSERT_TRUE(o && json_object_object_get_ex(o, "lease", &lease));
        ASSERT_EQ(json_object_object_add(lease, "phase", json_object_new_string("closed")), 0);
        ASSERT_EQ(json_object_object_add(lease, "until", json_object_new_uint64(1)), 0);
        ASSERT_EQ(unlinkat(t->f.tree.fd, MDEVD_PATH_DEVICES "/" UUID2, 0), 0);
        ASSERT_EQ(symlinkat(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), t->f.tree.fd,
                            MDEVD_PATH_DEVICES "/" UUID2), 0);
        json_object_put(o);
}

/* Whoever dies between its end and the removal, it goes. */
static const Scenario end_leased = {
        .name = "end-leased",
        .devices = { { UUID2, MODULE, "vm2", "request", true, false, "vm" } },
        .prepare = prepare_end,
};

/* ---- stop ---- */

static void act_stop(Trial *t, Reply *r) {
        call_begin(t->f.client, r, DEVICE_ON_PARENT("01"), MDEVD_IFACE_DEVICE, "Stop", "");
}

static const Scenario stop = {
        .name = "stop",
        .devices = { { UUID1, PARENT, "vm1", "request", true, false } },
        .act = act_stop,
        .done_error = "UnknownObject",
};

static void act_stop_ours(Trial *t, Reply *r) {
        call_begin(t->f.client, r, DEVICE_ON_MODULE("02"), MDEVD_IFACE_DEVICE, "Stop", "");
}

static const Scenario stop_ours = {
        .name = "stop-ours",
        .devices = { { UUID2, MODULE, "vm2", "request", true, false } },
        .act = act_stop_ours,
        .done_error = "UnknownObject",
};

/* ---- restore ---- */

static const char extras[] = "{\n  \"owner\": \"vm3\"\n}\n";

static void define(Trial *t, const char *parent, const char *uuid, const char *type) {
        char path[160];

        write_definition(&t->f, parent, uuid, type);
        (void) snprintf(path, sizeof(path), MDEVD_PATH_EXTRAS "/%s/%s.json", parent, uuid);
        tree_write(&t->f.tree, path, extras);
}

static void prepare_restore(Trial *t) {
        define(t, PARENT, UUID1, TYPE);
        define(t, OTHER, UUID2, TYPE);
        define(t, MODULE, UUID3, "mdevd-" MODULE_TYPE);
}

#define RESTORED                                                                                   \
        {                                                                                          \
                { UUID1, PARENT, "vm3", "definition", false, true },                               \
                { UUID2, OTHER, "vm3", "definition", false, true },                                \
                { UUID3, MODULE, "vm3", "definition", false, true },                               \
        }

/* A daemon starts where one was before. */
static const Scenario restore = {
        .name = "restore",
        .devices = RESTORED,
        .prepare = prepare_restore,
};

/* A machine starts: nothing is bound, nothing is there. */
static const Scenario boot = {
        .name = "boot",
        .devices = RESTORED,
        .prepare = prepare_restore,
        .boots = true,
};

/* As many as it takes for some to be in line behind another. */
static const char *const in_line[] = { UUID1, UUID2, UUID3, UUID4, UUID5 };

static void prepare_line(Trial *t) {
        tree_write(&t->f.tree, "sys/" FAKE_DEVPATH "/" PARENT "/mdev_supported_types/" TYPE
                   "/available_instances", "6\n");
        for (size_t i = 0; i < ARRAY_SIZE(in_line); i++)
                define(t, PARENT, in_line[i], TYPE);
}

static const Scenario line = {
        .name = "line",
        .devices = {
                { UUID1, PARENT, "vm3", "definition", false, true },
                { UUID2, PARENT, "vm3", "definition", false, true },
                { UUID3, PARENT, "vm3", "definition", false, true },
                { UUID4, PARENT, "vm3", "definition", false, true },
                { UUID5, PARENT, "vm3", "definition", false, true },
        },
        .instances = 6,
        .prepare = prepare_line,
};

/* ---- definitions ---- */

#define DEFINITION MDEVD_PATH_DEFINITIONS "/" PARENT "/" UUID3

/*
 * Of the definition of UUID3: what the model says and what the files say, which must be the same.
 */
typedef struct Defined Defined;

struct Defined {
        bool there, autostart;
        char type[64], owner[64];
};

static Defined in_model(json_object *state) {
        json_object *list = NULL, *d = NULL, *v = NULL;
        Defined ret = {};

        ASSERT_TRUE(json_object_object_get_ex(state, "definitions", &list));
        ASSERT_TRUE(json_object_array_length(list) <= 1);
        if (json_object_array_length(list) == 0)
                return ret;
        d = json_object_array_get_idx(list, 0);
        ASSERT_TRUE(json_object_object_get_ex(d, "invalid", &v));
        ASSERT_NULL(v); /* JSON's null: it can be used */
        ret.there = true;
        ASSERT_TRUE(json_object_object_get_ex(d, "autostart", &v));
        ret.autostart = json_object_get_boolean(v);
        ASSERT_TRUE(json_object_object_get_ex(d, "type", &v));
        (void) snprintf(ret.type, sizeof(ret.type), "%s", json_object_get_string(v));
        ASSERT_TRUE(json_object_object_get_ex(d, "owner", &v));
        (void) snprintf(ret.owner, sizeof(ret.owner), "%s", json_object_get_string(v) ?: "");
        return ret;
}

static bool is_in_file(Trial *t, const Defined *d) {
        _cleanup_(freep) char *text = NULL;
        json_object *o, *v = NULL;

        if (read_file_at(t->f.tree.fd, DEFINITION, 65536, &text, NULL) < 0)
                return !d->there;
        o = json_tokener_parse(text); /* whole, or no JSON */
        ASSERT_NOT_NULL(o);
        ASSERT_TRUE(json_object_object_get_ex(o, "mdev_type", &v));
        ASSERT_STREQ(json_object_get_string(v), d->type);
        ASSERT_TRUE(json_object_object_get_ex(o, "start", &v));
        ASSERT_STREQ(json_object_get_string(v), d->autostart ? "auto" : "manual");
        json_object_put(o);
        return d->there;
}

static size_t count_plain(Trial *t, const char *folder) {
        int fd = openat(t->f.tree.fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        size_t n = 0;

        for (struct dirent *de; dir && (de = readdir(dir));)
                n += !streq(de->d_name, ".") && !streq(de->d_name, "..");
        if (dir)
                (void) closedir(dir);
        return n;
}

/* No file is left over: the folder of the parent is all that is in the store. */
static void check_store(Trial *t, const Defined *d) {
        ASSERT_TRUE(is_in_file(t, d));
        ASSERT_TRUE(count_plain(t, MDEVD_PATH_DEFINITIONS) <= 1);
        ASSERT_EQ(count_plain(t, MDEVD_PATH_DEFINITIONS "/" PARENT), d->there);
        ASSERT_EQ(count_plain(t, MDEVD_PATH_EXTRAS "/" PARENT), d->there && d->owner[0]);
}

static void act_define(Trial *t, Reply *r) {
        call_begin(t->f.client, r, MANAGER, "DefineDevice", "ssa{sv}", PARENT, TYPE, 3, "uuid",
                   "s", UUID3, "owner", "s", "vm3", "attributes", "a(ss)", 1, "first", "1");
}

static void check_defined(Trial *t, json_object *state, bool strict, bool done) {
        Defined d = in_model(state);

        ASSERT_TRUE(d.there || !done);
        if (d.there) {
                ASSERT_STREQ(d.type, TYPE);
                ASSERT_STREQ(d.owner, "vm3");
                ASSERT_FALSE(d.autostart);
        }
        if (strict)
                check_store(t, &d);
        else
                ASSERT_TRUE(is_in_file(t, &d));
}

static const Scenario definition = {
        .name = "define",
        .devices = {},
        .act = act_define,
        .check_files = check_defined,
        .done_error = "DeviceExists",
};

static void prepare_definition(Trial *t) {
        tree_write(&t->f.tree, DEFINITION,
                   "{\n  \"mdev_type\": \"" TYPE "\",\n  \"start\": \"manual\",\n"
                   "  \"attrs\": []\n}");
        tree_write(&t->f.tree, MDEVD_PATH_EXTRAS "/" PARENT "/" UUID3 ".json", extras);
}

/* Whole, before or after: attributes and reserve (in the other file) go together. */
static void act_modify(Trial *t, Reply *r) {
        call_begin(t->f.client, r, DEVICE_ON_PARENT("03"), MDEVD_IFACE_DEVICE, "Modify", "a{sv}", 2,
                   "reserve", "b", 1, "attributes", "a(ss)", 2, "first", "1", "second", "2");
}

static void check_modified(Trial *t, json_object *state, bool strict, bool done) {
        _cleanup_(freep) char *text = NULL;
        json_object *list = NULL, *v = NULL;
        Defined d = in_model(state);
        bool reserves, has_attributes;

        ASSERT_TRUE(d.there);
        ASSERT_STREQ(d.owner, "vm3");
        ASSERT_OK(read_file_at(t->f.tree.fd, DEFINITION, 65536, &text, NULL));
        has_attributes = strstr(text, "second") != NULL;
        ASSERT_TRUE(json_object_object_get_ex(state, "definitions", &list));
        ASSERT_TRUE(json_object_object_get_ex(json_object_array_get_idx(list, 0), "reserve", &v));
        reserves = json_object_get_boolean(v);
        ASSERT_EQ(reserves, has_attributes);
        ASSERT_TRUE(reserves || !done);
        if (strict)
                check_store(t, &d);
}

static const Scenario modify = {
        .name = "modify",
        .prepare = prepare_definition,
        .act = act_modify,
        .check_files = check_modified,
};

static void act_undefine(Trial *t, Reply *r) {
        call_begin(t->f.client, r, DEVICE_ON_PARENT("03"), MDEVD_IFACE_DEVICE, "Undefine", "");
}

static void check_undefined(Trial *t, json_object *state, bool strict, bool done) {
        Defined d = in_model(state);

        ASSERT_FALSE(d.there && done);
        if (d.there)
                ASSERT_STREQ(d.owner, "vm3");
        if (strict)
                check_store(t, &d);
        else
                ASSERT_TRUE(is_in_file(t, &d));
}

static const Scenario undefine = {
        .name = "undefine",
        .prepare = prepare_definition,
        .act = act_undefine,
        .check_files = check_undefined,
        .done_error = "UnknownObject",
};

static void act_start(Trial *t, Reply *r) {
        call_begin(t->f.client, r, DEVICE_ON_PARENT("03"), MDEVD_IFACE_DEVICE, "Start", "");
}

static const Scenario start = {
        .name = "start",
        .devices = { { UUID3, PARENT, "vm3", "definition", false, true } },
        .prepare = prepare_definition,
        .act = act_start,
        .done_error = "DeviceExists",
};

const Scenario *const kills_scenarios[] = {
        &create, &create_ours, &create_leased, &use_leased, &end_leased, &stop, &stop_ours,
        &definition, &modify, &undefine, &start, &restore, &line, &boot, NULL,
};

const Sabotage kills_sabotages[] = {
        /* who made it is forgotten */
        { &create, "daemon symlinkat run/mdevd/devices/" UUID1 },
        /* the commit of a definition */
        { &definition, "daemon renameat " DEFINITION },
        { &undefine, "daemon unlinkat " DEFINITION },
        {},
};

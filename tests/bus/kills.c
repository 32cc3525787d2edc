/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kills.c: owns the scenarios of test-kills.c: each is one thing that the daemon can do. */
#include "kills.h"

#define DEVICE_ON_PARENT(uuid_tail)                                                                \
        "/org/mdevd1/device/_30000_3a00_3a05_2e0/_311111111_2d2222_2d3333_2d4444_2d5555555555"     \
        uuid_tail
#define DEVICE_ON_MODULE(uuid_tail)                                                                \
        "/org/mdevd1/device/_30000_3a00_3a07_2e0/_311111111_2d2222_2d3333_2d4444_2d5555555555"     \
        uuid_tail

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
        .done_error = "DeviceExists",
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

const Scenario *const kills_scenarios[] = {
        &create, &create_ours, &stop, &stop_ours, &restore, &boot, NULL,
};

const Sabotage kills_sabotages[] = {
        /* who made it is forgotten */
        { &create, "daemon renameat run/mdevd/devices/" UUID1 },
        {},
};

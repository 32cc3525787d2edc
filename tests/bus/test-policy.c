/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-policy.c: rules as clients meet them: who may name whom, and rules that are changed. */
#include "polkit.h"

#define CONFIG "etc/mdevd/mdevd.json"
#define CREATE MANAGER, "CreateDevice", "ssa{sv}"
#define PLAN MANAGER, "PlanDevice", "ssa{sv}"
#define RELOAD MANAGER, "Reload", ""

static void write_policy(Fixture *f, const char *policy) {
        char text[1024];

        ASSERT_TRUE((size_t) snprintf(text, sizeof(text), "{\n\"policy\": {\n%s\n}\n}\n", policy) <
                    sizeof(text));
        tree_write(&f->tree, CONFIG, text);
}

static void reload(Fixture *f) {
        Reply r = {};

        CALL(f, f->client, &r, RELOAD);
        reply_done(&r);
}

TEST(who_may_name_an_owner) {
        sd_bus *nobody;
        Polkit polkit;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        write_policy(&f, "\"groups\": [ { \"name\": \"vms\", \"owners\": [ \"vm*\" ], \"users\": "
                         "[ 65534 ] }, { \"name\": \"dbs\", \"owners\": [ \"db*\" ] } ]");
        polkit_init(&polkit, &f);
        polkit.mode = POLKIT_YES;
        fixture_start(&f);
        nobody = fixture_connect(&f, NOBODY);

        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED,
                   "User 65534 may not name the owner \"db1\": that is for root and for the "
                   "\"users\" of the policy's group, which is dbs;",
                   CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1, "owner", "s", "db1");
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "which is default;", MANAGER,
                   "CreateDeviceAsync", "ssa{sv}", PARENT, TYPE, 1, "owner", "s", "x");
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "which is dbs;", PLAN, PARENT, TYPE, 1,
                   "owner", "s", "db1");
        ASSERT_EQ(polkit.n_asked, 0); /* a dialog would have been for nothing */
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));

        CALL(&f, nobody, &r, PLAN, PARENT, TYPE, 1, "owner", "s", "vm1");
        reply_done(&r);
        CALL(&f, nobody, &r, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1, "owner", "s", "vm1");
        reply_done(&r);
        CALL(&f, nobody, &r, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID2);
        reply_done(&r);
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID3, "owner", "s", "db1");
        reply_done(&r);

        /* the rule is looked at anew for every call */
        write_policy(&f, "\"groups\": [ { \"name\": \"vms\", \"owners\": [ \"vm*\" ] } ]");
        reload(&f);
        CALL_ERROR(&f, nobody, SD_BUS_ERROR_ACCESS_DENIED, "which is vms;", CREATE, PARENT, TYPE, 1,
                   "owner", "s", "vm1");
        sd_bus_flush_close_unref(nobody);
        polkit_done(&polkit);
        fixture_done(&f);
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-reload.c: rules as clients meet them: who may name whom, and rules that are changed. */
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

/* All of ConfigProblems, a line each. */
static char *problems(Fixture *f) {
        char *text = NULL;
        size_t size;
        Reply r = {};
        FILE *out = open_memstream(&text, &size);

        ASSERT_NOT_NULL(out);
        CALL(f, f->client, &r, MDEVD_OBJECT_ROOT, GET, MDEVD_IFACE_MANAGER, "ConfigProblems");
        ASSERT_TRUE(sd_bus_message_enter_container(r.m, 'v', "a(suus)") > 0);
        ASSERT_TRUE(sd_bus_message_enter_container(r.m, 'a', "(suus)") > 0);
        for (;;) {
                uint32_t line, column;
                const char *file, *what;
                int k = sd_bus_message_read(r.m, "(suus)", &file, &line, &column, &what);

                ASSERT_TRUE(k >= 0);
                if (k == 0)
                        break;
                fprintf(out, "%s:%u:%u: %s\n", file, line, column, what);
        }
        reply_done(&r);
        ASSERT_EQ(fclose(out), 0);
        return text;
}

#define LIMIT(n) "\"groups\": [\n{ \"name\": \"vms\", \"owners\": [ \"vm*\" ], \"limit\": " \
                 "{ \"devices\": " n " }"

/*
 * Each kind of contradiction, over Reload: said with its place and its numbers, and not in force.
 */
TEST(rules_that_contradict_themselves_replace_none) {
        static const struct {
                const char *policy, *problem;
        } cases[] = {
                { LIMIT("9") ",\n\"guarantees\": [ { \"type\": \"" TYPE "\", "
                             "\"devices\": 10 } ] } ]",
                  "mdevd.json:4:1: group vms: 10 devices are guaranteed and its limit is 9\n" },
                { LIMIT("900") ",\n\"guarantees\": [\n  { \"type\": \"" TYPE "\", "
                               "\"devices\": 9 } ] } ]",
                  "mdevd.json:6:3: group vms: of 9 guaranteed " TYPE ", 1 have no room when all "
                  "guarantees are taken up; their drivers offer 8 in all\n" },
                { LIMIT("9") ",\n\"partitions\": [ { \"parent\": \"" PARENT "\", \"pool\": \"fb\", "
                             "\"size\": \"4K\" } ] } ]",
                  "mdevd.json:5:17: partition of group vms: there is no pool fb on " PARENT "\n" },
                { LIMIT("9") " },\n{ \"name\": \"vms\", \"owners\": [ \"x\" ] } ]",
                  "mdevd.json:5:11: expected groups of different names" },
                { "\"groups\": 7", "mdevd.json:3:11: " },
                { "\"groups\": [", "mdevd.json:4:1: " },
        };
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        write_policy(&f, LIMIT("1") " } ]");
        fixture_start(&f);
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1, "owner", "s", "vm1");
        reply_done(&r);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(freep) char *text = NULL;

                write_policy(&f, cases[i].policy);
                reload(&f);
                text = problems(&f);
                ASSERT_CONTAINS(text, cases[i].problem);
                CALL_ERROR(&f, f.client, "NoRoom", "and its limit is 1 (", CREATE, PARENT, TYPE, 1,
                           "owner", "s", "vm2");
        }

        /* a glob that nobody matches is only a warning, and these are in force */
        write_policy(&f, LIMIT("2") " }, { \"name\": \"x\", \"owners\": [ \"x*\" ] } ]");
        reload(&f);
        {
                _cleanup_(freep) char *text = problems(&f);

                ASSERT_CONTAINS(text, "group x: no known owner matches x*\n");
        }
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID2, "owner", "s", "vm2");
        reply_done(&r);
        CALL_ERROR(&f, f.client, "NoRoom", "its limit is 2", CREATE, PARENT, TYPE, 1, "owner", "s",
                   "vm3");
        fixture_done(&f);
}

TESTS_MAIN

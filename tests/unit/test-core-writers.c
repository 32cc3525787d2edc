/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-core-writers.c: UUIDs that others write to sysfs: granted by the policy or refused with an
 * errno, for whom, over a restart; and what sysfs says can still be made.
 */
#include "fixture.h"

#define MIB (UINT64_C(1) << 20)
#define CONFIG_FILE "etc/mdevd/mdevd.json"
#define U4 "44444444-4444-4444-8444-444444444444"
#define U5 "55555555-5555-4555-8555-555555555555"

/* 64 MiB; @policy: the members of "policy". */
static void begin(Fixture *f, const char *policy) {
        _cleanup_(freep) char *config = NULL;

        ASSERT_TRUE(asprintf(&config,
                             "{ \"parents\": [ { \"address\": \"" P1 "\","
                             "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2 } ],"
                             "  \"types\": [ \"fb-16M\", \"fb-8M\" ] } ],"
                             "  \"types\": {"
                             "  \"fb-16M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"16M\" } "
                             "] },  \"fb-8M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"8M\" "
                             "} ] } },  \"policy\": { %s } }",
                             policy) >= 0);
        fake_pci(f->tree, P1, "other", 0x1000, 64 * MIB);
        fake_write(f->tree, config, CONFIG_FILE);
        fake_load_module(f->tree);
        fixture_start(f);
        run_idle(f);
        ASSERT_EQ(state_of(f, P1), PARENT_REGISTERED);
}

static uint64_t ask(Fixture *f, const char *type, const char *uuid) {
        Uuid u = uuid_of(uuid);

        return fake_module_request(f->tree->root, P1, type, u.bytes, 4711, "vdsm");
}

static int outcome(Fixture *f, uint64_t cookie) {
        return fake_module_outcome(f->tree->root, cookie);
}

static int available(Fixture *f, const char *type) {
        return fake_module_available(f->tree->root, P1, type);
}

static void put_in_unit(Fixture *f, const char *unit) {
        _cleanup_(freep) char *text = NULL;

        ASSERT_TRUE(asprintf(&text, "0::/system.slice/%s\n", unit) >= 0);
        fake_write(f->tree, text, "proc/4711/cgroup");
}

TEST(granted_like_any_other) {
        uint64_t cookie;
        Device *d;
        FIXTURE(f);

        begin(&f, "");
        cookie = ask(&f, "fb-16M", U1);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, cookie), 0);
        d = find_device(&f, U1);
        ASSERT_TRUE(d && d->ours);
        ASSERT_EQ(d->state, DEVICE_LIVE);
        ASSERT_EQ(d->origin, ORIGIN_SYSFS);
        ASSERT_STREQ(d->owner, "");
        ASSERT_EQ(d->extents[0].size, 16 * MIB);
        ASSERT_TRUE(list_is_empty(manager_get_planned(f.manager)));
        wait_for(&f, create_device(&f, NULL, "fb-16M", U2, "vm1"));
        ASSERT_FALSE(extent_overlaps(&d->extents[0], &find_device(&f, U2)->extents[0]));

        fixture_restart(&f);
        run_idle(&f);
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_SYSFS);
}

/* All that wait at once get different places; who finds none is told so. */
TEST(many_at_once) {
        static const char *const uuids[] = { U1, U2, U3, U4, U5 };
        uint64_t cookies[5];
        unsigned granted = 0;
        FIXTURE(f);

        begin(&f, "");
        for (size_t i = 0; i < ARRAY_SIZE(uuids); i++)
                cookies[i] = ask(&f, "fb-16M", uuids[i]);
        run_idle(&f);
        for (size_t i = 0; i < ARRAY_SIZE(uuids); i++) {
                int r = outcome(&f, cookies[i]);

                ASSERT_TRUE(r == 0 || r == -ENOSPC);
                granted += r == 0;
        }
        ASSERT_EQ(granted, 4);
        ASSERT_EQ(outcome(&f, cookies[4]), -ENOSPC); /* first come, first served */
        ASSERT_EQ(fake_module_count(f.tree->root), 4);
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 4);
}

TEST(refused_with_an_errno) {
        uint64_t cookie, other;
        FIXTURE(f);

        begin(&f, "\"parents\": [ { \"max_devices\": 1 } ]");
        wait_for(&f, create_device(&f, P1, "fb-8M", U1, "vm1"));
        cookie = ask(&f, "fb-8M", U1);
        other = ask(&f, "fb-8M", U2);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, cookie), -EEXIST);
        ASSERT_EQ(outcome(&f, other), -ENOSPC);
        cookie = ask(&f, "no-such", U2);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, cookie), -ENODEV);
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 1);
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm1");
}

/* A create of the same UUID is under way. */
TEST(refused_while_an_operation_runs) {
        uint64_t cookie;
        Operation *op;
        FIXTURE(f);

        begin(&f, "");
        op = create_device(&f, P1, "fb-8M", U1, "vm1");
        cookie = ask(&f, "fb-16M", U1);
        RUN_UNTIL(&f, outcome(&f, cookie) != 1);
        ASSERT_TRUE(outcome(&f, cookie) == -EBUSY || outcome(&f, cookie) == -EEXIST);
        wait_for(&f, op);
        ASSERT_STREQ(find_device(&f, U1)->type, "mdevd-fb-8M");
}

TEST(owner_by_unit) {
        uint64_t cookie, other, third;
        FIXTURE(f);

        begin(&f, "\"writers\": [ { \"unit\": \"*vdsmd.service\", \"owner\": \"ovirt\" },"
                  "               { \"owner\": \"unknown\" } ],"
                  "\"groups\": [ { \"name\": \"g\", \"owners\": [ \"ovirt\" ],"
                  "               \"limit\": { \"devices\": 1 } } ]");
        ASSERT_TRUE(list_is_empty(manager_get_problems(f.manager)));
        put_in_unit(&f, "supervdsmd.service");
        cookie = ask(&f, "fb-8M", U1);
        other = ask(&f, "fb-8M", U2);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, cookie), 0);
        ASSERT_EQ(outcome(&f, other), -ENOSPC); /* the limit of the group is that of the unit */
        ASSERT_STREQ(find_device(&f, U1)->owner, "ovirt");
        put_in_unit(&f, "crio-12.scope");
        third = ask(&f, "fb-8M", U3);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, third), 0);
        ASSERT_STREQ(find_device(&f, U3)->owner, "unknown");
}

/* The room that a definition keeps, and its owner, are for just this. */
TEST(owner_and_room_of_the_definition) {
        uint64_t cookie, other;
        FIXTURE(f);

        begin(&f, "\"parents\": [ { \"max_of_type\": { \"fb-16M\": 4 } } ]");
        fake_write(f.tree, "{\"mdev_type\":\"mdevd-fb-16M\",\"start\":\"manual\"}",
                   "etc/mdevctl.d/" P1 "/" U1);
        fake_write(f.tree, "{\"owner\":\"db1\",\"reserve\":true}",
                   "etc/mdevd/definitions/" P1 "/" U1 ".json");
        ASSERT_OK(manager_reload(f.manager));
        run_idle(&f);
        ASSERT_EQ(available(&f, "fb-16M"), 3);
        for (unsigned i = 0; i < 3; i++) {
                const char *const uuids[] = { U2, U3, U4 };

                cookie = ask(&f, "fb-16M", uuids[i]);
                run_idle(&f);
                ASSERT_EQ(outcome(&f, cookie), 0);
        }
        ASSERT_EQ(available(&f, "fb-16M"), 0);
        other = ask(&f, "fb-16M", U5);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, other), -ENOSPC);
        cookie = ask(&f, "fb-16M", U1);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, cookie), 0);
        ASSERT_STREQ(find_device(&f, U1)->owner, "db1");
}

/*
 * They wait while there is no daemon; the module tells the next one, and a stale event does no
 * harm.
 */
TEST(served_after_a_restart) {
        uint64_t cookie, second;
        FIXTURE(f);

        begin(&f, "");
        fixture_stop(&f);
        cookie = ask(&f, "fb-16M", U1);
        second = ask(&f, "fb-8M", U2);
        fixture_start(&f);
        fake_module_repeat(f.tree->root, cookie);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, cookie), 0);
        ASSERT_EQ(outcome(&f, second), 0);
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_SYSFS);
        fake_module_repeat(f.tree->root, cookie); /* answered long ago */
        run_idle(&f);
        ASSERT_EQ(fake_module_count(f.tree->root), 2);
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_SYSFS);
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 2);
}

TEST(served_although_events_were_lost) {
        uint64_t cookie;
        FIXTURE(f);

        begin(&f, "");
        fake_module_lose(f.tree->root, 1);
        cookie = ask(&f, "fb-16M", U1);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, cookie), 1);
        fake_module_lose(f.tree->root, 0);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, cookie), 0);
}

TEST(who_has_left_gets_nothing) {
        uint64_t cookie;
        FIXTURE(f);

        begin(&f, "");
        cookie = ask(&f, "fb-16M", U1);
        fake_module_leave(f.tree->root, cookie);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, cookie), -EINTR);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 0);
        ASSERT_EQ(available(&f, "fb-16M"), 4);
}

/*
 * Its "remove" was written to while he waited; nothing tells but the end of the mdev that was to
 * be.
 */
TEST(granted_and_not_made) {
        uint64_t cookie;
        FIXTURE(f);

        begin(&f, "");
        fake_module_cancel(f.tree->root, 1);
        cookie = ask(&f, "fb-16M", U1);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, cookie), -ECANCELED);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_TRUE(list_is_empty(manager_get_planned(f.manager)));
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 0);
        ASSERT_EQ(available(&f, "fb-16M"), 4);
        fake_module_cancel(f.tree->root, 0);
        cookie = ask(&f, "fb-16M", U1);
        run_idle(&f);
        ASSERT_EQ(outcome(&f, cookie), 0);
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_LIVE);
}

TEST(available_at_all_times) {
        FIXTURE(f);

        begin(&f, "\"groups\": [ { \"name\": \"gold\", \"owners\": [ \"gold-*\" ],"
                  "  \"guarantees\": [ { \"type\": \"fb-16M\", \"devices\": 1 } ] } ]");
        ASSERT_EQ(available(&f, "fb-16M"), 3); /* one is promised to others */
        ASSERT_EQ(available(&f, "fb-8M"), 6);
        wait_for(&f, create_device(&f, P1, "fb-8M", U1, "vm1"));
        run_idle(&f);
        ASSERT_EQ(available(&f, "fb-16M"), 2);
        ASSERT_EQ(available(&f, "fb-8M"), 5);
        wait_for(&f, create_device(&f, P1, "fb-16M", U2, "gold-1"));
        run_idle(&f);
        ASSERT_EQ(available(&f, "fb-16M"), 2);
        wait_for(&f, stop_device(&f, U1));
        run_idle(&f);
        ASSERT_EQ(available(&f, "fb-16M"), 3);
        ASSERT_EQ(available(&f, "fb-8M"), 6);
}

WORKER_TESTS_MAIN

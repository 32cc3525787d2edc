/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-moves.c: hold, move, make room, apply a profile, as a client does; on our module's fake. */
#include "../unit/fake-kernel.h"
#include "trial.h"

#define UUID4 "11111111-2222-3333-4444-555555555504"
#define DEVICE(uuid) "/org/mdevd1/device/_30000_3a00_3a07_2e0/" uuid
#define D1 DEVICE("_311111111_2d2222_2d3333_2d4444_2d555555555501")
#define D3 DEVICE("_311111111_2d2222_2d3333_2d4444_2d555555555503")
#define PARENT_PATH "/org/mdevd1/parent/_30000_3a00_3a07_2e0"
#define CREATE MANAGER, "CreateDevice", "ssa{sv}"

static const char config[] =
        "{ \"parents\": [ { \"address\": \"" MODULE "\","
        "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2 } ],"
        "  \"types\": [ \"fb-16M\", \"fb-32M\" ] } ],"
        "  \"types\": {"
        "  \"fb-16M\": { \"movable\": true,"
        "                \"bars\": [ { \"pool\": \"fb\", \"size\": \"16M\" } ] },"
        "  \"fb-32M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"32M\" } ] } },"
        "  \"profiles\": {"
        "  \"p\": { \"devices\": [ { \"type\": \"fb-32M\", \"owner\": \"gold\" } ] },"
        "  \"much\": { \"devices\": [ { \"type\": \"fb-32M\", \"count\": 3 } ] } } }";

static const Scenario nothing = { .name = "moves" };

static bool is_registered(void *userdata) {
        _cleanup_(freep) char *state = get_property(userdata, PARENT_PATH, MDEVD_IFACE_PARENT,
                                                    "State");

        return streq(state, "registered");
}

/* 64 MiB, of which the second and the last quarter are free. */
static void begin(Trial *t) {
        static const char *const uuids[] = { UUID1, UUID2, UUID3 };
        Fixture *f = &t->f;
        Reply r = {};

        trial_prepare(t, &nothing);
        tree_write(&f->tree, "etc/mdevd/mdevd.json", config);
        fixture_start(f);
        fixture_wait(f, is_registered, f, "the parent");
        for (size_t i = 0; i < ARRAY_SIZE(uuids); i++) {
                CALL(f, f->client, &r, CREATE, MODULE, "fb-16M", 2, "uuid", "s", uuids[i], "owner",
                     "s", "vm");
                reply_done(&r);
        }
        CALL(f, f->client, &r, DEVICE("_311111111_2d2222_2d3333_2d4444_2d555555555502"),
             MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
}

/* Its operation; to be freed. */
static char *path_in(Reply *r) {
        const char *path;
        char *copy;

        ASSERT_TRUE(sd_bus_message_read(r->m, "o", &path) > 0);
        copy = strdup(path);
        reply_done(r);
        return copy;
}

static void expect(Fixture *f, const char *path, const char *iface, const char *name,
                   const char *value) {
        _cleanup_(freep) char *got = get_property(f, path, iface, name);

        ASSERT_STREQ(got, value);
}

TEST(suspend_and_resume) {
        _cleanup_(freep) char *op = NULL, *again = NULL, *state = NULL;
        Reply r = {};
        Trial t;

        begin(&t);
        CALL_ERROR(&t.f, t.f.client, "InvalidArgument", "is not suspended: it is live", D1,
                   MDEVD_IFACE_DEVICE, "Resume", "");
        CALL_ERROR(&t.f, t.f.client, "InvalidArgument", "at most 60000 ms, and 60001 were", D1,
                   MDEVD_IFACE_DEVICE, "Suspend", "u", 60001);
        CALL(&t.f, t.f.client, &r, D1, MDEVD_IFACE_DEVICE, "Suspend", "u", 60000);
        reply_done(&r);
        /* the answer came when it was held, and it is held still */
        expect(&t.f, D1, MDEVD_IFACE_DEVICE, "State", "suspended");
        CALL_ERROR(&t.f, t.f.client, "Busy", "(suspend, by ", D1, MDEVD_IFACE_DEVICE, "Stop", "");
        CALL_ERROR(&t.f, t.f.client, "Busy", "(suspend, by ", D1, MDEVD_IFACE_DEVICE, "Move",
                   "sa{sv}", "fb", 0);
        CALL(&t.f, t.f.client, &r, D1, MDEVD_IFACE_DEVICE, "Resume", "");
        reply_done(&r);
        expect(&t.f, D1, MDEVD_IFACE_DEVICE, "State", "live");

        CALL(&t.f, t.f.client, &r, D1, MDEVD_IFACE_DEVICE, "SuspendAsync", "u", 60000);
        op = path_in(&r);
        CALL(&t.f, t.f.client, &r, D1, MDEVD_IFACE_DEVICE, "Suspend", "u", 60000);
        reply_done(&r);
        expect(&t.f, op, MDEVD_IFACE_OPERATION, "Step", "holding");
        expect(&t.f, op, MDEVD_IFACE_OPERATION, "State", "running");
        CALL(&t.f, t.f.client, &r, D1, MDEVD_IFACE_DEVICE, "ResumeAsync", "");
        again = path_in(&r);
        ASSERT_STREQ(again, op);
        state = wait_operation(&t.f, op);
        ASSERT_STREQ(state, "done");
        fixture_done(&t.f);
}

TEST(move_and_defragment) {
        _cleanup_(freep) char *op = NULL, *state = NULL, *packed = NULL, *end = NULL;
        uint64_t done, total;
        uint32_t longest;
        Reply r = {};
        Trial t;

        begin(&t);
        CALL_ERROR(&t.f, t.f.client, "InvalidArgument", "has no pool nope", D1,
                   MDEVD_IFACE_DEVICE, "Move", "sa{sv}", "nope", 0);
        CALL_ERROR(&t.f, t.f.client, "UnknownOption", "there are: offset, extent", D1,
                   MDEVD_IFACE_DEVICE, "Move", "sa{sv}", "fb", 1, "plan", "b", 1);
        CALL_ERROR(&t.f, t.f.client, "InvalidArgument", "has no extent 1: it has 1", D1,
                   MDEVD_IFACE_DEVICE, "Move", "sa{sv}", "fb", 1, "extent", "u", 1);
        CALL_ERROR(&t.f, t.f.client, "NoRoom", "no place of 16 MiB at 0x2000000", D1,
                   MDEVD_IFACE_DEVICE, "Move", "sa{sv}", "fb", 1, "offset", "t", 32 * MIB);
        CALL(&t.f, t.f.client, &r, D1, MDEVD_IFACE_DEVICE, "Move", "sa{sv}", "fb", 2, "offset", "t",
             48 * MIB, "extent", "u", 0);
        reply_done(&r);
        CALL(&t.f, t.f.client, &r, D1, MDEVD_IFACE_DEVICE, "MoveAsync", "sa{sv}", "fb", 1, "offset",
             "t", UINT64_C(0));
        op = path_in(&r);
        state = wait_operation(&t.f, op);
        ASSERT_STREQ(state, "done");
        CALL(&t.f, t.f.client, &r, op, GET, MDEVD_IFACE_OPERATION, "Progress");
        ASSERT_TRUE(sd_bus_message_read(r.m, "v", "(ttu)", &done, &total, &longest) > 0);
        ASSERT_EQ(done, 16 * MIB);
        ASSERT_EQ(total, 16 * MIB);
        ASSERT_EQ(longest, 100);
        reply_done(&r);

        CALL_ERROR(&t.f, t.f.client, "NoRoom", "No moves make", PARENT_PATH, MDEVD_IFACE_PARENT,
                   "Defragment", "a{sv}", 1, "max_bytes", "t", 16 * MIB - 1);
        CALL(&t.f, t.f.client, &r, PARENT_PATH, MDEVD_IFACE_PARENT, "DefragmentAsync", "a{sv}", 1,
             "max_bytes", "t", 16 * MIB);
        packed = path_in(&r);
        /* who asks meanwhile joins, who asks afterwards hears that there is nothing to do */
        end = wait_operation(&t.f, packed);
        ASSERT_STREQ(end, "done");
        CALL(&t.f, t.f.client, &r, D1, MDEVD_IFACE_DEVICE, "Move", "sa{sv}", "fb", 0);
        reply_done(&r);
        CALL_ERROR(&t.f, t.f.client, "InvalidArgument", "has no pool nope", PARENT_PATH,
                   MDEVD_IFACE_PARENT, "Defragment", "a{sv}", 1, "pool", "s", "nope");
        fixture_done(&t.f);
}

TEST(a_pool_is_packed_once) {
        Reply r = {};
        Trial t;

        begin(&t);
        CALL(&t.f, t.f.client, &r, PARENT_PATH, MDEVD_IFACE_PARENT, "Defragment", "a{sv}", 1,
             "pool", "s", "fb");
        reply_done(&r);
        CALL_ERROR(&t.f, t.f.client, "NoRoom", "No moves make", PARENT_PATH, MDEVD_IFACE_PARENT,
                   "Defragment", "a{sv}", 0);
        fixture_done(&t.f);
}

TEST(room_is_made_for_who_says_so) {
        const char *plan;
        Reply r = {};
        Trial t;

        begin(&t);
        CALL_ERROR(&t.f, t.f.client, "NoRoom", "Option \"moves\" of the request", CREATE, MODULE,
                   "fb-32M", 1, "uuid", "s", UUID4);
        CALL(&t.f, t.f.client, &r, MANAGER, "PlanDevice", "ssa{sv}", MODULE, "fb-32M", 2, "uuid",
             "s", UUID4, "moves", "b", 1);
        ASSERT_TRUE(sd_bus_message_read(r.m, "s", &plan) > 0);
        ASSERT_CONTAINS(plan, "Before that, 1 moves of 16 MiB");
        reply_done(&r);
        CALL(&t.f, t.f.client, &r, CREATE, MODULE, "fb-32M", 2, "uuid", "s", UUID4, "moves",
             "b", 1);
        reply_done(&r);
        ASSERT_EQ(fake_module_count(t.f.tree.path), 3);
        fixture_done(&t.f);
}

static size_t count_steps(Fixture *f, const char *profile, const char *wanted) {
        const char *action, *uuid, *type, *parent, *reason;
        Reply r = {};
        size_t n = 0;

        CALL(f, f->client, &r, MANAGER, "PlanProfile", "sa{sv}", profile, 0);
        ASSERT_TRUE(sd_bus_message_enter_container(r.m, 'a', "(sssss)") > 0);
        while (sd_bus_message_read(r.m, "(sssss)", &action, &uuid, &type, &parent, &reason) > 0) {
                n += streq(action, wanted);
                if (streq(action, "blocked"))
                        ASSERT_CONTAINS(reason, "largest hole");
        }
        reply_done(&r);
        return n;
}

TEST(a_profile_is_planned_and_applied) {
        _cleanup_(freep) char *op = NULL, *state = NULL;
        Reply r = {};
        Trial t;

        begin(&t);
        CALL(&t.f, t.f.client, &r, D1, MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        CALL_ERROR(&t.f, t.f.client, "InvalidArgument", "There is no profile q", MANAGER,
                   "PlanProfile", "sa{sv}", "q", 0);
        CALL_ERROR(&t.f, t.f.client, "InvalidArgument", "cannot be the name of a profile", MANAGER,
                   "ApplyProfile", "sa{sv}", "a/b", 0);
        ASSERT_EQ(count_steps(&t.f, "p", "create"), 1);
        ASSERT_EQ(count_steps(&t.f, "much", "blocked"), 2);
        CALL(&t.f, t.f.client, &r, MANAGER, "ApplyProfile", "sa{sv}", "p", 0);
        reply_done(&r);
        ASSERT_EQ(count_steps(&t.f, "p", "keep"), 1);
        CALL(&t.f, t.f.client, &r, MANAGER, "ApplyProfileAsync", "sa{sv}", "p", 1, "force", "b", 1);
        op = path_in(&r);
        state = wait_operation(&t.f, op);
        ASSERT_STREQ(state, "done");
        CALL_ERROR(&t.f, t.f.client, "NoRoom", "Profile much: ", MANAGER, "ApplyProfile", "sa{sv}",
                   "much", 0);
        fixture_done(&t.f);
}

TESTS_MAIN

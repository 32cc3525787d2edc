/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-target.c: whether one extent may go where somebody wants it. */
#include "scenario.h"

#include "alloc.h"
#include "test.h"

#define M (UINT64_C(1) << 20)
#define ANY UINT64_MAX

typedef struct Target Target;

/* The first device of a scenario, and the pool fb of its parent. */
struct Target {
        Scenario s;
        Device *device;
        Pool *pool;
        Reason reason;
        Extent to;
};

static void target_done(Target *t) {
        reason_done(&t->reason);
        if (t->s.model)
                scenario_done(&t->s);
}

static void begin(Target *t, const char *parents, const char *rules, const char *devices) {
        target_done(t); /* of the one before */
        *t = (Target) {};
        ASSERT_OK(scenario_init(&t->s));
        ASSERT_TRUE(scenario_add_parents(&t->s, parents));
        ASSERT_TRUE(scenario_add_rules(&t->s, rules));
        ASSERT_TRUE(scenario_add_devices(&t->s, devices));
        t->device = list_first(&t->s.model->devices, Device, node);
        t->pool = parent_find_pool(t->device->parent, "fb");
}

static int place(Target *t, uint64_t offset) {
        return policy_place_move(t->s.model, NULL, t->device, 0, t->pool, offset, true, &t->to,
                                 &t->reason);
}

TEST(a_place_is_free_aligned_and_in_the_pool) {
        _cleanup_(target_done) Target t = {};

        begin(&t, "a=64M,at=64M", "", "16M@a+64M 16M@a+96M");
        ASSERT_EQ(place(&t, 64 * M), OUTCOME_INVALID);
        ASSERT_EQ(place(&t, 96 * M), OUTCOME_NO_ROOM);
        ASSERT_EQ(place(&t, 88 * M), OUTCOME_NO_ROOM);
        ASSERT_EQ(place(&t, 48 * M), OUTCOME_NO_ROOM);
        ASSERT_EQ(place(&t, 128 * M), OUTCOME_NO_ROOM);
        /* the last place there is ends where 64 bits do */
        ASSERT_EQ(place(&t, -(16 * M)), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(t.reason.text, "no place of 16 MiB at 0xffffffffff000000 of BAR 2");
        ASSERT_EQ(place(&t, 112 * M), 0);
        ASSERT_EQ(t.to.offset, 112 * M);
        ASSERT_EQ(t.to.size, 16 * M);
        ASSERT_EQ(place(&t, ANY), 0);
}

/*
 * A pool that begins in the middle of what would be a slot, were they counted from the BAR's start.
 */
TEST(slots_are_counted_from_the_pool) {
        _cleanup_(target_done) Target t = {};

        begin(&t, "a=48M,slot=12M,at=16M", "", "12M@a+16M");
        ASSERT_EQ(place(&t, 24 * M), OUTCOME_NO_ROOM);
        ASSERT_EQ(place(&t, 36 * M), OUTCOME_NO_ROOM);
        ASSERT_EQ(place(&t, 28 * M), 0);
        ASSERT_EQ(place(&t, 52 * M), 0);
        ASSERT_EQ(place(&t, ANY), 0);
        ASSERT_EQ((t.to.offset - 16 * M) % (12 * M), 0);
}

/* 32 MiB are promised in one piece, and the only one is the second half. */
TEST(what_is_promised_is_asked) {
        _cleanup_(target_done) Target t = {}, definition = {};

        begin(&t, "a=64M", "group=g:vm* guarantee=32M*1", "8M@a+0 16M@a+16M");
        ASSERT_EQ(place(&t, 40 * M), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(t.reason.text, "a: group g is guaranteed 1 of 32M");
        ASSERT_EQ(place(&t, 8 * M), 0);

        begin(&definition, "a=64M", "", "8M@a+0 16M@a+16M reserve:32M@a");
        ASSERT_EQ(place(&definition, 40 * M), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(definition.reason.text, "reserves a mdevd-32M and would no longer have");
        ASSERT_EQ(place(&definition, 8 * M), 0);
}

/* The owner's partition comes first, and all of it is what the group is guaranteed. */
TEST(another_place_is_chosen) {
        _cleanup_(target_done) Target t = {};

        begin(&t, "a=64M", "group=g:vm* partition=a:0:16M guarantee=16M*1",
              "4M@a+20M:vm1 4M@a+16M 4M@a+32M 4M@a+48M");
        ASSERT_EQ(place(&t, 4 * M), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(t.reason.text, "group g is guaranteed 1 of 16M");
        ASSERT_EQ(place(&t, ANY), 0);
        ASSERT_EQ(t.to.offset, 36 * M);
}

/* A promise that was broken before is not this move's to keep. */
TEST(what_was_broken_before_is_nobodys_fault) {
        _cleanup_(target_done) Target t = {};

        begin(&t, "a=64M", "group=g:vm* guarantee=64M*1", "16M@a+0");
        ASSERT_EQ(place(&t, 48 * M), 0);
}

/* What stays taken until the device is closed makes no room for what is promised. */
TEST(what_is_left_may_stay_taken) {
        _cleanup_(target_done) Target t = {};

        begin(&t, "a=32M", "group=g:vm* guarantee=16M*1", "8M@a+16M 8M@a+8M");
        ASSERT_EQ(place(&t, 0), 0);
        begin(&t, "a=32M", "group=g:vm* guarantee=8M*2", "8M@a+16M 8M@a+8M");
        ASSERT_EQ(place(&t, 0), 0);
        ASSERT_EQ(policy_place_move(t.s.model, NULL, t.device, 0, t.pool, 0, false, &t.to,
                                    &t.reason), OUTCOME_NO_ROOM);
}

TEST(no_memory) {
        _cleanup_(target_done) Target t = {};
        size_t failures = 0;
        long before;
        int r;

        begin(&t, "a=64M b=64M", "group=g:vm* guarantee=32M*1", "8M@a+0 16M@a+16M 32M@b+0");
        before = alloc_balance();
        FOR_EACH_ALLOCATION_FAILURE(r, place(&t, ANY)) {
                ASSERT_EQ(r, -ENOMEM);
                list_foreach(p, &t.s.model->parents, Parent, node) {
                        if (p->view)
                                p->view_free(p->view);
                        p->view = NULL;
                }
                ASSERT_EQ(alloc_balance(), before);
                failures++;
        }
        ASSERT_OK(r);
        ASSERT_TRUE(failures > 10);
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-policy.c: what the table of placements does not say: plans of running operations, what is
 * counted, views that went stale without a word, and no memory.
 */
#include "scenario.h"

#include "alloc.h"
#include "test.h"

#define M (UINT64_C(1) << 20)

static void begin(Scenario *s, const char *parents, const char *rules, const char *devices) {
        ASSERT_OK(scenario_init(s));
        ASSERT_TRUE(scenario_add_parents(s, parents));
        ASSERT_TRUE(scenario_add_rules(s, rules));
        ASSERT_TRUE(scenario_add_devices(s, devices));
}

static int place(Scenario *s, const List *planned, const char *words, char where[static 256],
                 Reason *reason) {
        _cleanup_(request_freep) Request *q = NULL;
        Placement placement;
        int r;

        ASSERT_TRUE(scenario_parse_request(s, words, &q));
        r = policy_place(s->model, planned, q, &placement, reason);
        if (r == 0)
                scenario_format(&placement, where);
        return r;
}

static Planned plan_for(Scenario *s, const char *parent, const char *type, const Extent *e,
                        const char *owner, unsigned uuid) {
        Parent *p = model_find_parent(s->model, parent);
        Planned planned = { .parent = p, .type = parent_find_type(p, type), .owner = owner,
                            .extents = e, .n_extents = !!e };

        scenario_uuid(uuid, &planned.uuid);
        return planned;
}

TEST(what_is_planned_is_taken) {
        const Extent e = { .size = 16 * M, .bar = 2 };
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        List all = LIST_INIT(all);
        char where[256];
        Planned plan;

        begin(&s, "a=64M b=64M", "group=g:vm* limit=devices:2 apart!", "");
        plan = plan_for(&s, "a", "16M", &e, "vm1", 100);
        list_append(&all, &plan.node);
        ASSERT_OK(place(&s, &all, "16M owner=x", where, &reason));
        ASSERT_STREQ(where, "a +16M");
        ASSERT_OK(place(&s, &all, "16M owner=vm1", where, &reason));
        ASSERT_STREQ(where, "b +0"); /* apart from what is only planned */
        ASSERT_EQ(place(&s, &all, "16M uuid=100 on=b", where, &reason), OUTCOME_EXISTS);
        ASSERT_CONTAINS(reason.text, "that is being made on a");
        list_unlink(&plan.node);
        ASSERT_OK(place(&s, &all, "16M owner=x", where, &reason));
        ASSERT_STREQ(where, "a +0"); /* nothing of it is remembered */
}

#define GRANTS_MAX 64

/* As many as the policy grants one after the other, each planned before the next is asked for. */
static unsigned grant_in_a_row(Scenario *s, const char *parent, const char *type) {
        Extent extents[GRANTS_MAX][BARS_MAX];
        Planned plans[GRANTS_MAX];
        List all = LIST_INIT(all);
        unsigned n;

        for (n = 0; n < GRANTS_MAX; n++) {
                _cleanup_(request_freep) Request *q = NULL;
                _cleanup_(reason_done) Reason reason = {};
                Placement where;

                ASSERT_OK(request_new(&q, type));
                q->parent = strdup(parent);
                if (policy_place(s->model, &all, q, &where, &reason) != 0)
                        break;
                memcpy(extents[n], where.extents, where.n_extents * sizeof(Extent));
                plans[n] = (Planned){ .parent = where.parent, .type = where.type, .uuid = q->uuid,
                                      .owner = "", .extents = extents[n],
                                      .n_extents = where.n_extents };
                list_append(&all, &plans[n].node);
        }
        ASSERT_TRUE(n < GRANTS_MAX);
        return n;
}

/* The number that sysfs shows is what would come true. */
TEST(granted_is_what_would_be_granted) {
        static const struct {
                const char *parents, *rules, *devices;
                unsigned n; /* of 16M on a */
        } cases[] = {
                { "a=64M", "", "", 4 },
                { "a=64M", "", "16M@a+16M", 3 },
                { "a=64M", "", "8M@a+0 8M@a+24M", 2 },
                { "a=64M b=64M", "", "64M@b+0", 4 },
                { "a=64M,regs=8K", "", "pair-1M@a+0", 3 },
                { "a=64M,state=absent", "", "", 0 },
                { "a=64M,slot=16M", "", "16M@a+0", 3 },
                { "a=64M", "parents=a max=3", "8M@a+0", 2 },
                { "a=64M", "parents=a max=16M:2", "8M@a+0", 2 },
                { "a=64M", "parents=a one-type", "8M@a+0", 0 },
                { "a=64M", "parents=a one-type", "16M@a+0", 3 },
                { "a=64M", "spread no-fallback", "", 1 },
                { "a=64M", "spread no-fallback", "16M@a+0", 0 },
                { "a=64M", "group=g:* limit=devices:2", "8M@a+0:vm1", 1 },
                { "a=64M", "group=g:* limit=bytes:40M", "", 2 },
                { "a=64M b=64M", "group=g:* limit-per-parent=bytes:40M", "16M@b+0", 2 },
                { "a=64M", "group=g:vm* guarantee=16M*1", "", 3 },
                { "a=64M b=64M", "group=g:vm* guarantee=16M*5", "", 3 },
                { "a=64M b=64M", "group=g:vm* guarantee=16M*5", "16M@b+0:vm1", 3 },
                { "a=64M", "group=g:vm* guarantee=fb:40M", "", 1 },
                { "a=64M", "group=g:vm* guarantee=32M*1", "8M@a+0", 1 },
                { "a=64M", "group=g:vm* partition=a:0:32M", "", 2 },
                { "a=64M", "group=g:* partition=a:0:32M", "", 4 },
                { "a=64M", "group=g:web* guarantee=64M*1", "8M@a+0", 3 }, /* broken already */
                { "a=64M", "", "reserve:16M@a", 3 },
                { "a=64M", "", "reserve:64M@a", 0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(scenario_done) Scenario s = {};
                unsigned n = 99, planned;
                Parent *a;

                begin(&s, cases[i].parents, cases[i].rules, cases[i].devices);
                a = model_find_parent(s.model, "a");
                ASSERT_OK(policy_count_granted(s.model, NULL, a, parent_find_type(a, "16M"), &n));
                planned = grant_in_a_row(&s, "a", "16M");
                if (n != planned || n != cases[i].n)
                        test_fail(__FILE__, __LINE__, "case %zu (%s, %s): said %u, granted %u, "
                                  "expected %u", i, cases[i].rules, cases[i].devices, n, planned,
                                  cases[i].n);
        }
}

/* Planned and seen already: it counts once. */
TEST(what_has_arrived_counts_once) {
        const Extent e = { .size = 16 * M, .bar = 2 };
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        List all = LIST_INIT(all);
        char where[256];
        Planned plan;

        begin(&s, "a=64M", "group=g:vm* limit=devices:2", "16M@a+0:vm1");
        plan = plan_for(&s, "a", "16M", &e, "vm1", 1);
        list_append(&all, &plan.node);
        ASSERT_OK(place(&s, &all, "16M owner=vm2", where, &reason));
        ASSERT_STREQ(where, "a +16M");
}

TEST(a_vendors_room_and_plans) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        List all = LIST_INIT(all);
        char where[256];
        Planned plan;
        const Type *t;

        begin(&s, "a,vendor=nvidia-22:1", "", "");
        plan = plan_for(&s, "a", "nvidia-22", NULL, "", 100);
        t = plan.type;
        list_append(&all, &plan.node);
        ASSERT_EQ(policy_count_available(s.model, NULL, plan.parent, t), 1);
        ASSERT_EQ(policy_count_available(s.model, &all, plan.parent, t), 0);
        ASSERT_EQ(place(&s, &all, "nvidia-22", where, &reason), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "offers 1 more of nvidia-22 and as many are being made");
}

/* What is being made of other types is not in what the driver offers yet. */
TEST(a_vendors_other_types_under_way_use_room) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        List all = LIST_INIT(all);
        char where[256];
        Planned plan;

        begin(&s, "a,vendor=m-1:6,vendor=m-2:3", "", "reserve:m-1@a reserve:m-1@a");
        plan = plan_for(&s, "a", "m-2", NULL, "", 100);
        list_append(&all, &plan.node);
        ASSERT_OK(place(&s, &all, "m-2", where, &reason)); /* leaves 2 of 6 */
        plan.type->available = 2;
        parent_find_type(plan.parent, "m-1")->available = 4;
        ASSERT_EQ(place(&s, &all, "m-2", where, &reason), OUTCOME_NO_ROOM); /* leaves none */
        ASSERT_CONTAINS(reason.text, "reserves a m-1");
        list_unlink(&plan.node);
        ASSERT_OK(place(&s, &all, "m-2", where, &reason));
}

/* A definition that reserves and is being started reserves no second time. */
TEST(a_definition_under_way) {
        const Extent e = { .size = 32 * M, .bar = 2 };
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        List all = LIST_INIT(all);
        char where[256];
        Planned plan;

        begin(&s, "a=64M", "", "reserve:32M@a");
        plan = plan_for(&s, "a", "32M", &e, "", 1);
        ASSERT_OK(place(&s, NULL, "32M", where, &reason));
        list_append(&all, &plan.node);
        ASSERT_OK(place(&s, &all, "32M", where, &reason));
        ASSERT_STREQ(where, "a +32M");
}

TEST(what_can_be_counted) {
        static const struct {
                const char *parents, *devices, *type;
                unsigned n;
        } cases[] = {
                { "a=64M", "", "16M", 4 },
                { "a=64M", "16M@a+0 4M@a+32M", "16M", 2 },
                { "a=64M", "", "12M", 0 },
                { "a=60M,slot=12M", "12M@a+0", "12M", 4 },
                { "a=64M,at=8M", "", "16M", 3 },
                { "a=64M,regs=8K", "", "pair-16M", 2 },
                { "a=64M", "", "pair-16M", 0 },
                { "a=64M,state=absent", "", "16M", 0 },
                { "a=1024G", "", "4K", 65536 },
                { "a=0x10000000000", "", "4K", 65536 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(scenario_done) Scenario s = {};
                const Parent *a;

                begin(&s, cases[i].parents, "", cases[i].devices);
                a = model_find_parent(s.model, "a");
                ASSERT_EQ(policy_count_available(s.model, NULL, a,
                                                 parent_find_type(a, cases[i].type)),
                          cases[i].n);
        }
}

/* Both BARs in one pool, so that the one takes what the other wants. */
TEST(two_bars_of_one_pool_are_counted_together) {
        _cleanup_(scenario_done) Scenario s = {};
        Parent *a;
        Type *t;

        begin(&s, "a=64M,regs=4K", "", "4M@a+0");
        a = model_find_parent(s.model, "a");
        t = parent_find_type(a, "pair-16M");
        t->bars[2].size = 4 * M;
        (void) strcpy(t->bars[2].pool, "fb");
        ASSERT_EQ(policy_count_available(s.model, NULL, a, t), 3); /* 48 and 12 MiB */
        t->bars[2].size = 8 * M;
        ASSERT_EQ(policy_count_available(s.model, NULL, a, t), 2);
}

TEST(usage_with_a_partition) {
        _cleanup_(scenario_done) Scenario s = {};
        const Parent *a;
        PoolUsage u;

        begin(&s, "a=64M", "group=g:vm* partition=a:32M:32M", "16M@a+0 8M@a+48M:vm1");
        a = model_find_parent(s.model, "a");
        ASSERT_OK(policy_pool_usage(s.model, NULL, a, parent_find_pool(a, "fb"), &u));
        ASSERT_EQ(u.used, 24 * M);
        ASSERT_EQ(u.free, 40 * M);
        ASSERT_EQ(u.largest_hole, 16 * M);
        ASSERT_EQ(u.largest_block, 16 * M);
        ASSERT_EQ(u.holes, 3);
        ASSERT_EQ(u.fragmentation, 600);
}

/* Somebody wrote a linked device's extent: nobody is given what it has. */
TEST(a_stale_view_gives_nothing_away) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        Device *d;
        char where[256];

        begin(&s, "a=64M", "", "16M@a+0");
        ASSERT_OK(place(&s, NULL, "16M", where, &reason));
        ASSERT_STREQ(where, "a +16M");
        d = list_first(&s.model->devices, Device, node);
        d->extents[0].offset = 16 * M;
        ASSERT_OK(place(&s, NULL, "16M", where, &reason));
        ASSERT_STREQ(where, "a +0");
}

/* Pools are filled in when the device is seen. */
TEST(a_pool_that_grows_is_noticed) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        char where[256];
        Parent *a;

        begin(&s, "a=32M", "", "32M@a+0");
        ASSERT_EQ(place(&s, NULL, "16M", where, &reason), OUTCOME_NO_ROOM);
        a = model_find_parent(s.model, "a");
        parent_find_pool(a, "fb")->size = 64 * M;
        ASSERT_OK(place(&s, NULL, "16M", where, &reason));
        ASSERT_STREQ(where, "a +32M");
}

TEST(a_type_that_is_not_there) {
        static const struct {
                const char *parents, *request, *sentence;
        } cases[] = {
                { "", "16M", "No parent offers a type 16M" },
                { "a=64M", "fixed-33M",
                  "No parent offers a type fixed-33M; did you mean \"fixed-32M\"?" },
                { "a=64M b=64M", "mdev-16M",
                  "No parent offers a type mdev-16M; did you mean \"mdevd-16M\"?" },
                { "a=64M b=64M", "quadro",
                  "No parent offers a type quadro; there are 4K, fixed-4K, pair-4K, 1M, fixed-1M, "
                  "pair-1M, 2M, fixed-2M and others" },
                { "a,vendor=x-1:4 b,vendor=x-1:4", "quadro",
                  "No parent offers a type quadro; there is only x-1" },
                { "a,vendor=x-1:4 b,vendor=x-22:4", "quadro",
                  "No parent offers a type quadro; there are x-1 and x-22" },
                { "a,vendor=x-1:4,vendor=x-2:4 b,vendor=x-2:4,vendor=x-33:4", "quadro",
                  "No parent offers a type quadro; there are x-1, x-2 and x-33" },
                { "a,vendor=x-1:4,vendor=x-2:4,vendor=x-3:4,vendor=x-4:4 "
                  "b,vendor=x-5:4,vendor=x-6:4,vendor=x-7:4,vendor=x-8:4", "quadro",
                  "No parent offers a type quadro; there are x-1, x-2, x-3, x-4, x-5, x-6, x-7 and "
                  "x-8" },
                /* only what that parent has: the right name would be of no use there */
                { "a,vendor=x-1:4 b,vendor=nvidia-22:4", "nvidia-22 on=a",
                  "Parent a offers no type nvidia-22; there is only x-1" },
                { "a,vendor=nvidia-23:4 b,vendor=nvidia-22:4", "nvidia-22 on=a",
                  "Parent a offers no type nvidia-22; did you mean \"nvidia-23\"?" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(request_freep) Request *q = NULL;
                _cleanup_(reason_done) Reason reason = {};
                _cleanup_(scenario_done) Scenario s = {};
                Placement placement = {};
                int r;

                begin(&s, cases[i].parents, "", "");
                ASSERT_TRUE(scenario_parse_request(&s, cases[i].request, &q));
                FOR_EACH_ALLOCATION_FAILURE(
                        r, policy_place(s.model, NULL, q, &placement, &reason)) {
                        ASSERT_EQ(r, -ENOMEM);
                        ASSERT_NULL(reason.text);
                }
                ASSERT_EQ(r, OUTCOME_NO_TYPE);
                ASSERT_STREQ(reason.text, cases[i].sentence);
        }
}

/* A host of many parents: those nearest to yes speak, the others are counted. */
TEST(many_parents_refuse) {
        for (size_t n = 15; n <= 40; n += n < 17 ? 1 : 23) {
                _cleanup_(reason_done) Reason reason = {};
                _cleanup_(scenario_done) Scenario s = {};
                char where[256], more[64];
                size_t lines = 1;

                begin(&s, "", "", "");
                for (size_t i = 0; i < n; i++) {
                        char word[32];

                        (void) snprintf(word, sizeof(word), "p%02zu=%s", i,
                                        i == 39 ? "16M" : i % 2 ? "8M" : "16M,state=absent");
                        ASSERT_TRUE(scenario_add_parents(&s, word));
                }
                if (n == 40)
                        ASSERT_TRUE(scenario_add_devices(&s, "1M@p39+0 1M@p39+8M"));
                ASSERT_EQ(place(&s, NULL, "16M", where, &reason), OUTCOME_NO_ROOM);
                for (const char *p = reason.text; (p = strchr(p, '\n')); p++)
                        lines++;
                ASSERT_EQ(lines, n > 16 ? 17 : n);
                (void) snprintf(more, sizeof(more), "and %zu more parent%s:",
                                n - MIN(n, (size_t) 16), n == 17 ? "" : "s");
                ASSERT_EQ(!!strstr(reason.text, "\nand "), n > 16);
                if (n > 16)
                        ASSERT_CONTAINS(reason.text, more);
                if (n < 40)
                        continue;
                ASSERT_CONTAINS(reason.text,
                                "\nand 24 more parents: 20 take no devices now, 4 have no free "
                                "piece that is large enough; ask for one of them by name to hear "
                                "its own reason");
                ASSERT_CONTAINS(reason.text, "p01 pool fb: largest hole 8 MiB");
                ASSERT_CONTAINS(reason.text, "p31 pool fb: largest hole 8 MiB");
                ASSERT_NULL(strstr(reason.text, "p33"));
        }
}

TEST(no_memory) {
        _cleanup_(request_freep) Request *q = NULL;
        _cleanup_(scenario_done) Scenario s = {};
        Placement placement = {};
        size_t failures = 0;
        int r;

        begin(&s, "a=64M,unit=u,regs=8K b=64M,unit=u,regs=8K c,vendor=nvidia-22:1",
              "group=g:vm* guarantee=16M*1 guarantee=fb:4M partition=a:0:8M guarantee=nvidia-22*1",
              "16M@a+16M:vm1 reserve:8M@b");
        ASSERT_TRUE(scenario_parse_request(&s, "pair-16M owner=vm2", &q));
        for (int full = 0; full < 2; full++) {
                _cleanup_(reason_done) Reason reason = {};

                FOR_EACH_ALLOCATION_FAILURE(
                        r, policy_place(s.model, NULL, q, &placement, &reason)) {
                        ASSERT_EQ(r, -ENOMEM);
                        ASSERT_NULL(placement.parent);
                        list_foreach(p, &s.model->parents, Parent, node)
                                parent_changed(p);
                        failures++;
                }
                ASSERT_EQ(r, full ? OUTCOME_NO_ROOM : 0);
                placement = (Placement) {};
                ASSERT_TRUE(scenario_add_devices(&s, "64M@a+0 64M@b+0"));
        }
        ASSERT_TRUE(failures > 100);
}

TESTS_MAIN

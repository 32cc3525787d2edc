/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-moves.c: plans to make room. Random layouts are compared with a naive search over all
 * aligned windows, and every plan is carried out: after it the request finds its place. Where no
 * window can be emptied at once, there must be a plan whenever all is movable and enough is free.
 */
#include "scenario.h"

#include "alloc.h"
#include "history.h"

#define M (UINT64_C(1) << 20)
#define UNITS 32

static int plan_for(Scenario *s, const char *words, MovesAim aim, Moves *ret, Reason *reason) {
        _cleanup_(request_freep) Request *q = NULL;

        ASSERT_TRUE(scenario_parse_request(s, words, &q));
        return policy_plan_moves(s->model, NULL, q, aim, ret, reason);
}

static int plan(Scenario *s, const char *words, Moves *ret, Reason *reason) {
        return plan_for(s, words, MOVES_FEWEST, ret, reason);
}

static void begin(Scenario *s, const char *parents, const char *rules, const char *devices) {
        ASSERT_OK(scenario_init(s));
        ASSERT_TRUE(scenario_add_parents(s, parents));
        ASSERT_TRUE(scenario_add_rules(s, rules));
        ASSERT_TRUE(scenario_add_devices(s, devices));
}

TEST(no_move_when_there_is_room) {
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(moves_done) Moves m = {};

        begin(&s, "a=64M", "", "16M@a+0");
        ASSERT_OK(plan(&s, "32M", &m, NULL));
        ASSERT_EQ(m.n, 0);
        ASSERT_STREQ(m.parent->name, "a");
}

TEST(the_parent_where_it_costs_least) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(moves_done) Moves m = {};

        begin(&s, "a=64M b=64M", "", "16M@a+0 16M@a+32M 4M@b+0 8M@b+32M");
        ASSERT_EQ(plan(&s, "64M", &m, &reason), OUTCOME_NO_ROOM);
        ASSERT_OK(plan(&s, "32M", &m, NULL));
        ASSERT_STREQ(m.parent->name, "b");
        ASSERT_EQ(m.n, 1);
        ASSERT_EQ(m.bytes, 4 * M);
        ASSERT_EQ(m.moves[0].from, 0);
        ASSERT_EQ(m.moves[0].to, 40 * M);
}

TEST(two_bars) {
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(moves_done) Moves m = {};

        begin(&s, "a=64M,regs=64K", "", "16M@a+0 16M@a+32M");
        ASSERT_OK(plan(&s, "pair-32M", &m, NULL));
        ASSERT_EQ(m.n, 1);
}

TEST(what_is_no_matter_of_room) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(moves_done) Moves m = {};

        begin(&s, "a=64M b,vendor=nvidia-22:0", "group=g:vm* limit=devices:0",
              "16M@a+0 16M@a+32M");
        ASSERT_EQ(plan(&s, "32M owner=vm1", &m, &reason), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "its limit is 0");
        ASSERT_EQ(plan(&s, "nvidia-22", &m, &reason), OUTCOME_NO_ROOM);
        ASSERT_EQ(plan(&s, "17M", &m, &reason), OUTCOME_NO_TYPE);
        ASSERT_EQ(m.n, 0);
}

/* Room could be made, but it is promised. */
TEST(guarantees_hold_after_moves) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(moves_done) Moves m = {};

        begin(&s, "a=64M", "group=g:vm* guarantee=32M*1", "16M@a+0 8M@a+32M");
        ASSERT_EQ(plan(&s, "32M owner=x", &m, &reason), OUTCOME_NO_ROOM);
        ASSERT_OK(plan(&s, "32M owner=vm1", &m, &reason));
        ASSERT_EQ(m.n, 1);
        ASSERT_EQ(m.bytes, 8 * M);
}

/* What is said is what is so now, not what would be after moves that are not made. */
TEST(moves_that_break_a_guarantee_are_not_the_reason) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(moves_done) Moves m = {};

        begin(&s, "a=64M b=8M", "group=g:vm* guarantee=16M*1", "16M@a+0 8M@a+32M");
        ASSERT_EQ(plan(&s, "32M", &m, &reason), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "a pool fb: largest hole 24 MiB");
        ASSERT_EQ(m.n, 0);
}

TEST(slots_need_no_moves) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(moves_done) Moves m = {};

        begin(&s, "a=24M,slot=12M", "", "12M@a+0 8M@a+12M");
        ASSERT_EQ(plan(&s, "12M", &m, &reason), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "removing device 00000000-0000-0000-0000-000000000001");
}

/* The 4 MiB in the only window have no place of 4 MiB elsewhere until the 1 MiB at 28 has gone. */
TEST(room_is_made_for_what_makes_room) {
        static const char *const devices =
                "fixed-8M@a+0 fixed-1M@a+8M fixed-4M@a+12M 4M@a+16M fixed-1M@a+24M 1M@a+28M";
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(moves_done) Moves m = {};

        begin(&s, "a=32M", "", devices);
        ASSERT_OK(plan(&s, "8M", &m, NULL));
        ASSERT_EQ(m.n, 2);
        ASSERT_EQ(m.moves[0].from, 28 * M);
        ASSERT_EQ(m.moves[0].size, M);
        ASSERT_EQ(m.moves[1].from, 16 * M);
        ASSERT_EQ(m.moves[1].to, 28 * M); /* not free before the first */
        ASSERT_EQ(m.bytes, 5 * M);

        /* and not if that one stays */
        list_foreach(d, &s.model->devices, Device, node)
                if (d->extents[0].offset == 28 * M)
                        d->state = DEVICE_DYING;
        moves_done(&m);
        ASSERT_EQ(plan(&s, "8M", &m, &reason), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "removing devices 00000000-0000-0000-0000-000000000005, "
                                     "00000000-0000-0000-0000-000000000006 (2 MiB) would make "
                                     "room");
}

/* The fuller parent has the bytes, the other one a piece. */
TEST(packing_by_moves) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(moves_done) Moves m = {};

        begin(&s, "a=64M b=64M c,vendor=nvidia-22:2", "", "8M@a+0 8M@a+16M 8M@a+32M 16M@b+0");
        ASSERT_OK(plan(&s, "32M", &m, NULL));
        ASSERT_EQ(m.n, 0);
        ASSERT_STREQ(m.parent->name, "b");
        ASSERT_OK(plan_for(&s, "32M", MOVES_PACK, &m, NULL));
        ASSERT_STREQ(m.parent->name, "a");
        ASSERT_EQ(m.bytes, 8 * M);
        moves_done(&m);
        ASSERT_OK(plan_for(&s, "nvidia-22", MOVES_PACK, &m, NULL));
        ASSERT_STREQ(m.parent->name, "c");
        ASSERT_EQ(m.n, 0);
        ASSERT_EQ(plan_for(&s, "64M", MOVES_PACK, &m, &reason), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "a pool fb: largest hole 24 MiB");
        ASSERT_CONTAINS(reason.text, "b pool fb: largest hole 48 MiB");
        ASSERT_EQ(plan_for(&s, "64M on=x", MOVES_PACK, &m, &reason), OUTCOME_NO_PARENT);
}

/* 4 KiB each in the first @size of three, of which the others cannot be emptied. */
static void begin_crumbs(Scenario *s, unsigned n, uint64_t size) {
        char word[64];

        (void) snprintf(word, sizeof(word), "a=%lluM", (unsigned long long) (3 * size / M));
        begin(s, word, "", "");
        for (unsigned i = 1; i < 3; i++) {
                (void) snprintf(word, sizeof(word), "fixed-4K@a+%lluM",
                                (unsigned long long) (i * size / M));
                ASSERT_TRUE(scenario_add_devices(s, word));
        }
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(word, sizeof(word), "4K@a+%uK", 4 * i);
                ASSERT_TRUE(scenario_add_devices(s, word));
        }
}

/* What a plan promises, one operation's record takes. */
TEST(a_plan_has_so_many_moves_and_no_more) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(scenario_done) Scenario fits = {}, over = {};
        _cleanup_(moves_done) Moves m = {};

        begin_crumbs(&fits, MOVES_MAX, M);
        ASSERT_OK(plan(&fits, "1M", &m, NULL));
        ASSERT_EQ(m.n, MOVES_MAX);
        moves_done(&m);
        begin_crumbs(&over, MOVES_MAX + 1, 2 * M);
        ASSERT_EQ(plan(&over, "2M", &m, &reason), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "would make room, moving takes more than 256 moves");
}

/* Room that is made for what makes room is of the same budget. */
TEST(the_budget_is_of_all_moves) {
        static const char *const devices =
                "fixed-8M@a+0 fixed-1M@a+8M fixed-4M@a+12M 4M@a+16M fixed-1M@a+24M 1M@a+28M";
        _cleanup_(scenario_done) Scenario s = {};
        const Parent *a;
        Moves m = {};

        begin(&s, "a=32M", "", devices);
        a = model_find_parent(s.model, "a");
        ASSERT_OK(policy_plan_defragment(s.model, NULL, a, parent_find_pool(a, "fb"), 5 * M, &m));
        ASSERT_EQ(m.bytes, 5 * M);
        moves_done(&m);
        ASSERT_EQ(policy_plan_defragment(s.model, NULL, a, parent_find_pool(a, "fb"), 5 * M - 1,
                                         &m), OUTCOME_NO_ROOM);
}

/* Who is being stopped, or changed, stays where it is until that is over. */
TEST(what_an_operation_is_at_stays) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(request_freep) Request *q = NULL;
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(moves_done) Moves m = {};
        List planned = LIST_INIT(planned);
        Planned first, second;

        begin(&s, "a=64M", "", "16M@a+0 16M@a+32M");
        first = (Planned) { .parent = model_find_parent(s.model, "a"), .owner = "", .still = true };
        second = first;
        scenario_uuid(1, &first.uuid);
        scenario_uuid(2, &second.uuid);
        list_append(&planned, &first.node);
        ASSERT_TRUE(scenario_parse_request(&s, "32M", &q));
        ASSERT_OK(policy_plan_moves(s.model, &planned, q, MOVES_FEWEST, &m, NULL));
        ASSERT_EQ(m.n, 1);
        ASSERT_EQ(m.moves[0].from, 32 * M);
        ASSERT_EQ(m.moves[0].to, 16 * M);
        moves_done(&m);
        list_append(&planned, &second.node);
        ASSERT_EQ(policy_plan_moves(s.model, &planned, q, MOVES_FEWEST, &m, &reason),
                  OUTCOME_NO_ROOM);
        list_unlink(&first.node);
        ASSERT_OK(policy_plan_moves(s.model, &planned, q, MOVES_FEWEST, &m, NULL));
        ASSERT_EQ(m.moves[0].from, 0);
}

TEST(background) {
        _cleanup_(scenario_done) Scenario s = {};
        const Parent *a;
        const Pool *fb;
        Moves m = {};

        begin(&s, "a=64M", "", "4M@a+0 4M@a+16M 4M@a+32M 4M@a+48M");
        a = model_find_parent(s.model, "a");
        fb = parent_find_pool(a, "fb");
        ASSERT_OK(policy_plan_defragment(s.model, NULL, a, fb, UINT64_MAX, &m));
        ASSERT_EQ(m.bytes, 8 * M); /* 32 MiB in one piece, of 48 that are free */
        moves_done(&m);
        ASSERT_OK(policy_plan_defragment(s.model, NULL, a, fb, 7 * M, &m));
        ASSERT_EQ(m.bytes, 4 * M); /* what the budget allows: 16 MiB */
        moves_done(&m);
        ASSERT_EQ(policy_plan_defragment(s.model, NULL, a, fb, 3 * M, &m), OUTCOME_NO_ROOM);
        ASSERT_EQ(m.n, 0);
}

TEST(nothing_to_restore) {
        _cleanup_(scenario_done) Scenario s = {};
        const Parent *a;
        Moves m = {};

        begin(&s, "a=64M b=64M c=24M,slot=12M", "", "fixed-32M@a+0 16M@b+0");
        for (size_t i = 0; i < 3; i++) {
                static const char *const names[] = { "a", "b", "c" };

                a = model_find_parent(s.model, names[i]);
                ASSERT_EQ(policy_plan_defragment(s.model, NULL, a, parent_find_pool(a, "fb"),
                                                 UINT64_MAX, &m),
                          OUTCOME_NO_ROOM);
        }
}

TEST(no_memory) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(request_freep) Request *q = NULL;
        _cleanup_(scenario_done) Scenario s = {};
        Moves m = {};
        size_t failures = 0;
        long before;
        int r;

        begin(&s, "a=64M b=64M", "group=g:vm* guarantee=4M*1",
              "16M@a+0 16M@a+32M 32M@b+0 8M@b+48M");
        ASSERT_TRUE(scenario_parse_request(&s, "32M", &q));
        before = alloc_balance();
        FOR_EACH_ALLOCATION_FAILURE(
                r, policy_plan_moves(s.model, NULL, q, MOVES_FEWEST, &m, &reason)) {
                ASSERT_EQ(r, -ENOMEM);
                ASSERT_EQ(m.n, 0);
                for (Parent *p = list_first(&s.model->parents, Parent, node); p;) {
                        parent_changed(p); /* views that were made in part must have gone */
                        if (p->view)
                                p->view_free(p->view);
                        p->view = NULL;
                        p = p->node.next == &s.model->parents ?
                                    NULL :
                                    list_entry(p->node.next, Parent, node);
                }
                ASSERT_EQ(alloc_balance(), before);
                failures++;
        }
        ASSERT_OK(r);
        ASSERT_EQ(m.bytes, 16 * M);
        ASSERT_TRUE(failures > 30);
        moves_done(&m);
}

/* ---- against every window ---- */

typedef struct Naive Naive;

struct Naive {
        int owner[UNITS]; /* index of a device, -1: free */
        size_t size[UNITS], at[UNITS];
        bool fixed[UNITS];
        size_t n;
};

static bool naive_free(const Naive *n, size_t at, size_t size, size_t hole, size_t hole_size) {
        for (size_t i = at; i < at + size; i++)
                if (n->owner[i] >= 0 || (i >= hole && i < hole + hole_size))
                        return false;
        return true;
}

/* Places what is left of @list in every way. */
static bool naive_elsewhere(Naive *n, const size_t *list, size_t n_list, size_t hole,
                            size_t hole_size) {
        size_t size;

        if (n_list == 0)
                return true;
        size = n->size[list[0]];
        for (size_t at = 0; at < UNITS; at += size) {
                bool ok;

                if (!naive_free(n, at, size, hole, hole_size))
                        continue;
                for (size_t i = 0; i < size; i++)
                        n->owner[at + i] = (int) list[0];
                ok = naive_elsewhere(n, list + 1, n_list - 1, hole, hole_size);
                for (size_t i = 0; i < size; i++)
                        n->owner[at + i] = -1;
                if (ok)
                        return true;
        }
        return false;
}

/* Fewest units to move for a window of @size; -1: none can be emptied. */
static long naive_cost(Naive *n, size_t size) {
        long best = -1;

        for (size_t at = 0; at < UNITS; at += size) {
                size_t list[UNITS], n_list = 0;
                bool ok = true;
                long cost = 0;

                for (size_t i = 0; i < n->n; i++) {
                        if (n->at[i] + n->size[i] <= at || n->at[i] >= at + size)
                                continue;
                        ok = ok && !n->fixed[i] && n->size[i] < size;
                        list[n_list++] = i;
                        cost += (long) n->size[i];
                }
                if (ok && (best < 0 || cost < best) && naive_elsewhere(n, list, n_list, at, size))
                        best = cost;
        }
        return best;
}

static bool build(Scenario *s, Naive *n, const Step *steps, size_t n_steps) {
        static const char *const names[] = { "1M", "2M", "4M", "8M" };

        memset(n->owner, -1, sizeof(n->owner));
        if (!scenario_add_parents(s, "a=32M"))
                return false;
        for (size_t i = 0; i < n_steps && n->n < UNITS; i++) {
                size_t k = steps[i].n[0] % 4, size = 1U << k;
                size_t at = steps[i].n[1] % UNITS / size * size;
                bool fixed = steps[i].n[2] % 6 == 0;
                char word[64];

                if (!naive_free(n, at, size, UNITS, 0))
                        continue;
                (void) snprintf(word, sizeof(word), "%s%s@a+%zuM", fixed ? "fixed-" : "", names[k],
                                at);
                if (!scenario_add_devices(s, word))
                        return false;
                for (size_t j = 0; j < size; j++)
                        n->owner[at + j] = (int) n->n;
                n->size[n->n] = size;
                n->at[n->n] = at;
                n->fixed[n->n++] = fixed;
        }
        return true;
}

static void naive_set(Naive *n, const Move *move, uint64_t at, int owner) {
        for (size_t j = 0; j < move->size / M; j++)
                n->owner[at / M + j] = owner;
}

/* Every destination is free when its turn comes, or with @at_once before the first move. */
static bool carry_out(const Moves *m, Naive *n, bool at_once, char *why) {
        for (size_t i = 0; i < m->n; i++) {
                const Move *move = &m->moves[i];
                Extent e = move->device->extents[move->extent];

                HISTORY_CHECK(e.offset == move->from && e.size == move->size, "from");
                HISTORY_CHECK(move->to % move->size == 0, "misaligned");
                HISTORY_CHECK(move->to + move->size <= UNITS * M, "outside");
                HISTORY_CHECK(naive_free(n, move->to / M, move->size / M, UNITS, 0), "not free");
                naive_set(n, move, move->to, 1000);
                if (!at_once)
                        naive_set(n, move, move->from, -1);
                e.offset = move->to;
                device_set_extents(move->device, &e, 1);
        }
        return true;
}

static bool is_all_movable(const Naive *n) {
        for (size_t i = 0; i < n->n; i++)
                if (n->fixed[i])
                        return false;
        return true;
}

static size_t naive_count_free(const Naive *n) {
        size_t free = 0;

        for (size_t i = 0; i < UNITS; i++)
                free += n->owner[i] < 0;
        return free;
}

/* @cost as of naive_cost(). */
static bool check_plan(const Naive *n, int r, const Moves *m, size_t size, long cost, char *why) {
        HISTORY_CHECK(r == 0 || r == OUTCOME_NO_ROOM, "%d", r);
        if (cost >= 0)
                HISTORY_CHECK(r == 0 && m->bytes == (uint64_t) cost * M, "%zu: %" PRIu64
                              ", naively %ld", size, m->bytes / M, cost);
        if (naive_count_free(n) < size)
                HISTORY_CHECK(r != 0, "%zu of %zu", size, naive_count_free(n));
        else if (is_all_movable(n))
                HISTORY_CHECK(r == 0, "%zu, %zu are free and all can be moved", size,
                              naive_count_free(n));
        return true;
}

static bool run_for(const Step *steps, size_t n_steps, MovesAim aim, char *why) {
        static const char *const sizes[] = { "2M", "4M", "8M", "16M" };
        _cleanup_(request_freep) Request *q = NULL;
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(moves_done) Moves m = {};
        Placement placement;
        Naive n = {};
        size_t k;
        long cost;
        int r;

        if (n_steps == 0 || scenario_init(&s) < 0 || !build(&s, &n, steps + 1, n_steps - 1))
                return true;
        k = steps[0].n[0] % 4;
        if (!scenario_parse_request(&s, sizes[k], &q))
                return true;
        cost = naive_cost(&n, 2U << k);
        r = policy_plan_moves(s.model, NULL, q, aim, &m, &reason);
        if (!check_plan(&n, r, &m, 2U << k, cost, why))
                return false;
        if (r != 0)
                return true;
        if (!carry_out(&m, &n, cost >= 0, why))
                return false;
        r = policy_place(s.model, NULL, q, &placement, &reason);
        HISTORY_CHECK(r == 0, "after the moves: %s", reason.text ?: "");
        return true;
}

static bool run(const Step *steps, size_t n_steps, char *why) {
        return run_for(steps, n_steps, MOVES_FEWEST, why);
}

/* On one parent the aims are one. */
static bool run_packed(const Step *steps, size_t n_steps, char *why) {
        return run_for(steps, n_steps, MOVES_PACK, why);
}

TEST(fewest_bytes_of_all_windows) {
        check_histories(run, 20000, 14);
}

TEST(the_same_of_the_other_aim) {
        check_histories(run_packed, 5000, 20);
}

TESTS_MAIN

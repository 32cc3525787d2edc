/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-allocator.c: edges by hand; then random histories against a naive model, an array with one
 * flag a unit, which knows nothing of trees.
 */
#include "policy/allocator.h"

#include "alloc.h"
#include "history.h"

#define K 1024ULL
#define M (1024 * K)
#define PAGE ALLOCATOR_PAGE

TEST(ranges_that_are_none) {
        static const struct {
                uint64_t offset, size, slot, first;
        } bad[] = {
                { 0, 0, 0, 0 },
                { 1, PAGE, 0, 0 },
                { 0, PAGE + 1, 0, 0 },
                { 0, PAGE, 100, 0 },
                { 0, PAGE, PAGE, PAGE },
                { UINT64_MAX - PAGE + 1, PAGE, 0, 0 },
                { PAGE, UINT64_C(1) << 63, 0, 0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                Allocator a;

                ASSERT_EQ(allocator_init(&a, bad[i].offset, bad[i].size, bad[i].slot, bad[i].first),
                          -EINVAL);
                allocator_done(&a);
        }
}

TEST(sizes_that_are_none) {
        static const uint64_t bad[] = { 0, 1, PAGE - 1, PAGE + 1, 3 * PAGE, 12 * M, UINT64_MAX };
        _cleanup_(allocator_done) Allocator a = {};
        uint64_t offset = 7;

        ASSERT_OK(allocator_init(&a, 0, 64 * M, 0, 0));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ASSERT_EQ(allocator_alloc(&a, bad[i], &offset), ALLOCATOR_BAD_SIZE);
        ASSERT_EQ(allocator_alloc(&a, 128 * M, &offset), ALLOCATOR_FULL);
        ASSERT_EQ(allocator_alloc(&a, UINT64_C(1) << 63, &offset), ALLOCATOR_FULL);
        ASSERT_EQ(offset, 7);
}

TEST(best_fit_keeps_large_blocks) {
        _cleanup_(allocator_done) Allocator a = {};
        uint64_t offset;

        ASSERT_OK(allocator_init(&a, 0, 64 * M, 0, 0));
        ASSERT_OK(allocator_alloc(&a, 16 * M, &offset));
        ASSERT_EQ(offset, 0);
        ASSERT_OK(allocator_alloc(&a, 4 * M, &offset));
        ASSERT_EQ(offset, 16 * M); /* not at 32 M, which is a larger block */
        ASSERT_OK(allocator_alloc(&a, 8 * M, &offset));
        ASSERT_EQ(offset, 24 * M);
        ASSERT_OK(allocator_alloc(&a, 4 * M, &offset));
        ASSERT_EQ(offset, 20 * M);
        ASSERT_OK(allocator_alloc(&a, 32 * M, &offset));
        ASSERT_EQ(offset, 32 * M);
        ASSERT_EQ(allocator_alloc(&a, PAGE, &offset), ALLOCATOR_FULL);
}

TEST(alignment_counts_from_the_bar) {
        _cleanup_(allocator_done) Allocator a = {};
        uint64_t offset;

        /* 12 MiB that begin 4 MiB into the BAR: blocks of 4 and 8 */
        ASSERT_OK(allocator_init(&a, 4 * M, 12 * M, 0, 0));
        ASSERT_EQ(a.counts.mask, 4 * M / PAGE | 8 * M / PAGE);
        ASSERT_EQ(allocator_alloc(&a, 16 * M, &offset), ALLOCATOR_FULL);
        ASSERT_OK(allocator_alloc(&a, 8 * M, &offset));
        ASSERT_EQ(offset, 8 * M);
        ASSERT_OK(allocator_alloc(&a, 4 * M, &offset));
        ASSERT_EQ(offset, 4 * M);
}

TEST(slots) {
        _cleanup_(allocator_done) Allocator a = {}, part = {}, nothing = {};
        AllocatorUsage usage;
        uint64_t offset;

        ASSERT_OK(allocator_init(&a, 4 * M, 40 * M, 12 * M, 4 * M)); /* three slots, 4 MiB over */
        for (uint64_t i = 0; i < 3; i++) {
                static const uint64_t order[] = { 28 * M, 4 * M, 16 * M }; /* the odd one first */

                ASSERT_OK(allocator_alloc(&a, 12 * M - i * PAGE, &offset));
                ASSERT_EQ(offset, order[i]);
        }
        ASSERT_EQ(allocator_alloc(&a, PAGE, &offset), ALLOCATOR_FULL);
        ASSERT_EQ(allocator_alloc(&a, 12 * M + PAGE, &offset), ALLOCATOR_BAD_SIZE);
        ASSERT_OK(allocator_release(&a, 16 * M, 12 * M - PAGE));
        allocator_usage(&a, &usage);
        ASSERT_EQ(usage.free, 12 * M);
        ASSERT_EQ(usage.largest_block, 12 * M);
        ASSERT_OK(allocator_alloc(&a, 12 * M, &offset));
        ASSERT_EQ(offset, 16 * M);

        /* a part of the pool that cuts two slots has the one between them */
        ASSERT_OK(allocator_init(&part, 8 * M, 28 * M, 12 * M, 4 * M));
        ASSERT_OK(allocator_alloc(&part, 12 * M, &offset));
        ASSERT_EQ(offset, 16 * M);
        ASSERT_EQ(allocator_alloc(&part, 12 * M, &offset), ALLOCATOR_FULL);
        ASSERT_OK(allocator_release(&part, 8 * M, 28 * M));
        allocator_usage(&part, &usage);
        ASSERT_EQ(usage.free, 12 * M); /* the cut ones did not become free */

        ASSERT_OK(allocator_init(&nothing, 5 * M, 8 * M, 12 * M, 4 * M));
        ASSERT_EQ(allocator_alloc(&nothing, PAGE, &offset), ALLOCATOR_FULL);
        allocator_usage(&nothing, &usage);
        ASSERT_EQ(usage.free, 0);
        ASSERT_EQ(usage.used, 8 * M);
}

TEST(adopts_what_others_made) {
        _cleanup_(allocator_done) Allocator a = {};
        AllocatorUsage usage;
        uint64_t offset;

        ASSERT_OK(allocator_init(&a, 0, 16 * M, 0, 0));
        ASSERT_OK(allocator_take(&a, 5 * M, 3 * M + PAGE)); /* neither power of two nor aligned */
        ASSERT_OK(allocator_take(&a, 6 * M, PAGE));         /* within it: no change */
        ASSERT_OK(allocator_take(&a, 15 * M, 100 * M));     /* sticks out */
        ASSERT_OK(allocator_take(&a, 500 * M, PAGE));       /* elsewhere */
        ASSERT_OK(allocator_take(&a, UINT64_MAX - 1, UINT64_MAX));
        allocator_usage(&a, &usage);
        ASSERT_EQ(usage.used, 4 * M + PAGE);
        ASSERT_EQ(usage.holes, 2);
        ASSERT_EQ(usage.largest_hole, 7 * M - PAGE);
        ASSERT_EQ(usage.largest_block, 4 * M);
        ASSERT_FALSE(allocator_is_free(&a, 4 * M, 2 * M));
        ASSERT_TRUE(allocator_is_free(&a, 4 * M, M));
        ASSERT_TRUE(allocator_is_free(&a, 8 * M + PAGE, 7 * M - PAGE));
        ASSERT_FALSE(allocator_is_free(&a, 8 * M, PAGE));
        ASSERT_FALSE(allocator_is_free(&a, 32 * M, PAGE));
        ASSERT_FALSE(allocator_is_free(&a, 0, 17 * M));
        ASSERT_OK(allocator_alloc(&a, 8 * K, &offset));
        ASSERT_EQ(offset, 8 * M + 8 * K);
}

TEST(no_memory_changes_nothing) {
        long before = alloc_balance();
        Allocator a;
        AllocatorUsage usage;
        uint64_t offset = 7;
        int r;

        FOR_EACH_ALLOCATION_FAILURE(r, allocator_init(&a, PAGE, 64 * M, 0, 0)) {
                ASSERT_EQ(r, -ENOMEM);
                allocator_done(&a);
                ASSERT_EQ(alloc_balance(), before);
        }
        ASSERT_OK(r);
        for (uint64_t i = 0; i < 200; i++) {
                uint64_t used = 0;

                allocator_usage(&a, &usage);
                used = usage.used;
                FOR_EACH_ALLOCATION_FAILURE(r, allocator_take(&a, i * 64 * PAGE + 2 * PAGE, PAGE)) {
                        ASSERT_EQ(r, -ENOMEM);
                        allocator_usage(&a, &usage);
                        ASSERT_EQ(usage.used, used);
                }
                ASSERT_OK(r);
                FOR_EACH_ALLOCATION_FAILURE(r, allocator_alloc(&a, 64 * K, &offset))
                        ASSERT_EQ(r, -ENOMEM);
                ASSERT_OK(r);
                ASSERT_OK(allocator_release(&a, offset, 64 * K));
        }
        allocator_done(&a);
        ASSERT_EQ(alloc_balance(), before);
}

/* ---- the naive model ---- */

#define UNITS 64

typedef struct Naive Naive;

struct Naive {
        bool range[UNITS]; /* belongs to us at all */
        bool taken[UNITS];
};

static bool naive_block_free(const Naive *n, size_t start, size_t size) {
        for (size_t i = start; i < start + size; i++)
                if (!n->range[i] || n->taken[i])
                        return false;
        return true;
}

/* The smallest block that is as large as it can be, holds @size; of these the first. */
static long naive_find(const Naive *n, size_t size) {
        for (size_t block = size; block <= UNITS; block *= 2)
                for (size_t at = 0; at < UNITS; at += block)
                        if (naive_block_free(n, at, block) &&
                            !(block < UNITS &&
                              naive_block_free(n, at & ~(2 * block - 1), 2 * block)))
                                return (long) at;
        return -1;
}

static bool naive_equal(const Naive *n, const Allocator *a, char *why) {
        uint64_t free = 0, run = 0, largest = 0, holes = 0;
        AllocatorUsage usage;

        for (size_t i = 0; i < UNITS; i++) {
                bool is_free = n->range[i] && !n->taken[i];

                HISTORY_CHECK(allocator_is_free(a, i * PAGE, PAGE) == is_free, "unit %zu", i);
                free += is_free;
                holes += is_free && run == 0;
                run = is_free ? run + 1 : 0;
                largest = MAX(largest, run);
        }
        allocator_usage(a, &usage);
        HISTORY_CHECK(usage.free == free * PAGE, "%" PRIu64 " units", free);
        HISTORY_CHECK(usage.used == a->size - free * PAGE, "%" PRIu64, usage.used);
        HISTORY_CHECK(usage.holes == holes, "%" PRIu64, holes);
        HISTORY_CHECK(usage.largest_hole == largest * PAGE, "%" PRIu64, largest);
        for (size_t order = 0, size = 1; size <= UNITS; order++, size *= 2) {
                uint64_t room = 0;

                for (size_t at = 0; at < UNITS; at += size)
                        room += naive_block_free(n, at, size);
                HISTORY_CHECK(block_counts_room(&a->counts, (unsigned) order) == room,
                              "order %zu: %" PRIu64 " is not %" PRIu64, order,
                              block_counts_room(&a->counts, (unsigned) order), room);
        }
        return true;
}

static bool step_alloc(Naive *n, Allocator *a, size_t size, char *why) {
        BlockCounts counts = a->counts;
        uint64_t offset = UINT64_MAX;
        long expected = naive_find(n, size);
        int r = allocator_alloc(a, size * PAGE, &offset);
        bool counted = block_counts_take(&counts, (unsigned) __builtin_ctzll(size));

        HISTORY_CHECK(r == (expected < 0 ? ALLOCATOR_FULL : 0), "%d, %zu units", r, size);
        HISTORY_CHECK(counted == (r == 0), "counts say %d", counted);
        if (r != 0)
                return true;
        HISTORY_CHECK(offset == (uint64_t) expected * PAGE, "%zu units at %" PRIu64 ", not %ld",
                      size, offset / PAGE, expected);
        HISTORY_CHECK(memcmp(&counts, &a->counts, sizeof(counts)) == 0, "counts of %zu", size);
        memset(n->taken + expected, true, size);
        return true;
}

/* Random ranges taken and released, whoever they belong to; random sizes allocated. */
static bool run_natural(const Step *steps, size_t n_steps, char *why) {
        _cleanup_(allocator_done) Allocator a = {};
        size_t from = n_steps ? steps[0].n[1] % (UNITS / 2) : 0;
        size_t to = UNITS - (n_steps ? steps[0].n[2] % (UNITS / 2) : 0);
        Naive naive = {};

        memset(naive.range + from, true, to - from);
        if (allocator_init(&a, from * PAGE, (to - from) * PAGE, 0, 0) < 0)
                return true;
        for (size_t i = 0; i < n_steps; i++) {
                const uint32_t *s = steps[i].n;
                size_t at = s[1] % UNITS, size = 1 + s[2] % 12;

                if (at + size > UNITS)
                        size = UNITS - at;
                if (s[0] % 4 < 2) {
                        if (!step_alloc(&naive, &a, 1U << s[3] % 7, why))
                                return false;
                } else if (s[0] % 4 == 2) {
                        HISTORY_CHECK(allocator_take(&a, at * PAGE, size * PAGE) == 0, "take");
                        memset(naive.taken + at, true, size);
                } else {
                        HISTORY_CHECK(allocator_release(&a, at * PAGE, size * PAGE) == 0,
                                      "release");
                        memset(naive.taken + at, false, size);
                }
                if (!naive_equal(&naive, &a, why))
                        return false;
        }
        return true;
}

TEST(random_histories) {
        check_histories(run_natural, 1500, 200);
}

/* A tree adopted in another order equals the one that grew: same answers to every size. */
static bool run_adopted(const Step *steps, size_t n_steps, char *why) {
        _cleanup_(allocator_done) Allocator grown = {}, adopted = {};
        bool taken[UNITS] = {};

        if (allocator_init(&grown, 0, UNITS * PAGE, 0, 0) < 0 ||
            allocator_init(&adopted, 0, UNITS * PAGE, 0, 0) < 0)
                return true;
        for (size_t i = 0; i < n_steps; i++) {
                size_t at = steps[i].n[1] % UNITS;
                bool take = steps[i].n[0] % 2;

                taken[at] = take;
                HISTORY_CHECK((take ? allocator_take : allocator_release)(&grown, at * PAGE,
                                                                          PAGE) == 0,
                              "set");
        }
        for (size_t i = UNITS; i-- > 0;)
                if (taken[i])
                        HISTORY_CHECK(allocator_take(&adopted, i * PAGE, PAGE) == 0, "adopt");
        HISTORY_CHECK(memcmp(&grown.counts, &adopted.counts, sizeof(grown.counts)) == 0, "counts");
        for (size_t size = 1; size <= UNITS; size *= 2) {
                uint64_t x = 0, y = 0;

                HISTORY_CHECK(allocator_find(&grown, size * PAGE, &x) ==
                                      allocator_find(&adopted, size * PAGE, &y),
                              "find %zu", size);
                HISTORY_CHECK(x == y, "%zu: %" PRIu64 " and %" PRIu64, size, x, y);
        }
        HISTORY_CHECK(grown.n_nodes - grown.n_unused == adopted.n_nodes - adopted.n_unused,
                      "trees are not alike");
        return true;
}

TEST(history_leaves_no_trace) {
        check_histories(run_adopted, 2000, 100);
}

/* Whether a set of sizes has room does not depend on the order in which it is placed. */
static bool run_any_order(const Step *steps, size_t n_steps, char *why) {
        _cleanup_(allocator_done) Allocator a = {};
        BlockCounts forward, backward;
        size_t n_taken = n_steps / 2;
        bool all_forward = true, all_backward = true;

        if (allocator_init(&a, 0, UNITS * PAGE, 0, 0) < 0)
                return true;
        for (size_t i = 0; i < n_taken; i++)
                HISTORY_CHECK(allocator_take(&a, steps[i].n[0] % UNITS * PAGE, PAGE) == 0, "take");
        forward = backward = a.counts;
        for (size_t i = n_taken; i < n_steps; i++)
                all_forward = block_counts_take(&forward, steps[i].n[1] % 4) && all_forward;
        for (size_t i = n_steps; i-- > n_taken;)
                all_backward = block_counts_take(&backward, steps[i].n[1] % 4) && all_backward;
        HISTORY_CHECK(all_forward == all_backward, "%d %d", all_forward, all_backward);
        return true;
}

TEST(order_of_placing_is_no_matter) {
        check_histories(run_any_order, 20000, 24);
}

/* Many at once are as many one by one. */
static bool run_many(const Step *steps, size_t n_steps, char *why) {
        _cleanup_(allocator_done) Allocator a = {};
        BlockCounts one, many;
        unsigned order, largest;
        uint64_t n, taken = 0;

        if (n_steps == 0 || allocator_init(&a, 0, UNITS * PAGE, 0, 0) < 0)
                return true;
        for (size_t i = 1; i < n_steps; i++)
                HISTORY_CHECK(allocator_take(&a, steps[i].n[0] % UNITS * PAGE, PAGE) == 0, "take");
        one = many = a.counts;
        order = steps[0].n[0] % 4;
        largest = order + steps[0].n[1] % 4;
        n = steps[0].n[2] % 70;
        while (taken < n && one.mask >> order &&
               order + (unsigned) __builtin_ctzll(one.mask >> order) <= largest)
                taken += block_counts_take(&one, order);
        HISTORY_CHECK(block_counts_take_many(&many, order, largest, n) == taken, "%" PRIu64, taken);
        HISTORY_CHECK(memcmp(&one, &many, sizeof(one)) == 0, "%" PRIu64 " of order %u up to %u",
                      taken, order, largest);
        return true;
}

TEST(many_are_one_by_one) {
        check_histories(run_many, 20000, 24);
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The module's record of who owns which range, against a plain array with an owner for each page,
 * and how many comparisons a lookup takes.
 */
#include "test.h"

#include "kmod-pure.h"
#include "mdevd_pure.h"

#define PAGE UINT64_C(4096)
#define PAGES 257
#define ROUNDS 200000

unsigned long kmod_compared;

/* Owners are the addresses of these; one name may own several spans. */
static char owner_names[7];

typedef struct Shadow Shadow;

struct Shadow {
        const void *owner[PAGES]; /* NULL: free */
        bool first[PAGES];        /* a span starts here */
};

static size_t shadow_length(const Shadow *s, size_t at) {
        size_t end = at + 1;

        while (end < PAGES && s->owner[end] && !s->first[end])
                end++;
        return end - at;
}

static void compare_all(const struct mdevd_spans *set, const Shadow *s) {
        size_t i = 0;

        for (size_t page = 0; page < PAGES; page++) {
                if (!s->first[page])
                        continue;
                ASSERT_TRUE(i < set->n);
                ASSERT_EQ(set->items[i].start, page * PAGE);
                ASSERT_EQ(set->items[i].end, (page + shadow_length(s, page)) * PAGE);
                ASSERT_TRUE(set->items[i].owner == s->owner[page]);
                i++;
        }
        ASSERT_EQ(i, set->n);
}

/* The first span that shares a page with [at, at + n), the slow way. */
static size_t shadow_overlap(const Shadow *s, size_t at, size_t n) {
        for (size_t i = at; i < at + n; i++) {
                if (!s->owner[i])
                        continue;
                while (!s->first[i])
                        i--;
                return i;
        }
        return PAGES;
}

static void try_add(struct mdevd_spans *set, Shadow *s, size_t at, size_t n, void *owner) {
        struct mdevd_span *hit = mdevd_spans_overlap(set, at * PAGE, (at + n) * PAGE);
        size_t want = shadow_overlap(s, at, n);

        ASSERT_EQ(hit != NULL, want < PAGES);
        if (hit) {
                ASSERT_EQ(hit->start, want * PAGE);
                return;
        }
        ASSERT_TRUE(set->n < set->room);
        mdevd_spans_add(set, at * PAGE, (at + n) * PAGE, owner);
        for (size_t i = at; i < at + n; i++)
                s->owner[i] = owner;
        s->first[at] = true;
}

/* Only exactly the start of a span, and only by its owner. */
static void try_del(struct mdevd_spans *set, Shadow *s, size_t at, const void *owner) {
        bool want = s->first[at] && s->owner[at] == owner;

        ASSERT_EQ(mdevd_spans_del(set, at * PAGE, owner), want);
        if (!want)
                return;
        for (size_t n = shadow_length(s, at), i = 0; i < n; i++)
                s->owner[at + i] = NULL;
        s->first[at] = false;
}

TEST(spans_like_an_array_of_pages) {
        struct mdevd_span items[PAGES];
        struct mdevd_spans set = { .items = items, .room = PAGES };
        uint64_t state = 1;
        size_t most = 0, deleted = 0;
        Shadow s = {};

        for (size_t round = 0; round < ROUNDS; round++) {
                size_t at = kmod_below(&state, PAGES), before = set.n;
                void *owner = &owner_names[kmod_below(&state, sizeof(owner_names))];

                if (kmod_below(&state, 4) == 0)
                        try_add(&set, &s, at,
                                1 + kmod_below(&state, MIN((size_t) 9, PAGES - at)), owner);
                else
                        try_del(&set, &s, at, owner);
                deleted += set.n < before;
                most = MAX(most, set.n);
                if (round % 64 == 0)
                        compare_all(&set, &s);
        }
        compare_all(&set, &s);
        /* or the random walk has tested nothing */
        ASSERT_TRUE(most > PAGES / 8 && deleted > 1000);
}

TEST(spans_after_is_the_first_that_ends_later) {
        struct mdevd_span items[] = { { 0, 10, NULL }, { 10, 20, NULL }, { 30, 40, NULL } };
        struct mdevd_spans set = { .items = items, .n = 3, .room = 3 };

        for (uint64_t pos = 0; pos < 50; pos++)
                ASSERT_EQ(mdevd_spans_after(&set, pos),
                          pos < 10 ? 0 : pos < 20 ? 1 : pos < 40 ? 2 : 3);
        ASSERT_EQ(mdevd_spans_after(&set, UINT64_MAX), 3);
}

static unsigned long worst_lookup(size_t n) {
        struct mdevd_span *items = calloc(n, sizeof(*items));
        struct mdevd_spans set = { .items = items, .n = n, .room = n };
        unsigned long worst = 0;

        ASSERT_NOT_NULL(items);
        /* every other page taken: each lookup between two hits nothing */
        for (size_t i = 0; i < n; i++)
                items[i] = (struct mdevd_span) { 2 * i * PAGE, (2 * i + 1) * PAGE, owner_names };
        for (size_t i = 0; i < 2 * n + 1; i++) {
                struct mdevd_span *hit;

                kmod_compared = 0;
                hit = mdevd_spans_overlap(&set, i * PAGE, (i + 1) * PAGE);
                ASSERT_EQ(hit != NULL, i % 2 == 0 && i < 2 * n);
                worst = MAX(worst, kmod_compared);
        }
        free(items);
        return worst;
}

TEST(spans_lookup_is_logarithmic) {
        static const size_t sizes[] = { 64, 4096, 65536 };

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                unsigned long worst = worst_lookup(sizes[i]);

                printf("# %zu extents: at most %lu comparisons a lookup (limit %lu)\n", sizes[i],
                       worst, kmod_compare_limit(sizes[i]));
                ASSERT_TRUE(worst > 0);
                ASSERT_TRUE(worst <= kmod_compare_limit(sizes[i]));
        }
}

TESTS_MAIN

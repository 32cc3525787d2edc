/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The module's one answer to "what lies behind this offset of a guest BAR", against a walk over
 * all pieces, and how many comparisons it takes.
 */
#include "test.h"

#include "kmod-pure.h"
#include "mdevd_pure.h"

#define PAGE UINT64_C(4096)
#define MOST 48

unsigned long kmod_compared;

static const struct mdevd_piece *walk(const struct mdevd_piece *pieces, size_t n,
                                      uint64_t offset) {
        for (size_t i = 0; i < n; i++)
                if (offset >= pieces[i].guest && offset - pieces[i].guest < pieces[i].length)
                        return &pieces[i];
        return NULL;
}

static void compare(const struct mdevd_piece *pieces, size_t n, uint64_t offset) {
        static const struct mdevd_target untouched = { .phys = 0x55, .backing = 99 };
        const struct mdevd_piece *want = walk(pieces, n, offset);
        struct mdevd_target target = untouched;
        int r = mdevd_resolve(pieces, n, offset, &target);

        if (!want) {
                ASSERT_EQ(r, -ENXIO);
                ASSERT_TRUE(memcmp(&target, &untouched, sizeof(target)) == 0);
                return;
        }
        ASSERT_OK(r);
        ASSERT_EQ(target.phys, want->phys + (offset - want->guest));
        ASSERT_EQ(target.start, want->guest);
        ASSERT_EQ(target.end, want->guest + want->length);
        ASSERT_EQ(target.backing, want->backing);
        ASSERT_EQ(target.cache, want->cache);
        /* a run never reaches over the end of what backs it */
        ASSERT_TRUE(target.start <= offset && offset < target.end);
}

static size_t make(struct mdevd_piece *pieces, uint64_t *state, bool gaps) {
        size_t n = kmod_below(state, MOST + 1);
        uint64_t guest = 0;

        for (size_t i = 0; i < n; i++) {
                if (gaps)
                        guest += kmod_below(state, 3) * PAGE;
                pieces[i] = (struct mdevd_piece) {
                        .guest = guest,
                        .length = (1 + kmod_below(state, 5)) * PAGE,
                        .phys = kmod_below(state, UINT64_C(1) << 40) * PAGE,
                        .backing = (uint32_t) i,
                        .cache = (uint32_t) kmod_below(state, 2),
                };
                guest += pieces[i].length;
        }
        return n;
}

TEST(resolve_like_a_walk) {
        uint64_t state = 7;

        for (size_t round = 0; round < 4000; round++) {
                struct mdevd_piece pieces[MOST];
                size_t n = make(pieces, &state, round % 2);
                uint64_t end = n ? pieces[n - 1].guest + pieces[n - 1].length : 0;

                for (uint64_t at = 0; at <= end; at += PAGE) {
                        compare(pieces, n, at);
                        compare(pieces, n, at + PAGE - 1);
                        compare(pieces, n, at - 1); /* of 0: the largest offset there is */
                }
                for (size_t i = 0; i < 16; i++)
                        compare(pieces, n, kmod_random(&state) >> kmod_below(&state, 64));
        }
}

static unsigned long worst_lookup(size_t n) {
        struct mdevd_piece *pieces = calloc(n, sizeof(*pieces));
        unsigned long worst = 0;

        ASSERT_NOT_NULL(pieces);
        for (size_t i = 0; i < n; i++)
                pieces[i] = (struct mdevd_piece) { i * PAGE, PAGE, 2 * i * PAGE, 0, 0 };
        for (size_t i = 0; i < n + 2; i++) {
                struct mdevd_target target;

                kmod_compared = 0;
                ASSERT_EQ(mdevd_resolve(pieces, n, i * PAGE + 5, &target), i < n ? 0 : -ENXIO);
                if (i < n)
                        ASSERT_EQ(target.phys, 2 * i * PAGE + 5);
                worst = MAX(worst, kmod_compared);
        }
        free(pieces);
        return worst;
}

TEST(resolve_is_logarithmic) {
        static const size_t sizes[] = { 64, 4096, 65536 };

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                unsigned long worst = worst_lookup(sizes[i]);

                printf("# %zu extents: at most %lu comparisons a resolve (limit %lu)\n", sizes[i],
                       worst, kmod_compare_limit(sizes[i]));
                ASSERT_TRUE(worst > 0);
                ASSERT_TRUE(worst <= kmod_compare_limit(sizes[i]));
        }
}

/*
 * Three extents, the second on its way: new below the watermark, nobody's in the chunk under way,
 * old above; and what is not of that extent knows nothing of it.
 */
TEST(resolve_of_what_moves) {
        static const struct mdevd_piece pieces[] = {
                { .guest = 0, .length = 0x4000, .phys = 0x100000, .backing = 0 },
                { .guest = 0x4000, .length = 0x8000, .phys = 0x200000, .backing = 1 },
                { .guest = 0xc000, .length = 0x1000, .phys = 0x300000, .backing = 1,
                  .kind = MDEVD_PART_SHARED },
        };
        static const struct mdevd_moved moved = { .backing = 1, .phys = 0x900000, .lo = 0x2000,
                                                  .hi = 0x4000 };

        for (uint64_t at = 0; at < 0xd000; at += 0x800) {
                struct mdevd_target t, before;
                int r;

                ASSERT_OK(mdevd_resolve(pieces, 3, at, &before));
                t = before;
                r = mdevd_resolve_moved(&moved, at, &t);
                if (at >= 0x6000 && at < 0x8000) {
                        ASSERT_EQ(r, -EAGAIN);
                        continue;
                }
                ASSERT_EQ(r, 0);
                ASSERT_TRUE(t.start <= at && at < t.end);
                if (at >= 0x4000 && at < 0x6000) {
                        ASSERT_TRUE(t.moved);
                        ASSERT_EQ(t.phys, 0x900000 + (at - 0x4000));
                        ASSERT_EQ(t.end, 0x6000); /* not into the chunk */
                } else {
                        ASSERT_FALSE(t.moved);
                        ASSERT_EQ(t.phys, before.phys);
                        ASSERT_EQ(t.end, before.end);
                        ASSERT_EQ(t.start, at >= 0x8000 && at < 0xc000 ? 0x8000 : before.start);
                }
        }
}

TESTS_MAIN

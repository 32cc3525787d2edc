/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the module lets user space configure and reserve, against a second opinion: the same rules
 * with a map of pages and 128-bit sums instead of comparisons. The inputs are near what is right,
 * each with a few fields made wrong.
 */
#include "test.h"

#include "kmod-pure.h"
#include "mdevd_pure.h"

#define PAGE UINT64_C(4096)
#define BAR_PAGES 48
#define ROUNDS 300000

unsigned long kmod_compared;

typedef unsigned __int128 wide;

static uint64_t state;

static struct mdevd_bounds bounds = {
        .page = PAGE,
        .bar_length = { BAR_PAGES * PAGE, 0, 20 * PAGE, PAGE, 2048, 33 * PAGE },
        .vectors = 2048,
        .n_holes = 2,
        .holes = { { 0, 8 * PAGE, 10 * PAGE }, { 2, 0, PAGE } },
};

static uint64_t below(uint64_t n) {
        return kmod_below(&state, n);
}

static bool chance(uint64_t n) {
        return below(n) == 0;
}

/* A number that breaks sums and casts. */
static uint64_t wild(void) {
        static const uint64_t base[] = { 0, 1, PAGE, UINT64_C(1) << 31, UINT64_C(1) << 32,
                                         UINT64_C(1) << 39, UINT64_C(1) << 63, UINT64_MAX };
        uint64_t v = base[below(ARRAY_SIZE(base))] + below(5) - 2;

        return chance(2) ? v : v & ~(PAGE - 1);
}

static void name_set(char *name, size_t room, const char *text) {
        memset(name, 0, room);
        snprintf(name, room, "%s", text);
}

/* The second opinion on names: a list of what may be, one by one. */
static bool name_ok(const char *s, size_t room) {
        static const char may[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
        size_t n = strnlen(s, room);

        return n > 0 && n < room && strspn(s, may) == n;
}

static bool label_ok(const char *s, size_t room) {
        size_t n = strnlen(s, room);

        for (size_t i = 0; i < n; i++)
                if ((unsigned char) s[i] <= 0x1f || s[i] == 0x7f)
                        return false;
        return n < room;
}

TEST(names_and_labels) {
        size_t good = 0;

        for (size_t round = 0; round < ROUNDS; round++) {
                char s[12];

                memset(s, 0, sizeof(s));
                for (size_t i = 0, n = below(sizeof(s) + 1); i < n; i++)
                        s[i] = (char) (chance(20) ? below(256) : 'A' + below(26));
                ASSERT_EQ(mdevd_check_name(s, sizeof(s)), name_ok(s, sizeof(s)));
                ASSERT_EQ(mdevd_check_label(s, sizeof(s)), label_ok(s, sizeof(s)));
                ASSERT_EQ(mdevd_check_string(s, sizeof(s)), strnlen(s, sizeof(s)) < sizeof(s));
                good += name_ok(s, sizeof(s));
        }
        ASSERT_TRUE(good > ROUNDS / 10);
        for (int c = 1; c < 256; c++) {
                char s[2] = { (char) c };

                ASSERT_EQ(mdevd_check_name(s, 2), name_ok(s, 2));
        }
}

TEST(bar_size_is_the_next_power_of_two) {
        for (unsigned shift = 0; shift < 64; shift++) {
                uint64_t size = UINT64_C(1) << shift;

                ASSERT_EQ(mdevd_bar_size(size), size);
                if (shift > 1)
                        ASSERT_EQ(mdevd_bar_size(size - 1), size);
                if (shift > 0 && shift < 63)
                        ASSERT_EQ(mdevd_bar_size(size + 1), size << 1);
        }
}

/* ---- pools ---- */

static bool inside(uint64_t start, uint64_t length, uint64_t limit) {
        return (wide) start + length <= limit;
}

static bool pool_ok(const struct mdevd_pool *p) {
        if (!name_ok(p->name, sizeof(p->name)) || p->__reserved || p->bar > 5)
                return false;
        if (p->kind > 1 || p->cache > 1 || p->scrub > 2 || (p->kind == 1 && p->scrub == 0) ||
            (p->scrub == 2 && !bounds.vendor_scrub))
                return false;
        return p->length > 0 && p->offset % PAGE == 0 && p->length % PAGE == 0 &&
               bounds.bar_length[p->bar] >= PAGE &&
               inside(p->offset, p->length, bounds.bar_length[p->bar]);
}

static bool pools_ok(const struct mdevd_pool *pools, size_t n) {
        bool taken[MDEVD_PCI_BARS][BAR_PAGES] = {};

        for (size_t i = 0; i < bounds.n_holes; i++)
                for (uint64_t at = bounds.holes[i].start; at < bounds.holes[i].end; at += PAGE)
                        taken[bounds.holes[i].bar][at / PAGE] = true;
        for (size_t i = 0; i < n; i++) {
                if (!pool_ok(&pools[i]))
                        return false;
                for (uint64_t at = 0; at < pools[i].length; at += PAGE) {
                        bool *page = &taken[pools[i].bar][(pools[i].offset + at) / PAGE];

                        if (*page)
                                return false;
                        *page = true;
                }
                for (size_t j = 0; j < i; j++)
                        if (strcmp(pools[j].name, pools[i].name) == 0)
                                return false;
        }
        return true;
}

static void spoil_pool(struct mdevd_pool *p) {
        switch (below(9)) {
        case 0: p->offset = wild(); break;
        case 1: p->length = wild(); break;
        case 2: p->bar = (uint8_t) below(9); break;
        case 3: p->kind = (uint8_t) below(4); break;
        case 4: p->cache = (uint8_t) below(4); break;
        case 5: p->scrub = (uint8_t) below(4); break;
        case 6: p->__reserved = (uint32_t) wild(); break;
        case 7: memset(p->name, chance(2) ? 'x' : 0, sizeof(p->name)); break;
        default: p->length += PAGE * below(60); break;
        }
}

static void make_pool(struct mdevd_pool *p, size_t i) {
        static const uint8_t bars[] = { 0, 0, 2, 3, 5 };
        char name[32];
        uint64_t pages;

        *p = (struct mdevd_pool) { .bar = bars[below(sizeof(bars))] };
        pages = bounds.bar_length[p->bar] / PAGE;
        snprintf(name, sizeof(name), "pool%zu", chance(60) ? 0 : i);
        name_set(p->name, sizeof(p->name), name);
        p->offset = below(pages) * PAGE;
        p->length = (1 + below(MIN(UINT64_C(6), pages - p->offset / PAGE))) * PAGE;
        p->cache = (uint8_t) below(2);
        p->kind = (uint8_t) below(2);
        p->scrub = p->kind || chance(3);
}

TEST(pools_like_a_map_of_pages) {
        size_t good = 0;

        state = 11;
        for (size_t round = 0; round < ROUNDS; round++) {
                struct mdevd_pool pools[5];
                size_t n = 1 + below(ARRAY_SIZE(pools));
                bool want;
                int r;

                bounds.vendor_scrub = chance(2);
                for (size_t i = 0; i < n; i++)
                        make_pool(&pools[i], i);
                if (chance(3))
                        spoil_pool(&pools[below(n)]);
                want = pools_ok(pools, n);
                r = mdevd_check_pools(&bounds, pools, n);
                ASSERT_EQ(r == 0, want);
                if (r)
                        ASSERT_TRUE(r == -EINVAL || r == -ERANGE || r == -EBUSY ||
                                    r == -EOPNOTSUPP);
                good += want;
        }
        printf("# %zu of %d accepted\n", good, ROUNDS);
        ASSERT_TRUE(good > ROUNDS / 10 && good < ROUNDS * 9 / 10);
}

/* ---- types ---- */

static bool type_ok(const struct mdevd_type *t) {
        bool used[MDEVD_MAX_BARS + 1] = {};
        bool any = false;

        if (!name_ok(t->name, sizeof(t->name)) || !label_ok(t->label, sizeof(t->label)))
                return false;
        if (t->map > 1 || t->vectors > 2048 || t->class >> 24 || t->flags > 1)
                return false;
        for (size_t i = 0; i < MDEVD_MAX_BARS; i++) {
                const struct mdevd_type_bar *b = &t->bars[i];
                bool is64 = b->flags & 1;

                if (b->__reserved || b->flags > 3 || b->length % PAGE)
                        return false;
                if (b->length == 0 && b->flags)
                        return false;
                if (b->length == 0)
                        continue;
                /* each register belongs to one BAR, and there are six */
                if (used[i] || (is64 && i == MDEVD_MAX_BARS - 1))
                        return false;
                used[i] = true;
                used[i + 1] = used[i + 1] || is64;
                if (b->length > (is64 ? UINT64_C(1) << 39 : UINT64_C(1) << 31))
                        return false;
                any = true;
        }
        /* the table of the vectors wants a register of its own */
        if (t->vectors) {
                bool room = false;

                for (size_t i = 0; i < MDEVD_MAX_BARS; i++)
                        room |= !used[i];
                any &= room;
        }
        return any;
}

static void spoil_type(struct mdevd_type *t) {
        struct mdevd_type_bar *b = &t->bars[below(MDEVD_MAX_BARS)];

        switch (below(9)) {
        case 0: b->length = wild(); break;
        case 1: b->flags = (uint32_t) wild(); break;
        case 2: b->__reserved = (uint32_t) wild(); break;
        case 3: t->map = (uint32_t) wild(); break;
        case 4: t->vectors = 2040 + (uint32_t) below(16); break;
        case 5: t->class = UINT32_C(0xfffffe) + (uint32_t) below(4); break;
        case 6: t->flags = (uint32_t) below(4); break;
        case 7: memset(t->label, 'l', sizeof(t->label)); break;
        default: t->name[below(sizeof(t->name))] = (char) below(256); break;
        }
}

TEST(types_like_a_second_opinion) {
        size_t good = 0;

        state = 13;
        for (size_t round = 0; round < ROUNDS; round++) {
                struct mdevd_type types[2] = {};
                bool want;

                for (size_t k = 0; k < 2; k++) {
                        name_set(types[k].name, sizeof(types[k].name),
                                 k && !chance(30) ? "second" : "first");
                        for (size_t i = 0; i < MDEVD_MAX_BARS; i++)
                                if (chance(3)) {
                                        types[k].bars[i].length =
                                                chance(8) ? wild() : PAGE * (1 + below(9));
                                        types[k].bars[i].flags = (uint32_t) below(4);
                                }
                        if (chance(3))
                                spoil_type(&types[k]);
                }
                want = type_ok(&types[0]) && type_ok(&types[1]) &&
                       strcmp(types[0].name, types[1].name) != 0;
                ASSERT_EQ(mdevd_check_types(&bounds, NULL, 0, types, 2), want ? 0 : -EINVAL);
                ASSERT_EQ(mdevd_check_types(&bounds, NULL, 0, types, 1),
                          type_ok(&types[0]) ? 0 : -EINVAL);
                good += want;
        }
        printf("# %zu of %d accepted\n", good, ROUNDS);
        ASSERT_TRUE(good > ROUNDS / 50);
}

/* ---- extents ---- */

static const struct mdevd_pool pools[] = {
        { .name = "a", .bar = 0, .offset = 0, .length = 8 * PAGE },
        { .name = "b", .bar = 0, .offset = 10 * PAGE, .length = 20 * PAGE },
        { .name = "c", .bar = 0, .offset = 30 * PAGE, .length = 18 * PAGE },
        { .name = "d", .bar = 2, .offset = PAGE, .length = 19 * PAGE },
};

static const struct mdevd_type type = {
        .name = "t", .bars = { { 6 * PAGE, 0, 0 }, {}, { 3 * PAGE, 1, 0 } },
};

static bool extent_ok(const struct mdevd_extent *e) {
        for (size_t i = 0; i < sizeof(e->__reserved); i++)
                if (e->__reserved[i])
                        return false;
        if (e->bar > 5 || e->guest_bar > 5 || !type.bars[e->guest_bar].length)
                return false;
        if (!e->length || e->length % PAGE || e->offset % PAGE)
                return false;
        /* whole in one pool, not over the seam of two that touch */
        for (size_t i = 0; i < ARRAY_SIZE(pools); i++)
                if (pools[i].bar == e->bar && e->offset >= pools[i].offset &&
                    (wide) e->offset + e->length <= pools[i].offset + pools[i].length)
                        return true;
        return false;
}

static bool extents_ok(const struct mdevd_extent *extents, size_t n) {
        bool taken[MDEVD_PCI_BARS][BAR_PAGES] = {};
        wide sum[MDEVD_MAX_BARS] = {};

        for (size_t i = 0; i < n; i++) {
                const struct mdevd_extent *e = &extents[i];

                if (!extent_ok(e))
                        return false;
                for (uint64_t at = 0; at < e->length; at += PAGE) {
                        if (taken[e->bar][(e->offset + at) / PAGE])
                                return false;
                        taken[e->bar][(e->offset + at) / PAGE] = true;
                }
                sum[e->guest_bar] += e->length;
        }
        for (size_t i = 0; i < MDEVD_MAX_BARS; i++)
                if (sum[i] != type.bars[i].length)
                        return false;
        return true;
}

static void spoil_extent(struct mdevd_extent *e) {
        switch (below(6)) {
        case 0: e->offset = wild(); break;
        case 1: e->length = wild(); break;
        case 2: e->bar = (uint8_t) below(256); break;
        case 3: e->guest_bar = (uint8_t) below(256); break;
        case 4: e->__reserved[below(6)] = (uint8_t) below(2); break;
        default: e->length += PAGE; break;
        }
}

/* Pieces that add up, at places that often are free. */
static size_t make_extents(struct mdevd_extent *extents) {
        static const struct { uint8_t guest_bar; uint64_t pages; } parts[] = { { 0, 6 }, { 2, 3 } };
        size_t n = 0;

        for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
                for (uint64_t left = parts[k].pages; left > 0;) {
                        uint64_t pages = 1 + below(left);

                        extents[n++] = (struct mdevd_extent) {
                                .bar = chance(3) ? 2 : 0,
                                .offset = below(BAR_PAGES) * PAGE,
                                .length = pages * PAGE,
                                .guest_bar = parts[k].guest_bar,
                        };
                        left -= pages;
                }
        return n;
}

TEST(extents_like_a_map_of_pages) {
        size_t good = 0;

        state = 17;
        for (size_t round = 0; round < ROUNDS; round++) {
                struct mdevd_extent extents[16];
                size_t n = make_extents(extents);
                bool want;
                int r;

                if (chance(3))
                        spoil_extent(&extents[below(n)]);
                if (chance(20))
                        n--;
                want = extents_ok(extents, n);
                r = mdevd_check_extents(&bounds, pools, ARRAY_SIZE(pools), &type, extents, n);
                ASSERT_EQ(r == 0, want);
                if (r)
                        ASSERT_TRUE(r == -EINVAL || r == -ERANGE);
                good += want;
        }
        printf("# %zu of %d accepted\n", good, ROUNDS);
        ASSERT_TRUE(good > ROUNDS / 50);
}

/* ---- parts, vectors: each rule by itself, with its errno ---- */

static const struct mdevd_bounds card = {
        .page = PAGE,
        .bar_length = { [0] = 16 * PAGE, [1] = PAGE / 2, [2] = 64 * PAGE },
        .vectors = 4,
        .n_holes = 1,
        .holes = { { 0, PAGE, 2 * PAGE } },
};

static int check_part(const struct mdevd_bounds *b, const struct mdevd_part *part) {
        static const struct mdevd_pool pool = { .name = "p", .bar = 2, .length = 32 * PAGE };
        struct mdevd_type t = { .name = "t", .bars = { { .length = 8 * PAGE } } };

        t.parts[0] = *part;
        return mdevd_check_types(b, &pool, 1, &t, 1);
}

TEST(parts) {
        static const struct {
                struct mdevd_part part;
                int result;
        } cases[] = {
                { { .kind = MDEVD_PART_NONE }, 0 },
                { { .kind = MDEVD_PART_NONE, .length = PAGE }, -EINVAL },
                { { .kind = MDEVD_PART_TRAPPED, .length = 8 * PAGE }, 0 },
                { { .kind = MDEVD_PART_TRAPPED, .length = 9 * PAGE }, -EINVAL },
                { { .kind = MDEVD_PART_TRAPPED, .length = PAGE, .offset = 8 * PAGE }, -EINVAL },
                { { .kind = MDEVD_PART_TRAPPED, .length = PAGE, .bar = 1 }, -EINVAL },
                { { .kind = MDEVD_PART_TRAPPED, .length = PAGE, .bar = 6 }, -EINVAL },
                { { .kind = MDEVD_PART_TRAPPED, .length = PAGE, .parent_bar = 2 }, -EINVAL },
                { { .kind = MDEVD_PART_TRAPPED, .length = PAGE, .__reserved = { 1 } }, -EINVAL },
                { { .kind = MDEVD_PART_TRAPPED, .length = 0 }, -EINVAL },
                { { .kind = MDEVD_PART_TRAPPED, .length = PAGE / 2 }, -EINVAL },
                { { .kind = MDEVD_PART_VENDOR, .length = PAGE }, -EOPNOTSUPP },
                { { .kind = MDEVD_PART_VENDOR + 1, .length = PAGE }, -EINVAL },
                { { .kind = MDEVD_PART_SHARED, .length = PAGE }, 0 },
                { { .kind = MDEVD_PART_SHARED, .length = PAGE, .parent_offset = PAGE }, -EBUSY },
                { { .kind = MDEVD_PART_SHARED, .length = PAGE, .parent_offset = 15 * PAGE }, 0 },
                { { .kind = MDEVD_PART_SHARED, .length = PAGE,
                    .parent_offset = 16 * PAGE }, -ERANGE },
                { { .kind = MDEVD_PART_SHARED, .length = PAGE, .parent_bar = 1 }, -EINVAL },
                { { .kind = MDEVD_PART_SHARED, .length = PAGE, .parent_bar = 3 }, -EINVAL },
                { { .kind = MDEVD_PART_SHARED, .length = PAGE, .parent_bar = 6 }, -EINVAL },
                { { .kind = MDEVD_PART_SHARED, .length = PAGE, .parent_bar = 2,
                    .parent_offset = 31 * PAGE }, -EBUSY },
                { { .kind = MDEVD_PART_SHARED, .length = PAGE, .parent_bar = 2,
                    .parent_offset = 32 * PAGE }, 0 },
                /* nothing is left that an extent could back */
                { { .kind = MDEVD_PART_SHARED, .length = 8 * PAGE, .parent_bar = 2,
                    .parent_offset = 32 * PAGE }, -EINVAL },
        };
        struct mdevd_bounds vendor = card;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                if (check_part(&card, &cases[i].part) != cases[i].result)
                        test_fail(__FILE__, __LINE__, "case %zu: %d instead of %d", i,
                                  check_part(&card, &cases[i].part), cases[i].result);
        vendor.vendor = true;
        ASSERT_EQ(check_part(&vendor, &(struct mdevd_part){ .kind = MDEVD_PART_VENDOR,
                                                            .length = PAGE }), 0);
}

/* A BAR that is smaller than a page shares it with something else, and says so. */
TEST(small_bars_are_not_divided) {
        const struct mdevd_pool pool = { .name = "p", .bar = 1, .length = PAGE };

        ASSERT_EQ(mdevd_check_pools(&card, &pool, 1), -EINVAL);
}

TEST(a_vendor_that_cannot_scrub) {
        const struct mdevd_pool pool = { .name = "p", .bar = 2, .length = PAGE,
                                         .scrub = MDEVD_SCRUB_VENDOR };
        struct mdevd_bounds b = card;

        b.vendor = true;
        ASSERT_EQ(mdevd_check_pools(&b, &pool, 1), -EOPNOTSUPP);
        b.vendor_scrub = true;
        ASSERT_EQ(mdevd_check_pools(&b, &pool, 1), 0);
}

TEST(vectors) {
        const struct mdevd_pool pool = { .name = "p", .bar = 2, .length = 32 * PAGE };
        struct mdevd_type t = { .name = "t", .bars = { { .length = PAGE } }, .vectors = 4 };
        struct mdevd_bounds vendor = card;

        ASSERT_EQ(mdevd_check_types(&card, &pool, 1, &t, 1), 0);
        ASSERT_EQ(mdevd_check_vectors(&card, &t, (const u32[]){ 0, 1, 2, 3 }, 4), 0);
        ASSERT_EQ(mdevd_check_vectors(&card, &t, (const u32[]){ 0, 1, 2, 4 }, 4), -EINVAL);
        ASSERT_EQ(mdevd_check_vectors(&card, &t, (const u32[]){ 0, 1, 2 }, 3), -EINVAL);
        t.vectors = 5;
        ASSERT_EQ(mdevd_check_types(&card, &pool, 1, &t, 1), -ENOSPC);
        /* they are the vendor's then, who is asked by mdevd_vendor_check() */
        vendor.vendor = true;
        ASSERT_EQ(mdevd_check_types(&vendor, &pool, 1, &t, 1), 0);
}

/* What has something else behind it lies between extents, never in one. */
TEST(no_extent_is_on_both_sides_of_a_part) {
        const struct mdevd_pool pool = { .name = "p", .bar = 2, .length = 32 * PAGE };
        const struct mdevd_type t = { .name = "t", .bars = { { .length = 4 * PAGE } },
                                      .parts[0] = { .kind = MDEVD_PART_SHARED, .offset = PAGE,
                                                    .length = PAGE } };
        static const struct {
                uint64_t pages[2];
                int result;
        } cases[] = {
                { { 1, 2 }, 0 }, { { 3 }, -EINVAL }, { { 2, 1 }, -EINVAL }, { { 1, 1 }, -EINVAL },
                { { 1, 3 }, -EINVAL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const uint64_t *pages = cases[i].pages;
                const struct mdevd_extent extents[] = {
                        { .bar = 2, .length = pages[0] * PAGE },
                        { .bar = 2, .offset = pages[0] * PAGE, .length = pages[1] * PAGE },
                };

                ASSERT_EQ(mdevd_check_extents(&card, &pool, 1, &t, extents, pages[1] ? 2 : 1),
                          cases[i].result);
        }
}

TESTS_MAIN

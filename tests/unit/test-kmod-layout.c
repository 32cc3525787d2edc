/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the BARs of a device are made of, page by page against a second opinion; what of them may be
 * mapped; where the MSI-X table goes; and that no write to it changes what is not the guest's.
 */
#include "test.h"

#include "kmod-pure.h"
#include "mdevd_pure.h"

#define PAGE UINT64_C(4096)
#define PAGES 24
#define ROUNDS 60000

unsigned long kmod_compared;

static uint64_t state = 17;

static const struct mdevd_bounds bounds = {
        .page = PAGE,
        .bar_length = { 64 * PAGE, 8 * PAGE, 4096 * PAGE },
        .vectors = 2048,
        .vendor = true,
};

static const struct mdevd_pool pool = { .name = "p", .bar = 2, .length = 4096 * PAGE };

static uint64_t below(uint64_t n) {
        return kmod_below(&state, n);
}

/* A BAR 0 with up to four parts, and extents of any cut, whether they fit or not. */
static size_t draw(struct mdevd_type *type, struct mdevd_extent *extents) {
        uint64_t at = 0, left, pages = 1 + below(PAGES);
        size_t n = 0;

        *type = (struct mdevd_type) { .name = "t", .bars = { { .length = pages * PAGE } } };
        for (size_t i = 0; i < 4 && at < pages; i++) {
                at += below(4);
                if (at >= pages)
                        break;
                type->parts[below(2) * 4 + i] = (struct mdevd_part) {
                        .kind = (uint8_t) (1 + below(3)),
                        .offset = at * PAGE,
                        .length = (1 + below(MIN(pages - at, UINT64_C(3)))) * PAGE,
                };
                for (size_t k = 0; k < MDEVD_MAX_PARTS; k++)
                        if (type->parts[k].offset == at * PAGE && type->parts[k].kind)
                                at += type->parts[k].length / PAGE;
        }
        left = pages;
        for (size_t i = 0; i < MDEVD_MAX_PARTS; i++)
                if (type->parts[i].kind > MDEVD_PART_TRAPPED)
                        left -= type->parts[i].length / PAGE;
        if (left > 0 && below(8) == 0)
                left++;
        for (; left > 0 && n < MDEVD_MAX_EXTENTS; n++) {
                uint64_t take = 1 + below(left);

                extents[n] = (struct mdevd_extent) {
                        .bar = 2, .offset = (n * 100 + below(9)) * PAGE, .length = take * PAGE,
                };
                left -= take;
        }
        return n;
}

/* Of each page of the BAR: what kind it is, which extent and which page of that. */
struct page {
        unsigned kind;
        size_t extent;
        uint64_t at;
};

/* The second opinion; false if an extent would lie on both sides of a part, or does not fit. */
static bool lay(const struct mdevd_type *type, const struct mdevd_extent *extents, size_t n,
                struct page *pages) {
        uint64_t at = 0, end = type->bars[0].length / PAGE;
        size_t extent = 0;
        bool fits = true;

        for (uint64_t page = 0; page < end; page++) {
                pages[page] = (struct page) {};
                for (size_t i = 0; i < MDEVD_MAX_PARTS; i++)
                        if (type->parts[i].kind && page * PAGE >= type->parts[i].offset &&
                            page * PAGE < type->parts[i].offset + type->parts[i].length)
                                pages[page].kind = type->parts[i].kind;
                if (pages[page].kind > MDEVD_PART_TRAPPED) {
                        fits = fits && at == 0;
                        continue;
                }
                if (extent == n)
                        return false;
                pages[page].extent = extent;
                pages[page].at = at++;
                if (at * PAGE == extents[extent].length) {
                        extent++;
                        at = 0;
                }
        }
        return fits && extent == n;
}

static void check_pieces(const struct mdevd_type *type, const struct mdevd_extent *extents,
                         size_t n, const struct page *pages) {
        struct mdevd_piece pieces[MDEVD_MAX_PIECES(MDEVD_MAX_EXTENTS)];
        size_t n_pieces = mdevd_layout_bar(type, 0, extents, n, pieces);
        uint64_t end = type->bars[0].length / PAGE, mappable = 0;
        __u64 from = 0, to = 0;

        ASSERT_TRUE(n_pieces <= MDEVD_MAX_PIECES(n));
        for (uint64_t page = 0; page < end; page++) {
                struct mdevd_target target;

                ASSERT_OK(mdevd_resolve(pieces, n_pieces, page * PAGE, &target));
                ASSERT_EQ(target.kind, pages[page].kind);
                mappable += pages[page].kind == 0;
                if (pages[page].kind > MDEVD_PART_TRAPPED)
                        continue;
                ASSERT_EQ(target.backing, pages[page].extent);
                ASSERT_EQ(target.phys, extents[pages[page].extent].offset + pages[page].at * PAGE);
        }
        while (mdevd_resolve_mappable(pieces, n_pieces, &from, &to)) {
                ASSERT_TRUE(from < to && to <= end * PAGE);
                for (uint64_t page = from / PAGE; page < to / PAGE; page++)
                        ASSERT_EQ(pages[page].kind, 0);
                ASSERT_TRUE(to == end * PAGE || pages[to / PAGE].kind != 0);
                mappable -= (to - from) / PAGE;
                from = to;
        }
        ASSERT_EQ(mappable, 0);
}

TEST(layout_like_a_second_opinion) {
        size_t good = 0, refused = 0;

        for (size_t round = 0; round < ROUNDS; round++) {
                struct mdevd_extent extents[MDEVD_MAX_EXTENTS];
                struct page pages[PAGES];
                struct mdevd_type type;
                size_t n = draw(&type, extents);
                int r = mdevd_check_types(&bounds, NULL, 0, &type, 1);

                if (r != 0) {
                        ASSERT_EQ(n, 0); /* nothing is left of it for extents */
                        continue;
                }
                r = mdevd_check_extents(&bounds, &pool, 1, &type, extents, n);
                ASSERT_EQ(r == 0, lay(&type, extents, n, pages));
                if (r == 0)
                        check_pieces(&type, extents, n, pages);
                good += r == 0;
                refused += r != 0;
        }
        printf("# %zu laid out, %zu refused\n", good, refused);
        ASSERT_TRUE(good > ROUNDS / 10 && refused > ROUNDS / 100);
}

TEST(layout_msix_takes_the_first_free_bar) {
        struct mdevd_type type = { .bars = { { PAGE, MDEVD_BAR_64BIT, 0 }, {}, { PAGE, 0, 0 } } };
        struct mdevd_msix msix;

        ASSERT_OK(mdevd_layout_msix(&type, &msix));
        ASSERT_EQ(msix.size, 0);
        for (type.vectors = 1; type.vectors <= MDEVD_MAX_VECTORS; type.vectors++) {
                ASSERT_OK(mdevd_layout_msix(&type, &msix));
                ASSERT_EQ(msix.bar, 3); /* 1 is the upper half of 0 */
                ASSERT_TRUE(msix.pba >= type.vectors * 16 && msix.pba % 8 == 0);
                ASSERT_TRUE(msix.size >= msix.pba + (type.vectors + 63) / 64 * 8);
                ASSERT_TRUE(msix.size >= PAGE && (msix.size & (msix.size - 1)) == 0);
        }
        type.vectors = 1;
        type.bars[3] = type.bars[4] = type.bars[5] = (struct mdevd_type_bar) { PAGE, 0, 0 };
        ASSERT_EQ(mdevd_layout_msix(&type, &msix), -EINVAL);
}

TEST(msix_writes_change_only_what_is_the_guests) {
        static const uint8_t mask[16] = { 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0x01, 0, 0, 0 };
        uint8_t want[3 * 16] = {};
        uint8_t *table = malloc(sizeof(want)); /* its end is watched */

        ASSERT_NOT_NULL(table);
        mdevd_msix_reset(table, 3);
        for (size_t i = 0; i < 3; i++)
                want[i * 16 + 12] = 1;
        for (size_t round = 0; round < ROUNDS; round++) {
                size_t n = (size_t) 1 << below(4), pos = below(8192 / n) * n;
                uint8_t bytes[8], got[8];

                if (below(2))
                        pos = below(64 / n) * n;
                for (size_t i = 0; i < n; i++) {
                        bytes[i] = (uint8_t) below(256);
                        if (pos + i < sizeof(want))
                                want[pos + i] = (uint8_t) ((want[pos + i] & ~mask[(pos + i) % 16]) |
                                                           (bytes[i] & mask[(pos + i) % 16]));
                }
                mdevd_msix_write(table, 3, pos, bytes, n);
                ASSERT_TRUE(memcmp(table, want, sizeof(want)) == 0);
                mdevd_msix_read(table, 3, pos, got, n);
                for (size_t i = 0; i < n; i++)
                        ASSERT_EQ(got[i], pos + i < sizeof(want) ? want[pos + i] : 0);
        }
        free(table);
}

TESTS_MAIN

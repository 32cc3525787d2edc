/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes in through MDEVD_CONFIGURE and MDEVD_RESERVE, as raw bytes: whatever the checks accept
 * must be safe to build a device of. The input is a byte that counts pools, one type, the pools and
 * then extents, as the structs are.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mdevd_pure.h"

#define PAGE UINT64_C(4096)
#define POOLS 4
#define EXTENTS MDEVD_MAX_EXTENTS

unsigned long kmod_compared;

typedef unsigned __int128 wide;

static const struct mdevd_bounds bounds = {
        .page = PAGE,
        .bar_length = { 64 << 20, 0, UINT64_C(1) << 40, 4096, 256, UINT64_MAX - 4095 },
        .vectors = 2048,
        .vendor = true,
        .n_holes = 2,
        .holes = { { 0, 4096, 8192 }, { 2, 0, 4096 } },
};

static bool take(const uint8_t **data, size_t *size, void *to, size_t n) {
        if (*size < n)
                return false;
        memcpy(to, *data, n);
        *data += n;
        *size -= n;
        return true;
}

static bool apart(uint64_t a, uint64_t a_length, uint64_t b, uint64_t b_length) {
        return (wide) a + a_length <= b || (wide) b + b_length <= a;
}

static void check_pools(const struct mdevd_pool *pools, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const struct mdevd_pool *p = &pools[i];

                assert(p->bar < MDEVD_PCI_BARS && p->length > 0);
                assert(p->offset % PAGE == 0 && p->length % PAGE == 0);
                assert((wide) p->offset + p->length <= bounds.bar_length[p->bar]);
                assert(memchr(p->name, 0, sizeof(p->name)) && !strchr(p->name, '/'));
                for (size_t j = 0; j < bounds.n_holes; j++)
                        assert(p->bar != bounds.holes[j].bar ||
                               apart(p->offset, p->length, bounds.holes[j].start,
                                     bounds.holes[j].end - bounds.holes[j].start));
                for (size_t j = 0; j < i; j++)
                        assert(p->bar != pools[j].bar || apart(p->offset, p->length,
                                  pools[j].offset, pools[j].length));
        }
}

static void check_type(const struct mdevd_type *t) {
        static const uint8_t ones[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
        struct mdevd_cfg cfg;

        mdevd_cfg_init(&cfg, t, 0);
        for (size_t i = 0; i < MDEVD_MAX_BARS; i++) {
                uint64_t size = t->bars[i].length ? mdevd_bar_size(t->bars[i].length) : 0;
                bool is64 = t->bars[i].flags & MDEVD_BAR_64BIT;
                uint32_t got[2] = {};

                if (!size)
                        continue;
                assert(size >= t->bars[i].length && size <= UINT64_C(1) << 39);
                assert(size / 2 < t->bars[i].length || size == PAGE);
                mdevd_cfg_write(&cfg, 0x10 + 4 * i, ones, is64 ? 8 : 4);
                mdevd_cfg_read(&cfg, 0x10 + 4 * i, (uint8_t *) got, is64 ? 8 : 4);
                got[0] &= ~UINT32_C(0xf);
                assert(is64 ? -((uint64_t) got[1] << 32 | got[0]) == size : -got[0] == size);
        }
}

/* What an access to it would reach. */
static void check_part(const struct mdevd_type *t, const struct mdevd_target *target) {
        const struct mdevd_part *part;

        assert(target->backing < MDEVD_MAX_PARTS);
        part = &t->parts[target->backing];
        assert(part->kind == target->kind && part->offset == target->start);
        assert(target->end - target->start == part->length);
        if (part->kind != MDEVD_PART_SHARED)
                return;
        assert((wide) part->parent_offset + part->length <= bounds.bar_length[part->parent_bar]);
        assert(target->phys == part->parent_offset);
}

static void check_device(const struct mdevd_pool *pools, size_t n_pools,
                         const struct mdevd_type *type, const struct mdevd_extent *extents,
                         size_t n) {
        for (size_t i = 0; i < n; i++) {
                const struct mdevd_extent *e = &extents[i];
                const struct mdevd_pool *p = mdevd_check_find_pool(pools, n_pools, e);

                assert(p && p->bar == e->bar && e->offset >= p->offset);
                assert((wide) e->offset + e->length <= (wide) p->offset + p->length);
                for (size_t j = 0; j < i; j++)
                        assert(e->bar != extents[j].bar || apart(e->offset, e->length,
                                  extents[j].offset, extents[j].length));
        }
        for (size_t bar = 0; bar < MDEVD_MAX_BARS; bar++) {
                struct mdevd_piece pieces[MDEVD_MAX_PIECES(EXTENTS)];
                size_t n_pieces = mdevd_layout_bar(type, (uint32_t) bar, extents, n, pieces);
                uint64_t length = type->bars[bar].length, at = 0;
                struct mdevd_target target;

                /* every byte that the type says is backed is, once, and none after it */
                while (at < length) {
                        assert(mdevd_resolve(pieces, n_pieces, at, &target) == 0);
                        assert(target.start == at && target.end > at);
                        if (target.kind > MDEVD_PART_TRAPPED)
                                check_part(type, &target);
                        else
                                assert(target.phys ==
                                       extents[target.backing].offset + target.at);
                        at = target.end;
                }
                assert(at == length);
                assert(mdevd_resolve(pieces, n_pieces, at, &target) == -ENXIO);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct mdevd_extent extents[EXTENTS];
        struct mdevd_pool pools[POOLS];
        struct mdevd_type type;
        size_t n_pools = 0, n = 0;
        bool good;
        uint8_t count;

        if (!take(&data, &size, &count, 1) || !take(&data, &size, &type, sizeof(type)))
                return 0;
        while (n_pools < count % (POOLS + 1) &&
               take(&data, &size, &pools[n_pools], sizeof(pools[0])))
                n_pools++;
        while (n < EXTENTS && take(&data, &size, &extents[n], sizeof(extents[0])))
                n++;

        good = n_pools > 0 && mdevd_check_pools(&bounds, pools, n_pools) == 0;
        if (good)
                check_pools(pools, n_pools);
        if (mdevd_check_types(&bounds, pools, good ? n_pools : 0, &type, 1) != 0)
                return 0;
        check_type(&type);
        if (good && mdevd_check_extents(&bounds, pools, n_pools, &type, extents, n) == 0)
                check_device(pools, n_pools, &type, extents, n);
        return 0;
}

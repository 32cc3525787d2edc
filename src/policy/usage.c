/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* usage.c: how much is used and free, and how many more would go. Numbers only. */
#include "policy/host.h"

#define COUNT_MAX 65536 /* more mdevs than that no host has */

/* As often as the numbers of free blocks allow, of one type on one parent. */
static unsigned count_devices(View *v, const Type *type) {
        size_t order[BARS_MAX], n_bars = type_order_bars(type, order);
        BlockCounts counts[BARS_MAX];
        const Pool *pools[BARS_MAX];
        uint64_t least = COUNT_MAX, n = 0;
        size_t share[BARS_MAX];
        bool shared = false;

        for (size_t i = 0; i < n_bars; i++) {
                const TypeBar *bar = &type->bars[order[i]];
                const Region *region;
                int k;

                pools[i] = view_pool(v, bar);
                region = pools[i] ? view_next_region(v, pools[i], NULL, NULL) : NULL;
                k = region ? allocator_order(&region->allocator, bar->size) : -1;
                if (k < 0)
                        return 0;
                counts[i] = region->allocator.counts;
                least = MIN(least, block_counts_room(&counts[i], (unsigned) k));
                for (share[i] = 0; pools[share[i]] != pools[i]; share[i]++)
                        ;
                shared = shared || share[i] != i;
                order[i] = (size_t) k;
        }
        if (n_bars == 0)
                return 0;
        for (; shared && n < least; n++)
                for (size_t i = 0; i < n_bars; i++)
                        if (!block_counts_take(&counts[share[i]], (unsigned) order[i]))
                                return (unsigned) n;
        return (unsigned) least;
}

unsigned policy_count_available(const Model *model, const List *planned, const Parent *parent,
                                const Type *type) {
        const Host host = { .model = model, .planned = planned };
        View *v;

        if (parent->state != PARENT_REGISTERED)
                return 0;
        if (!type->ours)
                return (unsigned) host_vendor_room(&host, parent, type);
        if (parent_has_other_driver(parent))
                return 0;
        return view_get(model, planned, parent, &v) < 0 ? 0 : count_devices(v, type);
}

int policy_pool_usage(const Model *model, const List *planned, const Parent *parent,
                      const Pool *pool, PoolUsage *ret) {
        uint64_t largest = 0;
        View *v;
        int r;

        r = view_get(model, planned, parent, &v);
        if (r < 0)
                return r;
        *ret = (PoolUsage) { .used = pool->size };
        for (size_t i = 0; i < v->n_regions; i++) {
                AllocatorUsage u;

                if (v->regions[i].pool != pool)
                        continue;
                allocator_usage(&v->regions[i].allocator, &u);
                ret->free += u.free;
                ret->holes += u.holes;
                largest = MAX(largest, u.largest_hole);
                ret->largest_block = MAX(ret->largest_block, u.largest_block);
        }
        ret->used -= ret->free;
        ret->largest_hole = largest;
        if (ret->free > 0)
                ret->fragmentation =
                        (unsigned) (1000 - (unsigned __int128) 1000 * largest / ret->free);
        return 0;
}

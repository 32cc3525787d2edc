/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record of who owns which range, driven by bytes: three make one step (what, where, how much).
 * After each the spans are disjoint, ascending, and as many as were added and not taken out.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "fuzz.h"
#include "mdevd_pure.h"

#define ROOM 256

unsigned long kmod_compared;

static char owners[4];

static void check(const struct mdevd_spans *set, size_t n) {
        assert(set->n == n);
        for (size_t i = 0; i < n; i++) {
                assert(set->items[i].start < set->items[i].end);
                assert(i == 0 || set->items[i - 1].end <= set->items[i].start);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct mdevd_span *items = malloc(ROOM * sizeof(*items));
        struct mdevd_spans set = { .items = items, .room = ROOM };
        size_t n = 0;

        assert(items != NULL);
        for (size_t i = 0; i + 3 <= size; i += 3) {
                uint64_t start = data[i + 1], end = start + 1 + data[i + 2] % 16;
                void *owner = &owners[data[i] / 2 % sizeof(owners)];

                if (data[i] % 2 == 0 && n < ROOM) {
                        struct mdevd_span *hit = mdevd_spans_overlap(&set, start, end);

                        assert(!hit || (hit->start < end && start < hit->end));
                        if (!hit) {
                                mdevd_spans_add(&set, start, end, owner);
                                n++;
                                hit = mdevd_spans_overlap(&set, start, start + 1);
                                assert(hit && hit->start == start && hit->owner == owner);
                        }
                } else if (data[i] % 2) {
                        size_t at = mdevd_spans_after(&set, start);
                        bool there = at < set.n && items[at].start == start &&
                                     items[at].owner == owner;

                        assert(mdevd_spans_del(&set, start, owner) == there);
                        n -= there;
                }
                check(&set, n);
        }
        free(items);
        return 0;
}

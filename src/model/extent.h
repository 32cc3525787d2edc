/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * extent.h: a page-aligned range of one parent BAR that backs a range of one guest BAR. By value.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/types.h"

#define EXTENTS_MAX 32 /* of one device: MDEVD_MAX_EXTENTS */
#define MOVES_MAX 256  /* that one operation makes: no plan has more, and a record takes all */

struct Extent {
        uint64_t offset; /* bytes, from the start of the parent's BAR */
        uint64_t size;   /* bytes */
        uint8_t bar;     /* of the parent */
        uint8_t guest_bar;
};

static inline uint64_t extent_end(const Extent *e) {
        return e->offset + e->size;
}

static inline bool extent_overlaps(const Extent *a, const Extent *b) {
        return a->bar == b->bar && a->offset < extent_end(b) && b->offset < extent_end(a);
}

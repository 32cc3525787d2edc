/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * layout.h: the regions of one parent as they would be, and what lies in them: a copy to try moves
 * on. What is done to it is done to nothing else.
 */
#pragma once

#include "policy/view.h"

typedef struct Item Item;
typedef struct Layout Layout;

/* An extent that lies in a region. */
struct Item {
        size_t region;
        uint64_t offset, size;
        Device *device; /* NULL: planned */
        size_t extent;  /* its index in the device */
        bool movable;
        bool leaving; /* its window is being emptied */
        bool gone;    /* removed */
};

struct Layout {
        View *view;
        Allocator *allocators; /* one a region */
        Item *items;           /* each keeps its index */
        size_t n_items;
        Extent placed[BARS_MAX]; /* of the device that room is made for */
        size_t placed_region[BARS_MAX];
        size_t n_placed;
};

int layout_new(Layout **ret, View *view, const List *planned);
Layout *layout_free(Layout *l);
DEFINE_CLEANUP(Layout *, layout_free)

/* Puts the layout's free space into the view, and again: takes it back. */
void layout_exchange(Layout *l);
/* Forgets the new device's own place, so that layout_exchange() shows the moves alone. */
int layout_drop_placed(Layout *l);

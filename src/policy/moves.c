/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* moves.c: windows, what is in them, and where it can go. Works on a copy of the view's regions. */
#include "policy/moves.h"

#include "policy/match.h"

typedef struct Item Item;
typedef struct Window Window;

/* An extent that lies in a region. */
struct Item {
        size_t region;
        uint64_t offset, size;
        Device *device; /* NULL: planned */
        size_t extent;  /* its index in the device */
        bool movable;
        bool gone; /* removed, or moved: then another item stands for it */
};

/* Items first … first + n - 1, in order of offset, are all that is in it. */
struct Window {
        uint64_t start;
        size_t first, n;
        uint64_t bytes;
};

struct Layout {
        View *view;
        Allocator *allocators; /* one a region */
        Item *items;
        size_t n_items;
        Extent placed[BARS_MAX]; /* of the device that room is made for */
        size_t placed_region[BARS_MAX];
        size_t n_placed;
};

void moves_done(Moves *m) {
        free(m->moves);
        *m = (Moves) {};
}

static int add_item(Layout *l, const Item *item) {
        Item *bigger;

        bigger = reallocarray(l->items, l->n_items + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        l->items = bigger;
        bigger[l->n_items++] = *item;
        return 0;
}

static bool device_is_movable(const View *v, const Device *d) {
        if (d->state != DEVICE_LIVE)
                return false;
        list_foreach(t, &v->parent->types, Type, node)
                if (streq(t->id, d->type))
                        return t->ours && t->movable;
        return false;
}

/* An extent that lies across regions is in all of them, and stays. */
static int add_extent(Layout *l, Device *d, size_t index, const Extent *e, bool movable) {
        const View *v = l->view;

        for (size_t i = 0; i < v->n_regions; i++) {
                const Allocator *a = &v->regions[i].allocator;
                Item item = { .region = i, .device = d, .extent = index };
                bool inside = e->offset >= a->offset && extent_end(e) <= a->offset + a->size;
                int r;

                if (v->regions[i].pool->bar != e->bar || e->offset >= a->offset + a->size ||
                    extent_end(e) <= a->offset)
                        continue;
                item.offset = e->offset;
                item.size = e->size;
                item.movable = movable && inside && !a->slot && allocator_order(a, e->size) >= 0 &&
                               e->offset % e->size == 0 &&
                               v->regions[i].pool->kind == POOL_MEMORY;
                r = add_item(l, &item);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_items(Layout *l, const List *planned) {
        int r;

        list_foreach(d, &l->view->parent->devices, Device, parent_node) {
                bool movable = device_is_movable(l->view, d);

                for (size_t i = 0; i < d->n_extents; i++) {
                        r = add_extent(l, d, i, &d->extents[i], movable);
                        if (r < 0)
                                return r;
                }
        }
        if (planned)
                list_foreach(p, planned, Planned, node)
                        for (size_t i = 0; p->parent == l->view->parent && i < p->n_extents; i++) {
                                r = add_extent(l, NULL, i, &p->extents[i], false);
                                if (r < 0)
                                        return r;
                        }
        return 0;
}

int layout_new(Layout **ret, View *view, const List *planned) {
        _cleanup_(layout_freep) Layout *l = NULL;
        int r;

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->view = view;
        l->allocators = calloc(view->n_regions ?: 1, sizeof(*l->allocators));
        if (!l->allocators)
                return -ENOMEM;
        for (size_t i = 0; i < view->n_regions; i++) {
                r = allocator_copy(&l->allocators[i], &view->regions[i].allocator);
                if (r < 0)
                        return r;
        }
        r = add_items(l, planned);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

Layout *layout_free(Layout *l) {
        if (!l)
                return NULL;
        for (size_t i = 0; l->allocators && i < l->view->n_regions; i++)
                allocator_done(&l->allocators[i]);
        free(l->allocators);
        free(l->items);
        free(l);
        return NULL;
}

void layout_exchange(Layout *l) {
        for (size_t i = 0; i < l->view->n_regions; i++) {
                Allocator saved = l->allocators[i];

                l->allocators[i] = l->view->regions[i].allocator;
                l->view->regions[i].allocator = saved;
        }
}

int layout_drop_placed(Layout *l) {
        for (; l->n_placed > 0; l->n_placed--) {
                const Extent *e = &l->placed[l->n_placed - 1];
                int r = allocator_release(&l->allocators[l->placed_region[l->n_placed - 1]],
                                          e->offset, e->size);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int compare_items(const void *a, const void *b) {
        const Item *x = a, *y = b;

        if (x->region != y->region)
                return x->region < y->region ? -1 : 1;
        if (x->offset != y->offset)
                return x->offset < y->offset ? -1 : 1;
        return 0;
}

static int compare_windows(const void *a, const void *b) {
        const Window *x = a, *y = b;

        if (x->bytes != y->bytes)
                return x->bytes < y->bytes ? -1 : 1;
        return x->start < y->start ? -1 : x->start > y->start;
}

/* Between its items a window must be free: not beyond the region, nor somebody's partition. */
static bool window_is_open(const Layout *l, const Allocator *a, const Window *w, uint64_t size) {
        uint64_t at = w->start;

        for (size_t i = w->first; i < w->first + w->n; i++) {
                const Item *item = &l->items[i];

                if (item->gone)
                        continue;
                if (item->offset > at && !allocator_is_free(a, at, item->offset - at))
                        return false;
                at = MAX(at, item->offset + item->size);
        }
        return at >= w->start + size || allocator_is_free(a, at, w->start + size - at);
}

/*
 * All windows of @size in a region that can be emptied, the cheapest first. Only those in which
 * something lies need be looked at: one that is free would have been found.
 */
static int find_windows(Layout *l, size_t region, uint64_t size, bool remove, Window **ret,
                        size_t *ret_n) {
        const Allocator *a = &l->allocators[region];
        Window *windows;
        uint64_t reach = 0; /* how far what came before goes */
        size_t n = 0;

        if (l->n_items > 1)
                qsort(l->items, l->n_items, sizeof(*l->items), compare_items);
        windows = calloc(l->n_items ?: 1, sizeof(*windows));
        if (!windows)
                return -ENOMEM;
        for (size_t i = 0; i < l->n_items;) {
                Window w = { .start = l->items[i].offset / size * size, .first = i };
                bool open = reach <= w.start;

                if (l->items[i].region != region || l->items[i].gone) {
                        i++;
                        continue;
                }
                for (; i < l->n_items && l->items[i].region == region &&
                       l->items[i].offset < w.start + size;
                     i++, w.n++) {
                        const Item *item = &l->items[i];

                        if (item->gone)
                                continue;
                        reach = MAX(reach, item->offset + item->size);
                        open = open && (remove ? !!item->device : item->movable && item->size < size);
                        w.bytes += item->size;
                }
                if (open && w.start >= a->offset && w.start + size <= a->offset + a->size &&
                    (remove || reach <= w.start + size) && window_is_open(l, a, &w, size))
                        windows[n++] = w;
        }
        qsort(windows, n, sizeof(*windows), compare_windows);
        *ret = windows;
        *ret_n = n;
        return 0;
}

/* What is in a window, the largest first, as indices of items. */
static size_t order_evicted(const Layout *l, const Window *w, size_t *order) {
        size_t n = 0;

        for (size_t i = w->first; i < w->first + w->n; i++) {
                size_t j = n;

                if (l->items[i].gone)
                        continue;
                for (; j > 0 && l->items[order[j - 1]].size < l->items[i].size; j--)
                        order[j] = order[j - 1];
                order[j] = i;
                n++;
        }
        return n;
}

/* Gives the window's free bytes back, those between its items. */
static int reopen_window(const Layout *l, Allocator *a, const Window *w, uint64_t size) {
        uint64_t at = w->start;
        int r = 0;

        for (size_t i = w->first; i < w->first + w->n && r == 0; i++) {
                const Item *item = &l->items[i];

                if (item->gone)
                        continue;
                if (item->offset > at)
                        r = allocator_release(a, at, item->offset - at);
                at = item->offset + item->size;
        }
        if (r == 0 && at < w->start + size)
                r = allocator_release(a, at, w->start + size - at);
        return r;
}

/*
 * 0: all of the window has a place elsewhere (@to, in the order of @order) and the window is taken.
 * OUTCOME_NO_ROOM: it has none, and nothing has changed.
 */
static int empty_window(Layout *l, Allocator *a, const Window *w, uint64_t size,
                        const size_t *order, size_t n, uint64_t *to) {
        size_t done = 0;
        int r, k = 0;

        r = allocator_take(a, w->start, size);
        for (; r == 0 && done < n; done++) {
                r = allocator_alloc(a, l->items[order[done]].size, &to[done]);
                if (r != 0)
                        break;
        }
        if (r <= 0)
                return r;
        while (done-- > 0 && k == 0)
                k = allocator_release(a, to[done], l->items[order[done]].size);
        if (k == 0)
                k = reopen_window(l, a, w, size);
        return k < 0 ? k : OUTCOME_NO_ROOM;
}

static int add_move(Moves *m, const Item *item, uint64_t to) {
        Move *bigger;

        bigger = reallocarray(m->moves, m->n + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        m->moves = bigger;
        bigger[m->n++] = (Move) {
                .device = item->device,
                .extent = item->extent,
                .from = item->offset,
                .to = to,
                .size = item->size,
        };
        m->bytes += item->size;
        return 0;
}

/* A moved item stays where it has gone: none moves twice. */
static int commit_moves(Layout *l, const size_t *order, size_t n, const uint64_t *to,
                        Moves *moves) {
        for (size_t i = 0; i < n; i++) {
                Item moved = l->items[order[i]];
                int r;

                r = add_move(moves, &moved, to[i]);
                if (r < 0)
                        return r;
                l->items[order[i]].gone = true;
                moved.offset = to[i];
                moved.movable = false;
                r = add_item(l, &moved);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The cheapest window of all; @max_bytes: not worth more. */
static int clear_window(Layout *l, size_t region, uint64_t size, uint64_t max_bytes, Moves *moves,
                        uint64_t *ret_start) {
        _cleanup_(freep) Window *windows = NULL;
        _cleanup_(freep) size_t *order = NULL;
        _cleanup_(freep) uint64_t *to = NULL;
        size_t n_windows;
        int r;

        r = find_windows(l, region, size, false, &windows, &n_windows);
        if (r < 0)
                return r;
        order = calloc(l->n_items ?: 1, sizeof(*order));
        to = calloc(l->n_items ?: 1, sizeof(*to));
        if (!order || !to)
                return -ENOMEM;
        for (size_t i = 0; i < n_windows && windows[i].bytes <= max_bytes; i++) {
                size_t n = order_evicted(l, &windows[i], order);

                r = empty_window(l, &l->allocators[region], &windows[i], size, order, n, to);
                if (r == OUTCOME_NO_ROOM)
                        continue;
                if (r < 0)
                        return r;
                *ret_start = windows[i].start;
                return commit_moves(l, order, n, to, moves);
        }
        return OUTCOME_NO_ROOM;
}

/* One slot is as good as another: whoever is in the first. */
static int remove_slot(Layout *l, size_t region, Moves *moves, uint64_t *ret_start) {
        for (size_t i = 0; i < l->n_items; i++) {
                Item *item = &l->items[i];

                if (item->region != region || item->gone || !item->device)
                        continue;
                item->gone = true;
                *ret_start = item->offset; /* its slot stays taken, for the new one */
                return add_move(moves, item, item->offset);
        }
        return OUTCOME_NO_ROOM;
}

/* All devices of the cheapest window are said to go; what else they have elsewhere does not count. */
static int remove_window(Layout *l, size_t region, uint64_t size, Moves *moves,
                         uint64_t *ret_start) {
        _cleanup_(freep) Window *windows = NULL;
        Allocator *a = &l->allocators[region];
        size_t n;
        int r;

        r = find_windows(l, region, size, true, &windows, &n);
        if (r < 0)
                return r;
        if (n == 0)
                return OUTCOME_NO_ROOM;
        for (size_t i = windows[0].first; i < windows[0].first + windows[0].n; i++) {
                Item *item = &l->items[i];

                if (item->gone)
                        continue;
                r = add_move(moves, item, item->offset);
                if (r >= 0)
                        r = allocator_release(a, item->offset, item->size);
                if (r < 0)
                        return r;
                item->gone = true;
        }
        *ret_start = windows[0].start;
        return allocator_take(a, windows[0].start, size);
}

static int note_placed(Layout *l, size_t region, uint64_t offset, uint64_t size) {
        l->placed[l->n_placed] = (Extent) { .offset = offset, .size = size };
        l->placed_region[l->n_placed++] = region;
        return 0;
}

/* Room for one BAR: as it is, else in the region where it costs least, the partition first. */
static int make_room_for_bar(Layout *l, const Group *group, const Pool *pool, uint64_t size,
                             bool remove, Moves *moves) {
        View *v = l->view;
        uint64_t offset;
        int r;

        for (Region *i = view_next_region(v, pool, group, NULL); i;
             i = view_next_region(v, pool, group, i)) {
                r = allocator_alloc(&l->allocators[i - v->regions], size, &offset);
                if (r < 0)
                        return r;
                if (r == 0)
                        return note_placed(l, (size_t) (i - v->regions), offset, size);
        }
        for (Region *i = view_next_region(v, pool, group, NULL); i;
             i = view_next_region(v, pool, group, i)) {
                size_t region = (size_t) (i - v->regions);

                if (allocator_order(&i->allocator, size) < 0)
                        continue;
                if (pool->slot && !remove)
                        continue;
                if (pool->slot)
                        r = remove_slot(l, region, moves, &offset);
                else if (remove)
                        r = remove_window(l, region, size, moves, &offset);
                else
                        r = clear_window(l, region, size, UINT64_MAX, moves, &offset);
                if (r < 0)
                        return r;
                if (r == 0)
                        return note_placed(l, region, offset, size);
        }
        return OUTCOME_NO_ROOM;
}

int layout_make_room(Layout *l, const Group *group, const Type *type, bool remove, Moves *moves) {
        size_t order[BARS_MAX], n = type_order_bars(type, order);

        if (n == 0)
                return OUTCOME_NO_ROOM;
        for (size_t i = 0; i < n; i++) {
                const TypeBar *bar = &type->bars[order[i]];
                const Pool *pool = view_pool(l->view, bar);
                int r;

                if (!pool)
                        return OUTCOME_NO_ROOM;
                r = make_room_for_bar(l, group, pool, bar->size, remove, moves);
                if (r != 0)
                        return r;
        }
        return 0;
}

int layout_restore_block(Layout *l, const Pool *pool, uint64_t max_bytes, Moves *moves) {
        size_t region = 0;
        AllocatorUsage usage;
        uint64_t size, start;

        while (region < l->view->n_regions &&
               (l->view->regions[region].pool != pool || l->view->regions[region].group))
                region++;
        if (pool->slot || region == l->view->n_regions)
                return OUTCOME_NO_ROOM;
        allocator_usage(&l->allocators[region], &usage);
        for (size = ALLOCATOR_PAGE; size <= usage.free / 2; size *= 2)
                ;
        for (; size > usage.largest_block && size >= ALLOCATOR_PAGE; size /= 2) {
                int r = clear_window(l, region, size, max_bytes, moves, &start);

                if (r != OUTCOME_NO_ROOM)
                        return r;
        }
        return OUTCOME_NO_ROOM;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* moves.c: windows, what is in them, and where it can go. Works on a layout, a copy of the view. */
#include "policy/moves.h"

#include "policy/match.h"

/* Windows tried where room has to be made for what makes room: each costs a look at all items. */
#define ATTEMPTS_MAX 64

typedef struct Task Task;
typedef struct Window Window;
typedef struct Windows Windows;

/* Items at [first, first + n) of the order are all that is in it. */
struct Window {
        uint64_t start;
        size_t first, n;
        uint64_t bytes;
};

/* The cheapest first. */
struct Windows {
        Window *windows;
        size_t n;
        size_t *order; /* the region's items by offset */
        size_t n_order;
};

/* Room being made in one region. */
struct Task {
        Layout *layout;
        size_t region;
        uint64_t max_bytes; /* of all moves */
        bool deep;          /* room may be made for what makes room */
        unsigned attempts;  /* left, when deep */
        Moves *moves;
};

void moves_done(Moves *m) {
        free(m->moves);
        *m = (Moves) {};
}

static void windows_done(Windows *w) {
        free(w->windows);
        free(w->order);
}

static Allocator *allocator_of(const Task *t) {
        return &t->layout->allocators[t->region];
}

static int compare_items(const void *a, const void *b, void *items) {
        const Item *x = (const Item *) items + *(const size_t *) a;
        const Item *y = (const Item *) items + *(const size_t *) b;

        return (x->offset > y->offset) - (x->offset < y->offset);
}

static int compare_windows(const void *a, const void *b) {
        const Window *x = a, *y = b;

        if (x->bytes != y->bytes)
                return x->bytes < y->bytes ? -1 : 1;
        return x->start < y->start ? -1 : x->start > y->start;
}

static int sort_items(const Layout *l, size_t region, Windows *w) {
        w->order = calloc(l->n_items ?: 1, sizeof(*w->order));
        w->windows = calloc(l->n_items ?: 1, sizeof(*w->windows));
        if (!w->order || !w->windows)
                return -ENOMEM;
        for (size_t i = 0; i < l->n_items; i++)
                if (l->items[i].region == region && !l->items[i].gone)
                        w->order[w->n_order++] = i;
        if (w->n_order > 1)
                qsort_r(w->order, w->n_order, sizeof(*w->order), compare_items, l->items);
        return 0;
}

/* Between its items a window must be free: not beyond the region, nor somebody's partition. */
static bool window_is_open(const Layout *l, const Allocator *a, const Windows *all,
                           const Window *w, uint64_t size) {
        uint64_t at = w->start;

        for (size_t i = w->first; i < w->first + w->n; i++) {
                const Item *item = &l->items[all->order[i]];

                if (item->offset > at && !allocator_is_free(a, at, item->offset - at))
                        return false;
                at = MAX(at, item->offset + item->size);
        }
        return at >= w->start + size || allocator_is_free(a, at, w->start + size - at);
}

/*
 * All windows of @size in a region that can be emptied. Only those in which something lies need be
 * looked at: one that is free would have been found.
 */
static int find_windows(const Layout *l, size_t region, uint64_t size, bool remove, Windows *ret) {
        const Allocator *a = &l->allocators[region];
        uint64_t reach = 0; /* how far what came before goes */
        int r;

        r = sort_items(l, region, ret);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ret->n_order;) {
                Window w = { .start = l->items[ret->order[i]].offset / size * size, .first = i };
                bool open = reach <= w.start;

                for (; i < ret->n_order && l->items[ret->order[i]].offset < w.start + size;
                     i++, w.n++) {
                        const Item *item = &l->items[ret->order[i]];

                        reach = MAX(reach, item->offset + item->size);
                        open = open && (remove ? !!item->device :
                                                 item->movable && !item->leaving &&
                                                         item->size < size);
                        w.bytes += item->size;
                }
                if (open && w.start >= a->offset && w.start + size <= a->offset + a->size &&
                    (remove || reach <= w.start + size) && window_is_open(l, a, ret, &w, size))
                        ret->windows[ret->n++] = w;
        }
        qsort(ret->windows, ret->n, sizeof(*ret->windows), compare_windows);
        return 0;
}

static int add_move(Moves *m, const Layout *l, size_t index, uint64_t to) {
        const Item *item = &l->items[index];

        if ((m->n & (m->n - 1)) == 0) {
                Move *bigger = reallocarray(m->moves, m->n ? 2 * m->n : 1, sizeof(*bigger));

                if (!bigger)
                        return -ENOMEM;
                m->moves = bigger;
        }
        m->moves[m->n++] = (Move) {
                .device = item->device,
                .extent = item->extent,
                .from = item->offset,
                .to = to,
                .size = item->size,
        };
        m->bytes += item->size;
        return 0;
}

static Item *item_at(const Task *t, uint64_t offset) {
        Layout *l = t->layout;

        for (size_t i = 0; i < l->n_items; i++)
                if (l->items[i].region == t->region && !l->items[i].gone &&
                    l->items[i].offset == offset)
                        return &l->items[i];
        return NULL;
}

/* Takes back all moves but the first @n, the last one first. */
static int undo_moves(Task *t, size_t n) {
        Allocator *a = allocator_of(t);
        int r = 0;

        for (Moves *m = t->moves; m->n > n && r == 0; m->n--) {
                const Move *move = &m->moves[m->n - 1];

                item_at(t, move->to)->offset = move->from;
                m->bytes -= move->size;
                r = allocator_release(a, move->to, move->size);
                if (r == 0)
                        r = allocator_take(a, move->from, move->size);
        }
        return r;
}

static int open_block(Task *t, uint64_t size, uint64_t *ret);

/* One more move would be too much. */
static bool is_too_much(const Task *t, const Item *item) {
        if (t->moves->n >= MOVES_MAX)
                t->moves->too_many = true;
        return t->moves->n >= MOVES_MAX || item->size > t->max_bytes ||
               t->moves->bytes > t->max_bytes - item->size;
}

/* One item, out of a window that is taken as a whole. */
static int evict(Task *t, size_t index) {
        Item *item = &t->layout->items[index];
        uint64_t to;
        int r;

        if (is_too_much(t, item))
                return OUTCOME_NO_ROOM;
        r = allocator_alloc(allocator_of(t), item->size, &to);
        if (r > 0)
                r = t->deep ? open_block(t, item->size, &to) : OUTCOME_NO_ROOM;
        if (r == 0 && is_too_much(t, item)) { /* with those that made room for it */
                r = allocator_release(allocator_of(t), to, item->size);
                return r < 0 ? r : OUTCOME_NO_ROOM;
        }
        if (r == 0)
                r = add_move(t->moves, t->layout, index, to);
        if (r != 0)
                return r;
        item->offset = to;
        item->leaving = false;
        return 0;
}

/* What is in a window, the largest first. */
static size_t *order_evicted(const Layout *l, const Windows *all, const Window *w) {
        size_t *evicted = calloc(w->n ?: 1, sizeof(*evicted));

        for (size_t i = 0; evicted && i < w->n; i++) {
                size_t index = all->order[w->first + i], j = i;

                for (; j > 0 && l->items[evicted[j - 1]].size < l->items[index].size; j--)
                        evicted[j] = evicted[j - 1];
                evicted[j] = index;
        }
        return evicted;
}

/* Gives the window back to what is in it still. */
static int reopen_window(Task *t, const size_t *evicted, size_t n, uint64_t start, uint64_t size) {
        Allocator *a = allocator_of(t);
        int r;

        r = allocator_release(a, start, size);
        for (size_t i = 0; i < n && r == 0; i++) {
                Item *item = &t->layout->items[evicted[i]];

                item->leaving = false;
                r = allocator_take(a, item->offset, item->size);
        }
        return r;
}

/*
 * 0: nothing is in the window any more, and it is taken. OUTCOME_NO_ROOM: something in it has no
 * place elsewhere, and nothing has changed.
 */
static int empty_window(Task *t, const Windows *all, const Window *w, uint64_t size) {
        _cleanup_(freep) size_t *evicted = order_evicted(t->layout, all, w);
        size_t before = t->moves->n;
        int r, k;

        if (!evicted)
                return -ENOMEM;
        for (size_t i = 0; i < w->n; i++)
                t->layout->items[evicted[i]].leaving = true;
        r = allocator_take(allocator_of(t), w->start, size);
        for (size_t i = 0; i < w->n && r == 0; i++)
                r = evict(t, evicted[i]);
        if (r <= 0)
                return r;
        k = undo_moves(t, before);
        if (k == 0)
                k = reopen_window(t, evicted, w->n, w->start, size);
        return k < 0 ? k : OUTCOME_NO_ROOM;
}

/* The cheapest window of all that can be emptied: then it is at *@ret, and taken. */
static int open_block(Task *t, uint64_t size, uint64_t *ret) {
        _cleanup_(windows_done) Windows all = {};
        int r;

        r = find_windows(t->layout, t->region, size, false, &all);
        if (r < 0)
                return r;
        for (size_t i = 0; i < all.n && all.windows[i].bytes <= t->max_bytes; i++) {
                if (t->deep && t->attempts == 0)
                        return OUTCOME_NO_ROOM; /* tried enough */
                t->attempts -= t->deep;
                r = empty_window(t, &all, &all.windows[i], size);
                if (r == 0)
                        *ret = all.windows[i].start;
                if (r != OUTCOME_NO_ROOM)
                        return r;
        }
        return OUTCOME_NO_ROOM;
}

/*
 * What is moved stays in the region, so with fewer free bytes than @size there is no use in trying.
 */
static int clear_window(Layout *l, size_t region, uint64_t size, uint64_t max_bytes, Moves *moves,
                        uint64_t *ret_start) {
        Task t = {
                .layout = l,
                .region = region,
                .max_bytes = max_bytes,
                .attempts = ATTEMPTS_MAX,
                .moves = moves,
        };
        AllocatorUsage usage;
        int r;

        allocator_usage(&l->allocators[region], &usage);
        if (usage.free < size)
                return OUTCOME_NO_ROOM;
        r = open_block(&t, size, ret_start);
        if (r != OUTCOME_NO_ROOM)
                return r;
        t.deep = true;
        return open_block(&t, size, ret_start);
}

/* One slot is as good as another: whoever is in the first. */
static int remove_slot(Layout *l, size_t region, Moves *moves, uint64_t *ret_start) {
        for (size_t i = 0; i < l->n_items; i++) {
                Item *item = &l->items[i];

                if (item->region != region || item->gone || !item->device)
                        continue;
                item->gone = true;
                *ret_start = item->offset; /* its slot stays taken, for the new one */
                return add_move(moves, l, i, item->offset);
        }
        return OUTCOME_NO_ROOM;
}

/*
 * All devices of the cheapest window are said to go; what else they have elsewhere does not count.
 */
static int remove_window(Layout *l, size_t region, uint64_t size, Moves *moves,
                         uint64_t *ret_start) {
        _cleanup_(windows_done) Windows all = {};
        Allocator *a = &l->allocators[region];
        const Window *w;
        int r;

        r = find_windows(l, region, size, true, &all);
        if (r < 0)
                return r;
        if (all.n == 0)
                return OUTCOME_NO_ROOM;
        w = &all.windows[0];
        for (size_t i = 0; i < w->n; i++) {
                size_t index = all.order[w->first + i];
                Item *item = &l->items[index];

                r = add_move(moves, l, index, item->offset);
                if (r >= 0)
                        r = allocator_release(a, item->offset, item->size);
                if (r < 0)
                        return r;
                item->gone = true;
        }
        *ret_start = w->start;
        return allocator_take(a, w->start, size);
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

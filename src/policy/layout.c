/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* layout.c: copies of views. */
#include "policy/layout.h"

static int add_item(Layout *l, const Item *item) {
        Item *bigger;

        if ((l->n_items & (l->n_items - 1)) == 0) { /* a power of two: full */
                bigger = reallocarray(l->items, l->n_items ? 2 * l->n_items : 1, sizeof(*bigger));
                if (!bigger)
                        return -ENOMEM;
                l->items = bigger;
        }
        l->items[l->n_items++] = *item;
        return 0;
}

/* An operation is at it, or about to be: the second one's moves would fail, or the first one. */
static bool is_busy(const List *planned, const Device *d) {
        if (planned)
                list_foreach(p, planned, Planned, node)
                        if (!p->leaving && p->parent == d->parent && uuid_equal(&p->uuid, &d->uuid))
                                return true;
        return false;
}

static bool device_is_movable(const View *v, const List *planned, const Device *d) {
        if (d->state != DEVICE_LIVE || d->other.used || is_busy(planned, d))
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
                bool movable = device_is_movable(l->view, planned, d);

                if (planned_is_leaving(planned, d))
                        continue;

                for (size_t i = 0; i < d->n_extents; i++) {
                        r = add_extent(l, d, i, &d->extents[i], movable);
                        if (r < 0)
                                return r;
                }
                r = d->other.used ? add_extent(l, NULL, 0, &d->other.place, false) : 0;
                if (r < 0)
                        return r;
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

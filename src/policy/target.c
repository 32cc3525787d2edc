/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* target.c: whether one extent may go where somebody wants it. */
#include "policy/layout.h"
#include "policy/match.h"
#include "policy/search.h"
#include "util/parse.h"

#define TRIES_MAX 16 /* places of a region, of which each takes what is promised to others */

static const Pool *pool_of(const Parent *p, const Extent *e) {
        list_foreach(pool, &p->pools, Pool, node)
                if (pool->bar == e->bar && e->offset >= pool->offset &&
                    extent_end(e) <= pool->offset + pool->size)
                        return pool;
        return NULL;
}

const PlacementRule *policy_moves_rule(const Model *model, const char *owner, const Type *type) {
        return match_placement(model->rules, owner, type);
}

const PlacementRule *policy_moves_rule_of(const Model *model, const Request *q) {
        for (int how = 0; how < _TYPE_MATCH_MAX; how++)
                list_foreach(p, &model->parents, Parent, node) {
                        const Type *t = match_type(p, q->type, (TypeMatch) how, NULL);

                        if (t && (!q->parent || streq(q->parent, p->name)))
                                return match_placement(model->rules, q->owner, t);
                }
        return NULL;
}

int policy_check_movable(const Device *d, Reason *reason) {
        const Type *t = parent_find_type(d->parent, d->type);

        if (!d->ours || !t || !t->ours)
                return reason_set(reason, OUTCOME_NOT_SUPPORTED,
                                  "%s on %s is of driver %s, and only devices of mdevd's own "
                                  "module can be held or moved.",
                                  UUID_STR(&d->uuid), d->parent->name, d->parent->driver ?: "?");
        if (!t->movable)
                return reason_set(reason, OUTCOME_NOT_SUPPORTED,
                                  "%s on %s is of type %s, which does not say that nothing but the "
                                  "CPU writes its memory, so it cannot be moved; if that is so, "
                                  "give the type \"movable\".",
                                  UUID_STR(&d->uuid), d->parent->name, t->name);
        if (d->other.used && d->other.finished)
                return reason_set(reason, OUTCOME_BUSY,
                                  "%s on %s was moved, and has the place that it left until it is "
                                  "closed.",
                                  UUID_STR(&d->uuid), d->parent->name);
        if (d->state != DEVICE_LIVE || d->other.used)
                return reason_set(reason, OUTCOME_BUSY, "%s on %s is %s; try again later.",
                                  UUID_STR(&d->uuid), d->parent->name,
                                  device_state_to_string(d->state));
        return 0;
}

static int check_pool(const Device *d, const Extent *e, const Pool *pool, Reason *reason) {
        const Pool *from = pool_of(d->parent, e);

        if (!from || from->kind != POOL_MEMORY || pool->kind != POOL_MEMORY)
                return reason_set(reason, OUTCOME_NOT_SUPPORTED,
                                  "%s on %s cannot move from pool %s to pool %s: only what is in "
                                  "pools of kind memory moves.",
                                  UUID_STR(&d->uuid), d->parent->name, from ? from->name : "?",
                                  pool->name);
        if (from->cache != pool->cache || from->scrub != pool->scrub)
                return reason_set(reason, OUTCOME_NOT_SUPPORTED,
                                  "%s on %s cannot move from pool %s to pool %s: their \"cache\" "
                                  "or \"scrub\" are not the same.",
                                  UUID_STR(&d->uuid), d->parent->name, from->name, pool->name);
        return 0;
}

/* Slots are counted from the pool's start, other places from that of the BAR. */
static bool is_place(const Allocator *a, uint64_t offset, uint64_t size) {
        uint64_t unit = a->slot ?: size;

        return allocator_order(a, size) >= 0 && offset >= a->offset && size <= a->size &&
               offset - a->offset <= a->size - size && (offset - a->base) % unit == 0 &&
               allocator_is_free(a, offset, size);
}

/* Free space as it would be: a copy. What the move leaves is free only then, if at all. */
static int imagine(Layout *l, const Extent *from, const Extent *to, bool releases) {
        const View *v = l->view;
        bool left = !releases;
        int r = 0;

        for (size_t i = 0; i < v->n_regions && r >= 0; i++) {
                Allocator *a = &l->allocators[i];

                if (!left && v->regions[i].pool->bar == from->bar &&
                    from->offset < a->offset + a->size && a->offset < extent_end(from)) {
                        left = true; /* a partition comes before what is in common */
                        if (from->offset >= a->offset && extent_end(from) <= a->offset + a->size)
                                r = allocator_release(a, from->offset, from->size);
                }
        }
        for (size_t i = 0; i < v->n_regions && r >= 0; i++)
                if (v->regions[i].pool->bar == to->bar)
                        r = allocator_take(&l->allocators[i], to->offset, to->size);
        return r;
}

/* One extent that is to go elsewhere. */
typedef struct Trip Trip;

struct Trip {
        View *view;
        const List *planned;
        const Extent *from;
        bool releases;
        Promises promises;
        Broken broken;
};

/* Positive: what is promised to others would lack room, and @t->broken says which of it. */
static int check_promises(Trip *t, const Extent *to) {
        _cleanup_(layout_freep) Layout *l = NULL;
        int r;

        if (t->promises.n == 0)
                return 0;
        r = layout_new(&l, t->view, t->planned);
        if (r >= 0)
                r = imagine(l, t->from, to, t->releases);
        if (r < 0)
                return r;
        layout_exchange(l);
        r = promises_compare(&t->promises, &t->broken);
        layout_exchange(l);
        return r;
}

/* Of any place the best, or the next best that takes nothing from what is promised. */
static int try_region(Trip *t, const Region *region, Extent *to) {
        _cleanup_(allocator_done) Allocator left = {};
        int r;

        r = allocator_copy(&left, &region->allocator);
        for (unsigned i = 0; i < TRIES_MAX && r >= 0; i++) {
                if (allocator_find(&left, to->size, &to->offset) != 0)
                        break;
                r = check_promises(t, to);
                if (r <= 0)
                        return r;
                r = allocator_take(&left, to->offset, to->size);
        }
        return r < 0 ? r : OUTCOME_NO_ROOM;
}

static int find_place(Trip *t, const Pool *pool, const Group *group, uint64_t offset, Extent *to) {
        for (Region *i = view_next_region(t->view, pool, group, NULL); i;
             i = view_next_region(t->view, pool, group, i)) {
                int r = OUTCOME_NO_ROOM;

                if (offset == UINT64_MAX)
                        r = try_region(t, i, to);
                else if (is_place(&i->allocator, offset, to->size)) {
                        to->offset = offset;
                        return check_promises(t, to);
                }
                if (r <= 0)
                        return r;
        }
        return OUTCOME_NO_ROOM;
}

static int refuse_place(const Trip *t, const Parent *parent, const Pool *pool, uint64_t offset,
                        Reason *reason) {
        const bool broken = t->broken.definition || t->broken.guarantee;

        if (broken)
                return refuse_broken(parent->name, &t->broken, reason);
        if (offset == UINT64_MAX)
                return reason_set(reason, OUTCOME_NO_ROOM,
                                  "%s pool %s has no other free and aligned place of %s.",
                                  parent->name, pool->name, SIZE_STR(t->from->size));
        return reason_set(reason, OUTCOME_NO_ROOM,
                          "%s pool %s has no place of %s at 0x%llx of BAR %u: it is not free, not "
                          "aligned to its size, or not in the pool.",
                          parent->name, pool->name, SIZE_STR(t->from->size),
                          (unsigned long long) offset, pool->bar);
}

static int prepare_promises(Trip *t, const Host *host, const Group *group, const Parent *parent,
                            const Pool *to) {
        int r;

        r = promises_init(&t->promises, host, NULL, NULL);
        if (r < 0 || t->promises.n == 0)
                return r;
        r = promises_note(&t->promises);
        promises_carry(&t->promises, group, parent, pool_of(parent, t->from)->name, to->name,
                       t->from->size);
        return r;
}

int policy_place_move(const Model *model, const List *planned, Device *d, size_t extent,
                      const Pool *pool, uint64_t offset, bool releases, Extent *ret,
                      Reason *reason) {
        const Group *group = match_group(model->rules, d->owner);
        const Extent *e = &d->extents[extent];
        Extent to = { .size = e->size, .bar = pool->bar, .guest_bar = e->guest_bar };
        _cleanup_(host_done) Host host = {};
        Trip t = { .planned = planned, .from = e, .releases = releases };
        int r;

        r = check_pool(d, e, pool, reason);
        if (r != 0)
                return r;
        if (pool->bar == e->bar && offset == e->offset)
                return reason_set(reason, OUTCOME_INVALID, "%s on %s is there already.",
                                  UUID_STR(&d->uuid), d->parent->name);
        r = host_init(&host, model, planned);
        for (size_t i = 0; i < host.n; i++)
                if (host.places[i].parent == d->parent)
                        t.view = host.places[i].view;
        if (r >= 0)
                r = prepare_promises(&t, &host, group, d->parent, pool);
        if (r >= 0)
                r = find_place(&t, pool, group, offset, &to);
        promises_done(&t.promises);
        if (r > 0)
                return refuse_place(&t, d->parent, pool, offset, reason);
        if (r == 0)
                *ret = to;
        return r;
}

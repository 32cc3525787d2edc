/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* target.c: whether one extent may go where somebody wants it. */
#include "policy/match.h"
#include "policy/policy.h"
#include "policy/view.h"
#include "util/parse.h"

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
                                  "%s on %s is of driver %s, and only devices of mdevd's own module "
                                  "can be held or moved.",
                                  UUID_STR(&d->uuid), d->parent->name, d->parent->driver ?: "?");
        if (!t->movable)
                return reason_set(reason, OUTCOME_NOT_SUPPORTED,
                                  "%s on %s is of type %s, which does not say that nothing but the "
                                  "CPU writes its memory, so it cannot be moved; if that is so, give "
                                  "the type \"movable\".",
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
                                  "%s on %s cannot move from pool %s to pool %s: their \"cache\" or "
                                  "\"scrub\" are not the same.",
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

static bool find_place(View *v, const Pool *pool, const Group *group, uint64_t size,
                       uint64_t offset, uint64_t *ret) {
        for (Region *i = view_next_region(v, pool, group, NULL); i;
             i = view_next_region(v, pool, group, i)) {
                if (offset == UINT64_MAX ? allocator_find(&i->allocator, size, ret) == 0 :
                                           is_place(&i->allocator, offset, size)) {
                        *ret = offset == UINT64_MAX ? *ret : offset;
                        return true;
                }
        }
        return false;
}

int policy_place_move(const Model *model, const List *planned, Device *d, size_t extent,
                      const Pool *pool, uint64_t offset, Extent *ret, Reason *reason) {
        const Extent *e = &d->extents[extent];
        uint64_t to;
        View *v;
        int r;

        r = check_pool(d, e, pool, reason);
        if (r == 0)
                r = view_get(model, planned, d->parent, &v);
        if (r != 0)
                return r;
        if (pool->bar == e->bar && offset == e->offset)
                return reason_set(reason, OUTCOME_INVALID, "%s on %s is there already.",
                                  UUID_STR(&d->uuid), d->parent->name);
        if (!find_place(v, pool, match_group(model->rules, d->owner), e->size, offset, &to))
                return offset == UINT64_MAX ?
                               reason_set(reason, OUTCOME_NO_ROOM,
                                          "%s pool %s has no other free and aligned place of %s.",
                                          d->parent->name, pool->name, SIZE_STR(e->size)) :
                               reason_set(reason, OUTCOME_NO_ROOM,
                                          "%s pool %s has no place of %s at 0x%llx of BAR %u: it is "
                                          "not free, not aligned to its size, or not in the pool.",
                                          d->parent->name, pool->name, SIZE_STR(e->size),
                                          (unsigned long long) offset, pool->bar);
        *ret = (Extent){ .offset = to, .size = e->size, .bar = pool->bar,
                         .guest_bar = e->guest_bar };
        return 0;
}

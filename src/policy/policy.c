/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy.c: first fit over all parents that offer a type, in the model's order. An extent starts at
 * a multiple of the power of two that holds it, counted from the start of the BAR: BARs are aligned
 * to their size, so 2 MiB pages of the host can map it. Devices of the model and what is planned
 * are taken, twice if both name them, which changes nothing.
 */
#include "policy/policy.h"

#include <inttypes.h>

#include "util/parse.h"

#define PAGE_BYTES 4096
#define COUNT_MAX 65536 /* of devices that count_available() counts up to */

typedef struct Taken Taken;

/* The taken ranges of one pool, sorted by offset. */
struct Taken {
        Extent *extents;
        size_t n;
        size_t size;
};

static void taken_done(Taken *t) {
        free(t->extents);
        *t = (Taken) {};
}

static int taken_add(Taken *t, const Extent *e) {
        size_t i = t->n;

        if (t->n == t->size) {
                size_t size = t->size ? t->size * 2 : 16;
                Extent *bigger = reallocarray(t->extents, size, sizeof(*bigger));

                if (!bigger)
                        return -ENOMEM;
                t->extents = bigger;
                t->size = size;
        }
        for (; i > 0 && t->extents[i - 1].offset > e->offset; i--)
                t->extents[i] = t->extents[i - 1];
        t->extents[i] = *e;
        t->n++;
        return 0;
}

static int taken_add_all(Taken *t, const Pool *pool, const Extent *extents, size_t n) {
        const Extent range = { .offset = pool->offset, .size = pool->size, .bar = pool->bar };
        int r;

        for (size_t i = 0; i < n; i++) {
                if (!extent_overlaps(&extents[i], &range))
                        continue;
                r = taken_add(t, &extents[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int taken_fill(Taken *t, const Model *model, const List *planned, const Parent *parent,
                      const Pool *pool) {
        int r;

        list_foreach(d, &model->devices, Device, node) {
                if (d->parent != parent)
                        continue;
                r = taken_add_all(t, pool, d->extents, d->n_extents);
                if (r < 0)
                        return r;
        }
        if (!planned)
                return 0;
        list_foreach(p, planned, Planned, node) {
                if (p->parent != parent)
                        continue;
                r = taken_add_all(t, pool, p->extents, p->n_extents);
                if (r < 0)
                        return r;
        }
        return 0;
}

typedef struct Hole Hole;

struct Hole {
        uint64_t start;
        uint64_t end;
};

/* Steps through the holes of a pool. @i counts the taken ranges passed; start with a zeroed hole. */
static bool next_hole(const Taken *t, const Pool *pool, size_t *i, Hole *hole) {
        uint64_t start = hole->end ? hole->end : pool->offset;
        uint64_t end = pool->offset + pool->size;

        for (; *i < t->n && t->extents[*i].offset <= start; (*i)++)
                start = MAX(start, extent_end(&t->extents[*i]));
        if (start >= end)
                return false;

        hole->start = start;
        hole->end = *i < t->n ? MIN(end, t->extents[*i].offset) : end;
        return true;
}

static uint64_t natural_alignment(uint64_t size) {
        uint64_t align = PAGE_BYTES;

        while (align < size && align < UINT64_C(1) << 63)
                align *= 2;
        return align;
}

/* The first multiple of @align at or after the hole's start with room for @size, or false. */
static bool hole_fit(const Hole *hole, uint64_t size, uint64_t align, uint64_t *ret) {
        uint64_t start;

        if (__builtin_add_overflow(hole->start, align - 1, &start))
                return false;
        start &= ~(align - 1);
        if (start >= hole->end || hole->end - start < size)
                return false;
        *ret = start;
        return true;
}

static bool pool_fit(const Taken *t, const Pool *pool, uint64_t size, uint64_t *ret) {
        uint64_t align = natural_alignment(size);
        Hole hole = {};
        size_t i = 0;

        while (next_hole(t, pool, &i, &hole))
                if (hole_fit(&hole, size, align, ret))
                        return true;
        return false;
}

static void pool_usage(const Taken *t, const Pool *pool, PoolUsage *ret) {
        Hole hole = {};
        size_t i = 0;

        *ret = (PoolUsage) {};
        while (next_hole(t, pool, &i, &hole)) {
                ret->free += hole.end - hole.start;
                ret->largest_hole = MAX(ret->largest_hole, hole.end - hole.start);
        }
        ret->used = pool->size - ret->free;
}

int policy_pool_usage(const Model *model, const List *planned, const Parent *parent,
                      const Pool *pool, PoolUsage *ret) {
        _cleanup_(taken_done) Taken t = {};
        int r;

        r = taken_fill(&t, model, planned, parent, pool);
        if (r < 0)
                return r;
        pool_usage(&t, pool, ret);
        return 0;
}

/* What is taken in the pool of each BAR of a type; BARs of one pool share. */
typedef struct Fit Fit;

struct Fit {
        Taken taken[BARS_MAX];
        const Pool *pools[BARS_MAX]; /* of each BAR, NULL: the BAR is absent */
        size_t share[BARS_MAX];      /* index into taken[] */
        size_t order[BARS_MAX];      /* BARs, largest first: then first fit wastes nothing */
        size_t n;
};

static void fit_done(Fit *f) {
        for (size_t i = 0; i < BARS_MAX; i++)
                taken_done(&f->taken[i]);
}

static void fit_order(Fit *f, const Type *type, size_t bar) {
        size_t i = f->n++;

        for (; i > 0 && type->bars[f->order[i - 1]].size < type->bars[bar].size; i--)
                f->order[i] = f->order[i - 1];
        f->order[i] = bar;
}

/* OUTCOME_NO_ROOM: the type names a pool that the parent has not, or has no BAR at all. */
static int fit_init(Fit *f, const Model *model, const List *planned, const Parent *parent,
                    const Type *type, Reason *reason) {
        int r;

        for (size_t i = 0; i < BARS_MAX; i++) {
                const TypeBar *bar = &type->bars[i];

                if (bar->size == 0)
                        continue;
                f->pools[i] = bar->pool ? parent_find_pool(parent, bar->pool) : NULL;
                if (!f->pools[i])
                        return reason_set(reason, OUTCOME_NO_ROOM,
                                          "%s: BAR %zu of type %s is to come from pool %s, which "
                                          "this parent has not; correct the configuration",
                                          parent->name, i, type->name,
                                          bar->pool ? bar->pool : "(none)");
                f->share[i] = i;
                for (size_t j = 0; j < i; j++)
                        if (f->pools[j] == f->pools[i])
                                f->share[i] = f->share[j];
                fit_order(f, type, i);
                if (f->share[i] != i)
                        continue;
                r = taken_fill(&f->taken[i], model, planned, parent, f->pools[i]);
                if (r < 0)
                        return r;
        }
        if (f->n == 0)
                return reason_set(reason, OUTCOME_NO_ROOM,
                                  "%s: type %s has no BAR; correct the configuration",
                                  parent->name, type->name);
        return 0;
}

/* Places all BARs or none: what was added on the way is of no use after a failure. */
static int fit_place(Fit *f, const Type *type, Extent extents[static BARS_MAX], size_t *ret_bar) {
        for (size_t i = 0; i < f->n; i++) {
                size_t bar = f->order[i];
                Taken *t = &f->taken[f->share[bar]];
                Extent e = {
                        .size = type->bars[bar].size,
                        .bar = f->pools[bar]->bar,
                        .guest_bar = (uint8_t) bar,
                };
                int r;

                *ret_bar = bar;
                if (!pool_fit(t, f->pools[bar], e.size, &e.offset))
                        return OUTCOME_NO_ROOM;
                r = taken_add(t, &e);
                if (r < 0)
                        return r;
                extents[bar] = e;
        }
        return 0;
}

static int refuse_room(const Fit *f, const Parent *parent, const Type *type, size_t bar,
                       Reason *reason) {
        const Pool *pool = f->pools[bar];
        uint64_t size = type->bars[bar].size;
        PoolUsage usage;

        pool_usage(&f->taken[f->share[bar]], pool, &usage);
        return reason_set(reason, OUTCOME_NO_ROOM,
                          "%s: pool %s: %s needed at a multiple of %s, largest hole %s, %s of %s "
                          "free; remove a device",
                          parent->name, pool->name, SIZE_STR(size),
                          SIZE_STR(natural_alignment(size)), SIZE_STR(usage.largest_hole),
                          SIZE_STR(usage.free), SIZE_STR(pool->size));
}

static int place_ours(const Model *model, const List *planned, Parent *parent, Type *type,
                      Placement *ret, Reason *reason) {
        _cleanup_(fit_done) Fit fit = {};
        Extent extents[BARS_MAX] = {};
        size_t bar = 0;
        int r;

        r = fit_init(&fit, model, planned, parent, type, reason);
        if (r != 0)
                return r;
        r = fit_place(&fit, type, extents, &bar);
        if (r == OUTCOME_NO_ROOM)
                return refuse_room(&fit, parent, type, bar, reason);
        if (r < 0)
                return r;

        *ret = (Placement) { .parent = parent, .type = type };
        for (size_t i = 0; i < BARS_MAX; i++)
                if (extents[i].size > 0)
                        ret->extents[ret->n_extents++] = extents[i];
        return 0;
}

/* available_instances knows nothing of what is planned; what has arrived meanwhile is in it. */
static unsigned vendor_available(const Model *model, const List *planned, const Parent *parent,
                                 const Type *type) {
        unsigned n = type->available;

        if (!planned)
                return n;
        list_foreach(p, planned, Planned, node)
                if (n > 0 && p->parent == parent && p->type == type &&
                    !model_find_device(model, parent, &p->uuid, NULL))
                        n--;
        return n;
}

static int place_vendor(const Model *model, const List *planned, Parent *parent, Type *type,
                        Placement *ret, Reason *reason) {
        if (vendor_available(model, planned, parent, type) == 0)
                return reason_set(reason, OUTCOME_NO_ROOM,
                                  "%s: the driver offers %u more of %s and as many are being "
                                  "made; remove a device",
                                  parent->name, type->available, type->id);
        *ret = (Placement) { .parent = parent, .type = type };
        return 0;
}

static int place_on_parent(const Model *model, const List *planned, const Request *request,
                           Parent *parent, Type *type, Placement *ret, Reason *reason) {
        if (parent->state != PARENT_REGISTERED)
                return reason_set(reason, OUTCOME_NO_ROOM, "%s: is %s, not ready for devices",
                                  parent->name, parent_state_to_string(parent->state));
        if (request->numa_node >= 0 && parent->numa_node != request->numa_node)
                return reason_set(reason, OUTCOME_NO_ROOM,
                                  "%s: is on NUMA node %d, %d was asked for", parent->name,
                                  parent->numa_node, request->numa_node);
        return type->ours ? place_ours(model, planned, parent, type, ret, reason) :
                            place_vendor(model, planned, parent, type, ret, reason);
}

/* The kernel takes a UUID once, whatever the parent. */
static int check_uuid(const Model *model, const List *planned, const Uuid *uuid, Reason *reason) {
        const Device *d = model_find_device(model, NULL, uuid, NULL);

        if (d)
                return reason_set(reason, OUTCOME_EXISTS,
                                  "UUID %s is that of a device on %s, which is %s; choose another",
                                  UUID_STR(uuid), d->parent->name,
                                  device_state_to_string(d->state));
        if (!planned)
                return 0;
        list_foreach(p, planned, Planned, node)
                if (uuid_equal(&p->uuid, uuid))
                        return reason_set(reason, OUTCOME_EXISTS,
                                          "UUID %s is that of a device that is being made on %s; "
                                          "choose another",
                                          UUID_STR(uuid), p->parent->name);
        return 0;
}

int policy_place(const Model *model, const List *planned, const Request *request, Placement *ret,
                 Reason *reason) {
        _cleanup_(reason_done) Reason refusals = {};
        bool offered = false;
        int r;

        if (request->parent && !model_find_parent(model, request->parent))
                return reason_set(reason, OUTCOME_NO_PARENT, "There is no parent %s",
                                  request->parent);
        r = check_uuid(model, planned, &request->uuid, reason);
        if (r != 0)
                return r;

        list_foreach(parent, &model->parents, Parent, node) {
                Type *type;

                if (request->parent && !streq(parent->name, request->parent))
                        continue;
                type = parent_find_type(parent, request->type);
                if (!type)
                        continue;
                offered = true;
                r = place_on_parent(model, planned, request, parent, type, ret, &refusals);
                if (r <= 0)
                        return r;
        }
        if (!offered)
                return reason_set(reason, OUTCOME_NO_TYPE, "%s%s offers no type %s",
                                  request->parent ? "Parent " : "",
                                  request->parent ? request->parent : "No parent", request->type);
        return reason_set(reason, OUTCOME_NO_ROOM, "%s", refusals.text);
}

/* Whole slots of one size that the holes of a pool have. */
static uint64_t count_slots(const Taken *t, const Pool *pool, uint64_t size) {
        uint64_t align = natural_alignment(size), start, n = 0;
        Hole hole = {};
        size_t i = 0;

        while (next_hole(t, pool, &i, &hole))
                if (hole_fit(&hole, size, align, &start))
                        n += 1 + (hole.end - start - size) / align;
        return n;
}

unsigned policy_count_available(const Model *model, const List *planned, const Parent *parent,
                                const Type *type) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(fit_done) Fit fit = {};
        Extent extents[BARS_MAX];
        uint64_t least = COUNT_MAX;
        bool shared = false;
        unsigned n = 0;
        size_t bar;

        if (parent->state != PARENT_REGISTERED)
                return 0;
        if (!type->ours)
                return vendor_available(model, planned, parent, type);
        if (fit_init(&fit, model, planned, parent, type, &reason) != 0)
                return 0;

        for (size_t i = 0; i < fit.n; i++) {
                bar = fit.order[i];
                shared = shared || fit.share[bar] != bar;
                least = MIN(least, count_slots(&fit.taken[fit.share[bar]], fit.pools[bar],
                                               type->bars[bar].size));
        }
        if (!shared)
                return (unsigned) least;
        while (n < least && fit_place(&fit, type, extents, &bar) == 0)
                n++;
        return n;
}

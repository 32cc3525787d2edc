/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guarantee.c: first fit decreasing on numbers of free blocks. Promises that are tied to a parent
 * go first, then those that fewer parents could bear, then the larger ones; each into the smallest
 * block that will do, over all its parents.
 */
#include "policy/guarantee.h"

#include "policy/match.h"

/* ---- what is promised ---- */

static int add_demand(Promises *p, const Demand *d) {
        Demand *bigger;

        bigger = reallocarray(p->demands, p->n + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        p->demands = bigger;
        bigger[p->n++] = *d;
        return 0;
}

static bool may_use(const Demand *d, const Parent *parent) {
        return parent->state == PARENT_REGISTERED && (!d->parent || streq(d->parent, parent->name));
}

/* The largest power of two that a pool can have at a multiple of itself. */
static uint64_t largest_block(const Pool *pool) {
        uint64_t end = pool->offset + pool->size, size = UINT64_C(1) << 62;

        if (pool->slot)
                return pool->slot;
        for (; size >= ALLOCATOR_PAGE; size /= 2) {
                uint64_t start = (pool->offset + size - 1) & ~(size - 1);

                if (start >= pool->offset && start < end && end - start >= size)
                        break;
        }
        return size >= ALLOCATOR_PAGE ? size : 0;
}

static void look_at_type(Demand *d, const Place *place, unsigned group) {
        const Type *t = parent_find_type(place->parent, d->type);

        if (!t)
                return;
        d->have += view_tally(place->view, false, t->id, group);
        if (!may_use(d, place->parent))
                return;
        d->n_parents++;
        for (size_t i = 0; t->ours && i < BARS_MAX; i++)
                d->largest = MAX(d->largest, t->bars[i].size);
}

static void look_at_pool(Demand *d, const Place *place, unsigned group) {
        const Pool *pool = parent_find_pool(place->parent, d->pool);

        if (!pool)
                return;
        d->have += view_tally(place->view, true, pool->name, group);
        if (!may_use(d, place->parent))
                return;
        d->n_parents++;
        d->piece = MAX(d->piece, largest_block(pool));
        d->largest = d->piece;
}

static int add_guarantee(Promises *p, const Group *group, const Guarantee *g) {
        Demand d = {
                .group = group,
                .guarantee = g,
                .parent = g->parent,
                .type = g->type,
                .pool = g->pool,
                .wanted = g->type ? g->n_devices : g->bytes,
        };

        for (size_t i = 0; i < p->host->n; i++) {
                const Place *place = &p->host->places[i];

                if (d.parent && !streq(d.parent, place->parent->name))
                        continue;
                if (d.type)
                        look_at_type(&d, place, group->index);
                else
                        look_at_pool(&d, place, group->index);
        }
        /* what no parent on this host could ever bear was said when the policy was loaded */
        if (d.n_parents == 0 || d.have >= d.wanted)
                return 0;
        return add_demand(p, &d);
}

static bool is_running(const Promises *p, const Parent *parent, const Uuid *uuid) {
        if (model_find_device(p->host->model, parent, uuid, NULL))
                return true;
        if (p->host->planned)
                list_foreach(i, p->host->planned, Planned, node)
                        if (i->parent == parent && uuid_equal(&i->uuid, uuid))
                                return true;
        return false;
}

static int add_definition(Promises *p, const Definition *def) {
        const Parent *parent = model_find_parent(p->host->model, def->parent);
        Demand d = {
                .group = match_group(p->host->model->rules, def->owner),
                .definition = def,
                .parent = def->parent,
                .type = def->type,
                .wanted = 1,
        };
        const Type *t;

        if (!parent || parent->state != PARENT_REGISTERED || is_running(p, parent, &def->uuid))
                return 0;
        t = parent_find_type(parent, def->type);
        if (!t)
                return 0;
        d.n_parents = 1;
        for (size_t i = 0; t->ours && i < BARS_MAX; i++)
                d.largest = MAX(d.largest, t->bars[i].size);
        return add_demand(p, &d);
}

static int compare_demands(const void *a, const void *b) {
        const Demand *x = a, *y = b;

        if (!x->parent != !y->parent)
                return x->parent ? -1 : 1;
        if (x->n_parents != y->n_parents)
                return x->n_parents < y->n_parents ? -1 : 1;
        if (x->largest != y->largest)
                return x->largest > y->largest ? -1 : 1;
        return x < y ? -1 : x > y;
}

int promises_init(Promises *p, const Host *host, const Uuid *except, const char *except_parent) {
        const Rules *rules = host->model->rules;
        int r;

        *p = (Promises) { .host = host };
        if (rules)
                list_foreach(g, &rules->groups, Group, node)
                        list_foreach(i, &g->guarantees, Guarantee, node) {
                                r = add_guarantee(p, g, i);
                                if (r < 0)
                                        return r;
                        }
        list_foreach(d, &host->model->definitions, Definition, node) {
                if (!d->reserve || d->invalid || !d->type)
                        continue;
                if (except && uuid_equal(&d->uuid, except) && streq(d->parent, except_parent))
                        continue;
                r = add_definition(p, d);
                if (r < 0)
                        return r;
        }
        if (p->n > 1)
                qsort(p->demands, p->n, sizeof(*p->demands), compare_demands);
        return 0;
}

void promises_done(Promises *p) {
        free(p->demands);
        free(p->before);
        *p = (Promises) {};
}

/* ---- the trial ---- */

typedef struct Scratch Scratch;
typedef struct Taken Taken;
typedef struct Trial Trial;

/* Copies of a parent's numbers, made when they are first changed. */
struct Scratch {
        BlockCounts *counts; /* one a region; NULL: as in the view */
        Type *type;          /* of the current demand, NULL: it cannot be borne here */
};

/* Devices placed in this trial. */
struct Taken {
        size_t unit;
        size_t place;
        const Type *type;
        uint64_t n;
};

struct Trial {
        const Host *host;
        Scratch *scratch;
        Taken *taken;
        size_t n_taken;
};

static void trial_done(Trial *t) {
        for (size_t i = 0; t->scratch && i < t->host->n; i++)
                free(t->scratch[i].counts);
        free(t->scratch);
        free(t->taken);
}

static const BlockCounts *counts_of(const Trial *t, size_t i, const Region *region) {
        const View *v = t->host->places[i].view;

        return t->scratch[i].counts ? &t->scratch[i].counts[region - v->regions] :
                                      &region->allocator.counts;
}

static int make_scratch(Trial *t, size_t i) {
        const View *v = t->host->places[i].view;
        BlockCounts *counts;

        if (t->scratch[i].counts)
                return 0;
        counts = calloc(v->n_regions ?: 1, sizeof(*counts));
        if (!counts)
                return -ENOMEM;
        for (size_t j = 0; j < v->n_regions; j++)
                counts[j] = v->regions[j].allocator.counts;
        t->scratch[i].counts = counts;
        return 0;
}

/* The region from which @group would get @size, and the order of the block that would be cut. */
static const Region *find_region(const Trial *t, size_t i, const Pool *pool, const Group *group,
                                 uint64_t size, unsigned *ret_order) {
        View *v = t->host->places[i].view;

        for (const Region *r = view_next_region(v, pool, group, NULL); r;
             r = view_next_region(v, pool, group, r)) {
                int order = allocator_order(&r->allocator, size);
                uint64_t mask = order < 0 ? 0 : counts_of(t, i, r)->mask >> order;

                if (!mask)
                        continue;
                *ret_order = (unsigned) order + (unsigned) __builtin_ctzll(mask);
                return r;
        }
        return NULL;
}

/* Positive: done. Zero: no room. */
static int take_piece(Trial *t, size_t i, const Pool *pool, const Group *group, uint64_t size) {
        View *v = t->host->places[i].view;
        const Region *region;
        unsigned order;
        int r;

        region = find_region(t, i, pool, group, size, &order);
        if (!region)
                return 0;
        r = make_scratch(t, i);
        if (r < 0)
                return r;
        return block_counts_take(&t->scratch[i].counts[region - v->regions],
                                 (unsigned) allocator_order(&region->allocator, size));
}

static uint64_t taken_on_unit(const Trial *t, size_t unit, const Type *type) {
        uint64_t n = 0;

        for (size_t i = 0; i < t->n_taken; i++)
                if (t->taken[i].unit == unit && (!type || streq(t->taken[i].type->id, type->id)))
                        n += t->taken[i].n;
        return n;
}

static int note_taken(Trial *t, size_t i, const Type *type) {
        size_t unit = t->host->places[i].unit;
        Taken *bigger;

        for (size_t j = 0; j < t->n_taken; j++)
                if (t->taken[j].place == i && t->taken[j].type == type) {
                        t->taken[j].n++;
                        return 0;
                }
        bigger = reallocarray(t->taken, t->n_taken + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        t->taken = bigger;
        bigger[t->n_taken++] = (Taken) { .unit = unit, .place = i, .type = type, .n = 1 };
        return 0;
}

/* What the parent's rule says, this trial's devices counted. */
static bool rules_allow(const Trial *t, size_t i, const Type *type) {
        const Place *place = &t->host->places[i];
        const ParentRule *rule = place->view->rule;
        uint64_t taken = taken_on_unit(t, place->unit, NULL);
        uint64_t same = taken_on_unit(t, place->unit, type);

        if (rule->one_type && (taken != same || host_other_type(t->host, i, type->id)))
                return false;
        if (rule->max_devices != LIMIT_NONE &&
            host_count_devices(t->host, i) + taken >= rule->max_devices)
                return false;
        for (size_t j = 0; j < rule->n_maxima; j++)
                if (parent_find_type(place->parent, rule->maxima[j].type) == type &&
                    host_count_type(t->host, i, type->id) + same >= rule->maxima[j].n)
                        return false;
        return true;
}

/* Vendors' types use each other's room up, nobody knows how: another type there leaves none. */
static bool vendor_has_room(const Trial *t, size_t i, const Type *type) {
        size_t unit = t->host->places[i].unit;
        uint64_t same = taken_on_unit(t, unit, type);

        return taken_on_unit(t, unit, NULL) == same &&
               host_vendor_room(t->host, t->host->places[i].parent, type) > same;
}

/* Positive: a device of @type was placed there. Zero: there is no room; some may have been taken. */
static int take_device(Trial *t, size_t i, const Group *group, const Type *type) {
        View *v = t->host->places[i].view;
        BlockCounts saved[BARS_MAX];
        const Region *regions[BARS_MAX];
        size_t n = 0;
        int r = 1;

        if (!rules_allow(t, i, type) || (!type->ours && !vendor_has_room(t, i, type)))
                return 0;
        if (type->ours) {
                r = make_scratch(t, i);
                if (r < 0)
                        return r;
                r = 1;
        }
        for (size_t bar = 0; type->ours && bar < BARS_MAX && r > 0; bar++) {
                const Pool *pool = view_pool(v, &type->bars[bar]);
                unsigned order;

                if (type->bars[bar].size == 0)
                        continue;
                regions[n] = pool ? find_region(t, i, pool, group, type->bars[bar].size, &order) :
                                    NULL;
                if (!regions[n]) {
                        r = 0;
                        break;
                }
                saved[n] = *counts_of(t, i, regions[n]);
                n++;
                r = take_piece(t, i, pool, group, type->bars[bar].size);
        }
        if (r > 0) {
                int k = note_taken(t, i, type);

                return k < 0 ? k : 1;
        }
        while (n-- > 0) /* in reverse: two BARs may have come from one region */
                t->scratch[i].counts[regions[n] - v->regions] = saved[n];
        return r;
}

/* The order of the block that the demand would cut here; UINT_MAX: it has no room. */
static unsigned order_here(const Trial *t, size_t i, const Demand *d) {
        const Place *place = &t->host->places[i];
        const Type *type = t->scratch[i].type;
        const Pool *pool = NULL;
        uint64_t size = d->piece;
        unsigned order = 0;

        if (!may_use(d, place->parent))
                return UINT_MAX;
        if (d->pool) {
                pool = parent_find_pool(place->parent, d->pool);
        } else if (!type) {
                return UINT_MAX;
        } else if (!type->ours) {
                return vendor_has_room(t, i, type) ? 0 : UINT_MAX;
        } else {
                size = 0;
                for (size_t bar = 0; bar < BARS_MAX; bar++)
                        if (type->bars[bar].size > size) {
                                size = type->bars[bar].size;
                                pool = view_pool(place->view, &type->bars[bar]);
                        }
        }
        return pool && find_region(t, i, pool, d->group, size, &order) ? order : UINT_MAX;
}

static int take_demand(Trial *t, size_t i, const Demand *d) {
        const Type *type = t->scratch[i].type;

        if (type)
                return take_device(t, i, d->group, type);
        return take_piece(t, i, parent_find_pool(t->host->places[i].parent, d->pool), d->group,
                          d->piece);
}

/* Places up to @n, smallest blocks first, over all parents. Returns by how many it fell short. */
static int place_demand(Trial *t, const Demand *d, uint64_t n, uint64_t *ret_short) {
        unsigned limit = 0;

        for (size_t i = 0; i < t->host->n; i++)
                t->scratch[i].type =
                        d->type ? parent_find_type(t->host->places[i].parent, d->type) : NULL;

        while (n > 0 && limit != UINT_MAX) {
                unsigned next = UINT_MAX;

                for (size_t i = 0; i < t->host->n && n > 0; i++) {
                        unsigned order;

                        while ((order = order_here(t, i, d)) <= limit && n > 0) {
                                int r = take_demand(t, i, d);

                                if (r < 0)
                                        return r;
                                if (r == 0) /* another BAR, or a rule, is in the way */
                                        break;
                                n--;
                        }
                        if (order > limit)
                                next = MIN(next, order);
                }
                limit = next;
        }
        *ret_short = n;
        return 0;
}

/* Bytes are wanted in the largest pieces there are, then what is left in halves, quarters … */
static int place_bytes(Trial *t, const Demand *demand, uint64_t bytes, uint64_t *ret_short) {
        Demand d = *demand;
        uint64_t missing = 0;

        for (; bytes > 0 && d.piece > 0; d.piece /= 2) {
                uint64_t n = bytes / d.piece, few;
                int r;

                if (d.piece <= ALLOCATOR_PAGE || (d.piece & (d.piece - 1)) != 0)
                        n += bytes % d.piece != 0; /* pages and slots are not divided */
                r = place_demand(t, &d, n, &few);
                if (r < 0)
                        return r;
                missing += few * d.piece;
                bytes -= MIN(bytes, n * d.piece);
        }
        *ret_short = missing;
        return 0;
}

/* What the new device itself contributes to what is wanted. */
static uint64_t contribution(const Demand *d, const Parent *parent, const Group *group,
                             const Type *type) {
        uint64_t bytes = 0;

        if (!d->guarantee || d->group != group || (d->parent && !streq(d->parent, parent->name)))
                return 0;
        if (d->type)
                return parent_find_type(parent, d->type) == type;
        for (size_t i = 0; type->ours && i < BARS_MAX; i++)
                if (type->bars[i].size > 0 && streq_ptr(type->bars[i].pool, d->pool))
                        bytes += type->bars[i].size;
        return bytes;
}

/* Fills @missing, one number a demand. */
static int count_missing(const Promises *p, size_t i, const Group *group, const Type *type,
                         uint64_t *missing) {
        _cleanup_(trial_done) Trial t = { .host = p->host };
        int r;

        t.scratch = calloc(p->host->n, sizeof(*t.scratch));
        if (!t.scratch)
                return -ENOMEM;
        if (type) {
                r = take_device(&t, i, group, type);
                if (r < 0)
                        return r;
        }
        for (size_t j = 0; j < p->n; j++) {
                const Demand *d = &p->demands[j];
                uint64_t have = d->have;

                if (type)
                        have += contribution(d, p->host->places[i].parent, group, type);
                missing[j] = 0;
                if (have >= d->wanted)
                        continue;
                r = (d->type ? place_demand : place_bytes)(&t, d, d->wanted - have, &missing[j]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int promises_check(Promises *p, size_t i, const Group *group, const Type *type, Broken *ret) {
        _cleanup_(freep) uint64_t *missing = NULL;
        int r;

        if (p->n == 0)
                return 0;
        missing = calloc(p->n, sizeof(*missing));
        if (!missing)
                return -ENOMEM;
        r = count_missing(p, i, group, type, missing);
        if (r < 0)
                return r;
        for (size_t j = 0; j < p->n; j++) {
                if (missing[j] == 0)
                        continue;
                if (type && !p->before) {
                        p->before = calloc(p->n, sizeof(*p->before));
                        if (!p->before)
                                return -ENOMEM;
                        r = count_missing(p, 0, NULL, NULL, p->before);
                        if (r < 0)
                                return r;
                }
                if (type && missing[j] <= p->before[j])
                        continue; /* broken as it was, by what nobody asked us about */
                *ret = (Broken) {
                        .group = p->demands[j].group,
                        .guarantee = p->demands[j].guarantee,
                        .definition = p->demands[j].definition,
                        .missing = missing[j],
                        .wanted = p->demands[j].wanted,
                };
                return 1;
        }
        return 0;
}

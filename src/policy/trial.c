/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* trial.c: best fit on numbers of free blocks. Views are copied when they are first changed. */
#include "policy/trial.h"

#include "policy/match.h"

int trial_init(Trial *t, const Host *host) {
        *t = (Trial) { .host = host };
        t->scratch = calloc(host->n ?: 1, sizeof(*t->scratch));
        return t->scratch ? 0 : -ENOMEM;
}

void trial_done(Trial *t) {
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
                int order = t->own_only && !r->group ? -1 : allocator_order(&r->allocator, size);
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

/* As many as one region has in blocks of at most @limit. */
static int take_many(Trial *t, size_t i, const Pool *pool, const Group *group, uint64_t size,
                     unsigned limit, uint64_t n, uint64_t *ret_taken) {
        const View *v = t->host->places[i].view;
        const Region *region;
        unsigned order;
        int r;

        *ret_taken = 0;
        region = find_region(t, i, pool, group, size, &order);
        if (!region || n == 0)
                return 0;
        r = make_scratch(t, i);
        if (r < 0)
                return r;
        *ret_taken = block_counts_take_many(&t->scratch[i].counts[region - v->regions],
                                            (unsigned) allocator_order(&region->allocator, size),
                                            limit, n);
        return 0;
}

/* @type NULL: of all types. */
static uint64_t taken_on_unit(const Trial *t, size_t unit, const Type *type) {
        uint64_t n = 0;

        for (size_t i = 0; i < t->n_taken; i++)
                if (t->taken[i].unit == unit && t->taken[i].type &&
                    (!type || streq(t->taken[i].type->id, type->id)))
                        n += t->taken[i].n;
        return n;
}

/* @type NULL: pieces of @bytes. */
static int note_taken(Trial *t, size_t i, const Group *group, const Type *type, uint64_t bytes,
                      uint64_t n) {
        size_t unit = t->host->places[i].unit;
        Taken *bigger;

        for (size_t j = 0; j < t->n_taken; j++) {
                Taken *known = &t->taken[j];

                if (known->place != i || known->group != group || known->type != type ||
                    known->bytes != bytes)
                        continue;
                known->n += n;
                return 0;
        }
        bigger = reallocarray(t->taken, t->n_taken + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        t->taken = bigger;
        bigger[t->n_taken++] = (Taken) {
                .unit = unit,
                .place = i,
                .group = group,
                .type = type,
                .n = n,
                .bytes = bytes,
        };
        return 0;
}

/* How many more of what needs @need the group's own limit for one parent allows there. */
static uint64_t group_room(const Trial *t, size_t i, const Group *group, const Limits *need) {
        const size_t unit = t->host->places[i].unit;
        Limits have;
        uint64_t room = UINT64_MAX;

        if (!group || (group->limit_per_parent.devices == LIMIT_NONE &&
                       group->limit_per_parent.bytes == LIMIT_NONE &&
                       group->limit_per_parent.vectors == LIMIT_NONE))
                return room;
        have = host_group_on_unit(t->host, i, group->index);
        for (size_t j = 0; j < t->n_taken; j++) {
                const Taken *known = &t->taken[j];

                if (known->unit != unit || known->group != group)
                        continue;
                have.bytes += known->n * known->bytes;
                have.devices += known->type ? known->n : 0;
                have.vectors += known->type ? known->n * type_needs(known->type).vectors : 0;
        }
        const uint64_t rows[][3] = {
                { group->limit_per_parent.devices, have.devices, need->devices },
                { group->limit_per_parent.bytes, have.bytes, need->bytes },
                { group->limit_per_parent.vectors, have.vectors, need->vectors },
        };

        for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
                if (rows[k][0] != LIMIT_NONE && rows[k][2] > 0)
                        room = MIN(room, rows[k][0] > rows[k][1] ?
                                                 (rows[k][0] - rows[k][1]) / rows[k][2] : 0);
        return room;
}

/*
 * What the parent's rule says, and what the group's own rules say of one parent, this trial's
 * devices counted. A group's owners may have several rules; that of its first pattern stands for
 * all.
 */
static bool rules_allow(const Trial *t, size_t i, const Group *group, const Type *type) {
        const Place *place = &t->host->places[i];
        const ParentRule *rule = place->view->rule;
        uint64_t taken = taken_on_unit(t, place->unit, NULL);
        uint64_t same = taken_on_unit(t, place->unit, type);
        const Limits need = type_needs(type);

        if (rule->one_type && (taken != same || host_other_type(t->host, i, type->id)))
                return false;
        if (rule->max_devices != LIMIT_NONE &&
            host_count_devices(t->host, i) + taken >= rule->max_devices)
                return false;
        for (size_t j = 0; j < rule->n_maxima; j++)
                if (parent_find_type(place->parent, rule->maxima[j].type) == type &&
                    host_count_type(t->host, i, type->id) + same >= rule->maxima[j].n)
                        return false;
        if (group && group->n_owners > 0) {
                const PlacementRule *p =
                        match_placement(t->host->model->rules, group->owners[0], type);

                if (p->order == ORDER_SPREAD && !p->fallback &&
                    host_count_type(t->host, i, type->id) + same > 0)
                        return false;
        }
        return group_room(t, i, group, &need) > 0;
}

/* What comes to this very parent in this trial or is being made there: siblings say themselves. */
static uint64_t vendor_coming(const Trial *t, size_t i, const Type *type) {
        const Place *place = &t->host->places[i];
        Scratch *scratch = &t->scratch[i];
        uint64_t n = 0;

        /* plans are in there, may be many, and are the same as long as this trial lasts */
        if (view_count_type(place->view, type->id) > 0) {
                if (scratch->coming_of != type)
                        scratch->coming = host_vendor_coming(t->host, place->parent, type);
                scratch->coming_of = type;
                n = scratch->coming;
        }
        for (size_t j = 0; j < t->n_taken; j++)
                if (t->taken[j].place == i && t->taken[j].type == type)
                        n += t->taken[j].n;
        return n;
}

/*
 * A driver says how many of each type it has room for, not how they share it. The estimate: where
 * there is room for n of a type, each of these uses the n-th part of every other type's room,
 * rounded up. That is so where types are parts of one thing, such as ports or memory.
 */
static uint64_t vendor_room(const Trial *t, size_t i, const Type *type) {
        const Place *place = &t->host->places[i];
        const uint64_t room = type->available;
        uint64_t used = vendor_coming(t, i, type);

        list_foreach(other, &place->parent->types, Type, node) {
                uint64_t n;

                if (other == type || other->available == 0) /* what has come is told */
                        continue;
                n = MIN(vendor_coming(t, i, other), (uint64_t) other->available);
                used += (n * room + other->available - 1) / other->available;
        }
        return used < room ? room - used : 0;
}

static bool vendor_has_room(const Trial *t, size_t i, const Type *type) {
        return vendor_room(t, i, type) > 0;
}

int trial_take_device(Trial *t, size_t i, const Group *group, const Group *space,
                      const Type *type) {
        View *v = t->host->places[i].view;
        BlockCounts saved[BARS_MAX];
        const Region *regions[BARS_MAX];
        size_t n = 0;
        int r = 1;

        if (!type->ours && !vendor_has_room(t, i, type))
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
                regions[n] = pool ? find_region(t, i, pool, space, type->bars[bar].size, &order) :
                                    NULL;
                if (!regions[n]) {
                        r = 0;
                        break;
                }
                saved[n] = *counts_of(t, i, regions[n]);
                n++;
                r = take_piece(t, i, pool, space, type->bars[bar].size);
        }
        if (r > 0) {
                int k = note_taken(t, i, group, type, type_needs(type).bytes, 1);

                return k < 0 ? k : 1;
        }
        while (n-- > 0) /* in reverse: two BARs may have come from one region */
                t->scratch[i].counts[regions[n] - v->regions] = saved[n];
        return r;
}

/* The only BAR that @type has; NULL: it has several. */
static const TypeBar *only_bar(const Type *type) {
        const TypeBar *only = NULL;

        for (size_t bar = 0; bar < BARS_MAX; bar++) {
                if (type->bars[bar].size == 0)
                        continue;
                if (only)
                        return NULL;
                only = &type->bars[bar];
        }
        return only;
}

/* Which are one piece each. */
static int take_all_of(Trial *t, size_t i, const Group *group, const Group *space,
                       const Type *type, const TypeBar *bar, uint64_t n, uint64_t *ret_taken) {
        const Pool *pool = view_pool(t->host->places[i].view, bar);
        uint64_t taken = 0;
        int r = 0;

        do {
                r = pool ? take_many(t, i, pool, space, bar->size, UINT_MAX, n - *ret_taken,
                                     &taken) : 0;
                *ret_taken += taken;
        } while (r >= 0 && taken > 0);
        return r >= 0 && *ret_taken > 0 ? note_taken(t, i, group, type, bar->size, *ret_taken) : r;
}

int trial_take_devices(Trial *t, size_t i, const Group *group, const Group *space,
                       const Type *type, uint64_t n, uint64_t *ret_taken) {
        const TypeBar *bar = type->ours ? only_bar(type) : NULL;
        int r = 1;

        *ret_taken = 0;
        if (bar)
                return take_all_of(t, i, group, space, type, bar, n, ret_taken);
        while (*ret_taken < n && r > 0) {
                r = trial_take_device(t, i, group, space, type);
                *ret_taken += r > 0;
        }
        return MIN(r, 0);
}

/* The order of the block that the demand would cut here; UINT_MAX: it has no room. */
static unsigned order_here(const Trial *t, size_t i, const Demand *d) {
        const Place *place = &t->host->places[i];
        const Type *type = t->scratch[i].type;
        const Pool *pool = NULL;
        uint64_t size = d->piece;
        unsigned order = 0;

        if (place->parent->state != PARENT_REGISTERED)
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

/* Pieces of bytes, or devices of @type that are one piece of @size, may be many. */
static int take_pieces(Trial *t, size_t i, const Demand *d, const Pool *pool, const Type *type,
                       uint64_t size, unsigned limit, uint64_t *n) {
        const uint64_t room = group_room(t, i, d->group, &(Limits) { .bytes = size });
        uint64_t taken;
        int r;

        r = take_many(t, i, pool, d->group, size, limit, MIN(*n, room), &taken);
        *n -= taken;
        if (r >= 0 && taken > 0)
                r = note_taken(t, i, d->group, type, size, taken);
        return r < 0 ? r : taken > 0;
}

int trial_take_demand(Trial *t, size_t i, const Demand *d) {
        Type *type = d->types[i - d->first];

        if (!type || t->host->places[i].parent->state != PARENT_REGISTERED ||
            !rules_allow(t, i, d->group, type))
                return 0;
        return trial_take_device(t, i, d->group, d->group, type);
}

int trial_mark(const Trial *t, size_t i, TrialMark *ret) {
        const size_t n = t->host->places[i].view->n_regions;

        *ret = (TrialMark) { .place = i, .n_taken = t->n_taken };
        if (t->scratch[i].counts) {
                ret->counts = calloc(n ?: 1, sizeof(*ret->counts));
                if (!ret->counts)
                        return -ENOMEM;
                memcpy(ret->counts, t->scratch[i].counts, n * sizeof(*ret->counts));
        }
        ret->taken = calloc(t->n_taken ?: 1, sizeof(*ret->taken));
        if (!ret->taken) {
                free(ret->counts);
                return -ENOMEM;
        }
        if (t->n_taken > 0)
                memcpy(ret->taken, t->taken, t->n_taken * sizeof(*ret->taken));
        return 0;
}

void trial_return(Trial *t, TrialMark *mark) {
        free(t->scratch[mark->place].counts);
        free(t->taken);
        t->scratch[mark->place].counts = mark->counts;
        t->taken = mark->taken;
        t->n_taken = mark->n_taken;
}

/* No rule says anything of how many there may be, as long as there is one. */
static bool rules_are_silent(const Trial *t, size_t i, const Group *group) {
        const ParentRule *rule = t->host->places[i].view->rule;

        return !rule->one_type && rule->max_devices == LIMIT_NONE && rule->n_maxima == 0 && !group;
}

/* Each one more takes one of the room that there is: all at once, for they may be many. */
static int take_vendors(Trial *t, size_t i, const Type *type, uint64_t *n) {
        uint64_t taken = MIN(*n, vendor_room(t, i, type));
        int r = taken > 0 ? note_taken(t, i, NULL, type, type_needs(type).bytes, taken) : 0;

        if (r < 0)
                return r;
        *n -= taken;
        return taken > 0;
}

/* Positive: some were taken, and *@n is less. */
static int take_demand(Trial *t, size_t i, const Demand *d, unsigned limit, uint64_t *n) {
        const Place *place = &t->host->places[i];
        const Type *type = t->scratch[i].type;
        bool silent = rules_are_silent(t, i, d->group);
        const TypeBar *bar;
        int r;

        if (!type)
                return take_pieces(t, i, d, parent_find_pool(place->parent, d->pool), NULL,
                                   d->piece, limit, n);
        if (!type->ours && silent)
                return take_vendors(t, i, type, n);
        bar = type->ours && silent ? only_bar(type) : NULL;
        if (bar)
                return take_pieces(t, i, d, view_pool(place->view, bar), type, bar->size, limit,
                                   n);
        if (!rules_allow(t, i, d->group, type))
                return 0;
        r = trial_take_device(t, i, d->group, d->group, type);
        *n -= r > 0;
        return r;
}

static int place_smallest_first(Trial *t, const Demand *d, uint64_t n, uint64_t *ret_short) {
        unsigned limit = 0;

        while (n > 0 && limit != UINT_MAX) {
                unsigned next = UINT_MAX;

                for (size_t i = d->first; i < d->end && n > 0; i++) {
                        unsigned order;

                        while ((order = order_here(t, i, d)) <= limit && n > 0) {
                                int r = take_demand(t, i, d, limit, &n);

                                if (r < 0)
                                        return r;
                                if (r == 0) /* another BAR, or a rule, is in the way */
                                        break;
                        }
                        if (order > limit)
                                next = MIN(next, order);
                }
                limit = next;
        }
        *ret_short = n;
        return 0;
}

/* What nobody else could use is used first, wherever it is. */
int trial_place(Trial *t, const Demand *d, uint64_t n, uint64_t *ret_short) {
        int r = 0;

        for (size_t i = d->first; i < d->end; i++)
                t->scratch[i].type = d->types ? d->types[i - d->first] : NULL;
        if (d->group && !list_is_empty(&d->group->partitions)) {
                t->own_only = true;
                r = place_smallest_first(t, d, n, &n);
                t->own_only = false;
        }
        return r < 0 ? r : place_smallest_first(t, d, n, ret_short);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guarantee.c: what is promised, in the order in which it is tried: promises that are tied to a
 * parent first, then those that fewer parents could bear, then the larger ones. See trial.c.
 */
#include "policy/guarantee.h"

#include "policy/match.h"
#include "policy/trial.h"

/* ---- what is promised ---- */

static bool group_is_limited(const Group *g) {
        return g->limit_per_parent.devices != LIMIT_NONE ||
               g->limit_per_parent.bytes != LIMIT_NONE ||
               g->limit_per_parent.vectors != LIMIT_NONE;
}

/* Takes what the demand owns, in any case. */
static int add_demand(Promises *p, const Demand *d) {
        Demand *bigger;

        bigger = reallocarray(p->demands, p->n + 1, sizeof(*bigger));
        if (!bigger) {
                free(d->types);
                return -ENOMEM;
        }
        p->demands = bigger;
        bigger[p->n] = *d;
        bigger[p->n++].limited = d->group && group_is_limited(d->group);
        p->any_limited = p->any_limited || bigger[p->n - 1].limited;
        return 0;
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

static int tie_to_places(Demand *d, const Host *host) {
        for (d->first = 0, d->end = d->parent ? 0 : host->n; d->first < host->n; d->first++)
                if (!d->parent || streq(d->parent, host->places[d->first].parent->name)) {
                        d->end = d->parent ? d->first + 1 : host->n;
                        break;
                }
        if (!d->type || d->first >= d->end)
                return 0;
        d->types = calloc(d->end - d->first, sizeof(*d->types));
        if (!d->types)
                return -ENOMEM;
        for (size_t i = d->first; i < d->end; i++)
                d->types[i - d->first] = parent_find_type(host->places[i].parent, d->type);
        return 0;
}

static void look_at_type(Demand *d, size_t place_index, const Place *place, unsigned group) {
        const Type *t = d->types[place_index - d->first];

        if (!t)
                return;
        d->have += view_tally(place->view, false, t->id, group);
        if (place->parent->state != PARENT_REGISTERED)
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
        if (place->parent->state != PARENT_REGISTERED)
                return;
        d->n_parents++;
        d->piece = MAX(d->piece, largest_block(pool));
        /* one that the group's own limit for a parent forbids would be of no use to it */
        while (!pool->slot && d->piece > ALLOCATOR_PAGE &&
               d->piece > d->group->limit_per_parent.bytes)
                d->piece /= 2;
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
        int r;

        r = tie_to_places(&d, p->host);
        for (size_t i = d.first; r == 0 && i < d.end; i++) {
                const Place *place = &p->host->places[i];

                if (d.type)
                        look_at_type(&d, i, place, group->index);
                else
                        look_at_pool(&d, place, group->index);
        }
        /* what no parent on this host could ever bear was said when the policy was loaded */
        if (r == 0 && d.n_parents > 0 && d.have < d.wanted)
                return add_demand(p, &d);
        free(d.types);
        return r;
}

static bool is_running(const Promises *p, const Parent *parent, const Uuid *uuid) {
        if (model_find_device(p->host->model, parent, uuid, NULL))
                return true;
        if (p->host->planned)
                list_foreach(i, p->host->planned, Planned, node)
                        if (i->parent == parent && !i->still && uuid_equal(&i->uuid, uuid))
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
        int r;

        if (!parent || parent->state != PARENT_REGISTERED || is_running(p, parent, &def->uuid))
                return 0;
        r = tie_to_places(&d, p->host);
        if (r < 0)
                return r;
        t = d.types[0];
        if (!t) {
                free(d.types);
                return 0;
        }
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
        for (size_t i = 0; i < p->n; i++)
                free(p->demands[i].types);
        free(p->demands);
        free(p->before);
        *p = (Promises) {};
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
                r = trial_place(t, &d, n, &few);
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

static uint64_t times_of(const Promises *p) {
        return MAX(p->times, UINT64_C(1));
}

/* The device itself, or several alike. Zero: there is no room for all. */
static int take_tried(Trial *t, const Promises *p, size_t i, const Group *group,
                      const Group *space, const Type *type) {
        int r = 1;

        for (uint64_t n = 0; r > 0 && n < times_of(p); n++)
                r = trial_take_device(t, i, group, space, type);
        return r;
}

/* Positive: something is missing. Fills @missing, one number a demand. */
static int count_in_order(const Promises *p, size_t i, const Group *group, const Group *space,
                          const Type *type, bool limited_first, uint64_t *missing) {
        _cleanup_(trial_done) Trial t = {};
        bool any = false;
        int r;

        r = trial_init(&t, p->host);
        if (r < 0)
                return r;
        if (type) {
                r = take_tried(&t, p, i, group, space, type);
                if (r < 0)
                        return r;
        }
        for (size_t k = 0; k < 2 * p->n; k++) {
                const size_t j = k % p->n;
                const Demand *d = &p->demands[j];
                uint64_t have = d->have;

                if (limited_first ? d->limited != (k < p->n) : k >= p->n)
                        continue;
                if (type)
                        have += times_of(p) *
                                contribution(d, p->host->places[i].parent, group, type);
                missing[j] = 0;
                if (have >= d->wanted)
                        continue;
                r = (d->type ? trial_place : place_bytes)(&t, d, d->wanted - have, &missing[j]);
                if (r < 0)
                        return r;
                any = any || missing[j] > 0;
        }
        return any;
}

/* Every way to distribute devices over parents, as far as patience goes. */
typedef struct Distribution Distribution;

struct Distribution {
        const Promises *promises;
        Trial trial;
        uint64_t *lacking; /* of each demand */
        unsigned patience;
};

#define PATIENCE 1000 /* devices tried somewhere: a millisecond or so */

/* Bytes come last, by the usual rule: there are too many pieces to try them all. */
static int place_all_bytes(Distribution *d) {
        for (size_t j = 0; j < d->promises->n; j++) {
                uint64_t few = 0;
                int r;

                if (d->promises->demands[j].type || d->lacking[j] == 0)
                        continue;
                r = place_bytes(&d->trial, &d->promises->demands[j], d->lacking[j], &few);
                if (r < 0 || few > 0)
                        return r;
        }
        return 1;
}

/* Positive: all have a place. @from: devices of one demand are alike, so in order of places. */
static int distribute(Distribution *d, size_t j, size_t from) {
        const Promises *p = d->promises;

        while (j < p->n && (!p->demands[j].type || d->lacking[j] == 0)) {
                j++;
                from = 0;
        }
        if (j == p->n)
                return place_all_bytes(d);
        for (size_t i = MAX(from, p->demands[j].first); i < p->demands[j].end; i++) {
                TrialMark mark;
                int r;

                if (d->patience == 0)
                        return 0;
                d->patience--;
                r = trial_mark(&d->trial, i, &mark);
                if (r < 0)
                        return r;
                r = trial_take_demand(&d->trial, i, &p->demands[j]);
                if (r > 0) {
                        d->lacking[j]--;
                        r = distribute(d, j, i);
                        d->lacking[j]++;
                }
                trial_return(&d->trial, &mark);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Positive: there is a way. */
static int find_distribution(const Promises *p, size_t i, const Group *group, const Group *space,
                             const Type *type) {
        Distribution d = { .promises = p, .patience = PATIENCE };
        int r;

        r = trial_init(&d.trial, p->host);
        d.lacking = calloc(p->n, sizeof(*d.lacking));
        if (r == 0 && !d.lacking)
                r = -ENOMEM;
        for (size_t j = 0; r == 0 && j < p->n; j++) {
                const Demand *demand = &p->demands[j];
                uint64_t have = demand->have;

                if (type)
                        have += times_of(p) *
                                contribution(demand, p->host->places[i].parent, group, type);
                d.lacking[j] = have < demand->wanted ? demand->wanted - have : 0;
        }
        if (r == 0 && type)
                r = take_tried(&d.trial, p, i, group, space, type);
        if (r >= 0)
                r = distribute(&d, 0, 0);
        trial_done(&d.trial);
        free(d.lacking);
        return r;
}

/*
 * What is limited on each parent has fewer ways to go than its size tells, so when the usual order
 * finds no room, that is tried first, and then every way.
 */
static int count_missing(const Promises *p, size_t i, const Group *group, const Group *space,
                         const Type *type, uint64_t *missing) {
        _cleanup_(freep) uint64_t *again = NULL;
        int r;

        r = count_in_order(p, i, group, space, type, false, missing);
        if (r <= 0 || !p->any_limited)
                return r;
        again = calloc(p->n, sizeof(*again));
        if (!again)
                return -ENOMEM;
        r = count_in_order(p, i, group, space, type, true, again);
        if (r > 0) {
                r = find_distribution(p, i, group, space, type);
                if (r >= 0)
                        r = r == 0; /* no way: something is missing */
        }
        if (r == 0)
                memset(missing, 0, p->n * sizeof(*missing));
        return r;
}

int promises_note(Promises *p) {
        if (p->before)
                return 0;
        p->before = calloc(p->n ?: 1, sizeof(*p->before));
        return p->before ? MIN(count_missing(p, 0, NULL, NULL, NULL, p->before), 0) : -ENOMEM;
}

/* The first that lacks more than before: what was broken as it was, nobody asked us about. */
static int find_broken(Promises *p, const uint64_t *missing, bool compare, Broken *ret) {
        for (size_t j = 0; j < p->n; j++) {
                int r = missing[j] > 0 && compare ? promises_note(p) : 0;

                if (r < 0)
                        return r;
                if (missing[j] == 0 || (compare && missing[j] <= p->before[j]))
                        continue;
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

int promises_check(Promises *p, size_t i, const Group *group, const Group *space,
                   const Type *type, Broken *ret) {
        _cleanup_(freep) uint64_t *missing = NULL;
        int r;

        if (p->n == 0)
                return 0;
        missing = calloc(p->n, sizeof(*missing));
        if (!missing)
                return -ENOMEM;
        r = count_missing(p, i, group, space, type, missing);
        return r < 0 ? r : find_broken(p, missing, type != NULL, ret);
}

void promises_carry(Promises *p, const Group *group, const Parent *parent, const char *from,
                    const char *to, uint64_t bytes) {
        for (size_t j = 0; j < p->n; j++) {
                Demand *d = &p->demands[j];

                if (!d->pool || d->group != group ||
                    (d->parent && !streq(d->parent, parent->name)))
                        continue;
                if (streq(d->pool, from))
                        d->have -= MIN(d->have, bytes);
                if (streq(d->pool, to))
                        d->have += bytes;
        }
}

int promises_compare(Promises *p, Broken *ret) {
        _cleanup_(freep) uint64_t *missing = NULL;
        int r;

        missing = calloc(p->n ?: 1, sizeof(*missing));
        if (!missing)
                return -ENOMEM;
        r = count_missing(p, 0, NULL, NULL, NULL, missing);
        return r < 0 ? r : find_broken(p, missing, true, ret);
}

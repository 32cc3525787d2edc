/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * promises.c: what is promised, in the order in which it is tried: promises that are tied to a
 * parent first, then those that fewer parents could bear, then the larger ones. Definitions that
 * are alike are one demand: a host that starts has hundreds of them.
 */
#include "policy/guarantee.h"
#include "policy/match.h"

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

static size_t slot_of(const Promises *p, const Uuid *uuid) {
        return uuid_hash(uuid) & (p->n_planned - 1);
}

/* Definitions and plans may both be many: no plan is looked at for each definition. */
static int note_planned(Promises *p) {
        size_t n = 0;

        if (p->host->planned)
                list_foreach(i, p->host->planned, Planned, node)
                        n += !i->still;
        if (n == 0)
                return 0;
        for (p->n_planned = 4; p->n_planned < 2 * n;)
                p->n_planned *= 2;
        p->planned = calloc(p->n_planned, sizeof(p->planned[0]));
        if (!p->planned)
                return -ENOMEM;
        list_foreach(i, p->host->planned, Planned, node) {
                size_t slot = slot_of(p, &i->uuid);

                if (i->still)
                        continue;
                while (p->planned[slot])
                        slot = (slot + 1) & (p->n_planned - 1);
                p->planned[slot] = i;
        }
        return 0;
}

static bool is_planned(const Promises *p, const Parent *parent, const Uuid *uuid) {
        if (!p->planned)
                return false;
        for (size_t i = slot_of(p, uuid); p->planned[i]; i = (i + 1) & (p->n_planned - 1))
                if (p->planned[i]->parent == parent && uuid_equal(&p->planned[i]->uuid, uuid))
                        return true;
        return false;
}

static bool may_demand(const Promises *p, const Definition *d) {
        return d->reserve && !d->device && !d->invalid && d->type &&
               !(p->except && uuid_equal(&d->uuid, p->except) &&
                 streq(d->parent, p->except_parent));
}

static bool is_alike(const Demand *d, const Definition *def, const Group *group) {
        return d->definition && d->group == group && streq(d->parent, def->parent) &&
               streq(d->type, def->type);
}

/* The demand for one more of the same; those beside each other in the store mostly are. */
static Demand *find_alike(Promises *p, const Definition *def, const Group *group) {
        const size_t far = p->n > 8 ? p->n - 8 : 0;

        for (size_t i = p->n; i > far; i--)
                if (is_alike(&p->demands[i - 1], def, group))
                        return &p->demands[i - 1];
        return NULL;
}

/*
 * *@parent: that of the definition before, as its name says. *@ret_demand: the number of the one
 * that it is in; untouched: it is in none.
 */
static int add_definition(Promises *p, const Definition *def, const Parent **parent,
                          size_t *ret_demand) {
        const Group *group = match_group(p->host->model->rules, def->owner);
        Demand d = {
                .group = group,
                .definition = def,
                .parent = def->parent,
                .type = def->type,
                .wanted = 1,
        };
        Demand *alike;
        const Type *t;
        int r;

        if (!*parent || !streq((*parent)->name, def->parent))
                *parent = model_find_parent(p->host->model, def->parent);
        if (!*parent || (*parent)->state != PARENT_REGISTERED ||
            is_planned(p, *parent, &def->uuid))
                return 0;
        alike = find_alike(p, def, group);
        if (alike) {
                alike->wanted++;
                *ret_demand = (size_t) (alike - p->demands);
                return 0;
        }
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
        r = add_demand(p, &d);
        if (r >= 0)
                *ret_demand = p->n - 1;
        return r;
}

/* Those that are as the one before it need not be looked at: a host that starts has hundreds. */
static int add_definitions(Promises *p) {
        const Parent *parent = NULL;
        size_t demand = SIZE_MAX; /* of those before; SIZE_MAX: none */
        int r;

        list_foreach(d, &p->host->model->definitions, Definition, node) {
                if (!d->as_before)
                        demand = SIZE_MAX;
                if (!may_demand(p, d))
                        continue;
                if (demand != SIZE_MAX) {
                        p->demands[demand].wanted += !is_planned(p, parent, &d->uuid);
                        continue;
                }
                r = add_definition(p, d, &parent, &demand);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Of those that are alike the first have room, so the first that has none comes after these. */
const Definition *promises_definition_at(const Promises *p, const Demand *d, uint64_t n) {
        list_foreach(def, &p->host->model->definitions, Definition, node) {
                const Parent *parent;

                if (!may_demand(p, def) ||
                    !is_alike(d, def, match_group(p->host->model->rules, def->owner)))
                        continue;
                parent = model_find_parent(p->host->model, def->parent);
                if (parent && !is_planned(p, parent, &def->uuid) && n-- == 0)
                        return def;
        }
        return d->definition;
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

        *p = (Promises) { .host = host, .except = except, .except_parent = except_parent };
        r = note_planned(p);
        if (r < 0)
                return r;
        if (rules)
                list_foreach(g, &rules->groups, Group, node)
                        list_foreach(i, &g->guarantees, Guarantee, node) {
                                r = add_guarantee(p, g, i);
                                if (r < 0)
                                        return r;
                        }
        r = add_definitions(p);
        if (r < 0)
                return r;
        if (p->n > 1)
                qsort(p->demands, p->n, sizeof(*p->demands), compare_demands);
        return 0;
}

void promises_done(Promises *p) {
        for (size_t i = 0; i < p->n; i++)
                free(p->demands[i].types);
        free(p->demands);
        free(p->planned);
        free(p->before);
        *p = (Promises) {};
}

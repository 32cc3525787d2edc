/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rules.c: whether rules contradict themselves, before they are put in force. Each check says what
 * it found at the rule that is wrong, with the arithmetic. Whether guarantees have room is asked of
 * the same code that refuses a request, on the same parents with nothing on them.
 */
#include <inttypes.h>
#include <stdarg.h>

#include "policy/empty.h"
#include "policy/guarantee.h"
#include "policy/match.h"
#include "policy/policy.h"
#include "util/parse.h"

typedef struct Checker Checker;

struct Checker {
        const Rules *rules;
        const List *parents;
        const Model *model;
        const Model *empty; /* the parents with nothing on them, while guarantees are looked at */
        RuleReport report;
        void *userdata;
        int n_errors;
};

static int _printf_(4, 5) say(Checker *c, const Source *source, bool warning, const char *format,
                              ...) {
        _cleanup_(freep) char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return -ENOMEM;
        }
        c->n_errors += !warning;
        r = c->report(source, warning, text, c->userdata);
        return r < 0 ? r : 0;
}

static const Parent *find_parent(const Checker *c, const char *name) {
        list_foreach(p, c->parents, Parent, node)
                if (streq(p->name, name))
                        return p;
        return NULL;
}

/* ---- groups and what they are promised ---- */

static bool catches_all(const Group *g) {
        for (size_t i = 0; i < g->n_owners; i++)
                if (streq(g->owners[i], "*"))
                        return true;
        return false;
}

static int check_order_of_groups(Checker *c) {
        int r = 0;

        list_foreach(g, &c->rules->groups, Group, node) {
                if (g->n_owners == 0)
                        r = say(c, &g->source, false,
                                "group %s has no owners; give it at least one glob", g->name);
                list_foreach(h, &c->rules->groups, Group, node) {
                        if (h == g || r < 0)
                                break;
                        if (streq(h->name, g->name))
                                r = say(c, &g->source, false, "group %s is there already (%s)",
                                        g->name, SOURCE_STR(&h->source));
                        else if (catches_all(h))
                                r = say(c, &g->source, true,
                                        "group %s is never reached: group %s (%s) comes first and "
                                        "has all owners",
                                        g->name, h->name, SOURCE_STR(&h->source));
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool owner_is_known(const Model *model, const char *glob) {
        list_foreach(d, &model->devices, Device, node)
                if (match_glob(glob, d->owner))
                        return true;
        list_foreach(d, &model->definitions, Definition, node)
                if (match_glob(glob, d->owner))
                        return true;
        return false;
}

static bool owner_is_wanted(const Rules *rules, const char *glob) {
        list_foreach(p, &rules->profiles, Profile, node)
                list_foreach(w, &p->wants, Want, node)
                        if (match_glob(glob, w->owner))
                                return true;
        list_foreach(w, &rules->writers, WriterRule, node)
                if (match_glob(glob, w->owner))
                        return true;
        return false;
}

static int check_globs(Checker *c, const Group *g) {
        for (size_t i = 0; c->model && i < g->n_owners; i++) {
                int r;

                if (owner_is_known(c->model, g->owners[i]) ||
                    owner_is_wanted(c->rules, g->owners[i]))
                        continue;
                r = say(c, &g->source, true, "group %s: no known owner matches %s", g->name,
                        g->owners[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The least that a guarantee takes, over the parents that could bear it. */
static Limits guarantee_needs(const Checker *c, const Guarantee *g) {
        Limits least = { .devices = g->n_devices, .bytes = g->bytes };
        bool found = false;

        list_foreach(p, c->parents, Parent, node) {
                const Type *t = g->type ? parent_find_type(p, g->type) : NULL;
                Limits needs;

                if (!t || (g->parent && !streq(p->name, g->parent)))
                        continue;
                needs = type_needs(t);
                if (__builtin_mul_overflow(needs.bytes, g->n_devices, &needs.bytes))
                        needs.bytes = UINT64_MAX - 1;
                if (__builtin_mul_overflow(needs.vectors, g->n_devices, &needs.vectors))
                        needs.vectors = UINT64_MAX - 1;
                least.bytes = found ? MIN(least.bytes, needs.bytes) : needs.bytes;
                least.vectors = found ? MIN(least.vectors, needs.vectors) : needs.vectors;
                found = true;
        }
        return least;
}

static void add_saturated(uint64_t *sum, uint64_t more) {
        if (__builtin_add_overflow(*sum, more, sum))
                *sum = UINT64_MAX - 1;
}

/* @parent NULL: all guarantees against the limit in all; else those tied to it. */
static int check_limit(Checker *c, const Group *g, const Limits *limit, const char *parent) {
        Limits sum = {};
        int r = 0;

        list_foreach(i, &g->guarantees, Guarantee, node) {
                const Limits needs = guarantee_needs(c, i);

                if (parent && !streq_ptr(i->parent, parent))
                        continue;
                add_saturated(&sum.devices, needs.devices);
                add_saturated(&sum.bytes, needs.bytes);
                add_saturated(&sum.vectors, needs.vectors);
        }
        if (sum.devices > limit->devices)
                r = say(c, &g->source, false,
                        "group %s: "
                        "%" PRIu64 " devices are guaranteed%s%s and its limit is %" PRIu64,
                        g->name, sum.devices, parent ? " on " : "", parent ?: "", limit->devices);
        if (r >= 0 && sum.bytes > limit->bytes)
                r = say(c, &g->source, false, "group %s: %s are guaranteed%s%s and its limit is %s",
                        g->name, SIZE_STR(sum.bytes), parent ? " on " : "", parent ?: "",
                        SIZE_STR(limit->bytes));
        if (r >= 0 && sum.vectors > limit->vectors)
                r = say(c, &g->source, false,
                        "group %s: devices with %" PRIu64 " vectors are guaranteed%s%s and its "
                        "limit is %" PRIu64,
                        g->name, sum.vectors, parent ? " on " : "", parent ?: "", limit->vectors);
        return r;
}

static bool is_offered(const Checker *c, const Guarantee *g) {
        list_foreach(p, c->parents, Parent, node) {
                if (g->parent && !streq(p->name, g->parent))
                        continue;
                if (g->type ? !!parent_find_type(p, g->type) : !!parent_find_pool(p, g->pool))
                        return true;
        }
        return false;
}

static int check_guarantees(Checker *c, const Group *g) {
        int r = 0;

        list_foreach(i, &g->guarantees, Guarantee, node) {
                if (i->type && i->n_devices > GUARANTEE_DEVICES_MAX)
                        r = say(c, &i->source, false,
                                "group %s: %" PRIu64 " devices are guaranteed, which must be at "
                                "most %d",
                                g->name, i->n_devices, GUARANTEE_DEVICES_MAX);
                if (r < 0)
                        return r;
                if (!is_offered(c, i))
                        r = say(c, &i->source, true,
                                "group %s: no known parent%s%s has a %s %s: the guarantee holds "
                                "nothing yet",
                                g->name, i->parent ? " named " : "", i->parent ?: "",
                                i->type ? "type" : "pool", i->type ?: i->pool);
                if (r >= 0 && i->parent)
                        r = check_limit(c, g, &g->limit_per_parent, i->parent);
                if (r < 0)
                        return r;
        }
        return check_limit(c, g, &g->limit, NULL);
}

/* ---- partitions ---- */

static int check_partition(Checker *c, const Group *g, const Partition *p) {
        const Parent *parent = find_parent(c, p->parent);
        const Pool *pool = parent ? parent_find_pool(parent, p->pool) : NULL;
        uint64_t end;

        if (!pool)
                return say(c, &p->source, false, "partition of group %s: there is no %s %s%s%s",
                           g->name, parent ? "pool" : "parent", parent ? p->pool : p->parent,
                           parent ? " on " : "", parent ? p->parent : "");
        if (p->size == 0 || (p->offset | p->size) % ALLOCATOR_PAGE != 0 ||
            __builtin_add_overflow(p->offset, p->size, &end))
                return say(c, &p->source, false,
                           "partition of group %s: offset %s and size %s must be multiples of "
                           "4 KiB, and the size not 0",
                           g->name, SIZE_STR(p->offset), SIZE_STR(p->size));
        if (p->offset < pool->offset || (pool->size > 0 && end > pool->offset + pool->size))
                return say(c, &p->source, false,
                           "partition of group %s: %s to %s is outside pool %s, which is %s to %s",
                           g->name, SIZE_STR(p->offset), SIZE_STR(end), pool->name,
                           SIZE_STR(pool->offset), SIZE_STR(pool->offset + pool->size));
        if (pool->slot && ((p->offset - pool->offset) % pool->slot || p->size % pool->slot))
                return say(c, &p->source, false,
                           "partition of group %s: it must begin and end with slots of pool %s, "
                           "which are of %s from %s on",
                           g->name, pool->name, SIZE_STR(pool->slot), SIZE_STR(pool->offset));
        return 0;
}

static int check_overlap(Checker *c, const Partition *p) {
        list_foreach(g, &c->rules->groups, Group, node)
                list_foreach(q, &g->partitions, Partition, node) {
                        if (q == p)
                                return 0; /* those behind it look back at it */
                        if (!streq(p->parent, q->parent) || !streq(p->pool, q->pool) ||
                            p->offset >= q->offset + q->size || q->offset >= p->offset + p->size)
                                continue;
                        return say(c, &p->source, false,
                                   "partition %s to %s of pool %s overlaps that of group %s, %s to "
                                   "%s (%s)",
                                   SIZE_STR(p->offset), SIZE_STR(p->offset + p->size), p->pool,
                                   g->name, SIZE_STR(q->offset), SIZE_STR(q->offset + q->size),
                                   SOURCE_STR(&q->source));
                }
        return 0;
}

static int check_partitions(Checker *c, const Group *g) {
        list_foreach(p, &g->partitions, Partition, node) {
                int before = c->n_errors, r = check_partition(c, g, p);

                if (r >= 0 && c->n_errors == before)
                        r = check_overlap(c, p);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- the other rules ---- */

static bool matches_all(const char *glob) {
        return !glob || streq(glob, "*");
}

static int check_placements(Checker *c) {
        const PlacementRule *all = NULL;

        list_foreach(p, &c->rules->placements, PlacementRule, node) {
                int r = all ? say(c, &p->source, true,
                                  "this placement rule is never reached: the one at %s matches "
                                  "everything",
                                  SOURCE_STR(&all->source)) :
                              0;

                if (r < 0)
                        return r;
                if (!all && matches_all(p->owners) && matches_all(p->types))
                        all = p;
        }
        return 0;
}

static int check_parent_rules(Checker *c) {
        const ParentRule *all = NULL;

        list_foreach(p, &c->rules->parents, ParentRule, node) {
                bool used = false;
                int r = 0;

                list_foreach(parent, c->parents, Parent, node)
                        used = used || match_glob(p->parents, parent->name);
                if (all)
                        r = say(c, &p->source, true,
                                "this rule for parents is never reached: the one at %s matches "
                                "everything",
                                SOURCE_STR(&all->source));
                else if (!used)
                        r = say(c, &p->source, true, "no known parent matches %s",
                                p->parents ?: "*");
                if (r < 0)
                        return r;
                if (!all && matches_all(p->parents) && matches_all(p->driver))
                        all = p;
        }
        return 0;
}

static int check_profile(Checker *c, const Profile *p) {
        uint64_t sum = 0;

        list_foreach(w, &p->wants, Want, node) {
                int r = 0;

                sum += w->count;
                if (w->count == 0 || w->count > WANT_COUNT_MAX)
                        r = say(c, &w->source, false,
                                "profile %s: %" PRIu64 " devices are wanted, which must be 1 to %d",
                                p->name, w->count, WANT_COUNT_MAX);
                else if (sum > WANT_COUNT_MAX)
                        r = say(c, &w->source, false,
                                "profile %s: %" PRIu64 " devices are wanted in all, which must be "
                                "at most %d", p->name, sum, WANT_COUNT_MAX);
                else if (!uuid_is_null(&w->uuid) && w->count > 1)
                        r = say(c, &w->source, false,
                                "profile %s: %" PRIu64 " devices cannot all have UUID %s", p->name,
                                w->count, UUID_STR(&w->uuid));
                if (r < 0)
                        return r;
        }
        return 0;
}

static const Want *first_want_of(const Rules *rules, const Uuid *uuid) {
        list_foreach(p, &rules->profiles, Profile, node)
                list_foreach(w, &p->wants, Want, node)
                        if (uuid_equal(&w->uuid, uuid))
                                return w;
        return NULL;
}

static int check_wanted_uuids(Checker *c, const Profile *p) {
        list_foreach(w, &p->wants, Want, node) {
                const Want *first = uuid_is_null(&w->uuid) ? w : first_want_of(c->rules, &w->uuid);
                int r;

                if (first == w)
                        continue;
                r = say(c, &w->source, false, "profile %s: UUID %s is wanted at %s already",
                        p->name, UUID_STR(&w->uuid), SOURCE_STR(&first->source));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- do all guarantees have room at the same time ---- */

/* All that the pools which could bear it have. */
static uint64_t bytes_that_bear(const Checker *c, const Guarantee *g) {
        uint64_t sum = 0;

        list_foreach(p, c->parents, Parent, node) {
                const Type *t = g->type ? parent_find_type(p, g->type) : NULL;

                if (g->parent && !streq(p->name, g->parent))
                        continue;
                list_foreach(pool, &p->pools, Pool, node) {
                        bool bears = g->pool && streq(pool->name, g->pool);

                        for (size_t i = 0; t && i < BARS_MAX; i++)
                                bears = bears || (t->bars[i].size > 0 &&
                                                  streq_ptr(t->bars[i].pool, pool->name));
                        sum += bears ? pool->size : 0;
                }
        }
        return sum;
}

/* On parents without our pools: what there is when nothing is. */
static uint64_t offered_by_drivers(const Checker *c, const Guarantee *g) {
        uint64_t sum = 0;

        list_foreach(p, &c->empty->parents, Parent, node) {
                const Type *t = parent_find_type(p, g->type);

                if (t && !t->ours && (!g->parent || streq(p->name, g->parent)))
                        sum += t->available;
        }
        return sum;
}

static int say_broken(Checker *c, const Broken *b) {
        const Guarantee *g = b->guarantee;
        const Limits needs = guarantee_needs(c, g);

        if (g->pool)
                return say(c, &g->source, false,
                           "group %s: of %s guaranteed in pool %s, %s have no room when all "
                           "guarantees are taken up; pools of that name have %s",
                           b->group->name, SIZE_STR(b->wanted), g->pool, SIZE_STR(b->missing),
                           SIZE_STR(bytes_that_bear(c, g)));
        if (needs.bytes == 0)
                return say(c, &g->source, false,
                           "group %s: of %" PRIu64 " guaranteed %s, %" PRIu64 " have no room when "
                           "all guarantees are taken up; their drivers offer %" PRIu64 " in all",
                           b->group->name, b->wanted, g->type, b->missing,
                           offered_by_drivers(c, g));
        return say(c, &g->source, false,
                   "group %s: of %" PRIu64 " guaranteed %s, %" PRIu64 " have no room when all "
                   "guarantees are taken up; together they take %s and the pools that bear them "
                   "have %s",
                   b->group->name, b->wanted, g->type, b->missing, SIZE_STR(needs.bytes),
                   SIZE_STR(bytes_that_bear(c, g)));
}

/* A pool whose size is not known yet says nothing: the check comes again when it is. */
static bool sizes_are_known(const Checker *c) {
        list_foreach(p, c->parents, Parent, node)
                list_foreach(pool, &p->pools, Pool, node)
                        if (pool->size == 0)
                                return false;
        return true;
}

static int check_room(Checker *c) {
        _cleanup_(promises_done) Promises promises = {};
        _cleanup_(host_done) Host host = {};
        _cleanup_(model_freep) Model *model = NULL;
        Broken broken;
        int r;

        if (!sizes_are_known(c))
                return 0;
        r = empty_model_new(&model, c->parents);
        if (r < 0)
                return r;
        model->rules = (Rules *) c->rules; /* lent: taken back before the model is freed */
        r = host_init(&host, model, NULL);
        if (r >= 0)
                r = promises_init(&promises, &host, NULL, NULL);
        if (r >= 0)
                r = promises_check(&promises, 0, NULL, NULL, NULL, &broken);
        model->rules = NULL;
        c->empty = model;
        r = r > 0 ? say_broken(c, &broken) : r;
        c->empty = NULL;
        return r;
}

int policy_check_rules(const Rules *rules, const List *parents, const Model *model,
                       RuleReport report, void *userdata) {
        Checker c = {
                .rules = rules,
                .parents = parents,
                .model = model,
                .report = report,
                .userdata = userdata,
        };
        int r;

        r = check_order_of_groups(&c);
        list_foreach(g, &rules->groups, Group, node) {
                if (r >= 0)
                        r = check_globs(&c, g);
                if (r >= 0)
                        r = check_guarantees(&c, g);
                if (r >= 0)
                        r = check_partitions(&c, g);
        }
        if (r >= 0)
                r = check_placements(&c);
        if (r >= 0)
                r = check_parent_rules(&c);
        list_foreach(p, &rules->profiles, Profile, node) {
                if (r >= 0)
                        r = check_profile(&c, p);
                if (r >= 0)
                        r = check_wanted_uuids(&c, p);
        }
        if (r >= 0 && c.n_errors == 0) /* with wrong partitions the answer would mislead */
                r = check_room(&c);
        return r < 0 ? r : c.n_errors;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check.c: what can speak against a device on a parent, one function a reason, in a table in the
 * order in which they are asked. Without a Reason they only answer; with one the same function says
 * the sentence: the value, what said no, and the way out.
 */
#include "policy/search.h"

#include <inttypes.h>

#include "policy/match.h"
#include "util/parse.h"

/* Says no: with a sentence when one is wanted. */
#define REFUSE(reason, ...)                                                                        \
        ((reason) ? reason_set((reason), OUTCOME_NO_ROOM, __VA_ARGS__) : (int) OUTCOME_NO_ROOM)

static Place *place_of(const Search *s, const Candidate *c) {
        return &s->host.places[c->place];
}

static const char *name_of(const Search *s, const Candidate *c) {
        return place_of(s, c)->parent->name;
}

/* "0000:41:00.4", or with siblings "0000:41:00.4 and its siblings". */
static const char *siblings_text(const Search *s, const Candidate *c) {
        return place_of(s, c)->parent->unit ? " and its siblings" : "";
}

static int check_state(Search *s, Candidate *c, Reason *reason) {
        const Parent *p = place_of(s, c)->parent;

        if (p->state == PARENT_REGISTERED && c->type->ours && parent_has_other_driver(p))
                return REFUSE(reason,
                              "%s: is divided by its driver %s and not by mdevd; unbind it from "
                              "that driver",
                              p->name, p->driver);
        if (p->state == PARENT_REGISTERED)
                return 0;
        return REFUSE(reason, "%s: is %s and takes no devices; bring it up first", p->name,
                      parent_state_to_string(p->state));
}

static int check_ambiguous(Search *s, Candidate *c, Reason *reason) {
        if (c->n_alike < 2)
                return 0;
        return REFUSE(reason, "%s: %zu types go by the name %s; use a type's id", name_of(s, c),
                      c->n_alike, s->request->type);
}

static int check_numa(Search *s, Candidate *c, Reason *reason) {
        const Parent *p = place_of(s, c)->parent;

        c->wrong_node = s->request->numa_node >= 0 && p->numa_node != s->request->numa_node;
        if (!c->wrong_node || s->rule->numa == NUMA_PREFER)
                return 0;
        return REFUSE(reason, "%s: is on NUMA node %d and node %d is required; ask for no node",
                      p->name, p->numa_node, s->request->numa_node);
}

static int check_one_type(Search *s, Candidate *c, Reason *reason) {
        const ParentRule *rule = place_of(s, c)->view->rule;
        const char *other;

        if (!rule->one_type)
                return 0;
        other = host_other_type(&s->host, c->place, c->type->id);
        if (!other)
                return 0;
        return REFUSE(reason,
                      "%s%s: may hold devices of one type only (%s) and has some of %s; remove "
                      "those",
                      name_of(s, c), siblings_text(s, c), SOURCE_STR(&rule->source), other);
}

static int check_maxima(Search *s, Candidate *c, Reason *reason) {
        const Place *place = place_of(s, c);
        const ParentRule *rule = place->view->rule;

        c->devices = host_count_devices(&s->host, c->place);
        if (c->devices >= rule->max_devices)
                return REFUSE(reason,
                              "%s%s: has %" PRIu64 " devices and the maximum is %" PRIu64
                              " (%s); remove one or raise it",
                              name_of(s, c), siblings_text(s, c), c->devices, rule->max_devices,
                              SOURCE_STR(&rule->source));
        for (size_t i = 0; i < rule->n_maxima; i++) {
                uint64_t n;

                if (parent_find_type(place->parent, rule->maxima[i].type) != c->type)
                        continue;
                n = host_count_type(&s->host, c->place, c->type->id);
                if (n >= rule->maxima[i].n)
                        return REFUSE(reason,
                                      "%s%s: has %" PRIu64 " devices of %s and the maximum is "
                                      "%" PRIu64 " (%s); remove one or raise it",
                                      name_of(s, c), siblings_text(s, c), n, c->type->name,
                                      rule->maxima[i].n, SOURCE_STR(&rule->source));
                break;
        }
        return 0;
}

static int check_spread(Search *s, Candidate *c, Reason *reason) {
        uint64_t n;

        if (s->rule->order != ORDER_SPREAD)
                return 0;
        n = host_count_type(&s->host, c->place, c->type->id);
        c->has_type = n > 0;
        if (n == 0 || s->rule->fallback)
                return 0;
        return REFUSE(reason,
                      "%s%s: has %" PRIu64 " of %s already and they are to be spread without "
                      "fallback (%s); allow the fallback",
                      name_of(s, c), siblings_text(s, c), n, c->type->name,
                      SOURCE_STR(&s->rule->source));
}

static int check_affinity(Search *s, Candidate *c, Reason *reason) {
        const char *owner = s->request->owner;
        bool here;

        c->wrong_company = false;
        if (s->rule->affinity == AFFINITY_NONE || !owner[0])
                return 0;
        here = host_has_owner(&s->host, c->place, owner);
        if (s->rule->affinity == AFFINITY_APART)
                c->wrong_company = here;
        else
                c->wrong_company = !here && s->owner_exists;
        if (!c->wrong_company || !s->rule->affinity_required)
                return 0;
        return REFUSE(reason,
                      "%s%s: %s a device of %s, whose devices must be %s (%s); remove it or change "
                      "the rule",
                      name_of(s, c), siblings_text(s, c), here ? "has" : "has not", owner,
                      here ? "on different parents" : "on one parent",
                      SOURCE_STR(&s->rule->source));
}

static void amount_format(char buf[static SIZE_STRING_MAX], uint64_t n, bool bytes) {
        if (bytes)
                size_format(n, buf);
        else
                (void) snprintf(buf, SIZE_STRING_MAX, "%" PRIu64, n);
}

/* @where: "on this host", "there". One sentence, for the first of the three that is too much. */
static int check_limits(const Search *s, const Candidate *c, const Limits *limit,
                        const Limits *have, const char *where, Reason *reason) {
        const Limits need = type_needs(c->type);
        const struct {
                const char *what;
                uint64_t limit, have, need;
                bool bytes;
        } rows[] = {
                { "devices", limit->devices, have->devices, need.devices, false },
                { "of memory", limit->bytes, have->bytes, need.bytes, true },
                { "vectors", limit->vectors, have->vectors, need.vectors, false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char has[SIZE_STRING_MAX], needs[SIZE_STRING_MAX], max[SIZE_STRING_MAX];

                if (rows[i].limit == LIMIT_NONE || rows[i].need == 0 ||
                    (rows[i].have <= rows[i].limit &&
                     rows[i].need <= rows[i].limit - rows[i].have))
                        continue;
                amount_format(has, rows[i].have, rows[i].bytes);
                amount_format(needs, rows[i].need, rows[i].bytes);
                amount_format(max, rows[i].limit, rows[i].bytes);
                return REFUSE(reason,
                              "%s: group %s has %s %s %s, %s more needed, and its limit is %s "
                              "(%s); remove devices of the group or raise its limit",
                              name_of(s, c), group_name(s->group), has, rows[i].what, where, needs,
                              max, SOURCE_STR(&s->group->source));
        }
        return 0;
}

static int check_group_limits(Search *s, Candidate *c, Reason *reason) {
        Limits here;
        int r;

        if (!s->group)
                return 0;
        r = check_limits(s, c, &s->group->limit, &s->in_all, "on this host", reason);
        if (r != 0)
                return r;
        here = host_group_on_unit(&s->host, c->place, s->group_index);
        return check_limits(s, c, &s->group->limit_per_parent, &here, "there", reason);
}

static int check_vendor(Search *s, Candidate *c, Reason *reason) {
        const Place *place = place_of(s, c);
        uint64_t room;

        if (c->type->ours)
                return 0;
        room = host_vendor_room(&s->host, place->parent, c->type);
        c->cut = c->free = room;
        if (room > 0)
                return 0;
        if (c->type->available > 0)
                return REFUSE(reason,
                              "%s: its driver offers %u more of %s and as many are being made; try "
                              "again, or remove a device",
                              name_of(s, c), c->type->available, c->type->id);
        return REFUSE(reason, "%s: its driver offers no more of %s; remove a device", name_of(s, c),
                      c->type->id);
}

/* Numbers of all regions of a pool that the group may use. */
static AllocatorUsage usage_for(const Search *s, const Candidate *c, const Pool *pool) {
        View *v = place_of(s, c)->view;
        AllocatorUsage sum = {};

        for (Region *r = view_next_region(v, pool, s->group, NULL); r;
             r = view_next_region(v, pool, s->group, r)) {
                AllocatorUsage u;

                allocator_usage(&r->allocator, &u);
                sum.free += u.free;
                sum.largest_hole = MAX(sum.largest_hole, u.largest_hole);
                sum.largest_block = MAX(sum.largest_block, u.largest_block);
                sum.holes += u.holes;
        }
        return sum;
}

static int refuse_full(Search *s, Candidate *c, size_t bar, Reason *reason) {
        const Pool *pool = view_pool(place_of(s, c)->view, &c->type->bars[bar]);
        const AllocatorUsage u = usage_for(s, c, pool);
        _cleanup_(freep) char *way_out = NULL;
        int r;

        /* who is never to be moved is not told of moves, but of what is free in pieces */
        r = s->rule->moves != MOVES_NEVER ?
                    explain_way_out(s, c, &way_out) :
                    asprintf(&way_out, "%s are free in %u pieces, and nothing is moved for these "
                             "owners (\"moves\": \"never\")", SIZE_STR(u.free), u.holes);
        if (r < 0)
                return r;
        if (pool->slot)
                return REFUSE(reason,
                              "%s pool %s: all slots of %s that group %s may use are taken; %s",
                              name_of(s, c), pool->name, SIZE_STR(pool->slot),
                              group_name(s->group), way_out);
        return REFUSE(reason,
                      "%s pool %s: largest hole %s, of which %s are aligned, %s needed (%s of %s "
                      "free); %s",
                      name_of(s, c), pool->name, SIZE_STR(u.largest_hole),
                      SIZE_STR(u.largest_block), SIZE_STR(c->type->bars[bar].size),
                      SIZE_STR(u.free), SIZE_STR(pool->size), way_out);
}

static int refuse_size(Search *s, Candidate *c, size_t bar, Reason *reason) {
        const TypeBar *b = &c->type->bars[bar];
        const Pool *pool = view_pool(place_of(s, c)->view, b);

        if (pool->slot)
                return REFUSE(reason,
                              "%s pool %s: BAR %zu of type %s is %s and the slots are of %s; "
                              "correct the configuration",
                              name_of(s, c), pool->name, bar, c->type->name, SIZE_STR(b->size),
                              SIZE_STR(pool->slot));
        return REFUSE(reason,
                      "%s pool %s: BAR %zu of type %s is %s, which is no power of two; give the "
                      "pool slots of that size",
                      name_of(s, c), pool->name, bar, c->type->name, SIZE_STR(b->size));
}

/* What ranks a parent: the block that the largest BAR would cut, and all that is free. */
static void rank_space(Search *s, Candidate *c) {
        View *v = place_of(s, c)->view;
        uint64_t largest = 0;

        c->free = 0;
        for (size_t bar = 0; bar < BARS_MAX; bar++) {
                const TypeBar *b = &c->type->bars[bar];
                const Pool *pool = b->size > largest ? view_pool(v, b) : NULL;
                unsigned order;

                if (!pool || !view_find_region(v, pool, s->group, b->size, &order))
                        continue;
                largest = b->size;
                c->cut = order;
                c->free = usage_for(s, c, pool).free;
        }
}

void candidate_rank_bytes(Search *s, Candidate *c) {
        uint64_t largest = 0;

        c->cut = 0;
        for (size_t bar = 0; bar < BARS_MAX; bar++) {
                const TypeBar *b = &c->type->bars[bar];
                const Pool *pool = b->size > largest ? view_pool(place_of(s, c)->view, b) : NULL;

                if (!pool)
                        continue;
                largest = b->size;
                c->free = usage_for(s, c, pool).free;
        }
}

static int check_space(Search *s, Candidate *c, Reason *reason) {
        size_t bar = 0;
        int r;

        if (!c->type->ours)
                return 0;
        if (type_needs(c->type).bytes == 0)
                return REFUSE(reason, "%s: type %s has no BAR; correct the configuration",
                              name_of(s, c), c->type->name);
        r = view_place(place_of(s, c)->view, s->group, c->type, NULL, NULL, &bar);
        if (r == 0) {
                rank_space(s, c);
                return 0;
        }
        if (r == -EINVAL)
                return REFUSE(reason,
                              "%s: BAR %zu of type %s is to come from pool %s, which this parent "
                              "has not; correct the configuration",
                              name_of(s, c), bar, c->type->name,
                              c->type->bars[bar].pool ?: "(none)");
        if (r < 0)
                return r;
        if (!reason)
                return OUTCOME_NO_ROOM;
        return r == ALLOCATOR_BAD_SIZE ? refuse_size(s, c, bar, reason) :
                                         refuse_full(s, c, bar, reason);
}

typedef int (*Check)(Search *s, Candidate *c, Reason *reason);

static const Check checks[] = {
        [REFUSAL_STATE] = check_state,         [REFUSAL_AMBIGUOUS] = check_ambiguous,
        [REFUSAL_NUMA] = check_numa,           [REFUSAL_ONE_TYPE] = check_one_type,
        [REFUSAL_MAXIMA] = check_maxima,       [REFUSAL_SPREAD] = check_spread,
        [REFUSAL_AFFINITY] = check_affinity,   [REFUSAL_LIMITS] = check_group_limits,
        [REFUSAL_VENDOR] = check_vendor,       [REFUSAL_SPACE] = check_space,
};

int candidate_check(Search *s, Candidate *c, Reason *reason) {
        c->refusal = REFUSAL_NONE;
        for (Refusal i = REFUSAL_NONE + 1; i < ARRAY_SIZE(checks); i++) {
                int r = checks[i](s, c, reason);

                if (r > 0)
                        c->refusal = i;
                if (r != 0)
                        return r;
        }
        return 0;
}

int refuse_broken(const char *where, const Broken *b, Reason *reason) {
        char missing[SIZE_STRING_MAX], wanted[SIZE_STRING_MAX];
        bool bytes = b->guarantee && b->guarantee->pool;

        if (b->definition)
                return REFUSE(reason,
                              "%s: the definition %s on %s reserves a %s and would no longer have "
                              "room; remove a device or clear its reserve",
                              where, UUID_STR(&b->definition->uuid), b->definition->parent,
                              b->definition->type);
        amount_format(missing, b->missing, bytes);
        amount_format(wanted, b->wanted, bytes);
        return REFUSE(reason,
                      "%s: group %s is guaranteed %s %s%s%s (%s), of which %s would no longer have "
                      "room; remove a device or lower the guarantee",
                      where, group_name(b->group), wanted, bytes ? "of pool " : "of ",
                      bytes ? b->guarantee->pool : b->guarantee->type,
                      b->guarantee->parent ? " on its parent" : "",
                      SOURCE_STR(&b->guarantee->source), missing);
}

/*
 * A group's own partition comes first. But what it is guaranteed may need just that, while the
 * device could as well lie in what is in common.
 */
static int try_common(Search *s, Candidate *c) {
        Broken broken;
        size_t bar;
        int r;

        if (!c->type->ours || !s->group || list_is_empty(&s->group->partitions) ||
            s->promises.times > 1) /* of several each may lie elsewhere: not looked into */
                return OUTCOME_NO_ROOM;
        r = view_place(place_of(s, c)->view, NULL, c->type, NULL, NULL, &bar);
        if (r != 0)
                return r < 0 ? r : OUTCOME_NO_ROOM;
        return promises_check(&s->promises, c->place, s->group, NULL, c->type, &broken);
}

int candidate_check_promises(Search *s, Candidate *c, Reason *reason) {
        Broken broken = {};
        int r;

        c->space = s->group;
        r = promises_check(&s->promises, c->place, s->group, c->space, c->type, &broken);
        if (r <= 0)
                return r;
        c->space = NULL;
        r = try_common(s, c);
        if (r <= 0)
                return r;
        c->refusal = REFUSAL_PROMISES;
        return refuse_broken(name_of(s, c), &broken, reason);
}

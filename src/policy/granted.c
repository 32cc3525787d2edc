/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * granted.c: how many devices the policy would grant in a row. What rules and limits leave is a
 * number, what the pools have is found by taking, in numbers of free blocks; and what is promised
 * to others shrinks the answer until all of that still has room.
 */
#include "policy/match.h"
#include "policy/search.h"
#include "policy/trial.h"

#define GRANTED_MAX 65536 /* more mdevs than that no host has */

static uint64_t left_of(uint64_t limit, uint64_t have, uint64_t need) {
        if (limit == LIMIT_NONE || need == 0)
                return GRANTED_MAX;
        return limit > have ? (limit - have) / need : 0;
}

static uint64_t left_of_limits(const Limits *limit, const Limits *have, const Limits *need) {
        uint64_t n = left_of(limit->devices, have->devices, need->devices);

        n = MIN(n, left_of(limit->bytes, have->bytes, need->bytes));
        return MIN(n, left_of(limit->vectors, have->vectors, need->vectors));
}

/* Room apart. One more is allowed already. */
static uint64_t count_allowed(const Search *s, const Candidate *c) {
        const Place *place = &s->host.places[c->place];
        const ParentRule *rule = place->view->rule;
        const Limits need = type_needs(c->type);
        uint64_t n = left_of(rule->max_devices, c->devices, 1);

        for (size_t i = 0; i < rule->n_maxima; i++)
                if (parent_find_type(place->parent, rule->maxima[i].type) == c->type) {
                        n = MIN(n, left_of(rule->maxima[i].n,
                                           host_count_type(&s->host, c->place, c->type->id), 1));
                        break; /* the first counts */
                }
        if (s->rule->order == ORDER_SPREAD && !s->rule->fallback)
                n = MIN(n, UINT64_C(1));
        if (s->group) {
                const Limits here = host_group_on_unit(&s->host, c->place, s->group_index);

                n = MIN(n, left_of_limits(&s->group->limit, &s->in_all, &need));
                n = MIN(n, left_of_limits(&s->group->limit_per_parent, &here, &need));
        }
        return n;
}

static int count_room(const Search *s, const Candidate *c, uint64_t most, uint64_t *ret) {
        _cleanup_(trial_done) Trial t = {};
        int r;

        r = trial_init(&t, &s->host);
        return r < 0 ? r : trial_take_devices(&t, c->place, s->group, s->group, c->type, most, ret);
}

/* The most, of at most @n, beside which all that is promised has room: mostly @n. */
static int count_beside_promises(Search *s, Candidate *c, uint64_t n, uint64_t *ret) {
        uint64_t low = 0;

        for (uint64_t i = n; low < n; i = low + (n - low + 1) / 2) {
                int r;

                s->promises.times = i;
                r = candidate_check_promises(s, c, NULL);
                if (r < 0)
                        return r;
                if (r == 0)
                        low = i;
                else
                        n = i - 1;
        }
        *ret = low;
        return 0;
}

int policy_count_granted(const Model *model, const List *planned, const Parent *parent,
                         const Type *type, unsigned *ret) {
        const Request q = { .parent = parent->name, .type = type->id, .owner = (char[1]){},
                            .numa_node = -1, .origin = ORIGIN_SYSFS };
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(search_done) Search s = {};
        uint64_t n = 0;
        int r;

        *ret = 0;
        if (parent->state != PARENT_REGISTERED)
                return 0;
        r = search_init(&s, model, planned, &q, &reason);
        if (r == 0)
                r = candidate_check(&s, &s.candidates[0], NULL);
        if (r == 0)
                r = count_room(&s, &s.candidates[0], count_allowed(&s, &s.candidates[0]), &n);
        if (r == 0)
                r = count_beside_promises(&s, &s.candidates[0], n, &n);
        if (r == 0)
                *ret = (unsigned) n;
        return MIN(r, 0);
}

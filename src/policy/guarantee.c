/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guarantee.c: whether all that is promised (promises.c) has room. See trial.c. */
#include "policy/guarantee.h"

#include "policy/match.h"
#include "policy/trial.h"

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
        uint64_t taken;
        int r;

        r = trial_take_devices(t, i, group, space, type, times_of(p), &taken);
        return r < 0 ? r : taken == times_of(p);
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

static void fill_broken(const Promises *p, const Demand *d, uint64_t missing, Broken *ret) {
        *ret = (Broken) {
                .group = d->group,
                .guarantee = d->guarantee,
                .definition = d->definition,
                .missing = missing,
                .wanted = d->wanted,
        };
        if (!d->definition)
                return;
        ret->definition = promises_definition_at(p, d, d->wanted - missing);
        ret->missing = ret->wanted = 1;
}

/* The first that lacks more than before: what was broken as it was, nobody asked us about. */
static int find_broken(Promises *p, const uint64_t *missing, bool compare, Broken *ret) {
        for (size_t j = 0; j < p->n; j++) {
                int r = missing[j] > 0 && compare ? promises_note(p) : 0;

                if (r < 0)
                        return r;
                if (missing[j] == 0 || (compare && missing[j] <= p->before[j]))
                        continue;
                fill_broken(p, &p->demands[j], missing[j], ret);
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-policy-random.c: random histories of creates, removals and rules against a model that knows
 * nothing of trees, views or best fit: arrays of units, and every distribution of guarantees tried
 * out. After every step:
 *
 *  - nothing overlaps, leaves its pool, lies in another group's partition or is misaligned;
 *  - a placement is refused only when no place at all would do, guarantees considered (with limits
 *    for each parent the policy may be more careful than it must, and then this is not asked);
 *  - what was guaranteed and has room keeps it;
 *  - the view that policy remembered says the same as one made anew;
 *  - a second question gets the same answer: a plan is what a create then does.
 */
#include "policy/policy.h"
#include "policy/view.h"

#include "history.h"

#define UNIT (1ULL << 20)
#define POOL_UNITS 16
#define PARENTS_MAX 2
#define GROUPS 3 /* two with names, and the default one */
#define ORDERS 4 /* types of 1, 2, 4 and 8 units */
#define DEVICES_MAX 64

typedef struct World World;

struct World {
        Model *model;
        Parent *parents[PARENTS_MAX];
        size_t n_parents;
        Device *devices[DEVICES_MAX];
        size_t n_devices;
        unsigned wanted[GROUPS][ORDERS];        /* guaranteed devices */
        int partition[PARENTS_MAX][POOL_UNITS]; /* group that has the unit to itself; -1: nobody */
        unsigned limit[GROUPS];                 /* devices */
        unsigned limit_per_parent[GROUPS];
        bool careful; /* one of the latter is set */
        unsigned serial;
};

static const char *const owners[GROUPS] = { "gold-1", "silver-1", "other" };

static void world_done(World *w) {
        model_free(w->model);
}

static bool add_parent(World *w, size_t i, size_t units) {
        char name[32];
        Parent *p;
        Pool *pool;

        (void) snprintf(name, sizeof(name), "p%zu", i);
        if (parent_new(&p, name) < 0 || pool_new(&pool, "fb") < 0)
                return false;
        pool->size = units * UNIT;
        p->state = PARENT_REGISTERED;
        p->ours = true;
        parent_link_pool(p, pool);
        for (unsigned k = 0; k < ORDERS; k++) {
                Type *t;

                (void) snprintf(name, sizeof(name), "t%u", k);
                if (type_new(&t, name) < 0)
                        return false;
                t->ours = true;
                t->movable = true;
                t->bars[0].size = UNIT << k;
                t->bars[0].pool = strdup("fb");
                parent_link_type(p, t);
        }
        model_link_parent(w->model, p);
        w->parents[i] = p;
        return true;
}

static bool naive_can_bear(const World *w);

/* A part of the first pool, aligned or not. */
static bool add_partition(World *w, Group *group, uint32_t n) {
        size_t from = n % POOL_UNITS, size = 1 + n / POOL_UNITS % (POOL_UNITS - from);
        Partition *p;

        if (group_add_partition(group, &p, NULL, 0, 0, "p0", "fb") < 0)
                return false;
        p->offset = from * UNIT;
        p->size = size * UNIT;
        for (size_t i = from; i < from + size; i++)
                w->partition[0][i] = 0;
        return true;
}

static int no_report(const Source *source, bool warning, const char *text, void *userdata) {
        return 0;
}

/* As the daemon does it. Without limits for a parent the naive side has the same opinion. */
static bool put_in_force(World *w, Rules *rules) {
        int r = policy_check_rules(rules, &w->model->parents, NULL, no_report, NULL);

        if (r == 0)
                model_set_rules(w->model, rules);
        else
                rules_free(rules);
        return r == 0;
}

/* Groups gold and silver with random guarantees, kept only if they have room on the empty host. */
static bool add_rules(World *w, const uint32_t *n) {
        static const char *const globs[] = { "gold-*", "silver-*" };
        static const char *const names[] = { "gold", "silver" };
        Rules *rules;

        if (rules_new(&rules) < 0)
                return false;
        for (size_t g = 0; g < 2; g++) {
                Group *group;

                if (rules_add_group(rules, &group, NULL, 0, 0, names[g]) < 0 ||
                    group_add_owner(group, globs[g]) < 0)
                        return false;
                if (g == 0 && n[1] % 3 == 0 && !add_partition(w, group, n[1] / 3))
                        return false;
                w->limit[g] = w->limit_per_parent[g] = UINT32_MAX;
                if (n[g] % 29 == 1) {
                        w->limit_per_parent[g] = n[g] / 29 % 3 + 1;
                        group->limit_per_parent.devices = w->limit_per_parent[g];
                        w->careful = true;
                }
                if (n[g] % 5 == 0)
                        group->limit.devices = w->limit[g] = n[g] / 5 % 4 + 3;
                for (unsigned k = 0; k < ORDERS; k++) {
                        unsigned wanted = (n[2] >> (8 * g + 2 * k)) % 4;
                        char type[8];
                        Guarantee *guarantee;

                        wanted = wanted == 3 ? 0 : wanted;
                        w->wanted[g][k] = wanted;
                        if (!naive_can_bear(w)) {
                                w->wanted[g][k] = 0;
                                continue;
                        }
                        if (wanted == 0)
                                continue;
                        (void) snprintf(type, sizeof(type), "t%u", k);
                        if (group_add_guarantee(group, &guarantee, NULL, 0, 0) < 0)
                                return false;
                        guarantee->type = strdup(type);
                        guarantee->n_devices = wanted;
                }
        }
        w->limit[2] = w->limit_per_parent[2] = UINT32_MAX;
        if (!put_in_force(w, rules)) {
                /* the naive side knows nothing of limits below guarantees */
                ASSERT_TRUE(w->careful || w->limit[0] < UINT32_MAX || w->limit[1] < UINT32_MAX);
                return false;
        }
        return true;
}

static bool world_init(World *w, const Step *step) {
        const uint32_t *n = step->n;

        *w = (World) { .n_parents = 1 + n[0] % PARENTS_MAX };
        memset(w->partition, -1, sizeof(w->partition));
        if (model_new(&w->model) < 0)
                return false;
        for (size_t i = 0; i < w->n_parents; i++)
                if (!add_parent(w, i, POOL_UNITS >> (n[0] / 2 % 2 && i ? 1 : 0)))
                        return false;
        return add_rules(w, n + 1);
}

/* ---- the naive side ---- */

typedef struct Units Units;

struct Units {
        uint32_t taken[PARENTS_MAX]; /* a bit a unit */
        unsigned devices[PARENTS_MAX][GROUPS];
};

static size_t units_of(const World *w, size_t parent) {
        return list_first(&w->parents[parent]->pools, Pool, node)->size / UNIT;
}

static uint32_t naive_bits(size_t at, size_t size) {
        return ((1U << size) - 1) << at;
}

static void naive_set(Units *u, size_t p, size_t at, size_t size, int group, bool taken) {
        if (taken)
                u->taken[p] |= naive_bits(at, size);
        else
                u->taken[p] &= ~naive_bits(at, size);
        u->devices[p][group] += taken ? 1 : -1U;
}

static int group_of(const Device *d) {
        for (int g = 0; g < GROUPS; g++)
                if (streq(d->owner, owners[g]))
                        return g;
        abort();
}

static void naive_fill(const World *w, Units *u) {
        *u = (Units) {};
        for (size_t i = 0; i < w->n_parents; i++)
                for (size_t j = units_of(w, i); j < POOL_UNITS; j++)
                        u->taken[i] |= 1U << j;
        for (size_t i = 0; i < w->n_devices; i++) {
                const Device *d = w->devices[i];
                size_t p = d->parent == w->parents[0] ? 0 : 1;

                naive_set(u, p, d->extents[0].offset / UNIT, d->extents[0].size / UNIT, group_of(d),
                          true);
        }
}

static bool naive_is_free(const Units *u, size_t p, size_t at, size_t size) {
        return !(u->taken[p] & naive_bits(at, size));
}

/* Whether the range is all in the group's partition, or all in common. */
static bool naive_may_use(const World *w, size_t p, size_t at, size_t size, int group) {
        for (size_t i = at; i < at + size; i++)
                if (w->partition[p][i] != w->partition[p][at])
                        return false;
        return w->partition[p][at] < 0 || w->partition[p][at] == group;
}

typedef struct Owed Owed;

struct Owed {
        unsigned n[GROUPS][ORDERS];
};

/* The largest that is still owed; false: nothing is. */
static bool naive_next(const Owed *left, int *ret_group, int *ret_order) {
        for (int k = ORDERS - 1; k >= 0; k--)
                for (int g = 0; g < GROUPS; g++)
                        if (left->n[g][k] > 0) {
                                *ret_group = g;
                                *ret_order = k;
                                return true;
                        }
        return false;
}

/* Every way to place what is owed: complete, so exponential, so small. */
static bool naive_place_all(const World *w, Units *u, Owed *left) {
        int g, k;

        if (!naive_next(left, &g, &k))
                return true;
        for (size_t p = 0; p < w->n_parents; p++)
                for (size_t at = 0; at < POOL_UNITS; at += 1U << k) {
                        bool ok;

                        if (!naive_is_free(u, p, at, 1U << k) ||
                            !naive_may_use(w, p, at, 1U << k, g) ||
                            u->devices[p][g] >= w->limit_per_parent[g])
                                continue;
                        naive_set(u, p, at, 1U << k, g, true);
                        left->n[g][k]--;
                        ok = naive_place_all(w, u, left);
                        left->n[g][k]++;
                        naive_set(u, p, at, 1U << k, g, false);
                        if (ok)
                                return true;
                }
        return false;
}

static unsigned order_of(const Device *d) {
        return (unsigned) __builtin_ctzll(d->extents[0].size / UNIT);
}

/* What is still owed. @group, @k: a device more of that group, -1: none. */
static void naive_owed(const World *w, int group, unsigned k, Owed *left) {
        unsigned have[GROUPS][ORDERS] = {};

        for (size_t i = 0; i < w->n_devices; i++)
                have[group_of(w->devices[i])][order_of(w->devices[i])]++;
        if (group >= 0)
                have[group][k]++;
        *left = (Owed) {};
        for (size_t g = 0; g < GROUPS; g++)
                for (size_t i = 0; i < ORDERS; i++)
                        if (w->wanted[g][i] > have[g][i])
                                left->n[g][i] = w->wanted[g][i] - have[g][i];
}

static bool naive_can_bear(const World *w) {
        Owed left;
        Units u;

        naive_fill(w, &u);
        naive_owed(w, -1, 0, &left);
        return naive_place_all(w, &u, &left);
}

static unsigned naive_count(const World *w, int group) {
        unsigned n = 0;

        for (size_t i = 0; i < w->n_devices; i++)
                n += group_of(w->devices[i]) == group;
        return n;
}

/* Whether any place at all would do for a device. */
static bool naive_has_place(const World *w, int group, unsigned k, long only_parent) {
        Owed left;
        Units u;

        if (naive_count(w, group) >= w->limit[group])
                return false;
        naive_fill(w, &u);
        naive_owed(w, group, k, &left);
        for (size_t p = 0; p < w->n_parents; p++)
                for (size_t at = 0; at < POOL_UNITS; at += 1U << k) {
                        bool ok;

                        if ((only_parent >= 0 && (size_t) only_parent != p) ||
                            !naive_is_free(&u, p, at, 1U << k) ||
                            !naive_may_use(w, p, at, 1U << k, group) ||
                            u.devices[p][group] >= w->limit_per_parent[group])
                                continue;
                        naive_set(&u, p, at, 1U << k, group, true);
                        ok = naive_place_all(w, &u, &left);
                        naive_set(&u, p, at, 1U << k, group, false);
                        if (ok)
                                return true;
                }
        return false;
}

/* ---- steps ---- */

static bool check_place(const World *w, const Placement *p, int group, unsigned k, char *why) {
        size_t i = p->parent == w->parents[0] ? 0 : 1;
        const Extent *e = &p->extents[0];
        Units u;

        HISTORY_CHECK(p->n_extents == 1, "%zu", p->n_extents);
        HISTORY_CHECK(e->size == UNIT << k, "size");
        HISTORY_CHECK(e->offset % e->size == 0, "misaligned");
        HISTORY_CHECK(extent_end(e) <= units_of(w, i) * UNIT, "outside");
        naive_fill(w, &u);
        HISTORY_CHECK(naive_is_free(&u, i, e->offset / UNIT, 1U << k), "overlap");
        HISTORY_CHECK(naive_may_use(w, i, e->offset / UNIT, 1U << k, group), "partition");
        return true;
}

static bool add_device(World *w, const Placement *p, const Request *q) {
        Device *d;

        if (device_new(&d, p->parent, &q->uuid, p->type->id) < 0 ||
            device_set_owner(d, q->owner) < 0)
                return false;
        device_set_extents(d, p->extents, p->n_extents);
        model_link_device(w->model, d);
        w->devices[w->n_devices++] = d;
        return true;
}

static bool make_request(World *w, const uint32_t *n, Request **ret) {
        char type[8];

        (void) snprintf(type, sizeof(type), "t%u", n[2] % ORDERS);
        if (request_new(ret, type) < 0)
                return false;
        free((*ret)->owner);
        (*ret)->owner = strdup(owners[n[1] % GROUPS]);
        (*ret)->uuid = (Uuid) { .bytes = { (uint8_t) (w->serial >> 8), (uint8_t) w->serial, 1 } };
        w->serial++;
        if (n[3] % 4 == 0)
                (*ret)->parent = strdup(w->parents[n[3] / 4 % w->n_parents]->name);
        return true;
}

static bool step_create(World *w, const uint32_t *n, char *why) {
        _cleanup_(reason_done) Reason reason = {}, again = {};
        _cleanup_(request_freep) Request *q = NULL;
        Placement first = {}, second = {};
        int group = (int) (n[1] % GROUPS), r;
        unsigned k = n[2] % ORDERS;
        bool before = naive_can_bear(w), possible;

        if (w->n_devices == DEVICES_MAX || !make_request(w, n, &q))
                return true;
        possible = naive_has_place(w, group, k,
                                   q->parent ? (long) (n[3] / 4 % w->n_parents) : -1);
        q->plan = true;
        r = policy_place(w->model, NULL, q, &first, &reason);
        q->plan = false;
        HISTORY_CHECK(policy_place(w->model, NULL, q, &second, &again) == r, "other outcome");
        HISTORY_CHECK(r == 0 || r == OUTCOME_NO_ROOM, "%d", r);
        HISTORY_CHECK(r == 0 ? possible : !possible || w->careful,
                      "t%u for %s: %s, naively %s: %s", k, owners[group],
                      r ? "refused" : "placed", possible ? "possible" : "impossible",
                      reason.text ?: "");
        if (r != 0) {
                HISTORY_CHECK(streq(reason.text, again.text), "other sentence");
                return true;
        }
        HISTORY_CHECK(first.parent == second.parent &&
                              memcmp(first.extents, second.extents, sizeof(Extent)) == 0,
                      "plan and create differ");
        if (!check_place(w, &first, group, k, why) || !add_device(w, &first, q))
                return false;
        HISTORY_CHECK(!before || naive_can_bear(w), "a guarantee lost its room");
        return true;
}

/* What policy remembers, against what it would see for the first time. */
static bool check_views(World *w, char *why) {
        for (size_t i = 0; i < w->n_parents; i++) {
                PoolUsage old, new;
                Pool *pool = list_first(&w->parents[i]->pools, Pool, node);
                Units u;
                uint64_t free = 0;

                if (policy_pool_usage(w->model, NULL, w->parents[i], pool, &old) < 0)
                        return true;
                parent_changed(w->parents[i]);
                if (policy_pool_usage(w->model, NULL, w->parents[i], pool, &new) < 0)
                        return true;
                HISTORY_CHECK(memcmp(&old, &new, sizeof(old)) == 0, "the view of p%zu is old", i);
                naive_fill(w, &u);
                for (size_t j = 0; j < POOL_UNITS; j++)
                        free += !(u.taken[i] >> j & 1);
                HISTORY_CHECK(new.free == free * UNIT, "%llu", new.free / UNIT);
        }
        return true;
}

static bool run(const Step *steps, size_t n, char *why) {
        _cleanup_(world_done) World w = {};

        if (n == 0 || !world_init(&w, &steps[0]))
                return true; /* no world */
        for (size_t i = 1; i < n; i++) {
                const uint32_t *s = steps[i].n;

                if (s[0] % 3 < 2) {
                        if (!step_create(&w, s, why))
                                return false;
                } else if (w.n_devices > 0) {
                        size_t k = s[1] % w.n_devices;

                        device_free(w.devices[k]);
                        w.devices[k] = w.devices[--w.n_devices];
                }
                if (s[3] % 8 == 0 && !check_views(&w, why))
                        return false;
        }
        return true;
}

TEST(random_histories) {
        /* a million steps and more; a sanitizer looks at memory, and has seen all there is soon */
        check_histories(run, TEST_SANITIZED ? 5000 : 26000, 40);
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-policy.c: how long a decision takes on a large host: a plan over 1,000 parents with 64
 * devices each, with and without rules, granted and refused; the first plan after a restart; and
 * what to move among 1,000 extents. Medians of many, in
 * microseconds of processor time.
 */
#include <inttypes.h>
#include <time.h>

#include "policy/policy.h"

#define PARENTS 1000
#define DEVICES 64
#define ROUNDS 51
#define MIB (UINT64_C(1) << 20)

static void check(int r, int expected, const char *what) {
        if (r == expected)
                return;
        fprintf(stderr, "bench-policy: %s: %d, not %d\n", what, r, expected);
        exit(EXIT_FAILURE);
}

static double microseconds(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static void add_type(Parent *p, const char *id, uint64_t size) {
        Type *t;

        check(type_new(&t, id), 0, "type");
        t->ours = t->movable = true;
        t->bars[0].size = size;
        t->bars[0].pool = strdup("fb");
        check(t->bars[0].pool ? 0 : -ENOMEM, 0, "pool's name");
        parent_link_type(p, t);
}

static Parent *add_parent(Model *m, unsigned n, uint64_t size) {
        char name[32];
        Parent *p;
        Pool *pool;

        (void) snprintf(name, sizeof(name), "%04x:%02x:00.0", n >> 8, n & 255);
        check(parent_new(&p, name), 0, "parent");
        check(pool_new(&pool, "fb"), 0, "pool");
        pool->size = size;
        p->state = PARENT_REGISTERED;
        p->ours = true;
        parent_link_pool(p, pool);
        add_type(p, "mdevd-fb-1M", MIB);
        add_type(p, "mdevd-fb-8M", 8 * MIB);
        add_type(p, "mdevd-fb-64M", 64 * MIB);
        model_link_parent(m, p);
        return p;
}

static void add_device(Model *m, Parent *p, uint64_t offset, uint64_t size, unsigned n) {
        const Extent e = { .offset = offset, .size = size };
        char owner[32];
        Device *d;
        Uuid uuid;

        check(uuid_random(&uuid), 0, "uuid");
        check(device_new(&d, p, &uuid, "mdevd-fb-1M"), 0, "device");
        (void) snprintf(owner, sizeof(owner), "vm%u", n);
        check(device_set_owner(d, owner), 0, "owner");
        device_set_extents(d, &e, 1);
        model_link_device(m, d);
}

static int compare(const void *a, const void *b) {
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static double median(double *t, size_t n) {
        qsort(t, n, sizeof(*t), compare);
        return t[n / 2];
}

static void plans(const Model *m, const char *what, const char *type, int expected) {
        _cleanup_(request_freep) Request *q = NULL;
        double t[ROUNDS], first;

        check(request_new(&q, type), 0, "request");
        free(q->owner);
        q->owner = strdup("vm7");
        for (size_t i = 0; i < ROUNDS; i++) {
                _cleanup_(reason_done) Reason reason = {};
                Placement placement;

                t[i] = microseconds();
                check(policy_place(m, NULL, q, &placement, &reason), expected, what);
                t[i] = microseconds() - t[i];
        }
        first = t[0];
        printf("%-52s first %9.0f us   then %9.0f us\n", what, first, median(t, ROUNDS));
}

static void add_rules(Model *m) {
        PlacementRule *placement;
        Guarantee *guarantee;
        Rules *rules;
        Group *group;

        check(rules_new(&rules), 0, "rules");
        check(rules_add_group(rules, &group, NULL, 0, 0, "vms"), 0, "group");
        check(group_add_owner(group, "vm*"), 0, "owner");
        group->limit.bytes = UINT64_C(1) << 50;
        group->limit_per_parent.devices = 1000;
        check(rules_add_group(rules, &group, NULL, 0, 0, "gold"), 0, "group");
        check(group_add_owner(group, "gold*"), 0, "owner");
        check(group_add_guarantee(group, &guarantee, NULL, 0, 0), 0, "guarantee");
        guarantee->type = strdup("fb-8M");
        guarantee->n_devices = 16;
        check(rules_add_placement(rules, &placement, NULL, 0, 0), 0, "placement");
        placement->order = ORDER_SPREAD;
        placement->affinity = AFFINITY_APART;
        model_set_rules(m, rules);
}

static void large_host(void) {
        _cleanup_(model_freep) Model *m = NULL;
        unsigned n = 0;

        check(model_new(&m), 0, "model");
        for (unsigned i = 0; i < PARENTS; i++) {
                Parent *p = add_parent(m, i, 128 * MIB);

                for (unsigned j = 0; j < DEVICES; j++)
                        add_device(m, p, (2 * j + (j & 1)) * MIB, MIB, n++);
        }
        printf("%u parents, %u devices each\n", PARENTS, DEVICES);
        plans(m, "plan, pack", "fb-1M", 0);
        plans(m, "plan, refused on every parent with a sentence each", "fb-64M", OUTCOME_NO_ROOM);
        add_rules(m);
        plans(m, "plan, limits, a guarantee, spread, apart", "fb-1M", 0);
}

/* Every other MiB of 2 GiB is taken, so that there is no room for 64 MiB anywhere. */
static void defragment(unsigned n) {
        _cleanup_(request_freep) Request *q = NULL;
        _cleanup_(model_freep) Model *m = NULL;
        double t[ROUNDS];
        Moves moves = {};
        Parent *p;

        check(model_new(&m), 0, "model");
        p = add_parent(m, 0, 2 * n * MIB);
        for (unsigned i = 0; i < n; i++)
                add_device(m, p, 2 * i * MIB, MIB, i);
        check(request_new(&q, "fb-64M"), 0, "request");
        for (size_t i = 0; i < ROUNDS; i++) {
                _cleanup_(reason_done) Reason reason = {};

                moves_done(&moves);
                t[i] = microseconds();
                check(policy_plan_moves(m, NULL, q, MOVES_FEWEST, &moves, &reason), 0, "moves");
                t[i] = microseconds() - t[i];
        }
        printf("moves for 64 MiB among %6u extents: %3zu moves, %3" PRIu64 " MiB  %9.0f us\n", n,
               moves.n, moves.bytes / MIB, median(t, ROUNDS));
        moves_done(&moves);
        for (size_t i = 0; i < 5; i++) {
                t[i] = microseconds();
                check(policy_plan_defragment(m, NULL, p, parent_find_pool(p, "fb"), UINT64_MAX,
                                             &moves),
                      0, "defragment");
                t[i] = microseconds() - t[i];
                if (i < 4)
                        moves_done(&moves);
        }
        printf("largest block among        %6u extents: %3zu moves, %3" PRIu64 " MiB  %9.0f us\n",
               n, moves.n, moves.bytes / MIB, median(t, 5));
        moves_done(&moves);
}

int main(void) {
        large_host();
        defragment(1024);
        return EXIT_SUCCESS;
}

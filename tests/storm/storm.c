/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * storm.c: random operations of all kinds on the installed mdevd.service by callers, sysfs writers
 * and holders at once, while the daemon is killed. tests/vm/cases/daemon-storm runs it in the test
 * VM and compares model, kernel and files afterwards; this program answers for what each of them
 * met: that every call was answered with a result or a sentence, and that no holder found anything
 * but zeros in a device that it opened and what it wrote in one that it had.
 *
 *   storm OPERATIONS KILLS SEED [UUID…]
 *
 * Each UUID is of a device that somebody else has open all the time: see storm.h, tenants.
 */
#include "storm.h"

#include <stdarg.h>

#include "util/parse.h"

uint64_t storm_random(Actor *a) {
        a->seed ^= a->seed << 13;
        a->seed ^= a->seed >> 7;
        a->seed ^= a->seed << 17;
        return a->seed >> 11;
}

static void tell(Storm *s) {
        (void) pthread_mutex_lock(&s->lock);
        (void) pthread_cond_broadcast(&s->progress);
        (void) pthread_mutex_unlock(&s->lock);
}

bool storm_next(Storm *s) {
        bool more = atomic_fetch_add(&s->begun, 1) < s->total;

        tell(s);
        return more;
}

void storm_await(Storm *s, unsigned n) {
        (void) pthread_mutex_lock(&s->lock);
        while (s->begun < MIN(n, s->total) && !s->over)
                (void) pthread_cond_wait(&s->progress, &s->lock);
        (void) pthread_mutex_unlock(&s->lock);
}

void storm_next_epoch(Storm *s) {
        s->epoch++;
        tell(s);
}

void storm_await_daemon(Storm *s) {
        (void) pthread_mutex_lock(&s->lock);
        while (s->epoch % 2)
                (void) pthread_cond_wait(&s->progress, &s->lock);
        (void) pthread_mutex_unlock(&s->lock);
}

void storm_wrong(Storm *s, const char *format, ...) {
        va_list ap;

        atomic_fetch_add(&s->wrong, 1);
        flockfile(stdout);
        printf("not ok - ");
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        printf("\n");
        (void) fflush(stdout);
        funlockfile(stdout);
}

void storm_uuid(unsigned i, char ret[static 37]) {
        (void) snprintf(ret, 37, "cccccccc-2222-4333-8444-5555555555%02x", i);
}

void storm_resident(unsigned i, char ret[static 37]) {
        (void) snprintf(ret, 37, "dddddddd-2222-4333-8444-5555555555%02x", i);
}

const Parent *storm_parent(Actor *a) {
        return &a->storm->parents[storm_random(a) % ARRAY_SIZE(a->storm->parents)];
}

const char *storm_type(Actor *a, const Parent *p) {
        unsigned n = 0;

        while (n < ARRAY_SIZE(p->types) && p->types[n])
                n++;
        return p->types[storm_random(a) % n];
}

/* ---- the threads ---- */

static const struct {
        unsigned n;
        void *(*run)(void *actor);
} kinds[] = {
        { STORM_RESIDENTS, resident_run },
        { STORM_CALLERS, caller_run },
        { STORM_WRITERS, writer_run },
        { STORM_HOLDERS, holder_run },
};

#define ACTORS (STORM_RESIDENTS + STORM_CALLERS + STORM_WRITERS + STORM_HOLDERS)

static void begin(Storm *s, Actor actors[static ACTORS], uint64_t seed) {
        size_t at = 0;

        for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
                for (unsigned i = 0; i < kinds[k].n; i++, at++) {
                        actors[at] = (Actor){ .storm = s, .number = i };
                        actors[at].seed = (seed + at) * UINT64_C(0x9e3779b97f4a7c15) | 1;
                        if (pthread_create(&actors[at].thread, NULL, kinds[k].run,
                                           &actors[at]) != 0)
                                exit(EXIT_FAILURE);
                }
}

static void report(const Storm *s) {
        printf("%u operations: callers %u done, %u refused, %u interrupted (%u moves, %u of "
               "tenants, %u holds); writers %u granted, %u denied, %u removed; holders %u opens, "
               "%u checks\n",
               s->total, s->done, s->refused, s->interrupted, s->moved, s->tenants_moved,
               s->suspended, s->granted, s->denied, s->removed, s->held, s->checks);
}

/* What did not happen was not shown to work. */
static void check_enough(Storm *s) {
        const struct {
                const char *what;
                unsigned n, at_least;
        } wanted[] = {
                { "calls done", s->done, s->total / 10 },
                { "calls refused", s->refused, s->total / 20 },
                { "moves", s->moved, 1 },
                { "moves of tenants", s->tenants_moved, s->n_tenants > 0 },
                { "holds", s->suspended, 1 },
                { "writes granted", s->granted, s->total / 200 },
                { "writes denied", s->denied, 1 },
                { "writes to remove", s->removed, s->total / 200 },
                { "opens", s->held, s->total / 200 },
                { "checks", s->checks, s->total / 100 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
                if (wanted[i].n < wanted[i].at_least)
                        storm_wrong(s, "only %u %s", wanted[i].n, wanted[i].what);
}

int main(int argc, char *argv[]) {
        uint64_t total, kills, seed;
        Actor actors[ACTORS];
        Storm s = {
                .parents = {
                        { getenv("MDEVD_PARENT0"),
                          { "mdevd-fb-1M", "mdevd-fb-4M", "mdevd-fb-8M" } },
                        { getenv("MDEVD_PARENT1"), { "mdevd-fb-1M", "mdevd-fb-4M" } },
                        { "mtty", { "mtty-1", "mtty-2" } },
                },
                .lock = PTHREAD_MUTEX_INITIALIZER,
                .progress = PTHREAD_COND_INITIALIZER,
        };

        if (argc < 4 || argc > 4 + STORM_TENANTS_MAX || parse_u64(argv[1], &total) < 0 ||
            total < 100 || total > 1000000 || parse_u64(argv[2], &kills) < 0 || kills > total ||
            parse_u64(argv[3], &seed) < 0 || !s.parents[0].name || !s.parents[1].name) {
                fprintf(stderr, "usage, in the test VM: storm OPERATIONS KILLS SEED [UUID…]\n");
                return EXIT_FAILURE;
        }
        s.total = (unsigned) total;
        s.tenants = argv + 4;
        s.n_tenants = (unsigned) argc - 4;
        begin(&s, actors, seed);
        killer_run(&s, (unsigned) kills);
        /* residents last: all others end by themselves */
        for (size_t i = STORM_RESIDENTS; i < ACTORS; i++)
                (void) pthread_join(actors[i].thread, NULL);
        s.over = true;
        tell(&s);
        for (size_t i = 0; i < STORM_RESIDENTS; i++)
                (void) pthread_join(actors[i].thread, NULL);
        report(&s);
        check_enough(&s);
        return s.wrong > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

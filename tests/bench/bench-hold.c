/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-hold PARENT BAR-MIB: what it costs to take a BAR away that is mapped everywhere, and how
 * long a touch ever waits while an extent moves. Prints tables; what was moved or written is
 * asserted, times never.
 *
 * Run by tests/bench/report, in the test VM. PARENT is a PCI address whose memory BAR 2 has
 * BAR-MIB.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "../kmod/lib.h"
#include "figure.h"

#define PAGE 4096U
#define CHUNK (2 * MIB)
#define ROUNDS 7
#define DEVICE UUID(01)

static int ctl;
static const char *parent;

static double now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *make(struct device *d, const char *type, uint64_t length) {
        char *map;

        MUST(mdev_make(ctl, parent, type, DEVICE, 0, length));
        MUST(device_open(d, DEVICE));
        map = device_map(d, 0, 0, length);
        MUST(map == MAP_FAILED ? -errno : 0);
        return map;
}

static void unmake(struct device *d, char *map, uint64_t length) {
        munmap(map, length);
        device_close(d);
        MUST(mdev_remove(DEVICE));
}

/* ---- revoke ---- */

static void take_away(uint64_t length) {
        struct mdevd_suspend hold = { .size = sizeof(hold), .timeout_ms = MDEVD_HOLD_MS_MAX };
        struct mdevd_resume resume = { .size = sizeof(resume) };
        struct mdevd_device_record before, after;
        double best = 1e9, seconds;
        struct device d;
        char *map, of[32];

        map = make(&d, "whole", length);
        uuid_bytes(DEVICE, hold.uuid);
        uuid_bytes(DEVICE, resume.uuid);
        for (int round = 0; round < ROUNDS; round++) {
                MUST(ctl_device(ctl, DEVICE, &before, NULL, NULL));
                for (uint64_t at = 0; at < length; at += PAGE)
                        *(volatile uint32_t *)(map + at) = (uint32_t)at;
                MUST(ctl_device(ctl, DEVICE, &after, NULL, NULL));
                CHECK_EQ(after.pages - before.pages, length / PAGE, "all pages are mapped anew");
                seconds = now();
                MUST(ctl_call(ctl, MDEVD_SUSPEND, &hold));
                seconds = now() - seconds;
                MUST(ctl_call(ctl, MDEVD_RESUME, &resume));
                best = seconds < best ? seconds : best;
        }
        printf("revoke %4llu MiB: one call, %llu insertions, best of %d %8.0f us, last %8.0f us\n",
               (unsigned long long)(length / MIB),
               (unsigned long long)(after.insertions - before.insertions), ROUNDS, best * 1e6,
               seconds * 1e6);
        snprintf(of, sizeof(of), "%llu MiB", (unsigned long long)(length / MIB));
        figure("revocation", of, best * 1e6, "us", FIGURE_NO_GOAL);
        unmake(&d, map, length);
}

/* ---- move ---- */

/* Touches one page after the other all the time, and notes how long a touch took at most. */
struct toucher {
        pthread_t thread;
        char *map;
        uint64_t length;
        bool stop;
        uint64_t rounds;
        unsigned epoch;             /* 0: before the moves, then one for each */
        double longest[ROUNDS + 1]; /* of each epoch, in seconds; written until the next begins */
        uint64_t wrong;
};

static void *touch_run(void *arg) {
        struct toucher *t = arg;

        for (uint32_t round = 1; !__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE); round++) {
                for (uint64_t at = 0; at < t->length; at += PAGE) {
                        volatile uint32_t *word = (volatile uint32_t *)(t->map + at);
                        unsigned epoch = __atomic_load_n(&t->epoch, __ATOMIC_ACQUIRE);
                        double begin = now();
                        uint32_t got = *word;

                        *word = round;
                        begin = now() - begin;
                        if (begin > t->longest[epoch])
                                t->longest[epoch] = begin;
                        t->wrong += round > 1 && got != round - 1;
                }
                __atomic_store_n(&t->rounds, round, __ATOMIC_RELEASE);
        }
        return NULL;
}

/* A whole round has begun and ended since. */
static void await_round(const struct toucher *t) {
        uint64_t from = __atomic_load_n(&t->rounds, __ATOMIC_ACQUIRE);

        while (__atomic_load_n(&t->rounds, __ATOMIC_ACQUIRE) < from + 2)
                sched_yield();
}

static int by_number(const void *a, const void *b) {
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static double median(double *list) {
        qsort(list, ROUNDS, sizeof(*list), by_number);
        return list[ROUNDS / 2];
}

/* What a touch waited for at most, beside the copy of one chunk: of each move, then the median. */
static void report_move(uint64_t length, struct toucher *t, double *chunks, double total) {
        double idle = t->longest[0] * 1e6, chunk = median(chunks);
        double touch = median(t->longest + 1) * 1e6;
        char of[32];

        printf("move   %4llu MiB: %llu chunks, %8.0f us a move; of %d, in the median: longest "
               "chunk %6.0f us, longest touch %6.0f us (%.0f us without a move)\n",
               (unsigned long long)(length / MIB), (unsigned long long)(length / CHUNK),
               total * 1e6 / ROUNDS, ROUNDS, chunk, touch, idle);
        snprintf(of, sizeof(of), "%llu MiB", (unsigned long long)(length / MIB));
        figure("a move", of, total * 1e6 / ROUNDS, "us", FIGURE_NO_GOAL);
        figure("longest chunk of a move", of, chunk, "us", FIGURE_NO_GOAL);
        figure("longest touch during a move", of, touch, "us", FIGURE_NO_GOAL);
        figure("longest touch without a move", of, idle, "us", FIGURE_NO_GOAL);
}

static void move(uint64_t length, uint64_t to) {
        char type[16];
        struct toucher t = { .length = length };
        double total = 0, chunks[ROUNDS];
        struct device d;

        snprintf(type, sizeof(type), "move-%llu", (unsigned long long)(length / MIB));
        t.map = make(&d, type, length);
        for (uint64_t at = 0; at < length; at += PAGE) /* what follows is no first touch */
                *(volatile uint32_t *)(t.map + at) = 0;
        pthread_create(&t.thread, NULL, touch_run, &t);
        await_round(&t);
        for (int round = 0; round < ROUNDS; round++) {
                struct mdevd_move m = { .size = sizeof(m), .flags = MDEVD_MOVE_RELEASE, .bar = 2,
                                        .offset = round % 2 ? 0 : to };

                uuid_bytes(DEVICE, m.uuid);
                __atomic_store_n(&t.epoch, round + 1, __ATOMIC_RELEASE);
                total -= now();
                MUST(ctl_call(ctl, MDEVD_MOVE, &m));
                total += now();
                CHECK_EQ(m.moved, length, "bytes moved");
                chunks[round] = m.longest_us;
                await_round(&t);
        }
        __atomic_store_n(&t.stop, true, __ATOMIC_RELEASE);
        pthread_join(t.thread, NULL);
        CHECK_EQ(t.wrong, 0, "words lost");
        report_move(length, &t, chunks, total);
        unmake(&d, t.map, length);
}

static void configure(uint64_t bar) {
        struct mdevd_pool pool = { .name = "mem", .bar = 2, .scrub = MDEVD_SCRUB_NONE,
                                   .cache = MDEVD_CACHE_WC, .length = bar };
        static const char *const names[] = { "whole", "move-4", "move-64" };
        const uint64_t lengths[] = { bar, 4 * MIB, 64 * MIB };
        struct mdevd_type list[ELEMENTS(names)] = {};

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                snprintf(list[i].name, sizeof(list[i].name), "%s", names[i]);
                list[i].flags = i > 0 ? MDEVD_TYPE_MOVABLE : 0;
                list[i].bars[0].length = lengths[i];
                list[i].bars[0].flags = MDEVD_BAR_64BIT | MDEVD_BAR_PREFETCH;
        }
        MUST(ctl_configure(ctl, parent, &pool, 1, list, ELEMENTS(names)));
}

int main(int argc, char **argv) {
        uint64_t bar = argc == 3 ? strtoull(argv[2], NULL, 0) * MIB : 0;
        struct mdevd_unconfigure off = { .size = sizeof(off) };

        if (bar < 128 * MIB) {
                fprintf(stderr, "usage: bench-hold PARENT BAR-MIB, at least 128\n");
                return 1;
        }
        parent = argv[1];
        snprintf(off.parent, sizeof(off.parent), "%s", parent);
        MUST(bind_parent(parent));
        ctl = (int)MUST(ctl_open(O_RDWR));
        configure(64 * MIB);
        take_away(64 * MIB);
        MUST(ctl_call(ctl, MDEVD_UNCONFIGURE, &off));
        configure(bar);
        take_away(bar);
        move(4 * MIB, 64 * MIB);
        move(64 * MIB, 64 * MIB);
        MUST(unbind_parent(parent));
        close(ctl);
        return check_done();
}

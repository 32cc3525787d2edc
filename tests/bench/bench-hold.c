/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-hold PARENT BAR-MIB: what it costs to take a BAR away that is mapped everywhere, and how long
 * a touch ever waits while an extent moves. Prints tables; what was moved or written is asserted,
 * times never.
 *
 * Run by tests/bench/kmod, in the test VM. PARENT is a PCI address whose memory BAR 2 has BAR-MIB.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "../kmod/lib.h"

#define PAGE 4096U
#define CHUNK (2 * MIB)
#define ROUNDS 5
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
        char *map;

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
        unmake(&d, map, length);
}

/* ---- move ---- */

/* Touches one page after the other all the time, and notes how long a touch took at most. */
struct toucher {
        pthread_t thread;
        char *map;
        uint64_t length;
        volatile bool stop;
        volatile uint64_t rounds;
        double longest;
        uint64_t wrong;
};

static void *touch_run(void *arg) {
        struct toucher *t = arg;

        for (uint32_t round = 1; !t->stop; round++) {
                for (uint64_t at = 0; at < t->length; at += PAGE) {
                        volatile uint32_t *word = (volatile uint32_t *)(t->map + at);
                        double begin = now();
                        uint32_t got = *word;

                        *word = round;
                        begin = now() - begin;
                        t->longest = begin > t->longest ? begin : t->longest;
                        t->wrong += round > 1 && got != round - 1;
                }
                t->rounds = round;
        }
        return NULL;
}

static void await_round(const struct toucher *t) {
        uint64_t from = t->rounds;

        while (t->rounds <= from)
                sched_yield();
}

static void move(uint64_t length, uint64_t to) {
        char type[16];
        struct toucher t = { .length = length };
        double idle, total = 0;
        uint32_t longest = 0;
        struct device d;

        snprintf(type, sizeof(type), "move-%llu", (unsigned long long)(length / MIB));
        t.map = make(&d, type, length);
        pthread_create(&t.thread, NULL, touch_run, &t);
        await_round(&t);
        await_round(&t);
        t.longest = 0; /* what follows is the machine's own noise */
        await_round(&t);
        idle = t.longest;
        t.longest = 0;
        for (int round = 0; round < ROUNDS; round++) {
                struct mdevd_move m = { .size = sizeof(m), .flags = MDEVD_MOVE_RELEASE, .bar = 2,
                                        .offset = round % 2 ? 0 : to };

                uuid_bytes(DEVICE, m.uuid);
                total -= now();
                MUST(ctl_call(ctl, MDEVD_MOVE, &m));
                total += now();
                CHECK_EQ(m.moved, length, "bytes moved");
                longest = m.longest_us > longest ? m.longest_us : longest;
                await_round(&t);
        }
        t.stop = true;
        pthread_join(t.thread, NULL);
        CHECK_EQ(t.wrong, 0, "words lost");
        printf("move   %4llu MiB: %llu chunks, %8.0f us a move, longest chunk %6u us, longest touch "
               "%6.0f us (%.0f us without a move)\n", (unsigned long long)(length / MIB),
               (unsigned long long)(length / CHUNK), total * 1e6 / ROUNDS, longest,
               t.longest * 1e6, idle * 1e6);
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

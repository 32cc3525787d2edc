/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Four vCPUs of one machine touch every page of a BAR first at the same time, each in an order of
 * its own: every window is filled once, and every increment arrives.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../bench/kvm.h"
#include "lib.h"

#define LENGTH (16 * MIB)
#define PAGES (LENGTH / 4096)
#define ROUNDS 10

struct vcpu {
        pthread_t thread;
        pthread_barrier_t *barrier;
        struct machine m;
        unsigned index;
        int result;
};

/* Up to its part, round the end: the orders differ, the pages are the same. */
static void *vcpu_run(void *arg) {
        struct vcpu *v = arg;
        uint32_t first = v->index * PAGES / 4;

        pthread_barrier_wait(v->barrier);
        v->result = machine_touch(&v->m, first * 4096ULL + 4 * v->index, PAGES - first, 4096);
        if (v->result == 0 && first > 0)
                v->result = machine_touch(&v->m, 4 * v->index, first, 4096);
        return NULL;
}

static void round_of_all(char *map) {
        pthread_barrier_t barrier;
        struct vcpu v[4] = {};

        pthread_barrier_init(&barrier, NULL, 4);
        for (unsigned i = 0; i < 4; i++) {
                v[i].index = i;
                v[i].barrier = &barrier;
                MUST(i == 0 ? machine_init(&v[i].m, map, LENGTH) :
                              machine_join(&v[i].m, &v[0].m, i));
                pthread_create(&v[i].thread, NULL, vcpu_run, &v[i]);
        }
        for (unsigned i = 0; i < 4; i++) {
                pthread_join(v[i].thread, NULL);
                if (v[i].result < 0)
                        CHECK(false, "vCPU %u: %s", i, strerror(-v[i].result));
        }
        for (unsigned i = 0; i < 4; i++)
                machine_done(&v[i].m);
        pthread_barrier_destroy(&barrier);
}

static uint64_t count_wrong(const char *map, uint32_t value) {
        uint64_t wrong = 0;

        for (uint64_t page = 0; page < PAGES; page++)
                for (unsigned i = 0; i < 4; i++)
                        wrong += ((volatile const uint32_t *)(map + page * 4096))[i] != value;
        return wrong;
}

int main(void) {
        const char *parent = parent_name(0);
        struct mdevd_device_record before, after;
        unsigned other = 0;
        struct device d;
        int ctl;

        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(bind_parent(parent));
        MUST(standard_parent(ctl, parent));
        MUST(mdev_make(ctl, parent, "16M", UUID(90), 0, LENGTH));
        MUST(device_open(&d, UUID(90)));
        for (unsigned round = 1; round <= ROUNDS; round++) {
                char *map = device_map(&d, 0, 0, LENGTH);

                MUST(ctl_device(ctl, UUID(90), &before, NULL, NULL));
                round_of_all(map);
                MUST(ctl_device(ctl, UUID(90), &after, NULL, NULL));
                other += after.insertions - before.insertions != 8 ||
                         after.pages - before.pages != PAGES;
                if (count_wrong(map, round) > 0)
                        CHECK(false, "round %u: words that lack an increment", round);
                munmap(map, LENGTH);
        }
        CHECK_EQ(other, 0, "rounds of four vCPUs with another number of insertions than 8");
        device_close(&d);
        MUST(mdev_remove(UUID(90)));
        return check_done();
}

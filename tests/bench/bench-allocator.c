/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-allocator.c: allocate+free pairs a second of processor time at 100 … 100,000 live extents
 * of a pool, as a table. "mixed" replaces random extents of random sizes; "adversary" leaves every
 * other page taken, so that every hole is misaligned for all but one page, and asks for pages.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "policy/allocator.h"

#define PAIRS 1000000

typedef struct Live Live;

struct Live {
        uint64_t offset;
        uint64_t size;
};

static uint64_t random_state = 1;

static uint64_t random_below(uint64_t n) {
        uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return (z ^ (z >> 31)) % n;
}

static double seconds(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void check(int r, const char *what) {
        if (r == 0)
                return;
        fprintf(stderr, "bench-allocator: %s: %d\n", what, r);
        exit(EXIT_FAILURE);
}

/* A pool about twice as large as what will live in it. */
static void fill(Allocator *a, Live *live, size_t n, bool adversary) {
        uint64_t size = ALLOCATOR_PAGE;
        uint64_t want = adversary ? 2 * n : 12 * n;

        while (size < want * ALLOCATOR_PAGE)
                size *= 2;
        check(allocator_init(a, 0, size, 0, 0), "init");
        for (size_t i = 0; i < n; i++) {
                live[i].size = ALLOCATOR_PAGE << (adversary ? 0 : random_below(4));
                if (adversary) {
                        live[i].offset = 2 * i * ALLOCATOR_PAGE;
                        check(allocator_take(a, live[i].offset, live[i].size), "take");
                } else {
                        check(allocator_alloc(a, live[i].size, &live[i].offset), "alloc");
                }
        }
}

static double pairs(size_t n, bool adversary) {
        _cleanup_(allocator_done) Allocator a = {};
        _cleanup_(freep) Live *live = calloc(n, sizeof(*live));
        double start;

        check(live ? 0 : -ENOMEM, "memory");
        fill(&a, live, n, adversary);
        start = seconds();
        for (size_t i = 0; i < PAIRS; i++) {
                Live *l = &live[random_below(n)];

                check(allocator_release(&a, l->offset, l->size), "release");
                check(allocator_alloc(&a, l->size, &l->offset), "alloc");
        }
        return PAIRS / (seconds() - start);
}

int main(void) {
        static const size_t sizes[] = { 100, 1000, 10000, 100000 };

        printf("%10s %16s %16s\n", "live", "mixed pairs/s", "adversary");
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
                printf("%10zu %16.0f %16.0f\n", sizes[i], pairs(sizes[i], false),
                       pairs(sizes[i], true));
        return EXIT_SUCCESS;
}

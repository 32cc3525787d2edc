/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * history.h: property tests. A history is a list of steps of four random numbers; what a number
 * means is the test's affair. A history that fails is shrunk, by leaving out what is not needed and
 * making numbers smaller, and printed with its seed.
 */
#pragma once

#include "test.h"

typedef struct Step Step;

struct Step {
        uint32_t n[4];
};

/* True if all held; else @why (256 bytes) says what did not. Must not depend on anything else. */
typedef bool (*HistoryRun)(const Step *steps, size_t n, char *why);

static inline uint64_t random_next(uint64_t *state) {
        uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

static inline size_t history_remove(Step *steps, size_t n, size_t at, size_t count) {
        memmove(steps + at, steps + at + count, (n - at - count) * sizeof(*steps));
        return n - count;
}

/* Leaves out ever smaller pieces as long as it goes on failing. */
static inline size_t history_shrink(HistoryRun run, Step *steps, size_t n, char *why) {
        Step *copy = malloc(n * sizeof(*steps));

        ASSERT_NOT_NULL(copy);
        for (size_t piece = n / 2 ?: 1; piece > 0; piece /= 2)
                for (size_t at = 0; at + piece <= n;) {
                        size_t less;

                        memcpy(copy, steps, n * sizeof(*steps));
                        less = history_remove(copy, n, at, piece);
                        if (run(copy, less, why)) {
                                at += piece;
                                continue;
                        }
                        memcpy(steps, copy, less * sizeof(*steps));
                        n = less;
                }
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < 4; j++)
                        for (uint32_t small = 0; small < 64 && small < steps[i].n[j]; small++) {
                                uint32_t saved = steps[i].n[j];

                                steps[i].n[j] = small;
                                if (!run(steps, n, why))
                                        break;
                                steps[i].n[j] = saved;
                        }
        free(copy);
        (void) run(steps, n, why);
        return n;
}

static inline void history_fail(HistoryRun run, uint64_t seed, Step *steps, size_t n, char *why) {
        n = history_shrink(run, steps, n, why);
        for (size_t i = 0; i < n; i++)
                printf("# step %zu: %u %u %u %u\n", i, steps[i].n[0], steps[i].n[1],
                       steps[i].n[2], steps[i].n[3]);
        test_fail(__FILE__, __LINE__, "seed %" PRIu64 ", shrunk to %zu steps: %s", seed, n, why);
}

/*
 * Runs @rounds histories of @length steps. The seed is $MDEVD_SEED, else a fixed one: a test that
 * fails by chance is of no use to whoever did not change anything; --long runs choose others.
 */
static inline void check_histories(HistoryRun run, size_t rounds, size_t length) {
        const char *text = getenv("MDEVD_SEED");
        uint64_t first = text ? strtoull(text, NULL, 0) : 1;
        Step *steps = calloc(length, sizeof(*steps));
        char why[256] = "";

        ASSERT_NOT_NULL(steps);
        for (uint64_t seed = first; seed < first + rounds; seed++) {
                uint64_t state = seed;

                for (size_t i = 0; i < length; i++)
                        for (size_t j = 0; j < 4; j++)
                                steps[i].n[j] = (uint32_t) random_next(&state);
                if (!run(steps, length, why))
                        history_fail(run, seed, steps, length, why);
        }
        printf("# %zu steps from seed %" PRIu64 "\n", rounds * length, first);
        free(steps);
}

#define HISTORY_CHECK(cond, ...)                                                                   \
        do {                                                                                       \
                if (!(cond)) {                                                                     \
                        (void) snprintf(why, 256, "%s: ", #cond);                                  \
                        (void) snprintf(why + strlen(why), 256 - strlen(why), __VA_ARGS__);        \
                        return false;                                                              \
                }                                                                                  \
        } while (0)

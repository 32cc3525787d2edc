/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kmod-pure.h: what a host program needs to take in the computing parts of the module: a count of
 * the comparisons of a lookup (this header is forced into the build of kmod/mdevd_*.c, see
 * meson.build) and numbers that only look random, the same in every run.
 */
#pragma once

#include <stdint.h>

extern unsigned long kmod_compared;

#define MDEVD_COMPARED() ((void) kmod_compared++)

static inline uint64_t kmod_random(uint64_t *state) {
        uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

static inline uint64_t kmod_below(uint64_t *state, uint64_t n) {
        return kmod_random(state) % n;
}

/* At most 2 * log2(n), the bound that a lookup promises; n is a power of two. */
static inline unsigned long kmod_compare_limit(uint64_t n) {
        return 2UL * (unsigned long) (63 - __builtin_clzll(n));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* closest.c owns the distance between what was written and what there is. */
#include "util/closest.h"

#include <limits.h>

#include "util/macro.h"

#define TYPO_EDITS_MAX 2U

/* Single-character edits, neighbours swapped counting as one. UINT_MAX: more than @limit. */
static unsigned distance(const char *a, const char *b, unsigned limit) {
        unsigned rows[3][CLOSEST_NAME_MAX + 1];
        size_t n = strlen(a), m = strlen(b);

        if (n > CLOSEST_NAME_MAX || m > CLOSEST_NAME_MAX || MAX(n, m) - MIN(n, m) > limit)
                return UINT_MAX;
        for (size_t j = 0; j <= m; j++)
                rows[0][j] = (unsigned) j;
        for (size_t i = 1; i <= n; i++) {
                unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *twice = rows[(i + 1) % 3];

                row[0] = (unsigned) i;
                for (size_t j = 1; j <= m; j++) {
                        row[j] = MIN(above[j], row[j - 1]) + 1;
                        row[j] = MIN(row[j], above[j - 1] + (a[i - 1] != b[j - 1]));
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                row[j] = MIN(row[j], twice[j - 2] + 1);
                }
        }
        return rows[n % 3][m] <= limit ? rows[n % 3][m] : UINT_MAX;
}

Closest closest_begin(const char *wanted, unsigned limit) {
        return (Closest) { .wanted = wanted, .limit = limit, .distance = UINT_MAX };
}

Closest closest_begin_typo(const char *wanted) {
        size_t half = strlen(wanted) / 2;

        return closest_begin(wanted, half < TYPO_EDITS_MAX ? (unsigned) half : TYPO_EDITS_MAX);
}

bool closest_offer(Closest *c, const char *name) {
        unsigned d = distance(c->wanted, name, c->limit);

        if (d >= c->distance)
                return false;
        c->distance = d;
        c->name = name;
        return true;
}

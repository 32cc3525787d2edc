/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-lookup: how many comparisons the module's two lookups take, counted in the module's own
 * code: which extent of a parent a range meets (mdevd_spans.c), and what lies behind an offset of a
 * BAR (mdevd_resolve.c). At every extent and in every gap; tests/unit asserts the bounds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "figure.h"
#include "kmod-pure.h"
#include "mdevd_pure.h"

#define PAGE UINT64_C(4096)

unsigned long kmod_compared;

struct count {
        unsigned long worst;
        unsigned long sum;
};

static void note(struct count *c) {
        c->worst = kmod_compared > c->worst ? kmod_compared : c->worst;
        c->sum += kmod_compared;
}

/* N extents of a page, a page apart: 2 n lookups, half of which meet nothing. */
static struct count spans(size_t n) {
        struct mdevd_span *items = calloc(n, sizeof(*items));
        struct mdevd_spans set = { .items = items, .n = n, .room = n };
        struct count c = {};

        if (!items)
                exit(1);
        for (size_t i = 0; i < n; i++)
                items[i] = (struct mdevd_span){ .start = 2 * i * PAGE, .end = (2 * i + 1) * PAGE };
        for (size_t i = 0; i < 2 * n; i++) {
                kmod_compared = 0;
                mdevd_spans_overlap(&set, i * PAGE, (i + 1) * PAGE);
                note(&c);
        }
        free(items);
        return c;
}

static struct count resolve(size_t n) {
        struct mdevd_piece *pieces = calloc(n, sizeof(*pieces));
        struct mdevd_target target;
        struct count c = {};

        if (!pieces)
                exit(1);
        for (size_t i = 0; i < n; i++) {
                pieces[i].guest = 2 * i * PAGE;
                pieces[i].length = PAGE;
        }
        for (size_t i = 0; i < 2 * n; i++) {
                kmod_compared = 0;
                mdevd_resolve(pieces, n, i * PAGE, &target);
                note(&c);
        }
        free(pieces);
        return c;
}

static void report(const char *what, size_t n, struct count c) {
        double limit = (double) kmod_compare_limit(n);
        char name[64], of[32];

        printf("%-10s %6zu extents: at most %2lu comparisons, %5.2f in the mean "
               "(2 log2 n: %2.0f)\n",
               what, n, c.worst, (double) c.sum / (2.0 * (double) n), limit);
        snprintf(name, sizeof(name), "comparisons of %s", what);
        snprintf(of, sizeof(of), "%zu extents", n);
        figure(name, of, (double) c.worst, "", limit);
}

int main(void) {
        static const size_t sizes[] = { 64, 4096, 65536 };

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                report("a lookup", sizes[i], spans(sizes[i]));
                report("a resolve", sizes[i], resolve(sizes[i]));
        }
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See figure.h. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include "figure.h"

void figure(const char *name, const char *of, double value, const char *unit, double goal) {
        struct utsname u = {};

        uname(&u);
        printf("{\"figure\": \"%s\", \"of\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", ", name, of,
               value, unit);
        if (!isnan(goal))
                printf("\"at_most\": %.6g, ", goal);
        printf("\"kernel\": \"%s\"}\n", u.release);
        fflush(stdout);
}

double figure_now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

double figure_median(double *values, size_t n) {
        qsort(values, n, sizeof(*values), compare);
        return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

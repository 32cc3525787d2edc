/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See figure.h. */
#include <stdio.h>
#include <sys/utsname.h>
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

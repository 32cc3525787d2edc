/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* join.c: counts, then copies. */
#include "util/join.h"

#include <stdarg.h>

#include "util/macro.h"

char *join_strings(const char *first, ...) {
        size_t size = 1;
        char *s, *p;
        va_list ap;

        va_start(ap, first);
        for (const char *part = first; part; part = va_arg(ap, const char *))
                size += strlen(part);
        va_end(ap);
        s = p = malloc(size);
        if (!s)
                return NULL;
        va_start(ap, first);
        for (const char *part = first; part; part = va_arg(ap, const char *))
                p = stpcpy(p, part);
        va_end(ap);
        *p = '\0';
        return s;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* closest.h: which of the names that there are somebody may have meant by one that is not there. */
#pragma once

#include <stdbool.h>

#define CLOSEST_NAME_MAX 63 /* bytes; longer names are never close */

typedef struct Closest Closest;

struct Closest {
        const char *wanted;
        unsigned limit;    /* edits that a name may be away */
        unsigned distance; /* of the name that was found */
        const char *name;  /* borrowed; NULL: none was close enough */
};

/* Nothing found yet; UINT_MAX: the closest of all, however far. */
Closest closest_begin(const char *wanted, unsigned limit);
/* So few edits that a slip explains them: 2, and of a short name not more than half of it. */
Closest closest_begin_typo(const char *wanted);
/* True: @name is the closest so far. Of those as close as each other the first one stays. */
bool closest_offer(Closest *c, const char *name);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* join.h: strings in a row: a format that says no more than that takes much longer. */
#pragma once

/* A new string; NULL: there is no memory. */
#define JOIN(...) join_strings(__VA_ARGS__, (const char *) 0)
char *join_strings(const char *first, ...) __attribute__((sentinel, malloc));

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * alloc.h: makes the n-th allocation fail. The linker sends every malloc() and its kin through
 * alloc.c (see meson.build). Every way out of memory is then walked once:
 *
 *     FOR_EACH_ALLOCATION_FAILURE(r, thing_new(&t)) { … what must hold after r == -ENOMEM … }
 *     ASSERT_OK(r);   and t is there
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Lets @n allocations succeed, then fails one, then none. */
void alloc_fail_after(size_t n);
/* Ends it; true when one was failed. */
bool alloc_fail_end(void);
/* Blocks allocated less blocks freed, since the program began. */
long alloc_balance(void);

/*
 * Runs @expr again and again, failing its first allocation, then its second and so on, until it
 * gets by without. The body runs after each failure; nothing may be left allocated by then.
 */
#define FOR_EACH_ALLOCATION_FAILURE(r, expr)                                                       \
        for (size_t _n = 0; alloc_fail_after(_n), r = (expr), alloc_fail_end(); _n++)

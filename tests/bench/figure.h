/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * figure.h: how a program that measures hands over what it found. Each figure is one line of JSON
 * on standard output, beside whatever the program prints for people; tests/bench/report collects
 * them.
 */
#pragma once

#include <math.h>
#include <stddef.h>

#define FIGURE_NO_GOAL NAN

/*
 * NAME is what was measured, OF of what, UNIT in which the VALUE is ("" for a count). At most GOAL
 * is wanted, unless it is FIGURE_NO_GOAL. None of the strings has anything in it that JSON would
 * escape.
 */
void figure(const char *name, const char *of, double value, const char *unit, double goal);

/* CLOCK_MONOTONIC, in microseconds. */
double figure_now_usec(void);
/* Of @n values, one at least, which are sorted by that. */
double figure_median(double *values, size_t n);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * trace.h: a stream of devices that come and go. As a file it is CSV with a first line of names and
 * then a device a line, in order of arrival:
 *
 *     arrival,lifetime,size,owner
 *     0.25,310.5,16M,vm17
 *
 * arrival and lifetime are seconds with a decimal point, size is a power of two as mdevd.json has
 * it, and owner is free text without commas that may be left out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/macro.h"

typedef struct Arrival Arrival;
typedef struct Trace Trace;

struct Arrival {
        double at, lifetime;
        uint64_t size;
        char owner[32];
};

struct Trace {
        Arrival *arrivals;
        size_t n;
};

void trace_done(Trace *t);
/* -EINVAL: *@ret_line is the line that is wrong. */
int trace_read(Trace *t, FILE *f, unsigned *ret_line);
int trace_write(const Trace *t, FILE *f);
/*
 * Poisson arrivals of mixed sizes from 1 MiB up to @largest, each half as frequent in number, as
 * large in bytes; lifetimes from a Pareto distribution (shape 1.5, cut at 50 times the mean). The
 * bytes offered, over the length of the trace, are @load times @capacity.
 */
int trace_generate(Trace *t, size_t n, double load, uint64_t capacity, uint64_t largest,
                   uint64_t seed);

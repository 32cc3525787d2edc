/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tracer-mark.h: how a fake kernel tells a tracer what it imitates: all calls between the two marks
 * are one, which a process cannot be killed in the midst of. Without a tracer the kernel answers
 * -EINVAL, which means: go on.
 */
#pragma once

#include <errno.h>
#include <sys/prctl.h>

#define TRACER_MARK 0x6d646576
#define TRACER_MARK_BEGIN 1
#define TRACER_MARK_QUIET 2 /* a call that changes nothing: it only is one */
#define TRACER_MARK_END 0

/* @what: "create sys/…". 0, or the negative errno that the imitated call is to fail with. */
static inline int tracer_mark_begin(const char *what) {
        if (prctl(TRACER_MARK, TRACER_MARK_BEGIN, what, 0, 0) >= 0 || errno == EINVAL)
                return 0;
        return -errno;
}

static inline void tracer_mark_quiet(void) {
        (void) prctl(TRACER_MARK, TRACER_MARK_QUIET, 0, 0, 0);
}

static inline void tracer_mark_end(void) {
        (void) prctl(TRACER_MARK, TRACER_MARK_END, 0, 0, 0);
}

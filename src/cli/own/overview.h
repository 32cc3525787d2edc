/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overview.h: parents, pools, devices and what is wrong, as much of it as fits. */
#pragma once

#include "cli/own/health.h"

/*
 * @parent: NULL, or the only one that is shown. @lines: so many at most, by leaving out what is
 * least needed, and saying so; 0: all, however many. A screen of a few lines is exceeded. -errno.
 */
int overview_print(const Screen *s, const State *state, const Health *h, const char *parent,
                   size_t lines);

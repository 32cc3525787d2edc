/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/definition.h"

/* Longer texts go the long way; hardly a definition is. */
#define STORE_PLAIN_MAX 1000

/*
 * Reads @text into a @d that was read into by nobody, if it is of the usual form: 1, with type,
 * autostart and attributes as store_parse() would have them. 0: it is not, or not valid, and @d is
 * untouched. -ENOMEM.
 */
int store_parse_plain(Definition *d, const char *text, size_t size);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store-rest.h: the members of a definition's file that are other tools'. Private to config/. */
#pragma once

#include <stdio.h>

/*
 * Writes them, each with a comma before it, as members after mdevctl's three. @text is that of the
 * file; one that is no object has none. 0 or -ENOMEM; what is wrong with @f shows when it is
 * closed.
 */
int store_rest_write(FILE *f, const char *text, size_t size);

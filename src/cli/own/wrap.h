/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wrap.h: text that may be longer than a line of the screen, and goes on in the next ones. */
#pragma once

#include "cli/own/screen.h"

/*
 * Prints @text and ends the line.
 * @used: columns that are taken of the first line; @indent: blanks before the others.
 */
void wrap_line(const Screen *s, unsigned used, unsigned indent, const char *text);
/* The same, and the line is left open; the columns that are taken of it. */
unsigned wrap_begin(const Screen *s, unsigned used, unsigned indent, const char *text);

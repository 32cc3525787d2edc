/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card.h: all that is known of one device; and text that is longer than a line. */
#pragma once

#include "cli/own/state.h"

int card_print(const Screen *s, const State *state, const Found *f);
void card_print_json(const Screen *s, const State *state, const Found *f);
/*
 * Prints @text and ends the line; where it is too long for the screen it goes on in the next one.
 * @used: columns that are taken of the first line; @indent: blanks before the others.
 */
void card_wrap(const Screen *s, unsigned used, unsigned indent, const char *text);
/* The same, and the line is left open; the columns that are taken of it. */
unsigned card_begin(const Screen *s, unsigned used, unsigned indent, const char *text);

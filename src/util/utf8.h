/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* utf8.h: UTF-8 by RFC 3629, as D-Bus and JSON have it: the shortest form, and no surrogates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Bytes of the character that @s begins with; 0: none does, or it is U+0000. Reads @size bytes at
 * most, and nothing behind a NUL: SIZE_MAX will do for a string. @ret may be NULL, and is untouched
 * on failure.
 */
size_t utf8_decode(const char *s, size_t size, uint32_t *ret);
bool utf8_is_valid(const char *s);
/* How many of its first @max bytes to keep of @s to cut it before a character and not in one. */
size_t utf8_cut(const char *s, size_t max);
/*
 * Neither a control character nor one of the 66 that Unicode keeps from interchange: U+FDD0 to
 * U+FDEF, and the last two of each plane (the Unicode Standard, 23.7).
 */
bool utf8_is_plain(uint32_t c);
/*
 * Valid and without those 66, control characters or not: what sd-bus sends and takes. To it all
 * other text is EINVAL, although neither RFC 3629 nor D-Bus (specification 0.21) has such a rule.
 */
bool utf8_is_sendable(const char *s);
/*
 * For names that strangers chose and sentences repeat: in place, "?" for each byte of what is no
 * character (a name that was cut, too) and of those that are not plain. The length stays.
 */
void utf8_make_plain(char *s);
/*
 * For sentences that repeat what somebody chose, to a terminal: "\x1b" for each byte of what is no
 * character, and of those that are not plain. Newlines stay: sentences have some of their own.
 */
void utf8_write_escaped(FILE *f, const char *s);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* utf8.h: UTF-8 by RFC 3629, as D-Bus and JSON have it: the shortest form, and no surrogates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bytes of the character that @s begins with; 0: none does, or it is U+0000. Reads @size bytes at
 * most, and nothing behind a NUL: SIZE_MAX will do for a string. @ret may be NULL, and is untouched
 * on failure.
 */
size_t utf8_decode(const char *s, size_t size, uint32_t *ret);
bool utf8_is_valid(const char *s);
/*
 * For names that strangers chose and sentences repeat: in place, "?" for each byte of what is no
 * character (a name that was cut, too) and of control characters. The length stays.
 */
void utf8_make_plain(char *s);

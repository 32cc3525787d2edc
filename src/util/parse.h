/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* parse.h: text to numbers, strictly: no sign, no blanks, no trailing text, no overflow. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decimal or 0x-hex. -EINVAL for anything else, -ERANGE for more than 64 bits. @ret untouched on
 * failure.
 */
int parse_u64(const char *s, uint64_t *ret);
/*
 * As parse_u64(), with at most one suffix K, M, G, T (powers of 1024), each optionally followed by
 * "iB" or "B".
 */
int parse_size(const char *s, uint64_t *ret);

/*
 * "16 MiB", "4 KiB", "12.5 MiB", "0": for people. Writes SIZE_STRING_MAX bytes at most and returns
 * @buf.
 */
#define SIZE_STRING_MAX 32
char *size_format(uint64_t bytes, char buf[static SIZE_STRING_MAX]);
#define SIZE_STR(b) size_format((b), (char[SIZE_STRING_MAX]){})

/*
 * A PCI-like or other bus address as a sysfs name: 1..63 of [A-Za-z0-9:._-], no "." first; not
 * "scripts.d".
 */
bool name_is_valid_parent(const char *s);
/* A pool or type id: 1..31 of [A-Za-z0-9_.+-], not "." or "..". */
bool name_is_valid_id(const char *s);
/* An owner: 0..63 bytes of UTF-8 without control characters. */
bool name_is_valid_owner(const char *s);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uuid.h: UUIDs by value, bytes in RFC 4122 order; text is always lower case, 36 characters. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define UUID_STRING_MAX 37

typedef struct Uuid Uuid;

struct Uuid {
        uint8_t bytes[16];
};

/* Accepts exactly 8-4-4-4-12 hex digits of either case. -EINVAL otherwise; @ret untouched. */
int uuid_parse(const char *s, Uuid *ret);
/* Writes UUID_STRING_MAX bytes and returns @buf. */
char *uuid_format(const Uuid *u, char buf[static UUID_STRING_MAX]);
/* Version 4, from getrandom(). */
int uuid_random(Uuid *ret);
/* Version 5: always the same for a namespace and a name, which is @name and @tail in a row. */
void uuid_from_name(const Uuid *space, const char *name, const char *tail, Uuid *ret);
bool uuid_equal(const Uuid *a, const Uuid *b);
bool uuid_is_null(const Uuid *u);
/* For tables; all 32 bits are good. Who chooses UUIDs can make two alike, which costs time. */
uint32_t uuid_hash(const Uuid *u);

#define UUID_STR(u) uuid_format((u), (char[UUID_STRING_MAX]){})

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sha1.h: SHA-1 (FIPS 180-4), for UUIDs made from names (RFC 4122, version 5). For no secret. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA1_BYTES 20

typedef struct Sha1 Sha1;

struct Sha1 {
        uint32_t state[5];
        uint64_t size; /* bytes added */
        uint8_t block[64];
};

void sha1_init(Sha1 *s);
void sha1_add(Sha1 *s, const void *data, size_t size);
void sha1_end(Sha1 *s, uint8_t ret[static SHA1_BYTES]);

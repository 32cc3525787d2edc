/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sha1.c: SHA-1 as FIPS 180-4 describes it, a block of 64 bytes at a time. */
#include "util/sha1.h"

static uint32_t rotate(uint32_t x, unsigned n) {
        return x << n | x >> (32 - n);
}

static void schedule(const uint8_t block[static 64], uint32_t w[static 80]) {
        for (unsigned t = 0; t < 16; t++)
                w[t] = (uint32_t) block[4 * t] << 24 | (uint32_t) block[4 * t + 1] << 16 |
                       (uint32_t) block[4 * t + 2] << 8 | block[4 * t + 3];
        for (unsigned t = 16; t < 80; t++)
                w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
}

static uint32_t mix(unsigned t, uint32_t x, uint32_t y, uint32_t z) {
        if (t < 20)
                return (x & y) ^ (~x & z);
        if (t >= 40 && t < 60)
                return (x & y) ^ (x & z) ^ (y & z);
        return x ^ y ^ z;
}

static void digest_block(Sha1 *s) {
        static const uint32_t k[] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
        uint32_t a = s->state[0], b = s->state[1], c = s->state[2], d = s->state[3];
        uint32_t e = s->state[4], w[80];

        schedule(s->block, w);
        for (unsigned t = 0; t < 80; t++) {
                uint32_t next = rotate(a, 5) + mix(t, b, c, d) + e + k[t / 20] + w[t];

                e = d;
                d = c;
                c = rotate(b, 30);
                b = a;
                a = next;
        }
        s->state[0] += a;
        s->state[1] += b;
        s->state[2] += c;
        s->state[3] += d;
        s->state[4] += e;
}

void sha1_init(Sha1 *s) {
        *s = (Sha1) { .state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 } };
}

void sha1_add(Sha1 *s, const void *data, size_t size) {
        const uint8_t *p = data;

        for (size_t i = 0; i < size; i++) {
                s->block[s->size++ % 64] = p[i];
                if (s->size % 64 == 0)
                        digest_block(s);
        }
}

void sha1_end(Sha1 *s, uint8_t ret[static SHA1_BYTES]) {
        static const uint8_t one = 0x80, zero = 0;
        uint64_t bits = s->size * 8;

        sha1_add(s, &one, 1);
        while (s->size % 64 != 56)
                sha1_add(s, &zero, 1);
        for (int shift = 56; shift >= 0; shift -= 8) {
                uint8_t byte = (uint8_t) (bits >> shift);

                sha1_add(s, &byte, 1);
        }
        for (unsigned i = 0; i < SHA1_BYTES; i++)
                ret[i] = (uint8_t) (s->state[i / 4] >> (24 - 8 * (i % 4)));
}

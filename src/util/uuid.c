/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uuid.c: the one place where a UUID meets text. Everything else passes it by value, so two
 * spellings of one UUID cannot be taken for two devices.
 */
#include "util/uuid.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "util/sha1.h"

/* A digit's value and 1 more; 0: it is none. A listing reads thousands of UUIDs. */
static const uint8_t digit_values[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
        ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static int unhex(char c) {
        return (int) digit_values[(uint8_t) c] - 1;
}

/* A dash stands before these bytes. */
static bool dash_before(size_t i) {
        return i == 4 || i == 6 || i == 8 || i == 10;
}

int uuid_parse(const char *s, Uuid *ret) {
        Uuid u;

        if (!s)
                return -EINVAL;
        for (size_t i = 0; i < sizeof(u.bytes); i++) {
                int high, low;

                if (dash_before(i) && *s++ != '-')
                        return -EINVAL;
                /* s[1] is read only when s[0] was a digit, so never past the end */
                high = unhex(s[0]);
                if (high < 0)
                        return -EINVAL;
                low = unhex(s[1]);
                if (low < 0)
                        return -EINVAL;
                u.bytes[i] = (uint8_t) (high << 4 | low);
                s += 2;
        }
        if (*s)
                return -EINVAL;

        *ret = u;
        return 0;
}

char *uuid_format(const Uuid *u, char buf[static UUID_STRING_MAX]) {
        static const char digits[] = "0123456789abcdef";
        char *p = buf;

        for (size_t i = 0; i < sizeof(u->bytes); i++) {
                if (dash_before(i))
                        *p++ = '-';
                *p++ = digits[u->bytes[i] >> 4];
                *p++ = digits[u->bytes[i] & 15];
        }
        *p = '\0';
        return buf;
}

int uuid_random(Uuid *ret) {
        Uuid u;
        ssize_t n;

        /* Up to 256 bytes come whole or not at all; before the pool is ready this waits. */
        do
                n = getrandom(u.bytes, sizeof(u.bytes), 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n != sizeof(u.bytes))
                return -EIO;

        u.bytes[6] = (uint8_t) ((u.bytes[6] & 0x0f) | 0x40);
        u.bytes[8] = (uint8_t) ((u.bytes[8] & 0x3f) | 0x80);
        *ret = u;
        return 0;
}

void uuid_from_name(const Uuid *space, const char *name, const char *tail, Uuid *ret) {
        uint8_t digest[SHA1_BYTES];
        Sha1 sha;

        sha1_init(&sha);
        sha1_add(&sha, space->bytes, sizeof(space->bytes));
        sha1_add(&sha, name, strlen(name));
        sha1_add(&sha, tail, strlen(tail));
        sha1_end(&sha, digest);

        memcpy(ret->bytes, digest, sizeof(ret->bytes));
        ret->bytes[6] = (uint8_t) ((ret->bytes[6] & 0x0f) | 0x50);
        ret->bytes[8] = (uint8_t) ((ret->bytes[8] & 0x3f) | 0x80);
}

bool uuid_equal(const Uuid *a, const Uuid *b) {
        return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool uuid_is_null(const Uuid *u) {
        static const Uuid null;

        return uuid_equal(u, &null);
}

/*
 * People count up in the last bytes, so these have to reach the lowest bits: a multiplication
 * carries only upwards.
 */
uint32_t uuid_hash(const Uuid *u) {
        uint64_t low, high;

        memcpy(&low, u->bytes, 8);
        memcpy(&high, u->bytes + 8, 8);
        low ^= be64toh(high) * UINT64_C(0x9e3779b97f4a7c15);
        low = (low ^ low >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
        return (uint32_t) (low >> 32);
}

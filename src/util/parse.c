/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * parse.c: strict text to numbers and the alphabets of names. strtoull() is not used because it
 * takes signs, blanks and octal, and names are checked byte by byte because they become paths.
 */
#include "util/parse.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/utf8.h"

static int digit_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return 16;
}

/* Reads digits as far as they go. Too large a number is told last, so "1e99x" is -EINVAL. */
static int parse_digits(const char *s, uint64_t *ret, const char **ret_end, bool *ret_overflow) {
        unsigned base = 10;
        uint64_t v = 0;
        size_t n = 0;

        *ret_overflow = false;
        if (s[0] == '0' && s[1] == 'x') {
                base = 16;
                s += 2;
        }
        for (; digit_value(*s) < (int) base; s++, n++)
                if (__builtin_mul_overflow(v, (uint64_t) base, &v) ||
                    __builtin_add_overflow(v, (uint64_t) digit_value(*s), &v))
                        *ret_overflow = true;
        if (n == 0)
                return -EINVAL;

        *ret = v;
        *ret_end = s;
        return 0;
}

int parse_u64(const char *s, uint64_t *ret) {
        const char *end;
        bool overflow;
        uint64_t v;
        int r;

        if (!s)
                return -EINVAL;
        r = parse_digits(s, &v, &end, &overflow);
        if (r < 0)
                return r;
        if (*end)
                return -EINVAL;
        if (overflow)
                return -ERANGE;

        *ret = v;
        return 0;
}

int parse_size(const char *s, uint64_t *ret) {
        static const char suffixes[] = "KMGT";
        const char *end, *suffix;
        unsigned shift = 0;
        bool overflow;
        uint64_t v;
        int r;

        if (!s)
                return -EINVAL;
        r = parse_digits(s, &v, &end, &overflow);
        if (r < 0)
                return r;
        if (*end) {
                suffix = strchr(suffixes, *end);
                if (!suffix)
                        return -EINVAL;
                shift = 10 * (unsigned) (suffix - suffixes + 1);
                end++;
                if (*end && strcmp(end, "iB") != 0 && strcmp(end, "B") != 0)
                        return -EINVAL;
        }
        if (overflow || v > UINT64_MAX >> shift)
                return -ERANGE;

        *ret = v << shift;
        return 0;
}

/*
 * Never rounds: two different sizes must not read alike in a refusal. So the unit is the largest in
 * which at most two decimals say it exactly.
 */
char *size_format(uint64_t bytes, char buf[static SIZE_STRING_MAX]) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
        uint64_t unit = 1, whole, hundredths;
        size_t i = 0;

        if (bytes == 0)
                return strcpy(buf, "0");

        for (size_t j = 1; j < sizeof(units) / sizeof(units[0]); j++) {
                uint64_t u = UINT64_C(1) << 10 * j;

                if (bytes >= u && bytes % u * 100 % u == 0) {
                        unit = u;
                        i = j;
                }
        }
        whole = bytes / unit;
        hundredths = bytes % unit * 100 / unit;
        if (hundredths == 0)
                (void) snprintf(buf, SIZE_STRING_MAX, "%" PRIu64 " %s", whole, units[i]);
        else if (hundredths % 10 == 0)
                (void) snprintf(buf, SIZE_STRING_MAX, "%" PRIu64 ".%" PRIu64 " %s", whole,
                                hundredths / 10, units[i]);
        else
                (void) snprintf(buf, SIZE_STRING_MAX, "%" PRIu64 ".%02" PRIu64 " %s", whole,
                                hundredths, units[i]);
        return buf;
}

static bool name_is_valid(const char *s, size_t max, const char *more) {
        size_t n;

        if (!s || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
                return false;
        for (n = 0; s[n]; n++) {
                char c = s[n];

                if (n >= max)
                        return false;
                if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
                    !(c >= '0' && c <= '9') && !strchr(more, c))
                        return false;
        }
        return n > 0;
}

/* In the store hidden names are temporary files of definitions, and "scripts.d" is mdevctl's. */
bool name_is_valid_parent(const char *s) {
        return name_is_valid(s, 63, ":._-") && s[0] != '.' && strcmp(s, "scripts.d") != 0;
}

bool name_is_valid_id(const char *s) {
        return name_is_valid(s, 31, "_.+-");
}

bool name_is_valid_owner(const char *s) {
        size_t total = 0;

        if (!s)
                return false;
        while (s[total]) {
                uint32_t c = 0;
                size_t n = utf8_decode(s + total, SIZE_MAX, &c);

                if (n == 0 || !utf8_is_plain(c))
                        return false;
                total += n;
                if (total > 63)
                        return false;
        }
        return true;
}

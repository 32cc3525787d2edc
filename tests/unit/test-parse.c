/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-parse.c: numbers, sizes and names at their edges. */
#include "util/parse.h"

#include "test.h"

typedef struct NumberCase NumberCase;

struct NumberCase {
        const char *text;
        int result;
        uint64_t value;
};

#define UNTOUCHED 77

static void check_numbers(const NumberCase *cases, size_t n,
                          int (*parse)(const char *s, uint64_t *ret)) {
        for (size_t i = 0; i < n; i++) {
                uint64_t v = UNTOUCHED;
                int r = parse(cases[i].text, &v);

                if (r != cases[i].result || v != (r < 0 ? UNTOUCHED : cases[i].value))
                        test_fail(__FILE__, __LINE__, "'%s': %d, %" PRIu64 " is not %d, %" PRIu64,
                                  cases[i].text ?: "(null)", r, v, cases[i].result,
                                  cases[i].value);
        }
}

/* What no parser of numbers here takes. */
static const NumberCase never[] = {
        { NULL, -EINVAL, 0 },  { "", -EINVAL, 0 },     { " 1", -EINVAL, 0 },
        { "1 ", -EINVAL, 0 },  { "+1", -EINVAL, 0 },   { "-1", -EINVAL, 0 },
        { "1\n", -EINVAL, 0 }, { "0x", -EINVAL, 0 },   { "0X1", -EINVAL, 0 },
        { "x1", -EINVAL, 0 },  { "1e3", -EINVAL, 0 },  { "1.5", -EINVAL, 0 },
        { "ff", -EINVAL, 0 },  { "0x-1", -EINVAL, 0 }, { "99999999999999999999999x", -EINVAL, 0 },
};

TEST(u64) {
        static const NumberCase cases[] = {
                { "0", 0, 0 },
                { "1", 0, 1 },
                { "010", 0, 10 }, /* not octal */
                { "0x0", 0, 0 },
                { "0xfF", 0, 255 },
                { "18446744073709551615", 0, UINT64_MAX },
                { "18446744073709551616", -ERANGE, 0 },
                { "99999999999999999999", -ERANGE, 0 },
                { "0xffffffffffffffff", 0, UINT64_MAX },
                { "0x10000000000000000", -ERANGE, 0 },
                { "00000000000000000000000000000000000001", 0, 1 },
                { "1K", -EINVAL, 0 },
        };

        check_numbers(cases, ARRAY_SIZE(cases), parse_u64);
        check_numbers(never, ARRAY_SIZE(never), parse_u64);
}

TEST(size) {
        static const NumberCase cases[] = {
                { "0", 0, 0 },
                { "4096", 0, 4096 },
                { "0x1000", 0, 4096 },
                { "4K", 0, 4096 },
                { "4KB", 0, 4096 },
                { "4KiB", 0, 4096 },
                { "16M", 0, 16 << 20 },
                { "0x10M", 0, 16 << 20 },
                { "1G", 0, 1 << 30 },
                { "3T", 0, UINT64_C(3) << 40 },
                { "0T", 0, 0 },
                { "16777215T", 0, UINT64_C(16777215) << 40 },
                { "16777216T", -ERANGE, 0 },
                { "18014398509481983K", 0, UINT64_C(18014398509481983) << 10 },
                { "18014398509481984K", -ERANGE, 0 },
                { "18446744073709551616K", -ERANGE, 0 },
                { "4B", -EINVAL, 0 },
                { "4k", -EINVAL, 0 },
                { "4 K", -EINVAL, 0 },
                { "4KK", -EINVAL, 0 },
                { "4Ki", -EINVAL, 0 },
                { "4iB", -EINVAL, 0 },
                { "4KiBx", -EINVAL, 0 },
                { "4P", -EINVAL, 0 },
                { "K", -EINVAL, 0 },
        };

        check_numbers(cases, ARRAY_SIZE(cases), parse_size);
        check_numbers(never, ARRAY_SIZE(never), parse_size);
}

TEST(size_is_shown_exactly) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } cases[] = {
                { 0, "0" },
                { 1, "1 B" },
                { 1023, "1023 B" },
                { 1024, "1 KiB" },
                { 1025, "1025 B" },
                { 1536, "1.5 KiB" },
                { 4096, "4 KiB" },
                { (12 << 20) + (512 << 10), "12.5 MiB" },
                { (12 << 20) + (256 << 10), "12.25 MiB" },
                { (12 << 20) + 4096, "12292 KiB" },
                { 16 << 20, "16 MiB" },
                { UINT64_C(1) << 40, "1 TiB" },
                { UINT64_C(1) << 63, "8388608 TiB" },
                { UINT64_MAX, "18446744073709551615 B" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                ASSERT_STREQ(SIZE_STR(cases[i].bytes), cases[i].text);
}

static void fill(char *buf, char c, size_t n) {
        memset(buf, c, n);
        buf[n] = '\0';
}

TEST(parent_names) {
        char buf[80];

        ASSERT_TRUE(name_is_valid_parent("0000:00:05.0"));
        ASSERT_TRUE(name_is_valid_parent("0.0.0052"));
        ASSERT_TRUE(name_is_valid_parent("mtty_mtty"));
        ASSERT_FALSE(name_is_valid_parent("..."));
        ASSERT_FALSE(name_is_valid_parent(
                ".0000:00:05.0:2f1d9f0a-6a9c-4a0e-9f0e-0c5e0d6c1b7a.mdevd"));
        ASSERT_FALSE(name_is_valid_parent("scripts.d"));
        ASSERT_TRUE(name_is_valid_parent("scripts.e"));
        ASSERT_FALSE(name_is_valid_parent(NULL));
        ASSERT_FALSE(name_is_valid_parent(""));
        ASSERT_FALSE(name_is_valid_parent("."));
        ASSERT_FALSE(name_is_valid_parent(".."));
        ASSERT_FALSE(name_is_valid_parent("a/b"));
        ASSERT_FALSE(name_is_valid_parent("a b"));
        ASSERT_FALSE(name_is_valid_parent("a\n"));
        ASSERT_FALSE(name_is_valid_parent("\xc3\xa4"));
        fill(buf, 'a', 63);
        ASSERT_TRUE(name_is_valid_parent(buf));
        fill(buf, 'a', 64);
        ASSERT_FALSE(name_is_valid_parent(buf));
}

TEST(ids) {
        char buf[80];

        ASSERT_TRUE(name_is_valid_id("fb-16M"));
        ASSERT_TRUE(name_is_valid_id("a+b_c.d"));
        ASSERT_FALSE(name_is_valid_id("a:b"));
        ASSERT_FALSE(name_is_valid_id(".."));
        ASSERT_FALSE(name_is_valid_id("../x"));
        ASSERT_FALSE(name_is_valid_id(""));
        fill(buf, 'a', 31);
        ASSERT_TRUE(name_is_valid_id(buf));
        fill(buf, 'a', 32);
        ASSERT_FALSE(name_is_valid_id(buf));
}

TEST(owners) {
        static const char *const bad[] = {
                "a\nb",
                "\x1f",
                "\x7f",
                "\xc2\x80",         /* a control character of two bytes */
                "\xc2\x9f",         /* the last of them */
                "\xc0\x80",         /* NUL, too long a form */
                "\xc1\xbf",
                "\xe0\x80\x80",
                "\xe0\x9f\xbf",
                "\xed\xa0\x80",     /* a surrogate */
                "\xf0\x80\x80\x80",
                "\xf4\x90\x80\x80", /* past U+10FFFF */
                "\xf8\x88\x80\x80\x80",
                "\x80",
                "a\xc3",            /* cut off */
                "\xe2\x82",
                "\xff",
                "a\xef\xbf\xbe",     /* U+FFFE, U+FFFF, U+FDD0, U+10FFFF: of no bus */
                "\xef\xbf\xbf",
                "\xef\xb7\x90",
                "\xf4\x8f\xbf\xbf",
        };
        char buf[80];

        ASSERT_TRUE(name_is_valid_owner(""));
        ASSERT_TRUE(name_is_valid_owner("vm 1/\"x\""));
        ASSERT_TRUE(name_is_valid_owner("M\xc3\xbcller \xe2\x82\xac \xf0\x9f\x98\x80"));
        ASSERT_TRUE(name_is_valid_owner("\xc2\xa0"));
        ASSERT_TRUE(name_is_valid_owner("\xf4\x8f\xbf\xbd"));
        ASSERT_TRUE(name_is_valid_owner("\xed\x9f\xbf"));
        ASSERT_FALSE(name_is_valid_owner(NULL));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                if (name_is_valid_owner(bad[i]))
                        test_fail(__FILE__, __LINE__, "bad owner %zu is taken", i);
        fill(buf, 'a', 63);
        ASSERT_TRUE(name_is_valid_owner(buf));
        fill(buf, 'a', 64);
        ASSERT_FALSE(name_is_valid_owner(buf));
        fill(buf, 'a', 62);
        strcat(buf, "\xc3\xa4"); /* 64 bytes, 63 characters */
        ASSERT_FALSE(name_is_valid_owner(buf));
}

TESTS_MAIN

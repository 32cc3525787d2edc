/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-utf8.c: every character there is, and the edges of what is none. */
#include "util/utf8.h"

#include "test.h"

#define UNTOUCHED 77

/* As RFC 3629 has it, by hand: the program's own way is another. */
static size_t encode(uint32_t c, char buf[static 5]) {
        const size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const unsigned char leads[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };

        for (size_t i = n; i > 1; i--, c >>= 6)
                buf[i - 1] = (char) (0x80 | (c & 0x3f));
        buf[0] = (char) (leads[n] | c);
        buf[n] = '\0';
        return n;
}

TEST(every_character_is_read_as_what_it_is) {
        for (uint32_t c = 1; c < 0x1fffff; c++) {
                const bool good = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
                char buf[5];
                const size_t size = encode(c, buf);
                uint32_t found = UNTOUCHED;
                size_t n = utf8_decode(buf, size, &found);

                if (n != (good ? size : 0) || found != (good ? c : UNTOUCHED) ||
                    utf8_is_valid(buf) != good)
                        test_fail(__FILE__, __LINE__, "U+%04x: %zu bytes, U+%04x", c, n, found);
        }
}

/* The reader must neither take them nor look behind them: they are on the heap, without a NUL. */
TEST(a_cut_character_is_none) {
        static const char *const whole[] = { "a", "\xc2\x80", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };

        for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
                for (size_t size = 0; size <= strlen(whole[i]); size++) {
                        _cleanup_(freep) char *cut = malloc(size ?: 1);
                        _cleanup_(freep) char *string = strndup(whole[i], size);
                        const bool all = size == strlen(whole[i]);

                        ASSERT_NOT_NULL(cut);
                        ASSERT_NOT_NULL(string);
                        memcpy(cut, whole[i], size);
                        ASSERT_EQ(utf8_decode(cut, size, NULL), all ? size : 0);
                        ASSERT_EQ(utf8_is_valid(string), all || size == 0);
                }
}

TEST(texts) {
        static const struct {
                const char *text;
                bool good;
        } cases[] = {
                { "", true },
                { "plain", true },
                { "\x7f", true },
                { "\xc2\x80", true },
                { "\xdf\xbf", true },
                { "\xe0\xa0\x80", true },
                { "\xed\x9f\xbf", true },
                { "\xee\x80\x80", true },
                { "\xef\xbf\xbf", true },
                { "\xf0\x90\x80\x80", true },
                { "\xf4\x8f\xbf\xbf", true },
                { "a\xe2\x82\xac" "b", true },
                { "\x80", false },
                { "\xbf", false },
                { "a\x80", false },
                { "\xc0\x80", false }, /* longer than needed */
                { "\xc0\xaf", false },
                { "\xc1\xbf", false },
                { "\xe0\x80\xaf", false },
                { "\xe0\x9f\xbf", false },
                { "\xf0\x80\x80\xaf", false },
                { "\xf0\x8f\xbf\xbf", false },
                { "\xed\xa0\x80", false }, /* a surrogate, alone and in a pair */
                { "\xed\xbf\xbf", false },
                { "\xed\xa0\xbd\xed\xb8\x80", false },
                { "\xf4\x90\x80\x80", false }, /* past the last character */
                { "\xf5\x80\x80\x80", false },
                { "\xf8\x88\x80\x80\x80", false }, /* forms of five and six bytes */
                { "\xfc\x84\x80\x80\x80\x80", false },
                { "\xfe", false },
                { "\xff", false },
                { "\xc2", false }, /* cut */
                { "\xe2\x82", false },
                { "\xf0\x9f\x98", false },
                { "\xe2\x82z", false },
                { "\xf0\x9f\x98\xc3", false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                if (utf8_is_valid(cases[i].text) != cases[i].good)
                        test_fail(__FILE__, __LINE__, "row %zu is taken for the other", i);
}

TEST(a_nul_is_no_character) {
        uint32_t c = UNTOUCHED;

        ASSERT_EQ(utf8_decode("", 1, &c), 0);
        ASSERT_EQ(c, UNTOUCHED);
}

TEST(plain_characters) {
        static const uint32_t plain[] = { 0x20, 0x7e, 0xa0, 0xfdcf, 0xfdf0, 0xfffd, 0x10000,
                                          0x10fffd };
        static const uint32_t not_plain[] = { 0x1f, 0x7f, 0x9f, 0xfdd0, 0xfdef, 0xfffe, 0xffff,
                                              0x1fffe, 0x10ffff };

        for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
                ASSERT_TRUE(utf8_is_plain(plain[i]));
        for (size_t i = 0; i < ARRAY_SIZE(not_plain); i++)
                ASSERT_FALSE(utf8_is_plain(not_plain[i]));
        ASSERT_TRUE(utf8_is_sendable("a\nb"));
        ASSERT_FALSE(utf8_is_sendable("a\xef\xbf\xbe"));
        ASSERT_FALSE(utf8_is_sendable("a\xff"));
}

TEST(what_is_made_plain) {
        static const struct {
                const char *text, *plain;
        } cases[] = {
                { "", "" },
                { "qemu-kvm \xc3\xa4", "qemu-kvm \xc3\xa4" },
                { "a\x1b[2J\nb\x7f", "a?[2J?b?" },
                { "\xc2\x9b""2J", "??2J" },    /* CSI in one character */
                { "\xd0\x9a\xd0", "\xd0\x9a?" }, /* cut in a character */
                { "\xffz", "?z" },
                { "a\xef\xbf\xbe", "a???" }, /* U+FFFE: the bus would not have it */
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char buf[32];

                (void) strcpy(buf, cases[i].text);
                utf8_make_plain(buf);
                ASSERT_STREQ(buf, cases[i].plain);
        }
}

TEST(what_is_written_escaped) {
        static const struct {
                const char *text, *escaped;
        } cases[] = {
                { "", "" },
                { "vm \xc3\xa4\nb", "vm \xc3\xa4\nb" },
                { "\x1b[31m\x7f\t", "\\x1b[31m\\x7f\\x09" },
                { "\xc2\x9b""2J", "\\xc2\\x9b2J" },
                { "a\xff\xd0", "a\\xff\\xd0" },
                { "\xef\xbf\xbez", "\\xef\\xbf\\xbez" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(freep) char *text = NULL;
                size_t size;
                FILE *f = open_memstream(&text, &size);

                ASSERT_NOT_NULL(f);
                utf8_write_escaped(f, cases[i].text);
                ASSERT_EQ(fclose(f), 0);
                ASSERT_STREQ(text, cases[i].escaped);
        }
}

TESTS_MAIN

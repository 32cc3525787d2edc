/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-closest.c: what is close, what is closer, and what is too far or too long. */
#include "util/closest.h"

#include <limits.h>

#include "test.h"

TEST(distances) {
        static const struct {
                const char *a, *b;
                unsigned n;
        } cases[] = {
                { "", "", 0 },
                { "", "abc", 3 },
                { "abc", "abc", 0 },
                { "abc", "abd", 1 },
                { "abc", "bc", 1 },
                { "abc", "ac", 1 },
                { "abc", "xabc", 1 },
                { "abc", "bac", 1 }, /* neighbours */
                { "abc", "cba", 2 },
                { "ca", "abc", 3 },  /* nothing is edited twice */
                { "kitten", "sitting", 3 },
                { "fb-15M", "fb-16M", 1 },
                { "fb-61M", "fb-16M", 1 },
                { "0000:00:05.0", "00:05.0", 5 },
                { "\xc3\xa4", "\xc3\xb6", 1 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Closest forth = closest_begin(cases[i].a, UINT_MAX);
                Closest back = closest_begin(cases[i].b, UINT_MAX);

                ASSERT_TRUE(closest_offer(&forth, cases[i].b));
                ASSERT_TRUE(closest_offer(&back, cases[i].a));
                if (forth.distance != cases[i].n || back.distance != cases[i].n)
                        test_fail(__FILE__, __LINE__, "'%s' and '%s': %u and %u edits, not %u",
                                  cases[i].a, cases[i].b, forth.distance, back.distance,
                                  cases[i].n);
        }
}

TEST(the_closest_wins_and_of_equals_the_first) {
        Closest c = closest_begin("fb-15M", UINT_MAX);

        ASSERT_NULL(c.name);
        ASSERT_TRUE(closest_offer(&c, "something else"));
        ASSERT_TRUE(closest_offer(&c, "fb-4M"));
        ASSERT_TRUE(closest_offer(&c, "fb-16M"));
        ASSERT_FALSE(closest_offer(&c, "fb-14M"));
        ASSERT_FALSE(closest_offer(&c, "fb-8M"));
        ASSERT_STREQ(c.name, "fb-16M");
        ASSERT_EQ(c.distance, 1);
}

TEST(a_typo_is_two_edits_or_half_of_the_name) {
        static const struct {
                const char *wanted, *name;
                bool close;
        } cases[] = {
                { "size", "site", true },  { "size", "sites", true }, { "size", "bits", false },
                { "abc", "abd", true },    { "abc", "axd", false },   { "ab", "ac", true },
                { "ab", "xy", false },     { "a", "b", false },       { "a", "ab", false },
                { "", "a", false },        { "x", "x", true },        { "abcdef", "abc", false },
                { "abc", "abcdef", false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Closest c = closest_begin_typo(cases[i].wanted);

                if (closest_offer(&c, cases[i].name) != cases[i].close ||
                    !!c.name != cases[i].close)
                        test_fail(__FILE__, __LINE__, "'%s' and '%s'", cases[i].wanted,
                                  cases[i].name);
        }
}

TEST(long_names_are_compared_up_to_the_limit) {
        char longest[CLOSEST_NAME_MAX + 1] = {}, other[CLOSEST_NAME_MAX + 1] = {};
        char longer[CLOSEST_NAME_MAX + 2] = {};
        Closest c = closest_begin(longest, UINT_MAX), d = closest_begin(longer, UINT_MAX);

        memset(longest, 'a', sizeof(longest) - 1);
        memset(other, 'b', sizeof(other) - 1);
        memset(longer, 'a', sizeof(longer) - 1);
        ASSERT_TRUE(closest_offer(&c, other));
        ASSERT_EQ(c.distance, CLOSEST_NAME_MAX);
        ASSERT_FALSE(closest_offer(&c, longer));
        ASSERT_FALSE(closest_offer(&d, longer));
        ASSERT_FALSE(closest_offer(&d, "a"));
        ASSERT_NULL(d.name);
}

TESTS_MAIN

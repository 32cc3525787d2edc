/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-join.c: from one string to several, empty ones too. */
#include "util/join.h"

#include "alloc.h"
#include "test.h"

TEST(in_a_row) {
        static const struct {
                const char *parts[3];
                const char *whole;
        } cases[] = {
                { { "", "", "" }, "" },
                { { "a", "", "" }, "a" },
                { { "", "b", "cd" }, "bcd" },
                { { "/", "e%sf", "" }, "/e%sf" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const char *const *p = cases[i].parts;
                _cleanup_(freep) char *s = JOIN(p[0], p[1], p[2]);

                ASSERT_STREQ(s, cases[i].whole);
        }
}

TEST(one) {
        _cleanup_(freep) char *s = JOIN("x");

        ASSERT_STREQ(s, "x");
}

TEST(out_of_memory) {
        alloc_fail_after(0);
        ASSERT_NULL(JOIN("a", "b"));
        ASSERT_TRUE(alloc_fail_end());
}

TESTS_MAIN

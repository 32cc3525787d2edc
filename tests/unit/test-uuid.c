/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-uuid.c: text to UUID and back, and what is none. */
#include "util/uuid.h"

#include "test.h"

TEST(round_trip_lowers_case) {
        Uuid u;

        ASSERT_OK(uuid_parse("383B8F4F-2D50-9F2D-a1B2-00112233FfeE", &u));
        ASSERT_STREQ(UUID_STR(&u), "383b8f4f-2d50-9f2d-a1b2-00112233ffee");
        ASSERT_EQ(u.bytes[0], 0x38);
        ASSERT_EQ(u.bytes[15], 0xee);
}

TEST(refuses_what_is_none) {
        static const char *const bad[] = {
                NULL,
                "",
                "-",
                "383b8f4f-2d50-9f2d-a1b2-00112233ffe",
                "383b8f4f-2d50-9f2d-a1b2-00112233ffeee",
                "383b8f4f-2d50-9f2d-a1b2-00112233ffe ",
                " 383b8f4f-2d50-9f2d-a1b2-00112233ffee",
                "383b8f4f2d509f2da1b200112233ffee",
                "{383b8f4f-2d50-9f2d-a1b2-00112233ffee}",
                "383b8f4f-2d50-9f2d-a1b2-00112233ffeg",
                "383b8f4f-2d509-f2d-a1b2-00112233ffee",
                "383b8f4f_2d50_9f2d_a1b2_00112233ffee",
                "+83b8f4f-2d50-9f2d-a1b2-00112233ffee",
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                Uuid u = { .bytes = { 7 } };

                ASSERT_EQ(uuid_parse(bad[i], &u), -EINVAL);
                ASSERT_EQ(u.bytes[0], 7); /* untouched */
        }
}

/* Every shorter text ends in a NUL that must not be passed: the sanitizer sees a read beyond. */
TEST(reads_no_byte_past_the_end) {
        const char text[] = "383b8f4f-2d50-9f2d-a1b2-00112233ffee";

        for (size_t n = 0; n < sizeof(text) - 1; n++) {
                _cleanup_(freep) char *copy = malloc(n + 1);
                Uuid u;

                ASSERT_NOT_NULL(copy);
                memcpy(copy, text, n);
                copy[n] = '\0';
                ASSERT_EQ(uuid_parse(copy, &u), -EINVAL);
        }
}

TEST(random_is_version_4_and_new) {
        Uuid a, b;

        for (int i = 0; i < 64; i++) {
                ASSERT_OK(uuid_random(&a));
                ASSERT_OK(uuid_random(&b));
                ASSERT_EQ(a.bytes[6] >> 4, 4);
                ASSERT_EQ(a.bytes[8] >> 6, 2);
                ASSERT_FALSE(uuid_equal(&a, &b));
                ASSERT_FALSE(uuid_is_null(&a));
        }
        ASSERT_TRUE(uuid_is_null(&(Uuid) {}));
        ASSERT_TRUE(uuid_equal(&a, &a));
}

/* The DNS namespace of RFC 4122 and a name whose UUID is widely published. */
TEST(from_a_name) {
        Uuid dns, u;
        char name[200];

        ASSERT_OK(uuid_parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8", &dns));
        uuid_from_name(&dns, "www.example", ".com", &u);
        ASSERT_STREQ(UUID_STR(&u), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
        uuid_from_name(&dns, "python.org", "", &u);
        ASSERT_STREQ(UUID_STR(&u), "886313e1-3b8a-5372-9b90-0c9aee199e5d");

        /* around the edges of a block of 64 bytes, of which 16 are the namespace */
        for (size_t n = 36; n < 180; n++) {
                Uuid whole, parts;

                memset(name, 'a', n);
                name[n] = '\0';
                uuid_from_name(&dns, name, "", &whole);
                uuid_from_name(&dns, name + 7, "aaaaaaa", &parts);
                ASSERT_TRUE(uuid_equal(&whole, &parts));
                uuid_from_name(&dns, name + 1, "", &parts);
                ASSERT_FALSE(uuid_equal(&whole, &parts));
        }
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-json-text.c: what is written without a tree is what json-c writes of one, and is read so. */
#include "util/json-text.h"

#include <json-c/json.h>

#include "alloc.h"
#include "test.h"

/* What json-c makes of that text. */
static void assert_as_by_json_c(const char *text) {
        json_object *o = json_tokener_parse(text);

        ASSERT_NOT_NULL(o);
        ASSERT_STREQ(text, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
        json_object_put(o);
}

static int write_all(char **ret) {
        JsonText t = {};

        json_text_begin(&t, NULL, '{');
        json_text_string(&t, "path", "devices/a/b");
        json_text_string(&t, "none", NULL);
        json_text_u64(&t, "zero", 0);
        json_text_begin(&t, "list", '[');
        for (uint64_t i = 0; i < 100; i++) {
                json_text_begin(&t, NULL, '{');
                json_text_u64(&t, "n", i);
                json_text_string(&t, "open", "{"); /* that is no bracket */
                json_text_u64(&t, "m", UINT64_MAX - i);
                json_text_end(&t, '}');
        }
        json_text_string(&t, NULL, "x");
        json_text_u64(&t, NULL, 5);
        json_text_end(&t, ']');
        json_text_begin(&t, "empty", '[');
        json_text_end(&t, ']');
        json_text_end(&t, '}');
        return json_text_take(&t, "", ret);
}

TEST(written_as_by_json_c) {
        char *text;
        long n = alloc_balance();
        int r;

        FOR_EACH_ALLOCATION_FAILURE(r, write_all(&text)) {
                ASSERT_EQ(r, -ENOMEM);
                ASSERT_EQ(alloc_balance(), n);
        }
        ASSERT_OK(r);
        assert_as_by_json_c(text);
        ASSERT_TRUE(strstr(text, "\"devices\\/a\\/b\",\"zero\":0,\"list\":[{\"n\":0,") != NULL);
        free(text);
}

TEST(every_byte_of_a_string) {
        char value[256 + 1000];

        for (size_t i = 0; i < 255; i++)
                value[i] = (char) (i + 1);
        memset(value + 255, '\x01', 1000); /* as long as they can become */
        value[1255] = '\0';
        for (size_t begin = 0; begin < 1256; begin += 251) {
                json_object *o = json_object_new_object();
                _cleanup_(freep) char *text = NULL;
                JsonText t = {};

                ASSERT_EQ(json_object_object_add(o, "k", json_object_new_string(value + begin)), 0);
                json_text_begin(&t, NULL, '{');
                json_text_string(&t, "k", value + begin);
                json_text_end(&t, '}');
                ASSERT_OK(json_text_take(&t, "", &text));
                ASSERT_STREQ(text, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
                json_object_put(o);
        }
}

TEST(numbers) {
        static const uint64_t numbers[] = { 0, 9, 10, 99, 100, UINT32_MAX, INT64_MAX,
                                            (uint64_t) INT64_MAX + 1, UINT64_MAX };

        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
                json_object *o = json_object_new_uint64(numbers[i]);
                _cleanup_(freep) char *text = NULL;
                JsonText t = {};

                json_text_u64(&t, NULL, numbers[i]);
                ASSERT_OK(json_text_take(&t, "", &text));
                ASSERT_STREQ(text, json_object_to_json_string(o));
                json_object_put(o);
        }
}

static int word_from_string(const char *s) {
        return streq(s, "two") ? 2 : -EINVAL;
}

/* {"s":"…","n":N,"list":[{"n":N}],"word":"two"} */
static bool read_all(const char *text, char s[static JSON_PLAIN_STRING_MAX], uint64_t n[2]) {
        JsonPlain p = { text, text, text + strlen(text) };
        int word;

        return json_plain_begin(&p, NULL, '{') && json_plain_has(&p, "s") &&
               !json_plain_has(&p, "n") && json_plain_string(&p, "s", s) &&
               json_plain_u64(&p, "n", UINT64_MAX, &n[0]) && json_plain_begin(&p, "list", '[') &&
               json_plain_begin(&p, NULL, '{') && json_plain_u64(&p, "n", 7, &n[1]) &&
               json_plain_end(&p, '}') && json_plain_end(&p, ']') &&
               json_plain_word(&p, "word", word_from_string, &word) && word == 2 &&
               json_plain_end(&p, '}') && p.at == p.end;
}

#define TEXT(s, n, m, rest) "{\"s\":\"" s "\",\"n\":" n ",\"list\":[{\"n\":" m "}]" rest "}"
#define WORD ",\"word\":\"two\""

TEST(read_again) {
        static const char text[] = TEXT("a\\/b ~", "9999999999999999999", "7", WORD);
        char s[JSON_PLAIN_STRING_MAX], torn[sizeof(text)];
        uint64_t n[2];

        ASSERT_TRUE(read_all(text, s, n));
        ASSERT_STREQ(s, "a/b ~");
        ASSERT_EQ(n[0], UINT64_C(9999999999999999999));
        ASSERT_EQ(n[1], 7);
        assert_as_by_json_c(text);
        ASSERT_TRUE(read_all(TEXT("", "0", "0", WORD), s, n));
        for (size_t size = 0; size < strlen(text); size++) {
                memcpy(torn, text, size);
                torn[size] = '\0';
                ASSERT_FALSE(read_all(torn, s, n));
        }
}

/* Some of them are JSON: json-c is asked. */
TEST(given_up) {
        static const char *const texts[] = {
                TEXT("a\\\"", "1", "1", WORD),
                TEXT("a\\n", "1", "1", WORD),
                TEXT("a\\u0041", "1", "1", WORD),
                TEXT("a\nb", "1", "1", WORD),
                TEXT("\xc3\xa4", "1", "1", WORD),
                TEXT("\xff", "1", "1", WORD),
                TEXT("\x7f", "1", "1", WORD),
                TEXT("a", "-1", "1", WORD),
                TEXT("a", "01", "1", WORD),
                TEXT("a", "1.0", "1", WORD),
                TEXT("a", "1e1", "1", WORD),
                TEXT("a", "", "1", WORD),
                TEXT("a", "10000000000000000000", "1", WORD),
                TEXT("a", "18446744073709551616", "1", WORD),
                TEXT("a", "1", "8", WORD), /* more than it may be */
                TEXT("a", "1", "1", ",\"word\":\"one\""),
                TEXT("a", "1", "1", ",\"wort\":\"two\""),
                TEXT("a", "1", "1", ", \"word\":\"two\""),
                TEXT("a", "1", "1", "\"word\":\"two\""),
                TEXT("a", "1", "1", ",,\"word\":\"two\""),
                TEXT("a", "1", "1", WORD ",\"more\":1"),
                TEXT("a", "1", "1", ""),
                TEXT("a", "1", "1,", WORD),
                "{,\"s\":\"a\"}",
                " {\"s\":\"a\"}",
                "",
        };
        char s[JSON_PLAIN_STRING_MAX];
        uint64_t n[2];

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (read_all(texts[i], s, n))
                        test_fail(__FILE__, __LINE__, "taken: %s", texts[i]);
}

TEST(as_long_as_there_is_room) {
        char text[2 * JSON_PLAIN_STRING_MAX], s[JSON_PLAIN_STRING_MAX];

        for (int n = JSON_PLAIN_STRING_MAX - 2; n <= JSON_PLAIN_STRING_MAX; n++) {
                JsonPlain p = { text, text, text };

                p.end += snprintf(text, sizeof(text), "\"%0*d\"", n, 0);
                ASSERT_EQ(json_plain_string(&p, NULL, s), n < JSON_PLAIN_STRING_MAX);
        }
}

TESTS_MAIN

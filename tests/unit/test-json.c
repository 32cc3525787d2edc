/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-json.c: places, tables and sentences, at their edges. */
#include "util/json.h"

#include "alloc.h"
#include "test.h"

typedef struct Recorder Recorder;

/* Collects what is reported as "line:column text", one a line. */
struct Recorder {
        JsonSink sink;
        char text[8192];
};

static int recorder_report(JsonSink *sink, unsigned line, unsigned column, bool warning,
                           const char *text) {
        Recorder *r = container_of(sink, Recorder, sink);
        size_t n = strlen(r->text);

        (void) snprintf(r->text + n, sizeof(r->text) - n, "%s%u:%u %s%s", n > 0 ? "\n" : "", line,
                        column, warning ? "warning: " : "", text);
        return 0;
}

/* "key@line:column=value@line:column", containers in their brackets, members after blanks. */
static char *dump(char *o, const JsonNode *node) {
        if (node->key)
                o += sprintf(o, "%s@%u:%u=", node->key, node->key_line, node->key_column);
        if (node->duplicate)
                o += sprintf(o, "!");
        if (node->kind < JSON_LIST)
                return o + sprintf(o, "%s@%u:%u", JSON_FOUND(node), node->line, node->column);

        o += sprintf(o, "%c@%u:%u", node->kind == JSON_LIST ? '[' : '{', node->line, node->column);
        json_foreach(i, node) {
                *o++ = ' ';
                o = dump(o, i);
        }
        return o + sprintf(o, " %c", node->kind == JSON_LIST ? ']' : '}');
}

/* The dump, or "line:column what was expected". */
static const char *parse_dump(const char *text, size_t size, bool comments) {
        static char buf[65536];
        _cleanup_(json_freep) JsonDoc *d = NULL;
        JsonError e;
        int r;

        r = json_parse(&d, text, size, comments, &e);
        if (r < 0)
                test_fail(__FILE__, __LINE__, "%s: %s", text, strerror(-r));
        if (r > 0)
                (void) snprintf(buf, sizeof(buf), "%u:%u %s", e.line, e.column, e.text);
        else
                *dump(buf, d->nodes) = '\0';
        return buf;
}

typedef struct TextCase TextCase;

struct TextCase {
        const char *text;
        const char *result;
};

static void check_texts(const TextCase *cases, size_t n, bool comments) {
        for (size_t i = 0; i < n; i++)
                ASSERT_STREQ(parse_dump(cases[i].text, strlen(cases[i].text), comments),
                             cases[i].result);
}

TEST(places) {
        static const TextCase cases[] = {
                { "0", "0@1:1" },
                { "null", "null@1:1" },
                { " \n\t\"x\" ", "\"x\"@2:2" },
                { "[]", "[@1:1 ]" },
                { "{}", "{@1:1 }" },
                { "[1,\n 2,[3]]", "[@1:1 1@1:2 2@2:2 [@2:4 3@2:5 ] ]" },
                { "{\"a\":1,\n  \"b\" : true}", "{@1:1 a@1:2=1@1:6 b@2:3=true@2:9 }" },
                { "{\"a\":{\"b\":{\"c\":[{}]}}}",
                  "{@1:1 a@1:2={@1:6 b@1:7={@1:11 c@1:12=[@1:16 {@1:17 } ] } } }" },
                /* CRLF ends a line once; a lone CR does not */
                { "{\r\n\"a\":\r\n1}", "{@1:1 a@2:1=1@3:1 }" },
                { "[\r1]", "[@1:1 1@1:3 ]" },
                /* a tab is one column, and so is a character of many bytes */
                { "{\t\"a\":\t1}", "{@1:1 a@1:3=1@1:8 }" },
                { "[\"é\",1,\"漢字\",2,\"😀\",3]",
                  "[@1:1 \"é\"@1:2 1@1:6 \"漢字\"@1:8 2@1:13 \"😀\"@1:15 3@1:19 ]" },
                /* so is an escape as long as it is written */
                { "[\"\\u00e9\\n\",1]", "[@1:1 \"é\\u000a\"@1:2 1@1:13 ]" },
                { "[\"\\ud83d\\ude00\",1]", "[@1:1 \"😀\"@1:2 1@1:17 ]" },
                { "{\"\\u0061\\\"\": 1}", "{@1:1 a\"@1:2=1@1:14 }" },
                { "[\"\\\"\\\\\\/\\b\\f\\r\\t]\",1]",
                  "[@1:1 \"\"\\/\\u0008\\u000c\\u000d\\u0009]\"@1:2 1@1:20 ]" },
                /* a byte order mark has no column */
                { "\xef\xbb\xbf[1]", "[@1:1 1@1:2 ]" },
                { "[-0, 1.5e+3, 0.25E-1, 99999999999999999999999]",
                  "[@1:1 -0@1:2 1.5e+3@1:6 0.25E-1@1:14 99999999999999999999999@1:23 ]" },
        };

        check_texts(cases, ARRAY_SIZE(cases), false);
        check_texts(cases, ARRAY_SIZE(cases), true);
}

TEST(comments) {
        static const TextCase allowed[] = {
                { "/* a */1", "1@1:8" },
                { "// a\n1", "1@2:1" },
                { "1 // a", "1@1:1" },
                { "1 //", "1@1:1" },
                { "[/*\n*/1,//,2\n3/**/]/* ] */", "[@1:1 1@2:3 3@3:1 ]" },
                { "[/*é*/1]", "[@1:1 1@1:7 ]" },
                { "[/* // */1]", "[@1:1 1@1:10 ]" },
                { "[//*\n1]", "[@1:1 1@2:1 ]" },
                { "[1//*/\n]", "[@1:1 1@1:2 ]" },
                { "[\"/* */ //\"]", "[@1:1 \"/* */ //\"@1:2 ]" },
                { "{\"a\"/**/:/**/1}", "{@1:1 a@1:2=1@1:14 }" },
                { "[1,\n /* never\n ends", "2:2 this comment has no end: expected \"*/\"" },
                { "[1 /*/", "1:4 this comment has no end: expected \"*/\"" },
                { "[1 /", "1:4 expected \",\" or \"]\", found \"/\"" },
                { "[1 / 2]", "1:4 expected \",\" or \"]\", found \"/\"" },
                { "/**/", "1:5 expected a value, found the end of the file" },
        };
        static const TextCase refused[] = {
                { "/* a */1", "1:1 expected JSON without comments, found a comment" },
                { "[1,\n2 // a\n]", "2:3 expected JSON without comments, found a comment" },
                { "[\"/* */\"]", "[@1:1 \"/* */\"@1:2 ]" },
        };

        check_texts(allowed, ARRAY_SIZE(allowed), true);
        check_texts(refused, ARRAY_SIZE(refused), false);
}

TEST(syntax) {
        static const TextCase cases[] = {
                { "", "1:1 expected a value, found the end of the file" },
                { " \n ", "2:2 expected a value, found the end of the file" },
                { "{", "1:2 expected a key in double quotes, found the end of the file" },
                { "[", "1:2 expected a value, found the end of the file" },
                { "]", "1:1 expected a value, found \"]\"" },
                { "[1", "1:3 expected \",\" or \"]\", found the end of the file" },
                { "[1}", "1:3 expected \",\" or \"]\", found \"}\"" },
                { "[1 2]", "1:4 expected \",\" or \"]\", found \"2\"" },
                { "[1,]", "1:4 expected another entry after \",\", found \"]\"" },
                { "[1,,2]", "1:4 expected a value, found \",\"" },
                { "[,1]", "1:2 expected a value, found \",\"" },
                { "{\"a\"}", "1:5 expected \":\" after the key, found \"}\"" },
                { "{\"a\" 1}", "1:6 expected \":\" after the key, found \"1\"" },
                { "{\"a\":}", "1:6 expected a value, found \"}\"" },
                { "{\"a\":1,}", "1:8 expected another entry after \",\", found \"}\"" },
                { "{\"a\":1 \"b\":2}", "1:8 expected \",\" or \"}\", found a string" },
                { "{a:1}", "1:2 expected a key in double quotes, found \"a\"" },
                { "{'a':1}", "1:2 expected a key in double quotes, found \"'\"" },
                { "{1:1}", "1:2 expected a key in double quotes, found \"1\"" },
                { "['a']", "1:2 expected a value, found \"'\"" },
                { "True", "1:1 expected a value, found \"True\"" },
                { "NaN", "1:1 expected a value, found \"NaN\"" },
                { "-Infinity",
                  "1:1 expected a decimal number without leading zeros, or a string such as "
                  "\"16M\" or \"0x10\"" },
                { "[nul]", "1:2 expected a value, found \"nul\"" },
                { "[trueish]", "1:2 expected a value, found \"trueish\"" },
                { "[é]", "1:2 expected a value, found \"é\"" },
                { "[\"é\" é]", "1:6 expected \",\" or \"]\", found \"é\"" },
                { "[\xc2\x9b]", "1:2 expected a value, found the control character 0x9b" },
                { "[\x1b]", "1:2 expected a value, found the control character 0x1b" },
                { "1 2", "1:3 expected nothing more, found \"2\"" },
                { "{}}", "1:3 expected nothing more, found \"}\"" },
                { "[\n\"abc", "2:1 this string has no end" },
                { "[\n\"abc\n\"]", "2:1 this string has no end on its line" },
                { "[\"a\tb\"]",
                  "1:4 expected an escape such as \\t, found the control character 0x09 in a "
                  "string" },
                { "[\"a\\", "1:4 expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX" },
                { "[\"a\\x\"]", "1:4 expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX" },
                { "[\"\\u12\"]", "1:3 expected four hexadecimal digits after \"\\u\"" },
                { "[\"\\u12g4\"]", "1:3 expected four hexadecimal digits after \"\\u\"" },
                { "[\"\\u", "1:3 expected four hexadecimal digits after \"\\u\"" },
                { "[\"a\\u0000\"]", "1:4 expected a character, found \\u0000" },
                { "{\"a\\u0000\":1}", "1:4 expected a character, found \\u0000" },
                { "[\"\\ud83d\"]", "1:3 expected a pair of surrogates, found half of one" },
                { "[\"\\ud83d\\u0041\"]", "1:3 expected a pair of surrogates, found half of one" },
                { "[\"\\ude00\"]", "1:3 expected a pair of surrogates, found half of one" },
                { "[\"\\ud83d\\", "1:3 expected a pair of surrogates, found half of one" },
        };

        check_texts(cases, ARRAY_SIZE(cases), false);
        check_texts(cases, ARRAY_SIZE(cases), true);
}

TEST(numbers) {
        static const char *const wrong[] = {
                "01",  "-",    "-a",  "1.",    ".5", "1.e1", "1e", "1e+",
                "0x10", "16M", "1_000", "00", "-01", "+1",   "1.5.5", "1ee1",
        };

        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                ASSERT_CONTAINS(parse_dump(wrong[i], strlen(wrong[i]), true), " expected ");
        ASSERT_STREQ(parse_dump("[\n 16M]", 7, true),
                     "2:2 expected a decimal number without leading zeros, or a string such as "
                     "\"16M\" or \"0x10\"");
}

TEST(bytes) {
        static const struct {
                const char *text;
                size_t size;
                const char *result;
        } cases[] = {
                { "[\n\0]", 4, "2:1 expected text, found a NUL byte" },
                { "[1]\0", 4, "1:4 expected text, found a NUL byte" },
                { "\"\xff\"", 3, "1:2 expected text in UTF-8, found the byte 0xff" },
                { "\"é\x80\"", 5, "1:3 expected text in UTF-8, found the byte 0x80" },
                { "\"\xc3", 2, "1:2 expected text in UTF-8, found the byte 0xc3" },
                { "\"\xc0\xaf\"", 4, "1:2 expected text in UTF-8, found the byte 0xc0" },
                { "\"\xe0\x80\xaf\"", 5, "1:2 expected text in UTF-8, found the byte 0xe0" },
                { "\"\xed\xa0\x80\"", 5, "1:2 expected text in UTF-8, found the byte 0xed" },
                { "\"\xf0\x8f\xbf\xbf\"", 6, "1:2 expected text in UTF-8, found the byte 0xf0" },
                { "\"\xf4\x90\x80\x80\"", 6, "1:2 expected text in UTF-8, found the byte 0xf4" },
                { "\"\xf5\x80\x80\x80\"", 6, "1:2 expected text in UTF-8, found the byte 0xf5" },
                { "\"\xf4\x8f\xbf\xbf\"", 6, "\"\xf4\x8f\xbf\xbf\"@1:1" },
                { "\"\xed\x9f\xbf\xee\x80\x80\"", 8, "\"\xed\x9f\xbf\xee\x80\x80\"@1:1" },
                /* not only in strings */
                { "[] // \xff", 7, "1:7 expected text in UTF-8, found the byte 0xff" },
                { "1 2", 1, "1@1:1" }, /* the size counts, not a terminator */
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                ASSERT_STREQ(parse_dump(cases[i].text, cases[i].size, true), cases[i].result);
}

TEST(duplicates) {
        static const TextCase cases[] = {
                { "{\"a\":1,\"b\":2,\"a\":3}",
                  "{@1:1 a@1:2=!null@1:6 b@1:8=2@1:12 a@1:14=!null@1:18 }" },
                /* the same key, spelt differently */
                { "{\"a\":1,\"\\u0061\":2}", "{@1:1 a@1:2=!null@1:6 a@1:8=!null@1:17 }" },
                { "{\"\":1,\"\":2}", "{@1:1 @1:2=!null@1:5 @1:7=!null@1:10 }" },
                /* what lies below them counts as nothing, what comes after them is in place */
                { "{\"a\":{\"x\":[1]},\"a\":[2,{}],\"b\":[3]}",
                  "{@1:1 a@1:2=!null@1:6 a@1:16=!null@1:20 b@1:27=[@1:31 3@1:32 ] }" },
                { "{\"a\":null,\"a\":null,\"a\":null}",
                  "{@1:1 a@1:2=!null@1:6 a@1:11=!null@1:15 a@1:20=!null@1:24 }" },
                { "[{\"a\":1},{\"a\":1}]", "[@1:1 {@1:2 a@1:3=1@1:7 } {@1:10 a@1:11=1@1:15 } ]" },
                { "{\"a\":{\"a\":{\"a\":1}}}",
                  "{@1:1 a@1:2={@1:6 a@1:7={@1:11 a@1:12=1@1:16 } } }" },
        };

        check_texts(cases, ARRAY_SIZE(cases), false);
}

/* @n times @open, then @middle, then @n times @close. */
static char *nest(size_t n, const char *open, const char *middle, const char *close) {
        char *text = calloc(1, n * (strlen(open) + strlen(close)) + strlen(middle) + 1), *o = text;

        ASSERT_NOT_NULL(text);
        for (size_t i = 0; i < n; i++)
                o = stpcpy(o, open);
        o = stpcpy(o, middle);
        for (size_t i = 0; i < n; i++)
                o = stpcpy(o, close);
        return text;
}

static void expect_limit(char *text, const char *result) {
        const char *found = parse_dump(text, strlen(text), true);

        if (result)
                ASSERT_STREQ(found, result);
        else
                ASSERT_TRUE(*found == '[' || *found == '{');
        free(text);
}

TEST(depth) {
        expect_limit(nest(JSON_DEPTH_MAX, "[", "", "]"), NULL);
        expect_limit(nest(JSON_DEPTH_MAX, "[", "1", "]"), NULL);
        expect_limit(nest(JSON_DEPTH_MAX, "{\"a\":", "\"x\"", "}"), NULL);
        expect_limit(nest(JSON_DEPTH_MAX + 1, "[", "", "]"),
                     "1:17 expected at most 16 levels of objects and lists");
        expect_limit(nest(JSON_DEPTH_MAX + 1, "{\"a\":", "1", "}"),
                     "1:81 expected at most 16 levels of objects and lists");
        expect_limit(nest(300000, "[", "", ""),
                     "1:17 expected at most 16 levels of objects and lists");
        /* beside each other they do not add up */
        expect_limit(nest(1, "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]],",
                          "[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]", "]"),
                     NULL);
}

static size_t count_nodes(char *text, int *ret_result, JsonError *reterr) {
        _cleanup_(json_freep) JsonDoc *d = NULL;

        *ret_result = json_parse(&d, text, strlen(text), true, reterr);
        free(text);
        return d ? d->n_nodes : 0;
}

TEST(limits) {
        JsonError e;
        int r;

        /* the list is a value too */
        ASSERT_EQ(count_nodes(nest(JSON_VALUES_MAX - 2, "1,", "", ""), &r, &e), 0U);
        ASSERT_EQ(r, JSON_BAD);
        for (size_t over = 0; over < 2; over++) {
                char *inner = nest(JSON_VALUES_MAX - 2 + over, "1,", "1]", "");
                char *text = nest(1, "[", inner, "");

                free(inner);
                ASSERT_EQ(count_nodes(text, &r, &e), over ? 0U : (size_t) JSON_VALUES_MAX);
                ASSERT_EQ(r, over ? JSON_BAD : 0);
        }
        ASSERT_STREQ(e.text, "expected at most 65536 values in one file");

        for (size_t over = 0; over < 2; over++) {
                char *text = calloc(1, 20 * JSON_MEMBERS_MAX), *o = text;

                ASSERT_NOT_NULL(text);
                for (size_t i = 0; i < JSON_MEMBERS_MAX + over; i++)
                        o += sprintf(o, "%s\"k%zu\":1", i > 0 ? "," : "{", i);
                (void) stpcpy(o, "}");
                ASSERT_EQ(count_nodes(text, &r, &e), over ? 0U : (size_t) JSON_MEMBERS_MAX + 1);
                ASSERT_EQ(r, over ? JSON_BAD : 0);
        }
        ASSERT_STREQ(e.text, "expected at most 1024 members in one object");

        for (size_t over = 0; over < 2; over++) {
                ASSERT_EQ(count_nodes(nest(JSON_SIZE_MAX - 1 + over, " ", "1", ""), &r, &e),
                          over ? 0U : 1U);
                ASSERT_EQ(r, over ? JSON_BAD : 0);
        }
        ASSERT_EQ(e.line, 0U);
        ASSERT_STREQ(e.text, "expected at most 1048576 bytes, found 1048577");
}

TEST(limits_of_an_answer) {
        for (size_t over = 0; over < 2; over++) {
                char *inner = nest(JSON_ANSWER_VALUES_MAX - 2 + over, "1,", "1]", "");
                char *text = nest(1, "[", inner, "");
                _cleanup_(json_freep) JsonDoc *d = NULL;
                JsonError e = {};

                free(inner);
                ASSERT_EQ(json_parse_answer(&d, text, strlen(text), &e), over ? JSON_BAD : 0);
                free(text);
                ASSERT_EQ(d ? d->n_nodes : 0, over ? 0U : (size_t) JSON_ANSWER_VALUES_MAX);
                if (over)
                        ASSERT_STREQ(e.text, "expected at most 1048576 values in one file");
        }
}

TEST(all_duplicates) {
        char *text = calloc(1, 20 * JSON_MEMBERS_MAX), *o = text;
        _cleanup_(json_freep) JsonDoc *d = NULL;
        JsonError e;

        ASSERT_NOT_NULL(text);
        for (size_t i = 0; i < JSON_MEMBERS_MAX; i++)
                o += sprintf(o, "%s\"k\":[{}]", i > 0 ? "," : "{");
        (void) stpcpy(o, "}");
        ASSERT_OK(json_parse(&d, text, strlen(text), true, &e));
        json_foreach(i, d->nodes) {
                ASSERT_TRUE(i->duplicate);
                ASSERT_EQ(i->span, 2U);
        }
        free(text);
}

typedef struct Thing Thing;
typedef enum Colour {
        RED,
        GREEN,
} Colour;

struct Thing {
        char *name;
        bool on;
        uint64_t bytes;
        uint8_t small;
        uint16_t id;
        unsigned count;
        uint64_t large;
        Colour colour;
};

static int colour_from_string(const char *s) {
        return streq(s, "red") ? RED : streq(s, "green") ? GREEN : -EINVAL;
}

static bool is_short(const char *s) {
        return strlen(s) <= 4;
}

static const JsonField thing_fields[] = {
        { "name", JSON_FIELD(Thing, name, json_decode_string), .flags = JSON_REQUIRED,
          .is_valid = is_short, .expect = "a name of at most 4 characters" },
        { "on", JSON_FIELD(Thing, on, json_decode_bool) },
        { "bytes", JSON_FIELD(Thing, bytes, json_decode_size) },
        { "small", JSON_FIELD(Thing, small, json_decode_number), .max = 5 },
        { "id", JSON_FIELD(Thing, id, json_decode_number), .expect = "an id such as \"0x10\"" },
        { "count", JSON_FIELD(Thing, count, json_decode_number) },
        { "large", JSON_FIELD(Thing, large, json_decode_number) },
        { "colour", JSON_FIELD(Thing, colour, json_decode_enum),
          .from_string = colour_from_string, .expect = "\"red\" or \"green\"" },
        {},
};

static int decode(const char *text, Thing *t, Recorder *recorder) {
        _cleanup_(json_freep) JsonDoc *d = NULL;
        JsonError e;
        int r;

        *recorder = (Recorder) { .sink.report = recorder_report };
        r = json_parse(&d, text, strlen(text), true, &e);
        if (r != 0)
                return r;
        return json_decode_fields(&recorder->sink, d->nodes, thing_fields, "a thing in { }", t);
}

static void thing_done(Thing *t) {
        free(t->name);
}

TEST(decode_right) {
        _cleanup_(thing_done) Thing t = {};
        Recorder rec;

        ASSERT_OK(decode("{\"name\":\"a\\u00e9\",\"on\":true,\"bytes\":\"16M\",\"small\":5,"
                         "\"id\":\"0xffff\",\"count\":4294967295,"
                         "\"large\":18446744073709551615,\"colour\":\"green\"}",
                         &t, &rec));
        ASSERT_STREQ(rec.text, "");
        ASSERT_STREQ(t.name, "aé");
        ASSERT_TRUE(t.on);
        ASSERT_EQ(t.bytes, UINT64_C(16) << 20);
        ASSERT_EQ(t.small, 5);
        ASSERT_EQ(t.id, 0xffff);
        ASSERT_EQ(t.count, UINT32_MAX);
        ASSERT_EQ(t.large, UINT64_MAX);
        ASSERT_EQ(t.colour, GREEN);

        /* what is not said is left alone */
        ASSERT_OK(decode("{\"name\":\"b\",\"bytes\":4096,\"on\":false}", &t, &rec));
        ASSERT_STREQ(t.name, "b");
        ASSERT_EQ(t.bytes, 4096U);
        ASSERT_FALSE(t.on);
        ASSERT_EQ(t.colour, GREEN);
}

TEST(decode_wrong) {
        static const TextCase cases[] = {
                { "[]", "1:1 expected a thing in { }, found an empty list" },
                { "{}",
                  "1:1 expected the key \"name\" with a name of at most 4 characters, found none" },
                { "{\"name\":1}", "1:9 expected a name of at most 4 characters, found 1" },
                { "{\"name\":\"a234\\n\"}",
                  "1:9 expected a name of at most 4 characters, found \"a234\\u000a\"" },
                { "{\"name\":\"a\",\"on\":1}", "1:18 expected true or false, found 1" },
                { "{\"name\":\"a\",\"on\":\"true\"}",
                  "1:18 expected true or false, found \"true\"" },
                { "{\"name\":\"a\",\n\"bytes\":true}",
                  "2:9 expected a size such as \"16M\", found true" },
                { "{\"name\":\"a\",\"bytes\":-1}",
                  "1:21 expected a size such as \"16M\", found -1" },
                { "{\"name\":\"a\",\"bytes\":1.5}",
                  "1:21 expected a size such as \"16M\", found 1.5" },
                { "{\"name\":\"a\",\"bytes\":1e3}",
                  "1:21 expected a size such as \"16M\", found 1e3" },
                { "{\"name\":\"a\",\"bytes\":null}",
                  "1:21 expected a size such as \"16M\", found null" },
                { "{\"name\":\"a\",\"bytes\":{}}",
                  "1:21 expected a size such as \"16M\", found an empty object" },
                { "{\"name\":\"a\",\"bytes\":\"16m\"}",
                  "1:21 expected a size such as \"16M\", found \"16m\"" },
                { "{\"name\":\"a\",\"bytes\":18446744073709551616}",
                  "1:21 expected a size such as \"16M\" of at most 18446744073709551615 B, found "
                  "18446744073709551616" },
                { "{\"name\":\"a\",\"small\":6}",
                  "1:21 expected a number of at most 5, found 6" },
                { "{\"name\":\"a\",\"id\":65536}",
                  "1:18 expected an id such as \"0x10\" of at most 65535, found 65536" },
                { "{\"name\":\"a\",\"id\":\"ffff\"}",
                  "1:18 expected an id such as \"0x10\", found \"ffff\"" },
                { "{\"name\":\"a\",\"count\":4294967296}",
                  "1:21 expected a number of at most 4294967295, found 4294967296" },
                { "{\"name\":\"a\",\"colour\":\"blue\"}",
                  "1:22 expected \"red\" or \"green\", found \"blue\"" },
                { "{\"name\":\"a\",\"colour\":0}",
                  "1:22 expected \"red\" or \"green\", found 0" },
                { "{\"name\":\"a\",\n\"on\":true,\n\"on\":true}",
                  "3:1 expected each key once, found \"on\" again after line 2" },
                /* all that is wrong is said, not only the first */
                { "{\"on\":1,\n\"small\":\"x\"}",
                  "1:7 expected true or false, found 1\n"
                  "2:9 expected a number, found \"x\"\n"
                  "1:1 expected the key \"name\" with a name of at most 4 characters, found none" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(thing_done) Thing t = {};
                Recorder rec;

                ASSERT_EQ(decode(cases[i].text, &t, &rec), JSON_BAD);
                ASSERT_STREQ(rec.text, cases[i].result);
        }
}

TEST(unknown_keys) {
        static const TextCase cases[] = {
                { "nmae", "did you mean \"name\"?" },
                { "nam", "did you mean \"name\"?" },
                { "Name", "did you mean \"name\"?" },
                { "color", "did you mean \"colour\"?" },
                { "colourrr", "did you mean \"colour\"?" },
                { "colourrrr", NULL },
                { "x", NULL }, /* one edit away from nothing */
                { "", NULL },
                { "on\\u0000", NULL }, /* refused by the parser */
                { "no", "did you mean \"on\"?" },
                { "something", NULL },
                { "a-very-long-key-of-more-than-thirty-two-characters", NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(thing_done) Thing t = {};
                char text[200];
                Recorder rec;
                int r;

                (void) snprintf(text, sizeof(text), "{\"name\":\"a\",\n \"%s\": true}",
                                cases[i].text);
                r = decode(text, &t, &rec);
                if (strstr(cases[i].text, "\\u")) {
                        ASSERT_EQ(r, JSON_BAD);
                        continue;
                }
                ASSERT_OK(r);
                ASSERT_CONTAINS(rec.text, "2:2 warning: unknown key \"");
                ASSERT_TRUE(!!strstr(rec.text, "did you mean") == !!cases[i].result);
                if (cases[i].result)
                        ASSERT_CONTAINS(rec.text, cases[i].result);
        }
}

TEST(found_is_short) {
        char text[4096], *o = stpcpy(text, "[\"");
        _cleanup_(json_freep) JsonDoc *d = NULL;
        JsonError e;

        for (size_t i = 0; i < 500; i++)
                o = stpcpy(o, "漢\\n\xc2\x9b");
        (void) stpcpy(o, "\"]");
        ASSERT_OK(json_parse(&d, text, strlen(text), false, &e));
        for (size_t i = 0; i < 3; i++) {
                const char *found = JSON_FOUND(&d->nodes[1]);

                ASSERT_TRUE(strlen(found) < JSON_FOUND_MAX);
                ASSERT_CONTAINS(found, "\"漢\\u000a\\u009b漢");
                ASSERT_STREQ(found + strlen(found) - 4, "…\"");
                ASSERT_NULL(strchr(found, '\n'));
        }
}

TEST(written_strings) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ASSERT_NOT_NULL(f);
        json_write_string(f, "a\"\\/\b\f\n\r\t\x01\x1f\x7f é😀 bfnrt");
        ASSERT_EQ(fclose(f), 0);
        ASSERT_STREQ(text, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f é😀 bfnrt\"");
        free(text);
}

TEST(printable) {
        char *s = json_printable("a\nb\x7f\xff é\\");

        ASSERT_STREQ(s, "a\\x0ab\\x7f\\xff \\xc3\\xa9\\");
        free(s);
        s = json_printable("");
        ASSERT_STREQ(s, "");
        free(s);
}

static int parse_and_decode(void) {
        _cleanup_(thing_done) Thing t = {};
        Recorder rec;

        return decode("{\"name\":\"a\", \"\\u0063olour\":\"blue\", \"nmae\":[{},1], \"id\":1, "
                      "\"id\":2}",
                      &t, &rec);
}

TEST(out_of_memory) {
        long before = alloc_balance();
        size_t n = 0;
        int r;

        FOR_EACH_ALLOCATION_FAILURE(r, parse_and_decode()) {
                ASSERT_EQ(r, -ENOMEM);
                ASSERT_EQ(alloc_balance(), before);
                n++;
        }
        ASSERT_EQ(r, JSON_BAD);
        ASSERT_EQ(alloc_balance(), before);
        ASSERT_TRUE(n > 10);
}

TESTS_MAIN

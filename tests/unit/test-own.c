/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-own.c: what mdevdctl makes of the daemon's words where a daemon is hard to bring to say
 * them.
 */
#include "cli/own/health.h"
#include "cli/own/index.h"
#include "cli/own/svg.h"

#include "test.h"

#define UUID "c3ee7d8a-4a40-4b11-9b0f-000000000001"

/* All troubles, a line each: "!" before a warning. To be freed. */
static char *troubles_of(const char *text) {
        _cleanup_(health_done) Health h = {};
        _cleanup_(state_done) State s = {};
        char *ret = NULL;
        size_t size;
        FILE *f = open_memstream(&ret, &size);

        ASSERT_NOT_NULL(f);
        ASSERT_OK(state_parse(text, &s));
        ASSERT_OK(health_read(&s, &h));
        for (size_t i = 0; i < h.n; i++)
                (void) fprintf(f, "%s%s | %s\n", h.troubles[i].warning ? "!" : "",
                               h.troubles[i].what, h.troubles[i].remedy);
        ASSERT_EQ(fclose(f), 0);
        return ret;
}

TEST(problems_have_a_place_or_none) {
        _cleanup_(freep) char *text = troubles_of(
                "{\"problems\":["
                "{\"file\":\"/a\",\"line\":2,\"column\":3,\"warning\":false,\"text\":\"x\"},"
                "{\"file\":\"/b\",\"line\":0,\"column\":0,\"warning\":false,\"text\":\"y\"},"
                "{\"file\":\"/c\",\"line\":4,\"column\":1,\"warning\":true,\"text\":\"z\"}]}");

        ASSERT_CONTAINS(text, "/a:2:3: x. | Correct the file");
        ASSERT_CONTAINS(text, "\n/b: y. | Correct");
        ASSERT_CONTAINS(text, "\n!/c:4:1: z. | Correct");
}

TEST(a_sentence_ends_once) {
        _cleanup_(freep) char *text = troubles_of(
                "{\"problems\":["
                "{\"file\":\"/a\",\"line\":1,\"column\":1,\"warning\":true,"
                "\"text\":\"unknown key \\\"polcy\\\" is ignored; did you mean \\\"policy\\\"?\"},"
                "{\"file\":\"/b\",\"line\":0,\"column\":0,\"warning\":false,\"text\":\"x.\"},"
                "{\"file\":\"/c\",\"line\":0,\"column\":0,\"warning\":false,\"text\":\"\"}],"
                "\"definitions\":[{\"uuid\":\"" UUID "\",\"invalid\":\"/d:1:1: bad?\"}]}");

        ASSERT_CONTAINS(text, "did you mean \"policy\"? | ");
        ASSERT_CONTAINS(text, "/b: x. | ");
        ASSERT_CONTAINS(text, "/c: . | ");
        ASSERT_CONTAINS(text, "/d:1:1: bad? | ");
}

TEST(a_revoked_device_names_its_owner_if_it_has_one) {
        _cleanup_(freep) char *vm = troubles_of("{\"devices\":[{\"uuid\":\"" UUID "\",\"owner\":"
                                                "\"vm1\",\"state\":\"revoked\"}]}");
        _cleanup_(freep) char *nobody = troubles_of("{\"devices\":[{\"uuid\":\"" UUID "\","
                                                    "\"owner\":\"\",\"state\":\"revoked\"}]}");

        ASSERT_STREQ(vm, UUID " is open, and its parent is gone. | End the virtual machine (owner "
                              "vm1); what it reads there are ones.\n");
        ASSERT_STREQ(nobody, UUID " is open, and its parent is gone. | End the virtual machine; "
                                  "what it reads there are ones.\n");
}

/* The label of the only device of a pool, from a picture. To be freed. */
static char *label_of(const char *owner) {
        _cleanup_(freep) char *json = NULL, *text = NULL;
        _cleanup_(state_done) State s = {};
        _cleanup_(svg_done) Svg svg = {};
        const JsonNode *pools;
        char *begin, *end;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ASSERT_NOT_NULL(f);
        ASSERT_TRUE(asprintf(&json, "{\"parents\":[{\"name\":\"p\",\"pools\":[{\"name\":\"q\","
                                    "\"bar\":2,\"offset\":0,\"size\":8192,\"map\":[{\"offset\":0,"
                                    "\"size\":4096,\"device\":\"" UUID "\",\"owner\":\"%s\","
                                    "\"state\":\"live\"}]}]}]}", owner) > 0);
        ASSERT_OK(state_parse(json, &s));
        pools = node_list(s.parents + 1, "pools");
        ASSERT_OK(svg_add_pool(&svg, s.parents + 1, pools + 1));
        svg_print(&svg, f);
        ASSERT_EQ(fclose(f), 0);
        begin = strstr(text, ">A ");
        ASSERT_NOT_NULL(begin);
        end = strchr(begin, '\n');
        ASSERT_NOT_NULL(end);
        return strndup(begin, (size_t) (end - begin));
}

TEST(a_picture_has_characters_of_xml_only) {
        static const struct {
                const char *owner, *label;
        } cases[] = {
                { "vm1", ">A vm1</text>" },
                { "a<b>&c", ">A a&lt;b&gt;&amp;c</text>" },
                { "\xef\xbf\xbd|\xee\x80\x80|\xf0\x9f\x98\x80", /* U+FFFD, U+E000, U+1F600 */
                  ">A \xef\xbf\xbd|\xee\x80\x80|\xf0\x9f\x98\x80</text>" },
                { "a\xef\xbf\xbe|\xef\xbf\xbf|", ">A a?|?|</text>" }, /* U+FFFE, U+FFFF */
                { "\\u0001\\u001f\\u007f|\xc2\x85\xc2\xa0", ">A ???|?\xc2\xa0</text>" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(freep) char *label = label_of(cases[i].owner);

                ASSERT_STREQ(label, cases[i].label);
        }
}

/* The picture of a pool of 4 KiB devices, @n of them. To be freed. */
static char *picture_of(unsigned n) {
        _cleanup_(freep) char *json = NULL;
        _cleanup_(state_done) State s = {};
        _cleanup_(svg_done) Svg svg = {};
        const JsonNode *pools;
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&json, &size);

        ASSERT_NOT_NULL(f);
        (void) fprintf(f, "{\"parents\":[{\"name\":\"p\",\"pools\":[{\"name\":\"q\",\"bar\":2,"
                          "\"offset\":0,\"size\":%u,\"map\":[", n * 4096);
        for (unsigned i = 0; i < n; i++)
                (void) fprintf(f, "%s{\"offset\":%u,\"size\":4096,\"device\":\"%u\"}",
                               i > 0 ? "," : "", i * 4096, i);
        (void) fputs("]}]}]}", f);
        ASSERT_EQ(fclose(f), 0);
        ASSERT_OK(state_parse(json, &s));
        pools = node_list(s.parents + 1, "pools");
        ASSERT_OK(svg_add_pool(&svg, s.parents + 1, pools + 1));
        f = open_memstream(&text, &size);
        ASSERT_NOT_NULL(f);
        svg_print(&svg, f);
        ASSERT_EQ(fclose(f), 0);
        return text;
}

TEST(a_picture_has_500_rows_at_most) {
        _cleanup_(freep) char *most = picture_of(500), *more = picture_of(501);

        ASSERT_CONTAINS(most, ">499</text>");
        ASSERT_NULL(strstr(most, "more: see"));
        ASSERT_CONTAINS(more, ">499</text>");
        ASSERT_NULL(strstr(more, ">500</text>"));
        ASSERT_CONTAINS(more, ">and 1 more: see `mdevdctl map`</text>");
}

/* The indices of what is found, as "1 2 ", or "-". To be freed. */
static char *found_in(const Index *x, const JsonNode *list, const char *value, const char *second) {
        const JsonNode *const *nodes;
        size_t n = index_find(x, value, second, &nodes), size;
        char *text = NULL;
        FILE *f = open_memstream(&text, &size);

        ASSERT_NOT_NULL(f);
        for (size_t i = 0; i < n; i++)
                (void) fprintf(f, "%td ", (nodes[i] - list - 1) / 3);
        if (n == 0)
                (void) fputc('-', f);
        ASSERT_EQ(fclose(f), 0);
        ASSERT_TRUE(index_first(x, value, second) == (n > 0 ? nodes[0] : NULL));
        return text;
}

TEST(an_index_finds_all_that_are_equal_in_their_order) {
        static const struct {
                const char *value, *second, *found;
        } cases[] = {
                { "b", NULL, "2 0 4 " }, { "b", "y", "0 4 " }, { "b", "x", "2 " },
                { "b", "z", "-" },       { "b", "", "-" },     { "a", NULL, "3 " },
                { "c", "x", "1 " },      { "d", NULL, "-" },   { "", NULL, "-" },
                { NULL, NULL, "-" },     { "bb", NULL, "-" },
        };
        _cleanup_(index_done) Index x = {}, none = {};
        _cleanup_(state_done) State s = {};

        ASSERT_OK(state_parse("{\"devices\":[{\"u\":\"b\",\"p\":\"y\"},{\"u\":\"c\",\"p\":\"x\"},"
                              "{\"u\":\"b\",\"p\":\"x\"},{\"u\":\"a\",\"p\":\"x\"},"
                              "{\"u\":\"b\",\"p\":\"y\"}]}", &s));
        ASSERT_OK(index_new(s.devices, "u", "p", &x));
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(freep) char *found = found_in(&x, s.devices, cases[i].value,
                                                        cases[i].second);

                ASSERT_STREQ(found, cases[i].found);
        }
        ASSERT_OK(index_new(s.definitions, "u", NULL, &none));
        ASSERT_NULL(index_first(&none, "b", NULL));
}

TEST(only_the_last_operation_of_a_device_is_trouble) {
        _cleanup_(freep) char *text = troubles_of(
                "{\"operations\":["
                "{\"uuid\":\"u1\",\"parent\":\"p\",\"kind\":\"create\",\"state\":\"failed\","
                "\"error\":\"e1\"},"
                "{\"uuid\":\"u2\",\"parent\":\"p\",\"kind\":\"create\",\"state\":\"failed\","
                "\"error\":\"e2\"},"
                "{\"uuid\":\"u1\",\"parent\":\"q\",\"kind\":\"create\",\"state\":\"failed\","
                "\"error\":\"e3\"},"
                "{\"uuid\":\"u1\",\"parent\":\"p\",\"kind\":\"create\",\"state\":\"done\"}]}");

        ASSERT_NULL(strstr(text, "e1"));
        ASSERT_CONTAINS(text, "The last create of u2 failed: e2");
        ASSERT_CONTAINS(text, "The last create of u1 failed: e3");
}

TESTS_MAIN

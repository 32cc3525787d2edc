/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-yaml.c: what is read, what is refused, and where. */
#include "util/yaml.h"

#include "test.h"

/* As JSON, for one eye to see: {a:1,b:[x,y]}. */
static void print(FILE *f, const YamlNode *n) {
        const char *before = "";

        if (n->kind == YAML_SCALAR) {
                fputs(n->scalar, f);
                return;
        }
        fputc(n->kind == YAML_LIST ? '[' : '{', f);
        list_foreach(m, &n->members, YamlNode, node) {
                fputs(before, f);
                if (m->key)
                        fprintf(f, "%s:", m->key);
                print(f, m);
                before = ",";
        }
        fputc(n->kind == YAML_LIST ? ']' : '}', f);
}

/* What was read, or "line: why". To be freed. */
static char *read_text(const char *text) {
        _cleanup_(freep) char *copy = strdup(text);
        _cleanup_(yaml_freep) YamlNode *n = NULL;
        char *ret = NULL;
        const char *why;
        unsigned line;
        size_t size;
        FILE *f = open_memstream(&ret, &size);

        ASSERT_TRUE(f && copy);
        if (yaml_parse(copy, &n, &line, &why) < 0)
                fprintf(f, "%u: %s", line, why);
        else
                print(f, n);
        ASSERT_EQ(fclose(f), 0);
        return ret;
}

static const struct {
        const char *text, *expected;
} cases[] = {
        { "a: 1\n", "{a:1}" },
        { "---\n# c\na: x y # z\nb:\n", "{a:x y,b:}" },
        { "a:\n  b: 1\n  c:\n    - x\n    - y\nd: 2", "{a:{b:1,c:[x,y]},d:2}" },
        { "a:\n- x\n-  k: 1\n   l: 2\n- - p\n  - q\nb: 3\n", "{a:[x,{k:1,l:2},[p,q]],b:3}" },
        { "a: [x, \"y, z\", {k: 1, 'l': [2]}]\nb: []\nc: {}\n",
          "{a:[x,y, z,{k:1,l:[2]}],b:[],c:{}}" },
        { "\"a b\": 'x # y'\nu: http://x\n", "{a b:x # y,u:http://x}" },
        { "-\n  a: 1\n-\n", "[{a:1},]" },
        { "a: 1\r\nb: 2\r\n", "{a:1,b:2}" },
        { "0000:00:05.0: x\na:b: {p:q: 1, \"r:s\":2}\n", "{0000:00:05.0:x,a:b:{p:q:1,r:s:2}}" },
        { "- a:b: c\n- d:\n", "[{a:b:c},{d:}]" },

        { "", "1: nothing" },
        { "# c\n\n", "1: nothing" },
        { "a: 1\n  b: 2\n", "2: deeper than what is before it" },
        { "  a: 1\nb: 2\n", "2: what belongs to nothing before it" },
        { "a: 1\nb\n", "2: neither \"key: value\" nor \"- item\"" },
        { "a: 1\na: 2\n", "2: a key that was there before" },
        { "a: [1, 2\n", "1: a list or map in brackets without its end" },
        { "a: [1] 2\n", "1: something behind the end of a value" },
        { "a: \"x\n", "1: a quoted text without its end, or with a \\" },
        { "a: |\n  x\n", "1: something of YAML that is not understood here" },
        { "a: &x 1\n", "1: something of YAML that is not understood here" },
        { "a:\n\tb: 1\n", "2: a tab, where blanks are expected" },
        { "a: {b}\n", "1: a key without a colon" },
        { "a: {b, c: 1}\n", "1: a key without a colon" },
        { "a: {b: 1, b: 2}\n", "1: a key that was there before" },
};

TEST(texts) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(freep) char *got = read_text(cases[i].text);

                if (!streq(got, cases[i].expected))
                        test_fail(__FILE__, __LINE__, "'%s': '%s', not '%s'", cases[i].text, got,
                                  cases[i].expected);
        }
}

TEST(levels_have_a_limit) {
        char text[64] = "a: ";
        _cleanup_(freep) char *most = NULL, *more = NULL;

        memset(text + 3, '[', YAML_DEPTH_MAX - 1);
        memset(text + 3 + YAML_DEPTH_MAX - 1, ']', YAML_DEPTH_MAX - 1);
        most = read_text(text);
        ASSERT_CONTAINS(most, "{a:[[");
        memset(text + 3, '[', YAML_DEPTH_MAX);
        memset(text + 3 + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
        more = read_text(text);
        ASSERT_STREQ(more, "1: more levels than are understood here");
}

TEST(members_are_found) {
        char text[] = "a: 1\nb: [x]\n";
        _cleanup_(yaml_freep) YamlNode *n = NULL;
        const char *why;
        unsigned line;

        ASSERT_OK(yaml_parse(text, &n, &line, &why));
        ASSERT_STREQ(yaml_find(n, "a")->scalar, "1");
        ASSERT_EQ(yaml_find(n, "b")->line, 2);
        ASSERT_NULL(yaml_find(n, "c"));
        ASSERT_NULL(yaml_find(yaml_find(n, "b"), "x"));
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-json.c: two parsers of JSON against each other. What our walk accepts json-c must accept and
 * see alike, and every place must be where a third, naive count of lines and columns finds it.
 */
#include "fuzz.h"
#include "util/json.h"

static void check_place(const char *text, const JsonPlace *p, size_t size) {
        static const char *const first[] = {
                [JSON_NULL] = "n",   [JSON_BOOL] = "tf", [JSON_NUMBER] = "-0123456789",
                [JSON_STRING] = "\"", [JSON_LIST] = "[",  [JSON_OBJECT] = "{",
        };
        unsigned line = 1, column = 1;
        const char *s = text;

        assert(p->raw >= text && p->raw + p->raw_size <= text + size);
        assert(strchr(first[p->kind], *p->raw));
        if (size >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
                s += 3;
        for (; s < p->raw; s++) {
                column += ((unsigned char) *s & 0xc0) != 0x80;
                if (*s == '\n') {
                        line++;
                        column = 1;
                }
        }
        assert(p->line == line && p->column == column);
        if (p->key)
                assert(p->key < p->raw && p->key[0] == '"' && p->key[p->key_size - 1] == '"');
}

/* All members lie within their container, one after the other. */
static size_t check_tree(const JsonNode *node) {
        size_t n = 0, span = 1;

        assert(strlen(JSON_FOUND(node)) < JSON_FOUND_MAX);
        if (node->kind < JSON_LIST || node->duplicate)
                return node->span;
        json_foreach(i, node) {
                const size_t below = check_tree(i);

                assert((node->kind == JSON_OBJECT) == !!i->key);
                assert(below == i->span);
                span += below;
                n++;
        }
        assert(n == node->n_members && span == node->span);
        return span;
}

static void check(const char *text, size_t size, bool comments) {
        _cleanup_(json_freep) JsonDoc *d = NULL;
        _cleanup_(freep) JsonPlace *places = NULL;
        _cleanup_(freep) char *clean = NULL;
        JsonError located = {}, parsed = {};
        size_t n = 0;
        int r;

        clean = malloc(size + 1);
        assert(clean);
        memcpy(clean, text, size);
        r = json_locate(&places, &n, text, size, JSON_VALUES_MAX, comments, clean, &located);
        assert(r == json_parse(&d, text, size, comments, &parsed));
        assert(located.line == parsed.line && located.column == parsed.column &&
               streq(located.text, parsed.text));
        if (r != 0) {
                assert(located.text[0] && (located.line > 0 || size > JSON_SIZE_MAX));
                for (const char *s = located.text; *s; s++)
                        assert((unsigned char) *s >= 0x20);
                return;
        }

        assert(n == d->n_nodes && n <= JSON_VALUES_MAX);
        for (size_t i = 0; i < n && n < 512; i++)
                check_place(text, &places[i], size);
        assert(check_tree(d->nodes) == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        check((const char *) data, size, true);
        check((const char *) data, size, false);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json-decode.c owns the way from nodes to structs: tables of fields, what a value may be, and the
 * sentences for those who wrote something else.
 */
#include <inttypes.h>
#include <stdarg.h>

#include "util/closest.h"
#include "util/json.h"
#include "util/parse.h"

#define FOUND_CHARACTERS_MAX 40

static int json_report(JsonSink *sink, unsigned line, unsigned column, bool warning,
                       const char *format, va_list ap) _printf_(5, 0);

static int json_report(JsonSink *sink, unsigned line, unsigned column, bool warning,
                       const char *format, va_list ap) {
        _cleanup_(freep) char *text = NULL;
        int r;

        if (vasprintf(&text, format, ap) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        r = sink->report(sink, line, column, warning, text);
        return r < 0 ? r : 0;
}

int json_problem(JsonSink *sink, const JsonNode *node, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = json_report(sink, node->line, node->column, false, format, ap);
        va_end(ap);
        return r < 0 ? r : JSON_BAD;
}

int json_problem_key(JsonSink *sink, const JsonNode *node, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = json_report(sink, node->key_line, node->key_column, false, format, ap);
        va_end(ap);
        return r < 0 ? r : JSON_BAD;
}

int json_warning_key(JsonSink *sink, const JsonNode *node, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = json_report(sink, node->key_line, node->key_column, true, format, ap);
        va_end(ap);
        return r;
}

int json_unexpected(JsonSink *sink, const JsonNode *node, const char *expect) {
        return json_problem(sink, node, "expected %s, found %s", expect, JSON_FOUND(node));
}

char *json_found(const JsonNode *node, char buf[static JSON_FOUND_MAX]) {
        const char *const quote = node->kind == JSON_STRING ? "\"" : "";
        char *o = buf;
        size_t n = 0;

        if (node->kind >= JSON_LIST) {
                static const char *const words[2][2] = {
                        { "an empty list", "a list" },
                        { "an empty object", "an object" },
                };

                return strcpy(buf, words[node->kind == JSON_OBJECT][node->n_members > 0]);
        }

        o = stpcpy(o, quote);
        /* room for one more character, the sign that some are missing, the quote and the end */
        for (const char *s = node->text; *s; s++) {
                const unsigned char c = (unsigned char) *s;

                if ((c & 0xc0) != 0x80 &&
                    (n++ >= FOUND_CHARACTERS_MAX || o - buf > JSON_FOUND_MAX - 16)) {
                        o = stpcpy(o, "…");
                        break;
                }
                /* U+0080 to U+009f are control characters too, for a terminal */
                if (c == 0xc2 && (unsigned char) s[1] < 0xa0)
                        o += snprintf(o, 7, "\\u%04x", (unsigned char) *++s);
                else if (c < 0x20 || c == 0x7f)
                        o += snprintf(o, 7, "\\u%04x", c);
                else
                        *o++ = (char) c;
        }
        (void) stpcpy(o, quote);
        return buf;
}

static int json_unknown(JsonSink *sink, const JsonNode *member, const JsonField *fields) {
        _cleanup_(freep) char *key = json_printable(member->key);
        Closest closest = closest_begin_typo(member->key);

        if (!key)
                return -ENOMEM;
        for (const JsonField *f = fields; f->name; f++)
                (void) closest_offer(&closest, f->name);
        if (closest.name)
                return json_warning_key(sink, member,
                                        "unknown key \"%.*s\" is ignored; did you mean \"%s\"?",
                                        FOUND_CHARACTERS_MAX, key, closest.name);
        return json_warning_key(sink, member, "unknown key \"%.*s\" is ignored",
                                FOUND_CHARACTERS_MAX, key);
}

static int json_decode_member(JsonSink *sink, const JsonNode *object, const JsonNode *member,
                              const JsonField *fields, void *target) {
        if (member->duplicate) {
                const JsonNode *first = json_find(object, member->key);
                _cleanup_(freep) char *key = NULL;

                if (first == member)
                        return JSON_BAD; /* said where it comes again */
                key = json_printable(member->key);
                if (!key)
                        return -ENOMEM;
                return json_problem_key(sink, member,
                                        "expected each key once, found \"%.*s\" again after line "
                                        "%u",
                                        FOUND_CHARACTERS_MAX, key, first->key_line);
        }

        for (const JsonField *f = fields; f->name; f++)
                if (streq(f->name, member->key))
                        return f->decode(sink, member, f, (char *) target + f->offset);
        return json_unknown(sink, member, fields);
}

int json_decode_fields(JsonSink *sink, const JsonNode *node, const JsonField *fields,
                       const char *expect, void *target) {
        int r, result = 0;

        if (node->kind != JSON_OBJECT)
                return json_unexpected(sink, node, expect);

        json_foreach(member, node) {
                r = json_decode_member(sink, node, member, fields, target);
                if (r < 0)
                        return r;
                result |= r;
        }
        for (const JsonField *f = fields; f->name; f++) {
                if (!(f->flags & JSON_REQUIRED) || json_find(node, f->name))
                        continue;
                r = json_problem(sink, node, "expected the key \"%s\" with %s, found none", f->name,
                                 f->expect);
                if (r < 0)
                        return r;
                result = JSON_BAD;
        }
        return result;
}

int json_decode_bool(JsonSink *s, const JsonNode *n, const JsonField *f, void *value) {
        if (n->kind != JSON_BOOL)
                return json_unexpected(s, n, f->expect ?: "true or false");
        *(bool *) value = streq(n->text, "true");
        return 0;
}

int json_decode_string(JsonSink *s, const JsonNode *n, const JsonField *f, void *value) {
        char **string = value, *copy;

        if (n->kind != JSON_STRING || (f->is_valid && !f->is_valid(n->text)))
                return json_unexpected(s, n, f->expect);
        copy = strdup(n->text);
        if (!copy)
                return -ENOMEM;
        free(*string);
        *string = copy;
        return 0;
}

/* A JSON integer never has a prefix or suffix: the grammar saw to that. */
static int json_unsigned(JsonSink *s, const JsonNode *n, const JsonField *f, uint64_t max,
                         int (*parse)(const char *, uint64_t *), const char *expect,
                         uint64_t *ret) {
        int r;

        if (n->kind != JSON_STRING && n->kind != JSON_NUMBER)
                return json_unexpected(s, n, f->expect ?: expect);
        r = parse(n->text, ret);
        if (r == -EINVAL)
                return json_unexpected(s, n, f->expect ?: expect);
        if (r < 0 || *ret > max) {
                char most[SIZE_STRING_MAX];

                if (parse == parse_size)
                        (void) size_format(max, most);
                else
                        (void) snprintf(most, sizeof(most), "%" PRIu64, max);
                return json_problem(s, n, "expected %s of at most %s, found %s",
                                    f->expect ?: expect, most, JSON_FOUND(n));
        }
        return 0;
}

int json_decode_size(JsonSink *s, const JsonNode *n, const JsonField *f, void *value) {
        uint64_t v;
        int r;

        r = json_unsigned(s, n, f, f->max ?: UINT64_MAX, parse_size, "a size such as \"16M\"", &v);
        if (r != 0)
                return r;
        *(uint64_t *) value = v;
        return 0;
}

int json_decode_number(JsonSink *s, const JsonNode *n, const JsonField *f, void *value) {
        const uint64_t most = UINT64_MAX >> (64 - 8 * f->size);
        uint64_t v;
        int r;

        r = json_unsigned(s, n, f, f->max ?: most, parse_u64, "a number", &v);
        if (r != 0)
                return r;

        switch (f->size) {
        case 1:
                *(uint8_t *) value = (uint8_t) v;
                break;
        case 2:
                *(uint16_t *) value = (uint16_t) v;
                break;
        case 4:
                *(uint32_t *) value = (uint32_t) v;
                break;
        default:
                assert(f->size == sizeof(v));
                *(uint64_t *) value = v;
        }
        return 0;
}

int json_decode_enum(JsonSink *s, const JsonNode *n, const JsonField *f, void *value) {
        int v;

        v = n->kind == JSON_STRING ? f->from_string(n->text) : -EINVAL;
        if (v < 0)
                return json_unexpected(s, n, f->expect);
        assert(f->size == sizeof(v));
        *(int *) value = v;
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.h: json-c wrapped once. A text becomes a tree whose every value knows its line and column;
 * tables of JsonField decode objects into structs and say all that is wrong with them, not only the
 * first thing.
 */
#pragma once

#include <stdio.h>

#include "util/json-locate.h"
#include "util/macro.h"

typedef struct JsonDoc JsonDoc;
typedef struct JsonField JsonField;
typedef struct JsonNode JsonNode;
typedef struct JsonSink JsonSink;

/* A positive result, besides negative errno: the text is wrong, and the sink was told how. */
#define JSON_BAD 1

/*
 * Takes what is wrong. With @warning nothing is left out because of it. Negative errno ends the
 * decoding.
 */
struct JsonSink {
        int (*report)(JsonSink *sink, unsigned line, unsigned column, bool warning,
                      const char *text);
};

/* One value, borrowed from its document. Members follow as json_foreach() says. */
struct JsonNode {
        JsonKind kind;
        bool duplicate; /* the object has this key more than once: no value can be trusted */
        unsigned line, column;
        unsigned key_line, key_column;
        uint32_t n_members;
        uint32_t span;
        char *key;        /* NULL: no member of an object */
        const char *text; /* of a string: unescaped, without NULs; of other scalars: as written */
};

struct JsonDoc {
        JsonNode *nodes; /* nodes[0] is the document */
        size_t n_nodes;
        char **texts;
};

/*
 * What to tell json-c's parser: to be strict. Not 0.18, the one of Debian 13: it then takes every
 * byte from 0x80 on for a control character (https://github.com/json-c/json-c/issues/875). Our own
 * walk over a text (json-locate.h) is stricter in any case.
 */
int json_flags(void);

/*
 * 0: *@ret. JSON_BAD: not JSON, *@reterr says where and what was expected. JSON texts are UTF-8, at
 * most JSON_SIZE_MAX bytes; with @comments, C and C++ comments count as blanks.
 */
int json_parse(JsonDoc **ret, const char *text, size_t size, bool comments, JsonError *reterr);
/* The same of a daemon's answer: JSON_ANSWER_MAX bytes and JSON_ANSWER_VALUES_MAX values. */
int json_parse_answer(JsonDoc **ret, const char *text, size_t size, JsonError *reterr);
JsonDoc *json_free(JsonDoc *d);
DEFINE_CLEANUP(JsonDoc *, json_free)

#define json_foreach(iter, container)                                                              \
        for (const JsonNode *iter = (container) + 1,                                               \
                            *_end_##iter = (container) + (container)->span;                        \
             iter < _end_##iter; iter += iter->span)

/* Member @key of an object, NULL: there is none. */
const JsonNode *json_find(const JsonNode *object, const char *key);

/* Tell @sink about @node and return JSON_BAD, or the sink's negative errno. */
int json_problem(JsonSink *sink, const JsonNode *node, const char *format, ...) _printf_(3, 4);
/* The same about the key of @node. */
int json_problem_key(JsonSink *sink, const JsonNode *node, const char *format, ...) _printf_(3, 4);
/* As json_problem_key(), but nothing is bad: returns 0. */
int json_warning_key(JsonSink *sink, const JsonNode *node, const char *format, ...) _printf_(3, 4);
/* "expected @expect, found …" */
int json_unexpected(JsonSink *sink, const JsonNode *node, const char *expect);

/* What @node is, short, for a sentence: true, 12, "text", a list, an object. */
#define JSON_FOUND_MAX 128
char *json_found(const JsonNode *node, char buf[static JSON_FOUND_MAX]);
#define JSON_FOUND(node) json_found((node), (char[JSON_FOUND_MAX]){})

/*
 * Decodes @node into @value, which is where the field lies in the struct. 0, JSON_BAD after telling
 * the sink, or negative errno.
 */
typedef int (*JsonDecode)(JsonSink *sink, const JsonNode *node, const JsonField *field,
                          void *value);

typedef enum JsonFlags {
        JSON_REQUIRED = 1 << 0,
} JsonFlags;

struct JsonField {
        const char *name;
        JsonDecode decode;
        size_t offset;
        size_t size; /* of the member, for json_decode_number() */
        unsigned flags;
        uint64_t max;       /* of sizes and numbers; 0: what the member holds */
        const char *expect; /* "a size such as \"16M\"" */
        bool (*is_valid)(const char *s);
        int (*from_string)(const char *s);
};

/* JSON_FIELD(Pool, bar, json_decode_number), for the four members that go together. */
#define JSON_FIELD(type, member, decoder)                                                          \
        .decode = (decoder), .offset = offsetof(type, member), .size = sizeof(((type *) 0)->member)

/*
 * Decodes the members of @node by the table @fields, which ends with a nameless one. Unknown keys
 * are a warning with the closest known name; missing and duplicate ones are problems.
 */
int json_decode_fields(JsonSink *sink, const JsonNode *node, const JsonField *fields,
                       const char *expect, void *target);

int json_decode_bool(JsonSink *s, const JsonNode *n, const JsonField *f, void *value); /* bool */
/* char *, freed and replaced; checked by field->is_valid if set */
int json_decode_string(JsonSink *s, const JsonNode *n, const JsonField *f, void *value);
/* uint64_t: bytes, as an integer or a string such as "16M" */
int json_decode_size(JsonSink *s, const JsonNode *n, const JsonField *f, void *value);
/* unsigned of 1, 2, 4 or 8 bytes, as an integer or a string such as "0x1af4" */
int json_decode_number(JsonSink *s, const JsonNode *n, const JsonField *f, void *value);
/* an enum with a string table, by field->from_string */
int json_decode_enum(JsonSink *s, const JsonNode *n, const JsonField *f, void *value);

/* Writes @s as a JSON string, escaping no more than the format demands. */
void json_write_string(FILE *file, const char *s);
/* A copy of a hostile byte string, fit for one line of a log: "\x0a" for what is not text. */
char *json_printable(const char *s);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json-locate.h: where things stand in a JSON text, which json-c does not say. A strict walk over
 * the text that json-c is given: it notes the line and column of every value and key, blanks
 * comments and refuses what json-c would silently repair.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_SIZE_MAX (1024 * 1024) /* bytes of one text */
#define JSON_ANSWER_MAX (64 * 1024 * 1024) /* of one that a daemon wrote, not a person */
#define JSON_DEPTH_MAX 16           /* objects and lists inside each other */
#define JSON_VALUES_MAX 65536       /* values in one text */
#define JSON_ANSWER_VALUES_MAX (1024 * 1024) /* of one that a daemon wrote: some 40,000 devices */
#define JSON_MEMBERS_MAX 1024       /* members of one object */

typedef struct JsonError JsonError;
typedef struct JsonPlace JsonPlace;

typedef enum JsonKind {
        JSON_NULL,
        JSON_BOOL,
        JSON_NUMBER,
        JSON_STRING,
        JSON_LIST,
        JSON_OBJECT,
} JsonKind;

/* Lines and columns count from 1; a column is one character of UTF-8, a tab is one column. */
struct JsonError {
        unsigned line;
        unsigned column;
        char text[200];
};

/*
 * One value. Values stand in the order of the text, a container before its members: the first
 * member of places[i] is places[i + 1], the sibling that follows it is places[i + span].
 */
struct JsonPlace {
        const char *raw; /* the scalar, or the bracket, in the text; not terminated */
        const char *key; /* the member's key with its quotes, NULL where there is none */
        uint32_t raw_size;
        uint32_t key_size;
        uint32_t n_members;
        uint32_t span; /* of this value and all below it */
        unsigned line, column;
        unsigned key_line, key_column;
        JsonKind kind;
};

/*
 * Walks @text, of @values_max values at most. 0: *@ret is an array of *@ret_n places, to be freed;
 * @clean (@size bytes, a copy of the text) has blanks where the comments were. 1: the text is no
 * JSON and *@reterr says where and what was expected. Negative: errno.
 */
int json_locate(JsonPlace **ret, size_t *ret_n, const char *text, size_t size, size_t values_max,
                bool comments, char *clean, JsonError *reterr);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json-text.h: JSON that is written at once, without a tree of it: what json-c makes of a tree with
 * JSON_C_TO_STRING_PLAIN, byte for byte. And read again without one, by who knows what is to come:
 * that is no parser, and whoever is told "false" asks json-c, which alone says what is wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

typedef struct JsonText JsonText;
typedef struct JsonPlain JsonPlain;

/* Begins as {}. That there is no memory for it is told at its end. */
struct JsonText {
        char *text;
        size_t size;
        size_t room;
        bool failed;
};

/* A value; @key NULL: it is in a list, or the first of all. Keys are words, and not escaped. */
void json_text_begin(JsonText *t, const char *key, char bracket);
void json_text_end(JsonText *t, char bracket);
void json_text_string(JsonText *t, const char *key, const char *value); /* NULL: it is left out */
void json_text_u64(JsonText *t, const char *key, uint64_t value);
/* What was written, and @tail behind it. @t is empty then, also where it failed. */
int json_text_take(JsonText *t, const char *tail, char **ret);

/*
 * Where it is read. Each of these goes on behind what it was to find there, or is false: then it is
 * anywhere, and its reader gives up. So it is with all that json-text.c does not write, with what
 * is escaped but for slashes, and with what is not ASCII.
 */
struct JsonPlain {
        const char *text;
        const char *at;
        const char *end;
};

#define JSON_PLAIN_STRING_MAX 512

bool json_plain_begin(JsonPlain *p, const char *key, char bracket);
bool json_plain_end(JsonPlain *p, char bracket);
/* The next member has that key. */
bool json_plain_has(const JsonPlain *p, const char *key);
bool json_plain_string(JsonPlain *p, const char *key, char buf[static JSON_PLAIN_STRING_MAX]);
bool json_plain_u64(JsonPlain *p, const char *key, uint64_t max, uint64_t *ret);
/* The same of a word of a table. */
bool json_plain_word(JsonPlain *p, const char *key, int (*from_string)(const char *s), int *ret);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json-out.h: JSON text as people and mdevctl's users like it: two blanks a level, a member a line,
 * nothing in an empty list or object, no newline at the end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_OUT_DEPTH_MAX 16

typedef struct JsonOut JsonOut;

struct JsonOut {
        FILE *file; /* borrowed */
        unsigned depth;
        bool filled[JSON_OUT_DEPTH_MAX + 1]; /* something stands on this level already */
};

/* @key: of a member of an object; NULL in a list and at the top. */
void json_out_open(JsonOut *o, const char *key, char bracket); /* '[' or '{' */
void json_out_close(JsonOut *o, char bracket);                 /* ']' or '}' */
void json_out_string(JsonOut *o, const char *key, const char *value);
void json_out_number(JsonOut *o, const char *key, int64_t value);

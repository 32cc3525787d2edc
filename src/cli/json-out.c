/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json-out.c owns commas, line breaks and the depth of JSON that is written. */
#include "cli/json-out.h"

#include <inttypes.h>

#include "util/json.h"

static void line(JsonOut *o) {
        static const char blanks[] = "\n                                ";

        static_assert(sizeof(blanks) == 2 + 2 * JSON_OUT_DEPTH_MAX, "two blanks a level");
        (void) fwrite_unlocked(blanks, 1, 1 + 2 * o->depth, o->file);
}

static void begin(JsonOut *o, const char *key) {
        if (o->filled[o->depth])
                (void) putc_unlocked(',', o->file);
        if (o->depth > 0)
                line(o);
        o->filled[o->depth] = true;
        if (key) {
                json_write_string(o->file, key);
                (void) fwrite_unlocked(": ", 1, 2, o->file);
        }
}

void json_out_open(JsonOut *o, const char *key, char bracket) {
        begin(o, key);
        (void) putc_unlocked(bracket, o->file);
        assert(o->depth < JSON_OUT_DEPTH_MAX);
        o->filled[++o->depth] = false;
}

void json_out_close(JsonOut *o, char bracket) {
        bool filled = o->filled[o->depth];

        assert(o->depth > 0);
        o->depth--;
        if (filled)
                line(o);
        (void) putc_unlocked(bracket, o->file);
}

void json_out_string(JsonOut *o, const char *key, const char *value) {
        begin(o, key);
        json_write_string(o->file, value);
}

void json_out_number(JsonOut *o, const char *key, int64_t value) {
        begin(o, key);
        (void) fprintf(o->file, "%" PRId64, value);
}

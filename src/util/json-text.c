/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json-text.c owns what JSON of ours looks like where there is no tree of it. */
#include "util/json-text.h"

#define ROOM_MIN 512
#define ESCAPED_MAX 6 /* bytes that one of a string becomes */
#define NUMBER_MAX 20 /* digits */
#define DIGITS_SURE 19 /* that many are less than 2^64 */

/* ---- writing ---- */

/* For @n bytes; NULL: there is no memory, now or before. */
static char *take_room(JsonText *t, size_t n) {
        char *bigger;

        if (t->failed)
                return NULL;
        if (t->room - t->size < n) {
                size_t room = MAX(t->room * 2, t->size + n);

                room = MAX(room, (size_t) ROOM_MIN);
                bigger = realloc(t->text, room);
                if (!bigger) {
                        t->failed = true;
                        return NULL;
                }
                t->text = bigger;
                t->room = room;
        }
        return t->text + t->size;
}

static bool is_open(char before) {
        return before == '{' || before == '[';
}

/* The comma and the key of a value, and room for its @n bytes. */
static char *begin_value(JsonText *t, const char *key, size_t n) {
        size_t size = key ? strlen(key) : 0;
        char *p = take_room(t, n + size + strlen(",\"\":"));

        if (!p)
                return NULL;
        if (t->size > 0 && !is_open(p[-1]))
                *p++ = ',';
        if (!key)
                return p;
        *p++ = '"';
        p = mempcpy(p, key, size);
        *p++ = '"';
        *p++ = ':';
        return p;
}

static void end_value(JsonText *t, const char *end) {
        t->size = (size_t) (end - t->text);
}

void json_text_begin(JsonText *t, const char *key, char bracket) {
        char *p = begin_value(t, key, 1);

        if (!p)
                return;
        *p++ = bracket;
        end_value(t, p);
}

void json_text_end(JsonText *t, char bracket) {
        char *p = take_room(t, 1);

        if (!p)
                return;
        *p++ = bracket;
        end_value(t, p);
}

/* json-c escapes slashes, too. */
static char *put_escaped(char *p, const char *s) {
        static const char digits[] = "0123456789abcdef", letters[256] = {
                ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
                ['"'] = '"',  ['/'] = '/',  ['\\'] = '\\',
        };

        for (; *s; s++) {
                unsigned char c = (unsigned char) *s;

                if (letters[c]) {
                        *p++ = '\\';
                        *p++ = letters[c];
                } else if (c < 0x20) {
                        p = mempcpy(p, "\\u00", 4);
                        *p++ = digits[c >> 4];
                        *p++ = digits[c & 15];
                } else
                        *p++ = *s;
        }
        return p;
}

void json_text_string(JsonText *t, const char *key, const char *value) {
        char *p;

        if (!value)
                return;
        p = begin_value(t, key, strlen(value) * ESCAPED_MAX + 2);
        if (!p)
                return;
        *p++ = '"';
        p = put_escaped(p, value);
        *p++ = '"';
        end_value(t, p);
}

void json_text_u64(JsonText *t, const char *key, uint64_t value) {
        char digits[NUMBER_MAX], *first = digits + sizeof(digits);
        char *p = begin_value(t, key, NUMBER_MAX);

        if (!p)
                return;
        do
                *--first = (char) ('0' + value % 10);
        while ((value /= 10) > 0);
        end_value(t, mempcpy(p, first, (size_t) (digits + sizeof(digits) - first)));
}

int json_text_take(JsonText *t, const char *tail, char **ret) {
        char *p = take_room(t, strlen(tail) + 1);

        if (p) {
                (void) strcpy(p, tail);
                *ret = TAKE_PTR(t->text);
        }
        free(t->text);
        *t = (JsonText) {};
        return p ? 0 : -ENOMEM;
}

/* ---- reading ---- */

static bool skip(JsonPlain *p, char c) {
        if (p->at == p->end || *p->at != c)
                return false;
        p->at++;
        return true;
}

static bool skip_key(JsonPlain *p, const char *key) {
        size_t n;

        if (p->at > p->text && !is_open(p->at[-1]) && !skip(p, ','))
                return false;
        if (!key)
                return true;
        /* most of those that are looked for are not there */
        if (!skip(p, '"') || p->at == p->end || *p->at != *key)
                return false;
        n = strlen(key);
        if ((size_t) (p->end - p->at) < n || memcmp(p->at, key, n) != 0)
                return false;
        p->at += n;
        return skip(p, '"') && skip(p, ':');
}

bool json_plain_begin(JsonPlain *p, const char *key, char bracket) {
        return skip_key(p, key) && skip(p, bracket);
}

bool json_plain_end(JsonPlain *p, char bracket) {
        return skip(p, bracket);
}

bool json_plain_has(const JsonPlain *p, const char *key) {
        JsonPlain ahead = *p;

        return skip_key(&ahead, key);
}

bool json_plain_string(JsonPlain *p, const char *key, char buf[static JSON_PLAIN_STRING_MAX]) {
        const char *at, *full = buf + JSON_PLAIN_STRING_MAX - 1;

        if (!skip_key(p, key) || !skip(p, '"'))
                return false;
        for (at = p->at; at < p->end && *at != '"'; at++) {
                if (*at < 0x20 || *at > 0x7e || buf == full)
                        return false; /* a char may have a sign */
                if (*at == '\\' && (++at == p->end || *at != '/'))
                        return false;
                *buf++ = *at;
        }
        *buf = '\0';
        p->at = at;
        return skip(p, '"');
}

/* What follows it is the next thing that is looked for, so "1.5" is not taken for 1. */
bool json_plain_u64(JsonPlain *p, const char *key, uint64_t max, uint64_t *ret) {
        const char *first;
        uint64_t n = 0;

        if (!skip_key(p, key))
                return false;
        for (first = p->at; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++)
                n = n * 10 + (uint64_t) (*p->at - '0');
        if (p->at == first || p->at - first > DIGITS_SURE ||
            (*first == '0' && p->at - first > 1) || n > max)
                return false;
        *ret = n;
        return true;
}

bool json_plain_word(JsonPlain *p, const char *key, int (*from_string)(const char *s), int *ret) {
        char word[JSON_PLAIN_STRING_MAX];

        if (!json_plain_string(p, key, word))
                return false;
        *ret = from_string(word);
        return *ret >= 0;
}

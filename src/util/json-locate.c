/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json-locate.c owns positions in JSON texts: a recursive descent over RFC 8259 plus comments, with
 * caps on size, depth and number. Values are json-c's business; a test holds the two against each
 * other, since a text that only one of them accepts would be read at the wrong place.
 */
#include <stdarg.h>

#include "util/json-locate.h"
#include "util/macro.h"
#include "util/utf8.h"

typedef struct Walk Walk;

struct Walk {
        const char *text;
        const char *end;
        const char *at;
        char *clean;
        bool comments;
        size_t values_max;
        unsigned depth;

        /* The last position that was asked for; most questions go forward from there. */
        const char *known;
        unsigned line, column;

        JsonPlace *places;
        size_t n_places, n_allocated;
        JsonError *error;
};

static int walk_value(Walk *w, size_t *ret_index);

/* Continuation bytes are part of the column of their first byte, and so is CR of CRLF. */
static void walk_position(Walk *w, const char *at, unsigned *ret_line, unsigned *ret_column) {
        if (at < w->known) {
                w->known = w->text;
                w->line = w->column = 1;
        }

        for (; w->known < at; w->known++) {
                if (*w->known == '\n') {
                        w->line++;
                        w->column = 1;
                } else if (((unsigned char) *w->known & 0xc0) != 0x80)
                        w->column++;
        }

        *ret_line = w->line;
        *ret_column = w->column;
}

static int walk_error(Walk *w, const char *at, const char *format, ...) _printf_(3, 4);

static int walk_error(Walk *w, const char *at, const char *format, ...) {
        va_list ap;

        walk_position(w, at, &w->error->line, &w->error->column);
        va_start(ap, format);
        (void) vsnprintf(w->error->text, sizeof(w->error->text), format, ap);
        va_end(ap);
        return 1;
}

/* What stands at @at, for a sentence; the text is known to be UTF-8. */
static const char *walk_found(const Walk *w, const char *at, char buf[static 48]) {
        size_t n = 0;

        if (at >= w->end)
                return "the end of the file";
        /* U+0080 to U+009f have two bytes, the second of which is their number */
        if (*at == '\xc2' && (unsigned char) at[1] < 0xa0)
                at++;
        if ((unsigned char) *at < 0x20 || *at == 0x7f || ((unsigned char) *at & 0xc0) == 0x80) {
                (void) snprintf(buf, 48, "the control character 0x%02x", (unsigned char) *at);
                return buf;
        }

        if (((unsigned char) *at | 0x20) >= 'a' && ((unsigned char) *at | 0x20) <= 'z')
                while (n < 24 && at + n < w->end &&
                       ((at[n] | 0x20) >= 'a' && (at[n] | 0x20) <= 'z'))
                        n++;
        else
                do
                        n++;
                while (at + n < w->end && ((unsigned char) at[n] & 0xc0) == 0x80);

        if (*at == '"')
                return "a string";
        (void) snprintf(buf, 48, "\"%.*s\"", (int) n, at);
        return buf;
}

#define FOUND(w, at) walk_found((w), (at), (char[48]){})

static int walk_check_bytes(Walk *w) {
        for (const char *p = w->text; p < w->end;) {
                size_t n = utf8_decode(p, (size_t) (w->end - p), NULL);

                if (n == 0 && *p == 0)
                        return walk_error(w, p, "expected text, found a NUL byte");
                if (n == 0)
                        return walk_error(w, p, "expected text in UTF-8, found the byte 0x%02x",
                                          (unsigned char) *p);
                p += n;
        }
        return 0;
}

static int walk_comment(Walk *w) {
        const char *start = w->at, *stop;

        if (!w->comments)
                return walk_error(w, start, "expected JSON without comments, found a comment");

        if (start[1] == '/') {
                stop = memchr(start, '\n', (size_t) (w->end - start));
                stop = stop ?: w->end;
        } else {
                stop = memmem(start + 2, (size_t) (w->end - start - 2), "*/", 2);
                if (!stop)
                        return walk_error(w, start, "this comment has no end: expected \"*/\"");
                stop += 2;
        }

        for (const char *p = start; p < stop; p++)
                if (*p != '\n')
                        w->clean[p - w->text] = ' ';
        w->at = stop;
        return 0;
}

static int walk_blanks(Walk *w) {
        int r;

        for (;;) {
                while (w->at < w->end && strchr(" \t\r\n", *w->at))
                        w->at++;
                if (w->end - w->at < 2 || w->at[0] != '/' ||
                    (w->at[1] != '/' && w->at[1] != '*'))
                        return 0;
                r = walk_comment(w);
                if (r != 0)
                        return r;
        }
}

/* Four hex digits; -1: they are none. */
static int walk_hex4(const Walk *w, const char *at) {
        int v = 0;

        if (w->end - at < 4)
                return -1;
        for (size_t i = 0; i < 4; i++) {
                const char *digits = "0123456789abcdef", *d;
                char c = at[i];

                if (c >= 'A' && c <= 'F')
                        c |= 0x20;
                d = c ? strchr(digits, c) : NULL;
                if (!d)
                        return -1;
                v = v << 4 | (int) (d - digits);
        }
        return v;
}

/* At a backslash. json-c turns half a surrogate pair into U+FFFD, and ends a key at \u0000. */
static int walk_escape(Walk *w) {
        const char *start = w->at;
        int high, low;

        if (w->end - start < 2 || !strchr("\"\\/bfnrtu", start[1]))
                return walk_error(w, start,
                                  "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
        if (start[1] != 'u') {
                w->at += 2;
                return 0;
        }

        high = walk_hex4(w, start + 2);
        if (high < 0)
                return walk_error(w, start, "expected four hexadecimal digits after \"\\u\"");
        if (high == 0)
                return walk_error(w, start, "expected a character, found \\u0000");
        w->at += 6;
        if (high < 0xd800 || high > 0xdfff)
                return 0;

        low = w->end - w->at >= 6 && w->at[0] == '\\' && w->at[1] == 'u' ?
                      walk_hex4(w, w->at + 2) :
                      -1;
        if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
                return walk_error(w, start, "expected a pair of surrogates, found half of one");
        w->at += 6;
        return 0;
}

static int walk_string(Walk *w) {
        const char *start = w->at++;
        int r;

        while (w->at < w->end && *w->at != '"') {
                if ((unsigned char) *w->at < 0x20 && *w->at != '\n')
                        return walk_error(w, w->at,
                                          "expected an escape such as \\t, found %s in a string",
                                          FOUND(w, w->at));
                if (*w->at == '\n')
                        return walk_error(w, start, "this string has no end on its line");
                if (*w->at != '\\') {
                        w->at++;
                        continue;
                }
                r = walk_escape(w);
                if (r != 0)
                        return r;
        }

        if (w->at >= w->end)
                return walk_error(w, start, "this string has no end");
        w->at++;
        return 0;
}

static bool walk_digits(Walk *w) {
        const char *start = w->at;

        while (w->at < w->end && *w->at >= '0' && *w->at <= '9')
                w->at++;
        return w->at > start;
}

static int walk_number(Walk *w) {
        const char *start = w->at;
        bool right;

        if (*w->at == '-')
                w->at++;
        if (w->at < w->end && *w->at == '0') {
                w->at++;
                right = !walk_digits(w);
        } else
                right = walk_digits(w);

        if (right && w->at < w->end && *w->at == '.') {
                w->at++;
                right = walk_digits(w);
        }
        if (right && w->at < w->end && (*w->at | 0x20) == 'e') {
                w->at++;
                if (w->at < w->end && (*w->at == '+' || *w->at == '-'))
                        w->at++;
                right = walk_digits(w);
        }

        /* "0x10" and "16M" are what people write where a number is wanted. */
        if (!right || (w->at < w->end && ((*w->at | 0x20) >= 'a' && (*w->at | 0x20) <= 'z')))
                return walk_error(w, start,
                                  "expected a decimal number without leading zeros, or a string "
                                  "such as \"16M\" or \"0x10\"");
        return 0;
}

static int walk_word(Walk *w, JsonKind *ret_kind) {
        static const struct {
                const char *word;
                JsonKind kind;
        } words[] = {
                { "true", JSON_BOOL },
                { "false", JSON_BOOL },
                { "null", JSON_NULL },
        };
        size_t n = 0;

        while (w->at + n < w->end && (w->at[n] | 0x20) >= 'a' && (w->at[n] | 0x20) <= 'z')
                n++;
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (n == strlen(words[i].word) && memcmp(w->at, words[i].word, n) == 0) {
                        w->at += n;
                        *ret_kind = words[i].kind;
                        return 0;
                }
        return walk_error(w, w->at, "expected a value, found %s", FOUND(w, w->at));
}

static int walk_add(Walk *w, size_t *ret_index) {
        if (w->n_places >= w->values_max)
                return walk_error(w, w->at, "expected at most %zu values in one file",
                                  w->values_max);
        if (w->n_places == w->n_allocated) {
                size_t n = w->n_allocated ? w->n_allocated * 2 : 64;
                JsonPlace *p = reallocarray(w->places, n, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                w->places = p;
                w->n_allocated = n;
        }
        w->places[w->n_places] = (JsonPlace) {};
        *ret_index = w->n_places++;
        return 0;
}

/* The quoted key and its colon. */
static int walk_key(Walk *w, JsonPlace *key) {
        int r;

        if (w->at >= w->end || *w->at != '"')
                return walk_error(w, w->at, "expected a key in double quotes, found %s",
                                  FOUND(w, w->at));
        walk_position(w, w->at, &key->key_line, &key->key_column);
        key->key = w->at;
        r = walk_string(w);
        if (r != 0)
                return r;
        key->key_size = (uint32_t) (w->at - key->key);

        r = walk_blanks(w);
        if (r != 0)
                return r;
        if (w->at >= w->end || *w->at != ':')
                return walk_error(w, w->at, "expected \":\" after the key, found %s",
                                  FOUND(w, w->at));
        w->at++;
        return 0;
}

static int walk_member(Walk *w, size_t container, bool object) {
        JsonPlace key = {};
        size_t index;
        int r;

        if (object && w->places[container].n_members >= JSON_MEMBERS_MAX)
                return walk_error(w, w->at, "expected at most %u members in one object",
                                  JSON_MEMBERS_MAX);
        if (object) {
                r = walk_key(w, &key);
                if (r != 0)
                        return r;
        }
        r = walk_value(w, &index);
        if (r != 0)
                return r;

        w->places[index].key = key.key;
        w->places[index].key_size = key.key_size;
        w->places[index].key_line = key.key_line;
        w->places[index].key_column = key.key_column;
        w->places[container].n_members++;
        return walk_blanks(w);
}

/* At the opening bracket. */
static int walk_container(Walk *w, size_t container, bool object) {
        const char close = object ? '}' : ']';
        int r;

        if (w->depth >= JSON_DEPTH_MAX)
                return walk_error(w, w->at, "expected at most %u levels of objects and lists",
                                  JSON_DEPTH_MAX);
        w->depth++;
        w->at++;
        r = walk_blanks(w);
        if (r != 0)
                return r;

        for (bool first = true; w->at >= w->end || *w->at != close; first = false) {
                if (!first && (w->at >= w->end || *w->at != ','))
                        return walk_error(w, w->at, "expected \",\" or \"%c\", found %s", close,
                                          FOUND(w, w->at));
                if (!first)
                        w->at++;
                r = walk_blanks(w);
                if (r != 0)
                        return r;
                if (!first && w->at < w->end && *w->at == close)
                        return walk_error(w, w->at,
                                          "expected another entry after \",\", found \"%c\"",
                                          close);
                r = walk_member(w, container, object);
                if (r != 0)
                        return r;
        }

        w->at++;
        w->depth--;
        return 0;
}

static int walk_value(Walk *w, size_t *ret_index) {
        const char *start;
        JsonKind kind = JSON_NULL;
        size_t index = 0;
        int r;

        r = walk_blanks(w);
        if (r != 0)
                return r;
        r = walk_add(w, &index);
        if (r != 0)
                return r;
        start = w->at;
        walk_position(w, start, &w->places[index].line, &w->places[index].column);

        if (start >= w->end)
                return walk_error(w, start, "expected a value, found %s", FOUND(w, start));
        if (*start == '{' || *start == '[') {
                kind = *start == '{' ? JSON_OBJECT : JSON_LIST;
                r = walk_container(w, index, kind == JSON_OBJECT);
        } else if (*start == '"') {
                kind = JSON_STRING;
                r = walk_string(w);
        } else if (*start == '-' || (*start >= '0' && *start <= '9')) {
                kind = JSON_NUMBER;
                r = walk_number(w);
        } else
                r = walk_word(w, &kind);
        if (r != 0)
                return r;

        w->places[index].kind = kind;
        w->places[index].raw = start;
        w->places[index].raw_size = kind >= JSON_LIST ? 1 : (uint32_t) (w->at - start);
        w->places[index].span = (uint32_t) (w->n_places - index);
        *ret_index = index;
        return 0;
}

static int walk_document(Walk *w) {
        size_t index;
        int r;

        r = walk_check_bytes(w);
        if (r != 0)
                return r;
        r = walk_value(w, &index);
        if (r != 0)
                return r;
        r = walk_blanks(w);
        if (r != 0)
                return r;
        if (w->at < w->end)
                return walk_error(w, w->at, "expected nothing more, found %s", FOUND(w, w->at));
        return 0;
}

int json_locate(JsonPlace **ret, size_t *ret_n, const char *text, size_t size, size_t values_max,
                bool comments, char *clean, JsonError *reterr) {
        Walk w = {
                .text = text,
                .end = text + size,
                .at = text,
                .clean = clean,
                .comments = comments,
                .values_max = values_max,
                .known = text,
                .line = 1,
                .column = 1,
                .error = reterr,
        };
        int r;

        if (size > JSON_ANSWER_MAX) {
                *reterr = (JsonError) {};
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "expected at most %u bytes, found %zu", JSON_ANSWER_MAX,
                                size);
                return 1;
        }

        /* Some editors begin a file with a byte order mark: it is no character of the text. */
        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
                memset(clean, ' ', 3);
                w.text = w.at = w.known = text + 3;
                w.clean = clean + 3;
        }

        r = walk_document(&w);
        if (r != 0) {
                free(w.places);
                return r;
        }
        *ret = w.places;
        *ret_n = w.n_places;
        return 0;
}

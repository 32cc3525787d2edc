/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.c owns json-c: nothing else includes it. json-locate.c says where values stand, json-c what
 * they are; this file pairs the two into nodes and refuses a text about which they differ.
 */
#include "util/json.h"

#include <stdarg.h>

#include <json-c/json.h>

DEFINE_CLEANUP_VOID(struct json_tokener *, json_tokener_free)

static void json_object_putp(struct json_object **o) {
        if (*o)
                (void) json_object_put(*o);
}

static int json_error(JsonError *error, const JsonPlace *place, const char *text) {
        *error = (JsonError) {};
        if (place) {
                error->line = place->line;
                error->column = place->column;
        }
        (void) snprintf(error->text, sizeof(error->text), "%s", text);
        return JSON_BAD;
}

int json_flags(void) {
        const bool misreads = json_c_version_num() >> 8 == 0x12;

        return JSON_TOKENER_VALIDATE_UTF8 | (misreads ? 0 : JSON_TOKENER_STRICT);
}

/* Parses with json-c, strictly; @text is terminated, which ends a number at the top. */
static int json_tokenize(const char *text, size_t size, struct json_object **ret,
                         const char **ret_why) {
        _cleanup_(json_tokener_freep) struct json_tokener *tokener = NULL;
        enum json_tokener_error e;

        /* its depth counts the scalars inside the innermost container too */
        tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, json_flags());
        *ret = json_tokener_parse_ex(tokener, text, (int) size + 1);
        e = json_tokener_get_error(tokener);
        if (e == json_tokener_success)
                return 0;

        *ret_why = json_tokener_error_desc(e);
        return JSON_BAD;
}

/* Not strndup(): what is copied is a part of a text that need not end in a NUL anywhere. */
static char *copy_bytes(const char *bytes, size_t size) {
        char *copy = malloc(size + 1);

        if (!copy)
                return NULL;
        memcpy(copy, bytes, size);
        copy[size] = '\0';
        return copy;
}

/* The key without quotes and escapes. Escapes are left to json-c, by parsing the key alone. */
static int json_key(const JsonPlace *place, char **ret) {
        _cleanup_(json_object_putp) struct json_object *o = NULL;
        _cleanup_(freep) char *quoted = NULL;
        const char *why;
        int r;

        if (!memchr(place->key, '\\', place->key_size)) {
                *ret = copy_bytes(place->key + 1, place->key_size - 2);
                return *ret ? 0 : -ENOMEM;
        }

        quoted = copy_bytes(place->key, place->key_size);
        if (!quoted)
                return -ENOMEM;
        r = json_tokenize(quoted, place->key_size, &o, &why);
        if (r != 0)
                return r;
        *ret = strdup(json_object_get_string(o));
        return *ret ? 0 : -ENOMEM;
}

static JsonKind json_kind(struct json_object *o) {
        switch (json_object_get_type(o)) {
        case json_type_null:
                return JSON_NULL;
        case json_type_boolean:
                return JSON_BOOL;
        case json_type_int:
        case json_type_double:
                return JSON_NUMBER;
        case json_type_string:
                return JSON_STRING;
        case json_type_array:
                return JSON_LIST;
        case json_type_object:
                return JSON_OBJECT;
        }
        return JSON_NULL;
}

static void json_mark_duplicates(JsonNode *object) {
        JsonNode *end = object + object->span;

        for (JsonNode *a = object + 1; a < end; a += a->span)
                for (JsonNode *b = object + 1; b < a; b += b->span)
                        if (streq(a->key, b->key))
                                a->duplicate = b->duplicate = true;
}

/* Numbers are kept as written: json-c would round or clamp what does not fit. */
static int json_scalar(JsonDoc *d, size_t i, const JsonPlace *place, struct json_object *value) {
        d->texts[i] = place->kind == JSON_STRING ?
                              copy_bytes(json_object_get_string(value),
                                         (size_t) json_object_get_string_len(value)) :
                              copy_bytes(place->raw, place->raw_size);
        if (!d->texts[i])
                return -ENOMEM;
        d->nodes[i].text = d->texts[i];
        return 0;
}

static int json_pair(JsonDoc *d, const JsonPlace *places, size_t i, struct json_object *value);

static int json_pair_members(JsonDoc *d, const JsonPlace *places, size_t i,
                             struct json_object *value) {
        const size_t end = i + places[i].span;
        size_t n = 0;
        int r;

        if (places[i].kind == JSON_LIST) {
                if (json_object_array_length(value) != places[i].n_members)
                        return JSON_BAD;
                for (size_t k = i + 1; k < end; k += places[k].span) {
                        r = json_pair(d, places, k, json_object_array_get_idx(value, n++));
                        if (r != 0)
                                return r;
                }
                return 0;
        }

        for (size_t k = i + 1; k < end; k += places[k].span) {
                r = json_key(&places[k], &d->nodes[k].key);
                if (r != 0)
                        return r;
                d->nodes[k].span = places[k].span;
        }
        /* json-c keeps the last of equal keys, so that it then knows fewer members */
        if ((size_t) json_object_object_length(value) < places[i].n_members)
                json_mark_duplicates(&d->nodes[i]);

        for (size_t k = i + 1; k < end; k += places[k].span) {
                struct json_object *member;

                if (!json_object_object_get_ex(value, d->nodes[k].key, &member))
                        return JSON_BAD;
                r = json_pair(d, places, k, member);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Depth is bounded: json_locate() has counted it. */
static int json_pair(JsonDoc *d, const JsonPlace *places, size_t i, struct json_object *value) {
        const JsonPlace *place = &places[i];
        JsonNode *node = &d->nodes[i];

        node->line = place->line;
        node->column = place->column;
        node->key_line = place->key_line;
        node->key_column = place->key_column;
        node->span = place->span;

        /* one of equal keys: whatever json-c kept, it counts as null, and nothing lies below */
        if (node->duplicate) {
                node->kind = JSON_NULL;
                node->text = "null";
                return 0;
        }

        if (json_kind(value) != place->kind)
                return JSON_BAD;
        node->kind = place->kind;
        node->n_members = place->n_members;
        if (place->kind < JSON_LIST)
                return json_scalar(d, i, place, value);
        return json_pair_members(d, places, i, value);
}

static int parse(JsonDoc **ret, const char *text, size_t size, size_t values_max, bool comments,
                 JsonError *reterr) {
        _cleanup_(json_object_putp) struct json_object *root = NULL;
        _cleanup_(json_freep) JsonDoc *d = NULL;
        _cleanup_(freep) JsonPlace *places = NULL;
        _cleanup_(freep) char *clean = NULL;
        const char *why;
        int r;

        d = calloc(1, sizeof(*d));
        clean = calloc(1, size + 1);
        if (!d || !clean)
                return -ENOMEM;
        if (size > 0)
                memcpy(clean, text, size);

        r = json_locate(&places, &d->n_nodes, text, size, values_max, comments, clean, reterr);
        if (r != 0)
                return r;
        r = json_tokenize(clean, size, &root, &why);
        if (r > 0)
                return json_error(reterr, &places[0], why);
        if (r < 0)
                return r;

        d->nodes = calloc(d->n_nodes, sizeof(*d->nodes));
        d->texts = calloc(d->n_nodes, sizeof(*d->texts));
        if (!d->nodes || !d->texts)
                return -ENOMEM;
        d->nodes[0].span = places[0].span;
        r = json_pair(d, places, 0, root);
        if (r > 0)
                return json_error(reterr, &places[0], "expected JSON that can be read in one way");
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

int json_parse(JsonDoc **ret, const char *text, size_t size, bool comments, JsonError *reterr) {
        if (size > JSON_SIZE_MAX) {
                char sentence[64];

                (void) snprintf(sentence, sizeof(sentence), "expected at most %u bytes, found %zu",
                                JSON_SIZE_MAX, size);
                return json_error(reterr, NULL, sentence);
        }

        return parse(ret, text, size, JSON_VALUES_MAX, comments, reterr);
}

int json_parse_answer(JsonDoc **ret, const char *text, size_t size, JsonError *reterr) {
        return parse(ret, text, size, JSON_ANSWER_VALUES_MAX, false, reterr);
}

JsonDoc *json_free(JsonDoc *d) {
        if (!d)
                return NULL;
        for (size_t i = 0; i < d->n_nodes; i++) {
                if (d->nodes)
                        free(d->nodes[i].key);
                if (d->texts)
                        free(d->texts[i]);
        }
        free(d->nodes);
        free(d->texts);
        free(d);
        return NULL;
}

const JsonNode *json_find(const JsonNode *object, const char *key) {
        if (object->kind != JSON_OBJECT)
                return NULL;
        json_foreach(i, object)
                if (streq(i->key, key))
                        return i;
        return NULL;
}

/* In runs of what needs no escape: most strings are one. */
void json_write_string(FILE *file, const char *s) {
        static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";

        (void) putc_unlocked('"', file);
        for (const char *run = s;; s++) {
                const char *e;

                if ((unsigned char) *s >= 0x20 && *s != '"' && *s != '\\')
                        continue;
                (void) fwrite_unlocked(run, 1, (size_t) (s - run), file);
                if (!*s)
                        break;
                run = s + 1;
                e = strchr(escaped, *s);
                if (e)
                        (void) fprintf(file, "\\%c", letters[e - escaped]);
                else
                        (void) fprintf(file, "\\u%04x", (unsigned char) *s);
        }
        (void) putc_unlocked('"', file);
}

char *json_printable(const char *s) {
        size_t n = strlen(s), size = 4 * n + 1;
        char *out, *o;

        out = o = malloc(size);
        if (!out)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char) s[i];

                if (c < 0x20 || c >= 0x7f)
                        o += snprintf(o, 5, "\\x%02x", c);
                else
                        *o++ = (char) c;
        }
        *o = '\0';
        return out;
}

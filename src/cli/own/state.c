/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state.c owns reading Describe()'s text, and finding in it what people name. */
#include "cli/own/state.h"

#include <strings.h>

#include "cli/answer.h"
#include "cli/argument.h"
#include "cli/own/exit.h"
#include "util/closest.h"
#include "util/parse.h"
#include "names.h"

#define PREFIX_MIN 4 /* digits that a shortened UUID must have */
#define INDENT 2
/* What is asked here is at hand: a daemon that does not answer that hangs. */
#define LIMIT_USEC UINT64_C(30000000)

static const JsonNode nothing = { .kind = JSON_LIST, .span = 1 };

void state_done(State *s) {
        s->doc = json_free(s->doc);
}

const char *node_text(const JsonNode *object, const char *key) {
        const JsonNode *n = json_find(object, key);

        return n && n->kind != JSON_NULL ? n->text : NULL;
}

uint64_t node_number(const JsonNode *object, const char *key) {
        const char *text = node_text(object, key);
        uint64_t n = 0;

        if (text)
                (void) parse_u64(text, &n);
        return n;
}

bool node_true(const JsonNode *object, const char *key) {
        return streq_ptr(node_text(object, key), "true");
}

const JsonNode *node_list(const JsonNode *object, const char *key) {
        const JsonNode *n = json_find(object, key);

        return n && n->kind == JSON_LIST ? n : &nothing;
}

const JsonNode *node_find(const JsonNode *list, const char *key, const char *value) {
        json_foreach(i, list)
                if (streq_ptr(node_text(i, key), value))
                        return i;
        return NULL;
}

const JsonNode *node_find_device(const JsonNode *list, const char *uuid, const char *parent) {
        json_foreach(i, list)
                if (streq_ptr(node_text(i, "uuid"), uuid) &&
                    streq_ptr(node_text(i, "parent"), parent))
                        return i;
        return NULL;
}

const char *type_name(const char *id) {
        static const char prefix[] = MDEVD_DRIVER "-";

        return id && strncmp(id, prefix, strlen(prefix)) == 0 ? id + strlen(prefix) : id;
}

/* ---- as JSON ---- */

static void print_line(FILE *f, JsonMode mode, unsigned depth) {
        if (mode == JSON_PRETTY)
                (void) fprintf(f, "\n%*s", (int) (INDENT * depth), "");
}

void node_print_json(FILE *f, const JsonNode *node, JsonMode mode, unsigned depth) {
        bool object = node->kind == JSON_OBJECT, first = true;

        if (node->kind == JSON_STRING) {
                json_write_string(f, node->text);
                return;
        }
        if (node->kind < JSON_LIST) {
                (void) fputs(node->kind == JSON_NULL ? "null" : node->text, f);
                return;
        }
        (void) fputc(object ? '{' : '[', f);
        json_foreach(i, node) {
                if (!first)
                        (void) fputc(',', f);
                first = false;
                print_line(f, mode, depth + 1);
                if (object) {
                        json_write_string(f, i->key);
                        (void) fputs(mode == JSON_PRETTY ? ": " : ":", f);
                }
                node_print_json(f, i, mode, depth + 1);
        }
        if (!first)
                print_line(f, mode, depth);
        (void) fputc(object ? '}' : ']', f);
}

/* ---- from the daemon ---- */

int state_parse(const char *text, State *ret) {
        _cleanup_(json_freep) JsonDoc *doc = NULL;
        JsonError error;
        const JsonNode *all;
        int r;

        r = json_parse_answer(&doc, text, strlen(text), &error);
        if (r != 0)
                return r;
        all = doc->nodes;
        if (all->kind != JSON_OBJECT)
                return JSON_BAD;
        *ret = (State) {
                .version = node_text(all, "version") ?: "",
                .parents = node_list(all, "parents"),
                .devices = node_list(all, "devices"),
                .definitions = node_list(all, "definitions"),
                .operations = node_list(all, "operations"),
                .problems = node_list(all, "problems"),
                .doc = TAKE_PTR(doc),
        };
        return 0;
}

int state_load(Client *c, State *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        uint64_t limit = c->limit;
        const char *text;
        int r;

        r = client_method(c, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, "Describe", &m);
        if (limit == 0)
                c->limit = LIMIT_USEC;
        if (r == 0)
                r = client_send(c, m, &reply);
        c->limit = limit;
        if (r > 0)
                return exit_refused(c);
        if (r == 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r >= 0)
                r = state_parse(text, ret);
        if (r > 0)
                return answer_failed("what mdevd says of itself cannot be read; is it of another "
                                     "version than mdevdctl (" MDEVD_VERSION ")?");
        return r < 0 ? answer_failed_errno(r, "cannot ask mdevd") : EXIT_SUCCESS;
}

/* ---- what people name ---- */

/* Hexadecimal digits and hyphens that @uuid begins with, in either case. */
static bool begins_with(const char *uuid, const char *word) {
        return strlen(word) >= PREFIX_MIN && strncasecmp(uuid, word, strlen(word)) == 0;
}

static void take(Found *f, const JsonNode *n, bool active) {
        if (active)
                f->device = n;
        else
                f->definition = n;
        f->uuid = node_text(n, "uuid");
        f->parent = node_text(n, "parent");
}

/* How many different devices the word stands for; @ret is one of them. */
static size_t match(const State *s, const char *word, const char *parent, Found *ret) {
        const JsonNode *lists[] = { s->devices, s->definitions };
        Uuid uuid;
        bool whole = argument_uuid(word, &uuid) >= 0;
        size_t n = 0;

        for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
                json_foreach(i, lists[l]) {
                        const char *u = node_text(i, "uuid") ?: "", *p = node_text(i, "parent");

                        if (whole ? !streq(u, UUID_STR(&uuid)) : !begins_with(u, word))
                                continue;
                        if (parent && !streq_ptr(p, parent))
                                continue;
                        if (ret->uuid && (!streq(ret->uuid, u) || !streq_ptr(ret->parent, p)))
                                n++;
                        else
                                take(ret, i, l == 0);
                }
        return n + (ret->uuid != NULL);
}

static int no_device(const State *s, const char *word) {
        const JsonNode *lists[] = { s->devices, s->definitions };
        Closest c = closest_begin_typo(word);

        for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
                json_foreach(i, lists[l])
                        (void) closest_offer(&c, node_text(i, "uuid") ?: "");
        if (c.name)
                (void) answer_failed("There is no device %s; did you mean %s?", word, c.name);
        else
                (void) answer_failed("There is no device %s; `mdevdctl list` shows those that are "
                                     "there or defined.", word);
        return EXIT_NOTHING_THERE;
}

int state_find_device(const State *s, const char *word, Found *ret) {
        const char *slash = strchr(word, '/');
        _cleanup_(freep) char *parent = slash ? strndup(word, (size_t) (slash - word)) : NULL;
        Found found = {};
        size_t n;

        if (slash && !parent)
                return answer_failed_errno(-ENOMEM, "cannot look for it");
        n = match(s, slash ? slash + 1 : word, parent, &found);
        if (n == 0)
                return no_device(s, word);
        if (n > 1)
                return answer_failed("%s stands for %zu devices; type more of the UUID, or "
                                     "PARENT/UUID: `mdevdctl list` shows them.", word, n);
        *ret = found;
        return EXIT_SUCCESS;
}

void state_find_again(const State *s, const Found *before, Found *ret) {
        *ret = (Found) {
                .uuid = before->uuid, .parent = before->parent,
                .device = node_find_device(s->devices, before->uuid, before->parent),
                .definition = node_find_device(s->definitions, before->uuid, before->parent),
        };
}

int state_find_parent(const State *s, const char *word, const JsonNode **ret) {
        Closest c = closest_begin_typo(word);

        *ret = node_find(s->parents, "name", word);
        if (*ret)
                return EXIT_SUCCESS;
        json_foreach(i, s->parents)
                (void) closest_offer(&c, node_text(i, "name") ?: "");
        if (c.name)
                (void) answer_failed("There is no parent %s; did you mean %s?", word, c.name);
        else
                (void) answer_failed("There is no parent %s; `mdevdctl parents` shows those that "
                                     "there are.", word);
        return EXIT_NOTHING_THERE;
}

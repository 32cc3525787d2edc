/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* yaml.c: by lines and their indentation; what stands in brackets or braces is on one line. */
#include "util/yaml.h"

#include <stdlib.h>
#include <string.h>

#define LINES_MAX 65536

typedef struct Line Line;
typedef struct Parser Parser;

struct Line {
        unsigned number, indent;
        char *text; /* without indentation and comment */
};

struct Parser {
        Line *lines;
        size_t n, at;
        unsigned depth;
        unsigned line; /* where it is wrong */
        const char *why;
};

YamlNode *yaml_free(YamlNode *n) {
        if (!n)
                return NULL;
        list_foreach_safe(m, &n->members, YamlNode, node)
                yaml_free(m);
        list_unlink(&n->node);
        free(n->key);
        free(n->scalar);
        free(n);
        return NULL;
}

const YamlNode *yaml_find(const YamlNode *n, const char *key) {
        if (n->kind == YAML_MAP)
                list_foreach(m, &n->members, YamlNode, node)
                        if (streq(m->key, key))
                                return m;
        return NULL;
}

static int wrong(Parser *p, unsigned line, const char *why) {
        p->line = line;
        p->why = why;
        return -EBADMSG;
}

static int node_new(YamlKind kind, unsigned line, YamlNode **ret) {
        YamlNode *n = calloc(1, sizeof(*n));

        if (!n)
                return -ENOMEM;
        list_init(&n->node);
        list_init(&n->members);
        n->kind = kind;
        n->line = line;
        *ret = n;
        return 0;
}

/* ---- lines ---- */

/* Cuts off a comment: a # at the beginning or after a blank, not in quotes. */
static void cut_comment(char *s) {
        char quote = '\0';

        for (char *c = s; *c; c++) {
                if (quote)
                        quote = *c == quote ? '\0' : quote;
                else if (*c == '"' || *c == '\'')
                        quote = *c;
                else if (*c == '#' && (c == s || c[-1] == ' ')) {
                        *c = '\0';
                        break;
                }
        }
        for (size_t n = strlen(s); n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\r'); n--)
                s[n - 1] = '\0';
}

static int split_lines(Parser *p, char *text) {
        unsigned number = 0;

        p->lines = calloc(LINES_MAX, sizeof(*p->lines));
        if (!p->lines)
                return -ENOMEM;
        for (char *s; (s = strsep(&text, "\n"));) {
                unsigned indent = (unsigned) strspn(s, " ");

                number++;
                s += indent;
                cut_comment(s);
                if (!*s || (indent == 0 && streq(s, "---") && p->n == 0))
                        continue;
                if (*s == '\t')
                        return wrong(p, number, "a tab, where blanks are expected");
                if (p->n == LINES_MAX)
                        return wrong(p, number, "too many lines");
                p->lines[p->n++] = (Line) { .number = number, .indent = indent, .text = s };
        }
        return 0;
}

/* ---- scalars, and what is in brackets ---- */

static void skip_blanks(char **s) {
        *s += strspn(*s, " ");
}

/* Of @s, without the blanks at its end. */
static char *take(char **s, size_t n) {
        char *text = *s;

        *s += n;
        while (n > 0 && text[n - 1] == ' ')
                n--;
        return strndup(text, n);
}

static int check_start(Parser *p, const char *s, unsigned line) {
        return *s && strchr("&*!|>%@`", *s)
                       ? wrong(p, line, "something of YAML that is not understood here")
                       : 0;
}

/* Up to one of @end, or a quoted text. */
static int read_scalar(Parser *p, char **s, const char *end, unsigned line, char **ret) {
        size_t n;
        int r;

        r = check_start(p, *s, line);
        if (r < 0)
                return r;
        if (**s == '"' || **s == '\'') {
                char quote = *(*s)++;

                n = strcspn(*s, (char[]){ quote, '\\', '\0' });
                if ((*s)[n] != quote)
                        return wrong(p, line, "a quoted text without its end, or with a \\");
                *ret = strndup(*s, n);
                *s += n + 1;
        } else
                *ret = take(s, strcspn(*s, end));
        return *ret ? 0 : -ENOMEM;
}

static bool ends_key(const char *s) {
        return *s == ':' && (s[1] == ' ' || !s[1]);
}

/* A key that is not quoted has all up to a colon before a blank: "0000:00:05.0: x" has one key. */
static int read_plain_key(Parser *p, char **s, bool flow, unsigned line, char **ret) {
        size_t n = 0;
        int r;

        r = check_start(p, *s, line);
        if (r < 0)
                return r;
        while ((*s)[n] && !ends_key(*s + n) && !(flow && strchr(",[]{}", (*s)[n])))
                n++;
        *ret = take(s, n);
        return *ret ? 0 : -ENOMEM;
}

static int read_flow(Parser *p, char **s, unsigned line, YamlNode **ret);

static int read_key(Parser *p, char **s, bool flow, unsigned line, char **ret) {
        int r;

        r = **s == '"' || **s == '\'' ? read_scalar(p, s, "", line, ret)
                                      : read_plain_key(p, s, flow, line, ret);
        if (r < 0)
                return r;
        skip_blanks(s);
        if (*(*s)++ != ':')
                return wrong(p, line, "a key without a colon");
        skip_blanks(s);
        return 0;
}

static int read_members(Parser *p, char **s, unsigned line, YamlNode *n, char close) {
        int r;

        for (skip_blanks(s); **s != close; skip_blanks(s)) {
                _cleanup_(freep) char *key = NULL;
                YamlNode *m;

                r = close == '}' ? read_key(p, s, true, line, &key) : 0;
                if (r >= 0)
                        r = read_flow(p, s, line, &m);
                if (r < 0)
                        return r;
                if (key && yaml_find(n, key)) {
                        yaml_free(m);
                        return wrong(p, line, "a key that was there before");
                }
                m->key = TAKE_PTR(key);
                list_append(&n->members, &m->node);
                skip_blanks(s);
                if (**s == ',')
                        (*s)++;
                else if (**s != close)
                        return wrong(p, line, "a list or map in brackets without its end");
        }
        (*s)++;
        return 0;
}

static int read_flow(Parser *p, char **s, unsigned line, YamlNode **ret) {
        _cleanup_(yaml_freep) YamlNode *n = NULL;
        const YamlKind kind = **s == '[' ? YAML_LIST : **s == '{' ? YAML_MAP : YAML_SCALAR;
        int r;

        r = node_new(kind, line, &n);
        if (r < 0)
                return r;
        if (kind == YAML_SCALAR)
                r = read_scalar(p, s, ",]}", line, &n->scalar);
        else if (++p->depth > YAML_DEPTH_MAX)
                r = wrong(p, line, "more levels than are understood here");
        else {
                (*s)++;
                r = read_members(p, s, line, n, kind == YAML_LIST ? ']' : '}');
                p->depth--;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(n);
        return 0;
}

/* What stands behind "key:" or "-", to the end of the line. */
static int read_inline(Parser *p, char *s, unsigned line, YamlNode **ret) {
        _cleanup_(yaml_freep) YamlNode *n = NULL;
        int r;

        if (*s == '[' || *s == '{')
                r = read_flow(p, &s, line, &n);
        else {
                r = node_new(YAML_SCALAR, line, &n);
                if (r >= 0)
                        r = read_scalar(p, &s, "", line, &n->scalar);
        }
        if (r < 0)
                return r;
        if (*s)
                return wrong(p, line, "something behind the end of a value");
        *ret = TAKE_PTR(n);
        return 0;
}

/* ---- blocks ---- */

static int read_block(Parser *p, unsigned indent, YamlNode **ret);

static bool is_item(const Line *l) {
        return l->text[0] == '-' && (l->text[1] == ' ' || !l->text[1]);
}

/* "key: …", not a text with a colon in it. */
static bool is_pair(const char *s) {
        const char *colon;

        if (*s == '"' || *s == '\'') {
                colon = strchr(s + 1, *s);
                return colon && colon[1] == ':';
        }
        colon = strchr(s, ':');
        while (colon && !ends_key(colon))
                colon = strchr(colon + 1, ':');
        return colon && *s != '[' && *s != '{';
}

/* What is deeper than @indent, or (behind a key) a list as deep as that. */
static int read_below(Parser *p, unsigned indent, bool key, unsigned line, YamlNode **ret) {
        const Line *l = p->at < p->n ? &p->lines[p->at] : NULL;
        int r;

        if (l && (l->indent > indent || (key && l->indent == indent && is_item(l))))
                return read_block(p, l->indent, ret);
        r = node_new(YAML_SCALAR, line, ret);
        if (r < 0)
                return r;
        (*ret)->scalar = strdup("");
        if ((*ret)->scalar)
                return 0;
        *ret = yaml_free(*ret);
        return -ENOMEM;
}

static int read_item(Parser *p, unsigned indent, YamlNode **ret) {
        Line *l = &p->lines[p->at];
        char *rest = l->text + 1;

        skip_blanks(&rest);
        if (!*rest) {
                p->at++;
                return read_below(p, indent, false, l->number, ret);
        }
        l->indent += (unsigned) (rest - l->text);
        l->text = rest;
        if (is_item(l) || is_pair(rest))
                return read_block(p, l->indent, ret);
        p->at++;
        return read_inline(p, rest, l->number, ret);
}

static int read_pair(Parser *p, unsigned indent, const YamlNode *map, YamlNode **ret) {
        Line *l = &p->lines[p->at];
        _cleanup_(freep) char *key = NULL;
        char *s = l->text;
        int r;

        if (!is_pair(s))
                return wrong(p, l->number, "neither \"key: value\" nor \"- item\"");
        r = read_key(p, &s, false, l->number, &key);
        if (r < 0)
                return r;
        if (yaml_find(map, key))
                return wrong(p, l->number, "a key that was there before");
        p->at++;
        r = *s ? read_inline(p, s, l->number, ret) : read_below(p, indent, true, l->number, ret);
        if (r < 0)
                return r;
        (*ret)->key = TAKE_PTR(key);
        return 0;
}

static int read_block(Parser *p, unsigned indent, YamlNode **ret) {
        const bool list = is_item(&p->lines[p->at]);
        _cleanup_(yaml_freep) YamlNode *n = NULL;
        int r;

        if (++p->depth > YAML_DEPTH_MAX)
                return wrong(p, p->lines[p->at].number, "more levels than are understood here");
        r = node_new(list ? YAML_LIST : YAML_MAP, p->lines[p->at].number, &n);
        while (r >= 0 && p->at < p->n && p->lines[p->at].indent == indent &&
               is_item(&p->lines[p->at]) == list) {
                YamlNode *m;

                r = list ? read_item(p, indent, &m) : read_pair(p, indent, n, &m);
                if (r >= 0)
                        list_append(&n->members, &m->node);
        }
        if (r >= 0 && p->at < p->n && p->lines[p->at].indent > indent)
                r = wrong(p, p->lines[p->at].number, "deeper than what is before it");
        if (r < 0)
                return r;
        p->depth--;
        *ret = TAKE_PTR(n);
        return 0;
}

int yaml_parse(char *text, YamlNode **ret, unsigned *ret_line, const char **ret_why) {
        _cleanup_(yaml_freep) YamlNode *n = NULL;
        Parser p = {};
        int r;

        r = split_lines(&p, text);
        if (r >= 0 && p.n == 0)
                r = wrong(&p, 1, "nothing");
        if (r >= 0)
                r = read_block(&p, p.lines[0].indent, &n);
        if (r >= 0 && p.at < p.n)
                r = wrong(&p, p.lines[p.at].number, "what belongs to nothing before it");
        free(p.lines);
        if (r < 0) {
                *ret_line = p.line;
                *ret_why = p.why;
                return r;
        }
        *ret = TAKE_PTR(n);
        return 0;
}

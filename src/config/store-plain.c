/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store-plain.c owns the short way through a definition's text: as mdevctl, libvirt and mdevd write
 * it, with nothing in its strings that needs a second look. A host has a thousand of these, and
 * every listing reads them all. Whatever else a text is, store.c knows better.
 */
#include "config/store-plain.h"

#include "config/attributes.h"

typedef struct Plain Plain;

struct Plain {
        char *at; /* strings are terminated in place */
        bool no;  /* it is not of that form */
};

static void skip(Plain *p) {
        p->at += strspn(p->at, " \t\r\n");
}

static bool accept(Plain *p, char c) {
        skip(p);
        if (p->no || *p->at != c)
                return false;
        p->at++;
        return true;
}

static void expect(Plain *p, char c) {
        if (!accept(p, c))
                p->no = true;
}

/* Printable ASCII without escapes. "" if there is none. */
static char *string(Plain *p) {
        char *begin;

        expect(p, '"');
        if (p->no)
                return "";
        for (begin = p->at; *p->at != '"'; p->at++)
                if (*p->at < 0x20 || *p->at >= 0x7f || *p->at == '\\') {
                        p->no = true;
                        return "";
                }
        *p->at++ = '\0';
        return begin;
}

static char *member(Plain *p, const char *key) {
        if (!streq(string(p), key))
                p->no = true;
        expect(p, ':');
        return p->no ? "" : string(p);
}

static int attributes(Plain *p, Definition *d) {
        expect(p, '[');
        if (accept(p, ']'))
                return 0;
        do {
                const char *name, *value;
                int r;

                expect(p, '{');
                name = string(p);
                expect(p, ':');
                value = string(p);
                expect(p, '}');
                if (p->no || !attribute_name_is_valid(name)) {
                        p->no = true;
                        return 0;
                }
                r = attributes_add(&d->attributes, &d->n_attributes, name, value);
                if (r < 0)
                        return r;
        } while (accept(p, ','));
        expect(p, ']');
        return 0;
}

static int definition(Plain *p, Definition *d) {
        const char *type, *start;
        int r = 0;

        expect(p, '{');
        type = member(p, "mdev_type");
        expect(p, ',');
        start = member(p, "start");
        if (accept(p, ',')) {
                if (!streq(string(p), "attrs"))
                        p->no = true;
                expect(p, ':');
                r = attributes(p, d);
        }
        expect(p, '}');
        skip(p);
        if (r < 0 || p->no || *p->at || !type_name_is_valid(type))
                return r;
        d->type = strdup(type);
        d->autostart = streq(start, "auto");
        return d->type ? 1 : -ENOMEM;
}

int store_parse_plain(Definition *d, const char *text, size_t size) {
        char copy[STORE_PLAIN_MAX + 1];
        Plain p = { .at = copy };
        int r;

        if (size > STORE_PLAIN_MAX || d->type || d->attributes)
                return 0;
        memcpy(copy, text, size);
        copy[size] = '\0';
        if (strlen(copy) != size)
                return 0;
        r = definition(&p, d);
        if (r <= 0) {
                attributes_free(d->attributes, d->n_attributes);
                d->attributes = NULL;
                d->n_attributes = 0;
        }
        return r;
}

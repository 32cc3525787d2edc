/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store-rest.c owns what stands in a definition's file and is not mdevctl's: other tools put keys
 * of their own there, and a change of ours must not lose them. They are copied as they are written,
 * but for the blanks between them.
 */
#include "config/store-rest.h"

#include "util/json.h"

static const char *const known[] = { "mdev_type", "start", "attrs" };

/* By what the key stands for, however it is written. */
static bool is_known(const JsonNode *node) {
        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
                if (streq_ptr(node->key, known[i]))
                        return true;
        return false;
}

static void write_place(FILE *f, const JsonPlace *p) {
        const bool list = p->kind == JSON_LIST;

        if (p->key)
                (void) fprintf(f, "%.*s: ", (int) p->key_size, p->key);
        if (!list && p->kind != JSON_OBJECT) {
                (void) fwrite(p->raw, 1, p->raw_size, f);
                return;
        }
        (void) fputc(list ? '[' : '{', f);
        for (const JsonPlace *i = p + 1; i < p + p->span; i += i->span) {
                (void) fputs(i == p + 1 ? " " : ", ", f);
                write_place(f, i); /* as deep as JSON_DEPTH_MAX */
        }
        (void) fputs(p->span > 1 ? " " : "", f);
        (void) fputc(list ? ']' : '}', f);
}

int store_rest_write(FILE *f, const char *text, size_t size) {
        _cleanup_(json_freep) JsonDoc *doc = NULL;
        _cleanup_(freep) JsonPlace *places = NULL;
        _cleanup_(freep) char *clean = NULL;
        JsonError error;
        size_t n = 0;
        int r;

        clean = malloc(size + 1);
        if (!clean)
                return -ENOMEM;
        r = json_parse(&doc, text, size, false, &error);
        if (r == 0)
                r = json_locate(&places, &n, text, size, JSON_VALUES_MAX, false, clean, &error);
        if (r != 0)
                return r < 0 ? r : 0; /* no JSON: nothing of it can be kept */
        if (n == 0 || n != doc->n_nodes || places[0].kind != JSON_OBJECT)
                return 0;
        for (const JsonPlace *i = places + 1; i < places + places[0].span; i += i->span) {
                if (is_known(&doc->nodes[i - places]))
                        continue;
                (void) fputs(",\n  ", f);
                write_place(f, i);
        }
        return 0;
}

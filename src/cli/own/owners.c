/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owners.c owns the counting of devices by whom they are for. */
#include "cli/own/owners.h"

#include "util/macro.h"

void owners_done(Owners *o) {
        free(o->counts);
        *o = (Owners) {};
}

static int by_name(const void *a, const void *b) {
        const OwnerCount *x = a, *y = b;

        return strcmp(x->owner, y->owner);
}

static int by_count(const void *a, const void *b) {
        const OwnerCount *x = a, *y = b;

        return x->n != y->n ? (x->n < y->n ? 1 : -1) : strcmp(x->owner, y->owner);
}

static bool is_of(const JsonNode *d, const char *parent) {
        return streq_ptr(node_text(d, "parent"), parent);
}

static void note(Owners *o, const JsonNode *d) {
        o->counts[o->n++] = (OwnerCount) { .owner = node_text(d, "owner") ?: "", .n = 1 };
}

/* Those of one name become one. */
static void join(Owners *o) {
        size_t n = 0;

        if (o->n == 0)
                return;
        qsort(o->counts, o->n, sizeof(*o->counts), by_name);
        for (size_t i = 1; i < o->n; i++) {
                if (streq(o->counts[i].owner, o->counts[n].owner))
                        o->counts[n].n++;
                else
                        o->counts[++n] = o->counts[i];
        }
        o->n = n + 1;
        qsort(o->counts, o->n, sizeof(*o->counts), by_count);
}

int owners_read(const State *s, const Index *devices, const char *parent, Owners *ret) {
        Owners o = {};

        o.counts = calloc((size_t) s->devices->n_members + s->definitions->n_members + 1,
                          sizeof(*o.counts));
        if (!o.counts)
                return -ENOMEM;
        json_foreach(d, s->devices) {
                if (!is_of(d, parent))
                        continue;
                note(&o, d);
                o.n_devices++;
                o.n_open += node_number(d, "opened") > 0;
        }
        json_foreach(d, s->definitions) {
                if (!is_of(d, parent) || index_first(devices, node_text(d, "uuid"), parent))
                        continue;
                note(&o, d);
                o.n_defined++;
        }
        join(&o);
        *ret = o;
        return 0;
}

/* The first @n, and how many owners have the rest. */
static int text_of(const Owners *o, size_t n, char **ret) {
        size_t size;
        FILE *f = open_memstream(ret, &size);

        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                (void) fprintf(f, "%s%s %zu", i > 0 ? ", " : "",
                               o->counts[i].owner[0] ? o->counts[i].owner : "(nobody named)",
                               o->counts[i].n);
        if (n < o->n)
                (void) fprintf(f, "%s%zu more", n > 0 ? " and " : "", o->n - n);
        return fclose(f) == 0 ? 0 : -ENOMEM;
}

int owners_text(const Owners *o, size_t columns, char **ret) {
        _cleanup_(freep) char *fits = NULL;

        for (size_t n = MIN(o->n, (size_t) 1); n <= o->n; n++) {
                _cleanup_(freep) char *text = NULL;
                int r = text_of(o, n, &text);

                if (r < 0)
                        return r;
                if (fits && screen_columns(text) > columns)
                        break;
                free(fits);
                fits = TAKE_PTR(text);
        }
        *ret = TAKE_PTR(fits);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* types.c owns the listing of mdev types: what sysfs offers, by parent. */
#include "cli/json-out.h"
#include "cli/listing.h"
#include "config/file.h"
#include "model/parent.h"
#include "names.h"
#include "sysfs/sysfs.h"

typedef struct Types Types;

/* The parents that are to be listed, with their types. */
struct Types {
        int root_fd;
        const char *wanted;
        Parent **parents;
        size_t n;
};

static void types_done(Types *t) {
        for (size_t i = 0; i < t->n; i++)
                parent_free(t->parents[i]);
        free(t->parents);
}

static int types_add(const char *name, void *userdata) {
        Types *t = userdata;
        _cleanup_(parent_freep) Parent *p = NULL;
        Parent **bigger;
        bool registered;
        int r;

        if (t->wanted && !streq(t->wanted, name))
                return 0;
        r = parent_new(&p, name);
        if (r < 0)
                return r;
        r = sysfs_find_parent(t->root_fd, name, &p->path, &registered);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = sysfs_read_types(t->root_fd, p, false);
        if (r < 0)
                return r;

        bigger = reallocarray(t->parents, t->n + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        t->parents = bigger;
        t->parents[t->n++] = TAKE_PTR(p);
        return 0;
}

static int compare_parents(const void *a, const void *b) {
        return strcmp((*(Parent *const *) a)->name, (*(Parent *const *) b)->name);
}

static int types_read(Types *t) {
        int r = sysfs_foreach_parent(t->root_fd, types_add, t);

        if (r < 0)
                return r;
        if (t->n > 0)
                qsort(t->parents, t->n, sizeof(*t->parents), compare_parents);
        return 0;
}

static int compare_types(const void *a, const void *b) {
        return strcmp((*(const Type *const *) a)->id, (*(const Type *const *) b)->id);
}

/* The types of @p by id; freed by the caller. */
static int sorted_types(const Parent *p, const Type ***ret, size_t *ret_n) {
        const Type **types;
        size_t n = 0;

        list_foreach (type, &p->types, Type, node)
                n++;
        types = calloc(MAX(n, (size_t) 1), sizeof(*types));
        if (!types)
                return -ENOMEM;
        n = 0;
        list_foreach (type, &p->types, Type, node)
                types[n++] = type;
        qsort(types, n, sizeof(*types), compare_types);
        *ret = types;
        *ret_n = n;
        return 0;
}

/* Without blanks at its ends, and on one line. */
static char *one_line(const char *text) {
        const char *begin = text + strspn(text, " \t\r\n"), *end = begin + strlen(begin);
        char *line, *out;

        while (end > begin && strchr(" \t\r\n", end[-1]))
                end--;
        line = out = malloc(2 * (size_t) (end - begin) + 1);
        if (!line)
                return NULL;
        for (const char *c = begin; c < end; c++) {
                *out++ = *c == '\n' ? ',' : *c;
                if (*c == '\n')
                        *out++ = ' ';
        }
        *out = '\0';
        return line;
}

static int print_text(FILE *f, const Type *t) {
        _cleanup_(freep) char *name = one_line(t->label ?: "");
        _cleanup_(freep) char *description = one_line(t->description ?: "");

        if (!name || !description)
                return -ENOMEM;
        (void) fprintf(f, "  %s\n    Available instances: %u\n    Device API: %s\n", t->id,
                       t->available, t->device_api ?: "");
        if (*name)
                (void) fprintf(f, "    Name: %s\n", name);
        if (*description)
                (void) fprintf(f, "    Description: %s\n", description);
        return 0;
}

static int print_json(JsonOut *o, const Type *t) {
        _cleanup_(freep) char *name = one_line(t->label ?: "");
        _cleanup_(freep) char *description = one_line(t->description ?: "");

        if (!name || !description)
                return -ENOMEM;
        json_out_open(o, NULL, '{');
        json_out_open(o, t->id, '{');
        json_out_number(o, "available_instances", t->available);
        json_out_string(o, "device_api", t->device_api ?: "");
        if (*name)
                json_out_string(o, "name", name);
        if (*description)
                json_out_string(o, "description", description);
        json_out_close(o, '}');
        json_out_close(o, '}');
        return 0;
}

int types_print_text(FILE *f, int root_fd, const char *parent) {
        _cleanup_(types_done) Types t = { .root_fd = root_fd, .wanted = parent };
        int r = types_read(&t);

        for (size_t i = 0; r >= 0 && i < t.n; i++) {
                _cleanup_(freep) const Type **types = NULL;
                size_t n = 0;

                (void) fprintf(f, "%s\n", t.parents[i]->name);
                r = sorted_types(t.parents[i], &types, &n);
                for (size_t k = 0; r >= 0 && k < n; k++)
                        r = print_text(f, types[k]);
        }
        return r;
}

int types_print_json(FILE *f, int root_fd, const char *parent) {
        _cleanup_(types_done) Types t = { .root_fd = root_fd, .wanted = parent };
        JsonOut o = { .file = f };
        int r = types_read(&t);

        if (r < 0)
                return r;
        json_out_open(&o, NULL, '[');
        if (t.n > 0)
                json_out_open(&o, NULL, '{');
        for (size_t i = 0; r >= 0 && i < t.n; i++) {
                _cleanup_(freep) const Type **types = NULL;
                size_t n = 0;

                json_out_open(&o, t.parents[i]->name, '[');
                r = sorted_types(t.parents[i], &types, &n);
                for (size_t k = 0; r >= 0 && k < n; k++)
                        r = print_json(&o, types[k]);
                json_out_close(&o, ']');
        }
        if (t.n > 0)
                json_out_close(&o, '}');
        json_out_close(&o, ']');
        return r;
}

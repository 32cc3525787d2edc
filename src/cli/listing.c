/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* listing.c owns collecting devices and definitions for a listing, and how they are printed. */
#include "cli/listing.h"

#include "callout/callout.h"
#include "cli/actives.h"
#include "cli/answer.h"
#include "cli/argument.h"
#include "cli/folder.h"
#include "cli/json-out.h"
#include "config/file.h"
#include "names.h"

void listing_done(Listing *l) {
        for (size_t i = 0; i < l->n; i++)
                definition_free(l->rows[i].definition);
        free(l->rows);
        *l = (Listing){};
}

static int compare_rows(const void *a, const void *b) {
        const Listed *x = a, *y = b;
        int c = strcmp(x->definition->parent, y->definition->parent);

        return c != 0 ? c
                      : memcmp(x->definition->uuid.bytes, y->definition->uuid.bytes,
                               sizeof(x->definition->uuid.bytes));
}

/* With one parent they come sorted. */
static void listing_sort(Listing *l) {
        size_t i = 1;

        while (i < l->n && compare_rows(&l->rows[i - 1], &l->rows[i]) <= 0)
                i++;
        if (i < l->n)
                qsort(l->rows, l->n, sizeof(*l->rows), compare_rows);
}

/* Takes @d. */
static int listing_add(Listing *l, Definition *d, bool active, bool defined) {
        _cleanup_(definition_freep) Definition *owned = d;
        Listed *bigger;

        /* doubles at every power of two */
        if ((l->n & (l->n - 1)) == 0) {
                bigger = reallocarray(l->rows, l->n ? l->n * 2 : 1, sizeof(*bigger));
                if (!bigger)
                        return -ENOMEM;
                l->rows = bigger;
        }
        l->rows[l->n++] =
                (Listed){.definition = TAKE_PTR(owned), .active = active, .defined = defined};
        return 0;
}

static bool filter_matches(const ListingFilter *f, const char *parent, const Uuid *uuid) {
        return (!f->uuid || uuid_equal(f->uuid, uuid)) && (!f->parent || streq(f->parent, parent));
}

/* What no script tells, or one tells that is none, is left out. */
static int add_attributes(Definition *d) {
        Callout c;
        int r;

        callout_init(&c, argument_root(), d);
        r = callout_find(&c);
        if (r >= 0)
                r = callout_get_attributes(&c, d);
        callout_done(&c);
        return MIN(r, 0);
}

/* @scripts: there are some, which may know the attributes. */
static int add_active(const ActiveDevice *device, const Folder *folder, bool scripts, Listing *l) {
        _cleanup_(definition_freep) Definition *stored = NULL, *d = NULL;
        const FolderEntry *entry = folder_find(folder, &device->uuid);
        int r = entry ? folder_read(folder, entry, &stored) : 0;
        bool defined = stored;

        if (r < 0 && r != -ENOENT)
                return r;
        if (defined && !stored->invalid && streq(stored->type, device->type) &&
            stored->n_attributes == 0) {
                d = TAKE_PTR(stored); /* says all that is known of the device, too */
        } else {
                r = definition_new(&d, device->parent, &device->uuid);
                if (r < 0)
                        return r;
                d->type = strdup(device->type);
                if (!d->type)
                        return -ENOMEM;
                d->autostart = defined && !stored->invalid && stored->autostart;
        }
        if (scripts) {
                r = add_attributes(d);
                if (r < 0)
                        return r;
        }
        return listing_add(l, TAKE_PTR(d), true, defined);
}

int listing_read_active(int root_fd, const ListingFilter *filter, Listing *ret) {
        bool scripts = filter->attributes && callout_exists(argument_root());
        _cleanup_(folder_done) Folder folder = FOLDER_NULL;
        _cleanup_(actives_done) Actives actives = {};
        _cleanup_(listing_done) Listing l = {};
        int r;

        r = actives_read(root_fd, filter->uuid, &actives);
        if (r >= 0)
                actives_sort_by_parent(&actives);
        for (size_t i = 0; r >= 0 && i < actives.n; i++) {
                const ActiveDevice *device = &actives.devices[i];

                if (!filter_matches(filter, device->parent, &device->uuid))
                        continue;
                if (!folder.parent || !streq(folder.parent, device->parent)) {
                        folder_done(&folder);
                        r = folder_open(&folder, root_fd, device->parent, filter->uuid);
                }
                if (r >= 0)
                        r = add_active(device, &folder, scripts, &l);
        }
        if (r < 0)
                return r;
        listing_sort(&l);
        *ret = TAKE_GENERIC(l, (Listing){});
        return 0;
}

static bool is_active(const Actives *actives, const Definition *d) {
        const ActiveDevice *device = actives_find(actives, &d->uuid);

        return device && streq(device->parent, d->parent) && streq(device->type, d->type);
}

static int add_defined(const Folder *folder, const FolderEntry *entry, bool invalid,
                       const Actives *actives, Listing *l) {
        _cleanup_(definition_freep) Definition *d = NULL;
        bool active;
        int r;

        r = folder_read(folder, entry, &d);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (d->invalid && invalid)
                return listing_add(l, TAKE_PTR(d), false, true);
        if (d->invalid) {
                answer_warn("%s; this definition is left out", d->invalid);
                return 0;
        }
        active = is_active(actives, d);
        return listing_add(l, TAKE_PTR(d), active, true);
}

static int add_defined_of(int root_fd, const char *parent, const ListingFilter *filter,
                          const Actives *actives, Listing *l) {
        _cleanup_(folder_done) Folder folder = FOLDER_NULL;
        int r = folder_open(&folder, root_fd, parent, filter->uuid);

        for (size_t i = 0; r >= 0 && i < folder.n; i++)
                r = add_defined(&folder, &folder.entries[i], filter->invalid, actives, l);
        return r;
}

int listing_read_defined(int root_fd, const ListingFilter *filter, Listing *ret) {
        _cleanup_(file_names_done) FileNames parents = {};
        _cleanup_(actives_done) Actives actives = {};
        _cleanup_(listing_done) Listing l = {};
        int r;

        r = actives_read(root_fd, filter->uuid, &actives);
        if (r < 0)
                return r;
        r = file_list(root_fd, MDEVD_PATH_DEFINITIONS, &parents);
        if (r < 0 && r != -ENOENT)
                return r;
        for (size_t i = 0; i < parents.n; i++) {
                if (filter->parent && !streq(filter->parent, parents.names[i]))
                        continue;
                r = add_defined_of(root_fd, parents.names[i], filter, &actives, &l);
                if (r < 0)
                        return r;
        }
        listing_sort(&l);
        *ret = TAKE_GENERIC(l, (Listing){});
        return 0;
}

void listing_print_attributes(FILE *f, const Definition *d) {
        if (d->n_attributes > 0)
                (void) fputs("  Attrs:\n", f);
        for (size_t i = 0; i < d->n_attributes; i++)
                (void) fprintf(f, "    @{%zu}: {\"%s\":\"%s\"}\n", i, d->attributes[i].name,
                               d->attributes[i].value);
}

void listing_print_text(FILE *f, const Listing *l, bool defined, bool verbose) {
        for (size_t i = 0; i < l->n; i++) {
                const Listed *row = &l->rows[i];
                const Definition *d = row->definition;
                bool other = defined ? row->active : row->defined;

                (void) fprintf(f, "%s %s %s %s%s\n", UUID_STR(&d->uuid), d->parent, d->type,
                               d->autostart ? "auto" : "manual",
                               !other    ? ""
                               : defined ? " (active)"
                                         : " (defined)");
                if (verbose)
                        listing_print_attributes(f, d);
        }
}

static void print_definition(JsonOut *o, const char *key, const Definition *d) {
        json_out_open(o, key, '{');
        json_out_string(o, "mdev_type", d->type);
        json_out_string(o, "start", d->autostart ? "auto" : "manual");
        json_out_open(o, "attrs", '[');
        for (size_t i = 0; i < d->n_attributes; i++) {
                json_out_open(o, NULL, '{');
                json_out_string(o, d->attributes[i].name, d->attributes[i].value);
                json_out_close(o, '}');
        }
        json_out_close(o, ']');
        json_out_close(o, '}');
}

static void print_parents(JsonOut *o, const Listing *l) {
        for (size_t i = 0; i < l->n;) {
                const char *parent = l->rows[i].definition->parent;

                json_out_open(o, parent, '[');
                for (; i < l->n && streq(l->rows[i].definition->parent, parent); i++) {
                        const Definition *d = l->rows[i].definition;

                        json_out_open(o, NULL, '{');
                        print_definition(o, UUID_STR(&d->uuid), d);
                        json_out_close(o, '}');
                }
                json_out_close(o, ']');
        }
}

void listing_print_json(FILE *f, const Listing *l, bool bare) {
        JsonOut o = { .file = f };

        if (bare && l->n == 1)
                return print_definition(&o, NULL, l->rows[0].definition);
        json_out_open(&o, NULL, '[');
        if (l->n > 0) {
                json_out_open(&o, NULL, '{');
                print_parents(&o, l);
                json_out_close(&o, '}');
        }
        json_out_close(&o, ']');
}

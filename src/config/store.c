/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store.c owns reading the definition store and the text of its files. The format is mdevctl's and
 * other tools write it too, so that a file is only ever one definition, valid or not: whatever
 * stands in it, all others are read.
 */
#include "config/store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "config/attributes.h"
#include "config/extras.h"
#include "config/file.h"
#include "config/store-plain.h"
#include "config/store-rest.h"
#include "model/model.h"
#include "names.h"
#include "util/json.h"
#include "util/parse.h"

#define SCRIPTS "scripts.d" /* mdevctl's callouts lie beside the parents */

typedef struct StoreSink StoreSink;

/* Keeps the first thing that is wrong: a definition is valid or it is not. */
struct StoreSink {
        JsonSink sink;
        Definition *definition;
        const char *file;
};

static int definition_refuse(Definition *d, const char *file, unsigned line, unsigned column,
                             const char *text) {
        int r;

        if (d->invalid)
                return 0;
        if (line > 0)
                r = asprintf(&d->invalid, "%s:%u:%u: %s", file, line, column, text);
        else
                r = asprintf(&d->invalid, "%s%s%s", file ?: "", file ? ": " : "", text);
        if (r < 0) {
                d->invalid = NULL;
                return -ENOMEM;
        }
        return 0;
}

/* Keys that mdevctl does not know it ignores, and so do we: nobody is warned. */
static int store_report(JsonSink *sink, unsigned line, unsigned column, bool warning,
                        const char *text) {
        StoreSink *s = container_of(sink, StoreSink, sink);

        return warning ? 0 : definition_refuse(s->definition, s->file, line, column, text);
}

/* "auto" is auto, every other word is manual: so says mdevctl. */
static int decode_start(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        if (node->kind != JSON_STRING)
                return json_unexpected(sink, node, field->expect);
        *(bool *) value = streq(node->text, "auto");
        return 0;
}

static int decode_attributes(JsonSink *sink, const JsonNode *node, const JsonField *field,
                             void *value) {
        Definition *d = container_of(value, Definition, attributes);

        if (node->kind == JSON_NULL) /* mdevctl takes it for none */
                return 0;
        return attributes_decode(sink, node, field->expect, &d->attributes, &d->n_attributes);
}

static const JsonField definition_fields[] = {
        { "mdev_type", JSON_FIELD(Definition, type, json_decode_string), .flags = JSON_REQUIRED,
          .is_valid = type_name_is_valid, .expect = "the name of a type in quotes" },
        { "start", JSON_FIELD(Definition, autostart, decode_start), .flags = JSON_REQUIRED,
          .expect = "\"auto\" or \"manual\"" },
        { "attrs", JSON_FIELD(Definition, attributes, decode_attributes),
          .expect = "a list of attributes" },
        {},
};

static int parse_json(Definition *d, const char *file, const char *text, size_t size) {
        _cleanup_(json_freep) JsonDoc *doc = NULL;
        StoreSink s = { .sink.report = store_report, .definition = d, .file = file };
        JsonError error;
        int r;

        r = json_parse(&doc, text, size, false, &error);
        if (r > 0)
                return definition_refuse(d, file, error.line, error.column, error.text);
        if (r < 0)
                return r;
        return json_decode_fields(&s.sink, &doc->nodes[0], definition_fields, "an object in { }",
                                  d);
}

int store_parse(Definition *d, const char *file, const char *text, size_t size) {
        int r = store_parse_plain(d, text, size);

        if (r == 0)
                r = parse_json(d, file, text, size);
        if (r < 0)
                return r;
        /* what is invalid is listed too, by code that expects a type */
        if (!d->type)
                d->type = strdup("");
        if (!d->type)
                return -ENOMEM;
        d->reserve = d->autostart;
        return 0;
}

int store_format(const Definition *d, char **ret) {
        return store_format_over(d, NULL, 0, ret);
}

int store_format_over(const Definition *d, const char *old, size_t old_size, char **ret) {
        _cleanup_(freep) char *text = NULL;
        FILE *f;
        size_t size;
        bool failed;
        int r = 0;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;

        (void) fputs("{\n  \"mdev_type\": ", f);
        json_write_string(f, d->type);
        (void) fprintf(f, ",\n  \"start\": \"%s\",\n  \"attrs\": [",
                       d->autostart ? "auto" : "manual");
        for (size_t i = 0; i < d->n_attributes; i++) {
                (void) fprintf(f, "%s\n    {\n      ", i > 0 ? "," : "");
                json_write_string(f, d->attributes[i].name);
                (void) fputs(": ", f);
                json_write_string(f, d->attributes[i].value);
                (void) fputs("\n    }", f);
        }
        (void) fprintf(f, "%s]", d->n_attributes > 0 ? "\n  " : "");
        if (old)
                r = store_rest_write(f, old, old_size);
        (void) fputs("\n}", f);

        failed = ferror(f);
        if (fclose(f) != 0 || failed || r < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

/* Who a device is for must not be guessed: with bad extras the definition is of no use either. */
static int store_load_extras(Definition *d, int root_fd, const char *text, size_t size) {
        _cleanup_(freep) char *path = extras_path(d->parent, &d->uuid), *why = NULL;
        _cleanup_(extras_done) Extras e = {};
        char digest[EXTRAS_DIGEST_MAX];
        int r;

        if (!path)
                return -ENOMEM;
        r = extras_read(root_fd, path, &e, &why);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (r > 0)
                return definition_refuse(d, NULL, 0, 0, why);
        return extras_apply(extras_in_force(&e, extras_digest(text, size, digest)), d);
}

int store_read(int root_fd, const char *parent, const Uuid *uuid, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(freep) char *path = NULL, *text = NULL, *why = NULL;
        size_t size = 0;
        int r;

        *ret = NULL;
        if (asprintf(&path, "/" MDEVD_PATH_DEFINITIONS "/%s/%s", parent, UUID_STR(uuid)) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = definition_new(&d, parent, uuid);
        if (r < 0)
                return r;
        r = file_read(root_fd, path + 1, &text, &size, &why);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (r > 0)
                r = definition_refuse(d, path, 0, 0, why);
        if (r < 0)
                return r;
        r = store_parse(d, path, text ?: "", size);
        if (r < 0)
                return r;
        r = store_load_extras(d, root_fd, text ?: "", size);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

/* The kind of an entry that is not followed; 0: it is gone. */
static mode_t entry_kind(int dir_fd, const char *name) {
        struct stat st;

        return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode & S_IFMT;
}

static int store_problem(List *problems, const char *folder, const char *name, const char *text) {
        _cleanup_(freep) char *path = NULL;

        if (asprintf(&path, "%s/%s", folder, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return config_problem_add(problems, path, 0, 0, true, text);
}

/* Lists @folder, a path from "/"; that it cannot be listed is a problem and no failure. */
static int store_list(int root_fd, const char *folder, FileNames *ret, List *problems) {
        _cleanup_(freep) char *text = NULL;
        int r;

        r = file_list(root_fd, folder + 1, ret);
        if (r >= 0 || r == -ENOENT || r == -ENOMEM)
                return r == -ENOENT ? 0 : r;
        if (asprintf(&text, "cannot list this folder: %s", strerror(-r)) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return config_problem_add(problems, folder, 0, 0, false, text);
}

static int store_load_parent(Model *model, int root_fd, const char *parent, List *problems) {
        _cleanup_(file_names_done) FileNames names = {};
        _cleanup_(freep) char *folder = NULL;
        int r;

        if (asprintf(&folder, "/" MDEVD_PATH_DEFINITIONS "/%s", parent) < 0) {
                folder = NULL;
                return -ENOMEM;
        }
        r = store_list(root_fd, folder, &names, problems);
        if (r < 0)
                return r;

        for (size_t i = 0; i < names.n; i++) {
                Definition *d;
                Uuid uuid;

                if (definition_uuid(names.names[i], &uuid) < 0) {
                        r = store_problem(problems, folder, names.names[i],
                                          "expected a UUID in lower case as the file's name: it is "
                                          "passed over");
                        if (r < 0)
                                return r;
                        continue;
                }
                r = store_read(root_fd, parent, &uuid, &d);
                if (r < 0)
                        return r;
                if (d) /* it may have gone since it was listed */
                        model_link_definition(model, d);
        }
        return 0;
}

/* Extras without their definition were left by a crash, or by another tool. */
static int store_check_extras(const Model *model, int root_fd, const char *parent,
                              List *problems) {
        _cleanup_(file_names_done) FileNames names = {};
        _cleanup_(freep) char *folder = NULL;
        int r;

        if (asprintf(&folder, "/" MDEVD_PATH_EXTRAS "/%s", parent) < 0) {
                folder = NULL;
                return -ENOMEM;
        }
        r = store_list(root_fd, folder, &names, problems);
        if (r < 0)
                return r;

        for (size_t i = 0; i < names.n; i++) {
                Uuid uuid;

                /* a hidden one is a temporary file */
                if (names.names[i][0] == '.')
                        continue;
                if (extras_uuid(names.names[i], &uuid) == 0 &&
                    model_find_definition(model, parent, &uuid, NULL))
                        continue;
                r = store_problem(problems, folder, names.names[i],
                                  "expected a definition of this name, found none: it is ignored");
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Goes through the folders of parents in @path: what is no folder there is somebody's temporary. */
static int store_each_parent(Model *model, int root_fd, const char *path, List *problems,
                             bool extras) {
        _cleanup_(file_names_done) FileNames names = {};
        _cleanup_(closep) int dir_fd = -EBADF;
        int r;

        r = store_list(root_fd, path, &names, problems);
        if (r < 0 || names.n == 0)
                return r;
        dir_fd = openat(root_fd, path + 1, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return 0;

        for (size_t i = 0; i < names.n; i++) {
                const mode_t kind = entry_kind(dir_fd, names.names[i]);

                if ((kind != S_IFDIR && kind != S_IFLNK) || streq(names.names[i], SCRIPTS))
                        continue;
                if (kind == S_IFLNK)
                        r = store_problem(problems, path, names.names[i],
                                          "expected a folder, found a symbolic link: it is passed "
                                          "over");
                else if (!name_is_valid_parent(names.names[i]))
                        r = store_problem(problems, path, names.names[i],
                                          "expected the name of a device: it is passed over");
                else if (extras)
                        r = store_check_extras(model, root_fd, names.names[i], problems);
                else
                        r = store_load_parent(model, root_fd, names.names[i], problems);
                if (r < 0)
                        return r;
        }
        return 0;
}

int store_load(Model *model, int root_fd, List *problems) {
        int r;

        r = store_each_parent(model, root_fd, "/" MDEVD_PATH_DEFINITIONS, problems, false);
        if (r < 0)
                return r;
        return store_each_parent(model, root_fd, "/" MDEVD_PATH_EXTRAS, problems, true);
}

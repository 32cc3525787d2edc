/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.c owns the files of the configuration: which there are, in what order they count, and the
 * list of what is wrong with them.
 */
#include "config/config.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "config/file.h"
#include "config/spec.h"
#include "util/json.h"

#define PATH_VENDOR "usr/lib/mdevd"
#define PATH_LOCAL "etc/mdevd"
#define NAME_MAIN "mdevd.json"
#define NAME_DROPINS "mdevd.d"

static ConfigProblem *config_problem_free(ConfigProblem *p) {
        if (!p)
                return NULL;

        list_unlink(&p->node);
        free(p->file);
        free(p->text);
        free(p);
        return NULL;
}

DEFINE_CLEANUP(ConfigProblem *, config_problem_free)

int config_problem_add(List *problems, const char *file, unsigned line, unsigned column,
                       bool warning, const char *text) {
        _cleanup_(config_problem_freep) ConfigProblem *p = NULL;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        list_init(&p->node);
        p->line = line;
        p->column = column;
        p->warning = warning;
        p->file = json_printable(file);
        p->text = strdup(text);
        if (!p->file || !p->text)
                return -ENOMEM;

        list_append(problems, &TAKE_PTR(p)->node);
        return 0;
}

void config_problems_clear(List *problems) {
        list_foreach_safe(p, problems, ConfigProblem, node)
                config_problem_free(p);
}

Config *config_free(Config *c) {
        if (!c)
                return NULL;

        list_foreach_safe(p, &c->parents, Parent, node)
                parent_free(p);
        config_problems_clear(&c->problems);
        rules_free(c->rules);
        free(c);
        return NULL;
}

/* One file cannot drown all others. */
static int loader_report(JsonSink *sink, unsigned line, unsigned column, bool warning,
                         const char *text) {
        Loader *l = container_of(sink, Loader, sink);

        if (l->n_problems > CONFIG_PROBLEMS_MAX)
                return 0;
        if (l->n_problems++ == CONFIG_PROBLEMS_MAX) {
                warning = false;
                text = "there is more wrong with this file than is shown";
        }
        return config_problem_add(&l->config->problems, l->file, line, column, warning, text);
}

static void loader_done(Loader *l) {
        list_foreach_safe(p, &l->parents, ParentSpec, node)
                parent_spec_free(p);
        list_foreach_safe(t, &l->types, TypeSpec, node)
                type_spec_free(t);
        config_free(l->config);
}

static int loader_init(Loader *l) {
        l->sink.report = loader_report;
        list_init(&l->parents);
        list_init(&l->types);
        l->config = calloc(1, sizeof(*l->config));
        if (!l->config)
                return -ENOMEM;
        list_init(&l->config->parents);
        list_init(&l->config->problems);
        return rules_new(&l->config->rules);
}

static const JsonField file_fields[] = {
        { "parents", decode_parents, .expect = "a list of parents" },
        { "types", decode_types, .expect = "an object of types by name" },
        { "policy", decode_policy, .expect = "the policy in { }" },
        { "profiles", decode_profiles, .expect = "an object of profiles by name" },
        {},
};

static int loader_text(Loader *l, const char *file, const char *text, size_t size) {
        _cleanup_(json_freep) JsonDoc *doc = NULL;
        const JsonNode *root, *policy;
        JsonError error;
        int r;

        l->file = file;
        l->n_problems = 0;
        r = json_parse(&doc, text, size, true, &error);
        if (r > 0) {
                l->files_wrong = true;
                return l->sink.report(&l->sink, error.line, error.column, false, error.text);
        }
        if (r < 0)
                return r;

        root = &doc->nodes[0];
        policy = json_find(root, "policy");
        l->files_wrong |= root->kind != JSON_OBJECT || (policy && policy->kind != JSON_OBJECT);
        r = json_decode_fields(&l->sink, root, file_fields, "an object in { }", l);
        return r < 0 ? r : 0;
}

/* @folder is relative to the root; people are told the path from "/". */
static int loader_file(Loader *l, int root_fd, const char *folder, const char *name) {
        _cleanup_(freep) char *path = NULL, *shown = NULL, *text = NULL, *why = NULL;
        size_t size = 0;
        int r;

        if (asprintf(&path, "/%s/%s", folder, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        shown = json_printable(path);
        if (!shown)
                return -ENOMEM;
        r = file_read(root_fd, path + 1, &text, &size, &why);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (r > 0) {
                l->files_wrong = true;
                return config_problem_add(&l->config->problems, shown, 0, 0, false, why);
        }
        /* an empty file says nothing, which is how a file of the vendor's is masked */
        return size > 0 ? loader_text(l, shown, text, size) : 0;
}

static int loader_list(Loader *l, int root_fd, const char *folder, FileNames *ret) {
        _cleanup_(freep) char *path = NULL, *text = NULL;
        int r;

        r = file_list(root_fd, folder, ret);
        if (r >= 0 || r == -ENOENT || r == -ENOMEM)
                return r == -ENOENT ? 0 : r;

        l->files_wrong = true;
        if (asprintf(&path, "/%s", folder) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (asprintf(&text, "cannot list this folder: %s", strerror(-r)) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return config_problem_add(&l->config->problems, path, 0, 0, false, text);
}

static bool name_is_dropin(const char *name) {
        const size_t n = strlen(name), suffix = strlen(".json");

        return name[0] != '.' && n > suffix && streq(name + n - suffix, ".json");
}

static bool names_have(const FileNames *f, const char *name) {
        for (size_t i = 0; i < f->n; i++)
                if (streq(f->names[i], name))
                        return true;
        return false;
}

static int loader_dropins(Loader *l, int root_fd, const char *folder, const FileNames *names,
                          const FileNames *masks) {
        int r;

        for (size_t i = 0; i < names->n; i++) {
                if (!name_is_dropin(names->names[i]) || names_have(masks, names->names[i]))
                        continue;
                r = loader_file(l, root_fd, folder, names->names[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int loader_all(Loader *l, int root_fd) {
        _cleanup_(file_names_done) FileNames vendor = {}, local = {};
        const FileNames none = {};
        int r;

        r = loader_file(l, root_fd, PATH_VENDOR, NAME_MAIN);
        if (r < 0)
                return r;
        r = loader_list(l, root_fd, PATH_VENDOR "/" NAME_DROPINS, &vendor);
        if (r < 0)
                return r;
        r = loader_list(l, root_fd, PATH_LOCAL "/" NAME_DROPINS, &local);
        if (r < 0)
                return r;
        r = loader_dropins(l, root_fd, PATH_VENDOR "/" NAME_DROPINS, &vendor, &local);
        if (r < 0)
                return r;
        r = loader_file(l, root_fd, PATH_LOCAL, NAME_MAIN);
        if (r < 0)
                return r;
        return loader_dropins(l, root_fd, PATH_LOCAL "/" NAME_DROPINS, &local, &none);
}

static int loader_finish(Loader *l) {
        l->config->rules_wrong = l->files_wrong;
        for (size_t i = 0; i < _RULES_MAX; i++)
                l->config->rules_wrong |= l->rules_wrong[i];
        return loader_resolve(l);
}

int config_load(Config **ret, int root_fd) {
        _cleanup_(loader_done) Loader l = {};
        struct stat st;
        int r;

        r = loader_init(&l);
        if (r < 0)
                return r;
        if (fstat(root_fd, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;

        r = loader_all(&l, root_fd);
        if (r < 0)
                return r;
        r = loader_finish(&l);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l.config);
        return 0;
}

int config_load_text(Config **ret, const char *name, const char *text, size_t size) {
        _cleanup_(loader_done) Loader l = {};
        int r;

        r = loader_init(&l);
        if (r < 0)
                return r;
        r = loader_text(&l, name, text, size);
        if (r < 0)
                return r;
        r = loader_finish(&l);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l.config);
        return 0;
}

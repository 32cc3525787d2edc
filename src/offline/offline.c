/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * offline.c: --check-config and --explain-policy: the configuration read as the daemon reads it.
 * Devices are not looked at: what depends on the size of a BAR is said by the daemon.
 */
#include "offline/offline.h"

#include <fcntl.h>
#include <stdarg.h>

#include "config/config.h"
#include "config/store.h"
#include "policy/policy.h"
#include "util/fs.h"
#include "util/json.h"
#include "util/utf8.h"

#define CONFIG_SIZE_MAX (1024 * 1024)

typedef struct Files Files;

struct Files {
        Config *config;
        Model *model; /* of definitions; NULL: one file was read */
};

static void files_done(Files *f) {
        config_free(f->config);
        model_free(f->model);
}

static void say(FILE *out, const char *format, ...) _printf_(2, 3);

/* Names and what stands in files can be anybody's, and this may be a terminal. */
static void say(FILE *out, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        utf8_write_escaped(out, text ?: "out of memory\n");
}

static int load_file(const char *file, Files *ret) {
        _cleanup_(closep) int fd = -EBADF;
        _cleanup_(freep) char *text = NULL;
        size_t size;
        int r;

        fd = open(file[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = read_file_at(fd, file + strspn(file, "/"), CONFIG_SIZE_MAX, &text, &size);
        if (r < 0)
                return r;
        return config_load_text(&ret->config, file, text, size);
}

static int load_root(const char *root, Files *ret) {
        _cleanup_(closep) int fd = -EBADF;
        int r;

        fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = config_load(&ret->config, fd);
        if (r >= 0)
                r = model_new(&ret->model);
        return r < 0 ? r : store_load(ret->model, fd, &ret->config->problems);
}

static int report_rule(const Source *source, bool warning, const char *text, void *userdata) {
        Config *config = userdata;

        return config_problem_add(&config->problems, source->file ?: "rules", source->line,
                                  source->column, warning, text);
}

static int load(const char *prefix, const char *root, const char *file, Files *ret) {
        int r;

        r = file ? load_file(file, ret) : load_root(root, ret);
        if (r >= 0)
                r = policy_check_rules(ret->config->rules, &ret->config->parents, ret->model,
                                       report_rule, ret->config);
        if (r < 0)
                say(stderr, "%scannot read %s: %s.\n", prefix, file ?: root, strerror(-r));
        return r < 0 ? r : 0;
}

static void print_problem(FILE *out, const ConfigProblem *p) {
        const char *warning = p->warning ? "warning: " : "";

        if (p->line > 0)
                say(out, "%s:%u:%u: %s%s\n", p->file, p->line, p->column, warning, p->text);
        else
                say(out, "%s: %s%s\n", p->file, warning, p->text);
}

/* Warnings are said, and do no harm. */
static size_t print_problems(FILE *out, const Files *files) {
        size_t n = 0;

        list_foreach(p, &files->config->problems, ConfigProblem, node) {
                print_problem(out, p);
                n += !p->warning;
        }
        if (!files->model)
                return n;
        list_foreach(d, &files->model->definitions, Definition, node)
                if (d->invalid) {
                        say(out, "%s\n", d->invalid); /* with its file, line and column */
                        n++;
                }
        return n;
}

static void print_problem_json(const char *file, unsigned line, unsigned column, bool warning,
                               const char *text, size_t *n) {
        (void) fputs((*n)++ > 0 ? ",\n{\"file\":" : "\n{\"file\":", stdout);
        json_write_string(stdout, file);
        (void) printf(",\"line\":%u,\"column\":%u,\"warning\":%s,\"text\":", line, column,
                      warning ? "true" : "false");
        json_write_string(stdout, text);
        (void) putchar('}');
}

/* What is wrong with a definition is a sentence that begins with its place, if it has one. */
static void print_invalid_json(const Definition *d, size_t *n) {
        const char *text = d->invalid, *end = strchr(text, ':');
        _cleanup_(freep) char *file = NULL;
        unsigned line = 0, column = 0;
        int length = 0;

        /* names of parents have colons as well */
        for (; end && length == 0; end = length > 0 ? end : strchr(end + 1, ':'))
                (void) sscanf(end, ":%u:%u: %n", &line, &column, &length);
        if (!end && text[0] == '/' && (end = strstr(text, ": ")))
                length = 2;
        if (!end)
                line = column = 0;
        file = strndup(text, end ? (size_t) (end - text) : 0);
        print_problem_json(file ?: "", line, column, false, end ? end + length : text, n);
}

static int print_check_json(const Files *files) {
        size_t n = 0, bad = 0;

        (void) fputs("{\"problems\":[", stdout);
        list_foreach(p, &files->config->problems, ConfigProblem, node) {
                print_problem_json(p->file, p->line, p->column, p->warning, p->text, &n);
                bad += !p->warning;
        }
        if (files->model)
                list_foreach(d, &files->model->definitions, Definition, node)
                        if (d->invalid) {
                                print_invalid_json(d, &n);
                                bad++;
                        }
        (void) printf("],\n\"good\":%s,\"parents\":%zu}\n", bad == 0 ? "true" : "false",
                      list_length(&files->config->parents));
        return bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int offline_check_config(const char *prefix, const char *root, const char *file, bool json) {
        _cleanup_(files_done) Files files = {};
        size_t n;

        if (load(prefix, root, file, &files) < 0)
                return EXIT_FAILURE;
        if (json)
                return print_check_json(&files);
        if (print_problems(stdout, &files) > 0)
                return EXIT_FAILURE;
        n = list_length(&files.config->parents);
        printf("No error found; %zu parent%s configured.\n", n, n == 1 ? " is" : "s are");
        return EXIT_SUCCESS;
}

int offline_explain_policy(const char *prefix, const char *root, const char *file, bool json) {
        _cleanup_(files_done) Files files = {};
        _cleanup_(freep) char *text = NULL;
        int r;

        if (load(prefix, root, file, &files) < 0)
                return EXIT_FAILURE;
        if (print_problems(stderr, &files) > 0) {
                say(stderr, "%sthese rules would not be put in force.\n", prefix);
                return EXIT_FAILURE;
        }
        r = (json ? policy_explain_rules_json : policy_explain_rules)(
                files.config->rules, &files.config->parents, &text);
        if (r < 0) {
                say(stderr, "%scannot explain the rules: %s.\n", prefix, strerror(-r));
                return EXIT_FAILURE;
        }
        fputs(text, stdout);
        return EXIT_SUCCESS;
}

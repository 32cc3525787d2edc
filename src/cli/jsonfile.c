/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * jsonfile.c owns reading a definition that somebody hands over. What is wrong with it is said in
 * mdevctl's words, and below them where it stands.
 */
#include "cli/jsonfile.h"

#include <fcntl.h>

#include "cli/answer.h"
#include "util/json.h"

typedef struct Source Source;

struct Source {
        const char *path;
        Definition *definition;
};

int jsonfile_check(const char *path) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd >= 0)
                return EXIT_SUCCESS;
        return answer_failed_because(strerror(errno), "Unable to read file \"%s\"", path);
}

/* Not file_read(): this one may be a pipe, and whose it is does not matter. */
static int read_all(const char *path, char **ret, size_t *ret_size) {
        _cleanup_(fclosep) FILE *f = fopen(path, "re");
        _cleanup_(freep) char *text = NULL;
        size_t n;

        if (!f)
                return answer_failed_because(strerror(errno), "Unable to read jsonfile \"%s\"",
                                             path);
        text = malloc(JSON_SIZE_MAX + 1);
        if (!text)
                return answer_failed_errno(-ENOMEM, path);
        n = fread(text, 1, JSON_SIZE_MAX + 1, f);
        if (ferror(f))
                return answer_failed_because(strerror(errno), "Unable to read jsonfile \"%s\"",
                                             path);
        if (n > JSON_SIZE_MAX)
                return answer_failed("Unable to read jsonfile \"%s\": it has more than 1 MiB",
                                     path);
        *ret = TAKE_PTR(text);
        *ret_size = n;
        return EXIT_SUCCESS;
}

/* @sentence: mdevctl's; @expect: what should have been there. */
static int wrong(const Source *s, const JsonNode *node, const char *expect, const char *sentence) {
        _cleanup_(freep) char *cause = NULL;

        if (asprintf(&cause, "%s:%u:%u: expected %s, found %s", s->path, node->line, node->column,
                     expect, JSON_FOUND(node)) < 0)
                return answer_failed_errno(-ENOMEM, s->path);
        return answer_failed_because(cause, "%s", sentence);
}

static int add_attribute(const Source *s, const JsonNode *node) {
        const JsonNode *a = node + 1;
        char sentence[512];
        int r;

        if (node->kind != JSON_OBJECT)
                return wrong(s, node, "{ \"name\": \"value\" }",
                             "invalid JSON format for attribute: not an object");
        if (node->n_members != 1)
                return wrong(s, node, "one name and value in each { }",
                             "invalid JSON format for attribute: too many fields");
        if (a->kind != JSON_STRING) {
                (void) snprintf(sentence, sizeof(sentence),
                                "invalid JSON format for attribute {\"%.128s\", %.128s}: value "
                                "must be of type str", a->key, a->text ?: JSON_FOUND(a));
                return wrong(s, a, "a value in quotes", sentence);
        }
        if (!attribute_name_is_valid(a->key)) {
                (void) snprintf(sentence, sizeof(sentence), "Invalid attribute '%.255s'", a->key);
                return wrong(s, a, "a name that is a path below the device, without \"..\"",
                             sentence);
        }
        r = definition_add_attribute(s->definition, a->key, a->text);
        return r < 0 ? answer_failed_errno(r, s->path) : EXIT_SUCCESS;
}

static int read_attributes(const Source *s, const JsonNode *list) {
        int r = EXIT_SUCCESS;

        if (!list || list->kind == JSON_NULL)
                return EXIT_SUCCESS;
        if (list->kind != JSON_LIST)
                return wrong(s, list, "a list of attributes", "attributes field is not an array");
        json_foreach(i, list) {
                r = add_attribute(s, i);
                if (r != EXIT_SUCCESS)
                        break;
        }
        return r;
}

static int read_object(const Source *s, const JsonNode *object) {
        const JsonNode *type, *start;

        if (object->kind != JSON_OBJECT)
                return wrong(s, object, "an object in { }", "invalid json");
        type = json_find(object, "mdev_type");
        start = json_find(object, "start");
        if (!type || type->kind == JSON_NULL)
                return wrong(s, object, "the member \"mdev_type\"", "invalid json");
        if (!start || start->kind == JSON_NULL)
                return wrong(s, object, "the member \"start\"", "invalid json");
        if (type->kind != JSON_STRING)
                return wrong(s, type, "the name of a type in quotes", "invalid json");

        free(s->definition->type);
        s->definition->type = strdup(type->text);
        if (!s->definition->type)
                return answer_failed_errno(-ENOMEM, s->path);
        s->definition->autostart = start->kind == JSON_STRING && streq(start->text, "auto");
        return read_attributes(s, json_find(object, "attrs"));
}

int jsonfile_read(const char *path, Definition *d) {
        const Source s = { .path = path, .definition = d };
        _cleanup_(json_freep) JsonDoc *doc = NULL;
        _cleanup_(freep) char *text = NULL;
        size_t size = 0;
        JsonError error;
        int r;

        r = read_all(path, &text, &size);
        if (r != EXIT_SUCCESS)
                return r;
        r = json_parse(&doc, text, size, false, &error);
        if (r < 0)
                return answer_failed_errno(r, path);
        if (r > 0)
                return answer_failed("%s:%u:%u: %s", path, error.line, error.column, error.text);
        return read_object(&s, &doc->nodes[0]);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * callout.c: owns finding the script that knows a type, and what its answers mean. In a directory
 * the scripts are tried in the order of their names: exit status 2 says "not my type", every other
 * one that it is. One that answered 0 stays for the rest; one that can say what it supports is
 * found before all others, and is asked for nothing else.
 */
#include "callout/callout.h"

#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>

#include "callout/script.h"
#include "util/json.h"

#define NOT_MY_TYPE 2

static const char *const callout_dirs[] = {
        "usr/lib/mdevctl/scripts.d/callouts",
        "etc/mdevctl.d/scripts.d/callouts", /* deprecated, and still looked into */
};
static const char *const notifier_dirs[] = {
        "usr/lib/mdevctl/scripts.d/notifiers",
        "etc/mdevctl.d/scripts.d/notifiers",
};

static const char *const event_words[_CALLOUT_EVENT_MAX] = {
        [CALLOUT_PRE] = "pre",       [CALLOUT_POST] = "post", [CALLOUT_LIVE] = "live",
        [CALLOUT_NOTIFY] = "notify", [CALLOUT_GET] = "get",
};
static const char *const action_words[_CALLOUT_ACTION_MAX] = {
        [CALLOUT_START] = "start",
        [CALLOUT_STOP] = "stop",
        [CALLOUT_DEFINE] = "define",
        [CALLOUT_UNDEFINE] = "undefine",
        [CALLOUT_MODIFY] = "modify",
        [CALLOUT_ATTRIBUTES] = "attributes",
        [CALLOUT_CAPABILITIES] = "capabilities",
};
static const char *const state_words[_CALLOUT_STATE_MAX] = {
        [CALLOUT_NONE] = "none",
        [CALLOUT_SUCCESS] = "success",
        [CALLOUT_FAILURE] = "failure",
};

/* What we say we know, version 2 of the protocol. */
static const char provides[] =
        "{\"provides\":{\"version\":2,\"actions\":[\"start\",\"stop\",\"define\",\"undefine\","
        "\"modify\",\"attributes\",\"capabilities\"],\"events\":[\"pre\",\"post\",\"notify\","
        "\"get\",\"live\"]}}";

/* What a script that cannot say it is taken to support: version 1. */
#define V1_ACTIONS ((UINT32_C(1) << CALLOUT_CAPABILITIES) - 1)
#define V1_EVENTS                                                                                  \
        (UINT32_C(1) << CALLOUT_PRE | UINT32_C(1) << CALLOUT_POST |                                \
         UINT32_C(1) << CALLOUT_NOTIFY | UINT32_C(1) << CALLOUT_GET)

/* ---- directories ---- */

typedef struct Scripts Scripts;

/* Paths of a directory's entries in byte order. */
struct Scripts {
        char **paths;
        size_t n;
};

static void scripts_done(Scripts *s) {
        for (size_t i = 0; i < s->n; i++)
                free(s->paths[i]);
        free(s->paths);
}

static int compare_paths(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static char *folder_path(const char *root, const char *folder) {
        char *path;

        return asprintf(&path, "%s/%s", streq(root, "/") ? "" : root, folder) < 0 ? NULL : path;
}

static int scripts_add(Scripts *s, const char *folder, const char *name) {
        char **bigger = reallocarray(s->paths, s->n + 1, sizeof(*bigger));

        if (!bigger)
                return -ENOMEM;
        s->paths = bigger;
        if (asprintf(&s->paths[s->n], "%s/%s", folder, name) < 0)
                return -ENOMEM;
        s->n++;
        return 0;
}

/* A directory that is not there has none. */
static int scripts_read(const char *root, const char *folder, Scripts *ret) {
        _cleanup_(freep) char *path = folder_path(root, folder);
        _cleanup_(scripts_done) Scripts s = {};
        _cleanup_(closedirp) DIR *dir = NULL;
        int r = 0;

        if (!path)
                return -ENOMEM;
        dir = opendir(path);
        for (struct dirent *de; r >= 0 && dir && (de = readdir(dir));)
                if (!streq(de->d_name, ".") && !streq(de->d_name, ".."))
                        r = scripts_add(&s, path, de->d_name);
        if (r < 0)
                return r;
        if (s.n > 0)
                qsort(s.paths, s.n, sizeof(*s.paths), compare_paths);
        *ret = TAKE_GENERIC(s, (Scripts){});
        return 0;
}

bool callout_exists(const char *root) {
        for (size_t i = 0; i < ARRAY_SIZE(callout_dirs); i++) {
                _cleanup_(scripts_done) Scripts scripts = {}, notifiers = {};

                if (scripts_read(root, callout_dirs[i], &scripts) < 0 ||
                    scripts_read(root, notifier_dirs[i], &notifiers) < 0)
                        return true; /* out of memory: somebody else will say so */
                if (scripts.n > 0 || notifiers.n > 0)
                        return true;
        }
        return false;
}

/* All of what changes when an entry comes or goes. A folder that is not there is all zeros. */
static bool look_at_folder(const char *root, const char *folder, CalloutFolder *ret) {
        _cleanup_(freep) char *path = folder_path(root, folder);
        struct stat st;

        if (!path)
                return false;
        *ret = (CalloutFolder){};
        if (stat(path, &st) < 0)
                return errno == ENOENT || errno == ENOTDIR;
        ret->device = st.st_dev;
        ret->inode = st.st_ino;
        ret->sec = st.st_ctim.tv_sec;
        ret->nsec = st.st_ctim.tv_nsec;
        return true;
}

/* Two changes within one tick of the kernel's clock cannot be told apart: not so soon after one. */
static bool is_settled(const CalloutFolder *f, time_t now) {
        return f->inode == 0 || (f->sec < now && now - f->sec > 1);
}

bool callout_exists_since(const char *root, CalloutSeen *seen) {
        CalloutSeen now = { .empty = true };
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        for (size_t i = 0; i < ARRAY_SIZE(now.folders); i++)
                now.empty &= look_at_folder(
                                     root, i % 2 ? notifier_dirs[i / 2] : callout_dirs[i / 2],
                                     &now.folders[i]) &&
                             is_settled(&now.folders[i], ts.tv_sec);
        if (now.empty && seen->empty &&
            memcmp(now.folders, seen->folders, sizeof(now.folders)) == 0)
                return false;
        /* read after that look: what comes in between makes the next one differ */
        if (callout_exists(root)) {
                seen->empty = false;
                return true;
        }
        *seen = now;
        return false;
}

/* ---- one script ---- */

void callout_init(Callout *c, const char *root, const Definition *device) {
        *c = (Callout){ .root = root, .device = device, .limit_sec = CALLOUT_LIMIT_SEC };
}

void callout_done(Callout *c) {
        free(c->script);
        free(c->why);
        *c = (Callout){};
}

/* As mdevctl hands it over: on one line, without the UUID. */
static int format_config(const Definition *d, char **ret) {
        _cleanup_(freep) char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return -ENOMEM;
        (void) fputs("{\"mdev_type\":", f);
        json_write_string(f, d->type);
        (void) fprintf(f, ",\"start\":\"%s\",\"attrs\":[", d->autostart ? "auto" : "manual");
        for (size_t i = 0; i < d->n_attributes; i++) {
                (void) fputs(i > 0 ? ",{" : "{", f);
                json_write_string(f, d->attributes[i].name);
                (void) fputc(':', f);
                json_write_string(f, d->attributes[i].value);
                (void) fputc('}', f);
        }
        (void) fputs("]}", f);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

static int run(const Callout *c, const char *path, CalloutEvent event, CalloutAction action,
               const char *input, ScriptResult *ret) {
        const Definition *d = c->device;
        const char *argv[] = {
                path, "-t", d->type, "-e", event_words[event], "-a", action_words[action],
                "-s", state_words[c->state], "-u", UUID_STR(&d->uuid), "-p", d->parent, NULL,
        };

        return script_run((char *const *) argv, input, c->limit_sec, ret);
}

static int refuse(Callout *c, const char *format, ...) _printf_(2, 3);

static int refuse(Callout *c, const char *format, ...) {
        va_list ap;
        int r;

        free(c->why);
        va_start(ap, format);
        r = vasprintf(&c->why, format, ap);
        va_end(ap);
        if (r < 0)
                c->why = NULL;
        return r < 0 ? -ENOMEM : CALLOUT_REFUSED;
}

/* What it said on stderr stands below, each line with its name, as mdevctl shows it. */
static int refuse_result(Callout *c, const char *path, const ScriptResult *result) {
        size_t size = strlen(result->errors);
        const char *name = strrchr(path, '/') + 1;

        while (size > 0 && result->errors[size - 1] == '\n')
                size--;
        if (result->timed_out)
                return refuse(c, "Script '\"%s\"' did not end within %u s and was killed", path,
                              c->limit_sec);
        return refuse(c, "Script '\"%s\"' failed with status '%d'%s%s%s%.*s", path, result->status,
                      size > 0 ? "\n" : "", size > 0 ? name : "", size > 0 ? ": " : "", (int) size,
                      result->errors);
}

/* ---- finding it ---- */

/* 0: *@ret is the first that knows the type, with its result. -ENOENT: none does. */
static int search(const Callout *c, const char *folder, CalloutEvent event, CalloutAction action,
                  const char *input, bool (*accepts)(const ScriptResult *result), char **ret,
                  ScriptResult *ret_result) {
        _cleanup_(scripts_done) Scripts scripts = {};
        int r;

        r = scripts_read(c->root, folder, &scripts);
        for (size_t i = 0; r >= 0 && i < scripts.n; i++) {
                ScriptResult result = {};

                r = run(c, scripts.paths[i], event, action, input, &result);
                if (r == -ENOMEM)
                        return r;
                if (r >= 0 && (result.timed_out || (result.signal == 0 &&
                                                    result.status != NOT_MY_TYPE)) &&
                    (!accepts || accepts(&result))) {
                        *ret = TAKE_PTR(scripts.paths[i]);
                        *ret_result = result;
                        return 0;
                }
                script_result_done(&result); /* not its type, no program, or killed: the next one */
                r = 0;
        }
        return r < 0 ? r : -ENOENT;
}

/* A list of words to the bits of those we know; -EINVAL: it is none. */
static int read_words(const JsonNode *list, const char *const *words, size_t n, uint32_t *ret) {
        uint32_t mask = 0;

        if (!list || list->kind != JSON_LIST)
                return -EINVAL;
        json_foreach(i, list) {
                if (i->kind != JSON_STRING)
                        return -EINVAL;
                for (size_t k = 0; k < n; k++)
                        if (streq(i->text, words[k]))
                                mask |= UINT32_C(1) << k;
        }
        *ret = mask;
        return 0;
}

/* {"supports":{"version":2,"actions":[…],"events":[…]}}, with NULs at its end or without. */
static bool read_supports(const ScriptResult *result, uint32_t *ret_actions,
                          uint32_t *ret_events) {
        _cleanup_(json_freep) JsonDoc *doc = NULL;
        const JsonNode *supports, *version;
        size_t size = result->output_size;
        JsonError error;

        while (size > 0 && result->output[size - 1] == '\0')
                size--;
        if (json_parse(&doc, result->output, size, false, &error) != 0 ||
            doc->nodes[0].kind != JSON_OBJECT)
                return false;
        supports = json_find(&doc->nodes[0], "supports");
        if (!supports || supports->kind != JSON_OBJECT)
                return false;
        version = json_find(supports, "version");
        return version && version->kind == JSON_NUMBER &&
               read_words(json_find(supports, "actions"), action_words, _CALLOUT_ACTION_MAX,
                          ret_actions) == 0 &&
               read_words(json_find(supports, "events"), event_words, _CALLOUT_EVENT_MAX,
                          ret_events) == 0;
}

static bool says_what_it_supports(const ScriptResult *result) {
        uint32_t actions, events;

        return read_supports(result, &actions, &events);
}

int callout_find(Callout *c) {
        for (size_t i = 0; i < ARRAY_SIZE(callout_dirs); i++) {
                _cleanup_(script_result_done) ScriptResult result = {};
                int r = search(c, callout_dirs[i], CALLOUT_GET, CALLOUT_CAPABILITIES, provides,
                               says_what_it_supports, &c->script, &result);

                if (r == -ENOENT)
                        continue;
                if (r >= 0)
                        c->versioned = read_supports(&result, &c->actions, &c->events);
                return r;
        }
        return 0;
}

static int call_found(Callout *c, CalloutEvent event, CalloutAction action, const char *input,
                      ScriptResult *ret) {
        int r;

        /* as mdevctl says it, with a capital letter */
        if (!(c->actions & UINT32_C(1) << action))
                return refuse(c, "Script \"%s\" does not support action '%c%s'", c->script,
                              action_words[action][0] - 'a' + 'A', action_words[action] + 1);
        if (!(c->events & UINT32_C(1) << event))
                return refuse(c, "Script \"%s\" does not support event '%c%s'", c->script,
                              event_words[event][0] - 'a' + 'A', event_words[event] + 1);
        r = run(c, c->script, event, action, input, ret);
        if (r < 0)
                return refuse(c, "Script '\"%s\"' cannot be executed: %s", c->script,
                              strerror(-r));
        return ret->timed_out || (ret->signal == 0 && ret->status != 0) ?
                       refuse_result(c, c->script, ret) : 0;
}

static int call_first(Callout *c, CalloutEvent event, CalloutAction action, const char *input,
                      ScriptResult *ret) {
        for (size_t i = 0; i < ARRAY_SIZE(callout_dirs); i++) {
                _cleanup_(freep) char *path = NULL;
                int r = search(c, callout_dirs[i], event, action, input, NULL, &path, ret);

                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        return r;
                if (ret->timed_out || ret->status != 0)
                        return refuse_result(c, path, ret);
                c->script = TAKE_PTR(path);
                c->actions = V1_ACTIONS;
                c->events = V1_EVENTS;
                return 0;
        }
        return 0;
}

static int call(Callout *c, CalloutEvent event, CalloutAction action, const char *input,
                ScriptResult *ret) {
        return c->script ? call_found(c, event, action, input, ret)
                         : call_first(c, event, action, input, ret);
}

int callout_call(Callout *c, CalloutEvent event, CalloutAction action) {
        _cleanup_(script_result_done) ScriptResult result = {};
        _cleanup_(freep) char *config = NULL;
        int r = format_config(c->device, &config);

        return r < 0 ? r : call(c, event, action, config, &result);
}

void callout_notify(Callout *c, CalloutAction action) {
        for (size_t i = 0; i < ARRAY_SIZE(notifier_dirs); i++) {
                _cleanup_(scripts_done) Scripts scripts = {};

                if (scripts_read(c->root, notifier_dirs[i], &scripts) < 0)
                        continue;
                for (size_t k = 0; k < scripts.n; k++) {
                        ScriptResult result = {};

                        if (run(c, scripts.paths[k], CALLOUT_NOTIFY, action, NULL, &result) >= 0)
                                script_result_done(&result);
                }
        }
}

/* ---- attributes ---- */

static int read_attributes(Callout *c, const JsonNode *list, Definition *to) {
        if (list->kind == JSON_NULL)
                return 0;
        if (list->kind != JSON_LIST)
                return refuse(c, "attributes field is not an array");
        json_foreach(i, list) {
                const JsonNode *a = i + 1;
                int r;

                if (i->kind != JSON_OBJECT)
                        return refuse(c, "invalid JSON format for attribute: not an object");
                if (i->n_members != 1)
                        return refuse(c, "invalid JSON format for attribute: too many fields");
                if (a->kind != JSON_STRING || !attribute_name_is_valid(a->key))
                        return refuse(c, "invalid JSON format for attribute {\"%s\", %s}: value "
                                      "must be of type str", a->key, JSON_FOUND(a));
                r = definition_add_attribute(to, a->key, a->text);
                if (r < 0)
                        return r;
        }
        return 0;
}

int callout_get_attributes(Callout *c, Definition *to) {
        _cleanup_(script_result_done) ScriptResult result = {};
        _cleanup_(definition_freep) Definition *found = NULL;
        _cleanup_(json_freep) JsonDoc *doc = NULL;
        JsonError error;
        size_t size;
        int r;

        r = call(c, CALLOUT_GET, CALLOUT_ATTRIBUTES, NULL, &result);
        size = result.output_size;
        while (size > 0 && result.output[size - 1] == '\0')
                size--;
        /* what scripts print that have nothing to say */
        if (r != 0 || size == 0 || (size == 4 && strncmp(result.output, "[{}]", size) == 0))
                return r;
        r = json_parse(&doc, result.output, size, false, &error);
        if (r > 0)
                return refuse(c,
                              "Invalid JSON received from callout script\nline %u, column %u: %s",
                              error.line, error.column, error.text);
        if (r >= 0)
                r = definition_new(&found, to->parent, &to->uuid);
        if (r >= 0)
                r = read_attributes(c, &doc->nodes[0], found);
        for (size_t i = 0; r == 0 && i < found->n_attributes; i++)
                r = definition_add_attribute(to, found->attributes[i].name,
                                             found->attributes[i].value);
        return r;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list.c: the verbs "list", "parents" and "types": what there is, as tables. */
#include "cli/own/list.h"

#include "cli/own/exit.h"
#include "cli/own/index.h"
#include "cli/own/own.h"
#include "util/parse.h"

/* ---- shared by those that print one list ---- */

typedef struct Question Question;

/* One question to the daemon, and where its answer goes. */
struct Question {
        Client client;
        State state;
        Screen screen;
};

static void question_done(Question *q) {
        state_done(&q->state);
        client_done(&q->client);
}

/*
 * @parent: NULL, or the one that it is about. The screen is opened once there is something to show.
 */
static int ask(Question *q, const Given *given, const char *parent) {
        const JsonNode *found;
        int r = state_load(&q->client, &q->state);

        if (r == EXIT_SUCCESS && parent)
                r = state_find_parent(&q->state, parent, &found);
        if (r == EXIT_SUCCESS)
                own_open(&q->screen, given, true);
        return r;
}

static int print_table(Question *q, int r, Table *t, const char *none) {
        if (r >= 0 && table_rows(t) == 0 && q->screen.legend)
                (void) puts(none);
        else if (r >= 0)
                table_print(t, &q->screen, 0);
        if (r < 0)
                (void) answer_failed_errno(r, "cannot show it");
        return screen_close(&q->screen) == EXIT_SUCCESS && r >= 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

static int print_node(Question *q, const JsonNode *node) {
        node_print_json(stdout, node, q->screen.json, 0);
        (void) putchar('\n');
        return screen_close(&q->screen);
}

/* ---- devices ---- */

Colour list_state_colour(const char *state) {
        if (streq(state, "live") || streq(state, "registered") || streq(state, "done"))
                return COLOUR_GREEN;
        if (streq(state, "revoked") || streq(state, "failed") || streq(state, "invalid"))
                return COLOUR_RED;
        if (streq(state, "defined"))
                return COLOUR_DIM;
        return COLOUR_YELLOW;
}

uint64_t list_device_size(const JsonNode *device) {
        uint64_t size = 0;

        json_foreach(x, node_list(device, "extents"))
                size += node_number(x, "size");
        return size;
}

static const TableColumn device_columns[] = {
        { "UUID" }, { "TYPE", .shrinks = true }, { "STATE" },
        { "OPEN", .right = true, .drops = true }, { "SIZE", .right = true, .drops = true },
        { "START", .drops = true }, { "PARENT" }, { "OWNER", .shrinks = true }, {},
};

/* Either may be NULL. */
static int add_device(Table *t, const JsonNode *d, const JsonNode *definition) {
        const JsonNode *any = d ?: definition;
        bool invalid = definition && node_text(definition, "invalid");
        const char *state = d ? node_text(d, "state") : invalid ? "invalid" : "defined";
        uint64_t size = d ? list_device_size(d) : 0;
        int r;

        r = table_add(t, COLOUR_NONE, node_text(any, "uuid"));
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, type_name(node_text(any, "type")));
        if (r >= 0)
                r = table_add(t, list_state_colour(state ?: ""), state);
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, d ? node_text(d, "opened") : NULL);
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, size > 0 ? SIZE_STR(size) : NULL);
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, !definition ? NULL
                              : node_true(definition, "autostart") ? "auto" : "manual");
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, node_text(any, "parent"));
        return r < 0 ? r : table_add(t, COLOUR_BOLD, node_text(any, "owner"));
}

static bool is_of(const JsonNode *n, const char *parent) {
        return !parent || streq_ptr(node_text(n, "parent"), parent);
}

static const JsonNode *same(const Index *x, const JsonNode *d) {
        return index_first(x, node_text(d, "uuid"), node_text(d, "parent") ?: "");
}

int list_devices(const State *s, const char *parent, Table **ret) {
        _cleanup_(table_freep) Table *t = table_new(device_columns);
        _cleanup_(index_done) Index devices = {}, definitions = {};
        int r = t ? index_new(s->devices, "uuid", "parent", &devices) : -ENOMEM;

        if (r >= 0)
                r = index_new(s->definitions, "uuid", "parent", &definitions);
        json_foreach(d, s->devices)
                if (r >= 0 && is_of(d, parent))
                        r = add_device(t, d, same(&definitions, d));
        json_foreach(d, s->definitions)
                if (r >= 0 && is_of(d, parent) && !same(&devices, d))
                        r = add_device(t, NULL, d);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

static void print_of(const Screen *s, const char *key, const JsonNode *list, const char *parent) {
        bool first = true;

        (void) printf("\"%s\":[", key);
        json_foreach(i, list) {
                if (!is_of(i, parent))
                        continue;
                (void) fputs(first ? "\n" : ",\n", stdout);
                first = false;
                node_print_json(stdout, i, s->json, 0);
        }
        (void) fputs("]", stdout);
}

static int run_list(const Verb *verb, const Given *given) {
        _cleanup_(question_done) Question q = {};
        _cleanup_(table_freep) Table *t = NULL;
        const char *parent = given->operand;
        int r;

        (void) verb;
        r = ask(&q, given, parent);
        if (r != EXIT_SUCCESS)
                return r;
        if (q.screen.json != JSON_OFF) {
                (void) putchar('{');
                print_of(&q.screen, "devices", q.state.devices, parent);
                (void) fputs(",\n", stdout);
                print_of(&q.screen, "definitions", q.state.definitions, parent);
                (void) fputs("}\n", stdout);
                return screen_close(&q.screen);
        }
        r = list_devices(&q.state, parent, &t);
        return print_table(&q, r, t, "No device is there, and none is defined.");
}

static const Option print_options[] = { OWN_PRINT_OPTIONS };

const Verb own_list = {
        .name = "list",
        .title = "The devices that are there or defined",
        .text = "OPEN is how many times a device is open now; START is auto or manual where there\n"
                "is a definition, from which it is made again after every boot or on demand.\n",
        .operand = "PARENT",
        .operand_optional = true,
        .options = print_options,
        .n_options = ARRAY_SIZE(print_options),
        .example = "  mdevdctl list 0000:41:00.0\n",
        .run = run_list,
};

/* ---- parents ---- */

static const TableColumn parent_columns[] = {
        { "PARENT" }, { "STATE" }, { "DRIVER" }, { "NODE", .right = true, .drops = true },
        { "DEVICES", .right = true, .drops = true }, { "POOL" }, { "SIZE", .right = true },
        { "FREE", .right = true }, { "LARGEST", .right = true }, {},
};

/* @devices: by parent; @pool: NULL if it has none; @first: the parent's own cells are filled. */
static int add_pool(Table *t, const Index *devices, const JsonNode *p, const JsonNode *pool,
                    bool first) {
        const char *name = node_text(p, "name"), *node = node_text(p, "numa_node");
        size_t n = first ? index_find(devices, name, NULL, NULL) : 0;
        int r;

        r = table_add(t, COLOUR_BOLD, first ? name : " ");
        if (r >= 0)
                r = table_add(t, list_state_colour(node_text(p, "state") ?: ""),
                              first ? node_text(p, "state") : " ");
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, first ? node_text(p, "driver") : " ");
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, !first ? " " : streq_ptr(node, "-1") ? NULL : node);
        if (r >= 0)
                r = first ? table_addf(t, COLOUR_NONE, "%zu", n) : table_add(t, COLOUR_NONE, " ");
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, pool ? node_text(pool, "name") : NULL);
        for (size_t i = 0; r >= 0 && i < 3; i++) {
                static const char *const keys[] = { "size", "free", "largest_hole" };

                r = table_add(t, COLOUR_NONE, pool ? SIZE_STR(node_number(pool, keys[i])) : NULL);
        }
        return r;
}

static int run_parents(const Verb *verb, const Given *given) {
        _cleanup_(question_done) Question q = {};
        _cleanup_(index_done) Index devices = {};
        _cleanup_(table_freep) Table *t = table_new(parent_columns);
        int r;

        (void) verb;
        r = ask(&q, given, NULL);
        if (r != EXIT_SUCCESS)
                return r;
        if (q.screen.json != JSON_OFF)
                return print_node(&q, q.state.parents);
        r = t ? index_new(q.state.devices, "parent", NULL, &devices) : -ENOMEM;
        json_foreach(p, q.state.parents) {
                bool first = true;

                json_foreach(pool, node_list(p, "pools")) {
                        if (r >= 0)
                                r = add_pool(t, &devices, p, pool, first);
                        first = false;
                }
                if (r >= 0 && first)
                        r = add_pool(t, &devices, p, NULL, true);
        }
        return print_table(&q, r, t, "There is no parent: no driver offers mediated devices, and "
                                     "the configuration names none.");
}

const Verb own_parents = {
        .name = "parents",
        .title = "The devices that can be divided, and their pools",
        .text = "LARGEST is the largest hole of a pool: the most that one device can still get.\n"
                "A driver other than mdevd has no pools that mdevd knows of; see `types`.\n",
        .options = print_options,
        .n_options = ARRAY_SIZE(print_options),
        .example = "  mdevdctl parents --json=pretty\n",
        .run = run_parents,
};

/* ---- types ---- */

static const TableColumn type_columns[] = {
        { "PARENT" }, { "TYPE" }, { "AVAILABLE", .right = true }, { "API" },
        { "LABEL", .shrinks = true }, {},
};

static int add_type(Table *t, const JsonNode *p, const JsonNode *type, bool first) {
        uint64_t n = node_number(type, "available");
        int r;

        r = table_add(t, COLOUR_BOLD, first ? node_text(p, "name") : " ");
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, type_name(node_text(type, "id")));
        if (r >= 0)
                r = table_add(t, n > 0 ? COLOUR_GREEN : COLOUR_YELLOW,
                              node_text(type, "available"));
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, node_text(type, "device_api"));
        return r < 0 ? r : table_add(t, COLOUR_NONE, node_text(type, "label"));
}

static void print_types_json(const Screen *s, const State *state, const char *parent) {
        bool first = true;

        (void) putchar('[');
        json_foreach(p, state->parents) {
                if (parent && !streq_ptr(node_text(p, "name"), parent))
                        continue;
                (void) fputs(first ? "\n" : ",\n", stdout);
                first = false;
                (void) fputs("{\"parent\":", stdout);
                json_write_string(stdout, node_text(p, "name") ?: "");
                (void) fputs(",\"types\":", stdout);
                node_print_json(stdout, node_list(p, "types"), s->json, 0);
                (void) putchar('}');
        }
        (void) fputs("]\n", stdout);
}

static int run_types(const Verb *verb, const Given *given) {
        _cleanup_(question_done) Question q = {};
        _cleanup_(table_freep) Table *t = table_new(type_columns);
        const char *parent = given->operand;
        int r;

        (void) verb;
        r = ask(&q, given, parent);
        if (r != EXIT_SUCCESS)
                return r;
        if (q.screen.json != JSON_OFF) {
                print_types_json(&q.screen, &q.state, parent);
                return screen_close(&q.screen);
        }
        r = t ? 0 : -ENOMEM;
        json_foreach(p, q.state.parents) {
                bool first = true;

                if (parent && !streq_ptr(node_text(p, "name"), parent))
                        continue;
                json_foreach(type, node_list(p, "types")) {
                        if (r >= 0)
                                r = add_type(t, p, type, first);
                        first = false;
                }
        }
        return print_table(&q, r, t, "No parent has a type.");
}

const Verb own_types = {
        .name = "types",
        .title = "What can be made, and how many of it now",
        .operand = "PARENT",
        .operand_optional = true,
        .options = print_options,
        .n_options = ARRAY_SIZE(print_options),
        .example = "  mdevdctl types 0000:41:00.0\n",
        .run = run_types,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* operations.c: the verb "operations": what is under way, and what was a while ago. */
#include <inttypes.h>

#include "cli/own/exit.h"
#include "cli/own/list.h"
#include "cli/own/own.h"
#include "cli/own/wrap.h"
#include "util/parse.h"

#define USEC_PER_SEC UINT64_C(1000000)

static const TableColumn columns[] = {
        { "ID", .right = true }, { "KIND" }, { "STATE" }, { "STEP", .drops = true },
        { "TOOK", .right = true }, { "PARENT" }, { "UUID" },
        { "OWNER", .shrinks = true, .drops = true },
        {},
};

static int add_time(Table *t, const JsonNode *op) {
        uint64_t began = node_number(op, "started_usec"), ended = node_number(op, "ended_usec");
        uint64_t took;

        if (ended == 0)
                ended = client_now_usec(CLOCK_REALTIME);
        took = ended > began ? ended - began : 0;
        if (took < USEC_PER_SEC)
                return table_addf(t, COLOUR_NONE, "%" PRIu64 " ms", took / 1000);
        return table_addf(t, COLOUR_NONE, "%" PRIu64 " s", took / USEC_PER_SEC);
}

static int add_operation(Table *t, const JsonNode *op) {
        const char *state = node_text(op, "state");
        int r;

        r = table_add(t, COLOUR_BOLD, node_text(op, "id"));
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, node_text(op, "kind"));
        if (r >= 0)
                r = table_add(t, list_state_colour(state ?: ""), state);
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, node_text(op, "step"));
        if (r >= 0)
                r = add_time(t, op);
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, node_text(op, "parent"));
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, node_text(op, "uuid"));
        return r < 0 ? r : table_add(t, COLOUR_NONE, node_text(op, "owner"));
}

static int print_table(const Screen *s, const State *state, const JsonNode *only) {
        _cleanup_(table_freep) Table *t = table_new(columns);
        int r = t ? 0 : -ENOMEM;

        json_foreach(op, state->operations)
                if (r >= 0 && (!only || op == only))
                        r = add_operation(t, op);
        if (r < 0)
                return r;
        if (table_rows(t) == 0 && s->legend)
                (void) puts("Nothing is under way, and nothing was lately.");
        table_print(t, s, 0);
        json_foreach(op, state->operations) {
                const char *text = node_text(op, "error") ?: node_text(op, "blocked");

                if ((only && op != only) || !text || !text[0])
                        continue;
                (void) printf("%s: ", node_text(op, "id"));
                wrap_line(s, 4, 4, text);
        }
        return 0;
}

static int run(const Verb *verb, const Given *given) {
        _cleanup_(client_done) Client client = {};
        _cleanup_(state_done) State state = {};
        const JsonNode *only = NULL;
        Screen s;
        int r;

        (void) verb;
        r = state_load(&client, &state);
        if (r != EXIT_SUCCESS)
                return r;
        if (given->operand) {
                only = node_find(state.operations, "id", given->operand);
                if (!only) {
                        (void) answer_failed("There is no operation %s; it is over and forgotten, "
                                             "or never was.", given->operand);
                        return EXIT_NOTHING_THERE;
                }
        }
        own_open(&s, given, true);
        if (s.json != JSON_OFF) {
                node_print_json(stdout, only ?: state.operations, s.json, 0);
                (void) putchar('\n');
        } else
                r = print_table(&s, &state, only);
        if (r < 0)
                (void) answer_failed_errno(r, "cannot show it");
        return screen_close(&s) == EXIT_SUCCESS && r >= 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

static const Option options[] = { OWN_PRINT_OPTIONS };

const Verb own_operations = {
        .name = "operations",
        .title = "What is under way, and what was a while ago",
        .text = "Each change is an operation: what it does, how far it is, and its error if it\n"
                "failed.\n",
        .operand = "ID",
        .operand_optional = true,
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .example = "  mdevdctl operations\n",
        .run = run,
};

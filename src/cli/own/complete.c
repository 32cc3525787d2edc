/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * complete.c: the names that a shell completes, one a line. It is not in the help; it starts no
 * daemon and says nothing when there is none, for somebody is in the middle of a line.
 */
#include "cli/own/exit.h"
#include "cli/own/own.h"
#include "cli/own/state.h"

#define LIMIT_USEC UINT64_C(2000000) /* of an answer, for a shell hangs meanwhile */

static void print(const char *name) {
        if (name && name[0])
                (void) puts(name);
}

static void print_members(const JsonNode *list, const char *key) {
        json_foreach(i, list)
                print(node_text(i, key));
}

static void print_types(const State *s) {
        json_foreach(p, s->parents)
                json_foreach(t, node_list(p, "types"))
                        print(type_name(node_text(t, "id")));
}

static void print_pools(const State *s, const char *parent) {
        json_foreach(p, s->parents)
                if (!parent || streq_ptr(node_text(p, "name"), parent))
                        print_members(node_list(p, "pools"), "name");
}

static void print_names(const State *s, const char *what, const char *of) {
        if (streq(what, "UUID")) {
                print_members(s->devices, "uuid");
                print_members(s->definitions, "uuid");
        } else if (streq(what, "PARENT"))
                print_members(s->parents, "name");
        else if (streq(what, "TYPE"))
                print_types(s);
        else if (streq(what, "POOL"))
                print_pools(s, of);
        else if (streq(what, "OWNER") || streq(what, "NAME")) {
                print_members(s->devices, "owner");
                print_members(s->definitions, "owner");
        } else if (streq(what, "ID"))
                print_members(s->operations, "id");
}

static int run(const Verb *verb, const Given *given) {
        _cleanup_(client_done) Client client = { .limit = LIMIT_USEC };
        _cleanup_(state_done) State state = {};

        (void) verb;
        if (client_is_running(&client) <= 0)
                return EXIT_NOT_RUNNING;
        if (state_load(&client, &state) != EXIT_SUCCESS)
                return EXIT_FAILED;
        print_names(&state, given->operand, given->operand2);
        return answer_flush();
}

const Verb own_complete = {
        .name = "complete",
        .operand = "WHAT",
        .operand2 = "OF",
        .run = run,
};

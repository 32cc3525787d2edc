/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan.c: the verb "plan": what "create" would do, and why. */
#include "cli/argument.h"
#include "cli/own/exit.h"
#include "cli/own/wish.h"
#include "util/json.h"

static const Option options[] = {
        WISH_OPTIONS,
        [WISH_NUMA] = { "numa", .value = "NODE", .help = "Only parents of this NUMA node" },
        [WISH_MOVES] = { "moves", .help = "Move other devices if only that makes room" },
        [WISH_DEFINE] = { "define", .help = "With a definition as well" },
};

/* Each line a reason. */
static void print_lines(const char *text) {
        bool first = true;

        (void) putchar('[');
        while (text[0]) {
                size_t n = strcspn(text, "\n");
                _cleanup_(freep) char *part = strndup(text, n);

                if (!first)
                        (void) putchar(',');
                first = false;
                json_write_string(stdout, part ?: "");
                text += n + (text[n] == '\n');
        }
        (void) putchar(']');
}

static int show_refusal(Client *c, const Screen *s) {
        if (s->json != JSON_OFF && client_was_answered(c)) {
                (void) fputs("{\"possible\":false,\"error\":", stdout);
                json_write_string(stdout, c->error.name);
                (void) fputs(",\"reasons\":", stdout);
                print_lines(c->error.message ?: "");
                (void) fputs("}\n", stdout);
                return exit_of_error(c->error.name);
        }
        return exit_refused(c);
}

static void show_plan(const Screen *s, const char *text) {
        if (s->json == JSON_OFF) {
                (void) puts(text);
                return;
        }
        (void) fputs("{\"possible\":true,\"plan\":", stdout);
        print_lines(text);
        (void) fputs("}\n", stdout);
}

static int run(const Verb *verb, const Given *given) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(client_done) Client client = {};
        const char *text;
        Screen s;
        int r, q;

        (void) verb;
        r = wish_message(&client, "PlanDevice", given, &m);
        if (r != 0)
                return wish_failed(&client, r);
        r = client_send(&client, m, &reply);
        own_open(&s, given, false);
        if (r > 0) {
                r = show_refusal(&client, &s);
                q = screen_close(&s);
                return q == EXIT_SUCCESS ? r : q;
        }
        r = r < 0 ? r : sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return answer_failed_errno(r, "cannot ask mdevd");
        show_plan(&s, text);
        return screen_close(&s);
}

const Verb own_plan = {
        .name = "plan",
        .title = "What `create` would do, and why; nothing is done",
        .text = "Says on which parent and where the device would be made, or each parent's reason\n"
                "why not, with what would make room.\n",
        .operand = "TYPE",
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .example = "  mdevdctl plan fb-16M --owner=vm1\n",
        .run = run,
};

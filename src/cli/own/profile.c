/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* profile.c: the verb "profile": what a profile would change, and making the host so. */
#include "cli/own/exit.h"
#include "cli/own/follow.h"
#include "cli/own/list.h"
#include "cli/own/own.h"
#include "names.h"
#include "util/closest.h"

enum { PROFILE_FORCE = _OWN_PRINTS };

static const TableColumn columns[] = {
        { "ACTION" }, { "UUID" }, { "TYPE", .shrinks = true }, { "PARENT" },
        { "REASON" }, {},
};

static int begin(Client *c, const Given *g, const char *member, sd_bus_message **ret) {
        int r = client_method(c, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, member, ret);

        if (r != 0)
                return r;
        r = sd_bus_message_append(*ret, "s", g->operand2);
        if (r >= 0)
                r = sd_bus_message_open_container(*ret, 'a', "{sv}");
        if (r >= 0 && GIVEN(g, PROFILE_FORCE))
                r = sd_bus_message_append(*ret, "{sv}", "force", "b", 1);
        return r < 0 ? r : sd_bus_message_close_container(*ret);
}

/* ---- plan ---- */

typedef struct Step Step;

struct Step {
        const char *action, *uuid, *type, *parent, *reason;
};

static void print_step_json(const Step *s, bool first) {
        const char *const names[] = { "action", "uuid", "type", "parent", "reason" };
        const char *const values[] = { s->action, s->uuid, s->type, s->parent, s->reason };

        (void) fputs(first ? "\n{" : ",\n{", stdout);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                (void) printf("%s\"%s\":", i > 0 ? "," : "", names[i]);
                json_write_string(stdout, values[i]);
        }
        (void) putchar('}');
}

static Colour colour_of(const char *action) {
        return streq(action, "keep")     ? COLOUR_DIM
               : streq(action, "create") ? COLOUR_GREEN
               : streq(action, "remove") ? COLOUR_YELLOW
                                         : COLOUR_RED;
}

static int add_step(Table *t, const Step *s) {
        int r = table_add(t, colour_of(s->action), s->action);

        if (r >= 0)
                r = table_add(t, COLOUR_NONE, s->uuid);
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, type_name(s->type));
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, s->parent);
        return r < 0 ? r : table_add(t, COLOUR_NONE, s->reason[0] ? s->reason : " ");
}

/* @ret_blocked: a step cannot be done. */
static int print_steps(const Screen *s, sd_bus_message *m, bool *ret_blocked) {
        _cleanup_(table_freep) Table *t = table_new(columns);
        bool json = s->json != JSON_OFF, first = true;
        int r = t ? sd_bus_message_enter_container(m, 'a', "(sssss)") : -ENOMEM;
        Step step;

        if (r >= 0 && json)
                (void) putchar('[');
        while (r >= 0 && (r = sd_bus_message_read(m, "(sssss)", &step.action, &step.uuid,
                                                  &step.type, &step.parent, &step.reason)) > 0) {
                if (json)
                        print_step_json(&step, first);
                else
                        r = add_step(t, &step);
                *ret_blocked = *ret_blocked || streq(step.action, "blocked");
                first = false;
        }
        if (r < 0)
                return r;
        if (json)
                (void) fputs("]\n", stdout);
        else
                table_print(t, s, 0);
        return 0;
}

static int plan(const Given *given) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(client_done) Client client = {};
        bool blocked = false;
        Screen s;
        int r;

        r = begin(&client, given, "PlanProfile", &m);
        if (r == 0)
                r = client_send(&client, m, &reply);
        if (r > 0)
                return exit_refused(&client);
        if (r < 0)
                return exit_not_sent(r, "profile");
        own_open(&s, given, true);
        r = print_steps(&s, reply, &blocked);
        if (r < 0)
                (void) answer_failed_errno(r, "cannot show it");
        return screen_close(&s) == EXIT_SUCCESS && r >= 0 && !blocked ? EXIT_SUCCESS : EXIT_FAILED;
}

static int apply(const Given *given) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(client_done) Client client = {};
        int r = begin(&client, given, "ApplyProfileAsync", &m);

        if (r > 0)
                return exit_refused(&client);
        return r < 0 ? exit_not_sent(r, "profile") : follow_and_print(&client, m, given);
}

static int run(const Verb *verb, const Given *given) {
        const char *word = given->operand;
        Closest c = closest_begin_typo(word);
        bool wants_plan = streq(word, "plan");

        (void) verb;
        if (!wants_plan && !streq(word, "apply")) {
                (void) closest_offer(&c, "plan");
                (void) closest_offer(&c, "apply");
                (void) answer_failed("\"%s\" is neither \"plan\" nor \"apply\"%s%s%s", word,
                                     c.name ? "; did you mean \"" : "", c.name ?: "",
                                     c.name ? "\"?" : ".");
                return EXIT_USAGE;
        }
        if (!given->operand2) {
                (void) answer_failed("Which profile? `mdevdctl profile %s NAME`; the configuration "
                                     "has their names.", word);
                return EXIT_USAGE;
        }
        return wants_plan ? plan(given) : apply(given);
}

static const Option options[] = {
        OWN_PRINT_OPTIONS,
        [PROFILE_FORCE] = { "force", 'f', .help = "Although a callout script refuses it" },
};

const Verb own_profile = {
        .name = "profile",
        .title = "plan: what a profile would change; apply: make the host so",
        .text = "A profile is a set of devices in the configuration. What others made stays, and\n"
                "a device that is in use is never removed. A plan with a step that is blocked\n"
                "ends with 1.\n",
        .operand = "plan|apply",
        .operand2 = "PROFILE",
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .example = "  mdevdctl profile plan pair\n"
                   "  mdevdctl profile apply pair\n",
        .run = run,
};

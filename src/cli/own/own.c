/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* own.c owns the way from the words of the command line to one verb. */
#include "cli/own/own.h"

#include "cli/answer.h"
#include "util/macro.h"

#define TITLE "Divides devices among virtual machines: the command line of mdevd"

static const char program[] = "mdevdctl";

static const Verb *const verbs[] = {
#define X(name) &own_##name,
        OWN_VERBS
#undef X
        NULL,
};

static const char *const json_modes[] = {
        [JSON_OFF] = "off", [JSON_SHORT] = "short", [JSON_PRETTY] = "pretty",
};

bool own_is_json_mode(const char *word) {
        for (size_t i = 0; i < ARRAY_SIZE(json_modes); i++)
                if (streq(word, json_modes[i]))
                        return true;
        return false;
}

JsonMode own_json_mode(const Given *given) {
        const char *word = given->values[OWN_JSON];
        JsonMode mode = JSON_OFF;

        if (GIVEN(given, OWN_JSON) || GIVEN(given, OWN_JSON_LETTER))
                mode = isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT;
        for (size_t i = 0; word && i < ARRAY_SIZE(json_modes); i++)
                if (streq(word, json_modes[i]))
                        mode = (JsonMode) i;
        return mode;
}

void own_open(Screen *s, const Given *given, bool page) {
        screen_open(s, own_json_mode(given), !GIVEN(given, OWN_NO_LEGEND),
                    page && !GIVEN(given, OWN_NO_PAGER));
}

static int run_verb(const Verb *verb, int argc, char *argv[]) {
        Given given;

        switch (grammar_parse(verb, program, argc, argv, &given)) {
        case _GRAMMAR_SUCCESS:
                return verb->run(verb, &given);
        case GRAMMAR_HELP:
        case GRAMMAR_HELP_LINE:
                grammar_help(stdout, program, verb, true);
                return answer_flush();
        default:
                return EXIT_USAGE;
        }
}

static int help(const char *name) {
        return grammar_help_on(program, TITLE, verbs, name) ? answer_flush() : EXIT_USAGE;
}

int own_main(int argc, char *argv[]) {
        const char *word = argc > 1 ? argv[1] : "status";
        const Verb *verb;

        if (streq(word, "-V") || streq(word, "--version")) {
                (void) printf("%s " MDEVD_VERSION "\n", program);
                return answer_flush();
        }
        if (streq(word, "-h") || streq(word, "--help"))
                return help(NULL);
        if (streq(word, "help"))
                return help(argc > 2 ? argv[2] : NULL);
        /* options without a verb are those of "status" */
        verb = grammar_find(verbs, word[0] == '-' ? "status" : word);
        if (!verb) {
                grammar_unknown_verb(program, word, verbs);
                return EXIT_USAGE;
        }
        if (word[0] == '-' || argc < 2)
                return run_verb(verb, MAX(argc - 1, 0), argv + 1);
        return run_verb(verb, argc - 2, argv + 2);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy.c: the verb "policy": what is wrong with the configuration, and its rules in their order.
 * It is the files that are looked at, not what the daemon has read: they can be tried first.
 */
#include "cli/answer.h"
#include "cli/argument.h"
#include "cli/own/exit.h"
#include "cli/own/own.h"
#include "cli/own/wrap.h"
#include "offline/offline.h"
#include "util/closest.h"

/* Each line goes on under where its text begins. */
static void print_wrapped(const Screen *s, const char *text) {
        while (text[0]) {
                size_t n = strcspn(text, "\n"), blanks = strspn(text, " ");
                _cleanup_(freep) char *line = strndup(text, n);

                if (line && blanks < n) {
                        (void) printf("%*s", (int) blanks, "");
                        wrap_line(s, (unsigned) blanks, (unsigned) blanks + 2, line + blanks);
                } else
                        (void) puts(line ?: "");
                text += n + (text[n] == '\n');
        }
}

/* The daemon says the same with lines as long as they are. */
static int explain(const Screen *s, const char *file) {
        Diverted d;
        int r;

        if (s->json != JSON_OFF || s->cut_at == 0)
                return offline_explain_policy(ANSWER_ERROR, argument_root(), file,
                                              s->json != JSON_OFF);
        r = screen_divert(&d);
        if (r < 0)
                return answer_failed_errno(r, "cannot show it");
        r = offline_explain_policy(ANSWER_ERROR, argument_root(), file, false);
        screen_restore(&d);
        print_wrapped(s, d.text ?: "");
        free(d.text);
        return r;
}

static int run(const Verb *verb, const Given *given) {
        const char *word = given->operand, *file = given->operand2;
        Closest c = closest_begin_typo(word);
        Screen s;
        int r;

        (void) verb;
        own_open(&s, given, streq(word, "explain"));
        if (streq(word, "check"))
                r = offline_check_config(ANSWER_ERROR, argument_root(), file, s.json != JSON_OFF);
        else if (streq(word, "explain"))
                r = explain(&s, file);
        else {
                (void) closest_offer(&c, "check");
                (void) closest_offer(&c, "explain");
                (void) answer_failed("\"%s\" is neither \"check\" nor \"explain\"%s%s%s", word,
                                     c.name ? "; did you mean \"" : "", c.name ?: "",
                                     c.name ? "\"?" : ".");
                r = EXIT_USAGE;
        }
        return screen_close(&s) == EXIT_SUCCESS ? r : EXIT_FAILED;
}

static const Option options[] = { OWN_PRINT_OPTIONS };

const Verb own_policy = {
        .name = "policy",
        .title = "check: what is wrong with the configuration; explain: its rules",
        .text = "Reads FILE, or all that the daemon would read; the daemon is not asked, so a\n"
                "file can be tried before it is put in force.\n",
        .operand = "check|explain",
        .operand2 = "FILE",
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .example = "  mdevdctl policy check\n"
                   "  mdevdctl policy explain --json\n",
        .run = run,
};

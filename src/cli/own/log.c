/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.c: the verb "log": the journal of one device, by journalctl and the fields mdevd gives it. */
#include <signal.h>

#include "cli/own/exit.h"
#include "cli/own/own.h"
#include "cli/own/state.h"

enum { LOG_FOLLOW = _OWN_CHANGES, LOG_LINES, LOG_NO_PAGER, LOG_ALL, LOG_OUTPUT };

static const Option options[] = {
        OWN_JSON_OPTIONS,
        [LOG_FOLLOW] = { "follow", 'f', .help = "Go on as new lines come" },
        [LOG_LINES] = { "lines", 'n', "N", .help = "So many lines at most" },
        [LOG_NO_PAGER] = { "no-pager", .help = "Do not start a pager" },
        [LOG_ALL] = { "all", 'a', .help = "Of earlier boots as well" },
        [LOG_OUTPUT] = { "output", 'o', "MODE", .help = "As of journalctl: short, json …" },
};

/*
 * What is no device now may have been one: a whole UUID is looked for even if nobody knows it, and
 * while the daemon is down.
 */
static int match_of(const char *word, char **ret) {
        _cleanup_(client_done) Client client = {};
        _cleanup_(state_done) State state = {};
        Found found;
        Uuid uuid;
        int r;

        if (uuid_parse(word, &uuid) >= 0)
                r = asprintf(ret, "MDEVD_DEVICE=%s", UUID_STR(&uuid));
        else {
                r = state_load(&client, &state);
                if (r != EXIT_SUCCESS)
                        return r;
                if (node_find(state.parents, "name", word))
                        r = asprintf(ret, "MDEVD_PARENT=%s", word);
                else {
                        r = state_find_device(&state, word, &found);
                        if (r != EXIT_SUCCESS)
                                return r;
                        r = asprintf(ret, "MDEVD_DEVICE=%s", found.uuid);
                }
        }
        if (r >= 0)
                return EXIT_SUCCESS;
        *ret = NULL;
        return answer_failed_errno(-ENOMEM, "cannot look for it");
}

/* NULL: as journalctl likes. */
static const char *output_of(const Given *given) {
        static const char *const modes[] = { [JSON_SHORT] = "json", [JSON_PRETTY] = "json-pretty" };
        JsonMode mode = own_json_mode(given);

        return mode == JSON_OFF ? given->values[LOG_OUTPUT] : modes[mode];
}

static int run(const Verb *verb, const Given *given) {
        _cleanup_(freep) char *match = NULL;
        const char *argv[16] = { "journalctl" };
        size_t n = 1;
        int r;

        (void) verb;
        if (given->operand) {
                r = match_of(given->operand, &match);
                if (r != EXIT_SUCCESS)
                        return r;
        }
        if (!GIVEN(given, LOG_ALL))
                argv[n++] = "--boot";
        if (GIVEN(given, LOG_FOLLOW))
                argv[n++] = "--follow";
        if (GIVEN(given, LOG_NO_PAGER))
                argv[n++] = "--no-pager";
        if (GIVEN(given, LOG_LINES)) {
                argv[n++] = "--lines";
                argv[n++] = given->values[LOG_LINES];
        }
        if (output_of(given)) {
                argv[n++] = "--output";
                argv[n++] = output_of(given);
        }
        argv[n++] = match ?: "SYSLOG_IDENTIFIER=mdevd";
        argv[n] = NULL;
        (void) signal(SIGPIPE, SIG_DFL); /* what is ignored stays so in who is run */
        (void) execvp(argv[0], (char *const *) argv);
        return answer_failed("cannot run journalctl: %s; the journal has it with the field %s",
                             strerror(errno), argv[n - 1]);
}

const Verb own_log = {
        .name = "log",
        .title = "What happened to a device or a parent: its lines of the journal",
        .text = "Without a word, all that mdevd said. A device that is gone is found by its whole\n"
                "UUID, also while the daemon is down. It needs the right to read the journal.\n",
        .operand = "UUID|PARENT",
        .operand_optional = true,
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .rules = { { .given = OPTION_BIT(OWN_JSON) | OPTION_BIT(OWN_JSON_LETTER),
                     .excludes = OPTION_BIT(LOG_OUTPUT) } },
        .example = "  mdevdctl log c3ee7d8a-4a40-4b11-9b0f-000000000002 --no-pager\n",
        .run = run,
};

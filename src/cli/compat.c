/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compat.c owns the commands that mdevctl has: their options, and which other piece does the work.
 */
#include "cli/compat.h"

#include <signal.h>

#include "cli/answer.h"
#include "cli/argument.h"
#include "cli/listing.h"
#include "cli/verbs.h"

/* What we are compatible with: scripts ask for it. */
#define COMPAT_VERSION "1.4.0"
#define COMPAT_TITLE "Manages mediated devices, with the commands of mdevctl"

enum { LIST_DEFINED, LIST_DUMPJSON, LIST_VERBOSE, LIST_UUID, LIST_PARENT };

static const Option list_options[] = {
        [LIST_DEFINED] = { "defined", 'd', .help = "The definitions, active or not" },
        [LIST_DUMPJSON] = { "dumpjson", .help = "As JSON" },
        [LIST_VERBOSE] = { "verbose", 'v', .help = "With attributes" },
        [LIST_UUID] = { "uuid", 'u', "UUID", "Only this one", argument_is_uuid,
                        EXPECT_UUID },
        [LIST_PARENT] = { "parent", 'p', "PARENT", "Only those of this parent" },
};

static int run_list(const Verb *verb, const Given *given) {
        _cleanup_(listing_done) Listing listing = {};
        _cleanup_(closep) int root_fd = argument_open_root();
        const bool defined = GIVEN(given, LIST_DEFINED);
        ListingFilter filter = { .parent = given->values[LIST_PARENT], .attributes = true };
        Uuid uuid;
        int r = root_fd;

        (void) verb;
        if (GIVEN(given, LIST_UUID)) {
                (void) argument_uuid(given->values[LIST_UUID], &uuid);
                filter.uuid = &uuid;
        }
        if (r >= 0)
                r = defined ? listing_read_defined(root_fd, &filter, &listing)
                            : listing_read_active(root_fd, &filter, &listing);
        if (r < 0)
                return answer_failed_errno(r, "cannot list the devices");

        if (GIVEN(given, LIST_DUMPJSON))
                listing_print_json(stdout, &listing, filter.uuid != NULL);
        else
                listing_print_text(stdout, &listing, defined, GIVEN(given, LIST_VERBOSE));
        return answer_flush();
}

enum { TYPES_PARENT, TYPES_DUMPJSON };

static const Option types_options[] = {
        [TYPES_PARENT] = { "parent", 'p', "PARENT", "Only those of this parent" },
        [TYPES_DUMPJSON] = { "dumpjson", .help = "As JSON" },
};

static int run_types(const Verb *verb, const Given *given) {
        _cleanup_(closep) int root_fd = argument_open_root();
        const char *parent = given->values[TYPES_PARENT];
        int r = root_fd;

        (void) verb;
        if (r >= 0)
                r = GIVEN(given, TYPES_DUMPJSON) ? types_print_json(stdout, root_fd, parent)
                                                 : types_print_text(stdout, root_fd, parent);
        return r < 0 ? answer_failed_errno(r, "cannot list the types") : answer_flush();
}

#define LIST_TEXT                                                                                  \
        "Without options, the devices that are there now, with their parent, their type and\n"     \
        "whether they start by themselves; with --defined, those that a definition describes.\n"   \
        "With --dumpjson and one --uuid the text is what that device's definition file would "     \
        "be.\n"

const Verb verb_list = {
        .name = "list",
        .title = "List mediated devices",
        .text = LIST_TEXT,
        .version = true,
        .options = list_options,
        .n_options = ARRAY_SIZE(list_options),
        .run = run_list,
};

const Verb verb_lsmdev = {
        .name = "lsmdev",
        .title = "List mediated devices",
        .text = LIST_TEXT,
        .version = true,
        .options = list_options,
        .n_options = ARRAY_SIZE(list_options),
        .run = run_list,
};

const Verb verb_types = {
        .name = "types",
        .title = "List the types of mediated devices that can be made",
        .text = "Each with how many can still be made. With --parent, those of one parent.\n",
        .options = types_options,
        .n_options = ARRAY_SIZE(types_options),
        .run = run_types,
};

static const Verb *const mdevctl_verbs[] = {
        &verb_define, &verb_undefine, &verb_modify, &verb_start,        &verb_stop,
        &verb_list,   &verb_types,    &verb_start_parent, NULL,
};

static int run_verb(const Verb *verb, const char *program, int argc, char *argv[]) {
        Given given;

        switch (grammar_parse(verb, program, argc, argv, &given)) {
        case _GRAMMAR_SUCCESS:
                return verb->run(verb, &given);
        case GRAMMAR_HELP:
                grammar_help(stdout, program, verb, true);
                return answer_flush();
        case GRAMMAR_HELP_LINE:
                grammar_help(stdout, program, verb, false);
                return answer_flush();
        case GRAMMAR_VERSION:
                (void) printf("%s%s%s %s\n", program, streq(program, verb->name) ? "" : "-",
                              streq(program, verb->name) ? "" : verb->name, COMPAT_VERSION);
                return answer_flush();
        default:
                return EXIT_USAGE;
        }
}

static int run_help(const char *program, const Verb *const *verbs, const char *name) {
        return grammar_help_on(program, COMPAT_TITLE, verbs, name) ? answer_flush() : EXIT_USAGE;
}

int compat_mdevctl(int argc, char *argv[]) {
        static const char program[] = "mdevctl";
        const char *word = argc > 1 ? argv[1] : NULL;
        const Verb *verb;

        if (!word) {
                grammar_help_verbs(stderr, program, COMPAT_TITLE, mdevctl_verbs);
                return EXIT_USAGE;
        }
        if (streq(word, "-V") || streq(word, "--version")) {
                (void) printf("%s %s\n", program, COMPAT_VERSION);
                return answer_flush();
        }
        if (streq(word, "-h") || streq(word, "--help"))
                return run_help(program, mdevctl_verbs, NULL);
        if (streq(word, "help"))
                return run_help(program, mdevctl_verbs, argc > 2 ? argv[2] : NULL);

        verb = grammar_find(mdevctl_verbs, word);
        if (!verb) {
                grammar_unknown_verb(program, word, mdevctl_verbs);
                return EXIT_USAGE;
        }
        return run_verb(verb, program, argc - 2, argv + 2);
}

int compat_lsmdev(int argc, char *argv[]) {
        return run_verb(&verb_lsmdev, "lsmdev", MAX(argc - 1, 0), argv + 1);
}

static const char *name_called(int argc, char *argv[]) {
        const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;

        return slash ? slash + 1 : argc > 0 ? argv[0] : "";
}

bool compat_is_called(int argc, char *argv[]) {
        const char *name = name_called(argc, argv);

        return streq(name, "mdevctl") || streq(name, "lsmdev");
}

int compat_main(int argc, char *argv[]) {
        /* `mdevctl list | head -1` ends without a word; the write says EPIPE */
        (void) signal(SIGPIPE, SIG_IGN);
        /* a thousand devices are a few writes, and a sentence is one */
        (void) setvbuf(stdout, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, 1 << 16);
        (void) setvbuf(stderr, NULL, _IOLBF, 0);
        return streq(name_called(argc, argv), "lsmdev") ? compat_lsmdev(argc, argv)
                                                        : compat_mdevctl(argc, argv);
}

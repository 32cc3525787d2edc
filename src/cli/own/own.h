/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * own.h: mdevdctl under its own name: the options that all its verbs have, and the verbs. Each
 * returns an exit status of exit.h.
 */
#pragma once

#include "cli/grammar.h"
#include "cli/own/screen.h"

/* The command line of mdevdctl; an exit status. */
int own_main(int argc, char *argv[]);

/* The first options of every verb, and after them those of a verb that prints a text. */
enum {
        OWN_JSON,
        OWN_JSON_LETTER,
        _OWN_CHANGES,
        OWN_NO_PAGER = _OWN_CHANGES,
        OWN_NO_LEGEND,
        _OWN_PRINTS,
};
#define OWN_JSON_OPTIONS                                                                           \
        [OWN_JSON] = { "json", .value = "MODE", .optional = true, .is_valid = own_is_json_mode,    \
                       .expect = "short, pretty or off",                                           \
                       .help = "As JSON: short, pretty or off" },                                  \
        [OWN_JSON_LETTER] = { "json-auto", 'j',                                                    \
                              .help = "As JSON, pretty on a terminal and short elsewhere" }
#define OWN_PRINT_OPTIONS                                                                          \
        OWN_JSON_OPTIONS,                                                                          \
        [OWN_NO_PAGER] = { "no-pager", .help = "Do not start a pager" },                           \
        [OWN_NO_LEGEND] = { "no-legend", .help = "No headings" }

bool own_is_json_mode(const char *word);
/* What --json asks for. */
JsonMode own_json_mode(const Given *given);
/* The screen as those options want it. @page: the text may be long. */
void own_open(Screen *s, const Given *given, bool page);

#define OWN_VERBS                                                                                  \
        X(status) X(map) X(list) X(parents) X(types) X(plan) X(create) X(define) X(edit) X(start)  \
        X(stop) X(undefine) X(owner) X(holders) X(operations) X(monitor) X(top) X(log) X(policy)   \
        X(profile) X(move) X(defrag) X(suspend) X(resume) X(complete)
#define X(name) extern const Verb own_##name;
OWN_VERBS
#undef X

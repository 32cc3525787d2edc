/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verbs.h: the commands of mdevctl, each with its options and what it does. */
#pragma once

#include "cli/grammar.h"

extern const Verb verb_define;
extern const Verb verb_undefine;
extern const Verb verb_modify;
extern const Verb verb_start;
extern const Verb verb_stop;
extern const Verb verb_list;
extern const Verb verb_types;
extern const Verb verb_start_parent;

/* lsmdev: "list" as a program. */
extern const Verb verb_lsmdev;

#define FORCE_HELP "Although a callout script refuses it; know what you are doing"

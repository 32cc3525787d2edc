/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.h: mdevd.json and its drop-ins. Read in this order, later ones win per parent address and
 * per type name: <root>/usr/lib/mdevd/mdevd.json, /usr/lib/mdevd/mdevd.d/, /etc/mdevd/mdevd.json,
 * /etc/mdevd/mdevd.d/ (files *.json in byte order; one in /etc masks one of the same name in
 * /usr/lib). Comments are allowed. What is wrong is left out and said; what is right holds. A later
 * parent or type that is wrong leaves out the earlier one too: nobody asked for that any more.
 */
#pragma once

#include "model/parent.h"
#include "model/rule.h"
#include "util/list.h"

#define CONFIG_PROBLEMS_MAX 100 /* of one file; one more says that there are others */
#define CONFIG_PARENTS_MAX 256
#define CONFIG_POOLS_MAX 32 /* of one parent; these four are the module's limits too */
#define CONFIG_TYPES_MAX 64
#define CONFIG_VECTORS_MAX 2048

typedef struct Config Config;
typedef struct ConfigProblem ConfigProblem;

/* One thing that is wrong with a file. Line and column count from 1, 0: the file as a whole. */
struct ConfigProblem {
        List node;
        char *file; /* as people name it: "/etc/mdevd/mdevd.json" */
        unsigned line;
        unsigned column;
        bool warning; /* nothing is left out because of it */
        char *text;   /* "expected a size such as \"16M\", found true" */
};

/* The parents hold pools and types; types are `ours` and their bars name pools of that parent. */
struct Config {
        List parents;  /* of Parent, in no model, PARENT_ABSENT, in_config and ours set */
        List problems; /* of ConfigProblem, in order of reading */
        Rules *rules;  /* never NULL: what is right of policy and profiles */
        /*
         * A file or a list of rules could not be used: @rules may allow what is forbidden. The
         * rules in force stay so; only where there are none, at start, these are better than none.
         */
        bool rules_wrong;
};

/* Negative errno only when memory or the root directory fails; a missing file is no error. */
int config_load(Config **ret, int root_fd);
/* One text, as if it were the file @name. For tests, fuzzers and --check-config FILE. */
int config_load_text(Config **ret, const char *name, const char *text, size_t size);
Config *config_free(Config *c);
DEFINE_CLEANUP(Config *, config_free)

/* Appends to @problems; @file is copied with what is no text in it made visible. */
int config_problem_add(List *problems, const char *file, unsigned line, unsigned column,
                       bool warning, const char *text);
void config_problems_clear(List *problems);

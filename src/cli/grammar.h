/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * grammar.h: command lines with verbs, by table. What is accepted is what clap 4 accepts, because
 * mdevctl's users are used to it: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, -n=VALUE, flags in
 * a row (-dv), every option once, a value that begins with "-" only behind "=" (a lone "-" is one).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define GRAMMAR_OPTIONS_MAX 20

typedef struct Option Option;
typedef struct Given Given;
typedef struct Verb Verb;

struct Option {
        const char *name;  /* the long one */
        char letter;       /* 0: none */
        const char *value; /* what stands for the value in the help; NULL: a flag */
        const char *help;
        bool (*is_valid)(const char *value); /* NULL: any */
        const char *expect;                  /* what a valid one is, for the sentence */
        bool optional; /* the value goes behind "=" or may be left out: then it is NULL */
};

#define OPTION_BIT(i) (UINT32_C(1) << (i))

struct Verb {
        const char *name;
        const char *title;   /* one line; NULL: not listed in the help */
        const char *text;    /* more of it, ends with a newline; may be NULL */
        const char *operand; /* one word that must follow; NULL: none may */
        bool operand_optional; /* that word may be left out */
        const char *operand2;  /* a second one that may follow; NULL: none may */
        const char *example;   /* command lines that stand in the help; ends with a newline */
        bool version;        /* has -V, --version */
        const Option *options;
        size_t n_options;
        uint32_t required;  /* each of these */
        uint32_t any;       /* at least one of these */
        uint32_t exclusive; /* at most one of these */
        struct {
                /* where one of @given is, all of @needs that can be, and none of @excludes */
                uint32_t given, needs, excludes;
        } rules[6];
        int (*run)(const Verb *verb, const Given *given);
};

/* What was on the command line. Strings are borrowed from it. */
struct Given {
        const char *program;
        const char *root;
        uint32_t mask; /* OPTION_BIT() of those that were given */
        const char *values[GRAMMAR_OPTIONS_MAX];
        const char *operand, *operand2; /* NULL: not given */
};

#define GIVEN(g, i) (((g)->mask & OPTION_BIT(i)) != 0)

enum {
        _GRAMMAR_SUCCESS,
        GRAMMAR_HELP,      /* --help: all there is to say */
        GRAMMAR_HELP_LINE, /* -h: in short */
        GRAMMAR_VERSION,
        GRAMMAR_WRONG, /* a sentence was printed to stderr */
};

/* The words behind the verb. */
int grammar_parse(const Verb *verb, const char *program, int argc, char *const argv[], Given *ret);
const Verb *grammar_find(const Verb *const *verbs, const char *name);
/* All verbs of a program; ends with NULL. */
void grammar_help_verbs(FILE *f, const char *program, const char *title, const Verb *const *verbs);
void grammar_help(FILE *f, const char *program, const Verb *verb, bool full);
/* What "help NAME" prints, of all verbs if @name is NULL. False: there is none, which was said. */
bool grammar_help_on(const char *program, const char *title, const Verb *const *verbs,
                     const char *name);
/* "no such verb", with the closest one. */
void grammar_unknown_verb(const char *program, const char *name, const Verb *const *verbs);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scenario.h: a host, its rules and what runs on it, from a line of words; see
 * tests/data/placement.txt for the language. For tests of policy.
 */
#pragma once

#include "policy/policy.h"

typedef struct Scenario Scenario;

struct Scenario {
        Model *model;
        Rules *rules; /* borrowed from the model */
        unsigned n_devices;
        char why[256]; /* what is wrong with the words */
};

int scenario_init(Scenario *s);
void scenario_done(Scenario *s);

#define TABLE_FIELDS_MAX 6

/*
 * Reads a table of tests/data: a line a case, fields separated by |. @run gets trimmed fields and
 * says what it got when that is not what the last field expects. Fails the test if any case does.
 */
typedef bool (*TableRun)(char *fields[], char *got, size_t size);
void scenario_table(const char *name, size_t n_fields, size_t least_cases, TableRun run);
/* True if @text has all parts of @expected, which are separated by ';'. */
bool scenario_has_parts(const char *text, const char *expected);

/* Words separated by blanks. False: @s->why. */
bool scenario_add_parents(Scenario *s, const char *words);
bool scenario_add_rules(Scenario *s, const char *words);
bool scenario_add_devices(Scenario *s, const char *words);
bool scenario_parse_request(Scenario *s, const char *words, Request **ret);

/* The n-th device, 1 … */
void scenario_uuid(unsigned n, Uuid *ret);
/* "p0 +16M", "p0 +16M +0(regs)": where a placement is. */
void scenario_format(const Placement *p, char buf[static 256]);

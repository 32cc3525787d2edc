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

/* Words separated by blanks. False: @s->why. */
bool scenario_add_parents(Scenario *s, const char *words);
bool scenario_add_rules(Scenario *s, const char *words);
bool scenario_add_devices(Scenario *s, const char *words);
bool scenario_parse_request(Scenario *s, const char *words, Request **ret);

/* The n-th device, 1 … */
void scenario_uuid(unsigned n, Uuid *ret);
/* "p0 +16M", "p0 +16M +0(regs)": where a placement is. */
void scenario_format(const Placement *p, char buf[static 256]);

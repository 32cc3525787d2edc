/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * state.h: all that the daemon says of itself at one moment: the text of Describe(), read. What a
 * verb prints with --json is this text's objects as they are, so their members are those that
 * dbus/org.mdevd1.Manager.xml documents.
 */
#pragma once

#include "cli/client.h"
#include "cli/own/screen.h"
#include "util/json.h"

typedef struct State State;
typedef struct Found Found;

struct State {
        JsonDoc *doc;
        const char *version;
        /* lists of objects */
        const JsonNode *parents, *devices, *definitions, *operations, *problems;
};

/* A device as it is known: active, defined or both; never neither. */
struct Found {
        const JsonNode *device, *definition;
        const char *uuid, *parent;
};

/*
 * EXIT_SUCCESS, or the exit status after it was said why. A daemon that hangs is given up after
 * 30 s, or after the client's limit.
 */
int state_load(Client *c, State *ret);
/* The same of a text; JSON_BAD if it is none. */
int state_parse(const char *text, State *ret);
void state_done(State *s);

/* Members; NULL, 0 or false where there is none, or null. */
const char *node_text(const JsonNode *object, const char *key);
uint64_t node_number(const JsonNode *object, const char *key);
bool node_true(const JsonNode *object, const char *key);
/* A member that is a list; an empty one if it is none. */
const JsonNode *node_list(const JsonNode *object, const char *key);
/* The object of @list whose @key is @value. */
const JsonNode *node_find(const JsonNode *list, const char *key, const char *value);
/* The object of @list, devices or definitions, that is about that one. */
const JsonNode *node_find_device(const JsonNode *list, const char *uuid, const char *parent);
/* A type's id without the prefix of our own types: as the configuration has it. */
const char *type_name(const char *id);
/* As JSON; @depth: what it is in already. */
void node_print_json(FILE *f, const JsonNode *node, JsonMode mode, unsigned depth);

/*
 * Finds a device by what was typed: its UUID, the beginning of one (at least 4 digits), or
 * PARENT/UUID where one is known under several parents. EXIT_SUCCESS, or the exit status after it
 * was said why.
 */
int state_find_device(const State *s, const char *word, Found *ret);
/* The same device in a later state: what is gone of it is NULL. Strings are @before's. */
void state_find_again(const State *s, const Found *before, Found *ret);
/* A parent by its name; as above. */
int state_find_parent(const State *s, const char *word, const JsonNode **ret);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * index.h: objects of a list in the order of one or two of their members, to be found without
 * looking at each: who compares two lists of a thousand would look a million times.
 */
#pragma once

#include "cli/own/state.h"

typedef struct Index Index;

struct Index {
        const JsonNode **nodes; /* those that are equal are in the order of the list */
        size_t n;
        const char *keys[2]; /* of what they are in the order of; the second may be NULL */
};

/* @list: borrowed, as the names of its members are. -ENOMEM. */
int index_new(const JsonNode *list, const char *key, const char *second_key, Index *ret);
void index_done(Index *x);
/* How many have these values (@second: NULL for any); @ret (may be NULL): the first of them. */
size_t index_find(const Index *x, const char *value, const char *second,
                  const JsonNode *const **ret);
/* The first of them, or NULL. */
const JsonNode *index_first(const Index *x, const char *value, const char *second);

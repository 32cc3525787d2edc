/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nodes.h: the list of paths that an enumerator gives to sd-bus. */
#pragma once

#include "bus/changes.h"

typedef struct Nodes Nodes;

struct Nodes {
        char **paths; /* ends with NULL */
        size_t n, size;
};

void nodes_done(Nodes *n);
/* Adds the path of an object. */
int nodes_add(Nodes *n, ObjectKind kind, const void *object);

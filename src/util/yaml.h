/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * yaml.h: reads the part of YAML that people write configuration in: block and flow lists and maps,
 * plain and quoted scalars, comments. Anchors, tags, several documents and scalars of several lines
 * are refused, not guessed at.
 */
#pragma once

#include "util/list.h"
#include "util/macro.h"

typedef enum YamlKind {
        YAML_SCALAR,
        YAML_LIST,
        YAML_MAP,
} YamlKind;

typedef struct YamlNode YamlNode;

struct YamlNode {
        List node; /* in the parent's members */
        YamlKind kind;
        char *key;     /* of a member of a map; else NULL */
        char *scalar;  /* never NULL for YAML_SCALAR; "" where nothing stands */
        unsigned line; /* from 1 */
        List members;
};

#define YAML_DEPTH_MAX 16

/*
 * -EBADMSG: *@ret_line is where, *@ret_why (static) what is wrong. -ENOMEM. @text is changed. The
 * answer is the caller's.
 */
int yaml_parse(char *text, YamlNode **ret, unsigned *ret_line, const char **ret_why);
YamlNode *yaml_free(YamlNode *n);
DEFINE_CLEANUP(YamlNode *, yaml_free)
/* A member of a map; NULL: there is none, or @n is no map. */
const YamlNode *yaml_find(const YamlNode *n, const char *key);

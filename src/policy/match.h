/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * match.h: which rule is meant, and which type. Of rules the first that matches counts. A type can
 * be named in the ways in which management software names it, tried in the order below; the first
 * way that fits on any parent is the one meant on all.
 */
#pragma once

#include "model/model.h"

typedef enum TypeMatch {
        TYPE_MATCH_NAME,        /* "mdevd-fb-16M", "nvidia-22"; of ours also "fb-16M" */
        TYPE_MATCH_LABEL,       /* sysfs "name": "GRID T4-1Q" */
        TYPE_MATCH_UNDERSCORES, /* the same with _ for blanks: "GRID_T4-1Q" */
        TYPE_MATCH_LAST_WORD,   /* "T4-1Q" */
        _TYPE_MATCH_MAX,
} TypeMatch;

bool type_is_named(const Type *type, const char *name, TypeMatch how);
/* The first type so named, and how many there are. */
Type *match_type(const Parent *parent, const char *name, TypeMatch how, size_t *ret_n);

bool match_glob(const char *glob, const char *text); /* @glob NULL: all */
/* NULL: the default group, of all whom no group has. */
const Group *match_group(const Rules *rules, const char *owner);
/* Index of its usage in a View: that of the default group comes last. */
unsigned match_group_index(const Rules *rules, const Group *group);
const char *group_name(const Group *group);
/* Never NULL: the last rule is built in. */
const PlacementRule *match_placement(const Rules *rules, const char *owner, const Type *type);
const ParentRule *match_parent_rule(const Rules *rules, const Parent *parent);

/* What siblings have in common; a parent without siblings is its own. */
const char *parent_unit(const Parent *parent);

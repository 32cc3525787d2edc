/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* match.c: names and globs against rules and types. */
#include "policy/match.h"

#include <fnmatch.h>

#include "policy/policy.h"

static bool equal_underscored(const char *label, const char *name) {
        for (; *label && *name; label++, name++)
                if ((*label == ' ' ? '_' : *label) != *name)
                        return false;
        return *label == *name;
}

bool type_is_named(const Type *type, const char *name, TypeMatch how) {
        const char *blank;

        if (how == TYPE_MATCH_NAME)
                return streq(type->id, name) || (type->ours && streq(type->name, name));
        if (!type->label || !type->label[0])
                return false;
        if (how == TYPE_MATCH_LABEL)
                return streq(type->label, name);
        if (how == TYPE_MATCH_UNDERSCORES)
                return equal_underscored(type->label, name);
        blank = strrchr(type->label, ' ');
        return blank && blank[1] && streq(blank + 1, name);
}

Type *match_type(const Parent *parent, const char *name, TypeMatch how, size_t *ret_n) {
        Type *found = NULL;
        size_t n = 0;

        list_foreach(t, &parent->types, Type, node)
                if (type_is_named(t, name, how) && n++ == 0)
                        found = t;
        if (ret_n)
                *ret_n = n;
        return found;
}

bool match_glob(const char *glob, const char *text) {
        return !glob || fnmatch(glob, text, 0) == 0;
}

const Group *match_group(const Rules *rules, const char *owner) {
        if (!rules)
                return NULL;
        list_foreach(g, &rules->groups, Group, node)
                for (size_t i = 0; i < g->n_owners; i++)
                        if (match_glob(g->owners[i], owner))
                                return g;
        return NULL;
}

unsigned match_group_index(const Rules *rules, const Group *group) {
        if (group)
                return group->index;
        return rules ? rules->n_groups : 0;
}

const char *group_name(const Group *group) {
        return group ? group->name : "default";
}

const PlacementRule *match_placement(const Rules *rules, const char *owner, const Type *type) {
        static const PlacementRule built_in = {
                .fallback = true,
                .moves = MOVES_ASK,
                .pause_max = PAUSE_MAX_DEFAULT,
        };

        if (rules)
                list_foreach(p, &rules->placements, PlacementRule, node)
                        if (match_glob(p->owners, owner) &&
                            (match_glob(p->types, type->id) ||
                             (type->ours && match_glob(p->types, type->name))))
                                return p;
        return &built_in;
}

const ParentRule *match_parent_rule(const Rules *rules, const Parent *parent) {
        static const ParentRule built_in = { .max_devices = LIMIT_NONE };

        if (rules)
                list_foreach(p, &rules->parents, ParentRule, node)
                        if (match_glob(p->parents, parent->name) &&
                            (!p->driver ||
                             (parent->driver && match_glob(p->driver, parent->driver))))
                                return p;
        return &built_in;
}

const char *policy_owner_of_writer(const Rules *rules, const char *unit) {
        if (rules)
                list_foreach(w, &rules->writers, WriterRule, node)
                        if (match_glob(w->units, unit))
                                return w->owner;
        return "";
}

const char *parent_unit(const Parent *parent) {
        return parent->unit ?: parent->name;
}

bool policy_may_name_owner(const Rules *rules, uid_t uid, const char *owner) {
        const Group *g = match_group(rules, owner);

        if (uid == 0)
                return true;
        for (size_t i = 0; g && i < g->n_users; i++)
                if (g->users[i] == uid)
                        return true;
        return false;
}

const char *policy_group_of(const Rules *rules, const char *owner) {
        return group_name(match_group(rules, owner));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rules.c owns the "policy" of a configuration file. Of its lists the first rule that matches
 * counts, so that lists of several files are not joined: each is taken whole from the last file
 * that has it. Whether rules contradict each other is the policy's own question.
 */
#include "config/spec.h"

#include "util/parse.h"

#define COUNT_MAX 4096 /* of devices guaranteed at once, far beyond what a host has */
#define DEFAULT_GROUP "default" /* the policy's name for whom no group has */

static bool glob_is_valid(const char *s) {
        return s[0] && name_is_valid_owner(s);
}

/* Room for the place of a rule, as rules_add_…() want it. */
#define PLACE(l, node) (l)->file, (node)->line, (node)->column

static int decode_owners(JsonSink *sink, const JsonNode *node, const JsonField *field,
                         void *value) {
        Group *g = container_of(value, Group, owners);
        int r;

        if (node->kind != JSON_LIST || node->n_members == 0)
                return json_unexpected(sink, node, field->expect);
        json_foreach(i, node) {
                if (i->kind != JSON_STRING || !name_is_valid_owner(i->text))
                        return json_unexpected(sink, i, "an owner or a pattern such as \"vm-*\"");
                r = group_add_owner(g, i->text);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Numbers, not names: asking who has a name can take the network. */
static int decode_users(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        static const JsonField uid = { .size = sizeof(uid_t), .max = UINT32_MAX - 1,
                                       .expect = "the number of a user" };
        Group *g = container_of(value, Group, users);
        uid_t user = 0;
        int r;

        if (node->kind != JSON_LIST)
                return json_unexpected(sink, node, field->expect);
        json_foreach(i, node) {
                r = json_decode_number(sink, i, &uid, &user);
                if (r == 0)
                        r = group_add_user(g, user);
                if (r != 0)
                        return r;
        }
        return 0;
}

static const JsonField limit_fields[] = {
        { "devices", JSON_FIELD(Limits, devices, json_decode_number), .max = UINT32_MAX },
        { "bytes", JSON_FIELD(Limits, bytes, json_decode_size), .max = LIMIT_NONE - 1 },
        { "vectors", JSON_FIELD(Limits, vectors, json_decode_number), .max = UINT32_MAX },
        {},
};

static int decode_limits(JsonSink *sink, const JsonNode *node, const JsonField *field,
                         void *value) {
        return json_decode_fields(sink, node, limit_fields, field->expect, value);
}

static const JsonField guarantee_fields[] = {
        { "parent", JSON_FIELD(Guarantee, parent, json_decode_string),
          .is_valid = name_is_valid_parent, .expect = "the name of a parent" },
        { "type", JSON_FIELD(Guarantee, type, json_decode_string), .is_valid = glob_is_valid,
          .expect = "the name of a type" },
        { "devices", JSON_FIELD(Guarantee, n_devices, json_decode_number), .max = COUNT_MAX,
          .expect = "a number of devices" },
        { "pool", JSON_FIELD(Guarantee, pool, json_decode_string), .is_valid = name_is_valid_id,
          .expect = "the name of a pool" },
        { "bytes", JSON_FIELD(Guarantee, bytes, decode_pages) },
        {},
};

static int decode_guarantees(JsonSink *sink, const JsonNode *node, const JsonField *field,
                             void *value) {
        Loader *l = container_of(sink, Loader, sink);
        Group *g = container_of(value, Group, guarantees);
        int r, result = 0;

        if (node->kind != JSON_LIST)
                return json_unexpected(sink, node, field->expect);
        json_foreach(i, node) {
                Guarantee *n;

                r = group_add_guarantee(g, &n, PLACE(l, i));
                if (r < 0)
                        return r;
                r = json_decode_fields(sink, i, guarantee_fields, "a guarantee in { }", n);
                if (r == 0 && ((n->type != NULL) != (n->n_devices > 0) ||
                               (n->pool != NULL) != (n->bytes > 0) || !n->type == !n->pool))
                        r = json_problem(sink, i,
                                         "expected either \"type\" and \"devices\" or \"pool\" and "
                                         "\"bytes\", of at least 1");
                if (r < 0)
                        return r;
                result |= r;
        }
        return result;
}

static const JsonField partition_fields[] = {
        { "parent", JSON_FIELD(Partition, parent, json_decode_string), .flags = JSON_REQUIRED,
          .is_valid = name_is_valid_parent, .expect = "the name of a parent" },
        { "pool", JSON_FIELD(Partition, pool, json_decode_string), .flags = JSON_REQUIRED,
          .is_valid = name_is_valid_id, .expect = "the name of a pool" },
        { "offset", JSON_FIELD(Partition, offset, decode_offset) },
        { "size", JSON_FIELD(Partition, size, decode_pages), .flags = JSON_REQUIRED,
          .expect = "a size such as \"16M\"" },
        {},
};

static int decode_partitions(JsonSink *sink, const JsonNode *node, const JsonField *field,
                             void *value) {
        Loader *l = container_of(sink, Loader, sink);
        Group *g = container_of(value, Group, partitions);
        int r, result = 0;

        if (node->kind != JSON_LIST)
                return json_unexpected(sink, node, field->expect);
        json_foreach(i, node) {
                Partition *p;

                r = group_add_partition(g, &p, PLACE(l, i), "", "");
                if (r < 0)
                        return r;
                r = json_decode_fields(sink, i, partition_fields, "a partition in { }", p);
                if (r < 0)
                        return r;
                result |= r;
        }
        return result;
}

static const JsonField group_fields[] = {
        { "name", JSON_FIELD(Group, name, json_decode_string), .flags = JSON_REQUIRED,
          .is_valid = name_is_valid_id, .expect = "a name of 1 to 31 of A-Z a-z 0-9 _ . + -" },
        { "owners", JSON_FIELD(Group, owners, decode_owners), .flags = JSON_REQUIRED,
          .expect = "a list of owners" },
        { "users", JSON_FIELD(Group, users, decode_users), .expect = "a list of users' numbers" },
        { "limit", JSON_FIELD(Group, limit, decode_limits), .expect = "limits in { }" },
        { "limit_per_parent", JSON_FIELD(Group, limit_per_parent, decode_limits),
          .expect = "limits in { }" },
        { "guarantees", JSON_FIELD(Group, guarantees, decode_guarantees),
          .expect = "a list of guarantees" },
        { "partitions", JSON_FIELD(Group, partitions, decode_partitions),
          .expect = "a list of partitions" },
        {},
};

static int group_check(JsonSink *sink, const JsonNode *node, const Group *g, const Rules *rules) {
        if (streq(g->name, DEFAULT_GROUP))
                return json_problem(sink, json_find(node, "name"),
                                    "expected another name, since \"" DEFAULT_GROUP "\" are those "
                                    "whom no group has");
        list_foreach(other, &rules->groups, Group, node)
                if (other != g && streq(other->name, g->name))
                        return json_problem(sink, json_find(node, "name"),
                                            "expected groups of different names, found \"%s\" "
                                            "again after line %u",
                                            g->name, other->source.line);
        return 0;
}

static int decode_group(Loader *l, const JsonNode *node, Rules *rules) {
        Group *g;
        int r;

        r = rules_add_group(rules, &g, PLACE(l, node), "");
        if (r < 0)
                return r;
        r = json_decode_fields(&l->sink, node, group_fields, "a group in { }", g);
        return r != 0 ? r : group_check(&l->sink, node, g, rules);
}

static const JsonField placement_fields[] = {
        { "owners", JSON_FIELD(PlacementRule, owners, json_decode_string),
          .is_valid = name_is_valid_owner, .expect = "an owner or a pattern such as \"vm-*\"" },
        { "types", JSON_FIELD(PlacementRule, types, json_decode_string), .is_valid = glob_is_valid,
          .expect = "a type or a pattern such as \"fb-*\"" },
        { "order", JSON_FIELD(PlacementRule, order, json_decode_enum),
          .from_string = order_from_string, .expect = "\"pack\" or \"spread\"" },
        { "fallback", JSON_FIELD(PlacementRule, fallback, json_decode_bool) },
        { "numa", JSON_FIELD(PlacementRule, numa, json_decode_enum),
          .from_string = numa_from_string, .expect = "\"require\" or \"prefer\"" },
        { "affinity", JSON_FIELD(PlacementRule, affinity, json_decode_enum),
          .from_string = affinity_from_string,
          .expect = "\"none\", \"together\" or \"apart\"" },
        { "affinity_required", JSON_FIELD(PlacementRule, affinity_required, json_decode_bool) },
        { "moves", JSON_FIELD(PlacementRule, moves, json_decode_enum),
          .from_string = moves_mode_from_string, .expect = "\"never\", \"ask\" or \"auto\"" },
        { "moves_aim", JSON_FIELD(PlacementRule, moves_aim, json_decode_enum),
          .from_string = moves_aim_from_string, .expect = "\"fewest\" or \"pack\"" },
        { "pause_max", JSON_FIELD(PlacementRule, pause_max, json_decode_number),
          .max = PAUSE_MAX_MAX, .expect = "a number of milliseconds, 0 for no limit" },
        {},
};

static int decode_placement(Loader *l, const JsonNode *node, Rules *rules) {
        PlacementRule *p;
        int r;

        r = rules_add_placement(rules, &p, PLACE(l, node));
        if (r < 0)
                return r;
        return json_decode_fields(&l->sink, node, placement_fields, "a rule in { }", p);
}

static int decode_maxima(JsonSink *sink, const JsonNode *node, const JsonField *field,
                         void *value) {
        static const JsonField count = { .size = sizeof(uint64_t), .max = UINT32_MAX,
                                         .expect = "a number of devices" };
        ParentRule *rule = container_of(value, ParentRule, maxima);
        uint64_t n = 0;
        int r;

        if (node->kind != JSON_OBJECT)
                return json_unexpected(sink, node, field->expect);
        json_foreach(i, node) {
                if (i->duplicate || !glob_is_valid(i->key))
                        return json_problem_key(sink, i,
                                                "expected the name of each type once, found one "
                                                "that is not or comes again");
                r = json_decode_number(sink, i, &count, &n);
                if (r == 0)
                        r = parent_rule_add_maximum(rule, i->key, n);
                if (r != 0)
                        return r;
        }
        return 0;
}

static const JsonField parent_rule_fields[] = {
        { "parents", JSON_FIELD(ParentRule, parents, json_decode_string), .is_valid = glob_is_valid,
          .expect = "a parent or a pattern such as \"0000:41:*\"" },
        { "driver", JSON_FIELD(ParentRule, driver, json_decode_string), .is_valid = glob_is_valid,
          .expect = "a driver or a pattern" },
        { "one_type", JSON_FIELD(ParentRule, one_type, json_decode_bool) },
        { "max_devices", JSON_FIELD(ParentRule, max_devices, json_decode_number),
          .max = UINT32_MAX, .expect = "a number of devices" },
        { "max_of_type", JSON_FIELD(ParentRule, maxima, decode_maxima),
          .expect = "an object of numbers by type" },
        {},
};

static int decode_parent_rule(Loader *l, const JsonNode *node, Rules *rules) {
        ParentRule *p;
        int r;

        r = rules_add_parent(rules, &p, PLACE(l, node));
        if (r < 0)
                return r;
        return json_decode_fields(&l->sink, node, parent_rule_fields, "a rule in { }", p);
}

static const JsonField writer_fields[] = {
        { "unit", JSON_FIELD(WriterRule, units, json_decode_string), .is_valid = glob_is_valid,
          .expect = "a unit or a pattern such as \"vdsmd.service\"" },
        { "owner", JSON_FIELD(WriterRule, owner, json_decode_string), .flags = JSON_REQUIRED,
          .is_valid = name_is_valid_owner, .expect = "an owner" },
        {},
};

static int decode_writer(Loader *l, const JsonNode *node, Rules *rules) {
        WriterRule *w;
        int r;

        r = rules_add_writer(rules, &w, PLACE(l, node), "");
        if (r < 0)
                return r;
        return json_decode_fields(&l->sink, node, writer_fields, "a rule in { }", w);
}

/* @a gets all that is in @b and the other way round. */
static void list_swap(List *a, List *b) {
        List all = LIST_INIT(all);

        list_splice(&all, a);
        list_splice(a, b);
        list_splice(b, &all);
}

/*
 * Replaces a list, which lies at @offset in the rules, by what @node has. If that is wrong the list
 * of an earlier file stays, as better than none, and the rules as a whole count as wrong.
 */
static int decode_list(Loader *l, const JsonNode *node, const JsonField *field, RuleList which,
                       size_t offset, uint32_t max,
                       int (*decode)(Loader *l, const JsonNode *node, Rules *rules)) {
        _cleanup_(rules_freep) Rules *rules = NULL;
        int r, result = 0;

        r = rules_new(&rules);
        if (r < 0)
                return r;
        if (node->kind != JSON_LIST)
                result = json_unexpected(&l->sink, node, field->expect);
        else if (node->n_members > max)
                result = json_problem(&l->sink, node, "expected at most %u entries, found %u", max,
                                      node->n_members);
        else
                json_foreach(i, node) {
                        r = decode(l, i, rules);
                        if (r < 0)
                                return r;
                        result |= r;
                }
        if (result < 0)
                return result;

        l->rules_wrong[which] = result > 0;
        if (result > 0)
                return result;
        list_swap((List *) ((char *) l->config->rules + offset),
                  (List *) ((char *) rules + offset));
        if (which == RULES_GROUPS)
                l->config->rules->n_groups = rules->n_groups;
        return 0;
}

static int decode_groups(JsonSink *sink, const JsonNode *node, const JsonField *field,
                         void *value) {
        return decode_list(container_of(sink, Loader, sink), node, field, RULES_GROUPS,
                           offsetof(Rules, groups), GROUPS_MAX, decode_group);
}

static int decode_placements(JsonSink *sink, const JsonNode *node, const JsonField *field,
                             void *value) {
        return decode_list(container_of(sink, Loader, sink), node, field, RULES_PLACEMENTS,
                           offsetof(Rules, placements), GROUPS_MAX, decode_placement);
}

static int decode_parent_rules(JsonSink *sink, const JsonNode *node, const JsonField *field,
                               void *value) {
        return decode_list(container_of(sink, Loader, sink), node, field, RULES_PARENTS,
                           offsetof(Rules, parents), GROUPS_MAX, decode_parent_rule);
}

static int decode_writers(JsonSink *sink, const JsonNode *node, const JsonField *field,
                          void *value) {
        return decode_list(container_of(sink, Loader, sink), node, field, RULES_WRITERS,
                           offsetof(Rules, writers), GROUPS_MAX, decode_writer);
}

static const JsonField policy_fields[] = {
        { "groups", decode_groups, .expect = "a list of groups" },
        { "placement", decode_placements, .expect = "a list of rules" },
        { "parents", decode_parent_rules, .expect = "a list of rules" },
        { "writers", decode_writers, .expect = "a list of rules" },
        {},
};

int decode_policy(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        Loader *l = container_of(sink, Loader, sink);

        /* which of two lists of one name is meant is not known */
        json_foreach(i, node)
                l->files_wrong |= i->duplicate;
        return json_decode_fields(sink, node, policy_fields, field->expect, l);
}

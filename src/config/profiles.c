/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* profiles.c owns the "profiles" of a configuration file: named sets of devices for a host. */
#include "config/attributes.h"
#include "config/spec.h"
#include "util/parse.h"

static int decode_uuid(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        if (node->kind != JSON_STRING || uuid_parse(node->text, value) < 0 || uuid_is_null(value))
                return json_unexpected(sink, node, field->expect);
        return 0;
}

static int decode_want_attributes(JsonSink *sink, const JsonNode *node, const JsonField *field,
                                  void *value) {
        Want *w = container_of(value, Want, attributes);

        return attributes_decode(sink, node, field->expect, &w->attributes, &w->n_attributes);
}

static const JsonField want_fields[] = {
        { "type", JSON_FIELD(Want, type, json_decode_string), .flags = JSON_REQUIRED,
          .is_valid = type_name_is_valid, .expect = "the name of a type" },
        { "parent", JSON_FIELD(Want, parent, json_decode_string), .is_valid = name_is_valid_parent,
          .expect = "the name of a parent" },
        { "owner", JSON_FIELD(Want, owner, json_decode_string), .is_valid = name_is_valid_owner,
          .expect = "an owner in quotes, at most 63 bytes of plain text" },
        { "count", JSON_FIELD(Want, count, json_decode_number), .max = WANT_COUNT_MAX,
          .expect = "a number of devices" },
        { "uuid", JSON_FIELD(Want, uuid, decode_uuid), .expect = "a UUID in quotes" },
        { "attributes", JSON_FIELD(Want, attributes, decode_want_attributes),
          .expect = "a list of attributes" },
        {},
};

static int want_check(JsonSink *sink, const JsonNode *node, const Want *w, const Profile *p) {
        if (w->count == 0)
                return json_problem(sink, json_find(node, "count"),
                                    "expected a number of at least 1, found 0");
        if (uuid_is_null(&w->uuid))
                return 0;
        if (w->count > 1)
                return json_problem(sink, json_find(node, "uuid"),
                                    "expected \"uuid\" only where \"count\" is 1, found %llu "
                                    "devices",
                                    (unsigned long long) w->count);
        list_foreach(other, &p->wants, Want, node)
                if (other != w && uuid_equal(&other->uuid, &w->uuid))
                        return json_problem(sink, json_find(node, "uuid"),
                                            "expected each UUID once, found %s again after line %u",
                                            UUID_STR(&w->uuid), other->source.line);
        return 0;
}

/* All of a profile: they are planned one after the other, each with those before it in mind. */
static int check_sum(JsonSink *sink, const JsonNode *node, const Profile *p) {
        uint64_t sum = 0;

        list_foreach(w, &p->wants, Want, node)
                sum += w->count;
        if (sum <= WANT_COUNT_MAX)
                return 0;
        return json_problem(sink, json_find(node, "count") ?: node,
                            "expected at most %u devices in a profile, found %llu up to here",
                            WANT_COUNT_MAX, (unsigned long long) sum);
}

static int decode_wants(JsonSink *sink, const JsonNode *node, const JsonField *field,
                        void *value) {
        Loader *l = container_of(sink, Loader, sink);
        Profile *p = container_of(value, Profile, wants);
        int r, result = 0;

        if (node->kind != JSON_LIST)
                return json_unexpected(sink, node, field->expect);
        if (node->n_members > WANT_COUNT_MAX)
                return json_problem(sink, node, "expected at most %u entries, found %u",
                                    WANT_COUNT_MAX, node->n_members);

        json_foreach(i, node) {
                Want *w;

                r = profile_add_want(p, &w, l->file, i->line, i->column, "");
                if (r < 0)
                        return r;
                r = json_decode_fields(sink, i, want_fields, "a device in { }", w);
                if (r == 0)
                        r = want_check(sink, i, w, p);
                if (r == 0)
                        r = check_sum(sink, i, p);
                if (r < 0)
                        return r;
                result |= r;
        }
        return result;
}

static const JsonField profile_fields[] = {
        { "apply", JSON_FIELD(Profile, apply, json_decode_bool) },
        { "devices", JSON_FIELD(Profile, wants, decode_wants), .flags = JSON_REQUIRED,
          .expect = "a list of devices" },
        {},
};

/* Takes the place of an earlier one of its name, also when it is wrong itself. */
static int decode_profile(Loader *l, const JsonNode *node) {
        _cleanup_(rules_freep) Rules *rules = NULL;
        List *profiles = &l->config->rules->profiles;
        Profile *p;
        int r;

        r = rules_new(&rules);
        if (r < 0)
                return r;
        r = rules_add_profile(rules, &p, l->file, node->key_line, node->key_column, node->key);
        if (r < 0)
                return r;
        if (node->duplicate)
                r = json_problem_key(&l->sink, node,
                                     "expected each profile once, found \"%s\" more than once",
                                     node->key);
        else
                r = json_decode_fields(&l->sink, node, profile_fields, "a profile in { }", p);
        if (r < 0)
                return r;

        list_foreach_safe(other, profiles, Profile, node)
                if (streq(other->name, p->name)) {
                        list_unlink(&other->node);
                        list_append(&rules->profiles, &other->node);
                }
        if (r == 0) {
                list_unlink(&p->node);
                list_append(profiles, &p->node);
        }
        return r;
}

int decode_profiles(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        Loader *l = container_of(sink, Loader, sink);
        int r, result = 0;

        if (node->kind != JSON_OBJECT)
                return json_unexpected(sink, node, field->expect);

        json_foreach(i, node) {
                if (!name_is_valid_id(i->key))
                        r = json_problem_key(sink, i,
                                             "expected a name of 1 to 31 of A-Z a-z 0-9 _ . + -, "
                                             "found one that is not");
                else
                        r = decode_profile(l, i);
                if (r < 0)
                        return r;
                result |= r;
        }
        return result;
}

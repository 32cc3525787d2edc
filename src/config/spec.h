/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec.h: what the files say, before it is known to fit together: parents and types by name, each
 * with the place that said it. Private to config/.
 */
#pragma once

#include "config/config.h"
#include "util/json.h"

#define BAR_32BIT_MAX (UINT64_C(1) << 31) /* the largest power of two that a 32-bit BAR can be */

typedef struct Loader Loader;
typedef struct ParentSpec ParentSpec;
typedef struct TypeRef TypeRef;
typedef struct TypeSpec TypeSpec;

/* A name in a parent's "types". */
struct TypeRef {
        char *name;
        unsigned line, column;
};

struct ParentSpec {
        List node;     /* in loader->parents */
        char *address; /* key */
        char *file;
        unsigned line, column;
        bool broken; /* keeps its place, so that it hides an earlier one */
        List pools;  /* of Pool */
        OnUnplug on_unplug;
        uint32_t on_unplug_timeout; /* seconds */
        char *vendor; /* NULL: none */
        bool unsafe_dma;
        TypeRef *types;
        size_t n_types;
};

struct TypeSpec {
        List node;  /* in loader->types */
        char *name; /* key */
        char *file;
        unsigned line, column;
        bool broken;
        Type *type; /* NULL if broken */
};

/* The lists of a policy, each taken whole from the last file that has it. */
typedef enum RuleList {
        RULES_GROUPS,
        RULES_PLACEMENTS,
        RULES_PARENTS,
        RULES_WRITERS,
        _RULES_MAX,
} RuleList;

/* The state of one config_load(). */
struct Loader {
        JsonSink sink;
        Config *config;
        List parents;
        List types;
        const char *file; /* being read */
        unsigned n_problems;
        bool rules_wrong[_RULES_MAX]; /* the last file that has the list has it wrong */
        bool files_wrong;             /* it is not known what a file says */
};

ParentSpec *parent_spec_free(ParentSpec *p);
TypeSpec *type_spec_free(TypeSpec *t);
DEFINE_CLEANUP(ParentSpec *, parent_spec_free)
DEFINE_CLEANUP(TypeSpec *, type_spec_free)

/* Decoders of the members of a file, into its loader. */
int decode_parents(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value);
int decode_types(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value);
int decode_policy(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value);
int decode_profiles(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value);
/* Like json_decode_size(), for what must be whole pages and (the first one) not nothing. */
int decode_pages(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value);
int decode_offset(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value);
/* "parts" of a type, and what they and its BARs must be to each other. */
int decode_parts(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value);
int parts_check(JsonSink *sink, const JsonNode *node, const Type *t);

/* Builds config->parents from what all files together say. */
int loader_resolve(Loader *l);
/* Says something about a place in a file that was read before. */
int loader_problem(Loader *l, const char *file, unsigned line, unsigned column, const char *format,
                   ...) _printf_(5, 6);

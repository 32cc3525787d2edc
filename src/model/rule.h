/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rule.h: the policy as configured: groups of owners, where devices go, what a parent bears, and
 * profiles. Plain data in the order of the configuration; of each list the first rule that matches
 * is the one that counts, and none adds to another. Every rule remembers where it stands, so that
 * a refusal can name it.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/definition.h"
#include "model/types.h"
#include "util/list.h"
#include "util/uuid.h"

typedef struct Rules Rules;
typedef struct Group Group;
typedef struct Guarantee Guarantee;
typedef struct Limits Limits;
typedef struct Maximum Maximum;
typedef struct ParentRule ParentRule;
typedef struct Partition Partition;
typedef struct PlacementRule PlacementRule;
typedef struct Profile Profile;
typedef struct Source Source;
typedef struct Want Want;
typedef struct WriterRule WriterRule;

/* Where a rule stands. */
struct Source {
        char *file; /* NULL: built in */
        unsigned line, column;
};

#define LIMIT_NONE UINT64_MAX

struct Limits {
        uint64_t devices;
        uint64_t bytes;
        uint64_t vectors;
};

#define LIMITS_NONE { LIMIT_NONE, LIMIT_NONE, LIMIT_NONE }

/*
 * What a group can always still get: devices of a type, or bytes of the pools of a name. Bytes mean
 * extents of powers of two that add up, the largest first: 48 MiB are 32 and 16.
 */
struct Guarantee {
        List node; /* in group->guarantees */
        Source source;
        char *parent; /* NULL: on any */
        char *type;   /* with n_devices; else NULL */
        uint64_t n_devices;
        char *pool; /* with bytes; else NULL */
        uint64_t bytes;
};

/* A range of a pool that nobody else gets. The group gets it first, then what is in common. */
struct Partition {
        List node; /* in group->partitions */
        Source source;
        char *parent;
        char *pool;
        uint64_t offset; /* bytes, from the start of the BAR, as extents have it */
        uint64_t size;
};

struct Group {
        List node; /* in rules->groups */
        Source source;
        unsigned index; /* in the list, from 0 */
        char *name;
        char **owners; /* globs */
        size_t n_owners;
        uid_t *users; /* beside root: who may name its owners */
        size_t n_users;
        Limits limit;            /* in all */
        Limits limit_per_parent; /* siblings count as one parent */
        List guarantees;
        List partitions;
};

typedef enum Order {
        ORDER_PACK,   /* the fullest parent that has room */
        ORDER_SPREAD, /* only parents that have no device of the type */
        _ORDER_MAX,
} Order;

typedef enum Numa {
        NUMA_REQUIRE, /* a request that names a node gets that node */
        NUMA_PREFER,  /* … or another, if there is no room */
        _NUMA_MAX,
} Numa;

typedef enum Affinity {
        AFFINITY_NONE,
        AFFINITY_TOGETHER, /* devices of one owner on one parent */
        AFFINITY_APART,    /* … on different parents */
        _AFFINITY_MAX,
} Affinity;

/* When only moves would make room for a device. */
typedef enum MovesMode {
        MOVES_NEVER, /* the refusal says how much is free in pieces */
        MOVES_ASK,   /* it says which moves would make room; an option asks for them */
        MOVES_AUTO,  /* the moves are carried out, then the device is made */
        _MOVES_MODE_MAX,
} MovesMode;

/* Which moves. */
typedef enum MovesAim {
        MOVES_FEWEST, /* bytes; none where there is room as things are */
        MOVES_PACK,   /* the parent first in rank that has the bytes, in one piece or in many: then
        as much is granted in the long run as if free space were never in pieces */
        _MOVES_AIM_MAX,
} MovesAim;

DECLARE_STRING_TABLE(moves_mode, MovesMode)
DECLARE_STRING_TABLE(moves_aim, MovesAim)
DECLARE_STRING_TABLE(order, Order)
DECLARE_STRING_TABLE(numa, Numa)
DECLARE_STRING_TABLE(affinity, Affinity)

struct PlacementRule {
        List node; /* in rules->placements */
        Source source;
        char *owners; /* glob, NULL: all */
        char *types;  /* glob of ids or of our types' names, NULL: all */
        Order order;
        bool fallback; /* spread: pack when there is no such parent */
        Numa numa;
        Affinity affinity;
        bool affinity_required; /* else it only comes first */
        MovesMode moves;
        MovesAim moves_aim;
        unsigned pause_max; /* ms: a chunk that takes longer ends the moves; 0: none does */
};

struct Maximum {
        char *type; /* id or name */
        uint64_t n;
};

struct ParentRule {
        List node; /* in rules->parents */
        Source source;
        char *parents; /* glob of names, NULL: all */
        char *driver;  /* glob, NULL: any */
        bool one_type; /* all its devices are of one type */
        uint64_t max_devices; /* LIMIT_NONE: no limit */
        Maximum *maxima;      /* per type */
        size_t n_maxima;
};

/* For whom a device is whose UUID a process of that unit writes to sysfs itself. */
struct WriterRule {
        List node; /* in rules->writers */
        Source source;
        char *units; /* glob of systemd's units, NULL: all, and who is in none */
        char *owner; /* never NULL */
};

/* A device, or several alike, that a host should have. */
struct Want {
        List node; /* in profile->wants */
        Source source;
        char *type;
        char *parent; /* NULL: any */
        char *owner;  /* never NULL */
        uint64_t count;
        Uuid uuid; /* of the one device; null: made from the profile's name and the index */
        Attribute *attributes;
        size_t n_attributes;
};

struct Profile {
        List node; /* in rules->profiles */
        Source source;
        char *name;
        bool apply; /* at start */
        List wants;
};

struct Rules {
        List groups;
        unsigned n_groups;
        List placements;
        List parents;
        List writers;
        List profiles;
};

#define GROUPS_MAX 256
#define PAUSE_MAX_DEFAULT 500U
#define PAUSE_MAX_MAX 60000U
/* Devices of a profile, in all. */
#define WANT_COUNT_MAX 4096
#define GUARANTEE_DEVICES_MAX 65536

int rules_new(Rules **ret);
Rules *rules_free(Rules *r);
DEFINE_CLEANUP(Rules *, rules_free)

/* All are linked at the end of their list; *@ret is borrowed. @file may be NULL. */
int rules_add_group(Rules *r, Group **ret, const char *file, unsigned line, unsigned column,
                    const char *name);
int rules_add_placement(Rules *r, PlacementRule **ret, const char *file, unsigned line,
                        unsigned column);
int rules_add_parent(Rules *r, ParentRule **ret, const char *file, unsigned line, unsigned column);
int rules_add_writer(Rules *r, WriterRule **ret, const char *file, unsigned line, unsigned column,
                     const char *owner);
int rules_add_profile(Rules *r, Profile **ret, const char *file, unsigned line, unsigned column,
                      const char *name);

int group_add_owner(Group *g, const char *glob);
int group_add_user(Group *g, uid_t uid);
int group_add_guarantee(Group *g, Guarantee **ret, const char *file, unsigned line,
                        unsigned column);
int group_add_partition(Group *g, Partition **ret, const char *file, unsigned line,
                        unsigned column, const char *parent, const char *pool);
int parent_rule_add_maximum(ParentRule *r, const char *type, uint64_t n);
int profile_add_want(Profile *p, Want **ret, const char *file, unsigned line, unsigned column,
                     const char *type);

/* "file:line:column", or "built in". */
#define SOURCE_STRING_MAX 256
char *source_format(const Source *s, char buf[static SOURCE_STRING_MAX]);
#define SOURCE_STR(s) source_format((s), (char[SOURCE_STRING_MAX]){})

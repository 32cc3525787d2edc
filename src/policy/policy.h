/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy.h: may this device be, and where. Pure: the model (its rules among it) and what running
 * operations have planned to take go in; a placement, or the reasons why not, come out. Nothing
 * here does I/O or changes the model; what policy remembers of a parent lies in parent->view.
 *
 * Every road to a device asks policy_place(): the bus, the command line, definitions, profiles, a
 * UUID written to sysfs by others, a call that only plans, and the simulator.
 */
#pragma once

#include "model/model.h"
#include "model/outcome.h"

typedef struct Planned Planned;

/* What a running operation is about to take: counted as taken. */
struct Planned {
        List node;      /* in a list that the caller owns */
        Parent *parent; /* borrowed */
        Type *type;     /* borrowed */
        Uuid uuid;
        const char *owner; /* borrowed */
        const Extent *extents; /* borrowed */
        size_t n_extents;
        bool leaving; /* nothing is taken: the device @uuid is to go, what it has counts as free */
        bool of_move; /* one place, to which the device @uuid moves; type and owner are not valid */
        bool still; /* nothing is taken: the device @uuid, to which something is done, stays */
};

/*
 * Finds a place for @request. 0: @ret is filled. OUTCOME_NO_TYPE, _NO_PARENT, _EXISTS, _NO_ROOM:
 * @reason has a sentence a parent, in the model's order, with the value, what said no and what
 * would have to change. -ENOMEM. @planned is a list of Planned.
 */
int policy_place(const Model *model, const List *planned, const Request *request, Placement *ret,
                 Reason *reason);

/* How many devices of @type could be made on @parent now, in bytes terms only. */
unsigned policy_count_available(const Model *model, const List *planned, const Parent *parent,
                                const Type *type);

/*
 * How many devices of @type, which is ours, policy_place() would grant on @parent one after the
 * other to who names no owner: rules, limits and what is promised to others counted in. -ENOMEM.
 */
int policy_count_granted(const Model *model, const List *planned, const Parent *parent,
                         const Type *type, unsigned *ret);

typedef struct PoolUsage PoolUsage;

struct PoolUsage {
        uint64_t used;          /* bytes */
        uint64_t free;          /* bytes */
        uint64_t largest_hole;  /* bytes */
        uint64_t largest_block; /* bytes: the largest extent that there is room for */
        unsigned holes;
        unsigned fragmentation; /* per mille of the free bytes that are not in the largest hole */
};

/* Partitions counted in; what they leave in common is not told apart. */
int policy_pool_usage(const Model *model, const List *planned, const Parent *parent,
                      const Pool *pool, PoolUsage *ret);

/* ---- moves ---- */

typedef struct Move Move;
typedef struct Moves Moves;

/* An extent of a device to another place of its pool. */
struct Move {
        Device *device; /* borrowed */
        size_t extent;  /* index in device->extents */
        uint64_t from, to, size;
};

/*
 * At most MOVES_MAX, to be made in this order; each goes to bytes that are free when its turn
 * comes. Only where no plan does with less does an extent move twice.
 */
struct Moves {
        Move *moves;
        size_t n;
        uint64_t bytes;
        bool too_many;  /* on the way more than MOVES_MAX would have been wanted */
        Parent *parent; /* borrowed; all are there */
        Placement placement; /* of policy_plan_moves(): where the request goes then */
};

void moves_done(Moves *m);

/*
 * Whether an extent of a device can go to @offset (bytes, from the start of the BAR; UINT64_MAX:
 * any place) of a pool of its parent, as far as room, alignment and partitions say, and so that all
 * that is promised to others has as much room as before; *@ret is where. @releases: what it leaves
 * is free at the end of the move. OUTCOME_INVALID, _NOT_SUPPORTED, _NO_ROOM: @reason has a
 * sentence.
 */
int policy_place_move(const Model *model, const List *planned, Device *device, size_t extent,
                      const Pool *pool, uint64_t offset, bool releases, Extent *ret,
                      Reason *reason);
/* Positive: it is of a type or in a state in which it does not move, @reason says so. */
int policy_check_movable(const Device *device, Reason *reason);

/*
 * Moves after which policy_place() would find room for @request: those of fewest bytes over all
 * windows from which everything has a place elsewhere as things are; where there is no such window,
 * some that first make those places. @ret->parent is the parent on which that is, and on which the
 * request is to be placed then. 0: @ret has them, none when it has room already. As policy_place()
 * otherwise.
 */
int policy_plan_moves(const Model *model, const List *planned, const Request *request,
                      MovesAim aim, Moves *ret, Reason *reason);
/*
 * Moves of at most @max_bytes that make the largest free block of @pool as large as can be.
 * OUTCOME_NO_ROOM: no moves make it larger.
 */
int policy_plan_defragment(const Model *model, const List *planned, const Parent *parent,
                           const Pool *pool, uint64_t max_bytes, Moves *ret);

/* The rule that counts for an owner and a type; never NULL. */
const PlacementRule *policy_moves_rule(const Model *model, const char *owner, const Type *type);

/* The same for a request; NULL: no parent has such a type. */
const PlacementRule *policy_moves_rule_of(const Model *model, const Request *request);

/* ---- profiles ---- */

typedef enum ProfileAction {
        PROFILE_CREATE,
        PROFILE_KEEP,
        PROFILE_REMOVE,
        PROFILE_REFUSE, /* of a device that is to go: it is in use */
        _PROFILE_ACTION_MAX,
} ProfileAction;

DECLARE_STRING_TABLE(profile_action, ProfileAction)

typedef struct ProfileItem ProfileItem;
typedef struct ProfileDiff ProfileDiff;

struct ProfileItem {
        ProfileAction action;
        Uuid uuid;
        const Want *want;    /* borrowed; NULL: @device is to go */
        Device *device;      /* borrowed; what has the UUID, NULL: nothing yet */
        Placement placement; /* of PROFILE_CREATE, all other items done */
        bool after_removals; /* of PROFILE_CREATE: there is room only when all removals are done */
        Reason reason;       /* of PROFILE_REFUSE and PROFILE_REMOVE */
};

struct ProfileDiff {
        ProfileItem *items; /* what is to be removed first, then in the profile's order */
        size_t n;
};

void profile_diff_done(ProfileDiff *d);

/*
 * What has to be done so that the host is as the profile says; what others made stays. A device
 * that the profile made and wants otherwise now is removed and made again. After each step the
 * question is to be asked again: others may have come meanwhile.
 */
int policy_diff_profile(const Model *model, const List *planned, const Profile *profile,
                        ProfileDiff *ret);
/* The UUID of the @index-th device that a profile wants and gives none. Always the same. */
void profile_uuid(const char *profile, uint64_t index, Uuid *ret);

/* ---- rules ---- */

/*
 * Whether @uid may create devices for @owner. Root may; others when the owner's group lists them.
 */
bool policy_may_name_owner(const Rules *rules, uid_t uid, const char *owner);
/* The group's name, "default" when no group has the owner. */
const char *policy_group_of(const Rules *rules, const char *owner);
/*
 * For whom a device is whose UUID a process of that systemd unit ("": of none) writes to sysfs:
 * what the first rule that matches says, else "", nobody.
 */
const char *policy_owner_of_writer(const Rules *rules, const char *unit);

typedef int (*RuleReport)(const Source *source, bool warning, const char *text, void *userdata);

/*
 * What contradicts itself in the rules, given a list of Parent that are configured or seen, and the
 * model whose owners are known (NULL: none are, and no glob is doubted). An error, a report without
 * @warning, means that the rules must not be put in force. A negative return of @report ends it.
 * Returns the number of errors, or negative errno.
 */
int policy_check_rules(const Rules *rules, const List *parents, const Model *model,
                       RuleReport report, void *userdata);
/* The effective rules in the order in which they count, for people. @parents as above. */
int policy_explain_rules(const Rules *rules, const List *parents, char **ret);
/*
 * The same for programs: an object with the lists "groups", "placement", "parents" and "writers" in
 * the keys of mdevd.json, what is built in at the end of each; all keys are there, null is no
 * limit, any, or of a source: built in. "known_parents" says which of "parents", from 0, counts for
 * each.
 */
int policy_explain_rules_json(const Rules *rules, const List *parents, char **ret);

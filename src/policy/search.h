/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * search.h: one decision under way: the request, the rules that apply to it, and the parents that
 * offer the type. Shared by policy.c (which parent), check.c (may it be there), refusal.c (why not)
 * and plan.c (what would have to move).
 */
#pragma once

#include "policy/guarantee.h"
#include "policy/host.h"

typedef struct Candidate Candidate;
typedef struct Search Search;

/* Who says no: in the order in which they are asked, so the later, the less is wanting. */
typedef enum Refusal {
        REFUSAL_NONE,
        REFUSAL_STATE,
        REFUSAL_AMBIGUOUS,
        REFUSAL_NUMA,
        REFUSAL_ONE_TYPE,
        REFUSAL_MAXIMA,
        REFUSAL_SPREAD,
        REFUSAL_AFFINITY,
        REFUSAL_LIMITS,
        REFUSAL_VENDOR,
        REFUSAL_SPACE,
        REFUSAL_PROMISES,
        _REFUSAL_MAX,
} Refusal;

#define REFUSALS_IN_FULL_MAX 16 /* sentences; what more parents say is summed up */

/* A parent that offers the type. */
struct Candidate {
        size_t place; /* in host->places */
        Type *type;
        size_t n_alike; /* types of that name there: more than one is none */
        Refusal refusal; /* by which check; REFUSAL_NONE: not, or not asked yet */
        const Group *space; /* whose partitions the device may lie in */
        bool tried;     /* taken out of the order: it was asked for more than its checks */
        bool in_full;   /* has a sentence of its own */
        bool wrong_node, wrong_company, has_type;
        uint64_t devices; /* on its unit */
        uint64_t cut;     /* order of the block that would be cut; of a vendor's type: its room */
        uint64_t free;    /* units left in the regions */
};

struct Search {
        const Request *request;
        const Rules *rules;
        const Group *group;
        unsigned group_index;
        const PlacementRule *rule;
        Host host;
        Promises promises;
        bool owner_exists; /* has a device somewhere */
        Limits in_all;     /* what the group has on the whole host */
        Candidate *candidates;
        size_t n;
};

/* Positive: refused before any parent was asked. search_done() in every case. */
int search_init(Search *s, const Model *model, const List *planned, const Request *q,
                Reason *reason);
void search_done(Search *s);
/* Positive: all candidates refuse. -ESTALE: a view was wrong; begin anew, it will not be again. */
int search_run(Search *s, Placement *ret);
/* Of candidates neither refused nor tried the first in rank; of equals the first in the model. */
Candidate *search_next(Search *s);
/*
 * The sentences of a search that found nothing: of each parent its own, up to REFUSALS_IN_FULL_MAX
 * of those nearest to yes; how many others there are is said by kind. OUTCOME_NO_ROOM, or -ENOMEM.
 */
int search_explain(Search *s, Reason *reason);

/*
 * Whether @c bears the device. 0: yes, and what ranks it is filled in. OUTCOME_NO_ROOM: no, and
 * @c->refusal says who; @reason gets a sentence unless it is NULL. -ENOMEM.
 */
int candidate_check(Search *s, Candidate *c, Reason *reason);
/* Ranks a parent of ours by its free bytes, in however many pieces. */
void candidate_rank_bytes(Search *s, Candidate *c);
/*
 * Whether all that is promised to others has room beside the device; the dearest question, so asked
 * last and not of all. As candidate_check().
 */
int candidate_check_promises(Search *s, Candidate *c, Reason *reason);

/* The sentence about a promise that would have no room after something on parent @where. */
int refuse_broken(const char *where, const Broken *b, Reason *reason);

/*
 * What would make room there: "moving device … would make room", or what would have to be
 * removed.
 */
int explain_way_out(Search *s, Candidate *c, char **ret);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * search.h: one decision under way: the request, the rules that apply to it, and the parents that
 * offer the type. Shared by policy.c (which parent), check.c (may it be there) and moves.c (what
 * would have to move).
 */
#pragma once

#include "policy/guarantee.h"
#include "policy/host.h"

typedef struct Candidate Candidate;
typedef struct Search Search;

/* A parent that offers the type. */
struct Candidate {
        size_t place; /* in host->places */
        Type *type;
        size_t n_alike; /* types of that name there: more than one is none */
        bool refused;   /* by the checks of its own */
        const Group *space; /* whose partitions the device may lie in */
        bool tried;     /* and refused for somebody's guarantee */
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
/* All sentences of a search that found nothing. Returns OUTCOME_NO_ROOM, or -ENOMEM. */
int search_explain(Search *s, Reason *reason);

/*
 * Whether @c bears the device. 0: yes, and what ranks it is filled in. OUTCOME_NO_ROOM: no; @reason
 * gets a sentence unless it is NULL. -ENOMEM.
 */
int candidate_check(Search *s, Candidate *c, Reason *reason);
/* All but whether there is room, which moves could make. */
int candidate_check_but_space(Search *s, Candidate *c);
/* The same of what is promised to others; the dearest question, so asked last. */
int candidate_check_promises(Search *s, Candidate *c, Reason *reason);

/* What would make room there: "moving device … would make room", or what would have to be removed. */
int explain_way_out(Search *s, Candidate *c, char **ret);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * operation.h: one change under way. It is linked in the manager from the moment its record is
 * written until a while after its end, so that whoever lost the reply can look.
 */
#pragma once

#include "backend/escort.h"
#include "backend/worker.h"
#include "model/model.h"
#include "model/outcome.h"
#include "policy/policy.h"

typedef struct Manager Manager;
typedef struct Operation Operation;

/* Called once when it has ended; never from within the call that started it. */
typedef void (*OperationDone)(Operation *op, void *userdata);

typedef struct OperationWaiter OperationWaiter;

struct OperationWaiter {
        List node;
        OperationDone done;
        void *userdata;
        bool early; /* it is enough that the operation has reached what it is for */
};

typedef enum OperationState {
        OPERATION_RUNNING,
        OPERATION_DONE,
        OPERATION_FAILED,
        _OPERATION_STATE_MAX,
} OperationState;

/* Of a running one: where it stands. */
typedef enum OperationPhase {
        OPERATION_QUEUED,   /* nothing was done, no record was written */
        OPERATION_CALLING,  /* its callout scripts are asked; no record was written */
        OPERATION_IN_LINE,  /* its record is with a worker that is at another one still */
        OPERATION_WORKING,  /* its worker lives */
        OPERATION_SETTLING, /* its worker is gone; the model is to catch up with the kernel */
        OPERATION_POSTING,  /* its result is known, and its callout scripts are told */
} OperationPhase;

DECLARE_STRING_TABLE(operation_state, OperationState)

struct Operation {
        List node;        /* in manager->operations, in order of id */
        List active_node; /* in manager->active */
        Manager *manager; /* borrowed */
        uint64_t id;
        Record *record;
        Worker *worker; /* only while OPERATION_IN_LINE or OPERATION_WORKING */
        Escort *escort; /* from OPERATION_CALLING to OPERATION_POSTING; NULL: no scripts */
        bool agreed;     /* its callout scripts have */
        bool has_record; /* while OPERATION_POSTING or closing: one was written */
        bool closing;    /* it has ended; its record goes when waiters have their answers */
        OperationState state;
        OperationPhase phase;
        struct Load *load; /* of its parent, while running */
        bool blocked;      /* its worker has taken too long to count */
        char *blocked_by;  /* then: a sentence, what it waits for; NULL: not known yet */
        char *held_by;     /* then: as record->who */
        unsigned n_looks;    /* how often that was asked */
        uint64_t look_usec;  /* CLOCK_MONOTONIC; when it is asked again */
        bool killed;       /* its worker was, before it had reported */
        bool overtaken;    /* its parent came anew while it ran: its failure is the old one's */
        bool second; /* a worker puts an end to the change of a definition, all else is done */
        bool insisted; /* stop: somebody joined who insists, after its worker had begun */
        bool reached; /* suspend: the device is held, and the operation goes on until it is not */
        bool begun; /* its worker is at it; a process that was started for it has to get there */
        bool adopted; /* its worker is an earlier daemon's, as are those who ask its scripts */
        bool found; /* at start, without its worker: what is there may be anybody's by now */
        Planned planned; /* linked in manager->planned while running: what a create takes, or of
                          * others that the device stays where it is */
        Planned *planned_moves; /* the same, one of each move of the record; NULL: none */
        List waiters;
        struct Application *application; /* of a profile; owned */
        Device *device; /* borrowed; the device that a create made, while it lives */
        uint64_t started_usec, ended_usec; /* CLOCK_REALTIME */
        uint64_t working_since_usec; /* CLOCK_MONOTONIC; of an adopted worker: since adopted */
        uint64_t made_usec; /* CLOCK_MONOTONIC */
        bool told; /* the observer's: somebody else knows of it */
};

#define OPERATION_WAITERS_MAX 64

/* @done is called when it ends; at the next turn of the loop if it has. -EUSERS: too many wait. */
int operation_wait(Operation *op, OperationDone done, void *userdata);
/* The same, or when the device is held: @op is still running then. */
int operation_wait_reached(Operation *op, OperationDone done, void *userdata);
/* Forgets a waiter (the caller's message is going away). */
void operation_forget(Operation *op, void *userdata);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * operation.h: one change under way. It is linked in the manager from the moment its record is
 * written until a while after its end, so that whoever lost the reply can look.
 */
#pragma once

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
};

typedef enum OperationState {
        OPERATION_RUNNING,
        OPERATION_DONE,
        OPERATION_FAILED,
        _OPERATION_STATE_MAX,
} OperationState;

DECLARE_STRING_TABLE(operation_state, OperationState)

struct Operation {
        List node;        /* in manager->operations */
        Manager *manager; /* borrowed */
        uint64_t id;
        Record *record;
        Worker *worker; /* NULL once ended */
        OperationState state;
        Planned planned; /* linked in manager->planned while running a create */
        List waiters;
        Device *device; /* borrowed; the device that a create made, while it lives */
        uint64_t started_usec, ended_usec; /* CLOCK_REALTIME */
};

/* @done is called when it ends; at the next turn of the loop if it has. */
int operation_wait(Operation *op, OperationDone done, void *userdata);
/* Forgets a waiter (the caller's message is going away). */
void operation_forget(Operation *op, void *userdata);

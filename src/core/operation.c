/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * operation.c: owns the life of an operation: queued, working, settling, ended. The end of a worker
 * is not yet the end: first the model catches up with the kernel, then what is there decides. A
 * worker that was killed, and a record that an earlier daemon left, go the same way: its device is
 * there or it is not.
 */
#include "core/operation.h"

#include <sched.h>
#include <stdarg.h>

#include "core/functions.h"
#include "util/clock.h"

static const char *const operation_state_table[_OPERATION_STATE_MAX] = {
        [OPERATION_RUNNING] = "running",
        [OPERATION_DONE] = "done",
        [OPERATION_FAILED] = "failed",
};
DEFINE_STRING_TABLE(operation_state, OperationState, _OPERATION_STATE_MAX)

uint64_t operation_now_usec(void) {
        return clock_usec(CLOCK_REALTIME);
}

uint64_t operation_monotonic_usec(void) {
        return clock_usec(CLOCK_MONOTONIC);
}

/* What it is done to stays where it is: nobody else's moves are to come in between. */
static void plan_still(Operation *op, Parent *p) {
        if (uuid_is_null(&op->record->uuid) || op->record->kind == RECORD_EVICT)
                return;
        op->planned.parent = p;
        op->planned.uuid = op->record->uuid;
        op->planned.owner = "";
        op->planned.still = true;
        list_append(&op->manager->planned, &op->planned.node);
}

static void plan_create(Operation *op, Parent *p) {
        Manager *m = op->manager;
        Type *t;

        t = parent_find_type(p, op->record->type);
        if (!t)
                return;
        op->planned.parent = p;
        op->planned.type = t;
        op->planned.uuid = op->record->uuid;
        op->planned.owner = op->record->owner;
        op->planned.extents = op->record->extents;
        op->planned.n_extents = op->record->n_extents;
        list_append(&m->planned, &op->planned.node);
}

/* Where something is to move is taken from now until it is there, or the move is given up. */
static int plan(Operation *op) {
        Parent *p = model_find_parent(op->manager->model, op->record->parent);

        if (!p)
                return 0;
        (op->record->kind == RECORD_CREATE ? plan_create : plan_still)(op, p);
        if (op->record->n_moves == 0)
                return 0;
        op->planned_moves = calloc(op->record->n_moves, sizeof(*op->planned_moves));
        if (!op->planned_moves)
                return -ENOMEM;
        for (size_t i = 0; i < op->record->n_moves; i++) {
                const RecordMove *move = &op->record->moves[i];
                Planned *planned = &op->planned_moves[i];

                *planned = (Planned) {
                        .parent = p,
                        .uuid = move->uuid,
                        .owner = "",
                        .extents = &move->to,
                        .n_extents = 1,
                        .of_move = true,
                };
                list_init(&planned->node);
                list_append(&op->manager->planned, &planned->node);
        }
        return 0;
}

void operation_unplan(Operation *op) {
        list_unlink(&op->planned.node);
        for (size_t i = 0; op->planned_moves && i < op->record->n_moves; i++)
                list_unlink(&op->planned_moves[i].node);
}

Device *operation_device_of(Manager *m, const Record *record) {
        Parent *p = model_find_parent(m->model, record->parent);

        return p ? model_find_device(m->model, p, &record->uuid, NULL) : NULL;
}

int operation_new(Manager *m, Record *record, OperationPhase phase, Operation **ret) {
        Operation *op;
        int r;

        op = calloc(1, sizeof(*op));
        if (!op) {
                record_free(record);
                return -ENOMEM;
        }
        list_init(&op->node);
        list_init(&op->active_node);
        list_init(&op->planned.node);
        list_init(&op->waiters);
        op->manager = m;
        op->id = ++m->next_id;
        op->record = record;
        r = functions_note(operation_device_of(m, record), record);
        if (r >= 0)
                r = load_add(op);
        if (r < 0) {
                operation_free(op);
                return r;
        }
        operation_set_phase(op, phase);
        op->found = phase == OPERATION_SETTLING;
        op->second = phase == OPERATION_WORKING && record->step == STEP_SETTLING;
        op->begun = phase == OPERATION_WORKING; /* an earlier daemon's */
        op->started_usec = operation_now_usec();
        op->made_usec = op->working_since_usec = operation_monotonic_usec();
        r = plan(op);
        if (r < 0) {
                operation_free(op);
                return r;
        }
        list_append(&m->operations, &op->node);
        list_append(&m->active, &op->active_node);
        m->n_running++;
        manager_tell(m, operation_added, op);

        *ret = op;
        return 0;
}

Operation *operation_free(Operation *op) {
        if (!op)
                return NULL;
        if (list_is_linked(&op->node) && op->state == OPERATION_RUNNING)
                op->manager->n_running--;
        list_unlink(&op->node);
        list_unlink(&op->active_node);
        operation_unplan(op);
        free(op->planned_moves);
        list_foreach_safe(w, &op->waiters, OperationWaiter, node) {
                list_unlink(&w->node);
                free(w);
        }
        application_free(op->application);
        worker_free(op->worker);
        escort_free(op->escort);
        operation_close(op);
        blocked_forget(op);
        load_remove(op);
        record_free(op->record);
        free(op);
        return NULL;
}

static int add_waiter(Operation *op, OperationDone done, void *userdata, bool early) {
        OperationWaiter *w;

        if (list_length(&op->waiters) >= OPERATION_WAITERS_MAX)
                return -EUSERS;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        list_init(&w->node);
        w->done = done;
        w->userdata = userdata;
        w->early = early;
        list_append(&op->waiters, &w->node);
        if (!list_is_linked(&op->active_node))
                list_append(&op->manager->active, &op->active_node);
        if (op->state != OPERATION_RUNNING || op->reached)
                refresh_wake(op->manager);
        return 0;
}

int operation_wait(Operation *op, OperationDone done, void *userdata) {
        return add_waiter(op, done, userdata, false);
}

int operation_wait_reached(Operation *op, OperationDone done, void *userdata) {
        return add_waiter(op, done, userdata, true);
}

void operation_forget(Operation *op, void *userdata) {
        list_foreach_safe(w, &op->waiters, OperationWaiter, node) {
                if (w->userdata != userdata)
                        continue;
                list_unlink(&w->node);
                free(w);
        }
}

/* ---- looking for one ---- */

Operation *operation_find_running(Manager *m, const char *parent, const Uuid *uuid) {
        list_foreach(op, &m->active, Operation, active_node)
                if (op->state == OPERATION_RUNNING && op->record->kind != RECORD_EVICT &&
                    (uuid_equal(&op->record->uuid, uuid) || operation_moves(op, uuid)) &&
                    (!parent || streq(op->record->parent, parent)))
                        return op;
        return NULL;
}

bool operation_moves(const Operation *op, const Uuid *uuid) {
        for (size_t i = 0; i < op->record->n_moves; i++)
                if (uuid_equal(&op->record->moves[i].uuid, uuid))
                        return true;
        return false;
}

bool operation_parent_is_busy(Manager *m, const char *parent) {
        list_foreach(op, &m->active, Operation, active_node)
                if (op->state == OPERATION_RUNNING && streq(op->record->parent, parent))
                        return true;
        return false;
}

bool operation_claims(Manager *m, const Uuid *uuid) {
        list_foreach(op, &m->active, Operation, active_node)
                if (op->state == OPERATION_RUNNING && op->record->kind == RECORD_CREATE &&
                    op->phase != OPERATION_SETTLING && op->phase != OPERATION_POSTING &&
                    !op->second &&
                    uuid_equal(&op->record->uuid, uuid))
                        return true;
        return false;
}

bool operation_may_have_made(const Operation *op) {
        const Record *r = op->record;

        if (r->step == STEP_DONE)
                return r->outcome == OUTCOME_OK;
        return r->step == STEP_CREATED || !op->found || r->n_attributes == 0;
}

static Operation *find_settling(Manager *m, const char *parent, const Uuid *uuid, bool sure) {
        list_foreach(op, &m->active, Operation, active_node)
                if (op->state == OPERATION_RUNNING && op->record->kind == RECORD_CREATE &&
                    op->phase == OPERATION_SETTLING && operation_may_have_made(op) == sure &&
                    uuid_equal(&op->record->uuid, uuid) && streq(op->record->parent, parent))
                        return op;
        return NULL;
}

Operation *operation_find_maker(Manager *m, const char *parent, const Uuid *uuid) {
        return find_settling(m, parent, uuid, true);
}

Operation *operation_find_doubtful(Manager *m, const char *parent, const Uuid *uuid) {
        return find_settling(m, parent, uuid, false);
}

bool operation_is_creating(Manager *m, const Uuid *uuid) {
        list_foreach(op, &m->active, Operation, active_node)
                if (op->state == OPERATION_RUNNING && op->record->kind == RECORD_CREATE &&
                    uuid_equal(&op->record->uuid, uuid))
                        return true;
        return false;
}

size_t operations_count_running(Manager *m) {
        return m->n_running;
}

bool operation_changes_kernel(const Operation *op) {
        return op->record->kind == RECORD_CREATE || op->record->kind == RECORD_STOP ||
               op->record->kind == RECORD_CONFIGURE || op->record->kind == RECORD_SUSPEND ||
               op->record->n_moves > 0;
}

void operations_forget_device(Manager *m, const Device *d) {
        list_foreach(op, &m->operations, Operation, node)
                if (op->device == d)
                        op->device = NULL;
}

/* ---- the end ---- */

/* Events of its UUID were left to its worker, which it never had: others may have made it. */
static void look_at_claimed(const Operation *op) {
        if (op->record->ours)
                refresh_claim(op->manager, &op->record->uuid);
        refresh_device(op->manager, &op->record->uuid);
}

/* The record has the result. Waiters are called by operations_settle(). */
void operation_end(Operation *op) {
        Manager *m = op->manager;
        bool had_record = op->phase == OPERATION_WORKING || op->phase == OPERATION_SETTLING ||
                          (op->phase == OPERATION_POSTING && op->has_record);

        op->worker = worker_free(op->worker);
        if (callouts_end(op))
                return;
        blocked_forget(op);
        load_remove(op);
        op->state = op->record->outcome == OUTCOME_OK ? OPERATION_DONE : OPERATION_FAILED;
        op->ended_usec = operation_now_usec();
        operation_unplan(op);
        m->n_running--;
        m->n_ended++;
        op->has_record = had_record;
        op->closing = true;
        m->n_closing++;
        if (op->state == OPERATION_FAILED)
                operation_close(op); /* what undoes it has a record of the same name */

        if (op->record->kind == RECORD_CONFIGURE)
                parents_configure_ended(m, op);
        if (op->record->kind == RECORD_CREATE && op->state == OPERATION_FAILED)
                devices_withdraw(m, &op->record->uuid);
        if (op->record->kind == RECORD_CREATE)
                autostart_operation_ended(m, op);
        if (op->record->kind == RECORD_CREATE && !had_record)
                look_at_claimed(op);
        moves_tell(op);
        manager_tell(m, operation_changed, op);
        ended_remember(m);
        if (!m->refresh.settling)
                refresh_wake(m);
}

void operation_set_result(Operation *op, Outcome outcome, int error, const char *format, ...) {
        char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        record_set_result(op->record, outcome, error, text);
}

static OperationWaiter *find_waiter(Operation *op) {
        list_foreach(w, &op->waiters, OperationWaiter, node)
                if (op->state != OPERATION_RUNNING || (w->early && op->reached))
                        return w;
        return NULL;
}

/* True: there were some. */
static bool call_waiters(Manager *m) {
        bool any = false;

        for (bool again = true; again;) {
                again = false;
                list_foreach(op, &m->active, Operation, active_node) {
                        OperationWaiter *w = find_waiter(op);
                        OperationDone done;
                        void *userdata;

                        if (!w)
                                continue;
                        done = w->done;
                        userdata = w->userdata;
                        list_unlink(&w->node);
                        free(w);
                        done(op, userdata);
                        /* whatever it did to the list, begin anew */
                        any = again = true;
                        break;
                }
        }
        return any;
}

/* Those that have ended, and of whose end nobody is left to be told. */
static void set_aside(Manager *m) {
        list_foreach_safe(op, &m->active, Operation, active_node)
                if (op->state != OPERATION_RUNNING && !op->closing && list_is_empty(&op->waiters))
                        list_unlink(&op->active_node);
}

void operations_settle(Manager *m) {
        m->refresh.settling = true;
        list_foreach(op, &m->active, Operation, active_node) {
                holds_note(op);
                if (op->state != OPERATION_RUNNING || op->phase != OPERATION_SETTLING)
                        continue;
                /* nobody has looked at a card that is at work: what it bears is not known yet */
                if (functions_needs_card(op) && functions_are_busy(m, op->record->parent))
                        continue;
                /* a second worker, ours or one of an earlier daemon, changes nothing of that */
                if (!op->second && op->record->step != STEP_SETTLING)
                        operation_settle(op);
                if (!operation_again(op) && !definitions_follow(op))
                        operation_end(op);
        }
        m->refresh.settling = false;
        operation_dispatch(m);
        if (call_waiters(m))
                (void) sched_yield(); /* the bus has answers to pass on, and may want this CPU */
        list_foreach(op, &m->active, Operation, active_node)
                application_go_on(op);
        ended_close(m);
        set_aside(m);
        ended_trim(m);
}

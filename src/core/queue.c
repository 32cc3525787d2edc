/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue.c: owns which operation has a worker, and when: so many in all, so many a parent, the
 * oldest first. A worker that is blocked in the kernel cannot be ended; it stops counting after a
 * while, so that it holds up nobody but itself.
 */
#include "core/internal.h"
#include "util/log.h"

/* The process is gone. What it left is taken over; the rest follows when the model is up to date. */
void operation_on_worker(Worker *w, const Record *record, void *userdata) {
        Operation *op = userdata;
        Manager *m = op->manager;

        op->phase = OPERATION_SETTLING;
        op->worker = worker_free(w);
        if (record) {
                char *text = record->text ? strdup(record->text) : NULL;

                if (record->step == STEP_DONE)
                        record_set_result(op->record, record->outcome, record->error, text);
                else
                        op->record->step = record->step;
                op->record->pid = record->pid;
        }

        refresh_parent(m, op->record->parent, NULL);
        if (op->record->ours || op->record->kind == RECORD_CONFIGURE)
                refresh_query(m);
        if (op->record->kind != RECORD_CONFIGURE)
                refresh_device(m, &op->record->uuid);
        refresh_wake(m);
}

static int start(Operation *op) {
        Manager *m = op->manager;
        int r;

        r = worker_start(&op->worker, m->workers, op->record, operation_on_worker, op);
        if (r < 0)
                return r;
        op->phase = OPERATION_WORKING;
        op->started_usec = operation_now_usec();
        op->working_since_usec = operation_monotonic_usec();
        manager_tell(m, operation_changed, op);
        return 0;
}

typedef struct Load Load;

struct Load {
        size_t busy;    /* workers that count */
        size_t blocked; /* those that have taken too long to count */
        size_t of_parent;
};

/* @now: CLOCK_MONOTONIC, for a wall clock that is set back would hold the queue up. */
static Load measure(Manager *m, const char *parent, uint64_t now) {
        Load load = {};

        list_foreach(op, &m->operations, Operation, node) {
                if (op->phase != OPERATION_WORKING || op->state != OPERATION_RUNNING)
                        continue;
                if (now - op->working_since_usec > WORKER_BLOCKED_USEC) {
                        load.blocked++;
                        continue;
                }
                load.busy++;
                if (streq(op->record->parent, parent))
                        load.of_parent++;
        }
        return load;
}

static int on_blocked(sd_event_source *s, uint64_t usec, void *userdata) {
        operation_dispatch(userdata);
        return 0;
}

/* Somebody waits for a worker to end, or to have taken so long that it no longer counts. */
static void look_again(Manager *m) {
        int r = 0;

        if (!m->blocked)
                r = sd_event_add_time_relative(m->event, &m->blocked, CLOCK_MONOTONIC,
                                               WORKER_BLOCKED_USEC, 0, on_blocked, m);
        else if (sd_event_source_get_enabled(m->blocked, NULL) == 0) {
                r = sd_event_source_set_time_relative(m->blocked, WORKER_BLOCKED_USEC);
                if (r >= 0)
                        r = sd_event_source_set_enabled(m->blocked, SD_EVENT_ONESHOT);
        }
        if (r < 0)
                (void) log_warning_errno(r, NULL, "Cannot set a timer for waiting operations: %m");
}

static bool may_start(Manager *m, const Operation *op, uint64_t now) {
        Load load = measure(m, op->record->parent, now);

        return load.busy < WORKERS_MAX && load.of_parent < WORKERS_PER_PARENT_MAX &&
               load.busy + load.blocked < WORKERS_BLOCKED_MAX;
}

void operation_dispatch(Manager *m) {
        uint64_t now = operation_monotonic_usec();
        const char *full = NULL;
        bool waiting = false;

        list_foreach(op, &m->operations, Operation, node) {
                int r;

                if (op->state != OPERATION_RUNNING || op->phase != OPERATION_QUEUED)
                        continue;
                /* many may wait for one parent: it is measured once */
                if (full && streq(full, op->record->parent))
                        continue;
                if (!may_start(m, op, now)) {
                        waiting = true;
                        full = op->record->parent;
                        continue;
                }
                r = start(op);
                if (r < 0) {
                        operation_set_result(op, OUTCOME_FAILED, r,
                                   "No worker could be started for %s on %s: %s.",
                                   record_kind_to_string(op->record->kind), op->record->parent,
                                   strerrordesc_np(-r));
                        operation_end(op);
                }
        }
        if (waiting)
                look_again(m);
}

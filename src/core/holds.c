/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * holds.c: owns the suspension of a device: an operation that runs for as long as the device is
 * held, by a worker whose end is the end of the hold. Who asked for it is answered when it is held.
 */
#include "core/internal.h"

static int check(Manager *m, const Device *d, unsigned ms, Operation **ret, Reason *reason) {
        Operation *op;

        if (!d->ours)
                return reason_set(reason, OUTCOME_NOT_SUPPORTED,
                                  "%s on %s is of driver %s, and only devices of mdevd's own "
                                  "module can be held or moved.",
                                  UUID_STR(&d->uuid), d->parent->name, d->parent->driver ?: "?");
        if (ms > HOLD_MS_MAX)
                return reason_set(reason, OUTCOME_INVALID,
                                  "A device is held for at most %u ms, and %u were asked for: who "
                                  "touches it stands still meanwhile.",
                                  HOLD_MS_MAX, ms);
        op = operation_find_running(m, NULL, &d->uuid);
        if (op && (op->record->kind != RECORD_SUSPEND ||
                   op->record->hold_ms != (ms ?: HOLD_MS_DEFAULT)))
                return request_refuse_running(op, &d->uuid, reason);
        *ret = op;
        if (op)
                return 0;
        if (d->state != DEVICE_LIVE)
                return reason_set(reason, OUTCOME_BUSY, "%s on %s is %s; try again later.",
                                  UUID_STR(&d->uuid), d->parent->name,
                                  device_state_to_string(d->state));
        return load_check(m, d->parent->name, reason);
}

int manager_suspend(Manager *m, Device *d, unsigned ms, const char *client, Operation **ret,
                    Reason *reason) {
        _cleanup_(record_freep) Record *record = NULL;
        int r;

        *ret = NULL;
        r = check(m, d, ms, ret, reason);
        if (r != 0 || *ret)
                return r;
        r = request_make_record(&record, RECORD_SUSPEND, d->parent, client);
        if (r == -ENODEV)
                return reason_set(reason, OUTCOME_NO_PARENT, "Parent %s has just gone.",
                                  d->parent->name);
        if (r >= 0)
                r = request_set_string(&record->type, d->type);
        if (r >= 0)
                r = request_set_string(&record->owner, d->owner);
        if (r < 0)
                return r;
        record->uuid = d->uuid;
        record->ours = true;
        record->origin = d->origin;
        record->hold_ms = ms ?: HOLD_MS_DEFAULT;
        r = operation_new(m, TAKE_PTR(record), OPERATION_QUEUED, ret);
        if (r < 0)
                return r;
        operation_dispatch(m);
        return 0;
}

int manager_resume(Manager *m, Device *d, Operation **ret, Reason *reason) {
        Operation *op = operation_find_running(m, d->parent->name, &d->uuid);
        int r;

        if (!op || op->record->kind != RECORD_SUSPEND)
                return d->state == DEVICE_SUSPENDED ?
                               reason_set(reason, OUTCOME_BUSY,
                                          "%s on %s was suspended by another process than mdevd; "
                                          "it resumes by itself, or when that ends.",
                                          UUID_STR(&d->uuid), d->parent->name) :
                               reason_set(reason, OUTCOME_INVALID,
                                          "%s on %s is not suspended: it is %s.",
                                          UUID_STR(&d->uuid), d->parent->name,
                                          device_state_to_string(d->state));
        if (!op->reached)
                return request_refuse_running(op, &d->uuid, reason);
        r = worker_poke(m->root_fd, op->record);
        if (r < 0 && r != -ENOENT) /* else it has just ended */
                return r;
        *ret = op;
        return 0;
}

void holds_note(Operation *op) {
        Manager *m = op->manager;
        Parent *p;
        Device *d;

        if (op->record->kind != RECORD_SUSPEND || op->reached ||
            op->phase != OPERATION_WORKING || op->state != OPERATION_RUNNING)
                return;
        p = model_find_parent(m->model, op->record->parent);
        d = p ? model_find_device(m->model, p, &op->record->uuid, NULL) : NULL;
        if (!d || d->state != DEVICE_SUSPENDED)
                return;
        op->reached = true;
        op->record->step = STEP_HOLDING;
        manager_tell(m, operation_changed, op);
}

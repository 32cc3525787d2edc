/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * settle.c: owns what became of an operation whose worker is gone: what it left in its record is
 * compared with what the model, which has caught up with the kernel, shows. A kind a function.
 */
#include "core/functions.h"

/* A killed worker had attributes to write: a device with half of them is nobody's wish. */
static bool settle_undo(Operation *op) {
        _cleanup_(record_freep) Record *stop = NULL;
        const Record *r = op->record;
        Operation *undo;

        if (r->n_attributes == 0 || record_new(&stop, RECORD_STOP) < 0)
                return false;
        stop->uuid = r->uuid;
        stop->ours = r->ours;
        stop->origin = r->origin;
        stop->parent = strdup(r->parent);
        stop->parent_path = strdup(r->parent_path);
        stop->type = strdup(r->type);
        stop->client = strdup("mdevd");
        if (!stop->parent || !stop->parent_path || !stop->type || !stop->client)
                return false;
        return operation_new(op->manager, TAKE_PTR(stop), OPERATION_QUEUED, &undo) >= 0;
}

static void settle_create(Operation *op) {
        Manager *m = op->manager;
        Parent *p = model_find_parent(m->model, op->record->parent);
        Device *d = p ? model_find_device(m->model, p, &op->record->uuid, NULL) : NULL;
        bool exists = d && d->state != DEVICE_RESERVED && d->state != DEVICE_DYING &&
                      streq(d->type, op->record->type) && functions_is_of(op->record, d);
        bool killed = op->record->step != STEP_DONE;

        if (!killed && op->record->outcome != OUTCOME_OK)
                return;
        if (!exists)
                operation_set_result(op, OUTCOME_FAILED, 0,
                           "%s of %s on %s, and it is not there: %s.",
                           UUID_STR(&op->record->uuid), op->record->type, op->record->parent,
                           killed ? "its worker was killed before it was made"
                                  : "it was made and removed at once");
        else if (killed && !operation_may_have_made(op))
                operation_set_result(op, OUTCOME_FAILED, 0,
                           "%s on %s is there, but its worker was killed before it had said so, "
                           "and somebody else may have made it: it is left alone.",
                           UUID_STR(&op->record->uuid), op->record->parent);
        else if (killed && settle_undo(op))
                operation_set_result(op, OUTCOME_FAILED, 0,
                           "%s on %s was made, but its worker was killed before all attributes "
                           "were written: it is removed again.",
                           UUID_STR(&op->record->uuid), op->record->parent);
        else {
                record_set_result(op->record, OUTCOME_OK, 0, NULL);
                op->device = d;
        }
}

static void settle_stop(Operation *op) {
        Manager *m = op->manager;
        Parent *p = model_find_parent(m->model, op->record->parent);
        Device *d = p ? model_find_device(m->model, p, &op->record->uuid, NULL) : NULL;
        bool gone = !d || d->state == DEVICE_DYING;

        if (gone)
                record_set_result(op->record, OUTCOME_OK, 0, NULL);
        else if (op->record->step != STEP_DONE)
                operation_set_result(op, OUTCOME_FAILED, 0,
                           "The worker that was to remove %s from %s was killed before that; it is "
                           "still there.",
                           UUID_STR(&op->record->uuid), op->record->parent);
        else if (op->record->outcome == OUTCOME_OK)
                operation_set_result(op, OUTCOME_FAILED, 0,
                           "%s was removed from %s, and is there again, or still: who writes to "
                           "its \"remove\" in sysfs before it is complete takes that file away, "
                           "and it goes only with its driver's module.",
                           UUID_STR(&op->record->uuid), op->record->parent);
}

/* The end of its worker, however it came, is the end of the hold. */
static void settle_suspend(Operation *op) {
        if (op->record->step != STEP_DONE)
                operation_set_result(op, OUTCOME_FAILED, 0,
                           "The worker that held %s on %s was killed: the device has resumed.",
                           UUID_STR(&op->record->uuid), op->record->parent);
}

static bool all_moved(const Operation *op) {
        const Record *r = op->record;
        Parent *p = model_find_parent(op->manager->model, r->parent);

        for (size_t i = 0; i < r->n_moves; i++) {
                const RecordMove *move = &r->moves[i];
                Device *d = p ? model_find_device(op->manager->model, p, &move->uuid, NULL) : NULL;

                if (!d || move->extent >= d->n_extents ||
                    d->extents[move->extent].bar != move->to.bar ||
                    d->extents[move->extent].offset != move->to.offset)
                        return false;
        }
        return true;
}

static void settle_move(Operation *op) {
        if (op->record->step == STEP_DONE)
                return;
        if (all_moved(op)) {
                op->record->n_moved = op->record->n_moves;
                op->record->moved = record_moves_size(op->record);
                record_set_result(op->record, OUTCOME_OK, 0, NULL);
                return;
        }
        if (op->record->mend) {
                operation_set_result(op, OUTCOME_FAILED, 0,
                           "The worker that was to end the move of %s on %s was killed before it "
                           "had reported.",
                           UUID_STR(&op->record->uuid), op->record->parent);
                return;
        }
        operation_set_result(op, OUTCOME_FAILED, 0,
                   "The worker that was to move devices on %s was killed before it had moved all: "
                   "what it had begun is being finished or undone.",
                   op->record->parent);
}

static void settle_configure(Operation *op) {
        op->killed = op->record->step != STEP_DONE;
        if (op->killed)
                operation_set_result(op, OUTCOME_FAILED, 0,
                           "The worker that was to configure %s was killed before it had reported.",
                           op->record->parent);
}

static void settle_definition(Operation *op) {
        if (op->record->step != STEP_DONE)
                operation_set_result(op, OUTCOME_FAILED, 0,
                           "The worker that was to %s %s on %s was killed before it had reported; "
                           "the definition is as it was.",
                           record_kind_to_string(op->record->kind), UUID_STR(&op->record->uuid),
                           op->record->parent);
}

/* However it went: what was wanted is that nobody has it open. */
static void settle_evict(Operation *op) {
        Parent *p = model_find_parent(op->manager->model, op->record->parent);
        Device *d = p ? model_find_device(op->manager->model, p, &op->record->uuid, NULL) : NULL;

        if (!d || d->opened == 0)
                record_set_result(op->record, OUTCOME_OK, 0, NULL);
        else if (op->record->step != STEP_DONE)
                operation_set_result(op, OUTCOME_FAILED, 0,
                           "The worker that was to end who has %s on %s open was killed before it "
                           "had reported.",
                           UUID_STR(&op->record->uuid), op->record->parent);
}

static void (*const settlers[_RECORD_KIND_MAX])(Operation *op) = {
        [RECORD_CREATE] = settle_create,
        [RECORD_STOP] = settle_stop,
        [RECORD_CONFIGURE] = settle_configure,
        [RECORD_DEFINE] = settle_definition,
        [RECORD_MODIFY] = settle_definition,
        [RECORD_UNDEFINE] = settle_definition,
        [RECORD_EVICT] = settle_evict,
        [RECORD_SUSPEND] = settle_suspend,
        [RECORD_MOVE] = settle_move,
        [RECORD_DEFRAGMENT] = settle_move,
};

/* It was refused because somebody has it open, and somebody else insists meanwhile. */
bool operation_again(Operation *op) {
        _cleanup_(freep) char *name = NULL;
        Record *r = op->record;

        if (!op->insisted || r->insist || r->kind != RECORD_STOP || r->outcome != OUTCOME_BUSY ||
            record_name(r, &name) < 0 || worker_forget_record(op->manager->root_fd, name) < 0)
                return false;
        record_set_result(r, OUTCOME_OK, 0, NULL);
        r->step = STEP_WRITTEN;
        r->insist = true;
        operation_set_phase(op, OPERATION_QUEUED);
        return true;
}

void operation_settle(Operation *op) {
        mends_settle(op);
        if (settlers[op->record->kind])
                settlers[op->record->kind](op);
}

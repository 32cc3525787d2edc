/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * callouts.c: owns when an operation's callout scripts run: before its worker starts, and after its
 * result is known and before anybody is told. Operations on one type take turns, for scripts know
 * each other by the process that has started them and must not meet. One without scripts waits for
 * nobody: an eviction may be what another's end depends on.
 */
#include "core/internal.h"
#include "util/log.h"
#include "util/uuid.h"

/* An owner is no word of mdevctl's, and a definition that cannot be read has no type. */
static bool may_have_scripts(const Record *r) {
        static const bool has_scripts[_RECORD_KIND_MAX] = {
                [RECORD_CREATE] = true,
                [RECORD_STOP] = true,
                [RECORD_DEFINE] = true,
                [RECORD_MODIFY] = true,
                [RECORD_UNDEFINE] = true,
        };

        return has_scripts[r->kind] && !r->relabel && r->type;
}

/* Looked for once a turn of the loop: what it starts, it starts at one moment. */
static bool have_scripts(const Operation *op) {
        Manager *m = op->manager;
        uint64_t iteration = 0;

        if (!may_have_scripts(op->record))
                return false;
        (void) sd_event_get_iteration(m->event, &iteration);
        if (iteration == 0 || iteration != m->callouts_iteration) {
                m->callouts_exist = callout_exists_since(m->root, &m->callouts);
                m->callouts_iteration = iteration;
        }
        return m->callouts_exist;
}

/* A removal that waits for whoever has the device open may do so for days. */
static bool holds_turn(const Operation *op) {
        return op->escort && !(op->blocked && op->record->kind == RECORD_STOP);
}

static void on_answer(EscortAnswer answer, const char *why, void *userdata) {
        Operation *op = userdata;

        switch (answer) {
        case ESCORT_DONE:
                op->record->live = false;
                if (!op->record->define)
                        record_set_result(op->record, OUTCOME_OK, 0, NULL);
                /* fall through */
        case ESCORT_AGREED:
                op->agreed = true;
                operation_set_phase(op, OPERATION_QUEUED);
                if (op->record->step == STEP_DONE)
                        operation_end(op);
                break;
        case ESCORT_REFUSED:
                op->escort = escort_free(op->escort);
                operation_set_result(op, OUTCOME_FAILED, 0, "%s", why);
                operation_end(op);
                break;
        case ESCORT_OVER:
                op->escort = escort_free(op->escort);
                if (op->phase == OPERATION_POSTING)
                        operation_end(op);
                break;
        }
        refresh_wake(op->manager);
}

bool callouts_may_start(const Operation *op) {
        size_t n = 0;

        if (!may_have_scripts(op->record) || op->escort)
                return true;
        list_foreach(other, &op->manager->active, Operation, active_node) {
                if (other == op || !holds_turn(other))
                        continue;
                if (streq_ptr(other->record->type, op->record->type))
                        return false;
                n++;
        }
        return n < ESCORTS_MAX;
}

/* An escort that outlives us knows its record by that. */
static int give_id(Record *r) {
        Uuid random;
        int k = uuid_random(&random);

        if (k < 0)
                return k;
        memcpy(&r->id, random.bytes, sizeof(r->id));
        r->id = (r->id & INT64_MAX) | 1;
        return 0;
}

int callouts_begin(Operation *op) {
        Manager *m = op->manager;
        int r;

        if (op->agreed || !have_scripts(op))
                return 0;
        r = give_id(op->record);
        if (r < 0)
                return r;
        r = escort_start(&op->escort, m->event, m->root, &m->launch, op->record, on_answer, op);
        if (r < 0)
                return r;
        operation_set_phase(op, OPERATION_CALLING);
        manager_tell(m, operation_changed, op);
        return 1;
}

bool callouts_end(Operation *op) {
        if (!op->escort)
                return false;
        if (op->phase == OPERATION_POSTING)
                return true;
        op->has_record = op->phase == OPERATION_WORKING || op->phase == OPERATION_SETTLING;
        /* what it was to take is taken by now, or never will be */
        operation_unplan(op);
        operation_set_phase(op, OPERATION_POSTING);
        escort_finish(op->escort, op->record->outcome == OUTCOME_OK);
        return true;
}

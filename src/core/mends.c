/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mends.c: owns what becomes of a move that was left in the middle: such a device is in two places,
 * which the module shows and policy counts, and an operation of its own ends that, the shorter way.
 * One whose worker dies, too, is begun again after longer and longer pauses, and not for ever: the
 * device works where it is, and a worker that dies each time would be all that this machine does.
 */
#include "core/internal.h"
#include "util/log.h"

static bool is_left(const Device *d) {
        return d->other.used && !d->other.finished;
}

static int mend(Manager *m, Device *d) {
        _cleanup_(record_freep) Record *record = NULL;
        const RecordMove move = { .uuid = d->uuid, .extent = d->other.extent,
                                  .to = d->other.place };
        Operation *op;
        int r;

        r = request_make_record(&record, RECORD_MOVE, d->parent, "mdevd");
        if (r >= 0)
                r = record_add_move(record, &move);
        if (r >= 0)
                r = request_set_string(&record->type, d->type);
        if (r < 0)
                return r;
        record->uuid = d->uuid;
        record->origin = d->origin;
        record->ours = record->mend = true;
        record->release = !moves_has_nested_vmx(m);
        return operation_new(m, TAKE_PTR(record), OPERATION_QUEUED, &op);
}

static void mend_logged(Manager *m, Device *d) {
        int r;

        d->mend_usec = 0;
        r = mend(m, d);
        if (r < 0)
                (void) log_error_errno(r, FIELDS(.topic = "move", .parent = d->parent->name,
                                                 .device = UUID_STR(&d->uuid)),
                                       "Cannot end the move of %s: %m", UUID_STR(&d->uuid));
}

/* Its worker has died, or there was none to be had. */
static void try_later(Device *d) {
        if (++d->mends <= MENDS_AGAIN_MAX) {
                d->mend_usec = operation_monotonic_usec() +
                               (MEND_BACKOFF_USEC << (d->mends - 1));
                return;
        }
        d->mend_usec = 0;
        log_warning(FIELDS(.topic = "move", .parent = d->parent->name,
                           .device = UUID_STR(&d->uuid)),
                    "The move of %s on %s stays in the middle: %u workers that were to end it have "
                    "died. The device works, and keeps both places; a reload or a restart of mdevd "
                    "tries again.",
                    UUID_STR(&d->uuid), d->parent->name, d->mends);
}

void mends_settle(Operation *op) {
        Manager *m = op->manager;
        Parent *p = model_find_parent(m->model, op->record->parent);

        /* what the module refused to mend, it refuses again */
        if (!p || (op->record->mend && op->record->step == STEP_DONE))
                return;
        for (size_t i = op->record->n_moved; i < op->record->n_moves; i++) {
                Device *d = model_find_device(m->model, p, &op->record->moves[i].uuid, NULL);

                if (!d || !is_left(d))
                        continue;
                if (op->record->mend) {
                        try_later(d);
                        continue;
                }
                d->mends = 0;
                mend_logged(m, d);
        }
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata) {
        refresh_wake(userdata);
        return 0;
}

void mends_check(Manager *m) {
        uint64_t now = operation_monotonic_usec(), next = UINT64_MAX;
        bool begun = false, any = false;
        int r;

        if (!m->any_in_two_places)
                return;
        list_foreach(d, &m->model->devices, Device, node) {
                any = any || d->other.used;
                if (!is_left(d)) {
                        d->mends = 0;
                        d->mend_usec = 0;
                }
                if (d->mend_usec == 0)
                        continue;
                if (d->mend_usec > now)
                        next = MIN(next, d->mend_usec);
                /* the end of an operation wakes us, too */
                else if (!operation_find_running(m, d->parent->name, &d->uuid)) {
                        mend_logged(m, d);
                        begun = true;
                }
        }
        m->any_in_two_places = any;
        r = manager_set_timer(m, &m->mends, next, on_time);
        if (r < 0)
                (void) log_warning_errno(r, FIELDS(.topic = "move"),
                                         "Cannot set a timer for moves that were left: %m");
        if (begun)
                operation_dispatch(m);
}

void mends_begin(Manager *m) {
        list_foreach(d, &m->model->devices, Device, node) {
                if (!is_left(d) || d->origin == ORIGIN_FOREIGN ||
                    operation_find_running(m, d->parent->name, &d->uuid))
                        continue;
                d->mends = 0;
                mend_logged(m, d);
        }
        operation_dispatch(m);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ended.c: owns what is left of an operation that has ended: its line in the log, its record, which
 * goes, and how long it is remembered.
 */
#include "core/internal.h"
#include "util/log-ids.h"
#include "util/parse.h"

/* Ended ones whose records are still there, while others run. */
#define CLOSING_MAX 64

LogFields operation_fields(const Operation *op, char uuid[UUID_STRING_MAX]) {
        return (LogFields){
                .topic = "operation",
                .parent = op->record->parent,
                .device = uuid_is_null(&op->record->uuid) ? NULL
                                                          : uuid_format(&op->record->uuid, uuid),
                .type = op->record->type,
                .owner = op->record->owner,
                .operation = record_kind_to_string(op->record->kind),
                .client = op->record->client,
        };
}

static void log_moved(const Operation *op, const LogFields *f) {
        const Record *r = op->record;

        log_info(f, "Done: %s on %s, %zu move%s, %s, the longest pause %u.%03u ms.",
                 record_kind_to_string(r->kind), r->parent, r->n_moved, r->n_moved == 1 ? "" : "s",
                 SIZE_STR(r->moved),
                 r->longest_us / 1000, r->longest_us % 1000);
}

static void log_end(const Operation *op) {
        char uuid[UUID_STRING_MAX];
        LogFields f = operation_fields(op, uuid);
        const Record *r = op->record;

        if (op->state == OPERATION_FAILED) {
                f.message_id = LOG_ID_OPERATION_FAILED;
                (void) log_at(LOG_WARNING, r->error, &f, "%s%s%s%s",
                              r->text ?: "An operation failed.", r->who ? " It is open in " : "",
                              r->who ?: "", r->who ? "." : "");
        } else if (r->kind == RECORD_CREATE) {
                if (r->n_moved > 0) /* others gave it room, and may ask who held them up */
                        log_moved(op, &f);
                f.message_id = LOG_ID_DEVICE_CREATED;
                log_info(&f, "Created %s (%s) on %s.", uuid, r->type, r->parent);
        } else if (r->kind == RECORD_STOP)
                log_info(&f, "Removed %s from %s.", uuid, r->parent);
        else if (r->kind == RECORD_PROFILE)
                log_info(&f, "The host is as profile %s says.", r->profile);
        else if (r->n_moves > 0)
                log_moved(op, &f);
        else if (r->kind != RECORD_CONFIGURE)
                log_info(&f, "Done: %s %s on %s.", record_kind_to_string(r->kind), uuid,
                         r->parent);
}

static void forget_record(Operation *op) {
        _cleanup_(freep) char *name = NULL;
        char uuid[UUID_STRING_MAX];
        LogFields f = operation_fields(op, uuid);
        int r;

        r = record_name(op->record, &name);
        if (r >= 0)
                r = worker_forget_record(op->manager->root_fd, name);
        if (r < 0)
                (void) log_warning_errno(r, &f,
                                         "Cannot remove the record of an ended operation: %m");
}

void operation_close(Operation *op) {
        if (!op->closing)
                return;
        op->closing = false;
        op->manager->n_closing--;
        if (op->has_record)
                forget_record(op);
        log_end(op);
}

/*
 * While others are made, what has ended may wait for a quieter moment, but not for ever, and not
 * without end.
 */
void ended_close(Manager *m) {
        if (m->n_closing == 0 || (m->n_running > m->n_blocked && m->n_closing < CLOSING_MAX))
                return;
        list_foreach(op, &m->active, Operation, active_node)
                operation_close(op);
}

static int on_linger(sd_event_source *s, uint64_t usec, void *userdata) {
        uint64_t now = operation_now_usec();
        Manager *m = userdata;

        list_foreach_safe(op, &m->operations, Operation, node) {
                if (op->state == OPERATION_RUNNING || !list_is_empty(&op->waiters))
                        continue;
                /* a clock that was set back only makes them go sooner */
                if (op->ended_usec <= now && now - op->ended_usec < OPERATION_LINGER_USEC)
                        continue;
                manager_tell(m, operation_removed, op);
                operation_free(op);
                m->n_ended--;
        }
        if (m->n_ended > 0) {
                (void) sd_event_source_set_time_relative(s, OPERATION_LINGER_USEC);
                (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        }
        return 0;
}

void ended_remember(Manager *m) {
        int enabled = SD_EVENT_OFF;

        if (!m->linger) {
                (void) sd_event_add_time_relative(m->event, &m->linger, CLOCK_MONOTONIC,
                                                  OPERATION_LINGER_USEC, 1000000, on_linger, m);
                return;
        }
        (void) sd_event_source_get_enabled(m->linger, &enabled);
        if (enabled == SD_EVENT_OFF) {
                (void) sd_event_source_set_time_relative(m->linger, OPERATION_LINGER_USEC);
                (void) sd_event_source_set_enabled(m->linger, SD_EVENT_ONESHOT);
        }
}

void ended_trim(Manager *m) {
        list_foreach_safe(op, &m->operations, Operation, node) {
                if (m->n_ended <= OPERATIONS_ENDED_MAX)
                        return;
                if (op->state == OPERATION_RUNNING || !list_is_empty(&op->waiters))
                        continue;
                manager_tell(m, operation_removed, op);
                operation_free(op);
                m->n_ended--;
        }
}

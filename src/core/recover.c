/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * recover.c: owns what becomes of operations that an earlier daemon began. A record whose lock is
 * held is running: it is adopted and awaited. One that nobody holds is an operation whose worker is
 * gone: it is settled like any other, against what the kernel shows. Either way it is on the bus
 * like one of ours, so a client that comes back with the same request joins it.
 */
#include "core/internal.h"
#include "util/log-ids.h"
#include "util/log.h"

static int drop_broken(Manager *m, const char *name) {
        int r;

        log_warning(FIELDS(.topic = "recover"),
                    "File %s among the operations is no record; it is removed.", name);
        r = worker_forget_record(m->root_fd, name);
        if (r < 0)
                (void) log_warning_errno(r, FIELDS(.topic = "recover"), "Cannot remove %s: %m",
                                         name);
        return 0;
}

static int adopt(Manager *m, Operation *op) {
        const Record *record = op->record;
        int r;

        r = worker_adopt(&op->worker, m->workers, record, operation_on_worker, op);
        if (r < 0)
                return r;
        op->adopted = true;
        log_notice(FIELDS(.message_id = LOG_ID_OPERATION_ADOPTED, .topic = "recover",
                          .parent = record->parent, .device = UUID_STR(&record->uuid),
                          .type = record->type, .client = record->client),
                   "An operation (%s) on %s of an earlier run goes on.",
                   record_kind_to_string(record->kind), record->parent);
        return 0;
}

static int on_found(WorkerFound found, const char *name, Record **record, void *userdata) {
        Manager *m = userdata;
        Operation *op;
        int r;

        if (found == WORKER_BROKEN)
                return drop_broken(m, name);
        if (operations_count_running(m) >= OPERATIONS_RUNNING_MAX)
                return 0; /* more than we ever start: not ours; it stays where it is */

        r = operation_new(m, TAKE_PTR(*record),
                          found == WORKER_RUNNING ? OPERATION_WORKING : OPERATION_SETTLING, &op);
        if (r < 0 || found == WORKER_GONE)
                return r;
        return adopt(m, op);
}

int recover_operations(Manager *m) {
        return worker_scan(m->root_fd, on_found, m);
}

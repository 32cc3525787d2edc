/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * autostart.c: owns the definitions that are to be up: each is tried once whenever something has
 * changed that could help, never twice at a time. Who stops such a device by hand wanted it
 * stopped: it comes back when its parent does, or with the daemon.
 */
#include "core/internal.h"
#include "util/log-ids.h"
#include "util/log.h"

static Attempt *attempt_free(Attempt *a) {
        if (!a)
                return NULL;
        list_unlink(&a->node);
        free(a->parent);
        free(a->why);
        free(a);
        return NULL;
}

static Attempt *find_attempt(Manager *m, const char *parent, const Uuid *uuid) {
        list_foreach(a, &m->attempts, Attempt, node)
                if (uuid_equal(&a->uuid, uuid) && streq(a->parent, parent))
                        return a;
        return NULL;
}

static int add_attempt(Manager *m, const Definition *d) {
        Attempt *a;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        list_init(&a->node);
        a->uuid = d->uuid;
        a->parent = strdup(d->parent);
        if (!a->parent) {
                attempt_free(a);
                return -ENOMEM;
        }
        list_append(&m->attempts, &a->node);
        return 0;
}

void autostart_sync(Manager *m) {
        list_foreach_safe(a, &m->attempts, Attempt, node) {
                const Definition *d = model_find_definition(m->model, a->parent, &a->uuid, NULL);

                if (!d || !d->autostart || d->invalid)
                        attempt_free(a);
                else if (a->state == ATTEMPT_NOTED)
                        a->state = ATTEMPT_DUE; /* a reload says that it is wanted */
        }
        list_foreach(d, &m->model->definitions, Definition, node) {
                if (!d->autostart || d->invalid || find_attempt(m, d->parent, &d->uuid))
                        continue;
                if (add_attempt(m, d) < 0)
                        (void) log_error_errno(-ENOMEM, FIELDS(.topic = "autostart"),
                                               "Cannot start definitions: %m");
        }
}

void autostart_retry(Manager *m, const char *parent, bool all) {
        if (!m->attempts.next)
                return;
        list_foreach(a, &m->attempts, Attempt, node)
                if ((!parent || streq(a->parent, parent)) &&
                    (a->state == ATTEMPT_FAILED || (all && (a->state == ATTEMPT_UP || a->state == ATTEMPT_NOTED))))
                        a->state = ATTEMPT_DUE;
}

/* The same failure as the last time is not news. */
static void fail(Attempt *a, const char *type, const char *why) {
        a->state = ATTEMPT_FAILED;
        if (streq_ptr(a->why, why))
                return;
        free(a->why);
        a->why = strdup(why);
        log_warning(FIELDS(.message_id = LOG_ID_REQUEST_REFUSED, .topic = "autostart",
                           .parent = a->parent, .device = UUID_STR(&a->uuid), .type = type),
                    "Cannot start %s on %s: %s", UUID_STR(&a->uuid), a->parent, why);
}

static void attempt(Manager *m, Attempt *a, Definition *d) {
        _cleanup_(reason_done) Reason reason = {};
        Parent *p = model_find_parent(m->model, a->parent);
        Device *device = p ? model_find_device(m->model, p, &a->uuid, NULL) : NULL;
        Operation *op;
        int r;

        if (!p || p->state != PARENT_REGISTERED)
                return; /* it is due when that changes */
        if (device && device->state != DEVICE_DYING && device->state != DEVICE_RESERVED &&
            streq(device->type, d->type)) {
                a->state = ATTEMPT_UP;
                return;
        }

        r = manager_start_definition(m, d, "autostart", &op, &reason);
        if (r != 0) {
                fail(a, d->type, r < 0 ? strerrordesc_np(-r) : reason.text);
                return;
        }
        a->state = ATTEMPT_RUNNING;
        if (op->state != OPERATION_RUNNING) /* it could not even begin */
                autostart_operation_ended(m, op);
}

void autostart_run(Manager *m) {
        list_foreach(a, &m->attempts, Attempt, node) {
                Definition *d;

                if (a->state != ATTEMPT_DUE)
                        continue;
                d = model_find_definition(m->model, a->parent, &a->uuid, NULL);
                if (d)
                        attempt(m, a, d);
        }
}

void autostart_operation_ended(Manager *m, const Operation *op) {
        Attempt *a;

        if (!m->attempts.next)
                return;
        a = find_attempt(m, op->record->parent, &op->record->uuid);
        /* a client's is ours when we joined it */
        if (!a || (a->state != ATTEMPT_RUNNING && op->record->origin != ORIGIN_DEFINITION))
                return;
        if (op->state == OPERATION_DONE) {
                a->state = ATTEMPT_UP;
                free(a->why);
                a->why = NULL;
                return;
        }
        /* the operation was logged, so the reason is only remembered */
        a->state = ATTEMPT_FAILED;
        free(a->why);
        a->why = op->record->text ? strdup(op->record->text) : NULL;
}

static void note(Manager *m, const Definition *d) {
        Attempt *a = find_attempt(m, d->parent, &d->uuid);

        if (a || !d->autostart || d->invalid)
                return;
        if (add_attempt(m, d) >= 0)
                list_entry(m->attempts.prev, Attempt, node)->state = ATTEMPT_NOTED;
}

void autostart_note(Manager *m, const char *parent, const Uuid *uuid) {
        list_foreach_safe(a, &m->attempts, Attempt, node) {
                const Definition *d = model_find_definition(m->model, a->parent, &a->uuid, NULL);

                if (!d || !d->autostart || d->invalid)
                        attempt_free(a);
        }
        if (!parent)
                list_foreach(d, &m->model->definitions, Definition, node)
                        note(m, d);
        else if (model_find_definition(m->model, parent, uuid, NULL))
                note(m, model_find_definition(m->model, parent, uuid, NULL));
}

void autostart_done(Manager *m) {
        if (m->attempts.next)
                list_foreach_safe(a, &m->attempts, Attempt, node)
                        attempt_free(a);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * blocked.c: owns what is said of a running operation that the kernel does not let go on: what it
 * waits for, and of a removal who has the device open. That is asked of a worker, for it reads all
 * of /proc, of one operation at a time, and again after 2, 4, 8, 16 and then every 32 s: a VM may
 * take days to be closed. It is told and logged when it is another than before.
 */
#include "core/internal.h"

#define LOOKS_DOUBLED_MAX 4U /* WORKER_BLOCKED_USEC << 4 is 32 s */

/* Holding a device, moving extents and waiting for who was killed take their time by themselves. */
static bool is_to_be_quick(const Operation *op) {
        return op->record->kind <= RECORD_UNDEFINE && op->record->n_moves == 0;
}

/* What everybody may read, and @who it is (may be NULL): that is for the journal. */
static void say(Operation *op, char *text, const char *who) {
        char uuid[UUID_STRING_MAX];
        LogFields f = operation_fields(op, uuid);
        char *held_by;

        if (streq_ptr(op->blocked_by, text) && streq_ptr(op->held_by, who)) {
                free(text);
                return;
        }
        held_by = who ? strdup(who) : NULL;
        free(op->held_by);
        op->held_by = held_by;
        free(op->blocked_by);
        op->blocked_by = text;
        log_notice(&f, "%s%s%s%s", text, who ? " It is open in " : "", who ?: "", who ? "." : "");
        manager_tell(op->manager, operation_changed, op);
}

/*
 * @how_many: NULL: nobody was found. @who: NULL: nobody that we could name. @looked: with success.
 */
static void describe(Operation *op, bool looked, const char *how_many, const char *who) {
        const Record *r = op->record;
        pid_t pid = op->worker ? worker_pid(op->worker) : 0;
        char *text = NULL, by[48] = "";
        int n;

        if (pid > 0)
                (void) snprintf(by, sizeof(by), " (worker pid %d)", pid);
        if (how_many)
                n = asprintf(&text,
                             "Still blocked: %s on %s is removed when it is closed; it is open in "
                             "%s.",
                             UUID_STR(&r->uuid), r->parent, how_many);
        else if (!op->begun)
                n = asprintf(&text,
                             "Still blocked: the worker%s for the %s on %s has not begun; the "
                             "machine may be too busy.",
                             by, record_kind_to_string(r->kind), r->parent);
        else if (r->kind == RECORD_STOP)
                n = asprintf(&text,
                             "Still blocked: the kernel has not answered the removal of %s on "
                             "%s%s, and %s; see the kernel's log.",
                             UUID_STR(&r->uuid), r->parent, by,
                             looked ? "nobody was found who has it open" :
                                      "who has it open could not be found out");
        else
                n = asprintf(&text,
                             "Still blocked: the kernel has not answered the %s on %s%s; see its "
                             "log.",
                             record_kind_to_string(r->kind), r->parent, by);
        if (n >= 0) /* else the next look says it */
                say(op, text, who);
}

static void on_look(Worker *w, const Record *record, void *userdata) {
        Manager *m = userdata;
        Operation *op = TAKE_PTR(m->looked_at);

        m->look = worker_free(w);
        if (record && record->step == STEP_DONE && record->outcome == OUTCOME_OK)
                describe(op, true, record->text, record->who);
        else
                describe(op, false, NULL, NULL);
        blocked_watch(m, 0); /* the next one's turn */
}

static int make_question(const Operation *op, Record **ret) {
        const Record *r = op->record;

        return looks_make_question(r->parent, r->parent_path, &r->uuid,
                                   operation_device_of(op->manager, r), r->ours, ret);
}

static void look(Operation *op, uint64_t now) {
        _cleanup_(record_freep) Record *question = NULL;
        Manager *m = op->manager;
        int r;

        op->look_usec = now + (WORKER_BLOCKED_USEC << MIN(op->n_looks, LOOKS_DOUBLED_MAX));
        op->n_looks++;
        if (op->record->kind != RECORD_STOP) {
                describe(op, false, NULL, NULL);
                return;
        }
        r = make_question(op, &question);
        if (r >= 0)
                r = worker_ask(&m->look, m->workers, question, m->look_usec, on_look, m);
        if (r >= 0) {
                m->looked_at = op;
                return;
        }
        (void) log_warning_errno(r,
                                 FIELDS(.topic = "operation", .parent = op->record->parent,
                                        .device = UUID_STR(&op->record->uuid)),
                                 "Cannot look who has %s open: %m", UUID_STR(&op->record->uuid));
        describe(op, false, NULL, NULL);
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata) {
        operation_dispatch(userdata); /* which watches on */
        return 0;
}

static void set_timer(Manager *m, uint64_t usec) {
        uint64_t set;
        int r;

        /* one that comes earlier sets it anew when it has come */
        if (m->blocked && sd_event_source_get_enabled(m->blocked, NULL) > 0 &&
            sd_event_source_get_time(m->blocked, &set) >= 0 && set <= usec)
                return;
        r = manager_set_timer(m, &m->blocked, usec, on_time);
        if (r < 0)
                (void) log_warning_errno(r, NULL, "Cannot set a timer for running operations: %m");
}

void blocked_watch(Manager *m, uint64_t usec) {
        uint64_t now, next = UINT64_MAX;

        if (m->n_working == 0 && m->n_blocked == 0)
                return;
        now = operation_monotonic_usec();
        if (m->n_working > 0)
                next = now + (usec > 0 ? usec : WORKER_BLOCKED_USEC);
        if (m->n_blocked > 0)
                list_foreach(op, &m->active, Operation, active_node) {
                        if (op->state != OPERATION_RUNNING || !op->blocked || m->looked_at == op ||
                            !is_to_be_quick(op))
                                continue;
                        if (op->look_usec <= now && !m->look)
                                look(op, now);
                        /* one whose turn is yet to come is looked at when that has ended */
                        if (op->look_usec > now)
                                next = MIN(next, op->look_usec);
                }
        if (next != UINT64_MAX)
                set_timer(m, next);
}

void blocked_forget(Operation *op) {
        Manager *m = op->manager;

        if (m->looked_at == op) {
                m->looked_at = NULL;
                m->look = worker_free(m->look);
        }
        free(op->blocked_by);
        op->blocked_by = NULL;
        free(op->held_by);
        op->held_by = NULL;
}

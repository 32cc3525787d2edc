/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * definitions.c: owns the definitions of the model, and the moment at which a change of one becomes
 * true: the rename of its file, or its removal, and the model's change are one turn of the loop.
 * All that takes time is done by workers before (the text, synced, under a temporary name) and
 * after (the folder, synced; what a change that failed has left). Files that others write are read
 * again when inotify tells of them.
 */
#include "config/store.h"
#include "core/internal.h"
#include "util/log-ids.h"
#include "util/log.h"
#include "util/parse.h"

/* ---- the model ---- */

static LogFields fields_of(const Definition *d, char uuid[UUID_STRING_MAX]) {
        return (LogFields){
                .topic = "definition",
                .parent = d->parent,
                .device = uuid_format(&d->uuid, uuid),
                .type = d->type,
        };
}

static void log_invalid(const Definition *d) {
        char uuid[UUID_STRING_MAX];
        LogFields f = fields_of(d, uuid);

        f.message_id = LOG_ID_DEFINITION_INVALID;
        if (d->invalid)
                log_warning(&f, "Definition %s of %s cannot be used: %s", uuid, d->parent,
                            d->invalid);
}

/* @d is taken. */
static void add(Manager *m, Definition *d) {
        bool parent_is_known = model_find_parent(m->model, d->parent);

        model_link_definition(m->model, d);
        if (!parent_is_known) {
                if (parents_link_configured(m) < 0)
                        refresh_all(m);
                refresh_parent(m, d->parent, NULL);
        }
        manager_tell(m, definition_added, d);
        log_invalid(d);
}

static void change(Manager *m, Definition *d, Definition *now) {
        bool was_invalid = d->invalid;

        definition_take(d, now);
        manager_tell(m, definition_changed, d);
        if (!was_invalid)
                log_invalid(d);
}

static void drop(Manager *m, Definition *d) {
        manager_tell(m, definition_removed, d);
        refresh_parent(m, d->parent, NULL); /* it may have been here for this alone */
        definition_free(d);
}

/* Brings the model in line with @now, which is taken; NULL: there is none. */
static void apply(Manager *m, const char *parent, const Uuid *uuid, Definition *now) {
        Definition *d = model_find_definition(m->model, parent, uuid, NULL);

        if (!d && !now)
                return;
        if (d && now && definition_equals(d, now)) {
                definition_free(now);
                return;
        }
        if (!d)
                add(m, now);
        else if (now)
                change(m, d, now);
        else
                drop(m, d);
}

int definitions_load(Manager *m, List *problems) {
        _cleanup_(model_freep) Model *found = NULL;
        int r;

        r = model_new(&found);
        if (r >= 0)
                r = store_load(found, m->root_fd, problems);
        if (r < 0)
                return r; /* what was known still is */

        list_foreach_safe(d, &m->model->definitions, Definition, node)
                if (!model_find_definition(found, d->parent, &d->uuid, NULL))
                        drop(m, d);
        list_foreach_safe(d, &found->definitions, Definition, node) {
                model_unlink_definition(d);
                apply(m, d->parent, &d->uuid, d);
        }
        return 0;
}

/* ---- what others write ---- */

static void look_at_all(Manager *m) {
        List problems = LIST_INIT(problems);
        int r;

        r = definitions_load(m, &problems);
        if (r < 0)
                (void) log_error_errno(r, FIELDS(.topic = "definition"),
                                       "Cannot read the definitions anew: %m");
        /* names that cannot be are told at a reload; here they would be told again and again */
        config_problems_clear(&problems);
        autostart_note(m, NULL, NULL);
}

static void on_change(const char *parent, const char *name, void *userdata) {
        Definition *now = NULL;
        Manager *m = userdata;
        Uuid uuid;
        int r;

        if (!parent || !name) {
                look_at_all(m);
                return;
        }
        if (!name_is_valid_parent(parent) || uuid_parse(name, &uuid) < 0 ||
            !streq(UUID_STR(&uuid), name))
                return;
        r = store_read(m->root_fd, parent, &uuid, &now);
        if (r < 0) {
                (void) log_error_errno(r, FIELDS(.topic = "definition", .parent = parent,
                                                 .device = name),
                                       "Cannot read definition %s of %s: %m", name, parent);
                return;
        }
        apply(m, parent, &uuid, now);
        autostart_note(m, parent, &uuid);
}

int definitions_watch(Manager *m) {
        return watch_new(&m->watch, m->event, m->root_fd, on_change, m);
}

/* ---- the commit ---- */

static int refuse(Operation *op, int error, const char *what) {
        operation_set_result(op, OUTCOME_FAILED, error,
                             "The definition of %s on %s could not be %s: %s.",
                             UUID_STR(&op->record->uuid), op->record->parent, what,
                             strerrordesc_np(-error) ?: "unknown error");
        return error;
}

/* A daemon that was killed right after the commit left a record that looks like one before it. */
static bool is_committed(Operation *op, const Definition *wanted) {
        const Definition *d = model_find_definition(op->manager->model, wanted->parent,
                                                    &wanted->uuid, NULL);

        return d && definition_equals(d, wanted);
}

static int commit(Operation *op) {
        _cleanup_(definition_freep) Definition *d = NULL;
        Manager *m = op->manager;
        int r;

        r = record_to_definition(op->record, &d);
        if (r < 0)
                return refuse(op, r, "put in its place");
        r = store_commit(m->root_fd, d->parent, &d->uuid);
        if (r == -ENOENT && is_committed(op, d))
                return 0;
        if (r < 0)
                return refuse(op, r, "put in its place");
        apply(m, op->record->parent, &op->record->uuid, TAKE_PTR(d));
        autostart_note(m, op->record->parent, &op->record->uuid);
        return 0;
}

/* The definition has a new owner, and the device that is active is to have it as well. */
static void relabel(Operation *op) {
        Manager *m = op->manager;
        Parent *p = model_find_parent(m->model, op->record->parent);
        Device *d = p ? model_find_device(m->model, p, &op->record->uuid, NULL) : NULL;
        int r;

        if (!op->record->relabel || !d || streq(d->owner, op->record->owner ?: ""))
                return;
        r = devices_set_owner(m, d, op->record->owner ?: "");
        if (r < 0)
                operation_set_result(op, OUTCOME_FAILED, r,
                                     "The definition of %s on %s has the new owner, but that of "
                                     "the active device could not be noted: "
                                     "%s.", UUID_STR(&d->uuid),
                                     p->name, strerrordesc_np(-r) ?: "unknown error");
}

/* What went wrong is in the operation's result. */
static void commit_all(Operation *op) {
        if (commit(op) >= 0)
                relabel(op);
}

static int withdraw(Operation *op) {
        Manager *m = op->manager;
        int r;

        r = store_remove(m->root_fd, op->record->parent, &op->record->uuid);
        if (r < 0 && r != -ENOENT)
                return refuse(op, r, "removed");
        apply(m, op->record->parent, &op->record->uuid, NULL);
        autostart_note(m, op->record->parent, &op->record->uuid);
        return 0;
}

static int start_second(Operation *op) {
        Manager *m = op->manager;
        int r;

        op->second = true;
        op->record->step = STEP_SETTLING;
        r = worker_resume(&op->worker, m->workers, op->record, operation_on_worker,
                          operation_on_turn, op);
        if (r < 0)
                return r;
        op->working_since_usec = operation_monotonic_usec();
        op->begun = worker_has_begun(op->worker);
        operation_set_phase(op, OPERATION_WORKING);
        return 0;
}

static void tell_unsafe(Operation *op, const char *why) {
        if (op->record->outcome != OUTCOME_OK) {
                op->record->step = STEP_DONE;
                return;
        }
        operation_set_result(op, OUTCOME_FAILED, 0,
                             "The change of the definition of %s on %s is made, but whether it "
                             "outlives a power failure is not known: %s.",
                             UUID_STR(&op->record->uuid), op->record->parent, why);
}

bool definitions_follow(Operation *op) {
        Record *record = op->record;
        int r;

        if (op->second) {
                if (record->step != STEP_DONE)
                        tell_unsafe(op, "its worker was killed");
                return false;
        }
        if (!record->define && record->kind != RECORD_UNDEFINE)
                return false;
        if (record->step != STEP_SETTLING && record->outcome == OUTCOME_OK)
                commit_all(op);
        else if (record->kind == RECORD_UNDEFINE && record->outcome == OUTCOME_OK)
                (void) withdraw(op);
        r = start_second(op);
        if (r >= 0)
                return true;
        tell_unsafe(op, strerrordesc_np(-r) ?: "no worker could be started");
        return false;
}

int definitions_start_undefine(Operation *op) {
        _cleanup_(freep) char *name = NULL;
        Manager *m = op->manager;
        int r;

        record_set_result(op->record, OUTCOME_OK, 0, NULL);
        op->record->step = STEP_SETTLING;
        r = record_name(op->record, &name);
        if (r >= 0)
                r = worker_write_record(m->root_fd, op->record);
        if (r < 0)
                return r;
        operation_set_phase(op, OPERATION_WORKING);
        if (withdraw(op) < 0) {
                operation_end(op);
                return 0;
        }
        r = start_second(op);
        if (r < 0) {
                tell_unsafe(op, strerrordesc_np(-r) ?: "no worker could be started");
                operation_end(op);
        }
        return 0;
}

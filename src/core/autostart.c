/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * autostart.c: owns what is to be up: definitions that start by themselves, and the devices of
 * profiles that are applied at start. Each is tried whenever something has changed that could help,
 * and a few times after a while when nothing tells that it would: a vendor's service that makes its
 * parents ready says so to nobody. Never twice at a time. Who stops such a device by hand wanted it
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
        free(a->profile);
        free(a->why);
        free(a);
        return NULL;
}

/* @parent: of a definition, or where a profile's device has been made. */
static Attempt *find_attempt(Manager *m, const char *parent, const Uuid *uuid) {
        list_foreach(a, &m->attempts, Attempt, node)
                if (uuid_equal(&a->uuid, uuid) && (!a->parent || streq(a->parent, parent)))
                        return a;
        return NULL;
}

static int add(Manager *m, const char *parent, const char *profile, const Uuid *uuid) {
        Attempt *a;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        list_init(&a->node);
        a->uuid = *uuid;
        a->parent = parent ? strdup(parent) : NULL;
        a->profile = profile ? strdup(profile) : NULL;
        if ((parent && !a->parent) || (profile && !a->profile)) {
                attempt_free(a);
                return -ENOMEM;
        }
        list_append(&m->attempts, &a->node);
        return 0;
}

static int add_attempt(Manager *m, const Definition *d) {
        return add(m, d->parent, NULL, &d->uuid);
}

/* ---- how far it is ---- */

static bool is_pending(const Attempt *a) {
        return a->state == ATTEMPT_DUE || a->state == ATTEMPT_RUNNING ||
               a->state == ATTEMPT_WAITING;
}

void manager_count_autostart(const Manager *m, unsigned *ret_pending, unsigned *ret_failed) {
        unsigned pending = 0, failed = 0;

        list_foreach(a, &m->attempts, Attempt, node) {
                pending += is_pending(a);
                failed += a->state == ATTEMPT_FAILED;
        }
        *ret_pending = pending;
        *ret_failed = failed;
}

static void set_state(Manager *m, Attempt *a, AttemptState state) {
        bool before = is_pending(a);

        a->state = state;
        if (before != is_pending(a) && m->observer.autostart_changed)
                m->observer.autostart_changed(m->observer.userdata);
}

/* ---- what there is to be ---- */

static bool is_wanted(Manager *m, const Attempt *a) {
        const Definition *d;

        if (a->profile)
                return a->want;
        d = model_find_definition(m->model, a->parent, &a->uuid, NULL);
        return d && d->autostart && !d->invalid;
}

static int note_want(Manager *m, const Profile *profile, const Want *w, const Uuid *uuid,
                     void *userdata) {
        int r;

        /* where a definition has the UUID, too, that is a problem, and the definition holds */
        if (!profile->apply || model_find_definition(m->model, NULL, uuid, NULL))
                return 0;
        list_foreach(a, &m->attempts, Attempt, node)
                if (a->profile && uuid_equal(&a->uuid, uuid)) {
                        a->want = w;
                        return 0;
                }
        r = add(m, w->parent, profile->name, uuid);
        if (r >= 0)
                list_entry(m->attempts.prev, Attempt, node)->want = w;
        return r;
}

void autostart_sync(Manager *m) {
        int r;

        list_foreach(a, &m->attempts, Attempt, node)
                a->want = NULL;
        r = profiles_foreach(m, note_want, NULL);
        list_foreach_safe(a, &m->attempts, Attempt, node) {
                if (!is_wanted(m, a))
                        attempt_free(a);
                else if (a->state == ATTEMPT_NOTED)
                        a->state = ATTEMPT_DUE; /* a reload says that it is wanted */
        }
        list_foreach(d, &m->model->definitions, Definition, node) {
                if (!d->autostart || d->invalid || find_attempt(m, d->parent, &d->uuid))
                        continue;
                if (r >= 0)
                        r = add_attempt(m, d);
        }
        if (r < 0)
                (void) log_error_errno(r, FIELDS(.topic = "autostart"),
                                       "Cannot start all that is to be up: %m");
        if (m->observer.autostart_changed)
                m->observer.autostart_changed(m->observer.userdata);
}

void autostart_retry(Manager *m, const char *parent, bool all) {
        if (!m->attempts.next)
                return;
        list_foreach(a, &m->attempts, Attempt, node) {
                /* most are up, or on their way, and have never failed */
                if (!all && a->failures == 0 && a->state != ATTEMPT_FAILED &&
                    a->state != ATTEMPT_WAITING)
                        continue;
                if (parent && a->parent && !streq(a->parent, parent))
                        continue;
                /* what an event makes us try is not one of the tries that nothing told us of */
                a->failures = all || a->failures == 0 ? 0 : a->failures - 1;
                if (a->state == ATTEMPT_FAILED || a->state == ATTEMPT_WAITING ||
                    (all && (a->state == ATTEMPT_UP || a->state == ATTEMPT_NOTED)))
                        set_state(m, a, ATTEMPT_DUE);
        }
}

/* ---- failing, and trying again ---- */

static void set_backoff(Manager *m);

static int on_backoff(sd_event_source *s, uint64_t usec, void *userdata) {
        uint64_t now = operation_monotonic_usec();
        Manager *m = userdata;

        list_foreach(a, &m->attempts, Attempt, node)
                if (a->state == ATTEMPT_WAITING && a->due_usec <= now)
                        set_state(m, a, ATTEMPT_DUE);
        set_backoff(m); /* for those whose time comes later */
        refresh_autostart(m);
        return 0;
}

/* The timer goes off for the first that waits; while none does there is none. */
static void set_backoff(Manager *m) {
        uint64_t first = UINT64_MAX;
        int r;

        list_foreach(a, &m->attempts, Attempt, node)
                if (a->state == ATTEMPT_WAITING)
                        first = MIN(first, a->due_usec);
        r = manager_set_timer(m, &m->backoff, first, on_backoff);
        if (r < 0)
                (void) log_warning_errno(r, FIELDS(.topic = "autostart"),
                                         "Cannot set a timer for devices that are to be up: %m");
}

/* What is wrong with the wish itself no time mends. A type may be offered later, without a word. */
static bool may_help_itself(int outcome) {
        return outcome != OUTCOME_INVALID;
}

static void fail(Manager *m, Attempt *a, int outcome) {
        a->failures++;
        if (may_help_itself(outcome) && a->failures <= AUTOSTART_TRIES_MAX) {
                a->due_usec = operation_monotonic_usec() +
                              (AUTOSTART_BACKOFF_USEC << (a->failures - 1));
                set_state(m, a, ATTEMPT_WAITING);
        } else
                set_state(m, a, ATTEMPT_FAILED);
        set_backoff(m);
}

/* The same failure as the last time is not news. */
static void note_failure(Attempt *a, const char *why) {
        if (streq_ptr(a->why, why))
                return;
        free(a->why);
        a->why = strdup(why);
        log_warning(FIELDS(.message_id = LOG_ID_REQUEST_REFUSED, .topic = "autostart",
                           .parent = a->parent, .device = UUID_STR(&a->uuid)),
                    "Cannot start %s%s%s: %s", UUID_STR(&a->uuid), a->parent ? " on " : "",
                    a->parent ?: "", why);
}

/* ---- trying ---- */

static bool is_up(Manager *m, const Attempt *a, const Definition *d) {
        Parent *p = a->parent ? model_find_parent(m->model, a->parent) : NULL;
        Device *device = model_find_device(m->model, p, &a->uuid, NULL);

        if (!device || device->state == DEVICE_DYING || device->state == DEVICE_RESERVED)
                return false;
        return d ? streq(device->type, d->type) : profiles_has(a->want, device);
}

/* False: it is due when its parent is there, or has less to do. */
static bool may_try(Manager *m, const Attempt *a) {
        const Parent *p = a->parent ? model_find_parent(m->model, a->parent) : NULL;

        if (a->parent && (!p || p->state != PARENT_REGISTERED))
                return false;
        return !a->parent || load_count(m, a->parent) < AUTOSTART_AT_ONCE_MAX;
}

/* Operations are under way that will end, where it could be. */
static bool is_busy(Manager *m, const Attempt *a) {
        return a->parent ? load_count(m, a->parent) > 0 :
                           operations_count_running(m) > m->n_blocked;
}

static void attempt(Manager *m, Attempt *a) {
        _cleanup_(reason_done) Reason reason = {};
        Definition *d = a->profile ? NULL :
                                     model_find_definition(m->model, a->parent, &a->uuid, NULL);
        Operation *op = NULL;
        int r;

        if (!a->profile && !d)
                return;
        if (is_up(m, a, d)) {
                set_state(m, a, ATTEMPT_UP);
                return;
        }
        if (!may_try(m, a))
                return;
        r = d ? manager_start_definition(m, d, false, "autostart", &op, &reason) :
                profiles_start(m, a->profile, a->want, &a->uuid, false, "autostart", &op,
                               &reason);
        /* what is being made may be counted twice for a moment: its end is an event */
        if (r == OUTCOME_NO_ROOM && is_busy(m, a))
                return;
        if (r != 0) {
                note_failure(a, r < 0 ? strerrordesc_np(-r) : reason.text ?: "refused");
                fail(m, a, r);
                return;
        }
        if (a->state != ATTEMPT_DUE)
                return; /* it could not even begin, and its end was told meanwhile */
        set_state(m, a, ATTEMPT_RUNNING);
        if (op->state != OPERATION_RUNNING) /* one that has ended already is what was asked for */
                autostart_operation_ended(m, op);
}

void autostart_run(Manager *m) {
        const char *full = NULL; /* a parent that takes no more: most of the rest are on it, too */

        list_foreach(a, &m->attempts, Attempt, node) {
                if (a->state != ATTEMPT_DUE || (full && streq_ptr(a->parent, full)))
                        continue;
                attempt(m, a);
                if (a->parent && load_count(m, a->parent) >= AUTOSTART_AT_ONCE_MAX)
                        full = a->parent;
        }
}

void autostart_operation_ended(Manager *m, const Operation *op) {
        Attempt *a;

        if (!m->attempts.next)
                return;
        /* others may have waited for its place, and come when there are some more to have */
        if (load_count(m, op->record->parent) <= AUTOSTART_AT_ONCE_MAX / 2)
                refresh_autostart(m);
        a = find_attempt(m, op->record->parent, &op->record->uuid);
        /* a client's is ours when we joined it */
        if (!a || (a->state != ATTEMPT_RUNNING && op->record->origin != ORIGIN_DEFINITION &&
                   op->record->origin != ORIGIN_PROFILE))
                return;
        free(a->why);
        a->why = NULL;
        if (op->state == OPERATION_DONE) {
                a->failures = 0;
                set_state(m, a, ATTEMPT_UP);
                return;
        }
        /* the operation was logged, so the reason is only remembered */
        a->why = op->record->text ? strdup(op->record->text) : NULL;
        fail(m, a, op->record->outcome);
}

static void note(Manager *m, const Definition *d) {
        Attempt *a = find_attempt(m, d->parent, &d->uuid);

        if (a || !d->autostart || d->invalid)
                return;
        if (add_attempt(m, d) >= 0)
                list_entry(m->attempts.prev, Attempt, node)->state = ATTEMPT_NOTED;
}

void autostart_note(Manager *m, const char *parent, const Uuid *uuid) {
        list_foreach_safe(a, &m->attempts, Attempt, node)
                if (!is_wanted(m, a))
                        attempt_free(a);
        if (!parent)
                list_foreach(d, &m->model->definitions, Definition, node)
                        note(m, d);
        else if (model_find_definition(m->model, parent, uuid, NULL))
                note(m, model_find_definition(m->model, parent, uuid, NULL));
}

void autostart_done(Manager *m) {
        sd_event_source_disable_unref(m->backoff);
        m->backoff = NULL;
        if (m->attempts.next)
                list_foreach_safe(a, &m->attempts, Attempt, node)
                        attempt_free(a);
}

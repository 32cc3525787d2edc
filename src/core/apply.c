/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * apply.c: owns the application of a profile: one operation without a worker, which begins others,
 * one at a time. What to do next is asked of policy after each, since others change things too.
 * What was done is kept in a journal; on failure it is taken back from its end to the first
 * removal: what was made since is removed, and what was removed is made again, empty.
 */
#include "core/internal.h"

/* However often others undo what is done here, it has an end. */
#define STEPS_SPARE 16
/*
 * What is to be taken back waits that long for others' operations to end: longer than a device may
 * be suspended. Each end of an operation is a try.
 */
#define UNDO_WAIT_USEC (120 * UINT64_C(1000000))

typedef struct Done Done;

/* A step that was taken. */
struct Done {
        List node; /* in application->journal, in the order in which they were taken */
        Uuid uuid;
        Request *again; /* of a removal: makes it again; NULL: it was made */
};

struct Application {
        Manager *manager; /* borrowed */
        Operation *op;    /* borrowed; owns us */
        bool force;
        bool undoing;
        bool waiting; /* no step is under way: the next one is for application_go_on() to find */
        uint64_t blocked_usec; /* CLOCK_MONOTONIC; taking back is held up since; 0: it is not */
        size_t total, done;
        size_t left; /* steps that may still be begun */
        List journal;
        Done *current;  /* under way; owned */
        Outcome outcome;
        Reason why;     /* it failed */
        Reason remade;  /* UUIDs, a line each */
        Reason lost;    /* what could not be made again */
};

static void advance(Application *a);

static Done *done_free(Done *d) {
        if (!d)
                return NULL;
        list_unlink(&d->node);
        request_free(d->again);
        free(d);
        return NULL;
}
DEFINE_CLEANUP(Done *, done_free)

Application *application_free(Application *a) {
        if (!a)
                return NULL;
        list_foreach_safe(d, &a->journal, Done, node)
                done_free(d);
        done_free(a->current);
        reason_done(&a->why);
        reason_done(&a->remade);
        reason_done(&a->lost);
        free(a);
        return NULL;
}

void application_get_progress(const Application *a, Progress *ret) {
        *ret = (Progress) { .done = a->done, .total = MAX(a->done, a->total) };
}

/* ---- the end ---- */

/* One line of UUIDs. */
static void join_lines(char *text) {
        for (; text && *text; text++)
                if (*text == '\n')
                        *text = ' ';
}

static void end(Application *a) {
        const char *name = a->op->record->profile;

        join_lines(a->remade.text);
        if (a->outcome == OUTCOME_OK)
                record_set_result(a->op->record, OUTCOME_OK, 0, NULL);
        else
                operation_set_result(a->op, a->outcome, 0, "Profile %s: %s%s%s%s%s", name,
                                     a->why.text ?: "out of memory",
                                     a->remade.text ? "\nMade again with the same UUID and "
                                                      "attributes; what was in them is lost: " : "",
                                     a->remade.text ?: "",
                                     a->lost.text ? "\nCould not be made again: " : "",
                                     a->lost.text ?: "");
        operation_end(a->op);
}

static bool has_removed(const Application *a) {
        list_foreach(d, &a->journal, Done, node)
                if (d->again)
                        return true;
        return false;
}

static void fail(Application *a, Outcome outcome, const char *text) {
        a->outcome = outcome;
        (void) reason_add(&a->why, "%s", text ?: "out of memory");
        if (!has_removed(a)) {
                end(a);
                return;
        }
        a->undoing = true;
        advance(a);
}

/* ---- steps ---- */

static int make_again(const Device *d, Request **ret) {
        _cleanup_(request_freep) Request *q = NULL;
        int r;

        r = request_new(&q, d->type);
        if (r < 0)
                return r;
        free(q->owner);
        q->owner = strdup(d->owner);
        q->parent = strdup(d->parent->name);
        q->profile = d->profile ? strdup(d->profile) : NULL;
        if (!q->owner || !q->parent || (d->profile && !q->profile))
                return -ENOMEM;
        q->uuid = d->uuid;
        q->uuid_given = true;
        q->origin = d->origin;
        for (size_t i = 0; i < d->n_attributes; i++) {
                r = request_add_attribute(q, d->attributes[i].name, d->attributes[i].value);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(q);
        return 0;
}

/* Of what is being taken back, nothing is kept. */
static void on_done(Operation *op, void *userdata) {
        Application *a = userdata;
        _cleanup_(done_freep) Done *d = TAKE_PTR(a->current);
        bool ok = op->state == OPERATION_DONE;

        if (a->undoing) {
                if (d->again && ok)
                        (void) reason_add(&a->remade, "%s", UUID_STR(&d->uuid));
                else if (!ok)
                        (void) reason_add(&a->lost, "%s: %s", UUID_STR(&d->uuid),
                                          op->record->text ?: "?");
                advance(a);
                return;
        }
        if (!ok) {
                fail(a, op->record->outcome, op->record->text);
                return;
        }
        a->done++;
        list_append(&a->journal, &d->node);
        TAKE_PTR(d);
        manager_tell(a->manager, operation_changed, a->op);
        advance(a);
}

static int begin(Application *a, const Uuid *uuid, Request *again) {
        a->current = calloc(1, sizeof(*a->current));
        if (!a->current) {
                request_free(again);
                return -ENOMEM;
        }
        list_init(&a->current->node);
        a->current->uuid = *uuid;
        a->current->again = again;
        return 0;
}

/* @r is what began it. Positive or negative: it has not begun, and nothing waits. */
static int await(Application *a, int r, Operation *op, Reason *reason) {
        if (r == 0)
                r = operation_wait(op, on_done, a);
        if (r != 0)
                a->current = done_free(a->current);
        if (r < 0 && !reason->text)
                (void) reason_add(reason, "%s.", strerrordesc_np(-r));
        return r;
}

static int begin_create(Application *a, const ProfileItem *item, Reason *reason) {
        Operation *op = NULL;
        int r;

        r = begin(a, &item->uuid, NULL);
        if (r == 0)
                r = profiles_start(a->manager, a->op->record->profile, item->want, &item->uuid,
                                   a->force, a->op->record->client, &op, reason);
        return await(a, r, op, reason);
}

static int begin_removal(Application *a, Device *d, Request *again, Reason *reason) {
        const StopOptions options = { .force = a->force };
        const Uuid uuid = d->uuid;
        Operation *op = NULL;
        int r;

        r = begin(a, &uuid, again);
        if (r == 0)
                r = manager_stop_with(a->manager, d, &options, a->op->record->client, &op, reason);
        return await(a, r, op, reason);
}

/* ---- what is next ---- */

static const ProfileItem *find_step(const ProfileDiff *d) {
        for (size_t i = 0; i < d->n; i++)
                if (d->items[i].action == PROFILE_CREATE && !d->items[i].after_removals)
                        return &d->items[i];
        for (size_t i = 0; i < d->n; i++)
                if (d->items[i].action == PROFILE_REMOVE)
                        return &d->items[i];
        return NULL;
}

static bool is_own(const Application *a, const Device *d) {
        return d->origin == ORIGIN_PROFILE && streq_ptr(d->profile, a->op->record->profile);
}

/* One of the profile's own that is to go, or to be another, and somebody has it open. */
static bool is_in_use(const Application *a, const ProfileItem *item) {
        return item->device && item->device->opened > 0 && is_own(a, item->device);
}

static const ProfileItem *find_blocked(const Application *a, const ProfileDiff *d, bool in_use) {
        for (size_t i = 0; i < d->n; i++)
                if (d->items[i].action == PROFILE_REFUSE && is_in_use(a, &d->items[i]) == in_use)
                        return &d->items[i];
        return NULL;
}

/* Its removal was answered, but its UUID and its room are not free before it is clean. */
static bool has_dying(const ProfileDiff *d) {
        for (size_t i = 0; i < d->n; i++)
                if (d->items[i].device && d->items[i].device->state == DEVICE_DYING)
                        return true;
        return false;
}

/* Nothing more can be done: is that because all is? */
static void conclude(Application *a, const ProfileDiff *d) {
        const ProfileItem *item = find_blocked(a, d, false);

        if (item) {
                fail(a, OUTCOME_NO_ROOM, item->reason.text);
                return;
        }
        item = find_blocked(a, d, true);
        if (item) { /* all else is there that is wanted, so nothing is taken back */
                a->outcome = OUTCOME_BUSY;
                (void) reason_add(&a->why, "%s", item->reason.text);
        }
        end(a);
}

static void take_step(Application *a, const ProfileItem *item) {
        _cleanup_(reason_done) Reason reason = {};
        Request *again = NULL;
        int r;

        if (a->left-- == 0) {
                fail(a, OUTCOME_FAILED, "others undo what it does.");
                return;
        }
        if (item->action == PROFILE_CREATE)
                r = begin_create(a, item, &reason);
        else {
                r = make_again(item->device, &again);
                if (r == 0)
                        r = begin_removal(a, item->device, again, &reason);
        }
        if (r != 0)
                fail(a, r > 0 ? (Outcome) r : OUTCOME_FAILED, reason.text);
}

static const Profile *find_profile(const Manager *m, const char *name) {
        if (m->model->rules)
                list_foreach(p, &m->model->rules->profiles, Profile, node)
                        if (streq(p->name, name))
                                return p;
        return NULL;
}

static void go_on(Application *a) {
        _cleanup_(profile_diff_done) ProfileDiff diff = {};
        const Profile *p = find_profile(a->manager, a->op->record->profile);
        const ProfileItem *item;

        if (!p) {
                fail(a, OUTCOME_FAILED, "the configuration was read anew, and has it no more.");
                return;
        }
        if (refresh_counts_now(a->manager) < 0 ||
            policy_diff_profile(a->manager->model, &a->manager->planned, p, &diff) < 0) {
                fail(a, OUTCOME_FAILED, NULL);
                return;
        }
        if (has_dying(&diff)) {
                a->waiting = true;
                return;
        }
        item = find_step(&diff);
        /* what finds no room with all removals done is not worth one */
        if (item && (item->action != PROFILE_REMOVE || !find_blocked(a, &diff, false)))
                take_step(a, item);
        else
                conclude(a, &diff);
}

/* ---- back ---- */

static int take_back_one(Application *a, Done *d, Reason *reason) {
        Device *device = model_find_device(a->manager->model, NULL, &d->uuid, NULL);
        Operation *op = NULL;
        Request *q = NULL;
        int r;

        if (!d->again) /* another one may have its UUID by now */
                return device && is_own(a, device) ? begin_removal(a, device, NULL, reason) : 1;
        q = TAKE_PTR(d->again);
        r = begin(a, &d->uuid, NULL);
        if (r < 0) {
                request_free(q);
                return r;
        }
        r = manager_create(a->manager, q, a->op->record->client, &op, reason);
        if (r == 0)
                /* only a mark by now: what it would make is being made */
                r = request_new(&a->current->again, op->record->type);
        return await(a, r, op, reason);
}

/* Some of the room and UUIDs that are needed is of what has just gone, and not clean yet. */
static bool is_cleaning(const Application *a, const Done *d) {
        list_foreach(i, &a->manager->model->devices, Device, node)
                if (i->state == DEVICE_DYING && (uuid_equal(&i->uuid, &d->uuid) || is_own(a, i)))
                        return true;
        return false;
}

/* Refused only for now, as long as others' operations run. */
static bool is_held_up(const Application *a, const Done *d) {
        _cleanup_(reason_done) Reason unsaid = {};
        const Device *device = model_find_device(a->manager->model, NULL, &d->uuid, NULL);

        return operation_find_running(a->manager, NULL, &d->uuid) ||
               load_check(a->manager, d->again ? d->again->parent :
                                      device ? device->parent->name : NULL, &unsaid) > 0;
}

static bool may_wait(Application *a) {
        uint64_t now = operation_monotonic_usec();

        a->blocked_usec = a->blocked_usec ?: now;
        return now - a->blocked_usec < UNDO_WAIT_USEC;
}

static void go_back(Application *a) {
        while (has_removed(a)) {
                Done *last = container_of(a->journal.prev, Done, node);
                _cleanup_(done_freep) Done *d = NULL;
                _cleanup_(reason_done) Reason reason = {};
                int r;

                if (is_cleaning(a, last) || (is_held_up(a, last) && may_wait(a))) {
                        a->waiting = true;
                        return;
                }
                a->blocked_usec = 0;
                d = last;
                list_unlink(&d->node);
                r = take_back_one(a, d, &reason);
                if (r == 0)
                        return;
                if (reason.text)
                        (void) reason_add(&a->lost, "%s: %s", UUID_STR(&d->uuid), reason.text);
        }
        end(a);
}

static void advance(Application *a) {
        if (a->undoing)
                go_back(a);
        else
                go_on(a);
}

void application_go_on(Operation *op) {
        Application *a = op->application;

        if (!a || !a->waiting || op->state != OPERATION_RUNNING)
                return;
        a->waiting = false;
        advance(a);
}

/* ---- from above ---- */

static int refuse_name(const Manager *m, const char *name, Reason *reason) {
        const Profile *first = m->model->rules ?
                                       list_first(&m->model->rules->profiles, Profile, node) :
                                       NULL;

        return reason_set(reason, OUTCOME_INVALID,
                          "There is no profile %s in the configuration%s%s.",
                          name, first ? "; there is, for one, " : ", and no other",
                          first ? first->name : "");
}

int manager_plan_profile(Manager *m, const char *name, ProfileDiff *ret, Reason *reason) {
        const Profile *p = find_profile(m, name);

        return p ? policy_diff_profile(m->model, &m->planned, p, ret) :
                   refuse_name(m, name, reason);
}

static int application_new(Manager *m, const ProfileDiff *diff, Operation *op) {
        Application *a = calloc(1, sizeof(*a));

        if (!a)
                return -ENOMEM;
        list_init(&a->journal);
        a->manager = m;
        a->op = op;
        for (size_t i = 0; i < diff->n; i++)
                a->total += diff->items[i].action == PROFILE_CREATE ||
                            diff->items[i].action == PROFILE_REMOVE;
        a->left = a->total + STEPS_SPARE;
        op->application = a;
        return 0;
}

static int start(Manager *m, const char *name, const char *client, Operation **ret) {
        _cleanup_(record_freep) Record *record = NULL;
        int r;

        r = record_new(&record, RECORD_PROFILE);
        if (r >= 0)
                r = request_set_string(&record->parent, "");
        if (r >= 0)
                r = request_set_string(&record->profile, name);
        if (r >= 0)
                r = request_set_client(record, client);
        /* like one whose scripts are asked: nothing of it is on disk, and no worker has it */
        return r < 0 ? r : operation_new(m, TAKE_PTR(record), OPERATION_CALLING, ret);
}

int manager_apply_profile(Manager *m, const char *name, bool force, const char *client,
                          Operation **ret, Reason *reason) {
        _cleanup_(profile_diff_done) ProfileDiff diff = {};
        int r;

        *ret = NULL;
        list_foreach(op, &m->active, Operation, active_node)
                if (op->state == OPERATION_RUNNING && op->record->kind == RECORD_PROFILE &&
                    streq(op->record->profile, name)) {
                        *ret = op;
                        return 0;
                }
        r = manager_plan_profile(m, name, &diff, reason);
        if (r == 0)
                r = load_check(m, NULL, reason);
        if (r == 0)
                r = start(m, name, client, ret);
        if (r != 0)
                return r;
        r = application_new(m, &diff, *ret);
        if (r < 0) {
                operation_set_result(*ret, OUTCOME_FAILED, r, "Out of memory.");
                operation_end(*ret);
                return 0;
        }
        (*ret)->application->force = force;
        advance((*ret)->application);
        return 0;
}

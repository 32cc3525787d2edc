/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * writers.c: owns who writes a UUID to sysfs "create" himself, as oVirt, KubeVirt and the first
 * mdevctl do. The module has him wait; he gets what the same policy grants as any other road, or an
 * errno, and the journal the sentence. He waits in the kernel with mdev core's locks of that parent
 * held, so nothing here waits for anything: no worker, no callout script.
 */
#include <mdevd.h>

#include "backend/holders.h"
#include "core/internal.h"
#include "util/log-ids.h"
#include "util/log.h"

typedef struct Writer Writer;

struct Writer {
        List node; /* in manager->writers, in order of arrival */
        uint64_t cookie;
        char *parent;
        char *type; /* sysfs id */
        Uuid uuid;
        pid_t pid;      /* 0: it is in none of our namespaces, or has ended */
        char comm[17];
        char unit[HOLDER_UNIT_MAX]; /* of systemd; "": none */
        bool answered, granted;
        Record *record;  /* of what he was granted */
        Planned planned; /* linked in manager->planned until the kernel shows it as taken */
};

static void writer_free(Writer *w) {
        list_unlink(&w->node);
        list_unlink(&w->planned.node);
        record_free(w->record);
        free(w->parent);
        free(w->type);
        free(w);
}

static Writer *find_writer(Manager *m, uint64_t cookie) {
        list_foreach(w, &m->writers, Writer, node)
                if (w->cookie == cookie)
                        return w;
        return NULL;
}

void writers_forget(Manager *m) {
        if (!m->writers.next)
                return;
        list_foreach_safe(w, &m->writers, Writer, node)
                writer_free(w);
}

int writers_listen(Manager *m) {
        writers_forget(m); /* all who wait are told of anew */
        return kmod_listen(m->kmod);
}

static int writer_new(Manager *m, const KmodEvent *event) {
        Writer *w;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        list_init(&w->node);
        list_init(&w->planned.node);
        w->cookie = event->cookie;
        w->uuid = event->uuid;
        w->pid = event->pid;
        memcpy(w->comm, event->comm, sizeof(w->comm));
        w->parent = strdup(event->parent);
        w->type = strdup(event->type_id);
        if (!w->parent || !w->type) {
                writer_free(w);
                return -ENOMEM;
        }
        /* now: he may be killed while he waits, and is not asked again */
        if (w->pid > 0)
                (void) holder_unit_of(m->root_fd, w->pid, w->unit);
        list_append(&m->writers, &w->node);
        return 0;
}

void writers_note(Manager *m, const KmodEvent *event) {
        Writer *w = find_writer(m, event->cookie);
        int r;

        if (event->type == MDEVD_EVENT_REQUEST_GONE) {
                if (w && !w->answered)
                        writer_free(w);
                return;
        }
        if (w) /* an earlier daemon left it unread, and the module has told us once more */
                return;
        r = writer_new(m, event);
        if (r < 0) {
                (void) log_error_errno(r, FIELDS(.topic = "writer", .parent = event->parent),
                                       "Cannot note who writes to sysfs: %m");
                (void) kmod_refuse(m->kmod, event->cookie, ENOMEM);
                return;
        }
        refresh_wake(m);
}

/* ---- the decision ---- */

/* What is known of the UUID says for whom it is; else who writes it. */
static const char *owner_of(const Manager *m, const Writer *w, const Definition *d) {
        return d ? d->owner ?: "" : policy_owner_of_writer(m->model->rules, w->unit);
}

static int make_request(const Manager *m, const Writer *w, Request **ret) {
        const Definition *d = model_find_definition(m->model, w->parent, &w->uuid, NULL);
        _cleanup_(request_freep) Request *q = NULL;
        int r;

        r = request_new(&q, w->type);
        if (r < 0)
                return r;
        free(q->owner);
        q->owner = strdup(owner_of(m, w, d));
        q->parent = strdup(w->parent);
        if (!q->owner || !q->parent)
                return -ENOMEM;
        q->uuid = w->uuid;
        q->uuid_given = true;
        /* the room that a definition keeps is kept for just this */
        q->origin = d ? ORIGIN_DEFINITION : ORIGIN_SYSFS;
        *ret = TAKE_PTR(q);
        return 0;
}

static LogFields fields_of(const Writer *w, const Request *q, const char *message_id,
                           char uuid[UUID_STRING_MAX]) {
        return (LogFields){
                .message_id = message_id,
                .topic = "writer",
                .parent = w->parent,
                .device = uuid_format(&w->uuid, uuid),
                .type = w->type,
                .owner = q ? q->owner : NULL,
                .client = w->unit[0] ? w->unit : w->comm,
        };
}

static int errno_of(int outcome) {
        static const int errnos[_OUTCOME_MAX] = {
                [OUTCOME_INVALID] = EINVAL, [OUTCOME_NO_PARENT] = ENODEV,
                [OUTCOME_NO_TYPE] = ENODEV, [OUTCOME_EXISTS] = EEXIST,
                [OUTCOME_NO_ROOM] = ENOSPC, [OUTCOME_BUSY] = EBUSY,
                [OUTCOME_LIMIT] = EAGAIN,
        };

        if (outcome < 0) /* what the module can pass on; see mdevd.h */
                return -outcome <= 133 ? -outcome : EIO;
        return errnos[outcome] ?: EIO;
}

static void refuse(Manager *m, Writer *w, const Request *q, int outcome, const char *text) {
        char uuid[UUID_STRING_MAX];
        LogFields f = fields_of(w, q, LOG_ID_REQUEST_REFUSED, uuid);
        int r;

        w->answered = true;
        r = kmod_refuse(m->kmod, w->cookie, errno_of(outcome));
        if (r == -ESTALE)
                return; /* he has given up, or an earlier daemon has answered */
        log_warning(&f, "%s (pid %d%s%s) wrote %s to sysfs, and is refused a %s on %s: %s",
                    w->comm[0] ? w->comm : "A process", w->pid, w->unit[0] ? ", " : "", w->unit,
                    uuid, w->type, w->parent, text);
        if (r < 0)
                (void) log_error_errno(r, &f, "Cannot refuse %s: %m", uuid);
}

static int decide(Manager *m, const Writer *w, const Request *q, Placement *ret, Reason *reason) {
        Operation *op = operation_find_running(m, NULL, &w->uuid);

        if (op)
                return request_refuse_running(op, &w->uuid, reason);
        return request_place(m, q, ret, reason);
}

static void plan(Manager *m, Writer *w, const Placement *where) {
        w->planned.parent = where->parent;
        w->planned.type = where->type;
        w->planned.uuid = w->uuid;
        w->planned.owner = w->record->owner;
        w->planned.extents = w->record->extents;
        w->planned.n_extents = w->record->n_extents;
        list_append(&m->planned, &w->planned.node);
        w->granted = true;
        available_note(m);
}

/* For whom it is on disk before there is one, as for every device. */
static int grant(Manager *m, Writer *w, const Request *q, const Placement *where) {
        char uuid[UUID_STRING_MAX];
        LogFields f = fields_of(w, q, LOG_ID_CREATE_GRANTED, uuid);
        int r;

        w->record = record_free(w->record);
        r = request_make_create(q, where, "sysfs", &w->record);
        if (r < 0)
                return r;
        w->record->origin = ORIGIN_SYSFS;
        r = devices_announce(m, w->record);
        if (r >= 0)
                r = kmod_answer(m->kmod, w->cookie, w->record);
        if (r < 0) {
                devices_withdraw(m, &w->uuid);
                return r;
        }
        w->answered = true;
        plan(m, w, where);
        log_info(&f, "%s (pid %d%s%s) wrote %s to sysfs, and is granted a %s on %s.",
                 w->comm[0] ? w->comm : "A process", w->pid, w->unit[0] ? ", " : "", w->unit, uuid,
                 w->type, w->parent);
        return 0;
}

/* Positive: what we saw was old; it is to be looked at once more. */
static int answer(Manager *m, Writer *w, bool again) {
        _cleanup_(request_freep) Request *q = NULL;
        _cleanup_(reason_done) Reason reason = {};
        Placement where;
        int r;

        r = make_request(m, w, &q);
        if (r >= 0)
                r = decide(m, w, q, &where, &reason);
        if (r == 0)
                r = grant(m, w, q, &where);
        if (r == 0)
                return 0;
        if (r == -ESTALE) { /* he has given up */
                w->answered = true;
                return 0;
        }
        if ((r == -EBUSY || r == -EEXIST) && !again)
                return 1;
        refuse(m, w, q, r, reason.text ?: strerrordesc_np(-r));
        return 0;
}

static void look(Manager *m) {
        int r;

        m->refresh.query = true;
        r = refresh_now(m);
        if (r < 0)
                (void) log_error_errno(r, FIELDS(.topic = "writer"),
                                       "Cannot look at what there is: %m");
}

/*
 * What was granted stays planned until the module tells that the device is there. To look at once
 * would have its maker, who has just been let go, wait for us at the module's lock.
 */
void writers_answer(Manager *m) {
        if (!m->kmod || list_is_empty(&m->writers))
                return;
        list_foreach(w, &m->writers, Writer, node)
                if (!w->answered && answer(m, w, false) > 0) {
                        look(m);
                        (void) answer(m, w, true);
                }
        list_foreach_safe(w, &m->writers, Writer, node)
                if (w->answered && !w->granted)
                        writer_free(w);
}

static bool is_among(const Writer *w, const Uuid *uuid) {
        return w->granted && (!uuid || uuid_equal(&w->uuid, uuid));
}

void writers_note_snapshot(Manager *m, const Uuid *uuid) {
        if (!m->writers.next)
                return;
        list_foreach(w, &m->writers, Writer, node)
                if (is_among(w, uuid))
                        list_unlink(&w->planned.node);
}

/* What was granted is in the model now; or it could not be made, and is nobody's. */
void writers_settle(Manager *m, const Uuid *uuid) {
        if (!m->writers.next)
                return;
        list_foreach_safe(w, &m->writers, Writer, node) {
                if (!is_among(w, uuid))
                        continue;
                if (!model_find_device(m->model, NULL, &w->uuid, NULL)) {
                        devices_withdraw(m, &w->uuid);
                        available_note(m);
                }
                writer_free(w);
        }
}

bool writers_await(const Manager *m, const Uuid *uuid) {
        if (!m->writers.next)
                return false;
        list_foreach(w, &m->writers, Writer, node)
                if (uuid_equal(&w->uuid, uuid))
                        return true;
        return false;
}

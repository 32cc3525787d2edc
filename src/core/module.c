/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * module.c: owns the link to our kernel module: when it is opened and lost, what its events make us
 * look at, and the asking, of which one device is the usual case.
 */
#include <mdevd.h>

#include "core/functions.h"
#include "util/log-ids.h"
#include "util/log.h"
#include "util/notify.h"

#define ASK_AGAIN_USEC UINT64_C(2500000)

/* ---- events ---- */

/* It changes what it names and nothing else; one that we do not know may change anything. */
static bool is_of_device(uint32_t type) {
        switch (type) {
        case MDEVD_EVENT_DEVICE_ADDED:
        case MDEVD_EVENT_DEVICE_GONE:
        case MDEVD_EVENT_DEVICE_OPENED:
        case MDEVD_EVENT_DEVICE_CLOSED:
        case MDEVD_EVENT_DEVICE_CLEAN:
        case MDEVD_EVENT_DEVICE_SUSPENDED:
        case MDEVD_EVENT_DEVICE_RESUMED:
                return true;
        default:
                return false;
        }
}

static void on_kmod_event(const KmodEvent *event, void *userdata) {
        Manager *m = userdata;

        if (!event) {
                log_notice(FIELDS(.topic = "kmod"),
                           "The kernel module has gone away; its parents cannot be used until it "
                           "is loaded again.");
                m->kmod_events = kmod_events_free(m->kmod_events);
                m->kmod = kmod_free(m->kmod);
                writers_forget(m);
                (void) notify_send(true, -1, "FDSTOREREMOVE=1\nFDNAME=" MDEVD_FD_CONTROL);
                refresh_all(m);
                return;
        }
        if (event->type == MDEVD_EVENT_LOST) {
                log_notice(FIELDS(.message_id = LOG_ID_EVENTS_LOST, .topic = "kmod"),
                           "Events of the kernel module were lost; looking at everything.");
                (void) writers_listen(m); /* who waits is told of once more */
                refresh_all(m);
                return;
        }
        if (event->type == MDEVD_EVENT_REQUEST || event->type == MDEVD_EVENT_REQUEST_GONE) {
                writers_note(m, event);
                return;
        }
        if (event->type == MDEVD_EVENT_PARENT_CONFIGURED)
                available_forget(m, event->parent);
        if (event->type == MDEVD_EVENT_DEVICE_OPENED || event->type == MDEVD_EVENT_DEVICE_CLOSED ||
            event->type == MDEVD_EVENT_DEVICE_REVOKED)
                devices_note_opener(m, event);
        if (event->type >= MDEVD_EVENT_PARENT_ADDED &&
            event->type <= MDEVD_EVENT_PARENT_UNCONFIGURED && event->parent[0])
                refresh_parent(m, event->parent, NULL);
        if (is_of_device(event->type)) {
                /* what a worker of ours is making is looked at when that has told */
                if (!operation_claims(m, &event->uuid) ||
                    model_find_device(m->model, NULL, &event->uuid, NULL))
                        refresh_claim(m, &event->uuid);
        } else
                refresh_query(m);
}

/* ---- opening ---- */

/* What an earlier daemon had kept, or a new one, which is kept for a later daemon. */
static int open_kmod(Manager *m) {
        int fd, r;

        if (m->control_fd >= 0 && kmod_new(&m->kmod, TAKE_FD(m->control_fd)) >= 0)
                return 0;
        r = kmod_open(&m->kmod, m->root_fd);
        if (r < 0)
                return r;
        fd = kmod_get_fd(m->kmod);
        (void) notify_send(true, -1, "FDSTOREREMOVE=1\nFDNAME=" MDEVD_FD_CONTROL);
        (void) notify_send(true, fd, "FDSTORE=1\nFDNAME=" MDEVD_FD_CONTROL);
        return 0;
}

int module_open(Manager *m) {
        int r;

        if (m->kmod)
                return 0;
        r = open_kmod(m);
        if (r == -ENOENT || r == -ENODEV || r == -ENXIO)
                return 0; /* it may come later: there will be an event */
        if (r >= 0)
                r = kmod_events_new(&m->kmod_events, m->kmod, m->event, on_kmod_event, m);
        if (r >= 0)
                r = writers_listen(m);
        if (r < 0) {
                m->kmod_events = kmod_events_free(m->kmod_events);
                m->kmod = kmod_free(m->kmod);
                return log_error_errno(r, FIELDS(.topic = "kmod"),
                                       "Cannot use /dev/mdevd: %m%s",
                                       r == -EPROTO ? "; the module is of another version than "
                                                      "this daemon"
                                                    : "");
        }
        available_forget(m, NULL);
        parents_forgive(m, NULL);
        refresh_all(m);
        return 0;
}

/* ---- asking ---- */

static int on_again(sd_event_source *s, uint64_t usec, void *userdata) {
        refresh_wake(userdata);
        return 0;
}

/*
 * It had no memory for the answer, say, or we had none for what it says. Nothing may happen for
 * hours that would make us ask again, so that is done after a while, for all that there is.
 */
static int query_failed(Manager *m, int error) {
        if (!m->refresh.failed)
                (void) log_error_errno(error, FIELDS(.topic = "kmod"),
                                       "Cannot learn from the kernel module what there is: %m; it "
                                       "is asked again until that is known.");
        m->refresh.failed = m->refresh.query = true;
        (void) manager_set_timer(m, &m->refresh.again, operation_monotonic_usec() + ASK_AGAIN_USEC,
                                 on_again);
        return error;
}

static int query(Manager *m) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
        int r;

        m->refresh.query = false;
        m->refresh.n_claims = 0;
        if (!m->kmod) {
                m->refresh.failed = false;
                return 0;
        }
        r = kmod_query(m->kmod, &s);
        if (r < 0)
                return query_failed(m, r);
        /* who is told of a device in this turn need not ask once more */
        counters_are_new(m);
        writers_note_snapshot(m, NULL);
        r = devices_apply_kmod(m, s);
        writers_settle(m, NULL);
        if (r < 0)
                return query_failed(m, r);
        m->refresh.failed = false;
        return 0;
}

static int query_one(Manager *m, const Uuid *uuid) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
        Device *d;
        int r;

        r = kmod_query_one(m->kmod, uuid, &s);
        if (r == -EOPNOTSUPP) {
                refresh_query(m);
                return 0;
        }
        if (r < 0 && r != -ENOENT)
                return query_failed(m, r);
        writers_note_snapshot(m, uuid);
        r = devices_apply_claim(m, uuid, r < 0 ? NULL : s);
        if (!m->refresh.query) /* else that comes first */
                writers_settle(m, uuid);
        d = s ? model_find_device(m->model, NULL, uuid, NULL) : NULL;
        if (d && d->ours)
                counters_are_new_of(m, d);
        return r < 0 ? query_failed(m, r) : 0;
}

/* What is noted meanwhile waits for the next turn, but for a look at everything. */
static int query_claims(Manager *m) {
        Uuid claims[ARRAY_SIZE(m->refresh.claims)];
        size_t n = m->refresh.n_claims;
        int r = 0;

        memcpy(claims, m->refresh.claims, n * sizeof(claims[0]));
        m->refresh.n_claims = 0;
        for (size_t i = 0; i < n && r >= 0 && m->kmod && !m->refresh.query; i++)
                r = query_one(m, &claims[i]);
        return r;
}

int module_look(Manager *m) {
        int r = query_claims(m);

        return r < 0 || !m->refresh.query ? r : query(m);
}

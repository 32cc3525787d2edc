/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * leases.c: owns what becomes of devices that are to go by themselves, see model/lease.h. Whether
 * one is open the module says; of vendors' devices lease-users.c finds it out. A lease ends by an
 * ordinary removal that does not insist: whoever has the device open meanwhile keeps it, and the
 * lease goes on. What a lease has come to is on record as soon as it is another, so the next daemon
 * goes on with it.
 */
#include <time.h>

#include "backend/origin.h"
#include "core/internal.h"

uint64_t leases_now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

#define LEASE_FIELDS(d) FIELDS(.topic = "lease", .parent = (d)->parent->name,                      \
                               .device = UUID_STR(&(d)->uuid), .type = (d)->type,                  \
                               .owner = (d)->owner)

static void note_changed(Manager *m, Device *d) {
        int r = origin_save(m->root_fd, d);

        if (r < 0)
                (void) log_warning_errno(r, LEASE_FIELDS(d),
                                         "Cannot note how the lease of %s stands; a restart will "
                                         "take it for what it was before: %m", UUID_STR(&d->uuid));
        manager_tell(m, device_changed, d);
}

/* Its announcement had no time: that begins when there is a device. */
void leases_begin(Manager *m, Device *d) {
        Lease *l = &d->lease;

        m->any_leased = m->any_leased || l->kind != LEASE_NONE;
        if (l->kind == LEASE_CLIENT && !l->client) /* a name that nobody can leave the bus by */
                l->kind = LEASE_VM;
        if (l->kind != LEASE_VM || l->phase != LEASE_UNOPENED || l->until_usec > 0)
                return;
        lease_begin(l, leases_now_usec());
        note_changed(m, d);
}

void leases_note_open(Manager *m, Device *d, bool open, uint64_t now) {
        if (lease_update(&d->lease, open, now))
                note_changed(m, d);
}

static void say_end(const Device *d, LeasePhase phase, const char *client) {
        if (phase == LEASE_OVER)
                log_info(LEASE_FIELDS(d), "Device %s of %s is to go: client %s has left the bus.",
                         UUID_STR(&d->uuid), d->parent->name, client ?: "?");
        else if (phase == LEASE_CLOSED)
                log_info(LEASE_FIELDS(d),
                         "Device %s of %s is to go: it was closed, and not opened again for %u s.",
                         UUID_STR(&d->uuid), d->parent->name, d->lease.linger_sec);
        else
                log_info(LEASE_FIELDS(d),
                         "Device %s of %s is to go: nobody has opened it for %u s.",
                         UUID_STR(&d->uuid), d->parent->name,
                         (unsigned) (LEASE_UNOPENED_USEC / 1000000));
}

void leases_end(Manager *m, Device *d, uint64_t now) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        int r;

        if (operation_find_running(m, NULL, &d->uuid))
                return; /* its end makes us look again */
        lease_note_try(&d->lease, now);
        r = manager_stop(m, d, "lease", &op, &reason);
        if (r == 0)
                say_end(d, d->lease.phase, d->lease.client);
        else if (r > 0)
                log_notice(LEASE_FIELDS(d),
                           "Device %s of %s, whose lease is over, stays for now: %s",
                           UUID_STR(&d->uuid), d->parent->name, reason.text);
        else
                (void) log_error_errno(r, LEASE_FIELDS(d), "Cannot end the lease of %s: %m",
                                       UUID_STR(&d->uuid));
}

/* Somebody has written a definition of it: that is a wish to keep it. */
static bool give_up(Manager *m, Device *d) {
        if (!model_find_definition(m->model, d->parent->name, &d->uuid, NULL))
                return false;
        log_notice(LEASE_FIELDS(d), "Device %s of %s is defined now, and has no lease any more.",
                   UUID_STR(&d->uuid), d->parent->name);
        lease_users_forget(m, d);
        lease_done(&d->lease);
        note_changed(m, d);
        return true;
}

/* Answers when to look again; UINT64_MAX: an event will tell. */
static uint64_t check_device(Manager *m, Device *d, uint64_t now) {
        if (d->lease.kind == LEASE_NONE || d->state == DEVICE_RESERVED ||
            d->state == DEVICE_DYING || give_up(m, d))
                return UINT64_MAX;
        if (!d->ours)
                return lease_users_check(m, d, now);
        leases_note_open(m, d, d->opened > 0, now);
        if (operation_find_running(m, NULL, &d->uuid))
                return UINT64_MAX; /* its end makes us look again */
        if (lease_is_due(&d->lease, now))
                leases_end(m, d, now);
        return d->lease.until_usec > 0 ? d->lease.until_usec : UINT64_MAX;
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata) {
        refresh_query(userdata); /* the event of an open may be unread */
        return 0;
}

static void set_timer(Manager *m, uint64_t usec) {
        int r = 0;

        if (usec == UINT64_MAX) {
                if (m->lease_timer)
                        (void) sd_event_source_set_enabled(m->lease_timer, SD_EVENT_OFF);
                return;
        }
        if (!m->lease_timer)
                r = sd_event_add_time(m->event, &m->lease_timer, CLOCK_MONOTONIC, usec, 0, on_time,
                                      m);
        else {
                r = sd_event_source_set_time(m->lease_timer, usec);
                if (r >= 0)
                        r = sd_event_source_set_enabled(m->lease_timer, SD_EVENT_ONESHOT);
        }
        if (r < 0)
                (void) log_warning_errno(r, FIELDS(.topic = "lease"),
                                         "Cannot set a timer for leases: %m");
}

void leases_check_at(Manager *m, uint64_t now) {
        uint64_t next = UINT64_MAX;
        bool any = false;

        if (!m->any_leased)
                return;
        list_foreach(d, &m->model->devices, Device, node) {
                next = MIN(next, check_device(m, d, now));
                any = any || d->lease.kind != LEASE_NONE;
        }
        m->any_leased = any;
        set_timer(m, next);
}

void leases_check(Manager *m) {
        leases_check_at(m, leases_now_usec());
}

void manager_client_left(Manager *m, const char *client) {
        list_foreach(d, &m->model->devices, Device, node)
                if (streq_ptr(d->lease.client, client) &&
                    lease_client_left(&d->lease, leases_now_usec()))
                        note_changed(m, d);
        refresh_wake(m);
}

int leases_check_request(Manager *m, const Request *q, const Parent *p, Reason *reason) {
        if (q->lease == LEASE_NONE)
                return 0;
        if (!q->define && !model_find_definition(m->model, p->name, &q->uuid, NULL))
                return 0;
        return reason_set(reason, OUTCOME_INVALID,
                          "%s on %s cannot be leased (lease \"%s\"): a defined device stays until "
                          "it is stopped; leave out either the lease or the definition.",
                          UUID_STR(&q->uuid), p->name, lease_kind_to_string(q->lease));
}

int leases_check_define(const Device *d, Reason *reason) {
        if (!d || d->lease.kind == LEASE_NONE)
                return 0;
        return reason_set(reason, OUTCOME_INVALID,
                          "%s on %s is leased (lease \"%s\") and goes by itself, so it cannot be "
                          "defined; stop it, and make it again without a lease.",
                          UUID_STR(&d->uuid), d->parent->name, lease_kind_to_string(d->lease.kind));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* untold.c: who is told of which operation; the timer runs only while there is one to tell of. */
#include "bus/untold.h"

#include "bus/bus-internal.h"
#include "util/clock.h"
#include "util/log.h"

struct Untold {
        Bus *bus; /* borrowed */
        sd_event_source *timer; /* NULL: none was needed yet */
};

static void tell(Untold *u, Operation *op) {
        op->told = true;
        changes_announce(&u->bus->changes, OBJECT_OPERATION, op);
}

static bool is_untold(const Operation *op) {
        return !op->told && op->state == OPERATION_RUNNING;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata);

static void wake_at(Untold *u, uint64_t usec) {
        int enabled = SD_EVENT_OFF, r;

        if (!u->timer)
                r = sd_event_add_time(u->bus->event, &u->timer, CLOCK_MONOTONIC, usec, 0, on_timer,
                                      u);
        else {
                (void) sd_event_source_get_enabled(u->timer, &enabled);
                if (enabled != SD_EVENT_OFF)
                        return; /* it looks when the first is due, which is before this one */
                r = sd_event_source_set_time(u->timer, usec);
                if (r >= 0)
                        r = sd_event_source_set_enabled(u->timer, SD_EVENT_ONESHOT);
        }
        if (r < 0)
                (void) log_warning_errno(r, &(LogFields){ .topic = "bus" },
                                         "Cannot set a timer, so operations that take long are "
                                         "told of at their end only: %m");
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        uint64_t now = clock_usec(CLOCK_MONOTONIC), first = UINT64_MAX;
        Untold *u = userdata;

        list_foreach(op, manager_get_operations(u->bus->manager), Operation, node) {
                if (!is_untold(op))
                        continue;
                if (op->made_usec + UNTOLD_USEC <= now)
                        tell(u, op);
                else
                        first = MIN(first, op->made_usec + UNTOLD_USEC);
        }
        if (first != UINT64_MAX)
                wake_at(u, first);
        return 0;
}

void untold_added(Untold *u, Operation *op) {
        if (clients_any_listens(u->bus->clients))
                tell(u, op);
        else
                wake_at(u, op->made_usec + UNTOLD_USEC);
}

void untold_changed(Untold *u, Operation *op) {
        if (op->told)
                changes_add(&u->bus->changes, OBJECT_OPERATION, op);
        else if (op->state == OPERATION_FAILED || op->blocked_by)
                tell(u, op);
}

void untold_seen(Untold *u, Operation *op) {
        if (is_untold(op))
                tell(u, op);
        op->told = true;
}

void untold_tell(Untold *u) {
        list_foreach(op, manager_get_operations(u->bus->manager), Operation, node)
                if (is_untold(op))
                        tell(u, op);
}

void untold_all_seen(Untold *u) {
        list_foreach(op, manager_get_operations(u->bus->manager), Operation, node)
                untold_seen(u, op);
}

int untold_new(Untold **ret, Bus *b) {
        Untold *u = calloc(1, sizeof(*u));

        if (!u)
                return -ENOMEM;
        u->bus = b;
        list_foreach(op, manager_get_operations(b->manager), Operation, node)
                if (is_untold(op))
                        untold_added(u, op);
        *ret = u;
        return 0;
}

Untold *untold_free(Untold *u) {
        if (!u)
                return NULL;
        sd_event_source_disable_unref(u->timer);
        free(u);
        return NULL;
}

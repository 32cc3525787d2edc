/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unplug.c: owns what becomes of who has a device open while its parent goes away. The kernel waits
 * for them, and PCI hotplug with it. Where the configuration says "kill" they are given some time,
 * and then a worker ends them; it is asked again after longer and longer times, and not for ever.
 * Of parents of our module only: of others nobody tells that they are going away.
 */
#include "core/internal.h"
#include "util/log.h"

#define TRIES_MAX 5

static bool is_evicting(Manager *m, const Device *d) {
        list_foreach(op, &m->active, Operation, active_node)
                if (op->state == OPERATION_RUNNING && op->record->kind == RECORD_EVICT &&
                    uuid_equal(&op->record->uuid, &d->uuid) &&
                    streq(op->record->parent, d->parent->name))
                        return true;
        return false;
}

static int make_record(const Device *d, Record **ret) {
        _cleanup_(record_freep) Record *record = NULL;
        int r;

        if (!d->parent->path)
                return -ENODEV;
        r = record_new(&record, RECORD_EVICT);
        if (r < 0)
                return r;
        record->uuid = d->uuid;
        record->ours = true;
        record->origin = d->origin;
        record->opener = d->opener;
        record->parent = strdup(d->parent->name);
        record->parent_path = strdup(d->parent->path);
        record->type = strdup(d->type);
        record->owner = strdup(d->owner);
        record->client = strdup("config");
        record->opener_name = strdup(d->opener_name);
        if (!record->parent || !record->parent_path || !record->type || !record->owner ||
            !record->client || !record->opener_name)
                return -ENOMEM;
        *ret = TAKE_PTR(record);
        return 0;
}

static void evict(Manager *m, Device *d) {
        Record *record = NULL;
        Operation *op;
        int r;

        r = make_record(d, &record);
        if (r >= 0)
                r = operation_new(m, record, OPERATION_QUEUED, &op);
        if (r < 0)
                (void) log_error_errno(r,
                                       FIELDS(.topic = "unplug", .parent = d->parent->name,
                                              .device = UUID_STR(&d->uuid)),
                                       "Cannot end who has %s open: %m", UUID_STR(&d->uuid));
}

/* Answers when to look again; UINT64_MAX: nothing is to be done by then. */
static uint64_t check_device(Manager *m, Device *d, const Parent *config, uint64_t now) {
        const uint64_t limit = (uint64_t) config->on_unplug_timeout * 1000000;

        if (d->opened == 0 || d->evictions >= TRIES_MAX || is_evicting(m, d))
                return UINT64_MAX; /* the end of an operation wakes us, too */
        if (d->evict_usec == 0)
                d->evict_usec = now + limit;
        if (d->evict_usec <= now) {
                evict(m, d);
                /* one that nobody is given time for is not tried five times at once */
                d->evict_usec = now + (MAX(limit, UINT64_C(1000000)) << d->evictions++);
        }
        return d->evict_usec;
}

static void forget(Device *d) {
        d->evict_usec = 0;
        d->evictions = 0;
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata) {
        refresh_wake(userdata);
        return 0;
}

static void set_timer(Manager *m, uint64_t usec) {
        int r = manager_set_timer(m, &m->unplug, usec, on_time);

        if (r < 0)
                (void) log_warning_errno(r, FIELDS(.topic = "unplug"),
                                         "Cannot set a timer for devices whose parent is going "
                                         "away: %m");
}

void unplug_check(Manager *m) {
        uint64_t now = operation_monotonic_usec(), next = UINT64_MAX;

        list_foreach(p, &m->model->parents, Parent, node) {
                const Parent *config = parents_find_config(m, p->name);
                bool wanted = p->state == PARENT_CLOSING && config &&
                              config->on_unplug == ON_UNPLUG_KILL;

                if (!wanted && !p->evicting)
                        continue;
                p->evicting = wanted;
                list_foreach(d, &p->devices, Device, parent_node) {
                        if (wanted)
                                next = MIN(next, check_device(m, d, config, now));
                        else
                                forget(d);
                }
        }
        set_timer(m, next);
        operation_dispatch(m);
}

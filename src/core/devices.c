/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * devices.c: owns the devices of the model. Those of our module are what its snapshot says, all
 * others what sysfs says. Who made one, and for whom, comes from the operation that did, or from
 * the file that an earlier daemon left; a device that neither knows is foreign and left alone.
 */
#include <mdevd.h>

#include "backend/origin.h"
#include "core/functions.h"
#include "util/log-ids.h"
#include "util/log.h"

/* ---- linking ---- */

/* As it was announced; or as an earlier daemon has noted it, after which that operation goes on. */
static int take_lease(Manager *m, Device *d, const Record *record) {
        const Lease announced = {
                .kind = record->lease,
                .linger_sec = record->linger_sec,
                .client = record->lease == LEASE_CLIENT ? record->client : NULL,
        };

        if (record->lease == LEASE_NONE)
                return 0;
        return origin_load_lease(m->root_fd, d) < 0 ? lease_copy(&d->lease, &announced) : 0;
}

static int take_origin(Manager *m, Device *d) {
        const Operation *op = operation_find_maker(m, d->parent->name, &d->uuid);
        bool known;
        int r;

        if (op && streq(op->record->type, d->type) && functions_is_of(op->record, d)) {
                d->origin = op->record->origin;
                r = take_lease(m, d, op->record);
                if (r < 0)
                        return r;
                if (op->record->profile) {
                        free(d->profile);
                        d->profile = strdup(op->record->profile);
                        if (!d->profile)
                                return -ENOMEM;
                }
                if (!d->ours && device_set_owner(d, op->record->owner ?: "") < 0)
                        return -ENOMEM;
                for (size_t i = 0; i < op->record->n_attributes; i++) {
                        const Attribute *a = &op->record->attributes[i];

                        r = attributes_add(&d->attributes, &d->n_attributes, a->name, a->value);
                        if (r < 0)
                                return r;
                }
                /*
                 * it was announced, unless somebody has cleared the folder; but for which function
                 * bears it
                 */
                known = d->function ? origin_names(m->root_fd, &d->uuid, d->parent->name,
                                                   d->function) :
                                      origin_is_known(m->root_fd, &d->uuid);
                r = known ? 0 : origin_save(m->root_fd, d);
                if (r < 0)
                        (void) log_warning_errno(r,
                                                 FIELDS(.topic = "device",
                                                        .parent = d->parent->name,
                                                        .device = UUID_STR(&d->uuid)),
                                                 "Cannot note who made %s; a restart will take it "
                                                 "for foreign: %m",
                                                 UUID_STR(&d->uuid));
                return 0;
        }
        /* the announcement of a create that may not be what made this one */
        if (operation_find_doubtful(m, d->parent->name, &d->uuid))
                return 0;
        r = origin_load(m->root_fd, d);
        return r == -ENOMEM ? r : 0;
}

/*
 * Who is to have a device is on record before there is one: were it noted afterwards, and could not
 * be, the device would be nobody's after a restart.
 */
int devices_announce(Manager *m, const Record *record) {
        return origin_announce(m->root_fd, record);
}

/* A foreign device of that UUID, which was there first, is not what was announced. */
void devices_withdraw(Manager *m, const Uuid *uuid) {
        const Device *d = model_find_device(m->model, NULL, uuid, NULL);

        if (!d || d->origin == ORIGIN_FOREIGN)
                (void) origin_forget(m->root_fd, uuid);
}

/* @d is complete but for its origin; it is taken in every case. */
static int link_device(Manager *m, Device *d) {
        Parent *p = d->parent;
        int r;

        r = take_origin(m, d);
        if (r < 0) {
                device_free(d);
                return r;
        }
        model_link_device(m->model, d);
        manager_tell(m, device_added, d);
        leases_begin(m, d);
        manager_tell(m, parent_changed, p);
        /* available_instances; after an operation of ours they are new already */
        if (!d->ours && !operation_find_maker(m, p->name, &d->uuid))
                refresh_counts(m, p->name);
        if (m->started && d->origin == ORIGIN_FOREIGN)
                log_info(FIELDS(.topic = "device", .parent = p->name, .device = UUID_STR(&d->uuid),
                                .type = d->type),
                         "Device %s (%s) appeared on %s; somebody else made it.",
                         UUID_STR(&d->uuid), d->type, p->name);
        return 0;
}

void devices_unlink(Manager *m, Device *d) {
        Parent *p = d->parent;
        Uuid uuid = d->uuid;

        log_info(FIELDS(.message_id = LOG_ID_DEVICE_REMOVED, .topic = "device", .parent = p->name,
                        .device = UUID_STR(&d->uuid), .type = d->type, .owner = d->owner),
                 "Device %s of %s is gone.", UUID_STR(&d->uuid), p->name);
        manager_tell(m, device_removed, d);
        operations_forget_device(m, d);
        lease_users_forget(m, d);
        refresh_counts(m, p->name);
        device_free(d);
        /* its file may be another's by now: one that is made while this was being cleaned */
        if (!operation_is_creating(m, &uuid))
                devices_withdraw(m, &uuid);
        manager_tell(m, parent_changed, p);

        /* There is room again. */
        autostart_retry(m, p->name, false);
        refresh_autostart(m);
}

/* ---- vendors' devices, mdevs and what functions bear ---- */

static int new_vendor_device(Manager *m, Parent *p, const SysfsDevice *sd) {
        Device *d;
        int r;

        r = device_new(&d, p, &sd->uuid, sd->type);
        if (r < 0)
                return r;
        d->state = DEVICE_LIVE;
        r = request_set_string(&d->function, sd->function);
        if (r < 0) {
                device_free(d);
                return r;
        }
        return link_device(m, d);
}

/* Unlinks those of @uuid that are not what sysfs shows; answers whether that one is known. */
static bool unlink_others(Manager *m, const Uuid *uuid, const SysfsDevice *sd) {
        bool known = false;

        if (!model_find_device(m->model, NULL, uuid, NULL))
                return false;
        list_foreach_safe(d, &m->model->devices, Device, node) {
                if (!uuid_equal(&d->uuid, uuid) || parents_is_governed(m, d->parent))
                        continue;
                if (sd && streq(d->parent->name, sd->parent) && streq(d->type, sd->type) &&
                    streq_ptr(d->function, sd->function))
                        known = true;
                else
                        devices_unlink(m, d);
        }
        return known;
}

static int find_parent_of(Manager *m, const SysfsDevice *sd, Parent **ret) {
        _cleanup_(freep) char *path = NULL;
        int r;

        *ret = model_find_parent(m->model, sd->parent);
        if (*ret)
                return 0;
        path = strndup(sd->path, strrchr(sd->path, '/') - sd->path);
        if (!path)
                return -ENOMEM;
        r = parents_update(m, sd->parent, path);
        *ret = model_find_parent(m->model, sd->parent);
        return r;
}

static int update_seen(Manager *m, const SysfsDevice *sd) {
        bool known = unlink_others(m, &sd->uuid, sd);
        Parent *p;
        int r;

        if (known)
                return 0;
        r = find_parent_of(m, sd, &p);
        if (r < 0 || !p)
                return r; /* a parent that has gone takes its devices with it */
        if (parents_is_governed(m, p)) {
                refresh_claim(m, &sd->uuid);
                return 0;
        }
        return new_vendor_device(m, p, sd);
}

int devices_update(Manager *m, const Uuid *uuid) {
        SysfsDevice sd = {};
        int r;

        /* Its worker will tell; until then attributes may be missing, or it may be undone. */
        if (operation_claims(m, uuid))
                return 0;
        r = sysfs_read_device(m->root_fd, uuid, &sd);
        if (r == SYSFS_INCOMPLETE)
                return 1;
        if (r == -ENOENT)
                r = functions_find_device(m, uuid, &sd);
        if (r == -ENOENT) {
                (void) unlink_others(m, uuid, NULL);
                return 0;
        }
        if (r < 0)
                return r;
        r = update_seen(m, &sd);
        sysfs_device_done(&sd);
        return r;
}

static int note_one(const Uuid *uuid, void *userdata) {
        refresh_device(userdata, uuid);
        return 0;
}

int devices_update_all(Manager *m) {
        list_foreach(d, &m->model->devices, Device, node)
                if (!parents_is_governed(m, d->parent))
                        refresh_device(m, &d->uuid);
        return sysfs_foreach_device(m->root_fd, note_one, m);
}

/* ---- our module's devices ---- */

static bool extents_equal(const Device *d, const KmodDevice *k) {
        if (d->n_extents != k->n_extents)
                return false;
        for (size_t i = 0; i < d->n_extents; i++) {
                const Extent *a = &d->extents[i], *b = &k->extents[i];

                if (a->offset != b->offset || a->size != b->size || a->bar != b->bar ||
                    a->guest_bar != b->guest_bar)
                        return false;
        }
        return true;
}

static bool other_equals(const Other *a, const Other *b) {
        if (!a->used || !b->used)
                return a->used == b->used;
        return a->finished == b->finished && a->extent == b->extent &&
               a->place.bar == b->place.bar && a->place.offset == b->place.offset &&
               a->place.size == b->place.size;
}

static int update_device(Manager *m, Device *d, const KmodDevice *k) {
        bool same_owner = d->relabelled || streq(d->owner, k->owner);
        bool same_extents = extents_equal(d, k) && other_equals(&d->other, &k->other);
        bool changed = d->state != k->state || d->opened != k->opened || !same_owner ||
                       !same_extents || !d->ours;
        bool frees = d->state != k->state || !same_owner || !same_extents || !d->ours;
        int r;

        r = same_owner ? 0 : device_set_owner(d, k->owner);
        if (r < 0)
                return r;
        if (!same_extents) {
                device_set_extents(d, k->extents, k->n_extents);
                device_set_other(d, &k->other);
                m->any_in_two_places = m->any_in_two_places || d->other.used;
        }
        d->ours = true;
        d->state = k->state;
        d->opened = k->opened;
        if (d->opened == 0)
                d->opener = 0;
        counters_take(d, k);
        if (changed && list_is_linked(&d->node)) {
                manager_tell(m, device_changed, d);
                if (frees) /* who has it open changes nothing of the parent */
                        manager_tell(m, parent_changed, d->parent);
        }
        return 0;
}

static int apply_device(Manager *m, Parent *p, const KmodDevice *k) {
        Device *d = model_find_device(m->model, p, &k->uuid, NULL);
        int r;

        if (d && !streq(d->type, k->type)) {
                devices_unlink(m, d);
                d = NULL;
        }
        if (d) {
                d->seen = true;
                return update_device(m, d, k);
        }
        if (operation_claims(m, &k->uuid))
                return 0; /* planned, and told when its worker has ended */

        r = device_new(&d, p, &k->uuid, k->type);
        if (r < 0)
                return r;
        d->ours = d->seen = true;
        r = update_device(m, d, k);
        if (r < 0) {
                device_free(d);
                return r;
        }
        return link_device(m, d);
}

int devices_apply_kmod(Manager *m, const KmodSnapshot *s) {
        int r;

        list_foreach(d, &m->model->devices, Device, node)
                d->seen = false;

        list_foreach(k, &s->parents, KmodParent, node) {
                Parent *p;

                r = parents_apply_kmod(m, k, &p);
                if (r < 0)
                        return r;
                list_foreach(kd, &k->devices, KmodDevice, node) {
                        r = apply_device(m, p, kd);
                        if (r < 0)
                                return r;
                }
        }

        list_foreach_safe(d, &m->model->devices, Device, node)
                if (!d->seen && parents_is_governed(m, d->parent))
                        devices_unlink(m, d);
        return 0;
}

/* One that has gone from there, or is on another parent of our module by now. */
static void unlink_claims(Manager *m, const Uuid *uuid, const Parent *but) {
        Device *next;

        for (Device *d = model_find_device(m->model, NULL, uuid, NULL); d; d = next) {
                next = d->next_alike;
                if (uuid_equal(&d->uuid, uuid) && d->parent != but &&
                    parents_is_governed(m, d->parent))
                        devices_unlink(m, d);
        }
}

int devices_apply_claim(Manager *m, const Uuid *uuid, const KmodSnapshot *s) {
        const KmodParent *k = s ? list_first(&s->parents, KmodParent, node) : NULL;
        const KmodDevice *kd = k ? list_first(&k->devices, KmodDevice, node) : NULL;
        Parent *p = kd ? model_find_parent(m->model, k->name) : NULL;

        if (kd && (!p || !parents_is_governed(m, p))) {
                refresh_query(m); /* its parent is news, too, and all of that is told together */
                return 0;
        }
        unlink_claims(m, uuid, p);
        return kd ? apply_device(m, p, kd) : 0;
}

void devices_note_opener(Manager *m, const KmodEvent *event) {
        Parent *p = model_find_parent(m->model, event->parent);
        Device *d = p ? model_find_device(m->model, p, &event->uuid, NULL) : NULL;

        if (!d)
                return;
        if (event->type == MDEVD_EVENT_DEVICE_REVOKED) {
                log_warning(FIELDS(.message_id = LOG_ID_DEVICE_REVOKED, .topic = "device",
                                   .parent = p->name, .device = UUID_STR(&d->uuid),
                                   .owner = d->owner),
                            "Parent %s is going away, and %s (pid %d) has %s open: the removal "
                            "waits until it is closed.",
                            p->name, event->pid > 0 ? event->comm : "a process of another PID "
                                                                    "namespace",
                            event->pid, UUID_STR(&d->uuid));
                return;
        }
        if (event->type == MDEVD_EVENT_DEVICE_CLOSED) {
                d->opener = 0;
                log_info(FIELDS(.message_id = LOG_ID_DEVICE_CLOSED, .topic = "device",
                                .parent = p->name, .device = UUID_STR(&d->uuid), .owner = d->owner),
                         "Device %s is closed.", UUID_STR(&d->uuid));
                return;
        }
        d->opener = event->pid;
        /* what was opened and closed within one turn was open, too */
        leases_note_open(m, d, true, leases_now_usec());
        snprintf(d->opener_name, sizeof(d->opener_name), "%s", event->comm);
        log_info(FIELDS(.message_id = LOG_ID_DEVICE_OPENED, .topic = "device", .parent = p->name,
                        .device = UUID_STR(&d->uuid), .owner = d->owner),
                 "Device %s was opened by %s (pid %d).", UUID_STR(&d->uuid), event->comm,
                 event->pid);
}

/* The module keeps the label that it was told; from now on the daemon's holds. */
int devices_set_owner(Manager *m, Device *d, const char *owner) {
        _cleanup_(freep) char *before = strdup(d->owner);
        bool was = d->relabelled;
        int r, k;

        r = before ? device_set_owner(d, owner) : -ENOMEM;
        if (r < 0)
                return r;
        d->relabelled = true;
        r = origin_save(m->root_fd, d);
        if (r < 0) {
                /* who it was for before a restart must be who it is for after it */
                d->relabelled = was;
                k = device_set_owner(d, before);
                return k < 0 ? k : r;
        }
        manager_tell(m, device_changed, d);
        /* what can still be made is another only where owners have limits */
        if (!list_is_empty(&m->model->rules->groups))
                manager_tell(m, parent_changed, d->parent);
        return 0;
}

/* ---- what earlier daemons left ---- */

/* What such a card bears is seen when the work has ended. */
static bool is_on_card_at_work(Manager *m, const Uuid *uuid) {
        _cleanup_(freep) char *parent = NULL;

        return origin_read_parent(m->root_fd, uuid, &parent) >= 0 && functions_are_busy(m, parent);
}

static bool is_known(const Uuid *uuid, void *userdata) {
        Manager *m = userdata;

        return model_find_device(m->model, NULL, uuid, NULL) || is_on_card_at_work(m, uuid);
}

int devices_sweep_origins(Manager *m) {
        return origin_sweep(m->root_fd, is_known, m);
}

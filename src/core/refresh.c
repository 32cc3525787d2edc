/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * refresh.c: owns how events become looks at the kernel. An event says where to look, never what is
 * there: it may be old by the time it is read. Looks are gathered and taken once a turn of the
 * loop, after the events and before the bus, in a fixed order: parents, vendors' devices, our
 * module's snapshot; then operations whose workers are gone are settled against what was seen.
 */
#include <mdevd.h>

#include "core/functions.h"
#include "util/log-ids.h"
#include "util/log.h"
#include "util/notify.h"

#define NAMES_MAX 4096
#define UNSEEN_MAX 65536
/* An mdev's last links come a moment after its last uevent; nothing tells when. */
#define INCOMPLETE_FIRST_USEC 5000
#define INCOMPLETE_TRIES_MAX 9

typedef struct Name Name;
typedef struct Unseen Unseen;

struct Name {
        List node;
        char *name;
        char *path;
        bool counts; /* nothing else of it is looked at */
};

struct Unseen {
        List node;
        Uuid uuid;
        unsigned tries;
};

static void name_free(Name *n) {
        list_unlink(&n->node);
        free(n->name);
        free(n->path);
        free(n);
}

static void unseen_free(Unseen *u) {
        list_unlink(&u->node);
        free(u);
}

void refresh_wake(Manager *m) {
        if (m->refresh.source)
                (void) sd_event_source_set_enabled(m->refresh.source, SD_EVENT_ONESHOT);
}

/* Anything that cannot be noted singly is found by looking at everything. */
void refresh_all(Manager *m) {
        m->refresh.everything = m->refresh.query = true;
        refresh_wake(m);
}

void refresh_query(Manager *m) {
        m->refresh.query = true;
        refresh_wake(m);
}

void refresh_claim(Manager *m, const Uuid *uuid) {
        Refresh *r = &m->refresh;

        if (r->query)
                return; /* it is among all */
        for (size_t i = 0; i < r->n_claims; i++)
                if (uuid_equal(&r->claims[i], uuid))
                        return;
        if (r->n_claims == ARRAY_SIZE(r->claims)) {
                refresh_query(m);
                return;
        }
        r->claims[r->n_claims++] = *uuid;
        refresh_wake(m);
}

void refresh_autostart(Manager *m) {
        m->refresh.autostart = true;
        refresh_wake(m);
}

static void note_parent(Manager *m, const char *name, const char *path, bool counts) {
        Name *n;

        list_foreach(i, &m->refresh.parents, Name, node)
                if (streq(i->name, name) && (!path || streq_ptr(i->path, path))) {
                        i->counts &= counts;
                        return;
                }
        n = calloc(1, sizeof(*n));
        if (!n || list_length(&m->refresh.parents) >= NAMES_MAX) {
                free(n);
                refresh_all(m);
                return;
        }
        list_init(&n->node);
        list_append(&m->refresh.parents, &n->node);
        n->counts = counts;
        n->name = strdup(name);
        n->path = path ? strdup(path) : NULL;
        if (!n->name || (path && !n->path)) {
                name_free(n);
                refresh_all(m);
                return;
        }
        refresh_wake(m);
}

void refresh_parent(Manager *m, const char *name, const char *path) {
        note_parent(m, name, path, false);
}

void refresh_counts(Manager *m, const char *name) {
        note_parent(m, name, NULL, true);
}

void refresh_device(Manager *m, const Uuid *uuid) {
        Unseen *u;

        list_foreach(i, &m->refresh.devices, Unseen, node)
                if (uuid_equal(&i->uuid, uuid)) {
                        i->tries = 0;
                        refresh_wake(m);
                        return;
                }
        u = list_length(&m->refresh.devices) < UNSEEN_MAX ? calloc(1, sizeof(*u)) : NULL;
        if (!u) {
                refresh_all(m);
                return;
        }
        list_init(&u->node);
        u->uuid = *uuid;
        list_append(&m->refresh.devices, &u->node);
        refresh_wake(m);
}

/* ---- the module ---- */

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
        if (is_of_device(event->type))
                refresh_claim(m, &event->uuid);
        else
                refresh_query(m);
}

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

int refresh_open_kmod(Manager *m) {
        int r;

        if (m->kmod)
                return 0;
        r = open_kmod(m);
        if (r == -ENOENT || r == -ENODEV || r == -ENXIO)
                return 0; /* it may come later: there will be an event */
        if (r >= 0)
                r = kmod_attach(m->kmod, m->event, on_kmod_event, m);
        if (r >= 0)
                r = writers_listen(m);
        if (r < 0) {
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

static int query(Manager *m) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
        int r;

        m->refresh.query = false;
        m->refresh.n_claims = 0;
        if (!m->kmod)
                return 0;
        r = kmod_query(m->kmod, &s);
        if (r < 0)
                return log_error_errno(r, FIELDS(.topic = "kmod"),
                                       "Cannot ask the kernel module what there is: %m");
        /* who is told of a device in this turn need not ask once more */
        counters_are_new(m);
        writers_note_snapshot(m, NULL);
        r = devices_apply_kmod(m, s);
        writers_settle(m, NULL);
        return r;
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
                return log_error_errno(r, FIELDS(.topic = "kmod"),
                                       "Cannot ask the kernel module for %s: %m", UUID_STR(uuid));
        writers_note_snapshot(m, uuid);
        r = devices_apply_claim(m, uuid, r < 0 ? NULL : s);
        if (!m->refresh.query) /* else that comes first */
                writers_settle(m, uuid);
        d = s ? model_find_device(m->model, NULL, uuid, NULL) : NULL;
        if (d && d->ours)
                counters_are_new_of(m, d);
        return r;
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

/* ---- uevents ---- */

/* Whether its parent is our module's, and nothing makes us think that it is not any more. */
static bool is_modules(Manager *m, const Uevent *event) {
        const char *end = event->devpath + strlen(event->devpath) - strlen(event->sysname) - 1;
        const char *begin = memrchr(event->devpath, '/', (size_t) (end - event->devpath));
        _cleanup_(freep) char *name = NULL;
        const Parent *p;

        if (m->refresh.everything || !begin)
                return false;
        name = strndup(begin + 1, (size_t) (end - begin) - 1);
        p = name ? model_find_parent(m->model, name) : NULL;
        if (!p || !parents_is_governed(m, p))
                return false;
        list_foreach(n, &m->refresh.parents, Name, node)
                if (streq(n->name, name))
                        return false;
        return true;
}

/*
 * Of devices of our module that itself tells; but for one that was granted and could not be made,
 * which has never been a device. What a worker of ours is making is looked at when that has told.
 */
static void note_mdev(Manager *m, const Uevent *event) {
        const Device *d;
        Uuid uuid;

        if (uuid_parse(event->sysname, &uuid) < 0 || operation_claims(m, &uuid))
                return;
        if (!is_modules(m, event)) {
                refresh_device(m, &uuid);
                return;
        }
        d = model_find_device(m->model, NULL, &uuid, NULL);
        if (streq(event->action, "remove") &&
            (writers_await(m, &uuid) || (d && d->state == DEVICE_RESERVED)))
                refresh_claim(m, &uuid);
}

void refresh_on_uevent(const Uevent *event, void *userdata) {
        Manager *m = userdata;

        if (!event) {
                log_notice(FIELDS(.message_id = LOG_ID_EVENTS_LOST, .topic = "udev"),
                           "Uevents were lost; looking at everything.");
                refresh_all(m);
                return;
        }
        if (streq_ptr(event->subsystem, "misc")) {
                (void) refresh_open_kmod(m);
                return;
        }
        if (streq_ptr(event->subsystem, "mdev")) {
                note_mdev(m, event);
                return;
        }
        /* it may bear somebody's vGPU, also where a definition names it as a parent */
        if (!event->mdev_state && functions_note_uevent(m, event) < 0)
                refresh_all(m);
        if (!event->mdev_state && !model_find_parent(m->model, event->sysname))
                return; /* one of the many PCI devices that nobody has named */
        if (streq(event->action, "add"))
                parents_forgive(m, event->sysname);
        refresh_parent(m, event->sysname, streq(event->action, "remove") ? NULL : event->devpath);
        refresh_query(m);
}

/* ---- the look ---- */

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        m->refresh.timed = true;
        refresh_wake(m);
        return 0;
}

static int look_later(Manager *m, unsigned tries) {
        uint64_t usec = (uint64_t) INCOMPLETE_FIRST_USEC << tries;
        int r;

        if (!m->refresh.timer)
                return sd_event_add_time_relative(m->event, &m->refresh.timer, CLOCK_MONOTONIC,
                                                  usec, 0, on_timer, m);
        r = sd_event_source_set_time_relative(m->refresh.timer, usec);
        return r < 0 ? r : sd_event_source_set_enabled(m->refresh.timer, SD_EVENT_ONESHOT);
}

int refresh_parents_now(Manager *m) {
        int r = 0;

        while (r >= 0 && !list_is_empty(&m->refresh.parents)) {
                Name *n = list_first(&m->refresh.parents, Name, node);

                r = n->counts ? parents_update_counts(m, n->name) :
                                parents_update(m, n->name, n->path);
                name_free(n);
        }
        return r;
}

static int look_at_devices(Manager *m) {
        bool timed = m->refresh.timed;

        m->refresh.timed = false;
        list_foreach_safe(u, &m->refresh.devices, Unseen, node) {
                int r;

                r = devices_update(m, &u->uuid);
                if (r < 0)
                        return r;
                if (r == 0 || u->tries >= INCOMPLETE_TRIES_MAX) {
                        unseen_free(u);
                        continue;
                }
                if (u->tries > 0 && !timed)
                        continue; /* something else made us look; its time has not come */
                r = look_later(m, u->tries++);
                if (r < 0)
                        return r;
        }
        return 0;
}

int refresh_now(Manager *m) {
        int r = 0;

        if (m->refresh.everything) {
                m->refresh.everything = false;
                r = parents_update_all(m);
                if (r >= 0)
                        r = devices_update_all(m);
        }
        if (r >= 0)
                r = refresh_parents_now(m);
        if (r >= 0)
                r = look_at_devices(m);
        if (r >= 0)
                r = query_claims(m);
        if (r >= 0 && m->refresh.query)
                r = query(m);
        return r;
}

static int on_refresh(sd_event_source *s, void *userdata) {
        Manager *m = userdata;
        int r;

        m->refresh.running = true;
        r = refresh_now(m);
        if (r < 0)
                (void) log_error_errno(r, FIELDS(.topic = "refresh"),
                                       "Cannot bring the model up to date: %m");
        /* Even so: whoever waits gets an answer. */
        operations_settle(m);
        writers_answer(m);
        if (m->autostart) {
                parents_bring_up(m);
                unplug_check(m);
                mends_check(m);
                leases_check(m);
                if (m->refresh.autostart) {
                        m->refresh.autostart = false;
                        autostart_run(m);
                }
        }
        m->refresh.running = false;
        available_tell(m);
        return 0;
}

int refresh_init(Manager *m) {
        int r;

        list_init(&m->refresh.parents);
        list_init(&m->refresh.devices);
        r = sd_event_add_defer(m->event, &m->refresh.source, on_refresh, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->refresh.source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(m->refresh.source, PRIORITY_REFRESH);
        if (r >= 0)
                (void) sd_event_source_set_description(m->refresh.source, "refresh");
        return r;
}

void refresh_done(Manager *m) {
        sd_event_source_disable_unref(m->refresh.source);
        sd_event_source_disable_unref(m->refresh.timer);
        m->refresh.source = m->refresh.timer = NULL;
        if (!m->refresh.parents.next)
                return;
        list_foreach_safe(n, &m->refresh.parents, Name, node)
                name_free(n);
        list_foreach_safe(u, &m->refresh.devices, Unseen, node)
                unseen_free(u);
}

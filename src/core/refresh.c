/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * refresh.c: owns how events become looks at the kernel. An event says where to look, never what is
 * there: it may be old by the time it is read. Looks are gathered and taken once a turn of the
 * loop, after the events and before the bus, in a fixed order: parents, vendors' devices, our
 * module's snapshot; then operations whose workers are gone are settled against what was seen; what
 * parents count comes last.
 */
#include "core/functions.h"
#include "util/log-ids.h"
#include "util/log.h"

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

        if (r->query) {
                refresh_wake(m); /* it is among all, and what was to be asked may have failed */
                return;
        }
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

/* ---- uevents ---- */

/* The folder that it is in has its parent's name. */
static const Parent *parent_of(const Manager *m, const Uevent *event) {
        const char *end = event->devpath + strlen(event->devpath) - strlen(event->sysname) - 1;
        const char *begin = memrchr(event->devpath, '/', (size_t) (end - event->devpath));
        _cleanup_(freep) char *name = NULL;

        if (!begin)
                return NULL;
        name = strndup(begin + 1, (size_t) (end - begin) - 1);
        return name ? model_find_parent(m->model, name) : NULL;
}

/* Whether @p is our module's, and nothing makes us think that it is not any more. */
static bool is_modules(const Manager *m, const Parent *p) {
        if (m->refresh.everything || !p || !parents_is_governed(m, p))
                return false;
        list_foreach(n, &m->refresh.parents, Name, node)
                if (streq(n->name, p->name))
                        return false;
        return true;
}

/*
 * That another mdev has come there is not said without that this one has gone. What a function
 * bears, and what our module has there, or had, may be of the same UUID and is not this mdev.
 */
static bool is_known(const Manager *m, const Parent *p, const Uuid *uuid) {
        const Device *d = p ? model_find_device(m->model, p, uuid, NULL) : NULL;

        return d && !d->ours && !d->function;
}

/*
 * Of devices of our module that itself tells; but for one that was granted and could not be made,
 * which has never been a device. What a worker of ours is making is looked at when that has told.
 */
static void note_mdev(Manager *m, const Uevent *event) {
        bool removed = streq(event->action, "remove");
        const Parent *p = parent_of(m, event);
        const Device *d;
        Uuid uuid;

        if (uuid_parse(event->sysname, &uuid) < 0 || operation_claims(m, &uuid))
                return;
        if (!is_modules(m, p)) {
                if (removed || !is_known(m, p, &uuid))
                        refresh_device(m, &uuid);
                return;
        }
        d = model_find_device(m->model, NULL, &uuid, NULL);
        if (removed && (writers_await(m, &uuid) || (d && d->state == DEVICE_RESERVED)))
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
                (void) module_open(m);
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

/* The first of those that have been noted, of either kind; NULL: there is none. */
static Name *find_parent(Manager *m, bool counts) {
        list_foreach(n, &m->refresh.parents, Name, node)
                if (n->counts == counts)
                        return n;
        return NULL;
}

static int look_at_parents(Manager *m) {
        int r = 0;

        for (Name *n; r >= 0 && (n = find_parent(m, false)); name_free(n))
                r = parents_update(m, n->name, n->path);
        return r;
}

static int look_at_counts(Manager *m) {
        int r = 0;

        for (Name *n; r >= 0 && (n = find_parent(m, true)); name_free(n))
                r = parents_update_counts(m, n->name);
        return r;
}

/* Not before operations are settled: what one of them has made would be counted twice. */
int refresh_counts_now(Manager *m) {
        return m->refresh.running && !m->refresh.settling ? look_at_counts(m) : 0;
}

int refresh_parents_now(Manager *m) {
        int r;

        do {
                r = look_at_parents(m);
                if (r >= 0)
                        r = look_at_counts(m);
        } while (r >= 0 && !list_is_empty(&m->refresh.parents));
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

/* @parents: what is looked at of those that were noted. */
static int look(Manager *m, int (*parents)(Manager *m)) {
        int r = 0;

        if (m->refresh.everything) {
                m->refresh.everything = false;
                r = parents_update_all(m);
                if (r >= 0)
                        r = devices_update_all(m);
        }
        if (r >= 0)
                r = parents(m);
        if (r >= 0)
                r = look_at_devices(m);
        return r < 0 ? r : module_look(m);
}

/* Counts come first, too: with those of a card's functions it is seen which devices they bear. */
int refresh_now(Manager *m) {
        int r = look(m, refresh_parents_now);

        return r < 0 ? r : refresh_parents_now(m);
}

static int on_refresh(sd_event_source *s, void *userdata) {
        Manager *m = userdata;
        int r, k;

        m->refresh.running = true;
        r = look(m, look_at_parents); /* nobody's answer waits for what they count */
        /* Even if that has failed: whoever waits gets an answer, and the rest is looked at. */
        operations_settle(m);
        k = refresh_parents_now(m);
        r = r < 0 ? r : k;
        if (r < 0 && !m->refresh.failed) /* of the module it was said */
                (void) log_error_errno(r, FIELDS(.topic = "refresh"),
                                       "Cannot bring the model up to date: %m");
        if (m->n_working == 0)
                uevents_resume(m->uevents);
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
        sd_event_source_disable_unref(m->refresh.again);
        m->refresh.source = m->refresh.timer = m->refresh.again = NULL;
        if (!m->refresh.parents.next)
                return;
        list_foreach_safe(n, &m->refresh.parents, Name, node)
                name_free(n);
        list_foreach_safe(u, &m->refresh.devices, Unseen, node)
                unseen_free(u);
}

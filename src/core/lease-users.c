/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lease-users.c: owns the watch over who uses a vendor's device that has a lease. Nobody tells of
 * an open or a close: libvirt gives each QEMU a /dev of its own, whose nodes inotify does not see
 * from here. So it is looked: often for as long as it was not opened, seldom while it is and the
 * end of who uses it is told by pidfds, and always once more before the lease ends.
 */
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "core/internal.h"

#define LOOK_USEC (2 * UINT64_C(1000000)) /* the first; then 4, 8, 16 and every 32 s */
#define LOOK_DOUBLED_MAX 4U
/* While pidfds tell: a VM from which the device was taken away lives on. */
#define LOOK_WATCHED_USEC (60 * UINT64_C(1000000))

typedef struct Exit Exit;

struct LeaseUsers {
        List node; /* in manager->lease_users */
        Manager *manager;
        Device *device;
        List exits;
        uint64_t look_usec; /* CLOCK_MONOTONIC */
        uint64_t retry_usec; /* after a look that failed: none before, not even the last one */
        unsigned n_looks;
        bool asking;
};

struct Exit {
        List node;
        sd_event_source *source;
};

static void forget_exits(LeaseUsers *u) {
        list_foreach_safe(e, &u->exits, Exit, node) {
                sd_event_source_disable_unref(e->source);
                list_unlink(&e->node);
                free(e);
        }
}

static void users_free(LeaseUsers *u) {
        manager_forget_holders(u->manager, u);
        forget_exits(u);
        list_unlink(&u->node);
        free(u);
}

static LeaseUsers *find_users(Manager *m, const Device *d) {
        list_foreach(u, &m->lease_users, LeaseUsers, node)
                if (u->device == d)
                        return u;
        return NULL;
}

void lease_users_forget(Manager *m, Device *d) {
        LeaseUsers *u = find_users(m, d);

        d->n_users = 0; /* nobody counts them any more */
        if (u)
                users_free(u);
}

void lease_users_done(Manager *m) {
        list_foreach_safe(u, &m->lease_users, LeaseUsers, node)
                users_free(u);
}

/* libvirt and VDSM open a device to hand it to the VM, and are no users of it. */
static bool is_user(const Holder *h) {
        static const char *const passing[] = { "libvirtd", "virtqemud", "supervdsmd" };

        for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
                if (streq(h->command, passing[i]))
                        return false;
        return h->uses;
}

static int on_exit_of(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        LeaseUsers *u = userdata;

        (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
        u->look_usec = 0;
        refresh_wake(u->manager);
        return 0;
}

static int watch_exit(LeaseUsers *u, pid_t pid) {
        Exit *e;
        int fd, r;

        fd = (int) syscall(SYS_pidfd_open, pid, 0);
        if (fd < 0)
                return -errno;
        e = calloc(1, sizeof(*e));
        if (!e) {
                safe_close(fd);
                return -ENOMEM;
        }
        list_init(&e->node);
        r = sd_event_add_io(u->manager->event, &e->source, fd, EPOLLIN, on_exit_of, u);
        if (r < 0) {
                safe_close(fd);
                free(e);
                return r;
        }
        (void) sd_event_source_set_io_fd_own(e->source, true);
        list_append(&u->exits, &e->node);
        return 0;
}

/* Whoever cannot be watched is looked for. */
static bool watch_exits(LeaseUsers *u, const Holders *holders) {
        bool all = holders->n <= HOLDERS_MAX;

        forget_exits(u);
        for (size_t i = 0; i < MIN(holders->n, (size_t) HOLDERS_MAX); i++)
                if (is_user(&holders->holders[i]) && watch_exit(u, holders->holders[i].pid) < 0)
                        all = false;
        return all;
}

static unsigned count_users(const Holders *holders) {
        unsigned n = 0;

        for (size_t i = 0; i < MIN(holders->n, (size_t) HOLDERS_MAX); i++)
                n += is_user(&holders->holders[i]);
        /* those that are not described may be users */
        return n + (unsigned) (holders->n - MIN(holders->n, (size_t) HOLDERS_MAX));
}

static uint64_t interval(LeaseUsers *u, bool watched) {
        if (watched)
                return LOOK_WATCHED_USEC;
        return LOOK_USEC << MIN(u->n_looks++, LOOK_DOUBLED_MAX);
}

static uint64_t retry_later(LeaseUsers *u, uint64_t now) {
        u->look_usec = u->retry_usec = now + interval(u, false);
        return u->retry_usec;
}

static void on_holders(Manager *m, const Holders *holders, void *userdata) {
        LeaseUsers *u = userdata;
        uint64_t now = leases_now_usec();
        Device *d = u->device;
        unsigned n;

        u->asking = false;
        if (!holders) {
                retry_later(u, now);
                refresh_wake(m);
                return;
        }
        n = count_users(holders);
        if ((n > 0) != (d->n_users > 0))
                u->n_looks = 0;
        if (n != d->n_users) {
                d->n_users = n;
                manager_tell(m, device_changed, d);
        }
        u->look_usec = now + interval(u, watch_exits(u, holders) && n > 0);
        leases_note_open(m, d, n > 0, now);
        if (lease_is_due(&d->lease, now))
                leases_end(m, d, now);
        refresh_wake(m);
}

static LeaseUsers *users_new(Manager *m, Device *d) {
        LeaseUsers *u = calloc(1, sizeof(*u));

        if (!u)
                return NULL;
        list_init(&u->node);
        list_init(&u->exits);
        u->manager = m;
        u->device = d;
        list_append(&m->lease_users, &u->node);
        return u;
}

/*
 * Also of one that is closed: from a close that nobody saw, the time would run from an earlier one.
 */
static uint64_t next_look(const LeaseUsers *u) {
        const Lease *l = &u->device->lease;
        uint64_t until = l->until_usec > 0 ? l->until_usec : UINT64_MAX;

        if (l->phase != LEASE_OVER)
                until = MIN(u->look_usec, until);
        return MAX(u->retry_usec, until);
}

uint64_t lease_users_check(Manager *m, Device *d, uint64_t now) {
        LeaseUsers *u = find_users(m, d) ?: users_new(m, d);
        _cleanup_(reason_done) Reason reason = {};

        if (!u) /* no memory */
                return now + LOOK_USEC;
        if (u->asking)
                return UINT64_MAX;
        if (next_look(u) > now)
                return next_look(u);
        if (operation_find_running(m, NULL, &d->uuid))
                return UINT64_MAX; /* its end makes us look again */
        if (looks_ask(m, d, on_holders, u, &reason) != 0)
                return retry_later(u, now);
        u->asking = true;
        return UINT64_MAX;
}

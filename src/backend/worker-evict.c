/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-evict.c: owns killing who has a device open whose parent is going away, where the
 * configuration says so ("on_unplug": "kill").
 *
 * The process itself is killed where we may: it runs as the user that we are. For another user's we
 * want a capability that the unit does not give us, so systemd is asked to kill its unit: a scope
 * whole, since a virtual machine's (machine-….scope) is just that, a service only if the process
 * is its main process, for libvirtd's holds more than one machine. A process of a service must have
 * opened the device itself: it may have been sent the descriptor. There is nothing more to kill by:
 * who runs in a person's session or below a user's manager is named, and stays.
 */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "backend/holders.h"
#include "backend/worker-internal.h"
#include "util/log.h"

/* A killed process that still runs then is held up in the kernel. */
#define END_MSEC 10000
/* How often it is looked whether there is nobody more. */
#define LOOKS_MAX 64

typedef struct Eviction Eviction;

struct Eviction {
        Job *job;
        HolderDevice devices[HOLDER_DEVICES_MAX];
        size_t n_devices;
        char *why; /* what kept the last one that stays */
};

static int stays(Eviction *e, const char *format, ...) _printf_(2, 3);

static int stays(Eviction *e, const char *format, ...) {
        va_list ap;
        int n;

        free(e->why);
        e->why = NULL;
        va_start(ap, format);
        n = vasprintf(&e->why, format, ap);
        va_end(ap);
        if (n >= 0)
                return -EBUSY;
        e->why = NULL;
        return -ENOMEM;
}

/* ---- one process ---- */

static int kill_other(Eviction *e, pid_t pid, const char *unit, int kind) {
        if (kind == 0)
                return stays(e, "it is another user's, and in no scope or service of its own that "
                                "systemd could kill");
        if (!e->job->above->kill_unit)
                return -EOPNOTSUPP; /* not a process that is given this */
        free(e->why);
        e->why = NULL;
        return e->job->above->kill_unit(unit, kind == HOLDER_UNIT_SCOPE, pid, &e->why);
}

static int kill_one(Eviction *e, pid_t pid, int pidfd) {
        struct pollfd p = { .fd = pidfd, .events = POLLIN };
        char unit[HOLDER_UNIT_MAX];
        int kind, r;

        kind = holder_unit_of(e->job->root_fd, pid, unit);
        /* it lives, so that was read of it and of no later process of its number */
        if (poll(&p, 1, 0) > 0)
                return 0;
        /* a descriptor can be handed to anybody, and a service is not to die of what it was sent */
        if (kind == HOLDER_UNIT_SERVICE && pid != e->job->record->opener)
                return stays(e, "it is in %s and has not opened the device itself", unit);
        r = RET_NERRNO((int) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0));
        if (r == -EPERM)
                return kill_other(e, pid, unit, kind);
        return r >= 0 || r == -ESRCH ? 0 : stays(e, "it could not be killed: %s",
                                                 strerrordesc_np(-r));
}

static int await_end(Eviction *e, int pidfd) {
        struct pollfd p = { .fd = pidfd, .events = POLLIN };
        int n;

        do
                n = poll(&p, 1, END_MSEC);
        while (n < 0 && errno == EINTR);
        return n > 0 ? 0 : stays(e, "it was killed, and the kernel has not let it end yet");
}

static int evict(Eviction *e, const Holder *h) {
        const Record *record = e->job->record;
        const LogFields f = { .topic = "unplug", .parent = record->parent,
                              .device = UUID_STR(&record->uuid), .owner = record->owner };
        _cleanup_(closep) int pidfd = -EBADF;
        int r;

        pidfd = (int) syscall(SYS_pidfd_open, h->pid, 0);
        if (pidfd < 0)
                return errno == ESRCH ? 0 : stays(e, "%s", strerrordesc_np(errno));
        /* the number may be another process's by now; from here on it is this one's */
        if (!holder_uses(e->job->root_fd, h->pid, e->devices, e->n_devices))
                return 0;
        r = kill_one(e, h->pid, pidfd);
        if (r < 0)
                return r;
        log_notice(&f,
                   "Killed %s (pid %d%s%s), which had %s open: its parent %s is going away.",
                   h->command[0] ? h->command : "a process", h->pid, h->where[0] ? ", " : "",
                   h->where, UUID_STR(&record->uuid), record->parent);
        return await_end(e, pidfd);
}

/* ---- all of them ---- */

static int tell_stays(Eviction *e, const Holder *h) {
        Record *r = e->job->record;
        char *text = NULL, *who = NULL;

        if (asprintf(&text,
                     "%s on %s stays open in a process that could not be ended, and its parent "
                     "goes away only when that is closed; the journal says which and why. End it "
                     "by hand.",
                     UUID_STR(&r->uuid), r->parent) < 0)
                return -ENOMEM;
        /* without memory he is not named; why may name his unit, which is not for all to read */
        if (job_set_who(e->job, h, 1, 1) >= 0 && e->why &&
            asprintf(&who, "%s: %s", r->who, e->why) >= 0) {
                free(r->who);
                r->who = who;
        }
        record_set_result(e->job->record, OUTCOME_BUSY, -EBUSY, text);
        return -EBUSY;
}

static int tell_nobody(Eviction *e) {
        const Record *r = e->job->record;
        Holder opener = { .pid = r->opener };
        char *text = NULL;

        if (asprintf(&text,
                     "%s on %s is open, and no process was found that has it. End what has it by "
                     "hand; its parent goes away then.",
                     UUID_STR(&r->uuid), r->parent) < 0)
                return -ENOMEM;
        /* as the module says */
        (void) snprintf(opener.command, sizeof(opener.command), "%.16s", r->opener_name ?: "");
        (void) job_set_who(e->job, &opener, 1, 1); /* without memory he is not named */
        record_set_result(e->job->record, OUTCOME_BUSY, -EBUSY, text);
        return -EBUSY;
}

static int evict_all(Eviction *e, const Holders *holders) {
        int r, result = 0;

        for (size_t i = 0; i < MIN(holders->n, (size_t) HOLDERS_MAX); i++) {
                r = evict(e, &holders->holders[i]);
                if (r < 0 && result >= 0)
                        result = tell_stays(e, &holders->holders[i]);
        }
        return result;
}

/* One look describes only so many, and who was not seen may have come by a fork. */
static int evict_until_none(Eviction *e) {
        Holders holders;
        int r;

        for (size_t n = 0; n < LOOKS_MAX; n++) {
                r = holders_find_users(e->job->root_fd, e->devices, e->n_devices, &holders);
                if (r < 0)
                        return r;
                if (holders.n == 0)
                        return n == 0 ? tell_nobody(e) : 0;
                r = evict_all(e, &holders);
                if (r < 0)
                        return r;
        }
        (void) stays(e, "whoever is killed has started another");
        return tell_stays(e, &holders.holders[0]);
}

int job_evict(Job *j) {
        _cleanup_(freep) char *folder = NULL;
        Eviction e = { .job = j };
        int r;

        r = job_folder(j, &folder);
        if (r >= 0)
                r = holders_devices_of(j->root_fd, folder, e.devices, &e.n_devices);
        if (r >= 0)
                r = evict_until_none(&e);
        free(e.why);
        return r;
}

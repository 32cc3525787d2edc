/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* escort-main.c: owns the order in which the scripts of one operation are called. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "backend/escort-internal.h"
#include "backend/escort.h"
#include "backend/pass.h"
#include "callout/callout.h"
#include "names.h"
#include "sysfs/functions.h"
#include "util/log.h"
#include "util/utf8.h"

/* For a daemon that died, and its successor, to come to an end with the operation. */
#define ORPHAN_LIMIT_MSEC 90000

typedef struct Task Task;

struct Task {
        int socket_fd, root_fd;
        const char *root;
        Record *record;
        Definition *device; /* as the operation leaves it */
        Callout callout;
        CalloutAction action;
};

static void task_done(Task *t) {
        callout_done(&t->callout);
        definition_free(t->device);
        record_free(t->record);
        safe_close(t->root_fd);
}

static const CalloutAction actions[_RECORD_KIND_MAX] = {
        [RECORD_CREATE] = CALLOUT_START,   [RECORD_STOP] = CALLOUT_STOP,
        [RECORD_DEFINE] = CALLOUT_DEFINE,  [RECORD_MODIFY] = CALLOUT_MODIFY,
        [RECORD_UNDEFINE] = CALLOUT_UNDEFINE,
};

static int read_record(int fd, Record **ret) {
        _cleanup_(freep) char *text = NULL;
        ssize_t n;

        text = malloc(RECORD_SIZE_MAX + 1);
        if (!text)
                return -ENOMEM;
        n = pread(fd, text, RECORD_SIZE_MAX + 1, 0);
        return n < 0 ? -errno : record_parse(ret, text, n);
}

static int receive_record(int socket_fd, Record **ret) {
        _cleanup_(closep) int fd = pass_receive(socket_fd, 0, NULL);

        return fd < 0 ? fd : read_record(fd, ret);
}

/* Started so late that nobody waits any more: then nothing is asked of anybody. */
static bool is_left_alone(int socket_fd) {
        struct pollfd p = { .fd = socket_fd };

        return poll(&p, 1, 0) > 0 && p.revents & POLLHUP;
}

static int say(const Task *t, char what, const char *why) {
        char text[ESCORT_MESSAGE_MAX];
        size_t cut = why ? utf8_cut(why, sizeof(text) - 1) : 0;

        text[0] = what;
        if (cut > 0)
                memcpy(text + 1, why, cut);
        return RET_NERRNO(send(t->socket_fd, text, cut + 1, MSG_NOSIGNAL));
}

/* ---- without a daemon ---- */

static bool exists(const Task *t, const char *folder, const char *parent) {
        _cleanup_(freep) char *path = NULL;

        return asprintf(&path, "%s/%s%s%s", folder, parent, parent[0] ? "/" : "",
                        UUID_STR(&t->record->uuid)) >= 0 &&
               faccessat(t->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The record goes when the next daemon has brought the operation to its end. */
static void await_end(const Task *t, int record_fd) {
        _cleanup_(closep) int watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        _cleanup_(freep) char *folder = NULL;
        int left = ORPHAN_LIMIT_MSEC;
        struct stat st;

        if (watch_fd < 0 || asprintf(&folder, "%s/" MDEVD_PATH_OPERATIONS, t->root) < 0 ||
            inotify_add_watch(watch_fd, folder, IN_DELETE) < 0)
                return;
        while (left > 0 && fstat(record_fd, &st) == 0 && st.st_nlink > 0) {
                struct pollfd p = { .fd = watch_fd, .events = POLLIN };
                char events[4096];

                /* other operations end as well: it is not that exact, and need not be */
                left -= 1000;
                if (poll(&p, 1, 1000) > 0)
                        (void) read(watch_fd, events, sizeof(events));
        }
}

static bool has_device(const Task *t) {
        const Record *r = t->record;
        unsigned wanted, type;

        if (!r->function)
                return exists(t, MDEVD_PATH_SYSFS "/bus/mdev/devices", "");
        return function_type_parse(r->type, &wanted) >= 0 &&
               sysfs_read_function_type(t->root_fd, r->function, &type) >= 0 && type == wanted;
}

/* What is there by that name may be a later operation's: ours has ended, or was never begun. */
static bool is_ours(const Task *t, int record_fd) {
        _cleanup_(record_freep) Record *there = NULL;

        return read_record(record_fd, &there) < 0 || there->id == t->record->id;
}

/*
 * *@ret: what the record says last; NULL: it was never written, so nothing was begun, or it is
 * gone.
 */
static int await_record(const Task *t, Record **ret) {
        _cleanup_(freep) char *name = NULL, *path = NULL;
        _cleanup_(closep) int fd = -EBADF;
        int r = record_name(t->record, &name);

        if (r >= 0 && asprintf(&path, MDEVD_PATH_OPERATIONS "/%s", name) < 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        fd = openat(t->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!is_ours(t, fd))
                return 0;
        await_end(t, fd);
        return read_record(fd, ret);
}

/* Of a device what there is is the witness; of a definition that changed, only the record is. */
static bool looks_done(const Task *t) {
        _cleanup_(record_freep) Record *last = NULL;
        int r = await_record(t, &last);

        switch (t->record->kind) {
        case RECORD_CREATE:
                return has_device(t);
        case RECORD_STOP:
                return !has_device(t);
        case RECORD_DEFINE:
                return exists(t, MDEVD_PATH_DEFINITIONS, t->record->parent);
        case RECORD_UNDEFINE:
                return !exists(t, MDEVD_PATH_DEFINITIONS, t->record->parent);
        default:
                return r >= 0 && last && last->outcome == OUTCOME_OK &&
                       (last->step == STEP_DONE || last->step == STEP_SETTLING);
        }
}

static bool await_outcome(const Task *t) {
        char byte;
        ssize_t n;

        do
                n = recv(t->socket_fd, &byte, sizeof(byte), 0);
        while (n < 0 && errno == EINTR);
        if (n > 0)
                return byte == ESCORT_SUCCESS;
        return looks_done(t);
}

/* ---- the order ---- */

/* A script that can change a live device does; without one the worker writes to sysfs. */
static int change_live(Task *t, bool *ret_done) {
        int r;

        *ret_done = false;
        if (!t->record->live || !t->callout.versioned)
                return 0;
        r = callout_call(&t->callout, CALLOUT_LIVE, CALLOUT_MODIFY);
        callout_notify(&t->callout, CALLOUT_MODIFY);
        *ret_done = r == 0;
        return r;
}

static int ask(Task *t, bool *ret_done) {
        int r;

        r = callout_find(&t->callout);
        if (r >= 0)
                r = change_live(t, ret_done);
        if (r != 0 || (t->record->live && !t->record->define))
                return r;
        r = callout_call(&t->callout, CALLOUT_PRE, t->action);
        if (r == CALLOUT_REFUSED && t->record->force) {
                log_warning(&(LogFields){ .topic = "callout" },
                            "Refused, and done nevertheless because it was forced: %s",
                            t->callout.why);
                r = 0;
        }
        if (r != 0)
                callout_notify(&t->callout, t->action);
        return r;
}

static int escort(Task *t) {
        const bool only_live = t->record->live && !t->record->define;
        bool done = false;
        int r = ask(t, &done);

        if (r < 0)
                return say(t, ESCORT_SAYS_NO, strerrordesc_np(-r));
        if (r > 0)
                return say(t, ESCORT_SAYS_NO, t->callout.why);
        /* if nobody hears it, nothing was done, and that is what "post" is told */
        (void) say(t, done ? ESCORT_SAYS_DONE : ESCORT_SAYS_YES, NULL);
        t->callout.state = await_outcome(t) ? CALLOUT_SUCCESS : CALLOUT_FAILURE;
        if (!only_live)
                (void) callout_call(&t->callout, CALLOUT_POST, t->action);
        if (!only_live || !done)
                callout_notify(&t->callout, t->action);
        (void) say(t, ESCORT_SAYS_OVER, NULL);
        return 0;
}

int escort_main(int socket_fd, const char *root) {
        _cleanup_(task_done) Task t = { .socket_fd = socket_fd, .root = root, .root_fd = -EBADF };
        int r;

        (void) signal(SIGPIPE, SIG_IGN);
        if (is_left_alone(socket_fd))
                return EXIT_SUCCESS;
        t.root_fd = RET_NERRNO(open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        r = t.root_fd < 0 ? t.root_fd : receive_record(socket_fd, &t.record);
        if (r >= 0)
                r = t.record->type ? record_to_definition(t.record, &t.device) : -EINVAL;
        if (r >= 0) {
                t.action = actions[t.record->kind];
                callout_init(&t.callout, root, t.device);
                (void) say(&t, ESCORT_SAYS_HERE, NULL);
                r = escort(&t);
        }
        if (r < 0)
                (void) log_error_errno(r, &(LogFields){ .topic = "callout" },
                                       "Callout scripts could not be run; this is not to be "
                                       "started by hand: %m");
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

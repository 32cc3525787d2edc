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
#include "util/log.h"

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

static int read_record(int socket_fd, Record **ret) {
        _cleanup_(closep) int fd = pass_receive(socket_fd);
        _cleanup_(freep) char *text = NULL;
        ssize_t n;

        if (fd < 0)
                return fd;
        text = malloc(RECORD_SIZE_MAX + 1);
        if (!text)
                return -ENOMEM;
        n = pread(fd, text, RECORD_SIZE_MAX + 1, 0);
        return n < 0 ? -errno : record_parse(ret, text, n);
}

static int say(const Task *t, char what, const char *why) {
        char text[ESCORT_MESSAGE_MAX];
        int n = snprintf(text, sizeof(text), "%c%s", what, why ?: "");

        n = MIN(n, (int) sizeof(text) - 1);
        return RET_NERRNO(send(t->socket_fd, text, (size_t) n, MSG_NOSIGNAL));
}

/* ---- without a daemon ---- */

static bool exists(const Task *t, const char *folder, const char *parent) {
        _cleanup_(freep) char *path = NULL;

        return asprintf(&path, "%s/%s%s%s", folder, parent, parent[0] ? "/" : "",
                        UUID_STR(&t->record->uuid)) >= 0 &&
               faccessat(t->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The record goes when the next daemon has brought the operation to its end. */
static void await_end(const Task *t) {
        _cleanup_(closep) int watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        _cleanup_(freep) char *name = NULL, *folder = NULL, *path = NULL;
        int left = ORPHAN_LIMIT_MSEC;

        if (record_name(t->record, &name) < 0 || watch_fd < 0 ||
            asprintf(&folder, "%s/" MDEVD_PATH_OPERATIONS, t->root) < 0 ||
            asprintf(&path, MDEVD_PATH_OPERATIONS "/%s", name) < 0 ||
            inotify_add_watch(watch_fd, folder, IN_DELETE) < 0)
                return;
        while (left > 0 && faccessat(t->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
                struct pollfd p = { .fd = watch_fd, .events = POLLIN };
                char events[4096];

                /* other operations end as well: it is not that exact, and need not be */
                left -= 1000;
                if (poll(&p, 1, 1000) > 0)
                        (void) read(watch_fd, events, sizeof(events));
        }
}

/* What there is now is the only witness. */
static bool looks_done(const Task *t) {
        const bool device = exists(t, MDEVD_PATH_SYSFS "/bus/mdev/devices", "");
        const bool definition = exists(t, MDEVD_PATH_DEFINITIONS, t->record->parent);

        switch (t->record->kind) {
        case RECORD_CREATE:
                return device;
        case RECORD_STOP:
                return !device;
        case RECORD_UNDEFINE:
                return !definition;
        default:
                return definition;
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
        await_end(t);
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
        t.root_fd = RET_NERRNO(open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        r = t.root_fd < 0 ? t.root_fd : read_record(socket_fd, &t.record);
        if (r >= 0)
                r = t.record->type ? record_to_definition(t.record, &t.device) : -EINVAL;
        if (r >= 0) {
                t.action = actions[t.record->kind];
                callout_init(&t.callout, root, t.device);
                r = escort(&t);
        }
        if (r < 0)
                (void) log_error_errno(r, &(LogFields){ .topic = "callout" },
                                       "Callout scripts could not be run; this is not to be "
                                       "started by hand: %m");
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

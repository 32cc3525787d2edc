/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* escort.c: owns the daemon's side of an escort: its start, its answers, and its silence. */
#include "backend/escort.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "backend/escort-internal.h"
#include "backend/pass.h"
#include "util/process.h"

/* For systemd to start it; its scripts have their own limits, which it keeps itself. */
#define START_USEC (30 * UINT64_C(1000000))

struct Escort {
        int socket_fd;
        sd_event_source *source;
        sd_event_source *late; /* until it has said that it runs */
        EscortAnswer last; /* ESCORT_OVER: nothing was answered yet */
        EscortFn answer;
        void *userdata;
};

Escort *escort_free(Escort *e) {
        if (!e)
                return NULL;
        sd_event_source_disable_unref(e->source);
        sd_event_source_disable_unref(e->late);
        safe_close(e->socket_fd);
        free(e);
        return NULL;
}

/* The answer may free @e. Whenever it is started after all, it finds nobody, and asks no script. */
static int on_late(sd_event_source *s, uint64_t usec, void *userdata) {
        Escort *e = userdata;

        (void) sd_event_source_set_enabled(e->source, SD_EVENT_OFF);
        e->answer(ESCORT_REFUSED,
                  "systemd has not started the process that runs callout scripts within 30 s; "
                  "`systemctl list-jobs` may say what it is at.", e->userdata);
        return 0;
}

/* The answer may free @e. */
static int on_message(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        char text[ESCORT_MESSAGE_MAX + 1];
        Escort *e = userdata;
        ssize_t n;

        n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        text[n > 0 ? n : 0] = '\0';
        e->late = sd_event_source_disable_unref(e->late);
        if (n > 0 && text[0] == ESCORT_SAYS_HERE)
                return 0;
        if (n > 0 && (text[0] == ESCORT_SAYS_YES || text[0] == ESCORT_SAYS_DONE)) {
                e->last = ESCORT_AGREED;
                e->answer(text[0] == ESCORT_SAYS_YES ? ESCORT_AGREED : ESCORT_DONE, NULL,
                          e->userdata);
                return 0;
        }
        (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
        if (n > 0 && text[0] == ESCORT_SAYS_NO)
                e->answer(ESCORT_REFUSED, text + 1, e->userdata);
        else if (e->last != ESCORT_AGREED)
                e->answer(ESCORT_REFUSED,
                          "The process that runs callout scripts ended before they had answered; "
                          "`journalctl -t mdevd` may say why.", e->userdata);
        else
                e->answer(ESCORT_OVER, NULL, e->userdata);
        return 0;
}

/* ---- start ---- */

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata) {
        return 0; /* it is reaped, and its socket has told the rest */
}

static int spawn_child(sd_event *event, const char *root, int socket_fd) {
        char option[64 + PATH_MAX], *argv[] = { (char *) "mdevd", (char *) "--escort", option,
                                                NULL };
        pid_t pid;
        int r;

        (void) snprintf(option, sizeof(option), "--root=%s", root);
        r = spawn_program("/proc/self/exe", argv, ESCORT_SOCKET_FD, &socket_fd, 1, &pid);
        return r < 0 ? r : sd_event_add_child(event, NULL, pid, WEXITED, on_child, NULL);
}

/* Not in a message of the socket: a record may be longer than one can be. */
static int write_record(const Record *record) {
        _cleanup_(closep) int fd = memfd_create("mdevd-record", MFD_CLOEXEC);
        _cleanup_(freep) char *text = NULL;
        size_t size;
        int r;

        if (fd < 0)
                return -errno;
        r = record_format(record, &text);
        if (r < 0)
                return r;
        size = strlen(text);
        return write(fd, text, size) == (ssize_t) size ? TAKE_FD(fd) : -EIO;
}

static int name_of(const Record *record, char **ret) {
        static unsigned long n;

        return asprintf(ret, "mdevd-callout-%s-%d-%lu.service", UUID_STR(&record->uuid), getpid(),
                        ++n) < 0 ? -ENOMEM : 0;
}

static int launch_with(sd_event *event, const char *root, const EscortLaunch *launch,
                       const Record *record, int socket_fd) {
        _cleanup_(freep) char *name = NULL;
        int r;

        if (!launch->launch)
                return spawn_child(event, root, socket_fd);
        r = name_of(record, &name);
        return r < 0 ? r : launch->launch(name, root, socket_fd, launch->userdata);
}

int escort_start(Escort **ret, sd_event *event, const char *root, const EscortLaunch *launch,
                 const Record *record, EscortFn answer, void *userdata) {
        _cleanup_(closep) int record_fd = -EBADF, its_fd = -EBADF;
        _cleanup_(escort_freep) Escort *e = NULL;
        int pair[2], r;

        record_fd = write_record(record);
        if (record_fd < 0)
                return record_fd;
        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->socket_fd = -EBADF;
        e->last = ESCORT_OVER;
        e->answer = answer;
        e->userdata = userdata;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        e->socket_fd = pair[0];
        its_fd = pair[1];

        r = pass_send(e->socket_fd, record_fd, 0);
        if (r >= 0)
                r = sd_event_add_io(event, &e->source, e->socket_fd, EPOLLIN, on_message, e);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &e->late, CLOCK_MONOTONIC, START_USEC, 0,
                                               on_late, e);
        if (r >= 0)
                r = launch_with(event, root, launch, record, its_fd);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(e->source, "escort");
        *ret = TAKE_PTR(e);
        return 0;
}

void escort_finish(Escort *e, bool success) {
        char byte = success ? ESCORT_SUCCESS : ESCORT_FAILURE;

        /* if it is gone, the socket says so, and nothing else can be done */
        (void) send(e->socket_fd, &byte, sizeof(byte), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-hold.c: owns a hold: the device is suspended through this process's descriptor of
 * /dev/mdevd, so it resumes when we end, however that comes. The daemon says "enough" by touching
 * the record, which a later daemon can do as well.
 */
#include <poll.h>
#include <sys/inotify.h>

#include "backend/worker-internal.h"

static int watch_record(const Job *j, int *ret) {
        _cleanup_(closep) int fd = -EBADF;
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", j->record_fd);
        fd = inotify_init1(IN_CLOEXEC);
        if (fd < 0 || inotify_add_watch(fd, path, IN_ATTRIB) < 0)
                return -errno;
        *ret = TAKE_FD(fd);
        return 0;
}

int job_suspend(Job *j) {
        _cleanup_(closep) int watch_fd = -EBADF;
        struct pollfd pfd;
        int r;

        r = kmod_open(&j->kmod, j->root_fd);
        if (r < 0)
                return job_refuse(j, REFUSAL_OPEN_CONTROL, r, NULL);
        /* the ears first: who sees the device suspended may say "enough" at once */
        r = watch_record(j, &watch_fd);
        if (r >= 0)
                r = kmod_suspend(j->kmod, &j->record->uuid, j->record->hold_ms);
        if (r < 0)
                return job_refuse(j, REFUSAL_SUSPEND, r, NULL);
        job_reach(j, STEP_HOLDING);

        pfd = (struct pollfd){ .fd = watch_fd, .events = POLLIN };
        while (poll(&pfd, 1, (int) j->record->hold_ms) < 0 && errno == EINTR)
                ;
        /* -ENOENT: its time was over first */
        r = kmod_resume(j->kmod, &j->record->uuid);
        return r == -ENOENT ? 0 : r;
}

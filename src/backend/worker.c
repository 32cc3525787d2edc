/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker.c: owns the daemon's side of a worker: its record, its process, and the wait for its end.
 *
 * A process of our pool says when it is done. One that an earlier daemon started is no child of
 * ours and the pid in its record may not be there yet: a small process of our own waits for the
 * lock instead (flock() has no other way to be awaited), and dies with us.
 */
#include "backend/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "backend/worker-folder.h"
#include "util/fs.h"

struct Worker {
        WorkerPool *pool; /* borrowed */
        Assignment *assignment; /* borrowed from the pool; NULL: of an earlier daemon, or ended */
        sd_event_source *source;
        int pidfd;    /* of the process that waits for an earlier daemon's worker */
        pid_t waiter; /* 0: there is none */
        char *path; /* of its record, below the root; NULL: it has no name */
        int record_fd; /* of one without a name */
        WorkerDone done;
        WorkerTurn turn; /* NULL: nobody wants to know */
        void *userdata;
};

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        assignment_forget(w->assignment);
        sd_event_source_disable_unref(w->source);
        if (w->waiter > 0) {
                (void) kill(w->waiter, SIGKILL);
                (void) waitpid(w->waiter, NULL, 0);
        }
        safe_close(w->pidfd);
        safe_close(w->record_fd);
        free(w->path);
        free(w);
        return NULL;
}

static int worker_new(Worker **ret, WorkerPool *pool, const Record *record, WorkerDone done,
                      void *userdata) {
        _cleanup_(worker_freep) Worker *w = NULL;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->pidfd = w->record_fd = -EBADF;
        w->done = done;
        w->userdata = userdata;
        w->pool = pool;
        r = record->kind == RECORD_LOOK ? 0 : folder_path_of(record, &w->path);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(w);
        return 0;
}

/* Runs in a child: only calls that are safe after fork(). */
static void wait_for_lock(int fd, pid_t daemon) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != daemon || dup2(fd, 0) < 0)
                _exit(1);
        /* Not one descriptor of the daemon's: its locks and listeners are not ours to keep. */
        (void) syscall(SYS_close_range, 1U, ~0U, 0U);
        while (flock(0, LOCK_SH) < 0 && errno == EINTR)
                ;
        _exit(0);
}

static int on_waiter_end(sd_event_source *s, int fd, uint32_t revents, void *userdata);

static int watch_waiter(Worker *w) {
        int r;

        safe_close(w->pidfd);
        w->source = sd_event_source_disable_unref(w->source);
        w->pidfd = (int) syscall(SYS_pidfd_open, w->waiter, 0);
        if (w->pidfd < 0)
                return -errno;
        r = sd_event_add_io(worker_pool_event(w->pool), &w->source, w->pidfd, EPOLLIN,
                            on_waiter_end, w);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(w->source, "worker-lock");
        return 0;
}

/* @fd is the record, on a description that holds no lock. */
static int watch_lock(Worker *w, int fd) {
        pid_t daemon = getpid();

        w->waiter = fork();
        if (w->waiter < 0) {
                w->waiter = 0;
                return -errno;
        }
        if (w->waiter == 0)
                wait_for_lock(fd, daemon);
        return watch_waiter(w);
}

/* Tells what the record says; a worker that is at it no more has put its result there. */
static void finish(Worker *w, int record_fd) {
        _cleanup_(record_freep) Record *record = NULL;

        if (record_fd >= 0 && folder_read(record_fd, &record) < 0)
                record = NULL;
        w->done(w, record, w->userdata);
}

static int open_own_record(const Worker *w) {
        return folder_open(worker_pool_root_fd(w->pool), w->path, O_RDONLY);
}

/* The lock is free, or who waited for that is gone. */
static int on_waiter_end(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        _cleanup_(closep) int record_fd = -EBADF;
        siginfo_t info = {};
        Worker *w = userdata;

        /* ECHILD: whoever started us has SIGCHLD ignored, and the kernel has reaped it */
        if (waitid(P_PIDFD, (id_t) w->pidfd, &info, WEXITED | WNOHANG) < 0 ? errno != ECHILD
                                                                           : info.si_pid == 0)
                return 0; /* not yet: it reports again */
        w->waiter = 0;
        sd_event_source_set_enabled(s, SD_EVENT_OFF);

        record_fd = open_own_record(w);
        /* who waited may have been killed, too: that is not the worker's end */
        if (record_fd >= 0 && flock(record_fd, LOCK_SH | LOCK_NB) < 0 &&
            watch_lock(w, record_fd) >= 0)
                return 0;
        finish(w, record_fd);
        return 0;
}

/* The line is in the record, and spares us to read it there. */
static bool finish_with(Worker *w, const char *line) {
        _cleanup_(record_freep) Record *record = NULL;

        if (record_new(&record, RECORD_CREATE) < 0 || record_parse_change(record, line) < 0)
                return false;
        w->done(w, record, w->userdata);
        return true;
}

static void on_process_done(const char *line, void *userdata) {
        _cleanup_(closep) int record_fd = -EBADF;
        Worker *w = userdata;

        w->assignment = NULL;
        if (line && finish_with(w, line))
                return;
        record_fd = w->path ? open_own_record(w) : TAKE_FD(w->record_fd);
        finish(w, record_fd);
}

/* Nothing was done, so nothing is to be known of it. */
static void on_turn(Turn turn, void *userdata) {
        Worker *w = userdata;

        if (turn == TURN_LOST) {
                w->assignment = NULL;
                (void) unlinkat(worker_pool_root_fd(w->pool), w->path, 0);
        }
        if (w->turn)
                w->turn(w, turn, w->userdata);
}

/* WorkerAbove.kill_unit is asked of systemd. */
static bool needs_whole(const Record *record) {
        return record->kind == RECORD_EVICT;
}

typedef int (*GetRecord)(int root_fd, const char *path, const Record *record);

static int start(Worker **ret, WorkerPool *pool, const Record *record, GetRecord get,
                 WorkerDone done, WorkerTurn turn, void *userdata) {
        _cleanup_(worker_freep) Worker *w = NULL;
        _cleanup_(closep) int record_fd = -EBADF;
        int r;

        r = worker_new(&w, pool, record, done, userdata);
        if (r < 0)
                return r;
        w->turn = turn;
        record_fd = get(worker_pool_root_fd(pool), w->path, record);
        if (record_fd < 0)
                return record_fd;

        r = worker_pool_assign(pool, record_fd, needs_whole(record), on_process_done,
                               on_turn, w, &w->assignment);
        if (r < 0) {
                if (get == folder_make)
                        (void) unlinkat(worker_pool_root_fd(pool), w->path, 0);
                return r;
        }

        *ret = TAKE_PTR(w);
        return 0;
}

int worker_start(Worker **ret, WorkerPool *pool, const Record *record, WorkerDone done,
                 WorkerTurn turn, void *userdata) {
        return start(ret, pool, record, folder_make, done, turn, userdata);
}

int worker_resume(Worker **ret, WorkerPool *pool, const Record *record, WorkerDone done,
                  WorkerTurn turn, void *userdata) {
        return start(ret, pool, record, folder_take, done, turn, userdata);
}

int worker_follow(Worker **ret, Worker *first, const Record *record, WorkerDone done,
                  WorkerTurn turn, void *userdata) {
        _cleanup_(worker_freep) Worker *w = NULL;
        _cleanup_(closep) int record_fd = -EBADF;
        int r;

        if (!first->assignment)
                return -EAGAIN;
        r = worker_new(&w, first->pool, record, done, userdata);
        if (r < 0)
                return r;
        w->turn = turn;
        record_fd = folder_make(worker_pool_root_fd(w->pool), w->path, record);
        if (record_fd < 0)
                return record_fd;
        r = assignment_follow(first->assignment, record_fd, on_process_done, on_turn, w,
                              &w->assignment);
        if (r < 0) {
                (void) unlinkat(worker_pool_root_fd(w->pool), w->path, 0);
                return r;
        }

        *ret = TAKE_PTR(w);
        return 0;
}

bool worker_has_begun(const Worker *w) {
        return w->assignment && assignment_has_begun(w->assignment);
}

size_t worker_count_followers(const Worker *first) {
        return first->assignment ? assignment_count_followers(first->assignment) : SIZE_MAX;
}

void worker_recall_followers(Worker *first) {
        if (first->assignment)
                assignment_recall(first->assignment);
}

int worker_ask(Worker **ret, WorkerPool *pool, const Record *record, uint64_t usec,
               WorkerDone done, void *userdata) {
        _cleanup_(worker_freep) Worker *w = NULL;
        _cleanup_(freep) char *text = NULL;
        int r;

        if (worker_pool_count_killed(pool) >= WORKERS_STUCK_MAX)
                return -EBUSY;
        r = record_format(record, &text);
        if (r >= 0)
                r = worker_new(&w, pool, record, done, userdata);
        if (r < 0)
                return r;
        w->record_fd = RET_NERRNO(memfd_create("mdevd-question", MFD_CLOEXEC));
        if (w->record_fd < 0)
                return w->record_fd;
        r = folder_write(w->record_fd, text);
        if (r >= 0)
                r = worker_pool_assign(pool, w->record_fd, false, on_process_done, NULL, w,
                                       &w->assignment);
        if (r >= 0)
                r = assignment_set_limit(w->assignment, usec);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(w);
        return 0;
}

pid_t worker_pid(const Worker *w) {
        return w->assignment ? assignment_pid(w->assignment) : 0;
}

int worker_adopt(Worker **ret, WorkerPool *pool, const Record *record, WorkerDone done,
                 void *userdata) {
        _cleanup_(worker_freep) Worker *w = NULL;
        _cleanup_(closep) int fd = -EBADF;
        int r;

        r = worker_new(&w, pool, record, done, userdata);
        if (r < 0)
                return r;
        fd = open_own_record(w);
        if (fd < 0)
                return fd;
        r = watch_lock(w, fd);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(w);
        return 0;
}

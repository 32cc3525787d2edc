/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker.c: owns the daemon's side of a worker: its record, its process, and the wait for its end.
 *
 * The record appears under its name by linkat(), complete and locked, so no instant of being killed
 * leaves half of one. A process of our pool says when it is done. One that an earlier daemon
 * started is no child of ours and the pid in its record may not be there yet: a small process of our
 * own waits for the lock instead (flock() has no other way to be awaited), and dies with us.
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

#include "names.h"
#include "util/fs.h"

#define RECORD_MODE 0600

struct Worker {
        WorkerPool *pool; /* borrowed */
        Process *process; /* borrowed from the pool; NULL: of an earlier daemon, or ended */
        sd_event_source *source;
        int pidfd;    /* of the process that waits for an earlier daemon's worker */
        pid_t waiter; /* 0: there is none */
        char *path; /* of its record, below the root; NULL: it has no name */
        int record_fd; /* of one without a name */
        WorkerDone done;
        void *userdata;
};

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        process_forget(w->process);
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

static int path_of(const char *name, char **ret) {
        return asprintf(ret, MDEVD_PATH_OPERATIONS "/%s", name) < 0 ? -ENOMEM : 0;
}

static int path_of_record(const Record *record, char **ret) {
        _cleanup_(freep) char *name = NULL;
        int r;

        r = record_name(record, &name);
        return r < 0 ? r : path_of(name, ret);
}

static int read_fd(int fd, Record **ret) {
        _cleanup_(freep) char *text = NULL;
        size_t size = 0, room = 0;
        ssize_t n;

        /* a regular file: what is short of the room is the end */
        do {
                char *bigger;

                if (room > RECORD_SIZE_MAX)
                        return -EBADMSG;
                room = room ? MIN(room * 4, (size_t) RECORD_SIZE_MAX + 1) : 4096;
                bigger = realloc(text, room);
                if (!bigger)
                        return -ENOMEM;
                text = bigger;
                do
                        n = pread(fd, text + size, room - size, size);
                while (n < 0 && errno == EINTR);
                if (n < 0)
                        return -errno;
                size += (size_t) n;
        } while (size == room);
        return record_parse(ret, text, size);
}

static int open_record(int dir_fd, const char *path, int mode) {
        struct stat st;
        int fd;

        fd = openat(dir_fd, path, mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                safe_close(fd);
                return -EBADMSG;
        }
        return fd;
}

static int write_all(int fd, const char *text) {
        for (size_t left = strlen(text); left > 0;) {
                ssize_t n = write(fd, text, left);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                text += n;
                left -= n;
        }
        return 0;
}

/* A file without a name yet; the folder is made when it is missing. */
static int open_nameless(int root_fd) {
        const int flags = O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC;
        int fd, r;

        fd = openat(root_fd, MDEVD_PATH_OPERATIONS, flags, RECORD_MODE);
        if (fd >= 0 || errno != ENOENT)
                return fd < 0 ? -errno : fd;
        r = mkdir_parents_at(root_fd, MDEVD_PATH_OPERATIONS "/", 0755);
        return r < 0 ? r : RET_NERRNO(openat(root_fd, MDEVD_PATH_OPERATIONS, flags, RECORD_MODE));
}

/* A locked, complete, named record; the only descriptor of its description is returned. */
static int make_record(int root_fd, const char *path, const Record *record) {
        _cleanup_(freep) char *text = NULL, *self = NULL;
        _cleanup_(closep) int fd = -EBADF;
        int r;

        r = record_format(record, &text);
        if (r < 0)
                return r;
        fd = open_nameless(root_fd);
        if (fd < 0)
                return fd;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        r = write_all(fd, text);
        if (r < 0)
                return r;
        if (asprintf(&self, "/proc/self/fd/%d", fd) < 0)
                return -ENOMEM;
        if (linkat(AT_FDCWD, self, root_fd, path, AT_SYMLINK_FOLLOW) < 0)
                return -errno;
        return TAKE_FD(fd);
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
        r = record->kind == RECORD_LOOK ? 0 : path_of_record(record, &w->path);
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

        if (record_fd >= 0 && read_fd(record_fd, &record) < 0)
                record = NULL;
        w->done(w, record, w->userdata);
}

static int open_own_record(const Worker *w) {
        return open_record(worker_pool_root_fd(w->pool), w->path, O_RDONLY);
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

        w->process = NULL;
        if (line && finish_with(w, line))
                return;
        record_fd = w->path ? open_own_record(w) : TAKE_FD(w->record_fd);
        finish(w, record_fd);
}

int worker_write_record(int root_fd, const Record *record) {
        _cleanup_(closep) int record_fd = -EBADF;
        _cleanup_(freep) char *path = NULL;
        int r;

        r = path_of_record(record, &path);
        if (r < 0)
                return r;
        record_fd = make_record(root_fd, path, record);
        return record_fd < 0 ? record_fd : 0;
}

/* A worker that was killed in the middle of a line: the next one begins where that had. */
static int drop_torn_line(int fd) {
        char tail[512];
        struct stat st;
        off_t end;

        if (fstat(fd, &st) < 0)
                return -errno;
        for (end = st.st_size; end > 0;) {
                size_t size = MIN((size_t) end, sizeof(tail));
                const char *newline;

                if (pread(fd, tail, size, end - (off_t) size) != (ssize_t) size)
                        return -EIO;
                newline = memrchr(tail, '\n', size);
                if (newline) {
                        end += newline + 1 - tail - (off_t) size;
                        break;
                }
                end -= (off_t) size;
        }
        return end == st.st_size ? 0 : RET_NERRNO(ftruncate(fd, end));
}

/* The record of an earlier worker, locked anew, with what has become of it since. */
static int take_record(int root_fd, const char *path, const Record *record) {
        _cleanup_(freep) char *line = NULL;
        _cleanup_(closep) int fd = -EBADF;
        int r;

        r = record_format_change(record, &line);
        if (r < 0)
                return r;
        fd = open_record(root_fd, path, O_RDWR | O_APPEND);
        if (fd < 0)
                return fd;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        r = drop_torn_line(fd);
        if (r >= 0)
                r = write_all(fd, line);
        return r < 0 ? r : TAKE_FD(fd);
}

typedef int (*GetRecord)(int root_fd, const char *path, const Record *record);

static int start(Worker **ret, WorkerPool *pool, const Record *record, GetRecord get,
                 WorkerDone done, void *userdata) {
        _cleanup_(worker_freep) Worker *w = NULL;
        _cleanup_(closep) int record_fd = -EBADF;
        int r;

        r = worker_new(&w, pool, record, done, userdata);
        if (r < 0)
                return r;
        record_fd = get(worker_pool_root_fd(pool), w->path, record);
        if (record_fd < 0)
                return record_fd;

        r = worker_pool_assign(pool, record_fd, on_process_done, w, &w->process);
        if (r < 0) {
                if (get == make_record)
                        (void) unlinkat(worker_pool_root_fd(pool), w->path, 0);
                return r;
        }

        *ret = TAKE_PTR(w);
        return 0;
}

int worker_start(Worker **ret, WorkerPool *pool, const Record *record, WorkerDone done,
                 void *userdata) {
        return start(ret, pool, record, make_record, done, userdata);
}

int worker_resume(Worker **ret, WorkerPool *pool, const Record *record, WorkerDone done,
                  void *userdata) {
        return start(ret, pool, record, take_record, done, userdata);
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
        r = write_all(w->record_fd, text);
        if (r >= 0)
                r = worker_pool_assign(pool, w->record_fd, on_process_done, w, &w->process);
        if (r >= 0)
                r = process_set_limit(w->process, usec);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(w);
        return 0;
}

pid_t worker_pid(const Worker *w) {
        return w->process ? process_pid(w->process) : 0;
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

static int scan_one(int folder_fd, const char *name, WorkerFoundFn fn, void *userdata) {
        _cleanup_(record_freep) Record *record = NULL;
        _cleanup_(freep) char *expected = NULL;
        _cleanup_(closep) int fd = -EBADF;
        bool locked;
        int r;

        fd = open_record(folder_fd, name, O_RDONLY);
        if (fd == -ENOENT)
                return 0;
        if (fd < 0)
                return fn(WORKER_BROKEN, name, &record, userdata);

        /* The lock first: what is read after it is seen free is the last word. */
        locked = flock(fd, LOCK_SH | LOCK_NB) < 0;
        r = read_fd(fd, &record);
        if (r >= 0)
                r = record_name(record, &expected);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !streq(expected, name)) {
                record = record_free(record);
                return fn(WORKER_BROKEN, name, &record, userdata);
        }
        return fn(locked ? WORKER_RUNNING : WORKER_GONE, name, &record, userdata);
}

int worker_scan(int root_fd, WorkerFoundFn fn, void *userdata) {
        _cleanup_(closedirp) DIR *dir = NULL;
        int folder_fd, r;

        folder_fd = openat(root_fd, MDEVD_PATH_OPERATIONS,
                           O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (folder_fd < 0)
                return errno == ENOENT ? 0 : -errno;
        dir = fdopendir(folder_fd);
        if (!dir) {
                safe_close(folder_fd);
                return -ENOMEM;
        }
        for (struct dirent *de; (de = readdir(dir));) {
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                r = scan_one(folder_fd, de->d_name, fn, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

int worker_read_record(int root_fd, const Record *record, Record **ret) {
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closep) int fd = -EBADF;
        int r;

        r = path_of_record(record, &path);
        if (r < 0)
                return r;
        fd = open_record(root_fd, path, O_RDONLY);
        return fd < 0 ? fd : read_fd(fd, ret);
}

int worker_poke(int root_fd, const Record *record) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = path_of_record(record, &path);
        return r < 0 ? r : RET_NERRNO(utimensat(root_fd, path, NULL, AT_SYMLINK_NOFOLLOW));
}

int worker_forget_record(int root_fd, const char *name) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = path_of(name, &path);
        if (r < 0)
                return r;
        if (unlinkat(root_fd, path, 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        return 0;
}

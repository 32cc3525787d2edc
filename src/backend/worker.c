/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker.c: owns the daemon's side of a worker: its record, its process, and the wait for its end.
 *
 * The record appears under its name by linkat(), complete and locked, so no instant of being killed
 * leaves half of one. A worker that we started is awaited by its pidfd. One that an earlier daemon
 * started is no child of ours and the pid in its record may not be there yet: a small process of our
 * own waits for the lock instead (flock() has no other way to be awaited), and dies with us.
 */
#include "backend/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "names.h"
#include "util/fs.h"

#define RECORD_MODE 0600

struct Worker {
        sd_event_source *source;
        int root_fd; /* own */
        int pidfd;   /* of the worker, or of the process that waits for its lock */
        pid_t waiter; /* 0 when @pidfd is the worker's */
        char *name;
        WorkerDone done;
        void *userdata;
};

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        sd_event_source_disable_unref(w->source);
        if (w->waiter > 0) {
                (void) kill(w->waiter, SIGKILL);
                (void) waitpid(w->waiter, NULL, 0);
        }
        safe_close(w->pidfd);
        safe_close(w->root_fd);
        free(w->name);
        free(w);
        return NULL;
}

static int open_folder(int root_fd) {
        int r;

        r = mkdir_parents_at(root_fd, MDEVD_PATH_OPERATIONS "/", 0755);
        if (r < 0)
                return r;
        return RET_NERRNO(openat(root_fd, MDEVD_PATH_OPERATIONS,
                                 O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

static int read_fd(int fd, Record **ret) {
        _cleanup_(freep) char *text = NULL;
        size_t size = 0;

        text = malloc(RECORD_SIZE_MAX + 1);
        if (!text)
                return -ENOMEM;
        for (;;) {
                ssize_t n = pread(fd, text + size, RECORD_SIZE_MAX + 1 - size, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += n;
                if (size > RECORD_SIZE_MAX)
                        return -EBADMSG;
        }
        return record_parse(ret, text, size);
}

static int open_record(int folder_fd, const char *name) {
        struct stat st;
        int fd;

        fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
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

/* A locked, complete, named record; the only descriptor of its description is returned. */
static int make_record(int folder_fd, const char *name, const Record *record) {
        _cleanup_(freep) char *text = NULL, *self = NULL;
        _cleanup_(closep) int fd = -EBADF;
        int r;

        r = record_format(record, &text);
        if (r < 0)
                return r;
        fd = openat(folder_fd, ".", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, RECORD_MODE);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        r = write_all(fd, text);
        if (r < 0)
                return r;
        if (asprintf(&self, "/proc/self/fd/%d", fd) < 0)
                return -ENOMEM;
        if (linkat(AT_FDCWD, self, folder_fd, name, AT_SYMLINK_FOLLOW) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* All signals as a fresh program expects them; a process group of its own: ^C is not for it. */
static int init_attributes(posix_spawnattr_t *attributes) {
        sigset_t none, all;
        int r;

        (void) sigemptyset(&none);
        (void) sigfillset(&all);
        r = posix_spawnattr_setsigmask(attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(attributes, &all);
        if (r == 0)
                r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
                                                                 POSIX_SPAWN_SETSIGDEF |
                                                                 POSIX_SPAWN_SETPGROUP);
        return -r;
}

static int spawn(int record_fd, const char *root, pid_t *ret) {
        _cleanup_(freep) char *root_option = NULL;
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        char *argv[4] = { (char *) "mdevd", (char *) "--worker" };
        int r;

        if (asprintf(&root_option, "--root=%s", root) < 0)
                return -ENOMEM;
        argv[2] = root_option;

        r = -posix_spawn_file_actions_init(&actions);
        if (r < 0)
                return r;
        r = -posix_spawnattr_init(&attributes);
        if (r < 0) {
                posix_spawn_file_actions_destroy(&actions);
                return r;
        }
        r = -posix_spawn_file_actions_adddup2(&actions, record_fd, WORKER_RECORD_FD);
        if (r >= 0)
                r = -posix_spawn_file_actions_addclosefrom_np(&actions, WORKER_RECORD_FD + 1);
        if (r >= 0)
                r = init_attributes(&attributes);
        if (r >= 0)
                r = -posix_spawn(ret, "/proc/self/exe", &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return r;
}

static int worker_new(Worker **ret, int root_fd, const char *name, WorkerDone done,
                      void *userdata) {
        _cleanup_(worker_freep) Worker *w = NULL;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->pidfd = -EBADF;
        w->done = done;
        w->userdata = userdata;
        w->root_fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
        if (w->root_fd < 0)
                return -errno;
        w->name = strdup(name);
        if (!w->name)
                return -ENOMEM;

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

static int on_end(sd_event_source *s, int fd, uint32_t revents, void *userdata);

static int watch(Worker *w, sd_event *event, pid_t pid) {
        int r;

        safe_close(w->pidfd);
        w->source = sd_event_source_disable_unref(w->source);
        w->pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        if (w->pidfd < 0)
                return -errno;
        r = sd_event_add_io(event, &w->source, w->pidfd, EPOLLIN, on_end, w);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(w->source, "worker");
        return 0;
}

/* @fd is the record, on a description that holds no lock. */
static int watch_lock(Worker *w, sd_event *event, int fd) {
        pid_t daemon = getpid();

        w->waiter = fork();
        if (w->waiter < 0) {
                w->waiter = 0;
                return -errno;
        }
        if (w->waiter == 0)
                wait_for_lock(fd, daemon);
        return watch(w, event, w->waiter);
}

/* The process is over, or the lock is free: tell what the record says. */
static int on_end(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        _cleanup_(record_freep) Record *record = NULL;
        _cleanup_(closep) int folder_fd = -EBADF, record_fd = -EBADF;
        siginfo_t info = {};
        Worker *w = userdata;
        bool adopted = w->waiter > 0;

        /* ECHILD: whoever started us has SIGCHLD ignored, and the kernel has reaped it */
        if (waitid(P_PIDFD, w->pidfd, &info, WEXITED | WNOHANG) < 0 ? errno != ECHILD
                                                                    : info.si_pid == 0)
                return 0; /* not yet: it reports again */
        w->waiter = 0;
        sd_event_source_set_enabled(s, SD_EVENT_OFF);

        folder_fd = open_folder(w->root_fd);
        record_fd = folder_fd < 0 ? folder_fd : open_record(folder_fd, w->name);
        /* who waited may have been killed, too: that is not the worker's end */
        if (adopted && record_fd >= 0 && flock(record_fd, LOCK_SH | LOCK_NB) < 0 &&
            watch_lock(w, sd_event_source_get_event(s), record_fd) >= 0)
                return 0;
        if (record_fd >= 0 && read_fd(record_fd, &record) < 0)
                record = NULL;
        w->done(w, record, w->userdata);
        return 0;
}

int worker_start(Worker **ret, sd_event *event, int root_fd, const char *root,
                 const Record *record, WorkerDone done, void *userdata) {
        _cleanup_(closep) int folder_fd = -EBADF, record_fd = -EBADF;
        _cleanup_(worker_freep) Worker *w = NULL;
        _cleanup_(freep) char *name = NULL;
        pid_t pid;
        int r;

        r = record_name(record, &name);
        if (r < 0)
                return r;
        r = worker_new(&w, root_fd, name, done, userdata);
        if (r < 0)
                return r;
        folder_fd = open_folder(root_fd);
        if (folder_fd < 0)
                return folder_fd;
        record_fd = make_record(folder_fd, name, record);
        if (record_fd < 0)
                return record_fd;

        r = spawn(record_fd, root, &pid);
        if (r < 0) {
                (void) unlinkat(folder_fd, name, 0);
                return r;
        }
        r = watch(w, event, pid);
        if (r < 0) {
                /* It cannot be awaited, so it must not run on unseen. It has done no step that
                 * a restart could not settle: its record stays for that. */
                (void) kill(pid, SIGKILL);
                return r;
        }

        *ret = TAKE_PTR(w);
        return 0;
}

int worker_adopt(Worker **ret, sd_event *event, int root_fd, const Record *record, WorkerDone done,
                 void *userdata) {
        _cleanup_(closep) int folder_fd = -EBADF, fd = -EBADF;
        _cleanup_(worker_freep) Worker *w = NULL;
        _cleanup_(freep) char *name = NULL;
        int r;

        r = record_name(record, &name);
        if (r < 0)
                return r;
        r = worker_new(&w, root_fd, name, done, userdata);
        if (r < 0)
                return r;
        folder_fd = open_folder(root_fd);
        if (folder_fd < 0)
                return folder_fd;
        fd = open_record(folder_fd, name);
        if (fd < 0)
                return fd;
        r = watch_lock(w, event, fd);
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

        fd = open_record(folder_fd, name);
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
        _cleanup_(closep) int folder_fd = -EBADF;
        _cleanup_(closedirp) DIR *dir = NULL;
        int r;

        folder_fd = open_folder(root_fd);
        if (folder_fd < 0)
                return folder_fd;
        dir = fdopendir(fcntl(folder_fd, F_DUPFD_CLOEXEC, 3));
        if (!dir)
                return -errno;
        for (struct dirent *de; (de = readdir(dir));) {
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                r = scan_one(folder_fd, de->d_name, fn, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

int worker_forget_record(int root_fd, const char *name) {
        _cleanup_(closep) int folder_fd = -EBADF;

        folder_fd = open_folder(root_fd);
        if (folder_fd < 0)
                return folder_fd;
        if (unlinkat(folder_fd, name, 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * valgrind-preload.c: what valgrind of Debian 12 does not know, for a daemon that runs in it:
 * process descriptors (a pipe stands for one, a thread waits for the process), and that
 * /proc/self/exe is the daemon, not valgrind.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define DESCRIPTORS_MAX 4096

EXPORT long syscall(long nr, ...);

static pid_t pids[DESCRIPTORS_MAX]; /* by the pipe's reading end */

typedef struct Wait Wait;

struct Wait {
        pid_t pid;
        int fd;
};

/* Nothing tells of its end: it is asked for now and then. False: it has ended, or is ours. */
static int is_anothers_child(pid_t pid) {
        const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
        char path[64], text[512] = "";
        const char *name_end;
        int fd;

        if (errno != ECHILD)
                return 0;
        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        (void) !read(fd, text, sizeof(text) - 1);
        (void) close(fd);
        name_end = strrchr(text, ')');
        if (!name_end || strncmp(name_end, ") Z", 3) == 0)
                return 0;
        (void) nanosleep(&pause, NULL);
        return 1;
}

static void *wait_for(void *userdata) {
        Wait w = *(Wait *) userdata;
        siginfo_t info;

        free(userdata);
        while (waitid(P_PID, (id_t) w.pid, &info, WEXITED | WNOWAIT) < 0 &&
               (errno == EINTR || is_anothers_child(w.pid)))
                ;
        (void) close(w.fd);
        return NULL;
}

static long open_pidfd(pid_t pid) {
        Wait *w = malloc(sizeof(*w));
        sigset_t all, before;
        pthread_t thread;
        int fds[2], r;

        if (!w || pipe2(fds, O_CLOEXEC) < 0)
                return -1;
        if (fds[0] >= DESCRIPTORS_MAX)
                abort();
        *w = (Wait){ pid, fds[1] };
        pids[fds[0]] = pid;
        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&thread, NULL, wait_for, w);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r != 0)
                abort();
        (void) pthread_detach(thread);
        return fds[0];
}

long syscall(long nr, ...) {
        static long (*next)(long nr, ...);
        long a[6];
        va_list ap;

        va_start(ap, nr);
        for (size_t i = 0; i < 6; i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        if (nr == SYS_pidfd_open)
                return open_pidfd((pid_t) a[0]);
        if (nr == SYS_pidfd_send_signal && a[0] >= 0 && a[0] < DESCRIPTORS_MAX)
                return kill(pids[a[0]], (int) a[1]);
        if (!next)
                *(void **) &next = dlsym(RTLD_NEXT, "syscall");
        return next(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options) {
        static int (*next)(idtype_t type, id_t id, siginfo_t *info, int options);

        if (!next)
                *(void **) &next = dlsym(RTLD_NEXT, "waitid");
        if (type == P_PIDFD && id < DESCRIPTORS_MAX)
                return next(P_PID, (id_t) pids[id], info, options);
        return next(type, id, info, options);
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[],
                       char *const environment[]) {
        static int (*next)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                           const posix_spawnattr_t *, char *const[], char *const[]);
        const char *daemon = getenv("MDEVD_TEST_DAEMON");

        if (!next)
                *(void **) &next = dlsym(RTLD_NEXT, "posix_spawn");
        /* the other is the worker's program, which the daemon finds beside itself or not at all */
        return next(pid, strncmp(path, "/proc/self/", 11) == 0 && daemon ? daemon : path, actions,
                    attributes, argv, environment);
}

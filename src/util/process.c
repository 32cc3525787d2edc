/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process.c: the attributes and file actions of a new process. */
#include "util/process.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DELETED " (deleted)"

int own_program_path(char *buf, size_t size) {
        ssize_t n = readlink("/proc/self/exe", buf, size - 1);
        size_t tail = strlen(DELETED);

        if (n < 0)
                return -errno;
        buf[n] = '\0';
        if ((size_t) n > tail && streq(buf + n - tail, DELETED))
                buf[(size_t) n - tail] = '\0';
        return 0;
}

int fork_beside(pid_t *ret) {
        const unsigned long flags = CLONE_PARENT | SIGCHLD;
        long pid;

        /* clone3(), the same everywhere, is what a unit with RestrictNamespaces= must not call */
#ifdef __s390__
        pid = syscall(SYS_clone, NULL, flags, NULL, NULL, 0);
#else
        pid = syscall(SYS_clone, flags, NULL, NULL, NULL, 0);
#endif
        if (pid < 0)
                return -errno;
        *ret = (pid_t) pid;
        return 0;
}

static int set_attributes(posix_spawnattr_t *attributes) {
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
        return r;
}

static int set_descriptors(posix_spawn_file_actions_t *actions, int first, const int *fds,
                           size_t n_fds) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < n_fds; i++)
                r = posix_spawn_file_actions_adddup2(actions, fds[i], first + (int) i);
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(
                        actions, MAX(STDERR_FILENO + 1, first + (int) n_fds));
        return r;
}

int spawn_program(const char *path, char *const argv[], int first, const int *fds, size_t n_fds,
                  pid_t *ret) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r == 0) {
                r = set_attributes(&attributes);
                if (r == 0)
                        r = set_descriptors(&actions, first, fds, n_fds);
                if (r == 0)
                        r = posix_spawn(ret, path, &actions, &attributes, argv, environ);
                posix_spawnattr_destroy(&attributes);
        }
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

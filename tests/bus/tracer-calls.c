/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tracer-calls.c: owns the list of system calls that change something that outlives them, and the
 * names of what they change. A name has nothing in it that differs between two runs.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <mdevd.h>

#include "tracer.h"

typedef enum Shape {
        SHAPE_FD,     /* the first argument is what is changed */
        SHAPE_PATH,   /* a path */
        SHAPE_AT,     /* folder and path; renameat(): the new name */
        SHAPE_OPEN,   /* folder, path, flags */
        SHAPE_OPEN2,  /* folder, path, struct open_how */
        SHAPE_SOCKET, /* said to others */
        SHAPE_CLONE,
        SHAPE_IOCTL,
        SHAPE_NONE,
} Shape;

typedef struct Known Known;

struct Known {
        const char *name;
        long nr;
        Shape shape;
        unsigned argument; /* where folder and path, or the path, begin */
};

#define CALL(call, shape, argument) { #call, SYS_##call, (shape), (argument) }

static const Known known[] = {
        CALL(openat, SHAPE_OPEN, 0),
        CALL(openat2, SHAPE_OPEN2, 0),
        CALL(creat, SHAPE_PATH, 0),
        CALL(write, SHAPE_FD, 0),
        CALL(writev, SHAPE_FD, 0),
        CALL(pwrite64, SHAPE_FD, 0),
        CALL(ftruncate, SHAPE_FD, 0),
        CALL(truncate, SHAPE_PATH, 0),
        CALL(fallocate, SHAPE_FD, 0),
        CALL(fsync, SHAPE_FD, 0),
        CALL(fdatasync, SHAPE_FD, 0),
        CALL(fchmod, SHAPE_FD, 0),
        CALL(fchown, SHAPE_FD, 0),
        CALL(flock, SHAPE_FD, 0),
        CALL(chmod, SHAPE_PATH, 0),
        CALL(fchmodat, SHAPE_AT, 0),
        CALL(fchownat, SHAPE_AT, 0),
        CALL(rename, SHAPE_PATH, 1),
        CALL(renameat, SHAPE_AT, 2),
        CALL(renameat2, SHAPE_AT, 2),
        CALL(link, SHAPE_PATH, 1),
        CALL(linkat, SHAPE_AT, 2),
        CALL(symlink, SHAPE_PATH, 1),
        CALL(symlinkat, SHAPE_AT, 1),
        CALL(unlink, SHAPE_PATH, 0),
        CALL(unlinkat, SHAPE_AT, 0),
        CALL(rmdir, SHAPE_PATH, 0),
        CALL(mkdir, SHAPE_PATH, 0),
        CALL(mkdirat, SHAPE_AT, 0),
        CALL(mknodat, SHAPE_AT, 0),
        CALL(bind, SHAPE_SOCKET, 0),
        CALL(sendto, SHAPE_SOCKET, 0),
        CALL(sendmsg, SHAPE_SOCKET, 0),
        CALL(clone, SHAPE_CLONE, 0),
        CALL(clone3, SHAPE_NONE, 0),
        CALL(fork, SHAPE_NONE, 0),
        CALL(vfork, SHAPE_NONE, 0),
        CALL(kill, SHAPE_NONE, 0),
        CALL(ioctl, SHAPE_IOCTL, 0),
};

/* Where the daemon has anything to change. */
static const char *const places[] = { "run/mdevd", "etc/mdevctl.d", "etc/mdevd", "sys/",
                                      "dev/mdevd" };

bool read_string(pid_t tid, uint64_t address, char *buf, size_t size) {
        size_t n = 0;

        /* not across a page that may not be there */
        while (n < size) {
                size_t room = 4096 - (size_t) ((address + n) % 4096);
                struct iovec to = { buf + n, room < size - n ? room : size - n };
                struct iovec from = { (void *) (uintptr_t) (address + n), to.iov_len };

                if (process_vm_readv(tid, &to, 1, &from, 1, 0) != (ssize_t) to.iov_len)
                        return false;
                if (memchr(to.iov_base, '\0', to.iov_len))
                        return true;
                n += to.iov_len;
        }
        return false;
}

static bool link_of(char *buf, pid_t tid, int fd) {
        char path[64];
        ssize_t n;

        if (fd == AT_FDCWD)
                (void) snprintf(path, sizeof(path), "/proc/%d/cwd", (int) tid);
        else
                (void) snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int) tid, fd);
        n = readlink(path, buf, PATH_MAX - 1);
        if (n < 0)
                return false;
        buf[n] = '\0';
        return true;
}

static bool is_salt(const char *s) {
        return strlen(s) == 16 && strspn(s, "0123456789abcdef") == 16;
}

/* Below @root and in one of our places: what is the same in every run. */
static bool take_path(const char *root, const char *path, char object[static KEY_MAX]) {
        size_t n = strlen(root);
        bool ours = false;
        char *at;

        if (strncmp(path, root, n) != 0 || path[n] != '/')
                return false;
        path += n + strspn(path + n, "/");
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
                ours |= strncmp(path, places[i], strlen(places[i])) == 0;
        if (!ours)
                return false;
        (void) snprintf(object, KEY_MAX, "%s", path);
        at = strrchr(object, '.');
        if (at && is_salt(at + 1)) /* of a temporary file */
                strcpy(at, ".*");
        at = strstr(object, "/#"); /* an inode without a name yet */
        if (at)
                strcpy(at, "/#");
        for (at = object; *at; at++)
                if (isspace((unsigned char) *at))
                        *at = '_';
        return true;
}

static bool take_fd(const char *root, pid_t tid, int fd, Call *ret) {
        char path[PATH_MAX];

        if (!link_of(path, tid, fd))
                return false;
        if (strncmp(path, "socket:", 7) == 0) {
                strcpy(ret->object, "socket");
                ret->fallible = false; /* a reply that cannot be sent is nobody's error */
                return fd > STDERR_FILENO;
        }
        return take_path(root, path, ret->object);
}

static bool take_at(const char *root, pid_t tid, int dir_fd, uint64_t address, Call *ret) {
        char path[PATH_MAX * 2 + 1], tail[PATH_MAX];

        if (!read_string(tid, address, tail, sizeof(tail)))
                return false;
        if (tail[0] == '/')
                return take_path(root, tail, ret->object);
        if (!link_of(path, tid, dir_fd))
                return false;
        if (strcmp(path, "/") == 0)
                path[0] = '\0';
        (void) snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%s", tail);
        return take_path(root, path, ret->object);
}

static bool opens_for_change(uint64_t flags) {
        return flags & (O_CREAT | O_TRUNC) || (flags & O_TMPFILE) == O_TMPFILE;
}

static bool open2_changes(pid_t tid, uint64_t address) {
        struct open_how how;
        struct iovec to = { &how, sizeof(how) };
        struct iovec from = { (void *) (uintptr_t) address, sizeof(how) };

        return process_vm_readv(tid, &to, 1, &from, 1, 0) == sizeof(how) &&
               opens_for_change(how.flags);
}

static bool ioctl_changes(const char *root, pid_t tid, const uint64_t args[6], Call *ret) {
        size_t n;

        if (_IOC_TYPE(args[1]) != _IOC_TYPE(MDEVD_QUERY) || args[1] == MDEVD_QUERY ||
            args[1] == MDEVD_GET_INFO || !take_fd(root, tid, (int) args[0], ret))
                return false;
        n = strlen(ret->object);
        (void) snprintf(ret->object + n, KEY_MAX - n, "/%u", (unsigned) _IOC_NR(args[1]));
        return true;
}

static bool takes(const char *root, pid_t tid, const Known *k, const uint64_t args[6], Call *ret) {
        switch (k->shape) {
        case SHAPE_OPEN:
                return opens_for_change(args[2]) && take_at(root, tid, (int) args[0], args[1], ret);
        case SHAPE_OPEN2:
                return open2_changes(tid, args[2]) &&
                       take_at(root, tid, (int) args[0], args[1], ret);
        case SHAPE_AT:
                return take_at(root, tid, (int) args[k->argument], args[k->argument + 1], ret);
        case SHAPE_PATH:
                return take_at(root, tid, AT_FDCWD, args[k->argument], ret);
        case SHAPE_FD:
                return take_fd(root, tid, (int) args[0], ret);
        case SHAPE_SOCKET:
                ret->fallible = false;
                return take_fd(root, tid, (int) args[0], ret);
        case SHAPE_IOCTL:
                return ioctl_changes(root, tid, args, ret);
        case SHAPE_CLONE:
                strcpy(ret->object, "process");
                return !(args[0] & CLONE_THREAD);
        case SHAPE_NONE:
                strcpy(ret->object, "process");
                ret->fallible = k->nr != SYS_kill;
                return true;
        }
        return false;
}

bool call_changes(const char *root, pid_t tid, uint64_t nr, const uint64_t args[6], Call *ret) {
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                if ((uint64_t) known[i].nr != nr)
                        continue;
                *ret = (Call){ .name = known[i].name, .fallible = true };
                return takes(root, tid, &known[i], args, ret);
        }
        return false;
}

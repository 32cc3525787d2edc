/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fs.c: files and sysfs attributes below a directory descriptor. An absolute path is refused
 * (-EINVAL), because openat() would then leave the root that was injected.
 */
#include "util/fs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "util/macro.h"

#define ATTR_SIZE_MAX 65536

static int open_at(int dir_fd, const char *path, int flags, mode_t mode) {
        if (!path || !path[0] || path[0] == '/')
                return -EINVAL;
        return RET_NERRNO(openat(dir_fd, path, flags | O_CLOEXEC | O_NOCTTY, mode));
}

/* Fills @buf until it is full or the file ends. */
static ssize_t read_full(int fd, char *buf, size_t size) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = read(fd, buf + done, size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t) n;
        }
        return (ssize_t) done;
}

int read_file_at(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size) {
        _cleanup_(freep) char *buf = NULL;
        _cleanup_(closep) int fd = -EBADF;
        size_t size = 0, room = MIN(max, (size_t) 4095);
        struct stat st;

        /* a FIFO or a device node must not hold us up; regular files ignore the flag */
        fd = open_at(dir_fd, path, O_RDONLY | O_NONBLOCK, 0);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;

        /* st_size says nothing in sysfs, so read until the end, one byte past @max at most */
        for (;;) {
                _cleanup_(freep) char *bigger = NULL;
                ssize_t n;

                bigger = realloc(buf, room + 2);
                if (!bigger)
                        return -ENOMEM;
                buf = TAKE_PTR(bigger);
                n = read_full(fd, buf + size, room + 1 - size);
                if (n < 0)
                        return (int) n;
                size += (size_t) n;
                if (size <= room)
                        break;
                if (room >= max)
                        return -EFBIG;
                room = room > max / 2 ? max : room * 2;
        }

        buf[size] = '\0';
        *ret = TAKE_PTR(buf);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int read_attr_at(int dir_fd, const char *path, char **ret) {
        _cleanup_(freep) char *buf = NULL;
        size_t size;
        int r;

        r = read_file_at(dir_fd, path, ATTR_SIZE_MAX, &buf, &size);
        if (r < 0)
                return r;
        while (size > 0 && (buf[size - 1] == '\n' || buf[size - 1] == '\0'))
                size--;
        buf[size] = '\0';
        if (strlen(buf) != size)
                return -EBADMSG; /* a NUL in the middle: no text */

        *ret = TAKE_PTR(buf);
        return 0;
}

static int write_once(int fd, const char *value) {
        size_t size = strlen(value);
        ssize_t n;

        n = write(fd, value, size);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -EIO;
}

int write_attr_at(int dir_fd, const char *path, const char *value) {
        _cleanup_(closep) int fd = -EBADF;

        fd = open_at(dir_fd, path, O_WRONLY | O_NOFOLLOW, 0);
        return fd < 0 ? fd : write_once(fd, value);
}

/* Opens what @name names in @dir_fd; what is no folder can be opened only to be written. */
static int step_beneath(int dir_fd, const char *name, bool last) {
        _cleanup_(closep) int fd = -EBADF;
        struct stat st;

        if (streq(name, ".."))
                return -EXDEV;
        if (last)
                return RET_NERRNO(
                        openat(dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY));
        /* with O_DIRECTORY a link would be told as ENOTDIR */
        fd = RET_NERRNO(openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISLNK(st.st_mode))
                return -ELOOP;
        return S_ISDIR(st.st_mode) ? TAKE_FD(fd) : -ENOTDIR;
}

/*
 * One step a component: openat2(), which has RESOLVE_BENEATH for this, is ENOSYS in a service with
 * RestrictSUIDSGID= (systemd cannot look into its argument), as ours is.
 */
int write_attr_beneath_at(int dir_fd, const char *folder, const char *name, const char *value) {
        _cleanup_(freep) char *copy = strdup(name);
        _cleanup_(closep) int fd = -EBADF;

        if (!copy)
                return -ENOMEM;
        if (copy[0] == '/')
                return -EXDEV;
        fd = open_at(dir_fd, folder, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
        for (char *rest = copy; fd >= 0 && rest;) {
                const char *part = strsep(&rest, "/");
                int next = step_beneath(fd, part, !rest);

                (void) safe_close(fd);
                fd = next;
        }
        return fd < 0 ? fd : write_once(fd, value);
}

int readlink_base_at(int dir_fd, const char *path, char **ret) {
        char target[PATH_MAX];
        const char *base;
        char *copy;
        ssize_t n;

        if (!path || !path[0] || path[0] == '/')
                return -EINVAL;
        n = readlinkat(dir_fd, path, target, sizeof(target));
        if (n < 0)
                return -errno;
        if ((size_t) n >= sizeof(target))
                return -ENAMETOOLONG;
        target[n] = '\0';

        base = strrchr(target, '/');
        base = base ? base + 1 : target;
        if (!base[0])
                return -EINVAL;
        copy = strdup(base);
        if (!copy)
                return -ENOMEM;

        *ret = copy;
        return 0;
}

int mkdir_parents_at(int dir_fd, const char *path, mode_t mode) {
        _cleanup_(freep) char *copy = NULL;

        if (!path || !path[0] || path[0] == '/')
                return -EINVAL;
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;

        for (char *p = strchr(copy, '/'); p; p = strchr(p + 1, '/')) {
                *p = '\0';
                if (mkdirat(dir_fd, copy, mode) < 0 && errno != EEXIST)
                        return -errno;
                *p = '/';
        }
        return 0;
}

static int write_full(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EIO;
                data += n;
                size -= (size_t) n;
        }
        return 0;
}

/* "a/b" -> "a/.b.<random>": hidden, so that readers of the folder pass over what a crash leaves. */
static int temporary_name(const char *path, char **ret) {
        const char *slash = strrchr(path, '/');
        int folder = slash ? (int) (slash - path + 1) : 0;
        uint64_t salt;
        char *name;

        if (strlen(path) - (size_t) folder > 200) /* NAME_MAX less dots and salt */
                return -ENAMETOOLONG;
        if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
                return -EIO;
        if (asprintf(&name, "%.*s.%s.%016" PRIx64, folder, path, path + folder, salt) < 0)
                return -ENOMEM;

        *ret = name;
        return 0;
}

static int fsync_folder_at(int dir_fd, const char *path) {
        _cleanup_(closep) int fd = -EBADF;
        _cleanup_(freep) char *folder = NULL;
        const char *slash = strrchr(path, '/');

        folder = slash ? strndup(path, (size_t) (slash - path)) : strdup(".");
        if (!folder)
                return -ENOMEM;
        fd = open_at(dir_fd, folder, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0)
                return fd;
        return RET_NERRNO(fsync(fd));
}

static int write_temporary(int fd, const char *data, size_t size, mode_t mode) {
        int r;

        if (fchmod(fd, mode) < 0) /* open() took the umask off */
                return -errno;
        r = write_full(fd, data, size);
        if (r < 0)
                return r;
        return RET_NERRNO(fdatasync(fd));
}

int write_file_atomic_at(int dir_fd, const char *path, const char *data, size_t size, mode_t mode) {
        _cleanup_(freep) char *temporary = NULL;
        _cleanup_(closep) int fd = -EBADF;
        int r;

        if (!path || !path[0] || path[0] == '/')
                return -EINVAL;
        r = temporary_name(path, &temporary);
        if (r < 0)
                return r;
        fd = open_at(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
        if (fd < 0)
                return fd;

        r = write_temporary(fd, data, size, mode);
        if (r >= 0)
                r = RET_NERRNO(renameat(dir_fd, temporary, dir_fd, path));
        if (r < 0) {
                (void) unlinkat(dir_fd, temporary, 0);
                return r;
        }
        return fsync_folder_at(dir_fd, path);
}

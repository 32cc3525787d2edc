/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * file.c owns the suspicion towards files in /etc: a name there may be a FIFO, a device, a link to
 * anywhere or a terabyte, and none of these may hold up the daemon or lead it out of its root.
 */
#include "config/file.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "util/json.h"

void file_names_done(FileNames *f) {
        for (size_t i = 0; i < f->n; i++)
                free(f->names[i]);
        free(f->names);
        *f = (FileNames) {};
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int file_names_add(const char *name, void *userdata) {
        FileNames *f = userdata;
        char **bigger;

        /* doubles at every power of two, so that a folder of any size stays cheap */
        if ((f->n & (f->n - 1)) == 0) {
                bigger = reallocarray(f->names, f->n ? f->n * 2 : 1, sizeof(*bigger));
                if (!bigger)
                        return -ENOMEM;
                f->names = bigger;
        }
        f->names[f->n] = strdup(name);
        if (!f->names[f->n])
                return -ENOMEM;
        f->n++;
        return 0;
}

int file_foreach(int dir_fd, const char *path, FileNameFn fn, void *userdata) {
        _cleanup_(closedirp) DIR *dir = NULL;
        int fd, r;

        fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                safe_close(fd);
                return r;
        }

        for (;;) {
                struct dirent *e;

                errno = 0;
                e = readdir(dir);
                if (!e && errno != 0)
                        return -errno;
                if (!e)
                        break;
                if (streq(e->d_name, ".") || streq(e->d_name, ".."))
                        continue;
                r = fn(e->d_name, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

int file_list(int dir_fd, const char *path, FileNames *ret) {
        _cleanup_(file_names_done) FileNames names = {};
        int r = file_foreach(dir_fd, path, file_names_add, &names);

        if (r < 0)
                return r;
        if (names.n > 0)
                qsort(names.names, names.n, sizeof(*names.names), compare_names);
        *ret = TAKE_GENERIC(names, (FileNames) {});
        return 0;
}

static int file_refuse(char **ret_why, const char *format, ...) _printf_(2, 3);

static int file_refuse(char **ret_why, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(ret_why, format, ap);
        va_end(ap);
        if (r >= 0)
                return 1;
        *ret_why = NULL;
        return -ENOMEM;
}

static int file_failed(char **ret_why, const char *verb, int error) {
        if (error == -ENOMEM)
                return -ENOMEM;
        return file_refuse(ret_why, "cannot %s this file: %s", verb, strerror(-error));
}

static const char *file_kind(mode_t mode) {
        static const struct {
                mode_t mode;
                const char *words;
        } kinds[] = {
                { S_IFLNK, "a symbolic link" },   { S_IFDIR, "a folder" },
                { S_IFIFO, "a FIFO" },            { S_IFSOCK, "a socket" },
                { S_IFCHR, "a character device" }, { S_IFBLK, "a block device" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if ((mode & S_IFMT) == kinds[i].mode)
                        return kinds[i].words;
        return "something else";
}

/*
 * Grown while reading, never beyond the limit: what fstat() said need not hold. Where it does, the
 * read that ends there needs no other that says so.
 */
static int file_read_fd(int fd, size_t expected, char **ret, size_t *ret_size, char **ret_why) {
        _cleanup_(freep) char *buf = NULL;
        size_t size = 0, room = 0;

        for (;;) {
                ssize_t n;

                if (room - size < 2) {
                        char *bigger;

                        room = room ? room * 2 : 4096;
                        bigger = realloc(buf, room);
                        if (!bigger)
                                return -ENOMEM;
                        buf = bigger;
                }
                n = read(fd, buf + size, room - size - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return file_failed(ret_why, "read", -errno);
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > JSON_SIZE_MAX)
                        return file_refuse(ret_why, "expected at most %u bytes, found more",
                                           JSON_SIZE_MAX);
                if (size == expected && size < room - 1)
                        break;
        }

        buf[size] = '\0';
        *ret = TAKE_PTR(buf);
        *ret_size = size;
        return 0;
}

int file_read(int dir_fd, const char *name, char **ret, size_t *ret_size, char **ret_why) {
        _cleanup_(closep) int fd = -EBADF;
        struct stat st;

        /* looked at before it is opened, since opening a device can have effects of its own */
        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? -ENOENT : file_failed(ret_why, "look at", -errno);
        if (!S_ISREG(st.st_mode))
                return file_refuse(ret_why, "expected a plain file, found %s",
                                   file_kind(st.st_mode));

        fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ENOENT : file_failed(ret_why, "open", -errno);
        if (fstat(fd, &st) < 0)
                return file_failed(ret_why, "look at", -errno);
        if (!S_ISREG(st.st_mode))
                return file_refuse(ret_why, "expected a plain file, found %s",
                                   file_kind(st.st_mode));
        if (st.st_size > JSON_SIZE_MAX)
                return file_refuse(ret_why, "expected at most %u bytes, found %lld", JSON_SIZE_MAX,
                                   (long long) st.st_size);
        return file_read_fd(fd, (size_t) st.st_size, ret, ret_size, ret_why);
}

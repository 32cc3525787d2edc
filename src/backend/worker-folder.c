/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-folder.c: owns the folder of records. One appears under its name by linkat(), complete and
 * locked, so no instant of being killed leaves half of one.
 */
#include "backend/worker-folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "backend/worker.h"
#include "names.h"
#include "util/fs.h"
#include "util/join.h"

#define RECORD_MODE 0600

static int path_below(const char *name, char **ret) {
        *ret = JOIN(MDEVD_PATH_OPERATIONS "/", name);
        return *ret ? 0 : -ENOMEM;
}

int folder_path_of(const Record *record, char **ret) {
        _cleanup_(freep) char *name = NULL;
        int r;

        r = record_name(record, &name);
        return r < 0 ? r : path_below(name, ret);
}

int folder_read(int fd, Record **ret) {
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

int folder_open(int dir_fd, const char *path, int mode) {
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

int folder_write(int fd, const char *text) {
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

/*
 * Without CAP_DAC_READ_SEARCH there is no such file to the kernel, and its name in /proc must do,
 * where four names are looked up for it, two of which are made for that.
 */
static int give_name(int fd, int root_fd, const char *path) {
        char self[sizeof("/proc/self/fd/") + 3 * sizeof(fd)];

        if (linkat(fd, "", root_fd, path, AT_EMPTY_PATH) >= 0)
                return 0;
        if (errno != ENOENT)
                return -errno;
        (void) snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        return RET_NERRNO(linkat(AT_FDCWD, self, root_fd, path, AT_SYMLINK_FOLLOW));
}

/* A locked, complete, named record; the only descriptor of its description is returned. */
int folder_make(int root_fd, const char *path, const Record *record) {
        _cleanup_(freep) char *text = NULL;
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
        r = folder_write(fd, text);
        if (r >= 0)
                r = give_name(fd, root_fd, path);
        return r < 0 ? r : TAKE_FD(fd);
}

int worker_write_record(int root_fd, const Record *record) {
        _cleanup_(closep) int record_fd = -EBADF;
        _cleanup_(freep) char *path = NULL;
        int r;

        r = folder_path_of(record, &path);
        if (r < 0)
                return r;
        record_fd = folder_make(root_fd, path, record);
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
int folder_take(int root_fd, const char *path, const Record *record) {
        _cleanup_(freep) char *line = NULL;
        _cleanup_(closep) int fd = -EBADF;
        int r;

        r = record_format_change(record, &line);
        if (r < 0)
                return r;
        fd = folder_open(root_fd, path, O_RDWR | O_APPEND);
        if (fd < 0)
                return fd;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        r = drop_torn_line(fd);
        if (r >= 0)
                r = folder_write(fd, line);
        return r < 0 ? r : TAKE_FD(fd);
}

static int scan_one(int folder_fd, const char *name, WorkerFoundFn fn, void *userdata) {
        _cleanup_(record_freep) Record *record = NULL;
        _cleanup_(freep) char *expected = NULL;
        _cleanup_(closep) int fd = -EBADF;
        bool locked;
        int r;

        fd = folder_open(folder_fd, name, O_RDONLY);
        if (fd == -ENOENT)
                return 0;
        if (fd < 0)
                return fn(WORKER_BROKEN, name, &record, userdata);

        /* The lock first: what is read after it is seen free is the last word. */
        locked = flock(fd, LOCK_SH | LOCK_NB) < 0;
        r = folder_read(fd, &record);
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

        r = folder_path_of(record, &path);
        if (r < 0)
                return r;
        fd = folder_open(root_fd, path, O_RDONLY);
        return fd < 0 ? fd : folder_read(fd, ret);
}

int worker_poke(int root_fd, const Record *record) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = folder_path_of(record, &path);
        return r < 0 ? r : RET_NERRNO(utimensat(root_fd, path, NULL, AT_SYMLINK_NOFOLLOW));
}

int worker_forget_record(int root_fd, const char *name) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = path_below(name, &path);
        if (r < 0)
                return r;
        if (unlinkat(root_fd, path, 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk.c: the linker's --wrap for calls that change files: journal, faults, loss of power. */
#include "disk.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES_MAX 256
#define FOLDERS_MAX 8
#define PATH_ROOM 256

typedef enum EntryKind {
        ENTRY_CREATE,
        ENTRY_MKDIR,
        ENTRY_RENAME,
        ENTRY_UNLINK,
        ENTRY_DATA, /* of a file that was written; no entry of a folder */
} EntryKind;

typedef struct Entry Entry;
typedef struct Journal Journal;

struct Entry {
        EntryKind kind;
        bool lasting;
        char folder[PATH_ROOM]; /* absolute, where the entry lies */
        char path[PATH_ROOM];
        char from[PATH_ROOM];
        char copy[PATH_ROOM]; /* what was there before, or the file whose data it is; "": none */
};

struct Journal {
        bool on;
        char root[PATH_ROOM], side[PATH_ROOM];
        unsigned calls, syncs, copies;
        unsigned at[DISK_SKIP + 1];
        bool faulted[DISK_SKIP + 1];
        int error;
        Entry entries[ENTRIES_MAX];
        size_t n;
};

static Journal *journal;

int __real_openat64(int dir_fd, const char *path, int flags, mode_t mode);
ssize_t __real_write(int fd, const void *data, size_t size);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int dir_fd, const char *path, int flags);
int __real_mkdirat(int dir_fd, const char *path, mode_t mode);
int __real_fchmod(int fd, mode_t mode);

int __wrap_openat64(int dir_fd, const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *data, size_t size);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_unlinkat(int dir_fd, const char *path, int flags);
int __wrap_mkdirat(int dir_fd, const char *path, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);

static void put(char *to, const char *a, const char *b) {
        assert((size_t) snprintf(to, PATH_ROOM, "%s%s%s", a, b[0] ? "/" : "", b) < PATH_ROOM);
}

void disk_start(const char *root, const char *side) {
        if (!journal)
                journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert(journal != MAP_FAILED);
        memset(journal, 0, sizeof(*journal));
        put(journal->root, root, "");
        put(journal->side, side, "");
        journal->on = true;
}

void disk_fault(DiskFault fault, unsigned n, int error) {
        journal->at[fault] = n;
        if (fault == DISK_ERROR)
                journal->error = error;
}

void disk_stop(void) {
        journal->on = false;
}

unsigned disk_calls(void) {
        return journal->calls;
}

unsigned disk_syncs(void) {
        return journal->syncs;
}

bool disk_faulted(DiskFault fault) {
        return journal->faulted[fault];
}

/* One call more. True: it is to fail, errno is set. */
static bool call_fails(void) {
        if (!journal || !journal->on)
                return false;
        journal->calls++;
        if (journal->calls == journal->at[DISK_KILL]) {
                journal->faulted[DISK_KILL] = true;
                (void) raise(SIGKILL);
        }
        if (journal->calls == journal->at[DISK_ERROR]) {
                journal->faulted[DISK_ERROR] = true;
                errno = journal->error;
                return true;
        }
        return false;
}

static bool sync_is_skipped(void) {
        if (++journal->syncs != journal->at[DISK_SKIP])
                return false;
        journal->faulted[DISK_SKIP] = true;
        return true;
}

static Entry *add(EntryKind kind, const char *path, const char *from) {
        Entry *e = &journal->entries[journal->n];

        assert(journal->n < ENTRIES_MAX);
        *e = (Entry) { .kind = kind };
        put(e->path, journal->root, path);
        put(e->folder, journal->root, path);
        *strrchr(e->folder, '/') = '\0';
        if (from)
                put(e->from, journal->root, from);
        journal->n++;
        return e;
}

/* A second name for what is at @path, if anything is. */
static void keep_copy(Entry *e, const char *path) {
        char number[16];

        (void) snprintf(number, sizeof(number), "%u", journal->copies);
        put(e->copy, journal->side, number);
        if (link(path, e->copy) < 0)
                e->copy[0] = '\0';
        else
                journal->copies++;
}

static void path_of(int fd, char buf[static PATH_ROOM]) {
        char link_path[64];
        ssize_t n;

        (void) snprintf(link_path, sizeof(link_path), "/proc/self/fd/%d", fd);
        n = readlink(link_path, buf, PATH_ROOM - 1);
        assert(n > 0);
        buf[n] = '\0';
}

int __wrap_openat64(int dir_fd, const char *path, int flags, ...) {
        mode_t mode = 0;
        va_list ap;
        int fd;

        if (flags & O_CREAT) {
                va_start(ap, flags);
                mode = va_arg(ap, mode_t);
                va_end(ap);
        }
        if (!(flags & O_CREAT) || !journal || !journal->on)
                return __real_openat64(dir_fd, path, flags, mode);

        if (call_fails())
                return -1;
        fd = __real_openat64(dir_fd, path, flags, mode);
        if (fd >= 0)
                (void) add(ENTRY_CREATE, path, NULL);
        return fd;
}

ssize_t __wrap_write(int fd, const void *data, size_t size) {
        char path[PATH_ROOM];
        Entry *e;

        if (!journal || !journal->on)
                return __real_write(fd, data, size);
        if (call_fails())
                return -1;
        path_of(fd, path);
        e = add(ENTRY_DATA, path + strlen(journal->root) + 1, NULL);
        keep_copy(e, path);
        return __real_write(fd, data, size);
}

/* What was written under this name is there to stay. */
int __wrap_fdatasync(int fd) {
        char path[PATH_ROOM];

        if (!journal || !journal->on)
                return 0; /* no test is about the real disk */
        if (call_fails())
                return -1;
        path_of(fd, path);
        if (sync_is_skipped())
                return 0;
        for (size_t i = 0; i < journal->n; i++)
                if (journal->entries[i].kind == ENTRY_DATA &&
                    !strcmp(journal->entries[i].path, path))
                        journal->entries[i].lasting = true;
        return 0;
}

int __wrap_fsync(int fd) {
        char path[PATH_ROOM];

        if (!journal || !journal->on)
                return 0;
        if (call_fails())
                return -1;
        path_of(fd, path);
        if (sync_is_skipped())
                return 0;
        for (size_t i = 0; i < journal->n; i++)
                if (journal->entries[i].kind != ENTRY_DATA &&
                    !strcmp(journal->entries[i].folder, path))
                        journal->entries[i].lasting = true;
        return 0;
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
        Entry *e;
        int r;

        if (!journal || !journal->on)
                return __real_renameat(from_fd, from, to_fd, to);
        if (call_fails())
                return -1;
        e = add(ENTRY_RENAME, to, from);
        keep_copy(e, e->path);
        r = __real_renameat(from_fd, from, to_fd, to);
        if (r < 0)
                journal->n--;
        return r;
}

int __wrap_unlinkat(int dir_fd, const char *path, int flags) {
        Entry *e;
        int r;

        if (!journal || !journal->on)
                return __real_unlinkat(dir_fd, path, flags);
        if (call_fails())
                return -1;
        e = add(ENTRY_UNLINK, path, NULL);
        keep_copy(e, e->path);
        r = __real_unlinkat(dir_fd, path, flags);
        if (r < 0)
                journal->n--;
        return r;
}

int __wrap_mkdirat(int dir_fd, const char *path, mode_t mode) {
        int r;

        if (!journal || !journal->on)
                return __real_mkdirat(dir_fd, path, mode);
        if (call_fails())
                return -1;
        r = __real_mkdirat(dir_fd, path, mode);
        if (r >= 0)
                (void) add(ENTRY_MKDIR, path, NULL);
        return r;
}

int __wrap_fchmod(int fd, mode_t mode) {
        return call_fails() ? -1 : __real_fchmod(fd, mode);
}

/* ---- the loss of power ---- */

/* Number of @folder among those that have something to lose, or how many there are. */
static unsigned folder_index(const char *folder) {
        char seen[FOLDERS_MAX][PATH_ROOM];
        unsigned n = 0;

        for (size_t i = 0; i < journal->n; i++) {
                const Entry *e = &journal->entries[i];
                unsigned k = 0;

                if (e->lasting || e->kind == ENTRY_DATA)
                        continue;
                while (k < n && strcmp(seen[k], e->folder) != 0)
                        k++;
                if (k < n)
                        continue;
                assert(n < FOLDERS_MAX);
                put(seen[n++], e->folder, "");
                if (folder && !strcmp(folder, e->folder))
                        return n - 1;
        }
        return n;
}

unsigned disk_folders(void) {
        return folder_index(NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st;
        (void) type;
        (void) ftw;
        return remove(path);
}

static void take_back(const Entry *e) {
        switch (e->kind) {
        case ENTRY_CREATE:
                (void) unlink(e->path);
                break;
        case ENTRY_MKDIR:
                (void) nftw(e->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
                break;
        case ENTRY_RENAME:
                (void) rename(e->path, e->from);
                if (e->copy[0])
                        (void) link(e->copy, e->path);
                break;
        case ENTRY_UNLINK:
                if (e->copy[0])
                        (void) link(e->copy, e->path);
                break;
        case ENTRY_DATA:
                if (e->copy[0])
                        assert(truncate(e->copy, 0) == 0);
                break;
        }
}

void disk_lose_power(unsigned mask) {
        bool lost[ENTRIES_MAX];

        journal->on = false;
        for (size_t i = 0; i < journal->n; i++) {
                const Entry *e = &journal->entries[i];

                lost[i] = !e->lasting &&
                          (e->kind == ENTRY_DATA || mask & 1U << folder_index(e->folder));
        }
        for (size_t i = journal->n; i-- > 0;)
                if (lost[i])
                        take_back(&journal->entries[i]);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * folder.c owns reading a folder of definitions at once. Files as mdevctl and mdevd write them are
 * small and plain; all others take the long way, which knows what to say of them.
 */
#include "cli/folder.h"

#include <fcntl.h>

#include "cli/answer.h"
#include "config/extras.h"
#include "config/file.h"
#include "config/store-plain.h"
#include "config/store.h"
#include "names.h"

void folder_done(Folder *f) {
        f->fd = safe_close(f->fd);
        free(f->parent);
        free(f->entries);
        *f = (Folder) FOLDER_NULL;
}

static int compare(const void *a, const void *b) {
        const FolderEntry *x = a, *y = b;

        return memcmp(x->uuid.bytes, y->uuid.bytes, sizeof(x->uuid.bytes));
}

const FolderEntry *folder_find(const Folder *f, const Uuid *uuid) {
        const FolderEntry key = { .uuid = *uuid };

        return f->n > 0 ? bsearch(&key, f->entries, f->n, sizeof(key), compare) : NULL;
}

static int add(Folder *f, const Uuid *uuid, bool plain) {
        FolderEntry *bigger;

        /* doubles at every power of two */
        if ((f->n & (f->n - 1)) == 0) {
                bigger = reallocarray(f->entries, f->n ? f->n * 2 : 1, sizeof(*bigger));
                if (!bigger)
                        return -ENOMEM;
                f->entries = bigger;
        }
        f->entries[f->n++] = (FolderEntry) { .uuid = *uuid, .plain = plain };
        return 0;
}

static int read_entries(Folder *f) {
        _cleanup_(closedirp) DIR *dir = NULL;
        int fd = RET_NERRNO(openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir) {
                int r = -errno;

                safe_close(fd);
                return r;
        }
        for (;;) {
                struct dirent *e;
                Uuid uuid;
                int r;

                errno = 0;
                e = readdir(dir);
                if (!e)
                        break;
                if (definition_uuid(e->d_name, &uuid) < 0)
                        continue;
                r = add(f, &uuid, e->d_type == DT_REG);
                if (r < 0)
                        return r;
        }
        return -errno;
}

int folder_open(Folder *ret, int root_fd, const char *parent, const Uuid *only) {
        _cleanup_(folder_done) Folder f = FOLDER_NULL;
        _cleanup_(freep) char *path = NULL;
        int r;

        f.parent = strdup(parent);
        if (!f.parent)
                return -ENOMEM;
        if (asprintf(&path, MDEVD_PATH_DEFINITIONS "/%s", parent) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        f.fd = RET_NERRNO(openat(root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
        r = f.fd < 0 ? f.fd : only ? add(&f, only, false) : read_entries(&f);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                f.n = 0;
        if (r < 0 && r != -ENOTDIR && r != -ENOENT)
                answer_warn("/%s: %s; its definitions are left out", path, strerror(-r));
        if (f.n > 1)
                qsort(f.entries, f.n, sizeof(*f.entries), compare);
        *ret = TAKE_GENERIC(f, (Folder) FOLDER_NULL);
        return 0;
}

/*
 * A plain file that is small and says what it is in the usual form: 1, read into @d. 0: the long
 * way will tell. The name was a plain file's when the folder was read, so that no device is opened;
 * and what has no end yet is not of that form, so that nobody need ask how long it is.
 */
static int read_plain(int fd, const char *name, Definition *d) {
        char text[STORE_PLAIN_MAX + 1];
        _cleanup_(closep) int file = -EBADF;
        ssize_t n;

        file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        n = file >= 0 ? read(file, text, sizeof(text)) : -1;
        return n >= 0 ? store_parse_plain(d, text, (size_t) n) : 0;
}

static int read_any(int fd, const char *name, Definition *d) {
        _cleanup_(freep) char *path = NULL, *text = NULL, *why = NULL;
        size_t size = 0;
        int r;

        if (asprintf(&path, "/" MDEVD_PATH_DEFINITIONS "/%s/%s", d->parent, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = file_read(fd, name, &text, &size, &why);
        if (r < 0)
                return r;
        if (r > 0 && asprintf(&d->invalid, "%s: %s", path, why) < 0) {
                d->invalid = NULL;
                return -ENOMEM;
        }
        return r == 0 ? store_parse(d, path, text, size) : 0;
}

int folder_read(const Folder *f, const FolderEntry *e, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        const char *name = UUID_STR(&e->uuid);
        int r;

        r = definition_new(&d, f->parent, &e->uuid);
        if (r >= 0 && e->plain)
                r = read_plain(f->fd, name, d);
        if (r == 0)
                r = read_any(f->fd, name, d);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

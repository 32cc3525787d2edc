/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store-write.c owns changes of the definition store, in steps between which anybody may die. The
 * commit is one rename, or one unlink, of the definition. Before it the extras are on disk and the
 * new text lies in a temporary file at the store's top level, where mdevctl sees no plain files;
 * after it store_settle() makes the extras agree with whichever definition is there. So settling is
 * the end of a change, the undoing of one that did not come to its commit, and the repair after a
 * crash: it asks the disk and no memory.
 */
#include "config/store.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "config/extras.h"
#include "config/file.h"
#include "names.h"
#include "util/fs.h"
#include "util/json.h"
#include "util/parse.h"

#define TEMPORARY_SUFFIX ".mdevd"
#define MODE_FOLDER 0755
#define MODE_DEFINITION 0644 /* mdevctl's; one that is there keeps its own */
#define MODE_EXTRAS 0600     /* an owner's full name is not for everybody */

static char *format_path(const char *format, ...) _printf_(1, 2);

static char *format_path(const char *format, ...) {
        va_list ap;
        char *path;
        int r;

        va_start(ap, format);
        r = vasprintf(&path, format, ap);
        va_end(ap);
        return r < 0 ? NULL : path;
}

static char *definition_path(const char *parent, const Uuid *uuid) {
        return format_path(MDEVD_PATH_DEFINITIONS "/%s/%s", parent, UUID_STR(uuid));
}

/* One name for each definition: what a crash leaves is overwritten, and never more than one. */
static char *temporary_path(const char *parent, const Uuid *uuid) {
        return format_path(MDEVD_PATH_DEFINITIONS "/.%s:%s" TEMPORARY_SUFFIX, parent,
                           UUID_STR(uuid));
}

static int folder_sync(int root_fd, const char *path) {
        _cleanup_(closep) int fd = -EBADF;

        fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : RET_NERRNO(fsync(fd));
}

/* The folder that @path lies in. */
static int folder_sync_of(int root_fd, const char *path) {
        _cleanup_(freep) char *folder = strdup(path);
        char *slash;

        if (!folder)
                return -ENOMEM;
        slash = strrchr(folder, '/');
        if (slash)
                *slash = '\0';
        return folder_sync(root_fd, slash ? folder : ".");
}

/* A folder that is made must be on disk before what is in it can be. */
static int folder_make(int root_fd, const char *path) {
        _cleanup_(freep) char *part = strdup(path);
        char *end = part;
        int r;

        if (!part)
                return -ENOMEM;
        do {
                end = strchr(end, '/');
                if (end)
                        *end = '\0';
                if (mkdirat(root_fd, part, MODE_FOLDER) >= 0) {
                        r = folder_sync_of(root_fd, part);
                        if (r < 0)
                                return r;
                } else if (errno != EEXIST)
                        return -errno;
                if (end)
                        *end++ = '/';
        } while (end);
        return 0;
}

static int folder_make_of(int root_fd, const char *path) {
        _cleanup_(freep) char *folder = strdup(path);

        if (!folder)
                return -ENOMEM;
        *strrchr(folder, '/') = '\0';
        return folder_make(root_fd, folder);
}

/* 0: it is gone, also when it was not there. */
static int file_remove(int root_fd, const char *path) {
        return unlinkat(root_fd, path, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Extras that say nothing are no file. */
static int extras_put(int root_fd, const char *path, const Extras *e) {
        _cleanup_(freep) char *text = NULL;
        int r;

        if (extras_values_are_default(&e->now) && !e->until) {
                if (unlinkat(root_fd, path, 0) < 0)
                        return errno == ENOENT ? 0 : -errno;
                return folder_sync_of(root_fd, path);
        }

        r = extras_format(e, &text);
        if (r < 0)
                return r;
        r = folder_make_of(root_fd, path);
        if (r < 0)
                return r;
        return write_file_atomic_at(root_fd, path, text, strlen(text), MODE_EXTRAS);
}

static bool values_equal(const ExtrasValues *a, const ExtrasValues *b) {
        return streq(a->owner ?: "", b->owner ?: "") && a->reserve_set == b->reserve_set &&
               (!a->reserve_set || a->reserve == b->reserve);
}

/* @before is what now lies beside the definition @old (NULL: there is none to be replaced). */
static int extras_prepare(int root_fd, const char *path, const Definition *d, const Extras *before,
                          const char *old, const char *new) {
        _cleanup_(extras_done) Extras e = {};
        const ExtrasValues *in_force = old ? extras_in_force(before, old) : NULL;
        int r;

        r = extras_values_of(d, &e.now);
        if (r < 0)
                return r;
        /* with the same text there is no commit to wait for: the extras are the change */
        if (old && !streq(old, new) && !values_equal(in_force, &e.now)) {
                e.until = strdup(old);
                e.before = *in_force;
                e.before.owner = in_force->owner ? strdup(in_force->owner) : NULL;
                if (!e.until || (in_force->owner && !e.before.owner))
                        return -ENOMEM;
        }
        if (old && !e.until && !before->until && values_equal(&before->now, &e.now))
                return 0;
        return extras_put(root_fd, path, &e);
}

/* @old is the text of the definition that is to be replaced; NULL: there is none. */
static int prepare_extras(int root_fd, const Definition *d, const char *old, size_t size,
                          const char *new_text) {
        _cleanup_(freep) char *path = extras_path(d->parent, &d->uuid), *why_extras = NULL;
        _cleanup_(extras_done) Extras before = {};
        char digest_old[EXTRAS_DIGEST_MAX], digest_new[EXTRAS_DIGEST_MAX];
        int r;

        if (!path)
                return -ENOMEM;
        /* extras that are wrong made the definition invalid: nothing of them held */
        r = extras_read(root_fd, path, &before, &why_extras);
        if (r < 0 && r != -ENOENT)
                return r;

        if (old)
                (void) extras_digest(old, size, digest_old);
        return extras_prepare(root_fd, path, d, &before, old ? digest_old : NULL,
                              extras_digest(new_text, strlen(new_text), digest_new));
}

static int write_all(int fd, const char *text, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, text, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                text += n;
                size -= (size_t) n;
        }
        return 0;
}

/* With the mode and the owner of the file that it will replace. */
static int write_temporary(int root_fd, const char *path, const char *definition,
                           const char *text) {
        _cleanup_(closep) int fd = -EBADF;
        struct stat st = { .st_mode = MODE_DEFINITION };
        bool replaces;
        int r;

        replaces = fstatat(root_fd, definition, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
                   S_ISREG(st.st_mode);
        r = file_remove(root_fd, path);
        if (r < 0)
                return r;
        fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        if (replaces && (st.st_uid != geteuid() || st.st_gid != getegid()) &&
            fchown(fd, st.st_uid, st.st_gid) < 0)
                return -errno;
        if (fchmod(fd, replaces ? st.st_mode & 0777 : MODE_DEFINITION) < 0)
                return -errno;
        r = write_all(fd, text, strlen(text));
        if (r < 0)
                return r;
        return RET_NERRNO(fdatasync(fd));
}

/* Keys of other tools count as well: what could not be read again is not written. */
static int check_readable(const char *text) {
        _cleanup_(json_freep) JsonDoc *doc = NULL;
        JsonError error;
        int r;

        r = json_parse(&doc, text, strlen(text), false, &error);
        return r > 0 ? -EFBIG : r;
}

int store_prepare(int root_fd, const Definition *d) {
        _cleanup_(freep) char *definition = definition_path(d->parent, &d->uuid);
        _cleanup_(freep) char *temporary = temporary_path(d->parent, &d->uuid), *text = NULL;
        _cleanup_(freep) char *old = NULL, *why = NULL;
        size_t size = 0;
        int r;

        if (!definition || !temporary)
                return -ENOMEM;
        r = file_read(root_fd, definition, &old, &size, &why);
        if (r < 0 && r != -ENOENT)
                return r;
        r = store_format_over(d, old, size, &text);
        if (r >= 0)
                r = check_readable(text);
        if (r < 0)
                return r;
        r = folder_make_of(root_fd, definition);
        if (r < 0)
                return r;
        r = prepare_extras(root_fd, d, old, size, text);
        if (r < 0)
                return r;
        return write_temporary(root_fd, temporary, definition, text);
}

int store_commit(int root_fd, const char *parent, const Uuid *uuid) {
        _cleanup_(freep) char *definition = definition_path(parent, uuid);
        _cleanup_(freep) char *temporary = temporary_path(parent, uuid);

        if (!definition || !temporary)
                return -ENOMEM;
        return RET_NERRNO(renameat(root_fd, temporary, root_fd, definition));
}

int store_remove(int root_fd, const char *parent, const Uuid *uuid) {
        _cleanup_(freep) char *definition = definition_path(parent, uuid);

        if (!definition)
                return -ENOMEM;
        return RET_NERRNO(unlinkat(root_fd, definition, 0));
}

/* What holds with the definition that is there becomes all that the extras say. */
static int settle_extras(int root_fd, const char *path, const char *digest) {
        _cleanup_(extras_done) Extras e = {}, settled = {};
        _cleanup_(freep) char *why = NULL;
        const ExtrasValues *in_force;
        int r;

        r = extras_read(root_fd, path, &e, &why);
        if (r != 0)
                return r == -ENOENT || r > 0 ? 0 : r;
        if (!e.until && !extras_values_are_default(&e.now))
                return 0;

        in_force = extras_in_force(&e, digest);
        settled.now = *in_force;
        settled.now.owner = in_force->owner ? strdup(in_force->owner) : NULL;
        if (in_force->owner && !settled.now.owner)
                return -ENOMEM;
        return extras_put(root_fd, path, &settled);
}

int store_settle(int root_fd, const char *parent, const Uuid *uuid) {
        _cleanup_(freep) char *definition = definition_path(parent, uuid);
        _cleanup_(freep) char *temporary = temporary_path(parent, uuid);
        _cleanup_(freep) char *extras = extras_path(parent, uuid), *text = NULL, *why = NULL;
        const Extras none = {};
        char digest[EXTRAS_DIGEST_MAX];
        size_t size = 0;
        int r;

        if (!definition || !temporary || !extras)
                return -ENOMEM;
        r = file_remove(root_fd, temporary);
        if (r < 0)
                return r;
        /* until here the definition's rename, or its removal, need not be on disk */
        r = folder_sync_of(root_fd, definition);
        if (r < 0 && r != -ENOENT)
                return r;

        r = file_read(root_fd, definition, &text, &size, &why);
        if (r == -ENOENT)
                return extras_put(root_fd, extras, &none);
        if (r != 0)
                return r < 0 ? r : 0;
        return settle_extras(root_fd, extras, extras_digest(text, size, digest));
}

/* ---- after a crash ---- */

/* An operation that is running, or that is to be adopted, settles what it began. */
static bool is_busy(int root_fd, const char *parent, const Uuid *uuid) {
        _cleanup_(freep) char *record = NULL;

        record = format_path(MDEVD_PATH_OPERATIONS "/%s:%s", parent, UUID_STR(uuid));
        return !record || faccessat(root_fd, record, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

/* ".<parent>:<uuid>.mdevd"; a parent's name has colons of its own. */
static int parse_temporary(char *name, const char **ret_parent, Uuid *ret) {
        const size_t n = strlen(name), tail = 1 + UUID_STRING_MAX - 1 + strlen(TEMPORARY_SUFFIX);

        if (n <= 1 + tail || name[0] != '.' || name[n - tail] != ':' ||
            !streq(name + n - strlen(TEMPORARY_SUFFIX), TEMPORARY_SUFFIX))
                return -EINVAL;
        name[n - strlen(TEMPORARY_SUFFIX)] = '\0';
        name[n - tail] = '\0';
        *ret_parent = name + 1;
        return uuid_parse(name + n - tail + 1, ret);
}

static int sweep_temporaries(int root_fd) {
        _cleanup_(file_names_done) FileNames names = {};
        int r;

        r = file_list(root_fd, MDEVD_PATH_DEFINITIONS, &names);
        if (r < 0)
                return r == -ENOENT || r == -ENOTDIR ? 0 : r;
        for (size_t i = 0; i < names.n; i++) {
                const char *parent;
                Uuid uuid;

                if (parse_temporary(names.names[i], &parent, &uuid) < 0 ||
                    is_busy(root_fd, parent, &uuid))
                        continue;
                r = store_settle(root_fd, parent, &uuid);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What is whole is left alone: settling waits for the disk. */
static int sweep_one(int root_fd, const char *parent, const Uuid *uuid) {
        _cleanup_(freep) char *definition = definition_path(parent, uuid), *why = NULL;
        _cleanup_(freep) char *path = extras_path(parent, uuid);
        _cleanup_(extras_done) Extras e = {};
        int r;

        if (!definition || !path)
                return -ENOMEM;
        if (is_busy(root_fd, parent, uuid))
                return 0;
        if (faccessat(root_fd, definition, F_OK, AT_SYMLINK_NOFOLLOW) >= 0) {
                r = extras_read(root_fd, path, &e, &why);
                if (r == -ENOMEM)
                        return r;
                if (r != 0 || !e.until)
                        return 0;
        }
        return store_settle(root_fd, parent, uuid);
}

/* ".<uuid>.json.<salt>" is what write_file_atomic_at() leaves when it is killed. */
static int sweep_hidden(int root_fd, const char *parent, const char *name, const char *path) {
        char stem[UUID_STRING_MAX] = "";
        Uuid uuid;

        (void) strncpy(stem, name + 1, sizeof(stem) - 1);
        if (uuid_parse(stem, &uuid) < 0 || is_busy(root_fd, parent, &uuid))
                return 0;
        return file_remove(root_fd, path);
}

static int sweep_extras(int root_fd, const char *parent) {
        _cleanup_(file_names_done) FileNames names = {};
        _cleanup_(freep) char *folder = format_path(MDEVD_PATH_EXTRAS "/%s", parent);
        int r;

        if (!folder)
                return -ENOMEM;
        r = file_list(root_fd, folder, &names);
        if (r < 0)
                return r == -ENOENT || r == -ENOTDIR ? 0 : r;
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_(freep) char *path = format_path("%s/%s", folder, names.names[i]);
                Uuid uuid;

                if (!path)
                        return -ENOMEM;
                r = 0;
                if (names.names[i][0] == '.')
                        r = sweep_hidden(root_fd, parent, names.names[i], path);
                else if (extras_uuid(names.names[i], &uuid) >= 0)
                        r = sweep_one(root_fd, parent, &uuid);
                if (r < 0)
                        return r;
        }
        return 0;
}

int store_sweep(int root_fd) {
        _cleanup_(file_names_done) FileNames names = {};
        int r;

        r = sweep_temporaries(root_fd);
        if (r < 0)
                return r;
        r = file_list(root_fd, MDEVD_PATH_EXTRAS, &names);
        if (r < 0)
                return r == -ENOENT || r == -ENOTDIR ? 0 : r;
        for (size_t i = 0; i < names.n; i++) {
                if (!name_is_valid_parent(names.names[i]))
                        continue;
                r = sweep_extras(root_fd, names.names[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

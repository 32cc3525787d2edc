/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * watch.c: owns the inotify descriptor. Three kinds of folders are watched: those on the way to the
 * store, for a store that is made later; the store, for parents' folders; and these, for files. A
 * folder is watched first and told of then, so nothing that is put into it is missed.
 */
#include "backend/watch.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/inotify.h>

#include "names.h"
#include "util/list.h"

#define COME (IN_CREATE | IN_MOVED_TO)
#define GONE (IN_DELETE | IN_MOVED_FROM)
/* Files are looked at when their writer has closed them: mdevctl writes in place. */
#define MASK_FILES (IN_CLOSE_WRITE | IN_MOVED_TO | GONE | IN_ONLYDIR | IN_EXCL_UNLINK)
#define MASK_FOLDERS (COME | GONE | IN_ONLYDIR)
#define EVENTS_SIZE 65536

typedef struct Folder Folder;

struct Folder {
        List node;
        int wd;
        enum {
                FOLDER_ABOVE,
                FOLDER_STORE,
                FOLDER_PARENT,
        } kind;
        char *path; /* below the root; "." is the root */
        char *name; /* last component */
};

struct Watch {
        int fd;
        int root_fd; /* own */
        sd_event_source *source;
        List folders;
        WatchFn fn;
        void *userdata;
};

static void folder_free(Folder *f) {
        list_unlink(&f->node);
        free(f->path);
        free(f->name);
        free(f);
}

Watch *watch_free(Watch *w) {
        if (!w)
                return NULL;
        sd_event_source_disable_unref(w->source);
        list_foreach_safe(f, &w->folders, Folder, node)
                folder_free(f);
        safe_close(w->fd);
        safe_close(w->root_fd);
        free(w);
        return NULL;
}

static Folder *find_folder(Watch *w, int wd) {
        list_foreach(f, &w->folders, Folder, node)
                if (f->wd == wd)
                        return f;
        return NULL;
}

/* inotify takes paths from the root of the process only; this one is of a folder below ours. */
static int add_watch(const Watch *w, const char *path, uint32_t mask) {
        _cleanup_(closep) int fd = -EBADF;
        char self[64];

        fd = openat(w->root_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        (void) snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        return RET_NERRNO(inotify_add_watch(w->fd, self, mask));
}

static int add_folder(Watch *w, int kind, const char *path) {
        const char *slash = strrchr(path, '/');
        Folder *f;
        int wd;

        wd = add_watch(w, path, kind == FOLDER_PARENT ? MASK_FILES : MASK_FOLDERS);
        if (wd < 0)
                return wd;
        if (find_folder(w, wd))
                return 0; /* it has come twice */
        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        list_init(&f->node);
        list_append(&w->folders, &f->node);
        f->wd = wd;
        f->kind = kind;
        f->path = strdup(path);
        f->name = strdup(slash ? slash + 1 : path);
        if (!f->path || !f->name) {
                folder_free(f);
                return -ENOMEM;
        }
        return 0;
}

static int add_parent(Watch *w, const char *name) {
        _cleanup_(freep) char *path = NULL;

        if (asprintf(&path, MDEVD_PATH_DEFINITIONS "/%s", name) < 0)
                return -ENOMEM;
        return add_folder(w, FOLDER_PARENT, path);
}

static int add_parents(Watch *w) {
        _cleanup_(closedirp) DIR *dir = NULL;
        int fd;

        fd = openat(w->root_fd, MDEVD_PATH_DEFINITIONS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        dir = fdopendir(fd);
        if (!dir) {
                safe_close(fd);
                return -ENOMEM;
        }
        for (struct dirent *de; (de = readdir(dir));) {
                int r;

                if (de->d_name[0] == '.')
                        continue;
                r = add_parent(w, de->d_name);
                if (r == -ENOMEM || r == -ENOSPC)
                        return r; /* all others: no folder, or gone */
        }
        return 0;
}

/* The way to the store, as far as it is there, and what is in it. */
static int add_way(Watch *w) {
        char path[] = MDEVD_PATH_DEFINITIONS;
        int r;

        r = add_folder(w, FOLDER_ABOVE, ".");
        for (char *s = path; r >= 0 && (s = strchr(s, '/')); s++) {
                *s = '\0';
                r = add_folder(w, FOLDER_ABOVE, path);
                *s = '/';
        }
        if (r >= 0)
                r = add_folder(w, FOLDER_STORE, MDEVD_PATH_DEFINITIONS);
        if (r >= 0)
                r = add_parents(w);
        return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? 0 : r;
}

static bool is_on_the_way(const Folder *f, const char *name) {
        _cleanup_(freep) char *path = NULL;
        size_t n;

        if (asprintf(&path, "%s%s%s", streq(f->path, ".") ? "" : f->path,
                     streq(f->path, ".") ? "" : "/", name) < 0) {
                path = NULL;
                return true;
        }
        n = strlen(path);
        return strncmp(path, MDEVD_PATH_DEFINITIONS, n) == 0 &&
               (MDEVD_PATH_DEFINITIONS[n] == '/' || MDEVD_PATH_DEFINITIONS[n] == '\0');
}

/* A folder that was moved away is watched still, under a name that is no more. */
static void drop_below(Watch *w, const char *path) {
        size_t n = strlen(path);

        list_foreach_safe(f, &w->folders, Folder, node)
                if (strncmp(f->path, path, n) == 0 && (f->path[n] == '\0' || f->path[n] == '/')) {
                        (void) inotify_rm_watch(w->fd, f->wd);
                        folder_free(f);
                }
}

static int on_above(Watch *w, const Folder *f, const struct inotify_event *e) {
        int r;

        if (!is_on_the_way(f, e->name))
                return 0;
        if (e->mask & GONE)
                drop_below(w, MDEVD_PATH_DEFINITIONS);
        r = add_way(w);
        w->fn(NULL, NULL, w->userdata);
        return r;
}

static int on_store(Watch *w, const struct inotify_event *e) {
        _cleanup_(freep) char *path = NULL;
        int r = 0;

        if (!(e->mask & IN_ISDIR) || e->name[0] == '.')
                return 0; /* a temporary file, ours or another's */
        if (asprintf(&path, MDEVD_PATH_DEFINITIONS "/%s", e->name) < 0)
                return -ENOMEM;
        if (e->mask & GONE)
                drop_below(w, path);
        else
                r = add_parent(w, e->name);
        w->fn(e->name, NULL, w->userdata);
        return r;
}

static int on_event(Watch *w, const struct inotify_event *e) {
        Folder *f;

        if (e->mask & IN_Q_OVERFLOW) {
                int r;

                /* that a folder has another name was perhaps told by what was lost */
                drop_below(w, MDEVD_PATH_DEFINITIONS);
                r = add_way(w);
                w->fn(NULL, NULL, w->userdata);
                return r;
        }
        f = find_folder(w, e->wd);
        if (!f)
                return 0; /* dropped meanwhile */
        if (e->mask & (IN_IGNORED | IN_UNMOUNT)) {
                folder_free(f);
                return 0;
        }
        if (e->len == 0)
                return 0;
        switch (f->kind) {
        case FOLDER_ABOVE:
                return on_above(w, f, e);
        case FOLDER_STORE:
                return on_store(w, e);
        case FOLDER_PARENT:
                if (!(e->mask & IN_ISDIR))
                        w->fn(f->name, e->name, w->userdata);
                break;
        }
        return 0;
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        _Alignas(struct inotify_event) char events[EVENTS_SIZE];
        Watch *w = userdata;
        ssize_t n;

        n = read(fd, events, sizeof(events));
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        for (char *p = events; p < events + n;) {
                const struct inotify_event *e = (const struct inotify_event *) (void *) p;

                /* without memory, or watches: a look at everything is what is left */
                if (on_event(w, e) < 0)
                        w->fn(NULL, NULL, w->userdata);
                p += sizeof(*e) + e->len;
        }
        return 0;
}

int watch_new(Watch **ret, sd_event *event, int root_fd, WatchFn fn, void *userdata) {
        _cleanup_(watch_freep) Watch *w = NULL;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        list_init(&w->folders);
        w->root_fd = -EBADF;
        w->fn = fn;
        w->userdata = userdata;
        w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (w->fd < 0)
                return -errno;
        w->root_fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
        if (w->root_fd < 0)
                return -errno;
        r = add_way(w);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &w->source, w->fd, EPOLLIN, on_readable, w);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(w->source, "definitions");

        *ret = TAKE_PTR(w);
        return 0;
}

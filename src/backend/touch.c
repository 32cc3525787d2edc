/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * touch.c: owns an inotify descriptor and which file is watched for whom. A write to a file of
 * sysfs is told when it has returned (fsnotify_modify() in fs/read_write.c), so the driver has
 * acted by then. That a file goes is not told by every kernel: who sets the files sees it
 * otherwise, and sets them anew.
 */
#include "backend/touch.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include "util/list.h"

#define EVENTS_SIZE 4096

typedef struct Spot Spot;

struct Spot {
        List node; /* in touch->spots */
        int wd;
        char *key;
        char *path;
        bool kept; /* scratch of touch_set() */
};

struct Touch {
        int fd;
        int root_fd; /* own */
        sd_event_source *source;
        List spots;
        TouchFn fn;
        void *userdata;
};

static void spot_free(Spot *s) {
        list_unlink(&s->node);
        free(s->key);
        free(s->path);
        free(s);
}

Touch *touch_free(Touch *t) {
        if (!t)
                return NULL;
        sd_event_source_disable_unref(t->source);
        list_foreach_safe(s, &t->spots, Spot, node)
                spot_free(s);
        safe_close(t->fd);
        safe_close(t->root_fd);
        free(t);
        return NULL;
}

static void tell(Touch *t, const struct inotify_event *e) {
        if (e->mask & IN_Q_OVERFLOW) {
                t->fn(NULL, NULL, t->userdata);
                return;
        }
        list_foreach_safe(s, &t->spots, Spot, node) {
                if (s->wd != e->wd)
                        continue;
                t->fn(s->key, e->mask & IN_MODIFY ? s->path : NULL, t->userdata);
                if (e->mask & IN_IGNORED)
                        spot_free(s);
                return;
        }
}

static bool tell_some(Touch *t) {
        char events[EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
        ssize_t n;

        n = read(t->fd, events, sizeof(events));
        for (char *s = events; n > 0 && s < events + n;
             s += sizeof(struct inotify_event) + ((struct inotify_event *) (void *) s)->len)
                tell(t, (struct inotify_event *) (void *) s);
        return n > 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) tell_some(userdata); /* if there are more, it is called again */
        return 0;
}

void touch_flush(Touch *t) {
        while (tell_some(t))
                ;
}

int touch_new(Touch **ret, sd_event *event, int root_fd, TouchFn fn, void *userdata) {
        _cleanup_(touch_freep) Touch *t = NULL;
        int r;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        list_init(&t->spots);
        t->fn = fn;
        t->userdata = userdata;
        t->root_fd = -EBADF;
        t->fd = RET_NERRNO(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (t->fd < 0)
                return t->fd;
        t->root_fd = RET_NERRNO(fcntl(root_fd, F_DUPFD_CLOEXEC, 3));
        if (t->root_fd < 0)
                return t->root_fd;
        r = sd_event_add_io(event, &t->source, t->fd, EPOLLIN, on_readable, t);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(t->source, "touch");
        r = sd_event_source_set_priority(t->source, SD_EVENT_PRIORITY_IMPORTANT);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

/* inotify takes paths from the root of the process only; what is watched already is the same wd. */
static int watch_file(const Touch *t, const char *path) {
        _cleanup_(closep) int fd = -EBADF;
        char self[64];

        fd = openat(t->root_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        (void) snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        return RET_NERRNO(inotify_add_watch(t->fd, self, IN_MODIFY));
}

static int keep(Touch *t, const char *key, const char *path, int wd) {
        Spot *s;

        list_foreach(i, &t->spots, Spot, node)
                if (i->wd == wd) {
                        i->kept = true;
                        return 0;
                }
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        list_init(&s->node);
        list_append(&t->spots, &s->node);
        s->wd = wd;
        s->kept = true;
        s->key = strdup(key);
        s->path = strdup(path);
        if (s->key && s->path)
                return 0;
        spot_free(s);
        (void) inotify_rm_watch(t->fd, wd);
        return -ENOMEM;
}

int touch_set(Touch *t, const char *key, char *const *paths, size_t n) {
        int r = 0;

        list_foreach(s, &t->spots, Spot, node)
                s->kept = !streq(s->key, key);
        for (size_t i = 0; i < n; i++) { /* one that cannot be keeps none of the others out */
                int wd = watch_file(t, paths[i]);
                int k = wd == -ENOENT ? 0 : wd < 0 ? wd : keep(t, key, paths[i], wd);

                r = k < 0 && r >= 0 ? k : r;
        }
        list_foreach_safe(s, &t->spots, Spot, node)
                if (!s->kept) {
                        (void) inotify_rm_watch(t->fd, s->wd);
                        spot_free(s);
                }
        return r;
}

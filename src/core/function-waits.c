/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * function-waits.c: owns which virtual functions have their driver and not yet its files: the
 * driver makes those some time after it was bound, and no event tells when. They are looked for
 * after 50 ms, then after twice as long each time, for some 13 s; what comes later is seen at the
 * next uevent of the card, or a reload.
 */
#include "core/functions.h"
#include "sysfs/functions.h"

#define WAITS_MAX SYSFS_FUNCTIONS_MAX
#define WAIT_FIRST_USEC UINT64_C(50000)
#define WAIT_TRIES_MAX 8U
#define DRIVER_PREFIX "nvidia"

struct FunctionWait {
        List node;  /* in manager->function_waits */
        char *path; /* of the function */
        char *card; /* name */
        unsigned tries;
        uint64_t due_usec; /* CLOCK_MONOTONIC */
};

static FunctionWait *wait_free(FunctionWait *w) {
        if (!w)
                return NULL;
        list_unlink(&w->node);
        free(w->path);
        free(w->card);
        free(w);
        return NULL;
}
DEFINE_CLEANUP(FunctionWait *, wait_free)

void function_waits_done(Manager *m) {
        list_foreach_safe(w, &m->function_waits, FunctionWait, node)
                wait_free(w);
        sd_event_source_disable_unref(m->function_timer);
}

static bool has_files(Manager *m, const char *path) {
        unsigned type;

        return sysfs_read_function_type(m->root_fd, path, &type) != -ENOENT;
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata);

static int set_timer(Manager *m) {
        uint64_t next = UINT64_MAX;

        list_foreach(w, &m->function_waits, FunctionWait, node)
                next = MIN(next, w->due_usec);
        return manager_set_timer(m, &m->function_timer, next, on_time);
}

static void wait_again(FunctionWait *w) {
        w->due_usec = operation_monotonic_usec() + (WAIT_FIRST_USEC << w->tries++);
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        int r;

        list_foreach_safe(w, &m->function_waits, FunctionWait, node) {
                if (w->due_usec > usec)
                        continue;
                if (has_files(m, w->path))
                        refresh_parent(m, w->card, NULL);
                else if (w->tries < WAIT_TRIES_MAX) {
                        wait_again(w);
                        continue;
                }
                wait_free(w);
        }
        r = set_timer(m);
        if (r < 0)
                (void) log_warning_errno(r, FIELDS(.topic = "parent"),
                                         "Cannot set a timer for virtual functions; they are seen "
                                         "at the next uevent, or a reload: %m");
        return 0;
}

static FunctionWait *find_wait(Manager *m, const char *path) {
        list_foreach(w, &m->function_waits, FunctionWait, node)
                if (streq(w->path, path))
                        return w;
        return NULL;
}

static int wait_new(Manager *m, const char *path, const char *card, FunctionWait **ret) {
        _cleanup_(wait_freep) FunctionWait *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        list_init(&w->node);
        w->path = strdup(path);
        w->card = strdup(card);
        if (!w->path || !w->card)
                return -ENOMEM;
        list_append(&m->function_waits, &w->node);
        *ret = TAKE_PTR(w);
        return 0;
}

int function_waits_note(Manager *m, const Uevent *event, const char *card) {
        FunctionWait *w = find_wait(m, event->devpath);
        int r;

        if (streq(event->action, "unbind") || streq(event->action, "remove")) {
                wait_free(w);
                return 0;
        }
        if (strncmp(event->driver ?: "", DRIVER_PREFIX, strlen(DRIVER_PREFIX)) != 0 ||
            has_files(m, event->devpath) || list_length(&m->function_waits) >= WAITS_MAX)
                return 0;
        r = w ? 0 : wait_new(m, event->devpath, card, &w);
        if (r < 0)
                return r;
        w->tries = 0;
        wait_again(w);
        return set_timer(m);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kmod-events.c: owns listening to /dev/mdevd. Apart from kmod.c, for workers speak to it, too, and
 * have no event loop.
 */
#include <mdevd.h>

#include "backend/kmod.h"
#include "names.h"
#include "util/utf8.h"

#define EVENTS_PER_READ 64

struct KmodEvents {
        sd_event_source *source;
        KmodEventFn fn;
        void *userdata;
};

static void handle(const struct mdevd_event *e, KmodEventFn fn, void *userdata) {
        KmodEvent event = { .type = e->type, .pid = e->pid, .cookie = e->cookie };

        memcpy(event.parent, e->parent, sizeof(e->parent));
        memcpy(event.comm, e->comm, sizeof(e->comm));
        memcpy(event.uuid.bytes, e->uuid, sizeof(e->uuid));
        event.parent[sizeof(e->parent)] = '\0';
        if (e->name[0])
                (void) snprintf(event.type_id, sizeof(event.type_id), MDEVD_DRIVER "-%.*s",
                                (int) sizeof(e->name), e->name);
        utf8_make_plain(event.comm); /* whoever opened it has chosen that */
        fn(&event, userdata);
}

void kmod_parse_events(const void *data, size_t n, KmodEventFn fn, void *userdata) {
        for (size_t at = 0; at + sizeof(uint32_t) <= n;) {
                struct mdevd_event e = {};
                uint32_t size;

                memcpy(&size, (const char *) data + at, sizeof(size));
                if (size < offsetof(struct mdevd_event, parent) || size > n - at)
                        break; /* a torn record: the next one starts with a new read */
                memcpy(&e, (const char *) data + at, MIN((size_t) size, sizeof(e)));
                handle(&e, fn, userdata);
                at += size;
        }
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        struct mdevd_event events[EVENTS_PER_READ];
        KmodEvents *e = userdata;
        ssize_t n;

        n = read(fd, events, sizeof(events));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                sd_event_source_set_enabled(s, SD_EVENT_OFF);
                e->fn(NULL, e->userdata); /* may free @e: nothing of it is touched after this */
                return 0;
        }
        kmod_parse_events(events, (size_t) n, e->fn, e->userdata);
        return 0;
}

int kmod_events_new(KmodEvents **ret, const Kmod *k, sd_event *event, KmodEventFn fn,
                    void *userdata) {
        _cleanup_(kmod_events_freep) KmodEvents *e = NULL;
        int r;

        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->fn = fn;
        e->userdata = userdata;
        r = sd_event_add_io(event, &e->source, kmod_get_fd(k), EPOLLIN, on_readable, e);
        if (r < 0)
                return r;
        /* who was let go by the module may call at once, and is to find what he has made */
        r = sd_event_source_set_priority(e->source, SD_EVENT_PRIORITY_IMPORTANT);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(e->source, "kmod");
        *ret = TAKE_PTR(e);
        return 0;
}

KmodEvents *kmod_events_free(KmodEvents *e) {
        if (!e)
                return NULL;
        sd_event_source_disable_unref(e->source);
        free(e);
        return NULL;
}

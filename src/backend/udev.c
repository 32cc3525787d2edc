/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * udev.c: owns the reception of uevents. No filter by subsystem: a parent may be on any bus, and
 * what tells it is a property. Only what can concern us goes up. A device that is made has four or
 * five of them, so they are read as they come, without an object of libudev's for each.
 */
#include "backend/udev.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "names.h"
#include "util/fs.h"

#define UEVENT_SIZE_MAX 8192
#define RECEIVE_BUFFER (8 * 1024 * 1024)
#define PER_TURN_MAX 256 /* uevents handled before others get their turn */
#define KERNEL_GROUP 1   /* of NETLINK_KOBJECT_UEVENT; udevd sends to another */

struct Uevents {
        int fd;
        bool netlink; /* not the socket of a root that is not the machine's */
        sd_event_source *source;
        UeventFn fn;
        void *userdata;
};

static bool concerns_us(const Uevent *e) {
        static const char *const subsystems[] = { "mdev", "pci", "misc" };

        if (e->mdev_state)
                return true;
        for (size_t i = 0; i < ARRAY_SIZE(subsystems); i++)
                if (streq_ptr(e->subsystem, subsystems[i]))
                        return !streq_ptr(e->subsystem, "misc") || streq(e->sysname, MDEVD_DRIVER);
        return false;
}

static const char *skip_slash(const char *path) {
        return path && path[0] == '/' ? path + 1 : path;
}

int uevent_parse(char *text, size_t size, Uevent *ret) {
        struct {
                const char *key;
                const char **value;
        } const keys[] = {
                { "ACTION=", &ret->action },       { "DEVPATH=", &ret->devpath },
                { "SUBSYSTEM=", &ret->subsystem }, { "DRIVER=", &ret->driver },
                { "MDEV_STATE=", &ret->mdev_state },
        };
        const char *slash;

        *ret = (Uevent){};
        if (size == 0 || text[size - 1] != '\0')
                return -EBADMSG;
        for (const char *s = text; s < text + size; s += strlen(s) + 1)
                for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                        if (strncmp(s, keys[i].key, strlen(keys[i].key)) == 0)
                                *keys[i].value = s + strlen(keys[i].key);

        ret->devpath = skip_slash(ret->devpath);
        slash = ret->devpath ? strrchr(ret->devpath, '/') : NULL;
        if (!ret->action || !slash || !slash[1])
                return -EBADMSG;
        ret->sysname = slash + 1;
        return 0;
}

/* Anybody may write to the port of a netlink socket; to the group only the kernel, or its owner. */
static bool is_from_kernel(const struct sockaddr_nl *from, socklen_t size) {
        return size == sizeof(*from) && from->nl_family == AF_NETLINK && from->nl_pid == 0 &&
               from->nl_groups == KERNEL_GROUP;
}

/* 0: handled or passed over; -EAGAIN: no more now. */
static int receive(Uevents *u) {
        struct sockaddr_nl from = {};
        socklen_t size = sizeof(from);
        char text[UEVENT_SIZE_MAX];
        Uevent e;
        ssize_t n;

        n = recvfrom(u->fd, text, sizeof(text), MSG_DONTWAIT | MSG_TRUNC,
                     u->netlink ? (struct sockaddr *) &from : NULL, u->netlink ? &size : NULL);
        if (n < 0 && errno == ENOBUFS) {
                u->fn(NULL, u->userdata);
                return 0;
        }
        if (n < 0)
                return -EAGAIN;
        if (u->netlink && !is_from_kernel(&from, size))
                return 0;
        if ((size_t) n <= sizeof(text) && uevent_parse(text, n, &e) >= 0 && concerns_us(&e))
                u->fn(&e, u->userdata);
        return 0;
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        for (size_t i = 0; i < PER_TURN_MAX; i++)
                if (receive(userdata) < 0)
                        break;
        return 0;
}

static int open_netlink(Uevents *u) {
        const struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
        const int size = RECEIVE_BUFFER;

        u->netlink = true;
        u->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                       NETLINK_KOBJECT_UEVENT);
        if (u->fd < 0)
                return -errno;
        /* As much as we may have without CAP_NET_ADMIN; an overflow is answered by enumerating. */
        if (setsockopt(u->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
                (void) setsockopt(u->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        return RET_NERRNO(bind(u->fd, (const struct sockaddr *) &sa, sizeof(sa)));
}

static int open_socket(Uevents *u, int root_fd, const char *root) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int r;

        r = mkdir_parents_at(root_fd, MDEVD_PATH_RUN "/", 0755);
        if (r < 0)
                return r;
        if ((size_t) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", root,
                              MDEVD_PATH_RUN "/uevent") >= sizeof(sa.sun_path))
                return -ENAMETOOLONG;
        u->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (u->fd < 0)
                return -errno;
        (void) unlink(sa.sun_path);
        return RET_NERRNO(bind(u->fd, (struct sockaddr *) &sa, sizeof(sa)));
}

int uevents_new(Uevents **ret, sd_event *event, int root_fd, const char *root, UeventFn fn,
                void *userdata) {
        _cleanup_(uevents_freep) Uevents *u = NULL;
        int r;

        u = calloc(1, sizeof(*u));
        if (!u)
                return -ENOMEM;
        u->fd = -EBADF;
        u->fn = fn;
        u->userdata = userdata;

        r = streq(root, "/") ? open_netlink(u) : open_socket(u, root_fd, root);
        if (r >= 0)
                r = sd_event_add_io(event, &u->source, u->fd, EPOLLIN, on_readable, u);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(u->source, "uevents");

        *ret = TAKE_PTR(u);
        return 0;
}

Uevents *uevents_free(Uevents *u) {
        if (!u)
                return NULL;
        sd_event_source_disable_unref(u->source);
        safe_close(u->fd);
        free(u);
        return NULL;
}

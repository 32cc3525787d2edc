/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * udev.c: owns the reception of uevents. No filter by subsystem: a parent may be on any bus, and
 * what tells it is a property. Only what can concern us goes up.
 */
#include "backend/udev.h"

#include <fcntl.h>
#include <libudev.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "names.h"
#include "util/fs.h"

#define UEVENT_SIZE_MAX 8192
#define RECEIVE_BUFFER (8 * 1024 * 1024)
#define PER_TURN_MAX 256 /* uevents handled before others get their turn */

struct Uevents {
        struct udev *udev;
        struct udev_monitor *monitor;
        int socket_fd; /* of a root that is not the machine's */
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

/* 0: handled or passed over; -EAGAIN: no more now. */
static int receive_netlink(Uevents *u) {
        struct udev_device *d;
        Uevent e;

        errno = 0;
        d = udev_monitor_receive_device(u->monitor);
        if (!d) {
                if (errno != ENOBUFS)
                        return -EAGAIN;
                u->fn(NULL, u->userdata);
                return 0;
        }
        e = (Uevent){
                .action = udev_device_get_action(d),
                .devpath = skip_slash(udev_device_get_devpath(d)),
                .sysname = udev_device_get_sysname(d),
                .subsystem = udev_device_get_property_value(d, "SUBSYSTEM"),
                .driver = udev_device_get_property_value(d, "DRIVER"),
                .mdev_state = udev_device_get_property_value(d, "MDEV_STATE"),
        };
        if (e.action && e.devpath && e.sysname && concerns_us(&e))
                u->fn(&e, u->userdata);
        udev_device_unref(d);
        return 0;
}

static int receive_socket(Uevents *u) {
        char text[UEVENT_SIZE_MAX];
        Uevent e;
        ssize_t n;

        n = recv(u->socket_fd, text, sizeof(text), MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0)
                return -EAGAIN;
        if ((size_t) n <= sizeof(text) && uevent_parse(text, n, &e) >= 0 && concerns_us(&e))
                u->fn(&e, u->userdata);
        return 0;
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Uevents *u = userdata;

        for (size_t i = 0; i < PER_TURN_MAX; i++)
                if ((u->monitor ? receive_netlink(u) : receive_socket(u)) < 0)
                        break;
        return 0;
}

static int open_netlink(Uevents *u) {
        u->udev = udev_new();
        if (!u->udev)
                return -ENOMEM;
        u->monitor = udev_monitor_new_from_netlink(u->udev, "kernel");
        if (!u->monitor)
                return errno > 0 ? -errno : -ENOMEM;
        /* As much as we may have without CAP_NET_ADMIN; an overflow is answered by enumerating. */
        (void) udev_monitor_set_receive_buffer_size(u->monitor, RECEIVE_BUFFER);
        if (udev_monitor_enable_receiving(u->monitor) < 0)
                return -EIO;
        return udev_monitor_get_fd(u->monitor);
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
        u->socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (u->socket_fd < 0)
                return -errno;
        (void) unlink(sa.sun_path);
        if (bind(u->socket_fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        return u->socket_fd;
}

int uevents_new(Uevents **ret, sd_event *event, int root_fd, const char *root, UeventFn fn,
                void *userdata) {
        _cleanup_(uevents_freep) Uevents *u = NULL;
        int fd, r;

        u = calloc(1, sizeof(*u));
        if (!u)
                return -ENOMEM;
        u->socket_fd = -EBADF;
        u->fn = fn;
        u->userdata = userdata;

        fd = streq(root, "/") ? open_netlink(u) : open_socket(u, root_fd, root);
        if (fd < 0)
                return fd;
        r = sd_event_add_io(event, &u->source, fd, EPOLLIN, on_readable, u);
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
        if (u->monitor)
                udev_monitor_unref(u->monitor);
        if (u->udev)
                udev_unref(u->udev);
        safe_close(u->socket_fd);
        free(u);
        return NULL;
}

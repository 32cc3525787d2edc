/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * udev.c: owns the reception of uevents. No filter by subsystem: a parent may be on any bus, and
 * what tells it is a property. Only what can concern us goes up.
 */
#include "backend/udev.h"

#include <fcntl.h>
#include <libudev.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "names.h"
#include "util/fs.h"

#define UEVENT_SIZE_MAX 8192
#define RECEIVE_BUFFER (8 * 1024 * 1024)
#define PER_TURN_MAX 256 /* uevents handled before others get their turn */
#define AT_ONCE_MAX 8 /* received by one call: a create comes with five */

struct Uevents {
        struct udev *udev;
        struct udev_monitor *monitor;
        int fd; /* the monitor's; without one our own, of a root that is not the machine's */
        sd_event_source *source;
        sd_event_source *held; /* enabled while it is */
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

#define KEY(text, member) { (text), sizeof(text) - 1, offsetof(Uevent, member) }

/* The variable is ours to note, or one of the many others. */
static void note_variable(Uevent *e, const char *s) {
        static const struct {
                const char *text;
                size_t size;
                size_t offset;
        } keys[] = {
                KEY("ACTION=", action), KEY("DEVPATH=", devpath), KEY("SUBSYSTEM=", subsystem),
                KEY("DRIVER=", driver), KEY("MDEV_STATE=", mdev_state),
        };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (s[0] == keys[i].text[0] && strncmp(s, keys[i].text, keys[i].size) == 0)
                        *(const char **) ((char *) e + keys[i].offset) = s + keys[i].size;
}

int uevent_parse(char *text, size_t size, Uevent *ret) {
        const char *slash;

        *ret = (Uevent){};
        if (size == 0 || text[size - 1] != '\0')
                return -EBADMSG;
        for (const char *s = text; s < text + size; s += strlen(s) + 1)
                note_variable(ret, s);

        ret->devpath = skip_slash(ret->devpath);
        slash = ret->devpath ? strrchr(ret->devpath, '/') : NULL;
        if (!ret->action || !slash || !slash[1])
                return -EBADMSG;
        ret->sysname = slash + 1;
        return 0;
}

static void handle(Uevents *u, char *text, const struct mmsghdr *m,
                   const struct sockaddr_nl *from) {
        Uevent e;

        /* port 0: from the kernel itself, netlink(7); anybody may send to ours */
        if (m->msg_hdr.msg_flags & MSG_TRUNC || from->nl_pid != 0)
                return;
        if (uevent_parse(text, m->msg_len, &e) >= 0 && concerns_us(&e))
                u->fn(&e, u->userdata);
}

/*
 * Whether there may be more now. libudev has made the socket and receives with
 * udev_monitor_receive_device(), too; but what that makes of a uevent takes several times as long
 * as all that we do with it.
 */
static bool receive(Uevents *u) {
        char texts[AT_ONCE_MAX][UEVENT_SIZE_MAX];
        struct sockaddr_nl from[AT_ONCE_MAX] = {};
        struct mmsghdr messages[AT_ONCE_MAX] = {};
        struct iovec iov[AT_ONCE_MAX];
        int n;

        for (size_t i = 0; i < AT_ONCE_MAX; i++) {
                iov[i] = (struct iovec){ texts[i], sizeof(texts[i]) };
                messages[i].msg_hdr.msg_iov = &iov[i];
                messages[i].msg_hdr.msg_iovlen = 1;
                if (u->monitor) {
                        messages[i].msg_hdr.msg_name = &from[i];
                        messages[i].msg_hdr.msg_namelen = sizeof(from[i]);
                }
        }
        /* an error that comes behind some is told by the next call */
        n = recvmmsg(u->fd, messages, AT_ONCE_MAX, MSG_DONTWAIT, NULL);
        if (n < 0 && errno == ENOBUFS) {
                u->fn(NULL, u->userdata);
                return true;
        }
        for (int i = 0; i < n; i++)
                handle(u, texts[i], &messages[i], &from[i]);
        return n == AT_ONCE_MAX;
}

void uevents_take(Uevents *u) {
        for (size_t i = 0; i < PER_TURN_MAX / AT_ONCE_MAX && receive(u); i++)
                ;
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        uevents_take(userdata);
        return 0;
}

void uevents_resume(Uevents *u) {
        (void) sd_event_source_set_enabled(u->held, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(u->source, SD_EVENT_ON);
}

/* Where the next worker begins at once they are held again before they were looked for. */
static int on_held(sd_event_source *s, uint64_t usec, void *userdata) {
        uevents_take(userdata);
        uevents_resume(userdata);
        return 0;
}

void uevents_hold(Uevents *u) {
        int enabled = SD_EVENT_OFF;

        (void) sd_event_source_get_enabled(u->held, &enabled);
        if (enabled == SD_EVENT_OFF &&
            sd_event_source_set_time_relative(u->held, UEVENTS_HOLD_USEC) >= 0 &&
            sd_event_source_set_enabled(u->held, SD_EVENT_ONESHOT) >= 0)
                (void) sd_event_source_set_enabled(u->source, SD_EVENT_OFF);
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
        u->fd = udev_monitor_get_fd(u->monitor);
        return 0;
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
        if (r >= 0)
                r = sd_event_add_time_relative(event, &u->held, CLOCK_MONOTONIC, UEVENTS_HOLD_USEC,
                                               0, on_held, u);
        if (r >= 0)
                r = sd_event_source_set_enabled(u->held, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(u->source, "uevents");
        (void) sd_event_source_set_description(u->held, "uevents-held");

        *ret = TAKE_PTR(u);
        return 0;
}

Uevents *uevents_free(Uevents *u) {
        if (!u)
                return NULL;
        sd_event_source_disable_unref(u->source);
        sd_event_source_disable_unref(u->held);
        if (u->monitor)
                udev_monitor_unref(u->monitor);
        else
                safe_close(u->fd);
        if (u->udev)
                udev_unref(u->udev);
        free(u);
        return NULL;
}

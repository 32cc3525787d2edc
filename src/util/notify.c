/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * notify.c: one datagram to $NOTIFY_SOCKET, which may be a path or, after an @, an abstract name.
 */
#include "util/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

typedef union Control Control;

union Control {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
};

static void put_fd(struct msghdr *message, Control *control, int fd) {
        struct cmsghdr *header;

        message->msg_control = control;
        message->msg_controllen = sizeof(*control);
        header = CMSG_FIRSTHDR(message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
}

static int send_to(const char *name, bool patient, int fd, const char *text) {
        const struct timeval patience = { .tv_sec = NOTIFY_PATIENCE_USEC / 1000000 };
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        struct iovec iov = { .iov_base = (char *) text, .iov_len = strlen(text) };
        struct msghdr message = { .msg_name = &sa, .msg_iov = &iov, .msg_iovlen = 1 };
        _cleanup_(closep) int socket_fd = -EBADF;
        size_t size = strlen(name);
        Control control = {};

        if (size >= sizeof(sa.sun_path))
                return -ENAMETOOLONG;
        memcpy(sa.sun_path, name, size);
        if (name[0] == '@')
                sa.sun_path[0] = '\0';
        message.msg_namelen = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + size +
                                           (name[0] == '@' ? 0 : 1));
        if (fd >= 0)
                put_fd(&message, &control, fd);
        socket_fd = RET_NERRNO(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (socket_fd < 0)
                return socket_fd;
        if (patient &&
            setsockopt(socket_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
                return -errno;
        if (sendmsg(socket_fd, &message, MSG_NOSIGNAL | (patient ? 0 : MSG_DONTWAIT)) < 0)
                return -errno;
        return 0;
}

int notify_send(bool patient, int fd, const char *format, ...) {
        const char *name = getenv("NOTIFY_SOCKET");
        _cleanup_(freep) char *text = NULL;
        va_list ap;
        int r;

        if (!name || (name[0] != '/' && name[0] != '@') || !name[1])
                return 0;
        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                return -ENOMEM;
        return send_to(name, patient, fd, text);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pass.c owns the control messages that carry a descriptor. */
#include "backend/pass.h"

#include <sys/socket.h>

#include "util/macro.h"

typedef union Control Control;

union Control {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
};

int pass_send(int socket_fd, int fd, uint64_t number) {
        Control control = {};
        struct iovec iov = { .iov_base = &number, .iov_len = sizeof(number) };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
        return RET_NERRNO(sendmsg(socket_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

int pass_receive(int socket_fd, int flags, uint64_t *ret_number) {
        Control control;
        uint64_t number = 0;
        struct iovec iov = { .iov_base = &number, .iov_len = sizeof(number) };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *header;
        ssize_t n;
        int fd;

        do
                n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC | flags);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        header = CMSG_FIRSTHDR(&message);
        if (n == 0 || !header || header->cmsg_len != CMSG_LEN(sizeof(fd)))
                return -ENODATA;
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        if (ret_number)
                *ret_number = number;
        return fd;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-main.c: owns the other end of the socket of worker-pool.c: records come, one after the
 * other, until the daemon is gone or has no more.
 */
#include <fcntl.h>
#include <sys/socket.h>

#include "backend/worker.h"
#include "util/log.h"

/* Its next record; -ENODATA: there will be none. */
static int receive(int socket_fd) {
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control;
        char byte;
        struct iovec iov = { .iov_base = &byte, .iov_len = sizeof(byte) };
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
                n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        header = CMSG_FIRSTHDR(&message);
        if (n == 0 || !header || header->cmsg_len != CMSG_LEN(sizeof(fd)))
                return -ENODATA;
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        return fd;
}

int worker_main(int socket_fd, const char *root, const WorkerAbove *above) {
        _cleanup_(closep) int root_fd = -EBADF;
        int fd;

        (void) fcntl(socket_fd, F_SETFD, FD_CLOEXEC);
        root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0) {
                (void) log_error_errno(-errno, &(LogFields){ .topic = "worker" },
                                       "A worker cannot open %s: %m", root);
                return EXIT_FAILURE;
        }
        while ((fd = receive(socket_fd)) >= 0) {
                (void) worker_work(fd, root_fd, above);
                /* its lock goes with it, and only then is the daemon told */
                safe_close(fd);
                if (send(socket_fd, "", 1, MSG_NOSIGNAL) < 0)
                        break; /* the daemon is gone; the next one reads the record */
        }
        if (fd < 0 && fd != -ENODATA) {
                (void) log_error_errno(fd, &(LogFields){ .topic = "worker" },
                                       "A worker cannot be given anything to do; it is not to be "
                                       "started by hand: %m");
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}

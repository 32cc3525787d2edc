/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-main.c: owns the other end of the socket of worker-pool.c: records come, one after the
 * other, until the daemon is gone or has no more.
 */
#include <fcntl.h>
#include <sys/socket.h>

#include "backend/pass.h"
#include "backend/worker.h"
#include "util/log.h"

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
        (void) send(socket_fd, WORKER_GREETING, strlen(WORKER_GREETING), MSG_NOSIGNAL);
        for (;;) {
                _cleanup_(freep) char *last = NULL;

                fd = pass_receive(socket_fd, 0, NULL);
                if (fd == -ECONNRESET)
                        continue; /* a daemon that is gone had not read all that we said */
                if (fd < 0)
                        break;

                (void) worker_work(fd, root_fd, above, &last);
                /* its lock goes with it, and only then is the daemon told */
                safe_close(fd);
                /*
                 * where the daemon is gone the next one reads the record, and awaits the rest of
                 * them
                 */
                if (last && strlen(last) < WORKER_RESULT_MAX)
                        (void) send(socket_fd, last, strlen(last), MSG_NOSIGNAL);
                else
                        (void) send(socket_fd, "", 1, MSG_NOSIGNAL);
        }
        if (fd != -ENODATA) {
                (void) log_error_errno(fd, &(LogFields){ .topic = "worker" },
                                       "A worker cannot be given anything to do; it is not to be "
                                       "started by hand: %m");
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}

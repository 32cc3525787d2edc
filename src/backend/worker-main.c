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
#include "util/process.h"

static void greet(int socket_fd) {
        char text[16];
        int n = snprintf(text, sizeof(text), "%c%d", WORKER_GREETING, (int) getpid());

        (void) send(socket_fd, text, (size_t) n, MSG_NOSIGNAL);
}

/* True in the new process. */
static bool divide(int socket_fd, uint64_t number) {
        Birth birth = { .number = number };
        pid_t pid;
        int r = fork_beside(&pid);

        if (r >= 0 && pid == 0) {
                (void) setpgid(0, 0); /* as one that was executed */
                return true;
        }
        birth.pid = r < 0 ? r : pid;
        (void) send(socket_fd, &birth, sizeof(birth), MSG_NOSIGNAL);
        return false;
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
        greet(socket_fd);
        for (;;) {
                _cleanup_(freep) char *last = NULL;
                uint64_t number;

                fd = pass_receive(socket_fd, 0, &number);
                if (fd == -ECONNRESET)
                        continue; /* a daemon that is gone had not read all that we said */
                if (fd < 0)
                        break;
                if (number & WORKER_BIRTH) {
                        if (divide(socket_fd, number)) {
                                safe_close(socket_fd);
                                socket_fd = TAKE_FD(fd);
                                greet(socket_fd);
                        }
                        safe_close(fd);
                        continue;
                }

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

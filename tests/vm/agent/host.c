/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns the command `host`: asks the machine that runs the VM for something (tests/lib/hostcmd.py
 * lists what), prints the answer and exits with its status. It hands its arguments to the agent,
 * which owns the channel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ASK_SOCKET "/run/mdevd-test.sock"

int main(int argc, char **argv)
{
        struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = ASK_SOCKET };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), status = -1;
        char buf[16384];
        ssize_t n;

        if (fd < 0 || connect(fd, (struct sockaddr *) &addr, sizeof addr) < 0) {
                fprintf(stderr, "host: the agent does not answer on %s: %s\n", ASK_SOCKET,
                        strerror(errno));
                return 125;
        }
        for (int i = 1; i < argc; i++)
                if (send(fd, argv[i], strlen(argv[i]) + 1, MSG_NOSIGNAL) < 0)
                        return 125;
        if (argc < 2)
                (void) send(fd, "help", 5, MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        while ((n = read(fd, buf, sizeof buf)) > 0) {
                char *p = buf;

                if (status < 0) { /* the first byte is the exit status */
                        status = (unsigned char) *p++;
                        n--;
                }
                if (n > 0 && fwrite(p, 1, (size_t) n, status ? stderr : stdout) != (size_t) n)
                        return 125;
        }
        if (status < 0) {
                fprintf(stderr, "host: the agent closed the connection without an answer\n");
                return 125;
        }
        return status;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns the inside end of the control channel: runs what the host asks for as root, each job in a
 * cgroup of its own, sends its output and its exit status back, and carries the questions of
 * tests/vm/agent/host.c (asked on a socket by the job) to the host and the answers back.
 *
 * Statically linked and without any start-up cost, because under emulation an interpreter costs
 * seconds. One frame is three little-endian words (length of the payload, id, type) and the
 * payload; the other end is tests/lib/link.py.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"

#define PORT_NAME "mdevd.ctl"
#define PAYLOAD_MAX (1024U * 1024U)

struct frame {
        uint32_t size;
        uint32_t id;
        uint32_t type;
};

static int port = -1;

void die(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        fputs("agent: ", stderr);
        vfprintf(stderr, format, ap);
        fputc('\n', stderr);
        va_end(ap);
        exit(1);
}

static void write_all(int fd, const void *data, size_t size)
{
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        die("the control channel is gone: %m");
                p += n;
                size -= (size_t) n;
        }
}

void send_frame(uint32_t id, uint32_t type, const void *data, size_t size)
{
        struct frame f = { .size = (uint32_t) size, .id = id, .type = type };

        write_all(port, &f, sizeof f);
        if (size > 0)
                write_all(port, data, size);
}

/* -- the port ---------------------------------------------------------------------------------- */

static int port_find(void)
{
        DIR *d = opendir("/sys/class/virtio-ports");
        struct dirent *e;
        int fd = -1;

        if (!d)
                return -1;
        while (fd < 0 && (e = readdir(d))) {
                char path[600], name[64] = "";
                int n;

                snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", e->d_name);
                n = open(path, O_RDONLY | O_CLOEXEC);
                if (n < 0)
                        continue;
                if (read(n, name, sizeof name - 1) > 0 &&
                    strncmp(name, PORT_NAME "\n", strlen(PORT_NAME) + 1) == 0) {
                        snprintf(path, sizeof path, "/dev/%s", e->d_name);
                        fd = open(path, O_RDWR | O_CLOEXEC);
                }
                close(n);
        }
        closedir(d);
        return fd;
}

/* The port may appear after we did: listen for the kernel's events first, then look. */
static int port_await(void)
{
        struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
        int nl = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
        int fd;

        if (nl < 0 || bind(nl, (struct sockaddr *) &addr, sizeof addr) < 0)
                die("no kernel events: %m");
        while ((fd = port_find()) < 0) {
                char buf[4096];

                if (recv(nl, buf, sizeof buf, 0) < 0 && errno != EINTR && errno != ENOBUFS)
                        die("reading kernel events: %m");
        }
        close(nl);
        return fd;
}

/* -- the loop ---------------------------------------------------------------------------------- */

static void dispatch(const struct frame *f, char *data)
{
        switch (f->type) {
        case FRAME_RUN:
                job_run(f->id, data, f->size);
                break;
        case FRAME_INPUT:
                job_input(f->id, data, f->size);
                break;
        case FRAME_SIZE:
                job_size(f->id, data, f->size);
                break;
        case FRAME_KILL:
                job_kill(f->id);
                break;
        case FRAME_ANSWER:
                ask_answer(f->id, data, f->size);
                break;
        default:
                die("unknown frame %u", f->type);
        }
}

static void port_read(void)
{
        static char buf[sizeof(struct frame) + PAYLOAD_MAX + 1];
        static size_t used;
        ssize_t n = read(port, buf + used, sizeof buf - 1 - used);

        if (n <= 0 && !(n < 0 && errno == EINTR))
                die("the host has closed the control channel");
        used += n > 0 ? (size_t) n : 0;
        for (;;) {
                struct frame f;
                size_t total;

                if (used < sizeof f)
                        return;
                memcpy(&f, buf, sizeof f);
                if (f.size > PAYLOAD_MAX)
                        die("a frame of %u bytes is too long", f.size);
                total = sizeof f + f.size;
                if (used < total)
                        return;
                /* strings of a payload always end inside it */
                char after = buf[total];

                buf[total] = 0;
                dispatch(&f, buf + sizeof f);
                buf[total] = after;
                memmove(buf, buf + total, used - total);
                used -= total;
        }
}

static void loop_once(int sigfd)
{
        struct pollfd p[2 + JOBS_MAX + 1 + ASKS_MAX];

        p[0] = (struct pollfd){ .fd = port, .events = POLLIN };
        p[1] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
        jobs_poll_set(p + 2);
        asks_poll_set(p + 2 + JOBS_MAX);
        if (poll(p, sizeof p / sizeof p[0], -1) < 0) {
                if (errno == EINTR)
                        return;
                die("poll: %m");
        }
        jobs_poll_done(p + 2);
        if (p[1].revents)
                jobs_reap(sigfd);
        asks_poll_done(p + 2 + JOBS_MAX);
        if (p[0].revents)
                port_read();
}

int main(void)
{
        sigset_t chld;
        int sigfd;

        sigemptyset(&chld);
        sigaddset(&chld, SIGCHLD);
        sigprocmask(SIG_BLOCK, &chld, NULL);
        signal(SIGPIPE, SIG_IGN);
        sigfd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
        jobs_init();
        asks_init();
        port = port_await();
        send_frame(0, FRAME_HELLO, NULL, 0);
        for (;;)
                loop_once(sigfd);
}

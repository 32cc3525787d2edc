/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns the questions to the host: host.c connects to our socket, its question goes out on the
 * channel, the answer comes back to it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.h"

#define ASK_SOCKET "/run/mdevd-test.sock"

struct ask {
        uint32_t id;
        int fd;
        size_t used;
        bool sent;
        char text[8192];
};

static int asks_listen = -1;
static struct ask asks[ASKS_MAX];
static uint32_t next_ask = 1;

/* -- questions to the host --------------------------------------------------------------------- */

void asks_init(void)
{
        struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = ASK_SOCKET };

        asks_listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        unlink(ASK_SOCKET);
        if (asks_listen < 0 || bind(asks_listen, (struct sockaddr *) &addr, sizeof addr) < 0 ||
            listen(asks_listen, ASKS_MAX) < 0)
                die("cannot listen on %s: %m", ASK_SOCKET);
}

static void ask_accept(void)
{
        int fd = accept4(asks_listen, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
                return;
        for (size_t i = 0; i < ASKS_MAX; i++) {
                if (asks[i].id != 0)
                        continue;
                asks[i] = (struct ask){ .id = next_ask++, .fd = fd };
                return;
        }
        close(fd);
}

static void ask_close(struct ask *a)
{
        close(a->fd);
        *a = (struct ask){ .fd = -1 };
}

/* The question ends where its sender shuts down its half of the connection. */
static void ask_read(struct ask *a)
{
        ssize_t n = read(a->fd, a->text + a->used, sizeof a->text - a->used);

        if (n > 0) {
                a->used += (size_t) n;
        } else if (n == 0 && !a->sent && a->used > 0) {
                send_frame(a->id, FRAME_ASK, a->text, a->used);
                a->sent = true;
        } else {
                ask_close(a);
        }
}

void ask_answer(uint32_t id, const char *data, size_t size)
{
        for (size_t i = 0; i < ASKS_MAX; i++) {
                if (asks[i].id != id || id == 0)
                        continue;
                /* whoever asked may be gone: that is not our failure */
                (void) send(asks[i].fd, data, size, MSG_NOSIGNAL);
                ask_close(&asks[i]);
        }
}

void asks_poll_set(struct pollfd *p)
{
        p[0] = (struct pollfd){ .fd = asks_listen, .events = POLLIN };
        for (size_t i = 0; i < ASKS_MAX; i++)
                p[1 + i] = (struct pollfd){
                        /* one that has sent its question is only written to */
                        .fd = asks[i].id && !asks[i].sent ? asks[i].fd : -1,
                        .events = POLLIN,
                };
}

void asks_poll_done(struct pollfd *p)
{
        for (size_t i = 0; i < ASKS_MAX; i++)
                if (p[1 + i].revents)
                        ask_read(&asks[i]);
        if (p[0].revents)
                ask_accept();
}

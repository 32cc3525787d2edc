/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-notify.c: a service manager that reads, and one that does not. */
#include "util/notify.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"

static int listen_at(const char *name) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        ASSERT_TRUE(fd >= 0);
        (void) snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "%s", name + 1);
        ASSERT_EQ(bind(fd, (struct sockaddr *) &sa,
                       (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
        ASSERT_EQ(setenv("NOTIFY_SOCKET", name, 1), 0);
        return fd;
}

static const char *own_name(void) {
        static char name[64];

        (void) snprintf(name, sizeof(name), "@mdevd-test-notify-%d", (int) getpid());
        return name;
}

TEST(nobody_wants_to_know) {
        ASSERT_EQ(unsetenv("NOTIFY_SOCKET"), 0);
        ASSERT_EQ(notify_send(true, -1, "READY=1"), 0);
        ASSERT_EQ(setenv("NOTIFY_SOCKET", "", 1), 0);
        ASSERT_EQ(notify_send(true, -1, "READY=1"), 0);
}

TEST(text_and_descriptor_arrive) {
        _cleanup_(closep) int fd = listen_at(own_name()), pipe_end = -EBADF;
        char text[64] = "", room[CMSG_SPACE(sizeof(int))];
        struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
                            .msg_controllen = sizeof(room) };
        int fds[2];

        ASSERT_EQ(pipe(fds), 0);
        ASSERT_EQ(notify_send(false, fds[1], "FDSTORE=%d", 1), 0);
        ASSERT_EQ(recvmsg(fd, &m, 0), (ssize_t) strlen("FDSTORE=1"));
        ASSERT_STREQ(text, "FDSTORE=1");
        ASSERT_NOT_NULL(CMSG_FIRSTHDR(&m));
        memcpy(&pipe_end, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(pipe_end));
        ASSERT_EQ(write(pipe_end, "!", 1), 1);
        ASSERT_EQ(read(fds[0], text, 1), 1);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

/* It is not waited for, or not for ever: this test ends. */
TEST(manager_that_does_not_read) {
        _cleanup_(closep) int fd = listen_at(own_name());
        char text[64];
        unsigned n = 0;

        while (notify_send(false, -1, "STATUS=%u", n) == 0)
                ASSERT_TRUE(++n < 1000000);
        ASSERT_TRUE(n > 0);
        ASSERT_EQ(notify_send(false, -1, "STATUS=one too many"), -EAGAIN);
        ASSERT_EQ(notify_send(true, -1, "READY=1"), -EAGAIN);
        ASSERT_TRUE(recv(fd, text, sizeof(text), 0) > 0);
        ASSERT_EQ(notify_send(true, -1, "READY=1"), 0);
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-test.c: a test that fails takes with it what it has started, and what that has. */
#include "test.h"

static void fail_with_children(int fd) {
        (void) dup2(fd, STDOUT_FILENO);
        (void) close(fd);
        if (fork() == 0) {
                (void) fork();
                for (;;)
                        (void) pause();
        }
        test_fail("a file", 1, "on purpose");
}

TEST(failure_leaves_nobody) {
        char text[256] = "";
        size_t size = 0;
        ssize_t n;
        int fds[2], status;
        pid_t pid;

        ASSERT_OK(pipe(fds));
        pid = fork();
        ASSERT_TRUE(pid >= 0);
        if (pid == 0) {
                (void) close(fds[0]);
                fail_with_children(fds[1]);
        }
        (void) close(fds[1]);
        /* ends when nobody has the other end any more */
        while ((n = read(fds[0], text + size, sizeof(text) - 1 - size)) > 0)
                size += (size_t) n;
        ASSERT_EQ(n, 0);
        ASSERT_NOT_NULL(strstr(text, "not ok - failure_leaves_nobody\n# a file:1: on purpose\n"));
        ASSERT_TRUE(waitpid(pid, &status, 0) == pid);
        ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
        (void) close(fds[0]);
}

TESTS_MAIN

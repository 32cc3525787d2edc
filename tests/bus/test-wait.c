/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-wait.c: how much of what is to be up is not yet, and who waits for that. */
#include <sys/wait.h>

#include "fixture.h"

/* What it says is at the end of *@ret_fd. */
static pid_t start_waiting(Fixture *f, const char *option, int *ret_fd) {
        char *const argv[] = { (char *) "mdevd", (char *) option, NULL };
        int fds[2];
        pid_t pid;

        ASSERT_EQ(pipe(fds), 0);
        pid = fork();
        ASSERT_TRUE(pid >= 0);
        if (pid == 0) {
                if (setenv("DBUS_SYSTEM_BUS_ADDRESS", f->address, 1) < 0 ||
                    dup2(fds[1], STDERR_FILENO) < 0)
                        _exit(126);
                (void) execv(getenv("MDEVD_TEST_DAEMON"), argv);
                _exit(127);
        }
        (void) close(fds[1]);
        *ret_fd = fds[0];
        return pid;
}

static int end_of(pid_t pid, int fd, char text[static 512]) {
        size_t n = 0;
        ssize_t k;
        int status;

        while ((k = read(fd, text + n, 511 - n)) > 0)
                n += (size_t) k;
        text[n] = '\0';
        (void) close(fd);
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        ASSERT_TRUE(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void assert_count(Fixture *f, const char *property, const char *expected) {
        _cleanup_(freep) char *value = get_property(f, MANAGER, property);

        ASSERT_STREQ(value, expected);
}

TEST(waiting_ends_when_all_is_up) {
        char text[512];
        int fd, gate;
        Fixture f;
        pid_t pid;

        fixture_init(&f);
        gate_make(&f, "gate-create-" PARENT);
        write_definition(&f, PARENT, UUID1, TYPE);
        fixture_start(&f);
        pid = start_waiting(&f, "--wait-devices", &fd);
        gate = gate_hold(&f, "gate-create-" PARENT);
        assert_count(&f, "AutostartPending", "1");
        ASSERT_EQ(waitpid(pid, NULL, WNOHANG), 0);
        gate_release(&f, "gate-create-" PARENT, gate);
        ASSERT_EQ(end_of(pid, fd, text), 0);
        ASSERT_STREQ(text, "");
        assert_count(&f, "AutostartPending", "0");
        assert_count(&f, "AutostartFailed", "0");
        wait_notified(&f, "STATUS=1 device on 2 parents.");
        fixture_done(&f);
}

TEST(what_can_never_be_is_not_waited_for) {
        char text[512];
        Fixture f;
        pid_t pid;
        int fd;

        fixture_init(&f);
        /* an attribute that the device has not: no time mends that */
        tree_write(&f.tree, MDEVD_PATH_DEFINITIONS "/" PARENT "/" UUID1,
                   "{ \"mdev_type\": \"" TYPE "\", \"start\": \"auto\","
                   "  \"attrs\": [ { \"nix\": \"1\" } ] }");
        fixture_start(&f);
        wait_notified(&f, "1 failed.");
        pid = start_waiting(&f, "--wait-devices=60", &fd);
        ASSERT_EQ(end_of(pid, fd, text), 0);
        ASSERT_CONTAINS(text, "1 devices that are to be up could not be");
        assert_count(&f, "AutostartFailed", "1");
        fixture_done(&f);
}

TEST(waiting_has_a_limit) {
        char text[512];
        Fixture f;
        pid_t pid;
        int fd;

        fixture_init(&f);
        write_definition(&f, "0000:00:09.0", UUID1, TYPE);
        fixture_start(&f);
        pid = start_waiting(&f, "--wait-devices=1", &fd);
        ASSERT_EQ(end_of(pid, fd, text), 1);
        ASSERT_CONTAINS(text, "after 1 s 1 devices that are to be up are not");
        assert_count(&f, "AutostartPending", "1");
        fixture_done(&f);
}

TEST(without_a_daemon) {
        char text[512];
        Fixture f;
        pid_t pid;
        int fd;

        fixture_init(&f);
        pid = start_waiting(&f, "--wait-devices=0", &fd);
        ASSERT_EQ(end_of(pid, fd, text), 1);
        ASSERT_CONTAINS(text, "systemctl start mdevd");
        pid = start_waiting(&f, "--wait-devices=86401", &fd);
        ASSERT_EQ(end_of(pid, fd, text), 1);
        ASSERT_CONTAINS(text, "\"86401\"");
        pid = start_waiting(&f, "--wait-devices=1s", &fd);
        ASSERT_EQ(end_of(pid, fd, text), 1);
        ASSERT_CONTAINS(text, "\"1s\"");
        /* one that comes while we wait is found */
        pid = start_waiting(&f, "--wait-devices=86400", &fd);
        fixture_start(&f);
        ASSERT_EQ(end_of(pid, fd, text), 0);
        fixture_done(&f);
}

TESTS_MAIN

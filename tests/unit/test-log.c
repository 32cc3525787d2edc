/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-log.c: what lands on a stderr that is a file, and that IDs are unlike. */
#include "util/log.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "test.h"
#include "util/log-ids.h"

static int saved_stderr;

/* stderr is a memory file here, and never the journal's stream. */
static int no_journal(const struct iovec *fields, int n) {
        test_fail(__FILE__, __LINE__, "the journal is sent something");
        return -ENOSYS;
}

/* stderr becomes a memory file, until uncapture(). */
static void capture(void) {
        int fd = memfd_create("stderr", MFD_CLOEXEC);

        ASSERT_TRUE(fd >= 0);
        saved_stderr = dup(STDERR_FILENO);
        ASSERT_TRUE(saved_stderr >= 0);
        ASSERT_EQ(dup2(fd, STDERR_FILENO), STDERR_FILENO);
        (void) close(fd);
        ASSERT_OK(unsetenv("JOURNAL_STREAM"));
        log_open("test", no_journal);
}

static char *uncapture(char buf[static 20000]) {
        ssize_t n = pread(STDERR_FILENO, buf, 19999, 0);

        ASSERT_TRUE(n >= 0);
        buf[n] = '\0';
        ASSERT_EQ(dup2(saved_stderr, STDERR_FILENO), STDERR_FILENO);
        (void) close(saved_stderr);
        return buf;
}

TEST(lines_have_a_level) {
        char buf[20000];

        capture();
        log_info(NULL, "pool %s has %d extents", "fb", 3);
        log_error(&(LogFields) { .parent = "p" }, "second");
        ASSERT_STREQ(uncapture(buf), "<6>test: pool fb has 3 extents\n<3>test: second\n");
}

TEST(a_newline_starts_no_record) {
        char buf[20000];

        capture();
        log_warning(NULL, "%s", "a\n<0>forged\n\nb\n");
        ASSERT_STREQ(uncapture(buf), "<4>test: a\n<4>test: <0>forged\n<4>test: \n<4>test: b\n");
}

TEST(level_and_errno) {
        char buf[20000];

        capture();
        errno = EXDEV;
        log_debug(NULL, "not shown");
        ASSERT_EQ(log_error_errno(-ENOSPC, NULL, "cannot: %m"), -ENOSPC);
        ASSERT_EQ(errno, EXDEV);
        log_set_max_level(LOG_DEBUG);
        ASSERT_EQ(log_get_max_level(), LOG_DEBUG);
        log_debug(NULL, "shown");
        log_set_max_level(LOG_INFO);
        ASSERT_STREQ(uncapture(buf), "<3>test: cannot: No space left on device\n<7>test: shown\n");
}

TEST(long_messages_are_cut) {
        static char text[10000];
        char buf[20000];

        memset(text, 'x', sizeof(text) - 1);
        capture();
        log_info(NULL, "%s", text);
        ASSERT_EQ(strlen(uncapture(buf)), strlen("<6>test: ") + 8191 + 1);
}

/* A foreign $JOURNAL_STREAM must not send records where nobody looks. */
TEST(journal_only_when_stderr_is_its_stream) {
        static const char *const streams[] = { "", "1", "x:y", "1:1", "0:0" };

        for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
                char buf[20000];

                capture();
                ASSERT_OK(setenv("JOURNAL_STREAM", streams[i], 1));
                log_open("test", no_journal);
                log_info(NULL, "here");
                ASSERT_STREQ(uncapture(buf), "<6>test: here\n");
                ASSERT_OK(unsetenv("JOURNAL_STREAM"));
        }
}

TEST(ids_are_32_hex_digits_and_unlike) {
        static const char *const ids[] = {
                LOG_ID_STARTED,         LOG_ID_STOPPED,        LOG_ID_CONFIG_INVALID,
                LOG_ID_DEFINITION_INVALID, LOG_ID_PARENT_REGISTERED, LOG_ID_PARENT_GONE,
                LOG_ID_PARENT_FAILED,   LOG_ID_DEVICE_CREATED, LOG_ID_DEVICE_REMOVED,
                LOG_ID_DEVICE_OPENED,   LOG_ID_DEVICE_CLOSED,  LOG_ID_REQUEST_REFUSED,
                LOG_ID_OPERATION_FAILED, LOG_ID_OPERATION_ADOPTED, LOG_ID_EVENTS_LOST,
        };

        for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
                ASSERT_EQ(strlen(ids[i]), 32);
                ASSERT_EQ(strspn(ids[i], "0123456789abcdef"), 32);
                for (size_t j = 0; j < i; j++)
                        ASSERT_FALSE(streq(ids[i], ids[j]));
        }
}

TESTS_MAIN

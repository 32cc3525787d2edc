/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test.h: a unit test is one program with static functions in a table; it speaks TAP. A failed
 * assertion prints both sides and where, and ends the program: meson shows what was not reached.
 *
 *     TEST(parses_decimal) { ASSERT_OK(parse_u64("1", &v)); ASSERT_EQ(v, 1); }
 *     TESTS_MAIN
 */
#pragma once

#undef NDEBUG
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/macro.h"

typedef struct TestCase TestCase;

struct TestCase {
        const char *name;
        void (*run)(void);
        TestCase *next;
};

_unused_ static TestCase *test_first, **test_last = &test_first;
static const char *test_running = "?";

/* 1 where the address sanitizer is in: what is slow with it may do less of the same. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define TEST_SANITIZED 1
#else
#define TEST_SANITIZED 0
#endif

#define TEST(name)                                                                                 \
        static void test_##name(void);                                                             \
        static TestCase test_case_##name = { #name, test_##name, NULL };                           \
        __attribute__((constructor)) static void test_register_##name(void) {                      \
                *test_last = &test_case_##name;                                                    \
                test_last = &test_case_##name.next;                                                \
        }                                                                                          \
        static void test_##name(void)

/*
 * A worker that waits in a driver that never answers would outlive us, and with it, since it has
 * our stdout, would go on whoever reads that to its end. Theirs are ours when they have gone.
 */
static inline void test_end_children(void) {
        char path[64];

        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        (void) snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
        do {
                FILE *f = fopen(path, "re");
                int pid;

                if (!f)
                        return; /* a kernel that does not say */
                while (fscanf(f, "%d", &pid) == 1)
                        (void) kill(pid, SIGKILL);
                (void) fclose(f);
        } while (wait(NULL) > 0);
}

static inline void _printf_(3, 4) __attribute__((noreturn))
test_fail(const char *file, int line, const char *format, ...) {
        va_list ap;

        printf("not ok - %s\n# %s:%d: ", test_running, file, line);
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        printf("\n");
        (void) fflush(stdout);
        test_end_children();
        exit(EXIT_FAILURE);
}

#define ASSERT_TRUE(expr)                                                                          \
        do {                                                                                       \
                if (!(expr))                                                                       \
                        test_fail(__FILE__, __LINE__, "%s is not true", #expr);                    \
        } while (0)
#define ASSERT_FALSE(expr) ASSERT_TRUE(!(expr))

/* Integers of at most 64 bits. Shown signed and in hex, so that either reading can be compared. */
#define ASSERT_EQ(a, b)                                                                            \
        do {                                                                                       \
                typeof(a) _left = (a);                                                             \
                typeof(b) _right = (b);                                                            \
                if ((int64_t) _left != (int64_t) _right)                                           \
                        test_fail(__FILE__, __LINE__,                                              \
                                  "%s == %s: %" PRId64 " (0x%" PRIx64 ") is not %" PRId64          \
                                  " (0x%" PRIx64 ")",                                              \
                                  #a, #b, (int64_t) _left, (uint64_t) _left, (int64_t) _right,     \
                                  (uint64_t) _right);                                              \
        } while (0)

#define ASSERT_OK(expr)                                                                            \
        do {                                                                                       \
                int _result = (expr);                                                              \
                if (_result < 0)                                                                   \
                        test_fail(__FILE__, __LINE__, "%s: %s", #expr, strerror(-_result));        \
                if (_result > 0)                                                                   \
                        test_fail(__FILE__, __LINE__, "%s: %d is not 0", #expr, _result);          \
        } while (0)

#define ASSERT_STREQ(a, b)                                                                         \
        do {                                                                                       \
                const char *_left = (a), *_right = (b);                                            \
                if (!streq_ptr(_left, _right))                                                     \
                        test_fail(__FILE__, __LINE__, "%s == %s:\n# left:  '%s'\n# right: '%s'",   \
                                  #a, #b, _left ?: "(null)", _right ?: "(null)");                  \
        } while (0)

/* @part must stand somewhere in @text. */
#define ASSERT_CONTAINS(text, part)                                                                \
        do {                                                                                       \
                const char *_text = (text), *_part = (part);                                       \
                if (!_text || !strstr(_text, _part))                                               \
                        test_fail(__FILE__, __LINE__, "%s has no '%s':\n# '%s'", #text, _part,     \
                                  _text ?: "(null)");                                              \
        } while (0)

#define ASSERT_NULL(ptr) ASSERT_TRUE(!(ptr))
#define ASSERT_NOT_NULL(ptr) ASSERT_TRUE((ptr) != NULL)

static inline int tests_run(void) {
        size_t n = 0;

        for (TestCase *t = test_first; t; t = t->next) {
                test_running = t->name;
                t->run();
                printf("ok %zu - %s\n", ++n, t->name);
                (void) fflush(stdout);
        }
        printf("1..%zu\n", n);
        return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * What a program of ours executes of itself has arguments. A test that runs all its tests for them
 * would execute itself again, and so on until the machine has no more processes.
 */
static inline bool tests_called_as_program(int argc, char *const argv[]) {
        if (argc > 1)
                fprintf(stderr, "%s takes no arguments; it was given %s\n", argv[0], argv[1]);
        return argc > 1;
}

#define TESTS_MAIN                                                                                 \
        int main(int argc, char *argv[]) {                                                         \
                return tests_called_as_program(argc, argv) ? EXIT_FAILURE : tests_run();           \
        }

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-core-vanish.c: sysfs changes while it is read. The linker sends the calls that look at files
 * through here (see meson.build): before the n-th of a look, for each n that there is, a parent and
 * its device go, or come, or become another device. Whatever the look met, the model is right in
 * the end, by the uevents alone.
 */
#include "fixture.h"

#include <stdarg.h>

int __real_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...);
ssize_t __real_readlinkat(int fd, const char *path, char *buf, size_t size);
ssize_t __wrap_readlinkat(int fd, const char *path, char *buf, size_t size);
int __real_faccessat(int fd, const char *path, int mode, int flags);
int __wrap_faccessat(int fd, const char *path, int mode, int flags);

static void (*hook)(Fixture *f);
static Fixture *hooked;
static unsigned n_calls, hook_at;

static void count_call(const char *path) {
        void (*fn)(Fixture *f) = hook;

        if (!fn || strncmp(path, "sys/", strlen("sys/")) != 0 || ++n_calls != hook_at)
                return;
        hook = NULL; /* what it does is not counted */
        fn(hooked);
}

int __wrap_openat(int fd, const char *path, int flags, ...) {
        mode_t mode;
        va_list ap;

        va_start(ap, flags);
        mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(ap, mode_t) : 0;
        va_end(ap);
        count_call(path);
        return __real_openat(fd, path, flags, mode);
}

ssize_t __wrap_readlinkat(int fd, const char *path, char *buf, size_t size) {
        count_call(path);
        return __real_readlinkat(fd, path, buf, size);
}

int __wrap_faccessat(int fd, const char *path, int mode, int flags) {
        count_call(path);
        return __real_faccessat(fd, path, mode, flags);
}

static void appear(Fixture *f) {
        add_vendor(f, P1, 2);
        ASSERT_OK(fake_create(f->tree, P1, "vendor-1", U1));
}

static void vanish(Fixture *f) {
        ASSERT_OK(fake_destroy(f->tree, P1, U1));
        fake_pci_remove(f->tree, P1);
}

static void become_another(Fixture *f) {
        ASSERT_OK(fake_destroy(f->tree, P1, U1));
        ASSERT_OK(fake_create(f->tree, P1, "vendor-1", U2));
}

/* A look at everything with @fn before the n-th call; false: it makes fewer calls. */
static bool look_with(Fixture *f, void (*fn)(Fixture *f), unsigned n) {
        bool met;

        n_calls = 0;
        hook_at = n;
        hooked = f;
        hook = fn;
        refresh_all(f->manager);
        run_idle(f);
        met = !hook;
        hook = NULL;
        return met;
}

/* All that is to come has come when the tries at incomplete devices have ended. */
#define AGREES(f, condition)                                                                       \
        do {                                                                                       \
                RUN_UNTIL((f), (condition));                                                       \
                run_idle(f);                                                                       \
                ASSERT_TRUE(condition);                                                            \
        } while (0)

TEST(vanishes_at_any_call) {
        unsigned n = 1;

        for (bool met = true; met; n++) {
                FIXTURE(f);

                reap_workers();
                appear(&f);
                fixture_start(&f);
                run_idle(&f);
                ASSERT_NOT_NULL(find_device(&f, U1));
                met = look_with(&f, vanish, n);
                if (met)
                        AGREES(&f, !find_device(&f, U1) && !find_parent(&f, P1));
        }
        ASSERT_TRUE(n > 15);
}

TEST(appears_at_any_call) {
        unsigned n = 1;

        for (bool met = true; met; n++) {
                FIXTURE(f);

                reap_workers();
                add_vendor(&f, P2, 1); /* there is something to look at */
                fixture_start(&f);
                run_idle(&f);
                met = look_with(&f, appear, n);
                if (met)
                        AGREES(&f, find_device(&f, U1) && find_parent(&f, P1) &&
                                           state_of(&f, P1) == PARENT_REGISTERED);
        }
        ASSERT_TRUE(n > 5);
}

TEST(becomes_another_at_any_call) {
        unsigned n = 1;

        for (bool met = true; met; n++) {
                FIXTURE(f);

                reap_workers();
                appear(&f);
                fixture_start(&f);
                run_idle(&f);
                met = look_with(&f, become_another, n);
                if (met)
                        AGREES(&f, !find_device(&f, U1) && find_device(&f, U2));
        }
        ASSERT_TRUE(n > 15);
}

WORKER_TESTS_MAIN

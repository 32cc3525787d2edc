/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-core-vanish.c: sysfs changes while it is read. The linker sends the calls that look at files
 * through here (see meson.build): before the n-th of a look, for each n that there is, a parent and
 * its device go, or come, or become another device. Whatever the look met, the model is right in
 * the end, by the uevents alone; and what the look was for is seen at once.
 */
#include "fixture.h"

#include <stdarg.h>
#include <sys/stat.h>

int __real_openat64(int fd, const char *path, int flags, ...);
int __wrap_openat64(int fd, const char *path, int flags, ...);
ssize_t __real_readlinkat(int fd, const char *path, char *buf, size_t size);
ssize_t __wrap_readlinkat(int fd, const char *path, char *buf, size_t size);
ssize_t __real_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size);
int __real_faccessat(int fd, const char *path, int mode, int flags);
int __wrap_faccessat(int fd, const char *path, int mode, int flags);

static void (*hook)(Fixture *f);
static Fixture *hooked;
static unsigned n_calls, hook_at;
static bool is_sysfs[1024]; /* by descriptor */

static void count(void) {
        void (*fn)(Fixture *f) = hook;

        if (!fn || ++n_calls != hook_at)
                return;
        hook = NULL; /* what it does is not counted */
        fn(hooked);
}

static bool count_call(const char *path) {
        if (strncmp(path, "sys/", strlen("sys/")) != 0)
                return false;
        count();
        return true;
}

int __wrap_openat64(int fd, const char *path, int flags, ...) {
        mode_t mode;
        va_list ap;
        bool ours;
        int ret;

        va_start(ap, flags);
        mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(ap, mode_t) : 0;
        va_end(ap);
        ours = count_call(path);
        ret = __real_openat64(fd, path, flags, mode);
        if (ret >= 0 && (size_t) ret < ARRAY_SIZE(is_sysfs))
                is_sysfs[ret] = ours;
        return ret;
}

/* An open file of sysfs whose object has gone answers ENODEV, see kernfs_fop_read_iter(). */
ssize_t __wrap_read(int fd, void *buf, size_t size) {
        struct stat st;

        if ((size_t) fd >= ARRAY_SIZE(is_sysfs) || !is_sysfs[fd])
                return __real_read(fd, buf, size);
        count();
        if (fstat(fd, &st) == 0 && st.st_nlink == 0) {
                errno = ENODEV;
                return -1;
        }
        return __real_read(fd, buf, size);
}

ssize_t __wrap_readlinkat(int fd, const char *path, char *buf, size_t size) {
        (void) count_call(path);
        return __real_readlinkat(fd, path, buf, size);
}

int __wrap_faccessat(int fd, const char *path, int mode, int flags) {
        (void) count_call(path);
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

/* What this look is for: a device of another parent came, and its uevents were lost. */
static void come_unheard(Fixture *f) {
        ASSERT_EQ(renameat(f->tree->root_fd, "run/mdevd/uevent", f->tree->root_fd,
                           "run/mdevd/unheard"), 0);
        ASSERT_OK(fake_create(f->tree, P2, "vendor-1", U3));
        ASSERT_EQ(renameat(f->tree->root_fd, "run/mdevd/unheard", f->tree->root_fd,
                           "run/mdevd/uevent"), 0);
        run_idle(f);
        ASSERT_NULL(find_device(f, U3));
}

/*
 * The calls at which it happens: all with $MDEVD_TEST_LONG, else every fourth, from one of the
 * first four on. They wait more than they work.
 */
#define FOR_CALLS(n, met) for (bool met = true; met; n += getenv("MDEVD_TEST_LONG") ? 1 : 4)

static unsigned first_call(void) {
        return getenv("MDEVD_TEST_LONG") ? 1 : 1 + (unsigned) getpid() % 4;
}

/* A look at everything with @fn before the n-th call; false: it makes fewer calls. */
static bool look_with(Fixture *f, void (*fn)(Fixture *f), unsigned n) {
        bool met;

        come_unheard(f);
        n_calls = 0;
        hook_at = n;
        hooked = f;
        hook = fn;
        refresh_all(f->manager);
        run_idle(f);
        met = !hook;
        hook = NULL;
        /* whatever became of the others */
        ASSERT_NOT_NULL(find_device(f, U3));
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
        unsigned n = first_call();

        FOR_CALLS(n, met) {
                FIXTURE(f);

                reap_workers();
                appear(&f);
                add_vendor(&f, P2, 1);
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
        unsigned n = first_call();

        FOR_CALLS(n, met) {
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
        unsigned n = first_call();

        FOR_CALLS(n, met) {
                FIXTURE(f);

                reap_workers();
                appear(&f);
                add_vendor(&f, P2, 1);
                fixture_start(&f);
                run_idle(&f);
                met = look_with(&f, become_another, n);
                if (met)
                        AGREES(&f, !find_device(&f, U1) && find_device(&f, U2));
        }
        ASSERT_TRUE(n > 15);
}

WORKER_TESTS_MAIN

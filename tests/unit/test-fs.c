/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-fs.c: files below a temporary folder, hostile ones among them. */
#include "util/fs.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "test.h"

static char folder[] = "/tmp/mdevd-test-fs-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

static void remove_folder(void) {
        (void) nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int open_folder(void) {
        static bool made;
        int fd;

        if (!made) {
                ASSERT_NOT_NULL(mkdtemp(folder));
                ASSERT_OK(atexit(remove_folder));
                made = true;
        }
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_TRUE(fd >= 0);
        return fd;
}

static void put(int dir_fd, const char *path, const char *data, size_t size) {
        _cleanup_(closep) int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                                          0644);

        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(write(fd, data, size), (ssize_t) size);
}

static void check_file(int dir_fd, const char *path, const char *data) {
        _cleanup_(freep) char *text = NULL;
        size_t size = 0;

        ASSERT_OK(read_file_at(dir_fd, path, 1 << 20, &text, &size));
        ASSERT_STREQ(text, data);
        ASSERT_EQ(size, strlen(data));
}

TEST(reads_up_to_the_limit) {
        static const size_t limits[] = { 0, 1, 4094, 4095, 4096, 8190, 8191, 100000 };
        static char data[100001];
        _cleanup_(closep) int dir = open_folder();

        memset(data, 'x', sizeof(data));
        for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
                _cleanup_(freep) char *text = NULL;
                char *untouched = data;
                size_t size = 77;

                put(dir, "f", data, limits[i]);
                ASSERT_OK(read_file_at(dir, "f", limits[i], &text, &size));
                ASSERT_EQ(size, limits[i]);
                ASSERT_EQ(strlen(text), limits[i]);

                put(dir, "f", data, limits[i] + 1);
                ASSERT_EQ(read_file_at(dir, "f", limits[i], &untouched, NULL), -EFBIG);
                ASSERT_TRUE(untouched == data);
        }
}

TEST(reads_only_files_below) {
        _cleanup_(closep) int dir = open_folder();
        char *text = NULL;

        ASSERT_OK(mkfifoat(dir, "fifo", 0644));
        ASSERT_OK(mkdirat(dir, "dir", 0755));
        ASSERT_EQ(read_file_at(dir, "fifo", 10, &text, NULL), -EINVAL); /* does not wait */
        ASSERT_EQ(read_file_at(dir, "dir", 10, &text, NULL), -EISDIR);
        ASSERT_EQ(read_file_at(dir, "none", 10, &text, NULL), -ENOENT);
        ASSERT_EQ(read_file_at(dir, "/etc/passwd", 10, &text, NULL), -EINVAL);
        ASSERT_EQ(read_file_at(dir, "", 10, &text, NULL), -EINVAL);
        ASSERT_NULL(text);
}

TEST(attributes_lose_their_newline) {
        static const struct {
                const char *data;
                size_t size;
                int result;
                const char *text;
        } cases[] = {
                { "", 0, 0, "" },
                { "\n", 1, 0, "" },
                { "a\n", 2, 0, "a" },
                { "a", 1, 0, "a" },
                { "a\n\0\0", 4, 0, "a" },
                { "a\0\n", 3, 0, "a" },
                { "a\nb\n", 4, 0, "a\nb" },
                { " a \n", 4, 0, " a " },
                { "a\0b\n", 4, -EBADMSG, NULL },
        };
        _cleanup_(closep) int dir = open_folder();

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(freep) char *text = NULL;

                put(dir, "a", cases[i].data, cases[i].size);
                ASSERT_EQ(read_attr_at(dir, "a", &text), cases[i].result);
                ASSERT_STREQ(text, cases[i].text);
        }
}

TEST(attribute_limit) {
        static char data[65537];
        _cleanup_(closep) int dir = open_folder();
        _cleanup_(freep) char *text = NULL;

        memset(data, 'x', sizeof(data));
        put(dir, "a", data, 65536);
        ASSERT_OK(read_attr_at(dir, "a", &text));
        ASSERT_EQ(strlen(text), 65536);
        put(dir, "a", data, 65537);
        ASSERT_EQ(read_attr_at(dir, "a", &text), -EFBIG);
}

TEST(writes_an_attribute_in_place) {
        _cleanup_(closep) int dir = open_folder();

        put(dir, "w", "12345", 5);
        ASSERT_OK(write_attr_at(dir, "w", "ab"));
        check_file(dir, "w", "ab345"); /* never truncated */
        ASSERT_EQ(write_attr_at(dir, "nothing", "x"), -ENOENT);
        ASSERT_TRUE(faccessat(dir, "nothing", F_OK, 0) < 0); /* never created */
        ASSERT_OK(symlinkat("w", dir, "link"));
        ASSERT_EQ(write_attr_at(dir, "link", "x"), -ELOOP);
}

TEST(writes_beneath_and_nowhere_else) {
        static const struct {
                const char *name;
                int error;
        } bad[] = {
                { "out/secret", -ELOOP }, { "secret", -ELOOP },     { "absent", -ENOENT },
                { "../secret", -EXDEV },  { "/etc/mdevd", -EXDEV }, { "sub/../../secret", -EXDEV },
                { "sub", -EISDIR },       { "sub/self/a", -ELOOP }, { "", -ENOENT },
        };
        _cleanup_(closep) int dir = open_folder();

        ASSERT_OK(mkdirat(dir, "device", 0755));
        ASSERT_OK(mkdirat(dir, "device/sub", 0755));
        put(dir, "secret", "x", 1);
        put(dir, "device/a", "x", 1);
        put(dir, "device/sub/a", "x", 1);
        ASSERT_OK(symlinkat("..", dir, "device/out"));
        ASSERT_OK(symlinkat("../secret", dir, "device/secret"));
        ASSERT_OK(symlinkat(".", dir, "device/sub/self"));

        ASSERT_OK(write_attr_beneath_at(dir, "device", "a", "1"));
        ASSERT_OK(write_attr_beneath_at(dir, "device", "sub/a", "2"));
        check_file(dir, "device/a", "1");
        check_file(dir, "device/sub/a", "2");
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ASSERT_EQ(write_attr_beneath_at(dir, "device", bad[i].name, "9"), bad[i].error);
        ASSERT_EQ(write_attr_beneath_at(dir, "device/out", "secret", "9"), -ENOTDIR);
        check_file(dir, "secret", "x");
        check_file(dir, "device/sub/a", "2");
}

TEST(link_targets) {
        _cleanup_(closep) int dir = open_folder();
        _cleanup_(freep) char *base = NULL;

        ASSERT_OK(symlinkat("../../bus/pci/drivers/mdevd", dir, "driver"));
        ASSERT_OK(readlink_base_at(dir, "driver", &base));
        ASSERT_STREQ(base, "mdevd");
        base = (free(base), NULL);
        ASSERT_OK(symlinkat("plain", dir, "plain"));
        ASSERT_OK(readlink_base_at(dir, "plain", &base));
        ASSERT_STREQ(base, "plain");
        base = (free(base), NULL);
        ASSERT_OK(symlinkat("a/", dir, "slash"));
        ASSERT_EQ(readlink_base_at(dir, "slash", &base), -EINVAL);
        ASSERT_EQ(readlink_base_at(dir, "missing", &base), -ENOENT);
        put(dir, "regular", "", 0);
        ASSERT_EQ(readlink_base_at(dir, "regular", &base), -EINVAL);
        ASSERT_NULL(base);
}

TEST(makes_folders_before_the_last_slash) {
        _cleanup_(closep) int dir = open_folder();
        struct stat st;

        ASSERT_OK(mkdir_parents_at(dir, "p/q/r", 0755));
        ASSERT_OK(mkdir_parents_at(dir, "p/q/r", 0755)); /* again is no error */
        ASSERT_OK(fstatat(dir, "p/q", &st, 0));
        ASSERT_TRUE(S_ISDIR(st.st_mode));
        ASSERT_TRUE(fstatat(dir, "p/q/r", &st, 0) < 0);
        ASSERT_OK(mkdir_parents_at(dir, "p/q/r/", 0755));
        ASSERT_OK(fstatat(dir, "p/q/r", &st, 0));
        ASSERT_OK(mkdir_parents_at(dir, "file", 0755)); /* nothing to do */
        put(dir, "file", "", 0);
        ASSERT_EQ(mkdir_parents_at(dir, "file/a/b", 0755), -ENOTDIR);
        ASSERT_EQ(mkdir_parents_at(dir, "/tmp/x", 0755), -EINVAL);
}

static size_t count_entries(int dir_fd, const char *path) {
        _cleanup_(closedirp) DIR *d = NULL;
        size_t n = 0;
        int fd;

        fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_TRUE(fd >= 0);
        d = fdopendir(fd);
        ASSERT_NOT_NULL(d);
        while (readdir(d))
                n++;
        return n - 2;
}

TEST(atomic_write_leaves_one_file_or_none) {
        _cleanup_(closep) int dir = open_folder();
        char name[256];
        struct stat st;
        mode_t mask;

        ASSERT_OK(mkdirat(dir, "atomic", 0755));
        mask = umask(077);
        ASSERT_OK(write_file_atomic_at(dir, "atomic/f", "one", 3, 0644));
        ASSERT_OK(write_file_atomic_at(dir, "atomic/f", "twelve", 6, 0644));
        umask(mask);
        check_file(dir, "atomic/f", "twelve");
        ASSERT_OK(fstatat(dir, "atomic/f", &st, 0));
        ASSERT_EQ(st.st_mode & 07777, 0644); /* whatever the umask */
        ASSERT_EQ(count_entries(dir, "atomic"), 1);

        /* the rename fails: what was begun is taken away */
        ASSERT_OK(mkdirat(dir, "atomic/d", 0755));
        ASSERT_OK(mkdirat(dir, "atomic/d/full", 0755));
        ASSERT_EQ(write_file_atomic_at(dir, "atomic/d", "x", 1, 0644), -EISDIR);
        ASSERT_EQ(count_entries(dir, "atomic"), 2);

        ASSERT_EQ(write_file_atomic_at(dir, "missing/f", "x", 1, 0644), -ENOENT);
        ASSERT_EQ(write_file_atomic_at(dir, "/tmp/f", "x", 1, 0644), -EINVAL);
        ASSERT_OK(write_file_atomic_at(dir, "top", "x", 1, 0600));
        check_file(dir, "top", "x");

        memset(name, 'n', 201);
        name[201] = '\0';
        ASSERT_EQ(write_file_atomic_at(dir, name, "x", 1, 0644), -ENAMETOOLONG);
        name[200] = '\0';
        ASSERT_OK(write_file_atomic_at(dir, name, "x", 1, 0644));
}

TESTS_MAIN

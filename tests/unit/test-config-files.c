/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-config-files.c: which file counts, and files that are none. */
#include <sys/types.h>
#include <sys/wait.h>

#include "alloc.h"
#include "config-text.h"

/* Loads @t and compares what is wrong and what holds. */
static void check_tree(const Tree *t, const char *problems, const char *result) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(freep) char *found_problems = NULL, *found_result = NULL;

        ASSERT_OK(config_load(&c, t->fd));
        found_problems = problems_text(&c->problems);
        ASSERT_STREQ(found_problems, problems);
        found_result = config_text(c);
        ASSERT_STREQ(found_result, result);
}

#define POOL_OF(size) "{\"name\":\"fb\",\"bar\":2,\"size\":\"" size "\"}"
#define FILE_OF(size)                                                                              \
        "{\"parents\":[{\"address\":\"0000:00:05.0\",\"pools\":[" POOL_OF(size)                    \
        "],\"types\":[\"t\"]}]}"
#define RESULT(size) "0000:00:05.0 fb=2:0+" size ",memory,uc,zero | t"

TEST(order_of_files) {
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        check_tree(&t, "", "");
        tree_write(&t, "usr/lib/mdevd/mdevd.json", FILE_OF("17M"));
        check_tree(&t,
                   "/usr/lib/mdevd/mdevd.json:1:93: type \"t\" is not offered on 0000:00:05.0: "
                   "expected it under \"types\", found none\n"
                   "/usr/lib/mdevd/mdevd.json:1:13: 0000:00:05.0 is left out: expected at least "
                   "one type that it can offer, found none",
                   "");
        /* types and parents of different files find each other */
        tree_write(&t, "etc/mdevd/mdevd.d/90-types.json", "{" TYPES "}");
        check_tree(&t, "", RESULT("17 MiB"));

        tree_write(&t, "usr/lib/mdevd/mdevd.d/20.json", FILE_OF("18M"));
        check_tree(&t, "", RESULT("18 MiB"));
        tree_write(&t, "usr/lib/mdevd/mdevd.d/30.json", FILE_OF("19M"));
        check_tree(&t, "", RESULT("19 MiB"));
        tree_write(&t, "etc/mdevd/mdevd.json", FILE_OF("20M"));
        check_tree(&t, "", RESULT("20 MiB"));
        tree_write(&t, "etc/mdevd/mdevd.d/10.json", FILE_OF("21M"));
        check_tree(&t, "", RESULT("21 MiB"));
        tree_write(&t, "etc/mdevd/mdevd.d/9.json", FILE_OF("22M")); /* "9" is after "10" */
        check_tree(&t, "", RESULT("22 MiB"));

        /* no drop-ins */
        tree_write(&t, "etc/mdevd/mdevd.d/.99.json", "{");
        tree_write(&t, "etc/mdevd/mdevd.d/99.json~", FILE_OF("23M"));
        tree_write(&t, "etc/mdevd/mdevd.d/99.JSON", FILE_OF("23M"));
        tree_write(&t, "etc/mdevd/mdevd.d/.json", FILE_OF("23M"));
        tree_write(&t, "etc/mdevd/mdevd.d/README", "{");
        check_tree(&t, "", RESULT("22 MiB"));
}

TEST(masks) {
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        tree_write(&t, "usr/lib/mdevd/mdevd.json", "{" TYPES "}");
        tree_write(&t, "usr/lib/mdevd/mdevd.d/10.json", FILE_OF("17M"));
        tree_write(&t, "usr/lib/mdevd/mdevd.d/20.json", FILE_OF("18M"));
        check_tree(&t, "", RESULT("18 MiB"));
        tree_write(&t, "etc/mdevd/mdevd.d/20.json", "");
        check_tree(&t, "", RESULT("17 MiB"));
        tree_write(&t, "etc/mdevd/mdevd.d/10.json", FILE_OF("19M"));
        check_tree(&t, "", RESULT("19 MiB"));
        /* what cannot be read masks too, and is said once */
        ASSERT_EQ(unlinkat(t.fd, "etc/mdevd/mdevd.d/10.json", 0), 0);
        ASSERT_EQ(symlinkat("/dev/null", t.fd, "etc/mdevd/mdevd.d/10.json"), 0);
        check_tree(&t,
                   "/etc/mdevd/mdevd.d/10.json:0:0: expected a plain file, found a symbolic link",
                   "");
}

TEST(a_wrong_one_hides_the_earlier) {
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        tree_write(&t, "usr/lib/mdevd/mdevd.json", "{" TYPES "}");
        tree_write(&t, "usr/lib/mdevd/mdevd.d/10.json", FILE_OF("17M"));
        tree_write(&t, "etc/mdevd/mdevd.json", FILE_OF("17X"));
        check_tree(&t,
                   "/etc/mdevd/mdevd.json:1:76: expected a size such as \"16M\", found \"17X\"",
                   "");
        /* and is itself mended by a later one */
        tree_write(&t, "etc/mdevd/mdevd.d/10.json", FILE_OF("18M"));
        check_tree(&t,
                   "/etc/mdevd/mdevd.json:1:76: expected a size such as \"16M\", found \"17X\"",
                   RESULT("18 MiB"));

        tree_write(&t, "etc/mdevd/mdevd.json", "{\n\"types\":{\"t\":{}}}");
        check_tree(&t,
                   "/etc/mdevd/mdevd.json:2:14: expected the key \"bars\" with a list of BARs, "
                   "found none\n"
                   "/etc/mdevd/mdevd.d/10.json:1:93: type \"t\" is not offered on 0000:00:05.0: it "
                   "is wrong, see /etc/mdevd/mdevd.json line 2\n"
                   "/etc/mdevd/mdevd.d/10.json:1:13: 0000:00:05.0 is left out: expected at least "
                   "one type that it can offer, found none",
                   "");
        /* a file that is no JSON hides nothing */
        tree_write(&t, "etc/mdevd/mdevd.json", "{\n\"types\":{\"t\":{]}}");
        check_tree(&t,
                   "/etc/mdevd/mdevd.json:2:15: expected a key in double quotes, found \"]\"",
                   RESULT("18 MiB"));
}

TEST(hostile_files) {
        _cleanup_(tree_done) Tree t;
        int fd;

        tree_init(&t);
        tree_write(&t, "usr/lib/mdevd/mdevd.json", "{" TYPES "}");
        tree_write(&t, "etc/mdevd/mdevd.json", FILE_OF("17M"));
        tree_mkdir(&t, "etc/mdevd/mdevd.d/10-folder.json");
        ASSERT_EQ(mkfifoat(t.fd, "etc/mdevd/mdevd.d/11-fifo.json", 0600), 0);
        ASSERT_EQ(symlinkat("/dev/zero", t.fd, "etc/mdevd/mdevd.d/12-link.json"), 0);
        ASSERT_EQ(symlinkat("13-loop.json", t.fd, "etc/mdevd/mdevd.d/13-loop.json"), 0);
        fd = openat(t.fd, "etc/mdevd/mdevd.d/14-huge.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(ftruncate(fd, (off_t) 1 << 40), 0);
        ASSERT_EQ(close(fd), 0);
        tree_write_bytes(&t, "etc/mdevd/mdevd.d/15-nul.json", "{\n\0}", 4);
        tree_write(&t, "etc/mdevd/mdevd.d/16-utf8.json", "{} // \xff");
        tree_write(&t, "etc/mdevd/mdevd.d/17-\n\x1b\xff.json", "[]");

        check_tree(&t,
                   "/etc/mdevd/mdevd.d/10-folder.json:0:0: expected a plain file, found a folder\n"
                   "/etc/mdevd/mdevd.d/11-fifo.json:0:0: expected a plain file, found a FIFO\n"
                   "/etc/mdevd/mdevd.d/12-link.json:0:0: expected a plain file, found a symbolic "
                   "link\n"
                   "/etc/mdevd/mdevd.d/13-loop.json:0:0: expected a plain file, found a symbolic "
                   "link\n"
                   "/etc/mdevd/mdevd.d/14-huge.json:0:0: expected at most 1048576 bytes, found "
                   "1099511627776\n"
                   "/etc/mdevd/mdevd.d/15-nul.json:2:1: expected text, found a NUL byte\n"
                   "/etc/mdevd/mdevd.d/16-utf8.json:1:7: expected text in UTF-8, found the byte "
                   "0xff\n"
                   "/etc/mdevd/mdevd.d/17-\\x0a\\x1b\\xff.json:1:1: expected an object in { }, "
                   "found an empty list",
                   RESULT("17 MiB"));
}

TEST(size_limit) {
        _cleanup_(freep) char *text = malloc(1024 * 1024 + 1);

        ASSERT_NOT_NULL(text);
        memset(text, ' ', 1024 * 1024 + 1);
        memcpy(text, "[]", 2);
        for (size_t over = 0; over < 2; over++) {
                _cleanup_(tree_done) Tree t;

                tree_init(&t);
                tree_write_bytes(&t, "etc/mdevd/mdevd.json", text, 1024 * 1024 + over);
                check_tree(&t,
                           over ? "/etc/mdevd/mdevd.json:0:0: expected at most 1048576 bytes, "
                                  "found 1048577" :
                                  "/etc/mdevd/mdevd.json:1:1: expected an object in { }, found "
                                  "an empty list",
                           "");
        }
}

/* Root may read everything, so the test gives that up in a child. */
TEST(unreadable_files) {
        _cleanup_(tree_done) Tree t;
        int status;
        pid_t pid;

        tree_init(&t);
        ASSERT_EQ(fchmod(t.fd, 0755), 0);
        tree_write(&t, "usr/lib/mdevd/mdevd.json", "{" TYPES "}");
        tree_write(&t, "etc/mdevd/mdevd.json", FILE_OF("17M"));
        tree_write(&t, "etc/mdevd/mdevd.d/10.json", "{}");
        ASSERT_EQ(fchmodat(t.fd, "etc/mdevd/mdevd.d/10.json", 0, 0), 0);
        tree_mkdir(&t, "usr/lib/mdevd/mdevd.d");
        ASSERT_EQ(fchmodat(t.fd, "usr/lib/mdevd/mdevd.d", 0, 0), 0);

        (void) fflush(stdout);
        pid = fork();
        ASSERT_TRUE(pid >= 0);
        if (pid == 0) {
                if (geteuid() == 0)
                        ASSERT_EQ(setuid(65534), 0);
                check_tree(&t,
                           "/usr/lib/mdevd/mdevd.d:0:0: cannot list this folder: Permission "
                           "denied\n"
                           "/etc/mdevd/mdevd.d/10.json:0:0: cannot open this file: Permission "
                           "denied",
                           RESULT("17 MiB"));
                _exit(EXIT_SUCCESS);
        }
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        ASSERT_EQ(status, 0);
        ASSERT_EQ(fchmodat(t.fd, "usr/lib/mdevd/mdevd.d", 0755, 0), 0);
}

TEST(folders_that_are_none) {
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        tree_write(&t, "etc/mdevd/mdevd.d", "{}");
        check_tree(&t, "/etc/mdevd/mdevd.d:0:0: cannot list this folder: Not a directory", "");
}

TEST(bad_roots) {
        _cleanup_(tree_done) Tree t;
        Config *c;
        int fd;

        tree_init(&t);
        tree_write(&t, "file", "");
        ASSERT_EQ(config_load(&c, -1), -EBADF);
        fd = openat(t.fd, "file", O_RDONLY | O_CLOEXEC);
        ASSERT_EQ(config_load(&c, fd), -ENOTDIR);
        (void) close(fd);
}

TEST(out_of_memory_reading) {
        _cleanup_(tree_done) Tree t;
        Config *c = NULL;
        int r;

        tree_init(&t);
        tree_write(&t, "usr/lib/mdevd/mdevd.json", "{" TYPES "}");
        tree_write(&t, "etc/mdevd/mdevd.d/10.json", FILE_OF("17M"));
        ASSERT_EQ(symlinkat("/dev/zero", t.fd, "etc/mdevd/mdevd.d/12-link.json"), 0);
        FOR_EACH_ALLOCATION_FAILURE(r, config_load(&c, t.fd)) {
                ASSERT_EQ(r, -ENOMEM);
                ASSERT_NULL(c);
        }
        ASSERT_OK(r);
        config_free(c);
}

TESTS_MAIN

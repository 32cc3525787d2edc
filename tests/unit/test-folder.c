/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-folder.c: a record gets its name in one step, with the right to the short way or without. */
#include "backend/worker.h"

#include "names.h"
#include "tree.h"

#define NAME "p:11111111-1111-4111-8111-111111111111"

static bool may_link_empty = true;
static int n_refused;

int __real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);

/* As the kernel where there is no CAP_DAC_READ_SEARCH. */
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
        if (flags & AT_EMPTY_PATH && !may_link_empty) {
                n_refused++;
                errno = ENOENT;
                return -1;
        }
        return __real_linkat(from_fd, from, to_fd, to, flags);
}

static Record *new_stop(void) {
        Record *r;

        ASSERT_OK(record_new(&r, RECORD_STOP));
        ASSERT_OK(uuid_parse(strchr(NAME, ':') + 1, &r->uuid));
        r->parent = strdup("p");
        r->parent_path = strdup("devices/p");
        return r;
}

static void write_one(void) {
        _cleanup_(record_freep) Record *r = new_stop(), *again = NULL;
        struct stat st;
        Tree t;

        tree_init(&t);
        ASSERT_EQ(worker_read_record(t.fd, r, &again), -ENOENT);
        ASSERT_OK(worker_write_record(t.fd, r)); /* and makes the folder */
        ASSERT_EQ(worker_write_record(t.fd, r), -EEXIST);
        ASSERT_EQ(fstatat(t.fd, MDEVD_PATH_OPERATIONS "/" NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
        ASSERT_TRUE(S_ISREG(st.st_mode) && st.st_nlink == 1);
        ASSERT_OK(worker_read_record(t.fd, r, &again));
        ASSERT_EQ(again->kind, RECORD_STOP);
        ASSERT_STREQ(again->parent_path, "devices/p");
        ASSERT_OK(worker_forget_record(t.fd, NAME));
        ASSERT_OK(worker_forget_record(t.fd, NAME));
        tree_done(&t);
}

TEST(written) {
        write_one();
}

TEST(written_without_rights) {
        may_link_empty = false;
        write_one();
        ASSERT_EQ(n_refused, 2);
        may_link_empty = true;
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tree.h: a temporary root directory for tests, and the shortest ways to fill and read it. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "config/config.h"
#include "test.h"
#include "util/fs.h"

typedef struct Tree Tree;

struct Tree {
        char path[64];
        int fd;
};

static inline int tree_unlink(const char *path, _unused_ const struct stat *st, _unused_ int type,
                              _unused_ struct FTW *ftw) {
        return remove(path);
}

static inline void tree_done(Tree *t) {
        t->fd = safe_close(t->fd);
        ASSERT_EQ(nftw(t->path, tree_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void tree_init(Tree *t) {
        /* memory, where there is any: thousands of trees would keep a disk busy for minutes */
        const char *tmp = getenv("TMPDIR") ?: access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

        ASSERT_TRUE((size_t) snprintf(t->path, sizeof(t->path), "%s/mdevd-test-XXXXXX", tmp) <
                    sizeof(t->path));
        ASSERT_NOT_NULL(mkdtemp(t->path));
        t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_TRUE(t->fd >= 0);
}

static inline void tree_mkdir(const Tree *t, const char *path) {
        ASSERT_OK(mkdir_parents_at(t->fd, path, 0755));
        ASSERT_TRUE(mkdirat(t->fd, path, 0755) == 0 || errno == EEXIST);
}

static inline void tree_write_bytes(const Tree *t, const char *path, const char *text,
                                    size_t size) {
        int fd;

        ASSERT_OK(mkdir_parents_at(t->fd, path, 0755));
        fd = openat(t->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        ASSERT_TRUE(fd >= 0);
        while (size > 0) {
                ssize_t n = write(fd, text, size);

                ASSERT_TRUE(n > 0);
                text += n;
                size -= (size_t) n;
        }
        ASSERT_EQ(close(fd), 0);
}

static inline void tree_write(const Tree *t, const char *path, const char *text) {
        tree_write_bytes(t, path, text, strlen(text));
}

/* "file:line:column: text" of each, one a line; to be freed. */
static inline char *problems_text(const List *problems) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ASSERT_NOT_NULL(f);
        list_foreach(p, problems, ConfigProblem, node)
                (void) fprintf(f, "%s%s:%u:%u: %s%s", ftell(f) > 0 ? "\n" : "", p->file, p->line,
                               p->column, p->warning ? "warning: " : "", p->text);
        ASSERT_EQ(fclose(f), 0);
        return text;
}

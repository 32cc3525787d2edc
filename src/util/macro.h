/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * macro.h: scope-bound cleanup and the few macros that a function cannot replace. Leaf of the tree.
 */
#pragma once

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                                                                                  \
        ({                                                                                         \
                typeof(a) _a = (a);                                                                \
                typeof(b) _b = (b);                                                                \
                _a < _b ? _a : _b;                                                                 \
        })
#define MAX(a, b)                                                                                  \
        ({                                                                                         \
                typeof(a) _a = (a);                                                                \
                typeof(b) _b = (b);                                                                \
                _a > _b ? _a : _b;                                                                 \
        })

/*
 * By way of an integer: for the head of an empty list this points outside of it, and is not
 * followed.
 */
#define container_of(ptr, type, member)                                                            \
        ((type *) (void *) ((uintptr_t) (ptr) - offsetof(type, member)))

/* Hands a value over: the variable is left as if it had never owned it. */
#define TAKE_GENERIC(var, nullvalue)                                                               \
        ({                                                                                         \
                typeof(var) *_p = &(var);                                                          \
                typeof(var) _v = *_p;                                                              \
                *_p = (nullvalue);                                                                 \
                _v;                                                                                \
        })
#define TAKE_PTR(ptr) TAKE_GENERIC(ptr, NULL)
#define TAKE_FD(fd) TAKE_GENERIC(fd, -EBADF)

/* Turns a libc call's -1 into -errno, at once. */
#define RET_NERRNO(expr)                                                                           \
        ({                                                                                         \
                typeof(expr) _r = (expr);                                                          \
                _r < 0 ? -errno : (int) _r;                                                        \
        })

/* Defines funcp(), for _cleanup_(funcp), from a func() that takes and ignores NULL. */
#define DEFINE_CLEANUP(type, func)                                                                 \
        static inline void func##p(type *p) {                                                      \
                if (*p)                                                                            \
                        *p = (typeof(*p)) func(*p);                                                \
        }

#define DEFINE_CLEANUP_VOID(type, func)                                                            \
        static inline void func##p(type *p) {                                                      \
                if (*p) {                                                                          \
                        func(*p);                                                                  \
                        *p = NULL;                                                                 \
                }                                                                                  \
        }

DEFINE_CLEANUP_VOID(FILE *, fclose)
DEFINE_CLEANUP_VOID(DIR *, closedir)

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline int safe_close(int fd) {
        int saved = errno;

        if (fd >= 0)
                (void) close(fd);
        errno = saved;
        return -EBADF;
}

static inline void closep(int *fd) {
        *fd = safe_close(*fd);
}

static inline int streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

static inline int streq_ptr(const char *a, const char *b) {
        return a == b || (a && b && strcmp(a, b) == 0);
}

/*
 * Enum <-> string, from one table:
 *
 *     static const char *const pool_kind_table[_POOL_KIND_MAX] = { [POOL_MEMORY] = "memory", … };
 *     DEFINE_STRING_TABLE(pool_kind, PoolKind, _POOL_KIND_MAX)
 *
 * x_to_string() gives NULL out of range; x_from_string() gives -EINVAL for an unknown word.
 */
#define DECLARE_STRING_TABLE(name, type)                                                           \
        const char *name##_to_string(type v);                                                      \
        int name##_from_string(const char *s);

#define DEFINE_STRING_TABLE(name, type, max)                                                       \
        const char *name##_to_string(type v) {                                                     \
                if ((int) v < 0 || (int) v >= (int) (max))                                         \
                        return NULL;                                                               \
                return name##_table[v];                                                            \
        }                                                                                          \
        int name##_from_string(const char *s) {                                                    \
                for (int i = 0; s && i < (int) (max); i++)                                         \
                        if (name##_table[i] && streq(name##_table[i], s))                          \
                                return i;                                                          \
                return -EINVAL;                                                                    \
        }

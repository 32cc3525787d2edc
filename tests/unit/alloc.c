/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* alloc.c: the linker's --wrap for malloc() and its kin; counts, and fails the one asked for. */
#include "alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool armed, failed;
static size_t left;
static long balance;

/* The linker resolves these to the C library's own. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t max);
int __wrap_vasprintf(char **ret, const char *format, va_list ap);
int __wrap_asprintf(char **ret, const char *format, ...);
void __wrap_free(void *p);

void alloc_fail_after(size_t n) {
        armed = true;
        failed = false;
        left = n;
}

bool alloc_fail_end(void) {
        armed = false;
        return failed;
}

long alloc_balance(void) {
        return balance;
}

static bool refuse(void) {
        if (!armed || failed || left-- > 0)
                return false;
        failed = true;
        errno = ENOMEM;
        return true;
}

static void *count(void *p) {
        balance += !!p;
        return p;
}

void *__wrap_malloc(size_t size) {
        return refuse() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size) {
        return refuse() ? NULL : count(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size) {
        void *q;

        if (refuse())
                return NULL;
        q = __real_realloc(p, size);
        balance += !p && q;
        return q;
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        size_t bytes;

        if (__builtin_mul_overflow(n, size, &bytes))
                return NULL;
        return __wrap_realloc(p, bytes);
}

char *__wrap_strndup(const char *s, size_t max) {
        size_t n = strnlen(s, max);
        char *copy = __wrap_malloc(n + 1);

        if (!copy)
                return NULL;
        memcpy(copy, s, n);
        copy[n] = '\0';
        return copy;
}

char *__wrap_strdup(const char *s) {
        return __wrap_strndup(s, SIZE_MAX);
}

__attribute__((format(printf, 2, 0))) int __wrap_vasprintf(char **ret, const char *format,
                                                           va_list ap) {
        va_list again;
        char *s;
        int n;

        va_copy(again, ap);
        n = vsnprintf(NULL, 0, format, again);
        va_end(again);
        s = n < 0 ? NULL : __wrap_malloc((size_t) n + 1);
        if (!s)
                return -1;
        (void) vsnprintf(s, (size_t) n + 1, format, ap);
        *ret = s;
        return n;
}

__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **ret, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = __wrap_vasprintf(ret, format, ap);
        va_end(ap);
        return n;
}

void __wrap_free(void *p) {
        balance -= !!p;
        __real_free(p);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tracer.h: what the two halves of the tracer share: tracer.c follows processes from system call to
 * system call, tracer-calls.c knows which of these change something, and of what.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KEY_MAX 512

/* A call that changes something, as it is about to be made. */
typedef struct Call Call;

struct Call {
        const char *name;
        char object[KEY_MAX]; /* a path below the root, or "socket" */
        bool fallible;        /* it can fail with ENOSPC, EIO or ENOMEM, and tell the caller so */
};

/*
 * Whether the call @nr with @args of thread @tid changes something below @root ("" for the
 * machine's own), outside of what the fake kernel does.
 */
bool call_changes(const char *root, pid_t tid, uint64_t nr, const uint64_t args[6], Call *ret);

/* Copies a string of another process; false: it cannot be read. */
bool read_string(pid_t tid, uint64_t address, char *buf, size_t size);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors and resets of a parent, as the module merr tells its driver of them, and a thread that
 * waits meanwhile: what the test programs of both share.
 */
#pragma once

#include <pthread.h>
#include <sys/types.h>
#include "lib.h"

/* loads merr; a word of its own for each thing that can happen: see tests/vm/modules/merr.c */
int trouble_tell(const char *parent, const char *word);
/* what the driver answered to the last error: a pci_ers_result_t */
int trouble_answer(void);

/* Switches the function's memory off and on, as a link that breaks down and is restored does. */
int trouble_decode(const char *parent, bool on);

/* A limit, in seconds, for a recovery. */
int trouble_limit(const char *seconds);

/* One thread that does one thing, which may make it wait in the kernel. */
struct waiter {
        pthread_t thread;
        int (*fn)(void *arg);
        void *arg;
        volatile pid_t tid;
        volatile bool ended;
        volatile int result;
};

void waiter_start(struct waiter *w, int (*fn)(void *arg), void *arg);
/* Returns when it waits in the kernel, or has ended: true in the first case. */
bool waiter_blocked(struct waiter *w);
int waiter_end(struct waiter *w);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker.h: a process that takes the blocking steps of one operation. It is this same program,
 * executed as "mdevd --worker", with the operation's record as descriptor 3. The record is locked
 * (flock) for as long as the worker lives, because both share one open file description: an
 * unlocked record is one whose worker is gone. The result is in the record before the lock goes.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "backend/record.h"

typedef struct Worker Worker;

/* Called once, from the loop, after the process ended and its record was read back. */
typedef void (*WorkerDone)(Worker *w, const Record *record, void *userdata);

/*
 * Writes @record below MDEVD_PATH_OPERATIONS of @root_fd, locks it, starts the process. -EEXIST: a
 * record of that name is there. The worker outlives worker_free() and this process.
 */
int worker_start(Worker **ret, sd_event *event, int root_fd, const char *root,
                 const Record *record, WorkerDone done, void *userdata);
/* A record found at start that is still locked: waits for the pid in it by pidfd. */
int worker_adopt(Worker **ret, sd_event *event, int root_fd, const Record *record, WorkerDone done,
                 void *userdata);
Worker *worker_free(Worker *w);
DEFINE_CLEANUP(Worker *, worker_free)

/* The other side: what main() does for --worker. Returns an exit status. */
int worker_main(int record_fd, const char *root);

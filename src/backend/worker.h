/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker.h: a process that takes the blocking steps of one operation. It is this same program,
 * executed as "mdevd --worker --root=ROOT", with the operation's record as descriptor 3. The record
 * is locked (flock) for as long as the worker lives, because the lock belongs to the open file
 * description that only the worker has: an unlocked record is one whose worker is gone. The result
 * is in the record before the lock goes.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "backend/record.h"

#define WORKER_RECORD_FD 3

typedef struct Worker Worker;

/*
 * Called once, from the loop, after the process ended and its record was read back. @record is what
 * it left: a step before STEP_DONE means that it was killed. NULL: the record cannot be read.
 */
typedef void (*WorkerDone)(Worker *w, const Record *record, void *userdata);

/*
 * Writes @record below MDEVD_PATH_OPERATIONS of @root_fd, locks it, starts the process. -EEXIST: a
 * record of that name is there. The worker outlives worker_free() and this process.
 */
int worker_start(Worker **ret, sd_event *event, int root_fd, const char *root,
                 const Record *record, WorkerDone done, void *userdata);
/* A record found at start that is still locked: waits for its lock to go. */
int worker_adopt(Worker **ret, sd_event *event, int root_fd, const Record *record, WorkerDone done,
                 void *userdata);
Worker *worker_free(Worker *w);
DEFINE_CLEANUP(Worker *, worker_free)

/* The other side: what main() does for --worker. Returns an exit status. */
int worker_main(int record_fd, const char *root);

/* ---- the folder of records ---- */

/* What worker_scan() found. */
typedef enum WorkerFound {
        WORKER_RUNNING, /* locked */
        WORKER_GONE,    /* nobody holds it */
        WORKER_BROKEN,  /* not a record: *@record is NULL */
} WorkerFound;

/* *@record may be taken. */
typedef int (*WorkerFoundFn)(WorkerFound found, const char *name, Record **record,
                             void *userdata);

/* Calls @fn for each record in the folder; a negative answer ends it. A missing folder is made. */
int worker_scan(int root_fd, WorkerFoundFn fn, void *userdata);
/* Removes a record that has been acted on. Of a running worker: never. */
int worker_forget_record(int root_fd, const char *name);

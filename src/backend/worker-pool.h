/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-pool.h: the worker processes. Each is this same program, executed as "mdevd --worker
 * --root=ROOT" with one end of a socket as descriptor 3; over it comes one record at a time, as a
 * descriptor, and goes one message when the record has its result: the line that says so, or one
 * byte where that is to be read. Who has ended a job is kept for the
 * next: executing a program takes longer than most jobs do. A worker whose daemon is gone ends its
 * job, then itself.
 */
#pragma once

#include <systemd/sd-event.h>

#include "util/macro.h"

#define WORKER_SOCKET_FD 3

/* Kept for what may come, and for how long more than one is. */
#define WORKERS_IDLE_MIN 1
#define WORKERS_IDLE_USEC (5 * UINT64_C(1000000))

typedef struct WorkerPool WorkerPool;
typedef struct Process Process;

/* @root_fd and @root are borrowed; @event is referenced. */
int worker_pool_new(WorkerPool **ret, sd_event *event, int root_fd, const char *root);
/* Idle processes end; those at work go on, and nobody waits for them here. */
WorkerPool *worker_pool_free(WorkerPool *p);
DEFINE_CLEANUP(WorkerPool *, worker_pool_free)

sd_event *worker_pool_event(const WorkerPool *p); /* borrowed */
int worker_pool_root_fd(const WorkerPool *p);     /* borrowed */

/* Executes the first one ahead of need. */
int worker_pool_prepare(WorkerPool *p);

/* What is longer is read from the record. */
#define WORKER_RESULT_MAX 4096

/*
 * Called once, from the loop: the job is done, or its process is no more. @line: the last of its
 * record; NULL: to be read there.
 */
typedef void (*ProcessDone)(const char *line, void *userdata);

/*
 * Hands the open record over. Nothing was done with it when this fails. The caller's descriptor is
 * its own to close: the lock on the record is held as long as any copy of it is open.
 */
int worker_pool_assign(WorkerPool *p, int record_fd, ProcessDone done, void *userdata,
                       Process **ret);
/* Nobody wants to know any more. */
void process_forget(Process *p);
pid_t process_pid(const Process *p);
/*
 * One whose job has not ended after @usec is killed, and @done is told as of one that has died: it
 * may never end all the same, if the kernel does not let it.
 */
int process_set_limit(Process *p, uint64_t usec);
/* Those that were killed so, and are still there. */
size_t worker_pool_count_killed(const WorkerPool *p);

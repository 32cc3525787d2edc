/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-pool.h: the worker processes. One is executed as "mdevd --worker --root=ROOT" with one end
 * of a socket as descriptor 3, the worker's program, or this same one where that is not there or
 * not enough. Over the socket come records, each as a descriptor in a message of its own. Back goes
 * a greeting, and then one message for each record that has its result: the line that says so, or
 * one byte where that is to be read. Who has ended a job is kept for the next. A worker whose
 * daemon is gone ends what it has, then itself.
 *
 * A message may also carry the end of another worker's socket: its receiver divides, and the new
 * process, which has nothing to load, is that worker. One process, the nursery, gets nothing else.
 *
 * Several records may lie in that socket, so that a worker has its next one as soon as it has ended
 * one. The daemon keeps a descriptor of the worker's end, too: what the worker has not taken out of
 * it yet the daemon can, and either has it whole, for the kernel gives a message to one of them. So
 * what waits in line behind a job that does not end, or whose worker has died, is taken back.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "util/macro.h"

#define WORKER_SOCKET_FD 3
#define WORKER_PROGRAM_FD 4 /* of the worker's program only, which has no use for it */

/* Kept for what may come, and for how long more than one is. */
#define WORKERS_IDLE_MIN 1
#define WORKERS_IDLE_USEC (5 * UINT64_C(1000000))

/* Records that may wait behind one that is worked on. */
#define WORKER_LINE_MAX 16

typedef struct WorkerPool WorkerPool;
typedef struct Assignment Assignment;

/* @root_fd and @root are borrowed; @event is referenced. */
int worker_pool_new(WorkerPool **ret, sd_event *event, int root_fd, const char *root);
/* Idle processes end; those at work go on, and nobody waits for them here. */
WorkerPool *worker_pool_free(WorkerPool *p);
DEFINE_CLEANUP(WorkerPool *, worker_pool_free)

/*
 * The worker's program, opened; taken. It is executed as it is now, whatever an update puts in its
 * place. Its start takes a sixth of the instructions of ours, which loads libsystemd and all that
 * this needs.
 */
void worker_pool_set_program(WorkerPool *p, int program_fd);

sd_event *worker_pool_event(const WorkerPool *p); /* borrowed */
int worker_pool_root_fd(const WorkerPool *p);     /* borrowed */

/* Executes the first one ahead of need. */
int worker_pool_prepare(WorkerPool *p);

/* A process says this and its pid in decimal, before anything else, when it is there to work. */
#define WORKER_GREETING '+'

/* In a message's number: it is no record, but a socket to divide for. */
#define WORKER_BIRTH (UINT64_C(1) << 63)

typedef struct Birth Birth;

/* The answer of who has divided. */
struct Birth {
        uint64_t number; /* of the message */
        int64_t pid;     /* of the new process, or a negative errno */
};

/* What is longer is read from the record. */
#define WORKER_RESULT_MAX 4096

/*
 * Called once, from the loop: the job is done, or its process is no more. @line: the last of its
 * record; NULL: to be read there.
 */
typedef void (*AssignmentDone)(const char *line, void *userdata);

/* What comes to one that was put in line, or that a new process was started for. */
typedef enum Turn {
        TURN_COME, /* its worker is at it: the one before it has ended, or another process has it */
        TURN_LOST, /* it was taken back before anything was done; the last that is heard of it */
} Turn;

typedef void (*AssignmentTurn)(Turn turn, void *userdata);

/*
 * Hands the open record over. Nothing was done with it when this fails. The caller's descriptor is
 * its own to close: the lock on the record is held as long as any copy of it is open. @turn may be
 * NULL; it is never told TURN_LOST here. @whole: it takes the whole of this program.
 */
int worker_pool_assign(WorkerPool *p, int record_fd, bool whole, AssignmentDone done,
                       AssignmentTurn turn, void *userdata, Assignment **ret);
/*
 * The same, behind @first and all that wait behind it. -EAGAIN: WORKER_LINE_MAX do, or it is
 * ending.
 */
int assignment_follow(Assignment *first, int record_fd, AssignmentDone done, AssignmentTurn turn,
                      void *userdata, Assignment **ret);
/* How many wait in the line that it is in. */
size_t assignment_count_followers(const Assignment *a);
/* Takes back what waits behind @first and was not begun. */
void assignment_recall(Assignment *first);
/* Nobody wants to know any more. */
void assignment_forget(Assignment *a);
pid_t assignment_pid(const Assignment *a);
/* Whether its process is at it: a new one takes some time to get there. */
bool assignment_has_begun(const Assignment *a);
/*
 * One whose job has not ended after @usec is killed, and @done is told as of one that has died: it
 * may never end all the same, if the kernel does not let it. Not of one that has others behind it.
 */
int assignment_set_limit(Assignment *a, uint64_t usec);
/* Those that were killed so, and are still there. */
size_t worker_pool_count_killed(const WorkerPool *p);

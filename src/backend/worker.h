/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker.h: who takes the blocking steps of one operation: a process of the pool, which is given
 * the operation's record as an open file. The record is locked (flock) for as long as it is worked
 * on, because the lock belongs to the open file description that only the worker has: an unlocked
 * record is one that nobody works on. The result is in the record before the lock goes.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "backend/record.h"
#include "backend/worker-pool.h"

typedef struct Worker Worker;
typedef struct WorkerAbove WorkerAbove;

/*
 * What a worker asks of layers that we do not know: of the definition store, see config/store.h,
 * and of systemd, see bus/bus.h.
 */
struct WorkerAbove {
        int (*prepare)(int root_fd, const Definition *d);
        int (*settle)(int root_fd, const char *parent, const Uuid *uuid);
        /*
         * For RECORD_EVICT, which goes to processes that are the whole program; NULL in others. May
         * block. @ret_why, to be freed, says why not, also where the answer is an error.
         */
        int (*kill_unit)(const char *unit, bool whole, pid_t pid, char **ret_why);
};

/*
 * Called once, from the loop, after the job ended. Of @record, which is what it left, step, result
 * and pid count: a step before STEP_DONE means that it was killed. NULL: the record cannot be read.
 */
typedef void (*WorkerDone)(Worker *w, const Record *record, void *userdata);
/* Called from the loop: how far it has come, before its end. */
typedef void (*WorkerTurn)(Worker *w, Turn turn, void *userdata);

/*
 * Writes @record below MDEVD_PATH_OPERATIONS of the pool's root, locks it, gives it to a process.
 * -EEXIST: a record of that name is there. When it fails nothing was done and no record is left.
 * The work outlives worker_free() and this process. @turn is told TURN_COME if the process is new,
 * when it is there: what it takes until then is not the work's.
 */
int worker_start(Worker **ret, WorkerPool *pool, const Record *record, WorkerDone done,
                 WorkerTurn turn, void *userdata);
/* Only the record, for an operation whose first step is the daemon's own. */
int worker_write_record(int root_fd, const Record *record);
/*
 * A second worker for a record that is there and that nobody holds: notes step and result of
 * @record in it, then goes on as worker_start(), but for that the record stays when it fails.
 */
int worker_resume(Worker **ret, WorkerPool *pool, const Record *record, WorkerDone done,
                  WorkerTurn turn, void *userdata);
/*
 * As worker_start(), but the process that is at @first does it when it has ended that and what
 * follows it already: a worker that is quick has its next record at once. -EAGAIN: WORKER_LINE_MAX
 * follow, or it is no process of ours. @turn is called when it gets there, or when it never will:
 * nothing was done then, there is no record, and @done is not called.
 */
int worker_follow(Worker **ret, Worker *first, const Record *record, WorkerDone done,
                  WorkerTurn turn, void *userdata);
/* Whether its process is at it, and neither at one before it nor on its way. */
bool worker_has_begun(const Worker *w);
/* How many do, of whichever of a line it is. */
size_t worker_count_followers(const Worker *first);
/* Those who were not begun yet are lost. */
void worker_recall_followers(Worker *first);
/* A record found at start that is still locked: waits for its lock to go. */
int worker_adopt(Worker **ret, WorkerPool *pool, const Record *record, WorkerDone done,
                 void *userdata);
/*
 * A question (RECORD_LOOK) that is no operation: its record has no name and dies with who asks.
 * What is read for it may make the reader wait: after @usec the process is killed, and @done called
 * as if it had died. -EBUSY: WORKERS_STUCK_MAX that were killed so have not ended.
 */
#define WORKERS_STUCK_MAX 2
int worker_ask(Worker **ret, WorkerPool *pool, const Record *record, uint64_t usec,
               WorkerDone done, void *userdata);
/* Of the process at work; 0: it is an earlier daemon's, see the record. */
pid_t worker_pid(const Worker *w);
Worker *worker_free(Worker *w);
DEFINE_CLEANUP(Worker *, worker_free)

/* The other side: what main() does for --worker, with WORKER_SOCKET_FD. Returns an exit status. */
int worker_main(int socket_fd, const char *root, const WorkerAbove *above);
/*
 * One record of those that worker_main() gets. *@ret_last, to be freed, is the line with its
 * result, which is in the record, too; NULL: it is not.
 */
int worker_work(int record_fd, int root_fd, const WorkerAbove *above, char **ret_last);

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
/* What its worker has noted so far. */
int worker_read_record(int root_fd, const Record *record, Record **ret);
/* Wakes a worker that waits for this, see worker-hold.c. */
int worker_poke(int root_fd, const Record *record);
/* Removes a record that has been acted on. Of a running worker: never. */
int worker_forget_record(int root_fd, const char *name);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker-line.h: what worker-pool.c (processes) and worker-line.c (what they do) share. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "backend/worker-pool.h"
#include "util/list.h"

typedef enum ProcessState {
        PROCESS_IDLE,
        PROCESS_BUSY,
        PROCESS_ENDING, /* its socket is closed, it ends by itself */
        PROCESS_NURSERY, /* others are born of it */
} ProcessState;

typedef struct Process Process;

struct Process {
        List node; /* in pool->processes */
        WorkerPool *pool;
        pid_t pid; /* 0: not known yet */
        int pidfd;
        Process *nursery; /* which was asked for it, and has not answered; NULL: it is watched */
        uint64_t birth;   /* the number of that message; 0: it was executed */
        int socket_fd;
        int worker_fd; /* its end of the socket: what it has not taken is taken back there */
        sd_event_source *message; /* when it is there, and when it is done */
        sd_event_source *exit;
        sd_event_source *limit; /* of the job's time */
        bool whole;             /* it is this program, and not the worker's */
        bool begun;             /* it has said that it is there */
        bool killed;            /* its job took too long */
        ProcessState state;
        List assignments;
        size_t n_assignments;
};

struct Assignment {
        List node; /* in process->assignments */
        Process *process;
        AssignmentDone done; /* NULL: nobody wants to know */
        AssignmentTurn turn; /* NULL: the same */
        bool in_line;
        bool whole; /* it takes a process that is */
        unsigned n_handed; /* to how many more, for those before died of something else */
        void *userdata;
        uint64_t number; /* of its message */
};

struct WorkerPool {
        sd_event *event;
        int root_fd;
        const char *root;
        int program_fd; /* the worker's; -EBADF: all are this one */
        List processes;
        size_t n_idle;
        size_t n_killed; /* and not ended yet */
        uint64_t last_number; /* of assignments and births */
        Process *nursery; /* one of @processes; NULL: there is none */
        bool no_nursery; /* it ends as soon as it is started */
        sd_event_source *trim;
};

/* ---- worker-line.c ---- */

void assignment_free(Assignment *a);
/* The first job of @p has begun; it is done, with this result; it is done and told of. */
void process_note_begun(Process *p);
void process_end_job(Process *p, const char *line);
void process_tell_done(Process *p, const char *line);
/* Takes back what it has not begun. */
void process_recall(Process *p);

/* ---- worker-pool.c ---- */

/* With a socket and nobody at its other end; its messages are read. */
int process_alloc(Process **ret, WorkerPool *pool);
Process *process_free(Process *p);
DEFINE_CLEANUP(Process *, process_free)
/* The worker's program, or this one, at that other end. */
int process_execute(Process *p);
/* It is there, and is watched from now on. False: it cannot be, and is gone. */
bool process_born(Process *p, pid_t pid);
/* It is no more, or never came to be: what it had goes to others. */
void process_gone(Process *p);
/* It is in the pool, idle; it may not have got there yet. */
int process_new(Process **ret, WorkerPool *pool, bool whole);
/* It is told so by the end of its socket; its exit is awaited. */
void process_end(Process *p);
/* NULL: there is none, or none that is whole. */
Process *pool_find_idle(WorkerPool *pool, bool whole);
void pool_trim_later(WorkerPool *pool);

/* ---- worker-nursery.c ---- */

/* Asks for @p, whose message source is there. Negative: it was not asked for. */
int nursery_bear(Process *p);
void nursery_on_message(const WorkerPool *pool, const char *data, size_t size);
/* The nursery has ended. Frees it. */
void nursery_lost(WorkerPool *pool);

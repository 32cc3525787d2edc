/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-nursery.c: owns the process that the others are born of. It was executed once, and has
 * loaded what a worker needs; a new one is a copy of it, which takes a fraction of the time and
 * shares its pages. Though it is not we who make the copy it is a child of ours.
 *
 * Until the nursery, or the new process itself, has said its pid we do not know it and cannot see
 * it end. It may be given its first record before that: messages lie in its socket.
 */
#include <limits.h>

#include "backend/pass.h"
#include "backend/worker-line.h"

static int nursery_start(WorkerPool *pool) {
        _cleanup_(process_freep) Process *n = NULL;
        int r;

        if (pool->nursery)
                return 0;
        if (pool->no_nursery)
                return -EOPNOTSUPP;
        r = process_alloc(&n, pool);
        if (r < 0)
                return r;
        n->whole = pool->program_fd < 0;
        r = process_execute(n);
        if (r < 0)
                return r;
        n->state = PROCESS_NURSERY;
        list_append(&pool->processes, &n->node);
        pool->nursery = TAKE_PTR(n);
        return 0;
}

int nursery_bear(Process *p) {
        WorkerPool *pool = p->pool;
        int r;

        r = nursery_start(pool);
        if (r < 0)
                return r;
        if (p->whole && !pool->nursery->whole)
                return -EOPNOTSUPP;
        p->birth = ++pool->last_number | WORKER_BIRTH;
        r = pass_send(pool->nursery->socket_fd, p->worker_fd, p->birth);
        if (r < 0) {
                p->birth = 0;
                return r;
        }
        p->whole = pool->nursery->whole;
        p->nursery = pool->nursery;
        return 0;
}

/* What it was given lies in its socket, and who is executed finds it there. */
static void execute_instead(Process *p) {
        p->nursery = NULL;
        p->birth = 0;
        if (p->state == PROCESS_ENDING || p->killed || process_execute(p) < 0)
                process_gone(p);
}

void nursery_on_message(const WorkerPool *pool, const char *data, size_t size) {
        Birth birth;

        if (size != sizeof(birth))
                return;
        memcpy(&birth, data, sizeof(birth));
        list_foreach(p, &pool->processes, Process, node) {
                if (!p->nursery || p->birth != birth.number)
                        continue;
                if (birth.pid > 0 && birth.pid <= INT_MAX)
                        (void) process_born(p, (pid_t) birth.pid);
                else
                        execute_instead(p);
                return;
        }
}

/*
 * It may have been born all the same, and not have greeted yet. If it has taken a record it goes on
 * with that, and we will hear of it; if not it ends with its socket.
 */
static void orphan(Process *p) {
        p->nursery = NULL;
        if (p->state == PROCESS_IDLE)
                p->pool->n_idle--;
        p->state = PROCESS_ENDING; /* nothing goes back to it */
        process_recall(p);
        if (p->n_assignments == 0)
                process_free(p);
        else
                p->state = PROCESS_BUSY;
}

void nursery_lost(WorkerPool *pool) {
        Process *n = TAKE_PTR(pool->nursery);

        /* not of the worker's program: of that it is known, and this one is next */
        if (!n->begun && n->whole)
                pool->no_nursery = true;
        list_foreach_safe(p, &pool->processes, Process, node)
                if (p->nursery == n)
                        orphan(p);
        process_free(n);
}

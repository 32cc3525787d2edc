/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-line.c: owns what a worker process has been given and has not ended, in the order in which
 * it does it: giving, taking back, telling. It is at the first of them.
 */
#include "backend/worker-line.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/pass.h"
#include "util/log.h"

void assignment_free(Assignment *a) {
        list_unlink(&a->node);
        a->process->n_assignments--;
        free(a);
}

static int assignment_new(WorkerPool *pool, AssignmentDone done, AssignmentTurn turn,
                          void *userdata, Assignment **ret) {
        Assignment *a = calloc(1, sizeof(*a));

        if (!a)
                return -ENOMEM;
        list_init(&a->node);
        a->done = done;
        a->turn = turn;
        a->userdata = userdata;
        a->number = ++pool->last_number;
        *ret = a;
        return 0;
}

/* The first of them is over. */
void process_tell_done(Process *p, const char *line) {
        Assignment *a = list_first(&p->assignments, Assignment, node);
        AssignmentDone done = a->done;
        void *userdata = a->userdata;

        assignment_free(a);
        if (done)
                done(line, userdata);
}

/* From now on it is no follower: what becomes of it is told by its end. */
static void tell_come(Assignment *a) {
        a->in_line = false;
        if (a->turn)
                a->turn(TURN_COME, a->userdata);
}

/* Processes that end before they have looked at what they were given. */
#define HANDED_MAX 3

static int give(Assignment *a, Process *p, int record_fd);
static int give_to_pool(Assignment *a, WorkerPool *pool, int record_fd);

/* It was never in line: it goes back, or to another process where this one has died. */
static void hand_back(Assignment *a, int record_fd) {
        Process *p = a->process;
        AssignmentDone done = a->done;
        void *userdata = a->userdata;

        if (p->state != PROCESS_BUSY)
                a->n_handed++;
        if (a->n_handed <= HANDED_MAX &&
            (p->state == PROCESS_BUSY ? give(a, p, record_fd) :
                                        give_to_pool(a, p->pool, record_fd)) >= 0) {
                if (a->process != p && a->process->begun)
                        tell_come(a); /* that one has greeted already */
                return;
        }
        assignment_free(a);
        if (done)
                done(NULL, userdata);
}

static Assignment *find_assignment(Process *p, uint64_t number) {
        list_foreach(a, &p->assignments, Assignment, node)
                if (a->number == number)
                        return a;
        return NULL;
}

/*
 * The worker may take one between two that we take: what was taken is known by its number. What is
 * left in the list is with the worker, in the order in which it does it.
 */
void process_recall(Process *p) {
        Assignment *taken[WORKER_LINE_MAX + 1], *first;
        int fds[WORKER_LINE_MAX + 1];
        size_t n = 0;

        while (n < ARRAY_SIZE(fds)) {
                uint64_t number;

                fds[n] = pass_receive(p->worker_fd, MSG_DONTWAIT, &number);
                if (fds[n] < 0)
                        break;
                taken[n] = find_assignment(p, number);
                if (taken[n])
                        n++;
                else
                        safe_close(fds[n]);
        }
        for (size_t i = 0; i < n; i++) {
                Assignment *a = taken[i];

                if (a->in_line && a->turn) {
                        a->turn(TURN_LOST, a->userdata);
                        assignment_free(a);
                } else
                        hand_back(a, fds[i]);
                safe_close(fds[i]);
        }
        first = list_first(&p->assignments, Assignment, node);
        if (first && first->in_line)
                tell_come(first);
}

void assignment_recall(Assignment *first) {
        process_recall(first->process);
}

size_t assignment_count_followers(const Assignment *a) {
        return a->process->n_assignments - 1;
}

void assignment_forget(Assignment *a) {
        if (!a)
                return;
        a->done = NULL;
        a->turn = NULL;
}

pid_t assignment_pid(const Assignment *a) {
        return a->process->pid;
}

bool assignment_has_begun(const Assignment *a) {
        return a->process->begun && !a->in_line;
}

/* The job at which it was is done; it goes on with the next, or has nothing to do. */
void process_end_job(Process *p, const char *line) {
        p->limit = sd_event_source_disable_unref(p->limit);
        if (p->n_assignments == 1) {
                p->state = PROCESS_IDLE;
                p->pool->n_idle++;
                pool_trim_later(p->pool);
        } else
                tell_come(list_entry(p->assignments.next->next, Assignment, node));
        process_tell_done(p, line);
}

void process_note_begun(Process *p) {
        Assignment *a = list_first(&p->assignments, Assignment, node);

        p->begun = true;
        if (a)
                tell_come(a);
}

/* ---- giving ---- */

static int give(Assignment *a, Process *p, int record_fd) {
        int r;

        r = pass_send(p->socket_fd, record_fd, a->number);
        if (r < 0)
                return r;
        if (a->process) {
                list_unlink(&a->node);
                a->process->n_assignments--;
                p->limit = TAKE_PTR(a->process->limit); /* who has one has nobody behind it */
                if (p->limit)
                        (void) sd_event_source_set_userdata(p->limit, p);
        }
        a->process = p;
        list_append(&p->assignments, &a->node);
        p->n_assignments++;
        if (p->state == PROCESS_IDLE)
                p->pool->n_idle--;
        p->state = PROCESS_BUSY;
        return 0;
}

static int give_to_pool(Assignment *a, WorkerPool *pool, int record_fd) {
        Process *p;
        int r;

        while ((p = pool_find_idle(pool, a->whole))) {
                if (give(a, p, record_fd) >= 0)
                        return 0;
                process_end(p);
        }
        r = process_new(&p, pool, a->whole);
        if (r < 0)
                return r;
        r = give(a, p, record_fd);
        if (r < 0)
                process_end(p);
        return r;
}

int worker_pool_assign(WorkerPool *pool, int record_fd, bool whole, AssignmentDone done,
                       AssignmentTurn turn, void *userdata, Assignment **ret) {
        Assignment *a;
        int r;

        r = assignment_new(pool, done, turn, userdata, &a);
        if (r < 0)
                return r;
        a->whole = whole;
        r = give_to_pool(a, pool, record_fd);
        if (r < 0) {
                free(a);
                return r;
        }
        *ret = a;
        return 0;
}

int assignment_follow(Assignment *first, int record_fd, AssignmentDone done, AssignmentTurn turn,
                      void *userdata, Assignment **ret) {
        Process *p = first->process;
        Assignment *a;
        int r;

        if (p->state != PROCESS_BUSY || p->limit || p->n_assignments > WORKER_LINE_MAX)
                return -EAGAIN;
        r = assignment_new(p->pool, done, turn, userdata, &a);
        if (r < 0)
                return r;
        a->in_line = true;
        r = give(a, p, record_fd);
        if (r < 0) {
                free(a);
                return r;
        }
        *ret = a;
        return 0;
}

static int on_limit(sd_event_source *s, uint64_t usec, void *userdata) {
        Process *p = userdata;

        log_warning(&(LogFields){ .topic = "worker" },
                    "Worker %d has not ended in time, and is killed; if it stays, the kernel's log "
                    "may say why.", p->pid);
        p->killed = true;
        p->pool->n_killed++;
        (void) syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
        process_tell_done(p, NULL);
        return 0;
}

int assignment_set_limit(Assignment *a, uint64_t usec) {
        Process *p = a->process;

        return sd_event_add_time_relative(p->pool->event, &p->limit, CLOCK_MONOTONIC, usec, 0,
                                          on_limit, p);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-pool.c: owns the worker processes: starting, giving work, keeping, ending, reaping. A
 * process is watched before it is given anything, so there is none that does something unseen. A
 * process has no assignment when it is idle; of several, it is at the first.
 */
#include "backend/worker-pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/pass.h"
#include "util/list.h"
#include "util/log.h"
#include "util/process.h"

typedef enum ProcessState {
        PROCESS_IDLE,
        PROCESS_BUSY,
        PROCESS_ENDING, /* its socket is closed, it ends by itself */
} ProcessState;

typedef struct Process Process;

struct Process {
        List node; /* in pool->processes */
        WorkerPool *pool;
        pid_t pid;
        int pidfd;
        int socket_fd;
        int worker_fd; /* its end of the socket: what it has not taken is taken back there */
        sd_event_source *message; /* when it is there, and when it is done */
        sd_event_source *exit;
        sd_event_source *limit; /* of the job's time */
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
        void *userdata;
        uint64_t number; /* of its message */
};

struct WorkerPool {
        sd_event *event;
        int root_fd;
        const char *root;
        List processes;
        size_t n_idle;
        size_t n_killed; /* and not ended yet */
        uint64_t last_number; /* of assignments */
        sd_event_source *trim;
};

/* ---- what a process has to do ---- */

static void assignment_free(Assignment *a) {
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
static void tell_done(Process *p, const char *line) {
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

static int give(Assignment *a, Process *p, int record_fd);
static int give_to_pool(Assignment *a, WorkerPool *pool, int record_fd);

/* It was never in line: it goes back, or to another process where this one has died. */
static void hand_back(Assignment *a, int record_fd) {
        Process *p = a->process;
        AssignmentDone done = a->done;
        void *userdata = a->userdata;

        if ((p->state == PROCESS_BUSY ? give(a, p, record_fd) :
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
static void recall(Process *p) {
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
        recall(first->process);
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

/* ---- one process ---- */

static Process *process_free(Process *p) {
        if (!p)
                return NULL;
        if (p->state == PROCESS_IDLE && list_is_linked(&p->node))
                p->pool->n_idle--;
        if (p->killed)
                p->pool->n_killed--;
        list_foreach_safe(a, &p->assignments, Assignment, node)
                assignment_free(a);
        list_unlink(&p->node);
        sd_event_source_disable_unref(p->limit);
        sd_event_source_disable_unref(p->message);
        sd_event_source_disable_unref(p->exit);
        safe_close(p->socket_fd);
        safe_close(p->worker_fd);
        safe_close(p->pidfd);
        free(p);
        return NULL;
}

DEFINE_CLEANUP(Process *, process_free)

/* It is told so by the end of its socket; its exit is awaited. */
static void process_end(Process *p) {
        if (p->state == PROCESS_IDLE)
                p->pool->n_idle--;
        p->state = PROCESS_ENDING;
        p->message = sd_event_source_disable_unref(p->message);
        p->socket_fd = safe_close(p->socket_fd);
        p->worker_fd = safe_close(p->worker_fd);
}

static int on_trim(sd_event_source *s, uint64_t usec, void *userdata) {
        WorkerPool *pool = userdata;

        list_foreach(p, &pool->processes, Process, node)
                if (p->state == PROCESS_IDLE && pool->n_idle > WORKERS_IDLE_MIN)
                        process_end(p);
        return 0;
}

static void trim_later(WorkerPool *pool) {
        int enabled = SD_EVENT_OFF;

        if (pool->n_idle <= WORKERS_IDLE_MIN)
                return;
        if (!pool->trim) {
                (void) sd_event_add_time_relative(pool->event, &pool->trim, CLOCK_MONOTONIC,
                                                  WORKERS_IDLE_USEC, 0, on_trim, pool);
                return;
        }
        (void) sd_event_source_get_enabled(pool->trim, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(pool->trim, WORKERS_IDLE_USEC);
        (void) sd_event_source_set_enabled(pool->trim, SD_EVENT_ONESHOT);
}

/* The job at which it was is done; it goes on with the next, or has nothing to do. */
static void end_job(Process *p, const char *line) {
        p->limit = sd_event_source_disable_unref(p->limit);
        if (p->n_assignments == 1) {
                p->state = PROCESS_IDLE;
                p->pool->n_idle++;
                trim_later(p->pool);
        } else
                tell_come(list_entry(p->assignments.next->next, Assignment, node));
        tell_done(p, line);
}

static void note_begun(Process *p) {
        Assignment *a = list_first(&p->assignments, Assignment, node);

        p->begun = true;
        if (a)
                tell_come(a);
}

/* All that it has said, so that what ended together is looked at together. */
static int on_message(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Process *p = userdata;
        char line[WORKER_RESULT_MAX];

        for (size_t i = 0; i <= WORKER_LINE_MAX + 1 && p->socket_fd == fd; i++) {
                ssize_t n = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return 0;
                if (n <= 0) {
                        /* it is ending, and tells more by that */
                        (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
                        return 0;
                }
                line[n] = '\0';
                if (streq(line, WORKER_GREETING)) {
                        note_begun(p);
                        continue;
                }
                if (p->state != PROCESS_BUSY || p->killed)
                        return 0;
                end_job(p, n > 1 ? line : NULL);
                if (p->state != PROCESS_BUSY)
                        return 0; /* it has nothing more to say */
        }
        return 0;
}

static int on_exit_of_process(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        siginfo_t info = {};
        Process *p = userdata;

        /* ECHILD: whoever started us has SIGCHLD ignored, and the kernel has reaped it */
        if (waitid(P_PIDFD, (id_t) p->pidfd, &info, WEXITED | WNOHANG) < 0 ? errno != ECHILD
                                                                           : info.si_pid == 0)
                return 0; /* not yet: it reports again */
        if (p->state == PROCESS_IDLE)
                p->pool->n_idle--;
        p->state = PROCESS_ENDING; /* nobody gets in line any more */
        recall(p);
        while (p->n_assignments > 0)
                tell_done(p, NULL);
        process_free(p);
        return 0;
}

static int spawn(int socket_fd, const char *root, pid_t *ret) {
        _cleanup_(freep) char *root_option = NULL;
        char *argv[4] = { (char *) "mdevd", (char *) "--worker" };

        if (asprintf(&root_option, "--root=%s", root) < 0)
                return -ENOMEM;
        argv[2] = root_option;
        return spawn_program("/proc/self/exe", argv, WORKER_SOCKET_FD, &socket_fd, 1, ret);
}

static int watch(Process *p) {
        int r;

        p->pidfd = (int) syscall(SYS_pidfd_open, p->pid, 0);
        if (p->pidfd < 0)
                return -errno;
        r = sd_event_add_io(p->pool->event, &p->exit, p->pidfd, EPOLLIN, on_exit_of_process, p);
        if (r >= 0)
                r = sd_event_add_io(p->pool->event, &p->message, p->socket_fd, EPOLLIN, on_message,
                                    p);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(p->exit, "worker-exit");
        (void) sd_event_source_set_description(p->message, "worker");
        /* what it said before it ended comes first */
        return sd_event_source_set_priority(p->exit, SD_EVENT_PRIORITY_NORMAL + 1);
}

static int process_new(Process **ret, WorkerPool *pool) {
        _cleanup_(process_freep) Process *p = NULL;
        int pair[2], r;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        list_init(&p->node);
        list_init(&p->assignments);
        p->pool = pool;
        p->state = PROCESS_ENDING;
        p->pidfd = p->socket_fd = p->worker_fd = -EBADF;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        p->socket_fd = pair[0];
        p->worker_fd = pair[1];
        r = spawn(p->worker_fd, pool->root, &p->pid);
        if (r < 0)
                return r;
        r = watch(p);
        if (r < 0) {
                /* It was given nothing, so there is nothing that can hold it up. */
                (void) kill(p->pid, SIGKILL);
                (void) waitpid(p->pid, NULL, 0);
                return r;
        }
        p->state = PROCESS_IDLE;
        pool->n_idle++;
        list_append(&pool->processes, &p->node);
        *ret = TAKE_PTR(p);
        return 0;
}

/* ---- the pool ---- */

int worker_pool_new(WorkerPool **ret, sd_event *event, int root_fd, const char *root) {
        WorkerPool *pool = calloc(1, sizeof(*pool));

        if (!pool)
                return -ENOMEM;
        list_init(&pool->processes);
        pool->event = sd_event_ref(event);
        pool->root_fd = root_fd;
        pool->root = root;
        *ret = pool;
        return 0;
}

WorkerPool *worker_pool_free(WorkerPool *pool) {
        if (!pool)
                return NULL;
        list_foreach_safe(p, &pool->processes, Process, node)
                process_free(p);
        sd_event_source_disable_unref(pool->trim);
        sd_event_unref(pool->event);
        free(pool);
        return NULL;
}

sd_event *worker_pool_event(const WorkerPool *pool) {
        return pool->event;
}

int worker_pool_root_fd(const WorkerPool *pool) {
        return pool->root_fd;
}

int worker_pool_prepare(WorkerPool *pool) {
        Process *p;

        return pool->n_idle > 0 ? 0 : process_new(&p, pool);
}

/* The one that was idle last: its memory is warm, and the others' time to end comes. */
static Process *find_idle(WorkerPool *pool) {
        Process *found = NULL;

        if (pool->n_idle > 0)
                list_foreach(p, &pool->processes, Process, node)
                        if (p->state == PROCESS_IDLE) {
                                found = p;
                                break;
                        }
        return found;
}

static int give(Assignment *a, Process *p, int record_fd) {
        int r;

        r = pass_send(p->socket_fd, record_fd, a->number);
        if (r < 0)
                return r;
        if (a->process) {
                list_unlink(&a->node);
                a->process->n_assignments--;
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

        while ((p = find_idle(pool))) {
                if (give(a, p, record_fd) >= 0)
                        return 0;
                process_end(p);
        }
        r = process_new(&p, pool);
        if (r < 0)
                return r;
        r = give(a, p, record_fd);
        if (r < 0)
                process_end(p);
        return r;
}

int worker_pool_assign(WorkerPool *pool, int record_fd, AssignmentDone done, AssignmentTurn turn,
                       void *userdata, Assignment **ret) {
        Assignment *a;
        int r;

        r = assignment_new(pool, done, turn, userdata, &a);
        if (r < 0)
                return r;
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
        tell_done(p, NULL);
        return 0;
}

int assignment_set_limit(Assignment *a, uint64_t usec) {
        Process *p = a->process;

        return sd_event_add_time_relative(p->pool->event, &p->limit, CLOCK_MONOTONIC, usec, 0,
                                          on_limit, p);
}

size_t worker_pool_count_killed(const WorkerPool *p) {
        return p->n_killed;
}

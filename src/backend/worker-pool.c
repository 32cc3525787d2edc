/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-pool.c: owns the worker processes: starting, hearing, keeping, ending, reaping. One that
 * is executed is watched before it is given anything; one that is born (worker-nursery.c), before
 * anything that it says of a job is heard. What it is given is worker-line.c's; one that has
 * nothing is idle.
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

#include "backend/worker-line.h"
#include "util/log.h"
#include "util/process.h"

/* Where a new process finds its program. */
#define WORKER_PROGRAM "/proc/self/fd/4"
static_assert(WORKER_PROGRAM_FD == 4 && WORKER_SOCKET_FD + 1 == WORKER_PROGRAM_FD,
              "a new process gets the two in this order");

/* ---- one process ---- */

Process *process_free(Process *p) {
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

void process_end(Process *p) {
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

void pool_trim_later(WorkerPool *pool) {
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
                /* before its greeting, which is shorter: any byte may be a number's first */
                if (p->state == PROCESS_NURSERY && (size_t) n == sizeof(Birth)) {
                        nursery_on_message(p->pool, line, (size_t) n);
                        continue;
                }
                if (line[0] == WORKER_GREETING) {
                        if (!process_born(p, atoi(line + 1)))
                                return 0;
                        process_note_begun(p);
                        continue;
                }
                if (p->state != PROCESS_BUSY || p->killed)
                        return 0;
                process_end_job(p, n > 1 ? line : NULL);
                if (p->state != PROCESS_BUSY)
                        return 0; /* it has nothing more to say */
        }
        return 0;
}

/* It is nothing that we lack, and costs time only; but who installed us wants to know. */
static void give_program_up(WorkerPool *pool, const char *why) {
        log_warning(&(LogFields){ .topic = "worker" },
                    "The worker's program cannot be used: %s. Workers are mdevd itself from now "
                    "on, which takes longer to start; install it anew and restart mdevd.",
                    why);
        pool->program_fd = safe_close(pool->program_fd);
}

void process_gone(Process *p) {
        if (p->state == PROCESS_IDLE)
                p->pool->n_idle--;
        p->state = PROCESS_ENDING; /* nobody gets in line any more */
        process_recall(p);
        while (p->n_assignments > 0)
                process_tell_done(p, NULL);
        process_free(p);
}

static int on_exit_of_process(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        siginfo_t info = {};
        Process *p = userdata;

        /* ECHILD: whoever started us has SIGCHLD ignored, and the kernel has reaped it */
        if (waitid(P_PIDFD, (id_t) p->pidfd, &info, WEXITED | WNOHANG) < 0 ? errno != ECHILD
                                                                           : info.si_pid == 0)
                return 0; /* not yet: it reports again */
        /* before it was there, of its own accord */
        if (!p->begun && !p->birth && !p->whole && p->state != PROCESS_ENDING &&
            p->pool->program_fd >= 0 && info.si_pid != 0 &&
            (info.si_code != CLD_KILLED || info.si_status != SIGKILL))
                give_program_up(p->pool, "it ends as soon as it is started");
        if (p == p->pool->nursery)
                nursery_lost(p->pool);
        else
                process_gone(p);
        return 0;
}

static int spawn(Process *p) {
        _cleanup_(freep) char *root_option = NULL;
        char *argv[4] = { (char *) "mdevd", (char *) "--worker" };
        const int fds[] = { p->worker_fd, p->pool->program_fd };
        int r = -ENOENT;

        if (asprintf(&root_option, "--root=%s", p->pool->root) < 0)
                return -ENOMEM;
        argv[2] = root_option;
        if (!p->whole)
                r = spawn_program(WORKER_PROGRAM, argv, WORKER_SOCKET_FD, fds, ARRAY_SIZE(fds),
                                  &p->pid);
        if (r >= 0)
                return 0;
        if (!p->whole)
                give_program_up(p->pool, strerrordesc_np(-r));
        p->whole = true;
        return spawn_program("/proc/self/exe", argv, WORKER_SOCKET_FD, fds, 1, &p->pid);
}

static int watch(Process *p) {
        int r;

        p->pidfd = (int) syscall(SYS_pidfd_open, p->pid, 0);
        if (p->pidfd < 0)
                return -errno;
        r = sd_event_add_io(p->pool->event, &p->exit, p->pidfd, EPOLLIN, on_exit_of_process, p);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(p->exit, "worker-exit");
        /* what it said before it ended comes first */
        return sd_event_source_set_priority(p->exit, SD_EVENT_PRIORITY_NORMAL + 1);
}

int process_execute(Process *p) {
        int r;

        r = spawn(p);
        if (r < 0)
                return r;
        r = watch(p);
        if (r < 0) {
                /* It was given nothing, so there is nothing that can hold it up. */
                (void) kill(p->pid, SIGKILL);
                (void) waitpid(p->pid, NULL, 0);
        }
        return r;
}

bool process_born(Process *p, pid_t pid) {
        p->nursery = NULL;
        if (p->pid > 0)
                return true;
        p->pid = pid;
        if (watch(p) < 0) {
                (void) kill(pid, SIGKILL);
                process_gone(p);
                return false;
        }
        if (p->killed) /* before we knew whom to kill */
                (void) syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
        return true;
}

int process_alloc(Process **ret, WorkerPool *pool) {
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
        r = sd_event_add_io(pool->event, &p->message, p->socket_fd, EPOLLIN, on_message, p);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(p->message, "worker");
        *ret = TAKE_PTR(p);
        return 0;
}

int process_new(Process **ret, WorkerPool *pool, bool whole) {
        _cleanup_(process_freep) Process *p = NULL;
        int r;

        r = process_alloc(&p, pool);
        if (r < 0)
                return r;
        p->whole = whole || pool->program_fd < 0;
        r = nursery_bear(p);
        if (r < 0)
                r = process_execute(p);
        if (r < 0)
                return r;
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
        pool->program_fd = -EBADF;
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
        safe_close(pool->program_fd);
        free(pool);
        return NULL;
}

void worker_pool_set_program(WorkerPool *pool, int program_fd) {
        if (pool->nursery) /* it is of the other one */
                process_end(TAKE_PTR(pool->nursery));
        pool->no_nursery = false;
        safe_close(pool->program_fd);
        pool->program_fd = program_fd;
}

sd_event *worker_pool_event(const WorkerPool *pool) {
        return pool->event;
}

int worker_pool_root_fd(const WorkerPool *pool) {
        return pool->root_fd;
}

int worker_pool_prepare(WorkerPool *pool) {
        Process *p;

        return pool->n_idle > 0 ? 0 : process_new(&p, pool, false);
}

/* The one that was idle last: its memory is warm, and the others' time to end comes. */
Process *pool_find_idle(WorkerPool *pool, bool whole) {
        Process *found = NULL;

        if (pool->n_idle > 0)
                list_foreach(p, &pool->processes, Process, node)
                        if (p->state == PROCESS_IDLE && (p->whole || !whole)) {
                                found = p;
                                break;
                        }
        return found;
}

size_t worker_pool_count_killed(const WorkerPool *p) {
        return p->n_killed;
}

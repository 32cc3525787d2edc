/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tracer.c: follows the daemon and all that it starts from system call to system call, and does one
 * thing at one of those that change something: a SIGKILL in place of it or right after it, an
 * error in place of it, or nothing at all in place of it while success is reported.
 *
 *     tracer [OPTIONS…] -- PROGRAM ARGUMENTS…
 *     tracer [OPTIONS…] --pid=PID
 *
 *     --root=DIR     only what is below DIR, "" for the machine's own (the default)
 *     --log=FILE     each call gets a line: "+" (or "-": no error can be put there) and its point
 *     --point=POINT  where; it is logged once more with "!" when it is hit
 *     --point-file=FILE  the same, in the first line of a file
 *     --do=WHAT      kill, kill-after, errno:N or skip
 *     --armed=FILE   calls count only while that file is there
 *     --freeze       when the daemon was killed its workers stand still until SIGUSR1
 *     --ended=FD     gets the daemon's wait status; then it is closed
 *     --ready=FD     gets a byte when the process that was there before is followed
 *
 * With --pid its children are followed, too; at SIGTERM all are let go. Without, signals go to the
 * daemon.
 *
 * A point is "ROLE CALL OBJECT #N": the N-th such call of that role since it was armed; without #N
 * it is all of them. The role is "daemon", "worker KIND/UUID" (from the record that it wrote to
 * last), "worker" or "child". A fake kernel that is loaded into the traced programs marks its work
 * by prctl(TRACER_MARK, …), see tracer-mark.h: between the marks there is one call, whatever it
 * takes to imitate it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracer-mark.h"
#include "tracer.h"

#define TASKS_MAX 256
#define POINTS_MAX 8192
#define ROLE_MAX 96

typedef enum Deed {
        DEED_NONE,
        DEED_KILL,
        DEED_KILL_AFTER,
        DEED_ERRNO,
        DEED_SKIP,
} Deed;

typedef struct Task Task;

struct Task {
        pid_t tid;
        char role[ROLE_MAX];
        bool in_kernel; /* between the marks of the fake kernel */
        Deed due;       /* at the end of this call */
        bool held;      /* stopped, and not to go on yet */
};

static struct {
        const char *root, *log, *point, *armed;
        Deed deed;
        int error, ended_fd, ready_fd;
        bool freeze, attach;
} options = { .root = "", .ended_fd = -1, .ready_fd = -1 };

static Task tasks[TASKS_MAX];
static size_t n_tasks;
static char *points[POINTS_MAX];
static size_t n_points;
static pid_t leader;
static bool frozen, hit;
static int log_fd = -1;

static void die(const char *what) {
        fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
        exit(125);
}

/* ---- tasks ---- */

static Task *find_task(pid_t tid) {
        for (size_t i = 0; i < n_tasks; i++)
                if (tasks[i].tid == tid)
                        return &tasks[i];
        if (n_tasks == TASKS_MAX) {
                errno = ENOSPC;
                die("too many processes");
        }
        tasks[n_tasks] = (Task){ .tid = tid };
        strcpy(tasks[n_tasks].role, tid == leader ? "daemon" : "child");
        return &tasks[n_tasks++];
}

static void forget_task(pid_t tid) {
        for (size_t i = 0; i < n_tasks; i++)
                if (tasks[i].tid == tid)
                        tasks[i] = tasks[--n_tasks];
}

static bool read_proc(pid_t tid, const char *name, char *buf, size_t size, size_t *ret) {
        char path[64];
        ssize_t n;
        int fd;

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) tid, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        n = read(fd, buf, size - 1);
        (void) close(fd);
        if (n < 0)
                return false;
        buf[n] = '\0';
        *ret = (size_t) n;
        return true;
}

/* The value of a string member in the first line of a record. */
static void member(const char *text, const char *key, char *buf, size_t size) {
        const char *at = strstr(text, key);

        buf[0] = '\0';
        if (at)
                (void) snprintf(buf, size, "%.*s", (int) strcspn(at + strlen(key), "\""),
                                at + strlen(key));
}

static void on_exec(Task *t) {
        char text[4096];
        size_t n;

        if (read_proc(t->tid, "cmdline", text, sizeof(text), &n) && memmem(text, n, "--worker", 8))
                strcpy(t->role, "worker");
}

/* A worker has one job after the other; which, says the record that it writes to. */
static void on_record(Task *t, int fd) {
        char name[32], text[4096], kind[16], uuid[40];
        size_t n;

        (void) snprintf(name, sizeof(name), "fd/%d", fd);
        if (!read_proc(t->tid, name, text, sizeof(text), &n))
                return;
        member(text, "\"kind\":\"", kind, sizeof(kind));
        member(text, "\"uuid\":\"", uuid, sizeof(uuid));
        (void) snprintf(t->role, sizeof(t->role), "worker %s/%s", kind, uuid);
}

/* ---- points ---- */

static void say(char sign, const char *point) {
        char line[KEY_MAX + ROLE_MAX + 32];
        int n = snprintf(line, sizeof(line), "%c %s\n", sign, point);

        if (log_fd >= 0 && syscall(SYS_write, log_fd, line, n) != n)
                die("the log");
}

/* What is to be done at this call. */
static Deed meet(const Task *t, const Call *c) {
        char what[KEY_MAX + ROLE_MAX + 16], point[sizeof(what) + 16];
        unsigned n = 1;

        if (options.armed && access(options.armed, F_OK) < 0) {
                while (n_points > 0)
                        free(points[--n_points]);
                return DEED_NONE;
        }
        (void) snprintf(what, sizeof(what), "%s %s %s", t->role, c->name, c->object);
        for (size_t i = 0; i < n_points; i++)
                n += strcmp(points[i], what) == 0;
        if (n_points == POINTS_MAX || !(points[n_points] = strdup(what)))
                die("too many points");
        n_points++;
        (void) snprintf(point, sizeof(point), "%s #%u", what, n);
        say(c->fallible ? '+' : '-', point);
        if (!options.point || (strcmp(options.point, what) != 0 &&
                               (hit || strcmp(options.point, point) != 0)))
                return DEED_NONE;
        hit = true;
        say('!', point);
        return options.deed;
}

static void end(const Task *t) {
        if (t->tid == leader && options.freeze)
                frozen = true;
        (void) kill(t->tid, SIGKILL);
}

/* ---- system calls ---- */

static void set_registers(pid_t tid, bool entry, long value) {
        struct user_regs_struct regs;

        if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0)
                return;
        if (entry)
                regs.orig_rax = (unsigned long) value;
        else
                regs.rax = (unsigned long) value;
        (void) ptrace(PTRACE_SETREGS, tid, NULL, &regs);
}

static void act(Task *t, Deed deed) {
        switch (deed) {
        case DEED_NONE:
                return;
        case DEED_KILL:
                end(t);
                return;
        case DEED_ERRNO:
        case DEED_SKIP:
                set_registers(t->tid, true, -1); /* there is no such call */
                break;
        case DEED_KILL_AFTER:
                break;
        }
        t->due = deed;
}

static void on_mark(Task *t, const uint64_t args[6]) {
        Call c = { .name = "kernel", .fallible = true };

        if (args[1] == TRACER_MARK_END) {
                t->in_kernel = false;
                if (t->due == DEED_KILL_AFTER)
                        end(t);
                return;
        }
        t->in_kernel = true;
        if (args[1] == TRACER_MARK_QUIET)
                return;
        if (!read_string(t->tid, args[2], c.object, sizeof(c.object)))
                die("a mark without a name");
        act(t, meet(t, &c));
}

static void on_entry(Task *t, const struct ptrace_syscall_info *info) {
        const uint64_t *args = (const uint64_t *) info->entry.args;
        Call c;

        if (info->entry.nr == SYS_prctl && args[0] == TRACER_MARK)
                on_mark(t, args);
        else if (!t->in_kernel && call_changes(options.root, t->tid, info->entry.nr, args, &c)) {
                if (strncmp(t->role, "worker", 6) == 0 && strcmp(c.name, "write") == 0 &&
                    strncmp(c.object, "run/mdevd/ops/", 14) == 0)
                        on_record(t, (int) args[0]);
                act(t, meet(t, &c));
        }
}

static void on_exit_of(Task *t) {
        switch (t->due) {
        case DEED_ERRNO:
                set_registers(t->tid, false, -options.error);
                break;
        case DEED_SKIP:
                set_registers(t->tid, false, 0);
                break;
        case DEED_KILL_AFTER:
                if (t->in_kernel)
                        return; /* after what is imitated, not after the mark */
                end(t);
                break;
        default:
                return;
        }
        t->due = DEED_NONE;
}

static void on_syscall(Task *t) {
        struct ptrace_syscall_info info;

        if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(info), &info) < 0)
                return;
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
                on_entry(t, &info);
        else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
                on_exit_of(t);
}

/* ---- stops ---- */

static void resume(Task *t, int signal) {
        /* not in the midst of the fake kernel, which has locks */
        if (frozen && t->tid != leader && !t->in_kernel) {
                t->held = true;
                return;
        }
        (void) ptrace(PTRACE_SYSCALL, t->tid, NULL, signal);
}

static void thaw(void) {
        frozen = false;
        for (size_t i = 0; i < n_tasks; i++)
                if (tasks[i].held) {
                        tasks[i].held = false;
                        resume(&tasks[i], 0);
                }
}

static void on_end(pid_t tid, int status) {
        forget_task(tid);
        if (tid != leader || options.ended_fd < 0)
                return;
        (void) syscall(SYS_write, options.ended_fd, &status, sizeof(status));
        (void) close(options.ended_fd);
        options.ended_fd = -1;
}

static void on_stop(pid_t tid, int status) {
        Task *t = find_task(tid);
        int event = status >> 16, signal = WSTOPSIG(status);

        if (signal == (SIGTRAP | 0x80)) {
                on_syscall(t);
                signal = 0;
        } else if (event == PTRACE_EVENT_EXEC ||
                   (event == PTRACE_EVENT_STOP && strcmp(t->role, "child") == 0)) {
                on_exec(t); /* a new process may be a worker from the first */
                signal = 0;
        } else if (event != 0)
                signal = 0; /* who makes a new process */
        resume(t, signal);
}

/* False: nobody is left. */
static bool drain(int *leader_status) {
        int status;
        pid_t tid;

        while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
                if (WIFSTOPPED(status)) {
                        on_stop(tid, status);
                        continue;
                }
                if (tid == leader)
                        *leader_status = status;
                on_end(tid, status);
        }
        return tid == 0 || errno == EINTR;
}

/* ---- begin ---- */

static const unsigned long trace_options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
                                           PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                                           PTRACE_O_TRACEEXEC;

static void launch(char *argv[]) {
        int fds[2];
        char byte;

        if (pipe2(fds, O_CLOEXEC) < 0)
                die("pipe");
        leader = fork();
        if (leader < 0)
                die("fork");
        if (leader == 0) {
                sigset_t none;

                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) close(fds[1]);
                if (options.ended_fd >= 0)
                        (void) close(options.ended_fd);
                (void) sigemptyset(&none);
                (void) sigprocmask(SIG_SETMASK, &none, NULL);
                if (read(fds[0], &byte, 1) != 1)
                        _exit(125);
                (void) execv(argv[0], argv);
                die(argv[0]);
        }
        if (ptrace(PTRACE_SEIZE, leader, NULL, trace_options | PTRACE_O_EXITKILL) < 0)
                die("ptrace");
        if (syscall(SYS_write, fds[1], "", 1) != 1)
                die("pipe");
        (void) close(fds[0]);
        (void) close(fds[1]);
}

static void attach_one(pid_t pid) {
        if (ptrace(PTRACE_SEIZE, pid, NULL, trace_options) < 0 ||
            ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
                die("ptrace");
        on_exec(find_task(pid));
}

static void attach(void) {
        char name[64], text[4096], *save = NULL;
        size_t n;

        attach_one(leader);
        (void) snprintf(name, sizeof(name), "task/%d/children", (int) leader);
        if (!read_proc(leader, name, text, sizeof(text), &n))
                die("children");
        for (char *s = strtok_r(text, " ", &save); s; s = strtok_r(NULL, " ", &save))
                attach_one(atoi(s));
        if (options.ready_fd >= 0 && syscall(SYS_write, options.ready_fd, "", 1) != 1)
                die("ready");
}

static void parse_deed(const char *text) {
        static const struct {
                const char *name;
                Deed deed;
        } deeds[] = { { "kill", DEED_KILL }, { "kill-after", DEED_KILL_AFTER },
                      { "skip", DEED_SKIP } };

        if (strncmp(text, "errno:", 6) == 0) {
                options.deed = DEED_ERRNO;
                options.error = atoi(text + 6);
                return;
        }
        for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
                if (strcmp(text, deeds[i].name) == 0) {
                        options.deed = deeds[i].deed;
                        return;
                }
        errno = EINVAL;
        die(text);
}

static void read_point(const char *path) {
        static char line[KEY_MAX + ROLE_MAX + 32];
        FILE *file = fopen(path, "re");

        if (!file || !fgets(line, sizeof(line), file))
                die(path);
        (void) fclose(file);
        line[strcspn(line, "\n")] = '\0';
        options.point = line;
}

static void parse(int argc, char *argv[]) {
        static const struct option names[] = {
                { "root", required_argument, NULL, 'r' },  { "log", required_argument, NULL, 'l' },
                { "point", required_argument, NULL, 'p' }, { "do", required_argument, NULL, 'd' },
                { "armed", required_argument, NULL, 'a' }, { "freeze", no_argument, NULL, 'f' },
                { "ended", required_argument, NULL, 'e' }, { "pid", required_argument, NULL, 'P' },
                { "point-file", required_argument, NULL, 'F' },
                { "ready", required_argument, NULL, 'R' },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "+", names, NULL)) >= 0)
                switch (c) {
                case 'r': options.root = optarg; break;
                case 'l': options.log = optarg; break;
                case 'p': options.point = optarg; break;
                case 'd': parse_deed(optarg); break;
                case 'a': options.armed = optarg; break;
                case 'f': options.freeze = true; break;
                case 'e': options.ended_fd = atoi(optarg); break;
                case 'F': read_point(optarg); break;
                case 'R': options.ready_fd = atoi(optarg); break;
                case 'P':
                        leader = atoi(optarg);
                        options.attach = true;
                        break;
                default: exit(125);
                }
}

int main(int argc, char *argv[]) {
        int status = 0, signal;
        sigset_t set;

        parse(argc, argv);
        if (options.log) {
                log_fd = open(options.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
                if (log_fd < 0)
                        die(options.log);
        }
        if (options.ended_fd >= 0)
                (void) fcntl(options.ended_fd, F_SETFD, FD_CLOEXEC);
        (void) sigemptyset(&set);
        for (size_t i = 0; i < 5; i++)
                (void) sigaddset(&set, (int[]){ SIGCHLD, SIGUSR1, SIGTERM, SIGINT, SIGHUP }[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                die("signals");
        if (leader > 0)
                attach();
        else if (optind < argc)
                launch(argv + optind);
        else
                exit(125);

        while (drain(&status)) {
                signal = sigwaitinfo(&set, NULL);
                if (signal == SIGUSR1)
                        thaw();
                else if (signal == SIGTERM && options.attach)
                        return EXIT_SUCCESS; /* the kernel lets all go with us */
                else if (signal > 0 && signal != SIGCHLD)
                        (void) kill(leader, signal);
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

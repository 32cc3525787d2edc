/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns the jobs: each a process started for the host, in a cgroup of its own so that all it starts
 * can be ended, with its output on a pipe or a pseudo terminal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

#define STRINGS_MAX 512

struct job {
        uint32_t id;
        pid_t pid;
        int out; /* pipe or pty master; -1 after its end */
        int in;  /* pipe; -1: there is none, or it is closed */
        bool tty;
        bool exited;
        int status;
        uint32_t left;
};

static char cgroup[512];
static struct job jobs[JOBS_MAX];

/* -- cgroups ----------------------------------------------------------------------------------- */

static int write_text(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        int r;

        if (fd < 0)
                return -errno;
        r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
        close(fd);
        return r;
}

static void cgroup_setup(void)
{
        char line[400] = "", path[700];
        FILE *f = fopen("/proc/self/cgroup", "re");

        if (!f || !fgets(line, sizeof line, f) || strncmp(line, "0::", 3) != 0)
                die("no unified cgroup tree");
        fclose(f);
        line[strcspn(line, "\n")] = 0;
        snprintf(cgroup, sizeof cgroup, "/sys/fs/cgroup%s", line + 3);
        /* a cgroup with children may not hold processes of its own */
        snprintf(path, sizeof path, "%s/agent", cgroup);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                die("cannot make %s: %m", path);
        snprintf(path, sizeof path, "%s/agent/cgroup.procs", cgroup);
        if (write_text(path, "0") < 0)
                die("cannot enter %s: %m", path);
}

static void job_cgroup(const struct job *j, const char *file, char *path, size_t size)
{
        snprintf(path, size, "%s/job-%u/%s", cgroup, j->id, file);
}

static uint32_t job_processes(const struct job *j)
{
        char path[700], line[64];
        uint32_t n = 0;
        FILE *f;

        job_cgroup(j, "cgroup.procs", path, sizeof path);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof line, f))
                n++;
        if (f)
                fclose(f);
        return n;
}

static void job_end(const struct job *j)
{
        char path[700];

        job_cgroup(j, "cgroup.kill", path, sizeof path);
        (void) write_text(path, "1");
}

/* -- jobs -------------------------------------------------------------------------------------- */

static struct job *job_find(uint32_t id)
{
        for (size_t i = 0; i < JOBS_MAX; i++)
                if (jobs[i].id == id && id != 0)
                        return &jobs[i];
        return NULL;
}

static size_t split(char *data, size_t size, char **strings, size_t max)
{
        size_t n = 0;

        for (size_t i = 0; i < size && n < max; i += strlen(data + i) + 1)
                strings[n++] = data + i;
        return n;
}

__attribute__((noreturn)) static void job_child(const struct job *j, const char *folder, char **env,
                                                size_t n_env, char **argv)
{
        char path[700];
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        job_cgroup(j, "cgroup.procs", path, sizeof path);
        if (write_text(path, "0") < 0)
                fprintf(stderr, "agent: cannot enter %s\n", path);
        for (size_t i = 0; i < n_env; i++)
                putenv(env[i]);
        if (chdir(folder) < 0) {
                fprintf(stderr, "agent: cannot enter %s: %m\n", folder);
                _exit(127);
        }
        execvp(argv[0], argv);
        fprintf(stderr, "agent: cannot run %s: %m\n", argv[0]);
        _exit(127);
}

static int job_spawn(struct job *j, bool piped, const char *folder, char **env, size_t n_env,
                     char **argv)
{
        struct winsize size = { .ws_row = 24, .ws_col = 80 };
        int pipefd[2], in[2] = { -1, -1 };

        if (j->tty) {
                j->pid = forkpty(&j->out, NULL, NULL, &size);
                if (j->pid == 0)
                        job_child(j, folder, env, n_env, argv);
                if (j->pid > 0)
                        fcntl(j->out, F_SETFD, FD_CLOEXEC);
                return j->pid < 0 ? -errno : 0;
        }
        if (pipe2(pipefd, O_CLOEXEC) < 0 || (piped && pipe2(in, O_CLOEXEC) < 0))
                return -errno;
        j->pid = fork();
        if (j->pid == 0) {
                setsid();
                dup2(piped ? in[0] : open("/dev/null", O_RDONLY), 0);
                dup2(pipefd[1], 1);
                dup2(pipefd[1], 2);
                job_child(j, folder, env, n_env, argv);
        }
        close(pipefd[1]);
        j->out = pipefd[0];
        if (piped) {
                close(in[0]);
                j->in = in[1];
                /* one that does not read must not stop us */
                fcntl(j->in, F_SETFL, O_NONBLOCK);
        }
        return j->pid < 0 ? -errno : 0;
}

static void send_exit(uint32_t id, int status, uint32_t left)
{
        uint32_t words[2] = { (uint32_t) status, left };

        send_frame(id, FRAME_EXIT, words, sizeof words);
}

void job_run(uint32_t id, char *data, size_t size)
{
        char *strings[STRINGS_MAX + 1] = { NULL };
        size_t n = split(data, size, strings, STRINGS_MAX), n_env;
        struct job *j = NULL;
        char path[700];

        for (size_t i = 0; i < JOBS_MAX && !j; i++)
                if (jobs[i].id == 0)
                        j = &jobs[i];
        n_env = n > 2 ? strtoul(strings[2], NULL, 10) : 0;
        if (!j || n < 4 + n_env) {
                static const char text[] = "agent: bad request, or too many jobs\n";

                send_frame(id, FRAME_OUTPUT, text, sizeof text - 1);
                send_exit(id, 127 << 8, 0);
                return;
        }
        *j = (struct job){ .id = id, .out = -1, .in = -1, .tty = strcmp(strings[0], "tty") == 0 };
        job_cgroup(j, "", path, sizeof path);
        if (mkdir(path, 0755) < 0)
                die("cannot make %s: %m", path);
        if (job_spawn(j, strcmp(strings[0], "pipe") == 0, strings[1], strings + 3, n_env,
                      strings + 3 + n_env) < 0)
                die("cannot start a job: %m");
}

/* A job has ended when its first process has, and nobody holds its output any more. */
static void job_finish(struct job *j)
{
        char path[700];

        if (!j->exited || j->out >= 0)
                return;
        send_exit(j->id, j->status, j->left);
        job_cgroup(j, "", path, sizeof path);
        rmdir(path); /* one with an unkillable process stays: the host hears of it by the time */
        if (j->in >= 0)
                close(j->in);
        *j = (struct job){ .out = -1, .in = -1 };
}

void job_input(uint32_t id, const char *data, size_t size)
{
        struct job *j = job_find(id);
        int fd = !j ? -1 : j->tty ? j->out : j->in;

        if (fd < 0)
                return;
        if (size > 0) {
                /* who does not read, or is gone, misses it */
                (void) !write(fd, data, size);
        } else if (j->in >= 0) {
                close(j->in);
                j->in = -1;
        }
}

static void job_output(struct job *j)
{
        char buf[16384];
        ssize_t n = read(j->out, buf, sizeof buf);

        if (n > 0) {
                send_frame(j->id, FRAME_OUTPUT, buf, (size_t) n);
                return;
        }
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return;
        close(j->out); /* a pty says EIO at its end */
        j->out = -1;
        job_finish(j);
}

void jobs_reap(int sigfd)
{
        struct signalfd_siginfo info;
        int status;
        pid_t pid;

        (void) !read(sigfd, &info, sizeof info);
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                for (size_t i = 0; i < JOBS_MAX; i++) {
                        struct job *j = &jobs[i];

                        if (j->id == 0 || j->pid != pid || j->exited)
                                continue;
                        j->exited = true;
                        j->status = status;
                        j->left = job_processes(j);
                        if (j->left > 0)
                                job_end(j);
                        job_finish(j);
                }
        }
}

void job_size(uint32_t id, const char *data, size_t size)
{
        struct job *j = job_find(id);
        struct winsize ws = { 0 };
        uint32_t w[2];

        if (!j || !j->tty || j->out < 0 || size != sizeof w)
                return;
        memcpy(w, data, sizeof w);
        ws.ws_row = (unsigned short) w[0];
        ws.ws_col = (unsigned short) w[1];
        ioctl(j->out, TIOCSWINSZ, &ws);
}

void job_kill(uint32_t id)
{
        struct job *j = job_find(id);

        if (j)
                job_end(j);
}

void jobs_poll_set(struct pollfd *p)
{
        for (size_t i = 0; i < JOBS_MAX; i++)
                p[i] = (struct pollfd){ .fd = jobs[i].id ? jobs[i].out : -1, .events = POLLIN };
}

void jobs_poll_done(struct pollfd *p)
{
        for (size_t i = 0; i < JOBS_MAX; i++)
                if (p[i].revents)
                        job_output(&jobs[i]);
}

void jobs_init(void)
{
        /* what a job leaves behind becomes our child, so that its end is seen */
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        cgroup_setup();
        for (size_t i = 0; i < JOBS_MAX; i++)
                jobs[i].out = jobs[i].in = -1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns the inside end of the control channel: runs what the host asks for as root, each job in a
 * cgroup of its own, sends its output and its exit status back, and carries the questions of
 * tests/vm/agent/host.c (asked on a socket by the job) to the host and the answers back.
 *
 * Statically linked and without any start-up cost, because under emulation an interpreter costs
 * seconds. One frame is three little-endian words (length of the payload, id, type) and the
 * payload; the other end is tests/lib/link.py.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT_NAME "mdevd.ctl"
#define ASK_SOCKET "/run/mdevd-test.sock"
#define PAYLOAD_MAX (1024U * 1024U)
#define STRINGS_MAX 512
#define JOBS_MAX 16
#define ASKS_MAX 16

enum frame_type {
        /* host to VM */
        FRAME_RUN = 1,   /* strings: tty or "", folder, number of env, env..., argv... */
        FRAME_INPUT = 2, /* bytes for a job's terminal */
        FRAME_SIZE = 3,  /* rows, columns as words */
        FRAME_KILL = 4,  /* end the job and all it started */
        FRAME_ANSWER = 5, /* status byte, text */
        /* VM to host */
        FRAME_HELLO = 16,
        FRAME_OUTPUT = 17,
        FRAME_EXIT = 18, /* wait status, number of processes left behind, as words */
        FRAME_ASK = 19,  /* strings: argv of host */
};

struct frame {
        uint32_t size;
        uint32_t id;
        uint32_t type;
};

struct job {
        uint32_t id;
        pid_t pid;
        int out; /* pipe or pty master; -1 after its end */
        bool tty;
        bool exited;
        int status;
        uint32_t left;
};

struct ask {
        uint32_t id;
        int fd;
        size_t used;
        bool sent;
        char text[8192];
};

static int port = -1;
static int asks_listen = -1;
static char cgroup[512];
static struct job jobs[JOBS_MAX];
static struct ask asks[ASKS_MAX];
static uint32_t next_ask = 1;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        fputs("agent: ", stderr);
        vfprintf(stderr, format, ap);
        fputc('\n', stderr);
        va_end(ap);
        exit(1);
}

static void write_all(int fd, const void *data, size_t size)
{
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        die("the control channel is gone: %m");
                p += n;
                size -= (size_t) n;
        }
}

static void send_frame(uint32_t id, uint32_t type, const void *data, size_t size)
{
        struct frame f = { .size = (uint32_t) size, .id = id, .type = type };

        write_all(port, &f, sizeof f);
        if (size > 0)
                write_all(port, data, size);
}

static void say(uint32_t id, const char *text)
{
        send_frame(id, FRAME_OUTPUT, text, strlen(text));
}

/* -- the port ---------------------------------------------------------------------------------- */

static int port_find(void)
{
        DIR *d = opendir("/sys/class/virtio-ports");
        struct dirent *e;
        int fd = -1;

        if (!d)
                return -1;
        while (fd < 0 && (e = readdir(d))) {
                char path[600], name[64] = "";
                int n;

                snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", e->d_name);
                n = open(path, O_RDONLY | O_CLOEXEC);
                if (n < 0)
                        continue;
                if (read(n, name, sizeof name - 1) > 0 &&
                    strncmp(name, PORT_NAME "\n", strlen(PORT_NAME) + 1) == 0) {
                        snprintf(path, sizeof path, "/dev/%s", e->d_name);
                        fd = open(path, O_RDWR | O_CLOEXEC);
                }
                close(n);
        }
        closedir(d);
        return fd;
}

/* The port may appear after we did: listen for the kernel's events first, then look. */
static int port_await(void)
{
        struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
        int nl = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
        int fd;

        if (nl < 0 || bind(nl, (struct sockaddr *) &addr, sizeof addr) < 0)
                die("no kernel events: %m");
        while ((fd = port_find()) < 0) {
                char buf[4096];

                if (recv(nl, buf, sizeof buf, 0) < 0 && errno != EINTR && errno != ENOBUFS)
                        die("reading kernel events: %m");
        }
        close(nl);
        return fd;
}

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

static void job_kill(const struct job *j)
{
        char path[700];

        job_cgroup(j, "cgroup.kill", path, sizeof path);
        (void) write_text(path, "1");
}

/* -- jobs -------------------------------------------------------------------------------------- */

static struct job *job_by_id(uint32_t id)
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
        prctl(PR_SET_PDEATHSIG, 0);
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

static int job_spawn(struct job *j, const char *folder, char **env, size_t n_env, char **argv)
{
        struct winsize size = { .ws_row = 24, .ws_col = 80 };
        int pipefd[2];

        if (j->tty) {
                j->pid = forkpty(&j->out, NULL, NULL, &size);
                if (j->pid == 0)
                        job_child(j, folder, env, n_env, argv);
                return j->pid < 0 ? -errno : 0;
        }
        if (pipe2(pipefd, O_CLOEXEC) < 0)
                return -errno;
        j->pid = fork();
        if (j->pid == 0) {
                int null = open("/dev/null", O_RDONLY);

                setsid();
                dup2(null, 0);
                dup2(pipefd[1], 1);
                dup2(pipefd[1], 2);
                job_child(j, folder, env, n_env, argv);
        }
        close(pipefd[1]);
        j->out = pipefd[0];
        return j->pid < 0 ? -errno : 0;
}

static void send_exit(uint32_t id, int status, uint32_t left)
{
        uint32_t words[2] = { (uint32_t) status, left };

        send_frame(id, FRAME_EXIT, words, sizeof words);
}

static void job_run(uint32_t id, char *data, size_t size)
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
                say(id, "agent: bad request, or too many jobs\n");
                send_exit(id, 127 << 8, 0);
                return;
        }
        *j = (struct job){ .id = id, .out = -1, .tty = strcmp(strings[0], "tty") == 0 };
        job_cgroup(j, "", path, sizeof path);
        if (mkdir(path, 0755) < 0)
                die("cannot make %s: %m", path);
        if (job_spawn(j, strings[1], strings + 3, n_env, strings + 3 + n_env) < 0)
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
        *j = (struct job){ .out = -1 };
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

static void reap(int sigfd)
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
                                job_kill(j);
                        job_finish(j);
                }
        }
}

/* -- questions to the host --------------------------------------------------------------------- */

static void asks_open(void)
{
        struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = ASK_SOCKET };

        asks_listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        unlink(ASK_SOCKET);
        if (asks_listen < 0 || bind(asks_listen, (struct sockaddr *) &addr, sizeof addr) < 0 ||
            listen(asks_listen, ASKS_MAX) < 0)
                die("cannot listen on %s: %m", ASK_SOCKET);
}

static void ask_accept(void)
{
        int fd = accept4(asks_listen, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
                return;
        for (size_t i = 0; i < ASKS_MAX; i++) {
                if (asks[i].id != 0)
                        continue;
                asks[i] = (struct ask){ .id = next_ask++, .fd = fd };
                return;
        }
        close(fd);
}

static void ask_close(struct ask *a)
{
        close(a->fd);
        *a = (struct ask){ .fd = -1 };
}

/* The question ends where its sender shuts down its half of the connection. */
static void ask_read(struct ask *a)
{
        ssize_t n = read(a->fd, a->text + a->used, sizeof a->text - a->used);

        if (n > 0) {
                a->used += (size_t) n;
        } else if (n == 0 && !a->sent && a->used > 0) {
                send_frame(a->id, FRAME_ASK, a->text, a->used);
                a->sent = true;
        } else {
                ask_close(a);
        }
}

static void ask_answer(uint32_t id, const char *data, size_t size)
{
        for (size_t i = 0; i < ASKS_MAX; i++) {
                if (asks[i].id != id || id == 0)
                        continue;
                /* whoever asked may be gone: that is not our failure */
                (void) send(asks[i].fd, data, size, MSG_NOSIGNAL);
                ask_close(&asks[i]);
        }
}

/* -- the loop ---------------------------------------------------------------------------------- */

static void dispatch(const struct frame *f, char *data)
{
        struct job *j = job_by_id(f->id);

        switch (f->type) {
        case FRAME_RUN:
                job_run(f->id, data, f->size);
                break;
        case FRAME_INPUT:
                if (j && j->tty && j->out >= 0)
                        (void) !write(j->out, data, f->size);
                break;
        case FRAME_SIZE:
                if (j && j->tty && j->out >= 0 && f->size == 8) {
                        uint32_t w[2];
                        struct winsize size = { 0 };

                        memcpy(w, data, sizeof w);
                        size.ws_row = (unsigned short) w[0];
                        size.ws_col = (unsigned short) w[1];
                        ioctl(j->out, TIOCSWINSZ, &size);
                }
                break;
        case FRAME_KILL:
                if (j)
                        job_kill(j);
                break;
        case FRAME_ANSWER:
                ask_answer(f->id, data, f->size);
                break;
        default:
                die("unknown frame %u", f->type);
        }
}

static void port_read(void)
{
        static char buf[sizeof(struct frame) + PAYLOAD_MAX + 1];
        static size_t used;
        ssize_t n = read(port, buf + used, sizeof buf - 1 - used);

        if (n <= 0 && !(n < 0 && errno == EINTR))
                die("the host has closed the control channel");
        used += n > 0 ? (size_t) n : 0;
        for (;;) {
                struct frame f;
                size_t total;

                if (used < sizeof f)
                        return;
                memcpy(&f, buf, sizeof f);
                if (f.size > PAYLOAD_MAX)
                        die("a frame of %u bytes is too long", f.size);
                total = sizeof f + f.size;
                if (used < total)
                        return;
                /* strings of a payload always end inside it */
                char after = buf[total];

                buf[total] = 0;
                dispatch(&f, buf + sizeof f);
                buf[total] = after;
                memmove(buf, buf + total, used - total);
                used -= total;
        }
}

static void loop_once(int sigfd)
{
        struct pollfd p[3 + JOBS_MAX + ASKS_MAX];

        p[0] = (struct pollfd){ .fd = port, .events = POLLIN };
        p[1] = (struct pollfd){ .fd = asks_listen, .events = POLLIN };
        p[2] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
        for (size_t i = 0; i < JOBS_MAX; i++)
                p[3 + i] = (struct pollfd){ .fd = jobs[i].id ? jobs[i].out : -1, .events = POLLIN };
        for (size_t i = 0; i < ASKS_MAX; i++)
                p[3 + JOBS_MAX + i] = (struct pollfd){
                        /* one that has sent its question is only written to */
                        .fd = asks[i].id && !asks[i].sent ? asks[i].fd : -1,
                        .events = POLLIN,
                };
        if (poll(p, 3 + JOBS_MAX + ASKS_MAX, -1) < 0) {
                if (errno == EINTR)
                        return;
                die("poll: %m");
        }
        for (size_t i = 0; i < JOBS_MAX; i++)
                if (p[3 + i].revents)
                        job_output(&jobs[i]);
        if (p[2].revents)
                reap(sigfd);
        for (size_t i = 0; i < ASKS_MAX; i++)
                if (p[3 + JOBS_MAX + i].revents)
                        ask_read(&asks[i]);
        if (p[1].revents)
                ask_accept();
        if (p[0].revents)
                port_read();
}

int main(void)
{
        sigset_t chld;
        int sigfd;

        sigemptyset(&chld);
        sigaddset(&chld, SIGCHLD);
        sigprocmask(SIG_BLOCK, &chld, NULL);
        signal(SIGPIPE, SIG_IGN);
        sigfd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        for (size_t i = 0; i < JOBS_MAX; i++)
                jobs[i].out = -1;
        cgroup_setup();
        asks_open();
        port = port_await();
        send_frame(0, FRAME_HELLO, NULL, 0);
        for (;;)
                loop_once(sigfd);
}

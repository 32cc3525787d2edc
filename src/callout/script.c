/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * script.c: owns the process of a script, its three pipes, and its end. It is over when the process
 * is: whatever it leaves in the background may keep a pipe open for as long as it likes. One that
 * does not even end when it is killed (it is in an uninterruptible call of a driver) is left
 * behind.
 */
#include "callout/script.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "util/macro.h"
#include "util/process.h"

typedef struct Stream Stream;
typedef struct Script Script;

/* What one of its outputs has said so far. */
struct Stream {
        int fd;
        FILE *file;
        char *text;
        size_t size;
};

struct Script {
        pid_t pid;
        int pidfd, input_fd;
        const char *input;
        size_t left; /* of @input */
        Stream output, errors;
};

void script_result_done(ScriptResult *r) {
        free(r->output);
        free(r->errors);
        *r = (ScriptResult){};
}

static void stream_done(Stream *s) {
        safe_close(s->fd);
        if (s->file)
                (void) fclose(s->file);
        free(s->text);
}

static void script_done(Script *s) {
        safe_close(s->pidfd);
        safe_close(s->input_fd);
        stream_done(&s->output);
        stream_done(&s->errors);
}

static int stream_open(Stream *s) {
        s->file = open_memstream(&s->text, &s->size);
        return s->file ? 0 : -ENOMEM;
}

/* One of its descriptors: ours never blocks, its own does. */
static int make_pipe(int *ret_ours, int *ret_its, bool we_write) {
        int pair[2];

        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        *ret_ours = pair[we_write];
        *ret_its = pair[!we_write];
        return RET_NERRNO(fcntl(*ret_ours, F_SETFL, O_NONBLOCK));
}

static void end(const Script *s) {
        (void) kill(-s->pid, SIGKILL);
        (void) kill(s->pid, SIGKILL);
}

static int start(Script *s, char *const argv[]) {
        int its[3] = { -EBADF, -EBADF, -EBADF }, r;

        r = make_pipe(&s->input_fd, &its[0], true);
        if (r >= 0)
                r = make_pipe(&s->output.fd, &its[1], false);
        if (r >= 0)
                r = make_pipe(&s->errors.fd, &its[2], false);
        if (r >= 0)
                r = stream_open(&s->output);
        if (r >= 0)
                r = stream_open(&s->errors);
        if (r >= 0)
                r = spawn_program(argv[0], argv, 0, its, ARRAY_SIZE(its), &s->pid);
        for (int i = 0; i < 3; i++)
                safe_close(its[i]);
        if (r < 0)
                return r;
        s->pidfd = (int) syscall(SYS_pidfd_open, s->pid, 0);
        if (s->pidfd >= 0)
                return 0;
        r = -errno;
        end(s);
        (void) waitpid(s->pid, NULL, 0);
        return r;
}

/* A script need not read what it is given. */
static void feed(Script *s) {
        ssize_t n = s->left > 0 ? write(s->input_fd, s->input, s->left) : 0;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n < 0)
                s->left = 0;
        if (n > 0) {
                s->left -= (size_t) n;
                s->input += n;
        }
        if (s->left == 0)
                s->input_fd = safe_close(s->input_fd);
}

#define READ_BYTES 4096

/* Whether there may be more. */
static bool take(Stream *s) {
        char text[READ_BYTES];
        ssize_t n = read(s->fd, text, sizeof(text));

        if (n > 0 && ftell(s->file) + n <= SCRIPT_OUTPUT_MAX)
                (void) fwrite(text, 1, (size_t) n, s->file);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                s->fd = safe_close(s->fd);
        return n > 0;
}

static int64_t now_msec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#define KILLED_MSEC 5000 /* for the end of what was killed */

/* Until the process has ended. False: its time is over. */
static bool attend(Script *s, int64_t until) {
        for (;;) {
                struct pollfd fds[] = {
                        { .fd = s->pidfd, .events = POLLIN },
                        { .fd = s->input_fd, .events = POLLOUT },
                        { .fd = s->output.fd, .events = POLLIN },
                        { .fd = s->errors.fd, .events = POLLIN },
                };
                int64_t left = until - now_msec();

                if (left <= 0)
                        return false;
                if (poll(fds, ARRAY_SIZE(fds), (int) MIN(left, (int64_t) 60000)) < 0)
                        continue;
                if (fds[1].revents)
                        feed(s);
                if (fds[2].revents)
                        (void) take(&s->output);
                if (fds[3].revents)
                        (void) take(&s->errors);
                if (fds[0].revents)
                        return true;
        }
}

/* What it had said by its end, and not what another says that has the pipe and goes on for ever. */
static int stream_finish(Stream *s, char **ret, size_t *ret_size) {
        for (size_t n = 0; n < SCRIPT_OUTPUT_MAX && s->fd >= 0 && take(s);)
                n += READ_BYTES;
        if (fclose(TAKE_PTR(s->file)) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(s->text);
        if (ret_size)
                *ret_size = s->size;
        return 0;
}

/* A process that is there still is init's to reap, when we have ended. */
static int collect(Script *s, bool ended, ScriptResult *ret) {
        int status = 0, r;

        while (ended && waitpid(s->pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        ret->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        ret->status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        r = stream_finish(&s->output, &ret->output, &ret->output_size);
        return r < 0 ? r : stream_finish(&s->errors, &ret->errors, NULL);
}

int script_run(char *const argv[], const char *input, unsigned limit_sec, ScriptResult *ret) {
        _cleanup_(script_done) Script s = {
                .pidfd = -EBADF,
                .input_fd = -EBADF,
                .input = input,
                .left = input ? strlen(input) : 0,
                .output.fd = -EBADF,
                .errors.fd = -EBADF,
        };
        ScriptResult result = {};
        bool ended;
        int r;

        r = start(&s, argv);
        if (r < 0)
                return r;
        feed(&s);
        ended = attend(&s, now_msec() + (int64_t) limit_sec * 1000);
        result.timed_out = !ended;
        if (!ended) {
                end(&s);
                ended = attend(&s, now_msec() + KILLED_MSEC);
        }
        r = collect(&s, ended, &result);
        if (r < 0)
                script_result_done(&result);
        else
                *ret = result;
        return r;
}

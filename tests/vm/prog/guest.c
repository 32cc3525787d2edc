/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns the command `guest` of the VM: starts nested guests (tests/guest) and talks to them, for
 * cases in shell. The same state as tests/lib/guest.py, which cases in Python use and which does
 * the rest (QEMU's monitor): under emulation starting an interpreter for each command would cost
 * seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "/usr/lib/mdevd-test/guest.elf"
#define DRIVER "/mnt/src/tests/lib/guest.py"
#define STATE "/run/mdevd-guest"
#define LIMIT_MS 60000
#define ARGS_MAX 64

static const char *name;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        fprintf(stderr, "guest %s: ", name);
        vfprintf(stderr, format, ap);
        fputc('\n', stderr);
        va_end(ap);
        exit(1);
}

static char *state_path(const char *file)
{
        char *path;

        if (asprintf(&path, STATE "/%s/%s", name, file) < 0)
                abort();
        return path;
}

static long now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static pid_t read_pid(void)
{
        FILE *f = fopen(state_path("pid"), "re");
        int pid = 0;

        if (!f || fscanf(f, "%d", &pid) != 1 || pid <= 0)
                die("there is no such guest");
        fclose(f);
        return pid;
}

static void print_log(FILE *to)
{
        FILE *f = fopen(state_path("log"), "re");
        char line[4096];

        while (f && fgets(line, sizeof line, f))
                fputs(line, to);
        if (f)
                fclose(f);
}

/* The end of its QEMU, whoever is its parent. */
static void await_end(int pidfd)
{
        struct pollfd p = { .fd = pidfd, .events = POLLIN };

        if (pidfd >= 0 && poll(&p, 1, LIMIT_MS) == 0)
                die("its QEMU does not end");
}

/* -- the serial line --------------------------------------------------------------------------- */

static int connect_once(void)
{
        struct sockaddr_un addr = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(addr.sun_path, sizeof addr.sun_path, STATE "/%s/serial", name);
        if (fd >= 0 && connect(fd, (struct sockaddr *) &addr, sizeof addr) == 0)
                return fd;
        if (fd >= 0)
                close(fd);
        return -1;
}

/* The next line that begins with one of two words. */
static char *read_answer(int fd, const char *a, const char *b)
{
        static char line[8192];
        long deadline = now_ms() + LIMIT_MS;
        size_t used = 0;

        for (;;) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                long left = deadline - now_ms();
                char c;

                if (left <= 0 || poll(&p, 1, (int) left) == 0)
                        die("no answer within %d s", LIMIT_MS / 1000);
                if (read(fd, &c, 1) != 1) {
                        print_log(stderr);
                        die("its QEMU has ended");
                }
                if (c == '\r')
                        continue;
                if (c != '\n') {
                        if (used < sizeof line - 1)
                                line[used++] = c;
                        continue;
                }
                line[used] = 0;
                used = 0;
                if (strncmp(line, a, strlen(a)) == 0 || strncmp(line, b, strlen(b)) == 0)
                        return line;
        }
}

/* -- verbs ------------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void exec_qemu(char **extra, const char *uuid)
{
        char *argv[ARGS_MAX], *serial, *qmp, *device;
        size_t n = 0;
        int log = open(state_path("log"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        /* all it says is kept: its last words come when nobody may be listening */
        if (asprintf(&serial, "socket,id=serial,path=%s,server=on,wait=on,logfile=%s.log",
                     state_path("serial"), state_path("serial")) < 0 ||
            asprintf(&qmp, "unix:%s,server=on,wait=off", state_path("qmp")) < 0 ||
            asprintf(&device, "vfio-pci,id=mdev,sysfsdev=/sys/bus/mdev/devices/%s", uuid) < 0)
                abort();
        /* the same as in guest.py: its QEMU waits for us, so that the first line is not lost */
        char *fixed[] = { "qemu-system-x86_64", "-name", (char *) name, "-nodefaults",
                          "-no-user-config", "-display", "none", "-machine", "q35,pit=off",
                          "-accel", "kvm", "-cpu", "host", "-m", "64", "-no-reboot",
                          "-kernel", PROGRAM,
                          "-chardev", serial, "-serial", "chardev:serial", "-qmp", qmp,
                          "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04" };

        for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
                argv[n++] = fixed[i];
        if (strcmp(uuid, "-") != 0) {
                argv[n++] = "-device";
                argv[n++] = device;
        }
        while (*extra && n < ARGS_MAX - 1)
                argv[n++] = *extra++;
        argv[n] = NULL;
        setsid();
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(log, 1);
        dup2(log, 2);
        execvp(argv[0], argv);
        _exit(127);
}

static int connect_new(pid_t pid, int pidfd)
{
        long deadline = now_ms() + LIMIT_MS;
        int fd;

        while ((fd = connect_once()) < 0) {
                /* QEMU makes the socket as it starts: wait a little, or until QEMU has ended */
                struct pollfd p = { .fd = pidfd, .events = POLLIN };

                if (poll(&p, 1, 20) == 0 && now_ms() < deadline)
                        continue;
                print_log(stderr);
                die("its QEMU (pid %d) did not start", pid);
        }
        return fd;
}

static int do_start(int argc, char **argv)
{
        char *folder = state_path(""), pid_text[16];
        FILE *f;
        pid_t pid;
        int pidfd;

        if (argc < 1)
                die("start needs a UUID, or - for no device");
        mkdir(STATE, 0755);
        if (mkdir(folder, 0755) < 0 && errno != EEXIST)
                die("cannot make %s: %m", folder);
        unlink(state_path("serial"));
        unlink(state_path("qmp"));
        pid = fork();
        if (pid == 0)
                exec_qemu(argv + 1, argv[0]);
        f = fopen(state_path("pid"), "we");
        snprintf(pid_text, sizeof pid_text, "%d\n", pid);
        if (pid < 0 || !f || fputs(pid_text, f) < 0 || fclose(f) < 0)
                die("cannot note its pid: %m");
        pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        puts(read_answer(connect_new(pid, pidfd), "ready", "ready"));
        return 0;
}

static int do_cmd(int argc, char **argv)
{
        char text[1024] = "", *answer;
        int fd = connect_once();

        if (fd < 0)
                die("its QEMU has ended, or somebody else is talking to it");
        for (int i = 0; i < argc; i++) {
                strncat(text, argv[i], sizeof text - strlen(text) - 2);
                strcat(text, i + 1 < argc ? " " : "\n");
        }
        if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
                die("cannot send: %m");
        answer = read_answer(fd, "ok", "err");
        puts(answer);
        return strncmp(answer, "ok", 2) == 0 ? 0 : 1;
}

static int do_quit(int argc, char **argv)
{
        int pidfd = (int) syscall(SYS_pidfd_open, read_pid(), 0);
        char *quit[] = { "quit" };

        if (pidfd < 0)
                return 0;
        (void) do_cmd(1, quit);
        await_end(pidfd);
        return 0;
}

static int do_kill(int argc, char **argv)
{
        int pidfd = (int) syscall(SYS_pidfd_open, read_pid(), 0);

        if (pidfd >= 0) {
                syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
                await_end(pidfd);
        }
        return 0;
}

static int do_log(int argc, char **argv)
{
        print_log(stdout);
        return 0;
}

static int do_pid(int argc, char **argv)
{
        printf("%d\n", read_pid());
        return 0;
}

static const struct {
        const char *verb;
        int (*run)(int argc, char **argv);
} verbs[] = {
        { "start", do_start }, { "cmd", do_cmd }, { "quit", do_quit },
        { "kill", do_kill },   { "log", do_log }, { "pid", do_pid },
};

int main(int argc, char **argv)
{
        if (argc >= 3) {
                name = argv[2];
                if (strlen(name) > 32 || strchr(name, '/')) {
                        fprintf(stderr, "guest: '%s' cannot be a name\n", name);
                        return 2;
                }
                for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
                        if (strcmp(argv[1], verbs[i].verb) == 0)
                                return verbs[i].run(argc - 3, argv + 3);
        }
        argv[0] = DRIVER;
        execv(DRIVER, argv);
        fprintf(stderr, "guest: cannot run %s: %s\n", DRIVER, strerror(errno));
        return 125;
}

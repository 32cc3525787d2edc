/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fixture.c: owns the processes and the tree of one test. Whatever way the test ends, nothing of it
 * stays: the program is the reaper of all that it and the daemon started, and lets those that wait
 * at a gate go before it kills them.
 */
#include "fixture.h"

#include <dirent.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define LIMIT_SEC 60u
#define LIMIT_WRAPPED_SEC 600u /* in valgrind everything takes 20 to 50 times as long */

static Fixture *current; /* for the way out */

static unsigned limit_sec(void) {
        return getenv("MDEVD_TEST_WRAPPER") ? LIMIT_WRAPPED_SEC : LIMIT_SEC;
}

/* ---- processes ---- */

static const char *environment(const char *name) {
        const char *value = getenv(name);

        if (!value)
                test_fail(__FILE__, __LINE__, "$%s is not set; run by meson test", name);
        return value;
}

static void kill_children(void) {
        char path[64], *line = NULL;
        size_t size = 0;
        FILE *file;

        (void) snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
        file = fopen(path, "re");
        if (file && getdelim(&line, &size, 0, file) > 0)
                for (char *s = strtok(line, " \n"); s; s = strtok(NULL, " \n"))
                        (void) kill((pid_t) strtol(s, NULL, 10), SIGKILL);
        free(line);
        if (file)
                (void) fclose(file);
}

static void open_gates(const Fixture *f) {
        int fd = openat(f->tree.fd, "fake", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        for (struct dirent *de; dir && (de = readdir(dir));)
                if (strncmp(de->d_name, "gate-", 5) == 0)
                        safe_close(openat(fd, de->d_name, O_RDWR | O_NONBLOCK | O_CLOEXEC));
        if (dir)
                (void) closedir(dir);
}

static void end_all(const Fixture *f) {
        open_gates(f);
        /* orphans of those that die become our children: until there are none */
        do
                kill_children();
        while (waitpid(-1, NULL, 0) > 0);
}

static void show_log(const Fixture *f) {
        _cleanup_(freep) char *text = NULL;

        if (read_file_at(f->tree.fd, "log", 1 << 20, &text, NULL) < 0)
                return;
        for (char *save = NULL, *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n",
                                                                                  &save))
                printf("# mdevd: %s\n", s);
}

static void on_exit_clean(void) {
        Fixture *f = TAKE_PTR(current);

        if (!f)
                return;
        if (f->awaited)
                printf("# was waiting for: %s\n", f->awaited);
        end_all(f);
        show_log(f);
        (void) nftw(f->tree.path, tree_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* In the child: dies with the test, standard error to @log. */
static void child_setup(const Fixture *f, const char *log, pid_t parent) {
        sigset_t none;
        int fd;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(1);
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        fd = openat(f->tree.fd, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
                _exit(1);
}

/* ---- the bus ---- */

/* As Debian's system bus, with our own policy file on top, polkit's and systemd's beside it. */
static const char bus_config[] =
        "<busconfig><type>system</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>\n"
        "<policy context=\"default\">\n"
        "<allow user=\"*\"/><deny own=\"*\"/><deny send_type=\"method_call\"/>\n"
        "<allow send_type=\"signal\"/>\n"
        "<allow send_requested_reply=\"true\" send_type=\"method_return\"/>\n"
        "<allow send_requested_reply=\"true\" send_type=\"error\"/>\n"
        "<allow receive_type=\"method_call\"/><allow receive_type=\"method_return\"/>\n"
        "<allow receive_type=\"error\"/><allow receive_type=\"signal\"/>\n"
        "<allow send_destination=\"org.freedesktop.DBus\"/>\n"
        "</policy>\n"
        "<policy user=\"root\"><allow own=\"org.freedesktop.PolicyKit1\"/>\n"
        "<allow send_destination=\"org.freedesktop.PolicyKit1\"/>\n"
        "<allow own=\"org.freedesktop.systemd1\"/>\n"
        "<allow send_destination=\"org.freedesktop.systemd1\"/></policy>\n"
        "<limit name=\"max_replies_per_connection\">50000</limit>\n"
        "<include>%s/dbus/org.mdevd1.conf</include></busconfig>\n";

static void start_bus(Fixture *f) {
        _cleanup_(freep) char *config = NULL, *option = NULL;
        pid_t parent = getpid();
        int fds[2];
        char byte;

        ASSERT_TRUE(asprintf(&config, bus_config, f->tree.path,
                             environment("MDEVD_TEST_SOURCE")) > 0);
        tree_write(&f->tree, "bus.conf", config);
        ASSERT_TRUE(asprintf(&option, "--config-file=%s/bus.conf", f->tree.path) > 0);
        (void) snprintf(f->address, sizeof(f->address), "unix:path=%s/bus", f->tree.path);

        ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
        f->bus_pid = fork();
        ASSERT_TRUE(f->bus_pid >= 0);
        if (f->bus_pid == 0) {
                child_setup(f, "bus.log", parent);
                if (dup2(fds[1], 3) < 0)
                        _exit(1);
                (void) execlp("dbus-daemon", "dbus-daemon", option, "--nofork", "--nopidfile",
                              "--print-address=3", NULL);
                _exit(1);
        }
        safe_close(fds[1]);
        /* it prints its address when it listens */
        ASSERT_EQ(read(fds[0], &byte, 1), 1);
        safe_close(fds[0]);
}

sd_bus *fixture_connect(Fixture *f, uid_t uid) {
        sd_bus *bus = NULL;

        ASSERT_TRUE(sd_bus_new(&bus) >= 0);
        ASSERT_TRUE(sd_bus_set_address(bus, f->address) >= 0);
        ASSERT_TRUE(sd_bus_set_bus_client(bus, true) >= 0);
        /* a slow machine's answers take longer than a user would wait */
        ASSERT_TRUE(sd_bus_set_method_call_timeout(bus, limit_sec() * UINT64_C(1000000)) >= 0);
        /* who we are is told, and looked at, while connecting */
        ASSERT_EQ(seteuid(uid), 0);
        ASSERT_TRUE(sd_bus_start(bus) >= 0);
        while (sd_bus_is_ready(bus) == 0) {
                int r = sd_bus_process(bus, NULL);

                ASSERT_TRUE(r >= 0);
                if (r == 0)
                        ASSERT_TRUE(sd_bus_wait(bus, limit_sec() * UINT64_C(1000000)) > 0);
        }
        ASSERT_EQ(seteuid(0), 0);
        ASSERT_TRUE(sd_bus_attach_event(bus, f->event, SD_EVENT_PRIORITY_NORMAL) >= 0);
        return bus;
}

/* ---- what the daemon says ---- */

static void append_line(char **text, const char *line) {
        char *longer = NULL;

        ASSERT_TRUE(asprintf(&longer, "%s%s\n", *text ?: "", line) > 0);
        free(*text);
        *text = longer;
}

static int on_notify(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Fixture *f = userdata;
        char text[4096];
        ssize_t n;

        n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
        if (n < 0)
                return 0;
        text[n] = '\0';
        append_line(&f->notified, text);
        return 0;
}

static void open_notify(Fixture *f) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };

        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/notify", f->tree.path);
        f->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        ASSERT_TRUE(f->notify_fd >= 0);
        ASSERT_EQ(bind(f->notify_fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        ASSERT_TRUE(sd_event_add_io(f->event, NULL, f->notify_fd, EPOLLIN, on_notify, f) >= 0);
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *iface = "", *path = sd_bus_message_get_path(m);
        const char *member = sd_bus_message_get_member(m);
        _cleanup_(freep) char *line = NULL;
        Fixture *f = userdata;
        char type;

        /* those of the object manager carry the path as an argument */
        if (sd_bus_message_peek_type(m, &type, NULL) > 0 && type == 'o')
                ASSERT_TRUE(sd_bus_message_read_basic(m, 'o', &path) > 0);
        else if (sd_bus_message_peek_type(m, &type, NULL) > 0 && type == 's')
                ASSERT_TRUE(sd_bus_message_read_basic(m, 's', &iface) > 0);
        ASSERT_TRUE(asprintf(&line, "%s %s %s", member, path, iface) > 0);
        append_line(&f->signals, line);
        return 0;
}

static void watch_signals(Fixture *f) {
        f->watcher = fixture_connect(f, 0);
        ASSERT_TRUE(sd_bus_add_match(f->watcher, NULL,
                                     "type='signal',path_namespace='" MDEVD_OBJECT_ROOT "'",
                                     on_signal, f) >= 0);
}

/* ---- begin and end ---- */

void fixture_init_for(Fixture *f, const char *test) {
        sigset_t set;

        test_running = test;
        *f = (Fixture){};
        ASSERT_EQ(geteuid(), 0);
        ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        ASSERT_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);

        tree_init(&f->tree);
        ASSERT_EQ(chmod(f->tree.path, 0755), 0);
        if (!current)
                (void) atexit(on_exit_clean);
        current = f;
        tree_mkdir(&f->tree, MDEVD_PATH_RUN); /* RuntimeDirectory= */
        ASSERT_OK(fake_kernel_add_parent(f->tree.path, PARENT, TYPE, 4));
        ASSERT_OK(fake_kernel_add_parent(f->tree.path, OTHER, TYPE, 4));
        ASSERT_TRUE(sd_event_new(&f->event) >= 0);
        open_notify(f);
        start_bus(f);
        watch_signals(f);
        f->client = fixture_connect(f, 0);
}

void fixture_done(Fixture *f) {
        if (f->daemon_pid > 0)
                ASSERT_EQ(fixture_end(f, SIGTERM), 0);
        sd_bus_flush_close_unref(f->client);
        sd_bus_flush_close_unref(f->watcher);
        current = NULL;
        end_all(f);
        safe_close(f->notify_fd);
        sd_event_unref(f->event);
        free(f->notified);
        free(f->signals);
        tree_done(&f->tree);
}

static void set_environment(const Fixture *f) {
        const char *asan = getenv("ASAN_OPTIONS");
        char text[512];

        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", f->address, 1);
        (void) snprintf(text, sizeof(text), "%s/notify", f->tree.path);
        (void) setenv("NOTIFY_SOCKET", text, 1);
        (void) setenv("MDEVD_FAKE_ROOT", f->tree.path, 1);
        (void) setenv("LD_PRELOAD", environment("MDEVD_TEST_PRELOAD"), 1);
        (void) unsetenv("JOURNAL_STREAM");
        /* a preloaded library comes before the sanitizer's, which is all right with this one */
        (void) snprintf(text, sizeof(text), "verify_asan_link_order=0:%s", asan ?: "");
        (void) setenv("ASAN_OPTIONS", text, 1);
        (void) setenv("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1", 1);
}

void fixture_spawn(Fixture *f, char *const extra[]) {
        char *argv[32], root[96], wrapper[1024], *save = NULL;
        pid_t parent = getpid();
        size_t n = 0;

        /* $MDEVD_TEST_WRAPPER: what the daemon is to be run by, as valgrind */
        ASSERT_TRUE((size_t) snprintf(wrapper, sizeof(wrapper), "%s",
                                      f->wrapper ?: getenv("MDEVD_TEST_WRAPPER") ?: "") <
                    sizeof(wrapper));
        for (char *s = strtok_r(wrapper, " ", &save); s; s = strtok_r(NULL, " ", &save)) {
                ASSERT_TRUE(n < 24);
                argv[n++] = s;
        }
        (void) snprintf(root, sizeof(root), "--root=%s", f->tree.path);
        argv[n++] = (char *) environment("MDEVD_TEST_DAEMON");
        argv[n++] = root;
        argv[n++] = (char *) "--log-level=debug";
        for (size_t i = 0; extra && extra[i] && n < ARRAY_SIZE(argv) - 1; i++)
                argv[n++] = extra[i];
        argv[n] = NULL;
        f->daemon_pid = fork();
        ASSERT_TRUE(f->daemon_pid >= 0);
        if (f->daemon_pid == 0) {
                set_environment(f);
                child_setup(f, "log", parent);
                /* the unit does not give it that one */
                if (prctl(PR_CAPBSET_DROP, CAP_KILL) < 0)
                        _exit(1);
                (void) execvp(argv[0], argv);
                _exit(1);
        }
}

void fixture_start(Fixture *f) {
        free(f->notified);
        f->notified = NULL;
        fixture_spawn(f, NULL);
        wait_notified(f, "READY=1");
}

int fixture_wait_end(Fixture *f) {
        int status;

        f->awaited = "the end of the daemon";
        (void) alarm(limit_sec()); /* its default action ends us, with the daemon */
        ASSERT_EQ(waitpid(f->daemon_pid, &status, 0), f->daemon_pid);
        (void) alarm(0);
        f->awaited = NULL;
        f->daemon_pid = 0;
        return status;
}

int fixture_end(Fixture *f, int signal) {
        ASSERT_EQ(kill(f->daemon_pid, signal), 0);
        return fixture_wait_end(f);
}

/* ---- waiting ---- */

static int on_limit(sd_event_source *s, uint64_t usec, void *userdata) {
        const Fixture *f = userdata;

        test_fail(__FILE__, __LINE__, "waited in vain for %s", f->awaited);
}

pid_t fixture_hold(const char *device, uid_t uid) {
        int fds[2];
        char byte;
        pid_t pid;

        ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        ASSERT_TRUE(pid >= 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                /* its folder in /proc is the user's only if it is dumpable, as after an exec */
                if (setuid(uid) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0 ||
                    open(device, O_RDWR) < 0 || write(fds[1], "", 1) != 1)
                        _exit(1);
                (void) pause();
                _exit(0);
        }
        ASSERT_EQ(read(fds[0], &byte, 1), 1);
        safe_close(fds[0]);
        safe_close(fds[1]);
        return pid;
}

void fixture_wait(Fixture *f, bool (*done)(void *userdata), void *userdata, const char *what) {
        sd_event_source *limit = NULL;

        f->awaited = what;
        ASSERT_TRUE(sd_event_add_time_relative(f->event, &limit, CLOCK_MONOTONIC,
                                               limit_sec() * UINT64_C(1000000), 0, on_limit,
                                               f) >= 0);
        while (!done(userdata)) {
                if (f->daemon_pid > 0 && waitpid(f->daemon_pid, NULL, WNOHANG) > 0)
                        test_fail(__FILE__, __LINE__, "the daemon ended; awaited was %s", what);
                /* a look at the daemon now and then, in case it has just gone */
                ASSERT_TRUE(sd_event_run(f->event, 1000000) >= 0);
        }
        sd_event_source_disable_unref(limit);
        f->awaited = NULL;
}

typedef struct Wanted Wanted;

struct Wanted {
        char *const *text;
        const char *part;
};

static bool has_part(void *userdata) {
        const Wanted *w = userdata;

        return *w->text && strstr(*w->text, w->part);
}

void wait_notified(Fixture *f, const char *text) {
        fixture_wait(f, has_part, &(Wanted){ &f->notified, text }, text);
}

void wait_signal(Fixture *f, const char *text) {
        fixture_wait(f, has_part, &(Wanted){ &f->signals, text }, text);
}

void forget_signals(Fixture *f) {
        free(f->signals);
        f->signals = NULL;
}

size_t count_lines(const char *text, const char *part) {
        size_t n = 0;

        for (const char *s = text; s && (s = strstr(s, part)); s = strchr(s, '\n'))
                n++;
        return n;
}

/* ---- the fake kernel ---- */

void write_fake(Fixture *f, const char *name, const char *text) {
        char path[128];

        (void) snprintf(path, sizeof(path), "fake/%s", name);
        tree_write(&f->tree, path, text);
}

void remove_fake(Fixture *f, const char *name) {
        char path[128];

        (void) snprintf(path, sizeof(path), "fake/%s", name);
        ASSERT_EQ(unlinkat(f->tree.fd, path, 0), 0);
}

void gate_make(Fixture *f, const char *name) {
        char path[128];

        (void) snprintf(path, sizeof(path), "fake/%s", name);
        ASSERT_EQ(mkfifoat(f->tree.fd, path, 0600), 0);
}

int gate_hold(Fixture *f, const char *name) {
        char path[160];
        int fd;

        /* It blocks until the other side is there; the loop need not turn for that. */
        (void) snprintf(path, sizeof(path), "%s/fake/%s", f->tree.path, name);
        f->awaited = name;
        (void) alarm(limit_sec());
        fd = open(path, O_WRONLY | O_CLOEXEC);
        (void) alarm(0);
        f->awaited = NULL;
        ASSERT_TRUE(fd >= 0);
        return fd;
}

/* Whoever comes from now on passes; who is there goes on. */
void gate_release(Fixture *f, const char *name, int fd) {
        char path[128];

        (void) snprintf(path, sizeof(path), "fake/%s", name);
        ASSERT_EQ(unlinkat(f->tree.fd, path, 0), 0);
        ASSERT_EQ(close(fd), 0);
}

void write_definition(Fixture *f, const char *parent, const char *uuid, const char *type) {
        char path[160], text[256];

        (void) snprintf(path, sizeof(path), MDEVD_PATH_DEFINITIONS "/%s/%s", parent, uuid);
        (void) snprintf(text, sizeof(text),
                        "{\n  \"mdev_type\": \"%s\",\n  \"start\": \"auto\",\n  \"attrs\": []\n}",
                        type);
        tree_write(&f->tree, path, text);
}

bool file_exists(const Fixture *f, const char *path) {
        return faccessat(f->tree.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Create requests: UUIDs written to sysfs without a reservation, and who answers them, late,
 * wrongly or never.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "lib.h"

static const char *p0;
static int ctl;

static int listen_on(int fd) {
        struct mdevd_listen arg = { .size = sizeof(arg) };

        return ctl_call(fd, MDEVD_LISTEN, &arg);
}

static int refuse(int fd, uint64_t cookie, uint32_t error) {
        struct mdevd_answer arg = { .size = sizeof(arg), .cookie = cookie, .error = error };

        return ctl_call(fd, MDEVD_ANSWER, &arg);
}

static int grant(int fd, uint64_t cookie, uint64_t offset, uint64_t length) {
        struct mdevd_extent e = { .bar = 2, .offset = offset, .length = length };
        struct mdevd_answer arg = {
                .size = sizeof(arg),
                .cookie = cookie,
                .owner = "asked",
                .n_extents = 1,
                .extent_size = sizeof(e),
                .extents = (uintptr_t)&e,
        };

        return ctl_call(fd, MDEVD_ANSWER, &arg);
}

static int set_available(const char *type, uint32_t n) {
        struct mdevd_set_available arg = { .size = sizeof(arg), .available = n };

        snprintf(arg.parent, sizeof(arg.parent), "%s", p0);
        snprintf(arg.type, sizeof(arg.type), "%s", type);
        return ctl_call(ctl, MDEVD_SET_AVAILABLE, &arg);
}

static int available(const char *type) {
        char path[256], text[32] = "";

        snprintf(path, sizeof(path),
                 "/sys/bus/pci/devices/%s/mdev_supported_types/mdevd-%s/available_instances", p0,
                 type);
        MUST(read_file(path, text, sizeof(text)));
        return atoi(text);
}

/* A process that writes a UUID to sysfs and exits with the errno. */
static pid_t writer(const char *type, const char *uuid) {
        pid_t pid;

        fflush(stdout);
        pid = fork();
        if (pid == 0) {
                signal(SIGTERM, SIG_DFL);
                _exit(-mdev_create(p0, type, uuid));
        }
        return pid;
}

static int status_of(pid_t pid) {
        int status;

        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static struct mdevd_event next_of(int fd, uint32_t type) {
        struct mdevd_event event;

        do
                MUST(ctl_event(fd, &event));
        while (event.type != type);
        return event;
}

static void test_answer(void) {
        struct mdevd_device_record record;
        struct mdevd_event event;
        uint8_t uuid[16];
        pid_t pid;

        CHECK_EQ(status_of(writer("1M", UUID(40))), ENOENT, "no listener: refused at once");
        CHECK_EQ(refuse(ctl, 1, ENOSPC), -EPERM, "an answer of one who is not the listener");
        int blind = (int)MUST(ctl_open(O_WRONLY));
        CHECK_EQ(listen_on(blind), -EBADF, "a listener who cannot read");
        close(blind);
        CHECK_EQ(set_available("1M", 7), 0, "set available");
        CHECK_EQ(set_available("nope", 7), -ENOENT, "  of no type");
        CHECK_EQ(available("1M"), 0, "available without a listener");
        MUST(listen_on(ctl));
        CHECK_EQ(available("1M"), 7, "available with one");
        CHECK_EQ(available("64K"), 0, "  of another type");

        pid = writer("1M", UUID(40));
        event = next_of(ctl, MDEVD_EVENT_REQUEST);
        uuid_bytes(UUID(40), uuid);
        CHECK(memcmp(event.uuid, uuid, 16) == 0 && strcmp(event.parent, p0) == 0 &&
              strcmp(event.name, "1M") == 0 && event.cookie != 0, "the request says what is asked");
        CHECK_EQ(event.pid, pid, "and by whom");
        CHECK(strcmp(event.comm, "kmod-request") == 0, "and his name: %s", event.comm);
        CHECK_EQ(refuse(ctl, event.cookie + 1, ENOSPC), -ESTALE, "an answer to no request");
        CHECK_EQ(refuse(ctl, event.cookie, 134), -EINVAL, "an answer that is no errno");
        CHECK_EQ(grant(ctl, event.cookie, 0, 64 * KIB), -EINVAL, "extents of another type");
        CHECK_EQ(grant(ctl, event.cookie, 64 * MIB, MIB), -ERANGE, "extents of no pool");
        CHECK_EQ(refuse(ctl, event.cookie, ENOSPC), 0, "refused");
        CHECK_EQ(status_of(pid), ENOSPC, "the writer gets that errno");
        CHECK_EQ(refuse(ctl, event.cookie, ENOSPC), -ESTALE, "answered twice");

        pid = writer("1M", UUID(40));
        event = next_of(ctl, MDEVD_EVENT_REQUEST);
        CHECK_EQ(grant(ctl, event.cookie, 2 * MIB, MIB), 0, "granted");
        CHECK_EQ(status_of(pid), 0, "the writer has his device");
        MUST(ctl_device(ctl, UUID(40), &record, NULL, NULL));
        CHECK(strcmp(record.owner, "asked") == 0, "its owner: %s", record.owner);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_ADDED, UUID(40)));
        pid = writer("1M", UUID(40));
        CHECK_EQ(status_of(pid), EEXIST, "its UUID again");
        MUST(mdev_remove(UUID(40)));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_GONE, UUID(40)));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(40)));
}

static void test_writers(void) {
        struct mdevd_event first, second;
        pid_t a, b;

        a = writer("1M", UUID(41));
        first = next_of(ctl, MDEVD_EVENT_REQUEST);
        b = writer("1M", UUID(42));
        second = next_of(ctl, MDEVD_EVENT_REQUEST);
        CHECK(first.cookie != second.cookie, "two writers, two cookies");
        CHECK_EQ(grant(ctl, second.cookie, 0, MIB), 0, "the second is granted");
        CHECK_EQ(grant(ctl, first.cookie, 0, MIB), -EBUSY, "the first not the same extent");
        CHECK_EQ(grant(ctl, first.cookie, MIB, MIB), 0, "but another");
        CHECK_EQ(status_of(a) + status_of(b), 0, "both have their devices");
        MUST(mdev_remove(UUID(41)));
        MUST(mdev_remove(UUID(42)));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_GONE, UUID(42)));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(42)));

        /* a reservation of one's own is not asked about */
        MUST(ctl_reserve_at(ctl, p0, "1M", UUID(43), 4 * MIB, MIB));
        CHECK_EQ(status_of(writer("1M", UUID(43))), EBUSY, "another's reservation: no request");
        MUST(ctl_release(ctl, UUID(43)));

        a = writer("1M", UUID(44));
        first = next_of(ctl, MDEVD_EVENT_REQUEST);
        kill(a, SIGKILL);
        CHECK_EQ(status_of(a), -SIGKILL, "a writer is killed");
        second = next_of(ctl, MDEVD_EVENT_REQUEST_GONE);
        CHECK_EQ(second.cookie, first.cookie, "an event says so");
        CHECK_EQ(grant(ctl, first.cookie, 0, MIB), -ESTALE, "its answer is stale");
        CHECK_EQ(ctl_reserve_at(ctl, p0, "1M", UUID(44), 0, MIB), 0, "and took nothing");
        MUST(ctl_release(ctl, UUID(44)));
}

static void test_listeners(void) {
        enum { N = 20 };
        struct mdevd_event event;
        pid_t pids[N];
        int second;

        for (unsigned i = 0; i < N; i++) {
                char uuid[37];

                snprintf(uuid, sizeof(uuid), "00000000-1111-4222-8333-0000000004%02u", i);
                pids[i] = writer("64K", uuid);
        }
        for (unsigned i = 0; i < N; i++)
                next_of(ctl, MDEVD_EVENT_REQUEST);
        /* listening again is how a daemon that was restarted learns of them */
        MUST(listen_on(ctl));
        for (unsigned i = 0; i < N; i++)
                next_of(ctl, MDEVD_EVENT_REQUEST);
        CHECK(true, "20 requests are told again to one who listens again");

        second = (int)MUST(ctl_open(O_RDWR));
        MUST(listen_on(second));
        for (unsigned i = 0; i < N / 2; i++) {
                event = next_of(second, MDEVD_EVENT_REQUEST);
                CHECK_EQ(refuse(ctl, event.cookie, EACCES), -EPERM, "who was replaced answers");
                MUST(refuse(second, event.cookie, EACCES));
        }
        close(second);
        unsigned refused = 0, unanswered = 0;
        for (unsigned i = 0; i < N; i++) {
                int status = status_of(pids[i]);

                refused += status == EACCES;
                unanswered += status == ENOENT;
        }
        CHECK(refused == N / 2 && unanswered == N / 2,
              "10 were refused, 10 failed when the listener died: %u %u", refused, unanswered);
        CHECK_EQ(available("1M"), 0, "available is 0 again");
        MUST(listen_on(ctl));
}

/*
 * Its "remove" is there before it is: who writes there is told to come again, and it is not made.
 */
static void test_unwanted(void) {
        struct mdevd_event event;
        pid_t pid;

        for (unsigned round = 0; round < 2; round++) {
                pid = writer("1M", UUID(46));
                event = next_of(ctl, MDEVD_EVENT_REQUEST);
                CHECK_EQ(mdev_remove(UUID(46)), -EAGAIN, "remove while a request waits");
                CHECK_EQ(grant(ctl, event.cookie, 0, MIB), 0, "it is granted all the same");
                CHECK_EQ(status_of(pid), ECANCELED, "the writer is told");
                CHECK_EQ(ctl_device(ctl, UUID(46), &(struct mdevd_device_record){}, NULL, NULL),
                         -ENOENT, "nothing is left");
        }
        pid = writer("1M", UUID(46));
        event = next_of(ctl, MDEVD_EVENT_REQUEST);
        CHECK_EQ(grant(ctl, event.cookie, 0, MIB), 0, "the same once more");
        CHECK_EQ(status_of(pid), 0, "it is made");
        CHECK_EQ(mdev_remove(UUID(46)), 0, "and removed");
}

/* Whether it has its "remove"; the module looks for it a moment after the create. */
static bool await_removable(const char *uuid) {
        char path[256];

        snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/remove", uuid);
        for (unsigned ms = 0; ms < 30000; ms++) {
                if (access(path, F_OK) == 0)
                        return true;
                usleep(1000);
        }
        return false;
}

/* Writes to "remove" between the module's probe and the moment at which it would be heeded. */
static int remove_early(pid_t creator, const char *uuid) {
        char path[256];

        snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/iommu_group", uuid);
        for (siginfo_t info = {}; access(path, F_OK) < 0 && info.si_pid == 0;)
                (void)waitid(P_PID, (id_t)creator, &info, WEXITED | WNOHANG | WNOWAIT);
        return mdev_remove(uuid);
}

/*
 * The same a little later: then it is made, and can be removed for all that. Whether it is met is
 * left to the processors: most times where there are two, so it has plenty of time to be.
 */
static void test_early(void) {
        enum { HITS = 3, SECONDS_MAX = 180 };
        time_t begun = time(NULL);
        unsigned hits = 0;

        while (hits < HITS && time(NULL) - begun < SECONDS_MAX) {
                struct mdevd_event event;
                pid_t pid;
                int r;

                pid = writer("1M", UUID(47));
                event = next_of(ctl, MDEVD_EVENT_REQUEST);
                CHECK_EQ(grant(ctl, event.cookie, 0, MIB), 0, "it is granted");
                r = remove_early(pid, UUID(47));
                CHECK_EQ(status_of(pid), 0, "it is made");
                if (r == -EAGAIN) {
                        hits++;
                        if (!await_removable(UUID(47))) {
                                CHECK(false, "its \"remove\" comes again");
                                return;
                        }
                        r = mdev_remove(UUID(47));
                }
                CHECK_EQ(r, 0, "it is removed");
        }
        CHECK(hits > 0, "%u times before it was active, and its \"remove\" came again", hits);
}

static void test_endings(void) {
        struct mdevd_event event;
        pid_t pid;

        pid = writer("1M", UUID(45));
        event = next_of(ctl, MDEVD_EVENT_REQUEST);
        CHECK_EQ(ctl_unconfigure(ctl, p0), 0, "unconfigure while a request waits");
        CHECK_EQ(status_of(pid), ENODEV, "the writer is told");
        CHECK_EQ(grant(ctl, event.cookie, 0, MIB), -ESTALE, "its answer is stale");
        MUST(standard_parent(ctl, p0));

        pid = writer("1M", UUID(45));
        event = next_of(ctl, MDEVD_EVENT_REQUEST);
        CHECK_EQ(unbind_parent(p0), 0, "unbind while a request waits");
        CHECK_EQ(status_of(pid), ENODEV, "the writer is told");
        MUST(bind_parent(p0));
        MUST(standard_parent(ctl, p0));

        pid = writer("1M", UUID(45));
        next_of(ctl, MDEVD_EVENT_REQUEST);
        CHECK_EQ(status_of(pid), ETIMEDOUT, "nobody answers: the limit");
        next_of(ctl, MDEVD_EVENT_REQUEST_GONE);
}

int main(void) {
        p0 = parent_name(0);
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(bind_parent(p0));
        MUST(standard_parent(ctl, p0));
        test_answer();
        test_writers();
        test_listeners();
        test_unwanted();
        test_early();
        test_endings();
        return check_done();
}

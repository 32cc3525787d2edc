/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How devices begin and end: whose reservation it is, who sees whose bytes, and what happens to a
 * VMM whose device or parent goes away under it.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib.h"

static const char *p0, *p1;
static int ctl;

static int in_child(int (*fn)(void)) {
        pid_t pid;
        int status;

        fflush(stdout);
        pid = fork();
        if (pid == 0)
                _exit(fn());
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int child_creates(void) {
        return -mdev_create(p0, "1M", UUID(10));
}

static int child_reserves_and_dies(void) {
        int fd = ctl_open(O_RDWR);

        if (ctl_reserve_at(fd, p0, "1M", UUID(11), MIB, MIB) < 0)
                return 1;
        raise(SIGKILL);
        return 2;
}

static int child_creates_and_dies(void) {
        int fd = ctl_open(O_RDWR);

        if (mdev_make(fd, p0, "1M", UUID(11), MIB, MIB) < 0)
                return 1;
        raise(SIGKILL);
        return 2;
}

static void test_reservations(void) {
        struct mdevd_event event;
        int other;

        CHECK_EQ(mdev_create(p0, "1M", UUID(10)), -ENOENT, "create without a reservation");
        CHECK(!mdev_exists(UUID(10)), "  there is none");
        MUST(ctl_reserve_at(ctl, p0, "1M", UUID(10), 0, MIB));
        CHECK_EQ(in_child(child_creates), EBUSY, "create by another process");
        CHECK_EQ(ctl_state(ctl, UUID(10)), MDEVD_DEVICE_RESERVED, "  the reservation stays");
        CHECK_EQ(mdev_create(p0, "64K", UUID(10)), -EINVAL, "create of another type");
        CHECK_EQ(mdev_create(p0, "1M", UUID(10)), 0, "create by the process that reserved");
        CHECK_EQ(ctl_wait(ctl, MDEVD_EVENT_DEVICE_ADDED, UUID(10)), 0, "  an event says so");
        CHECK_EQ(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(10)), 0, "  it is clean then");
        CHECK_EQ(ctl_state(ctl, UUID(10)), MDEVD_DEVICE_LIVE, "  and live");
        CHECK_EQ(ctl_release(ctl, UUID(10)), -EBUSY, "release of a device");
        CHECK_EQ(ctl_reserve_at(ctl, p0, "1M", UUID(10), MIB, MIB), -EEXIST, "its UUID again");
        CHECK_EQ(ctl_reserve_at(ctl, p0, "1M", UUID(12), 0, MIB), -EBUSY, "its extent again");
        CHECK_EQ(ctl_unconfigure(ctl, p0), -EBUSY, "unconfigure under a device");
        CHECK_EQ(mdev_remove(UUID(10)), 0, "remove");
        MUST(ctl_event(ctl, &event));
        CHECK_EQ(event.type, MDEVD_EVENT_DEVICE_GONE, "event: gone");
        MUST(ctl_event(ctl, &event));
        CHECK_EQ(event.type, MDEVD_EVENT_DEVICE_CLEAN, "event: clean");
        CHECK_EQ(ctl_state(ctl, UUID(10)), -ENOENT, "query does not know it any more");

        CHECK_EQ(in_child(child_reserves_and_dies), -SIGKILL, "a process reserves and is killed");
        CHECK_EQ(ctl_state(ctl, UUID(11)), -ENOENT, "  its reservation is gone");
        CHECK_EQ(in_child(child_creates_and_dies), -SIGKILL, "a process creates and is killed");
        CHECK(mdev_exists(UUID(11)) && ctl_state(ctl, UUID(11)) >= MDEVD_DEVICE_LIVE,
              "  its device stays");
        CHECK_EQ(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(11)), 0, "  clean");
        MUST(mdev_remove(UUID(11)));
        CHECK_EQ(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(11)), 0, "  clean again");

        other = (int)MUST(ctl_open(O_WRONLY));
        MUST(ctl_reserve_at(other, p0, "1M", UUID(12), 0, MIB));
        close(other);
        CHECK_EQ(mdev_create(p0, "1M", UUID(12)), -ENOENT, "create after the descriptor closed");
}

/* What one opener wrote, the next one does not see; nor does the next owner of the extent. */
static void test_scrub(void) {
        struct mdevd_event event;
        struct device d;
        unsigned dirty = 0;
        char *map;

        CHECK_EQ(host("fill parent0 8M 4M 0x77"), 0, "old bytes in the extent");
        MUST(mdev_make(ctl, p0, "4M", UUID(13), 8 * MIB, 4 * MIB));
        for (unsigned round = 0; round < 3; round++) {
                MUST(device_open(&d, UUID(13)));
                map = device_map(&d, 0, 0, 4 * MIB);
                for (uint64_t at = 0; at < 4 * MIB; at += 8)
                        dirty += *(volatile uint64_t *)(map + at) != 0;
                for (uint64_t at = 0; at < 4 * MIB; at += 8)
                        *(volatile uint64_t *)(map + at) = 0x5ec3e75ec3e75ec3;
                munmap(map, 4 * MIB);
                CHECK_EQ(host("check parent0 8M 4M 0x5ec3e75ec3e75ec3"), 0, "the secret is there");
                device_close(&d);
        }
        CHECK_EQ(dirty, 0, "words of an earlier opener that a later one saw");
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, UUID(13)));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, UUID(13)));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, UUID(13)));
        MUST(ctl_event(ctl, &event));
        CHECK_EQ(event.type, MDEVD_EVENT_DEVICE_CLEAN, "after the last close: clean");
        CHECK_EQ(host("check parent0 8M 4M 0"), 0, "and zero from outside");

        /* removed at once after a close: the extent is not free before it is zero */
        MUST(device_open(&d, UUID(13)));
        CHECK_EQ(pwrite(d.fd, "secret", 6, 0), 6, "a secret by write()");
        device_close(&d);
        MUST(mdev_remove(UUID(13)));
        while (ctl_reserve_at(ctl, p0, "4M", UUID(14), 8 * MIB, 4 * MIB) == -EBUSY)
                MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(13)));
        CHECK_EQ(host("check parent0 8M 4M 0"), 0, "zero when the extent is free again");
        MUST(ctl_release(ctl, UUID(14)));
}

/* sysfs remove waits for the VMM, asks it to go, lets nobody else in; then it is gone. */
static void *remover(void *arg) {
        return (void *)(intptr_t)mdev_remove(arg);
}

static void test_remove_open(void) {
        struct pollfd request = { .events = POLLIN };
        struct device d;
        pthread_t thread;
        void *result;

        MUST(mdev_make(ctl, p0, "1M", UUID(15), 0, MIB));
        MUST(device_open(&d, UUID(15)));
        request.fd = eventfd(0, EFD_CLOEXEC);
        MUST(device_irq(&d, VFIO_PCI_REQ_IRQ_INDEX,
                        VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1, &request.fd,
                        4));
        char *map = device_map(&d, 0, 0, MIB);
        *(volatile uint32_t *)map = 42;
        pthread_create(&thread, NULL, remover, (void *)UUID(15));
        poll(&request, 1, -1);
        CHECK(request.revents & POLLIN, "the VMM is asked to let go");
        CHECK_EQ(*(volatile uint32_t *)map, 42, "it still has its BAR");
        int fd = ioctl(d.group, VFIO_GROUP_GET_DEVICE_FD, UUID(15));
        close(d.fd);
        d.fd = -1;
        CHECK_EQ(ctl_state(ctl, UUID(15)), MDEVD_DEVICE_LIVE, "a mapping keeps it");
        munmap(map, MIB);
        if (fd >= 0)
                close(fd);
        pthread_join(thread, &result);
        CHECK_EQ((intptr_t)result, 0, "then it is removed");
        device_close(&d);
        CHECK(!mdev_exists(UUID(15)), "and does not exist");
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_GONE, UUID(15)));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(15)));
        CHECK_EQ(host("check parent0 0 1M 0"), 0, "and its extent is zero");
        close(request.fd);
}

/* The parent's driver is unbound under two VMMs. */
static void *unbinder(void *arg) {
        return (void *)(intptr_t)unbind_parent(arg);
}

static void check_ones(char *map, const char *what) {
        uint32_t value = 0;

        CHECK_EQ(touch_read(map, &value), 0, what);
        CHECK_EQ(value, 0xffffffff, "  ones");
}

/* Each device that is open is named together with its opener; a mere reservation is not. */
static void check_revoked_events(const char *const *uuids, unsigned n) {
        struct mdevd_event event;
        char comm[16] = "";
        uint8_t uuid[16];

        MUST(read_file("/proc/self/comm", comm, sizeof(comm)));
        comm[strcspn(comm, "\n")] = '\0';
        for (unsigned i = 0; i < n; i++) {
                MUST(ctl_event(ctl, &event));
                uuid_bytes(uuids[i], uuid);
                CHECK_EQ(event.type, MDEVD_EVENT_DEVICE_REVOKED, "event: revoked");
                CHECK(memcmp(event.uuid, uuid, 16) == 0 && strcmp(event.parent, p1) == 0,
                      "  of a device on that parent");
                CHECK_EQ(event.pid, getpid(), "  it names the opener");
                CHECK(strcmp(event.comm, comm) == 0, "  and what it is called: %s", event.comm);
        }
}

static void test_unbind_open(const char *type, const char *mode) {
        struct pollfd request[2];
        struct device d[2];
        static const char *const uuids[] = { UUID(16), UUID(17) };
        char *map[2];
        pthread_t thread;
        uint32_t value;
        void *result;
        int fd;

        MUST(standard_parent(ctl, p1));
        CHECK_EQ(host("fill parent1 0 16M 0"), 0, "the parent is all zero");
        for (unsigned i = 0; i < 2; i++) {
                const char *t = i == 0 ? type : "64K";
                uint64_t length = i == 0 ? 8 * MIB : 64 * KIB;

                MUST(mdev_make(ctl, p1, t, uuids[i], i * 8 * MIB, length));
                MUST(device_open(&d[i], uuids[i]));
                request[i] = (struct pollfd){ .fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN };
                MUST(device_irq(&d[i], VFIO_PCI_REQ_IRQ_INDEX,
                                VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1,
                                &request[i].fd, 4));
                map[i] = device_map(&d[i], 0, 0, length);
                *(volatile uint32_t *)map[i] = 42;
        }
        MUST(ctl_reserve_at(ctl, p1, "64K", UUID(18), 12 * MIB, 64 * KIB));

        pthread_create(&thread, NULL, unbinder, (void *)p1);
        for (unsigned i = 0; i < 2; i++) {
                poll(&request[i], 1, -1);
                CHECK(request[i].revents & POLLIN, "%s: both VMMs are asked to let go", mode);
        }
        CHECK_EQ(ctl_wait(ctl, MDEVD_EVENT_PARENT_CLOSING, NULL), 0, "an event tells of it");
        check_revoked_events(uuids, 2);
        CHECK_EQ(ctl_state(ctl, uuids[0]), MDEVD_DEVICE_REVOKED, "state: revoked");
        CHECK_EQ(ctl_state(ctl, uuids[1]), MDEVD_DEVICE_REVOKED, "state: revoked");
        check_ones(map[0], "a page that was mapped");
        check_ones(map[0] + 6 * MIB, "a page that was never touched");
        check_ones(map[1], "a page of the other VMM");
        CHECK_EQ(touch_write(map[0], 0xabcd), 0, "a write");
        CHECK_EQ(touch_read(map[0] + 4 * MIB, &value) ?: (int)value, 0xabcd,
                 "it stays in the device's own page");
        check_ones(map[1], "nobody else sees it");
        CHECK_EQ(pread(d[0].fd, &value, 4, 0), 4, "read()");
        CHECK_EQ(value, 0xffffffff, "  ones");
        CHECK_EQ(pwrite(d[0].fd, &value, 4, 0), 4, "write()");
        CHECK_EQ(host("check parent1 64K 8126464 0"), 0, "nothing of it reached the parent");
        fd = ioctl(d[0].group, VFIO_GROUP_GET_DEVICE_FD, uuids[0]);
        CHECK(fd < 0 || close(fd) == 0, "another descriptor or none, but no crash");
        CHECK_EQ(ctl_reserve_at(ctl, p1, "64K", UUID(19), 12 * MIB, 64 * KIB), -ENODEV,
                 "no reservation on a parent that goes");
        CHECK_EQ(mdev_create(p1, "64K", UUID(18)) < 0, true, "nor a create of one made before");
        CHECK_EQ(ctl_unconfigure(ctl, p1), -ENODEV, "nor unconfigure");
        for (unsigned i = 0; i < 2; i++) {
                munmap(map[i], i == 0 ? 8 * MIB : 64 * KIB);
                device_close(&d[i]);
                close(request[i].fd);
        }
        pthread_join(thread, &result);
        CHECK_EQ((intptr_t)result, 0, "unbound once both have closed");
        CHECK_EQ(ctl_wait(ctl, MDEVD_EVENT_PARENT_GONE, NULL), 0, "an event says so");
        CHECK_EQ(host("check parent1 0 16M 0"), 0, "what they left is zero");
        CHECK_EQ(ctl_state(ctl, UUID(18)), -ENOENT, "the reservation is gone");
        MUST(bind_parent(p1));
}

int main(void) {
        p0 = parent_name(0);
        p1 = parent_name(1);
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(bind_parent(p0));
        MUST(bind_parent(p1));
        MUST(standard_parent(ctl, p0));
        test_reservations();
        test_scrub();
        test_remove_open();
        test_unbind_open("8M", "fault");
        test_unbind_open("8M-eager", "eager");
        return check_done();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parent is unplugged from its slot under two VMMs, of which one does not care for being asked:
 * both live on, the slot is free once both have closed, and a card can be plugged in again.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib.h"

static const char *p1;
static int ctl;

static bool present(void) {
        char path[128];

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", p1);
        return access(path, F_OK) == 0;
}

static void test_unplug(void) {
        static const char *const uuids[] = { UUID(70), UUID(71) };
        struct pollfd request = { .events = POLLIN };
        struct device d[2];
        char *map[2];
        uint32_t value;

        MUST(bind_parent(p1));
        MUST(standard_parent(ctl, p1));
        for (unsigned i = 0; i < 2; i++) {
                MUST(mdev_make(ctl, p1, "4M", uuids[i], i * 4 * MIB, 4 * MIB));
                MUST(device_open(&d[i], uuids[i]));
                map[i] = device_map(&d[i], 0, 0, 4 * MIB);
                CHECK_EQ(touch_write(map[i], 0x1000 + i), 0, "a VMM at work");
        }
        /* only the first one wants to be asked */
        request.fd = eventfd(0, EFD_CLOEXEC);
        MUST(device_irq(&d[0], VFIO_PCI_REQ_IRQ_INDEX,
                        VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1, &request.fd,
                        4));

        CHECK_EQ(host("qmp '{\"execute\":\"device_del\",\"arguments\":{\"id\":\"parent1\"}}' "
                      ">/dev/null"), 0, "the button at the slot");
        poll(&request, 1, -1);
        CHECK(request.revents & POLLIN, "one VMM is asked to let go");
        MUST(ctl_wait(ctl, MDEVD_EVENT_PARENT_CLOSING, NULL));
        for (unsigned i = 0; i < 2; i++) {
                CHECK_EQ(ctl_state(ctl, uuids[i]), MDEVD_DEVICE_REVOKED, "revoked");
                CHECK_EQ(touch_read(map[i] + MIB, &value) ?: (int)value, -1, "it reads ones");
                CHECK_EQ(touch_write(map[i], 7), 0, "and may write");
        }
        CHECK_EQ(touch_read(map[1] + 2 * MIB, &value) ?: (int)value, 7, "to a page of its own");
        munmap(map[0], 4 * MIB);
        device_close(&d[0]);
        CHECK(present(), "the slot waits for the one that does not care");
        munmap(map[1], 4 * MIB);
        device_close(&d[1]);
        MUST(ctl_wait(ctl, MDEVD_EVENT_PARENT_GONE, NULL));
        CHECK_EQ(host("event DEVICE_DELETED >/dev/null"), 0, "the card is out");
        CHECK(!present(), "and gone from the bus");
        CHECK(!mdev_exists(uuids[0]) && !mdev_exists(uuids[1]), "as are its devices");
        CHECK_EQ(ctl_state(ctl, uuids[0]), -ENOENT, "query is empty");
        close(request.fd);
}

/* QEMU does not take the memory of a card that was pulled out a second time, but its file. */
static int plug(unsigned time) {
        char answer[512] = "", *path, *end;
        FILE *f;

        f = popen("host qmp '{\"execute\":\"qom-get\",\"arguments\":{\"path\":"
                  "\"/objects/mem-parent1\",\"property\":\"mem-path\"}}'", "r");
        if (!f || !fgets(answer, sizeof(answer), f))
                return 1;
        pclose(f);
        path = strchr(answer, '/');
        end = path ? strchr(path, '"') : NULL;
        if (!end)
                return 1;
        *end = '\0';
        if (host("qmp '{\"execute\":\"object-add\",\"arguments\":{\"qom-type\":"
                 "\"memory-backend-file\",\"id\":\"mem-again%u\",\"mem-path\":\"%s\","
                 "\"share\":true,\"size\":16777216}}' >/dev/null", time, path) != 0)
                return 1;
        return host("qmp '{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"ivshmem-plain\","
                    "\"id\":\"parent1\",\"memdev\":\"mem-again%u\",\"bus\":\"rp1\"}}' "
                    ">/dev/null", time);
}

/* PCI hotplug was not left hanging: the same slot takes a card again. */
static void test_plug(void) {
        struct mdevd_event event;

        CHECK_EQ(plug(1), 0, "a card is plugged in");
        /* the end of the case is the limit */
        while (!present())
                sched_yield();
        int r;
        while ((r = bind_parent(p1)) == -ENOENT)
                sched_yield();
        CHECK_EQ(r, 0, "it can be bound");
        do
                MUST(ctl_event(ctl, &event));
        while (event.type != MDEVD_EVENT_PARENT_ADDED);
        CHECK(strcmp(event.parent, p1) == 0, "an event tells of it");
        MUST(standard_parent(ctl, p1));
        MUST(mdev_make(ctl, p1, "4M", UUID(72), 0, 4 * MIB));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(72)));
        MUST(mdev_remove(UUID(72)));
}

/* Somebody waits for an answer to his create, and the card is pulled out. */
static void test_request(void) {
        struct mdevd_listen listen = { .size = sizeof(listen) };
        struct mdevd_answer answer = { .size = sizeof(answer), .error = EACCES };
        struct mdevd_event event;
        int status;
        pid_t pid;

        MUST(ctl_call(ctl, MDEVD_LISTEN, &listen));
        fflush(stdout);
        pid = fork();
        if (pid == 0)
                _exit(-mdev_create(p1, "4M", UUID(73)));
        do
                MUST(ctl_event(ctl, &event));
        while (event.type != MDEVD_EVENT_REQUEST);
        answer.cookie = event.cookie;
        CHECK_EQ(host("qmp '{\"execute\":\"device_del\",\"arguments\":{\"id\":\"parent1\"}}' "
                      ">/dev/null"), 0, "the button at the slot while a create request waits");
        waitpid(pid, &status, 0);
        CHECK_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, ENODEV, "the writer is told");
        CHECK_EQ(ctl_call(ctl, MDEVD_ANSWER, &answer), -ESTALE, "an answer is stale");
        MUST(ctl_wait(ctl, MDEVD_EVENT_PARENT_GONE, NULL));
        CHECK_EQ(host("event DEVICE_DELETED >/dev/null"), 0, "the card is out");
        CHECK(!present() && !mdev_exists(UUID(73)), "and gone from the bus, without a device");
        CHECK_EQ(ctl_state(ctl, UUID(73)), -ENOENT, "query is empty");
        /* other cases find it in its place */
        CHECK_EQ(plug(2), 0, "it is plugged in again");
        while (!present())
                sched_yield();
}

int main(void) {
        p1 = parent_name(1);
        ctl = (int)MUST(ctl_open(O_RDWR));
        test_unplug();
        test_plug();
        test_request();
        return check_done();
}

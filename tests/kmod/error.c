/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors of a parent. Those that the machine can have come from the device around it, which injects
 * them into its root port (QEMU's HMP command pcie_aer_inject_error); the kernel recovers, and the
 * VMM learns of it by ERR and goes on. The others its driver is told of by the module merr.
 *
 * With the argument "card" the parent is a function of a card whose other one has no driver: the
 * kernel then begins a recovery, gives it up, and tells nobody.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "trouble.h"

#define A UUID(71)
#define LONG_AGO "3600"

/* enum pci_ers_result, include/linux/pci.h */
enum { CAN_RECOVER = 2, NEED_RESET = 3, DISCONNECT = 4 };

static const char *parent;
static const char *port;
static int ctl;
static int event;
static struct device d;
static volatile uint32_t *map;

static bool arrives(void) {
        struct pollfd p = { .fd = event, .events = POLLIN };
        uint64_t n;

        return poll(&p, 1, 30000) == 1 && read(event, &n, 8) == 8;
}

static int inject(const char *error) {
        return host("qmp '{\"execute\": \"human-monitor-command\", \"arguments\": "
                    "{\"command-line\": \"pcie_aer_inject_error %s %s\"}}'", port, error);
}

static void start(void) {
        MUST(bind_parent(parent));
        MUST(standard_parent(ctl, parent));
        MUST(mdev_make(ctl, parent, "1M", A, 0, MIB));
        MUST(device_open(&d, A));
        map = device_map(&d, 0, 0, MIB);
        event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        MUST(device_irq(&d, VFIO_PCI_ERR_IRQ_INDEX,
                        VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1, &event, 4));
        map[0] = 1;
}

static void stop(void) {
        munmap((void *)map, MIB);
        device_close(&d);
        close(event);
        CHECK_EQ(mdev_remove(A), 0, "remove");
        CHECK_EQ(unbind_parent(parent), 0, "unbind");
}

/* Held while the link is reset, this waits; then it is there again. */
static void goes_on(const char *what) {
        uint32_t v = 0;

        CHECK_EQ(touch_write(map + 1024, 0x1234), 0, what);
        CHECK_EQ(touch_read(map + 1024, &v), 0, "  and can be read");
        CHECK_EQ(v, 0x1234, "  what was written");
        CHECK_EQ(pread(d.fd, &v, 4, (off_t)(REGION(0) + 4096)), 4, "  by read() too");
        CHECK_EQ(v, 0x1234, "  the same");
        CHECK_EQ(ctl_state(ctl, A), MDEVD_DEVICE_LIVE, "  the device lives");
}

/* Who has it open sees ones; nobody gets a new one until the driver has been unbound. */
static void is_lost(void) {
        struct mdevd_event e;
        bool closing = false;
        uint32_t v = 0;

        do {
                MUST(ctl_event(ctl, &e));
                closing = e.type == MDEVD_EVENT_PARENT_CLOSING ||
                          (closing && e.type != MDEVD_EVENT_DEVICE_OPENED);
        } while (e.type != MDEVD_EVENT_DEVICE_REVOKED);
        CHECK(closing, "  events: its parent closes, it is revoked");
        while (ctl_state(ctl, A) == MDEVD_DEVICE_REVOKED && touch_read(map, &v) == 0 &&
               v != 0xffffffff)
                sched_yield();
        CHECK_EQ(v, 0xffffffff, "  its device reads as ones");
        CHECK_EQ(ctl_state(ctl, A), MDEVD_DEVICE_REVOKED, "  and is revoked");
        CHECK_EQ(pread(d.fd, &v, 4, (off_t)REGION(0)) == 4 ? v : 0, 0xffffffff, "  to read() too");
        CHECK_EQ(mdev_make(ctl, parent, "1M", UUID(72), 4 * MIB, MIB), -ENODEV,
                 "  nothing new is made of it");
}

static int load(void *arg) {
        return touch_read(map, arg);
}

static void test_injected(void) {
        start();
        CHECK_EQ(inject("DLP"), 0, "a fatal error: the link is reset");
        CHECK(arrives(), "the VMM learns of it");
        goes_on("the BAR is there again");
        CHECK_EQ(inject("COMP_TIME"), 0, "an error that is not fatal");
        CHECK(arrives(), "the VMM learns of it");
        goes_on("the BAR is there");
        stop();
}

/* A reset that a user asks for is over long before the recovery that it came into. */
static void test_reset_amid(void) {
        struct waiter w;
        uint32_t v = 0;
        char path[128];

        start();
        MUST(trouble_limit(LONG_AGO));
        MUST(trouble_tell(parent, "frozen"));
        CHECK_EQ(trouble_answer(), NEED_RESET, "a frozen link");
        CHECK(arrives(), "the VMM learns of it");
        waiter_start(&w, load, &v);
        CHECK(waiter_blocked(&w), "who touches the BAR waits");
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", parent);
        CHECK_EQ(write_file(path, "1"), 0, "the function is reset for a user meanwhile");
        CHECK(waiter_blocked(&w), "  which does not end the wait");
        MUST(trouble_tell(parent, "resume"));
        CHECK_EQ(waiter_end(&w), 0, "the end of the recovery does");
        CHECK_EQ(v, 1, "  and what was there is there");
        goes_on("the BAR is there again");
        stop();
}

static void test_permanent(void) {
        start();
        MUST(trouble_tell(parent, "permanent"));
        CHECK_EQ(trouble_answer(), DISCONNECT, "a function that has failed for good");
        CHECK(arrives(), "the VMM learns of it");
        is_lost();
        stop();
        start();
        goes_on("bound again it is as good as new");
        stop();
}

static void test_limit(void) {
        struct waiter w;
        uint32_t v = 0;

        CHECK_EQ(trouble_limit("0"), -EINVAL, "a limit of 0 s");
        CHECK_EQ(trouble_limit("3601"), -EINVAL, "a limit of an hour and a second");
        CHECK_EQ(trouble_limit("3600"), 0, "a limit of an hour");
        CHECK_EQ(trouble_limit("1"), 0, "a limit of a second");
        start();
        MUST(trouble_tell(parent, "frozen"));
        CHECK(arrives(), "a recovery begins and does not end");
        waiter_start(&w, load, &v);
        CHECK_EQ(waiter_end(&w), 0, "who waits goes on after the limit");
        CHECK_EQ(v, 0xffffffff, "  and sees ones");
        is_lost();
        /* a recovery that ends too late brings nothing back */
        MUST(trouble_tell(parent, "resume"));
        CHECK_EQ(touch_read(map, &v) ?: (int)v, -1, "the end, too late: it sees ones");
        CHECK_EQ(ctl_state(ctl, A), MDEVD_DEVICE_REVOKED, "  revoked as before");
        stop();
}

/* The link was reset and nothing restored: only a new look at the card gives it addresses. */
static void find_again(void) {
        char path[128], function[32];

        snprintf(function, sizeof(function), "%s", parent);
        for (char n = '0'; n < '2'; n++) {
                function[strlen(function) - 1] = n;
                snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", function);
                MUST(write_file(path, "1"));
        }
        MUST(write_file("/sys/bus/pci/rescan", "1"));
}

/* The kernel's own way to there: no driver of the other function can say that it recovers. */
static void test_given_up(void) {
        CHECK_EQ(trouble_limit("1"), 0, "a limit of a second");
        start();
        CHECK_EQ(inject("DLP"), 0, "a fatal error on a card that cannot recover");
        CHECK(arrives(), "the VMM learns of it");
        is_lost();
        stop();
        find_again();
        start();
        goes_on("taken off the bus and found again it is as good as new");
        stop();
}

int main(int argc, char **argv) {
        ctl = (int)MUST(ctl_open(O_RDWR));
        if (argc > 1 && strcmp(argv[1], "card") == 0) {
                parent = getenv("MDEVD_CARD");
                port = "rp-card";
                test_given_up();
                return check_done();
        }
        parent = parent_name(1);
        port = "rp1";
        test_injected();
        test_reset_amid();
        test_permanent();
        test_limit();
        return check_done();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors of a parent: the device around it injects them into its root port (QEMU's HMP command
 * pcie_aer_inject_error), the kernel recovers, and the VMM learns of it by ERR and goes on.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib.h"

#define A UUID(71)

static int event;

static bool arrives(void) {
        struct pollfd p = { .fd = event, .events = POLLIN };
        uint64_t n;

        return poll(&p, 1, 30000) == 1 && read(event, &n, 8) == 8;
}

static int inject(const char *error) {
        return host("qmp '{\"execute\": \"human-monitor-command\", \"arguments\": "
                    "{\"command-line\": \"pcie_aer_inject_error rp1 %s\"}}'", error);
}

/* Held while the link is reset, this waits; then it is there again. */
static void goes_on(volatile uint32_t *map, struct device *d, const char *what) {
        uint32_t v = 0;

        CHECK_EQ(touch_write(map + 1024, 0x1234), 0, what);
        CHECK_EQ(touch_read(map + 1024, &v), 0, "  and can be read");
        CHECK_EQ(v, 0x1234, "  what was written");
        CHECK_EQ(pread(d->fd, &v, 4, (off_t)(REGION(0) + 4096)), 4, "  by read() too");
        CHECK_EQ(v, 0x1234, "  the same");
}

int main(void) {
        const char *parent = parent_name(1);
        volatile uint32_t *map;
        struct device d;
        int ctl;

        MUST(bind_parent(parent));
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(standard_parent(ctl, parent));
        MUST(mdev_make(ctl, parent, "1M", A, 0, MIB));
        MUST(device_open(&d, A));
        map = device_map(&d, 0, 0, MIB);
        event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        CHECK_EQ(device_irq(&d, VFIO_PCI_ERR_IRQ_INDEX,
                            VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1, &event, 4),
                 0, "the eventfd of ERR");
        map[0] = 1;

        CHECK_EQ(inject("DLP"), 0, "a fatal error: the link is reset");
        CHECK(arrives(), "the VMM learns of it");
        goes_on(map, &d, "the BAR is there again");
        CHECK_EQ(ctl_state(ctl, A), MDEVD_DEVICE_LIVE, "the device lives");

        munmap((void *)map, MIB);
        device_close(&d);
        CHECK_EQ(mdev_remove(A), 0, "remove");
        CHECK_EQ(unbind_parent(parent), 0, "unbind");
        return check_done();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kmod-failnth: everything that a parent and a device go through, again and again, each time with
 * the next allocation of the kernel on its way made to fail, until one pass has met no failure. A
 * step that failed must have changed nothing and must work when tried again.
 *
 * Needs a kernel with failslab (tests/run --kernel debug).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../kmod/lib.h"

#define DEVICE UUID(66)
#define LENGTH (16 * MIB)
#define MOST 2000 /* allocations of one step; more would be a loop */

static const char *parent;
static int ctl, second = -1, event_fd;
static struct device dev;
static void *mapping;

static int do_bind(void) {
        return bind_parent(parent);
}

static void undo_bind(void) {
        MUST(unbind_parent(parent));
}

static int do_configure(void) {
        return standard_parent(ctl, parent);
}

static void undo_configure(void) {
        MUST(ctl_unconfigure(ctl, parent));
}

static int do_open_ctl(void) {
        second = ctl_open(O_RDWR);
        return second < 0 ? second : 0;
}

static void undo_open_ctl(void) {
        close(second);
}

static int do_reserve(void) {
        return ctl_reserve_at(ctl, parent, "16M", DEVICE, 0, LENGTH);
}

static void undo_reserve(void) {
        MUST(ctl_release(ctl, DEVICE));
}

static int do_create(void) {
        return mdev_create(parent, "16M", DEVICE);
}

static void undo_create(void) {
        /* a queue of its own: one that nobody read may have overflowed */
        int events = (int)MUST(ctl_open(O_RDWR));

        MUST(mdev_remove(DEVICE));
        MUST(ctl_wait(events, MDEVD_EVENT_DEVICE_GONE, DEVICE));
        MUST(ctl_wait(events, MDEVD_EVENT_DEVICE_CLEAN, DEVICE));
        close(events);
        MUST(do_reserve());
}

static int do_open(void) {
        return device_open(&dev, DEVICE);
}

static void undo_open(void) {
        device_close(&dev);
}

static int do_map(void) {
        mapping = device_map(&dev, 0, 0, LENGTH);
        return mapping == MAP_FAILED ? -errno : 0;
}

static void undo_map(void) {
        munmap(mapping, LENGTH);
}

/* A fault that finds no memory is taken again: it fails for nobody to see, and must come right. */
static int do_touch(void) {
        for (uint64_t at = 0; at < LENGTH; at += MIB) {
                int r = touch_write((char *)mapping + at, (uint32_t)at + 1);
                uint32_t value = 0;

                if (r == 0)
                        r = touch_read((char *)mapping + at, &value);
                if (r != 0 || value != at + 1)
                        return -EIO;
        }
        return 0;
}

static void undo_touch(void) {
        madvise(mapping, LENGTH, MADV_DONTNEED);
}

static int do_query(void) {
        char buf[16384];
        struct mdevd_query arg = { .size = sizeof(arg), .buffer = (uintptr_t)buf,
                                   .length = sizeof(buf) };

        return ctl_call(ctl, MDEVD_QUERY, &arg);
}

static int do_irq(void) {
        return device_irq(&dev, VFIO_PCI_REQ_IRQ_INDEX,
                          VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1, &event_fd,
                          sizeof(event_fd));
}

static int do_region(void) {
        struct vfio_region_info info;

        return device_region(&dev, 0, &info);
}

static void nothing(void) {
}

/* In this order each needs those before it. */
static const struct step {
        const char *name;
        int (*run)(void);
        void (*undo)(void);
        int state; /* of the device when it failed; -ENOENT: there is none */
        bool whole; /* nothing is made to fail in it */
} steps[] = {
        { "bind", do_bind, undo_bind, -ENOENT },
        { "configure", do_configure, undo_configure, -ENOENT },
        { "open /dev/mdevd", do_open_ctl, undo_open_ctl, -ENOENT },
        { "reserve", do_reserve, undo_reserve, -ENOENT },
        /* vfio core warns when vfio_create_group() runs out of memory, whoever called it (6.12) */
        { "create", do_create, undo_create, MDEVD_DEVICE_RESERVED, .whole = true },
        { "open", do_open, undo_open, MDEVD_DEVICE_LIVE },
        { "region info", do_region, nothing, MDEVD_DEVICE_LIVE },
        { "set irqs", do_irq, nothing, MDEVD_DEVICE_LIVE },
        { "map", do_map, undo_map, MDEVD_DEVICE_LIVE },
        { "touch", do_touch, undo_touch, MDEVD_DEVICE_LIVE },
        { "query", do_query, nothing, MDEVD_DEVICE_LIVE },
};

/* Returns whether the n-th allocation was reached, and so failed. */
static bool run_failing(int knob, unsigned n, int (*run)(void), int *result) {
        char text[16];
        ssize_t length = snprintf(text, sizeof(text), "%u", n);

        MUST(pwrite(knob, text, (size_t)length, 0) == length ? 0 : -errno);
        *result = run();
        length = pread(knob, text, sizeof(text) - 1, 0);
        text[length > 0 ? length : 0] = '\0';
        MUST(pwrite(knob, "0", 1, 0) == 1 ? 0 : -errno);
        return atoi(text) == 0;
}

static void one_step(int knob, const struct step *s) {
        unsigned failed = 0, injected = 0, wrong = 0;
        int r = 0;

        if (s->whole) {
                r = s->run();
                CHECK(r >= 0, "%s: works: %d", s->name, r);
                return;
        }
        for (unsigned n = 1; n < MOST && run_failing(knob, n, s->run, &r); n++) {
                int state;

                injected++;
                if (r >= 0) {
                        s->undo();
                        continue;
                }
                failed++;
                state = ctl_state(ctl, DEVICE);
                if (state != s->state && !(s->state == MDEVD_DEVICE_LIVE &&
                                           state == MDEVD_DEVICE_SCRUBBING)) {
                        wrong++;
                        printf("# %s, allocation %u: %s, and then the state is %d\n", s->name, n,
                               strerror(-r), state);
                }
        }
        printf("# %s: %u allocations failed one by one, the step with %u of them\n", s->name,
               injected, failed);
        CHECK(wrong == 0, "%s: failing changes nothing", s->name);
        CHECK(r >= 0, "%s: works when nothing fails: %d", s->name, r);
}

int main(void) {
        int knob = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

        if (knob < 0) {
                printf("not ok - this kernel cannot fail allocations\n");
                return 1;
        }
        parent = parent_name(1);
        ctl = (int)MUST(ctl_open(O_WRONLY));
        event_fd = eventfd(0, EFD_CLOEXEC);
        for (unsigned i = 0; i < ELEMENTS(steps); i++)
                one_step(knob, &steps[i]);
        for (unsigned i = ELEMENTS(steps); i-- > 0;)
                steps[i].undo();
        close(ctl);
        return check_done();
}

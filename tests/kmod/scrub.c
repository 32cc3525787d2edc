/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kmod-scrub BIG: what everybody meets while 256 MiB are being zeroed: whoever asks, opens,
 * reserves, removes the device, unbinds the driver or pulls the card out. BIG is that card's
 * address.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib.h"

#define DEV UUID(80)

static int ctl;

static void setup(const char *parent, uint64_t length) {
        struct mdevd_pool pool = { .name = "mem", .bar = 2, .length = length };
        struct mdevd_type types[2] = {
                { .name = "whole", .bars = { { length, MDEVD_BAR_64BIT, 0 } } },
                { .name = "page", .bars = { { 4096, 0, 0 } } },
        };

        MUST(bind_parent(parent));
        MUST(ctl_configure(ctl, parent, &pool, 1, types, 2));
        MUST(mdev_make(ctl, parent, "whole", DEV, 0, length));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, DEV));
}

/* Leaves a word at each end, closes, and so sets the scrub going. */
static void soil(uint64_t length) {
        struct device d;
        char *map;

        MUST(device_open(&d, DEV));
        map = device_map(&d, 0, 0, length);
        *(volatile uint64_t *)map = 0x5ec3e7;
        *(volatile uint64_t *)(map + length - 8) = 0x5ec3e7;
        munmap(map, length);
        device_close(&d);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, DEV));
}

struct opener {
        pthread_t thread;
        struct device d;
        volatile bool in;
        int result;
};

static void *opener_run(void *arg) {
        struct opener *o = arg;

        o->result = device_open(&o->d, DEV);
        o->in = true;
        return NULL;
}

/* No time is asserted: the scrub is long, and what is asked within it is short. */
static void test_query(const char *parent, uint64_t length) {
        unsigned scrubbing = 0, other = 0, taken = 0;
        struct mdevd_event event = {};
        struct opener o = {};
        char text[32] = "";
        int reader = (int)MUST(ctl_open(O_RDONLY | O_NONBLOCK));

        soil(length);
        MUST(mdev_attr(DEV, "state", text, sizeof(text)));
        CHECK(strcmp(text, "scrubbing\n") == 0, "state in sysfs: %s", text);
        pthread_create(&o.thread, NULL, opener_run, &o);
        while (!o.in && event.type != MDEVD_EVENT_DEVICE_CLEAN) {
                int state = ctl_state(ctl, DEV);

                scrubbing += state == MDEVD_DEVICE_SCRUBBING;
                other += state != MDEVD_DEVICE_SCRUBBING && state != MDEVD_DEVICE_LIVE;
                taken += ctl_reserve_at(ctl, parent, "page", UUID(81), length - 4096, 4096) !=
                         -EBUSY;
                if (read(reader, &event, sizeof(event)) < 0)
                        event.type = 0;
        }
        pthread_join(o.thread, NULL);
        printf("# %u queries while it was scrubbed\n", scrubbing);
        CHECK(scrubbing > 0, "query answers while it is scrubbed");
        CHECK_EQ(other, 0, "and says nothing else");
        CHECK_EQ(taken, 0, "its extent is nobody else's");
        CHECK_EQ(o.result, 0, "an open waits and succeeds");
        uint64_t first = 1, last = 1;
        MUST(pread(o.d.fd, &first, 8, 0) == 8 ? 0 : -EIO);
        MUST(pread(o.d.fd, &last, 8, (off_t)length - 8) == 8 ? 0 : -EIO);
        CHECK(first == 0 && last == 0, "it finds zeros: 0x%llx 0x%llx", (unsigned long long)first,
              (unsigned long long)last);
        device_close(&o.d);
        close(reader);
}

static void test_remove(const char *parent, uint64_t length) {
        unsigned busy = 0;
        int r;

        soil(length);
        MUST(mdev_remove(DEV));
        CHECK_EQ(ctl_state(ctl, DEV), MDEVD_DEVICE_DYING, "removed while it is scrubbed: dying");
        CHECK_EQ(ctl_unconfigure(ctl, parent), -EBUSY, "  which unconfigure does not pass over");
        while ((r = ctl_reserve_at(ctl, parent, "whole", UUID(82), 0, length)) == -EBUSY)
                busy++;
        CHECK_EQ(r, 0, "  free once it is clean");
        CHECK(busy > 0, "  and not before");
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, DEV));
        MUST(ctl_release(ctl, UUID(82)));
        CHECK_EQ(ctl_state(ctl, DEV), -ENOENT, "  query knows it no more");
}

static void test_unplug(uint64_t length) {
        soil(length);
        CHECK_EQ(ctl_state(ctl, DEV), MDEVD_DEVICE_SCRUBBING, "scrubbing when the card is called");
        CHECK_EQ(host("qmp '{\"execute\":\"device_del\",\"arguments\":{\"id\":\"big\"}}' "
                      ">/dev/null"), 0, "the button at the slot");
        MUST(ctl_wait(ctl, MDEVD_EVENT_PARENT_GONE, NULL));
        CHECK_EQ(ctl_state(ctl, DEV), -ENOENT, "query is empty");
        CHECK_EQ(host("event DEVICE_DELETED >/dev/null"), 0, "the card is out");
}

static void test_unbind(const char *parent, uint64_t length) {
        setup(parent, length);
        soil(length);
        CHECK_EQ(ctl_state(ctl, DEV), MDEVD_DEVICE_SCRUBBING,
                 "scrubbing when the driver is unbound");
        MUST(unbind_parent(parent));
        CHECK_EQ(host("check parent0 0 64M 0"), 0, "then all of it is zero");
        CHECK_EQ(ctl_state(ctl, DEV), -ENOENT, "and query is empty");
}

int main(int argc, char **argv) {
        if (argc != 2) {
                fprintf(stderr, "usage: kmod-scrub BIG\n");
                return 1;
        }
        ctl = (int)MUST(ctl_open(O_RDWR));
        test_unbind(parent_name(0), 64 * MIB);
        setup(argv[1], 256 * MIB);
        test_query(argv[1], 256 * MIB);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, DEV));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, DEV));
        test_remove(argv[1], 256 * MIB);
        MUST(mdev_make(ctl, argv[1], "whole", DEV, 0, 256 * MIB));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, DEV));
        test_unplug(256 * MIB);
        return check_done();
}

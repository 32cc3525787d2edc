/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices made and removed through sysfs, as the model says they can be.
 */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include "ioctl.h"

static int listener;

void sysfs_init(void) {
        EXPECT((listener = ctl_open(O_RDWR)) >= 0, "/dev/mdevd cannot be opened");
}

void sysfs_end(void) {
        close(listener);
}

void uuid_text(const uint8_t *b, char text[static 37]) {
        for (int i = 0; i < 16; i++) {
                text += sprintf(text, "%02x", b[i]);
                if (i == 3 || i == 5 || i == 7 || i == 9)
                        *text++ = '-';
        }
        *text = '\0';
}

void sysfs_create(int claim) {
        struct model_claim *c = &model.claims[claim];
        char uuid[37];
        int r;

        uuid_text(c->uuid, uuid);
        r = mdev_create(model.parents[c->parent].name, c->type, uuid);
        calls++;
        EXPECT(r >= 0, "create of reserved %s: %s", uuid, strerror(-r));
        c->live = true;
        done[DONE_CREATE]++;
}

static void drain(void) {
        struct pollfd p = { .fd = listener, .events = POLLIN };
        struct mdevd_event event;

        while (poll(&p, 1, 0) == 1 && p.revents & POLLIN)
                EXPECT(ctl_event(listener, &event) == 0, "event");
}

void sysfs_remove(int claim) {
        char uuid[37];

        drain();
        uuid_text(model.claims[claim].uuid, uuid);
        EXPECT(mdev_remove(uuid) >= 0, "remove of %s", uuid);
        calls++;
        /* its extents are free when they are clean, and not before */
        EXPECT(ctl_wait(listener, MDEVD_EVENT_DEVICE_GONE, uuid) == 0, "GONE");
        EXPECT(ctl_wait(listener, MDEVD_EVENT_DEVICE_CLEAN, uuid) == 0, "CLEAN");
        model_drop(claim);
        done[DONE_REMOVE]++;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-uevents.c: whom the daemon believes. The kernel's own uevents are those of tests/vm. */
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/udev.h"
#include "test.h"

static const char forged[] = "add@/devices/x/11111111-2222-3333-4444-555555555501\0"
                             "ACTION=add\0"
                             "DEVPATH=/devices/x/11111111-2222-3333-4444-555555555501\0"
                             "SUBSYSTEM=mdev";

static void on_uevent(const Uevent *e, void *userdata) {
        unsigned *n = userdata;

        /* the machine that runs this may have some of its own */
        *n += e && streq(e->devpath, "devices/x/11111111-2222-3333-4444-555555555501");
}

TEST(what_another_process_sends_is_no_uevent) {
        /* the first netlink socket of a process has its number */
        const struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_pid = (uint32_t) getpid() };
        sd_event *event = NULL;
        Uevents *u = NULL;
        unsigned n = 0;
        int fd, r;

        ASSERT_OK(sd_event_new(&event));
        ASSERT_OK(uevents_new(&u, event, -1, "/", on_uevent, &n));
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(sendto(fd, forged, sizeof(forged), 0, (const struct sockaddr *) &to, sizeof(to)),
                  (ssize_t) sizeof(forged));
        do { /* what was sent is there before the call returns */
                r = sd_event_run(event, 0);
                ASSERT_TRUE(r >= 0);
        } while (r > 0);
        ASSERT_EQ(n, 0U);
        safe_close(fd);
        uevents_free(u);
        sd_event_unref(event);
}

TESTS_MAIN

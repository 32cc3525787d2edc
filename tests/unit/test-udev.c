/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-udev.c: when uevents are handed up, what of them, and whose are not. */
#include "backend/udev.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tree.h"
#include "util/clock.h"

typedef struct Heard Heard;

struct Heard {
        Tree tree;
        sd_event *event;
        Uevents *uevents;
        unsigned n;
        char action[16];
        char actions[256]; /* of all, in their order */
        uint64_t held_usec; /* no later than they were */
};

static void on_uevent(const Uevent *e, void *userdata) {
        Heard *h = userdata;

        ASSERT_NOT_NULL(e);
        h->n++;
        (void) snprintf(h->action, sizeof(h->action), "%s", e->action);
        ASSERT_TRUE(strlen(h->actions) + strlen(e->action) + 2 <= sizeof(h->actions));
        (void) strcat(strcat(h->actions, e->action), " ");
}

static void heard_begin(Heard *h) {
        *h = (Heard){};
        tree_init(&h->tree);
        ASSERT_TRUE(sd_event_new(&h->event) >= 0);
        ASSERT_OK(uevents_new(&h->uevents, h->event, h->tree.fd, h->tree.path, on_uevent, h));
}

static void heard_end(Heard *h) {
        uevents_free(h->uevents);
        sd_event_unref(h->event);
        tree_done(&h->tree);
}

/* As the kernel sends them, with a first line that is no variable. */
static int format(char text[static 256], const char *action) {
        return snprintf(text, 256,
                        "%s@/devices/pci/x%cACTION=%s%cDEVPATH=/devices/pci/x%cSUBSYSTEM=mdev%c"
                        "SEQNUM=1%c",
                        action, 0, action, 0, 0, 0, 0);
}

static void say_text(const Heard *h, const char *text, size_t size) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        ASSERT_TRUE(fd >= 0);
        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/mdevd/uevent", h->tree.path);
        ASSERT_EQ(sendto(fd, text, size, 0, (struct sockaddr *) &sa, sizeof(sa)), size);
        (void) close(fd);
}

static void say(const Heard *h, const char *action) {
        char text[256];

        say_text(h, text, (size_t) format(text, action));
}

/* All that there is to do without waiting. */
static void run_ready(const Heard *h) {
        int r;

        do
                r = sd_event_run(h->event, 0);
        while (r > 0);
        ASSERT_OK(r);
}

TEST(told_at_once) {
        Heard h;

        heard_begin(&h);
        say(&h, "add");
        run_ready(&h);
        ASSERT_EQ(h.n, 1);
        ASSERT_STREQ(h.action, "add");
        heard_end(&h);
}

/* More than one call takes: each once, in their order, those passed over that are none. */
TEST(many_at_once) {
        static const char *const actions[] = { "a", "b", "c", "", "d", "e", "", "f", "g", "h" };
        _cleanup_(freep) char *huge = malloc(10000);
        Heard h;

        ASSERT_NOT_NULL(huge);
        heard_begin(&h);
        (void) memset(huge, 'x', 10000);
        (void) format(huge, "cut");
        huge[8191] = '\0'; /* the end of what there is room for */
        for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
                if (actions[i][0])
                        say(&h, actions[i]);
                else
                        say_text(&h, huge, i == 3 ? 10000 : 1);
        uevents_take(h.uevents);
        ASSERT_STREQ(h.actions, "a b c d e f g h ");
        run_ready(&h);
        ASSERT_EQ(h.n, 8);
        heard_end(&h);
}

TEST(variables) {
        static const char *const texts[] = {
                "ACTION=add", "DEVPATH=/devices/p/x", "SUBSYSTEM=mdev", "DRIVER=d",
                "MDEV_STATE=registered", "DEVPATHS=/y", "DEVTYPE=t", "ACTION", "MODALIAS=m",
        };
        char text[256] = "";
        size_t size = 0;
        Uevent e;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                size += (size_t) sprintf(text + size, "%s", texts[i]) + 1;
        ASSERT_OK(uevent_parse(text, size, &e));
        ASSERT_STREQ(e.action, "add");
        ASSERT_STREQ(e.devpath, "devices/p/x");
        ASSERT_STREQ(e.sysname, "x");
        ASSERT_STREQ(e.subsystem, "mdev");
        ASSERT_STREQ(e.driver, "d");
        ASSERT_STREQ(e.mdev_state, "registered");
        ASSERT_EQ(uevent_parse(text, size - 1, &e), -EBADMSG);
        ASSERT_EQ(uevent_parse(text, 0, &e), -EBADMSG);
}

/* Nothing is heard of one that comes now; again where this machine let its time come meanwhile. */
static void say_while_held(Heard *h, const char *action) {
        const unsigned n = h->n;

        for (;;) {
                uevents_hold(h->uevents);
                say(h, action);
                run_ready(h);
                if (h->n == n)
                        break;
                ASSERT_TRUE(clock_usec(CLOCK_MONOTONIC) - h->held_usec >= UEVENTS_HOLD_USEC);
                h->n = n;
                h->held_usec = clock_usec(CLOCK_MONOTONIC);
        }
}

TEST(held_until_resumed) {
        Heard h;

        heard_begin(&h);
        h.held_usec = clock_usec(CLOCK_MONOTONIC);
        say_while_held(&h, "add");
        uevents_resume(h.uevents);
        run_ready(&h);
        ASSERT_EQ(h.n, 1);
        ASSERT_STREQ(h.action, "add");
        heard_end(&h);
}

TEST(taken_while_held) {
        Heard h;

        heard_begin(&h);
        h.held_usec = clock_usec(CLOCK_MONOTONIC);
        uevents_hold(h.uevents);
        say(&h, "add");
        uevents_take(h.uevents);
        ASSERT_EQ(h.n, 1);
        uevents_take(h.uevents); /* there are none */
        ASSERT_EQ(h.n, 1);
        say_while_held(&h, "remove");
        ASSERT_EQ(h.n, 1);
        heard_end(&h);
}

/* One worker after the other begins. */
TEST(held_again_is_held_no_longer) {
        Heard h;

        heard_begin(&h);
        for (unsigned i = 1; i <= 3; i++) {
                say(&h, "add");
                while (h.n < i) {
                        uevents_hold(h.uevents);
                        ASSERT_TRUE(sd_event_run(h.event, 100) >= 0);
                }
        }
        heard_end(&h);
}

TEST(held_for_so_long_only) {
        uint64_t begin;
        Heard h;

        heard_begin(&h);
        uevents_hold(h.uevents);
        begin = clock_usec(CLOCK_MONOTONIC);
        say(&h, "add");
        while (h.n == 0)
                ASSERT_TRUE(sd_event_run(h.event, UINT64_MAX) >= 0);
        ASSERT_TRUE(clock_usec(CLOCK_MONOTONIC) - begin >= UEVENTS_HOLD_USEC);
        say(&h, "remove"); /* and no longer */
        run_ready(&h);
        ASSERT_EQ(h.n, 2);
        heard_end(&h);
}

static void on_forged(const Uevent *e, void *userdata) {
        unsigned *n = userdata;

        *n += e && streq(e->action, "forged");
}

/* The port that our socket got. */
static uint32_t find_port(void) {
        for (int fd = 3; fd < 64; fd++) {
                struct sockaddr_nl sa = {};
                socklen_t size = sizeof(sa);

                if (getsockname(fd, (struct sockaddr *) &sa, &size) >= 0 &&
                    sa.nl_family == AF_NETLINK && sa.nl_groups != 0)
                        return sa.nl_pid;
        }
        test_fail(__FILE__, __LINE__, "no netlink socket");
        return 0;
}

/* Another process with CAP_NET_ADMIN can send there, and the kernel lets nobody else. */
TEST(only_the_kernel_is_believed) {
        struct sockaddr_nl to = { .nl_family = AF_NETLINK };
        _cleanup_(closep) int fd = -EBADF, root_fd = -EBADF;
        Uevents *uevents;
        unsigned n = 0;
        sd_event *event;
        char text[256];
        int size = format(text, "forged");

        root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_TRUE(sd_event_new(&event) >= 0);
        ASSERT_OK(uevents_new(&uevents, event, root_fd, "/", on_forged, &n));
        to.nl_pid = find_port();
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
        ASSERT_TRUE(fd >= 0);
        if (sendto(fd, text, size, 0, (struct sockaddr *) &to, sizeof(to)) < 0)
                ASSERT_EQ(errno, EPERM);
        uevents_take(uevents);
        ASSERT_EQ(n, 0);
        uevents_free(uevents);
        sd_event_unref(event);
}

TESTS_MAIN

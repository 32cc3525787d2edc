/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A function that is reset, or goes off without a word, while the module itself copies to and from
 * its memory: a move and a scrub end with the right bytes in the right place, or say that they did
 * not.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "trouble.h"

#define DEV UUID(65)
#define LENGTH (4 * MIB)
#define A 0
#define B (8 * MIB)

static const char *p1;
static int ctl;
static struct device d;
static volatile uint64_t *map;

static int move_to(uint64_t offset, uint64_t *moved) {
        struct mdevd_move arg = {
                .size = sizeof(arg),
                .flags = MDEVD_MOVE_RELEASE,
                .bar = 2,
                .offset = offset,
        };
        int r;

        uuid_bytes(DEV, arg.uuid);
        r = ctl_call(ctl, MDEVD_MOVE, &arg);
        if (moved)
                *moved = arg.moved;
        return r;
}

static uint64_t extent_offset(void) {
        struct mdevd_extent e[MDEVD_MAX_EXTENTS] = {};
        uint32_t n;

        MUST(ctl_device(ctl, DEV, NULL, e, &n));
        return e[0].offset;
}

static void fill(uint64_t seed) {
        for (uint64_t i = 0; i < LENGTH / 8; i += 64)
                map[i] = (i + seed) * 0x9e3779b97f4a7c15;
}

static uint64_t wrong(uint64_t seed) {
        uint64_t n = 0;

        for (uint64_t i = 0; i < LENGTH / 8; i += 64)
                n += map[i] != (i + seed) * 0x9e3779b97f4a7c15;
        return n;
}

static int move_forth(void *arg) {
        return move_to(B, arg);
}

static int move_back(void *arg) {
        return move_to(A, arg);
}

static void reset_begin(void) {
        MUST(trouble_tell(p1, "reset-prepare"));
        MUST(trouble_decode(p1, false));
}

static void reset_end(void) {
        MUST(trouble_decode(p1, true));
        MUST(trouble_tell(p1, "reset-done"));
}

/* What is asked for during a reset waits for its end. */
static void test_move_waits(void) {
        struct waiter w;

        fill(1);
        reset_begin();
        waiter_start(&w, move_forth, NULL);
        CHECK(waiter_blocked(&w), "a move during a reset waits");
        CHECK_EQ(extent_offset(), A, "  and has done nothing");
        reset_end();
        CHECK_EQ(waiter_end(&w), 0, "  it is done after it");
        CHECK_EQ(extent_offset(), B, "  to its place");
        CHECK_EQ(wrong(1), 0, "  words that are wrong");

        /* the function goes off, and nobody says anything of it */
        fill(2);
        MUST(trouble_decode(p1, false));
        waiter_start(&w, move_back, NULL);
        CHECK(waiter_blocked(&w), "a move while the function is off waits");
        CHECK_EQ(extent_offset(), B, "  and is not done");
        MUST(trouble_decode(p1, true));
        CHECK_EQ(waiter_end(&w), 0, "  it is done when it is on again");
        CHECK_EQ(extent_offset(), A, "  to its place");
        CHECK_EQ(wrong(2), 0, "  words that are wrong");
}

static int move_for_ever(void *arg) {
        volatile bool *stop = arg;
        int r = 0;

        for (unsigned i = 0; !*stop && r == 0; i++)
                r = move_to(i % 2 ? A : B, NULL);
        return r;
}

/* Resets at any moment of the copy of a chunk. */
static void test_move_amid(void) {
        volatile bool stop = false;
        struct waiter w;

        fill(3);
        waiter_start(&w, move_for_ever, (void *)&stop);
        for (unsigned round = 0; round < 20; round++) {
                uint64_t from = extent_offset();

                reset_begin();
                reset_end();
                /* some of it has moved before the next */
                while (extent_offset() == from && !w.ended)
                        sched_yield();
        }
        stop = true;
        CHECK_EQ(waiter_end(&w), 0, "moves forth and back under 20 resets");
        CHECK_EQ(wrong(3), 0, "  words that are wrong");
        if (extent_offset() == B)
                MUST(move_to(A, NULL));
}

static void nothing(int signal) {
}

/* Whoever waits is let go of: a signal, and the end of the parent. */
static void test_move_ends(void) {
        struct sigaction action = { .sa_handler = nothing };
        uint64_t moved = 1;
        struct waiter w;

        sigaction(SIGUSR1, &action, NULL);
        fill(4);
        reset_begin();
        waiter_start(&w, move_forth, &moved);
        CHECK(waiter_blocked(&w), "a move waits");
        pthread_kill(w.thread, SIGUSR1);
        CHECK_EQ(waiter_end(&w), -EINTR, "  a signal ends it");
        reset_end();
        CHECK_EQ(extent_offset(), A, "  where it was");
        CHECK_EQ(wrong(4), 0, "  words that are wrong");
        CHECK_EQ(move_to(B, NULL), 0, "  and it can be gone on with");
        CHECK_EQ(wrong(4), 0, "  words that are wrong");
        MUST(move_to(A, NULL));
}

static bool clean_within(int ms) {
        struct pollfd p = { .fd = ctl, .events = POLLIN };
        struct mdevd_event event;

        while (poll(&p, 1, ms) == 1) {
                MUST(ctl_event(ctl, &event));
                if (event.type == MDEVD_EVENT_DEVICE_CLEAN)
                        return true;
        }
        return false;
}

/*
 * Zeros that do not arrive are no zeros: what a tenant left is there when the function comes back.
 */
static void test_scrub(void) {
        fill(5);
        MUST(trouble_decode(p1, false));
        munmap((void *)map, LENGTH);
        device_close(&d);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, DEV));
        CHECK(!clean_within(500), "not clean while what is written does not arrive");
        CHECK_EQ(ctl_state(ctl, DEV), MDEVD_DEVICE_SCRUBBING, "  query says so");
        MUST(trouble_decode(p1, true));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, DEV));
        CHECK_EQ(host("check parent1 0 4M 0"), 0, "zero when it is said to be clean");

        /* it does not come back: the driver can be unbound all the same */
        MUST(device_open(&d, DEV));
        map = device_map(&d, 0, 0, LENGTH);
        fill(6);
        MUST(trouble_decode(p1, false));
        munmap((void *)map, LENGTH);
        device_close(&d);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, DEV));
        CHECK_EQ(unbind_parent(p1), 0, "unbound while it is off");
        CHECK_EQ(ctl_state(ctl, DEV), -ENOENT, "  query is empty");
        MUST(trouble_decode(p1, true));
        CHECK(host("check parent1 0 4M 0") != 0, "  what was there is there");
        MUST(bind_parent(p1));
        MUST(standard_parent(ctl, p1));
        MUST(mdev_make(ctl, p1, "4M", DEV, 0, LENGTH));
        MUST(device_open(&d, DEV));
        CHECK_EQ(host("check parent1 0 4M 0"), 0, "  but not when the next one has opened it");
        device_close(&d);
        MUST(mdev_remove(DEV));
}

int main(void) {
        p1 = parent_name(1);
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(bind_parent(p1));
        MUST(standard_parent(ctl, p1));
        MUST(mdev_make(ctl, p1, "4M-move", DEV, A, LENGTH));
        MUST(device_open(&d, DEV));
        map = device_map(&d, 0, 0, LENGTH);
        test_move_waits();
        test_move_amid();
        test_move_ends();
        test_scrub();
        return check_done();
}

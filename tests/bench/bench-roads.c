/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-roads.c: what the other roads to a device cost. A client of the running service, and root;
 * tests/vm/cases/bench-roads runs it in the test VM, with the configuration that it says.
 *
 *   request PARENT ROUNDS   interleaved: a write to sysfs "create" of 64 KiB with a reservation
 *                           that was made before, and one that the daemon answers
 *   pause PARENT ROUNDS     a pool of 64 MiB in pieces: how long a VMM's touch waits at most while
 *                           a create moves 16 MiB of it out of the way, beside one chunk of the
 *                           move
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "../kmod/lib.h"
#include "figure.h"
#include "names.h"
#include "util/macro.h"

#define ROUNDS_MAX 64
#define PAGE 4096
#define UUID_OF(n) "77777777-1111-4222-8333-0000000000" #n

static sd_bus *bus;

static void check(int r, const sd_bus_error *e, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "%s: %s\n", what, e && e->message ? e->message : strerror(-r));
        exit(EXIT_FAILURE);
}

/* All that was sent before the answer to this is known to the daemon, or to us. */
static void call_empty(void) {
        check(sd_bus_call_method(bus, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                 "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL), NULL,
              "Ping");
}

/* ---- a create request ---- */

static double time_create(const char *parent, const char *uuid) {
        double begin = figure_now_usec();

        check(mdev_create(parent, "b-64K", uuid), NULL, "create");
        begin = figure_now_usec() - begin;
        check(mdev_remove(uuid), NULL, "remove");
        call_empty();
        return begin;
}

static int bench_request(const char *parent, size_t n) {
        double reserved[ROUNDS_MAX], asked[ROUNDS_MAX], r, a;
        int ctl = (int) MUST(ctl_open(O_RDWR | O_NONBLOCK));

        for (size_t i = 0; i < n + 2; i++) {
                size_t at = i < 2 ? 0 : i - 2; /* two rounds to warm up */

                MUST(ctl_reserve_at(ctl, parent, "b-64K", UUID_OF(01), 0, 64 * KIB));
                reserved[at] = time_create(parent, UUID_OF(01));
                asked[at] = time_create(parent, UUID_OF(02));
        }
        (void) close(ctl);
        r = figure_median(reserved, n);
        a = figure_median(asked, n);
        printf("%zu rounds, medians: a create with a reservation %.0f us, one that is asked for "
               "%.0f us\n", n, r, a);
        figure("create request, of one with a reservation", "mdevd-b-64K", a / r, "x", 1.3);
        return 0;
}

/* ---- moves that make room ---- */

typedef struct Toucher Toucher;

/* Touches one page of a device after the other, as a guest that is never idle. */
struct Toucher {
        pthread_t thread;
        char *map;
        size_t size;
        atomic_bool stop, fresh; /* fresh: what was measured so far is forgotten */
        atomic_uint rounds;
        double longest; /* us; read after a round that began later than what it is about ended */
        unsigned wrong;
};

static void *touch_run(void *arg) {
        Toucher *t = arg;

        for (uint32_t round = 1; !t->stop; round++) {
                if (atomic_exchange(&t->fresh, false))
                        t->longest = 0;
                for (size_t at = 0; at < t->size; at += PAGE) {
                        volatile uint32_t *word = (volatile uint32_t *) (t->map + at);
                        double begin = figure_now_usec(), took;
                        uint32_t got = *word;

                        *word = round;
                        took = figure_now_usec() - begin;
                        t->longest = MAX(t->longest, took);
                        t->wrong += round > 1 && got != round - 1;
                }
                t->rounds++;
        }
        return NULL;
}

/* @n whole rounds have begun and ended since. */
static void await_rounds(const Toucher *t, unsigned n) {
        unsigned from = t->rounds;

        while (t->rounds < from + n + 1)
                sched_yield();
}

static void forget(Toucher *t) {
        t->fresh = true;
        await_rounds(t, 1);
}

static void create_device(const char *parent, const char *type, const char *uuid) {
        sd_bus_error e = SD_BUS_ERROR_NULL;

        check(sd_bus_call_method(bus, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER,
                                 "CreateDevice", &e, NULL, "ssa{sv}", parent, type, 1, "uuid", "s",
                                 uuid), &e, type);
}

static void call_device(const char *parent, const char *uuid, const char *verb, const char *types,
                        ...) {
        sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL;
        char *path = NULL;
        va_list ap;
        int r;

        check(sd_bus_path_encode_many(&path, MDEVD_OBJECT_DEVICE "/%/%", parent, uuid), NULL, uuid);
        check(sd_bus_message_new_method_call(bus, &m, MDEVD_BUS_NAME, path, MDEVD_IFACE_DEVICE,
                                             verb),
              NULL, verb);
        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        check(r, NULL, verb);
        check(sd_bus_call(bus, m, 0, &e, NULL), &e, verb);
        sd_bus_message_unref(m);
        free(path);
}

static void move_device(const char *parent, const char *uuid, uint64_t to) {
        call_device(parent, uuid, "Move", "sa{sv}", "fb", 1, "offset", "t", to);
}

/* The create is an operation that can be asked how it went; answers its longest chunk, in us. */
static double create_by_moves(const char *parent, const char *uuid) {
        sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus_message *made = NULL, *m = NULL;
        uint64_t done, total;
        uint32_t longest;
        const char *op;

        check(sd_bus_call_method(bus, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER,
                                 "CreateDeviceAsync", &e, &made, "ssa{sv}", parent, "fb-32M", 1,
                                 "uuid", "s", uuid), &e, "fb-32M");
        check(sd_bus_message_read(made, "o", &op), NULL, "its operation");
        create_device(parent, "fb-32M", uuid); /* joins it: the answer is its end */
        check(sd_bus_get_property(bus, MDEVD_BUS_NAME, op, MDEVD_IFACE_OPERATION, "Progress", &e,
                                  &m, "(ttu)"), &e, "Progress");
        check(sd_bus_message_read(m, "(ttu)", &done, &total, &longest), NULL, "Progress");
        if (total != 16 * MIB || done != total) {
                fprintf(stderr, "%" PRIu64 " of %" PRIu64 " bytes were moved, not 16 MiB\n", done,
                        total);
                exit(EXIT_FAILURE);
        }
        sd_bus_message_unref(made);
        sd_bus_message_unref(m);
        return longest;
}

/* The first BAR that is large enough. */
static void *map_bar(const struct device *d, size_t size) {
        for (uint32_t i = 0; i < 6; i++) {
                struct vfio_region_info info = {};

                if (device_region(d, i, &info) >= 0 && info.size >= size)
                        return device_map(d, i, 0, size);
        }
        errno = ENODEV;
        return MAP_FAILED;
}

static void report_pause(double *touches, double *chunks, size_t n, double idle) {
        double touch = figure_median(touches, n), chunk = figure_median(chunks, n);

        printf("%zu rounds, medians: longest chunk %.0f us, longest touch %.0f us; without moves "
               "%.0f us\n", n, chunk, touch, idle);
        figure("longest chunk of an automatic defragmentation", "64 MiB", chunk, "us",
               FIGURE_NO_GOAL);
        figure("longest touch during an automatic defragmentation", "64 MiB", touch, "us",
               FIGURE_NO_GOAL);
        figure("longest touch during an automatic defragmentation", "64 MiB, of a chunk",
               touch / chunk, "x", 1);
}

/* 16 MiB that stay at 0, and 16 MiB at 32 MiB: for 32 MiB more only the latter can go. */
static int bench_pause(const char *parent, size_t n) {
        double touches[ROUNDS_MAX], chunks[ROUNDS_MAX], idle;
        Toucher t = { .size = 16 * MIB };
        struct device d;

        create_device(parent, "fixed-16M", UUID_OF(0a));
        create_device(parent, "fb-16M", UUID_OF(0b));
        move_device(parent, UUID_OF(0b), 32 * MIB);
        MUST(device_open(&d, UUID_OF(0b)));
        t.map = map_bar(&d, t.size);
        check(t.map == MAP_FAILED ? -errno : 0, NULL, "mmap");
        check(-pthread_create(&t.thread, NULL, touch_run, &t), NULL, "thread");
        forget(&t);
        await_rounds(&t, 20);
        idle = t.longest;
        for (size_t i = 0; i < n; i++) {
                forget(&t);
                chunks[i] = create_by_moves(parent, UUID_OF(0c));
                await_rounds(&t, 1);
                touches[i] = t.longest;
                call_device(parent, UUID_OF(0c), "Stop", "");
                move_device(parent, UUID_OF(0b), 32 * MIB);
        }
        t.stop = true;
        (void) pthread_join(t.thread, NULL);
        (void) munmap(t.map, t.size);
        device_close(&d);
        report_pause(touches, chunks, n, idle);
        if (t.wrong > 0)
                fprintf(stderr, "%u words were not what had been written\n", t.wrong);
        return t.wrong > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        size_t n = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;

        if (n < 1 || n > ROUNDS_MAX || !(strcmp(argv[1], "request") == 0 ||
                                         strcmp(argv[1], "pause") == 0)) {
                fprintf(stderr, "usage: bench-roads request|pause PARENT ROUNDS, at most %d\n",
                        ROUNDS_MAX);
                return EXIT_FAILURE;
        }
        check(sd_bus_open_system(&bus), NULL, "the bus");
        return strcmp(argv[1], "pause") == 0 ? bench_pause(argv[2], n) : bench_request(argv[2], n);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-roads.c: what the other roads to a device cost. A client of the running service, and root;
 * tests/vm/cases/bench-roads runs it in the test VM, with the configuration that it says.
 *
 *   request PARENT ROUNDS   interleaved: a write to sysfs "create" of 64 KiB with a reservation that
 *                           was made before, and one that the daemon answers
 */
#include <fcntl.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "../kmod/lib.h"
#include "figure.h"
#include "names.h"
#include "util/macro.h"

#define ROUNDS_MAX 64
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
        printf("%zu rounds, medians: a create with a reservation %.0f us, one that is asked for %.0f "
               "us\n", n, r, a);
        figure("create request, of one with a reservation", "mdevd-b-64K", a / r, "x", 1.3);
        return 0;
}

int main(int argc, char *argv[]) {
        size_t n = argc == 4 && strcmp(argv[1], "request") == 0 ? strtoul(argv[3], NULL, 10) : 0;

        if (n < 1 || n > ROUNDS_MAX) {
                fprintf(stderr, "usage: bench-roads request PARENT ROUNDS, at most %d\n", ROUNDS_MAX);
                return EXIT_FAILURE;
        }
        check(sd_bus_open_system(&bus), NULL, "the bus");
        return bench_request(argv[2], n);
}

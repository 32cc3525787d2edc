/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-daemon.c: what the daemon costs, beside the kernel's own work, on one machine in one run.
 * It is a client of the running service and root; tests/vm/cases/bench-daemon runs it in the test
 * VM.
 *
 *   create PARENT TYPE ROUNDS   interleaved: an empty call, a bare write to the type's sysfs
 *                               "create" from C, CreateDevice; medians of the paired differences
 *   loop PARENT TYPE N ROUNDS   interleaved: N bare writes, N calls over one connection sent
 *                               together, N sent one after the other; and N empty calls sent
 *                               together, below which no daemon on that bus gets
 *   bare PARENT TYPE N          N bare writes, and the removal of what they made; prints the ms
 *   make PARENT TYPE N          N devices, by calls
 *   ping                        an empty call
 *   restored N                  of the last N operations, which are creates: prints the ms from the
 *                               start of the first worker to the last device in the model
 *   managed N CALLS             so many (up to 100) GetManagedObjects of at least N devices; prints
 *                               the median ms and how many there were
 *   serve N                     a bare sd-bus service with as many objects, at org.mdevd1.bench
 *   managed-bare N CALLS        the same of that one
 *   figure NAME OF VALUE UNIT GOAL
 *                               prints one that a script has measured; GOAL "nan": it has none
 *   signals PARENT TYPE         which signals are sent for a device that is made, changed, removed
 *
 * What has a goal is printed as a figure (figure.h), too.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include <mdevd.h>

#include "figure.h"
#include "names.h"
#include "util/macro.h"
#include "util/uuid.h"

#define CHECK(expr)                                                                                \
        do {                                                                                       \
                int _check = (int) (expr);                                                         \
                if (_check < 0) {                                                                  \
                        fprintf(stderr, "%s: %s\n", #expr, strerror(-_check));                     \
                        exit(EXIT_FAILURE);                                                        \
                }                                                                                  \
        } while (0)

static sd_bus *bus;

static void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) < 0) {
                fprintf(stderr, "%s: %s\n", path, strerror(errno));
                exit(EXIT_FAILURE);
        }
        (void) close(fd);
}

static void remove_bare(const Uuid *uuid) {
        char path[128];

        (void) snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/remove", UUID_STR(uuid));
        write_file(path, "1");
}

/* ---- a create without a daemon: for our module with the reservation that it wants ---- */

static int control_fd = -1;

static void reserve(const char *parent, const char *type, const Uuid *uuid, uint64_t offset) {
        struct mdevd_extent extent = { .bar = 2, .guest_bar = 0, .offset = offset,
                                       .length = 64 * 1024 };
        struct mdevd_reserve arg = {
                .size = sizeof(arg),
                .n_extents = 1,
                .extent_size = sizeof(extent),
                .extents = (uintptr_t) &extent,
        };

        if (control_fd < 0)
                control_fd = open("/dev/mdevd", O_RDWR | O_CLOEXEC | O_NONBLOCK);
        (void) snprintf((char *) arg.parent, sizeof(arg.parent), "%s", parent);
        (void) snprintf((char *) arg.type, sizeof(arg.type), "%s", type);
        memcpy(arg.uuid, uuid->bytes, sizeof(arg.uuid));
        CHECK(RET_NERRNO(ioctl(control_fd, MDEVD_RESERVE, &arg)));
}

static void create_bare(const char *parent, const char *type, const Uuid *uuid, uint64_t offset) {
        char path[256];

        if (strncmp(type, "mdevd-", 6) == 0)
                reserve(parent, type + 6, uuid, offset);
        (void) snprintf(path, sizeof(path),
                        "/sys/class/mdev_bus/%s/mdev_supported_types/%s/create", parent, type);
        write_file(path, UUID_STR(uuid));
}

/* ---- calls ---- */

static void call_empty(void) {
        CHECK(sd_bus_call_method(bus, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                 "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL));
}

static void call_create(const char *parent, const char *type, const Uuid *uuid, char **ret_path) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        const char *path;

        if (sd_bus_call_method(bus, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER,
                               "CreateDevice", &e, &reply, "ssa{sv}", parent, type, 1, "uuid", "s",
                               UUID_STR(uuid)) < 0) {
                fprintf(stderr, "CreateDevice: %s\n", e.message);
                exit(EXIT_FAILURE);
        }
        CHECK(sd_bus_message_read(reply, "o", &path));
        *ret_path = strdup(path);
        sd_bus_message_unref(reply);
}

static void call_stop(const char *path) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        if (sd_bus_call_method(bus, MDEVD_BUS_NAME, path, MDEVD_IFACE_DEVICE, "Stop", &e, NULL,
                               NULL) < 0 &&
            sd_bus_call_method(bus, MDEVD_BUS_NAME, path, MDEVD_IFACE_DEVICE, "Stop", NULL, NULL,
                               "a{sv}", 0) < 0) {
                fprintf(stderr, "Stop: %s\n", e.message);
                exit(EXIT_FAILURE);
        }
}

/* ---- what is measured ---- */

static int bench_create(const char *parent, const char *type, size_t n) {
        double *empty = calloc(n, sizeof(double)), *difference = calloc(n, sizeof(double));
        double *bare = calloc(n, sizeof(double)), e, d;

        for (size_t i = 0; i < n + 2; i++) {
                size_t at = i < 2 ? 0 : i - 2; /* two rounds to warm up */
                double t[4];
                char *path;
                Uuid a, b;

                CHECK(uuid_random(&a));
                CHECK(uuid_random(&b));
                call_empty(); /* what was left for after an answer is done */
                t[0] = figure_now_usec();
                call_empty();
                t[1] = figure_now_usec();
                create_bare(parent, type, &a, 0);
                t[2] = figure_now_usec();
                remove_bare(&a);
                call_empty(); /* the daemon has seen it go */
                t[3] = figure_now_usec();
                call_create(parent, type, &b, &path);
                difference[at] = figure_now_usec() - t[3] - (t[2] - t[1]);
                empty[at] = t[1] - t[0];
                bare[at] = t[2] - t[1];
                call_stop(path);
                free(path);
        }
        e = figure_median(empty, n);
        d = figure_median(difference, n);
        printf("%s %s: %zu rounds, medians: empty call %.0f us, bare write %.0f us, CreateDevice "
               "%.0f us more\n",
               parent, type, n, e, figure_median(bare, n), d);
        figure("CreateDevice beyond a bare write", type, d / e, "empty calls", 3);
        free(empty);
        free(difference);
        free(bare);
        return 0;
}

#define BARE_AT 512 /* of 64 KiB: above what the daemon takes first */
#define LOOP_MAX 512

static size_t n_answered;

static int on_created(sd_bus_message *m, void *userdata, sd_bus_error *unused) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        const char *path, *uuid;

        if (e) {
                fprintf(stderr, "CreateDevice: %s\n", e->message);
                exit(EXIT_FAILURE);
        }
        CHECK(sd_bus_message_read(m, "os", &path, &uuid));
        CHECK(uuid_parse(uuid, userdata));
        n_answered++;
        return 0;
}

/* The bus allows a connection 128 calls without their answers. */
#define CALLS_AT_ONCE 100

static int on_nothing(sd_bus_message *m, void *userdata, sd_bus_error *unused) {
        CHECK(sd_bus_message_is_method_error(m, NULL) ? -EPROTO : 0);
        n_answered++;
        return 0;
}

static void send_create(const char *parent, const char *type, Uuid *uuid) {
        CHECK(sd_bus_call_method_async(bus, NULL, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                       MDEVD_IFACE_MANAGER, "CreateDevice", on_created, uuid,
                                       "ssa{sv}", parent, type, 0));
}

static void send_empty(const char *parent, const char *type, Uuid *uuid) {
        CHECK(sd_bus_call_method_async(bus, NULL, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                       "org.freedesktop.DBus.Peer", "Ping", on_nothing, NULL,
                                       NULL));
}

typedef void (*SendCall)(const char *parent, const char *type, Uuid *uuid);

/* Nobody waits for an answer before the next call. */
static double call_together(SendCall call, const char *parent, const char *type, Uuid uuids[],
                            size_t n) {
        double t = figure_now_usec();
        size_t sent = 0;

        n_answered = 0;
        while (n_answered < n) {
                int r;

                for (; sent < MIN(n, n_answered + CALLS_AT_ONCE); sent++)
                        call(parent, type, &uuids[sent]);
                r = sd_bus_process(bus, NULL);
                CHECK(r);
                if (r == 0)
                        CHECK(sd_bus_wait(bus, UINT64_MAX));
        }
        return figure_now_usec() - t;
}

static double create_in_turn(const char *parent, const char *type, Uuid uuids[], size_t n) {
        double t = figure_now_usec();

        for (size_t i = 0; i < n; i++) {
                char *path;

                CHECK(uuid_random(&uuids[i]));
                call_create(parent, type, &uuids[i], &path);
                free(path);
        }
        return figure_now_usec() - t;
}

static void remove_created(const Uuid uuids[], size_t n) {
        for (size_t i = 0; i < n; i++)
                remove_bare(&uuids[i]);
        if (bus)
                call_empty(); /* the daemon has seen them go */
}

static double create_without(const char *parent, const char *type, Uuid uuids[], size_t n) {
        double t = figure_now_usec();

        for (size_t i = 0; i < n; i++)
                create_bare(parent, type, &uuids[i], (BARE_AT + i) * 64 * 1024);
        return figure_now_usec() - t;
}

static double bare_round(const char *parent, const char *type, size_t n) {
        Uuid uuids[LOOP_MAX];
        double t;

        for (size_t i = 0; i < n; i++)
                CHECK(uuid_random(&uuids[i]));
        t = create_without(parent, type, uuids, n);
        remove_created(uuids, n);
        return t;
}

/* What udevd has held up so far costs more with each uevent that comes on top of it. */
static void drain_udevd(void) {
        if (system("udevadm control --start-exec-queue && udevadm settle --timeout=300 && "
                   "udevadm control --stop-exec-queue") != 0) {
                fprintf(stderr, "udevd does not do what it is told.\n");
                exit(EXIT_FAILURE);
        }
}

static int bench_loop(const char *parent, const char *type, size_t n, size_t rounds) {
        double *bare = calloc(rounds, sizeof(double)), *together = calloc(rounds, sizeof(double));
        double *in_turn = calloc(rounds, sizeof(double)), *ratio = calloc(rounds, sizeof(double));
        double *empty = calloc(rounds, sizeof(double));
        Uuid uuids[LOOP_MAX];

        for (size_t i = 0; i < rounds; i++) {
                drain_udevd();
                bare[i] = bare_round(parent, type, n);
                empty[i] = call_together(send_empty, parent, type, uuids, n) / bare[i];
                drain_udevd();
                together[i] = call_together(send_create, parent, type, uuids, n);
                remove_created(uuids, n);
                drain_udevd();
                in_turn[i] = create_in_turn(parent, type, uuids, n);
                remove_created(uuids, n);
                ratio[i] = together[i] / bare[i];
        }
        printf("%s %s: %zu creates over one connection, medians of %zu rounds: C loop %.2f ms "
               "each; sent together %.2f ms; one after the other %.2f ms\n",
               parent, type, n, rounds, figure_median(bare, rounds) / 1e3 / (double) n,
               figure_median(together, rounds) / 1e3 / (double) n,
               figure_median(in_turn, rounds) / 1e3 / (double) n);
        figure("creates over one connection", type, figure_median(ratio, rounds), "C loops", 1.25);
        figure("the same of empty calls", type, figure_median(empty, rounds), "C loops",
               FIGURE_NO_GOAL);
        free(empty);
        free(bare);
        free(together);
        free(in_turn);
        free(ratio);
        return 0;
}

static int bench_bare(const char *parent, const char *type, size_t n) {
        printf("%.1f\n", bare_round(parent, type, n) / 1e3);
        return 0;
}

static int make(const char *parent, const char *type, size_t n) {
        Uuid uuids[LOOP_MAX];

        (void) call_together(send_create, parent, type, uuids, n);
        return 0;
}

/* ---- restore ---- */

typedef struct Span Span;

struct Span {
        uint64_t id, started, ended;
};

static int compare_spans(const void *a, const void *b) {
        const Span *x = a, *y = b;

        return x->id < y->id ? 1 : x->id > y->id ? -1 : 0;
}

/* The numbers of one operation that we want; positive: it is one. */
static int read_interfaces(sd_bus_message *m, Span *span) {
        const char *iface, *name;
        int r, found = 0;

        CHECK(sd_bus_message_enter_container(m, 'a', "{sa{sv}}"));
        while ((r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
                CHECK(sd_bus_message_read(m, "s", &iface));
                if (!streq(iface, MDEVD_IFACE_OPERATION)) {
                        CHECK(sd_bus_message_skip(m, "a{sv}"));
                        CHECK(sd_bus_message_exit_container(m));
                        continue;
                }
                found = 1;
                CHECK(sd_bus_message_enter_container(m, 'a', "{sv}"));
                while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                        CHECK(sd_bus_message_read(m, "s", &name));
                        if (streq(name, "Id"))
                                CHECK(sd_bus_message_read(m, "v", "t", &span->id));
                        else if (streq(name, "StartedUsec"))
                                CHECK(sd_bus_message_read(m, "v", "t", &span->started));
                        else if (streq(name, "EndedUsec"))
                                CHECK(sd_bus_message_read(m, "v", "t", &span->ended));
                        else
                                CHECK(sd_bus_message_skip(m, "v"));
                        CHECK(sd_bus_message_exit_container(m));
                }
                CHECK(sd_bus_message_exit_container(m));
                CHECK(sd_bus_message_exit_container(m));
        }
        CHECK(r);
        CHECK(sd_bus_message_exit_container(m));
        return found;
}

static int bench_restored(size_t n) {
        sd_bus_message *m = NULL;
        static Span spans[4096];
        uint64_t first = UINT64_MAX, last = 0;
        size_t found = 0;
        int r;

        CHECK(sd_bus_call_method(bus, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                 "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL,
                                 &m, NULL));
        CHECK(sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}"));
        while ((r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}")) > 0) {
                CHECK(sd_bus_message_skip(m, "o"));
                if (read_interfaces(m, &spans[found]) > 0 && found < ARRAY_SIZE(spans) - 1)
                        found++;
                CHECK(sd_bus_message_exit_container(m));
        }
        CHECK(r);
        sd_bus_message_unref(m);
        if (found < n) {
                fprintf(stderr, "%zu operations, %zu were expected\n", found, n);
                return EXIT_FAILURE;
        }
        qsort(spans, found, sizeof(spans[0]), compare_spans);
        for (size_t i = 0; i < n; i++) {
                if (spans[i].ended == 0) {
                        fputs("an operation has not ended\n", stderr);
                        return EXIT_FAILURE;
                }
                first = MIN(first, spans[i].started);
                last = MAX(last, spans[i].ended);
        }
        printf("%.1f\n", (double) (last - first) / 1e3);
        return 0;
}

/* ---- signals ---- */

static size_t n_signals;

static int on_any(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *path = sd_bus_message_get_path(m), *kind;

        if (streq(sd_bus_message_get_member(m), "PropertiesChanged"))
                kind = strncmp(path, MDEVD_OBJECT_DEVICE, strlen(MDEVD_OBJECT_DEVICE)) == 0 ?
                               "device changed" :
                       strncmp(path, MDEVD_OBJECT_PARENT, strlen(MDEVD_OBJECT_PARENT)) == 0 ?
                               "parent changed" :
                               "operation or manager changed";
        else
                kind = sd_bus_message_get_member(m);
        printf("  %s\n", kind);
        n_signals++;
        return 0;
}

/* All that was sent before the answer to this is there before it. */
static void drain(const char *what) {
        n_signals = 0;
        printf("%s:\n", what);
        call_empty();
        while (sd_bus_process(bus, NULL) > 0)
                ;
}

static int bench_signals(const char *parent, const char *type) {
        char *path;
        Uuid uuid;

        CHECK(sd_bus_match_signal(bus, NULL, MDEVD_BUS_NAME, NULL, NULL, NULL, on_any, NULL));
        CHECK(uuid_random(&uuid));
        call_create(parent, type, &uuid, &path);
        drain("signals of a create");
        CHECK(sd_bus_call_method(bus, MDEVD_BUS_NAME, path, MDEVD_IFACE_DEVICE, "SetOwner", NULL,
                                 NULL, "s", "somebody"));
        drain("signals of a new owner");
        figure("signals of a change of one device", type, (double) n_signals, "", 1);
        call_stop(path);
        drain("signals of a stop");
        free(path);
        return 0;
}

static int bench_managed(const char *name, const char *path, size_t n, size_t calls) {
        double times[100];
        size_t size = 0;

        calls = MIN(calls, ARRAY_SIZE(times));
        for (size_t i = 0; i < calls; i++) {
                sd_bus_message *reply = NULL;
                double t = figure_now_usec();

                CHECK(sd_bus_call_method(bus, name, path, "org.freedesktop.DBus.ObjectManager",
                                         "GetManagedObjects", NULL, &reply, NULL));
                times[i] = figure_now_usec() - t;
                CHECK(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"));
                for (size = 0; sd_bus_message_skip(reply, "{oa{sa{sv}}}") > 0; size++)
                        ;
                sd_bus_message_unref(reply);
        }
        if (size < n) {
                fprintf(stderr, "%zu objects, %zu were expected\n", size, n);
                return EXIT_FAILURE;
        }
        printf("%.2f %zu\n", figure_median(times, calls) / 1e3, size);
        return 0;
}

/* The properties that a device has, by type and size; see dbus/org.mdevd1.Device.xml. */
static int get_bare(sd_bus *b, const char *path, const char *iface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        switch (property[0]) {
        case 's':
                return sd_bus_message_append(reply, "s", "mtest-1");
        case 'i':
                return sd_bus_message_append(reply, "s", "11111111-2222-3333-4444-555555555501");
        case 'o':
                return sd_bus_message_append(reply, "o", "/org/mdevd1/parent/mtest0");
        case 'b':
                return sd_bus_message_append(reply, "b", 0);
        case 'a':
                return sd_bus_message_append(reply, "a(yytt)", 0);
        case 'u':
                return sd_bus_message_append(reply, "u", 0U);
        default:
                return sd_bus_message_append(reply, "t", (uint64_t) 0);
        }
}

#define BARE(name, type) SD_BUS_PROPERTY(name, type, get_bare, 0, 0)

static const sd_bus_vtable bare_vtable[] = {
        SD_BUS_VTABLE_START(0),
        BARE("i1", "s"), BARE("o1", "o"), BARE("s1", "s"), BARE("s2", "s"), BARE("s3", "s"),
        BARE("s4", "s"), BARE("s5", "s"), BARE("b1", "b"), BARE("b2", "b"), BARE("b3", "b"),
        BARE("s6", "s"), BARE("s7", "s"), BARE("a1", "a(yytt)"), BARE("u1", "u"),
        BARE("t1", "t"), BARE("t2", "t"), BARE("t3", "t"), BARE("t4", "t"),
        SD_BUS_VTABLE_END,
};

static size_t n_served;

/* One for all: a vtable for each object takes sd-bus four times as long. */
static int find_bare(sd_bus *b, const char *path, const char *iface, void *userdata,
                     void **ret_found, sd_bus_error *e) {
        *ret_found = &n_served;
        return streq(path, "/bench/device") ? 0 : 1;
}

static int list_bare(sd_bus *b, const char *prefix, void *userdata, char ***ret_nodes,
                     sd_bus_error *e) {
        char **nodes = calloc(n_served + 1, sizeof(*nodes));

        for (size_t i = 0; nodes && i < n_served; i++)
                CHECK(asprintf(&nodes[i], "/bench/device/_%04zu_with_a_long_name", i));
        *ret_nodes = nodes;
        return nodes ? 0 : -ENOMEM;
}

static int serve(size_t n) {
        sd_event *event = NULL;

        n_served = n;
        CHECK(sd_event_default(&event));
        CHECK(sd_bus_attach_event(bus, event, 0));
        CHECK(sd_bus_add_object_manager(bus, NULL, "/bench"));
        CHECK(sd_bus_add_fallback_vtable(bus, NULL, "/bench/device", "org.mdevd1.Bench",
                                         bare_vtable, find_bare, NULL));
        CHECK(sd_bus_add_node_enumerator(bus, NULL, "/bench/device", list_bare, NULL));
        CHECK(sd_bus_request_name(bus, "org.mdevd1.bench", 0));
        puts("serving");
        (void) fflush(stdout);
        return sd_event_loop(event);
}

int main(int argc, char *argv[]) {
        const char *what = argc > 1 ? argv[1] : "";
        size_t n = argc > 2 ? strtoul(argv[argc - 1], NULL, 10) : 0;

        if (argc == 7 && streq(what, "figure")) {
                figure(argv[2], argv[3], strtod(argv[4], NULL), argv[5], strtod(argv[6], NULL));
                return 0;
        }
        if (argc == 5 && streq(what, "bare"))
                return bench_bare(argv[2], argv[3], MIN(n, 0UL + LOOP_MAX));
        CHECK(sd_bus_open_system(&bus));
        /* under emulation a hundred creates can take longer than the 25 s that a call has */
        CHECK(sd_bus_set_method_call_timeout(bus, 600 * UINT64_C(1000000)));
        if (argc == 5 && streq(what, "create"))
                return bench_create(argv[2], argv[3], n);
        if (argc == 6 && streq(what, "loop"))
                return bench_loop(argv[2], argv[3],
                                  MIN(strtoul(argv[4], NULL, 10), 0UL + LOOP_MAX), n);
        if (argc == 5 && streq(what, "make"))
                return make(argv[2], argv[3], MIN(n, 0UL + LOOP_MAX));
        if (argc == 2 && streq(what, "ping")) {
                call_empty();
                return 0;
        }
        if (argc == 4 && streq(what, "signals"))
                return bench_signals(argv[2], argv[3]);
        if (argc == 3 && streq(what, "restored"))
                return bench_restored(n);
        if (argc == 4 && streq(what, "managed"))
                return bench_managed(MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                     strtoul(argv[2], NULL, 10), n);
        if (argc == 3 && streq(what, "serve"))
                return serve(n);
        if (argc == 4 && streq(what, "managed-bare"))
                return bench_managed("org.mdevd1.bench", "/bench", strtoul(argv[2], NULL, 10), n);
        fprintf(stderr, "see the head of tests/bench/bench-daemon.c\n");
        return EXIT_FAILURE;
}

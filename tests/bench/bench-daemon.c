/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-daemon.c: what the daemon costs, beside the kernel's own work, on one machine in one run.
 * It is a client of the running service and root; tests/vm/cases/bench-daemon runs it in the test VM.
 *
 *   create PARENT TYPE ROUNDS   interleaved: an empty call, a bare write to the type's sysfs "create"
 *                               from C, CreateDevice; medians of the paired differences
 *   loop PARENT TYPE N          N creates over one connection, sent together and one after the
 *                               other, beside N bare writes; in blocks of 20
 *   restore N                   waits until N devices were added: from the first operation to the last
 *   managed N                   100 GetManagedObjects of at least N devices
 *   serve N                     a bare sd-bus service with as many objects, at org.mdevd1.bench
 *   managed-bare N              the same of that one
 *   signals PARENT TYPE         which signals are sent for a device that is made, changed, removed
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

static double now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static double median(double *values, size_t n) {
        qsort(values, n, sizeof(*values), compare);
        return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

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
        CHECK(sd_bus_call_method(bus, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.Peer",
                                 "Ping", NULL, NULL, NULL));
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
                t[0] = now_usec();
                call_empty();
                t[1] = now_usec();
                create_bare(parent, type, &a, 0);
                t[2] = now_usec();
                remove_bare(&a);
                call_empty(); /* the daemon has seen it go */
                t[3] = now_usec();
                call_create(parent, type, &b, &path);
                difference[at] = now_usec() - t[3] - (t[2] - t[1]);
                empty[at] = t[1] - t[0];
                bare[at] = t[2] - t[1];
                call_stop(path);
                free(path);
        }
        e = median(empty, n);
        d = median(difference, n);
        printf("%s %s: %zu rounds, medians: empty call %.0f us, bare write %.0f us, CreateDevice "
               "%.0f us more, which is %.2f empty calls (goal 3)\n",
               parent, type, n, e, median(bare, n), d, d / e);
        free(empty);
        free(difference);
        free(bare);
        return 0;
}

#define BLOCK 20 /* so many of each, in turn: the machine is not equally fast all the time */
#define BARE_AT 512 /* of 64 KiB: above what the daemon takes first */

static size_t n_answered;

static int on_created(sd_bus_message *m, void *userdata, sd_bus_error *unused) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        char **path = userdata;
        const char *s;

        if (e) {
                fprintf(stderr, "CreateDevice: %s\n", e->message);
                exit(EXIT_FAILURE);
        }
        CHECK(sd_bus_message_read(m, "o", &s));
        *path = strdup(s);
        n_answered++;
        return 0;
}

/* All calls first, then all answers. */
static double create_together(const char *parent, const char *type, char *paths[], size_t n) {
        double t = now_usec();

        n_answered = 0;
        for (size_t i = 0; i < n; i++)
                CHECK(sd_bus_call_method_async(bus, NULL, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                               MDEVD_IFACE_MANAGER, "CreateDevice", on_created,
                                               &paths[i], "ssa{sv}", parent, type, 0));
        while (n_answered < n) {
                int r = sd_bus_process(bus, NULL);

                CHECK(r);
                if (r == 0)
                        CHECK(sd_bus_wait(bus, UINT64_MAX));
        }
        return now_usec() - t;
}

static double create_in_turn(const char *parent, const char *type, char *paths[], size_t n) {
        double t = now_usec();

        for (size_t i = 0; i < n; i++) {
                Uuid uuid;

                CHECK(uuid_random(&uuid));
                call_create(parent, type, &uuid, &paths[i]);
        }
        return now_usec() - t;
}

static double create_without(const char *parent, const char *type, size_t first, Uuid uuids[],
                             size_t n) {
        double t = now_usec();

        for (size_t i = 0; i < n; i++)
                create_bare(parent, type, &uuids[i], (BARE_AT + first + i) * 64 * 1024);
        return now_usec() - t;
}

static int bench_loop(const char *parent, const char *type, size_t n) {
        double bare = 0, together = 0, in_turn = 0, empty = 0;
        Uuid uuids[BLOCK];
        char *paths[BLOCK];

        for (size_t done = 0; done < n; done += BLOCK) {
                for (size_t i = 0; i < BLOCK; i++)
                        CHECK(uuid_random(&uuids[i]));
                bare += create_without(parent, type, done, uuids, BLOCK);
                for (size_t i = 0; i < BLOCK; i++)
                        remove_bare(&uuids[i]);
                call_empty(); /* the daemon has seen them go */
                together += create_together(parent, type, paths, BLOCK);
                for (size_t i = 0; i < BLOCK; i++)
                        call_stop(paths[i]);
                in_turn += create_in_turn(parent, type, paths, BLOCK);
                for (size_t i = 0; i < BLOCK; i++)
                        call_stop(paths[i]);
                empty -= now_usec();
                for (size_t i = 0; i < BLOCK; i++)
                        call_empty();
                empty += now_usec();
        }
        printf("%s %s: %zu creates over one connection, in blocks of %d: C loop %.1f ms each; sent "
               "together %.1f ms, which is %.2f times (goal 1.25); one after the other %.1f ms; an "
               "empty call %.1f ms\n",
               parent, type, n, BLOCK, bare / 1e3 / (double) n, together / 1e3 / (double) n,
               together / bare, in_turn / 1e3 / (double) n, empty / 1e3 / (double) n);
        return 0;
}

typedef struct Added Added;

struct Added {
        sd_event *event;
        size_t n, wanted;
        double first, last;
};

static int on_added(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Added *a = userdata;
        const char *path;

        CHECK(sd_bus_message_read(m, "o", &path));
        if (strncmp(path, MDEVD_OBJECT_OPERATION, strlen(MDEVD_OBJECT_OPERATION)) == 0 &&
            a->first == 0)
                a->first = now_usec();
        if (strncmp(path, MDEVD_OBJECT_DEVICE, strlen(MDEVD_OBJECT_DEVICE)) == 0)
                a->n++;
        if (a->n < a->wanted)
                return 0;
        a->last = now_usec();
        return sd_event_exit(a->event, 0);
}

static int bench_restore(size_t n) {
        Added a = { .wanted = n };

        CHECK(sd_event_default(&a.event));
        CHECK(sd_bus_attach_event(bus, a.event, 0));
        CHECK(sd_bus_match_signal(bus, NULL, MDEVD_BUS_NAME, NULL,
                                  "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", on_added,
                                  &a));
        puts("listening");
        (void) fflush(stdout);
        CHECK(sd_event_loop(a.event));
        printf("%zu devices restored in %.0f ms\n", n, (a.last - a.first) / 1e3);
        return 0;
}

/* ---- signals ---- */

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
        return 0;
}

/* All that was sent before the answer to this is there before it. */
static void drain(const char *what) {
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
        call_stop(path);
        drain("signals of a stop");
        free(path);
        return 0;
}

static int bench_managed(const char *name, const char *path, size_t n) {
        double times[100];
        size_t size = 0;

        for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
                sd_bus_message *reply = NULL;
                double t = now_usec();

                CHECK(sd_bus_call_method(bus, name, path, "org.freedesktop.DBus.ObjectManager",
                                         "GetManagedObjects", NULL, &reply, NULL));
                times[i] = now_usec() - t;
                CHECK(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"));
                for (size = 0; sd_bus_message_skip(reply, "{oa{sa{sv}}}") > 0; size++)
                        ;
                sd_bus_message_unref(reply);
        }
        if (size < n) {
                fprintf(stderr, "%zu objects, %zu were expected\n", size, n);
                return EXIT_FAILURE;
        }
        printf("%s: GetManagedObjects of %zu objects: median %.1f ms\n", name, size,
               median(times, ARRAY_SIZE(times)) / 1e3);
        return 0;
}

/* As many properties of the same types as a device has; see dbus/org.mdevd1.Device.xml. */
static int get_text(sd_bus *b, const char *path, const char *iface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "s", "11111111-2222-3333-4444-555555555501");
}

static int get_number(sd_bus *b, const char *path, const char *iface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "t", (uint64_t) 0);
}

static const sd_bus_vtable bare_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("A", "s", get_text, 0, 0), SD_BUS_PROPERTY("B", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("C", "s", get_text, 0, 0), SD_BUS_PROPERTY("D", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("E", "s", get_text, 0, 0), SD_BUS_PROPERTY("F", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("G", "t", get_number, 0, 0), SD_BUS_PROPERTY("H", "t", get_number, 0, 0),
        SD_BUS_PROPERTY("I", "t", get_number, 0, 0), SD_BUS_PROPERTY("J", "t", get_number, 0, 0),
        SD_BUS_PROPERTY("K", "t", get_number, 0, 0), SD_BUS_PROPERTY("L", "t", get_number, 0, 0),
        SD_BUS_VTABLE_END,
};

static int serve(size_t n) {
        sd_event *event = NULL;

        CHECK(sd_event_default(&event));
        CHECK(sd_bus_attach_event(bus, event, 0));
        CHECK(sd_bus_add_object_manager(bus, NULL, "/bench"));
        for (size_t i = 0; i < n; i++) {
                char path[64];

                (void) snprintf(path, sizeof(path), "/bench/device/_%04zu_with_a_long_name", i);
                CHECK(sd_bus_add_object_vtable(bus, NULL, path, "org.mdevd1.Bench", bare_vtable,
                                               NULL));
        }
        CHECK(sd_bus_request_name(bus, "org.mdevd1.bench", 0));
        puts("serving");
        (void) fflush(stdout);
        return sd_event_loop(event);
}

int main(int argc, char *argv[]) {
        const char *what = argc > 1 ? argv[1] : "";
        size_t n = argc > 2 ? strtoul(argv[argc - 1], NULL, 10) : 0;

        CHECK(sd_bus_open_system(&bus));
        if (argc == 5 && streq(what, "create"))
                return bench_create(argv[2], argv[3], n);
        if (argc == 5 && streq(what, "loop"))
                return bench_loop(argv[2], argv[3], n);
        if (argc == 4 && streq(what, "signals"))
                return bench_signals(argv[2], argv[3]);
        if (argc == 3 && streq(what, "restore"))
                return bench_restore(n);
        if (argc == 3 && streq(what, "managed"))
                return bench_managed(MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT, n);
        if (argc == 3 && streq(what, "serve"))
                return serve(n);
        if (argc == 3 && streq(what, "managed-bare"))
                return bench_managed("org.mdevd1.bench", "/bench", n);
        fprintf(stderr, "see the head of tests/bench/bench-daemon.c\n");
        return EXIT_FAILURE;
}

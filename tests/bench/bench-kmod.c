/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-kmod PARENT: what a guest's touches of a BAR cost, by the module (on fault and eager) and
 * by vfio-pci on the same device, in turns. Prints a table; counts are asserted, times never.
 *
 * Run by tests/bench/report, in the test VM. PARENT is a PCI address with a memory BAR 2.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "../kmod/lib.h"
#include "figure.h"
#include "kvm.h"

#define PAGE 4096U
#define ROUNDS 5  /* of the three ways in turns */
#define TOUCHES 8 /* of one page, for one of all: it takes so little that noise is most of it */
#define MILLION 1000000U
#define WINDOW (2 * MIB)

enum way {
        WAY_FAULT,
        WAY_EAGER,
        WAY_VFIO,
        WAYS,
};

static bool huge; /* this kernel makes 2 MiB entries */

/*
 * Of a round the best of so many is taken, and for the figures the best of all rounds, because a
 * machine's noise only ever adds. One where all pages take seconds, as KVM faults at each of them.
 */
static unsigned repeats;

static const char *const way_names[WAYS] = { "mdevd fault", "mdevd eager", "vfio-pci" };
static const char *const uuids[WAYS] = { UUID(01), UUID(02), NULL };
static const char *const types[WAYS] = { "fault", "eager", NULL };

/* Of one round. */
struct result {
        double map, page, pages, zap;      /* seconds, each the best */
        struct exits page_exits, pages_exits, million_exits;
        double million;
        /*
         * of mdevd, in mappings of which one page was touched, and in those of which all were: sums
         */
        uint64_t page_insertions, page_inserted, pages_insertions, pages_inserted;
};

static double now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct exits minus(const struct exits *a, const struct exits *b) {
        return (struct exits){ a->all - b->all, a->mmio - b->mmio, a->faults - b->faults };
}

static double touch(struct machine *m, uint64_t offset, uint32_t count, uint32_t stride,
                    struct exits *exits) {
        struct exits before, after;
        double begin;

        MUST(machine_exits(m, &before));
        begin = now();
        MUST(machine_touch(m, offset, count, stride));
        begin = now() - begin;
        MUST(machine_exits(m, &after));
        *exits = minus(&after, &before);
        return begin;
}

static void best(double *of, double seconds) {
        if (*of == 0 || seconds < *of)
                *of = seconds;
}

/* One fresh mapping and machine each: what has been touched stays in the page tables. */
static void *fresh(const struct device *d, unsigned bar, uint64_t length, struct machine *m,
                   double *seconds) {
        void *at;

        *seconds = now();
        at = device_map(d, bar, 0, length);
        *seconds = now() - *seconds;
        MUST(at == MAP_FAILED ? -errno : 0);
        MUST(machine_init(m, at, length));
        return at;
}

static void measure_page(const struct device *d, unsigned bar, uint64_t length, struct result *r) {
        for (unsigned n = 0; n < TOUCHES; n++) {
                struct machine m;
                double map;
                void *at = fresh(d, bar, length, &m, &map);

                best(&r->map, map);
                best(&r->page, touch(&m, 0, 1, 0, &r->page_exits));
                if (n == 0)
                        best(&r->million, touch(&m, 0, MILLION, 0, &r->million_exits));
                machine_done(&m);
                munmap(at, length);
        }
}

static void measure_pages(const struct device *d, unsigned bar, uint64_t length, struct result *r) {
        struct machine m;
        double unused, begin;
        void *at = fresh(d, bar, length, &m, &unused);

        best(&r->pages, touch(&m, 0, (uint32_t)(length / PAGE), PAGE, &r->pages_exits));
        begin = now();
        /* vfio-pci's mapping is of a kind that a process cannot take away */
        if (madvise(at, length, MADV_DONTNEED) == 0)
                best(&r->zap, now() - begin);
        machine_done(&m);
        munmap(at, length);
}

static int by_seconds(const void *a, const void *b) {
        const struct result *x = a, *y = b;

        return (x->pages > y->pages) - (x->pages < y->pages);
}

/* The best of all rounds. */
static double best_of(const struct result *r, bool all) {
        double least = 0;

        for (int n = 0; n < ROUNDS; n++)
                best(&least, all ? r[n].pages : r[n].page);
        return least;
}

static void figures(uint64_t length, struct result results[WAYS][ROUNDS]) {
        const struct result *vfio = results[WAY_VFIO];

        for (int way = 0; way < WAYS; way++) {
                const struct result *r = results[way];
                bool fault = way == WAY_FAULT;
                char of[64];

                snprintf(of, sizeof(of), "%s, %llu MiB", way_names[way],
                         (unsigned long long)(length / MIB));
                if (way != WAY_VFIO)
                        figure("insertions", of, (double)r[0].pages_insertions / repeats,
                               "", (double)(length / WINDOW));
                figure("every page once", of, best_of(r, true) * 1e3, "ms", FIGURE_NO_GOAL);
                figure("one page", of, best_of(r, false) * 1e6, "us", FIGURE_NO_GOAL);
                if (way != WAY_VFIO) {
                        figure("every page once, of vfio-pci", of,
                               best_of(r, true) / best_of(vfio, true), "x",
                               !fault ? FIGURE_NO_GOAL : huge ? 1.1 : 1.5);
                        figure("one page, of vfio-pci", of,
                               best_of(r, false) / best_of(vfio, false), "x",
                               fault ? 1 : FIGURE_NO_GOAL);
                }
                figure("KVM faults of every page once", of, (double)r[0].pages_exits.faults, "",
                       FIGURE_NO_GOAL);
                figure("MMIO exits and faults in a million accesses", of,
                       (double)(r[0].million_exits.mmio + r[0].million_exits.faults), "", 0);
                figure("exits in a million accesses", of, (double)r[0].million_exits.all, "",
                       FIGURE_NO_GOAL);
        }
}

static void measure_mdevd(int ctl, enum way way, uint64_t length, struct result *r) {
        struct mdevd_device_record before, page, pages;
        struct device d;

        MUST(device_open(&d, uuids[way]));
        for (unsigned n = 0; n < repeats; n++) {
                MUST(ctl_device(ctl, uuids[way], &before, NULL, NULL));
                measure_page(&d, 0, length, r);
                MUST(ctl_device(ctl, uuids[way], &page, NULL, NULL));
                measure_pages(&d, 0, length, r);
                MUST(ctl_device(ctl, uuids[way], &pages, NULL, NULL));
                r->page_insertions += page.insertions - before.insertions;
                r->page_inserted += page.pages - before.pages;
                r->pages_insertions += pages.insertions - page.insertions;
                r->pages_inserted += pages.pages - page.pages;
        }
        device_close(&d);
}

/* ---- the same device with the one driver and with the other ---- */

static int drive(const char *parent, const char *driver) {
        char path[256];
        int r;

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", parent);
        r = write_file(path, driver);
        return r < 0 ? r : write_file("/sys/bus/pci/drivers_probe", parent);
}

/* device_open() for a PCI function: VFIO takes its address where an mdev has a UUID. */
static int pci_open(struct device *d, const char *parent) {
        char path[256], target[256];
        ssize_t n;

        *d = (struct device){ .container = -1, .group = -1, .fd = -1 };
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", parent);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
        d->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
        d->group = open(path, O_RDWR | O_CLOEXEC);
        if (d->container < 0 || d->group < 0 ||
            ioctl(d->group, VFIO_GROUP_SET_CONTAINER, &d->container) < 0 ||
            ioctl(d->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
                return -errno;
        d->fd = ioctl(d->group, VFIO_GROUP_GET_DEVICE_FD, parent);
        return d->fd < 0 ? -errno : 0;
}

/* What udev and systemd make of a new device must not be measured. */
static void settle(void) {
        MUST(system("udevadm settle") == 0 ? 0 : -EIO);
}

static void configure(int ctl, const char *parent, uint64_t length) {
        struct mdevd_pool pool = { .name = "mem", .bar = 2, .scrub = MDEVD_SCRUB_NONE,
                                   .length = length };
        struct mdevd_type list[2] = {};

        for (int i = 0; i < 2; i++) {
                snprintf(list[i].name, sizeof(list[i].name), "%s", types[i]);
                list[i].map = i == WAY_EAGER ? MDEVD_MAP_EAGER : MDEVD_MAP_FAULT;
                list[i].bars[0].length = length;
                list[i].bars[0].flags = MDEVD_BAR_64BIT | MDEVD_BAR_PREFETCH;
        }
        MUST(ctl_configure(ctl, parent, &pool, 1, list, 2));
}

static void with_mdevd(const char *parent, enum way way, uint64_t length, struct result *r) {
        int ctl;

        MUST(bind_parent(parent));
        ctl = (int)MUST(ctl_open(O_WRONLY));
        configure(ctl, parent, length);
        MUST(mdev_make(ctl, parent, types[way], uuids[way], 0, length));
        settle();
        measure_mdevd(ctl, way, length, r);
        MUST(mdev_remove(uuids[way]));
        MUST(unbind_parent(parent));
        close(ctl);
}

static void with_vfio(const char *parent, uint64_t length, struct result *r) {
        uint16_t command = 0x2; /* its memory is on */
        struct device d;

        MUST(drive(parent, "vfio-pci"));
        settle();
        MUST(pci_open(&d, parent));
        MUST(pwrite(d.fd, &command, 2, REGION(VFIO_PCI_CONFIG_REGION_INDEX) + 4) == 2 ? 0 : -errno);
        for (unsigned n = 0; n < repeats; n++) {
                measure_page(&d, 2, length, r);
                measure_pages(&d, 2, length, r);
        }
        device_close(&d);
        MUST(write_file("/sys/bus/pci/drivers/vfio-pci/unbind", parent));
}

static void report(uint64_t length, struct result results[WAYS][ROUNDS]) {
        const struct result *vfio = &results[WAY_VFIO][ROUNDS / 2];
        const struct result *vfio_best = &results[WAY_VFIO][0];

        printf("\n%3llu MiB, median of %d  %8s %9s %9s %9s %8s %9s %8s %8s %8s %8s\n",
               (unsigned long long)(length / MIB), ROUNDS, "inserts", "mmap us", "1 page us",
               "pages ms", "vs vfio", "best ms", "vs vfio", "faults", "1M exits", "zap us");
        for (int way = 0; way < WAYS; way++) {
                const struct result *r = &results[way][ROUNDS / 2];

                printf("%-20s %10lu %9.0f %9.0f %9.2f %8.2f %9.2f %8.2f %8lu %8lu %8.0f\n",
                       way_names[way], r->pages_insertions / repeats, r->map * 1e6, r->page * 1e6,
                       r->pages * 1e3, r->pages / vfio->pages, results[way][0].pages * 1e3,
                       results[way][0].pages / vfio_best->pages, r->pages_exits.faults,
                       r->million_exits.all, r->zap * 1e6);
        }
        fflush(stdout);
}

static void check(uint64_t length, enum way way, const struct result *r) {
        uint64_t windows = length / WINDOW;

        if (way != WAY_VFIO) {
                CHECK_EQ(r->page_insertions,
                         repeats * TOUCHES * (way == WAY_FAULT ? 1 : windows),
                         "insertions where one page is touched");
                CHECK_EQ(r->page_inserted, r->page_insertions * (WINDOW / PAGE), "  their pages");
                CHECK_EQ(r->pages_insertions, repeats * windows,
                         "insertions where all pages are touched");
                CHECK_EQ(r->pages_inserted, repeats * length / PAGE, "  their pages");
        }
        /* where there are 2 MiB entries, KVM takes one fault for each */
        if (huge && way != WAY_VFIO)
                CHECK(r->pages_exits.faults <= windows + windows / 8 + 4,
                      "KVM's faults of all pages: %lu", r->pages_exits.faults);
        CHECK_EQ(r->million_exits.mmio, 0, "exits for MMIO in a million accesses");
        CHECK_EQ(r->million_exits.faults, 0, "faults in a million accesses");
}

static void bench(const char *parent, uint64_t length) {
        static struct result results[WAYS][ROUNDS];

        memset(results, 0, sizeof(results));
        repeats = huge || length <= 16 * MIB ? 4 : 1;
        /* in turns: whatever else the machine does meanwhile, it does to all of them */
        for (int n = 0; n < ROUNDS; n++) {
                with_mdevd(parent, WAY_FAULT, length, &results[WAY_FAULT][n]);
                with_vfio(parent, length, &results[WAY_VFIO][n]);
                with_mdevd(parent, WAY_EAGER, length, &results[WAY_EAGER][n]);
        }
        figures(length, results);
        for (int way = 0; way < WAYS; way++) {
                qsort(results[way], ROUNDS, sizeof(results[way][0]), by_seconds);
                printf("# %s, %llu MiB\n", way_names[way], (unsigned long long)(length / MIB));
                for (int n = 0; n < ROUNDS; n++)
                        check(length, (enum way)way, &results[way][n]);
        }
        report(length, results);
}

int main(int argc, char **argv) {
        if (argc < 3) {
                fprintf(stderr, "usage: bench-kmod PARENT MIB...\n");
                return 1;
        }
        struct mdevd_get_info info = { .size = sizeof(info) };
        int ctl = (int)MUST(ctl_open(O_RDWR));

        MUST(ctl_call(ctl, MDEVD_GET_INFO, &info));
        close(ctl);
        huge = info.features & MDEVD_FEATURE_HUGE;
        for (int i = 2; i < argc; i++)
                bench(argv[1], strtoull(argv[i], NULL, 0) * MIB);
        return check_done();
}

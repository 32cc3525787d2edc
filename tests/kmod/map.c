/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mapping from the VMM's side, no guest: what a first touch brings in on this kernel and in which
 * mode, what happens to a VMA that is split, moved, forked, partly unmapped, and that the bytes
 * which change are those of the extents and no others.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib.h"

static const char *p0;
static int ctl;
static bool huge; /* this kernel makes 2 MiB entries */

static struct mdevd_device_record record_of(const char *uuid) {
        struct mdevd_device_record record;

        MUST(ctl_device(ctl, uuid, &record, NULL, NULL));
        return record;
}

/* A mapping at an address that is `skew` past a multiple of 2 MiB. */
static char *map_at(const struct device *d, uint64_t length, uint64_t skew) {
        char *room = mmap(NULL, length + 4 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        char *at = (char *)(((uintptr_t)room + 2 * MIB - 1) & ~(2 * MIB - 1)) + skew;

        return mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, d->fd,
                    (off_t)REGION(0));
}

static void make(struct device *d, const char *type, const char *uuid, uint64_t offset,
                 uint64_t length) {
        MUST(mdev_make(ctl, p0, type, uuid, offset, length));
        MUST(device_open(d, uuid));
}

static void unmake(struct device *d, const char *uuid) {
        device_close(d);
        MUST(mdev_remove(uuid));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_GONE, uuid));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, uuid));
}

static void test_counts(void) {
        struct mdevd_device_record r;
        struct device d;
        char *map;

        make(&d, "16M", UUID(01), 16 * MIB, 16 * MIB);
        map = map_at(&d, 16 * MIB, 0);
        CHECK(map != MAP_FAILED, "16 MiB are mapped");
        r = record_of(UUID(01));
        CHECK(r.faults == 0 && r.pages == 0 && r.mapped == 16 * MIB, "no page before a touch");

        *(volatile uint32_t *)(map + 5 * MIB) = 1;
        r = record_of(UUID(01));
        CHECK_EQ(r.faults, 1, "faults of one touch");
        CHECK_EQ(r.insertions, 1, "  insertions");
        CHECK_EQ(r.pages, 512, "  pages");
        CHECK_EQ(r.faults_huge, huge, "  answered with a huge entry");

        for (uint64_t at = 0; at < 16 * MIB; at += 4096)
                *(volatile uint32_t *)(map + at) = (uint32_t)at + 1;
        r = record_of(UUID(01));
        CHECK_EQ(r.faults, 8, "faults of 16 MiB");
        CHECK_EQ(r.insertions, 8, "  insertions");
        CHECK_EQ(r.pages, 4096, "  pages");
        CHECK_EQ(r.faults_huge, huge ? 8 : 0, "  answered with a huge entry");
        CHECK_EQ(r.insertions_eager, 0, "  at mmap()");
        CHECK_EQ(host("check parent0 16M 8 0x0000000000000002 >/dev/null"), 1,
                 "(host check can fail)");
        munmap(map, 16 * MIB);
        CHECK_EQ(record_of(UUID(01)).mapped, 0, "mapped bytes after munmap");

        /* an address that does not agree with the physical one: pages only, on both kernels */
        map = map_at(&d, 16 * MIB, MIB);
        unsigned wrong = 0;
        for (uint64_t at = 0; at < 16 * MIB; at += 4096)
                wrong += *(volatile uint32_t *)(map + at) != (uint32_t)at + 1;
        CHECK_EQ(wrong, 0, "pages of 4096 that are not as they were written");
        r = record_of(UUID(01));
        CHECK_EQ(r.insertions, 16, "insertions of another 16 MiB, skewed");
        CHECK_EQ(r.pages, 8192, "  pages");
        CHECK_EQ(r.faults_huge, huge ? 8 : 0, "  none of them huge");
        munmap(map, 16 * MIB);
        unmake(&d, UUID(01));
}

/* Tables of 4 KiB entries that this process has: one for each 2 MiB that is not one entry. */
static unsigned long tables(void) {
        char text[4096] = "", *at;

        MUST(read_file("/proc/self/status", text, sizeof(text)));
        at = strstr(text, "VmPTE:");
        return at ? strtoul(at + strlen("VmPTE:"), NULL, 10) / 4 : 0;
}

/* Whatever the address: all of it is there after mmap(), in the biggest entries that fit. */
static void test_eager_at(struct device *d, uint64_t skew, unsigned insertions, bool entries) {
        struct mdevd_device_record before = record_of(UUID(02)), after;
        unsigned long had = tables(), wrong = 0;
        char *map = map_at(d, 16 * MIB, skew);

        had = tables() - had;
        for (uint64_t at = 0; at < 16 * MIB; at += 4096) {
                *(volatile uint64_t *)(map + at) = at + skew;
                wrong += *(volatile uint64_t *)(map + at) != at + skew;
        }
        after = record_of(UUID(02));
        printf("# eager, %llu KiB past 2 MiB: %lu tables of pages\n",
               (unsigned long long)(skew / KIB), had);
        CHECK(entries ? had <= 2 : had >= 7, "eager: %s", entries ? "2 MiB entries" : "pages");
        CHECK_EQ(after.insertions - before.insertions, insertions, "  insertions");
        CHECK_EQ(after.pages - before.pages, 4096, "  pages");
        CHECK_EQ(after.faults - before.faults, 0, "  faults of touching all");
        CHECK_EQ(wrong, 0, "  words that are not there");
        for (uint64_t at = 0; at < 16 * MIB; at += 4096)
                wrong += pread(d->fd, &had, 8, (off_t)at) != 8 || had != at + skew;
        CHECK_EQ(wrong, 0, "  words that are not where they belong");
        munmap(map, 16 * MIB);
}

static void test_eager(void) {
        struct mdevd_device_record r;
        struct device d;
        char *map;

        make(&d, "16M-eager", UUID(02), 32 * MIB, 16 * MIB);
        test_eager_at(&d, 0, 8, huge);
        test_eager_at(&d, MIB, 8, false);
        MUST(write_file("/sys/kernel/mm/transparent_hugepage/enabled", "never"));
        test_eager_at(&d, 0, 8, false);
        MUST(write_file("/sys/kernel/mm/transparent_hugepage/enabled", "always"));
        device_close(&d);
        MUST(mdev_remove(UUID(02)));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_GONE, UUID(02)));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(02)));

        make(&d, "16M-eager", UUID(02), 32 * MIB, 16 * MIB);
        map = map_at(&d, 16 * MIB, 0);
        r = record_of(UUID(02));
        CHECK_EQ(r.insertions, 8, "eager: insertions at mmap()");
        CHECK_EQ(r.insertions_eager, 8, "  all of them there");
        CHECK_EQ(r.pages, 4096, "  pages");
        for (uint64_t at = 0; at < 16 * MIB; at += 4096)
                *(volatile uint32_t *)(map + at) = 7;
        CHECK_EQ(record_of(UUID(02)).faults, 0, "  faults of touching all");
        munmap(map, 16 * MIB);

        map = mmap(NULL, 16 * MIB, PROT_NONE, MAP_SHARED, d.fd, (off_t)REGION(0));
        CHECK_EQ(record_of(UUID(02)).insertions, 8, "eager without any access inserts nothing");
        mprotect(map, 16 * MIB, PROT_READ);
        CHECK_EQ(*(volatile uint32_t *)map, 7, "  mprotect and a fault do");
        uint32_t value;
        CHECK_EQ(touch_write(map, 1), SIGSEGV, "  a write to the read-only mapping");
        CHECK_EQ(touch_read(map, &value), 0, "  a read of it");
        munmap(map, 16 * MIB);
        unmake(&d, UUID(02));
}

static void test_refused(void) {
        struct vfio_region_info info;
        struct device d;

        make(&d, "3M", UUID(03), 0, 3 * MIB);
        MUST(device_region(&d, 0, &info));
        CHECK_EQ(info.size, 4 * MIB, "3 MiB are padded to 4");
#define MAP_REFUSED(length, prot, flags, offset, what)                                             \
        CHECK(mmap(NULL, length, prot, flags, d.fd, (off_t)(offset)) == MAP_FAILED, "mmap " what   \
              ": %s", strerrorname_np(errno))
        MAP_REFUSED(4 * MIB, PROT_READ, MAP_SHARED, REGION(0), "of the padding");
        MAP_REFUSED(4096, PROT_READ, MAP_SHARED, REGION(0) + 3 * MIB, "of a page of the padding");
        MAP_REFUSED(8192, PROT_READ, MAP_SHARED, REGION(0) + 3 * MIB - 4096, "over the end");
        MAP_REFUSED(4096, PROT_READ, MAP_PRIVATE, REGION(0), "private");
        MAP_REFUSED(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, REGION(0), "private, writable");
        MAP_REFUSED(4096, PROT_READ, MAP_SHARED, REGION(1), "of the upper half's index");
        MAP_REFUSED(4096, PROT_READ, MAP_SHARED, REGION(2), "of an absent BAR");
        MAP_REFUSED(4096, PROT_READ, MAP_SHARED, REGION(VFIO_PCI_CONFIG_REGION_INDEX), "of config");
        MAP_REFUSED(4096, PROT_READ, MAP_SHARED, REGION(9), "of a region that is not there");
        MAP_REFUSED(4096, PROT_READ, MAP_SHARED, 0x7ffffffffffff000, "at the end of all offsets");
        MAP_REFUSED(1ULL << 40, PROT_READ, MAP_SHARED, REGION(0), "of all offsets of a region");
        CHECK(device_map(&d, 0, 3 * MIB - 4096, 4096) != MAP_FAILED, "the last page can be mapped");
        CHECK_EQ(record_of(UUID(03)).mapped, 4096, "mapped bytes");
        munmap(device_map(&d, 0, 0, 4096), 4096);
        device_close(&d);
        CHECK_EQ(record_of(UUID(03)).opened, 1, "a mapping keeps the device open");
        /* its only VMA goes with the process: another test removes such a device */
}

static void test_vma(void) {
        struct mdevd_device_record r;
        struct device d;
        uint32_t value;
        char *map;

        make(&d, "16M", UUID(04), 48 * MIB, 16 * MIB);
        map = map_at(&d, 16 * MIB, 0);
        for (uint64_t at = 0; at < 16 * MIB; at += MIB)
                *(volatile uint32_t *)(map + at) = 0x100 + (uint32_t)(at / MIB);

        /* a hole in the middle of a huge entry */
        munmap(map + 2 * MIB + 4096, 4096);
        CHECK_EQ(*(volatile uint32_t *)(map + 2 * MIB), 0x102, "before a hole");
        CHECK_EQ(*(volatile uint32_t *)(map + 3 * MIB), 0x103, "after a hole");
        CHECK_EQ(touch_read(map + 2 * MIB + 4096, &value), SIGSEGV, "in the hole");
        CHECK_EQ(record_of(UUID(04)).mapped, 16 * MIB - 4096, "mapped bytes");

        /* halves: each finds its own bytes by its own vm_pgoff */
        munmap(map, 8 * MIB);
        for (uint64_t at = 8 * MIB; at < 16 * MIB; at += MIB) {
                CHECK_EQ(*(volatile uint32_t *)(map + at), 0x100 + at / MIB, "second half");
        }
        CHECK_EQ(record_of(UUID(04)).mapped, 8 * MIB, "mapped bytes");
        CHECK(mremap(map + 8 * MIB, MIB, 2 * MIB, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT,
              "mremap cannot grow it");
        CHECK(mremap(map + 8 * MIB, 0, MIB, MREMAP_MAYMOVE) == MAP_FAILED, "nor double it");

        /* moved: to an address with other low bits, with pages in it and without */
        char *to = mmap(NULL, 8 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        to = (char *)(((uintptr_t)to + 2 * MIB - 1) & ~(2 * MIB - 1)) + 64 * KIB;
        char *moved = mremap(map + 10 * MIB, 4 * MIB, 4 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, to);
        CHECK(moved == to, "a piece is moved");
        for (uint64_t at = 0; moved == to && at < 4 * MIB; at += MIB)
                CHECK_EQ(*(volatile uint32_t *)(to + at), 0x10a + at / MIB, "  moved");
        CHECK_EQ(touch_read(map + 10 * MIB, &value), SIGSEGV, "  nothing is left behind");
        CHECK_EQ(record_of(UUID(04)).mapped, 8 * MIB, "mapped bytes");

        mprotect(map + 8 * MIB, MIB, PROT_READ);
        CHECK_EQ(touch_write(map + 8 * MIB, 1), SIGSEGV, "a write to what is read-only now");
        mprotect(map + 8 * MIB, MIB, PROT_READ | PROT_WRITE);
        CHECK_EQ(touch_write(map + 8 * MIB, 0x108), 0, "and to what is writable again");

        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
                _exit(touch_read(map + 8 * MIB, &value) == SIGSEGV ? 0 : 1);
        int status;
        waitpid(child, &status, 0);
        CHECK_EQ(WEXITSTATUS(status), 0, "a child does not inherit it");
        r = record_of(UUID(04));
        /* 6.1 moves and splits pages as they are, 6.12 drops huge entries that do not fit */
        CHECK(r.insertions >= 8 && r.insertions < 24, "all that took %llu insertions",
              (unsigned long long)r.insertions);
        CHECK(madvise(map + 8 * MIB, MIB, MADV_POPULATE_WRITE) < 0,
              "madvise cannot populate it: %s", strerrorname_np(errno));
        madvise(map + 8 * MIB, MIB, MADV_DONTNEED);
        CHECK_EQ(touch_read(map + 8 * MIB, &value) ?: (int)value, 0x108, "a touch after madvise");
        munmap(to, 4 * MIB);
        munmap(map + 8 * MIB, 8 * MIB);
        unmake(&d, UUID(04));
}

/* A BAR of several extents, out of order; a window never crosses one. */
static void test_pieces(void) {
        const struct mdevd_extent e[] = {
                { .bar = 2, .offset = 52 * MIB, .length = MIB },
                { .bar = 2, .offset = 48 * MIB + 64 * KIB, .length = 2 * MIB + 64 * KIB },
                { .bar = 2, .offset = 60 * MIB, .length = MIB - 64 * KIB },
        };
        struct mdevd_device_record r;
        struct device d;
        char *map;

        MUST(ctl_reserve(ctl, p0, "4M", UUID(05), e, ELEMENTS(e)));
        MUST(mdev_create(p0, "4M", UUID(05)));
        MUST(device_open(&d, UUID(05)));
        CHECK_EQ(host("fill parent0 0 64M 0xee"), 0, "all of the card is 0xee");
        map = map_at(&d, 4 * MIB, 0);
        *(volatile uint32_t *)map = 1;
        r = record_of(UUID(05));
        CHECK_EQ(r.pages, 256, "the first window ends with its extent");
        *(volatile uint32_t *)(map + MIB) = 1;
        CHECK_EQ(record_of(UUID(05)).pages, 512, "the second with the 2 MiB");
        for (uint64_t at = 0; at < 4 * MIB; at += 8)
                *(volatile uint64_t *)(map + at) = 0x1122334455667788;
        CHECK_EQ(record_of(UUID(05)).pages, 1024, "pages of all");
        munmap(map, 4 * MIB);

        CHECK_EQ(host("check parent0 52M 1M 0x1122334455667788"), 0, "first extent, from outside");
        CHECK_EQ(host("check parent0 50397184 2162688 0x1122334455667788"), 0, "second extent");
        CHECK_EQ(host("check parent0 60M 983040 0x1122334455667788"), 0, "third extent");
        CHECK_EQ(host("check parent0 0 50397184 0xeeeeeeeeeeeeeeee"), 0, "before them");
        CHECK_EQ(host("check parent0 52559872 1966080 0xeeeeeeeeeeeeeeee"), 0, "between them");
        CHECK_EQ(host("check parent0 53M 7M 0xeeeeeeeeeeeeeeee"), 0, "between them, again");
        CHECK_EQ(host("check parent0 63897600 3211264 0xeeeeeeeeeeeeeeee"), 0, "after them");
        unmake(&d, UUID(05));
        CHECK_EQ(host("check parent0 52M 1M 0"), 0, "zeros after its end, from outside");
        CHECK_EQ(host("check parent0 50397184 2162688 0"), 0, "  second extent");
        CHECK_EQ(host("check parent0 60M 983040 0"), 0, "  third extent");
        CHECK_EQ(host("check parent0 52559872 1966080 0xeeeeeeeeeeeeeeee"), 0,
                 "  and nothing else");
}

/* Three BARs, of extents in another order than the BARs'; ids of the type's own. */
static void test_bars(void) {
        static const uint64_t lengths[] = { [0] = MIB, [1] = 12 * KIB, [4] = 64 * KIB };
        static const uint64_t sizes[] = { [0] = MIB, [1] = 16 * KIB, [4] = 64 * KIB };
        static const uint32_t masks[] = { [0] = 0xfff00000, [1] = 0xffffc008, [4] = 0xffff0004 };
        const struct mdevd_extent e[] = {
                { .bar = 2, .offset = 32 * MIB, .length = 64 * KIB, .guest_bar = 4 },
                { .bar = 2, .offset = 33 * MIB, .length = 512 * KIB, .guest_bar = 0 },
                { .bar = 2, .offset = 34 * MIB, .length = 12 * KIB, .guest_bar = 1 },
                { .bar = 2, .offset = 35 * MIB, .length = 512 * KIB, .guest_bar = 0 },
        };
        uint32_t ids[3] = {}, ones = ~0U, mask;
        struct device d;

        MUST(ctl_reserve(ctl, p0, "3-bars", UUID(09), e, ELEMENTS(e)));
        MUST(mdev_create(p0, "3-bars", UUID(09)));
        MUST(device_open(&d, UUID(09)));
        CHECK_EQ(pread(d.fd, ids, 12, (off_t)REGION(7)), 12, "config space");
        CHECK(ids[0] == 0x56781234 && ids[2] >> 8 == 0x038000, "ids of the type: %08x %08x",
              ids[0], ids[2]);
        for (uint32_t bar = 0; bar < 6; bar++) {
                struct vfio_region_info info;
                uint64_t length = bar < ELEMENTS(lengths) ? lengths[bar] : 0;

                MUST(device_region(&d, bar, &info));
                CHECK_EQ(info.size, length ? sizes[bar] : 0, "size of a BAR");
                if (!length)
                        continue;
                off_t at = (off_t)(REGION(7) + 0x10 + 4 * bar);
                CHECK_EQ(pwrite(d.fd, &ones, 4, at) + pread(d.fd, &mask, 4, at), 8, "sizing it");
                CHECK_EQ(mask, masks[bar], "  its mask");
                char *map = device_map(&d, bar, 0, length);
                for (uint64_t i = 0; i < length; i += 8)
                        *(volatile uint64_t *)(map + i) = 0x0101010101010101 * (bar + 1);
                munmap(map, length);
        }
        CHECK_EQ(host("check parent0 32M 64K 0x0505050505050505"), 0, "BAR 4 from outside");
        CHECK_EQ(host("check parent0 33M 512K 0x0101010101010101"), 0, "BAR 0");
        CHECK_EQ(host("check parent0 35M 512K 0x0101010101010101"), 0, "BAR 0, second extent");
        CHECK_EQ(host("check parent0 34M 12K 0x0202020202020202"), 0, "BAR 1");
        unmake(&d, UUID(09));
}

/* Many threads touch all pages first at once: every window is filled once. */
struct racer {
        pthread_barrier_t *barrier;
        char *map;
        unsigned seed;
};

static void *race(void *arg) {
        struct racer *racer = arg;
        unsigned step = 2 * racer->seed + 1;

        pthread_barrier_wait(racer->barrier);
        for (unsigned i = 0; i < 4096; i++)
                ((volatile uint8_t *)racer->map)[(i * step % 4096) * 4096ULL + racer->seed] = 1;
        return NULL;
}

static void test_race(const char *type, unsigned insertions, uint64_t skew, const char *uuid) {
        enum { THREADS = 8, ROUNDS = 20 };
        struct device d;
        unsigned wrong = 0;

        make(&d, type, uuid, 0 + 16 * MIB, 16 * MIB);
        for (unsigned round = 0; round < ROUNDS; round++) {
                uint64_t before = record_of(uuid).insertions, pages = record_of(uuid).pages;
                struct racer racers[THREADS];
                pthread_t threads[THREADS];
                pthread_barrier_t barrier;
                char *map = map_at(&d, 16 * MIB, skew);

                pthread_barrier_init(&barrier, NULL, THREADS);
                for (unsigned i = 0; i < THREADS; i++) {
                        racers[i] = (struct racer){ &barrier, map, i };
                        pthread_create(&threads[i], NULL, race, &racers[i]);
                }
                for (unsigned i = 0; i < THREADS; i++)
                        pthread_join(threads[i], NULL);
                pthread_barrier_destroy(&barrier);
                wrong += record_of(uuid).insertions - before != insertions;
                wrong += record_of(uuid).pages - pages != 4096;
                munmap(map, 16 * MIB);
        }
        CHECK_EQ(wrong, 0, "20 rounds of 8 threads: rounds with another number of insertions");
        unmake(&d, uuid);
}

int main(void) {
        char thp[128] = "";

        p0 = parent_name(0);
        ctl = (int)MUST(ctl_open(O_RDWR));
        struct mdevd_get_info info = { .size = sizeof(info) };
        MUST(ctl_call(ctl, MDEVD_GET_INFO, &info));
        MUST(read_file("/sys/kernel/mm/transparent_hugepage/enabled", thp, sizeof(thp)));
        huge = (info.features & MDEVD_FEATURE_HUGE) && strstr(thp, "[always]");
        CHECK_EQ(huge, strcmp(getenv("MDEVD_KVER") ?: "", "6.1") != 0, "huge entries");
        MUST(bind_parent(p0));
        MUST(standard_parent(ctl, p0));

        test_counts();
        test_eager();
        test_vma();
        test_pieces();
        test_bars();
        test_race("16M", 8, 0, UUID(06));
        /* skewed: the same windows, but 512 pages each on both kernels */
        test_race("16M", 8, 64 * KIB, UUID(07));
        MUST(write_file("/sys/kernel/mm/transparent_hugepage/enabled", "never"));
        test_race("16M", 8, 0, UUID(08));
        MUST(write_file("/sys/kernel/mm/transparent_hugepage/enabled", "always"));
        test_refused();
        return check_done();
}

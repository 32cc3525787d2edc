/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A vendor's module at work: a card whose DMA engine several VMMs share, registers that are
 * trapped, windows that are bound late. kmod/vendor/README.md says what must come out.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "edu.h"

static int ctl;
static struct vmm a, b;

static int configure_type(const struct mdevd_type *type) {
        static const struct mdevd_pool pool = { .name = "mem", .bar = 2, .length = 16 * MIB };
        struct mdevd_configure arg = {
                .size = sizeof(arg),
                .vendor = "edu",
                .n_pools = 1,
                .pool_size = sizeof(pool),
                .n_types = 1,
                .type_size = sizeof(*type),
                .pools = (uintptr_t)&pool,
                .types = (uintptr_t)type,
        };

        snprintf(arg.parent, sizeof(arg.parent), "%s", card_name());
        return ctl_call(ctl, MDEVD_CONFIGURE, &arg);
}

static int unload(const char *module) {
        return syscall(SYS_delete_module, module, O_NONBLOCK) < 0 ? -errno : 0;
}

static void test_configure(void) {
        struct mdevd_type type = { .name = "t", .bars[2] = { .length = MIB } };

        CHECK_EQ(access("/sys/module/mdevd_edu", F_OK), -1, "nobody has loaded the vendor yet");
        CHECK_EQ(card_configure(ctl, "nobody"), -ENOPKG, "configure with a vendor that is none");
        CHECK_EQ(card_configure(ctl, "../edu"), -EINVAL, "configure with what is no name");
        type.bars[0].length = EDU_PAGE;
        CHECK_EQ(configure_type(&type), -EINVAL, "a type that takes the vendor's BAR");
        type.bars[0].length = 0;
        type.flags = MDEVD_TYPE_MOVABLE;
        CHECK_EQ(configure_type(&type), -EINVAL, "a type that could be moved under DMA");
        type.flags = 0;
        type.vectors = 2;
        CHECK_EQ(configure_type(&type), -ENOSPC, "a vector more than the vendor has");
        CHECK_EQ(unload("mdevd_edu"), 0, "after refusals the vendor's module is not in use");

        CHECK_EQ(card_configure(ctl, "edu"), 0, "configure loads the vendor's module");
        CHECK_EQ(access("/sys/module/mdevd_edu", F_OK), 0, "  it is there");
        CHECK_EQ(unload("mdevd_edu"), -EWOULDBLOCK, "  and in use: rmmod is refused");
        CHECK_EQ(ctl_unconfigure(ctl, card_name()), 0, "unconfigure");
        CHECK_EQ(unload("mdevd_edu"), 0, "  lets go of it");
        MUST(card_configure(ctl, "edu"));
}

static void test_regions(void) {
        char buf[256] = {};
        struct vfio_region_info *info = (void *)buf;
        struct vfio_region_info_cap_sparse_mmap *sparse;
        uint64_t value;
        uint8_t byte;

        *info = (struct vfio_region_info){ .argsz = sizeof(buf), .index = 0 };
        MUST(ioctl(a.d.fd, VFIO_DEVICE_GET_REGION_INFO, info) < 0 ? -errno : 0);
        CHECK_EQ(info->size, 8 * EDU_PAGE, "BAR 0: registers and four windows, to a power of two");
        sparse = (void *)(buf + info->cap_offset);
        CHECK(info->cap_offset && sparse->nr_areas == 1 && sparse->areas[0].offset == EDU_PAGE &&
                      sparse->areas[0].size == EDU_WINDOWS * EDU_PAGE,
              "only the windows may be mapped");
        CHECK(device_map(&a.d, 0, 0, EDU_PAGE) == MAP_FAILED, "the registers cannot be mapped");
        CHECK(device_map(&a.d, 0, 0, 2 * EDU_PAGE) == MAP_FAILED, "nor with a window");
        CHECK(device_map(&a.d, 0, 5 * EDU_PAGE, EDU_PAGE) == MAP_FAILED, "nor the padding");

        CHECK_EQ(edu_read(&a, EDU_ID), 0x5544454d, "its registers can be read");
        CHECK_EQ(edu_read(&a, EDU_SIZE), MIB, "they tell the size of its memory");
        CHECK_EQ(edu_read(&a, 5 * EDU_PAGE), 0xffffffff, "the padding reads as ones");
        CHECK_EQ(pread(a.d.fd, &value, 8, (off_t)REGION(0)), 8, "64 bits at once");
        CHECK_EQ(value, 0x15544454d, "  are two registers");
        CHECK_EQ(pread(a.d.fd, &byte, 1, (off_t)REGION(0) + 1), 1, "a byte");
        CHECK_EQ(byte, 0x45, "  is a part of one");
        edu_write(&a, EDU_ID, 0);
        CHECK_EQ(edu_read(&a, EDU_ID), 0x5544454d, "what is read-only stays");
}

static void fill(uint8_t *at, size_t n, unsigned seed) {
        for (size_t i = 0; i < n; i++)
                at[i] = (uint8_t)((i * 131 + seed * 7919) >> 3 ^ i ^ seed);
}

/* Lengths from 1 to 2,048 bytes, to the card and back, at both ends of the memory. */
static void test_jobs(void) {
        static const struct {
                uint64_t card;
                uint32_t length;
        } jobs[] = { { 0, 1 }, { 4095, 2 }, { MIB - 2048, 2048 } };
        uint8_t want[EDU_JOB_MAX];
        uint8_t *map = device_map(&a.d, 2, 0, MIB);

        for (unsigned i = 0; i < ELEMENTS(jobs); i++) {
                uint32_t n = jobs[i].length;

                fill(want, n, i);
                memcpy(a.ram + 100, want, n);
                memset(a.ram + 8192, 0, EDU_JOB_MAX);
                CHECK_EQ(edu_submit(&a, EDU_TO_CARD, VMM_RAM + 100, jobs[i].card, n), EDU_OK,
                         "a job to the card");
                CHECK_EQ(edu_submit(&a, EDU_FROM_CARD, VMM_RAM + 8192, jobs[i].card, n), EDU_OK,
                         "  and one back");
                CHECK_EQ(edu_drain(&a), 0, "  none fails");
                CHECK(memcmp(map + jobs[i].card, want, n) == 0, "  %u bytes are on the card", n);
                CHECK(memcmp(a.ram + 8192, want, n) == 0 && a.ram[8192 + n] == 0,
                      "  and exactly these came back");
        }
        CHECK_EQ(edu_read(&a, EDU_COMPLETED), 2 * ELEMENTS(jobs), "jobs that were done");
        munmap(map, MIB);
}

static void test_refusals(void) {
        static const struct {
                uint32_t command;
                uint64_t ram, card;
                uint32_t length;
                uint32_t error;
                const char *what;
        } table[] = {
                { 0, VMM_RAM, 0, 16, EDU_NO_COMMAND, "command 0" },
                { 3, VMM_RAM, 0, 16, EDU_NO_COMMAND, "command 3" },
                { EDU_TO_CARD, VMM_RAM, 0, 0, EDU_NO_LENGTH, "no byte" },
                { EDU_TO_CARD, VMM_RAM, 0, 2049, EDU_NO_LENGTH, "2,049 bytes" },
                { EDU_TO_CARD, VMM_RAM, 0, 0xffffffff, EDU_NO_LENGTH, "4 GiB - 1" },
                { EDU_TO_CARD, VMM_RAM, MIB - 15, 16, EDU_NO_RANGE, "a byte past the slice" },
                { EDU_FROM_CARD, VMM_RAM, MIB, 1, EDU_NO_RANGE, "the neighbour's first byte" },
                { EDU_FROM_CARD, VMM_RAM, 0ULL - MIB, 16, EDU_NO_RANGE, "a negative offset" },
                { EDU_FROM_CARD, VMM_RAM, 0xfffffffffffffff8, 16, EDU_NO_RANGE, "one that wraps" },
                { EDU_FROM_CARD, 0xfffffffffffffff8, 0, 16, EDU_NO_RANGE, "RAM that wraps" },
        };
        uint32_t submitted = edu_read(&a, EDU_SUBMITTED), failed = edu_read(&a, EDU_FAILED);
        unsigned full = 0;

        for (unsigned i = 0; i < ELEMENTS(table); i++)
                CHECK_EQ(edu_submit(&a, table[i].command, table[i].ram, table[i].card,
                                    table[i].length),
                         table[i].error, table[i].what);
        CHECK_EQ(edu_read(&a, EDU_SUBMITTED), submitted, "none of these was taken");

        CHECK_EQ(edu_submit(&a, EDU_TO_CARD, VMM_RAM - 8, 0, 16), EDU_OK,
                 "RAM is looked at when its turn comes");
        CHECK_EQ(edu_submit(&a, EDU_FROM_CARD, VMM_RAM + a.ram_size - 8, 0, 16), EDU_OK,
                 "  at its end too");
        CHECK_EQ(edu_drain(&a), failed + 2, "what is no RAM makes a job fail");
        CHECK_EQ(edu_read(&a, EDU_RESULT), EDU_NO_MEMORY, "  for that reason");

        for (unsigned i = 0; i < EDU_QUEUE_MAX + 2; i++)
                full += edu_submit(&a, EDU_TO_CARD, VMM_RAM, 0, 1) == EDU_FULL;
        CHECK(full >= 1 && full <= 2, "of two jobs more than the queue holds %u were refused",
              full);
        MUST(ioctl(a.d.fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0);
        CHECK_EQ(edu_read(&a, EDU_PENDING), 0, "a reset empties the queue");
        CHECK_EQ(edu_read(&a, EDU_SUBMITTED), 0, "  and the counters");
}

/* RAM that the VMM gave for reading only, or took away, is not written. */
static void test_readonly_ram(void) {
        MUST(vmm_unmap_ram(&a));
        MUST(vmm_map_ram(&a, VFIO_DMA_MAP_FLAG_READ));
        memset(a.ram, 0x11, 64);
        CHECK_EQ(edu_submit(&a, EDU_TO_CARD, VMM_RAM, 0, 64), EDU_OK, "read-only RAM to the card");
        CHECK_EQ(edu_drain(&a), 0, "  is read");
        memset(a.ram, 0x22, 64);
        CHECK_EQ(edu_submit(&a, EDU_FROM_CARD, VMM_RAM, 0, 64), EDU_OK, "  and back");
        CHECK_EQ(edu_drain(&a), 1, "  is not written");
        CHECK(a.ram[0] == 0x22 && a.ram[63] == 0x22, "  not a byte of it");
        MUST(vmm_unmap_ram(&a));
        CHECK_EQ(edu_submit(&a, EDU_TO_CARD, VMM_RAM, 0, 64), EDU_OK, "a job without RAM");
        CHECK_EQ(edu_drain(&a), 2, "  fails");
        MUST(vmm_map_ram(&a, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE));
}

/* What a window shows is asked at the first touch; a rebind takes the page away. */
static void test_windows(void) {
        volatile uint32_t *window = device_map(&a.d, 0, EDU_PAGE, EDU_WINDOWS * EDU_PAGE);
        volatile uint32_t *slice = device_map(&a.d, 2, 0, MIB);
        const unsigned step = EDU_PAGE / 4;
        struct mdevd_device_record record;
        uint32_t value;

        for (unsigned page = 0; page < MIB / EDU_PAGE; page++)
                slice[page * step] = 0xc0de0000 + page;
        edu_write(&a, EDU_WINDOW, 7);
        MUST(ctl_device(ctl, UUID(50), &record, NULL, NULL));
        uint64_t before = record.insertions;
        CHECK_EQ(window[0], 0xc0de0007, "window 0 shows the page it was bound to before its touch");
        MUST(ctl_device(ctl, UUID(50), &record, NULL, NULL));
        CHECK_EQ(record.insertions - before, 1, "  one insertion");
        edu_write(&a, EDU_WINDOW, 255);
        CHECK_EQ(window[0], 0xc0de00ff, "rebound, it shows the last page of the slice");
        edu_write(&a, EDU_WINDOW, 256);
        CHECK_EQ(edu_read(&a, EDU_ERROR), EDU_NO_RANGE, "the page after that is the neighbour's");
        CHECK_EQ(window[0], 0xc0de00ff, "  and not shown");
        edu_write(&a, EDU_WINDOW, 0xffffffff);
        CHECK_EQ(edu_read(&a, EDU_WINDOW), 255, "nor page 0xffffffff");
        edu_write(&a, EDU_WINDOW + 12, 9);
        CHECK_EQ(window[3 * step], 0xc0de0009, "the last window");
        CHECK_EQ(window[1 * step], 0xc0de0000, "one that was never bound shows page 0");
        window[3 * step + 1] = 0x12345678;
        CHECK_EQ(slice[9 * step + 1], 0x12345678, "a write through a window is one to the slice");
        CHECK_EQ(pread(a.d.fd, &value, 4, (off_t)(REGION(0) + 4 * EDU_PAGE)), 4,
                 "a VMM that does not map reads it");
        CHECK_EQ(value, 0xc0de0009, "  the same");
        MUST(ioctl(a.d.fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0);
        CHECK_EQ(window[3 * step], 0xc0de0000, "after a reset all windows show page 0");
        munmap((void *)slice, MIB);
        munmap((void *)window, EDU_WINDOWS * EDU_PAGE);
}

static bool race_over;

static void *race_rebinder(void *arg) {
        for (unsigned i = 0; i < 3000; i++)
                edu_write(&a, EDU_WINDOW, i % 256);
        __atomic_store_n(&race_over, true, __ATOMIC_RELEASE);
        return NULL;
}

/* While one thread rebinds, another always sees some page of the slice, and after it the last. */
static void test_window_race(void) {
        volatile uint32_t *window = device_map(&a.d, 0, EDU_PAGE, EDU_PAGE);
        unsigned touches = 0, wrong = 0;
        pthread_t t;

        race_over = false;
        pthread_create(&t, NULL, race_rebinder, NULL);
        while (!__atomic_load_n(&race_over, __ATOMIC_ACQUIRE)) {
                wrong += (window[0] & ~0xffU) != 0xc0de0000;
                touches++;
        }
        pthread_join(t, NULL);
        CHECK(wrong == 0 && touches > 100, "3,000 rebinds under %u touches: %u saw something else",
              touches, wrong);
        CHECK_EQ(window[0], 0xc0de0000 + 2999 % 256, "after them it shows the last");
        munmap((void *)window, EDU_PAGE);
}

/* Accesses of any size anywhere in the BAR of registers and windows, and past it. */
static void test_fuzz(void) {
        uint64_t state = 88172645463325252, outside = 0;
        uint8_t bytes[64];

        for (unsigned i = 0; i < 50000; i++) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                uint64_t at = state % (state & (1 << 20) ? 0xa0 : 10 * EDU_PAGE);
                size_t n = state >> 32 & 1 ? 4 : state >> 40 & 63;
                off_t offset = (off_t)(REGION(0) + at);

                memcpy(bytes, &state, sizeof(state));
                ssize_t r = state & (1 << 21) ? pread(a.d.fd, bytes, n, offset)
                                              : pwrite(a.d.fd, bytes, n, offset);
                outside += at >= 8 * EDU_PAGE && n > 0 && r >= 0;
        }
        CHECK_EQ(outside, 0, "accesses past the BAR that went through");
        for (unsigned w = 0; w < EDU_WINDOWS; w++)
                CHECK(edu_read(&a, EDU_WINDOW + 4 * w) < MIB / EDU_PAGE, "window %u is inside", w);
        MUST(ioctl(a.d.fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0);
        CHECK_EQ(edu_read(&a, EDU_ID), 0x5544454d, "after 50,000 hostile accesses it is alive");
}

/* A device of two extents that are apart: a job over the seam, a window on each side. */
static void test_seam(void) {
        const struct mdevd_extent parts[] = {
                { .bar = 2, .guest_bar = 2, .offset = 4 * MIB, .length = 32 * KIB },
                { .bar = 2, .guest_bar = 2, .offset = 6 * MIB, .length = 32 * KIB },
        };
        struct vmm c;

        MUST(ctl_reserve(ctl, card_name(), "64K", UUID(52), parts, 2));
        MUST(mdev_create(card_name(), "64K", UUID(52)));
        MUST(vmm_open(&c, UUID(52)));
        memset(c.ram, 0xab, EDU_JOB_MAX);
        CHECK_EQ(edu_submit(&c, EDU_TO_CARD, VMM_RAM, 32 * KIB - 8, 1024), EDU_OK,
                 "a job over the seam of two extents");
        CHECK_EQ(edu_submit(&c, EDU_FROM_CARD, VMM_RAM + 4096, 32 * KIB - 8, 1024), EDU_OK,
                 "  and back");
        CHECK_EQ(edu_drain(&c), 0, "  is done");
        CHECK_EQ(host("check card 0x407ff8 8 0xabababababababab"), 0, "  its head is in the first");
        CHECK_EQ(host("check card 6M 1016 0xabababababababab"), 0, "  its tail in the second");
        CHECK_EQ(host("check card 0x408000 0x1f8000 0x7777777777777777"), 0, "  nothing between");
        CHECK(memcmp(c.ram, c.ram + 4096, 1024) == 0, "  all of it came back");
        edu_write(&c, EDU_WINDOW, 8);
        uint32_t value = 0;
        CHECK_EQ(pread(c.d.fd, &value, 4, (off_t)(REGION(0) + EDU_PAGE)), 4, "a window beyond it");
        CHECK_EQ(value, 0xabababab, "  shows the second");
        vmm_close(&c);
        MUST(mdev_remove(UUID(52)));
}

/* Two VMMs at once: each gets its own bytes, and the engine takes turns. */
static void test_two(void) {
        uint8_t *slice_a = device_map(&a.d, 2, 0, MIB), *slice_b = device_map(&b.d, 2, 0, MIB);

        memset(a.ram, 0xa5, a.ram_size);
        memset(b.ram, 0x5b, b.ram_size);
        for (unsigned i = 0; i < 4; i++) {
                CHECK_EQ(edu_submit(&a, EDU_TO_CARD, VMM_RAM, 4096 * i, 2048), EDU_OK, "a");
                CHECK_EQ(edu_submit(&b, EDU_TO_CARD, VMM_RAM, 4096 * i, 2048), EDU_OK, "b");
        }
        while (edu_read(&a, EDU_PENDING) > 1)
                usleep(10000);
        uint32_t other = edu_read(&b, EDU_COMPLETED);
        CHECK(other >= 2 && other <= 4, "when a has done three jobs, b has done %u", other);
        CHECK_EQ(edu_drain(&a) + edu_drain(&b), 0, "none fails");
        CHECK(memcmp(slice_a + 12288, a.ram, 2048) == 0, "a has its bytes");
        CHECK(memcmp(slice_b + 12288, b.ram, 2048) == 0, "b has its own");
        munmap(slice_a, MIB);
        munmap(slice_b, MIB);
}

static void *storm(void *arg) {
        struct vmm *vmm = arg;
        unsigned n = 0;

        while (!__atomic_load_n(&race_over, __ATOMIC_ACQUIRE)) {
                if (vmm_unmap_ram(vmm) < 0)
                        CHECK(false, "unmap %u", n);
                if (vmm_map_ram(vmm, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE) < 0)
                        CHECK(false, "map %u", n);
                n++;
        }
        return (void *)(uintptr_t)n;
}

/* RAM goes and comes all the while: a job is done or fails, and its neighbour notices nothing. */
static void test_unmap_storm(void) {
        uint32_t failed = edu_read(&a, EDU_FAILED), other = edu_read(&b, EDU_FAILED);
        unsigned taken = 0;
        pthread_t t;
        void *rounds;

        race_over = false;
        pthread_create(&t, NULL, storm, &a);
        for (unsigned i = 0; i < 10; i++) {
                taken += edu_submit(&a, EDU_TO_CARD + i % 2, VMM_RAM + 2048 * i, 4096 * i,
                                    2048) == EDU_OK;
                CHECK_EQ(edu_submit(&b, EDU_TO_CARD + i % 2, VMM_RAM, 8192, 64), EDU_OK,
                         "the neighbour's job");
        }
        failed = edu_drain(&a) - failed;
        CHECK_EQ(edu_drain(&b) - other, 0, "none of the neighbour's fails");
        __atomic_store_n(&race_over, true, __ATOMIC_RELEASE);
        pthread_join(t, &rounds);
        CHECK(failed <= taken, "of %u jobs %u failed under %u unmaps", taken, failed,
              (unsigned)(uintptr_t)rounds);
        CHECK(taken == 10 && (uintptr_t)rounds > 100, "  there was a storm");
}

int main(void) {
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(bind_parent(card_name()));
        test_configure();
        CHECK_EQ(host("fill card 0 16M 0x77"), 0, "old bytes on the card");
        MUST(card_make(ctl, "1M", UUID(50), 1 * MIB, MIB));
        MUST(card_make(ctl, "1M", UUID(51), 2 * MIB, MIB));
        MUST(vmm_open(&a, UUID(50)));
        MUST(vmm_open(&b, UUID(51)));
        CHECK_EQ(host("check card 1M 2M 0"), 0, "both begin with zeros");
        test_regions();
        test_jobs();
        test_refusals();
        test_readonly_ram();
        test_windows();
        test_window_race();
        test_fuzz();
        CHECK_EQ(host("check card 2M 1M 0"), 0, "not a byte of it is in the neighbour's");
        test_two();
        test_unmap_storm();
        test_seam();
        vmm_close(&a);
        vmm_close(&b);
        MUST(mdev_remove(UUID(50)));
        MUST(mdev_remove(UUID(51)));
        while (ctl_unconfigure(ctl, card_name()) == -EBUSY)
                usleep(10000);
        CHECK_EQ(host("check card 1M 2M 0"), 0, "zeros are left where they were");
        CHECK_EQ(host("check card 0 1M 0x7777777777777777"), 0, "what was nobody's is as it was");
        return check_done();
}

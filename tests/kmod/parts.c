/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parts of a BAR that are not simply mapped: trapped ones of the device's own, and pages of the
 * parent that all devices see and none can write.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib.h"

#define A UUID(61)
#define B UUID(62)
#define PAGE (4 * KIB)
#define SHARED (2 * MIB) /* of the parent: outside the pool */
#define REFUSED(call, want, what) CHECK_EQ(call, -(want), "refused: " what)

static int ctl;
static const char *parent;

static struct mdevd_pool the_pool(void) {
        return (struct mdevd_pool){ .name = "mem", .bar = 2, .offset = 4 * MIB, .length = 8 * MIB };
}

/*
 * 12 pages: 2 mapped, 1 trapped, 1 shared, 4 mapped, 2 shared, 1 trapped, 1 mapped; then padding.
 */
static struct mdevd_type the_type(void) {
        return (struct mdevd_type){
                .name = "parts",
                .flags = MDEVD_TYPE_MOVABLE,
                .bars = { [2] = { .length = 12 * PAGE, .flags = MDEVD_BAR_64BIT } },
                .parts = {
                        { .bar = 2, .kind = MDEVD_PART_SHARED, .parent_bar = 2,
                          .offset = 8 * PAGE, .length = 2 * PAGE, .parent_offset = SHARED },
                        { .bar = 2, .kind = MDEVD_PART_TRAPPED, .offset = 2 * PAGE,
                          .length = PAGE },
                        {},
                        { .bar = 2, .kind = MDEVD_PART_SHARED, .parent_bar = 2,
                          .offset = 3 * PAGE, .length = PAGE, .parent_offset = SHARED + 8 * PAGE },
                        { .bar = 2, .kind = MDEVD_PART_TRAPPED, .offset = 10 * PAGE,
                          .length = PAGE },
                },
        };
}

static int configure(const struct mdevd_type *type) {
        struct mdevd_pool pool = the_pool();

        return ctl_configure(ctl, parent, &pool, 1, type, 1);
}

static void test_configure(void) {
        struct mdevd_type good = the_type(), bad;

#define PART_REFUSED(want, what, ...)                                                              \
        do {                                                                                       \
                bad = good;                                                                        \
                __VA_ARGS__;                                                                       \
                REFUSED(configure(&bad), want, "a part " what);                                    \
        } while (0)
        PART_REFUSED(EINVAL, "of a BAR that is not there", bad.parts[0].bar = 1);
        PART_REFUSED(EINVAL, "of BAR 6", bad.parts[0].bar = 6);
        PART_REFUSED(EINVAL, "of an unknown kind", bad.parts[0].kind = 4);
        PART_REFUSED(EOPNOTSUPP, "of a vendor's, without one",
                     bad.parts[1].kind = MDEVD_PART_VENDOR);
        PART_REFUSED(EINVAL, "of half a page", bad.parts[0].length = 2048);
        PART_REFUSED(EINVAL, "of no length", bad.parts[0].length = 0);
        PART_REFUSED(EINVAL, "past the end", bad.parts[4].length = 3 * PAGE);
        PART_REFUSED(EINVAL, "that wraps", bad.parts[4].length = -8 * PAGE);
        PART_REFUSED(EINVAL, "over another", bad.parts[4].offset = 9 * PAGE);
        PART_REFUSED(EINVAL, "that is none, with an offset", bad.parts[2].offset = PAGE);
        PART_REFUSED(EINVAL, "with what is reserved", bad.parts[0].__reserved[4] = 1);
        PART_REFUSED(EINVAL, "that is trapped, with an offset in the parent",
                     bad.parts[1].parent_offset = SHARED);
        PART_REFUSED(EINVAL, "shared of a BAR that the parent lacks",
                     bad.parts[0].parent_bar = 3);
        PART_REFUSED(EINVAL, "shared of the parent's BAR 6", bad.parts[0].parent_bar = 6);
        PART_REFUSED(ERANGE, "shared past the parent's end",
                     bad.parts[0].parent_offset = 16 * MIB - PAGE);
        PART_REFUSED(ERANGE, "shared far past it", bad.parts[0].parent_offset = 1ULL << 62);
        PART_REFUSED(EBUSY, "shared of a pool", bad.parts[0].parent_offset = 4 * MIB - PAGE);
        PART_REFUSED(EBUSY, "shared of its last page",
                     bad.parts[0].parent_offset = 12 * MIB - PAGE);
        PART_REFUSED(EINVAL, "that leaves nothing of its own",
                     memset(&bad.parts[1], 0, 4 * sizeof(bad.parts[1]));
                     bad.parts[0].offset = 0; bad.parts[0].length = 12 * PAGE;
                     bad.parts[0].parent_offset = 0);
        /* next to the pool on both sides is next to it */
        bad = good;
        bad.parts[0].parent_offset = 4 * MIB - 2 * PAGE;
        bad.parts[3].parent_offset = 12 * MIB;
        CHECK_EQ(configure(&bad), 0, "shared pages on both sides of the pool");
        CHECK_EQ(ctl_unconfigure(ctl, parent), 0, "  and away again");
        MUST(configure(&good));
}

/* Nine pages of its own; an extent ends where a shared part begins, or before. */
static int make(const char *uuid, uint64_t at, uint64_t first, uint64_t second, uint64_t third) {
        struct mdevd_extent e[] = {
                { .bar = 2, .guest_bar = 2, .offset = at, .length = first * PAGE },
                { .bar = 2, .guest_bar = 2, .offset = at + MIB, .length = second * PAGE },
                { .bar = 2, .guest_bar = 2, .offset = at + 2 * MIB, .length = third * PAGE },
        };
        int r = ctl_reserve(ctl, parent, "parts", uuid, e, third ? 3 : 2);

        return r < 0 ? r : mdev_create(parent, "parts", uuid);
}

static void test_areas(const struct device *d) {
        char buf[256] = {};
        struct vfio_region_info *info = (void *)buf;
        struct vfio_region_info_cap_sparse_mmap *sparse;
        static const uint64_t want[][2] = { { 0, 2 }, { 4, 4 }, { 11, 1 } };

        *info = (struct vfio_region_info){ .argsz = sizeof(buf), .index = 2 };
        CHECK_EQ(ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, info), 0, "region info");
        CHECK_EQ(info->size, 16 * PAGE, "  twelve pages are padded to sixteen");
        CHECK(info->flags & VFIO_REGION_INFO_FLAG_CAPS, "  with areas");
        sparse = (void *)(buf + info->cap_offset);
        CHECK_EQ(sparse->nr_areas, 3, "  three");
        for (unsigned i = 0; i < 3; i++)
                CHECK(sparse->areas[i].offset == want[i][0] * PAGE &&
                      sparse->areas[i].size == want[i][1] * PAGE, "  area %u is %llu+%llu", i,
                      sparse->areas[i].offset / PAGE, sparse->areas[i].size / PAGE);
        for (uint64_t page = 0; page < 17; page++)
                for (uint64_t n = 1; page + n <= 17; n++) {
                        bool may = false;
                        void *p = device_map(d, 2, page * PAGE, n * PAGE);

                        for (unsigned i = 0; i < 3; i++)
                                may |= page >= want[i][0] && page + n <= want[i][0] + want[i][1];
                        if ((p != MAP_FAILED) != may)
                                CHECK(false, "mmap of pages %llu+%llu", (long long)page,
                                      (long long)n);
                        if (p != MAP_FAILED)
                                munmap(p, n * PAGE);
                }
        CHECK(true, "every mmap of every range was as the areas say");
}

static uint64_t peek(const struct device *d, uint64_t page, size_t n) {
        uint64_t v = 0;

        CHECK_EQ(pread(d->fd, &v, n, (off_t)(REGION(2) + page * PAGE)), n, "read");
        return v;
}

static void poke(const struct device *d, uint64_t page, uint64_t v, size_t n) {
        CHECK_EQ(pwrite(d->fd, &v, n, (off_t)(REGION(2) + page * PAGE)), n, "write");
}

static const char *parent_id(void) {
        return "parent1";
}

static void test_shared(const struct device *a, const struct device *b) {
        CHECK_EQ(host("fill %s 2M 12K 0x77", parent_id()), 0, "the host fills what is shared");
        CHECK_EQ(peek(a, 8, 8), 0x7777777777777777, "A sees it");
        CHECK_EQ(peek(b, 9, 4), 0x77777777, "B sees it");
        poke(a, 8, 0, 8);
        poke(b, 9, 0x12, 1);
        CHECK_EQ(host("check %s 2M 12K 0x7777777777777777", parent_id()), 0,
                 "writes of both are dropped");
        CHECK_EQ(peek(b, 8, 8), 0x7777777777777777, "B sees nothing of A's");
        CHECK_EQ(host("fill %s %llu 4K 0x66", parent_id(), SHARED + 8 * PAGE), 0, "the other part");
        CHECK_EQ(peek(a, 3, 2), 0x6666, "  is where the type says");
        CHECK_EQ(peek(a, 12, 4), 0xffffffff, "the padding reads as ones");
}

static void test_own(const struct device *a, const struct device *b) {
        for (uint64_t page = 0; page < 12; page++) {
                poke(a, page, 0xa000 + page, 8);
                poke(b, page, 0xb000 + page, 8);
        }
        for (uint64_t page = 0; page < 12; page++) {
                bool shared = page == 3 || page == 8 || page == 9;

                if (shared)
                        continue;
                CHECK(peek(a, page, 8) == 0xa000 + page && peek(b, page, 8) == 0xb000 + page,
                      "page %llu is each one's own", (long long)page);
        }
        /* where it lies: A's first extent has pages 0 to 2, its second 4 to 7, its third 10, 11 */
        CHECK_EQ(host("check %s %llu 8 0xa002", parent_id(), 4 * MIB + 2 * PAGE), 0, "page 2");
        CHECK_EQ(host("check %s %llu 8 0xa004", parent_id(), 5 * MIB), 0, "page 4");
        CHECK_EQ(host("check %s %llu 8 0xa00b", parent_id(), 6 * MIB + PAGE), 0, "page 11");
}

/* The first extent, which a trapped page cuts in two pieces, goes elsewhere and keeps its bytes. */
static void test_move(const struct device *a) {
        volatile uint64_t *map = device_map(a, 2, 0, 2 * PAGE);
        struct mdevd_move arg = { .size = sizeof(arg), .bar = 2, .offset = 11 * MIB,
                                  .flags = MDEVD_MOVE_RELEASE };

        CHECK_EQ(map[0], 0xa000, "a mapped page");
        uuid_bytes(A, arg.uuid);
        CHECK_EQ(ctl_call(ctl, MDEVD_MOVE, &arg), 0, "move the extent under it");
        CHECK_EQ(map[0], 0xa000, "  the mapped page keeps its bytes");
        CHECK_EQ(peek(a, 2, 8), 0xa002, "  and the trapped one");
        poke(a, 2, 0xdead, 8);
        map[PAGE / 8] = 0xbeef;
        CHECK_EQ(host("check %s %llu 8 0xdead", parent_id(), 11 * MIB + 2 * PAGE), 0,
                 "  which is in the new place");
        CHECK_EQ(host("check %s %llu 8 0xbeef", parent_id(), 11 * MIB + PAGE), 0,
                 "  and so is the mapped one");
        CHECK_EQ(host("check %s %llu 12K 0", parent_id(), 4 * MIB), 0, "  the old one is zero");
        munmap((void *)map, 2 * PAGE);
}

int main(void) {
        struct device a, b;

        parent = parent_name(1);
        MUST(bind_parent(parent));
        ctl = (int)MUST(ctl_open(O_RDWR));
        test_configure();
        REFUSED(make(A, 4 * MIB, 4, 3, 2), EINVAL, "an extent on both sides of a shared part");
        REFUSED(make(A, 4 * MIB, 3, 6, 0), EINVAL, "another");
        REFUSED(make(A, 4 * MIB, 3, 4, 5), EINVAL, "extents for the shared parts too");
        MUST(make(A, 4 * MIB, 3, 4, 2));
        MUST(make(B, 7 * MIB, 3, 4, 2));
        MUST(device_open(&a, A));
        MUST(device_open(&b, B));
        test_areas(&a);
        test_shared(&a, &b);
        test_own(&a, &b);
        test_move(&a);
        device_close(&a);
        device_close(&b);
        CHECK_EQ(unbind_parent(parent), 0, "unbind");
        return check_done();
}

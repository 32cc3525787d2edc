/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control interface from the caller's side: every verb, every documented errno, structs of
 * other sizes, bad pointers, limits at n and n + 1; and that a failed call has changed nothing.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib.h"

static const char *p0, *p1;
static int ctl;

/* Generation before and after: nothing changed. */
static uint64_t generation(void) {
        struct mdevd_query arg = { .size = sizeof(arg) };

        MUST(ctl_call(ctl, MDEVD_QUERY, &arg));
        return arg.generation;
}

#define REFUSED(call, want, what)                                                                  \
        do {                                                                                       \
                uint64_t _g = generation();                                                        \
                int _r = (call);                                                                   \
                CHECK(_r == -(want) && generation() == _g, "%s: %s (want %s)%s", what,             \
                      strerrorname_np(-_r), strerrorname_np(want),                                 \
                      generation() == _g ? "" : ", and something changed");                        \
        } while (0)

static void test_info(void) {
        struct mdevd_get_info arg = { .size = sizeof(arg) };

        CHECK_EQ(ctl_call(ctl, MDEVD_GET_INFO, &arg), 0, "get info");
        CHECK_EQ(arg.api_version, MDEVD_API_VERSION, "api version");
        CHECK_EQ(arg.page_size, sysconf(_SC_PAGESIZE), "page size");
        CHECK_EQ(ctl_call(ctl, _IO('m', 0xcf), &arg), -ENOTTY, "a verb before the first");
        CHECK_EQ(ctl_call(ctl, _IOWR('m', 0xff, struct mdevd_get_info), &arg), -ENOTTY,
                 "a verb after the last");
        CHECK_EQ(ctl_call(ctl, _IOW('m', 0xd0, struct mdevd_get_info), &arg), -ENOTTY,
                 "a verb of another direction");
        CHECK_EQ(ctl_call(ctl, _IOWR('n', 0xd0, struct mdevd_get_info), &arg), -ENOTTY,
                 "another driver's verb");
        arg.flags = 1;
        CHECK_EQ(ctl_call(ctl, MDEVD_GET_INFO, &arg), -EINVAL, "an unknown flag");
}

/* Every struct: a byte too short, exact, longer with zeros, longer with something, too long. */
static void test_sizes_from(unsigned long cmd, size_t min, size_t size, const char *name,
                            int exact) {
        uint32_t *arg = calloc(1, 8192);
        char what[128];

        arg[0] = (uint32_t)min - 1;
        snprintf(what, sizeof(what), "%s of size - 1", name);
        REFUSED(ctl_call(ctl, cmd, arg), EINVAL, what);
        arg[0] = 0;
        snprintf(what, sizeof(what), "%s of size 0", name);
        REFUSED(ctl_call(ctl, cmd, arg), EINVAL, what);
        arg[0] = (uint32_t)size;
        snprintf(what, sizeof(what), "%s of its size and all zeros", name);
        CHECK_EQ(ctl_call(ctl, cmd, arg), exact, what);
        memset(arg, 0, 8192);
        arg[0] = (uint32_t)size + 8;
        snprintf(what, sizeof(what), "%s of size + 8 with zeros", name);
        CHECK_EQ(ctl_call(ctl, cmd, arg), exact, what);
        CHECK_EQ(arg[0], size + 8, "  its size");
        memset(arg, 0, 8192);
        arg[0] = (uint32_t)size + 8;
        ((char *)arg)[size + 7] = 1;
        snprintf(what, sizeof(what), "%s of size + 8 with something", name);
        REFUSED(ctl_call(ctl, cmd, arg), E2BIG, what);
        memset(arg, 0, 8192);
        arg[0] = 4097;
        snprintf(what, sizeof(what), "%s of more than a page", name);
        REFUSED(ctl_call(ctl, cmd, arg), E2BIG, what);
        arg[0] = ~0U;
        snprintf(what, sizeof(what), "%s of 4 GiB", name);
        REFUSED(ctl_call(ctl, cmd, arg), E2BIG, what);
        free(arg);

        snprintf(what, sizeof(what), "%s at NULL", name);
        REFUSED(ctl_call(ctl, cmd, NULL), EFAULT, what);
        snprintf(what, sizeof(what), "%s at a kernel address", name);
        REFUSED(ctl_call(ctl, cmd, (void *)0xffff888000000000UL), EFAULT, what);

        /* the struct runs into a page that is not there */
        char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        munmap(map + 4096, 4096);
        arg = (uint32_t *)(map + 4096 - 4);
        arg[0] = (uint32_t)size;
        snprintf(what, sizeof(what), "%s over the end of memory", name);
        REFUSED(ctl_call(ctl, cmd, arg), EFAULT, what);
        munmap(map, 4096);
}

static void test_size(unsigned long cmd, size_t size, const char *name, int exact) {
        test_sizes_from(cmd, size, size, name, exact);
}

static void test_sizes(void) {
        test_size(MDEVD_GET_INFO, sizeof(struct mdevd_get_info), "get_info", 0);
        test_size(MDEVD_CONFIGURE, sizeof(struct mdevd_configure), "configure", -EINVAL);
        test_size(MDEVD_UNCONFIGURE, sizeof(struct mdevd_unconfigure), "unconfigure", -ENODEV);
        test_size(MDEVD_RESERVE, sizeof(struct mdevd_reserve), "reserve", -EINVAL);
        test_size(MDEVD_RELEASE, sizeof(struct mdevd_release), "release", -ENOENT);
        test_sizes_from(MDEVD_QUERY, offsetof(struct mdevd_query, uuid), sizeof(struct mdevd_query),
                        "query", 0);
        test_size(MDEVD_SUSPEND, sizeof(struct mdevd_suspend), "suspend", -ENOENT);
        test_size(MDEVD_RESUME, sizeof(struct mdevd_resume), "resume", -ENOENT);
        test_size(MDEVD_LISTEN, sizeof(struct mdevd_listen), "listen", 0);
        test_size(MDEVD_ANSWER, sizeof(struct mdevd_answer), "answer", -EINVAL);
        test_size(MDEVD_MOVE, sizeof(struct mdevd_move), "move", -ENOENT);
        test_size(MDEVD_SET_AVAILABLE, sizeof(struct mdevd_set_available), "set_available",
                  -EINVAL);
}

/* One pool or type that is wrong in one way. */
static struct mdevd_pool good_pool(void) {
        return (struct mdevd_pool){ .name = "a", .bar = 2, .length = 16 * MIB };
}

static struct mdevd_type good_type(void) {
        return (struct mdevd_type){ .name = "t", .bars = { { .length = MIB } } };
}

static void pools_refused(const struct mdevd_pool *pools, unsigned n, int want, const char *what) {
        struct mdevd_type type = good_type();

        REFUSED(ctl_configure(ctl, p1, pools, n, &type, 1), want, what);
}

static void type_refused(struct mdevd_type type, int want, const char *what) {
        struct mdevd_pool pool = good_pool();

        REFUSED(ctl_configure(ctl, p1, &pool, 1, &type, 1), want, what);
}

#define POOL_REFUSED(want, what, ...)                                                              \
        do {                                                                                       \
                struct mdevd_pool pool = good_pool();                                              \
                __VA_ARGS__;                                                                       \
                pools_refused(&pool, 1, want, "pool " what);                                       \
        } while (0)
#define TYPE_REFUSED(want, what, ...)                                                              \
        do {                                                                                       \
                struct mdevd_type type = good_type();                                              \
                __VA_ARGS__;                                                                       \
                type_refused(type, want, "type " what);                                            \
        } while (0)

static void test_pools(void) {
        POOL_REFUSED(EINVAL, "without a name", pool.name[0] = '\0');
        POOL_REFUSED(EINVAL, "with a slash in its name", strcpy(pool.name, "a/b"));
        POOL_REFUSED(EINVAL, "whose name does not end", memset(pool.name, 'a', sizeof(pool.name)));
        POOL_REFUSED(EINVAL, "of BAR 6", pool.bar = 6);
        POOL_REFUSED(EINVAL, "of BAR 255", pool.bar = 255);
        POOL_REFUSED(EINVAL, "of a BAR that is not there", pool.bar = 4);
        POOL_REFUSED(EINVAL, "of a BAR below a page", pool.bar = 0; pool.length = 4096);
        POOL_REFUSED(EINVAL, "of an unknown kind", pool.kind = 2);
        POOL_REFUSED(EINVAL, "of an unknown cache", pool.cache = 2);
        POOL_REFUSED(EINVAL, "of an unknown scrub", pool.scrub = 3);
        POOL_REFUSED(EOPNOTSUPP, "that a vendor scrubs, without one", pool.scrub = 2);
        POOL_REFUSED(EINVAL, "of registers to be zeroed", pool.kind = MDEVD_POOL_REGISTERS);
        POOL_REFUSED(EINVAL, "with a reserved field", pool.__reserved = 1);
        POOL_REFUSED(EINVAL, "of no length", pool.length = 0);
        POOL_REFUSED(EINVAL, "with an odd length", pool.length = 4097);
        POOL_REFUSED(EINVAL, "with an odd offset", pool.offset = 512; pool.length = 4096);
        POOL_REFUSED(ERANGE, "a page too long", pool.length = 16 * MIB + 4096);
        POOL_REFUSED(ERANGE, "a page too far", pool.offset = 4096);
        POOL_REFUSED(ERANGE, "past the end", pool.offset = 16 * MIB; pool.length = 4096);
        POOL_REFUSED(ERANGE, "that wraps around", pool.offset = ~0xfffULL; pool.length = 8192);
        POOL_REFUSED(ERANGE, "of 2^64 - 4096", pool.offset = 4096; pool.length = ~0xfffULL);

        struct mdevd_pool two[2] = { good_pool(), good_pool() };
        two[0].length = two[1].length = 8 * MIB;
        two[1].offset = 8 * MIB;
        pools_refused(two, 2, EINVAL, "two pools of one name");
        two[1].name[0] = 'b';
        two[1].offset = 8 * MIB - 4096;
        pools_refused(two, 2, EBUSY, "two pools that overlap by a page");

        struct mdevd_pool many[MDEVD_MAX_POOLS + 1];
        for (unsigned i = 0; i < ELEMENTS(many); i++) {
                many[i] = (struct mdevd_pool){ .bar = 2, .offset = i * 4096, .length = 4096 };
                snprintf(many[i].name, sizeof(many[i].name), "p%u", i);
        }
        pools_refused(many, ELEMENTS(many), EINVAL, "one pool too many");
        pools_refused(many, 0, EINVAL, "no pool");

        struct mdevd_type type = { .name = "t", .bars = { { .length = 4096 } } };
        CHECK_EQ(ctl_configure(ctl, p1, many, MDEVD_MAX_POOLS, &type, 1), 0, "as many as may be");
        CHECK_EQ(ctl_unconfigure(ctl, p1), 0, "  and away again");
}

static void test_types(void) {
        TYPE_REFUSED(EINVAL, "without a name", type.name[0] = '\0');
        TYPE_REFUSED(EINVAL, "with a blank in its name", strcpy(type.name, "a b"));
        TYPE_REFUSED(EINVAL, "whose name does not end", memset(type.name, 'a', MDEVD_NAME_LEN));
        TYPE_REFUSED(EINVAL, "whose label has two lines", strcpy(type.label, "a\nb"));
        TYPE_REFUSED(EINVAL, "whose label does not end", memset(type.label, 'a', MDEVD_LABEL_LEN));
        TYPE_REFUSED(EINVAL, "of an unknown map mode", type.map = 2);
        TYPE_REFUSED(EINVAL, "of 2049 vectors", type.vectors = 2049);
        TYPE_REFUSED(ENOSPC, "of a vector without MSI", type.vectors = 1);
        TYPE_REFUSED(EINVAL, "of a class of 25 bits", type.class = 1 << 24);
        TYPE_REFUSED(EINVAL, "with an unknown flag", type.flags = 2);
        TYPE_REFUSED(EINVAL, "without a BAR", type.bars[0].length = 0);
        TYPE_REFUSED(EINVAL, "with an odd BAR", type.bars[0].length = 4095);
        TYPE_REFUSED(EINVAL, "with an unknown BAR flag", type.bars[0].flags = 4);
        TYPE_REFUSED(EINVAL, "with a reserved BAR field", type.bars[0].__reserved = 4);
        TYPE_REFUSED(EINVAL, "with flags for no BAR", type.bars[1].flags = 1);
        TYPE_REFUSED(EINVAL, "with a 32 bit BAR over 2 GiB", type.bars[0].length = 2049 * MIB);
        TYPE_REFUSED(EINVAL, "with a BAR of 2^40", type.bars[0].length = 1ULL << 40;
                     type.bars[0].flags = MDEVD_BAR_64BIT);
        TYPE_REFUSED(EINVAL, "with a BAR of 2^64 - 4096", type.bars[0].length = ~0xfffULL;
                     type.bars[0].flags = MDEVD_BAR_64BIT);
        TYPE_REFUSED(EINVAL, "with a 64 bit BAR 5", type.bars[5].length = 4096;
                     type.bars[5].flags = MDEVD_BAR_64BIT);
        TYPE_REFUSED(EINVAL, "with a BAR in another's upper half", type.bars[1].length = 4096;
                     type.bars[0].flags = MDEVD_BAR_64BIT);

        struct mdevd_pool pool = good_pool();
        struct mdevd_type many[MDEVD_MAX_TYPES + 1];
        for (unsigned i = 0; i < ELEMENTS(many); i++) {
                many[i] = good_type();
                snprintf(many[i].name, sizeof(many[i].name), "t%u", i);
        }
        REFUSED(ctl_configure(ctl, p1, &pool, 1, many, MDEVD_MAX_TYPES + 1), EINVAL,
                "one type too many");
        REFUSED(ctl_configure(ctl, p1, &pool, 1, many, 0), EINVAL, "no type");
        CHECK_EQ(ctl_configure(ctl, p1, &pool, 1, many, MDEVD_MAX_TYPES), 0, "64 types");
        CHECK_EQ(ctl_unconfigure(ctl, p1), 0, "  and away again");
        strcpy(many[1].name, many[0].name);
        REFUSED(ctl_configure(ctl, p1, &pool, 1, many, 2), EINVAL, "two types of one name");
}

static void test_configure(void) {
        struct mdevd_pool pool = good_pool();
        struct mdevd_type type = good_type();
        struct mdevd_configure arg = {
                .size = sizeof(arg),
                .n_pools = 1,
                .pool_size = sizeof(pool),
                .n_types = 1,
                .type_size = sizeof(type),
                .pools = (uintptr_t)&pool,
                .types = (uintptr_t)&type,
        }, bad;

        REFUSED(ctl_configure(ctl, "0000:ff:1f.7", &pool, 1, &type, 1), ENODEV, "no such parent");
        REFUSED(ctl_unconfigure(ctl, p1), ENOENT, "unconfigure what is not configured");
        strcpy(arg.parent, p1);
#define CONFIGURE_REFUSED(want, what, ...)                                                         \
        do {                                                                                       \
                bad = arg;                                                                         \
                __VA_ARGS__;                                                                       \
                REFUSED(ctl_call(ctl, MDEVD_CONFIGURE, &bad), want, "configure " what);            \
        } while (0)
        CONFIGURE_REFUSED(EINVAL, "with a flag that there is not", bad.flags = 2);
        CONFIGURE_REFUSED(EINVAL, "a name that does not end", memset(bad.parent, 'a', 32));
        CONFIGURE_REFUSED(EFAULT, "with pools at NULL", bad.pools = 0);
        CONFIGURE_REFUSED(EFAULT, "with types at NULL", bad.types = 0);
        CONFIGURE_REFUSED(EFAULT, "with pools in the kernel", bad.pools = 0xffff888000000000ULL);
        CONFIGURE_REFUSED(EINVAL, "with short pools", bad.pool_size--);
        CONFIGURE_REFUSED(EINVAL, "with short types",
                          bad.type_size = offsetof(struct mdevd_type, parts) - 1);
        CONFIGURE_REFUSED(E2BIG, "with huge pools", bad.pool_size = 8192);
        CONFIGURE_REFUSED(EINVAL, "with 2^32 - 1 types", bad.n_types = ~0U);

        /* elements of a later version, zero and not zero in what we do not know */
        char *longer = calloc(1, sizeof(pool) + 8);
        memcpy(longer, &pool, sizeof(pool));
        bad = arg;
        bad.pools = (uintptr_t)longer;
        bad.pool_size = sizeof(pool) + 8;
        CHECK_EQ(ctl_call(ctl, MDEVD_CONFIGURE, &bad), 0, "configure with longer pools");
        CHECK_EQ(ctl_unconfigure(ctl, p1), 0, "  and away again");
        longer[sizeof(pool)] = 1;
        REFUSED(ctl_call(ctl, MDEVD_CONFIGURE, &bad), E2BIG, "  with something in them");
        free(longer);

        CHECK_EQ(ctl_call(ctl, MDEVD_CONFIGURE, &arg), 0, "configure");
        REFUSED(ctl_call(ctl, MDEVD_CONFIGURE, &arg), EEXIST, "configure twice");
        CHECK_EQ(ctl_reserve_at(ctl, p1, "t", UUID(99), 0, MIB), 0, "a reservation");
        REFUSED(ctl_unconfigure(ctl, p1), EBUSY, "unconfigure with a reservation");
        CHECK_EQ(ctl_release(ctl, UUID(99)), 0, "  release it");
        CHECK_EQ(ctl_unconfigure(ctl, p1), 0, "unconfigure");
        REFUSED(ctl_reserve_at(ctl, p1, "t", UUID(99), 0, MIB), ENOENT, "reserve after it");
}

static void reserve_refused(const struct mdevd_extent *e, unsigned n, int want, const char *what) {
        REFUSED(ctl_reserve(ctl, p0, "1M", UUID(50), e, n), want, what);
}

static void test_reserve(void) {
        struct mdevd_extent e[MDEVD_MAX_EXTENTS + 1] = { { .bar = 2, .length = MIB } };
        struct mdevd_reserve good, bad;

        reserve_fill(&good, p0, "1M", UUID(50), e, 1);
#define RESERVE_REFUSED(want, what, ...)                                                           \
        do {                                                                                       \
                bad = good;                                                                        \
                __VA_ARGS__;                                                                       \
                REFUSED(ctl_call(ctl, MDEVD_RESERVE, &bad), want, "reserve " what);                \
        } while (0)
        RESERVE_REFUSED(EINVAL, "with a flag", bad.flags = 1);
        RESERVE_REFUSED(ENODEV, "on no parent", bad.parent[0] = 'x');
        RESERVE_REFUSED(EINVAL, "a parent that does not end", memset(bad.parent, 'a', 32));
        RESERVE_REFUSED(ENOENT, "an unknown type", strcpy(bad.type, "2M"));
        RESERVE_REFUSED(EINVAL, "a type that does not end", memset(bad.type, 'a', 32));
        RESERVE_REFUSED(EINVAL, "an owner that does not end", memset(bad.owner, 'a', 64));
        RESERVE_REFUSED(EINVAL, "an owner of two lines", strcpy(bad.owner, "a\nb"));
        RESERVE_REFUSED(EINVAL, "the nil UUID", memset(bad.uuid, 0, 16));
        RESERVE_REFUSED(EINVAL, "no extent", bad.n_extents = 0);
        RESERVE_REFUSED(EINVAL, "an extent too many", bad.n_extents = MDEVD_MAX_EXTENTS + 1);
        RESERVE_REFUSED(EFAULT, "extents at NULL", bad.extents = 0);
        RESERVE_REFUSED(EINVAL, "short extents", bad.extent_size--);
        RESERVE_REFUSED(E2BIG, "huge extents", bad.extent_size = 4097);

#define EXTENT_REFUSED(want, what, ...)                                                            \
        do {                                                                                       \
                e[0] = (struct mdevd_extent){ .bar = 2, .length = MIB };                           \
                __VA_ARGS__;                                                                       \
                reserve_refused(e, 1, want, "extent " what);                                       \
        } while (0)
        EXTENT_REFUSED(EINVAL, "of BAR 6", e[0].bar = 6);
        EXTENT_REFUSED(EINVAL, "for guest BAR 6", e[0].guest_bar = 6);
        EXTENT_REFUSED(EINVAL, "for an absent guest BAR", e[0].guest_bar = 1);
        EXTENT_REFUSED(EINVAL, "with a reserved byte", e[0].__reserved[5] = 1);
        EXTENT_REFUSED(EINVAL, "of no length", e[0].length = 0);
        EXTENT_REFUSED(EINVAL, "with an odd offset", e[0].offset = 8);
        EXTENT_REFUSED(EINVAL, "with an odd length", e[0].length = MIB + 8);
        EXTENT_REFUSED(EINVAL, "a page too short", e[0].length = MIB - 4096);
        EXTENT_REFUSED(EINVAL, "a page too long", e[0].length = MIB + 4096);
        EXTENT_REFUSED(ERANGE, "of a foreign BAR", e[0].bar = 0);
        EXTENT_REFUSED(ERANGE, "past the pool", e[0].offset = 64 * MIB);
        EXTENT_REFUSED(ERANGE, "half past the pool", e[0].offset = 64 * MIB - MIB / 2);
        EXTENT_REFUSED(ERANGE, "that wraps around", e[0].offset = ~0ULL - MIB + 1);
        e[0] = (struct mdevd_extent){ .bar = 2, .length = MIB / 2 };
        e[1] = (struct mdevd_extent){ .bar = 2, .offset = MIB / 2 - 4096, .length = MIB / 2 };
        reserve_refused(e, 2, EINVAL, "two extents that overlap");

        /* as many pieces as may be, in any order, and the neighbours are free */
        for (unsigned i = 0; i < MDEVD_MAX_EXTENTS; i++)
                e[i] = (struct mdevd_extent){ .bar = 2,
                                              .offset = (MDEVD_MAX_EXTENTS - i) * 64 * KIB,
                                              .length = MIB / MDEVD_MAX_EXTENTS };
        CHECK_EQ(ctl_reserve(ctl, p0, "1M", UUID(50), e, MDEVD_MAX_EXTENTS), 0, "32 extents");
        REFUSED(ctl_reserve_at(ctl, p0, "1M", UUID(50), 16 * MIB, MIB), EEXIST, "its UUID again");
        REFUSED(ctl_reserve_at(ctl, p0, "1M", UUID(51), MIB, MIB), EBUSY, "an extent of it");
        REFUSED(ctl_reserve_at(ctl, p0, "4K", UUID(51), 64 * KIB, 4096), EBUSY, "a page of it");
        CHECK_EQ(ctl_reserve_at(ctl, p0, "4K", UUID(51), 64 * KIB - 4096, 4096), 0, "before it");
        CHECK_EQ(ctl_reserve_at(ctl, p0, "4K", UUID(52), 96 * KIB, 4096), 0, "after it");
        struct mdevd_extent got[MDEVD_MAX_EXTENTS];
        struct mdevd_device_record record;
        uint32_t n;
        MUST(ctl_device(ctl, UUID(50), &record, got, &n));
        CHECK(n == MDEVD_MAX_EXTENTS && memcmp(got, e, sizeof(got)) == 0,
              "query has them in order");
        CHECK_EQ(record.state, MDEVD_DEVICE_RESERVED, "its state");
        CHECK(strcmp(record.owner, "tester") == 0 && strcmp(record.type, "1M") == 0, "its owner");
        for (unsigned i = 50; i <= 52; i++) {
                char uuid[37];
                snprintf(uuid, sizeof(uuid), "00000000-1111-4222-8333-0000000000%u", i);
                CHECK_EQ(ctl_release(ctl, uuid), 0, "release");
                REFUSED(ctl_release(ctl, uuid), ENOENT, "release again");
        }
        CHECK_EQ(ctl_reserve_at(ctl, p0, "16M", UUID(50), 0, 16 * MIB), 0, "all is free again");
        MUST(ctl_release(ctl, UUID(50)));
}

static void test_reservation_limit(void) {
        int second = (int)MUST(ctl_open(O_RDWR));
        unsigned done = 0;
        int r = 0;

        for (unsigned i = 0; r == 0 && i <= MDEVD_MAX_RESERVATIONS; i++) {
                char uuid[37];
                snprintf(uuid, sizeof(uuid), "00000000-1111-4222-8333-00000001%04x", i);
                r = ctl_reserve_at(second, p0, "4K", uuid, i * 8192ULL, 4096);
                done += r == 0;
        }
        CHECK_EQ(done, MDEVD_MAX_RESERVATIONS, "reservations of one descriptor");
        CHECK_EQ(r, -ENOSPC, "one more");
        REFUSED(ctl_release(ctl, "00000000-1111-4222-8333-000000010000"), ENOENT,
                "release through another descriptor");
        REFUSED(ctl_reserve_at(ctl, p0, "4K", UUID(50), 0, 4096), EBUSY, "they hold their extents");
        close(second);
        CHECK_EQ(ctl_reserve_at(ctl, p0, "16M", UUID(50), 0, 16 * MIB), 0, "its close freed all");
        MUST(ctl_release(ctl, UUID(50)));
}

/* What has that UUID, and of its parent nothing but who it is. */
static void test_query_one(void) {
        struct mdevd_query arg = { .size = sizeof(arg), .flags = MDEVD_QUERY_ONE };
        struct mdevd_record *head, *one;
        char buf[4096];

        REFUSED(ctl_call(ctl, MDEVD_QUERY, &arg), ENOENT, "a query of no UUID");
        uuid_bytes(UUID(51), arg.uuid);
        REFUSED(ctl_call(ctl, MDEVD_QUERY, &arg), ENOENT, "a query of one that is not there");
        arg.flags = 0;
        REFUSED(ctl_call(ctl, MDEVD_QUERY, &arg), EINVAL, "a UUID where all are asked for");
        arg.flags = MDEVD_QUERY_ONE << 1;
        REFUSED(ctl_call(ctl, MDEVD_QUERY, &arg), EINVAL, "a flag that there is not");

        arg.flags = MDEVD_QUERY_ONE;
        MUST(ctl_reserve_at(ctl, p0, "4K", UUID(51), 0, 4096));
        MUST(ctl_reserve_at(ctl, p0, "4K", UUID(52), 8192, 4096));
        CHECK_EQ(ctl_call(ctl, MDEVD_QUERY, &arg), 0, "length of one of two");
        CHECK(arg.length > 0 && arg.length <= sizeof(buf), "  it is %llu",
              (unsigned long long)arg.length);
        arg.buffer = (uintptr_t)buf;
        arg.length--;
        CHECK_EQ(ctl_call(ctl, MDEVD_QUERY, &arg), -ENOSPC, "  a byte too little room");
        CHECK_EQ(ctl_call(ctl, MDEVD_QUERY, &arg), 0, "  enough room");
        head = (struct mdevd_record *)buf;
        one = (struct mdevd_record *)(buf + head->length);
        CHECK_EQ(head->type, MDEVD_RECORD_PARENT, "  its parent comes first");
        CHECK_EQ(one->type, MDEVD_RECORD_DEVICE, "  then it");
        CHECK(memcmp(((struct mdevd_device_record *)(one + 1))->uuid, arg.uuid, 16) == 0,
              "  and no other");
        CHECK_EQ(((struct mdevd_record *)((char *)one + one->length))->type, MDEVD_RECORD_EXTENT,
                 "  with its extent");
        CHECK_EQ(head->length + one->length +
                         ((struct mdevd_record *)((char *)one + one->length))->length,
                 arg.length, "  which is all");
        MUST(ctl_release(ctl, UUID(51)));
        REFUSED(ctl_call(ctl, MDEVD_QUERY, &arg), ENOENT, "  not after its release");

        /* a caller that is older than that */
        arg = (struct mdevd_query){ .size = offsetof(struct mdevd_query, uuid) };
        uuid_bytes(UUID(52), arg.uuid);
        CHECK_EQ(ctl_call(ctl, MDEVD_QUERY, &arg), 0, "a shorter struct asks for all");
        MUST(ctl_release(ctl, UUID(52)));
}

static void test_query(void) {
        struct mdevd_query arg = { .size = sizeof(arg) };
        char *buf = malloc(1 << 20), *none;
        uint64_t length;

        CHECK_EQ(ctl_call(ctl, MDEVD_QUERY, &arg), 0, "length of a query");
        length = arg.length;
        CHECK(length > 0 && length % 8 == 0, "it is %llu", (unsigned long long)length);
        memset(buf, 0x5a, 1 << 20);
        arg.buffer = (uintptr_t)buf;
        arg.length = length - 1;
        CHECK_EQ(ctl_call(ctl, MDEVD_QUERY, &arg), -ENOSPC, "a byte too little room");
        CHECK_EQ(arg.length, length, "  says how much it takes");
        CHECK_EQ(buf[0], 0x5a, "  has written nothing");
        CHECK_EQ(ctl_call(ctl, MDEVD_QUERY, &arg), 0, "enough room");
        CHECK(buf[0] != 0x5a && buf[length] == 0x5a, "  not a byte more");
        arg.buffer = 0xffff888000000000ULL;
        CHECK_EQ(ctl_call(ctl, MDEVD_QUERY, &arg), -EFAULT, "a buffer in the kernel");
        none = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        arg.buffer = (uintptr_t)none;
        CHECK_EQ(ctl_call(ctl, MDEVD_QUERY, &arg), -EFAULT, "a buffer that is read-only");

        /* records follow each other exactly */
        unsigned parents = 0, pools = 0, types = 0;
        for (uint64_t at = 0; at < length;) {
                struct mdevd_record *r = (struct mdevd_record *)(buf + at);

                if (r->length < sizeof(*r) || r->length % 8 || r->length > length - at) {
                        CHECK(false, "record at %llu is broken", (unsigned long long)at);
                        break;
                }
                parents += r->type == MDEVD_RECORD_PARENT;
                pools += r->type == MDEVD_RECORD_POOL;
                types += r->type == MDEVD_RECORD_TYPE;
                at += r->length;
        }
        CHECK(parents == 2 && pools == 1 && types == 12, "2 parents, 1 pool, 12 types: %u %u %u",
              parents, pools, types);
        free(buf);
}

static void test_events(void) {
        int reader = (int)MUST(ctl_open(O_RDONLY | O_NONBLOCK));
        int writer = (int)MUST(ctl_open(O_WRONLY));
        struct mdevd_event events[512];
        struct mdevd_pool pool = good_pool();
        struct mdevd_type type = good_type();
        ssize_t n;

        CHECK(read(reader, events, sizeof(events)) < 0 && errno == EAGAIN, "nothing to read yet");
        CHECK(read(reader, events, sizeof(*events) - 1) < 0 && errno == EINVAL, "too little room");
        CHECK(read(writer, events, sizeof(events)) < 0 && errno == EBADF, "opened for writing");
        CHECK(write(writer, events, 8) < 0 && errno == EINVAL, "nothing can be written");
        MUST(ctl_configure(ctl, p1, &pool, 1, &type, 1));
        MUST(ctl_unconfigure(ctl, p1));
        void *none = mmap(NULL, sizeof(events), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(read(reader, none, sizeof(events)) < 0 && errno == EFAULT, "read-only memory");
        munmap(none, sizeof(events));
        n = read(reader, events, sizeof(events));
        CHECK(n == 2 * (ssize_t)sizeof(*events) &&
              events[0].type == MDEVD_EVENT_PARENT_UNCONFIGURED &&
              events[1].type == MDEVD_EVENT_LOST && strcmp(events[0].parent, p1) == 0,
              "one event was lost by that, and said so");

        for (unsigned i = 0; i < 200; i++) {
                MUST(ctl_configure(ctl, p1, &pool, 1, &type, 1));
                MUST(ctl_unconfigure(ctl, p1));
        }
        n = read(reader, events, sizeof(events));
        CHECK_EQ(n / (ssize_t)sizeof(*events), 257, "a full queue and one record");
        CHECK_EQ(events[256].type, MDEVD_EVENT_LOST, "  which says that some were lost");
        CHECK_EQ(events[0].type, MDEVD_EVENT_PARENT_CONFIGURED, "  after the first ones");
        CHECK(read(reader, events, sizeof(events)) < 0 && errno == EAGAIN, "  and that is all");
        close(reader);
        close(writer);
}

int main(void) {
        p0 = parent_name(0);
        p1 = parent_name(1);
        ctl = (int)MUST(ctl_open(O_RDWR));
        test_info();
        MUST(bind_parent(p0));
        MUST(bind_parent(p1));
        test_sizes();
        test_pools();
        test_types();
        test_configure();
        MUST(standard_parent(ctl, p0));
        test_reserve();
        test_reservation_limit();
        test_query_one();
        test_query();
        test_events();
        return check_done();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What /dev/mdevd answers, well formed and not, from an older and a newer module. */
#include "test.h"

#include <mdevd.h>

#include "backend/kmod.h"

#define ROOM 4096

typedef struct Answer Answer;

struct Answer {
        char bytes[ROOM];
        size_t n;
};

static void put_sized(Answer *a, uint32_t type, const void *payload, size_t size, size_t claimed) {
        struct mdevd_record head = { .length = sizeof(head) + claimed, .type = type };

        ASSERT_TRUE(a->n + sizeof(head) + size <= ROOM);
        memcpy(a->bytes + a->n, &head, sizeof(head));
        memcpy(a->bytes + a->n + sizeof(head), payload, size);
        a->n += sizeof(head) + size;
}

#define put(a, type, payload)                                                                      \
        put_sized((a), (type), (payload), sizeof(*(payload)), sizeof(*(payload)))

static Answer whole(void) {
        const struct mdevd_parent_record parent = { .name = "0000:00:05.0",
                                                    .state = MDEVD_PARENT_CONFIGURED };
        const struct mdevd_pool pool = { .name = "fb", .bar = 2, .cache = MDEVD_CACHE_WC,
                                         .length = 1 << 26 };
        const struct mdevd_type type = { .name = "fb-16M", .label = "A label", .vendor = 0x1af4,
                                         .flags = MDEVD_TYPE_MOVABLE,
                                         .bars = { { .length = (1 << 24) + 4096,
                                                     .flags = MDEVD_BAR_64BIT } },
                                         .parts[3] = { .kind = MDEVD_PART_SHARED,
                                                       .length = 4096, .parent_bar = 1,
                                                       .parent_offset = 8192 } };
        const struct mdevd_device_record device = { .uuid = { 1, 2, 3 }, .type = "fb-16M",
                                                    .owner = "vm1", .state = MDEVD_DEVICE_LIVE,
                                                    .opened = 2, .faults = 5, .mapped = 4096 };
        const struct mdevd_extent extent = { .offset = 1 << 24, .length = 1 << 24, .bar = 2 };
        Answer a = {};

        put(&a, MDEVD_RECORD_PARENT, &parent);
        put(&a, MDEVD_RECORD_POOL, &pool);
        put(&a, MDEVD_RECORD_TYPE, &type);
        put(&a, MDEVD_RECORD_DEVICE, &device);
        put(&a, MDEVD_RECORD_EXTENT, &extent);
        return a;
}

static void check_whole(const KmodSnapshot *s) {
        const KmodParent *p = list_first(&s->parents, KmodParent, node);
        const KmodDevice *d;
        const Type *t;

        ASSERT_EQ(list_length(&s->parents), 1);
        ASSERT_STREQ(p->name, "0000:00:05.0");
        ASSERT_EQ(p->state, PARENT_REGISTERED);
        ASSERT_EQ(parent_find_pool(p->config, "fb")->size, 1 << 26);
        t = parent_find_type(p->config, "fb-16M");
        ASSERT_STREQ(t->id, "mdevd-fb-16M");
        ASSERT_EQ(t->bars[0].size, 1 << 24);
        ASSERT_TRUE(t->bars[0].is_64bit);
        ASSERT_TRUE(t->movable);
        ASSERT_EQ(t->parts[0].kind, PART_SHARED);
        ASSERT_EQ(t->parts[0].size, 4096);
        ASSERT_EQ(t->parts[0].parent_bar, 1);
        ASSERT_EQ(t->parts[0].parent_offset, 8192);
        ASSERT_EQ(list_length(&p->devices), 1);
        d = list_first(&p->devices, KmodDevice, node);
        ASSERT_STREQ(d->type, "mdevd-fb-16M");
        ASSERT_STREQ(d->owner, "vm1");
        ASSERT_EQ(d->state, DEVICE_LIVE);
        ASSERT_EQ(d->opened, 2);
        ASSERT_EQ(d->faults, 5);
        ASSERT_EQ(d->n_extents, 1);
        ASSERT_EQ(d->extents[0].offset, 1 << 24);
}

TEST(snapshot) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL, *empty = NULL;
        Answer a = whole();

        ASSERT_OK(kmod_snapshot_parse(&s, a.bytes, a.n));
        check_whole(s);
        ASSERT_OK(kmod_snapshot_parse(&empty, NULL, 0));
        ASSERT_TRUE(list_is_empty(&empty->parents));
}

/* Longer records, and kinds of records that we do not know, change nothing. */
TEST(newer_module) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
        const struct mdevd_parent_record parent = { .name = "0000:00:05.0",
                                                    .state = MDEVD_PARENT_CONFIGURED };
        char longer[sizeof(parent) + 16] = {}, unknown[24];
        Answer a = {}, rest = whole();

        memcpy(longer, &parent, sizeof(parent));
        memset(longer + sizeof(parent), 0xff, 16);
        memset(unknown, 0xff, sizeof(unknown));
        put(&a, 77, &unknown);
        put(&a, MDEVD_RECORD_PARENT, &longer);
        put(&a, 0, &unknown);
        put(&a, 0xffffffff, &unknown);
        memcpy(a.bytes + a.n, rest.bytes + sizeof(parent) + 8, rest.n - sizeof(parent) - 8);
        a.n += rest.n - sizeof(parent) - 8;
        ASSERT_OK(kmod_snapshot_parse(&s, a.bytes, a.n));
        check_whole(s);
}

TEST(vendor_and_override) {
        struct mdevd_parent_record parent = { .name = "p", .state = MDEVD_PARENT_CONFIGURED,
                                              .flags = MDEVD_PARENT_UNSAFE_ASKED,
                                              .vendor = "edu" };
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL, *without = NULL, *wrong = NULL;
        const struct mdevd_type type = { .name = "t", .bars = { { .length = 4096 } },
                                         .parts[0] = { .kind = MDEVD_PART_VENDOR,
                                                       .length = 8192 } };
        Answer a = {}, b = {}, c = {};
        const Parent *p;

        put(&a, MDEVD_RECORD_PARENT, &parent);
        ASSERT_OK(kmod_snapshot_parse(&s, a.bytes, a.n));
        p = list_first(&s->parents, KmodParent, node)->config;
        ASSERT_STREQ(p->vendor, "edu");
        ASSERT_TRUE(p->unsafe_dma);

        /* that it has an effect is not that it was asked for */
        parent.flags = MDEVD_PARENT_UNSAFE_DMA;
        parent.vendor[0] = '\0';
        put(&b, MDEVD_RECORD_PARENT, &parent);
        ASSERT_OK(kmod_snapshot_parse(&without, b.bytes, b.n));
        p = list_first(&without->parents, KmodParent, node)->config;
        ASSERT_NULL(p->vendor);
        ASSERT_FALSE(p->unsafe_dma);

        /* a part that is longer than its BAR */
        put(&c, MDEVD_RECORD_PARENT, &parent);
        put(&c, MDEVD_RECORD_TYPE, &type);
        ASSERT_EQ(kmod_snapshot_parse(&wrong, c.bytes, c.n), -EBADMSG);
}

/* A shorter record reads as zero behind its end. */
TEST(older_module) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
        const struct mdevd_parent_record parent = { .name = "p" };
        const struct mdevd_device_record device = { .type = "t", .faults = 5, .mapped = 9 };
        Answer a = {};
        const KmodDevice *d;

        put(&a, MDEVD_RECORD_PARENT, &parent);
        put_sized(&a, MDEVD_RECORD_DEVICE, &device, 120, 120); /* ends behind @opened */
        ASSERT_OK(kmod_snapshot_parse(&s, a.bytes, a.n));
        d = list_first(&list_first(&s->parents, KmodParent, node)->devices, KmodDevice, node);
        ASSERT_STREQ(d->type, "mdevd-t");
        ASSERT_EQ(d->mapped, 0);
}

TEST(states_that_are_not_known_make_nothing_new) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
        const struct mdevd_parent_record parent = { .name = "p", .state = 99 };
        const struct mdevd_device_record device = { .type = "t", .state = 99 };
        const KmodParent *p;
        Answer a = {};

        put(&a, MDEVD_RECORD_PARENT, &parent);
        put(&a, MDEVD_RECORD_DEVICE, &device);
        ASSERT_OK(kmod_snapshot_parse(&s, a.bytes, a.n));
        p = list_first(&s->parents, KmodParent, node);
        ASSERT_EQ(p->state, PARENT_CLOSING);
        ASSERT_EQ(list_first(&p->devices, KmodDevice, node)->state, DEVICE_DYING);
}

TEST(orphans_and_wrong_lengths) {
        const struct mdevd_parent_record parent = { .name = "p" };
        const struct mdevd_device_record device = { .type = "t" };
        const struct mdevd_extent extent = { .length = 4096 };
        const struct mdevd_extent wraps = { .offset = UINT64_MAX - 5, .length = 4096 };
        const struct mdevd_pool pool = { .name = "x" };
        struct mdevd_parent_record endless;
        Answer cases[9] = {};

        memset(&endless, 'x', sizeof(endless));
        put(&cases[0], MDEVD_RECORD_POOL, &pool);
        put(&cases[1], MDEVD_RECORD_DEVICE, &device);
        put(&cases[2], MDEVD_RECORD_EXTENT, &extent);
        put(&cases[3], MDEVD_RECORD_PARENT, &parent);
        put(&cases[3], MDEVD_RECORD_EXTENT, &extent);
        put(&cases[4], MDEVD_RECORD_PARENT, &endless);
        put_sized(&cases[5], MDEVD_RECORD_PARENT, &parent, sizeof(parent), sizeof(parent) + 8);
        put_sized(&cases[6], MDEVD_RECORD_PARENT, &parent, sizeof(parent), sizeof(parent) - 1);
        put_sized(&cases[7], MDEVD_RECORD_PARENT, &parent, sizeof(parent), (size_t) -8);
        put(&cases[8], MDEVD_RECORD_PARENT, &parent);
        put(&cases[8], MDEVD_RECORD_DEVICE, &device);
        put(&cases[8], MDEVD_RECORD_EXTENT, &wraps);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                KmodSnapshot *s = NULL;
                int r = kmod_snapshot_parse(&s, cases[i].bytes, cases[i].n);

                if (r != -EBADMSG)
                        test_fail(__FILE__, __LINE__, "case %zu: %d", i, r);
        }
}

/* The module takes any bytes of root's; records and the bus do not. */
TEST(owners_are_what_ours_can_be) {
        static const char *const owners[][2] = {
                { "vm1", "vm1" }, { "J\xc3\xbcrgen", "J\xc3\xbcrgen" }, { "J\xfcrgen", "J?rgen" },
                { "a\nb\x7f", "a?b?" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
                const struct mdevd_parent_record parent = { .name = "p" };
                struct mdevd_device_record device = { .type = "t" };
                _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
                const KmodParent *p;
                Answer a = {};

                (void) strcpy(device.owner, owners[i][0]);
                put(&a, MDEVD_RECORD_PARENT, &parent);
                put(&a, MDEVD_RECORD_DEVICE, &device);
                ASSERT_OK(kmod_snapshot_parse(&s, a.bytes, a.n));
                p = list_first(&s->parents, KmodParent, node);
                ASSERT_STREQ(list_first(&p->devices, KmodDevice, node)->owner, owners[i][1]);
        }
}

TEST(extents_at_the_limit) {
        const struct mdevd_parent_record parent = { .name = "p" };
        const struct mdevd_device_record device = { .type = "t" };
        const struct mdevd_extent extent = { .length = 4096 };
        KmodSnapshot *s = NULL;
        Answer a = {};

        put(&a, MDEVD_RECORD_PARENT, &parent);
        put(&a, MDEVD_RECORD_DEVICE, &device);
        for (size_t i = 0; i < EXTENTS_MAX; i++)
                put(&a, MDEVD_RECORD_EXTENT, &extent);
        ASSERT_OK(kmod_snapshot_parse(&s, a.bytes, a.n));
        kmod_snapshot_free(s);
        put(&a, MDEVD_RECORD_EXTENT, &extent);
        ASSERT_EQ(kmod_snapshot_parse(&s, a.bytes, a.n), -EBADMSG);
}

/* Cut anywhere, any byte changed: an answer or -EBADMSG, never out of bounds. */
TEST(hostile_bytes) {
        Answer a = whole();
        size_t refused = 0;

        for (size_t i = 0; i < a.n; i++)
                for (int v = 0; v < 256; v += 15) {
                        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
                        _cleanup_(freep) char *copy = malloc(a.n);
                        int r;

                        ASSERT_NOT_NULL(copy);
                        memcpy(copy, a.bytes, a.n);
                        copy[i] = (char) v;
                        r = kmod_snapshot_parse(&s, copy, v % 2 ? a.n : i);
                        ASSERT_TRUE(r == 0 || r == -EBADMSG);
                        refused += r < 0;
                }
        ASSERT_TRUE(refused > 0);
}

TESTS_MAIN

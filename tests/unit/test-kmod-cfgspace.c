/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The module's emulated PCI config space: BAR sizing for every size, and no write, however wild,
 * changes a bit that is not the guest's. Which bits are the guest's is said here a second time,
 * from the PCI specification and not from the code.
 */
#include "test.h"

#include "kmod-pure.h"
#include "mdevd_pure.h"

#define BAR(i) (0x10 + 4 * (i))
#define ROUNDS 200000

unsigned long kmod_compared;

/* A type of these BARs, with vectors or without. */
static struct mdevd_type type_of(const struct mdevd_type_bar *bars, uint32_t vectors) {
        struct mdevd_type type = {
                .name = "name", .vendor = 0x1234, .device = 0x5678, .subvendor = 0x9abc,
                .subdevice = 0xdef0, .class = 0x0b4000, .vectors = vectors,
        };

        memcpy(type.bars, bars, sizeof(type.bars));
        return type;
}

static void init(struct mdevd_cfg *cfg, const struct mdevd_type_bar *bars) {
        struct mdevd_type type = type_of(bars, 0);

        mdevd_cfg_init(cfg, &type, 0x42);
}

static uint32_t get(const struct mdevd_cfg *cfg, size_t pos, size_t n) {
        uint8_t bytes[4] = {};

        mdevd_cfg_read(cfg, pos, bytes, n);
        return (uint32_t) bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16 |
               (uint32_t) bytes[3] << 24;
}

static void set(struct mdevd_cfg *cfg, size_t pos, uint32_t value, size_t n) {
        uint8_t bytes[4] = { (uint8_t) value, (uint8_t) (value >> 8), (uint8_t) (value >> 16),
                             (uint8_t) (value >> 24) };

        mdevd_cfg_write(cfg, pos, bytes, n);
}

/* Where a guest may write, by the specification; BARs apart. */
static uint8_t writable(size_t pos) {
        switch (pos) {
        case 0x04: /* COMMAND: memory, master, parity */
                return 0x02 | 0x04 | 0x40;
        case 0x05: /* COMMAND: SERR, INTx disable */
                return 0x01 | 0x04;
        case 0x0c: /* cache line size */
        case 0x0d: /* latency timer */
        case 0x3c: /* interrupt line */
                return 0xff;
        default:
                return 0;
        }
}

static uint64_t next_power(uint64_t length) {
        uint64_t size = 4096;

        while (size < length)
                size *= 2;
        return size;
}

static uint64_t size_bar(struct mdevd_cfg *cfg, size_t i, bool wide) {
        uint64_t value;

        set(cfg, BAR(i), UINT32_MAX, 4);
        value = get(cfg, BAR(i), 4) & ~UINT32_C(0xf);
        if (wide) {
                set(cfg, BAR(i + 1), UINT32_MAX, 4);
                return -(value | (uint64_t) get(cfg, BAR(i + 1), 4) << 32);
        }
        return (uint32_t) -value;
}

static void check_size(uint64_t length, size_t i, uint32_t flags) {
        struct mdevd_type_bar bars[MDEVD_MAX_BARS] = {};
        bool wide = flags & MDEVD_BAR_64BIT;
        struct mdevd_cfg cfg;

        bars[i] = (struct mdevd_type_bar) { length, flags, 0 };
        init(&cfg, bars);
        ASSERT_EQ(get(&cfg, BAR(i), 4), (wide ? 0x4 : 0) | (flags & MDEVD_BAR_PREFETCH ? 0x8 : 0));
        ASSERT_EQ(size_bar(&cfg, i, wide), next_power(length));
        /* an address, its low bits dropped, reads back */
        set(&cfg, BAR(i), 0xfedcba98, 4);
        ASSERT_EQ(get(&cfg, BAR(i), 4) & ~UINT32_C(0xf),
                  UINT32_C(0xfedcba90) & (uint32_t) -next_power(length));
        for (size_t other = 0; other < MDEVD_MAX_BARS; other++)
                if (other != i && !(wide && other == i + 1)) {
                        set(&cfg, BAR(other), UINT32_MAX, 4);
                        ASSERT_EQ(get(&cfg, BAR(other), 4), 0);
                }
}

TEST(cfg_sizes_every_power_of_two_and_what_is_padded) {
        size_t sizes = 0;

        for (unsigned shift = 12; shift <= 39; shift++)
                for (size_t i = 0; i < MDEVD_MAX_BARS; i++)
                        for (uint32_t flags = 0; flags < 4; flags++) {
                                bool wide = flags & MDEVD_BAR_64BIT;
                                uint64_t length = UINT64_C(1) << shift;

                                if (wide ? i == MDEVD_MAX_BARS - 1 : shift > 31)
                                        continue;
                                check_size(length, i, flags);
                                check_size(length / 2 + 4096, i, flags);
                                check_size(MAX(length - 4096, UINT64_C(4096)), i, flags);
                                sizes += 3;
                        }
        printf("# %zu sizes\n", sizes);
        ASSERT_TRUE(sizes > 1000);
}

TEST(cfg_shows_the_identity) {
        struct mdevd_type_bar bars[MDEVD_MAX_BARS] = { { 4096, 0, 0 } };
        struct mdevd_cfg cfg;

        init(&cfg, bars);
        ASSERT_EQ(get(&cfg, 0x00, 4), 0x56781234);
        ASSERT_EQ(get(&cfg, 0x08, 4), 0x0b400042);
        ASSERT_EQ(get(&cfg, 0x2c, 4), 0xdef09abc);
        ASSERT_EQ(get(&cfg, 0x0e, 1), 0); /* header type: a plain function */
        ASSERT_EQ(get(&cfg, 0x3d, 1), 0); /* no INTx pin */
        ASSERT_EQ(get(&cfg, 0x30, 4), 0); /* no ROM */
        ASSERT_EQ(get(&cfg, 0x04, 2), 0); /* off after a reset */
}

static void check_mask(const struct mdevd_cfg *cfg, const struct mdevd_cfg *fresh,
                       const struct mdevd_type_bar *bars) {
        uint64_t mask[MDEVD_MAX_BARS] = {};

        for (size_t i = 0; i < MDEVD_MAX_BARS; i++) {
                if (!bars[i].length)
                        continue;
                mask[i] = (uint32_t) -next_power(bars[i].length);
                if (bars[i].flags & MDEVD_BAR_64BIT)
                        mask[i + 1] = -next_power(bars[i].length) >> 32;
        }
        for (size_t pos = 0; pos < MDEVD_CFG_SIZE; pos++) {
                uint8_t may = writable(pos);

                if (pos >= BAR(0) && pos < BAR(MDEVD_MAX_BARS))
                        may = (uint8_t) (mask[(pos - 0x10) / 4] >> 8 * (pos % 4));
                if ((cfg->data[pos] ^ fresh->data[pos]) & ~may)
                        test_fail(__FILE__, __LINE__, "byte 0x%zx is 0x%02x after writes, was "
                                  "0x%02x, and only 0x%02x is the guest's", pos, cfg->data[pos],
                                  fresh->data[pos], may);
        }
}

static void wild_writes(uint64_t *state, const struct mdevd_type_bar *bars, size_t rounds) {
        struct mdevd_cfg cfg, fresh;
        uint8_t bytes[MDEVD_CFG_SIZE];

        init(&fresh, bars);
        cfg = fresh;
        for (size_t round = 0; round < rounds; round++) {
                size_t pos = kmod_below(state, MDEVD_CFG_SIZE);
                size_t most = kmod_below(state, 4) ? 8 : MDEVD_CFG_SIZE;
                size_t n = 1 + kmod_below(state, MIN(most, MDEVD_CFG_SIZE - pos));

                for (size_t i = 0; i < n; i++)
                        bytes[i] = (uint8_t) kmod_random(state);
                if (kmod_below(state, 3) == 0)
                        memset(bytes, 0xff, n);
                mdevd_cfg_write(&cfg, pos, bytes, n);
                check_mask(&cfg, &fresh, bars);
        }
        /* everything that may be written can be */
        memset(bytes, 0xff, sizeof(bytes));
        mdevd_cfg_write(&cfg, 0, bytes, sizeof(bytes));
        ASSERT_EQ(get(&cfg, 0x04, 2) & 0x546, 0x546);
        ASSERT_EQ(get(&cfg, 0x3c, 1), 0xff);
}

TEST(cfg_wild_writes_change_only_what_is_the_guests) {
        static const struct mdevd_type_bar shapes[][MDEVD_MAX_BARS] = {
                { { 4096, 0, 0 } },
                { { 1 << 20, MDEVD_BAR_64BIT | MDEVD_BAR_PREFETCH, 0 }, {}, { 12288, 0, 0 } },
                { { UINT64_C(1) << 39, MDEVD_BAR_64BIT, 0 }, {},
                  { UINT64_C(3) << 32, MDEVD_BAR_64BIT, 0 }, {}, { 4096, MDEVD_BAR_64BIT, 0 } },
                { { 4096, 0, 0 }, { 8192, 0, 0 }, { 16384, 0, 0 }, { 4096, 0, 0 },
                  { UINT64_C(1) << 31, MDEVD_BAR_PREFETCH, 0 }, { 20480, 0, 0 } },
        };
        uint64_t state = 3;

        for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
                wild_writes(&state, shapes[i], ROUNDS / ARRAY_SIZE(shapes));
}

TESTS_MAIN

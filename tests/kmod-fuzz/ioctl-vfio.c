/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of devices that are open: the ioctls of VFIO, read(), write() and mmap() of every region
 * with hostile places and sizes. What the BARs must hold is kept beside them, so a byte that goes
 * where it must not, or comes from there, is seen.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "ioctl.h"

#define REGIONS VFIO_PCI_NUM_REGIONS
#define IO_MAX (2 * PAGE)

struct open_device {
        int claim; /* -1: none */
        struct device dev;
        uint64_t length[MDEVD_MAX_BARS];
        uint64_t size[REGIONS];
        uint8_t *shadow[MDEVD_MAX_BARS];
        uint32_t ids;
};

static struct open_device devices[DEVICES] = { { .claim = -1 }, { .claim = -1 }, { .claim = -1 } };

bool vfio_is_open(int claim) {
        for (int i = 0; i < DEVICES; i++)
                if (devices[i].claim == claim)
                        return true;
        return false;
}

static uint64_t power(uint64_t length) {
        uint64_t size = length ? PAGE : 0;

        while (size < length)
                size *= 2;
        return size;
}

/* In one of the pools that are not zeroed anything may stand. */
static bool is_zeroed(const struct model_claim *c) {
        for (uint32_t i = 0; i < c->n; i++)
                if (c->extents[i].offset >= 4 * MIB)
                        return false;
        return true;
}

static void read_shadow(struct open_device *d, int bar) {
        const struct model_claim *c = &model.claims[d->claim];
        uint64_t length = d->length[bar];

        d->shadow[bar] = malloc(length);
        EXPECT(d->shadow[bar], "no memory for a shadow");
        EXPECT(pread(d->dev.fd, d->shadow[bar], length, (off_t)REGION(bar)) == (ssize_t)length,
               "a BAR cannot be read");
        calls++;
        if (is_zeroed(c))
                EXPECT(memory_zero((uintptr_t)d->shadow[bar], length),
                       "a device just opened holds something already");
}

static void open_device(struct open_device *d, int claim) {
        const struct model_claim *c = &model.claims[claim];
        const struct mdevd_type *type = model_type(c->parent, c->type);
        char uuid[37];
        int r;

        uuid_text(c->uuid, uuid);
        r = device_open(&d->dev, uuid);
        EXPECT(r == 0, "open of %s: %s", uuid, strerror(-r));
        *d = (struct open_device){ .claim = claim, .dev = d->dev };
        for (int bar = 0; bar < MDEVD_MAX_BARS; bar++) {
                d->length[bar] = type->bars[bar].length;
                d->size[bar] = power(d->length[bar]);
                if (d->length[bar])
                        read_shadow(d, bar);
        }
        done[DONE_OPEN]++;
        d->size[VFIO_PCI_CONFIG_REGION_INDEX] = 256;
        EXPECT(pread(d->dev.fd, &d->ids, 4, REGION(VFIO_PCI_CONFIG_REGION_INDEX)) == 4, "ids");
}

static void check_shadow(const struct open_device *d) {
        uint32_t ids;

        for (int bar = 0; bar < MDEVD_MAX_BARS; bar++) {
                uint8_t *now = malloc(d->length[bar] + 1);

                if (d->length[bar]) {
                        EXPECT(pread(d->dev.fd, now, d->length[bar], (off_t)REGION(bar)) ==
                               (ssize_t)d->length[bar], "a BAR cannot be read");
                        EXPECT(memcmp(now, d->shadow[bar], d->length[bar]) == 0,
                               "BAR %d of claim %d is not what was written", bar, d->claim);
                }
                free(now);
        }
        EXPECT(pread(d->dev.fd, &ids, 4, REGION(VFIO_PCI_CONFIG_REGION_INDEX)) == 4 &&
               ids == d->ids, "the device's ids have changed");
}

static void close_device(struct open_device *d) {
        if (d->claim < 0)
                return;
        check_shadow(d);
        for (int bar = 0; bar < MDEVD_MAX_BARS; bar++)
                free(d->shadow[bar]);
        device_close(&d->dev);
        *d = (struct open_device){ .claim = -1 };
}

void vfio_open_close(void) {
        struct open_device *d = &devices[rnd_below(DEVICES)];
        int start = (int)rnd_below(CLAIMS);

        close_device(d);
        for (int i = 0; i < CLAIMS; i++) {
                int at = (start + i) % CLAIMS;

                if (model.claims[at].used && model.claims[at].live && !vfio_is_open(at)) {
                        open_device(d, at);
                        return;
                }
        }
}

void vfio_end(void) {
        for (int i = 0; i < DEVICES; i++)
                close_device(&devices[i]);
}

/* ---- read, write ---- */

static uint64_t random_pos(uint64_t size) {
        switch (rnd_below(5)) {
        case 0:
                return rnd_wild() & ((UINT64_C(1) << 40) - 1);
        case 1:
                return size - rnd_below(size < 64 ? size + 1 : 64);
        case 2:
                return rnd_below(64);
        default:
                return size ? rnd_below(size) : rnd_below(PAGE);
        }
}

/* What a read must have given, byte by byte; of config space anything. */
static void check_read(const struct open_device *d, uint64_t index, uint64_t pos, uint64_t addr,
                       uint64_t n) {
        const uint8_t *got = (const uint8_t *)(uintptr_t)addr;

        EXPECT(memory_reaches(addr, n, REACH_WRITE), "read into memory that cannot be written");
        if (index >= MDEVD_MAX_BARS)
                return;
        for (uint64_t i = 0; i < n; i++) {
                uint8_t want = pos + i < d->length[index] ? d->shadow[index][pos + i] : 0xff;

                EXPECT(got[i] == want, "BAR %lu at %#lx: read %#x instead of %#x", index, pos + i,
                       got[i], want);
        }
}

static void note_write(struct open_device *d, uint64_t index, uint64_t pos, uint64_t addr,
                       uint64_t n) {
        EXPECT(memory_reaches(addr, n, REACH_READ), "written from memory that cannot be read");
        if (index < MDEVD_MAX_BARS && pos < d->length[index])
                memcpy(&d->shadow[index][pos], (const void *)(uintptr_t)addr,
                       n < d->length[index] - pos ? n : d->length[index] - pos);
}

static void step_rw(struct open_device *d) {
        uint64_t index = rnd_chance(8) ? rnd_below(1 << 12) : rnd_below(REGIONS);
        uint64_t size = index < REGIONS ? d->size[index] : 0;
        uint64_t pos = random_pos(size), count = rnd_chance(4) ? rnd_below(IO_MAX) : rnd_below(17);
        uint64_t offset = index << 40 | pos, addr;
        bool writing = rnd_chance(2), must;
        uint8_t bytes[IO_MAX];
        ssize_t r;

        for (size_t i = 0; i < count; i += 8)
                memcpy(&bytes[i], &(uint64_t){ rnd() }, 8);
        addr = memory_place(bytes, count);
        must = count > 0 && pos < size && memory_reaches(addr, count,
                                                         writing ? REACH_READ : REACH_WRITE);
        if (rnd_chance(30)) {
                count = rnd_wild();
                must = false;
        }
        if (writing)
                r = syscall(SYS_pwrite64, d->dev.fd, addr, count, offset);
        else
                r = syscall(SYS_pread64, d->dev.fd, addr, count, offset);
        calls++;
        if (must)
                EXPECT(r == (ssize_t)(count < size - pos ? count : size - pos),
                       "%s of %lu bytes at %lu:%#lx of %#lx: %zd", writing ? "write" : "read",
                       count, index, pos, size, r);
        if (r <= 0)
                return;
        EXPECT(pos < size && (uint64_t)r <= size - pos && (uint64_t)r <= count,
               "%zd bytes at %lu:%#lx", r, index, pos);
        done[writing ? DONE_WRITE : DONE_READ]++;
        if (writing)
                note_write(d, index, pos, addr, (uint64_t)r);
        else
                check_read(d, index, pos, addr, (uint64_t)r);
}

/* ---- mmap ---- */

static void touch_mapping(struct open_device *d, uint64_t index, uint64_t pos, uint8_t *at,
                          uint64_t length, int prot) {
        for (int i = 0; i < 4; i++) {
                uint64_t word = rnd_below(length / 4) * 4;
                uint32_t value, want;
                int sig;

                memcpy(&want, &d->shadow[index][pos + word], 4);
                if (prot & PROT_READ) {
                        sig = touch_read(at + word, &value);
                        EXPECT(sig == 0, "signal %d at %lu:%#lx", sig, index, pos + word);
                        EXPECT(value == want, "mapped %lu:%#lx: %#x instead of %#x", index,
                               pos + word, value, want);
                }
                if (prot & PROT_WRITE) {
                        value = (uint32_t)rnd();
                        sig = touch_write(at + word, value);
                        EXPECT(sig == 0, "signal %d at %lu:%#lx", sig, index, pos + word);
                        memcpy(&d->shadow[index][pos + word], &value, 4);
                }
        }
}

/* Is there a page in the range that can only be read and written? */
static bool is_trapped(const struct open_device *d, uint64_t index, uint64_t pos, uint64_t end) {
        const struct model_claim *claim = &model.claims[d->claim];
        const struct mdevd_type *type = model_type(claim->parent, claim->type);

        for (int i = 0; i < MDEVD_MAX_PARTS; i++) {
                const struct mdevd_part *part = &type->parts[i];

                if (part->kind != MDEVD_PART_NONE && part->bar == index &&
                    pos < part->offset + part->length && part->offset < end)
                        return true;
        }
        return false;
}

static void step_mmap(struct open_device *d) {
        uint64_t index = rnd_chance(8) ? rnd_below(1 << 12) : rnd_below(REGIONS);
        uint64_t backed = index < MDEVD_MAX_BARS ? d->length[index] : 0;
        uint64_t pos = rnd_chance(4) ? rnd_wild() & ((UINT64_C(1) << 40) - 1) & ~(PAGE - 1) :
                                       rnd_below(6) * PAGE;
        uint64_t length = rnd_chance(10) ? rnd_wild() : (1 + rnd_below(6)) * PAGE;
        int flags = rnd_chance(8) ? MAP_PRIVATE : MAP_SHARED, prot = (int)rnd_below(4);
        uint64_t pages = length / PAGE + (length % PAGE != 0);
        uint64_t offset = index << 40 | pos;
        bool want = flags == MAP_SHARED && pos < backed && pages > 0 && length <= backed &&
                    pages * PAGE <= backed - pos && !is_trapped(d, index, pos, pos + pages * PAGE);
        void *at;

        if (rnd_chance(20))
                offset += 1 + rnd_below(PAGE - 1), want = false;
        at = (void *)syscall(SYS_mmap, NULL, length, prot, flags, d->dev.fd, offset);
        calls++;
        EXPECT((at != MAP_FAILED) == want, "mmap of %#lx at %lu:%#lx of %#lx should%s work: %s",
               length, index, pos, backed, want ? "" : " not", strerror(errno));
        if (at == MAP_FAILED)
                return;
        touch_mapping(d, index, pos, at, pages * PAGE, prot);
        EXPECT(munmap(at, length) == 0, "munmap");
        done[DONE_MMAP]++;
        calls++;
}

/* ---- ioctls ---- */

static int call(struct open_device *d, unsigned long cmd, uint64_t addr) {
        int r = ioctl(d->dev.fd, cmd, addr) < 0 ? -errno : 0;

        calls++;
        EXPECT(r > -134, "ioctl %#lx: error %d is not one for user space", cmd, r);
        return r;
}

static void step_info(struct open_device *d) {
        struct vfio_device_info info = { .argsz = sizeof(info) };
        uint64_t addr;
        int r;

        if (rnd_chance(6))
                info.argsz = (uint32_t)rnd_wild();
        addr = memory_place(&info, sizeof(info));
        r = call(d, VFIO_DEVICE_GET_INFO, addr);
        if (r == 0) {
                EXPECT(memory_reaches(addr, 16, REACH_WRITE), "GET_INFO to nowhere");
                memcpy(&info, (void *)(uintptr_t)addr, 16);
                EXPECT(info.num_regions == REGIONS && info.num_irqs == VFIO_PCI_NUM_IRQS,
                       "GET_INFO says %u regions", info.num_regions);
        } else {
                EXPECT(r == -EFAULT || r == -EINVAL, "GET_INFO: %s", strerror(-r));
        }
}

static void step_region(struct open_device *d) {
        struct { struct vfio_region_info info; uint8_t room[256]; } arg = {
                .info = { .argsz = sizeof(arg), .index = (uint32_t)rnd_below(REGIONS + 2) },
        };
        size_t size = rnd_chance(2) ? sizeof(arg) : sizeof(arg.info) + rnd_below(80);
        uint64_t addr;
        int r;

        arg.info.argsz = rnd_chance(4) ? (uint32_t)rnd_wild() : (uint32_t)size;
        if (rnd_chance(8))
                arg.info.index = (uint32_t)rnd_wild();
        addr = memory_place(&arg, size);
        r = call(d, VFIO_DEVICE_GET_REGION_INFO, addr);
        if (r < 0) {
                EXPECT(r == -EFAULT || r == -EINVAL, "GET_REGION_INFO: %s", strerror(-r));
                return;
        }
        EXPECT(memory_reaches(addr, sizeof(arg.info), REACH_WRITE), "GET_REGION_INFO to nowhere");
        memcpy(&arg.info, (void *)(uintptr_t)addr, sizeof(arg.info));
        EXPECT(arg.info.index < REGIONS && arg.info.size == d->size[arg.info.index] &&
               arg.info.offset == REGION(arg.info.index), "region %u: %#llx bytes at %#llx",
               arg.info.index, arg.info.size, arg.info.offset);
}

static void step_irq(struct open_device *d) {
        /* struct vfio_irq_set with data */
        struct { uint32_t argsz, flags, index, start, count; int32_t fds[8]; } arg = {};
        int event = eventfd(0, EFD_CLOEXEC), other = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int32_t fds[] = { event, event, -1, other, -2, 9999, INT32_MIN, d->dev.fd };
        int r;

        arg.argsz = rnd_chance(6) ? (uint32_t)rnd_wild() : sizeof(arg);
        arg.flags = rnd_chance(4) ? (uint32_t)rnd() :
                        1U << rnd_below(3) | 1U << (3 + rnd_below(3));
        arg.index = rnd_chance(6) ? (uint32_t)rnd_wild() : (uint32_t)rnd_below(6);
        arg.start = rnd_chance(3) ? (uint32_t)rnd_wild() : (uint32_t)rnd_below(2);
        arg.count = rnd_chance(3) ? (uint32_t)rnd_wild() : (uint32_t)rnd_below(3);
        for (size_t i = 0; i < ELEMENTS(arg.fds); i++)
                arg.fds[i] = fds[rnd_below(ELEMENTS(fds))];
        r = call(d, VFIO_DEVICE_SET_IRQS, memory_place(&arg, sizeof(arg)));
        EXPECT(r <= 0, "SET_IRQS: %d", r);
        done[DONE_IRQ] += r == 0;
        close(event);
        close(other);

        struct vfio_irq_info info = { .argsz = rnd_chance(6) ? (uint32_t)rnd_wild() : sizeof(info),
                                      .index = (uint32_t)rnd_below(8) };
        r = call(d, VFIO_DEVICE_GET_IRQ_INFO, memory_place(&info, sizeof(info)));
        EXPECT(r == 0 || r == -EFAULT || r == -EINVAL, "GET_IRQ_INFO: %s", strerror(-r));
}

static void step_other(struct open_device *d) {
        uint8_t bytes[256];
        unsigned long cmd = rnd_chance(2) ? VFIO_DEVICE_FEATURE :
                            (unsigned long)_IO(VFIO_TYPE, VFIO_BASE + rnd_below(32));

        for (size_t i = 0; i < sizeof(bytes); i += 8)
                memcpy(&bytes[i], &(uint64_t){ rnd() }, 8);
        if (rnd_chance(2)) {
                ((uint32_t *)bytes)[0] = sizeof(bytes);
                ((uint32_t *)bytes)[1] &= 0x7ffff;
        }
        call(d, cmd, memory_place(bytes, sizeof(bytes)));
        if (rnd_chance(8))
                EXPECT(call(d, VFIO_DEVICE_RESET, memory_hostile()) == 0, "RESET");
}

/* ---- a struct that changes while the kernel looks at it ---- */

static volatile uint32_t *shared;
static volatile bool racing;

static void *racer(void *arg) {
        uint64_t z = (uintptr_t)arg;

        while (racing) {
                z = z * UINT64_C(6364136223846793005) + 1442695040888963407;
                shared[z >> 61] = z >> 33 & 1 ? (uint32_t)(z >> 40) % 300 : (uint32_t)(z >> 29);
        }
        return NULL;
}

static void burst(struct open_device *d) {
        static const unsigned long cmds[] = {
                VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_GET_IRQ_INFO,
                VFIO_DEVICE_SET_IRQS,
        };
        uint8_t *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                             -1, 0);
        pthread_t thread;

        EXPECT(page != MAP_FAILED && mprotect(page + PAGE, PAGE, PROT_NONE) == 0, "mmap");
        shared = (void *)(page + PAGE - 64);
        racing = true;
        EXPECT(pthread_create(&thread, NULL, racer, (void *)(uintptr_t)rnd()) == 0, "thread");
        for (int i = 0; i < 256; i++) {
                if (rnd_chance(3)) {
                        ioctl(ctl_fd(0), rnd_chance(2) ? MDEVD_GET_INFO : MDEVD_QUERY, shared);
                        calls++;
                } else {
                        call(d, cmds[rnd_below(ELEMENTS(cmds))], (uintptr_t)shared);
                }
        }
        racing = false;
        pthread_join(thread, NULL);
        munmap(page, 2 * PAGE);
        done[DONE_RACE]++;
}

void vfio_step(void) {
        struct open_device *d = &devices[rnd_below(DEVICES)];
        uint64_t pick = rnd_below(1000);

        if (d->claim < 0)
                return;
        if (pick < 500)
                step_rw(d);
        else if (pick < 650)
                step_mmap(d);
        else if (pick < 720)
                step_info(d);
        else if (pick < 820)
                step_region(d);
        else if (pick < 920)
                step_irq(d);
        else if (pick < 999)
                step_other(d);
        else
                burst(d);
}

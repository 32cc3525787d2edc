/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tenant with a DMA engine (QEMU's edu device, see docs/specs/edu.rst there) in its hands: what
 * it makes the engine write reaches nothing, and the engine's interrupt arrives.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib.h"

#define A UUID(51)
#define IRQ_RAISE 0x60
#define IRQ_ACK 0x64
#define DMA_FROM 0x80
#define DMA_TO 0x88
#define DMA_COUNT 0x90
#define DMA_COMMAND 0x98
#define DMA_START 1
#define DMA_TO_RAM 2
#define DMA_IRQ 4
#define BUFFER 0x40000 /* the engine's own memory */
#define LENGTH 64

static volatile uint32_t *regs;
static int event;

static void set(uint32_t at, uint32_t v) {
        regs[at / 4] = v;
}

static void set64(uint32_t at, uint64_t v) {
        *(volatile uint64_t *)(regs + at / 4) = v;
}

static bool arrives(void) {
        struct pollfd p = { .fd = event, .events = POLLIN };
        uint64_t n;

        if (poll(&p, 1, 30000) != 1 || read(event, &n, 8) != 8)
                return false;
        set(IRQ_ACK, ~0U);
        return true;
}

/* As root can, and as a guest's driver knows of its own RAM. */
static uint64_t physical(const void *at) {
        int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        uint64_t entry = 0;

        if (pread(fd, &entry, 8, (off_t)((uintptr_t)at / 4096 * 8)) != 8)
                entry = 0;
        close(fd);
        return (entry & ((1ULL << 55) - 1)) * 4096 + (uintptr_t)at % 4096;
}

static void dma(uint64_t from, uint64_t to, uint32_t direction) {
        set64(DMA_FROM, from);
        set64(DMA_TO, to);
        set64(DMA_COUNT, LENGTH);
        set64(DMA_COMMAND, DMA_START | DMA_IRQ | direction);
        CHECK(arrives(), "the engine says it is done");
}

static bool is_all(const uint8_t *p, uint8_t value) {
        for (unsigned i = 0; i < LENGTH; i++)
                if (p[i] != value)
                        return false;
        return true;
}

int main(void) {
        const char *parent = getenv("MDEVD_EDU");
        struct mdevd_pool pool = { .name = "regs", .bar = 0, .length = MIB,
                                   .kind = MDEVD_POOL_REGISTERS, .scrub = MDEVD_SCRUB_NONE };
        struct mdevd_type type = { .name = "edu", .vectors = 1, .bars = { { .length = MIB } } };
        struct mdevd_extent e = { .length = MIB };
        uint8_t *ram = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
        struct device d;
        int ctl;

        if (!parent || ram == MAP_FAILED)
                return 1;
        MUST(bind_parent(parent));
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(ctl_configure(ctl, parent, &pool, 1, &type, 1));
        MUST(ctl_reserve(ctl, parent, "edu", A, &e, 1));
        MUST(mdev_create(parent, "edu", A));
        MUST(device_open(&d, A));
        regs = device_map(&d, 0, 0, MIB);
        CHECK(regs != MAP_FAILED, "the registers can be mapped");
        event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        CHECK_EQ(device_irq(&d, VFIO_PCI_MSIX_IRQ_INDEX,
                            VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1, &event, 4),
                 0, "its one vector, an MSI of the parent");
        CHECK_EQ(regs[0] & 0xff, 0xed, "it is the engine");

        set(IRQ_RAISE, 1);
        CHECK(arrives(), "an interrupt that was raised by a register arrives");

        memset(ram, 0x5a, LENGTH);
        memset(ram + 4096, 0xa5, LENGTH);
        CHECK(physical(ram) && physical(ram + 4096), "where the memory is");
        dma(BUFFER, physical(ram), DMA_TO_RAM);
        CHECK(is_all(ram, 0x5a), "what it writes does not arrive");
        /* in from one page, out to another: a read that reached anything would show */
        dma(physical(ram + 4096), BUFFER, 0);
        dma(BUFFER, physical(ram), DMA_TO_RAM);
        CHECK(is_all(ram, 0x5a), "nor does what it read");

        munmap((void *)regs, MIB);
        device_close(&d);
        CHECK_EQ(mdev_remove(A), 0, "remove");
        CHECK_EQ(unbind_parent(parent), 0, "unbind");
        return check_done();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interrupts: the parent's vectors are dealt out with the extents, all or nothing; what the
 * hardware raises arrives at the eventfd of the one device that has the vector, and at no other.
 *
 * Usage: kmod-irq            the doorbell device, whose vectors the machine outside raises
 *        kmod-irq refuse N   asking for vectors is refused with errno N, and can be overridden
 */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib.h"

#define A UUID(41)
#define B UUID(42)
#define C UUID(43)
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER
#define EVENT (VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER)
#define NONE (VFIO_IRQ_SET_DATA_NONE | TRIGGER)
#define BOOL (VFIO_IRQ_SET_DATA_BOOL | TRIGGER)
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define REFUSED(call, want, what) CHECK_EQ(call, -(want), "refused: " what)

static int ctl;
static const char *parent;

static int configure_flags(uint32_t vectors, uint32_t flags, const char *vendor) {
        struct mdevd_pool pool = { .name = "mem", .bar = 2, .length = 16 * MIB };
        struct mdevd_type types[2] = {
                { .name = "v", .label = "two vectors", .vectors = vectors,
                  .bars = { { .length = 12 * KIB } } },
                { .name = "one", .vectors = 1, .vendor = 0x1234, .device = 1,
                  .bars = { { .length = 4 * KIB, .flags = MDEVD_BAR_64BIT } } },
        };

        struct mdevd_configure arg = {
                .size = sizeof(arg),
                .flags = flags,
                .n_pools = 1,
                .pool_size = sizeof(pool),
                .n_types = 2,
                .type_size = sizeof(*types),
                .pools = (uintptr_t)&pool,
                .types = (uintptr_t)types,
        };

        snprintf(arg.parent, sizeof(arg.parent), "%s", parent);
        snprintf(arg.vendor, sizeof(arg.vendor), "%s", vendor);
        return ctl_call(ctl, MDEVD_CONFIGURE, &arg);
}

static int configure(uint32_t vectors) {
        return configure_flags(vectors, 0, "");
}

static int reserve(const char *uuid, const char *type, uint64_t offset, const uint32_t *vectors,
                   uint32_t n, struct mdevd_ids ids) {
        struct mdevd_extent e = { .bar = 2, .offset = offset,
                                  .length = type[0] == 'v' ? 12 * KIB : 4 * KIB };
        struct mdevd_reserve arg;

        reserve_fill(&arg, parent, type, uuid, &e, 1);
        arg.vectors = (uintptr_t)vectors;
        arg.n_vectors = n;
        arg.ids = ids;
        return ctl_call(ctl, MDEVD_RESERVE, &arg);
}

/* What QUERY says of a device's vectors as one number, 31 for { 3, 1 }; and of the parent. */
static int query(const char *uuid, struct mdevd_parent_record *ret) {
        size_t length, at = 0;
        char *buf = ctl_snapshot(ctl, &length, NULL);
        bool ours = false, found = false;
        uint8_t bytes[16];
        int digits = 0;

        uuid_bytes(uuid, bytes);
        while (at < length) {
                const struct mdevd_record *r = (const void *)(buf + at);
                const struct mdevd_vectors_record *v = (const void *)(r + 1);
                const struct mdevd_device_record *d = (const void *)(r + 1);
                const struct mdevd_parent_record *p = (const void *)(r + 1);

                if (r->type == MDEVD_RECORD_PARENT)
                        ours = strcmp(p->name, parent) == 0;
                if (r->type == MDEVD_RECORD_PARENT && ours)
                        *ret = *p;
                if (r->type == MDEVD_RECORD_DEVICE)
                        found = memcmp(d->uuid, bytes, 16) == 0;
                for (uint32_t i = 0; r->type == MDEVD_RECORD_VECTORS && found && i < v->n; i++)
                        digits = digits * 10 + (int)v->vectors[i];
                at += r->length;
        }
        free(buf);
        return digits;
}

static int master(void) {
        char path[128];
        uint8_t command[2] = {};
        int fd;

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", parent);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        CHECK_EQ(pread(fd, command, 2, PCI_COMMAND), 2, "the parent's command register");
        close(fd);
        return !!(command[0] & PCI_COMMAND_MASTER);
}

static void test_reserve(void) {
        static const uint32_t mixed[] = { 3, 1 }, twice[] = { 2, 2 }, high[] = { 0, 4 };
        static const struct mdevd_ids none = {}, own = { 0x1af4, 0x10f0, 0x1af4, 0x0001, 0x0b4000 };
        struct mdevd_parent_record p;

        CHECK_EQ(reserve(A, "v", 0, mixed, 2, own), 0, "reserve vectors 3 and 1");
        CHECK_EQ(query(A, &p), 31, "QUERY shows them in this order");
        CHECK_EQ(p.vectors_free, 2, "  and that two are left");
        REFUSED(reserve(B, "one", MIB, &mixed[1], 1, none), EBUSY, "a vector that is another's");
        REFUSED(reserve(B, "v", MIB, twice, 2, none), EBUSY, "one vector twice");
        REFUSED(reserve(B, "v", MIB, high, 2, none), EINVAL, "a vector that there is not");
        REFUSED(reserve(B, "v", MIB, twice, 1, none), EINVAL, "one vector of a type of two");
        REFUSED(reserve(B, "v", MIB, NULL, 2, none), EFAULT, "vectors at NULL");
        REFUSED(reserve(B, "v", MIB, twice, 2049, none), EINVAL, "2049 vectors");
        REFUSED(reserve(B, "v", 0, NULL, 0, none), EBUSY, "free vectors, another's extent");
        REFUSED(reserve(B, "v", MIB, NULL, 0, (struct mdevd_ids){ .class = 0x1000000 }), EINVAL,
                "a class of 25 bits");
        query(A, &p);
        CHECK_EQ(p.vectors_free, 2, "no refusal took any");
        CHECK_EQ(reserve(B, "v", MIB, NULL, 0, none), 0, "the extent of the refusals is free");
        CHECK_EQ(query(B, &p), 2, "the first free vectors, 0 and 2, were dealt out");
        REFUSED(reserve(C, "one", 2 * MIB, NULL, 0, none), EBUSY, "one more than there are");
        CHECK_EQ(ctl_release(ctl, B), 0, "release them");
        query(A, &p);
        CHECK_EQ(p.vectors_free, 2, "  they are back");
        CHECK_EQ(reserve(B, "v", MIB, NULL, 0, none), 0, "reserve them again");
        MUST(mdev_create(parent, "v", A));
        MUST(mdev_create(parent, "v", B));
        REFUSED(ctl_unconfigure(ctl, parent), EBUSY, "unconfigure under them");
}

static uint64_t peek(const struct device *d, uint32_t region, uint64_t at, size_t n) {
        uint64_t v = 0;

        CHECK_EQ(pread(d->fd, &v, n, (off_t)(REGION(region) + at)), n, "read");
        return v;
}

static void poke(const struct device *d, uint32_t region, uint64_t at, uint64_t v, size_t n) {
        CHECK_EQ(pwrite(d->fd, &v, n, (off_t)(REGION(region) + at)), n, "write");
}

/* What the guest's driver finds: ids, the MSI-X capability and table, the vendor capability. */
static void test_guest_view(const struct device *d) {
        struct mdevd_guest_cap cap;
        struct vfio_region_info region;
        uint32_t at = (uint32_t)peek(d, 7, PCI_CAPABILITY_LIST, 1), bar;

        CHECK_EQ(peek(d, 7, PCI_VENDOR_ID, 4), 0x10f01af4, "the ids that were reserved");
        CHECK_EQ(peek(d, 7, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x00011af4, "  the subsystem's");
        CHECK_EQ(peek(d, 7, PCI_CLASS_REVISION, 4) >> 8, 0x0b4000, "  the class");
        CHECK_EQ(peek(d, 7, at, 1), PCI_CAP_ID_MSIX, "the first capability is MSI-X");
        CHECK_EQ(peek(d, 7, at + PCI_MSIX_FLAGS, 2), 1, "  of two vectors, off");
        bar = (uint32_t)peek(d, 7, at + PCI_MSIX_TABLE, 4);
        CHECK_EQ(bar, 1, "  the table is at the start of BAR 1, the first free one");
        CHECK_EQ(peek(d, 7, at + PCI_MSIX_PBA, 4), 2048 | 1, "  the PBA 2048 bytes behind it");
        poke(d, 7, at + PCI_MSIX_FLAGS, 0xffff, 2);
        CHECK_EQ(peek(d, 7, at + PCI_MSIX_FLAGS, 2), 0xc001, "  only two bits can be written");
        at = (uint32_t)peek(d, 7, at + 1, 1);
        CHECK_EQ(pread(d->fd, &cap, sizeof(cap), (off_t)(REGION(7) + at)), sizeof(cap), "vendor");
        CHECK(cap.id == PCI_CAP_ID_VNDR && cap.next == 0 && cap.length == sizeof(cap) &&
              cap.version == MDEVD_GUEST_CAP_VERSION && cap.magic == MDEVD_GUEST_CAP_MAGIC,
              "the vendor capability");
        CHECK(cap.bar_length[0] == 12 * KIB && cap.bar_length[1] == 0,
              "  says 12 KiB, though the BAR has 16");
        CHECK(strcmp(cap.label, "two vectors") == 0, "  and the label: %.63s", cap.label);

        MUST(device_region(d, bar, &region));
        CHECK_EQ(region.size, 4096, "the table's BAR");
        CHECK_EQ(region.flags, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
                 "  cannot be mapped");
        CHECK(device_map(d, bar, 0, 4096) == MAP_FAILED && errno == EINVAL, "  indeed not");
        CHECK_EQ(peek(d, bar, 12, 4), 1, "vector 0 is masked after a reset");
        CHECK_EQ(peek(d, bar, 28, 4), 1, "  and vector 1");
        CHECK_EQ(peek(d, bar, 32, 8), 0, "  and there is no third");
        poke(d, bar, 16, ~0ULL, 8);
        poke(d, bar, 24, 0xfffffffe12345678, 8);
        poke(d, bar, 2048, ~0ULL, 8);
        CHECK_EQ(peek(d, bar, 16, 8), 0xfffffffffffffffc, "an address reads back, of a dword");
        CHECK_EQ(peek(d, bar, 24, 8), 0x12345678, "data and control: not masked");
        CHECK_EQ(peek(d, bar, 2048, 8), 0, "nothing is pending, whatever one writes");
        CHECK_EQ(ioctl(d->fd, VFIO_DEVICE_RESET), 0, "reset");
        CHECK_EQ(peek(d, bar, 28, 4), 1, "  it is masked again");
}

static int fired(int fd) {
        uint64_t n = 0;

        return read(fd, &n, sizeof(n)) == sizeof(n) ? (int)n : 0;
}

/* Waits for it; the case's own limit ends this if it never comes. */
static int arrives(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        return poll(&p, 1, 30000) == 1 ? fired(fd) : 0;
}

static void test_set(const struct device *d, const int *fds) {
        struct vfio_irq_info info = { .argsz = sizeof(info), .index = MSIX };
        int off = -1, wrong = open("/dev/null", O_RDWR | O_CLOEXEC);
        uint8_t second[] = { 0, 1 };

        CHECK_EQ(ioctl(d->fd, VFIO_DEVICE_GET_IRQ_INFO, &info), 0, "irq info");
        CHECK_EQ(info.count, 2, "  two vectors");
        CHECK_EQ(info.flags, VFIO_IRQ_INFO_EVENTFD, "  each to be set at any time");
        CHECK_EQ(device_irq(d, MSIX, NONE, 2, NULL, 0), 0, "loopback with no eventfd");
        CHECK_EQ(device_irq(d, MSIX, EVENT, 2, fds, 8), 0, "two eventfds");
        CHECK_EQ(device_irq(d, MSIX, NONE, 2, NULL, 0), 0, "loopback");
        CHECK(fired(fds[0]) == 1 && fired(fds[1]) == 1, "  both come");
        CHECK_EQ(device_irq(d, MSIX, BOOL, 2, second, 2), 0, "loopback of the second");
        CHECK(fired(fds[0]) == 0 && fired(fds[1]) == 1, "  that comes, and not the first");
        REFUSED(device_irq(d, MSIX, EVENT, 2, (int[]){ off, wrong }, 8), EINVAL, "no eventfd");
        REFUSED(device_irq(d, MSIX, EVENT, 2, (int[]){ off, -2 }, 8), EINVAL, "descriptor -2");
        CHECK_EQ(device_irq(d, MSIX, NONE, 1, NULL, 0), 0, "loopback of the first");
        CHECK_EQ(fired(fds[0]), 1, "  the refused calls did not take it away");
        REFUSED(device_irq(d, MSIX, EVENT, 3, (int[]){ off, off, off }, 12), EINVAL, "three");
        REFUSED(device_irq(d, MSIX, EVENT, 0, NULL, 0), EINVAL, "none by eventfd");
        REFUSED(device_irq(d, MSIX, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, 1, NULL, 0),
                ENOTTY, "mask");
        CHECK_EQ(device_irq(d, MSIX, NONE, 0, NULL, 0), 0, "disable all");
        CHECK_EQ(device_irq(d, MSIX, NONE, 2, NULL, 0), 0, "loopback");
        CHECK(fired(fds[0]) == 0 && fired(fds[1]) == 0, "  nothing comes");
        close(wrong);
}

static void ring(int vector, const int *fds, int want, const char *what) {
        CHECK_EQ(host("ring %d", vector), 0, what);
        CHECK_EQ(arrives(fds[want]), 1, "  it arrives");
        for (int i = 0; i < 4; i++)
                if (i != want)
                        CHECK_EQ(fired(fds[i]), 0, "  and nowhere else");
}

static void test_hardware(struct device *a, struct device *b, const int *fds) {
        int off = -1;

        CHECK_EQ(device_irq(a, MSIX, EVENT, 2, fds, 8), 0, "eventfds of A");
        CHECK_EQ(device_irq(b, MSIX, EVENT, 2, fds + 2, 8), 0, "eventfds of B");
        for (int round = 0; round < 3; round++) {
                ring(3, fds, 0, "A's first");
                ring(1, fds, 1, "A's second");
                ring(0, fds, 2, "B's first");
                ring(2, fds, 3, "B's second");
        }
        CHECK_EQ(device_irq(a, MSIX, EVENT, 1, &off, 4), 0, "A's first is taken away");
        CHECK_EQ(host("ring 3"), 0, "it is raised all the same");
        ring(1, fds, 1, "A's second");

        /* what comes while nobody has it open is not kept for the next */
        device_close(a);
        CHECK_EQ(host("ring 1"), 0, "A's second, while it is closed");
        ring(0, fds, 2, "B's first");
        MUST(device_open(a, A));
        CHECK_EQ(device_irq(a, MSIX, EVENT, 2, fds, 8), 0, "eventfds of A again");
        ring(2, fds, 3, "B's second");
        ring(1, fds, 1, "A's second");
}

/* TAINT_USER, as vfio without an IOMMU has it: include/linux/panic.h */
static bool tainted(void) {
        char text[32] = "";

        MUST(read_file("/proc/sys/kernel/tainted", text, sizeof(text)));
        return strtoul(text, NULL, 10) >> 6 & 1;
}

/* All the same, by whoever takes the blame: it masters the bus, and says so everywhere. */
static int override(int error) {
        struct mdevd_parent_record p = {};
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        struct device a;

        REFUSED(configure_flags(2, 2, ""), EINVAL, "a flag that there is not");
        REFUSED(configure_flags(5, MDEVD_CONFIGURE_UNSAFE_DMA, ""), ENOSPC, "five vectors of four");
        REFUSED(configure_flags(1, MDEVD_CONFIGURE_UNSAFE_DMA, "edu"), EINVAL, "with a vendor");
        CHECK_EQ(tainted(), false, "  no refusal has tainted the kernel");
        CHECK_EQ(master(), 0, "  nor let it master the bus");
        MUST(configure_flags(2, MDEVD_CONFIGURE_UNSAFE_DMA, ""));
        CHECK_EQ(tainted(), true, "configured by override: the kernel is tainted");
        CHECK_EQ(master(), 1, "  the parent masters the bus");
        query(A, &p);
        CHECK_EQ(p.flags, MDEVD_PARENT_UNSAFE_DMA | MDEVD_PARENT_UNSAFE_ASKED,
                 "  QUERY says by which right");
        CHECK_EQ(p.vectors_free, 4, "  and that its vectors are there");

        MUST(reserve(A, "one", 0, (uint32_t[]){ 2 }, 1, (struct mdevd_ids){}));
        MUST(mdev_create(parent, "one", A));
        MUST(device_open(&a, A));
        MUST(device_irq(&a, MSIX, EVENT, 1, &fd, 4));
        CHECK_EQ(host("ring 2"), 0, "a vector is raised");
        CHECK_EQ(arrives(fd), 1, "  it arrives");
        device_close(&a);
        MUST(mdev_remove(A));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_GONE, A));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, A));
        MUST(ctl_unconfigure(ctl, parent));
        CHECK_EQ(master(), 0, "unconfigured: no bus mastering");
        query(A, &p);
        CHECK_EQ(p.flags, 0, "  QUERY: nor the right to it");
        CHECK_EQ(configure(2), -error, "  and it is refused again without the flag");
        close(fd);
        return check_done();
}

static int refuse(int error) {
        struct mdevd_parent_record p = {};
        int r = configure(2);

        CHECK_EQ(r, -error, "vectors are refused");
        CHECK_EQ(master(), 0, "  and the parent does not master the bus");
        query(A, &p);
        CHECK_EQ(p.vectors, 4, "  though it has four");
        CHECK_EQ(p.dma, error == EPERM ? MDEVD_DMA_NO_REMAP : MDEVD_DMA_NO_IOMMU, "  QUERY: why");
        CHECK_EQ(p.flags, 0, "  and no override");
        CHECK_EQ(tainted(), false, "  nothing is tainted");
        return override(error);
}

int main(int argc, char **argv) {
        struct mdevd_parent_record p = {};
        struct device a, b;
        int fds[4];

        parent = getenv("MDEVD_DOORBELL");
        if (!parent)
                return 1;
        MUST(bind_parent(parent));
        ctl = (int)MUST(ctl_open(O_RDWR));
        if (argc > 2)
                return refuse(atoi(argv[2]));

        CHECK_EQ(master(), 0, "bound: no bus mastering");
        REFUSED(configure(5), ENOSPC, "five vectors of four");
        MUST(configure(2));
        CHECK_EQ(master(), 1, "configured with vectors: bus mastering");
        query(A, &p);
        CHECK(p.dma == MDEVD_DMA_ISOLATED && p.vectors == 4 && p.vectors_free == 4,
              "QUERY: isolated, four vectors, all free");
        MUST(ctl_unconfigure(ctl, parent));
        MUST(configure_flags(2, MDEVD_CONFIGURE_UNSAFE_DMA, ""));
        query(A, &p);
        CHECK(p.flags == MDEVD_PARENT_UNSAFE_ASKED && !tainted(),
              "an override that is not needed was asked for, and is none");
        for (int i = 0; i < 4; i++)
                fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        test_reserve();
        MUST(device_open(&a, A));
        MUST(device_open(&b, B));
        test_guest_view(&a);
        test_set(&a, fds);
        test_hardware(&a, &b, fds);
        device_close(&a);
        device_close(&b);
        CHECK_EQ(mdev_remove(A), 0, "remove A");
        CHECK_EQ(mdev_remove(B), 0, "remove B");
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_GONE, B));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, B));
        query(A, &p);
        CHECK_EQ(p.vectors_free, 4, "all vectors are free");
        CHECK_EQ(ctl_unconfigure(ctl, parent), 0, "unconfigure");
        CHECK_EQ(master(), 0, "no bus mastering any more");
        CHECK_EQ(unbind_parent(parent), 0, "unbind");
        return check_done();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The vfio device from the VMM's side: what QEMU asks, in the order it asks, and what a hostile VMM
 * would ask. No guest is needed.
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

static const char *p0;
static struct device d;
/* volatile: the compiler knows what NULL is */
static void *volatile nowhere;

static uint64_t at(uint32_t index, uint64_t offset) {
        return REGION(index) + offset;
}

static uint32_t config(unsigned offset) {
        uint32_t value = 0;

        if (pread(d.fd, &value, 4, (off_t)at(VFIO_PCI_CONFIG_REGION_INDEX, offset)) != 4)
                CHECK(false, "read of config 0x%x: %s", offset, strerror(errno));
        return value;
}

static void set_config(unsigned offset, uint32_t value, unsigned width) {
        if (pwrite(d.fd, &value, width, (off_t)at(VFIO_PCI_CONFIG_REGION_INDEX, offset)) !=
            (ssize_t)width)
                CHECK(false, "write of config 0x%x: %s", offset, strerror(errno));
}

static void test_info(void) {
        struct vfio_device_info info = { .argsz = sizeof(info) };
        struct vfio_region_info region;

        CHECK_EQ(ioctl(d.fd, VFIO_DEVICE_GET_INFO, &info), 0, "device info");
        CHECK(info.flags == (VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET), "its flags");
        CHECK(info.num_regions == 9 && info.num_irqs == 5, "9 regions, 5 interrupts");
        info.argsz = 8;
        CHECK(ioctl(d.fd, VFIO_DEVICE_GET_INFO, &info) < 0 && errno == EINVAL, "a short one");
        CHECK(ioctl(d.fd, VFIO_DEVICE_GET_INFO, NULL) < 0 && errno == EFAULT, "at NULL");
        CHECK(ioctl(d.fd, _IO('x', 1), NULL) < 0 && errno == ENOTTY, "an unknown ioctl");

        for (uint32_t i = 0; i < 9; i++) {
                CHECK_EQ(device_region(&d, i, &region), 0, "region info");
                CHECK_EQ(region.offset, REGION(i), "  its offset");
                CHECK_EQ(region.size, i == 0 ? 4 * MIB : i == 7 ? 256 : 0, "  its size");
                CHECK_EQ(!!(region.flags & VFIO_REGION_INFO_FLAG_MMAP), i == 0, "  mmap");
        }
        CHECK_EQ(device_region(&d, 9, &region), -EINVAL, "a region too many");
        CHECK_EQ(device_region(&d, ~0U, &region), -EINVAL, "region 2^32 - 1");
}

/* The two calls that QEMU makes: how long is it, and what is it. */
static void test_sparse(void) {
        char buf[256] = {};
        struct vfio_region_info *info = (void *)buf;
        struct vfio_region_info_cap_sparse_mmap *sparse;

        info->argsz = sizeof(*info);
        CHECK_EQ(ioctl(d.fd, VFIO_DEVICE_GET_REGION_INFO, info), 0, "info without room for more");
        CHECK(info->flags & VFIO_REGION_INFO_FLAG_CAPS, "there is more");
        CHECK(info->argsz == sizeof(*info) + sizeof(*sparse) + sizeof(sparse->areas[0]) &&
              info->cap_offset == 0, "and how much: %u", info->argsz);
        CHECK_EQ(ioctl(d.fd, VFIO_DEVICE_GET_REGION_INFO, info), 0, "info with room");
        CHECK_EQ(info->cap_offset, sizeof(*info), "offset of the capability");
        sparse = (void *)(buf + info->cap_offset);
        CHECK(sparse->header.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP && sparse->nr_areas == 1 &&
              sparse->areas[0].offset == 0 && sparse->areas[0].size == 3 * MIB,
              "3 MiB of it may be mapped");
}

static void test_config(void) {
        uint8_t all[256], bytes[8];

        CHECK_EQ(pread(d.fd, all, 256, (off_t)at(7, 0)), 256, "all of config space");
        CHECK_EQ(config(PCI_VENDOR_ID), 0x11101af4, "ids: those of the parent");
        CHECK_EQ(all[PCI_HEADER_TYPE], 0, "header type");
        CHECK_EQ(all[PCI_INTERRUPT_PIN], 0, "interrupt pin");
        CHECK_EQ(config(PCI_COMMAND) & 0xffff, 0, "command after open");
        CHECK_EQ(config(PCI_BASE_ADDRESS_0), PCI_BASE_ADDRESS_MEM_TYPE_64, "BAR 0: 64 bit");

        set_config(PCI_BASE_ADDRESS_0, ~0U, 4);
        set_config(PCI_BASE_ADDRESS_1, ~0U, 4);
        CHECK_EQ(config(PCI_BASE_ADDRESS_0), 0xffc00004, "its size is 4 MiB");
        CHECK_EQ(config(PCI_BASE_ADDRESS_1), 0xffffffff, "  upper half");
        set_config(PCI_BASE_ADDRESS_0, 0xfe412345, 4);
        set_config(PCI_BASE_ADDRESS_1, 0x12, 4);
        CHECK_EQ(config(PCI_BASE_ADDRESS_0), 0xfe400004, "an address, rounded down");
        CHECK_EQ(config(PCI_BASE_ADDRESS_1), 0x12, "  upper half");
        for (unsigned bar = 2; bar < 6; bar++) {
                set_config(PCI_BASE_ADDRESS_0 + 4 * bar, ~0U, 4);
                CHECK_EQ(config(PCI_BASE_ADDRESS_0 + 4 * bar), 0, "an absent BAR stays zero");
        }
        set_config(PCI_ROM_ADDRESS, ~0U, 4);
        CHECK_EQ(config(PCI_ROM_ADDRESS), 0, "there is no ROM");

        set_config(PCI_VENDOR_ID, 0, 4);
        set_config(PCI_STATUS, 0xffff, 2);
        set_config(PCI_CAPABILITY_LIST, 0xff, 1);
        CHECK_EQ(config(PCI_VENDOR_ID), 0x11101af4, "ids cannot be written");
        CHECK_EQ(config(PCI_COMMAND) >> 16, PCI_STATUS_CAP_LIST, "nor status");
        set_config(PCI_COMMAND, 0xffff, 2);
        CHECK_EQ(config(PCI_COMMAND) & 0xffff, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
                 PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE, "command");
        set_config(PCI_INTERRUPT_LINE, 0xab, 1);
        CHECK_EQ(config(PCI_INTERRUPT_LINE), 0xab, "interrupt line");
        set_config(PCI_BASE_ADDRESS_0 + 2, 0xabcd, 2);
        CHECK_EQ(config(PCI_BASE_ADDRESS_0), 0xabc00004, "half a BAR");
        set_config(PCI_BASE_ADDRESS_0 + 3, 0x11, 1);
        CHECK_EQ(config(PCI_BASE_ADDRESS_0), 0x11c00004, "a byte of a BAR");

        CHECK_EQ(pread(d.fd, bytes, 8, (off_t)at(7, 252)), 4, "read over the end is cut");
        CHECK_EQ(pwrite(d.fd, bytes, 8, (off_t)at(7, 252)), 4, "write over the end is cut");
        CHECK(pread(d.fd, bytes, 1, (off_t)at(7, 256)) < 0 && errno == EINVAL, "read past the end");
        CHECK(pwrite(d.fd, bytes, 1, (off_t)at(7, 256)) < 0 && errno == EINVAL, "write past it");
        CHECK_EQ(pread(d.fd, all, 0, (off_t)at(7, 256)), 0, "nothing, past the end");
        CHECK(pread(d.fd, nowhere, 4, (off_t)at(7, 0)) < 0 && errno == EFAULT, "read to NULL");

        CHECK_EQ(ioctl(d.fd, VFIO_DEVICE_RESET), 0, "reset");
        CHECK_EQ(config(PCI_COMMAND) & 0xffff, 0, "command after reset");
        CHECK_EQ(config(PCI_BASE_ADDRESS_0), PCI_BASE_ADDRESS_MEM_TYPE_64, "BAR after reset");

        /* not one bit of all this reached the parent */
        char path[128];
        uint8_t real[2];
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", p0);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        CHECK_EQ(pread(fd, real, 2, PCI_COMMAND), 2, "the parent's own command register");
        CHECK_EQ((real[0] | real[1] << 8) & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER),
                 PCI_COMMAND_MEMORY, "  memory on, bus master off");
        close(fd);
}

static void test_bar(void) {
        uint8_t out[64], in[64];
        char *big = malloc(MIB);
        int bad = 0;

        for (unsigned i = 0; i < sizeof(out); i++)
                out[i] = (uint8_t)(i * 7 + 1);
        for (unsigned offset = 0; offset < 16; offset++)
                for (unsigned length = 1; length <= 17; length++) {
                        uint64_t pos = at(0, 4096 - 8 + offset);

                        memset(in, 0, sizeof(in));
                        bad += pwrite(d.fd, out + offset, length, (off_t)pos) != (ssize_t)length;
                        bad += pread(d.fd, in, length, (off_t)pos) != (ssize_t)length;
                        bad += memcmp(in, out + offset, length) != 0;
                }
        CHECK_EQ(bad, 0, "BAR: reads and writes of all sizes and alignments that failed");

        CHECK_EQ(pwrite(d.fd, out, 8, (off_t)at(0, 3 * MIB - 4)), 8, "write into the padding");
        CHECK_EQ(pread(d.fd, in, 8, (off_t)at(0, 3 * MIB - 4)), 8, "read of the padding");
        CHECK(memcmp(in, out, 4) == 0 && memcmp(in + 4, "\xff\xff\xff\xff", 4) == 0,
              "it swallows writes and reads as ones");
        CHECK_EQ(pread(d.fd, in, 64, (off_t)at(0, 4 * MIB - 4)), 4, "read over the end is cut");
        CHECK(pread(d.fd, in, 1, (off_t)at(0, 4 * MIB)) < 0 && errno == EINVAL, "past the end");
        CHECK(pread(d.fd, in, 1, (off_t)at(1, 0)) < 0 && errno == EINVAL, "an absent BAR");
        CHECK(pread(d.fd, in, 1, (off_t)at(8, 0)) < 0 && errno == EINVAL, "VGA");
        CHECK(pread(d.fd, in, 1, (off_t)at(9, 0)) < 0 && errno == EINVAL, "a region too many");
        CHECK(pread(d.fd, in, 1, INT64_MAX) < 0 && errno == EINVAL, "the last offset of all");
        CHECK(pread(d.fd, in, 1, -1) < 0 && errno == EINVAL, "a negative offset");
        CHECK_EQ(pread(d.fd, big, MIB, (off_t)at(0, 0)), MIB, "a megabyte at once");
        CHECK(pwrite(d.fd, nowhere, 8, (off_t)at(0, 0)) < 0 && errno == EFAULT, "write from NULL");

        /* the BAR itself as the buffer: no lock may be held over the copy */
        char *map = device_map(&d, 0, MIB, MIB);
        CHECK_EQ(pread(d.fd, map, 4096, (off_t)at(0, 0)), 4096, "read of a BAR into itself");
        CHECK_EQ(pwrite(d.fd, map + 8192, 4096, (off_t)at(0, 0)), 4096, "write from itself");
        CHECK(memcmp(map, big, 4096) == 0, "what was read is right");
        munmap(map, MIB);
        free(big);
}

static int fired(int fd) {
        uint64_t n = 0;

        return read(fd, &n, sizeof(n)) == sizeof(n) ? (int)n : 0;
}

static void test_irqs(void) {
        const uint32_t trigger = VFIO_IRQ_SET_ACTION_TRIGGER;
        const uint32_t event = VFIO_IRQ_SET_DATA_EVENTFD | trigger;
        const uint32_t none = VFIO_IRQ_SET_DATA_NONE | trigger;
        const uint32_t boolean = VFIO_IRQ_SET_DATA_BOOL | trigger;
        static const uint32_t counts[] = { 0, 0, 0, 1, 1 };
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), off = -1, wrong = open("/dev/null", 0);
        uint8_t yes = 1, no = 0;

        for (uint32_t i = 0; i < 6; i++) {
                struct vfio_irq_info info = { .argsz = sizeof(info), .index = i };
                int r = ioctl(d.fd, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 ? -errno : 0;

                CHECK_EQ(r, i < 5 ? 0 : -EINVAL, "irq info");
                if (i < 5)
                        CHECK_EQ(info.count, counts[i], "  count");
        }
        for (uint32_t i = VFIO_PCI_ERR_IRQ_INDEX; i <= VFIO_PCI_REQ_IRQ_INDEX; i++) {
                CHECK_EQ(device_irq(&d, i, none, 1, NULL, 0), 0, "fire with no eventfd");
                CHECK_EQ(device_irq(&d, i, event, 1, &wrong, 4), -EINVAL, "an fd of another kind");
                CHECK_EQ(device_irq(&d, i, event, 1, &fd, 4), 0, "set an eventfd");
                CHECK_EQ(device_irq(&d, i, none, 1, NULL, 0), 0, "fire it");
                CHECK_EQ(fired(fd), 1, "  it was");
                CHECK_EQ(device_irq(&d, i, boolean, 1, &yes, 1), 0, "fire it by a bool");
                CHECK_EQ(fired(fd), 1, "  it was");
                CHECK_EQ(device_irq(&d, i, boolean, 1, &no, 1), 0, "do not fire it");
                CHECK_EQ(fired(fd), 0, "  it was not");
                CHECK_EQ(device_irq(&d, i, event, 2, (int[]){ fd, fd }, 8), -EINVAL, "two of one");
                CHECK_EQ(device_irq(&d, i, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, 1,
                                    NULL, 0), -ENOTTY, "mask it");
                CHECK_EQ(device_irq(&d, i, event, 1, &off, 4), 0, "take it away");
                CHECK_EQ(device_irq(&d, i, none, 1, NULL, 0), 0, "fire nothing");
                CHECK_EQ(fired(fd), 0, "  it was not");
                CHECK_EQ(device_irq(&d, i, event, 1, &fd, 4), 0, "set it again");
                CHECK_EQ(device_irq(&d, i, none, 0, NULL, 0), 0, "disable all");
        }
        CHECK_EQ(device_irq(&d, VFIO_PCI_INTX_IRQ_INDEX, event, 1, &fd, 4), -EINVAL, "no INTx");
        CHECK_EQ(device_irq(&d, VFIO_PCI_MSIX_IRQ_INDEX, event, 1, &fd, 4), -EINVAL, "no MSI-X");
        CHECK_EQ(device_irq(&d, 5, event, 1, &fd, 4), -EINVAL, "an index too many");
        CHECK_EQ(device_irq(&d, ~0U, event, 1, &fd, 4), -EINVAL, "index 2^32 - 1");
        close(wrong);
        close(fd);
}

static void test_attributes(int ctl) {
        char text[256];

        MUST(mdev_attr(UUID(20), "extents", text, sizeof(text)));
        CHECK(strcmp(text, "0 2 0x400000 0x300000\n") == 0, "extents: %.*s",
              (int)strcspn(text, "\n"), text);
        MUST(mdev_attr(UUID(20), "owner", text, sizeof(text)));
        CHECK(strcmp(text, "tester\n") == 0, "owner: %.*s", (int)strcspn(text, "\n"), text);
        MUST(mdev_attr(UUID(20), "state", text, sizeof(text)));
        CHECK(strcmp(text, "live\n") == 0, "state: %.*s", (int)strcspn(text, "\n"), text);
        MUST(mdev_attr(UUID(20), "opened", text, sizeof(text)));
        CHECK(strcmp(text, "1\n") == 0, "opened: %.*s", (int)strcspn(text, "\n"), text);
        MUST(mdev_attr(UUID(20), "mapped", text, sizeof(text)));
        CHECK(strcmp(text, "0\n") == 0, "mapped: %.*s", (int)strcspn(text, "\n"), text);
        MUST(mdev_attr(UUID(20), "faults", text, sizeof(text)));
        CHECK(atoi(text) > 0, "faults: %.*s", (int)strcspn(text, "\n"), text);
        MUST(mdev_attr(UUID(20), "insertions", text, sizeof(text)));
        CHECK(atoi(text) > 0, "insertions: %.*s", (int)strcspn(text, "\n"), text);
        CHECK(access("/sys/bus/mdev/drivers/mdevd_mdev/unbind", F_OK) < 0, "no unbind of an mdev");

        /* a second descriptor */
        int fd = ioctl(d.group, VFIO_GROUP_GET_DEVICE_FD, UUID(20));
        struct mdevd_device_record record;
        MUST(ctl_device(ctl, UUID(20), &record, NULL, NULL));
        CHECK(fd >= 0 && record.opened == 2, "two descriptors: %u", record.opened);
        close(fd);
        MUST(ctl_device(ctl, UUID(20), &record, NULL, NULL));
        CHECK_EQ(record.opened, 1, "one again");
}

int main(void) {
        int ctl = (int)MUST(ctl_open(O_RDWR));

        p0 = parent_name(0);
        MUST(bind_parent(p0));
        MUST(standard_parent(ctl, p0));
        MUST(mdev_make(ctl, p0, "3M", UUID(20), 4 * MIB, 3 * MIB));
        MUST(device_open(&d, UUID(20)));
        test_info();
        test_sparse();
        test_config();
        test_bar();
        test_irqs();
        test_attributes(ctl);
        device_close(&d);
        return check_done();
}

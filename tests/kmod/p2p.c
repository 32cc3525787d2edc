/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VMM that has a real device beside ours asks VFIO to let that one reach our BAR by DMA. It must
 * be refused: nothing that is taken back later would reach an IOMMU's tables.
 */
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib.h"

#define IOVA (4ULL << 30)
#define LENGTH (8 * MIB)

static const char *p0, *p1;
static int ctl;

/* Puts the group of a function that vfio-pci drives into the container of another device. */
static int join(const struct device *d, const char *function) {
        char path[256], target[256];
        ssize_t n;
        int group;

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", function);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
        group = open(path, O_RDWR | O_CLOEXEC);
        if (group < 0)
                return -errno;
        return ioctl(group, VFIO_GROUP_SET_CONTAINER, &d->container) < 0 ? -errno : group;
}

static int map_dma(const struct device *d, void *at, uint64_t length) {
        struct vfio_iommu_type1_dma_map arg = {
                .argsz = sizeof(arg),
                .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                .vaddr = (uintptr_t)at,
                .iova = IOVA,
                .size = length,
        };

        return ioctl(d->container, VFIO_IOMMU_MAP_DMA, &arg) < 0 ? -errno : 0;
}

static int unmap_dma(const struct device *d, uint64_t length) {
        struct vfio_iommu_type1_dma_unmap arg = {
                .argsz = sizeof(arg), .iova = IOVA, .size = length,
        };

        return ioctl(d->container, VFIO_IOMMU_UNMAP_DMA, &arg) < 0 ? -errno : 0;
}

static void test(const char *type, const char *uuid) {
        struct device d;
        char *ram, *map;
        int group;

        MUST(mdev_make(ctl, p0, type, uuid, 0, LENGTH));
        MUST(device_open(&d, uuid));
        group = (int)MUST(join(&d, p1));
        ram = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK_EQ(map_dma(&d, ram, LENGTH), 0, "(memory can be mapped for the other device)");
        CHECK_EQ(unmap_dma(&d, LENGTH), 0, "(and unmapped)");

        map = device_map(&d, 0, 0, LENGTH);
        CHECK_EQ(map_dma(&d, map, LENGTH), -EFAULT, "the BAR cannot, untouched");
        for (uint64_t at = 0; at < LENGTH; at += 4096)
                *(volatile uint64_t *)(map + at) = at + 1;
        CHECK_EQ(map_dma(&d, map, LENGTH), -EFAULT, "nor when its pages are there");
        CHECK_EQ(map_dma(&d, map + MIB, 4096), -EFAULT, "nor one page of it");
        CHECK_EQ(map_dma(&d, ram, LENGTH), 0, "(the address is still free)");
        CHECK_EQ(unmap_dma(&d, LENGTH), 0, "(and unmapped)");
        for (uint64_t at = 0; at < LENGTH; at += 4096)
                if (*(volatile uint64_t *)(map + at) != at + 1)
                        CHECK(false, "the BAR has changed at %#llx", (unsigned long long)at);

        munmap(map, LENGTH);
        munmap(ram, LENGTH);
        close(group);
        device_close(&d);
        MUST(mdev_remove(uuid));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_GONE, uuid));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, uuid));
}

int main(void) {
        p0 = parent_name(0);
        p1 = parent_name(1);
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(bind_parent(p0));
        MUST(standard_parent(ctl, p0));
        test("8M", UUID(01));
        test("8M-eager", UUID(02));
        return check_done();
}

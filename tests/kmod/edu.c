/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the test programs of vendors share; see edu.h.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "edu.h"

const char *card_name(void) {
        const char *name = getenv("MDEVD_CARD");

        if (!name) {
                fprintf(stderr, "MDEVD_CARD is not set\n");
                exit(1);
        }
        return name;
}

const char *card_engine_name(void) {
        static char name[32];

        snprintf(name, sizeof(name), "%s", card_name());
        name[strlen(name) - 1] = '1';
        return name;
}

int card_configure(int ctl, const char *vendor) {
        static const struct mdevd_pool pool = {
                .name = "mem", .bar = 2, .length = 16 * MIB,
        };
        static const struct mdevd_type types[] = {
                { .name = "64K", .vectors = 1, .bars[2] = { .length = 64 * KIB } },
                { .name = "1M", .vectors = 1, .bars[2] = { .length = MIB } },
        };
        struct mdevd_configure arg = {
                .size = sizeof(arg),
                .n_pools = 1,
                .pool_size = sizeof(pool),
                .n_types = ELEMENTS(types),
                .type_size = sizeof(*types),
                .pools = (uintptr_t)&pool,
                .types = (uintptr_t)types,
        };

        snprintf(arg.parent, sizeof(arg.parent), "%s", card_name());
        snprintf(arg.vendor, sizeof(arg.vendor), "%s", vendor);
        return ctl_call(ctl, MDEVD_CONFIGURE, &arg);
}

int card_make(int ctl, const char *type, const char *uuid, uint64_t offset, uint64_t length) {
        struct mdevd_extent e = { .bar = 2, .guest_bar = 2, .offset = offset, .length = length };
        int r = ctl_reserve(ctl, card_name(), type, uuid, &e, 1);

        return r < 0 ? r : mdev_create(card_name(), type, uuid);
}

int vmm_map_ram(struct vmm *vmm, uint32_t flags) {
        struct vfio_iommu_type1_dma_map map = {
                .argsz = sizeof(map),
                .flags = flags,
                .vaddr = (uintptr_t)vmm->ram,
                .iova = VMM_RAM,
                .size = vmm->ram_size,
        };

        return ioctl(vmm->d.container, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

int vmm_unmap_ram(struct vmm *vmm) {
        struct vfio_iommu_type1_dma_unmap unmap = {
                .argsz = sizeof(unmap),
                .iova = VMM_RAM,
                .size = vmm->ram_size,
        };

        return ioctl(vmm->d.container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0 ? -errno : 0;
}

int vmm_open(struct vmm *vmm, const char *uuid) {
        int r;

        *vmm = (struct vmm){ .ram_size = 64 * KIB };
        r = device_open(&vmm->d, uuid);
        if (r < 0)
                return r;
        vmm->ram = mmap(NULL, vmm->ram_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (vmm->ram == MAP_FAILED)
                return -errno;
        return vmm_map_ram(vmm, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
}

void vmm_close(struct vmm *vmm) {
        device_close(&vmm->d);
        munmap(vmm->ram, vmm->ram_size);
}

uint32_t edu_read(const struct vmm *vmm, uint32_t reg) {
        uint32_t value = 0;

        if (pread(vmm->d.fd, &value, sizeof(value), (off_t)(REGION(0) + reg)) != sizeof(value))
                CHECK(false, "read of register %#x: %s", reg, strerror(errno));
        return value;
}

void edu_write(const struct vmm *vmm, uint32_t reg, uint32_t value) {
        if (pwrite(vmm->d.fd, &value, sizeof(value), (off_t)(REGION(0) + reg)) != sizeof(value))
                CHECK(false, "write of register %#x: %s", reg, strerror(errno));
}

void edu_write64(const struct vmm *vmm, uint32_t reg, uint64_t value) {
        if (pwrite(vmm->d.fd, &value, sizeof(value), (off_t)(REGION(0) + reg)) != sizeof(value))
                CHECK(false, "write of register %#x: %s", reg, strerror(errno));
}

uint32_t edu_submit(const struct vmm *vmm, uint32_t command, uint64_t ram, uint64_t card,
                    uint32_t length) {
        edu_write64(vmm, EDU_RAM, ram);
        edu_write64(vmm, EDU_CARD, card);
        edu_write(vmm, EDU_LENGTH, length);
        edu_write(vmm, EDU_COMMAND, command);
        return edu_read(vmm, EDU_ERROR);
}

uint32_t edu_drain(const struct vmm *vmm) {
        /* a job takes 0.3 s and tells by an interrupt, which tests of its own look at */
        while (edu_read(vmm, EDU_PENDING) > 0)
                usleep(10000);
        return edu_read(vmm, EDU_FAILED);
}

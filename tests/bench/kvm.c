/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A KVM machine, of one vCPU or more, in 32-bit mode without paging and with six instructions of
 * guest code: every access of it to the BAR goes through KVM's page tables and nothing else does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm.h>
#include "kvm.h"

#define RAM_SIZE (1UL << 20)
#define CODE 0x1000
#define PORT 0x10

/* 1: inc dword [ebx]; add ebx, edx; dec ecx; jnz 1b; out PORT, al */
static const uint8_t code[] = { 0xff, 0x03, 0x01, 0xd3, 0x49, 0x75, 0xf9, 0xe6, PORT };

static int set_memory(struct machine *m, uint32_t slot, uint64_t guest, void *at, uint64_t size) {
        struct kvm_userspace_memory_region region = {
                .slot = slot,
                .guest_phys_addr = guest,
                .memory_size = size,
                .userspace_addr = (uintptr_t)at,
        };

        return ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

static int set_mode(struct machine *m) {
        struct kvm_segment flat = {
                .limit = UINT32_MAX, .selector = 8, .type = 11, .present = 1, .db = 1, .s = 1,
                .g = 1,
        };
        struct kvm_sregs sregs;

        if (ioctl(m->vcpu, KVM_GET_SREGS, &sregs) < 0)
                return -errno;
        sregs.cs = flat;
        flat.type = 3;
        flat.selector = 16;
        sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = flat;
        sregs.cr0 |= 1;
        return ioctl(m->vcpu, KVM_SET_SREGS, &sregs) < 0 ? -errno : 0;
}

static int make_vcpu(struct machine *m, unsigned number) {
        int size;

        m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, number);
        size = ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
        if (m->vcpu < 0 || size < 0)
                return -errno;
        m->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
        m->stats = ioctl(m->vcpu, KVM_GET_STATS_FD, NULL);
        if (m->run == MAP_FAILED || m->stats < 0)
                return -errno;
        return set_mode(m);
}

int machine_join(struct machine *m, const struct machine *first, unsigned number) {
        *m = (struct machine){ .vcpu = -1, .stats = -1 };
        m->kvm = dup(first->kvm);
        m->vm = dup(first->vm);
        return m->kvm < 0 || m->vm < 0 ? -errno : make_vcpu(m, number);
}

int machine_init(struct machine *m, void *bar, uint64_t length) {
        int r;

        *m = (struct machine){ .kvm = -1, .vm = -1, .vcpu = -1, .stats = -1 };
        m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        m->vm = m->kvm < 0 ? -1 : ioctl(m->kvm, KVM_CREATE_VM, 0);
        if (m->vm < 0)
                return -errno;
        m->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (m->ram == MAP_FAILED)
                return -errno;
        memcpy(m->ram + CODE, code, sizeof(code));
        r = set_memory(m, 0, 0, m->ram, RAM_SIZE);
        if (r == 0)
                r = set_memory(m, 1, GUEST_BAR, bar, length);
        return r < 0 ? r : make_vcpu(m, 0);
}

void machine_done(struct machine *m) {
        int size = m->kvm < 0 ? -1 : ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
        int fds[] = { m->stats, m->vcpu, m->vm, m->kvm };

        if (m->run && m->run != MAP_FAILED && size > 0)
                munmap(m->run, (size_t)size);
        if (m->ram && m->ram != MAP_FAILED)
                munmap(m->ram, RAM_SIZE);
        for (int i = 0; i < 4; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
}

int machine_touch(struct machine *m, uint64_t offset, uint32_t count, uint32_t stride) {
        struct kvm_regs regs = {
                .rip = CODE, .rflags = 2, .rbx = GUEST_BAR + offset, .rcx = count, .rdx = stride,
        };

        if (ioctl(m->vcpu, KVM_SET_REGS, &regs) < 0)
                return -errno;
        while (ioctl(m->vcpu, KVM_RUN, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (m->run->exit_reason == KVM_EXIT_IO && m->run->io.port == PORT)
                return 0;
        fprintf(stderr, "# a vCPU ended for another reason: %u (KVM_EXIT_*)\n",
                m->run->exit_reason);
        if (m->run->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
                fprintf(stderr, "# KVM_INTERNAL_ERROR_* %u:", m->run->internal.suberror);
                for (uint32_t i = 0; i < m->run->internal.ndata && i < 16; i++)
                        fprintf(stderr, " %llx", (unsigned long long)m->run->internal.data[i]);
                fprintf(stderr, "\n");
        }
        return -EIO;
}

static uint64_t read_stat(struct machine *m, const struct kvm_stats_header *header,
                          const char *name) {
        size_t size = sizeof(struct kvm_stats_desc) + header->name_size;
        char buf[sizeof(struct kvm_stats_desc) + 256];
        const struct kvm_stats_desc *desc = (const void *)buf;
        uint64_t value = UINT64_MAX;

        if (size > sizeof(buf))
                return value;
        for (uint32_t i = 0; i < header->num_desc; i++) {
                if (pread(m->stats, buf, size, (off_t)(header->desc_offset + i * size)) !=
                    (ssize_t)size)
                        break;
                if (strcmp(buf + sizeof(*desc), name) != 0)
                        continue;
                if (pread(m->stats, &value, sizeof(value),
                          (off_t)(header->data_offset + desc->offset)) == sizeof(value))
                        return value;
        }
        return UINT64_MAX;
}

int machine_exits(struct machine *m, struct exits *exits) {
        struct kvm_stats_header header;

        if (pread(m->stats, &header, sizeof(header), 0) != sizeof(header))
                return -EIO;
        exits->all = read_stat(m, &header, "exits");
        exits->mmio = read_stat(m, &header, "mmio_exits");
        exits->faults = read_stat(m, &header, "pf_taken");
        return exits->all == UINT64_MAX || exits->mmio == UINT64_MAX ||
               exits->faults == UINT64_MAX ? -ENOENT : 0;
}

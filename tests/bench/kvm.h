/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm.h: the smallest machine there is, with one BAR, and what KVM counts about it. */
#pragma once

#include <stdint.h>

#define GUEST_BAR 0x40000000U

struct machine {
        int kvm;
        int vm;
        int vcpu;
        int stats;
        struct kvm_run *run;
        uint8_t *ram;
};

/* What KVM says of the vCPU so far. */
struct exits {
        uint64_t all;
        uint64_t mmio;
        uint64_t faults;
};

int machine_init(struct machine *m, void *bar, uint64_t length);
/* Another vCPU of the same machine, NUMBER of 1 and more; ends with machine_done() too. */
int machine_join(struct machine *m, const struct machine *first, unsigned number);
void machine_done(struct machine *m);
/* the guest increments COUNT dwords, STRIDE bytes apart, from OFFSET of the BAR on */
int machine_touch(struct machine *m, uint64_t offset, uint32_t count, uint32_t stride);
int machine_exits(struct machine *m, struct exits *exits);

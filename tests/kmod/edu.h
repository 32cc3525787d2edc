/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A card of two functions with kmod/vendor/mdevd_edu.ko, and a VMM of one of its devices that has
 * RAM of its own: what the test programs of vendors share.
 */
#pragma once

#include "lib.h"

/* kmod/vendor/README.md has the register page. */
#define EDU_PAGE (4 * KIB)
#define EDU_WINDOWS 4
#define EDU_JOB_MAX 2048
#define EDU_QUEUE_MAX 16
enum edu_reg {
        EDU_ID = 0x00,
        EDU_VERSION = 0x04,
        EDU_SIZE = 0x08,
        EDU_PENDING = 0x1c,
        EDU_RAM = 0x20,
        EDU_CARD = 0x28,
        EDU_LENGTH = 0x30,
        EDU_COMMAND = 0x34,
        EDU_ERROR = 0x38,
        EDU_SUBMITTED = 0x3c,
        EDU_COMPLETED = 0x40,
        EDU_FAILED = 0x44,
        EDU_RESULT = 0x48,
        EDU_IRQ = 0x4c,
        EDU_WINDOW = 0x80,
};
enum { EDU_TO_CARD = 1, EDU_FROM_CARD = 2 };
enum { EDU_OK, EDU_NO_COMMAND, EDU_NO_LENGTH, EDU_NO_RANGE, EDU_FULL, EDU_STOPPED };
enum { EDU_DONE, EDU_NO_MEMORY, EDU_NO_ENGINE };

/* A device as its VMM has it: RAM at guest physical address 0x100000. */
struct vmm {
        struct device d;
        uint8_t *ram;
        uint64_t ram_size;
};

#define VMM_RAM 0x100000ULL

const char *card_name(void);
const char *card_engine_name(void);
/* BAR 2 with pools as the caller says; types "64K" and "1M" have one BAR 2 of that size. */
int card_configure(int ctl, const char *vendor);
int card_make(int ctl, const char *type, const char *uuid, uint64_t offset, uint64_t length);

int vmm_open(struct vmm *vmm, const char *uuid);
void vmm_close(struct vmm *vmm);
int vmm_map_ram(struct vmm *vmm, uint32_t flags);
int vmm_unmap_ram(struct vmm *vmm);

uint32_t edu_read(const struct vmm *vmm, uint32_t reg);
void edu_write(const struct vmm *vmm, uint32_t reg, uint32_t value);
void edu_write64(const struct vmm *vmm, uint32_t reg, uint64_t value);
/* Gives a job to the engine and returns what the register ERROR says. */
uint32_t edu_submit(const struct vmm *vmm, uint32_t command, uint64_t ram, uint64_t card,
                    uint32_t length);
/* Waits until nothing is pending; returns how many jobs have failed so far. */
uint32_t edu_drain(const struct vmm *vmm);

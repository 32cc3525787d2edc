/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns the page tables: PAE with 2 MiB pages, all of the lower 4 GiB as it is, except a window of
 * 2 GiB which shows any physical address. Firmware may put a 64-bit BAR above 4 GiB.
 */
#include "guest.h"

#define PAGE_SHIFT 21
#define ENTRY_PRESENT 0x001
#define ENTRY_WRITE 0x002
#define ENTRY_UNCACHED 0x018 /* PWT and PCD */
#define ENTRY_LARGE 0x080
#define CR0_PAGING 0x80000000U
#define CR4_PAE 0x20U

static uint64_t directories[4][512] __attribute__((aligned(4096)));
static uint64_t pointers[4] __attribute__((aligned(32)));

static void load_tables(void)
{
        __asm__ volatile("movl %0, %%cr3" : : "r"(pointers) : "memory");
}

void memory_init(void)
{
        uint32_t cr0, cr4;

        for (unsigned i = 0; i < 4; i++) {
                for (unsigned k = 0; k < 512; k++)
                        directories[i][k] = ((uint64_t) (i * 512 + k) << PAGE_SHIFT) | ENTRY_LARGE |
                                            ENTRY_WRITE | ENTRY_PRESENT;
                pointers[i] = (uint32_t) directories[i] | ENTRY_PRESENT;
        }
        load_tables();
        __asm__ volatile("movl %%cr4, %0" : "=r"(cr4));
        __asm__ volatile("movl %0, %%cr4" : : "r"(cr4 | CR4_PAE));
        __asm__ volatile("movl %%cr0, %0" : "=r"(cr0));
        __asm__ volatile("movl %0, %%cr0" : : "r"(cr0 | CR0_PAGING) : "memory");
}

static volatile uint8_t *show(uint32_t at, uint32_t size, uint64_t address)
{
        uint64_t page = address >> PAGE_SHIFT;
        unsigned first = at >> PAGE_SHIFT, n = size >> PAGE_SHIFT;

        for (unsigned i = 0; i < n; i++)
                directories[(first + i) / 512][(first + i) % 512] =
                        (page + i) << PAGE_SHIFT | ENTRY_LARGE | ENTRY_UNCACHED | ENTRY_WRITE |
                        ENTRY_PRESENT;
        load_tables();
        return (volatile uint8_t *) (at + (uint32_t) (address & ((1U << PAGE_SHIFT) - 1)));
}

volatile uint8_t *memory_window(uint64_t address)
{
        return show(WINDOW_BASE, WINDOW_SIZE - SMALLS * SMALL_SIZE, address);
}

volatile uint8_t *memory_small(enum small which, uint64_t address)
{
        return show(WINDOW_BASE + WINDOW_SIZE - (which + 1) * SMALL_SIZE, SMALL_SIZE, address);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Buffers for system calls: an arena whose end touches memory that is not there, a page that is
 * only readable, and addresses that no user may pass. Knows of each what a call can do with it.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include "ioctl.h"

#define ARENA (16 * PAGE)
#define GUARD 0x5a

#define MOAT (4 * PAGE) /* without access, on both sides: nothing else of ours may be that near */

static uint8_t *arena;    /* ARENA bytes */
static uint8_t *constant; /* one page, read-only */

static uint8_t *map(size_t size) {
        uint8_t *at = mmap(NULL, size + 2 * MOAT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        EXPECT(at != MAP_FAILED && mprotect(at + MOAT, size, PROT_READ | PROT_WRITE) == 0,
               "no memory for buffers");
        return at + MOAT;
}

void memory_init(void) {
        arena = map(ARENA);
        constant = map(PAGE);
        memset(arena, GUARD, ARENA);
        mprotect(constant, PAGE, PROT_READ);
}

static bool within(uint64_t addr, uint64_t size, const uint8_t *base, uint64_t room) {
        return addr >= (uintptr_t)base && addr - (uintptr_t)base <= room &&
               size <= room - (addr - (uintptr_t)base);
}

bool memory_reaches(uint64_t addr, uint64_t size, enum reach reach) {
        return within(addr, size, arena, ARENA) ||
               (reach == REACH_READ && within(addr, size, constant, PAGE));
}

bool memory_zero(uint64_t addr, uint64_t size) {
        const uint8_t *at = (const uint8_t *)(uintptr_t)addr;

        for (uint64_t i = 0; i < size; i++)
                if (at[i])
                        return false;
        return true;
}

uint64_t memory_hostile(void) {
        static const uint64_t table[] = {
                0, 1, 8, 4095,
                0xffff888000000000, /* the kernel's map of all memory */
                0xffffffff81000000, /* its text */
                0xffffffffff600000, /* vsyscall */
                0x00007ffffffff000, /* the last page that a user could have */
                0x0000800000000000, /* not canonical */
                UINT64_MAX, UINT64_MAX - 7,
        };
        uint64_t pick = rnd_below(16);

        if (pick < ELEMENTS(table))
                return table[pick];
        if (pick == 11)
                return (uintptr_t)constant + rnd_below(PAGE + 64);
        if (pick == 12)
                return (uintptr_t)arena - rnd_below(2 * PAGE);
        /* the last bytes before the hole */
        return (uintptr_t)arena + ARENA - rnd_below(160);
}

/* Placed so that it often ends where the memory ends. What is around it is a guard. */
uint64_t memory_good(const void *data, size_t size) {
        uint8_t *at = arena + ARENA - size;

        if (size > ARENA)
                bad("a buffer of %zu bytes is too large for the fuzzer", size);
        if (rnd_chance(2))
                at = arena + rnd_below(ARENA - size + 1);
        if (data)
                memcpy(at, data, size);
        return (uintptr_t)at;
}

uint64_t memory_place(const void *data, size_t size) {
        uint64_t addr;

        if (!rnd_chance(6))
                return memory_good(data, size);
        addr = memory_hostile();
        if (data && memory_reaches(addr, size, REACH_WRITE))
                memcpy((void *)(uintptr_t)addr, data, size);
        return addr;
}

void memory_guards_check(void) {
        EXPECT(memory_zero((uintptr_t)constant, PAGE), "read-only memory has changed");
}

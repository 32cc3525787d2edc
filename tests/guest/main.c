/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns start and end of the nested guest: the boot loader's word, exceptions, and the loop that
 * takes a command or goes on hammering.
 */
#include "guest.h"

#define GATES 256
#define DEBUG_EXIT 0xf4   /* QEMU's isa-debug-exit */
#define RESET_CONTROL 0xcf9

struct boot_info {
        uint32_t flags;
        uint32_t mem_lower, mem_upper, boot_device;
        uint32_t command_line;
};

#define BOOT_HAS_COMMAND_LINE 0x4

struct gate {
        uint16_t low;
        uint16_t selector;
        uint16_t flags;
        uint16_t high;
};

struct __attribute__((packed)) table_pointer {
        uint16_t limit;
        uint32_t base;
};

void guest_main(const struct boot_info *boot);
void guest_exception(uint32_t vector, uint32_t error, uint32_t eip);

extern char vectors[];
static struct gate gates[GATES];

/* gcc may call these for copies and zeroing, freestanding or not */
void *memset(void *to, int c, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n);

void *memset(void *to, int c, size_t n)
{
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
        return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
        void *r = to;

        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
        return r;
}

void guest_quit(uint8_t code)
{
        outb(DEBUG_EXIT, code);
        outb(RESET_CONTROL, 0x06); /* without that device: reset, which -no-reboot makes the end */
        for (;;)
                __asm__ volatile("cli; hlt");
}

/* The frame is that of the stubs in start.S: a return address nobody uses, then these. */
void guest_exception(uint32_t vector, uint32_t error, uint32_t eip)
{
        uint32_t cr2;

        __asm__ volatile("movl %%cr2, %0" : "=r"(cr2));
        put("\nerr exception");
        put_field("vector", vector);
        put_field("error", error);
        put_field("eip", eip);
        put_field("cr2", cr2);
        put("\n");
        guest_quit(0x7f);
}

void gate_set(unsigned vector, uint32_t entry)
{
        gates[vector] =
                (struct gate){ (uint16_t) entry, 0x08, 0x8e00, (uint16_t) (entry >> 16) };
}

static void exceptions_init(void)
{
        struct table_pointer p = { sizeof gates - 1, (uint32_t) gates };

        for (unsigned i = 0; i < 32; i++)
                gate_set(i, (uint32_t) vectors + i * 16);
        __asm__ volatile("lidt %0" : : "m"(p));
}

void guest_main(const struct boot_info *boot)
{
        bool has = boot->flags & BOOT_HAS_COMMAND_LINE;
        char *line;

        console_init();
        exceptions_init();
        memory_init();
        irq_init();
        commands_init(has ? (const char *) boot->command_line : "");
        for (;;) {
                if (line_poll(&line))
                        command(line);
                else if (!commands_idle())
                        __asm__ volatile("pause");
        }
}

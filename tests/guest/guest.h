/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The nested guest: a freestanding program that QEMU boots in a moment, and that does to its mdev
 * what it is told to on the serial line. It stands for a virtual machine with a driver.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -- ports ------------------------------------------------------------------------------------- */

static inline void outb(uint16_t port, uint8_t v)
{
        __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
        __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
        __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
        uint8_t v;

        __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
        return v;
}

static inline uint16_t inw(uint16_t port)
{
        uint16_t v;

        __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
        return v;
}

static inline uint32_t inl(uint16_t port)
{
        uint32_t v;

        __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
        return v;
}

/* -- console.c: the serial line ---------------------------------------------------------------- */

void console_init(void);
void put_char(char c);
void put(const char *text);
void put_hex(uint64_t v);
void put_dec(uint32_t v);
/* A field of an answer: " name=0x…" */
void put_field(const char *name, uint64_t v);
/* Collects what has come in; true when there is a whole line, which stays valid until the next
 * call. */
bool line_poll(char **ret);

/* -- pci.c: finding the device, its BARs ------------------------------------------------------- */

#define BARS_MAX 6

struct bar {
        uint64_t address;
        uint64_t size; /* 0: there is no such BAR */
        bool is64;
        bool prefetch;
        bool io;
};

struct device {
        uint8_t bus;
        uint8_t slot;
        uint8_t function;
        uint16_t vendor;
        uint16_t id;
        uint32_t class; /* class, subclass, programming interface */
        struct bar bars[BARS_MAX];
};

uint32_t pci_read(const struct device *d, unsigned offset, unsigned width);
void pci_write(const struct device *d, unsigned offset, unsigned width, uint32_t value);
/* The n-th function on any bus. */
bool pci_nth(unsigned n, struct device *ret);
/* The first function with these ids; with vendor 0 the first that is not part of the chipset. */
bool pci_find(uint16_t vendor, uint16_t id, struct device *ret);
/* Addresses and sizes of the BARs as they are now; sizing writes to them and puts them back. */
void pci_read_bars(struct device *d);
void pci_enable_memory(const struct device *d);

/* -- memory.c: paging, so that a BAR above 4 GiB can be reached from 32-bit code --------------- */

#define WINDOW_BASE 0x40000000U
#define WINDOW_SIZE 0x80000000U

void memory_init(void);
/* Lets the window show physical memory from `address` on, uncached; returns where it is. */
volatile uint8_t *memory_window(uint64_t address);

/* At its end are windows of a size that suits registers, each with one use. */
#define SMALL_SIZE 0x400000U
enum small {
        SMALL_VECTORS,
        SMALL_EDU_REGISTERS,
        SMALL_EDU_SLICE,
        SMALLS,
};

/* The same in a small window: at least 2 MiB from `address` on. */
volatile uint8_t *memory_small(enum small which, uint64_t address);

/* RAM that the commands may use, as it is in the machine; from RAM_END on edu.c has some. */
#define RAM_BASE 0x1000000U
#define RAM_END 0x2000000U

/* -- text.c ------------------------------------------------------------------------------------ */

bool text_equal(const char *a, const char *b);
/* Splits in place at spaces. */
unsigned text_split(char *line, char **words, unsigned max);
/* 0x…, decimal, with a suffix K or M. */
bool text_number(const char *text, uint64_t *ret);
/* The value of `key=` on the command line, up to the next space. */
const char *text_option(const char *line, const char *key);

/* -- hammer.c: a load that checks itself ------------------------------------------------------- */

struct hammer {
        bool running;
        volatile uint32_t *base;
        uint32_t words;  /* of 32 bits, in the range */
        uint32_t at;     /* the next chunk's first word */
        uint32_t pass;   /* value written is a function of pass and index */
        uint32_t chunks; /* done so far */
        uint32_t errors;
        uint32_t first_error; /* word index */
        uint32_t first_got;
};

void hammer_start(struct hammer *h, volatile uint8_t *base, uint32_t size);
/* Does one chunk: verifies what the pass before left there, writes, verifies. */
void hammer_step(struct hammer *h);
void hammer_report(const struct hammer *h);

/*
 * -- irq.c: MSI-X -------------------------------------------------------------------------------
 */

#define IRQ_BASE 0x40 /* vector of the processor for the first of the device's */
#define IRQS_MAX 16

/* To be called last of all: interrupts are on after it. */
void irq_init(void);
/* Fills the device's table, unmasks all; returns how many there are, 0: none. */
unsigned irq_enable(const struct device *d);
/* How often the device's n-th interrupt has come. */
uint32_t irq_count(unsigned n);

/* -- edu.c: a device of mdevd_edu.ko ----------------------------------------------------------- */

/* `edu …`; false: it is not understood, and nothing was answered. */
bool edu_command(const struct device *d, char **words, unsigned n);
/* Goes on with the load, if there is one and an interrupt has come; false: nothing to do. */
bool edu_step(void);

/* -- commands.c -------------------------------------------------------------------------------- */

void commands_init(const char *command_line);
void command(char *line);
/* Work to do while no command is there; false: nothing. */
bool commands_idle(void);

/* -- main.c ------------------------------------------------------------------------------------ */

__attribute__((noreturn)) void guest_quit(uint8_t code);
void gate_set(unsigned vector, uint32_t entry);

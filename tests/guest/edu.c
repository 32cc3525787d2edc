/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns driving a device of mdevd_edu.ko, as its driver in a virtual machine would: single jobs, a
 * load of jobs that checks itself and waits for interrupts, and what a hostile driver would try.
 * kmod/vendor/README.md documents the registers.
 */
#include "guest.h"

#define PAGE 4096U
#define JOB_MAX 2048U
#define WINDOWS 4U
#define GUARD 16U /* bytes after a job's that must stay as they are */

#define REG_SIZE 0x08
#define REG_PENDING 0x1c
#define REG_RAM 0x20
#define REG_CARD 0x28
#define REG_LENGTH 0x30
#define REG_COMMAND 0x34
#define REG_ERROR 0x38
#define REG_COMPLETED 0x40
#define REG_FAILED 0x44
#define REG_RESULT 0x48
#define REG_IRQ 0x4c
#define REG_WINDOW 0x80

enum { TO_CARD = 1, FROM_CARD = 2 };

/* RAM of the load; what RAM_BASE..RAM_END has is the commands' */
#define SOURCE (RAM_END + 0x00000U)
#define TARGET (RAM_END + 0x10000U)

/* The chipset's register for RAM at 0xd0000: ROM and bus, or RAM to read and write. */
static const struct device chipset;
#define SHADOW_REGISTER 0x93
#define SHADOW_OFF 0x00
#define SHADOW_ON 0x33

struct load {
        bool running;
        uint32_t seed;
        uint32_t rounds;
        uint32_t errors;
        uint32_t command; /* of the job under way, 0: none */
        uint32_t irqs;    /* that had come when it was submitted */
        uint32_t card;
        uint32_t length;
        const char *first; /* what was wrong first, */
        uint32_t first_at; /* and where on the card */
};

static volatile uint32_t *regs;
static volatile uint8_t *slice;
static struct load load;

static uint32_t get(unsigned reg)
{
        return regs[reg / 4];
}

static void set(unsigned reg, uint32_t value)
{
        regs[reg / 4] = value;
}

static void set64(unsigned reg, uint64_t value)
{
        set(reg, (uint32_t) value);
        set(reg + 4, (uint32_t) (value >> 32));
}

static uint32_t submit(uint32_t command, uint64_t ram, uint64_t card, uint32_t length)
{
        set64(REG_RAM, ram);
        set64(REG_CARD, card);
        set(REG_LENGTH, length);
        set(REG_COMMAND, command);
        return get(REG_ERROR);
}

/* Of the BARs as they are now; the commands may have moved them. */
static void attach(const struct device *d)
{
        regs = (volatile uint32_t *) memory_small(SMALL_EDU_REGISTERS, d->bars[0].address);
        slice = memory_small(SMALL_EDU_SLICE, d->bars[2].address);
}

/* -- a load that checks itself ----------------------------------------------------------------- */

static uint32_t mix(uint32_t a, uint32_t b)
{
        uint32_t v = a * 2654435761U ^ b * 0x9e3779b9U;

        v ^= v >> 15;
        v *= 0x85ebca6bU;
        return v ^ v >> 13;
}

static uint8_t byte(uint32_t i)
{
        return (uint8_t) mix(load.seed + load.rounds, i);
}

/* What is there before a job writes, and after it where it must not. */
static uint8_t other_byte(uint32_t i)
{
        return (uint8_t) (byte(i) ^ 0xff);
}

static void wrong(const char *what, uint32_t at)
{
        if (load.errors++)
                return;
        load.first = what;
        load.first_at = at;
}

static void begin_job(uint32_t command)
{
        volatile uint8_t *target = (volatile uint8_t *) TARGET;

        for (uint32_t i = 0; i < load.length + GUARD; i++)
                target[i] = other_byte(i);
        load.irqs = irq_count(0);
        load.command = command;
        if (submit(command, command == TO_CARD ? SOURCE : TARGET, load.card, load.length)) {
                wrong("a job was refused", load.card);
                load.command = 0;
        }
}

static void begin_round(void)
{
        volatile uint8_t *source = (volatile uint8_t *) SOURCE;

        load.length = 1 + mix(load.rounds, load.seed) % JOB_MAX;
        load.card = mix(load.seed, ~load.rounds) % (get(REG_SIZE) - load.length + 1);
        for (uint32_t i = 0; i < load.length; i++)
                source[i] = byte(i);
        begin_job(TO_CARD);
}

/* What came to the card is there, by its memory and by a window that is bound only now. */
static void check_card(void)
{
        unsigned n = load.rounds % WINDOWS;
        volatile uint8_t *window = (volatile uint8_t *) regs + (1 + n) * PAGE;
        uint32_t end = PAGE - load.card % PAGE;

        for (uint32_t i = 0; i < load.length; i++)
                if (slice[load.card + i] != byte(i))
                        wrong("the card has something else", load.card + i);
        set(REG_WINDOW + 4 * n, load.card / PAGE);
        for (uint32_t i = 0; i < load.length && i < end; i++)
                if (window[load.card % PAGE + i] != byte(i))
                        wrong("the window shows something else", load.card + i);
}

static void check_ram(void)
{
        volatile uint8_t *target = (volatile uint8_t *) TARGET;

        for (uint32_t i = 0; i < load.length; i++)
                if (target[i] != byte(i))
                        wrong("something else came back", load.card + i);
        for (uint32_t i = load.length; i < load.length + GUARD; i++)
                if (target[i] != other_byte(i))
                        wrong("more came back", load.card + i);
}

/* A job's end is known by its interrupt, and by that alone. */
bool edu_step(void)
{
        uint32_t command = load.command;

        if (!command) {
                if (load.running)
                        begin_round();
                return load.running;
        }
        if (irq_count(0) == load.irqs)
                return false;
        load.irqs = irq_count(0);
        if (!(get(REG_IRQ) & 1))
                return false; /* of no job */
        set(REG_IRQ, 1);
        load.command = 0;
        if (get(REG_RESULT) || get(REG_PENDING))
                wrong("a job failed", load.card);
        if (command == TO_CARD) {
                check_card();
                begin_job(FROM_CARD);
        } else {
                check_ram();
                load.rounds++;
        }
        return true;
}

static void report(void)
{
        put(load.errors ? "err" : "ok");
        put(" rounds=");
        put_dec(load.rounds);
        put(" errors=");
        put_dec(load.errors);
        put(" busy=");
        put_dec(load.command != 0);
        if (load.errors) {
                put(" first=");
                put(load.first);
                put_field("at", load.first_at);
        }
        put("\n");
}

/* -- what a hostile driver would try ----------------------------------------------------------- */

/* One page number in window 0: is it taken, and does the window show `pattern`? */
static void scan_page(uint32_t page, uint32_t pattern, uint32_t *taken, uint32_t *foreign)
{
        volatile uint32_t *window = (volatile uint32_t *) ((volatile uint8_t *) regs + PAGE);

        set(REG_WINDOW, page);
        *taken += get(REG_ERROR) == 0;
        for (uint32_t i = 0; i < PAGE / 4; i += 64)
                *foreign += window[i] != pattern;
}

/* All pages that are there, as many after them, and each again with any of the higher bits. */
static void do_scan(uint32_t pattern)
{
        uint32_t pages = get(REG_SIZE) / PAGE, taken = 0, foreign = 0, tried = 0;

        for (uint32_t page = 0; page < 2 * pages; page++, tried++)
                scan_page(page, pattern, &taken, &foreign);
        for (uint32_t bit = 2 * pages; bit; bit <<= 1)
                for (uint32_t page = 0; page < 4; page++, tried += 2) {
                        scan_page(bit | page, pattern, &taken, &foreign);
                        scan_page(0U - bit + page, pattern, &taken, &foreign);
                }
        put("ok tried=");
        put_dec(tried);
        put(" taken=");
        put_dec(taken);
        put(" foreign=");
        put_dec(foreign);
        put("\n");
}

static uint32_t wild_value(uint32_t reg, uint32_t r)
{
        static const uint32_t edges[] = {
                0,     1,       2,        3,        0x7ff,      0x800,      0x801,      0xff,
                0x100, 0xfffff, 0x100000, 0x100001, 0x7fffffff, 0x80000000, 0xfff00000, 0xffffffff,
        };
        uint32_t v = r & 0x10000 ? edges[r & 15] : mix(r, reg);

        /* any RAM but the program's own, which it would not survive */
        if (reg == REG_RAM && v < TARGET)
                v += TARGET;
        return v;
}

/*
 * Anything into any register, of any width; a third of the values at the edges of what is lawful.
 */
static void do_wild(uint32_t seed, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                uint32_t r = mix(seed, i), reg = (r >> 17) % (r & 0x8000 ? PAGE : 0xa0) & ~3U;
                uint32_t v = wild_value(reg, mix(r, seed));

                if (r % 8 == 0)
                        ((volatile uint8_t *) regs)[reg + (r >> 5 & 3)] = (uint8_t) v;
                else if (r % 8 == 1)
                        ((volatile uint16_t *) regs)[reg / 2 + (r >> 5 & 1)] = (uint16_t) v;
                else if (r % 8 == 2)
                        (void) get(reg);
                else
                        set(reg, v);
        }
        put("ok\n");
}

/* RAM at 0xd0000 goes and comes until no job is pending: each time QEMU unmaps it, and maps it. */
static void do_storm(void)
{
        uint32_t n = 0;

        while (get(REG_PENDING))
                pci_write(&chipset, SHADOW_REGISTER, 1, n++ % 2 ? SHADOW_ON : SHADOW_OFF);
        pci_write(&chipset, SHADOW_REGISTER, 1, SHADOW_ON);
        put("ok times=");
        put_dec(n);
        put("\n");
}

/* -- the commands ------------------------------------------------------------------------------ */

static bool do_job(char **words, unsigned n)
{
        uint32_t command = text_equal(words[2], "to") ? TO_CARD : FROM_CARD;
        uint64_t ram, card, length;

        if (n != 6 || (command == FROM_CARD && !text_equal(words[2], "from")) ||
            !text_number(words[3], &ram) || !text_number(words[4], &card) ||
            !text_number(words[5], &length))
                return false;
        put("ok error=");
        put_dec(submit(command, ram, card, (uint32_t) length));
        put("\n");
        return true;
}

static void do_wait(void)
{
        while (get(REG_PENDING))
                __asm__ volatile("pause");
        put("ok completed=");
        put_dec(get(REG_COMPLETED));
        put(" failed=");
        put_dec(get(REG_FAILED));
        put(" result=");
        put_dec(get(REG_RESULT));
        put(" irqs=");
        put_dec(irq_count(0));
        put("\n");
}

bool edu_command(const struct device *d, char **words, unsigned n)
{
        uint64_t a, b;

        if (n < 2 || !d->bars[0].size || !d->bars[2].size)
                return false;
        attach(d);
        if (text_equal(words[1], "job") && n > 2)
                return do_job(words, n);
        if (text_equal(words[1], "start") && n == 3 && text_number(words[2], &a)) {
                load = (struct load){ .running = true, .seed = (uint32_t) a };
                set(REG_IRQ, 1);
                put("ok\n");
        } else if (text_equal(words[1], "wild") && n == 4 && text_number(words[2], &a) &&
                   text_number(words[3], &b)) {
                do_wild((uint32_t) a, (uint32_t) b);
        } else if (text_equal(words[1], "scan") && n == 3 && text_number(words[2], &a)) {
                do_scan((uint32_t) a);
        } else if (n != 2) {
                return false;
        } else if (text_equal(words[1], "wait")) {
                do_wait();
        } else if (text_equal(words[1], "storm")) {
                do_storm();
        } else if (text_equal(words[1], "stop") || text_equal(words[1], "status")) {
                load.running = load.running && text_equal(words[1], "status");
                report();
        } else {
                return false;
        }
        return true;
}

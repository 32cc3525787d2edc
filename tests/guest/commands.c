/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns what the guest understands: one line in, one line out, which begins with "ok" or "err".
 * The table at the end is the list; tests/guest/README.md explains it.
 */
#include "guest.h"

#define WORDS_MAX 8
#define PAGE 4096U

static struct device device;
static bool have_device;
static unsigned bar;
static volatile uint8_t *window; /* what the commands act on: that BAR, or RAM */
static uint64_t window_size;
static bool ram;
static struct hammer hammer;

static void err(const char *text)
{
        put("err ");
        put(text);
        put("\n");
}

static void put_device(const struct device *d)
{
        static const char hex[] = "0123456789abcdef";

        for (int shift = 4; shift >= 0; shift -= 4)
                put_char(hex[d->bus >> shift & 15]);
        put_char(':');
        for (int shift = 4; shift >= 0; shift -= 4)
                put_char(hex[d->slot >> shift & 15]);
        put_char('.');
        put_char(hex[d->function]);
        put_char(' ');
        for (int shift = 12; shift >= 0; shift -= 4)
                put_char(hex[d->vendor >> shift & 15]);
        put_char(':');
        for (int shift = 12; shift >= 0; shift -= 4)
                put_char(hex[d->id >> shift & 15]);
}

static void put_bars(const struct device *d)
{
        for (unsigned i = 0; i < BARS_MAX; i++) {
                const struct bar *b = &d->bars[i];

                if (!b->size)
                        continue;
                put(" bar");
                put_dec(i);
                put_char('=');
                put_hex(b->address);
                put_char('+');
                put_hex(b->size);
                put(b->io ? "/io" : b->is64 ? "/64" : "/32");
                put(b->prefetch ? "p" : "");
        }
}

static bool use_bar(unsigned n)
{
        const struct bar *b = &device.bars[n];

        if (n >= BARS_MAX || !b->size || b->io || b->size > WINDOW_SIZE / 2)
                return false;
        bar = n;
        ram = false;
        window = memory_window(b->address);
        window_size = b->size;
        return true;
}

static void use_ram(void)
{
        ram = true;
        window = (volatile uint8_t *) RAM_BASE;
        window_size = RAM_END - RAM_BASE;
}

/* Reads the BARs, switches them on, and takes the biggest for the commands that follow. */
static bool use_device(void)
{
        unsigned best = BARS_MAX;

        pci_read_bars(&device);
        pci_enable_memory(&device);
        for (unsigned i = 0; i < BARS_MAX; i++)
                if (device.bars[i].size && !device.bars[i].io &&
                    (best == BARS_MAX || device.bars[i].size > device.bars[best].size))
                        best = i;
        return best < BARS_MAX && use_bar(best);
}

/* -- what the commands share ------------------------------------------------------------------- */

struct range {
        uint32_t offset;
        uint32_t size;
};

/* Words [at] and [at + 1] as offset and length in the BAR; all of it where they are missing. */
static bool parse_range(char **words, unsigned n, unsigned at, unsigned align, struct range *ret)
{
        uint64_t offset = 0, size = window_size;

        if (n > at + 2 || n == at + 1)
                return false;
        if (n == at + 2 &&
            (!text_number(words[at], &offset) || !text_number(words[at + 1], &size)))
                return false;
        if (offset > window_size || size > window_size - offset || !size ||
            ((offset | size) & (align - 1)))
                return false;
        *ret = (struct range){ (uint32_t) offset, (uint32_t) size };
        return true;
}

static bool parse_width(const char *text, unsigned *ret)
{
        uint64_t v;

        *ret = 4;
        if (!text)
                return true;
        if (!text_number(text, &v) || (v != 1 && v != 2 && v != 4 && v != 8))
                return false;
        *ret = (unsigned) v;
        return true;
}

/* -- the commands ------------------------------------------------------------------------------ */

static void do_info(char **words, unsigned n)
{
        put("ok ");
        put_device(&device);
        put_field("command", pci_read(&device, 4, 2));
        put_bars(&device);
        put(ram ? " using=ram" : " using=bar");
        if (!ram)
                put_dec(bar);
        put("\n");
}

static void do_list(char **words, unsigned n)
{
        struct device d;

        put("ok");
        for (unsigned i = 0; pci_nth(i, &d); i++) {
                put(" ");
                put_device(&d);
                put(",");
        }
        put("\n");
}

static void do_device(char **words, unsigned n)
{
        uint64_t v;
        struct device d;

        if (n != 2 || !text_number(words[1], &v) || !pci_nth((unsigned) v, &d)) {
                err("device N: the N-th function in the order of list");
                return;
        }
        device = d;
        if (!use_device()) {
                err("it has no memory BAR that can be used");
                return;
        }
        do_info(words, n);
}

static void do_bar(char **words, unsigned n)
{
        uint64_t v;

        if (n == 2 && text_equal(words[1], "ram")) {
                use_ram();
        } else if (n != 2 || !text_number(words[1], &v) || v >= BARS_MAX ||
                   !use_bar((unsigned) v)) {
                err("bar N: a memory BAR of this device, at most 1 GiB; or bar ram");
                return;
        }
        do_info(words, n);
}

/* After BARs or COMMAND have been written by cfgw: look again. */
static void do_map(char **words, unsigned n)
{
        pci_read_bars(&device);
        if (use_bar(bar))
                do_info(words, n);
        else
                err("the BAR has gone");
}

static void do_fill(char **words, unsigned n)
{
        struct range r;
        uint64_t pattern;

        if (n < 2 || !text_number(words[1], &pattern) || !parse_range(words, n, 2, 8, &r)) {
                err("fill PATTERN [OFF LEN], multiples of 8 inside the BAR");
                return;
        }
        for (uint32_t i = 0; i < r.size; i += 8) {
                volatile uint32_t *p = (volatile uint32_t *) (window + r.offset + i);

                p[0] = (uint32_t) pattern;
                p[1] = (uint32_t) (pattern >> 32);
        }
        put("ok filled");
        put_field("off", r.offset);
        put_field("len", r.size);
        put("\n");
}

static void do_check(char **words, unsigned n)
{
        struct range r;
        uint64_t pattern, got;

        if (n < 2 || !text_number(words[1], &pattern) || !parse_range(words, n, 2, 8, &r)) {
                err("check PATTERN [OFF LEN], multiples of 8 inside the BAR");
                return;
        }
        for (uint32_t i = 0; i < r.size; i += 8) {
                volatile uint32_t *p = (volatile uint32_t *) (window + r.offset + i);

                got = p[0];
                got |= (uint64_t) p[1] << 32;
                if (got == pattern)
                        continue;
                put("err differs");
                put_field("at", r.offset + i);
                put_field("got", got);
                put_field("expected", pattern);
                put("\n");
                return;
        }
        put("ok all of");
        put_field("len", r.size);
        put_field("is", pattern);
        put("\n");
}

static void do_touch(char **words, unsigned n)
{
        bool writing = n > 1 && text_equal(words[1], "write");
        unsigned skip = n > 1 && (writing || text_equal(words[1], "read")) ? 2 : 1;
        uint32_t pages = 0, sum = 0;
        struct range r;

        if (!parse_range(words, n, skip, 4, &r)) {
                err("touch [read|write] [OFF LEN], multiples of 4 inside the BAR");
                return;
        }
        for (uint32_t i = 0; i < r.size; i += PAGE, pages++) {
                volatile uint32_t *p = (volatile uint32_t *) (window + r.offset + i);

                if (writing)
                        *p = pages;
                else
                        sum ^= *p;
        }
        put("ok pages=");
        put_dec(pages);
        put_field("xor", sum);
        put("\n");
}

static uint64_t load(volatile uint8_t *p, unsigned width)
{
        uint64_t low;

        if (width == 1)
                return *p;
        if (width == 2)
                return *(volatile uint16_t *) p;
        low = *(volatile uint32_t *) p;
        return width == 4 ? low : low | (uint64_t) ((volatile uint32_t *) p)[1] << 32;
}

static void store(volatile uint8_t *p, unsigned width, uint64_t v)
{
        if (width == 1)
                *p = (uint8_t) v;
        else if (width == 2)
                *(volatile uint16_t *) p = (uint16_t) v;
        else
                *(volatile uint32_t *) p = (uint32_t) v;
        if (width == 8)
                ((volatile uint32_t *) p)[1] = (uint32_t) (v >> 32);
}

/* Offsets past the BAR are lawful here: that is what these two are for. */
static void do_peek(char **words, unsigned n)
{
        uint64_t offset;
        unsigned width;

        if (n < 2 || n > 3 || !text_number(words[1], &offset) || offset >= WINDOW_SIZE / 2 ||
            !parse_width(n > 2 ? words[2] : NULL, &width)) {
                err("peek OFF [1|2|4|8]");
                return;
        }
        put("ok ");
        put_hex(load(window + (uint32_t) offset, width));
        put("\n");
}

static void do_poke(char **words, unsigned n)
{
        uint64_t offset, v;
        unsigned width;

        if (n < 3 || n > 4 || !text_number(words[1], &offset) || offset >= WINDOW_SIZE / 2 ||
            !text_number(words[2], &v) || !parse_width(n > 3 ? words[3] : NULL, &width)) {
                err("poke OFF VALUE [1|2|4|8]");
                return;
        }
        store(window + (uint32_t) offset, width, v);
        put("ok\n");
}

static void do_config_read(char **words, unsigned n)
{
        uint64_t offset;
        unsigned width;

        if (n < 2 || n > 3 || !text_number(words[1], &offset) || offset > 255 ||
            !parse_width(n > 2 ? words[2] : NULL, &width) || width == 8) {
                err("cfgr OFF [1|2|4]");
                return;
        }
        put("ok ");
        put_hex(pci_read(&device, (unsigned) offset, width));
        put("\n");
}

static void do_config_write(char **words, unsigned n)
{
        uint64_t offset, v;
        unsigned width;

        if (n < 3 || n > 4 || !text_number(words[1], &offset) || offset > 255 ||
            !text_number(words[2], &v) || !parse_width(n > 3 ? words[3] : NULL, &width) ||
            width == 8) {
                err("cfgw OFF VALUE [1|2|4]");
                return;
        }
        pci_write(&device, (unsigned) offset, width, (uint32_t) v);
        put("ok\n");
}

static void do_port_read(char **words, unsigned n)
{
        uint64_t port;
        unsigned width;

        if (n < 2 || n > 3 || !text_number(words[1], &port) || port > 0xffff ||
            !parse_width(n > 2 ? words[2] : NULL, &width) || width == 8) {
                err("in PORT [1|2|4]");
                return;
        }
        put("ok ");
        put_hex(width == 1 ? inb((uint16_t) port) :
                width == 2 ? inw((uint16_t) port) : inl((uint16_t) port));
        put("\n");
}

static void do_port_write(char **words, unsigned n)
{
        uint64_t port, v;
        unsigned width;

        if (n < 3 || n > 4 || !text_number(words[1], &port) || port > 0xffff ||
            !text_number(words[2], &v) || !parse_width(n > 3 ? words[3] : NULL, &width) ||
            width == 8) {
                err("out PORT VALUE [1|2|4]");
                return;
        }
        if (width == 1)
                outb((uint16_t) port, (uint8_t) v);
        else if (width == 2)
                outw((uint16_t) port, (uint16_t) v);
        else
                outl((uint16_t) port, (uint32_t) v);
        put("ok\n");
}

static void do_hammer(char **words, unsigned n)
{
        struct range r;

        if (n >= 2 && text_equal(words[1], "start")) {
                if (hammer.running) {
                        err("it is hammering already");
                } else if (!parse_range(words, n, 2, 4, &r)) {
                        err("hammer start [OFF LEN], multiples of 4 inside the BAR");
                } else {
                        hammer_start(&hammer, window + r.offset, r.size);
                        put("ok hammering\n");
                }
                return;
        }
        if (n != 2 || !hammer.running ||
            !(text_equal(words[1], "stop") || text_equal(words[1], "status"))) {
                err("hammer start [OFF LEN], then hammer status or hammer stop");
                return;
        }
        if (text_equal(words[1], "stop"))
                hammer.running = false;
        hammer_report(&hammer);
}

static void do_irq(char **words, unsigned n)
{
        unsigned vectors;

        if (n == 2 && text_equal(words[1], "on")) {
                vectors = irq_enable(&device);
                if (!vectors) {
                        err("it has no MSI-X, or too many vectors");
                        return;
                }
                put("ok vectors=");
                put_dec(vectors);
                put("\n");
                return;
        }
        if (n != 1) {
                err("irq on, then irq");
                return;
        }
        put("ok counts=");
        for (unsigned i = 0; i < IRQS_MAX; i++) {
                put(i ? "," : "");
                put_dec(irq_count(i));
        }
        put("\n");
}

static void do_edu(char **words, unsigned n)
{
        if (!edu_command(&device, words, n))
                err("edu job to|from RAM CARD LEN, wait, start SEED, status, stop, scan PATTERN, "
                    "wild SEED N, storm; with a device that has BARs 0 and 2");
}

static void do_quit(char **words, unsigned n)
{
        uint64_t code = 0;

        if (n > 1 && !text_number(words[1], &code)) {
                err("quit [CODE]");
                return;
        }
        put("ok bye\n");
        guest_quit((uint8_t) code);
}

static void do_help(char **words, unsigned n);

static const struct {
        const char *name;
        void (*run)(char **words, unsigned n);
        bool needs_device;
} table[] = {
        { "help", do_help, false },
        { "list", do_list, false },
        { "device", do_device, false },
        { "info", do_info, true },
        { "bar", do_bar, true },
        { "map", do_map, true },
        { "fill", do_fill, true },
        { "check", do_check, true },
        { "touch", do_touch, true },
        { "peek", do_peek, true },
        { "poke", do_poke, true },
        { "cfgr", do_config_read, true },
        { "cfgw", do_config_write, true },
        { "in", do_port_read, false },
        { "out", do_port_write, false },
        { "hammer", do_hammer, true },
        { "irq", do_irq, true },
        { "edu", do_edu, true },
        { "quit", do_quit, false },
};

#define TABLE_SIZE (sizeof table / sizeof table[0])

static void do_help(char **words, unsigned n)
{
        put("ok");
        for (unsigned i = 0; i < TABLE_SIZE; i++) {
                put_char(' ');
                put(table[i].name);
        }
        put("\n");
}

void command(char *line)
{
        char *words[WORDS_MAX];
        unsigned n = text_split(line, words, WORDS_MAX);

        if (n == 0)
                return;
        for (unsigned i = 0; i < TABLE_SIZE; i++) {
                if (!text_equal(words[0], table[i].name))
                        continue;
                if (table[i].needs_device && !have_device)
                        err("there is no device; see list");
                else
                        table[i].run(words, n);
                return;
        }
        err("no such command; see help");
}

bool commands_idle(void)
{
        bool busy = edu_step();

        if (hammer.running)
                hammer_step(&hammer);
        return busy || hammer.running;
}

/* `id=VVVV:DDDD` says which device to take; otherwise the first that is not the chipset's. */
void commands_init(const char *command_line)
{
        const char *id = text_option(command_line, "id");
        uint64_t vendor = 0, device_id = 0;
        char text[2][7] = { "0x", "0x" };

        if (id && id[4] == ':') {
                for (unsigned i = 0; i < 4; i++) {
                        text[0][2 + i] = id[i];
                        text[1][2 + i] = id[5 + i];
                }
                if (!text_number(text[0], &vendor) || !text_number(text[1], &device_id))
                        vendor = 0xffff;
        }
        have_device = pci_find((uint16_t) vendor, (uint16_t) device_id, &device) && use_device();
        put("\nready ");
        if (have_device) {
                put_device(&device);
                put_bars(&device);
        } else {
                put("without a device");
        }
        put("\n");
}

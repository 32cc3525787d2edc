/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns which device, and which bytes of it, the commands act on.
 */
#include "commands.h"

struct device device;
volatile uint8_t *window;
uint64_t window_size;
static unsigned bar;
static bool ram;

void err(const char *text)
{
        put("err ");
        put(text);
        put("\n");
}

void put_device(const struct device *d)
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

void put_bars(const struct device *d)
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

bool use_device(void)
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

bool parse_range(char **words, unsigned n, unsigned at, unsigned align, struct range *ret)
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

bool parse_width(const char *text, unsigned *ret)
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

void do_info(char **words, unsigned n)
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

void do_list(char **words, unsigned n)
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

void do_device(char **words, unsigned n)
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

void do_bar(char **words, unsigned n)
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
void do_map(char **words, unsigned n)
{
        pci_read_bars(&device);
        if (use_bar(bar))
                do_info(words, n);
        else
                err("the BAR has gone");
}

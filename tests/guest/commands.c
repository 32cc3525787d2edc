/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns what the guest understands: one line in, one line out, which begins with "ok" or "err".
 * The table is the list; tests/guest/README.md explains it.
 */
#include "commands.h"

#define WORDS_MAX 8

static bool have_device;
static struct hammer hammer;

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

/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns the serial line: COM1, polled, no interrupts.
 */
#include "guest.h"

#define COM1 0x3f8
#define LSR (COM1 + 5)
#define LSR_DATA 0x01
#define LSR_EMPTY 0x20

static char line[256];
static unsigned used;

void console_init(void)
{
        outb(COM1 + 1, 0);    /* no interrupts */
        outb(COM1 + 3, 0x80); /* divisor: 115200 baud */
        outb(COM1 + 0, 1);
        outb(COM1 + 1, 0);
        outb(COM1 + 3, 0x03); /* 8n1 */
        outb(COM1 + 2, 0xc7); /* FIFOs on and empty */
        outb(COM1 + 4, 0x03);
}

void put_char(char c)
{
        while (!(inb(LSR) & LSR_EMPTY))
                ;
        outb(COM1, (uint8_t) c);
}

void put(const char *text)
{
        for (; *text; text++)
                put_char(*text);
}

void put_hex(uint64_t v)
{
        bool begun = false;

        put("0x");
        for (int shift = 60; shift >= 0; shift -= 4) {
                unsigned digit = (unsigned) (v >> shift) & 15;

                begun = begun || digit || shift == 0;
                if (begun)
                        put_char("0123456789abcdef"[digit]);
        }
}

void put_dec(uint32_t v)
{
        char digits[10];
        unsigned n = 0;

        do {
                digits[n++] = (char) ('0' + v % 10);
                v /= 10;
        } while (v);
        while (n > 0)
                put_char(digits[--n]);
}

void put_field(const char *name, uint64_t v)
{
        put_char(' ');
        put(name);
        put_char('=');
        put_hex(v);
}

bool line_poll(char **ret)
{
        while (inb(LSR) & LSR_DATA) {
                char c = (char) inb(COM1);

                if (c == '\n' || c == '\r') {
                        line[used] = 0;
                        *ret = line;
                        if (used == 0)
                                continue;
                        used = 0;
                        return true;
                }
                /* what is too long is cut; the command will not be understood */
                if (used < sizeof line - 1)
                        line[used++] = c;
        }
        return false;
}

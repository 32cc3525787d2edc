/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns the commands that reach config space and I/O ports.
 */
#include "commands.h"

void do_config_read(char **words, unsigned n)
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

void do_config_write(char **words, unsigned n)
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

void do_port_read(char **words, unsigned n)
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

void do_port_write(char **words, unsigned n)
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

/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns PCI configuration space, by the ports 0xcf8 and 0xcfc. Firmware has assigned the BARs.
 */
#include "guest.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc

#define PCI_COMMAND 0x04
#define PCI_COMMAND_MEMORY 0x02
#define PCI_HEADER_TYPE 0x0e
#define MULTIFUNCTION 0x80
#define PCI_BAR0 0x10
#define PCI_CLASS_REVISION 0x08

#define BAR_IO 0x1
#define BAR_64 0x4
#define BAR_PREFETCH 0x8

#define VENDOR_INTEL 0x8086 /* all of QEMU's q35 chipset */
#define CLASS_BRIDGE 0x06

static void select(const struct device *d, unsigned offset)
{
        outl(CONFIG_ADDRESS, 0x80000000U | (uint32_t) d->bus << 16 | (uint32_t) d->slot << 11 |
                                     (uint32_t) d->function << 8 | (offset & 0xfc));
}

uint32_t pci_read(const struct device *d, unsigned offset, unsigned width)
{
        uint16_t port = (uint16_t) (CONFIG_DATA + (offset & 3));

        select(d, offset);
        return width == 1 ? inb(port) : width == 2 ? inw(port) : inl(port);
}

void pci_write(const struct device *d, unsigned offset, unsigned width, uint32_t value)
{
        uint16_t port = (uint16_t) (CONFIG_DATA + (offset & 3));

        select(d, offset);
        if (width == 1)
                outb(port, (uint8_t) value);
        else if (width == 2)
                outw(port, (uint16_t) value);
        else
                outl(port, value);
}

static bool probe(unsigned bus, unsigned slot, unsigned function, struct device *ret)
{
        struct device d = { .bus = (uint8_t) bus,
                            .slot = (uint8_t) slot,
                            .function = (uint8_t) function };
        uint32_t ids = pci_read(&d, 0, 4);

        if (ids == 0xffffffff)
                return false;
        d.vendor = (uint16_t) ids;
        d.id = (uint16_t) (ids >> 16);
        d.class = pci_read(&d, PCI_CLASS_REVISION, 4) >> 8;
        *ret = d;
        return true;
}

bool pci_nth(unsigned n, struct device *ret)
{
        /* QEMU's q35 without bridges has bus 0; a root port's child is on one of the next */
        for (unsigned at = 0; at < 8 * 32 * 8; at++) {
                unsigned bus = at >> 8, slot = at >> 3 & 31, function = at & 7;

                if (probe(bus, slot, function, ret)) {
                        if (n-- == 0)
                                return true;
                        if (function == 0 && !(pci_read(ret, PCI_HEADER_TYPE, 1) & MULTIFUNCTION))
                                at |= 7;
                } else if (function == 0) {
                        at |= 7; /* without the first there are no others */
                }
        }
        return false;
}

bool pci_find(uint16_t vendor, uint16_t id, struct device *ret)
{
        for (unsigned n = 0; pci_nth(n, ret); n++) {
                if (vendor ? ret->vendor == vendor && ret->id == id
                           : ret->vendor != VENDOR_INTEL && ret->class >> 16 != CLASS_BRIDGE)
                        return true;
        }
        return false;
}

static uint32_t size_dword(struct device *d, unsigned offset)
{
        uint32_t old = pci_read(d, offset, 4), mask;

        pci_write(d, offset, 4, 0xffffffff);
        mask = pci_read(d, offset, 4);
        pci_write(d, offset, 4, old);
        return mask;
}

void pci_read_bars(struct device *d)
{
        uint16_t enabled = (uint16_t) pci_read(d, PCI_COMMAND, 2);

        /* a BAR that is being sized must not decode */
        pci_write(d, PCI_COMMAND, 2, enabled & ~3U);
        for (unsigned i = 0; i < BARS_MAX; i++)
                d->bars[i] = (struct bar){ 0 };
        for (unsigned i = 0; i < BARS_MAX; i++) {
                unsigned offset = PCI_BAR0 + 4 * i;
                uint32_t low = pci_read(d, offset, 4);
                uint64_t mask = size_dword(d, offset);
                struct bar *b = &d->bars[i];

                if (mask == 0)
                        continue;
                b->io = low & BAR_IO;
                b->is64 = !b->io && (low & BAR_64);
                b->prefetch = !b->io && (low & BAR_PREFETCH);
                b->address = low & (b->io ? ~3U : ~15U);
                mask &= b->io ? ~3ULL : ~15ULL;
                if (b->is64) {
                        b->address |= (uint64_t) pci_read(d, offset + 4, 4) << 32;
                        mask |= (uint64_t) size_dword(d, offset + 4) << 32;
                        i++;
                } else {
                        mask |= b->io ? 0xffffffffffff0000ULL : 0xffffffff00000000ULL;
                }
                b->size = ~mask + 1;
        }
        pci_write(d, PCI_COMMAND, 2, enabled);
}

void pci_enable_memory(const struct device *d)
{
        pci_write(d, PCI_COMMAND, 2, pci_read(d, PCI_COMMAND, 2) | PCI_COMMAND_MEMORY);
}

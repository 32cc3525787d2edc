/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns interrupts: the local APIC, the gates of the device's vectors, and the device's MSI-X table,
 * which is filled in as a driver would. Everything that is not MSI-X stays masked.
 */
#include "guest.h"

#define APIC 0xfee00000U
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_ENABLE 0x100

#define CAP_MSIX 0x11
#define MSIX_ENABLE 0x8000
#define ENTRY 16

static volatile uint32_t counts[IRQS_MAX];

extern char irq_stubs[];
void guest_interrupt(uint32_t n);

/* From the stubs in start.S, with interrupts off. */
void guest_interrupt(uint32_t n)
{
        counts[n]++;
        *(volatile uint32_t *) (APIC + APIC_EOI) = 0;
}

void irq_init(void)
{
        for (unsigned i = 0; i < IRQS_MAX; i++)
                gate_set(IRQ_BASE + i, (uint32_t) irq_stubs + i * 16);
        /* the two old controllers say nothing */
        outb(0x21, 0xff);
        outb(0xa1, 0xff);
        *(volatile uint32_t *) (APIC + APIC_SPURIOUS) = APIC_ENABLE | 0xff;
        __asm__ volatile("sti");
}

static unsigned find_capability(const struct device *d, uint8_t id)
{
        unsigned at = pci_read(d, 0x34, 1);

        for (unsigned i = 0; at && i < 48; i++) {
                if (pci_read(d, at, 1) == id)
                        return at;
                at = pci_read(d, at + 1, 1);
        }
        return 0;
}

unsigned irq_enable(const struct device *d)
{
        unsigned cap = find_capability(d, CAP_MSIX), n;
        volatile uint32_t *table;
        uint32_t where;

        if (!cap)
                return 0;
        n = (pci_read(d, cap + 2, 2) & 0x7ff) + 1;
        where = pci_read(d, cap + 4, 4);
        if (n > IRQS_MAX || (where & 7) >= BARS_MAX)
                return 0;

        /* memory and master; a message is a write of the device */
        pci_write(d, 4, 2, pci_read(d, 4, 2) | 0x6);
        pci_write(d, cap + 2, 2, pci_read(d, cap + 2, 2) | MSIX_ENABLE);
        table = (volatile uint32_t *) memory_small(
                SMALL_VECTORS, d->bars[where & 7].address + (where & ~7U));
        for (unsigned i = 0; i < n; i++) {
                table[i * ENTRY / 4] = APIC;
                table[i * ENTRY / 4 + 1] = 0;
                table[i * ENTRY / 4 + 2] = IRQ_BASE + i;
                table[i * ENTRY / 4 + 3] = 0; /* not masked */
        }
        return n;
}

uint32_t irq_count(unsigned n)
{
        return counts[n];
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's MSI-X table and PBA, for a VMM that does not keep them itself
 * (QEMU does): memory of the device's own.
 *
 * What stands in it reaches no hardware.  An interrupt goes where the VMM's
 * eventfd says, masked or not, which is the VMM's to see to; so nothing is ever
 * pending here and the PBA reads as zeros.
 */
#include "mdevd_pure.h"

/* Bits of an entry that may be written, by the byte. */
static const u8 entry_mask[PCI_MSIX_ENTRY_SIZE] = {
	0xfc, 0xff, 0xff, 0xff,		/* address: of a dword */
	0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff,		/* data */
	PCI_MSIX_ENTRY_CTRL_MASKBIT,
};

/**
 * mdevd_msix_reset - the table as after a reset: every vector masked
 * @table: PCI_MSIX_ENTRY_SIZE bytes for each vector
 * @vectors: how many
 */
void mdevd_msix_reset(u8 *table, u32 vectors)
{
	u32 i;

	memset(table, 0, (size_t)vectors * PCI_MSIX_ENTRY_SIZE);
	for (i = 0; i < vectors; i++)
		table[(size_t)i * PCI_MSIX_ENTRY_SIZE +
		      PCI_MSIX_ENTRY_VECTOR_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

/**
 * mdevd_msix_read - read the BAR of the table
 * @table: the table
 * @vectors: how many
 * @pos: first byte
 * @buf: filled in; what is not of the table is zero
 * @count: bytes
 */
void mdevd_msix_read(const u8 *table, u32 vectors, u64 pos, u8 *buf,
		     size_t count)
{
	u64 end = (u64)vectors * PCI_MSIX_ENTRY_SIZE;
	size_t i;

	for (i = 0; i < count; i++)
		buf[i] = pos < end && i < end - pos ? table[pos + i] : 0;
}

/**
 * mdevd_msix_write - write the BAR of the table
 * @table: the table
 * @vectors: how many
 * @pos: first byte
 * @buf: what the guest writes; what is not of the table is dropped
 * @count: bytes
 */
void mdevd_msix_write(u8 *table, u32 vectors, u64 pos, const u8 *buf,
		      size_t count)
{
	u64 end = (u64)vectors * PCI_MSIX_ENTRY_SIZE;
	size_t i;

	for (i = 0; i < count && pos < end && i < end - pos; i++) {
		u8 mask = entry_mask[(pos + i) % PCI_MSIX_ENTRY_SIZE];
		u8 *at = &table[pos + i];

		*at = (*at & ~mask) | (buf[i] & mask);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layout: what the BARs of a device are made of, from its type and its
 * extents.
 *
 * The extents of a BAR follow each other in it; parts that have something else
 * behind them lie between them.
 */
#include "mdevd_pure.h"

/* Table and PBA share a page if both fit into half of it. */
#define MSIX_HALF	2048
#define MSIX_BAR_MIN	4096

/**
 * mdevd_layout_in_extents - do the extents back this part
 * @part: a part of a type that has been checked
 *
 * Return: false if it has something else behind it.
 */
bool mdevd_layout_in_extents(const struct mdevd_part *part)
{
	return part->kind <= MDEVD_PART_TRAPPED;
}

/**
 * mdevd_layout_msix - where the MSI-X table of a type goes
 * @type: the type
 * @msix: filled in
 *
 * Return: 0, or -EINVAL if no BAR is left for it.
 */
int mdevd_layout_msix(const struct mdevd_type *type, struct mdevd_msix *msix)
{
	u32 i, pba;

	memset(msix, 0, sizeof(*msix));
	if (!type->vectors)
		return 0;

	for (i = 0; i < MDEVD_MAX_BARS; i++) {
		if (type->bars[i].length) {
			if (type->bars[i].flags & MDEVD_BAR_64BIT)
				i++;
			continue;
		}
		pba = (type->vectors * PCI_MSIX_ENTRY_SIZE + MSIX_HALF - 1) /
		      MSIX_HALF * MSIX_HALF;
		msix->vectors = type->vectors;
		msix->bar = i;
		msix->pba = pba;
		msix->size = mdevd_bar_size(pba + (type->vectors + 63) / 64 * 8);
		if (msix->size < MSIX_BAR_MIN)
			msix->size = MSIX_BAR_MIN;
		return 0;
	}

	return -EINVAL;
}

/* The part that has @at, or NULL; @end is where that, or the lack of it, ends. */
static const struct mdevd_part *part_at(const struct mdevd_type *type, u32 bar,
					u64 at, u64 *end)
{
	size_t i;

	*end = type->bars[bar].length;
	for (i = 0; i < MDEVD_MAX_PARTS; i++) {
		const struct mdevd_part *p = &type->parts[i];

		if (p->kind == MDEVD_PART_NONE || p->bar != bar)
			continue;
		if (at >= p->offset && at - p->offset < p->length) {
			*end = p->offset + p->length;
			return p;
		}
		if (p->offset > at && p->offset < *end)
			*end = p->offset;
	}

	return NULL;
}

/* The next extent of a BAR from index @i on; @n if there is none. */
static size_t next_extent(const struct mdevd_extent *extents, size_t n,
			  size_t i, u32 bar)
{
	while (i < n && extents[i].guest_bar != bar)
		i++;
	return i;
}

/**
 * mdevd_layout_bar - the pieces of one BAR
 * @type: the type
 * @bar: the guest BAR
 * @extents: the extents of the device, which make up the type
 * @n: how many
 * @pieces: filled in, ascending and disjoint; there is room for
 *	MDEVD_MAX_PIECES(@n), counted over all BARs
 *
 * @phys of a piece is an offset in the BAR of the parent yet.
 *
 * Return: how many pieces.
 */
size_t mdevd_layout_bar(const struct mdevd_type *type, u32 bar,
			const struct mdevd_extent *extents, size_t n,
			struct mdevd_piece *pieces)
{
	size_t n_pieces = 0, i = next_extent(extents, n, 0, bar);
	u64 guest = 0, at = 0;

	while (guest < type->bars[bar].length) {
		struct mdevd_piece *p = &pieces[n_pieces];
		const struct mdevd_part *part;
		u64 end;

		part = part_at(type, bar, guest, &end);
		memset(p, 0, sizeof(*p));
		p->guest = guest;
		p->length = end - guest;
		p->kind = part ? part->kind : MDEVD_PART_NONE;
		if (part && !mdevd_layout_in_extents(part)) {
			p->phys = part->parent_offset;
			p->backing = part - type->parts;
		} else {
			if (i == n)
				break;
			if (p->length > extents[i].length - at)
				p->length = extents[i].length - at;
			p->phys = extents[i].offset + at;
			p->at = at;
			p->backing = i;
			at += p->length;
			if (at == extents[i].length) {
				i = next_extent(extents, n, i + 1, bar);
				at = 0;
			}
		}
		guest += p->length;
		n_pieces++;
	}

	return n_pieces;
}

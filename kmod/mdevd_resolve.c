// SPDX-License-Identifier: GPL-2.0-only
/*
 * resolve(): which physical address lies behind an offset of a guest BAR.
 *
 * This is the question that the fault handler, the read and write path and
 * the mmap checks all ask, so there is one answer.  It knows nothing of locks
 * or page tables.
 */
#include "mdevd_pure.h"

/**
 * mdevd_resolve - what lies behind an offset of a guest BAR
 * @pieces: the pieces of this BAR, ascending and disjoint
 * @n: how many
 * @offset: the offset asked for
 * @target: filled in on success
 *
 * Return: 0, or -ENXIO where nothing backs the offset (the padding).
 */
int mdevd_resolve(const struct mdevd_piece *pieces, size_t n, u64 offset,
		  struct mdevd_target *target)
{
	size_t low = 0, high = n;
	const struct mdevd_piece *p;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		MDEVD_COMPARED();
		if (pieces[mid].guest + pieces[mid].length <= offset)
			low = mid + 1;
		else
			high = mid;
	}

	if (low == n)
		return -ENXIO;

	p = &pieces[low];
	MDEVD_COMPARED();
	if (offset < p->guest)
		return -ENXIO;

	target->phys = p->phys + (offset - p->guest);
	target->start = p->guest;
	target->end = p->guest + p->length;
	target->backing = p->backing;
	target->cache = p->cache;
	return 0;
}

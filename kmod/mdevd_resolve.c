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
	target->moved = false;
	return 0;
}

/**
 * mdevd_resolve_moved - the same for an extent that is being moved
 * @moved: how far it has
 * @offset: the offset that mdevd_resolve() was asked for
 * @target: its answer, corrected
 *
 * Return: 0, or -EAGAIN for what is on its way.
 */
int mdevd_resolve_moved(const struct mdevd_moved *moved, u64 offset,
			struct mdevd_target *target)
{
	u64 at = offset - target->start;

	if (target->backing != moved->backing)
		return 0;

	if (at < moved->lo) {
		target->phys = moved->phys + at;
		target->end = target->start + moved->lo;
		target->moved = true;
		return 0;
	}
	if (at < moved->hi)
		return -EAGAIN;

	target->start += moved->hi;
	return 0;
}

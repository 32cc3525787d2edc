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
	target->at = p->at;
	target->backing = p->backing;
	target->cache = p->cache;
	target->kind = p->kind;
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
	u64 at = target->at + (offset - target->start);

	/* the index of a part is none of an extent */
	if (target->kind > MDEVD_PART_TRAPPED ||
	    target->backing != moved->backing)
		return 0;

	if (at < moved->lo) {
		target->phys = moved->phys + at;
		if (target->end - target->start > moved->lo - target->at)
			target->end = target->start + (moved->lo - target->at);
		target->moved = true;
		return 0;
	}
	if (at < moved->hi)
		return -EAGAIN;

	if (moved->hi > target->at) {
		target->start += moved->hi - target->at;
		target->at = moved->hi;
	}
	return 0;
}

/**
 * mdevd_resolve_mappable - the next run of a BAR that may be mapped
 * @pieces: the pieces of this BAR, ascending and disjoint
 * @n: how many
 * @start: where to look from; then first byte of the run
 * @end: filled in: byte after the run, whatever it is made of
 *
 * Return: false if there is none any more.
 */
bool mdevd_resolve_mappable(const struct mdevd_piece *pieces, size_t n,
			    u64 *start, u64 *end)
{
	bool found = false;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct mdevd_piece *p = &pieces[i];

		if (p->kind != MDEVD_PART_NONE || p->guest + p->length <= *start)
			continue;
		if (found && p->guest != *end)
			break;
		if (!found && p->guest > *start)
			*start = p->guest;
		*end = p->guest + p->length;
		found = true;
	}

	return found;
}

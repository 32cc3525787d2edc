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

static bool is_mappable(const struct mdevd_piece *piece)
{
	return piece->kind == MDEVD_PART_NONE || piece->kind == MDEVD_PART_LATE;
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

		if (!is_mappable(p) || p->guest + p->length <= *start)
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

/**
 * mdevd_resolve_late - the same where a vendor has said what lies there
 * @memory: the device's own memory, as pieces from 0 on
 * @n: how many
 * @page: granularity, a power of two
 * @limit: end of what may be mapped in this BAR, a multiple of @page
 * @offset: the offset in the BAR that was asked for, below @limit
 * @dev_offset: the vendor's answer: an offset into @memory
 * @run: the vendor's answer: bytes from @offset on that follow each other
 * @target: filled in on success
 *
 * The answer is not trusted: what does not lie inside @memory, or would show
 * a part of a page, is refused.  A run is cut to whole pages, to one piece of
 * @memory and to @limit.
 *
 * Return: 0 or -ENXIO.
 */
int mdevd_resolve_late(const struct mdevd_piece *memory, size_t n, u64 page,
		       u64 limit, u64 offset, u64 dev_offset, u64 run,
		       struct mdevd_target *target)
{
	u64 in_page = offset & (page - 1);

	if ((dev_offset & (page - 1)) != in_page || run < page - in_page)
		return -ENXIO;
	if (mdevd_resolve(memory, n, dev_offset, target))
		return -ENXIO;

	if (run > target->end - dev_offset)
		run = target->end - dev_offset;
	if (run > limit - offset)
		run = limit - offset;
	target->at += dev_offset - in_page - target->start;
	target->start = offset - in_page;
	target->end = (offset + run) & ~(page - 1);
	return 0;
}

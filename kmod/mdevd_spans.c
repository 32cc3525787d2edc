// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns which range of a BAR: a sorted array of disjoint spans.
 *
 * An array because it is looked up far more often than it changes, needs no
 * allocation per span, and answers in log2(n) + 1 comparisons.  The caller
 * holds the lock and provides the room.
 */
#include "mdevd_pure.h"

/**
 * mdevd_spans_after - index of the first span that ends after a position
 * @set: the spans
 * @pos: the position
 *
 * Return: an index, @set->n when there is none.
 */
size_t mdevd_spans_after(const struct mdevd_spans *set, u64 pos)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		MDEVD_COMPARED();
		if (set->items[mid].end <= pos)
			low = mid + 1;
		else
			high = mid;
	}

	return low;
}

/**
 * mdevd_spans_overlap - first span that shares a byte with a range
 * @set: the spans
 * @start: first byte of the range
 * @end: byte after the range, above @start
 *
 * Return: the span or NULL.
 */
struct mdevd_span *mdevd_spans_overlap(const struct mdevd_spans *set,
				       u64 start, u64 end)
{
	size_t i = mdevd_spans_after(set, start);

	if (i == set->n)
		return NULL;

	MDEVD_COMPARED();
	return set->items[i].start < end ? &set->items[i] : NULL;
}

/**
 * mdevd_spans_add - add a range that overlaps none
 * @set: the spans, with room for one more
 * @start: first byte
 * @end: byte after the last
 * @owner: whose it is
 */
void mdevd_spans_add(struct mdevd_spans *set, u64 start, u64 end, void *owner)
{
	size_t i = mdevd_spans_after(set, start);

	memmove(&set->items[i + 1], &set->items[i],
		(set->n - i) * sizeof(*set->items));
	set->items[i].start = start;
	set->items[i].end = end;
	set->items[i].owner = owner;
	set->n++;
}

/**
 * mdevd_spans_del - take out the span that starts at a position
 * @set: the spans
 * @start: its first byte
 * @owner: its owner
 *
 * Return: true if there was such a span of that owner.
 */
bool mdevd_spans_del(struct mdevd_spans *set, u64 start, const void *owner)
{
	size_t i = mdevd_spans_after(set, start);

	if (i == set->n || set->items[i].start != start ||
	    set->items[i].owner != owner)
		return false;

	set->n--;
	memmove(&set->items[i], &set->items[i + 1],
		(set->n - i) * sizeof(*set->items));
	return true;
}

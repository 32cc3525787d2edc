// SPDX-License-Identifier: GPL-2.0-only
/*
 * What may be configured and reserved: every rule about names, pools, types
 * and extents that does not depend on who owns what right now.
 *
 * The input comes from user space and is hostile: each sum is checked before
 * it is made.
 */
#include "mdevd_pure.h"

/* The file offset of a vfio region has 40 bits for the place inside it. */
#define MDEVD_BAR_MAX	0x8000000000ULL
#define MDEVD_BAR32_MAX	0x80000000ULL

/**
 * mdevd_check_string - is a string terminated inside its array
 * @s: the array
 * @room: its size
 *
 * Return: true if it is.
 */
bool mdevd_check_string(const char *s, size_t room)
{
	return memchr(s, '\0', room);
}

/**
 * mdevd_check_name - is this the name of a pool or type
 * @s: the array
 * @room: its size
 *
 * Return: true if it is one or more of [A-Za-z0-9_.+-].
 */
bool mdevd_check_name(const char *s, size_t room)
{
	size_t i;

	if (!mdevd_check_string(s, room) || !s[0])
		return false;

	for (i = 0; s[i]; i++) {
		char c = s[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      (c >= '0' && c <= '9') || c == '_' || c == '.' ||
		      c == '+' || c == '-'))
			return false;
	}

	return true;
}

/**
 * mdevd_check_label - is this one line of text
 * @s: the array
 * @room: its size
 *
 * Return: true if it is terminated and has no control characters.
 */
bool mdevd_check_label(const char *s, size_t room)
{
	size_t i;

	if (!mdevd_check_string(s, room))
		return false;

	for (i = 0; s[i]; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;

	return true;
}

/**
 * mdevd_bar_size - size of a BAR as the guest sees it
 * @length: bytes that are backed, not zero, at most 1 << 63
 *
 * Return: the next power of two.
 */
u64 mdevd_bar_size(u64 length)
{
	u64 size = 1;

	while (size < length)
		size <<= 1;

	return size;
}

/* [start, start + length) of one inside [0, limit), no overflow, whole pages */
static int check_range(u64 page, u64 start, u64 length, u64 limit)
{
	if (!length || !IS_ALIGNED(start, page) || !IS_ALIGNED(length, page))
		return -EINVAL;
	if (start > limit || length > limit - start)
		return -ERANGE;
	return 0;
}

static bool overlap(u64 a, u64 a_end, u64 b, u64 b_end)
{
	return a < b_end && b < a_end;
}

static int check_pool(const struct mdevd_bounds *bounds,
		      const struct mdevd_pool *pool)
{
	u64 limit;

	if (!mdevd_check_name(pool->name, sizeof(pool->name)) ||
	    pool->__reserved || pool->bar >= MDEVD_PCI_BARS)
		return -EINVAL;
	if (pool->kind > MDEVD_POOL_REGISTERS ||
	    pool->cache > MDEVD_CACHE_WC || pool->scrub > MDEVD_SCRUB_NONE)
		return -EINVAL;
	if (pool->kind == MDEVD_POOL_REGISTERS &&
	    pool->scrub != MDEVD_SCRUB_NONE)
		return -EINVAL;

	/* A BAR that shares its page with something else is not divided. */
	limit = bounds->bar_length[pool->bar];
	if (limit < bounds->page)
		return -EINVAL;

	return check_range(bounds->page, pool->offset, pool->length, limit);
}

/**
 * mdevd_check_pools - may these be the pools of a parent
 * @bounds: what its hardware allows
 * @pools: the pools, already copied from the caller
 * @n: how many
 *
 * Return: 0; -EINVAL, -ERANGE, -EBUSY, -EEXIST as MDEVD_CONFIGURE says.
 */
int mdevd_check_pools(const struct mdevd_bounds *bounds,
		      const struct mdevd_pool *pools, size_t n)
{
	size_t i, j;
	int ret;

	for (i = 0; i < n; i++) {
		const struct mdevd_pool *p = &pools[i];

		ret = check_pool(bounds, p);
		if (ret)
			return ret;

		for (j = 0; j < bounds->n_holes; j++)
			if (bounds->holes[j].bar == p->bar &&
			    overlap(p->offset, p->offset + p->length,
				    bounds->holes[j].start,
				    bounds->holes[j].end))
				return -EBUSY;

		for (j = 0; j < i; j++) {
			if (!strcmp(pools[j].name, p->name))
				return -EINVAL;
			if (pools[j].bar == p->bar &&
			    overlap(p->offset, p->offset + p->length,
				    pools[j].offset,
				    pools[j].offset + pools[j].length))
				return -EBUSY;
		}
	}

	return 0;
}

static int check_type_bar(u64 page, const struct mdevd_type *t, size_t i)
{
	const struct mdevd_type_bar *bar = &t->bars[i];

	if (bar->__reserved ||
	    bar->flags & ~(u32)(MDEVD_BAR_64BIT | MDEVD_BAR_PREFETCH))
		return -EINVAL;
	if (!bar->length)
		return bar->flags ? -EINVAL : 0;
	if (!IS_ALIGNED(bar->length, page) || bar->length > MDEVD_BAR_MAX)
		return -EINVAL;
	if (!(bar->flags & MDEVD_BAR_64BIT))
		return bar->length > MDEVD_BAR32_MAX ? -EINVAL : 0;

	/* the upper half takes the next index */
	if (i + 1 >= MDEVD_MAX_BARS || t->bars[i + 1].length)
		return -EINVAL;
	return 0;
}

static int check_type(const struct mdevd_bounds *bounds,
		      const struct mdevd_type *t)
{
	bool any = false;
	size_t i;
	int ret;

	if (!mdevd_check_name(t->name, sizeof(t->name)) ||
	    !mdevd_check_label(t->label, sizeof(t->label)))
		return -EINVAL;
	if (t->map > MDEVD_MAP_EAGER || t->vectors > 2048 ||
	    t->class > 0xffffff || t->flags & ~(u32)MDEVD_TYPE_MOVABLE)
		return -EINVAL;

	for (i = 0; i < MDEVD_MAX_BARS; i++) {
		ret = check_type_bar(bounds->page, t, i);
		if (ret)
			return ret;
		any |= t->bars[i].length;
	}

	return any ? 0 : -EINVAL;
}

/**
 * mdevd_check_types - may these be the types of a parent
 * @bounds: what its hardware allows
 * @types: the types, already copied from the caller
 * @n: how many
 *
 * Return: 0 or -EINVAL.
 */
int mdevd_check_types(const struct mdevd_bounds *bounds,
		      const struct mdevd_type *types, size_t n)
{
	size_t i, j;
	int ret;

	for (i = 0; i < n; i++) {
		ret = check_type(bounds, &types[i]);
		if (ret)
			return ret;

		for (j = 0; j < i; j++)
			if (!strcmp(types[j].name, types[i].name))
				return -EINVAL;
	}

	return 0;
}

/**
 * mdevd_check_find_pool - the pool that an extent lies in
 * @pools: the pools of the parent
 * @n_pools: how many
 * @e: the extent
 *
 * Return: the pool that has all of it, or NULL.
 */
const struct mdevd_pool *mdevd_check_find_pool(const struct mdevd_pool *pools,
					       size_t n_pools,
					       const struct mdevd_extent *e)
{
	size_t i;

	for (i = 0; i < n_pools; i++) {
		const struct mdevd_pool *p = &pools[i];

		if (p->bar == e->bar && e->offset >= p->offset &&
		    e->offset - p->offset <= p->length &&
		    e->length <= p->length - (e->offset - p->offset))
			return p;
	}

	return NULL;
}

static int check_extent(const struct mdevd_bounds *bounds,
			const struct mdevd_pool *pools, size_t n_pools,
			const struct mdevd_type *type,
			const struct mdevd_extent *e)
{
	size_t i;

	for (i = 0; i < sizeof(e->__reserved); i++)
		if (e->__reserved[i])
			return -EINVAL;
	if (e->bar >= MDEVD_PCI_BARS || e->guest_bar >= MDEVD_MAX_BARS)
		return -EINVAL;
	if (!type->bars[e->guest_bar].length)
		return -EINVAL;
	if (!e->length || !IS_ALIGNED(e->offset, bounds->page) ||
	    !IS_ALIGNED(e->length, bounds->page))
		return -EINVAL;

	return mdevd_check_find_pool(pools, n_pools, e) ? 0 : -ERANGE;
}

/**
 * mdevd_check_extents - may a device of this type be made of these extents
 * @bounds: what the hardware of the parent allows
 * @pools: the pools of the parent
 * @n_pools: how many
 * @type: type of the device
 * @extents: the extents, already copied from the caller
 * @n: how many
 *
 * Return: 0; -ERANGE for one outside every pool; -EINVAL when one is not
 * aligned, belongs to no BAR of the type, overlaps another of the same call,
 * or when they do not add up.
 */
int mdevd_check_extents(const struct mdevd_bounds *bounds,
			const struct mdevd_pool *pools, size_t n_pools,
			const struct mdevd_type *type,
			const struct mdevd_extent *extents, size_t n)
{
	u64 missing[MDEVD_MAX_BARS];
	size_t i, j;
	int ret;

	for (i = 0; i < MDEVD_MAX_BARS; i++)
		missing[i] = type->bars[i].length;

	for (i = 0; i < n; i++) {
		const struct mdevd_extent *e = &extents[i];

		ret = check_extent(bounds, pools, n_pools, type, e);
		if (ret)
			return ret;

		if (e->length > missing[e->guest_bar])
			return -EINVAL;
		missing[e->guest_bar] -= e->length;

		for (j = 0; j < i; j++)
			if (extents[j].bar == e->bar &&
			    overlap(e->offset, e->offset + e->length,
				    extents[j].offset,
				    extents[j].offset + extents[j].length))
				return -EINVAL;
	}

	for (i = 0; i < MDEVD_MAX_BARS; i++)
		if (missing[i])
			return -EINVAL;

	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What may be configured and reserved: every rule about pools, types and
 * extents that does not depend on who owns what right now.
 *
 * The input comes from user space and is hostile: each sum is checked before
 * it is made.
 */
#include "mdevd_pure.h"

/* The file offset of a vfio region has 40 bits for the place inside it. */
#define MDEVD_BAR_MAX	0x8000000000ULL
#define MDEVD_BAR32_MAX	0x80000000ULL

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

static bool in_hole(const struct mdevd_bounds *bounds, u32 bar, u64 start,
		    u64 end)
{
	u32 i;

	for (i = 0; i < bounds->n_holes; i++)
		if (bounds->holes[i].bar == bar &&
		    overlap(start, end, bounds->holes[i].start,
			    bounds->holes[i].end))
			return true;

	return false;
}

static int check_pool(const struct mdevd_bounds *bounds,
		      const struct mdevd_pool *pool)
{
	u64 limit;

	if (!mdevd_check_name(pool->name, sizeof(pool->name)) ||
	    pool->__reserved || pool->bar >= MDEVD_PCI_BARS)
		return -EINVAL;
	if (pool->kind > MDEVD_POOL_REGISTERS ||
	    pool->cache > MDEVD_CACHE_WC || pool->scrub > MDEVD_SCRUB_VENDOR)
		return -EINVAL;
	if (pool->kind == MDEVD_POOL_REGISTERS &&
	    pool->scrub == MDEVD_SCRUB_ZERO)
		return -EINVAL;
	if (pool->scrub == MDEVD_SCRUB_VENDOR && !bounds->vendor_scrub)
		return -EOPNOTSUPP;

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
 * Return: 0; -EINVAL, -ERANGE, -EBUSY, -EOPNOTSUPP as MDEVD_CONFIGURE says.
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

		if (in_hole(bounds, p->bar, p->offset, p->offset + p->length))
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

/* What all devices see may be no device's own, nor the host's. */
static int check_shared(const struct mdevd_bounds *bounds,
			const struct mdevd_pool *pools, size_t n_pools,
			const struct mdevd_part *part)
{
	u64 end = part->parent_offset + part->length;
	u64 limit;
	size_t i;
	int ret;

	if (part->parent_bar >= MDEVD_PCI_BARS)
		return -EINVAL;
	limit = bounds->bar_length[part->parent_bar];
	if (limit < bounds->page)
		return -EINVAL;
	ret = check_range(bounds->page, part->parent_offset, part->length,
			  limit);
	if (ret)
		return ret;

	if (in_hole(bounds, part->parent_bar, part->parent_offset, end))
		return -EBUSY;
	for (i = 0; i < n_pools; i++)
		if (pools[i].bar == part->parent_bar &&
		    overlap(part->parent_offset, end, pools[i].offset,
			    pools[i].offset + pools[i].length))
			return -EBUSY;

	return 0;
}

static bool part_is_empty(const struct mdevd_part *part)
{
	static const struct mdevd_part empty;

	return !memcmp(part, &empty, sizeof(empty));
}

static int check_part(const struct mdevd_bounds *bounds,
		      const struct mdevd_pool *pools, size_t n_pools,
		      const struct mdevd_type *t, size_t i)
{
	const struct mdevd_part *part = &t->parts[i];
	size_t j;

	if (part->kind == MDEVD_PART_NONE)
		return part_is_empty(part) ? 0 : -EINVAL;
	for (j = 0; j < sizeof(part->__reserved); j++)
		if (part->__reserved[j])
			return -EINVAL;
	if (part->kind > MDEVD_PART_VENDOR || part->bar >= MDEVD_MAX_BARS ||
	    check_range(bounds->page, part->offset, part->length,
			t->bars[part->bar].length))
		return -EINVAL;

	for (j = 0; j < i; j++)
		if (t->parts[j].kind != MDEVD_PART_NONE &&
		    t->parts[j].bar == part->bar &&
		    overlap(part->offset, part->offset + part->length,
			    t->parts[j].offset,
			    t->parts[j].offset + t->parts[j].length))
			return -EINVAL;

	if (part->kind == MDEVD_PART_SHARED)
		return check_shared(bounds, pools, n_pools, part);
	if (part->parent_bar || part->parent_offset)
		return -EINVAL;
	if (part->kind == MDEVD_PART_VENDOR && !bounds->vendor)
		return -EOPNOTSUPP;
	return 0;
}

/**
 * mdevd_check_ids - may a device say that it is this
 * @ids: its ids
 *
 * Return: true if it may.
 */
bool mdevd_check_ids(const struct mdevd_ids *ids)
{
	return ids->class <= 0xffffff;
}

/* Bytes of a BAR that the extents back; the parts have been checked. */
static u64 length_in_extents(const struct mdevd_type *t, size_t bar)
{
	u64 length = t->bars[bar].length;
	size_t i;

	for (i = 0; i < MDEVD_MAX_PARTS; i++)
		if (t->parts[i].bar == bar &&
		    !mdevd_layout_in_extents(&t->parts[i]))
			length -= t->parts[i].length;

	return length;
}

static int check_type(const struct mdevd_bounds *bounds,
		      const struct mdevd_pool *pools, size_t n_pools,
		      const struct mdevd_type *t)
{
	struct mdevd_msix msix;
	bool any = false;
	size_t i;
	int ret;

	if (!mdevd_check_name(t->name, sizeof(t->name)) ||
	    !mdevd_check_label(t->label, sizeof(t->label)))
		return -EINVAL;
	if (t->map > MDEVD_MAP_EAGER || t->vectors > MDEVD_MAX_VECTORS ||
	    t->class > 0xffffff || t->flags & ~(u32)MDEVD_TYPE_MOVABLE)
		return -EINVAL;

	for (i = 0; i < MDEVD_MAX_BARS; i++) {
		ret = check_type_bar(bounds->page, t, i);
		if (ret)
			return ret;
	}
	for (i = 0; i < MDEVD_MAX_PARTS; i++) {
		ret = check_part(bounds, pools, n_pools, t, i);
		if (ret)
			return ret;
	}
	ret = mdevd_layout_msix(t, &msix);
	if (ret)
		return ret;

	/* one extent at least, or there is nothing to own */
	for (i = 0; i < MDEVD_MAX_BARS; i++)
		any |= length_in_extents(t, i);

	return any ? 0 : -EINVAL;
}

/**
 * mdevd_check_types - may these be the types of a parent
 * @bounds: what its hardware allows
 * @pools: its pools, which have been checked
 * @n_pools: how many
 * @types: the types, already copied from the caller
 * @n: how many
 *
 * Return: 0; -EINVAL, -ERANGE, -EBUSY, -EOPNOTSUPP as MDEVD_CONFIGURE says, and
 * -ENOSPC for more vectors than there are.
 */
int mdevd_check_types(const struct mdevd_bounds *bounds,
		      const struct mdevd_pool *pools, size_t n_pools,
		      const struct mdevd_type *types, size_t n)
{
	size_t i, j;
	int ret;

	for (i = 0; i < n; i++) {
		ret = check_type(bounds, pools, n_pools, &types[i]);
		if (ret)
			return ret;

		for (j = 0; j < i; j++)
			if (!strcmp(types[j].name, types[i].name))
				return -EINVAL;
	}

	for (i = 0; i < n; i++)
		if (!bounds->vendor && types[i].vectors > bounds->vectors)
			return -ENOSPC;

	return 0;
}

/**
 * mdevd_check_vectors - may a device have these vectors of the parent
 * @bounds: what the hardware of the parent allows
 * @type: type of the device
 * @vectors: the vectors
 * @n: how many; 0: any
 *
 * One that is there twice is found when it is taken.
 *
 * Return: 0 or -EINVAL.
 */
int mdevd_check_vectors(const struct mdevd_bounds *bounds,
			const struct mdevd_type *type, const u32 *vectors,
			u32 n)
{
	u32 i;

	if (n && n != type->vectors)
		return -EINVAL;

	for (i = 0; i < n; i++)
		if (vectors[i] >= bounds->vectors)
			return -EINVAL;

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

/* A part with something else behind it that shares a byte with the range. */
static const struct mdevd_part *find_foreign(const struct mdevd_type *t,
					     u32 bar, u64 start, u64 end)
{
	size_t i;

	for (i = 0; i < MDEVD_MAX_PARTS; i++) {
		const struct mdevd_part *p = &t->parts[i];

		if (p->bar == bar && !mdevd_layout_in_extents(p) &&
		    overlap(start, end, p->offset, p->offset + p->length))
			return p;
	}

	return NULL;
}

/*
 * Does every extent of a BAR end where the next such part begins, or before?
 * Its bytes then lie side by side in the BAR.
 */
static bool check_whole(const struct mdevd_type *type, u32 bar,
			const struct mdevd_extent *extents, size_t n)
{
	const struct mdevd_part *part;
	u64 guest = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (extents[i].guest_bar != bar)
			continue;
		while ((part = find_foreign(type, bar, guest, guest + 1)))
			guest = part->offset + part->length;
		if (find_foreign(type, bar, guest, guest + extents[i].length))
			return false;
		guest += extents[i].length;
	}

	return true;
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
 * would lie on both sides of a part that has something else behind it, or when
 * they do not add up.
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
		missing[i] = length_in_extents(type, i);

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
		if (missing[i] || !check_whole(type, i, extents, n))
			return -EINVAL;

	return 0;
}

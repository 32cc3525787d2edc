// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing: the extents of a claim in the tables of their parent, and the
 * kernel's own way to them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/slab.h>

#include "mdevd.h"

static int spans_grow(struct mdevd_spans *set, size_t more)
{
	struct mdevd_span *items;
	size_t room;

	if (set->n + more <= set->room)
		return 0;

	room = max_t(size_t, 2 * set->room, set->n + more);
	items = kvmalloc_array(room, sizeof(*items), GFP_KERNEL_ACCOUNT);
	if (!items)
		return -ENOMEM;

	if (set->n)
		memcpy(items, set->items, set->n * sizeof(*items));
	kvfree(set->items);
	set->items = items;
	set->room = room;
	return 0;
}

/**
 * mdevd_backing_take - the extents of a new claim become its own
 * @claim: the claim; mdevd_lock is held
 *
 * Return: 0; -EBUSY when one is another's, -ENOMEM.
 */
int mdevd_backing_take(struct mdevd_claim *claim)
{
	struct mdevd_parent *parent = claim->parent;
	int ret;
	u32 i;

	for (i = 0; i < claim->n; i++) {
		const struct mdevd_extent *e = &claim->backing[i].ext;

		if (mdevd_spans_overlap(&parent->taken[e->bar], e->offset,
					e->offset + e->length))
			return -EBUSY;
		ret = spans_grow(&parent->taken[e->bar], claim->n);
		if (ret)
			return ret;
	}

	for (i = 0; i < claim->n; i++) {
		const struct mdevd_extent *e = &claim->backing[i].ext;

		mdevd_spans_add(&parent->taken[e->bar], e->offset,
				e->offset + e->length, claim);
	}

	return 0;
}

/**
 * mdevd_backing_drop_other - free the second place of a move
 * @claim: the claim, whose second place is clean; mdevd_lock is held
 */
void mdevd_backing_drop_other(struct mdevd_claim *claim)
{
	struct mdevd_backing *b = &claim->other.backing;

	lockdep_assert_held(&mdevd_lock);

	if (!claim->other.used)
		return;

	iounmap(b->map);
	WARN_ON_ONCE(!mdevd_spans_del(&claim->parent->taken[b->ext.bar],
				      b->ext.offset, claim));
	memset(&claim->other, 0, sizeof(claim->other));
	mdevd_changed();
}

/**
 * mdevd_backing_fill - what the pools say about the extents of a claim
 * @claim: the claim, whose extents have been checked
 * @config: configuration of its parent
 */
void mdevd_backing_fill(struct mdevd_claim *claim,
			const struct mdevd_config *config)
{
	u32 i;

	for (i = 0; i < claim->n; i++) {
		struct mdevd_backing *b = &claim->backing[i];
		const struct mdevd_pool *pool;

		pool = mdevd_check_find_pool(config->pools, config->n_pools,
					     &b->ext);
		b->phys = claim->parent->bar_start[b->ext.bar] + b->ext.offset;
		b->cache = pool->cache;
		b->scrub = pool->scrub;
		claim->zeroed |= pool->scrub != MDEVD_SCRUB_NONE;
	}
}

/**
 * mdevd_backing_unmap - give the kernel's mappings of the extents back
 * @claim: the claim
 */
void mdevd_backing_unmap(struct mdevd_claim *claim)
{
	u32 i;

	for (i = 0; i < claim->n; i++) {
		if (claim->backing[i].map)
			iounmap(claim->backing[i].map);
		claim->backing[i].map = NULL;
	}
}

static void __iomem *map_one(const struct mdevd_backing *b)
{
	if (b->cache == MDEVD_CACHE_WC)
		return ioremap_wc(b->phys, b->ext.length);
	return ioremap(b->phys, b->ext.length);
}

/**
 * mdevd_backing_map - map the extents into the kernel
 * @claim: the claim
 *
 * One mapping per extent and never one of the whole BAR: PAT gives a page the
 * type of the first mapping that covers it, so a wider one would turn write
 * combining into uncached behind our back.
 *
 * Return: 0 or -ENOMEM.
 */
int mdevd_backing_map(struct mdevd_claim *claim)
{
	u32 i;

	for (i = 0; i < claim->n; i++) {
		struct mdevd_backing *b = &claim->backing[i];

		b->map = map_one(b);
		if (!b->map) {
			mdevd_backing_unmap(claim);
			return -ENOMEM;
		}
	}

	return 0;
}

/**
 * mdevd_backing_add - a second place for one extent of a claim
 * @claim: the claim; mdevd_lock is held
 * @index: the extent that is to move there
 * @ext: the place
 *
 * Return: 0, or what MDEVD_MOVE says.
 */
int mdevd_backing_add(struct mdevd_claim *claim, u32 index,
		      const struct mdevd_extent *ext)
{
	const struct mdevd_backing *from = &claim->backing[index];
	struct mdevd_parent *parent = claim->parent;
	struct mdevd_backing to = { .ext = *ext };
	const struct mdevd_pool *pool;
	int ret;

	lockdep_assert_held(&mdevd_lock);

	if (ext->bar >= MDEVD_PCI_BARS ||
	    !IS_ALIGNED(ext->offset, parent->bounds.page))
		return -EINVAL;
	pool = mdevd_check_find_pool(parent->config->pools,
				     parent->config->n_pools, ext);
	if (!pool)
		return -ERANGE;
	if (pool->kind != MDEVD_POOL_MEMORY || pool->cache != from->cache ||
	    pool->scrub != from->scrub)
		return -EINVAL;
	if (mdevd_spans_overlap(&parent->taken[ext->bar], ext->offset,
				ext->offset + ext->length))
		return -EBUSY;
	ret = spans_grow(&parent->taken[ext->bar], 1);
	if (ret)
		return ret;

	to.phys = parent->bar_start[ext->bar] + ext->offset;
	to.cache = pool->cache;
	to.scrub = pool->scrub;
	to.map = map_one(&to);
	if (!to.map)
		return -ENOMEM;

	mdevd_spans_add(&parent->taken[ext->bar], ext->offset,
			ext->offset + ext->length, claim);
	claim->other.used = true;
	claim->other.index = index;
	claim->other.backing = to;
	mdevd_changed();
	return 0;
}

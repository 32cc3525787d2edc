// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices of a parent that has a vendor: what its type becomes, and the one
 * place from which each of the vendor's callbacks is called.
 *
 * mdevd_vendor.h is the contract.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/slab.h>

#include "mdevd.h"
#include "mdevd_vendor.h"

/* The first part of a type that says nothing yet, filled in. */
static int add_part(struct mdevd_type *type, u32 bar, u32 kind, u64 start,
		    u64 end)
{
	u32 i;

	if (start == end)
		return 0;

	for (i = 0; i < MDEVD_MAX_PARTS; i++) {
		struct mdevd_part *part = &type->parts[i];

		if (part->kind != MDEVD_PART_NONE)
			continue;
		part->bar = bar;
		part->kind = kind;
		part->offset = start;
		part->length = end - start;
		return 0;
	}

	return -EINVAL;
}

static int add_bar(struct mdevd_type *type, const struct mdevd_vendor_bar *b)
{
	struct mdevd_type_bar *bar = &type->bars[b->index];
	u64 map_end = b->map_start + b->map_length;
	int ret;

	if (bar->length)
		return -EINVAL;
	bar->length = b->length;
	bar->flags = b->flags;

	ret = add_part(type, b->index, MDEVD_PART_VENDOR, 0, b->map_start);
	if (!ret)
		ret = add_part(type, b->index, MDEVD_PART_LATE, b->map_start,
			       map_end);
	return ret ?: add_part(type, b->index, MDEVD_PART_VENDOR, map_end,
			       b->length);
}

/* The type as the guest sees it, with the BARs that the vendor adds. */
static int add_bars(const struct mdevd_vendor_ops *ops, struct mdevd_type *type)
{
	int ret = 0;
	u32 i;

	for (i = 0; !ret && i < ops->n_bars; i++)
		ret = add_bar(type, &ops->bars[i]);

	return ret;
}

/**
 * mdevd_vendor_check - may this be a type of a parent
 * @parent: the parent
 * @type: the type, good for a parent without a vendor
 *
 * Return: 0; -ENOSPC it has more vectors than the vendor signals; -EINVAL a BAR
 * of it is in the way of one of the vendor's, or it could be moved while the
 * vendor's DMA writes to it.
 */
int mdevd_vendor_check(const struct mdevd_parent *parent,
		       const struct mdevd_type *type)
{
	struct mdevd_type all = *type;
	int ret;

	if (!parent->vendor)
		return 0;
	if (type->vectors > parent->vendor->max_vectors)
		return -ENOSPC;
	if (type->flags & MDEVD_TYPE_MOVABLE)
		return -EINVAL;

	ret = add_bars(parent->vendor, &all);
	if (ret)
		return ret;

	/* its parts are good, and some of a kind that no caller may name */
	memset(all.parts, 0, sizeof(all.parts));
	return mdevd_check_types(&parent->bounds, NULL, 0, &all, 1);
}

/**
 * mdevd_vendor_begin - a device of a parent with a vendor is being made
 * @v: the device: claim and type are known, BARs not yet
 *
 * Return: 0 or -ENOMEM.
 */
int mdevd_vendor_begin(struct mdevd_vdev *v)
{
	const struct mdevd_claim *claim = v->claim;
	u64 at = 0;
	u32 i;

	if (!v->parent->vendor)
		return 0;

	v->memory = kcalloc(claim->n, sizeof(*v->memory), GFP_KERNEL_ACCOUNT);
	if (!v->memory)
		return -ENOMEM;

	for (i = 0; i < claim->n; i++) {
		const struct mdevd_backing *from = &claim->backing[i];

		v->memory[i].guest = at;
		v->memory[i].length = from->ext.length;
		v->memory[i].phys = from->phys;
		v->memory[i].backing = i;
		v->memory[i].cache = from->cache;
		at += from->ext.length;
	}

	v->vendor = v->parent->vendor;
	/* was possible when the type was configured */
	return add_bars(v->vendor, &v->type);
}

/**
 * mdevd_vendor_create - the vendor learns of a new device
 * @v: the device, whose BARs are known
 *
 * Return: 0, or what the vendor says.
 */
int mdevd_vendor_create(struct mdevd_vdev *v)
{
	int ret;

	if (!v->vendor)
		return 0;

	ret = mdevd_vendor_verdict(v->vendor->create(v, v->parent->card));
	v->vendor_live = !ret;
	return ret;
}

/**
 * mdevd_vendor_destroy - the vendor forgets a device
 * @v: the device, which is not open
 *
 * Does nothing where the vendor does not know it.
 */
void mdevd_vendor_destroy(struct mdevd_vdev *v)
{
	mutex_lock(&v->vendor_lock);
	if (v->vendor_live)
		v->vendor->destroy(v);
	v->vendor_live = false;
	mutex_unlock(&v->vendor_lock);
}

/**
 * mdevd_vendor_open - a device is being opened
 * @v: the device; it is clean
 *
 * Return: 0, or what the vendor says.
 */
int mdevd_vendor_open(struct mdevd_vdev *v)
{
	int ret;

	if (!v->vendor)
		return 0;

	mdevd_vendor_dma_allow(v);
	ret = mdevd_vendor_verdict(v->vendor->open(v));
	if (ret)
		mdevd_vendor_dma_bar(v);
	return ret;
}

/**
 * mdevd_vendor_close - a device is being closed
 * @v: the device; mdevd_vendor_open() was good
 */
void mdevd_vendor_close(struct mdevd_vdev *v)
{
	if (!v->vendor)
		return;

	mdevd_vendor_dma_bar(v);
	v->vendor->close(v);
	WARN_ON_ONCE(atomic_read(&v->dma_busy));
}

/**
 * mdevd_vendor_reset - a device is being reset
 * @v: the device, which is open
 */
void mdevd_vendor_reset(struct mdevd_vdev *v)
{
	if (!v->vendor || !v->vendor->reset)
		return;

	mdevd_vendor_dma_bar(v);
	v->vendor->reset(v);
	mdevd_vendor_dma_allow(v);
}

/**
 * mdevd_vendor_scrub - a vendor cleans an extent
 * @parent: its parent, whose vendor can
 * @b: the extent, of a pool that is MDEVD_SCRUB_VENDOR
 *
 * Return: 0, or -EAGAIN when it could not be cleaned now.
 */
int mdevd_vendor_scrub(const struct mdevd_parent *parent,
		       const struct mdevd_backing *b)
{
	const struct mdevd_vendor_memory memory = {
		.phys = b->phys,
		.length = b->ext.length,
		.map = b->map,
	};
	int ret;

	ret = mdevd_vendor_verdict(parent->vendor->scrub(parent->card,
							 &memory));
	if (!ret)
		return 0;

	pr_warn_ratelimited("%s: vendor cannot clean BAR %u at 0x%llx (%d) and is asked again\n",
			    parent->name, b->ext.bar, b->ext.offset, ret);
	return -EAGAIN;
}

/**
 * mdevd_vendor_revoke - the parent of a device goes away
 * @v: the device; its BARs have been revoked
 *
 * May come while another process removes the device.
 */
void mdevd_vendor_revoke(struct mdevd_vdev *v)
{
	mutex_lock(&v->vendor_lock);
	if (v->vendor_live && v->vendor->revoke)
		v->vendor->revoke(v);
	mutex_unlock(&v->vendor_lock);
}

/**
 * mdevd_vendor_access - a trapped access
 * @v: the device, which is neither held nor gone; no lock of ours is held
 * @write: which way
 * @bar: the BAR
 * @offset: where, in a part of the BAR that is the vendor's
 * @width: bytes
 * @value: in or out, CPU order
 */
void mdevd_vendor_access(struct mdevd_vdev *v, bool write, u32 bar, u64 offset,
			 size_t width, u64 *value)
{
	if (write)
		v->vendor->write(v, bar, offset, width, *value);
	else
		*value = v->vendor->read(v, bar, offset, width);
}

/**
 * mdevd_vendor_resolve - what a vendor says lies behind an offset
 * @v: the device; memory_lock is held
 * @bar: the BAR
 * @offset: the offset, in a part that is bound late
 * @target: that part; the answer on success
 *
 * Return: 0, or -ENXIO where nothing may be mapped.
 */
int mdevd_vendor_resolve(struct mdevd_vdev *v, u32 bar, u64 offset,
			 struct mdevd_target *target)
{
	u64 dev_offset = 0, run = 0;

	lockdep_assert_held(&v->memory_lock);

	if (v->vendor->validate_map_request(v, bar, offset, &dev_offset, &run))
		return -ENXIO;

	return mdevd_resolve_late(v->memory, v->claim->n, PAGE_SIZE,
				  target->end, offset, dev_offset, run,
				  target);
}

/**
 * mdevd_vendor_set_data - keep a pointer with a device
 * @v: the device
 * @data: the vendor's; from create() on
 */
void mdevd_vendor_set_data(struct mdevd_vdev *v, void *data)
{
	v->vendor_data = data;
}
EXPORT_SYMBOL_GPL(mdevd_vendor_set_data);

/**
 * mdevd_vendor_data - the pointer that is kept with a device
 * @v: the device
 *
 * Context: any.
 *
 * Return: what mdevd_vendor_set_data() was given.
 */
void *mdevd_vendor_data(const struct mdevd_vdev *v)
{
	return v->vendor_data;
}
EXPORT_SYMBOL_GPL(mdevd_vendor_data);

/**
 * mdevd_vendor_memory_size - how much memory a device has
 * @v: the device
 *
 * Context: any.
 *
 * Return: bytes, all its extents together.
 */
u64 mdevd_vendor_memory_size(const struct mdevd_vdev *v)
{
	const struct mdevd_piece *last = &v->memory[v->claim->n - 1];

	return last->guest + last->length;
}
EXPORT_SYMBOL_GPL(mdevd_vendor_memory_size);

/**
 * mdevd_vendor_memory - where a piece of a device's memory is
 * @v: the device
 * @dev_offset: offset into its memory: its extents in the order in which they
 *	were reserved, one after the other
 * @memory: filled in on success
 *
 * The vendor uses it from create() to destroy(), and lets no DMA reach it but
 * between open() and close().
 *
 * Context: any.
 *
 * Return: 0, or -ERANGE.
 */
int mdevd_vendor_memory(const struct mdevd_vdev *v, u64 dev_offset,
			struct mdevd_vendor_memory *memory)
{
	const struct mdevd_backing *b;
	struct mdevd_target target;

	if (mdevd_resolve(v->memory, v->claim->n, dev_offset, &target))
		return -ERANGE;

	b = &v->claim->backing[target.backing];
	memory->phys = target.phys;
	memory->length = target.end - dev_offset;
	memory->map = b->map + (target.phys - b->phys);
	return 0;
}
EXPORT_SYMBOL_GPL(mdevd_vendor_memory);

/**
 * mdevd_rebind - what lies behind some pages has changed
 * @v: the device
 * @bar: one of the vendor's BARs
 * @offset: first byte
 * @length: bytes
 *
 * Called after the vendor's state has changed and before the guest is told.
 * When it returns no page that was mapped by the old answer of
 * validate_map_request() is left, in any process or guest, and the next touch
 * asks again.
 *
 * Context: process, may sleep.  No lock of the vendor's that
 * validate_map_request() takes; not from a fault, nor with mmap_lock held.
 */
void mdevd_rebind(struct mdevd_vdev *v, u32 bar, u64 offset, u64 length)
{
	/* who has asked before the change has inserted its page after this */
	down_write(&v->memory_lock);
	up_write(&v->memory_lock);

	mdevd_map_zap_range(v, bar, round_down(offset, PAGE_SIZE),
			    round_up(offset + length, PAGE_SIZE) -
			    round_down(offset, PAGE_SIZE));
}
EXPORT_SYMBOL_GPL(mdevd_rebind);

/**
 * mdevd_vendor_signal - raise an MSI-X vector of a device
 * @v: the device
 * @vector: below the vectors of its type
 *
 * Context: any, interrupts included; from create() to destroy().
 *
 * Where the guest has not enabled it, or there is no such vector, nothing
 * happens and nothing is kept.
 */
void mdevd_vendor_signal(struct mdevd_vdev *v, u32 vector)
{
	mdevd_irq_signal(v, vector);
}
EXPORT_SYMBOL_GPL(mdevd_vendor_signal);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parts of the BARs that have something else behind them than the device's
 * extents: pages of the parent that all devices see, and the MSI-X table.
 *
 * Nobody can map them; each access of the guest comes here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/slab.h>

#include "mdevd.h"

/**
 * mdevd_trap_map - map what the devices of a type share
 * @parent: the parent
 * @entry: the type, which has been checked
 *
 * Return: 0 or -ENOMEM; mdevd_trap_unmap() takes back what there is.
 */
int mdevd_trap_map(const struct mdevd_parent *parent,
		   struct mdevd_type_entry *entry)
{
	u32 i;

	for (i = 0; i < MDEVD_MAX_PARTS; i++) {
		const struct mdevd_part *part = &entry->conf.parts[i];

		if (part->kind != MDEVD_PART_SHARED)
			continue;
		entry->shared[i] = ioremap(parent->bar_start[part->parent_bar] +
					   part->parent_offset, part->length);
		if (!entry->shared[i])
			return -ENOMEM;
	}

	return 0;
}

/**
 * mdevd_trap_unmap - give the mappings back
 * @entry: the type
 */
void mdevd_trap_unmap(struct mdevd_type_entry *entry)
{
	u32 i;

	for (i = 0; i < MDEVD_MAX_PARTS; i++) {
		if (entry->shared[i])
			iounmap(entry->shared[i]);
		entry->shared[i] = NULL;
	}
}

/**
 * mdevd_trap_access - one access to a part that no extent backs
 * @v: the device; its memory_lock is held
 * @target: what mdevd_map_validate_request() said of it
 * @pos: offset in the BAR, naturally aligned
 * @width: 1, 2, 4 or 8
 * @write: which way
 * @value: in CPU order
 */
void mdevd_trap_access(struct mdevd_vdev *v, const struct mdevd_target *target,
		       u64 pos, size_t width, bool write, u64 *value)
{
	lockdep_assert_held(&v->memory_lock);

	if (write)
		return;
	*value = ~0ULL;
	if (target->kind == MDEVD_PART_SHARED)
		*value = mdevd_mmio_read(v->entry->shared[target->backing] +
					 (pos - target->start), width);
}

/**
 * mdevd_trap_msix - one access to the BAR of the MSI-X table
 * @v: the device, which has one
 * @pos: offset in the BAR, naturally aligned
 * @width: 1, 2, 4 or 8
 * @write: which way
 * @value: in CPU order
 */
void mdevd_trap_msix(struct mdevd_vdev *v, u64 pos, size_t width, bool write,
		     u64 *value)
{
	__le64 le = cpu_to_le64(*value);

	mutex_lock(&v->cfg_lock);
	if (write)
		mdevd_msix_write(v->msix_table, v->msix.vectors, pos,
				 (const u8 *)&le, width);
	else
		mdevd_msix_read(v->msix_table, v->msix.vectors, pos, (u8 *)&le,
				width);
	mutex_unlock(&v->cfg_lock);

	*value = le64_to_cpu(le);
}

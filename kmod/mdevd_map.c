// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping: mmap() sets up a VMA and no page; the first touch of a page faults,
 * we ask what lies behind it, and put it into the page tables of the VMM.
 * KVM's MMU follows them into the guest's, and from then on the guest runs
 * at the speed of the hardware.
 *
 * How it became this: the patches of 2016 called validate_map_request() from
 * the fault handler and then remap_pfn_range().  The question is still asked
 * here.  The second step is not lawful in a fault handler any more: it writes
 * vm_flags, for which a fault has no lock, and it stops the machine when two
 * vCPUs fault on one page.  mdevd_fill_range() does it instead, for faults and for
 * "map = eager" alike.
 *
 * VM_MIXEDMAP and not VM_PFNMAP: vfio type1 would put a PFNMAP BAR into the
 * IOMMU of another device of the VM, for peer to peer DMA, and no revocation
 * reaches it there.
 *
 * Taking back: under memory_lock for write the state changes; then every page
 * of every VMA goes.  No page comes back but through a fault, which takes
 * memory_lock for read and sees the new state.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>

#include "mdevd.h"
#include "mdevd_map.h"

/**
 * mdevd_map_validate_request - what lies behind an offset of a BAR
 * @v: the device
 * @bar: the BAR
 * @offset: offset in it
 * @target: filled in on success
 *
 * validate_map_request() of the 2016 design.  Called under memory_lock, in a
 * fault under mmap_lock or the VMA lock too: it may not sleep long nor touch
 * guest memory.
 *
 * What has a @kind must not be mapped.
 *
 * Return: 0; -ENXIO where nothing is; -EAGAIN to wait for
 * hold_seq, because the device is held or this piece of it is being moved.
 */
int mdevd_map_validate_request(struct mdevd_vdev *v, u32 bar, u64 offset,
			       struct mdevd_target *target)
{
	int ret;

	lockdep_assert_held(&v->memory_lock);

	/* a hold that a revocation found is not waited for any more */
	if (v->gone)
		return -ENXIO;
	if (v->held)
		return -EAGAIN;
	if (bar >= MDEVD_MAX_BARS)
		return -ENXIO;

	ret = mdevd_resolve(v->bars[bar].pieces, v->bars[bar].n, offset,
			    target);
	if (!ret && v->moving)
		ret = mdevd_resolve_moved(&v->moved, offset, target);
	if (!ret && target->kind == MDEVD_PART_LATE)
		ret = mdevd_vendor_resolve(v, bar, offset, target);
	return ret;
}

static const struct vm_operations_struct mdevd_map_ops = {
	.fault = mdevd_fault,
#if MDEVD_HUGE
	.huge_fault = mdevd_fault_huge,
#endif
};

/* Is all of [start, end) made of what may be mapped? */
static bool may_map(const struct mdevd_bar *bar, u64 start, u64 end)
{
	u64 from = start, to;

	return mdevd_resolve_mappable(bar->pieces, bar->n, &from, &to) &&
	       from == start && to >= end;
}

/**
 * mdevd_map_mmap - mmap op of the vfio device
 * @vdev: vfio core's part
 * @vma: the new VMA, not linked yet; its mmap_lock is held for write
 *
 * Return: 0 or an error.
 */
int mdevd_map_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct mdevd_vdev *v = to_mdevd_vdev(vdev);
	struct mdevd_view view = mdevd_view_of(vma);
	int ret;

	/* a private copy of a BAR is none */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (view.bar >= MDEVD_MAX_BARS ||
	    !may_map(&v->bars[view.bar], view.start, view.end))
		return -EINVAL;

	ret = mdevd_inode_adopt(v, vma);
	if (ret)
		return ret;

	mdevd_vm_flags_set(vma, VM_IO | VM_MIXEDMAP | VM_DONTEXPAND |
			   VM_DONTDUMP | VM_DONTCOPY);
	vma->vm_page_prot =
		pgprot_decrypted(pgprot_noncached(vma->vm_page_prot));
	vma->vm_private_data = v;
	vma->vm_ops = &mdevd_map_ops;

	/* no page where no access is allowed; mprotect() brings the faults */
	if (v->type.map == MDEVD_MAP_EAGER &&
	    vma->vm_flags & (VM_READ | VM_WRITE))
		mdevd_fill_eager(v, &view);

	return 0;
}

static int zap(struct mdevd_vdev *v, loff_t start, loff_t length)
{
	struct address_space *mapping = mdevd_inode_mapping(v);
	int ret;

	unmap_mapping_range(mapping, start, length, true);
	ret = mdevd_fill_sync(v);
	if (ret > 0)
		unmap_mapping_range(mapping, start, length, true);

	return min(ret, 0);
}

/**
 * mdevd_map_zap - unmap all pages of all VMAs
 * @v: the device, in a state in which faults do not bring them back
 *
 * Return: 0; -EINTR if the caller was killed before the end of an mmap() that
 * was filling a VMA of its own: that may keep pages, until the next call.
 */
int mdevd_map_zap(struct mdevd_vdev *v)
{
	return zap(v, 0, 0);
}

/**
 * mdevd_map_cut - the first half of mdevd_map_zap(), which waits for no VMM
 * @v: the device, in a state in which faults do not bring pages back
 *
 * mdevd_map_settle() follows, once this has been done to all whom it concerns.
 */
void mdevd_map_cut(struct mdevd_vdev *v)
{
	unmap_mapping_range(mdevd_inode_mapping(v), 0, 0, true);
}

/**
 * mdevd_map_settle - the second half
 * @v: the device
 * @until: jiffies at which it gives up
 *
 * What it gives up on are the pages of one mmap() under way, of a VMM that does
 * not let it end: they stay until the next call or the VMM's close, for which
 * whoever has the function unbound waits anyhow.
 */
void mdevd_map_settle(struct mdevd_vdev *v, unsigned long until)
{
	if (mdevd_fill_sync_until(v, until) > 0)
		mdevd_map_cut(v);
}

/**
 * mdevd_map_zap_range - unmap the pages of a piece of a BAR
 * @v: the device, in a state in which faults do not bring them back
 * @bar: the BAR
 * @start: first byte
 * @length: bytes
 *
 * Return: as mdevd_map_zap().
 */
int mdevd_map_zap_range(struct mdevd_vdev *v, u32 bar, u64 start, u64 length)
{
	return zap(v, ((u64)bar << MDEVD_OFFSET_SHIFT) + start, length);
}

/**
 * mdevd_map_move - how far an extent has moved
 * @v: the device
 * @moving: it is in two places at all
 * @lo: see struct mdevd_moved
 * @hi: same
 */
void mdevd_map_move(struct mdevd_vdev *v, bool moving, u64 lo, u64 hi)
{
	down_write(&v->memory_lock);
	v->moving = moving;
	v->moved.lo = lo;
	v->moved.hi = hi;
	v->hold_seq++;
	up_write(&v->memory_lock);

	wake_up_all(&v->hold_wait);
}

/**
 * mdevd_map_set_held - whether a touch of the BARs waits
 * @v: the device
 * @why: one of MDEVD_HELD_*
 * @held: from now on, for this reason
 *
 * After the beginning of a hold the caller zaps.
 */
void mdevd_map_set_held(struct mdevd_vdev *v, u32 why, bool held)
{
	down_write(&v->memory_lock);
	v->held = held ? v->held | why : v->held & ~why;
	v->hold_seq++;
	up_write(&v->memory_lock);

	if (!held)
		wake_up_all(&v->hold_wait);
}

/**
 * mdevd_map_revoke - take the BARs away for good
 * @v: the device; who waits for the end of a hold is woken
 *
 * Every address becomes one page of ones that belongs to this device alone.
 * mdevd_map_settle() is the caller's.
 */
void mdevd_map_revoke(struct mdevd_vdev *v)
{
	struct page *dummy = alloc_page(GFP_KERNEL | __GFP_NOFAIL);

	memset(page_address(dummy), 0xff, PAGE_SIZE);

	down_write(&v->memory_lock);
	v->gone = true;
	v->dummy = dummy;
	v->hold_seq++;
	up_write(&v->memory_lock);

	wake_up_all(&v->hold_wait);
	mdevd_map_cut(v);
}

/**
 * mdevd_map_bytes - how much of the BARs is covered by VMAs
 * @v: the device
 *
 * Return: bytes, counted over all VMAs of all processes.
 */
u64 mdevd_map_bytes(struct mdevd_vdev *v)
{
	struct address_space *mapping = mdevd_inode_mapping(v);
	struct rb_node *node;
	u64 bytes = 0;

	i_mmap_lock_read(mapping);
	for (node = rb_first_cached(&mapping->i_mmap); node;
	     node = rb_next(node)) {
		const struct vm_area_struct *vma =
			rb_entry(node, struct vm_area_struct, shared.rb);

		bytes += vma->vm_end - vma->vm_start;
	}
	i_mmap_unlock_read(mapping);

	return bytes;
}

/**
 * mdevd_map_done - the last VMA of a device has gone
 * @v: the device
 */
void mdevd_map_done(struct mdevd_vdev *v)
{
	struct page *dummy;

	mdevd_fill_forget(v);

	/* the parent may be going away at this moment */
	down_write(&v->memory_lock);
	dummy = v->dummy;
	v->dummy = NULL;
	up_write(&v->memory_lock);

	if (dummy)
		__free_page(dummy);
}

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
 * vCPUs fault on one page.  fill_range() does it instead, for faults and for
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

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "mdevd.h"

/* What one fault brings in on a kernel without huge entries. */
#define WINDOW		(2UL << 20)
#define EAGER_MAX	64

/* A process that was in mmap() when it filled a VMA. */
struct eager {
	struct list_head node;
	struct mm_struct *mm;
};

/* Where a VMA lies in its BAR. */
struct view {
	struct vm_area_struct *vma;
	u32 bar;
	u64 start;
	u64 end;
};

static struct view view_of(struct vm_area_struct *vma)
{
	/* vm_pgoff follows splits and moves, so this holds for any piece */
	u64 at = (u64)vma->vm_pgoff << PAGE_SHIFT;
	struct view view = {
		.vma = vma,
		.bar = at >> MDEVD_OFFSET_SHIFT,
		.start = at & MDEVD_OFFSET_MASK,
	};

	view.end = view.start + (vma->vm_end - vma->vm_start);
	return view;
}

static unsigned long view_addr(const struct view *view, u64 offset)
{
	return view->vma->vm_start + (offset - view->start);
}

static u64 view_offset(const struct view *view, unsigned long addr)
{
	return view->start + (addr - view->vma->vm_start);
}

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
 * Return: 0; -ENXIO where nothing may be mapped; -EAGAIN to wait for
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
	return ret;
}

/* State of one walk over page tables. */
struct fill {
	struct mm_struct *mm;
	unsigned long addr;
	unsigned long pfn;
	pgprot_t prot;
	unsigned long pages;
};

/* Runs under the lock of the page table; a page that is there stays. */
static int fill_pte(pte_t *pte, unsigned long addr, void *data)
{
	struct fill *f = data;
	unsigned long pfn = f->pfn + ((addr - f->addr) >> PAGE_SHIFT);

	if (!pte_none(mdevd_ptep_get(pte)))
		return 0;

	set_pte_at(f->mm, addr, pte, pte_mkspecial(pfn_pte(pfn, f->prot)));
	f->pages++;
	return 0;
}

/*
 * The memory type of a run.  It is the one that the extent's kernel mapping
 * has reserved, so that all aliases agree.  Made from the flags and not from
 * vm_page_prot, which has bits of one type already.
 */
static pgprot_t run_prot(const struct vm_area_struct *vma, u32 cache)
{
	pgprot_t prot = pgprot_decrypted(vm_get_page_prot(vma->vm_flags));

	return cache == MDEVD_CACHE_WC ? pgprot_writecombine(prot) :
					 pgprot_noncached(prot);
}

/*
 * The one fill helper: the pages of [start, end) of a BAR that are missing.
 * The range lies in the VMA and in the run of @target, and no huge entry is in
 * its way.
 */
static int fill_range(struct mdevd_vdev *v, const struct view *view,
		      const struct mdevd_target *target, u64 offset,
		      u64 start, u64 end, bool eager)
{
	struct vm_area_struct *vma = view->vma;
	struct fill f = {
		.mm = vma->vm_mm,
		.addr = view_addr(view, start),
		.pfn = (target->phys - (offset - start)) >> PAGE_SHIFT,
		.prot = run_prot(vma, target->cache),
	};
	int ret;

	lockdep_assert_held(&v->memory_lock);
	lockdep_assert_held(&v->fill_lock);

	mdevd_claim_touch(v->claim);
	ret = apply_to_page_range(f.mm, f.addr, end - start, fill_pte, &f);
	if (!f.pages)
		return ret;

	atomic64_add(f.pages, &v->claim->pages);
	atomic64_inc(&v->claim->insertions);
	if (eager)
		atomic64_inc(&v->claim->insertions_eager);
	return ret;
}

/*
 * The window that a fault at @addr brings in: 2 MiB aligned to the BAR, within
 * the run and the VMA.  Where address and physical address agree in their low
 * bits, a neighbour in the page tables may be a huge entry already, or become
 * one: the window then stays in the huge page's worth of addresses around
 * @addr.
 */
static void window_of(const struct view *view,
		      const struct mdevd_target *target, unsigned long addr,
		      u64 *start, u64 *end)
{
	u64 offset = view_offset(view, addr);
	u64 base = round_down(offset, WINDOW);
	unsigned long block = addr & PMD_MASK;

	*start = max3(base, target->start, view->start);
	*end = min3(base + WINDOW, target->end, view->end);

	if (!MDEVD_HUGE || ((target->phys ^ addr) & ~PMD_MASK))
		return;

	if (addr - block < offset - *start)
		*start = offset - (addr - block);
	*end = min(*end, offset + (block + PMD_SIZE - addr));
}

static vm_fault_t to_fault(int ret)
{
	if (!ret)
		return VM_FAULT_NOPAGE;
	return ret == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

/*
 * A touch while the device is held: waits without the lock that the fault came
 * with, and has the fault tried again.  The reference to the file is what
 * keeps the device while no lock keeps the VMA.
 *
 * Called with memory_lock for read, which is dropped.
 */
static vm_fault_t fault_held(struct mdevd_vdev *v, struct vm_fault *vmf)
{
	const unsigned int user = FAULT_FLAG_USER | FAULT_FLAG_INTERRUPTIBLE;
	unsigned int flags = vmf->flags;
	u32 seq = v->hold_seq;
	struct file *file;

	/* who cannot try again must not wait, and a kernel thread never ends */
	if (!(flags & FAULT_FLAG_ALLOW_RETRY) || current->flags & PF_KTHREAD) {
		up_read(&v->memory_lock);
		return VM_FAULT_SIGBUS;
	}
	if (flags & FAULT_FLAG_RETRY_NOWAIT) {
		up_read(&v->memory_lock);
		return VM_FAULT_RETRY;
	}

	file = get_file(vmf->vma->vm_file);
	up_read(&v->memory_lock);
	mdevd_release_fault_lock(vmf);

	/* elsewhere a signal that is not deadly would have us run in circles */
	if ((flags & user) == user)
		wait_event_interruptible(v->hold_wait,
					 READ_ONCE(v->hold_seq) != seq);
	else
		wait_event_killable(v->hold_wait,
				    READ_ONCE(v->hold_seq) != seq);

	fput(file);
	return VM_FAULT_RETRY;
}

static vm_fault_t fill_fault(struct mdevd_vdev *v, struct vm_fault *vmf,
			     const struct view *view,
			     const struct mdevd_target *target)
{
	unsigned long addr = vmf->address & PAGE_MASK;
	vm_fault_t ret = VM_FAULT_NOPAGE;
	u64 start, end;

	window_of(view, target, addr, &start, &end);

	mutex_lock(&v->fill_lock);
	/* a huge fault on another CPU has been here before */
	if (!pmd_leaf(mdevd_pmdp_get(vmf->pmd)))
		ret = to_fault(fill_range(v, view, target,
					  view_offset(view, addr), start, end,
					  false));
	mutex_unlock(&v->fill_lock);

	return ret;
}

/* Never answers VM_FAULT_FALLBACK: KVM's way in would BUG on it. */
static vm_fault_t mdevd_map_fault(struct vm_fault *vmf)
{
	struct mdevd_vdev *v = vmf->vma->vm_private_data;
	struct view view = view_of(vmf->vma);
	unsigned long addr = vmf->address & PAGE_MASK;
	struct mdevd_target target;
	vm_fault_t ret;
	int r;

	down_read(&v->memory_lock);
	r = mdevd_map_validate_request(v, view.bar, view_offset(&view, addr),
				       &target);
	if (r == -EAGAIN)
		return fault_held(v, vmf);

	atomic64_inc(&v->claim->faults);
	if (v->gone)
		ret = vmf_insert_mixed(vmf->vma, addr,
				       mdevd_pfn(page_to_pfn(v->dummy)));
	else if (r)
		ret = VM_FAULT_SIGBUS;
	else
		ret = fill_fault(v, vmf, &view, &target);
	up_read(&v->memory_lock);

	return ret;
}

#if MDEVD_HUGE
/* Does the 2 MiB of address space around @addr fit one huge entry? */
static bool huge_fits(const struct view *view,
		      const struct mdevd_target *target, unsigned long addr)
{
	unsigned long base = addr & PMD_MASK;
	u64 phys = target->phys - (addr - base);
	u64 offset;

	if (base < view->vma->vm_start ||
	    view->vma->vm_end - base < PMD_SIZE || !IS_ALIGNED(phys, PMD_SIZE))
		return false;

	offset = view_offset(view, base);
	return offset >= target->start && target->end - offset >= PMD_SIZE;
}

static vm_fault_t fill_huge(struct mdevd_vdev *v, struct vm_fault *vmf,
			    u64 phys)
{
	vm_fault_t ret;
	bool fresh;

	mdevd_claim_touch(v->claim);
	mutex_lock(&v->fill_lock);
	fresh = pmd_none(mdevd_pmdp_get(vmf->pmd));
	/* also comes to make an entry writable that is not */
	ret = vmf_insert_pfn_pmd(vmf, mdevd_pfn(phys >> PAGE_SHIFT),
				 vmf->flags & FAULT_FLAG_WRITE);
	mutex_unlock(&v->fill_lock);

	if (ret != VM_FAULT_NOPAGE)
		return ret;

	atomic64_inc(&v->claim->faults);
	atomic64_inc(&v->claim->faults_huge);
	if (fresh) {
		atomic64_add(PMD_SIZE >> PAGE_SHIFT, &v->claim->pages);
		atomic64_inc(&v->claim->insertions);
	}
	return ret;
}

/*
 * Arrives under the VMA lock alone.  1 GiB entries are not made: to revoke a
 * part of one warns on a stock kernel.
 */
static vm_fault_t mdevd_map_huge_fault(struct vm_fault *vmf,
				       unsigned int order)
{
	struct mdevd_vdev *v = vmf->vma->vm_private_data;
	struct view view = view_of(vmf->vma);
	unsigned long addr = vmf->address & PAGE_MASK;
	vm_fault_t ret = VM_FAULT_FALLBACK;
	struct mdevd_target target;
	int r;

	if (order != PMD_ORDER)
		return VM_FAULT_FALLBACK;

	down_read(&v->memory_lock);
	r = mdevd_map_validate_request(v, view.bar, view_offset(&view, addr),
				       &target);
	if (r == -EAGAIN)
		return fault_held(v, vmf);

	if (!r && huge_fits(&view, &target, addr))
		ret = fill_huge(v, vmf, target.phys - (addr & ~PMD_MASK));
	up_read(&v->memory_lock);

	return ret;
}
#endif

static const struct vm_operations_struct mdevd_map_ops = {
	.fault = mdevd_map_fault,
#if MDEVD_HUGE
	.huge_fault = mdevd_map_huge_fault,
#endif
};

/*
 * Remembers that this process fills a VMA which is not linked yet, so that a
 * revocation which does not find the VMA waits for its mmap() and looks again.
 */
static bool eager_note(struct mdevd_vdev *v, struct mm_struct *mm)
{
	struct eager *new, *e;
	bool known = false;

	new = kmalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return false;

	spin_lock(&v->eager_lock);
	list_for_each_entry(e, &v->eager, node)
		known |= e->mm == mm;
	if (!known && v->n_eager < EAGER_MAX) {
		mmgrab(mm);
		new->mm = mm;
		list_add(&new->node, &v->eager);
		v->n_eager++;
		new = NULL;
		known = true;
	}
	spin_unlock(&v->eager_lock);

	kfree(new);
	return known;
}

/* Waits for every mmap() that was noted; returns if there was one. */
static bool eager_sync(struct mdevd_vdev *v, bool wait)
{
	struct eager *e, *next;
	LIST_HEAD(noted);

	spin_lock(&v->eager_lock);
	list_splice_init(&v->eager, &noted);
	v->n_eager = 0;
	spin_unlock(&v->eager_lock);

	if (list_empty(&noted))
		return false;

	list_for_each_entry_safe(e, next, &noted, node) {
		if (wait) {
			mmap_read_lock(e->mm);
			mmap_read_unlock(e->mm);
		}
		mmdrop(e->mm);
		kfree(e);
	}

	return true;
}

/* What is not filled here, for want of memory or time, comes by faults. */
static void fill_eager(struct mdevd_vdev *v, const struct view *view)
{
	struct mdevd_target target;
	u64 at = view->start, end;

	if (!eager_note(v, view->vma->vm_mm))
		return;

	while (at < view->end && !fatal_signal_pending(current)) {
		int ret;

		down_read(&v->memory_lock);
		ret = mdevd_map_validate_request(v, view->bar, at, &target);
		if (!ret) {
			end = min3(round_down(at, WINDOW) + WINDOW,
				   target.end, view->end);
			mutex_lock(&v->fill_lock);
			ret = fill_range(v, view, &target, at, at, end, true);
			mutex_unlock(&v->fill_lock);
		}
		up_read(&v->memory_lock);
		if (ret)
			return;
		at = end;
		cond_resched();
	}
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
	struct view view = view_of(vma);
	int ret;

	/* a private copy of a BAR is none */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (view.bar >= MDEVD_MAX_BARS ||
	    view.end > v->bars[view.bar].length)
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
		fill_eager(v, &view);

	return 0;
}

static void zap(struct mdevd_vdev *v, loff_t start, loff_t length)
{
	struct address_space *mapping = mdevd_inode_mapping(v);

	unmap_mapping_range(mapping, start, length, true);
	if (eager_sync(v, true))
		unmap_mapping_range(mapping, start, length, true);
}

/**
 * mdevd_map_zap - unmap all pages of all VMAs
 * @v: the device, in a state in which faults do not bring them back
 */
void mdevd_map_zap(struct mdevd_vdev *v)
{
	zap(v, 0, 0);
}

/**
 * mdevd_map_zap_range - unmap the pages of a piece of a BAR
 * @v: the device, in a state in which faults do not bring them back
 * @bar: the BAR
 * @start: first byte
 * @length: bytes
 */
void mdevd_map_zap_range(struct mdevd_vdev *v, u32 bar, u64 start, u64 length)
{
	zap(v, ((u64)bar << MDEVD_OFFSET_SHIFT) + start, length);
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
 * No page of the parent is mapped when this returns.
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
	mdevd_map_zap(v);
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
	eager_sync(v, false);

	if (v->dummy)
		__free_page(v->dummy);
	v->dummy = NULL;
}

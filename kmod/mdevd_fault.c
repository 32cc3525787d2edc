// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults: the first touch of a page asks what lies behind it and has it put
 * into the page tables, waits while the device is held, or gets the dummy
 * page once the parent is gone.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/sched/signal.h>

#include "mdevd_map.h"

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
			     const struct mdevd_view *view,
			     const struct mdevd_target *target)
{
	unsigned long addr = vmf->address & PAGE_MASK;
	u64 offset = mdevd_view_offset(view, addr);
	vm_fault_t ret = VM_FAULT_NOPAGE;
	u64 start, end;

	mdevd_fill_window(view, target, addr, &start, &end);

	mutex_lock(&v->fill_lock);
	/* a huge fault on another CPU has been here before */
	if (!pmd_leaf(mdevd_pmdp_get(vmf->pmd)))
		ret = to_fault(mdevd_fill_range(v, view, target, offset, start,
						end, false));
	mutex_unlock(&v->fill_lock);

	return ret;
}

/**
 * mdevd_fault - fault op of a VMA
 * @vmf: the fault
 *
 * Never answers VM_FAULT_FALLBACK: KVM's way in would BUG on it.
 *
 * Return: what a fault handler says.
 */
vm_fault_t mdevd_fault(struct vm_fault *vmf)
{
	struct mdevd_vdev *v = vmf->vma->vm_private_data;
	struct mdevd_view view = mdevd_view_of(vmf->vma);
	unsigned long addr = vmf->address & PAGE_MASK;
	struct mdevd_target target;
	vm_fault_t ret;
	int r;

	down_read(&v->memory_lock);
	r = mdevd_map_validate_request(v, view.bar, mdevd_view_offset(&view, addr),
				       &target);
	if (r == -EAGAIN)
		return fault_held(v, vmf);

	atomic64_inc(&v->claim->faults);
	if (v->gone)
		ret = vmf_insert_mixed(vmf->vma, addr,
				       mdevd_pfn(page_to_pfn(v->dummy)));
	else if (r || target.kind != MDEVD_PART_NONE)
		ret = VM_FAULT_SIGBUS;
	else
		ret = fill_fault(v, vmf, &view, &target);
	up_read(&v->memory_lock);

	return ret;
}

#if MDEVD_HUGE
/* Does the 2 MiB of address space around @addr fit one huge entry? */
static bool huge_fits(const struct mdevd_view *view,
		      const struct mdevd_target *target, unsigned long addr)
{
	unsigned long base = addr & PMD_MASK;
	u64 phys = target->phys - (addr - base);
	u64 offset;

	if (base < view->vma->vm_start ||
	    view->vma->vm_end - base < PMD_SIZE || !IS_ALIGNED(phys, PMD_SIZE))
		return false;

	offset = mdevd_view_offset(view, base);
	return offset >= target->start && target->end - offset >= PMD_SIZE;
}

static vm_fault_t fill_huge(struct mdevd_vdev *v, struct vm_fault *vmf,
			    u64 phys, bool eager)
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

	if (eager) {
		atomic64_inc(&v->claim->insertions_eager);
	} else {
		atomic64_inc(&v->claim->faults);
		atomic64_inc(&v->claim->faults_huge);
	}
	if (fresh) {
		atomic64_add(PMD_SIZE >> PAGE_SHIFT, &v->claim->pages);
		atomic64_inc(&v->claim->insertions);
	}
	return ret;
}

/* 1 GiB entries are not made: revoking a part of one warns on a stock kernel. */
static vm_fault_t huge(struct vm_fault *vmf, unsigned int order, bool eager)
{
	struct mdevd_vdev *v = vmf->vma->vm_private_data;
	struct mdevd_view view = mdevd_view_of(vmf->vma);
	unsigned long addr = vmf->address & PAGE_MASK;
	vm_fault_t ret = VM_FAULT_FALLBACK;
	struct mdevd_target target;
	int r;

	if (order != PMD_ORDER)
		return VM_FAULT_FALLBACK;

	down_read(&v->memory_lock);
	r = mdevd_map_validate_request(v, view.bar,
				       mdevd_view_offset(&view, addr), &target);
	if (r == -EAGAIN)
		return fault_held(v, vmf);

	if (!r && target.kind == MDEVD_PART_NONE &&
	    huge_fits(&view, &target, addr))
		ret = fill_huge(v, vmf, target.phys - (addr & ~PMD_MASK),
				eager);
	up_read(&v->memory_lock);

	return ret;
}

/**
 * mdevd_fault_huge - huge_fault op of a VMA
 * @vmf: the fault
 * @order: of the entry that would fit
 *
 * Arrives under the VMA lock alone.
 *
 * Return: what a fault handler says.
 */
vm_fault_t mdevd_fault_huge(struct vm_fault *vmf, unsigned int order)
{
	return huge(vmf, order, false);
}

static vm_fault_t eager_huge(struct vm_fault *vmf, unsigned int order)
{
	return huge(vmf, order, true);
}

/* No huge entry fits; mdevd_fill_eager() goes on with pages. */
static vm_fault_t eager_fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct eager_ops = {
	.fault = eager_fault,
	.huge_fault = eager_huge,
};

/**
 * mdevd_fault_eager - make one huge entry in a VMA that is in mmap()
 * @vma: the VMA, not linked yet; its mmap_lock is held for write
 * @addr: where, a multiple of PMD_SIZE
 *
 * Only the fault path of the kernel allocates the tables above such an entry
 * for a module; nobody else can meet the operations that the VMA has meanwhile.
 *
 * Return: true if the entry is there.
 */
bool mdevd_fault_eager(struct vm_area_struct *vma, unsigned long addr)
{
	const struct vm_operations_struct *ops = vma->vm_ops;
	unsigned int flags = vma->vm_flags & VM_WRITE ? FAULT_FLAG_WRITE : 0;
	vm_fault_t ret;

	vma->vm_ops = &eager_ops;
	ret = handle_mm_fault(vma, addr, flags, NULL);
	vma->vm_ops = ops;

	return ret == VM_FAULT_NOPAGE;
}
#endif

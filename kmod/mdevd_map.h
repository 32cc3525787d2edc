/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of mapping share: mmap and taking back (mdevd_map.c), the
 * fault handlers (mdevd_fault.c) and filling page tables (mdevd_fill.c).
 */
#ifndef MDEVD_MAP_H
#define MDEVD_MAP_H

#include <linux/mm.h>

#include "mdevd.h"

/* What one fault brings in on a kernel without huge entries. */
#define MDEVD_WINDOW	(2UL << 20)

/**
 * struct mdevd_view - where a VMA lies in its BAR
 * @vma: the VMA
 * @bar: the BAR
 * @start: first byte, from the start of the BAR
 * @end: byte after the last
 */
struct mdevd_view {
	struct vm_area_struct *vma;
	u32 bar;
	u64 start;
	u64 end;
};

static inline struct mdevd_view mdevd_view_of(struct vm_area_struct *vma)
{
	/* vm_pgoff follows splits and moves, so this holds for any piece */
	u64 at = (u64)vma->vm_pgoff << PAGE_SHIFT;
	struct mdevd_view view = {
		.vma = vma,
		.bar = at >> MDEVD_OFFSET_SHIFT,
		.start = at & MDEVD_OFFSET_MASK,
	};

	view.end = view.start + (vma->vm_end - vma->vm_start);
	return view;
}

static inline unsigned long mdevd_view_addr(const struct mdevd_view *view,
					    u64 offset)
{
	return view->vma->vm_start + (offset - view->start);
}

static inline u64 mdevd_view_offset(const struct mdevd_view *view,
				    unsigned long addr)
{
	return view->start + (addr - view->vma->vm_start);
}

/* mdevd_fault.c */
vm_fault_t mdevd_fault(struct vm_fault *vmf);
vm_fault_t mdevd_fault_huge(struct vm_fault *vmf, unsigned int order);
bool mdevd_fault_eager(struct vm_area_struct *vma, unsigned long addr);

/* mdevd_fill.c */
void mdevd_fill_window(const struct mdevd_view *view,
		       const struct mdevd_target *target, unsigned long addr,
		       u64 *start, u64 *end);
int mdevd_fill_range(struct mdevd_vdev *v, const struct mdevd_view *view,
		     const struct mdevd_target *target, u64 offset,
		     u64 start, u64 end, bool eager);
void mdevd_fill_eager(struct mdevd_vdev *v, const struct mdevd_view *view);
int mdevd_fill_sync(struct mdevd_vdev *v);
int mdevd_fill_sync_until(struct mdevd_vdev *v, unsigned long until);
void mdevd_fill_forget(struct mdevd_vdev *v);

#endif /* MDEVD_MAP_H */

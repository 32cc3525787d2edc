// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filling page tables: the one place where a page of the parent gets into an
 * address space, for a fault and for an eager mmap() alike.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "mdevd_map.h"

#define EAGER_MAX	64

/* A process that was in mmap() when it filled a VMA. */
struct eager {
	struct list_head node;
	struct mm_struct *mm;
};

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

/**
 * mdevd_fill_range - the pages of [start, end) of a BAR that are missing
 * @v: the device; its memory_lock and fill_lock are held
 * @view: the VMA
 * @target: what lies behind @offset
 * @offset: an offset in the BAR
 * @start: first byte
 * @end: byte after the last
 * @eager: from mmap(), not from a fault
 *
 * The one fill helper.  The range lies in the VMA and in the run of @target,
 * and no huge entry is in its way.
 *
 * Return: 0 or -ENOMEM.
 */
int mdevd_fill_range(struct mdevd_vdev *v, const struct mdevd_view *view,
		     const struct mdevd_target *target, u64 offset,
		     u64 start, u64 end, bool eager)
{
	struct vm_area_struct *vma = view->vma;
	struct fill f = {
		.mm = vma->vm_mm,
		.addr = mdevd_view_addr(view, start),
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

/**
 * mdevd_fill_window - what is brought in around an address, page by page
 * @view: the VMA
 * @target: what lies behind @addr
 * @addr: an address in it
 * @start: out: first byte in the BAR
 * @end: out: byte after the last
 *
 * 2 MiB aligned to the BAR, within the run and the VMA.  Where address and
 * physical address agree in their low bits, a neighbour in the page tables may
 * be a huge entry already, or become one: the window then stays in the huge
 * page's worth of addresses around @addr.
 */
void mdevd_fill_window(const struct mdevd_view *view,
		       const struct mdevd_target *target, unsigned long addr,
		       u64 *start, u64 *end)
{
	u64 offset = mdevd_view_offset(view, addr);
	u64 base = round_down(offset, MDEVD_WINDOW);
	unsigned long block = addr & PMD_MASK;

	*start = max3(base, target->start, view->start);
	*end = min3(base + MDEVD_WINDOW, target->end, view->end);

	if (!MDEVD_HUGE || ((target->phys ^ addr) & ~PMD_MASK))
		return;

	if (addr - block < offset - *start)
		*start = offset - (addr - block);
	*end = min(*end, offset + (block + PMD_SIZE - addr));
}

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

static void eager_free(struct eager *e)
{
	list_del(&e->node);
	mmdrop(e->mm);
	kfree(e);
}

static bool eager_take(struct mdevd_vdev *v, struct list_head *noted)
{
	spin_lock(&v->eager_lock);
	list_splice_init(&v->eager, noted);
	v->n_eager = 0;
	spin_unlock(&v->eager_lock);

	return !list_empty(noted);
}

/* Those that were not waited for are for the next one to wait for. */
static void eager_give_back(struct mdevd_vdev *v, struct list_head *noted)
{
	struct eager *e;

	spin_lock(&v->eager_lock);
	list_for_each_entry(e, noted, node)
		v->n_eager++;
	list_splice(noted, &v->eager);
	spin_unlock(&v->eager_lock);
}

/**
 * mdevd_fill_sync - wait for every mmap() that is filling a VMA
 * @v: the device, in a state in which no other page is filled in
 *
 * Waits for locks of the processes that have the device mapped, which may take
 * as long as they like; so who waits can be killed.
 *
 * Return: 1 if there was one, whose VMA can be found now; 0 if there was none;
 * -EINTR when the caller was killed first.
 */
int mdevd_fill_sync(struct mdevd_vdev *v)
{
	struct eager *e, *next;
	LIST_HEAD(noted);

	if (!eager_take(v, &noted))
		return 0;

	list_for_each_entry_safe(e, next, &noted, node) {
		if (mmap_read_lock_killable(e->mm)) {
			eager_give_back(v, &noted);
			return -EINTR;
		}
		mmap_read_unlock(e->mm);
		eager_free(e);
	}

	return 1;
}

/* Is the lock of a process free for once, before it is @until? */
static bool lock_seen_free(struct mm_struct *mm, unsigned long until)
{
	while (!mmap_read_trylock(mm)) {
		if (time_after(jiffies, until))
			return false;
		fsleep(USEC_PER_MSEC);
	}
	mmap_read_unlock(mm);

	return true;
}

/**
 * mdevd_fill_sync_until - mdevd_fill_sync() for who acts for other devices too
 * @v: the device, in a state in which no other page is filled in
 * @until: jiffies at which it gives up
 *
 * A VMM can keep its lock for as long as it likes, say in an mmap() of a file of
 * a file system of its own, and then nobody else is to wait for it.
 *
 * Return: 1 if there was one, whose VMA can be found now; 0 if there was none;
 * -ETIMEDOUT.
 */
int mdevd_fill_sync_until(struct mdevd_vdev *v, unsigned long until)
{
	struct eager *e, *next;
	LIST_HEAD(noted);

	if (!eager_take(v, &noted))
		return 0;

	list_for_each_entry_safe(e, next, &noted, node) {
		if (!lock_seen_free(e->mm, until)) {
			eager_give_back(v, &noted);
			return -ETIMEDOUT;
		}
		eager_free(e);
	}

	return 1;
}

/**
 * mdevd_fill_forget - forget every mmap() that has filled a VMA
 * @v: the device, of which no VMA is left
 */
void mdevd_fill_forget(struct mdevd_vdev *v)
{
	struct eager *e, *next;
	LIST_HEAD(noted);

	eager_take(v, &noted);
	list_for_each_entry_safe(e, next, &noted, node)
		eager_free(e);
}

/* The pages from @at on to the end of its window; returns that or an error. */
static int fill_pages(struct mdevd_vdev *v, const struct mdevd_view *view,
		      u64 at, u64 *end)
{
	struct mdevd_target target;
	u64 start;
	int ret;

	down_read(&v->memory_lock);
	ret = mdevd_map_validate_request(v, view->bar, at, &target);
	if (!ret) {
		mdevd_fill_window(view, &target, mdevd_view_addr(view, at),
				  &start, end);
		mutex_lock(&v->fill_lock);
		ret = mdevd_fill_range(v, view, &target, at, at, *end, true);
		mutex_unlock(&v->fill_lock);
	}
	up_read(&v->memory_lock);

	return ret;
}

static bool fill_huge(const struct mdevd_view *view, u64 at)
{
#if MDEVD_HUGE
	unsigned long addr = mdevd_view_addr(view, at);

	return IS_ALIGNED(addr, PMD_SIZE) && view->end - at >= PMD_SIZE &&
	       mdevd_fault_eager(view->vma, addr);
#else
	return false;
#endif
}

/**
 * mdevd_fill_eager - fill a new VMA from mmap()
 * @v: the device
 * @view: the VMA
 *
 * What is not filled here, for want of memory or time, comes by faults.
 */
void mdevd_fill_eager(struct mdevd_vdev *v, const struct mdevd_view *view)
{
	u64 at = view->start, end;

	if (!eager_note(v, view->vma->vm_mm))
		return;

	while (at < view->end && !fatal_signal_pending(current)) {
		if (fill_huge(view, at))
			end = at + PMD_SIZE;
		else if (fill_pages(v, view, at, &end))
			return;
		at = end;
		cond_resched();
	}
}

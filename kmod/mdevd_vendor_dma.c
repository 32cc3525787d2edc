// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA of a vendor: to the memory of a guest, by the CPU, and to the memory of a
 * device, by the vendor's engine.
 *
 * The first may wait for the VMM's memory for as long as somebody likes who has
 * it in a file system or a userfaultfd of his own.  Nobody else waits with it:
 * a device that is closed or reset has what is under way ended, by a signal to
 * the thread that copies, which no other process can send it.
 *
 * The second is not begun while a device is held, and a hold waits for what is
 * under way.  If the function was reset in between all the same, which an error
 * of its link may do at any time, the vendor is told to do it again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>

#include "mdevd.h"
#include "mdevd_vendor.h"

/* A kernel thread that copies. */
struct access {
	struct list_head node;
	struct task_struct *task;
};

/**
 * mdevd_vendor_dma_bar - end the DMA of a device
 * @v: the device
 *
 * What is under way fails soon, and nothing begins, until as many calls of
 * mdevd_vendor_dma_allow() have been made.  A new device is barred once.
 */
void mdevd_vendor_dma_bar(struct mdevd_vdev *v)
{
	struct access *a;

	spin_lock(&v->dma_lock);
	WRITE_ONCE(v->dma_barred, v->dma_barred + 1);
	list_for_each_entry(a, &v->dma_threads, node)
		send_sig(SIGKILL, a->task, 1);
	spin_unlock(&v->dma_lock);

	wake_up_all(&v->hold_wait);
}

/**
 * mdevd_vendor_dma_allow - take back mdevd_vendor_dma_bar()
 * @v: the device
 */
void mdevd_vendor_dma_allow(struct mdevd_vdev *v)
{
	spin_lock(&v->dma_lock);
	WRITE_ONCE(v->dma_barred, v->dma_barred - 1);
	spin_unlock(&v->dma_lock);
}

static int access_begin(struct mdevd_vdev *v, struct access *a)
{
	int ret = 0;

	a->task = current;
	allow_kernel_signal(SIGKILL);

	spin_lock(&v->dma_lock);
	if (v->dma_barred)
		ret = -ECANCELED;
	else
		list_add(&a->node, &v->dma_threads);
	spin_unlock(&v->dma_lock);

	if (ret)
		disallow_signal(SIGKILL);
	return ret;
}

static void access_end(struct mdevd_vdev *v, struct access *a)
{
	spin_lock(&v->dma_lock);
	list_del(&a->node);
	spin_unlock(&v->dma_lock);

	/* with one that has come and was not noticed */
	disallow_signal(SIGKILL);
}

/**
 * mdevd_vendor_dma_rw - copy from or to the memory of the guest
 * @v: the device
 * @iova: address as the guest gives it to a device
 * @data: the vendor's buffer
 * @length: bytes, not zero
 * @write: to the guest's memory
 *
 * Pins nothing, so the VMM may unmap at any time: then this fails, and so
 * there is no callback for it.  May wait for the VMM's memory for as long as
 * the VMM likes; what is shared between devices must not wait with it.  The
 * end of the device, and a reset of it, end the wait: mdevd.ko does that before
 * it calls close() or reset().
 *
 * Context: process, may sleep, between open() and close() only.  Never in a
 * page fault (validate_map_request()) and never with a lock that one takes:
 * vfio's container takes its lock and then mmap_lock here.  A kernel thread must
 * have no signal allowed of its own; a work item has none.
 *
 * Return: 0; -EINVAL, -EPERM, -EFAULT what the VMM has not mapped for DMA that
 * way; -ECANCELED the device is being closed or reset.  A part of @data may have
 * been copied.
 */
int mdevd_vendor_dma_rw(struct mdevd_vdev *v, u64 iova, void *data,
			size_t length, bool write)
{
	struct access a;
	u64 end;
	int ret;

	might_sleep();

	if (!length || check_add_overflow(iova, (u64)length - 1, &end))
		return -EINVAL;

	/* a thread of the VMM can be killed with it */
	if (!(current->flags & PF_KTHREAD))
		return vfio_dma_rw(&v->vdev, iova, data, length, write);

	ret = access_begin(v, &a);
	if (ret)
		return ret;
	ret = vfio_dma_rw(&v->vdev, iova, data, length, write);
	access_end(v, &a);
	return ret;
}
EXPORT_SYMBOL_GPL(mdevd_vendor_dma_rw);

/* May an engine reach the device's memory now? */
static int may_begin(const struct mdevd_vdev *v)
{
	if (READ_ONCE(v->dma_barred))
		return -ECANCELED;
	if (READ_ONCE(v->gone))
		return -ENODEV;
	return READ_ONCE(v->held) ? -EAGAIN : 0;
}

static void busy_put(struct mdevd_vdev *v)
{
	if (atomic_dec_and_test(&v->dma_busy))
		wake_up_all(&v->hold_wait);
}

/**
 * mdevd_vendor_dma_wait - wait while a device is held
 * @v: the device
 *
 * For as long as a MDEVD_SUSPEND lasts or its parent is being reset.  Never with
 * something in hand that other devices wait for.
 *
 * Context: process, may sleep, between open() and close().
 *
 * Return: 0; -ENODEV its parent goes away; -ECANCELED it is being closed or
 * reset.
 */
int mdevd_vendor_dma_wait(struct mdevd_vdev *v)
{
	int ret;

	wait_event_idle(v->hold_wait, may_begin(v) != -EAGAIN);

	ret = may_begin(v);
	/* held anew: mdevd_vendor_dma_begin() says so */
	return ret == -EAGAIN ? 0 : ret;
}
EXPORT_SYMBOL_GPL(mdevd_vendor_dma_wait);

/**
 * mdevd_vendor_dma_begin - an engine is about to reach the memory of a device
 * @v: the device
 * @cookie: filled in, for mdevd_vendor_dma_end()
 *
 * What the vendor does between the two is waited for by MDEVD_SUSPEND and by a
 * reset of the parent: it must come to an end by itself, and soon.
 *
 * Context: any, between open() and close().
 *
 * Return: 0; -EAGAIN it is held, see mdevd_vendor_dma_wait(); -ENODEV its parent
 * goes away; -ECANCELED it is being closed or reset.
 */
int mdevd_vendor_dma_begin(struct mdevd_vdev *v, u32 *cookie)
{
	int ret;

	*cookie = READ_ONCE(v->parent->resets);
	atomic_inc(&v->dma_busy);
	/* pairs with mdevd_vendor_dma_drain(): one of us sees the other */
	smp_mb__after_atomic();
	ret = may_begin(v);
	if (ret)
		busy_put(v);

	return ret;
}
EXPORT_SYMBOL_GPL(mdevd_vendor_dma_begin);

/**
 * mdevd_vendor_dma_end - the engine has done with the memory of a device
 * @v: the device
 * @cookie: of mdevd_vendor_dma_begin(), which was good
 *
 * Context: any.
 *
 * Return: 0; -EAGAIN the parent was reset meanwhile, had an error or is off:
 * what was read may be wrong and what was written lost, so it is to be done
 * again.
 */
int mdevd_vendor_dma_end(struct mdevd_vdev *v, u32 cookie)
{
	bool lost = READ_ONCE(v->parent->resets) != cookie ||
		    !mdevd_reset_decodes(v->parent);

	busy_put(v);
	return lost ? -EAGAIN : 0;
}
EXPORT_SYMBOL_GPL(mdevd_vendor_dma_end);

/**
 * mdevd_vendor_dma_drain - wait for the engines that reach a device's memory
 * @v: the device, in a state in which none begins
 *
 * Return: 0, or -EINTR when the caller was killed first.
 */
int mdevd_vendor_dma_drain(struct mdevd_vdev *v)
{
	/* pairs with mdevd_vendor_dma_begin() */
	smp_mb();
	return wait_event_killable(v->hold_wait, !atomic_read(&v->dma_busy)) ?
	       -EINTR : 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of a device as vfio knows them: eventfds that we signal.
 *
 * An MSI-X vector of the device is one of the parent's, or comes from its
 * vendor's module.  The handler is there as long as the device, with or without
 * an eventfd: what the hardware raises while nobody listens is gone, and is not
 * kept for whoever opens the device next.
 *
 * There is no producer for irq_bypass, as vfio-pci has.  It would let an IOMMU
 * post an interrupt to a running vCPU; but it hands KVM the affinity of one of
 * the parent's vectors, which is taken back in a revocation and dealt to another
 * device, and nothing that we can test on posts interrupts.  Every interrupt
 * goes through the eventfd, and costs the host one.
 *
 * REQ asks the VMM to let go of the device, ERR tells it that the parent has
 * failed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/slab.h>

#include "mdevd.h"

/**
 * mdevd_irq_count - how many interrupts an index has
 * @v: the device
 * @index: below VFIO_PCI_NUM_IRQS
 *
 * Return: the number.
 */
u32 mdevd_irq_count(const struct mdevd_vdev *v, u32 index)
{
	switch (index) {
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return v->n_vectors;
	case VFIO_PCI_ERR_IRQ_INDEX:
	case VFIO_PCI_REQ_IRQ_INDEX:
		return 1;
	default:
		return 0;
	}
}

/**
 * mdevd_irq_signal - raise a vector of a device
 * @v: the device
 * @n: which of its vectors
 *
 * From any context.  Nothing happens where the VMM has set no eventfd.
 */
void mdevd_irq_signal(struct mdevd_vdev *v, u32 n)
{
	unsigned long flags;

	if (n >= v->n_vectors)
		return;

	spin_lock_irqsave(&v->vector_lock, flags);
	if (v->vectors[n].ctx)
		mdevd_eventfd_signal(v->vectors[n].ctx);
	spin_unlock_irqrestore(&v->vector_lock, flags);
}

static irqreturn_t irq_handler(int irq, void *data)
{
	struct mdevd_vector *vector = data;

	mdevd_irq_signal(vector->v, vector - vector->v->vectors);
	return IRQ_HANDLED;
}

/**
 * mdevd_irq_attach - connect a new device to the vectors of its claim
 * @v: the device
 *
 * Return: 0 or an error, after which mdevd_irq_detach() has been called.
 */
int mdevd_irq_attach(struct mdevd_vdev *v)
{
	u32 i, n = v->type.vectors;
	int ret;

	if (!n)
		return 0;

	v->vectors = kvcalloc(n, sizeof(*v->vectors), GFP_KERNEL_ACCOUNT);
	if (!v->vectors)
		return -ENOMEM;
	v->n_vectors = n;
	/* a vendor's interrupts come by mdevd_irq_signal() alone */
	if (!v->parent->vectors_used)
		return 0;

	v->irq_name = kasprintf(GFP_KERNEL_ACCOUNT, "mdevd:%s",
				dev_name(v->vdev.dev));
	ret = v->irq_name ? 0 : -ENOMEM;
	for (i = 0; !ret && i < n; i++) {
		int irq = pci_irq_vector(v->parent->pdev,
					 v->claim->vectors[i]);

		v->vectors[i].v = v;
		ret = irq < 0 ? irq : request_irq(irq, irq_handler, 0,
						  v->irq_name, &v->vectors[i]);
		if (!ret)
			v->vectors[i].irq = irq;
	}
	if (ret)
		mdevd_irq_detach(v);
	return ret;
}

/**
 * mdevd_irq_detach - disconnect it again
 * @v: the device, which nobody has open any more
 *
 * Does nothing if it is not connected.
 */
void mdevd_irq_detach(struct mdevd_vdev *v)
{
	u32 i;

	for (i = 0; i < v->n_vectors; i++)
		if (v->vectors[i].irq)
			free_irq(v->vectors[i].irq, &v->vectors[i]);

	kvfree(v->vectors);
	kfree(v->irq_name);
	v->vectors = NULL;
	v->irq_name = NULL;
	v->n_vectors = 0;
}

static void ctx_put(struct eventfd_ctx *ctx)
{
	if (ctx)
		eventfd_ctx_put(ctx);
}

/* -1 is no eventfd. */
static int ctx_get(struct eventfd_ctx **ret, s32 fd)
{
	struct eventfd_ctx *ctx;

	*ret = NULL;
	if (fd == -1)
		return 0;
	if (fd < 0)
		return -EINVAL;

	ctx = eventfd_ctx_fdget(fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	*ret = ctx;
	return 0;
}

/* Sets vectors from @start on; what was set before is left in @ctxs. */
static void vectors_swap(struct mdevd_vdev *v, u32 start, u32 count,
			 struct eventfd_ctx **ctxs)
{
	u32 i;

	for (i = 0; i < count; i++) {
		spin_lock_irq(&v->vector_lock);
		swap(v->vectors[start + i].ctx, ctxs[i]);
		spin_unlock_irq(&v->vector_lock);
	}
}

/* All or none: every descriptor is looked at before the first is used. */
static int set_vectors(struct mdevd_vdev *v, u32 start, u32 count,
		       const s32 *fds)
{
	struct eventfd_ctx **ctxs;
	int ret = 0;
	u32 i;

	ctxs = kvcalloc(count, sizeof(*ctxs), GFP_KERNEL_ACCOUNT);
	if (!ctxs)
		return -ENOMEM;

	for (i = 0; !ret && fds && i < count; i++)
		ret = ctx_get(&ctxs[i], fds[i]);
	if (!ret)
		vectors_swap(v, start, count, ctxs);

	for (i = 0; i < count; i++)
		ctx_put(ctxs[i]);
	kvfree(ctxs);
	return ret;
}

/* VFIO_PCI_MSIX_IRQ_INDEX; the range is known to be in that of the index. */
static int set_msix(struct mdevd_vdev *v, const struct vfio_irq_set *set,
		    const void *data)
{
	const u8 *fire = NULL;
	u32 i;

	switch (set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		if (!set->count)
			return v->n_vectors ?
			       set_vectors(v, 0, v->n_vectors, NULL) : 0;
		break;
	case VFIO_IRQ_SET_DATA_BOOL:
		fire = data;
		break;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		return set->count ? set_vectors(v, set->start, set->count,
						data) : -EINVAL;
	default:
		return -EINVAL;
	}

	/* loopback: what the device would do */
	for (i = 0; i < set->count; i++)
		if (!fire || fire[i])
			mdevd_irq_signal(v, set->start + i);
	return set->count ? 0 : -EINVAL;
}

/* The three kinds of data of VFIO_DEVICE_SET_IRQS, for an index of one. */
static int set_single(struct eventfd_ctx **slot, u32 flags, u32 count,
		      const void *data)
{
	struct eventfd_ctx *ctx = NULL;
	int ret;

	switch (flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		if (count)
			goto fire;
		break;
	case VFIO_IRQ_SET_DATA_BOOL:
		if (!count)
			return -EINVAL;
		if (!*(const u8 *)data)
			return 0;
		goto fire;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		if (!count)
			return -EINVAL;
		ret = ctx_get(&ctx, *(const s32 *)data);
		if (ret)
			return ret;
		break;
	default:
		return -EINVAL;
	}

	swap(*slot, ctx);
	ctx_put(ctx);
	return 0;

fire:
	/* loopback: what the device would do */
	if (*slot)
		mdevd_eventfd_signal(*slot);
	return 0;
}

/**
 * mdevd_irq_set - VFIO_DEVICE_SET_IRQS
 * @v: the device
 * @set: checked by vfio_set_irqs_validate_and_prepare()
 * @data: its data, NULL where there is none
 *
 * As vfio-pci has it (drivers/vfio/pci/vfio_pci_intrs.c), but for one thing: a
 * vector can be set at any time, and others stay as they are.
 *
 * Return: 0 or an error, and then nothing has changed.
 */
int mdevd_irq_set(struct mdevd_vdev *v, const struct vfio_irq_set *set,
		  const void *data)
{
	int ret;

	if ((set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) !=
	    VFIO_IRQ_SET_ACTION_TRIGGER)
		return -ENOTTY;

	mutex_lock(&v->irq_lock);
	switch (set->index) {
	case VFIO_PCI_MSIX_IRQ_INDEX:
		ret = set_msix(v, set, data);
		break;
	case VFIO_PCI_ERR_IRQ_INDEX:
		ret = set_single(&v->err_ctx, set->flags, set->count, data);
		break;
	case VFIO_PCI_REQ_IRQ_INDEX:
		ret = set_single(&v->req_ctx, set->flags, set->count, data);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&v->irq_lock);

	return ret;
}

/**
 * mdevd_irq_request - ask the VMM to let go of the device
 * @v: the device
 */
void mdevd_irq_request(struct mdevd_vdev *v)
{
	mutex_lock(&v->irq_lock);
	if (v->req_ctx)
		mdevd_eventfd_signal(v->req_ctx);
	mutex_unlock(&v->irq_lock);
}

/**
 * mdevd_irq_error - tell the VMM that the parent has failed
 * @v: the device
 */
void mdevd_irq_error(struct mdevd_vdev *v)
{
	mutex_lock(&v->irq_lock);
	if (v->err_ctx)
		mdevd_eventfd_signal(v->err_ctx);
	mutex_unlock(&v->irq_lock);
}

/**
 * mdevd_irq_disarm - forget every eventfd
 * @v: the device, which is being closed
 */
void mdevd_irq_disarm(struct mdevd_vdev *v)
{
	u32 i;

	mutex_lock(&v->irq_lock);
	ctx_put(v->err_ctx);
	ctx_put(v->req_ctx);
	v->err_ctx = NULL;
	v->req_ctx = NULL;
	for (i = 0; i < v->n_vectors; i++) {
		struct eventfd_ctx *ctx = NULL;

		vectors_swap(v, i, 1, &ctx);
		ctx_put(ctx);
	}
	mutex_unlock(&v->irq_lock);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of a device as vfio knows them: eventfds that we signal.
 *
 * REQ asks the VMM to let go of the device, ERR would tell it that the device
 * has failed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/eventfd.h>

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
	case VFIO_PCI_ERR_IRQ_INDEX:
	case VFIO_PCI_REQ_IRQ_INDEX:
		return 1;
	default:
		return 0;
	}
}

static int set_eventfd(struct eventfd_ctx **slot, s32 fd)
{
	struct eventfd_ctx *ctx = NULL;

	if (fd < -1)
		return -EINVAL;
	if (fd >= 0) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}

	if (*slot)
		eventfd_ctx_put(*slot);
	*slot = ctx;
	return 0;
}

/* The three kinds of data of VFIO_DEVICE_SET_IRQS, for an index of one. */
static int set_single(struct eventfd_ctx **slot, u32 flags, u32 count,
		      const void *data)
{
	switch (flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		if (!count)
			return set_eventfd(slot, -1);
		break;
	case VFIO_IRQ_SET_DATA_BOOL:
		if (!count)
			return -EINVAL;
		if (!*(const u8 *)data)
			return 0;
		break;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		if (!count)
			return -EINVAL;
		return set_eventfd(slot, *(const s32 *)data);
	default:
		return -EINVAL;
	}

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
 * Return: 0 or an error.
 */
int mdevd_irq_set(struct mdevd_vdev *v, const struct vfio_irq_set *set,
		  const void *data)
{
	struct eventfd_ctx **slot;
	int ret;

	if ((set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) !=
	    VFIO_IRQ_SET_ACTION_TRIGGER)
		return -ENOTTY;

	switch (set->index) {
	case VFIO_PCI_ERR_IRQ_INDEX:
		slot = &v->err_ctx;
		break;
	case VFIO_PCI_REQ_IRQ_INDEX:
		slot = &v->req_ctx;
		break;
	default:
		return -ENOTTY;
	}

	mutex_lock(&v->irq_lock);
	ret = set_single(slot, set->flags, set->count, data);
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
 * mdevd_irq_disarm - forget every eventfd
 * @v: the device, which is being closed
 */
void mdevd_irq_disarm(struct mdevd_vdev *v)
{
	mutex_lock(&v->irq_lock);
	set_eventfd(&v->err_ctx, -1);
	set_eventfd(&v->req_ctx, -1);
	mutex_unlock(&v->irq_lock);
}

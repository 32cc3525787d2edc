// SPDX-License-Identifier: GPL-2.0-only
/*
 * read() and write() of a device's regions: config space, and the BARs for a
 * VMM that does not map them.
 *
 * There is one bounds check, in region_check().  BARs are reached by
 * naturally aligned accesses of 1 to 8 bytes, because registers mind; what
 * nothing backs reads as ones and swallows writes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "mdevd.h"

/*
 * An access that is known to lie inside its region.  Which way it goes is not
 * told by which pointer is NULL: a user may pass that.
 */
struct place {
	u32 index;
	u64 pos;
	size_t count;
	bool write;
	const char __user *in;
	char __user *out;
};

static int region_check(const struct mdevd_vdev *v, loff_t ppos, size_t count,
			struct place *place)
{
	u64 index = (u64)ppos >> MDEVD_OFFSET_SHIFT;
	u64 pos = (u64)ppos & MDEVD_OFFSET_MASK;
	u64 size;

	if (index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;

	size = mdevd_vdev_region_size(v, index);
	if (pos >= size)
		return -EINVAL;

	place->index = index;
	place->pos = pos;
	place->count = min_t(u64, count, size - pos);
	return 0;
}

/**
 * mdevd_mmio_read - one access
 * @at: naturally aligned
 * @width: 1, 2, 4 or 8
 *
 * Return: what was read, in CPU order.
 */
u64 mdevd_mmio_read(const void __iomem *at, size_t width)
{
	switch (width) {
	case 8:
		return readq(at);
	case 4:
		return readl(at);
	case 2:
		return readw(at);
	default:
		return readb(at);
	}
}

static void mmio_write(void __iomem *at, size_t width, u64 value)
{
	switch (width) {
	case 8:
		writeq(value, at);
		break;
	case 4:
		writel(value, at);
		break;
	case 2:
		writew(value, at);
		break;
	default:
		writeb(value, at);
	}
}

/*
 * One access; @value is in CPU order, the device's is little endian.  Waits
 * while the device is held.
 */
static int bar_access(struct mdevd_vdev *v, const struct place *place, u64 pos,
		      size_t width, u64 *value)
{
	const struct mdevd_backing *b;
	struct mdevd_target target;
	void __iomem *at;
	int ret;

	if (v->msix.vectors && place->index == v->msix.bar) {
		mdevd_trap_msix(v, pos, width, place->write, value);
		return 0;
	}

	for (;;) {
		u32 seq;

		down_read(&v->memory_lock);
		ret = mdevd_map_validate_request(v, place->index, pos,
						 &target);
		if (ret != -EAGAIN)
			break;
		seq = v->hold_seq;
		up_read(&v->memory_lock);
		ret = wait_event_interruptible(v->hold_wait,
					       READ_ONCE(v->hold_seq) != seq);
		if (ret)
			return ret;
	}

	if (!ret && target.kind == MDEVD_PART_VENDOR) {
		/* it may change what is mapped, so without our locks */
		up_read(&v->memory_lock);
		mdevd_vendor_access(v, place->write, place->index, pos, width,
				    value);
		return 0;
	}

	if (ret) {
		*value = ~0ULL;
	} else if (target.kind > MDEVD_PART_TRAPPED) {
		mdevd_trap_access(v, &target, pos, width, place->write, value);
	} else {
		b = target.moved ? &v->claim->other.backing :
				   &v->claim->backing[target.backing];
		at = b->map + (target.phys - b->phys);
		if (place->write) {
			mdevd_claim_touch(v->claim);
			mmio_write(at, width, *value);
		} else {
			*value = mdevd_mmio_read(at, width);
		}
	}
	up_read(&v->memory_lock);

	return 0;
}

static size_t bar_width(u64 pos, size_t left)
{
	size_t width = 8;

	while (width > left || !IS_ALIGNED(pos, width))
		width /= 2;
	return width;
}

static ssize_t bar_rw(struct mdevd_vdev *v, const struct place *place)
{
	size_t done = 0;

	while (done < place->count) {
		u64 pos = place->pos + done;
		size_t width = bar_width(pos, place->count - done);
		u64 value = 0;
		__le64 le = 0;
		int ret;

		if (place->write) {
			if (copy_from_user(&le, place->in + done, width))
				return done ? done : -EFAULT;
			value = le64_to_cpu(le);
		}
		ret = bar_access(v, place, pos, width, &value);
		if (ret)
			return done ? done : ret;
		if (!place->write) {
			le = cpu_to_le64(value);
			if (copy_to_user(place->out + done, &le, width))
				return done ? done : -EFAULT;
		}

		done += width;
		/* a dead device may take long over each of many accesses */
		if (IS_ALIGNED(pos + width, 256)) {
			if (signal_pending(current))
				break;
			cond_resched();
		}
	}

	return done;
}

static ssize_t config_rw(struct mdevd_vdev *v, const struct place *place)
{
	u8 bytes[MDEVD_CFG_SIZE];

	if (place->write) {
		if (copy_from_user(bytes, place->in, place->count))
			return -EFAULT;
		mutex_lock(&v->cfg_lock);
		mdevd_cfg_write(&v->cfg, place->pos, bytes, place->count);
		mutex_unlock(&v->cfg_lock);
	} else {
		mutex_lock(&v->cfg_lock);
		mdevd_cfg_read(&v->cfg, place->pos, bytes, place->count);
		mutex_unlock(&v->cfg_lock);
		if (copy_to_user(place->out, bytes, place->count))
			return -EFAULT;
	}

	return place->count;
}

static ssize_t region_rw(struct vfio_device *vdev, struct place *place,
			 size_t count, loff_t *ppos)
{
	struct mdevd_vdev *v = to_mdevd_vdev(vdev);
	ssize_t ret;

	if (!count)
		return 0;

	ret = region_check(v, *ppos, count, place);
	if (ret)
		return ret;

	if (place->index == VFIO_PCI_CONFIG_REGION_INDEX)
		ret = config_rw(v, place);
	else
		ret = bar_rw(v, place);

	if (ret > 0)
		*ppos += ret;
	return ret;
}

/**
 * mdevd_region_read - read op of the vfio device
 * @vdev: vfio core's part
 * @buf: where to
 * @count: bytes
 * @ppos: region and place in it
 *
 * Return: bytes read, or an error.
 */
ssize_t mdevd_region_read(struct vfio_device *vdev, char __user *buf,
			  size_t count, loff_t *ppos)
{
	struct place place = { .out = buf };

	return region_rw(vdev, &place, count, ppos);
}

/**
 * mdevd_region_write - write op of the vfio device
 * @vdev: vfio core's part
 * @buf: where from
 * @count: bytes
 * @ppos: region and place in it
 *
 * Return: bytes written, or an error.
 */
ssize_t mdevd_region_write(struct vfio_device *vdev, const char __user *buf,
			   size_t count, loff_t *ppos)
{
	struct place place = { .write = true, .in = buf };

	return region_rw(vdev, &place, count, ppos);
}

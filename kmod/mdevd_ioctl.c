// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of the vfio device.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mdevd.h"

static long get_info(struct mdevd_vdev *v, void __user *user)
{
	size_t minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info;

	if (copy_from_user(&info, user, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;

	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;

	return copy_to_user(user, &info, minsz) ? -EFAULT : 0;
}

/*
 * A BAR that is padded to a power of two may be mapped only where something
 * backs it; QEMU maps the areas of this capability and traps the rest.
 */
static int add_sparse(struct vfio_info_cap *caps, const struct mdevd_bar *bar,
		      u32 n_areas)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	size_t size = struct_size(sparse, areas, n_areas);
	u64 start = 0, end;
	int ret;
	u32 i;

	sparse = kzalloc(size, GFP_KERNEL);
	if (!sparse)
		return -ENOMEM;

	sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	sparse->header.version = 1;
	sparse->nr_areas = n_areas;
	for (i = 0; i < n_areas; i++, start = end) {
		mdevd_resolve_mappable(bar->pieces, bar->n, &start, &end);
		sparse->areas[i].offset = start;
		sparse->areas[i].size = end - start;
	}

	ret = vfio_info_add_capability(caps, &sparse->header, size);
	kfree(sparse);
	return ret;
}

/* Appends the capabilities if there is room, else says how much it takes. */
static int put_caps(struct vfio_region_info *info, struct vfio_info_cap *caps,
		    void __user *user)
{
	if (!caps->size)
		return 0;

	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (info->argsz < sizeof(*info) + caps->size) {
		info->argsz = sizeof(*info) + caps->size;
		info->cap_offset = 0;
		return 0;
	}

	vfio_info_cap_shift(caps, sizeof(*info));
	if (copy_to_user(user + sizeof(*info), caps->buf, caps->size))
		return -EFAULT;
	info->cap_offset = sizeof(*info);
	return 0;
}

/* What of a BAR can be mapped: nothing, all, or the areas of a capability. */
static int get_areas(const struct mdevd_bar *bar, struct vfio_region_info *info,
		     struct vfio_info_cap *caps)
{
	u64 start = 0, end = 0, first = 0;
	u32 n = 0;

	while (mdevd_resolve_mappable(bar->pieces, bar->n, &start, &end)) {
		if (!n++)
			first = start;
		start = end;
	}
	if (!n)
		return 0;

	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (n == 1 && !first && end == bar->size)
		return 0;
	return add_sparse(caps, bar, n);
}

static long get_region_info(struct mdevd_vdev *v, void __user *user)
{
	size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_info_cap caps = {};
	struct vfio_region_info info;
	int ret = 0;

	if (copy_from_user(&info, user, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;

	info.offset = (u64)info.index << MDEVD_OFFSET_SHIFT;
	info.size = mdevd_vdev_region_size(v, info.index);
	info.flags = 0;
	info.cap_offset = 0;
	if (info.size)
		info.flags = VFIO_REGION_INFO_FLAG_READ |
			     VFIO_REGION_INFO_FLAG_WRITE;
	if (info.index < MDEVD_MAX_BARS)
		ret = get_areas(&v->bars[info.index], &info, &caps);
	if (!ret)
		ret = put_caps(&info, &caps, user);
	kfree(caps.buf);
	if (ret)
		return ret;

	return copy_to_user(user, &info, minsz) ? -EFAULT : 0;
}

static long get_irq_info(struct mdevd_vdev *v, void __user *user)
{
	size_t minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;

	if (copy_from_user(&info, user, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;

	info.count = mdevd_irq_count(v, info.index);
	info.flags = info.count ? VFIO_IRQ_INFO_EVENTFD : 0;
	if (info.index != VFIO_PCI_MSIX_IRQ_INDEX && info.count)
		info.flags |= VFIO_IRQ_INFO_NORESIZE;

	return copy_to_user(user, &info, minsz) ? -EFAULT : 0;
}

static long set_irqs(struct mdevd_vdev *v, void __user *user)
{
	size_t minsz = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_set set;
	size_t data_size = 0;
	void *data = NULL;
	long ret;

	if (copy_from_user(&set, user, minsz))
		return -EFAULT;
	if (set.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;

	ret = vfio_set_irqs_validate_and_prepare(&set,
						 mdevd_irq_count(v, set.index),
						 VFIO_PCI_NUM_IRQS, &data_size);
	if (ret)
		return ret;

	if (data_size) {
		data = memdup_user(user + minsz, data_size);
		if (IS_ERR(data))
			return PTR_ERR(data);
	}

	ret = mdevd_irq_set(v, &set, data);
	kfree(data);
	return ret;
}

static long reset(struct mdevd_vdev *v, void __user *user)
{
	mdevd_vdev_reset(v);
	return 0;
}

static const struct {
	unsigned int cmd;
	long (*fn)(struct mdevd_vdev *v, void __user *user);
} ioctls[] = {
	{ VFIO_DEVICE_GET_INFO, get_info },
	{ VFIO_DEVICE_GET_REGION_INFO, get_region_info },
	{ VFIO_DEVICE_GET_IRQ_INFO, get_irq_info },
	{ VFIO_DEVICE_SET_IRQS, set_irqs },
	{ VFIO_DEVICE_RESET, reset },
};

/**
 * mdevd_vdev_ioctl - ioctl op of the vfio device
 * @vdev: vfio core's part
 * @cmd: VFIO_DEVICE_*
 * @arg: its argument
 *
 * Return: 0 or an error.
 */
long mdevd_vdev_ioctl(struct vfio_device *vdev, unsigned int cmd,
		      unsigned long arg)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++)
		if (ioctls[i].cmd == cmd)
			return ioctls[i].fn(to_mdevd_vdev(vdev),
					    (void __user *)arg);

	return -ENOTTY;
}

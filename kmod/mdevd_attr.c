// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of an mdev in sysfs, all read only; kmod/ABI describes them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/sysfs.h>

#include "mdevd.h"

static struct mdevd_claim *to_claim(struct device *dev)
{
	struct mdevd_vdev *v = dev_get_drvdata(dev);

	return v->claim;
}

static ssize_t extents_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	const struct mdevd_claim *claim = to_claim(dev);
	int at = 0;
	u32 i;

	mutex_lock(&mdevd_lock);
	for (i = 0; i < claim->n; i++) {
		const struct mdevd_extent *e = &claim->backing[i].ext;

		at += sysfs_emit_at(buf, at, "%u %u 0x%llx 0x%llx\n",
				    e->guest_bar, e->bar, e->offset,
				    e->length);
	}
	mutex_unlock(&mdevd_lock);

	return at;
}
static DEVICE_ATTR_RO(extents);

static ssize_t opened_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct mdevd_claim *claim = to_claim(dev);
	bool opened;

	mutex_lock(&mdevd_lock);
	opened = claim->opened;
	mutex_unlock(&mdevd_lock);

	return sysfs_emit(buf, "%d\n", opened);
}
static DEVICE_ATTR_RO(opened);

static ssize_t faults_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%lld\n", atomic64_read(&to_claim(dev)->faults));
}
static DEVICE_ATTR_RO(faults);

static ssize_t insertions_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lld\n",
			  atomic64_read(&to_claim(dev)->insertions));
}
static DEVICE_ATTR_RO(insertions);

static ssize_t mapped_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct mdevd_vdev *v = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%llu\n", mdevd_map_bytes(v));
}
static DEVICE_ATTR_RO(mapped);

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	static const char * const names[] = {
		[MDEVD_DEVICE_RESERVED] = "reserved",
		[MDEVD_DEVICE_LIVE] = "live",
		[MDEVD_DEVICE_SCRUBBING] = "scrubbing",
		[MDEVD_DEVICE_DYING] = "dying",
		[MDEVD_DEVICE_REVOKED] = "revoked",
		[MDEVD_DEVICE_SUSPENDED] = "suspended",
	};
	u32 state;

	mutex_lock(&mdevd_lock);
	state = mdevd_claim_state(to_claim(dev));
	mutex_unlock(&mdevd_lock);

	return sysfs_emit(buf, "%s\n", names[state]);
}
static DEVICE_ATTR_RO(state);

/* A tenant's name is not for every user of the host to read. */
static ssize_t owner_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%s\n", to_claim(dev)->owner);
}
static DEVICE_ATTR_ADMIN_RO(owner);

static struct attribute *mdevd_attrs[] = {
	&dev_attr_extents.attr,
	&dev_attr_opened.attr,
	&dev_attr_faults.attr,
	&dev_attr_insertions.attr,
	&dev_attr_mapped.attr,
	&dev_attr_state.attr,
	&dev_attr_owner.attr,
	NULL
};

static const struct attribute_group mdevd_attr_group = {
	.name = "mdevd",
	.attrs = mdevd_attrs,
};

const struct attribute_group *mdevd_attr_groups[] = {
	&mdevd_attr_group,
	NULL
};

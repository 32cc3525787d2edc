// SPDX-License-Identifier: GPL-2.0-only
/*
 * mtest: mdev parents that do nothing, as slowly or as badly as a test wants. It stands in for
 * vendors' drivers where the kernel's sample mtty has no knob: parents that come and go, a create
 * that sleeps, that waits for somebody, or that fails; attributes that can be refused.
 *
 * All knobs are module parameters, writable at run time in /sys/module/mtest/parameters.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/kdev_t.h>
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <linux/wait.h>

#define PARENTS_MAX 16

static unsigned int instances = 4096;
module_param(instances, uint, 0444);
MODULE_PARM_DESC(instances, "Devices that one parent has room for");

static unsigned int create_msec;
module_param(create_msec, uint, 0644);
MODULE_PARM_DESC(create_msec, "Milliseconds that a create sleeps");

static int create_error;
module_param(create_error, int, 0644);
MODULE_PARM_DESC(create_error, "A positive errno: every create fails with it");

static int attribute_error;
module_param(attribute_error, int, 0644);
MODULE_PARM_DESC(attribute_error, "A positive errno: a write to the attribute level fails with it");

static DECLARE_WAIT_QUEUE_HEAD(gate);

/* Whoever is at the gate cannot be interrupted, as in a vendor's firmware call. */
static unsigned int hold_create;
static unsigned int hold_remove;

static int set_hold(const char *value, const struct kernel_param *kp)
{
	int ret = param_set_uint(value, kp);

	if (!ret)
		wake_up_all(&gate);
	return ret;
}

static const struct kernel_param_ops hold_ops = {
	.set = set_hold,
	.get = param_get_uint,
};

module_param_cb(hold_create, &hold_ops, &hold_create, 0644);
MODULE_PARM_DESC(hold_create, "Bit n: creates on parent n wait until the bit is cleared");
module_param_cb(hold_remove, &hold_ops, &hold_remove, 0644);
MODULE_PARM_DESC(hold_remove, "Bit n: removals on parent n wait until the bit is cleared");

struct mtest_parent {
	struct device *dev;
	struct mdev_parent mdev_parent;
	struct mdev_type type;
	struct mdev_type *types[1];
	atomic_t used;
	unsigned int index;
};

/* Protects the table: parents are added and removed by writes to the parameter. */
static DEFINE_MUTEX(parents_lock);
static struct mtest_parent *parents[PARENTS_MAX];
static unsigned int n_parents;
static struct class *mtest_class;

static struct mtest_parent *to_parent(struct mdev_device *mdev)
{
	return container_of(mdev->type, struct mtest_parent, type);
}

static int mtest_probe(struct mdev_device *mdev)
{
	struct mtest_parent *p = to_parent(mdev);

	if (atomic_inc_return(&p->used) > instances) {
		atomic_dec(&p->used);
		return -EUSERS;
	}
	if (create_msec)
		msleep(create_msec);
	wait_event(gate, !(READ_ONCE(hold_create) & BIT(p->index)));
	if (create_error) {
		atomic_dec(&p->used);
		return -create_error;
	}
	return 0;
}

static void mtest_remove(struct mdev_device *mdev)
{
	struct mtest_parent *p = to_parent(mdev);

	wait_event(gate, !(READ_ONCE(hold_remove) & BIT(p->index)));
	atomic_dec(&p->used);
}

static unsigned int mtest_available(struct mdev_type *type)
{
	struct mtest_parent *p = container_of(type, struct mtest_parent, type);

	return instances - atomic_read(&p->used);
}

static ssize_t level_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", (unsigned long)dev_get_drvdata(dev));
}

static ssize_t level_store(struct device *dev, struct device_attribute *attr, const char *buf,
			   size_t count)
{
	unsigned long level;
	int ret;

	if (attribute_error)
		return -attribute_error;
	ret = kstrtoul(buf, 0, &level);
	if (ret)
		return ret;
	dev_set_drvdata(dev, (void *)level);
	return count;
}

static DEVICE_ATTR_RW(level);

static struct attribute *mtest_attrs[] = {
	&dev_attr_level.attr,
	NULL,
};
ATTRIBUTE_GROUPS(mtest);

static struct mdev_driver mtest_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.driver = {
		.name = "mtest",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
		.dev_groups = mtest_groups,
	},
	.probe = mtest_probe,
	.remove = mtest_remove,
	.get_available = mtest_available,
};

static int add_parent(unsigned int index)
{
	struct mtest_parent *p;
	int ret;

	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return -ENOMEM;
	p->index = index;
	p->type.sysfs_name = "1";
	p->type.pretty_name = "Does nothing";
	p->types[0] = &p->type;
	p->dev = device_create(mtest_class, NULL, MKDEV(0, 0), p, "mtest%u", index);
	if (IS_ERR(p->dev)) {
		ret = PTR_ERR(p->dev);
		goto free;
	}
	ret = mdev_register_parent(&p->mdev_parent, p->dev, &mtest_driver, p->types, 1);
	if (ret)
		goto unregister;
	parents[index] = p;
	return 0;

unregister:
	device_unregister(p->dev);
free:
	kfree(p);
	return ret;
}

static void remove_parent(unsigned int index)
{
	struct mtest_parent *p = parents[index];

	mdev_unregister_parent(&p->mdev_parent);
	device_unregister(p->dev);
	parents[index] = NULL;
	kfree(p);
}

static int resize(unsigned int n)
{
	int ret = 0;

	mutex_lock(&parents_lock);
	while (!ret && n_parents < n) {
		ret = add_parent(n_parents);
		if (!ret)
			n_parents++;
	}
	while (n_parents > n)
		remove_parent(--n_parents);
	mutex_unlock(&parents_lock);
	return ret;
}

static unsigned int wanted = 1;

static int set_parents(const char *value, const struct kernel_param *kp)
{
	unsigned int n;
	int ret = kstrtouint(value, 0, &n);

	if (ret)
		return ret;
	if (n > PARENTS_MAX)
		return -ERANGE;
	wanted = n;
	/* before the module is initialised the number is only noted */
	return mtest_class ? resize(n) : 0;
}

static const struct kernel_param_ops parents_ops = {
	.set = set_parents,
	.get = param_get_uint,
};

module_param_cb(parents, &parents_ops, &wanted, 0644);
MODULE_PARM_DESC(parents, "How many parents there are: mtest0, mtest1, ...");

static struct class class = {
	.name = "mtest",
};

static int __init mtest_init(void)
{
	int ret;

	ret = class_register(&class);
	if (ret)
		return ret;
	ret = mdev_register_driver(&mtest_driver);
	if (ret) {
		class_unregister(&class);
		return ret;
	}
	mtest_class = &class;
	ret = resize(wanted);
	if (!ret)
		return 0;
	resize(0);
	mdev_unregister_driver(&mtest_driver);
	class_unregister(&class);
	return ret;
}

static void __exit mtest_exit(void)
{
	resize(0);
	mdev_unregister_driver(&mtest_driver);
	class_unregister(&class);
}

module_init(mtest_init);
module_exit(mtest_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Mediated devices that do nothing, for tests of mdevd");

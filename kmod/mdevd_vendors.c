// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registry of vendors, and the way from MDEVD_CONFIGURE to one of them.
 *
 * mdevd_vendor.h is the contract.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "mdevd.h"
#include "mdevd_vendor.h"

struct vendor {
	struct list_head node;
	const struct mdevd_vendor_ops *ops;
};

static LIST_HEAD(vendors);
static DEFINE_MUTEX(vendors_lock);	/* guards vendors; a leaf */

static struct vendor *find(const char *name)
{
	struct vendor *vendor;

	lockdep_assert_held(&vendors_lock);

	list_for_each_entry(vendor, &vendors, node)
		if (!strcmp(vendor->ops->name, name))
			return vendor;

	return NULL;
}

static bool bars_valid(const struct mdevd_vendor_ops *ops)
{
	u32 i;

	for (i = 0; i < ops->n_bars; i++) {
		const struct mdevd_vendor_bar *b = &ops->bars[i];

		if (b->index >= MDEVD_MAX_BARS || !b->length ||
		    !PAGE_ALIGNED(b->length | b->map_start | b->map_length) ||
		    b->map_start > b->length ||
		    b->map_length > b->length - b->map_start ||
		    (b->map_length && !ops->validate_map_request))
			return false;
	}

	return true;
}

/**
 * mdevd_vendor_register - make a vendor known
 * @ops: the vendor; stays as it is until mdevd_vendor_unregister()
 *
 * Callbacks may come before this returns.
 *
 * Return: 0; -EINVAL a callback or the name is missing, or a BAR is not as
 * struct mdevd_vendor_bar says; -EEXIST the name is taken; -ENOMEM.
 */
int mdevd_vendor_register(const struct mdevd_vendor_ops *ops)
{
	struct vendor *vendor;
	int ret = 0;

	if (!ops->name || strnlen(ops->name, MDEVD_NAME_LEN) >= MDEVD_NAME_LEN ||
	    !mdevd_check_name(ops->name, strlen(ops->name) + 1))
		return -EINVAL;
	if (!ops->attach || !ops->detach || !ops->create || !ops->destroy ||
	    !ops->open || !ops->close || !ops->read || !ops->write ||
	    ops->max_vectors > 2048 || !bars_valid(ops))
		return -EINVAL;

	vendor = kzalloc(sizeof(*vendor), GFP_KERNEL);
	if (!vendor)
		return -ENOMEM;
	vendor->ops = ops;

	mutex_lock(&vendors_lock);
	if (find(ops->name))
		ret = -EEXIST;
	else
		list_add_tail(&vendor->node, &vendors);
	mutex_unlock(&vendors_lock);

	if (ret)
		kfree(vendor);
	return ret;
}
EXPORT_SYMBOL_GPL(mdevd_vendor_register);

/**
 * mdevd_vendor_unregister - forget a vendor
 * @ops: as registered
 *
 * Called when its module goes away, which cannot be while a parent is
 * configured with it.
 */
void mdevd_vendor_unregister(const struct mdevd_vendor_ops *ops)
{
	struct vendor *vendor;

	mutex_lock(&vendors_lock);
	vendor = find(ops->name);
	if (!WARN_ON_ONCE(!vendor || vendor->ops != ops))
		list_del(&vendor->node);
	else
		vendor = NULL;
	mutex_unlock(&vendors_lock);

	kfree(vendor);
}
EXPORT_SYMBOL_GPL(mdevd_vendor_unregister);

/* The vendor of that name, its module pinned. */
static const struct mdevd_vendor_ops *get(const char *name)
{
	const struct mdevd_vendor_ops *ops = NULL;
	struct vendor *vendor;

	mutex_lock(&vendors_lock);
	vendor = find(name);
	if (vendor && try_module_get(vendor->ops->owner))
		ops = vendor->ops;
	mutex_unlock(&vendors_lock);

	return ops;
}

static int attach(struct mdevd_parent *parent, const char *name)
{
	const struct mdevd_vendor_ops *ops = get(name);
	void *card = NULL;
	int ret;

	if (!ops) {
		request_module("mdevd-vendor-%s", name);
		ops = get(name);
	}
	if (!ops) {
		dev_info_ratelimited(&parent->pdev->dev,
				     "there is no vendor \"%s\"\n", name);
		return -ENOPKG;
	}

	ret = mdevd_vendor_verdict(ops->attach(parent->pdev, &card));
	if (ret) {
		dev_info_ratelimited(&parent->pdev->dev,
				     "vendor \"%s\" does not take it: %d\n",
				     name, ret);
		module_put(ops->owner);
		return ret;
	}

	parent->vendor = ops;
	parent->card = card;
	parent->bounds.vendor = true;
	parent->bounds.vendor_scrub = ops->scrub;
	return 0;
}

/**
 * mdevd_vendor_attach - a parent is being configured with a vendor
 * @parent: the parent; its config_lock is held
 * @name: of the vendor; empty: none
 *
 * The DMA ownership of the parent's IOMMU group is let go of meanwhile: the
 * card's other functions are in the same group, and the vendor drives them.
 * The parent itself stays unable to master the bus.
 *
 * Return: 0; -ENOPKG there is no such vendor; what its attach() says.
 */
int mdevd_vendor_attach(struct mdevd_parent *parent, const char *name)
{
	int ret;

	lockdep_assert_held(&parent->config_lock);

	if (!name[0])
		return 0;

	mdevd_dma_return(parent);
	ret = attach(parent, name);
	if (ret)
		mdevd_dma_claim(parent);
	return ret;
}

/**
 * mdevd_vendor_detach - a parent has no device any more
 * @parent: the parent; its config_lock is held, or its driver is unbound
 *
 * Does nothing where there is no vendor.
 */
void mdevd_vendor_detach(struct mdevd_parent *parent)
{
	const struct mdevd_vendor_ops *ops = parent->vendor;

	if (!ops)
		return;

	ops->detach(parent->card);
	parent->vendor = NULL;
	parent->card = NULL;
	parent->bounds.vendor = false;
	parent->bounds.vendor_scrub = false;
	module_put(ops->owner);
	mdevd_dma_claim(parent);
}

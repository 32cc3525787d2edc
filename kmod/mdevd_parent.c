// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parents: the list of functions bound to our driver, and the way out.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>

#include "mdevd.h"

static u32 n_parents;	/* mdevd_lock */

/**
 * mdevd_parent_new - make the object for a function
 * @pdev: the function
 *
 * Return: the parent with one reference, or NULL.
 */
struct mdevd_parent *mdevd_parent_new(struct pci_dev *pdev)
{
	struct mdevd_parent *parent;

	parent = kzalloc(sizeof(*parent), GFP_KERNEL);
	if (!parent)
		return NULL;

	kref_init(&parent->ref);
	INIT_LIST_HEAD(&parent->node);
	INIT_LIST_HEAD(&parent->claims);
	mutex_init(&parent->config_lock);
	init_waitqueue_head(&parent->idle);
	INIT_DELAYED_WORK(&parent->recovery, mdevd_error_expire);
	parent->pdev = pdev;
	strscpy(parent->name, pci_name(pdev), sizeof(parent->name));
	parent->state = MDEVD_PARENT_BOUND;

	return parent;
}

static void parent_free(struct kref *ref)
{
	struct mdevd_parent *parent = container_of(ref, struct mdevd_parent,
						   ref);
	int i;

	for (i = 0; i < MDEVD_PCI_BARS; i++)
		kvfree(parent->taken[i].items);
	mutex_destroy(&parent->config_lock);
	kfree(parent);
}

/**
 * mdevd_parent_put - give back a reference
 * @parent: the parent
 */
void mdevd_parent_put(struct mdevd_parent *parent)
{
	kref_put(&parent->ref, parent_free);
}

/**
 * mdevd_parent_link - make a parent known
 * @parent: the parent
 *
 * Return: 0 or -ENOSPC.
 */
int mdevd_parent_link(struct mdevd_parent *parent)
{
	int ret = 0;

	mutex_lock(&mdevd_lock);
	if (n_parents >= MDEVD_MAX_PARENTS) {
		ret = -ENOSPC;
	} else {
		n_parents++;
		list_add_tail(&parent->node, &mdevd_parents);
		mdevd_changed();
		mdevd_event(MDEVD_EVENT_PARENT_ADDED, parent, NULL);
	}
	mutex_unlock(&mdevd_lock);

	return ret;
}

/**
 * mdevd_parent_unlink - forget a parent that has been shut
 * @parent: the parent
 */
void mdevd_parent_unlink(struct mdevd_parent *parent)
{
	mutex_lock(&mdevd_lock);
	list_del_init(&parent->node);
	n_parents--;
	mdevd_changed();
	mdevd_event(MDEVD_EVENT_PARENT_GONE, parent, NULL);
	mutex_unlock(&mdevd_lock);
}

/**
 * mdevd_parent_find - find a parent by its name
 * @name: terminated string
 *
 * Return: the parent, valid while mdevd_lock is held, or NULL.
 */
struct mdevd_parent *mdevd_parent_find(const char *name)
{
	struct mdevd_parent *parent;

	lockdep_assert_held(&mdevd_lock);

	list_for_each_entry(parent, &mdevd_parents, node)
		if (!strcmp(parent->name, name))
			return parent;

	return NULL;
}

/**
 * mdevd_parent_type - find a type by its name
 * @parent: a configured parent
 * @name: terminated string
 *
 * Return: the type, valid while mdevd_lock is held, or NULL.
 */
struct mdevd_type_entry *mdevd_parent_type(struct mdevd_parent *parent,
					   const char *name)
{
	u32 i;

	lockdep_assert_held(&mdevd_lock);

	for (i = 0; i < parent->config->n_types; i++)
		if (!strcmp(parent->config->types[i].conf.name, name))
			return &parent->config->types[i];

	return NULL;
}

/* How long all devices of a parent together wait for VMMs in mid mmap(). */
#define SETTLE_MAX	HZ

/**
 * mdevd_parent_settle - wait for what VMMs were filling in when it was taken
 * @parent: the parent, of which every device has been cut off; mdevd_lock is
 *	held, and let go of meanwhile
 *
 * Only here does a VMM's own lock matter, and not for long: so none keeps the
 * parent from taking the BARs away from another.
 */
void mdevd_parent_settle(struct mdevd_parent *parent)
{
	unsigned long until = jiffies + SETTLE_MAX;
	struct mdevd_claim *claim;
	u32 round = ++parent->settling;

	lockdep_assert_held(&mdevd_lock);

restart:
	list_for_each_entry(claim, &parent->claims, node) {
		struct mdevd_vdev *v = claim->vdev;

		/* a later round does it for an earlier one, too */
		if (!v || (s32)(v->settled - round) >= 0)
			continue;

		v->settled = round;
		get_device(&v->vdev.device);
		mutex_unlock(&mdevd_lock);

		mdevd_map_settle(v, until);
		vfio_put_device(&v->vdev);

		mutex_lock(&mdevd_lock);
		goto restart;
	}
}

/*
 * Takes the BARs away from every device and asks every VMM to let go, all
 * before anybody waits for the first of them.
 */
static void revoke_all(struct mdevd_parent *parent)
{
	struct mdevd_claim *claim;

	mutex_lock(&mdevd_lock);
restart:
	list_for_each_entry(claim, &parent->claims, node) {
		struct mdevd_vdev *v = claim->vdev;

		if (!v || v->lost)
			continue;

		v->lost = true;
		mdevd_hold_abandon(claim);
		if (claim->opened)
			mdevd_event(MDEVD_EVENT_DEVICE_REVOKED, parent, claim);
		wake_up_all(&claim->clean_wait);
		get_device(&v->vdev.device);
		mutex_unlock(&mdevd_lock);

		mdevd_vdev_lost(v);
		vfio_put_device(&v->vdev);

		mutex_lock(&mdevd_lock);
		goto restart;
	}
	mdevd_parent_settle(parent);
	mutex_unlock(&mdevd_lock);
}

/**
 * mdevd_parent_fail - the function does not come back
 * @parent: the parent, bound yet
 *
 * Its devices are revoked, and nothing new is made of it.  There is nothing to
 * zero any more either.
 */
void mdevd_parent_fail(struct mdevd_parent *parent)
{
	bool first;

	mutex_lock(&mdevd_lock);
	first = !parent->cut;
	WRITE_ONCE(parent->cut, true);
	wake_up_all(&parent->idle);
	if (parent->state == MDEVD_PARENT_CONFIGURED) {
		parent->state = MDEVD_PARENT_CLOSING;
		mdevd_requests_cancel(parent);
		mdevd_changed();
		mdevd_event(MDEVD_EVENT_PARENT_CLOSING, parent, NULL);
	}
	mutex_unlock(&mdevd_lock);

	if (first)
		pci_err(parent->pdev, "it has failed, its devices are revoked\n");
	revoke_all(parent);
}

/**
 * mdevd_parent_shut - end everything on a parent whose driver is unbound
 * @parent: the parent
 *
 * From here on nothing new begins.  Every device is revoked and its VMM is
 * asked to close it; returns when the last one has, and when what they leave
 * behind has been zeroed (unless the function is physically gone).
 */
void mdevd_parent_shut(struct mdevd_parent *parent)
{
	mutex_lock(&mdevd_lock);
	WRITE_ONCE(parent->removing, true);
	/* a reset that has not ended now never does */
	if (parent->resetting || pci_channel_offline(parent->pdev) ||
	    !pci_device_is_present(parent->pdev))
		WRITE_ONCE(parent->cut, true);
	wake_up_all(&parent->idle);
	parent->state = MDEVD_PARENT_CLOSING;
	mdevd_requests_cancel(parent);
	mdevd_changed();
	mdevd_event(MDEVD_EVENT_PARENT_CLOSING, parent, NULL);
	mutex_unlock(&mdevd_lock);

	cancel_delayed_work_sync(&parent->recovery);

	/* A configure that was under way has ended after this. */
	mutex_lock(&parent->config_lock);

	revoke_all(parent);
	if (parent->config) {
		mdev_unregister_parent(&parent->mdev);
		mdevd_config_drop(parent);
	}
	mdevd_claims_drop(parent);
	mutex_unlock(&parent->config_lock);

	wait_event(parent->idle, list_empty_careful(&parent->claims));
	mdevd_vendor_detach(parent);
}

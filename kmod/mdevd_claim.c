// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claims: extents that belong to one UUID, from the reservation until they
 * have been zeroed after the device is gone.
 *
 * What always holds, under mdevd_lock: a range in parent->taken[] belongs to
 * exactly one claim on parent->claims; no two claims share a byte; no two
 * claims of any parent share a UUID.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/sched.h>
#include <linux/slab.h>

#include "mdevd.h"

static void claim_free(struct kref *ref)
{
	struct mdevd_claim *claim = container_of(ref, struct mdevd_claim, ref);

	put_pid(claim->maker);
	kvfree(claim->vectors);
	mdevd_parent_put(claim->parent);
	kfree(claim);
}

/**
 * mdevd_claim_put - give back a reference
 * @claim: the claim
 */
void mdevd_claim_put(struct mdevd_claim *claim)
{
	kref_put(&claim->ref, claim_free);
}

/**
 * mdevd_claim_state - what query and sysfs say about a claim
 * @claim: the claim
 *
 * Return: enum mdevd_device_state.
 */
u32 mdevd_claim_state(const struct mdevd_claim *claim)
{
	lockdep_assert_held(&mdevd_lock);

	if (!claim->consumed)
		return MDEVD_DEVICE_RESERVED;
	if (claim->retired)
		return MDEVD_DEVICE_DYING;
	if (claim->vdev && claim->vdev->lost)
		return MDEVD_DEVICE_REVOKED;
	if (claim->holder)
		return MDEVD_DEVICE_SUSPENDED;
	if (claim->unclean && !claim->opened)
		return MDEVD_DEVICE_SCRUBBING;
	return MDEVD_DEVICE_LIVE;
}

/* The UUID as the interface has it, from the mixed endian one of mdev core. */
static void uuid_from_guid(u8 *uuid, const guid_t *guid)
{
	static const u8 from[16] = {
		3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15
	};
	int i;

	for (i = 0; i < 16; i++)
		uuid[i] = guid->b[from[i]];
}

/**
 * mdevd_claim_find - find a claim by its UUID
 * @uuid: RFC 4122 byte order
 *
 * Return: the claim, valid while mdevd_lock is held, or NULL.
 */
struct mdevd_claim *mdevd_claim_find(const u8 *uuid)
{
	struct mdevd_parent *parent;
	struct mdevd_claim *claim;

	lockdep_assert_held(&mdevd_lock);

	list_for_each_entry(parent, &mdevd_parents, node)
		list_for_each_entry(claim, &parent->claims, node)
			if (!memcmp(claim->uuid, uuid, sizeof(claim->uuid)))
				return claim;

	return NULL;
}

/**
 * mdevd_claim_unlink - forget a claim and free its extents
 * @claim: the claim, whose kernel mappings are gone; mdevd_lock is held
 */
void mdevd_claim_unlink(struct mdevd_claim *claim)
{
	struct mdevd_parent *parent = claim->parent;
	u32 i;

	lockdep_assert_held(&mdevd_lock);

	for (i = 0; i < claim->n; i++) {
		const struct mdevd_extent *e = &claim->backing[i].ext;

		WARN_ON_ONCE(!mdevd_spans_del(&parent->taken[e->bar],
					      e->offset, claim));
	}

	mdevd_backing_drop_other(claim);
	mdevd_vectors_drop(claim);
	list_del_init(&claim->node);
	mdevd_changed();
	if (list_empty(&parent->claims))
		wake_up_all(&parent->idle);
	mdevd_claim_put(claim);
}

/* What the type says, where the order says nothing. */
static struct mdevd_ids claim_ids(const struct mdevd_type *type,
				  const struct mdevd_order *order)
{
	struct mdevd_ids ids = order->ids;

	if (!ids.vendor && !ids.device) {
		ids.vendor = type->vendor;
		ids.device = type->device;
	}
	if (!ids.subvendor && !ids.subdevice) {
		ids.subvendor = type->subvendor;
		ids.subdevice = type->subdevice;
	}
	if (!ids.class)
		ids.class = type->class;

	return ids;
}

static struct mdevd_claim *claim_new(const struct mdevd_type *type,
				     const struct mdevd_order *order)
{
	struct mdevd_claim *claim;
	u32 i;

	claim = kzalloc(struct_size(claim, backing, order->n),
			GFP_KERNEL_ACCOUNT);
	if (!claim)
		return NULL;

	kref_init(&claim->ref);
	INIT_LIST_HEAD(&claim->node);
	INIT_WORK(&claim->scrub, mdevd_scrub_work);
	INIT_DELAYED_WORK(&claim->hold, mdevd_hold_expire);
	init_waitqueue_head(&claim->clean_wait);
	memcpy(claim->uuid, order->uuid, sizeof(claim->uuid));
	strscpy(claim->type, type->name, sizeof(claim->type));
	strscpy(claim->owner, order->owner, sizeof(claim->owner));
	claim->ids = claim_ids(type, order);
	claim->n = order->n;
	for (i = 0; i < order->n; i++)
		claim->backing[i].ext = order->extents[i];

	claim->n_vectors = type->vectors;
	if (claim->n_vectors) {
		claim->vectors = kvcalloc(claim->n_vectors,
					  sizeof(*claim->vectors),
					  GFP_KERNEL_ACCOUNT);
		if (!claim->vectors) {
			kfree(claim);
			return NULL;
		}
	}

	return claim;
}

static int order_check(const struct mdevd_parent *parent,
		       const struct mdevd_type *type,
		       const struct mdevd_order *order)
{
	int ret;

	if (!mdevd_check_ids(&order->ids))
		return -EINVAL;
	ret = mdevd_check_extents(&parent->bounds, parent->config->pools,
				  parent->config->n_pools, type, order->extents,
				  order->n);
	if (ret)
		return ret;
	return mdevd_check_vectors(&parent->bounds, type, order->vectors,
				   order->n_vectors);
}

/* Extents and vectors, or neither. */
static int claim_own(struct mdevd_claim *claim, const struct mdevd_order *order)
{
	int ret;

	ret = mdevd_vectors_take(claim, order->vectors);
	if (ret)
		return ret;
	ret = mdevd_backing_take(claim);
	if (ret)
		mdevd_vectors_drop(claim);
	return ret;
}

/**
 * mdevd_claim_make - everything that may refuse a claim, then the claim
 * @parent: its parent, configured; mdevd_lock is held
 * @entry: its type
 * @order: what it is to be made of
 *
 * Return: the claim, on the parent's list, or what MDEVD_RESERVE says.
 */
struct mdevd_claim *mdevd_claim_make(struct mdevd_parent *parent,
				     const struct mdevd_type_entry *entry,
				     const struct mdevd_order *order)
{
	struct mdevd_claim *claim;
	int ret;

	lockdep_assert_held(&mdevd_lock);

	claim = mdevd_claim_find(order->uuid);
	if (claim)
		return ERR_PTR(claim->retired ? -EBUSY : -EEXIST);
	ret = order_check(parent, &entry->conf, order);
	if (ret)
		return ERR_PTR(ret);

	claim = claim_new(&entry->conf, order);
	if (!claim)
		return ERR_PTR(-ENOMEM);
	claim->parent = parent;
	ret = claim_own(claim, order);
	if (ret) {
		kvfree(claim->vectors);
		kfree(claim);
		return ERR_PTR(ret);
	}

	kref_get(&parent->ref);
	mdevd_backing_fill(claim, parent->config);
	list_add_tail(&claim->node, &parent->claims);
	mdevd_changed();
	return claim;
}

/* From a reservation to what a device is about to be made of. */
static void consume(struct mdevd_claim *claim)
{
	claim->consumed = true;
	/* whatever was there before may not be seen */
	claim->unclean = claim->zeroed;
	mdevd_changed();
	kref_get(&claim->ref);
}

/**
 * mdevd_claim_answer - reserve for a writer that waits
 * @parent: its parent
 * @entry: its type
 * @order: what it is to be made of
 *
 * Return: a claim that is consumed already, with a reference for the writer,
 * or what MDEVD_RESERVE would say.
 */
struct mdevd_claim *mdevd_claim_answer(struct mdevd_parent *parent,
				       const struct mdevd_type_entry *entry,
				       const struct mdevd_order *order)
{
	struct mdevd_claim *claim;

	claim = mdevd_claim_make(parent, entry, order);
	if (!IS_ERR(claim))
		consume(claim);
	return claim;
}

static struct mdevd_claim *take_locked(struct mdevd_parent *parent,
				       const struct mdevd_type_entry *entry,
				       const u8 *uuid)
{
	struct mdevd_claim *claim;

	if (parent->state != MDEVD_PARENT_CONFIGURED)
		return ERR_PTR(-ENODEV);

	claim = mdevd_claim_find(uuid);
	if (!claim)
		return mdevd_request_create(parent, entry, uuid);
	if (claim->consumed || claim->maker != task_tgid(current))
		return ERR_PTR(-EBUSY);
	if (claim->parent != parent || strcmp(claim->type, entry->conf.name))
		return ERR_PTR(-EINVAL);

	consume(claim);
	return claim;
}

/**
 * mdevd_claim_take - a create consumes the reservation of its UUID
 * @parent: parent of the mdev
 * @entry: its type
 * @guid: its UUID as mdev core has it
 *
 * Without a reservation the daemon is asked, which may take its time.
 *
 * Return: the claim with a reference, or -EBUSY when the reservation is
 * another process's, -EINVAL when it is for another parent or type, -ENODEV
 * when the parent is going away, -ENOMEM, or what mdevd_request_create() says.
 */
struct mdevd_claim *mdevd_claim_take(struct mdevd_parent *parent,
				     const struct mdevd_type_entry *entry,
				     const guid_t *guid)
{
	struct mdevd_claim *claim;
	u8 uuid[16];
	int ret;

	uuid_from_guid(uuid, guid);

	mutex_lock(&mdevd_lock);
	claim = take_locked(parent, entry, uuid);
	mutex_unlock(&mdevd_lock);
	if (IS_ERR(claim))
		return claim;

	ret = mdevd_backing_map(claim);
	if (ret) {
		mdevd_claim_return(claim);
		return ERR_PTR(ret);
	}

	return claim;
}

/**
 * mdevd_claim_publish - the claim has a vfio device
 * @claim: taken claim
 * @v: its device
 *
 * Return: 0, or -ENODEV when the parent has begun to go away.
 */
int mdevd_claim_publish(struct mdevd_claim *claim, struct mdevd_vdev *v)
{
	int ret = 0;

	mutex_lock(&mdevd_lock);
	if (claim->parent->state != MDEVD_PARENT_CONFIGURED) {
		ret = -ENODEV;
	} else {
		claim->vdev = v;
		if (claim->parent->resetting)
			mdevd_map_set_held(v, MDEVD_HELD_RESET, true);
	}
	mutex_unlock(&mdevd_lock);

	return ret;
}

/**
 * mdevd_claim_announce - say once that a device exists
 * @claim: published claim; mdevd_lock is held
 */
void mdevd_claim_announce(struct mdevd_claim *claim)
{
	lockdep_assert_held(&mdevd_lock);

	if (claim->announced)
		return;

	claim->announced = true;
	mdevd_changed();
	mdevd_event(MDEVD_EVENT_DEVICE_ADDED, claim->parent, claim);
}

/**
 * mdevd_claim_return - a create has failed: it is a reservation again
 * @claim: taken claim, the reference goes with it
 */
void mdevd_claim_return(struct mdevd_claim *claim)
{
	mdevd_backing_unmap(claim);

	mutex_lock(&mdevd_lock);
	claim->vdev = NULL;
	claim->consumed = false;
	claim->unclean = false;
	mdevd_changed();
	/* its descriptor, or its parent, went away meanwhile */
	if (!claim->ctl || claim->parent->state != MDEVD_PARENT_CONFIGURED)
		mdevd_claim_unlink(claim);
	mutex_unlock(&mdevd_lock);

	mdevd_claim_put(claim);
}

/**
 * mdevd_claim_retire - the mdev of a claim is gone
 * @claim: the claim; the vdev's reference stays with the vdev
 *
 * Its extents stay taken until they are zero.
 */
void mdevd_claim_retire(struct mdevd_claim *claim)
{
	bool unclean;

	mutex_lock(&mdevd_lock);
	mdevd_move_end(claim);
	mdevd_hold_end(claim);
	claim->vdev = NULL;
	claim->retired = true;
	unclean = claim->unclean;
	mdevd_changed();
	mdevd_event(MDEVD_EVENT_DEVICE_GONE, claim->parent, claim);
	if (unclean)
		mdevd_scrub_start(claim);
	mutex_unlock(&mdevd_lock);

	/* it has a reference only while it is pending */
	if (cancel_delayed_work_sync(&claim->hold))
		mdevd_claim_put(claim);

	if (!unclean)
		mdevd_claim_end(claim);
}

/**
 * mdevd_claim_end - the extents of a retired claim are free
 * @claim: retired claim that nothing maps any more
 */
void mdevd_claim_end(struct mdevd_claim *claim)
{
	mdevd_backing_unmap(claim);

	mutex_lock(&mdevd_lock);
	/* still unclean: its parent has physically gone */
	if (!claim->unclean)
		mdevd_event(MDEVD_EVENT_DEVICE_CLEAN, claim->parent, claim);
	mdevd_claim_unlink(claim);
	mutex_unlock(&mdevd_lock);
}

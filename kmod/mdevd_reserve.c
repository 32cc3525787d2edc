// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reservations: claims that a descriptor of /dev/mdevd made and that no
 * create has consumed yet.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/sched.h>
#include <linux/slab.h>

#include "mdevd.h"

static u32 count_unconsumed(const struct mdevd_ctl *ctl)
{
	struct mdevd_parent *parent;
	struct mdevd_claim *claim;
	u32 n = 0;

	lockdep_assert_held(&mdevd_lock);

	list_for_each_entry(parent, &mdevd_parents, node)
		list_for_each_entry(claim, &parent->claims, node)
			n += claim->ctl == ctl && !claim->consumed;

	return n;
}

/**
 * mdevd_order_copy - copy the arrays of an order from user space
 * @order: filled in; to be freed with mdevd_order_free() whatever comes of it
 * @extents: address of the extents
 * @n: how many the caller says there are
 * @extent_size: size of one as the caller knows it
 * @vectors: address of the vectors
 * @n_vectors: how many
 *
 * Return: 0; -EINVAL, -E2BIG, -EFAULT, -ENOMEM.
 */
int mdevd_order_copy(struct mdevd_order *order, u64 extents, u32 n,
		     u32 extent_size, u64 vectors, u32 n_vectors)
{
	void *array;
	int ret;

	ret = mdevd_copy_array(&array, extents, n, MDEVD_MAX_EXTENTS,
			       extent_size, sizeof(struct mdevd_extent),
			       sizeof(struct mdevd_extent));
	if (ret)
		return ret;
	order->n = n;
	order->extents = array;

	if (!n_vectors)
		return 0;
	ret = mdevd_copy_array(&array, vectors, n_vectors, MDEVD_MAX_VECTORS,
			       sizeof(u32), sizeof(u32), sizeof(u32));
	if (ret)
		return ret;
	order->n_vectors = n_vectors;
	order->vectors = array;
	return 0;
}

/**
 * mdevd_order_free - free its arrays
 * @order: the order
 */
void mdevd_order_free(struct mdevd_order *order)
{
	kvfree(order->extents);
	kvfree(order->vectors);
}

static int reserve_locked(struct mdevd_ctl *ctl,
			  const struct mdevd_reserve *arg,
			  const struct mdevd_order *order)
{
	const struct mdevd_type_entry *entry;
	struct mdevd_parent *parent;
	struct mdevd_claim *claim;

	parent = mdevd_parent_find(arg->parent);
	if (!parent || parent->state == MDEVD_PARENT_CLOSING)
		return -ENODEV;
	if (!parent->config)
		return -ENOENT;
	entry = mdevd_parent_type(parent, arg->type);
	if (!entry)
		return -ENOENT;
	if (count_unconsumed(ctl) >= MDEVD_MAX_RESERVATIONS)
		return -ENOSPC;

	claim = mdevd_claim_make(parent, entry, order);
	if (IS_ERR(claim))
		return PTR_ERR(claim);

	claim->ctl = ctl;
	claim->maker = get_pid(task_tgid(current));
	return 0;
}

/**
 * mdevd_reserve - MDEVD_RESERVE
 * @ctl: descriptor that the reservation belongs to
 * @arg: as copied from the caller
 *
 * Return: 0 or what the interface says.
 */
int mdevd_reserve(struct mdevd_ctl *ctl, const struct mdevd_reserve *arg)
{
	struct mdevd_order order = {
		.uuid = arg->uuid,
		.owner = arg->owner,
		.ids = arg->ids,
	};
	int ret;

	if (!mdevd_check_string(arg->parent, sizeof(arg->parent)) ||
	    !mdevd_check_name(arg->type, sizeof(arg->type)) ||
	    !mdevd_check_label(arg->owner, sizeof(arg->owner)) ||
	    !memchr_inv(arg->uuid, 0, sizeof(arg->uuid)))
		return -EINVAL;

	ret = mdevd_order_copy(&order, arg->extents, arg->n_extents,
			       arg->extent_size, arg->vectors, arg->n_vectors);
	if (!ret) {
		mutex_lock(&mdevd_lock);
		ret = reserve_locked(ctl, arg, &order);
		mutex_unlock(&mdevd_lock);
	}

	mdevd_order_free(&order);
	return ret;
}

/**
 * mdevd_release - MDEVD_RELEASE
 * @ctl: descriptor that the reservation belongs to
 * @arg: as copied from the caller
 *
 * Return: 0 or what the interface says.
 */
int mdevd_release(struct mdevd_ctl *ctl, const struct mdevd_release *arg)
{
	struct mdevd_claim *claim;
	int ret = 0;

	mutex_lock(&mdevd_lock);
	claim = mdevd_claim_find(arg->uuid);
	if (!claim || claim->ctl != ctl)
		ret = -ENOENT;
	else if (claim->consumed)
		ret = -EBUSY;
	else
		mdevd_claim_unlink(claim);
	mutex_unlock(&mdevd_lock);

	return ret;
}

/**
 * mdevd_claims_forget - a descriptor closes: its reservations and holds end
 * @ctl: the descriptor
 *
 * What became a device meanwhile stays.
 */
void mdevd_claims_forget(struct mdevd_ctl *ctl)
{
	struct mdevd_parent *parent;
	struct mdevd_claim *claim, *next;

	mutex_lock(&mdevd_lock);
	mdevd_listen_end(ctl);
	list_for_each_entry(parent, &mdevd_parents, node)
		list_for_each_entry_safe(claim, next, &parent->claims, node) {
			if (claim->holder == ctl)
				mdevd_hold_end(claim);
			if (claim->ctl != ctl)
				continue;
			claim->ctl = NULL;
			if (!claim->consumed)
				mdevd_claim_unlink(claim);
		}
	mutex_unlock(&mdevd_lock);
}

/**
 * mdevd_claims_drop - a parent closes: its reservations end
 * @parent: the parent, which has no device any more
 */
void mdevd_claims_drop(struct mdevd_parent *parent)
{
	struct mdevd_claim *claim, *next;

	mutex_lock(&mdevd_lock);
	list_for_each_entry_safe(claim, next, &parent->claims, node)
		if (!claim->consumed)
			mdevd_claim_unlink(claim);
	mutex_unlock(&mdevd_lock);
}

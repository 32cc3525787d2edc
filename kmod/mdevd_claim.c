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

#include <linux/io.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "mdevd.h"

static void claim_free(struct kref *ref)
{
	struct mdevd_claim *claim = container_of(ref, struct mdevd_claim, ref);

	put_pid(claim->maker);
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

static struct mdevd_claim *find_uuid(const u8 *uuid)
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

static int spans_grow(struct mdevd_spans *set, size_t more)
{
	struct mdevd_span *items;
	size_t room;

	if (set->n + more <= set->room)
		return 0;

	room = max_t(size_t, 2 * set->room, set->n + more);
	items = kvmalloc_array(room, sizeof(*items), GFP_KERNEL_ACCOUNT);
	if (!items)
		return -ENOMEM;

	if (set->n)
		memcpy(items, set->items, set->n * sizeof(*items));
	kvfree(set->items);
	set->items = items;
	set->room = room;
	return 0;
}

static int spans_take(struct mdevd_claim *claim)
{
	struct mdevd_parent *parent = claim->parent;
	int ret;
	u32 i;

	for (i = 0; i < claim->n; i++) {
		const struct mdevd_extent *e = &claim->backing[i].ext;

		if (mdevd_spans_overlap(&parent->taken[e->bar], e->offset,
					e->offset + e->length))
			return -EBUSY;
		ret = spans_grow(&parent->taken[e->bar], claim->n);
		if (ret)
			return ret;
	}

	for (i = 0; i < claim->n; i++) {
		const struct mdevd_extent *e = &claim->backing[i].ext;

		mdevd_spans_add(&parent->taken[e->bar], e->offset,
				e->offset + e->length, claim);
	}

	return 0;
}

/* Unlinks a claim and frees its extents; its kernel mappings are gone. */
static void claim_unlink(struct mdevd_claim *claim)
{
	struct mdevd_parent *parent = claim->parent;
	u32 i;

	lockdep_assert_held(&mdevd_lock);

	for (i = 0; i < claim->n; i++) {
		const struct mdevd_extent *e = &claim->backing[i].ext;

		WARN_ON_ONCE(!mdevd_spans_del(&parent->taken[e->bar],
					      e->offset, claim));
	}

	list_del_init(&claim->node);
	mdevd_changed();
	if (list_empty(&parent->claims))
		wake_up_all(&parent->idle);
	mdevd_claim_put(claim);
}

static struct mdevd_claim *claim_new(const struct mdevd_reserve *arg,
				     const struct mdevd_extent *extents)
{
	struct mdevd_claim *claim;
	u32 i;

	claim = kzalloc(struct_size(claim, backing, arg->n_extents),
			GFP_KERNEL_ACCOUNT);
	if (!claim)
		return NULL;

	kref_init(&claim->ref);
	INIT_LIST_HEAD(&claim->node);
	INIT_WORK(&claim->scrub, mdevd_scrub_work);
	init_waitqueue_head(&claim->clean_wait);
	memcpy(claim->uuid, arg->uuid, sizeof(claim->uuid));
	strscpy(claim->type, arg->type, sizeof(claim->type));
	strscpy(claim->owner, arg->owner, sizeof(claim->owner));
	claim->n = arg->n_extents;
	for (i = 0; i < claim->n; i++)
		claim->backing[i].ext = extents[i];

	return claim;
}

/* Everything that may refuse a reservation, then the reservation. */
static int reserve_locked(struct mdevd_ctl *ctl, struct mdevd_claim *claim,
			  const struct mdevd_reserve *arg,
			  const struct mdevd_extent *extents)
{
	const struct mdevd_type_entry *entry;
	struct mdevd_parent *parent;
	struct mdevd_config *config;
	struct mdevd_claim *other;
	int ret;
	u32 i;

	parent = mdevd_parent_find(arg->parent);
	if (!parent || parent->state == MDEVD_PARENT_CLOSING)
		return -ENODEV;
	config = parent->config;
	if (!config)
		return -ENOENT;
	entry = mdevd_parent_type(parent, arg->type);
	if (!entry)
		return -ENOENT;

	other = find_uuid(arg->uuid);
	if (other)
		return other->retired ? -EBUSY : -EEXIST;
	ret = mdevd_check_extents(&parent->bounds, config->pools,
				  config->n_pools, &entry->conf, extents,
				  arg->n_extents);
	if (ret)
		return ret;
	if (count_unconsumed(ctl) >= MDEVD_MAX_RESERVATIONS)
		return -ENOSPC;

	claim->parent = parent;
	ret = spans_take(claim);
	if (ret) {
		claim->parent = NULL;
		return ret;
	}

	for (i = 0; i < claim->n; i++) {
		struct mdevd_backing *b = &claim->backing[i];
		const struct mdevd_pool *pool;

		pool = mdevd_check_find_pool(config->pools, config->n_pools,
					     &b->ext);
		b->phys = parent->bar_start[b->ext.bar] + b->ext.offset;
		b->cache = pool->cache;
		b->scrub = pool->scrub;
		claim->zeroed |= pool->scrub == MDEVD_SCRUB_ZERO;
	}

	kref_get(&parent->ref);
	claim->ctl = ctl;
	claim->maker = get_pid(task_tgid(current));
	list_add_tail(&claim->node, &parent->claims);
	mdevd_changed();
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
	struct mdevd_claim *claim;
	void *extents;
	int ret;

	if (!mdevd_check_string(arg->parent, sizeof(arg->parent)) ||
	    !mdevd_check_name(arg->type, sizeof(arg->type)) ||
	    !mdevd_check_label(arg->owner, sizeof(arg->owner)) ||
	    !memchr_inv(arg->uuid, 0, sizeof(arg->uuid)))
		return -EINVAL;

	ret = mdevd_copy_array(&extents, arg->extents, arg->n_extents,
			       MDEVD_MAX_EXTENTS, arg->extent_size,
			       sizeof(struct mdevd_extent),
			       sizeof(struct mdevd_extent));
	if (ret)
		return ret;

	claim = claim_new(arg, extents);
	if (!claim) {
		ret = -ENOMEM;
		goto out;
	}

	mutex_lock(&mdevd_lock);
	ret = reserve_locked(ctl, claim, arg, extents);
	mutex_unlock(&mdevd_lock);
	if (ret)
		kfree(claim);
out:
	kvfree(extents);
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
	claim = find_uuid(arg->uuid);
	if (!claim || claim->ctl != ctl)
		ret = -ENOENT;
	else if (claim->consumed)
		ret = -EBUSY;
	else
		claim_unlink(claim);
	mutex_unlock(&mdevd_lock);

	return ret;
}

/**
 * mdevd_claims_forget - a descriptor closes: its reservations end
 * @ctl: the descriptor
 *
 * What became a device meanwhile stays.
 */
void mdevd_claims_forget(struct mdevd_ctl *ctl)
{
	struct mdevd_parent *parent;
	struct mdevd_claim *claim, *next;

	mutex_lock(&mdevd_lock);
	list_for_each_entry(parent, &mdevd_parents, node)
		list_for_each_entry_safe(claim, next, &parent->claims, node) {
			if (claim->ctl != ctl)
				continue;
			claim->ctl = NULL;
			if (!claim->consumed)
				claim_unlink(claim);
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
			claim_unlink(claim);
	mutex_unlock(&mdevd_lock);
}

static void backing_unmap(struct mdevd_claim *claim)
{
	u32 i;

	for (i = 0; i < claim->n; i++) {
		if (claim->backing[i].map)
			iounmap(claim->backing[i].map);
		claim->backing[i].map = NULL;
	}
}

/*
 * One mapping per extent and never one of the whole BAR: PAT gives a page the
 * type of the first mapping that covers it, so a wider one would turn write
 * combining into uncached behind our back.
 */
static int backing_map(struct mdevd_claim *claim)
{
	u32 i;

	for (i = 0; i < claim->n; i++) {
		struct mdevd_backing *b = &claim->backing[i];

		if (b->cache == MDEVD_CACHE_WC)
			b->map = ioremap_wc(b->phys, b->ext.length);
		else
			b->map = ioremap(b->phys, b->ext.length);
		if (!b->map) {
			backing_unmap(claim);
			return -ENOMEM;
		}
	}

	return 0;
}

static struct mdevd_claim *take_locked(struct mdevd_parent *parent,
				       const struct mdevd_type_entry *entry,
				       const u8 *uuid)
{
	struct mdevd_claim *claim;

	if (parent->state != MDEVD_PARENT_CONFIGURED)
		return ERR_PTR(-ENODEV);

	claim = find_uuid(uuid);
	if (!claim)
		return ERR_PTR(-ENOENT);
	if (claim->consumed || claim->maker != task_tgid(current))
		return ERR_PTR(-EBUSY);
	if (claim->parent != parent || strcmp(claim->type, entry->conf.name))
		return ERR_PTR(-EINVAL);

	claim->consumed = true;
	/* whatever was there before may not be seen */
	claim->unclean = claim->zeroed;
	mdevd_changed();
	kref_get(&claim->ref);
	return claim;
}

/**
 * mdevd_claim_take - a create consumes the reservation of its UUID
 * @parent: parent of the mdev
 * @entry: its type
 * @guid: its UUID as mdev core has it
 *
 * Return: the claim with a reference, or -ENOENT without a reservation,
 * -EBUSY when it is another process's, -EINVAL when it is for another parent
 * or type, -ENODEV when the parent is going away, -ENOMEM.
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

	ret = backing_map(claim);
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
	if (claim->parent->state != MDEVD_PARENT_CONFIGURED)
		ret = -ENODEV;
	else
		claim->vdev = v;
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
	backing_unmap(claim);

	mutex_lock(&mdevd_lock);
	claim->vdev = NULL;
	claim->consumed = false;
	claim->unclean = false;
	mdevd_changed();
	/* its descriptor, or its parent, went away meanwhile */
	if (!claim->ctl || claim->parent->state != MDEVD_PARENT_CONFIGURED)
		claim_unlink(claim);
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
	claim->vdev = NULL;
	claim->retired = true;
	unclean = claim->unclean;
	mdevd_changed();
	mdevd_event(MDEVD_EVENT_DEVICE_GONE, claim->parent, claim);
	if (unclean)
		mdevd_scrub_start(claim);
	mutex_unlock(&mdevd_lock);

	if (!unclean)
		mdevd_claim_end(claim);
}

/**
 * mdevd_claim_end - the extents of a retired claim are free
 * @claim: retired claim that nothing maps any more
 */
void mdevd_claim_end(struct mdevd_claim *claim)
{
	backing_unmap(claim);

	mutex_lock(&mdevd_lock);
	/* still unclean: its parent has physically gone */
	if (!claim->unclean)
		mdevd_event(MDEVD_EVENT_DEVICE_CLEAN, claim->parent, claim);
	claim_unlink(claim);
	mutex_unlock(&mdevd_lock);
}

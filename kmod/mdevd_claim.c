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

/**
 * mdevd_claim_drop_other - free the second place of a move
 * @claim: the claim, whose second place is clean; mdevd_lock is held
 */
void mdevd_claim_drop_other(struct mdevd_claim *claim)
{
	struct mdevd_backing *b = &claim->other.backing;

	lockdep_assert_held(&mdevd_lock);

	if (!claim->other.used)
		return;

	iounmap(b->map);
	WARN_ON_ONCE(!mdevd_spans_del(&claim->parent->taken[b->ext.bar],
				      b->ext.offset, claim));
	memset(&claim->other, 0, sizeof(claim->other));
	mdevd_changed();
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

	mdevd_claim_drop_other(claim);
	list_del_init(&claim->node);
	mdevd_changed();
	if (list_empty(&parent->claims))
		wake_up_all(&parent->idle);
	mdevd_claim_put(claim);
}

static struct mdevd_claim *claim_new(const u8 *uuid, const char *type,
				     const char *owner,
				     const struct mdevd_extent *extents, u32 n)
{
	struct mdevd_claim *claim;
	u32 i;

	claim = kzalloc(struct_size(claim, backing, n), GFP_KERNEL_ACCOUNT);
	if (!claim)
		return NULL;

	kref_init(&claim->ref);
	INIT_LIST_HEAD(&claim->node);
	INIT_WORK(&claim->scrub, mdevd_scrub_work);
	INIT_DELAYED_WORK(&claim->hold, mdevd_hold_expire);
	init_waitqueue_head(&claim->clean_wait);
	memcpy(claim->uuid, uuid, sizeof(claim->uuid));
	strscpy(claim->type, type, sizeof(claim->type));
	strscpy(claim->owner, owner, sizeof(claim->owner));
	claim->n = n;
	for (i = 0; i < n; i++)
		claim->backing[i].ext = extents[i];

	return claim;
}

/* What the pools say about the extents of a claim that has been checked. */
static void claim_fill(struct mdevd_claim *claim,
		       const struct mdevd_config *config)
{
	u32 i;

	for (i = 0; i < claim->n; i++) {
		struct mdevd_backing *b = &claim->backing[i];
		const struct mdevd_pool *pool;

		pool = mdevd_check_find_pool(config->pools, config->n_pools,
					     &b->ext);
		b->phys = claim->parent->bar_start[b->ext.bar] + b->ext.offset;
		b->cache = pool->cache;
		b->scrub = pool->scrub;
		claim->zeroed |= pool->scrub == MDEVD_SCRUB_ZERO;
	}
}

/* Everything that may refuse a reservation, then the reservation. */
static struct mdevd_claim *claim_make(struct mdevd_parent *parent,
				      const struct mdevd_type_entry *entry,
				      const u8 *uuid, const char *owner,
				      const struct mdevd_extent *extents, u32 n)
{
	struct mdevd_config *config = parent->config;
	struct mdevd_claim *claim;
	int ret;

	lockdep_assert_held(&mdevd_lock);

	claim = mdevd_claim_find(uuid);
	if (claim)
		return ERR_PTR(claim->retired ? -EBUSY : -EEXIST);
	ret = mdevd_check_extents(&parent->bounds, config->pools,
				  config->n_pools, &entry->conf, extents, n);
	if (ret)
		return ERR_PTR(ret);

	claim = claim_new(uuid, entry->conf.name, owner, extents, n);
	if (!claim)
		return ERR_PTR(-ENOMEM);
	claim->parent = parent;
	ret = spans_take(claim);
	if (ret) {
		kfree(claim);
		return ERR_PTR(ret);
	}

	kref_get(&parent->ref);
	claim_fill(claim, config);
	list_add_tail(&claim->node, &parent->claims);
	mdevd_changed();
	return claim;
}

static int reserve_locked(struct mdevd_ctl *ctl,
			  const struct mdevd_reserve *arg,
			  const struct mdevd_extent *extents)
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

	claim = claim_make(parent, entry, arg->uuid, arg->owner, extents,
			   arg->n_extents);
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

	mutex_lock(&mdevd_lock);
	ret = reserve_locked(ctl, arg, extents);
	mutex_unlock(&mdevd_lock);

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
	claim = mdevd_claim_find(arg->uuid);
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

static void __iomem *map_one(const struct mdevd_backing *b)
{
	if (b->cache == MDEVD_CACHE_WC)
		return ioremap_wc(b->phys, b->ext.length);
	return ioremap(b->phys, b->ext.length);
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

		b->map = map_one(b);
		if (!b->map) {
			backing_unmap(claim);
			return -ENOMEM;
		}
	}

	return 0;
}

/**
 * mdevd_claim_add - a second place for one extent of a claim
 * @claim: the claim; mdevd_lock is held
 * @index: the extent that is to move there
 * @ext: the place
 *
 * Return: 0, or what MDEVD_MOVE says.
 */
int mdevd_claim_add(struct mdevd_claim *claim, u32 index,
		    const struct mdevd_extent *ext)
{
	const struct mdevd_backing *from = &claim->backing[index];
	struct mdevd_parent *parent = claim->parent;
	struct mdevd_backing to = { .ext = *ext };
	const struct mdevd_pool *pool;
	int ret;

	lockdep_assert_held(&mdevd_lock);

	if (ext->bar >= MDEVD_PCI_BARS ||
	    !IS_ALIGNED(ext->offset, parent->bounds.page))
		return -EINVAL;
	pool = mdevd_check_find_pool(parent->config->pools,
				     parent->config->n_pools, ext);
	if (!pool)
		return -ERANGE;
	if (pool->kind != MDEVD_POOL_MEMORY || pool->cache != from->cache ||
	    pool->scrub != from->scrub)
		return -EINVAL;
	if (mdevd_spans_overlap(&parent->taken[ext->bar], ext->offset,
				ext->offset + ext->length))
		return -EBUSY;
	ret = spans_grow(&parent->taken[ext->bar], 1);
	if (ret)
		return ret;

	to.phys = parent->bar_start[ext->bar] + ext->offset;
	to.cache = pool->cache;
	to.scrub = pool->scrub;
	to.map = map_one(&to);
	if (!to.map)
		return -ENOMEM;

	mdevd_spans_add(&parent->taken[ext->bar], ext->offset,
			ext->offset + ext->length, claim);
	claim->other.used = true;
	claim->other.index = index;
	claim->other.backing = to;
	mdevd_changed();
	return 0;
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
 * @uuid: its UUID
 * @owner: label
 * @extents: already copied from the caller
 * @n: how many
 *
 * Return: a claim that is consumed already, with a reference for the writer,
 * or what MDEVD_RESERVE would say.
 */
struct mdevd_claim *mdevd_claim_answer(struct mdevd_parent *parent,
				       const struct mdevd_type_entry *entry,
				       const u8 *uuid, const char *owner,
				       const struct mdevd_extent *extents,
				       u32 n)
{
	struct mdevd_claim *claim;

	claim = claim_make(parent, entry, uuid, owner, extents, n);
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
	backing_unmap(claim);

	mutex_lock(&mdevd_lock);
	/* still unclean: its parent has physically gone */
	if (!claim->unclean)
		mdevd_event(MDEVD_EVENT_DEVICE_CLEAN, claim->parent, claim);
	claim_unlink(claim);
	mutex_unlock(&mdevd_lock);
}

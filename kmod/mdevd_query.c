// SPDX-License-Identifier: GPL-2.0-only
/*
 * Query: the whole state in one snapshot, enough for a daemon that has just
 * been restarted to rebuild its model; or one device, which is what most
 * events are about.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "mdevd.h"

static u64 generation;	/* mdevd_lock */

/* A snapshot under way; without @buf it only measures. */
struct snapshot {
	char *buf;
	size_t room;
	size_t length;
};

/**
 * mdevd_changed - the answer of a query is another from now on
 */
void mdevd_changed(void)
{
	lockdep_assert_held(&mdevd_lock);
	generation++;
}

static void put_record(struct snapshot *s, u32 type, const void *payload,
		       size_t size)
{
	size_t length = ALIGN(sizeof(struct mdevd_record) + size, 8);
	struct mdevd_record *record;

	if (s->buf && s->room - s->length >= length) {
		record = (struct mdevd_record *)(s->buf + s->length);
		record->length = length;
		record->type = type;
		memcpy(record + 1, payload, size);
	}
	s->length += length;
}

static u32 count_opened(const struct mdevd_claim *claim)
{
	/* vfio core's count; it is one ahead of us inside open and close */
	if (!claim->opened || !claim->vdev)
		return 0;
	return max(READ_ONCE(claim->vdev->vdev.open_count), 1U);
}

static void put_move(struct snapshot *s, const struct mdevd_claim *claim)
{
	struct mdevd_move_record r = {
		.other = claim->other.backing.ext,
		.extent = claim->other.index,
		.finished = claim->other.finished,
	};

	/* a counter, as it were: it changes without mdevd_lock */
	if (claim->vdev && !r.finished)
		r.moved = READ_ONCE(claim->vdev->moved.lo);
	put_record(s, MDEVD_RECORD_MOVE, &r, sizeof(r));
}

static void put_vectors(struct snapshot *s, const struct mdevd_claim *claim)
{
	const struct mdevd_vectors_record r = { .n = claim->n_vectors };
	size_t size = claim->n_vectors * sizeof(*claim->vectors);
	size_t length = ALIGN(sizeof(struct mdevd_record) + sizeof(r) + size,
			      8);
	struct mdevd_record *record;

	if (s->buf && s->room - s->length >= length) {
		record = (struct mdevd_record *)(s->buf + s->length);
		record->length = length;
		record->type = MDEVD_RECORD_VECTORS;
		memcpy(record + 1, &r, sizeof(r));
		memcpy((char *)(record + 1) + sizeof(r), claim->vectors, size);
	}
	s->length += length;
}

static void put_claim(struct snapshot *s, const struct mdevd_claim *claim)
{
	struct mdevd_device_record r = {};
	u32 i;

	memcpy(r.uuid, claim->uuid, sizeof(r.uuid));
	strscpy(r.type, claim->type, sizeof(r.type));
	strscpy(r.owner, claim->owner, sizeof(r.owner));
	r.state = mdevd_claim_state(claim);
	r.opened = count_opened(claim);
	r.faults = atomic64_read(&claim->faults);
	r.faults_huge = atomic64_read(&claim->faults_huge);
	r.insertions = atomic64_read(&claim->insertions);
	r.insertions_eager = atomic64_read(&claim->insertions_eager);
	r.pages = atomic64_read(&claim->pages);
	/* measuring must not depend on what changes without mdevd_lock */
	if (s->buf && claim->vdev)
		r.mapped = mdevd_map_bytes(claim->vdev);
	r.ids = claim->ids;
	put_record(s, MDEVD_RECORD_DEVICE, &r, sizeof(r));

	for (i = 0; i < claim->n; i++)
		put_record(s, MDEVD_RECORD_EXTENT, &claim->backing[i].ext,
			   sizeof(claim->backing[i].ext));
	if (claim->n_vectors && claim->parent->vectors_used)
		put_vectors(s, claim);
	if (claim->other.used)
		put_move(s, claim);
}

static void put_head(struct snapshot *s, const struct mdevd_parent *parent)
{
	const struct mdevd_config *config = parent->config;
	struct mdevd_parent_record r = {};

	strscpy(r.name, parent->name, sizeof(r.name));
	r.state = parent->state;
	r.dma = parent->dma;
	r.vectors = parent->bounds.vectors;
	r.vectors_free = mdevd_vectors_free(parent);
	r.flags = parent->unsafe ? MDEVD_PARENT_UNSAFE_DMA : 0;
	if (config && config->unsafe)
		r.flags |= MDEVD_PARENT_UNSAFE_ASKED;
	if (config)
		strscpy(r.vendor, config->vendor, sizeof(r.vendor));
	put_record(s, MDEVD_RECORD_PARENT, &r, sizeof(r));
}

static void put_parent(struct snapshot *s, const struct mdevd_parent *parent)
{
	const struct mdevd_config *config = parent->config;
	const struct mdevd_claim *claim;
	u32 i;

	put_head(s, parent);
	for (i = 0; config && i < config->n_pools; i++)
		put_record(s, MDEVD_RECORD_POOL, &config->pools[i],
			   sizeof(config->pools[i]));
	for (i = 0; config && i < config->n_types; i++)
		put_record(s, MDEVD_RECORD_TYPE, &config->types[i].conf,
			   sizeof(config->types[i].conf));
	list_for_each_entry(claim, &parent->claims, node)
		put_claim(s, claim);
}

/* All there is, or one of them with what it is on. */
static void put(struct snapshot *s, const struct mdevd_claim *one)
{
	const struct mdevd_parent *parent;

	s->length = 0;
	if (one) {
		put_head(s, one->parent);
		put_claim(s, one);
		return;
	}
	list_for_each_entry(parent, &mdevd_parents, node)
		put_parent(s, parent);
}

/**
 * mdevd_query - MDEVD_QUERY
 * @arg: as copied from the caller; generation and length are filled in
 *
 * Return: 0 or what the interface says.
 */
int mdevd_query(struct mdevd_query *arg)
{
	const bool one = arg->flags & MDEVD_QUERY_ONE;
	const struct mdevd_claim *claim = NULL;
	struct snapshot s = {};
	u64 length = arg->length;
	int ret = 0;

	if (!one && memchr_inv(arg->uuid, 0, sizeof(arg->uuid)))
		return -EINVAL;

	mutex_lock(&mdevd_lock);
	if (one) {
		claim = mdevd_claim_find(arg->uuid);
		if (!claim) {
			mutex_unlock(&mdevd_lock);
			return -ENOENT;
		}
	}
	arg->generation = generation;
	put(&s, claim);
	arg->length = s.length;
	if (arg->buffer && s.length && s.length <= length) {
		s.room = s.length;
		s.buf = kvzalloc(s.room, GFP_KERNEL_ACCOUNT);
		if (s.buf)
			put(&s, claim);
		else
			ret = -ENOMEM;
	}
	mutex_unlock(&mdevd_lock);

	if (arg->buffer && arg->length > length)
		ret = -ENOSPC;
	if (s.buf && copy_to_user(u64_to_user_ptr(arg->buffer), s.buf,
				  s.length))
		ret = -EFAULT;
	kvfree(s.buf);
	return ret;
}

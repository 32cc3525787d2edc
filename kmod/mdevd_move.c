// SPDX-License-Identifier: GPL-2.0-only
/*
 * Move: an extent goes to another place of its parent under a running guest.
 *
 * It goes in chunks of 2 MiB behind a watermark.  For one chunk at a time:
 * whoever touches it from now on waits; its pages are unmapped, so that nobody
 * is still at it; it is copied, with no lock held; the watermark advances and
 * who waited goes on, in the new place.  So nobody ever waits longer than one
 * chunk takes, and no write is lost: at any moment each byte can be reached in
 * one place only.
 *
 * That works because pages come by faults and can be taken away again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>

#include "mdevd.h"

#define MOVE_CHUNK	(2ULL << 20)

/* A call at work. */
struct job {
	struct mdevd_claim *claim;
	struct mdevd_vdev *v;
	struct mdevd_backing *from;
	struct mdevd_other *other;
	u64 guest;		/* where the extent begins in its BAR */
	u64 length;
	bool back;
	bool release;		/* the place that it leaves, once done */
	bool release_closed;	/* the same, if nobody has it open then */
	u64 done;		/* bytes in the other place */
	u32 longest_us;
};

static bool is_of(const struct mdevd_piece *piece, u32 index)
{
	return piece->kind <= MDEVD_PART_TRAPPED && piece->backing == index;
}

/* An extent is in one piece as the guest sees it, if in several of ours. */
static u64 guest_of(const struct mdevd_vdev *v, u32 index)
{
	u32 i;

	for (i = 0; i < v->n_pieces; i++)
		if (is_of(&v->pieces[i], index))
			break;

	return v->pieces[i].guest;
}

static int begin_new(struct mdevd_claim *claim, const struct mdevd_move *arg)
{
	const struct mdevd_extent *from = &claim->backing[arg->extent].ext;
	struct mdevd_vdev *v = claim->vdev;
	struct mdevd_extent to = {
		.bar = arg->bar,
		.guest_bar = from->guest_bar,
		.offset = arg->offset,
		.length = from->length,
	};
	int ret;

	if (arg->flags & MDEVD_MOVE_BACK)
		return -ENOENT;
	ret = mdevd_backing_add(claim, arg->extent, &to);
	if (ret)
		return ret;

	down_write(&v->memory_lock);
	v->moved.backing = arg->extent;
	v->moved.phys = claim->other.backing.phys;
	v->moved.lo = 0;
	v->moved.hi = 0;
	v->moving = true;
	up_write(&v->memory_lock);
	return 0;
}

/* A move that was stopped is gone on with, and no other one begins. */
static int check_same(const struct mdevd_other *other,
		      const struct mdevd_move *arg)
{
	if (other->busy || other->finished || other->index != arg->extent ||
	    other->backing.ext.bar != arg->bar ||
	    other->backing.ext.offset != arg->offset)
		return -EBUSY;
	return 0;
}

static int begin(struct job *job, const struct mdevd_move *arg)
{
	struct mdevd_claim *claim = mdevd_claim_find(arg->uuid);
	int ret;

	if (!claim || !claim->vdev || arg->extent >= claim->n)
		return -ENOENT;
	if (claim->vdev->dying || claim->vdev->lost ||
	    claim->parent->state != MDEVD_PARENT_CONFIGURED)
		return -ENODEV;
	if (!(claim->vdev->type.flags & MDEVD_TYPE_MOVABLE))
		return -EPERM;
	if (arg->bar >= MDEVD_PCI_BARS)
		return -EINVAL;
	if (claim->unclean && !claim->opened)
		return -EBUSY;

	ret = claim->other.used ? check_same(&claim->other, arg) :
				  begin_new(claim, arg);
	if (ret)
		return ret;

	claim->other.busy = true;
	claim->other.stop = false;
	kref_get(&claim->ref);
	get_device(&claim->vdev->vdev.device);

	job->claim = claim;
	job->v = claim->vdev;
	job->from = &claim->backing[arg->extent];
	job->other = &claim->other;
	job->guest = guest_of(claim->vdev, arg->extent);
	job->length = job->from->ext.length;
	job->back = arg->flags & MDEVD_MOVE_BACK;
	job->release = arg->flags & MDEVD_MOVE_RELEASE;
	job->release_closed = arg->flags & MDEVD_MOVE_RELEASE_IF_CLOSED;
	job->done = claim->vdev->moved.lo;
	return 0;
}

/* As much as is copied between two looks at the parent. */
#define MOVE_LOOK	65536

/* What is to be copied. */
struct copy {
	const struct mdevd_parent *parent;
	void __iomem *to;
	const void __iomem *from;
	u64 length;
};

static int copy(void *data)
{
	const struct copy *c = data;
	u64 at;

	for (at = 0; at < c->length; at += 8) {
		if (IS_ALIGNED(at, MOVE_LOOK)) {
			cond_resched();
			if (!mdevd_reset_decodes(c->parent))
				return -EAGAIN;
		}
		writeq(readq(c->from + at), c->to + at);
	}

	/* all of it has arrived before anybody looks */
	wmb();
	readq(c->to + c->length - 8);
	return 0;
}

/* Nothing of the source changes, so a copy that a reset spoils is made anew. */
static int copy_chunk(const struct job *job, u64 lo, u64 hi)
{
	void __iomem *near = job->from->map + lo;
	void __iomem *far = job->other->backing.map + lo;
	struct copy c = {
		.parent = job->claim->parent,
		.to = job->back ? near : far,
		.from = job->back ? far : near,
		.length = hi - lo,
	};

	return mdevd_reset_proof(job->claim->parent, &job->other->stop, copy,
				 &c);
}

/* Chunks end where a huge entry of the guest's view may end. */
static void next_chunk(const struct job *job, u64 *lo, u64 *hi)
{
	u64 guest = job->guest;
	u64 edge;

	if (job->back) {
		edge = round_down(guest + job->done - 1, MOVE_CHUNK);
		*lo = edge > guest ? edge - guest : 0;
		*hi = job->done;
	} else {
		edge = round_down(guest + job->done, MOVE_CHUNK) + MOVE_CHUNK;
		*lo = job->done;
		*hi = min(edge - guest, job->length);
	}
}

/* All of the chunk, or nothing of it where that is an error. */
static int move_chunk(struct job *job)
{
	ktime_t start = ktime_get();
	u64 lo, hi;
	int ret;

	next_chunk(job, &lo, &hi);

	mdevd_map_move(job->v, true, lo, hi);
	ret = mdevd_map_zap_range(job->v, job->from->ext.guest_bar,
				  job->guest + lo, hi - lo);
	if (!ret)
		ret = copy_chunk(job, lo, hi);
	if (!ret)
		job->done = job->back ? lo : hi;
	mdevd_map_move(job->v, true, job->done, job->done);

	job->longest_us = max_t(u32, job->longest_us,
				ktime_us_delta(ktime_get(), start));
	return ret;
}

static bool at_end(const struct job *job)
{
	return job->done == (job->back ? 0 : job->length);
}

static int move_chunks(struct job *job, u32 max_chunks)
{
	u32 n = 0;
	int ret;

	while (!at_end(job)) {
		if (READ_ONCE(job->v->lost))
			return -ENODEV;
		if (READ_ONCE(job->other->stop))
			return -ECANCELED;
		if (signal_pending(current))
			return -EINTR;
		if (max_chunks && n++ == max_chunks)
			break;
		ret = move_chunk(job);
		if (ret)
			return ret;
	}

	return 0;
}

/* All bytes are in one place again; after a move forth that is the new one. */
static void settle(struct job *job)
{
	struct mdevd_vdev *v = job->v;
	u32 i;

	mutex_lock(&mdevd_lock);
	down_write(&v->memory_lock);
	if (!job->back) {
		for (i = 0; i < v->n_pieces; i++)
			if (is_of(&v->pieces[i], job->other->index))
				v->pieces[i].phys = job->other->backing.phys +
						    v->pieces[i].at;
		swap(*job->from, job->other->backing);
	}
	v->moving = false;
	v->moved.lo = 0;
	v->moved.hi = 0;
	up_write(&v->memory_lock);
	job->other->finished = true;
	/*
	 * Whoever opens it from now on sees the new place alone; and had it
	 * been open at an earlier chunk, its close would have ended the move.
	 */
	if (job->release_closed && !job->claim->opened)
		job->release = true;
	mdevd_changed();
	mutex_unlock(&mdevd_lock);
}

static void end(struct job *job)
{
	bool release = job->release && job->other->finished &&
		       mdevd_scrub_zero(job->claim, &job->other->backing);

	mutex_lock(&mdevd_lock);
	job->other->busy = false;
	if (release)
		mdevd_backing_drop_other(job->claim);
	wake_up_all(&job->claim->clean_wait);
	mutex_unlock(&mdevd_lock);

	vfio_put_device(&job->v->vdev);
	mdevd_claim_put(job->claim);
}

/**
 * mdevd_move - MDEVD_MOVE
 * @arg: as copied from the caller; longest_us and moved are filled in
 *
 * Return: 0 or what the interface says.
 */
int mdevd_move(struct mdevd_move *arg)
{
	struct job job = {};
	int ret;

	mutex_lock(&mdevd_lock);
	ret = begin(&job, arg);
	mutex_unlock(&mdevd_lock);
	if (ret)
		return ret;

	ret = move_chunks(&job, arg->max_chunks);
	if (!ret && at_end(&job))
		settle(&job);

	arg->longest_us = job.longest_us;
	arg->moved = job.done;
	end(&job);
	return ret;
}

/**
 * mdevd_move_end - a device is closed or goes: so does its second place
 * @claim: the claim; mdevd_lock is held, and dropped while waiting
 *
 * Waits for the chunk under way.  What the device held is about to be zeroed
 * in both places, so it does not matter how far the move was.
 */
void mdevd_move_end(struct mdevd_claim *claim)
{
	lockdep_assert_held(&mdevd_lock);

	while (claim->other.busy) {
		WRITE_ONCE(claim->other.stop, true);
		/* it may wait for the end of a reset */
		wake_up_all(&claim->parent->idle);
		mutex_unlock(&mdevd_lock);
		wait_event(claim->clean_wait, !READ_ONCE(claim->other.busy));
		mutex_lock(&mdevd_lock);
	}

	if (!claim->other.used)
		return;

	mdevd_map_move(claim->vdev, false, 0, 0);
	/* else whoever zeroes it drops it */
	if (!claim->unclean)
		mdevd_backing_drop_other(claim);
}

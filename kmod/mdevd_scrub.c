// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scrub: no opener sees what another one left behind.
 *
 * The extents of a device are zeroed before its first open, after every last
 * close, and after its mdev is gone; opens wait for it, and the extents stay
 * taken until it is done.  A device that nobody wrote to and that was clean
 * before stays clean.  Only a function that has physically gone is not
 * waited for.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>

#include "mdevd.h"

/* As much as is written between two looks at the parent. */
#define SCRUB_CHUNK	(64 * 1024)

/* What is to be zeroed. */
struct zero {
	const struct mdevd_parent *parent;
	const struct mdevd_backing *b;
};

static int zero(void *data)
{
	const struct zero *z = data;
	const struct mdevd_backing *b = z->b;
	u64 done;

	if (b->scrub == MDEVD_SCRUB_VENDOR)
		return mdevd_vendor_scrub(z->parent, b);

	for (done = 0; done < b->ext.length; done += SCRUB_CHUNK) {
		if (READ_ONCE(z->parent->cut))
			return -ENODEV;
		if (!mdevd_reset_decodes(z->parent))
			return -EAGAIN;
		memset_io(b->map + done, 0,
			  min_t(u64, SCRUB_CHUNK, b->ext.length - done));
		cond_resched();
	}

	/* pushes what was posted or combined out to the device */
	wmb();
	readl(b->map + b->ext.length - 4);
	return 0;
}

/**
 * mdevd_scrub_zero - zero an extent, or have its vendor clean it
 * @claim: whose it is
 * @b: the extent
 *
 * Return: false if the function has gone before it was done, or a signal came
 * to a caller that is no worker while it was being reset.
 */
bool mdevd_scrub_zero(struct mdevd_claim *claim, struct mdevd_backing *b)
{
	struct zero z = { .parent = claim->parent, .b = b };

	if (b->scrub == MDEVD_SCRUB_NONE)
		return true;

	return !mdevd_reset_proof(claim->parent, NULL, zero, &z);
}

/**
 * mdevd_scrub_work - zero what a claim may have written
 * @work: in the claim; a reference to it goes with the work
 */
void mdevd_scrub_work(struct work_struct *work)
{
	struct mdevd_claim *claim = container_of(work, struct mdevd_claim,
						 scrub);
	bool clean = true, retired;
	u32 i;

	for (i = 0; clean && i < claim->n; i++)
		clean = mdevd_scrub_zero(claim, &claim->backing[i]);
	/* nobody begins a move while scrubbing */
	if (clean && claim->other.used)
		clean = mdevd_scrub_zero(claim, &claim->other.backing);

	mutex_lock(&mdevd_lock);
	claim->scrubbing = false;
	retired = claim->retired;
	if (clean) {
		WRITE_ONCE(claim->unclean, false);
		mdevd_backing_drop_other(claim);
	}
	mdevd_changed();
	if (clean && !retired)
		mdevd_event(MDEVD_EVENT_DEVICE_CLEAN, claim->parent, claim);
	wake_up_all(&claim->clean_wait);
	mutex_unlock(&mdevd_lock);

	if (retired)
		mdevd_claim_end(claim);
	mdevd_claim_put(claim);
}

/**
 * mdevd_scrub_start - let a claim be zeroed
 * @claim: an unclean claim that is not open; mdevd_lock is held
 *
 * Does nothing when it is on its way already.
 */
void mdevd_scrub_start(struct mdevd_claim *claim)
{
	lockdep_assert_held(&mdevd_lock);

	if (claim->scrubbing)
		return;

	claim->scrubbing = true;
	kref_get(&claim->ref);
	queue_work(mdevd_wq, &claim->scrub);
}

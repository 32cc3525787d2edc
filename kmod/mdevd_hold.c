// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hold: between suspend and resume whoever touches the BARs of a device waits.
 *
 * A hold belongs to the descriptor that asked for it and has a limit, so that
 * neither a daemon that dies nor one that forgets leaves a guest standing.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "mdevd.h"

/**
 * mdevd_hold_abandon - a held device is about to be revoked
 * @claim: the claim; mdevd_lock is held
 *
 * The hold belongs to nobody any more.  Who waits goes on waiting until the
 * revocation wakes it, and so never sees the parent again in between.
 */
void mdevd_hold_abandon(struct mdevd_claim *claim)
{
	lockdep_assert_held(&mdevd_lock);

	if (!claim->holder)
		return;

	claim->holder = NULL;
	mdevd_changed();
	mdevd_event(MDEVD_EVENT_DEVICE_RESUMED, claim->parent, claim);
}

/**
 * mdevd_hold_end - let go of a device
 * @claim: the claim; mdevd_lock is held
 *
 * Does nothing if it is not held.
 */
void mdevd_hold_end(struct mdevd_claim *claim)
{
	if (claim->holder)
		mdevd_map_set_held(claim->vdev, MDEVD_HELD_VERB, false);
	mdevd_hold_abandon(claim);
}

/**
 * mdevd_hold_expire - the limit of a hold has come
 * @work: in the claim; a reference to it goes with the work
 */
void mdevd_hold_expire(struct work_struct *work)
{
	struct mdevd_claim *claim = container_of(to_delayed_work(work),
						 struct mdevd_claim, hold);

	mutex_lock(&mdevd_lock);
	/* it may have been suspended anew while we came here */
	if (claim->holder && time_after_eq(jiffies, claim->hold_until))
		mdevd_hold_end(claim);
	mutex_unlock(&mdevd_lock);

	mdevd_claim_put(claim);
}

static int suspend_locked(struct mdevd_ctl *ctl, struct mdevd_claim *claim,
			  unsigned long delay)
{
	if (!claim || !claim->vdev)
		return -ENOENT;
	if (claim->vdev->dying || claim->vdev->lost)
		return -ENODEV;
	if (claim->holder && claim->holder != ctl)
		return -EBUSY;

	if (!claim->holder) {
		claim->holder = ctl;
		mdevd_map_set_held(claim->vdev, MDEVD_HELD_VERB, true);
		mdevd_changed();
		mdevd_event(MDEVD_EVENT_DEVICE_SUSPENDED, claim->parent, claim);
	}
	claim->hold_until = jiffies + delay;
	/* put by mdevd_hold_expire(); one that was pending has one already */
	kref_get(&claim->ref);
	if (mod_delayed_work(mdevd_wq, &claim->hold, delay))
		mdevd_claim_put(claim);
	return 0;
}

/**
 * mdevd_suspend - MDEVD_SUSPEND
 * @ctl: descriptor that the hold belongs to
 * @arg: as copied from the caller
 *
 * Return: 0 or what the interface says.
 */
int mdevd_suspend(struct mdevd_ctl *ctl, const struct mdevd_suspend *arg)
{
	u32 ms = arg->timeout_ms ?: MDEVD_HOLD_MS_DEFAULT;
	struct mdevd_claim *claim;
	struct mdevd_vdev *v = NULL;
	int ret;

	if (arg->__reserved || ms > MDEVD_HOLD_MS_MAX)
		return -EINVAL;

	mutex_lock(&mdevd_lock);
	claim = mdevd_claim_find(arg->uuid);
	ret = suspend_locked(ctl, claim, msecs_to_jiffies(ms));
	if (!ret) {
		v = claim->vdev;
		get_device(&v->vdev.device);
	}
	mutex_unlock(&mdevd_lock);
	if (ret)
		return ret;

	/* No page comes back while held, so this needs no lock. */
	ret = mdevd_map_zap(v);
	if (!ret)
		ret = mdevd_vendor_dma_drain(v);
	vfio_put_device(&v->vdev);
	return ret;
}

/**
 * mdevd_resume - MDEVD_RESUME
 * @ctl: descriptor that the hold belongs to
 * @arg: as copied from the caller
 *
 * Return: 0 or what the interface says.
 */
int mdevd_resume(struct mdevd_ctl *ctl, const struct mdevd_resume *arg)
{
	struct mdevd_claim *claim;
	int ret = -ENOENT;

	mutex_lock(&mdevd_lock);
	claim = mdevd_claim_find(arg->uuid);
	if (claim && claim->holder == ctl) {
		mdevd_hold_end(claim);
		ret = 0;
	}
	mutex_unlock(&mdevd_lock);

	return ret;
}

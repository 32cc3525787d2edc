// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device: the callbacks of mdevd_vendor.h, and the worker that does its
 * jobs.
 *
 * Each device has a worker of its own, and only the transfers themselves are
 * done in turns: a VMM whose memory does not answer keeps its own jobs waiting
 * and nobody else's.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "edu.h"

static int edu_attach(struct pci_dev *pdev, void **card)
{
	struct edu_engine *engine = edu_engine_get(pdev);
	int ret;

	if (!engine) {
		pci_err(pdev, "no function of its slot is an edu bound to %s\n",
			KBUILD_MODNAME);
		return -ENODEV;
	}

	ret = edu_engine_check(engine, pdev);
	if (ret)
		edu_engine_put(engine);
	else
		*card = engine;
	return ret;
}

static void edu_detach(void *card)
{
	edu_engine_put(card);
}

/**
 * edu_device_stopped - is a device to do no more jobs
 * @d: the device
 *
 * Return: true if it is being reset or closed, or its parent goes away.
 */
bool edu_device_stopped(struct edu_device *d)
{
	bool stopped;

	spin_lock(&d->lock);
	stopped = d->regs.stopped || d->revoked;
	spin_unlock(&d->lock);

	return stopped;
}

/* None of our locks is held over an access to the guest's memory. */
static int do_job(struct edu_device *d, const struct edu_job *job)
{
	if (job->command == EDU_TO_CARD &&
	    mdevd_vendor_dma_rw(d->v, job->ram, d->bytes, job->length, false))
		return EDU_RESULT_MEMORY;

	if (edu_engine_job(d, job))
		return EDU_RESULT_ENGINE;

	if (job->command == EDU_FROM_CARD &&
	    mdevd_vendor_dma_rw(d->v, job->ram, d->bytes, job->length, true))
		return EDU_RESULT_MEMORY;

	return EDU_RESULT_DONE;
}

static bool next_job(struct edu_device *d, struct edu_job *job)
{
	const struct edu_job *next = NULL;

	spin_lock(&d->lock);
	if (!d->regs.stopped && !d->revoked)
		next = edu_regs_job(&d->regs);
	if (next)
		*job = *next;
	spin_unlock(&d->lock);

	return next;
}

/* A device that was stopped meanwhile has forgotten the job. */
static bool job_done(struct edu_device *d, u32 result)
{
	bool told;

	spin_lock(&d->lock);
	told = !d->regs.stopped && !d->revoked;
	if (told)
		edu_regs_done(&d->regs, result);
	spin_unlock(&d->lock);

	return told;
}

static void edu_work(struct work_struct *work)
{
	struct edu_device *d = container_of(work, struct edu_device, work);
	struct edu_job job;

	while (next_job(d, &job)) {
		u32 result = do_job(d, &job);

		memset(d->bytes, 0, sizeof(d->bytes));
		if (job_done(d, result))
			mdevd_vendor_signal(d->v, 0);
	}
}

static int edu_create(struct mdevd_vdev *v, void *card)
{
	struct edu_device *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);

	if (!d)
		return -ENOMEM;

	d->v = v;
	d->engine = card;
	spin_lock_init(&d->lock);
	mutex_init(&d->reset_lock);
	INIT_WORK(&d->work, edu_work);
	d->regs.size = mdevd_vendor_memory_size(v);
	d->regs.stopped = true;
	mdevd_vendor_set_data(v, d);
	return 0;
}

static void edu_destroy(struct mdevd_vdev *v)
{
	struct edu_device *d = mdevd_vendor_data(v);

	mutex_destroy(&d->reset_lock);
	kfree(d);
}

/* No job runs when this returns, and none begins. */
static void stop(struct edu_device *d)
{
	spin_lock(&d->lock);
	d->regs.stopped = true;
	spin_unlock(&d->lock);

	cancel_work_sync(&d->work);
}

static int edu_open(struct mdevd_vdev *v)
{
	struct edu_device *d = mdevd_vendor_data(v);

	spin_lock(&d->lock);
	edu_regs_reset(&d->regs);
	spin_unlock(&d->lock);
	return 0;
}

static void edu_close(struct mdevd_vdev *v)
{
	stop(mdevd_vendor_data(v));
}

static void edu_reset(struct mdevd_vdev *v)
{
	struct edu_device *d = mdevd_vendor_data(v);

	mutex_lock(&d->reset_lock);
	stop(d);
	spin_lock(&d->lock);
	edu_regs_reset(&d->regs);
	spin_unlock(&d->lock);
	/* every window shows page 0 again */
	mdevd_rebind(v, EDU_BAR, EDU_PAGE, EDU_WINDOWS * EDU_PAGE);
	mutex_unlock(&d->reset_lock);
}

/*
 * Zeros, and a look at each of them: a card whose memory fails is found here
 * and not by a tenant.
 */
static int edu_scrub(void *card, const struct mdevd_vendor_memory *memory)
{
	u64 at;

	for (at = 0; at < memory->length; at += EDU_PAGE) {
		memset_io(memory->map + at, 0, EDU_PAGE);
		cond_resched();
	}
	/* all of them have arrived before the first look */
	wmb();
	for (at = 0; at < memory->length; at += sizeof(u64)) {
		if (readq(memory->map + at))
			return -EIO;
		if (IS_ALIGNED(at, EDU_PAGE))
			cond_resched();
	}

	return 0;
}

/* The worker sees it before its next transfer; close() waits for it. */
static void edu_revoke(struct mdevd_vdev *v)
{
	struct edu_device *d = mdevd_vendor_data(v);

	spin_lock(&d->lock);
	d->revoked = true;
	spin_unlock(&d->lock);
}

static u64 edu_read(struct mdevd_vdev *v, u32 bar, u64 offset, u32 width)
{
	struct edu_device *d = mdevd_vendor_data(v);
	u64 value;

	/* a part that a type gives us has nothing behind it */
	if (bar != EDU_BAR)
		return ~0ULL;

	spin_lock(&d->lock);
	value = edu_regs_read(&d->regs, offset, width);
	spin_unlock(&d->lock);

	return value;
}

static void edu_write(struct mdevd_vdev *v, u32 bar, u64 offset, u32 width,
		      u64 value)
{
	struct edu_device *d = mdevd_vendor_data(v);
	u32 actions, n;

	if (bar != EDU_BAR)
		return;

	spin_lock(&d->lock);
	actions = edu_regs_write(&d->regs, offset, width, value);
	/* under the lock, so that stop() finds it */
	if (actions & EDU_ACTION_JOB)
		queue_work(edu_wq, &d->work);
	spin_unlock(&d->lock);

	for (n = 0; n < EDU_WINDOWS; n++)
		if (actions & EDU_ACTION_WINDOW(n))
			mdevd_rebind(v, bar, (1 + n) * EDU_PAGE, EDU_PAGE);
}

/* Which page of the device's memory a window shows. */
static int edu_validate_map_request(struct mdevd_vdev *v, u32 bar, u64 offset,
				    u64 *dev_offset, u64 *run)
{
	struct edu_device *d = mdevd_vendor_data(v);
	u64 in_page = offset % EDU_PAGE;
	u32 page;

	spin_lock(&d->lock);
	page = d->regs.window[offset / EDU_PAGE - 1];
	spin_unlock(&d->lock);

	*dev_offset = (u64)page * EDU_PAGE + in_page;
	*run = EDU_PAGE - in_page;
	return 0;
}

static const struct mdevd_vendor_bar edu_bars[] = {
	{
		.index = EDU_BAR,
		.length = (1 + EDU_WINDOWS) * EDU_PAGE,
		.map_start = EDU_PAGE,
		.map_length = EDU_WINDOWS * EDU_PAGE,
	},
};

const struct mdevd_vendor_ops edu_ops = {
	.owner = THIS_MODULE,
	.name = "edu",
	.max_vectors = 1,
	.n_bars = ARRAY_SIZE(edu_bars),
	.bars = edu_bars,
	.attach = edu_attach,
	.detach = edu_detach,
	.create = edu_create,
	.destroy = edu_destroy,
	.open = edu_open,
	.close = edu_close,
	.reset = edu_reset,
	.revoke = edu_revoke,
	.scrub = edu_scrub,
	.read = edu_read,
	.write = edu_write,
	.validate_map_request = edu_validate_map_request,
};

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private header of mdevd_edu.ko.
 *
 * The card is one slot with two functions: an ivshmem-plain, whose BAR is the
 * memory and which mdevd.ko divides, and an edu, whose DMA engine can reach
 * that BAR and the host's RAM.  Only this module drives the engine.
 *
 * Objects
 *   engine   the edu function bound to our driver; referenced by the binding
 *            and by each parent that is configured on its card
 *   device   what create() makes of an mdev: registers, queue, a worker
 *
 * Locks, outermost first
 *   engine->lock   one job at a time on the engine, in order of arrival, which
 *                  a mutex does not promise (hence a semaphore); held for the
 *                  job's three or four transfers, never over an access to a
 *                  guest's RAM
 *   device->lock   registers and queue; a spin lock and a leaf
 *   engines_lock   the list of engines; a leaf
 */
#ifndef EDU_H
#define EDU_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "../mdevd_vendor.h"
#include "edu_pure.h"

/**
 * struct edu_engine - the DMA engine of a card
 * @ref: references
 * @node: in the list of engines
 * @pdev: its function; not touched once @gone
 * @regs: its BAR 0
 * @lock: see the head of this file
 * @gone: it was unbound, or has failed: no job any more
 * @done: a transfer has ended, or the engine has gone
 * @bounce: EDU_JOB_MAX bytes for a job, then as many zeros
 * @bounce_dma: the same as the engine sees it
 */
struct edu_engine {
	struct kref ref;
	struct list_head node;
	struct pci_dev *pdev;
	void __iomem *regs;
	struct semaphore lock;		/* see the head of this file */
	bool gone;
	struct completion done;
	u8 *bounce;
	dma_addr_t bounce_dma;
};

/**
 * struct edu_device - an mdev
 * @v: mdevd.ko's part
 * @engine: of its card; referenced by the card
 * @lock: see the head of this file
 * @regs: registers and queue; @lock
 * @revoked: its parent is going away; @lock
 * @reset_lock: one reset at a time
 * @work: does the jobs, one after the other
 * @bytes: of the job under way
 */
struct edu_device {
	struct mdevd_vdev *v;
	struct edu_engine *engine;
	spinlock_t lock;		/* see the head of this file */
	struct edu_regs regs;
	bool revoked;
	struct mutex reset_lock;	/* one reset at a time */
	struct work_struct work;
	u8 bytes[EDU_JOB_MAX];
};

extern struct workqueue_struct *edu_wq;
extern const struct mdevd_vendor_ops edu_ops;
extern struct pci_driver edu_pci_driver;

struct edu_engine *edu_engine_get(const struct pci_dev *memory);
void edu_engine_put(struct edu_engine *engine);
int edu_engine_check(struct edu_engine *engine, struct pci_dev *memory);
int edu_engine_job(struct edu_device *d, const struct edu_job *job);

bool edu_device_stopped(struct edu_device *d);

#endif /* EDU_H */

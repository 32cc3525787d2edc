// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine: QEMU's edu device, of which we use the DMA.  It has one buffer
 * of 4 KiB that only DMA reaches, takes one transfer at a time, and raises an
 * interrupt at its end.
 *
 * What the engine may reach is mapped for one job and no longer, so that
 * behind an IOMMU it reaches nothing else even if it fails.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/iopoll.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "edu.h"

#define REG_IRQ_STATUS	0x24
#define REG_IRQ_ACK	0x64
#define REG_DMA_FROM	0x80
#define REG_DMA_TO	0x88
#define REG_DMA_LENGTH	0x90
#define REG_DMA_COMMAND	0x98

/* A transfer takes about 100 ms; a machine under load takes longer. */
#define TRANSFER_TIMEOUT	(20 * HZ)
#define IDLE_TIMEOUT_US		(5 * USEC_PER_SEC)

#define ENGINE_VENDOR	0x1234	/* QEMU's own */
#define ENGINE_DEVICE	0x11e8	/* edu */
#define MEMORY_VENDOR	PCI_VENDOR_ID_REDHAT_QUMRANET
#define MEMORY_DEVICE	0x1110	/* ivshmem */
#define MEMORY_BAR	2

static LIST_HEAD(engines);
static DEFINE_MUTEX(engines_lock);	/* guards engines; a leaf */

static void engine_free(struct kref *ref)
{
	struct edu_engine *engine = container_of(ref, struct edu_engine, ref);

	kfree(engine);
}

/**
 * edu_engine_put - give back a reference
 * @engine: the engine
 */
void edu_engine_put(struct edu_engine *engine)
{
	kref_put(&engine->ref, engine_free);
}

static bool same_slot(const struct pci_dev *a, const struct pci_dev *b)
{
	return a->bus == b->bus && PCI_SLOT(a->devfn) == PCI_SLOT(b->devfn);
}

/**
 * edu_engine_get - the engine of a card
 * @memory: the card's memory function
 *
 * Return: the engine with a reference, or NULL when the card has none that is
 * bound to our driver.
 */
struct edu_engine *edu_engine_get(const struct pci_dev *memory)
{
	struct edu_engine *engine, *found = NULL;

	mutex_lock(&engines_lock);
	list_for_each_entry(engine, &engines, node)
		if (same_slot(engine->pdev, memory))
			found = engine;
	if (found)
		kref_get(&found->ref);
	mutex_unlock(&engines_lock);

	return found;
}

static irqreturn_t engine_irq(int irq, void *data)
{
	struct edu_engine *engine = data;
	u32 status = readl(engine->regs + REG_IRQ_STATUS);

	/* shared, or the card has been pulled out */
	if (!status || status == ~0U)
		return IRQ_NONE;

	writel(status, engine->regs + REG_IRQ_ACK);
	complete(&engine->done);
	return IRQ_HANDLED;
}

static void step_start(struct edu_engine *engine, const struct edu_step *step)
{
	writeq(step->from, engine->regs + REG_DMA_FROM);
	writeq(step->to, engine->regs + REG_DMA_TO);
	writeq(step->length, engine->regs + REG_DMA_LENGTH);
	writeq(step->command, engine->regs + REG_DMA_COMMAND);
}

/* One transfer; waits for its end.  The engine's lock is held. */
static int transfer(struct edu_engine *engine, const struct edu_step *step)
{
	if (READ_ONCE(engine->gone))
		return -ENODEV;

	reinit_completion(&engine->done);
	/* after the above: whoever sets it completes after that */
	smp_mb();
	if (READ_ONCE(engine->gone))
		return -ENODEV;

	step_start(engine, step);
	if (!wait_for_completion_timeout(&engine->done, TRANSFER_TIMEOUT)) {
		/* it may still write, so it must not be able to */
		pci_clear_master(engine->pdev);
		WRITE_ONCE(engine->gone, true);
		pci_err(engine->pdev,
			"the engine does not come to an end of %u bytes and is not used any more\n",
			step->length);
		return -ETIMEDOUT;
	}

	return READ_ONCE(engine->gone) ? -ENODEV : 0;
}

/* All steps of a job; the last one, which wipes the engine, in any case. */
static int run(struct edu_engine *engine, const struct edu_step *steps, u32 n)
{
	int ret = 0, wiped;
	u32 i;

	for (i = 0; i + 1 < n && !ret; i++)
		ret = transfer(engine, &steps[i]);
	wiped = transfer(engine, &steps[n - 1]);

	return ret ?: wiped;
}

static void unmap_card(struct edu_engine *engine, const struct edu_piece *card,
		       u32 n)
{
	while (n--)
		dma_unmap_resource(&engine->pdev->dev, card[n].at,
				   card[n].length, DMA_BIDIRECTIONAL, 0);
}

/* Where the engine finds a piece of a device's memory: one or two places. */
static int map_card(struct edu_device *d, const struct edu_job *job,
		    struct edu_piece *card, u32 *n)
{
	struct device *dev = &d->engine->pdev->dev;
	u64 at = job->card, end = at + job->length;

	for (*n = 0; at < end; (*n)++) {
		struct edu_piece *piece = &card[*n];
		struct mdevd_vendor_memory m;

		if (*n == EDU_PIECES_MAX || mdevd_vendor_memory(d->v, at, &m))
			goto err_unmap;
		piece->length = min_t(u64, m.length, end - at);
		piece->at = dma_map_resource(dev, m.phys, piece->length,
					     DMA_BIDIRECTIONAL, 0);
		if (dma_mapping_error(dev, piece->at))
			goto err_unmap;
		at += piece->length;
	}

	return 0;

err_unmap:
	unmap_card(d->engine, card, *n);
	return -EIO;
}

static int job_locked(struct edu_device *d, const struct edu_job *job)
{
	struct edu_engine *engine = d->engine;
	struct edu_step steps[EDU_STEPS_MAX];
	struct edu_piece card[EDU_PIECES_MAX];
	u32 n;
	int ret;

	/* it may have been unbound, or the device stopped, while we waited */
	if (READ_ONCE(engine->gone))
		return -ENODEV;
	if (edu_device_stopped(d))
		return -ECANCELED;

	ret = map_card(d, job, card, &n);
	if (ret)
		return ret;

	if (job->command == EDU_TO_CARD)
		memcpy(engine->bounce, d->bytes, job->length);
	ret = run(engine, steps, edu_plan(job->command, engine->bounce_dma,
					  engine->bounce_dma + EDU_JOB_MAX,
					  card, n, steps));
	if (!ret && job->command == EDU_FROM_CARD)
		memcpy(d->bytes, engine->bounce, job->length);
	/* none of a tenant's bytes stay here either */
	memset(engine->bounce, 0, job->length);

	unmap_card(engine, card, n);
	return ret;
}

/* -EAGAIN where it is to be done again from its beginning. */
static int job_bracketed(struct edu_device *d, const struct edu_job *job)
{
	u32 cookie;
	int ret;

	ret = mdevd_vendor_dma_begin(d->v, &cookie);
	if (ret)
		return ret;

	ret = job_locked(d, job);
	return mdevd_vendor_dma_end(d->v, cookie) ?: ret;
}

/**
 * edu_engine_job - do a job on the engine
 * @d: whose it is; between it and the card's memory go @d->bytes
 * @job: the job
 *
 * Waits while the device is held, and for its turn.  Touches no guest's RAM.
 *
 * Return: 0; -ENODEV the engine has gone; -ECANCELED the device was stopped;
 * -ETIMEDOUT, -EIO it failed.
 */
int edu_engine_job(struct edu_device *d, const struct edu_job *job)
{
	int ret;

	do {
		/* without the engine, so that others have their turn */
		ret = mdevd_vendor_dma_wait(d->v);
		if (ret)
			return ret;
		down(&d->engine->lock);
		ret = job_bracketed(d, job);
		up(&d->engine->lock);
	} while (ret == -EAGAIN);

	return ret;
}

/* Brings 8 bytes of the card in and compares them with what the CPU reads. */
static int check_locked(struct edu_engine *engine, phys_addr_t phys,
			const void __iomem *map)
{
	struct device *dev = &engine->pdev->dev;
	struct edu_step steps[EDU_STEPS_MAX];
	struct edu_piece card = { .length = 8 };
	int ret;

	if (READ_ONCE(engine->gone))
		return -ENODEV;

	card.at = dma_map_resource(dev, phys, card.length, DMA_BIDIRECTIONAL,
				   0);
	if (dma_mapping_error(dev, card.at))
		return -EIO;

	ret = run(engine, steps, edu_plan(EDU_FROM_CARD, engine->bounce_dma,
					  engine->bounce_dma + EDU_JOB_MAX,
					  &card, 1, steps));
	if (!ret && *(u64 *)engine->bounce != readq(map))
		ret = -ENXIO;
	memset(engine->bounce, 0, card.length);

	unmap_card(engine, &card, 1);
	return ret;
}

/**
 * edu_engine_check - does the engine reach the card's memory
 * @engine: the engine
 * @memory: the memory function, which belongs to no device yet
 *
 * An engine with a narrow address mask cuts addresses off without a word and
 * then reads, and would write, anywhere in the host's RAM.  So it is asked to
 * read something that is nowhere else.
 *
 * Return: 0; -ENXIO it does not; -ENODEV, -ETIMEDOUT, -EIO, -ENOMEM.
 */
int edu_engine_check(struct edu_engine *engine, struct pci_dev *memory)
{
	phys_addr_t phys = pci_resource_start(memory, MEMORY_BAR);
	void __iomem *map;
	u64 kept, nonce;
	int ret;

	if (memory->vendor != MEMORY_VENDOR ||
	    memory->device != MEMORY_DEVICE ||
	    pci_resource_len(memory, MEMORY_BAR) < EDU_PAGE)
		return -ENXIO;

	map = ioremap(phys, EDU_PAGE);
	if (!map)
		return -ENOMEM;

	get_random_bytes(&nonce, sizeof(nonce));
	kept = readq(map);
	writeq(nonce, map);

	down(&engine->lock);
	ret = check_locked(engine, phys, map);
	up(&engine->lock);

	writeq(kept, map);
	iounmap(map);
	if (ret == -ENXIO)
		pci_err(engine->pdev,
			"the engine does not reach the memory of %s: is dma_mask set?\n",
			pci_name(memory));
	return ret;
}

/* One that has been pulled out reads as ones and never seems idle. */
static int wait_idle(struct edu_engine *engine)
{
	u32 command;

	if (!pci_device_is_present(engine->pdev))
		return -ENODEV;

	return readl_poll_timeout(engine->regs + REG_DMA_COMMAND, command,
				  !(command & EDU_DMA_RUN), 10000,
				  IDLE_TIMEOUT_US);
}

static int engine_start(struct edu_engine *engine)
{
	struct pci_dev *pdev = engine->pdev;
	int ret;

	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;

	engine->regs = pci_iomap(pdev, 0, 0);
	if (!engine->regs)
		return -ENOMEM;

	/* who had it before may have left a transfer behind */
	ret = wait_idle(engine);
	if (ret)
		goto err_unmap;

	engine->bounce = dma_alloc_coherent(&pdev->dev, 2 * EDU_JOB_MAX,
					    &engine->bounce_dma, GFP_KERNEL);
	ret = engine->bounce ? 0 : -ENOMEM;
	if (ret)
		goto err_unmap;

	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_ALL_TYPES);
	if (ret < 0)
		goto err_free;
	ret = request_irq(pci_irq_vector(pdev, 0), engine_irq, IRQF_SHARED,
			  KBUILD_MODNAME, engine);
	if (ret)
		goto err_vectors;

	pci_set_master(pdev);
	return 0;

err_vectors:
	pci_free_irq_vectors(pdev);
err_free:
	dma_free_coherent(&pdev->dev, 2 * EDU_JOB_MAX, engine->bounce,
			  engine->bounce_dma);
err_unmap:
	pci_iounmap(pdev, engine->regs);
	return ret;
}

static void engine_stop(struct edu_engine *engine)
{
	struct pci_dev *pdev = engine->pdev;

	pci_clear_master(pdev);
	free_irq(pci_irq_vector(pdev, 0), engine);
	pci_free_irq_vectors(pdev);
	dma_free_coherent(&pdev->dev, 2 * EDU_JOB_MAX, engine->bounce,
			  engine->bounce_dma);
	pci_iounmap(pdev, engine->regs);
}

static struct edu_engine *engine_new(struct pci_dev *pdev)
{
	struct edu_engine *engine = kzalloc(sizeof(*engine), GFP_KERNEL);

	if (!engine)
		return NULL;

	kref_init(&engine->ref);
	sema_init(&engine->lock, 1);
	init_completion(&engine->done);
	engine->pdev = pdev;
	return engine;
}

/* An edu that is alone in its slot is no card of ours. */
static bool has_memory(const struct pci_dev *pdev)
{
	struct pci_dev *other;
	bool found = false;

	if (!PCI_FUNC(pdev->devfn))
		return false;

	other = pci_get_slot(pdev->bus, PCI_DEVFN(PCI_SLOT(pdev->devfn), 0));
	if (other)
		found = other->vendor == MEMORY_VENDOR &&
			other->device == MEMORY_DEVICE;
	pci_dev_put(other);
	return found;
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu_engine *engine;
	int ret;

	if (!has_memory(pdev))
		return -ENODEV;

	engine = engine_new(pdev);
	if (!engine)
		return -ENOMEM;

	ret = pci_enable_device(pdev);
	if (ret)
		goto err_put;
	ret = pci_request_selected_regions(pdev, BIT(0), KBUILD_MODNAME);
	if (ret)
		goto err_disable;
	ret = engine_start(engine);
	if (ret)
		goto err_release;

	pci_set_drvdata(pdev, engine);
	mutex_lock(&engines_lock);
	list_add_tail(&engine->node, &engines);
	mutex_unlock(&engines_lock);
	return 0;

err_release:
	pci_release_selected_regions(pdev, BIT(0));
err_disable:
	pci_disable_device(pdev);
err_put:
	edu_engine_put(engine);
	return ret;
}

/*
 * A job that the unbind came into has left bytes of its tenant in the engine.
 * Whoever has the function next could fetch them.
 */
static void wipe(struct edu_engine *engine)
{
	const struct edu_piece nothing = { .length = EDU_JOB_MAX };
	struct edu_step steps[EDU_STEPS_MAX];
	u32 n;
	int ret;

	ret = wait_idle(engine);
	if (ret == -ENODEV)
		return;
	if (ret) {
		pci_err(engine->pdev, "the engine is left at work\n");
		return;
	}

	/* the last step of any job of this length, without its interrupt */
	n = edu_plan(EDU_FROM_CARD, engine->bounce_dma,
		     engine->bounce_dma + EDU_JOB_MAX, &nothing, 1, steps);
	steps[n - 1].command &= ~EDU_DMA_IRQ;
	pci_set_master(engine->pdev);
	step_start(engine, &steps[n - 1]);
	ret = wait_idle(engine);
	pci_clear_master(engine->pdev);
	if (ret && ret != -ENODEV)
		pci_err(engine->pdev, "the engine could not be wiped\n");
}

/*
 * Unbound or pulled out, at any time: jobs fail, queued or under way.  The
 * transfer under way reaches nothing any more, but must not be left to whoever
 * lets the function master the bus next: its addresses are of memory that we
 * free.
 */
static void edu_remove(struct pci_dev *pdev)
{
	struct edu_engine *engine = pci_get_drvdata(pdev);

	mutex_lock(&engines_lock);
	list_del(&engine->node);
	mutex_unlock(&engines_lock);

	WRITE_ONCE(engine->gone, true);
	pci_clear_master(pdev);
	complete_all(&engine->done);

	/* whoever used it has let go after this, and nobody does again */
	down(&engine->lock);
	wipe(engine);
	engine_stop(engine);
	up(&engine->lock);

	pci_release_selected_regions(pdev, BIT(0));
	pci_disable_device(pdev);
	edu_engine_put(engine);
}

/* No device table: an edu must not be taken because it is there. */
static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(ENGINE_VENDOR, ENGINE_DEVICE) },
	{}
};

struct pci_driver edu_pci_driver = {
	.name = KBUILD_MODNAME,
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt vectors of a parent, and which claim has which.
 *
 * They are allocated, all at once, while the parent is configured with a type
 * that has some, and the function masters the bus only as long.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/slab.h>

#include "mdevd.h"

static bool wants_vectors(const struct mdevd_config *config)
{
	u32 i;

	for (i = 0; i < config->n_types; i++)
		if (config->types[i].conf.vectors)
			return true;

	return false;
}

static int alloc_vectors(struct mdevd_parent *parent)
{
	int ret;

	parent->vectors_used = bitmap_zalloc(parent->bounds.vectors,
					     GFP_KERNEL_ACCOUNT);
	if (!parent->vectors_used)
		return -ENOMEM;

	/* all or none: what was promised must be there */
	ret = pci_alloc_irq_vectors(parent->pdev, parent->bounds.vectors,
				    parent->bounds.vectors,
				    PCI_IRQ_MSIX | PCI_IRQ_MSI);
	if (ret < 0) {
		pci_info(parent->pdev, "no %u interrupt vectors (%d)\n",
			 parent->bounds.vectors, ret);
		bitmap_free(parent->vectors_used);
		parent->vectors_used = NULL;
		return ret;
	}

	return 0;
}

/**
 * mdevd_vectors_enable - allocate the vectors that a configuration needs
 * @parent: the parent; its config_lock is held
 * @config: the configuration, which has been checked
 *
 * Return: 0, or what MDEVD_CONFIGURE says.
 */
int mdevd_vectors_enable(struct mdevd_parent *parent,
			 const struct mdevd_config *config)
{
	bool unsafe;
	int ret;

	lockdep_assert_held(&parent->config_lock);

	/* what is contained needs no override */
	unsafe = config->unsafe && parent->dma != MDEVD_DMA_ISOLATED;
	/* a vendor raises those of its devices, and sees to its own DMA */
	if ((!wants_vectors(config) && !unsafe) || parent->bounds.vendor)
		return 0;

	ret = unsafe ? 0 : mdevd_dma_check_vectors(parent);
	if (!ret && wants_vectors(config))
		ret = alloc_vectors(parent);
	if (ret)
		return ret;

	if (unsafe)
		mdevd_dma_override(parent);
	pci_set_master(parent->pdev);
	pci_save_state(parent->pdev);
	return 0;
}

/**
 * mdevd_vectors_disable - free the vectors, and end the mastering of the bus
 * @parent: the parent, which has no device any more; its config_lock is held
 */
void mdevd_vectors_disable(struct mdevd_parent *parent)
{
	unsigned long *used = parent->vectors_used;

	lockdep_assert_held(&parent->config_lock);

	if (!used && !parent->unsafe)
		return;

	/* a claim may still be there, being zeroed */
	mutex_lock(&mdevd_lock);
	parent->vectors_used = NULL;
	parent->unsafe = false;
	mutex_unlock(&mdevd_lock);

	pci_clear_master(parent->pdev);
	if (used)
		pci_free_irq_vectors(parent->pdev);
	pci_save_state(parent->pdev);
	bitmap_free(used);
}

/**
 * mdevd_vectors_free - how many no claim has
 * @parent: the parent; mdevd_lock is held
 *
 * Return: the number.
 */
u32 mdevd_vectors_free(const struct mdevd_parent *parent)
{
	lockdep_assert_held(&mdevd_lock);

	if (!parent->vectors_used)
		return 0;
	return parent->bounds.vectors -
	       bitmap_weight(parent->vectors_used, parent->bounds.vectors);
}

/**
 * mdevd_vectors_take - the vectors of a new claim become its own
 * @claim: the claim, with room for as many as its type has; mdevd_lock is held
 * @vectors: which, checked by mdevd_check_vectors(); NULL: the first free ones
 *
 * Return: 0, or -EBUSY when one is another's or too few are left.
 */
int mdevd_vectors_take(struct mdevd_claim *claim, const u32 *vectors)
{
	struct mdevd_parent *parent = claim->parent;
	unsigned long *used = parent->vectors_used;
	u32 i, next = 0;

	lockdep_assert_held(&mdevd_lock);

	/* those of a vendor's device come from nowhere */
	if (!used)
		return 0;

	for (i = 0; i < claim->n_vectors; i++) {
		u32 vector;

		vector = vectors ? vectors[i] :
			 find_next_zero_bit(used, parent->bounds.vectors, next);
		if (vector >= parent->bounds.vectors || test_bit(vector, used))
			break;
		__set_bit(vector, used);
		claim->vectors[i] = vector;
		next = vector + 1;
	}
	if (i == claim->n_vectors)
		return 0;

	while (i--)
		__clear_bit(claim->vectors[i], used);
	return -EBUSY;
}

/**
 * mdevd_vectors_drop - the vectors of a claim are free again
 * @claim: the claim; mdevd_lock is held
 */
void mdevd_vectors_drop(struct mdevd_claim *claim)
{
	u32 i;

	lockdep_assert_held(&mdevd_lock);

	for (i = 0; claim->parent->vectors_used && i < claim->n_vectors; i++)
		__clear_bit(claim->vectors[i], claim->parent->vectors_used);
}

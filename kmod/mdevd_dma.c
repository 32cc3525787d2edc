// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA: a generic divider cannot isolate it, so there is none.
 *
 * Bus mastering is switched off at probe whatever firmware left, and where
 * there is an IOMMU group its DMA ownership is claimed: the group is then in a
 * domain where every DMA faults, so that even a function that finds a way to
 * master the bus reaches nothing.
 *
 * An interrupt is a write too and needs bus mastering.  That goes on only when
 * the function's writes reach nothing, and when what reaches the interrupt
 * controller is remapped: a tenant's engine could otherwise raise any vector
 * of any CPU, because the range of the interrupt controller is in no domain.
 *
 * Where that is not so there is the override of MDEVD_CONFIGURE, for one parent,
 * which is logged and taints the kernel.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/iommu.h>

#include "mdevd.h"

/**
 * mdevd_dma_claim - take a function's DMA away
 * @parent: the parent
 *
 * Without ownership the function still cannot master the bus, because then
 * nothing here ever enables that; so a failure is worth a line and no more.
 */
void mdevd_dma_claim(struct mdevd_parent *parent)
{
	int ret;

	pci_clear_master(parent->pdev);

	parent->dma = MDEVD_DMA_NO_IOMMU;
	parent->group = iommu_group_get(&parent->pdev->dev);
	if (!parent->group)
		return;

	ret = iommu_group_claim_dma_owner(parent->group, parent);
	if (ret) {
		parent->dma = MDEVD_DMA_SHARED;
		pci_info(parent->pdev,
			 "IOMMU group shared with a driver in use (%d)\n",
			 ret);
	} else if (mdevd_msi_isolated(&parent->pdev->dev, parent->group)) {
		parent->dma = MDEVD_DMA_ISOLATED;
	} else {
		parent->dma = MDEVD_DMA_NO_REMAP;
	}
}

/**
 * mdevd_dma_return - give it back
 * @parent: the parent
 *
 * Master off before the group goes back to its default domain: what a tenant
 * has programmed must not run there.
 */
void mdevd_dma_return(struct mdevd_parent *parent)
{
	pci_clear_master(parent->pdev);
	if (!parent->group)
		return;
	if (parent->dma >= MDEVD_DMA_NO_REMAP)
		iommu_group_release_dma_owner(parent->group);
	iommu_group_put(parent->group);
	parent->group = NULL;
	parent->dma = MDEVD_DMA_NO_IOMMU;
}

/* Why a function is not to master the bus; 0: it may. */
static const struct {
	int error;
	const char *why;
} answers[] = {
	[MDEVD_DMA_NO_IOMMU] = {
		-EOPNOTSUPP, "there is no IOMMU to contain its DMA" },
	[MDEVD_DMA_SHARED] = {
		-EXDEV, "its IOMMU group is another driver's too" },
	[MDEVD_DMA_NO_REMAP] = {
		-EPERM, "interrupts are not remapped" },
	[MDEVD_DMA_ISOLATED] = { 0 },
};

/**
 * mdevd_dma_check_vectors - may a function raise interrupts for its devices
 * @parent: the parent
 *
 * Return: 0, or what MDEVD_CONFIGURE says, with a line in the log.
 */
int mdevd_dma_check_vectors(const struct mdevd_parent *parent)
{
	if (answers[parent->dma].error)
		pci_info(parent->pdev, "no vectors for its devices: %s\n",
			 answers[parent->dma].why);
	return answers[parent->dma].error;
}

/**
 * mdevd_dma_override - a function is to master the bus all the same
 * @parent: the parent, which may not; its config_lock is held
 *
 * Whoever asks for it takes the blame: the kernel is tainted as it is by vfio
 * without an IOMMU, because from here on nobody can tell what wrote where.
 */
void mdevd_dma_override(struct mdevd_parent *parent)
{
	lockdep_assert_held(&parent->config_lock);

	pci_warn(parent->pdev,
		 "masters the bus by override, and its devices may reach the host: %s\n",
		 answers[parent->dma].why);
	add_taint(TAINT_USER, LOCKDEP_STILL_OK);

	mutex_lock(&mdevd_lock);
	parent->unsafe = true;
	mutex_unlock(&mdevd_lock);
}

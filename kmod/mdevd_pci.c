// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI driver: takes a function, makes it harmless, gives it back.
 *
 * There is no id table; a function comes here by driver_override only.  What is
 * done about its DMA stands in mdevd_dma.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "mdevd.h"

/* The pages of the MSI-X table and the PBA are in no pool. */
static void find_holes(struct mdevd_parent *parent)
{
	struct mdevd_bounds *b = &parent->bounds;
	static const u8 at[] = { PCI_MSIX_TABLE, PCI_MSIX_PBA };
	struct pci_dev *pdev = parent->pdev;
	u64 length[2];
	u16 control;
	u32 i, n;

	if (!pdev->msix_cap)
		return;

	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &control);
	n = (control & PCI_MSIX_FLAGS_QSIZE) + 1;
	length[0] = n * PCI_MSIX_ENTRY_SIZE;
	length[1] = DIV_ROUND_UP(n, 64) * 8;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		u32 where;
		u64 start;

		pci_read_config_dword(pdev, pdev->msix_cap + at[i], &where);
		start = where & PCI_MSIX_TABLE_OFFSET;
		b->holes[i].bar = where & PCI_MSIX_TABLE_BIR;
		b->holes[i].start = round_down(start, b->page);
		b->holes[i].end = round_up(start + length[i], b->page);
	}
	b->n_holes = ARRAY_SIZE(at);
}

/* MSI where there is no MSI-X; the guest sees MSI-X anyway. */
static void find_vectors(struct mdevd_parent *parent)
{
	int n = pci_msix_vec_count(parent->pdev);

	if (n <= 0)
		n = pci_msi_vec_count(parent->pdev);
	parent->bounds.vectors = max(n, 0);
}

static void find_bars(struct mdevd_parent *parent)
{
	struct pci_dev *pdev = parent->pdev;
	int i;

	parent->bounds.page = PAGE_SIZE;
	for (i = 0; i < MDEVD_PCI_BARS; i++) {
		if (!(pci_resource_flags(pdev, i) & IORESOURCE_MEM) ||
		    !pci_resource_len(pdev, i))
			continue;
		parent->bar_start[i] = pci_resource_start(pdev, i);
		parent->bounds.bar_length[i] = pci_resource_len(pdev, i);
		parent->bars |= BIT(i);
	}
}

static int mdevd_pci_probe(struct pci_dev *pdev,
			   const struct pci_device_id *id)
{
	struct mdevd_parent *parent;
	int ret;

	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return -EINVAL;

	parent = mdevd_parent_new(pdev);
	if (!parent)
		return -ENOMEM;

	ret = pci_enable_device(pdev);
	if (ret)
		goto err_put;

	find_bars(parent);
	find_holes(parent);
	find_vectors(parent);

	ret = pci_request_selected_regions_exclusive(pdev, parent->bars,
						     MDEVD_NAME);
	if (ret)
		goto err_disable;

	mdevd_dma_claim(parent);
	/* what a reset of the link takes away */
	pci_save_state(pdev);
	pci_set_drvdata(pdev, parent);

	ret = mdevd_parent_link(parent);
	if (ret)
		goto err_dma;

	return 0;

err_dma:
	mdevd_dma_return(parent);
	pci_release_selected_regions(pdev, parent->bars);
err_disable:
	pci_disable_device(pdev);
err_put:
	mdevd_parent_put(parent);
	return ret;
}

static void mdevd_pci_remove(struct pci_dev *pdev)
{
	struct mdevd_parent *parent = pci_get_drvdata(pdev);

	/* Waits until the last VMM has closed the last device. */
	mdevd_parent_shut(parent);

	mdevd_dma_return(parent);
	pci_release_selected_regions(pdev, parent->bars);
	pci_disable_device(pdev);

	mdevd_parent_unlink(parent);
	mdevd_parent_put(parent);
}

/* Memory and registers do not survive; a VM that uses them would not know. */
static int mdevd_pci_suspend(struct device *dev)
{
	struct mdevd_parent *parent = dev_get_drvdata(dev);
	struct mdevd_claim *claim;
	int ret = 0;

	mutex_lock(&mdevd_lock);
	list_for_each_entry(claim, &parent->claims, node)
		if (claim->opened)
			ret = -EBUSY;
	mutex_unlock(&mdevd_lock);

	return ret;
}

static int mdevd_pci_resume(struct device *dev)
{
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(mdevd_pci_pm, mdevd_pci_suspend,
				mdevd_pci_resume);

struct pci_driver mdevd_pci_driver = {
	.name = MDEVD_NAME,
	.id_table = NULL,
	.probe = mdevd_pci_probe,
	.remove = mdevd_pci_remove,
	.err_handler = &mdevd_error_handlers,
	.driver_managed_dma = true,
	.driver.pm = pm_sleep_ptr(&mdevd_pci_pm),
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start and end of the module.
 *
 * Loading it does nothing to any device: a function is bound by
 * driver_override, and becomes an mdev parent only when the daemon configures
 * it through /dev/mdevd.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "mdevd.h"

/* All control state: see mdevd.h. */
DEFINE_MUTEX(mdevd_lock);
LIST_HEAD(mdevd_parents);
struct workqueue_struct *mdevd_wq;

static int __init mdevd_init(void)
{
	int ret;

	mdevd_wq = alloc_workqueue("mdevd", WQ_UNBOUND, 0);
	if (!mdevd_wq)
		return -ENOMEM;

	ret = mdev_register_driver(&mdevd_mdev_driver);
	if (ret)
		goto err_wq;

	ret = mdevd_ctl_init();
	if (ret)
		goto err_mdev;

	ret = pci_register_driver(&mdevd_pci_driver);
	if (ret)
		goto err_ctl;

	return 0;

err_ctl:
	mdevd_ctl_exit();
err_mdev:
	mdev_unregister_driver(&mdevd_mdev_driver);
err_wq:
	destroy_workqueue(mdevd_wq);
	return ret;
}

static void __exit mdevd_exit(void)
{
	/* Unbinds every parent, and waits for what that waits for. */
	pci_unregister_driver(&mdevd_pci_driver);
	mdevd_ctl_exit();
	mdev_unregister_driver(&mdevd_mdev_driver);
	destroy_workqueue(mdevd_wq);
}

module_init(mdevd_init);
module_exit(mdevd_exit);

MODULE_DESCRIPTION("Divides the MMIO space of PCI devices between VMs");
MODULE_AUTHOR("The mdevd authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
MODULE_SOFTDEP("pre: mdev vfio_iommu_type1");

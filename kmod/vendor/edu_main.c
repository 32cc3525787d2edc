// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start and end of mdevd_edu.ko: a vendor of mdevd.ko for cards made of QEMU's
 * ivshmem-plain and edu.  The example that the guide in README.md follows.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "edu.h"

struct workqueue_struct *edu_wq;

static int __init edu_init(void)
{
	int ret;

	edu_wq = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND, 0);
	if (!edu_wq)
		return -ENOMEM;

	ret = pci_register_driver(&edu_pci_driver);
	if (ret)
		goto err_wq;

	/* last: a configure that waits for us finds the engines bound */
	ret = mdevd_vendor_register(&edu_ops);
	if (ret)
		goto err_driver;

	return 0;

err_driver:
	pci_unregister_driver(&edu_pci_driver);
err_wq:
	destroy_workqueue(edu_wq);
	return ret;
}

/* Not while a parent is configured with it: mdevd.ko pins us meanwhile. */
static void __exit edu_exit(void)
{
	mdevd_vendor_unregister(&edu_ops);
	pci_unregister_driver(&edu_pci_driver);
	destroy_workqueue(edu_wq);
}

module_init(edu_init);
module_exit(edu_exit);

MODULE_DESCRIPTION("Shares the DMA engine of an edu card between the mdevs of mdevd");
MODULE_AUTHOR("The mdevd authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
MODULE_ALIAS("mdevd-vendor-edu");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors and resets of a parent, as the PCI core tells of them.
 *
 * An error hits every device of the parent: their VMMs learn of it by ERR
 * (QEMU then stops its VM).  While the link is being reset whoever touches a
 * BAR waits, as in any reset of the function; afterwards the devices go on.
 * Where the PCI core gives the function up, or says nothing more for a while,
 * they lose it for good: their mappings read as ones, and nothing new is made
 * of the parent until its driver has been unbound.
 *
 * Documentation/PCI/pci-error-recovery.rst
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/moduleparam.h>

#include "mdevd.h"

/* A recovery that fails is not told to drivers; so it has an end. */
static unsigned int recovery_seconds = 30;

static int set_seconds(const char *value, const struct kernel_param *param)
{
	return param_set_uint_minmax(value, param, 1, 3600);
}

static const struct kernel_param_ops seconds_ops = {
	.set = set_seconds,
	.get = param_get_uint,
};

module_param_cb(recovery_seconds, &seconds_ops, &recovery_seconds, 0644);
MODULE_PARM_DESC(recovery_seconds,
		 "Seconds until a parent whose link does not recover is given up, 1 to 3600 (30)");

static void tell_all(struct mdevd_parent *parent)
{
	struct mdevd_claim *claim;

	mutex_lock(&mdevd_lock);
	list_for_each_entry(claim, &parent->claims, node)
		if (claim->vdev && claim->opened)
			mdevd_irq_error(claim->vdev);
	mutex_unlock(&mdevd_lock);
}

/**
 * mdevd_error_expire - a recovery has not ended
 * @work: in the parent, which has not been shut
 */
void mdevd_error_expire(struct work_struct *work)
{
	struct mdevd_parent *parent = container_of(to_delayed_work(work),
						   struct mdevd_parent,
						   recovery);

	mdevd_parent_fail(parent);
}

static pci_ers_result_t error_detected(struct pci_dev *pdev,
				       pci_channel_state_t state)
{
	struct mdevd_parent *parent = pci_get_drvdata(pdev);

	tell_all(parent);

	switch (state) {
	case pci_channel_io_normal:
		mdevd_reset_note(parent);
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		mdevd_reset_begin(parent, MDEVD_RESET_LINK);
		/* not behind those that wait for it: mdevd_reset_proof() */
		mod_delayed_work(system_unbound_wq, &parent->recovery,
				 READ_ONCE(recovery_seconds) * HZ);
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		mdevd_parent_fail(parent);
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

static pci_ers_result_t slot_reset(struct pci_dev *pdev)
{
	if (!pci_device_is_present(pdev)) {
		mdevd_parent_fail(pci_get_drvdata(pdev));
		return PCI_ERS_RESULT_DISCONNECT;
	}

	/* once restored it is not saved any more */
	pci_restore_state(pdev);
	pci_save_state(pdev);
	return PCI_ERS_RESULT_RECOVERED;
}

static void resume(struct pci_dev *pdev)
{
	struct mdevd_parent *parent = pci_get_drvdata(pdev);

	/* after an error without a reset nobody waits */
	cancel_delayed_work_sync(&parent->recovery);
	mdevd_reset_end(parent, MDEVD_RESET_LINK);
}

/* sysfs "reset" and resets of the bus; command and BARs are lost meanwhile. */
static void reset_prepare(struct pci_dev *pdev)
{
	mdevd_reset_begin(pci_get_drvdata(pdev), MDEVD_RESET_FUNCTION);
}

static void reset_done(struct pci_dev *pdev)
{
	mdevd_reset_end(pci_get_drvdata(pdev), MDEVD_RESET_FUNCTION);
}

const struct pci_error_handlers mdevd_error_handlers = {
	.error_detected = error_detected,
	.slot_reset = slot_reset,
	.resume = resume,
	.reset_prepare = reset_prepare,
	.reset_done = reset_done,
};

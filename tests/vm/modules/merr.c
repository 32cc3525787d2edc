// SPDX-License-Identifier: GPL-2.0-only
/*
 * merr: tells the driver of a PCI function of an error or a reset, as the PCI core does where the
 * emulated machine cannot be made to: a failure for good, a recovery that does not end, a reset
 * that takes as long as a test likes.
 *
 *     echo "0000:02:00.0 frozen" >/sys/module/merr/parameters/tell
 *
 * Reading it back gives the driver's answer to an error (a pci_ers_result_t), or 0.
 */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/pci.h>

static int detected(struct pci_dev *pdev, const struct pci_error_handlers *h,
		    pci_channel_state_t state)
{
	return (__force int)h->error_detected(pdev, state);
}

static int normal(struct pci_dev *pdev, const struct pci_error_handlers *h)
{
	return detected(pdev, h, pci_channel_io_normal);
}

static int frozen(struct pci_dev *pdev, const struct pci_error_handlers *h)
{
	return detected(pdev, h, pci_channel_io_frozen);
}

static int permanent(struct pci_dev *pdev, const struct pci_error_handlers *h)
{
	return detected(pdev, h, pci_channel_io_perm_failure);
}

static int slot_reset(struct pci_dev *pdev, const struct pci_error_handlers *h)
{
	return (__force int)h->slot_reset(pdev);
}

static int resume(struct pci_dev *pdev, const struct pci_error_handlers *h)
{
	h->resume(pdev);
	return 0;
}

static int reset_prepare(struct pci_dev *pdev, const struct pci_error_handlers *h)
{
	h->reset_prepare(pdev);
	return 0;
}

static int reset_done(struct pci_dev *pdev, const struct pci_error_handlers *h)
{
	h->reset_done(pdev);
	return 0;
}

static const struct {
	const char *word;
	int (*fn)(struct pci_dev *pdev, const struct pci_error_handlers *h);
} words[] = {
	{ "normal", normal },
	{ "frozen", frozen },
	{ "permanent", permanent },
	{ "slot-reset", slot_reset },
	{ "resume", resume },
	{ "reset-prepare", reset_prepare },
	{ "reset-done", reset_done },
};

static int answer;

static int tell_driver(struct pci_dev *pdev, const char *word)
{
	const struct pci_error_handlers *handlers = NULL;
	int ret = -EINVAL;
	size_t i;

	/* as the PCI core: the driver stays bound meanwhile */
	device_lock(&pdev->dev);
	if (pdev->dev.driver)
		handlers = to_pci_driver(pdev->dev.driver)->err_handler;
	for (i = 0; handlers && i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i].word, word)) {
			answer = words[i].fn(pdev, handlers);
			ret = 0;
		}
	device_unlock(&pdev->dev);

	return ret;
}

static int set_tell(const char *value, const struct kernel_param *kp)
{
	unsigned int domain, bus, slot, function;
	struct pci_dev *pdev;
	char word[20];
	int ret;

	if (sscanf(value, "%x:%x:%x.%x %19s", &domain, &bus, &slot, &function, word) != 5)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	if (!pdev)
		return -ENODEV;

	ret = tell_driver(pdev, word);
	pci_dev_put(pdev);
	return ret;
}

static int get_tell(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", answer);
}

static const struct kernel_param_ops tell_ops = {
	.set = set_tell,
	.get = get_tell,
};

module_param_cb(tell, &tell_ops, NULL, 0600);
MODULE_PARM_DESC(tell, "FUNCTION WORD: normal, frozen, permanent, slot-reset, resume, "
		       "reset-prepare or reset-done");

MODULE_DESCRIPTION("PCI errors and resets on demand, for tests");
MODULE_LICENSE("GPL");

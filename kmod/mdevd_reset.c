// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets of a parent: whoever touches a BAR meanwhile waits, and what the CPU
 * copies to or from it is copied again.
 *
 * A function that is being reset takes no writes and reads as ones, and nobody
 * says so.  The PCI core tells of the beginning and of the end; of a link that
 * breaks down it tells late, but then the function's memory stays switched off
 * until the recovery that we are told of.  So what was done is good when no
 * reset began in between and the function decodes memory at its beginning and
 * at its end.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pci.h>

#include "mdevd.h"

/* How often a function that went off without a word is looked at. */
#define RESET_LOOK	(HZ / 10)

/**
 * mdevd_reset_note - what is on its way to the function may get lost
 * @parent: the parent
 *
 * For an error that is no reset.
 */
void mdevd_reset_note(struct mdevd_parent *parent)
{
	mutex_lock(&mdevd_lock);
	WRITE_ONCE(parent->resets, parent->resets + 1);
	wake_up_all(&parent->idle);
	mutex_unlock(&mdevd_lock);
}

/* Whoever touches a BAR waits, or goes on. */
static void hold_all(struct mdevd_parent *parent, bool held)
{
	struct mdevd_claim *claim;

	lockdep_assert_held(&mdevd_lock);

restart:
	list_for_each_entry(claim, &parent->claims, node) {
		struct mdevd_vdev *v = claim->vdev;

		if (!v || held == !!(v->held & MDEVD_HELD_RESET))
			continue;

		mdevd_map_set_held(v, MDEVD_HELD_RESET, held);
		if (!held)
			continue;

		get_device(&v->vdev.device);
		mutex_unlock(&mdevd_lock);
		mdevd_map_cut(v);
		/* cut short by a signal: who is at it sees ones, or begins anew */
		mdevd_vendor_dma_drain(v);
		vfio_put_device(&v->vdev);
		mutex_lock(&mdevd_lock);
		goto restart;
	}
	if (held)
		mdevd_parent_settle(parent);
}

/**
 * mdevd_reset_begin - the function is about to be reset
 * @parent: the parent
 * @why: one of MDEVD_RESET_*
 *
 * Until the end nobody reaches a BAR: whoever touches one waits.  What the
 * memory holds afterwards is the hardware's affair.
 */
void mdevd_reset_begin(struct mdevd_parent *parent, u32 why)
{
	mutex_lock(&mdevd_lock);
	WRITE_ONCE(parent->resetting, parent->resetting | why);
	/* pairs with look(): who sees it counted sees it */
	smp_wmb();
	WRITE_ONCE(parent->resets, parent->resets + 1);
	wake_up_all(&parent->idle);
	hold_all(parent, true);
	mutex_unlock(&mdevd_lock);
}

/**
 * mdevd_reset_end - it has been
 * @parent: the parent
 * @why: as at its beginning; one that has not begun does not end
 *
 * A reset that a user asks for does not end the recovery of a link.
 */
void mdevd_reset_end(struct mdevd_parent *parent, u32 why)
{
	mutex_lock(&mdevd_lock);
	WRITE_ONCE(parent->resetting, parent->resetting & ~why);
	if (!parent->resetting) {
		wake_up_all(&parent->idle);
		hold_all(parent, false);
	}
	mutex_unlock(&mdevd_lock);
}

/* A reset that is counted here is waited for, a later one changes the count. */
static u32 look(const struct mdevd_parent *parent)
{
	u32 resets = READ_ONCE(parent->resets);

	/* pairs with mdevd_reset_begin() */
	smp_rmb();
	return resets;
}

/**
 * mdevd_reset_decodes - is the function there, and its memory switched on
 * @parent: the parent, bound yet
 *
 * Context: any.
 *
 * Return: true if it is.
 */
bool mdevd_reset_decodes(const struct mdevd_parent *parent)
{
	u16 command;

	if (parent->pdev->no_command_memory)
		return true;
	pci_read_config_word(parent->pdev, PCI_COMMAND, &command);
	/* what is not there reads as ones */
	return command != 0xffff && command & PCI_COMMAND_MEMORY;
}

static bool stopped(const struct mdevd_parent *parent, const bool *stop)
{
	return READ_ONCE(parent->cut) || (stop && READ_ONCE(*stop));
}

/**
 * mdevd_reset_proof - do something to the function's memory that lasts
 * @parent: the parent, on whose list the caller has a claim
 * @stop: set by others, who then wake @parent->idle; or NULL
 * @fn: does it, from the beginning, and makes sure that it has arrived; may say
 *	-EAGAIN to be called again after a while.  It looks itself, often enough,
 *	whether the function still decodes.
 * @data: for @fn
 *
 * Waits while the function is being reset, and calls @fn again when it may
 * have been in vain.
 *
 * Return: 0; what else @fn says; -ENODEV the function does not come
 * back; -ECANCELED @stop; -EINTR a signal came while there was nothing to do
 * but wait.
 */
int mdevd_reset_proof(struct mdevd_parent *parent, const bool *stop,
		      int (*fn)(void *data), void *data)
{
	u32 seen;
	int ret;

	for (;;) {
		seen = look(parent);
		if (wait_event_interruptible(parent->idle,
					     !READ_ONCE(parent->resetting) ||
					     stopped(parent, stop)))
			return -EINTR;
		if (stopped(parent, stop))
			break;

		ret = -EAGAIN;
		if (mdevd_reset_decodes(parent))
			ret = fn(data);
		if (ret && ret != -EAGAIN)
			return ret;
		/* what it read back has arrived before the next begins */
		rmb();
		if (!ret && look(parent) == seen && mdevd_reset_decodes(parent))
			return 0;

		/* nobody may ever tell that it decodes again */
		if (wait_event_interruptible_timeout(parent->idle,
						     look(parent) != seen ||
						     READ_ONCE(parent->removing) ||
						     stopped(parent, stop),
						     RESET_LOOK) < 0)
			return -EINTR;
		/* if it does not now, it does not for us any more */
		if (READ_ONCE(parent->removing) &&
		    (ret || !mdevd_reset_decodes(parent)))
			return -ENODEV;
	}

	return READ_ONCE(parent->cut) ? -ENODEV : -ECANCELED;
}

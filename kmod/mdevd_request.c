// SPDX-License-Identifier: GPL-2.0-only
/*
 * Create requests: a UUID that somebody wrote to sysfs "create" without a
 * reservation of his own.
 *
 * oVirt, KubeVirt and the first mdevctl do that.  The writer waits, killably
 * and for a limited time, until the daemon has decided; so there is one policy
 * for every road.  The wait holds mdev core's locks of that parent and none of
 * ours; therefore whoever is about to call mdev_unregister_parent() first sets
 * the parent to CLOSING and calls mdevd_requests_cancel().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "mdevd.h"

#define REQUEST_SECONDS 10

/* One writer that waits; lives on its stack. */
struct request {
	struct list_head node;		/* in requests; mdevd_lock */
	u64 cookie;
	struct mdevd_parent *parent;
	const struct mdevd_type_entry *entry;
	const u8 *uuid;
	struct pid *writer;
	char comm[TASK_COMM_LEN];
	struct mdevd_claim *claim;	/* the answer, or */
	int error;			/* this; mdevd_lock */
	struct completion done;
};

static LIST_HEAD(requests);		/* not yet answered; mdevd_lock */
static struct mdevd_ctl *listener;	/* mdevd_lock */
static u64 last_cookie;			/* mdevd_lock */

static void tell(const struct request *r, u32 type)
{
	struct mdevd_event event = {
		.size = sizeof(event),
		.type = type,
		.cookie = r->cookie,
	};

	if (!listener)
		return;

	strscpy(event.parent, r->parent->name, sizeof(event.parent));
	strscpy(event.name, r->entry->conf.name, sizeof(event.name));
	memcpy(event.uuid, r->uuid, sizeof(event.uuid));
	memcpy(event.comm, r->comm, sizeof(event.comm));
	mdevd_event_one(mdevd_ctl_listener(listener), &event, r->writer);
}

/* Takes a request off the list and lets its writer go on. */
static void finish(struct request *r, struct mdevd_claim *claim, int error)
{
	lockdep_assert_held(&mdevd_lock);

	r->claim = claim;
	r->error = error;
	list_del_init(&r->node);
	complete(&r->done);
}

/**
 * mdevd_request_create - ask the daemon about a create
 * @parent: parent of the mdev; mdevd_lock is held, and dropped while waiting
 * @entry: its type
 * @uuid: its UUID
 *
 * Return: a claim that is consumed already, or what the daemon said, or
 * -ENOENT without a listener, -ETIMEDOUT, -EINTR when the writer is killed,
 * -ENODEV when the parent is going away.
 */
struct mdevd_claim *mdevd_request_create(struct mdevd_parent *parent,
					 const struct mdevd_type_entry *entry,
					 const u8 *uuid)
{
	struct request r = {
		.parent = parent,
		.entry = entry,
		.uuid = uuid,
		.writer = task_tgid(current),
	};
	long left;

	lockdep_assert_held(&mdevd_lock);

	if (!listener)
		return ERR_PTR(-ENOENT);

	r.cookie = ++last_cookie;
	get_task_comm(r.comm, current->group_leader);
	init_completion(&r.done);
	list_add_tail(&r.node, &requests);
	tell(&r, MDEVD_EVENT_REQUEST);

	mutex_unlock(&mdevd_lock);
	left = wait_for_completion_killable_timeout(&r.done,
						    REQUEST_SECONDS * HZ);
	mutex_lock(&mdevd_lock);

	/* an answer that came with the last tick counts */
	if (!list_empty(&r.node)) {
		list_del_init(&r.node);
		tell(&r, MDEVD_EVENT_REQUEST_GONE);
		return ERR_PTR(left ? -EINTR : -ETIMEDOUT);
	}

	return r.error ? ERR_PTR(r.error) : r.claim;
}

/**
 * mdevd_requests_cancel - nobody may wait on a parent any more
 * @parent: the parent, which is CLOSING; mdevd_lock is held
 */
void mdevd_requests_cancel(const struct mdevd_parent *parent)
{
	struct request *r, *next;

	lockdep_assert_held(&mdevd_lock);

	list_for_each_entry_safe(r, next, &requests, node)
		if (r->parent == parent) {
			tell(r, MDEVD_EVENT_REQUEST_GONE);
			finish(r, NULL, -ENODEV);
		}
}

/**
 * mdevd_listen - MDEVD_LISTEN
 * @ctl: the new listener
 *
 * Return: 0 or what the interface says.
 */
int mdevd_listen(struct mdevd_ctl *ctl)
{
	struct request *r;

	if (!mdevd_ctl_listener(ctl))
		return -EBADF;

	mutex_lock(&mdevd_lock);
	listener = ctl;
	list_for_each_entry(r, &requests, node)
		tell(r, MDEVD_EVENT_REQUEST);
	mutex_unlock(&mdevd_lock);

	return 0;
}

/**
 * mdevd_listen_end - a descriptor closes
 * @ctl: the descriptor; mdevd_lock is held
 *
 * Who waits for an answer of the listener gets none.
 */
void mdevd_listen_end(const struct mdevd_ctl *ctl)
{
	struct request *r, *next;

	lockdep_assert_held(&mdevd_lock);

	if (listener != ctl)
		return;

	listener = NULL;
	list_for_each_entry_safe(r, next, &requests, node)
		finish(r, NULL, -ENOENT);
}

/**
 * mdevd_listening - is there a daemon
 *
 * Return: true if somebody answers create requests.
 */
bool mdevd_listening(void)
{
	return READ_ONCE(listener);
}

static struct request *find(u64 cookie)
{
	struct request *r;

	list_for_each_entry(r, &requests, node)
		if (r->cookie == cookie)
			return r;

	return NULL;
}

static int answer_locked(const struct mdevd_ctl *ctl,
			 const struct mdevd_answer *arg,
			 struct mdevd_order *order)
{
	struct mdevd_claim *claim;
	struct request *r;

	if (listener != ctl)
		return -EPERM;
	r = find(arg->cookie);
	if (!r)
		return -ESTALE;
	if (arg->error) {
		finish(r, NULL, -(int)arg->error);
		return 0;
	}

	order->uuid = r->uuid;
	claim = mdevd_claim_answer(r->parent, r->entry, order);
	if (IS_ERR(claim))
		return PTR_ERR(claim);

	finish(r, claim, 0);
	return 0;
}

/**
 * mdevd_answer - MDEVD_ANSWER
 * @ctl: the listener
 * @arg: as copied from the caller
 *
 * Return: 0 or what the interface says.
 */
int mdevd_answer(struct mdevd_ctl *ctl, const struct mdevd_answer *arg)
{
	struct mdevd_order order = { .owner = arg->owner, .ids = arg->ids };
	int ret = 0;

	if (arg->__reserved || arg->error > EHWPOISON ||
	    !mdevd_check_label(arg->owner, sizeof(arg->owner)))
		return -EINVAL;
	if (arg->error && (arg->n_extents || arg->n_vectors))
		return -EINVAL;

	if (!arg->error)
		ret = mdevd_order_copy(&order, arg->extents, arg->n_extents,
				       arg->extent_size, arg->vectors,
				       arg->n_vectors);
	if (!ret) {
		mutex_lock(&mdevd_lock);
		ret = answer_locked(ctl, arg, &order);
		mutex_unlock(&mdevd_lock);
	}

	mdevd_order_free(&order);
	return ret;
}

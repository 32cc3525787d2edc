// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: every descriptor of /dev/mdevd that was opened for reading has a
 * queue of its own.  When it overflows, what is queued is still delivered, then
 * one LOST record says that the reader must query again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mdevd.h"

#define QUEUE_LENGTH 256	/* a power of two */

/* One reader. */
struct mdevd_listener {
	struct list_head node;		/* in listeners */
	spinlock_t event_lock;		/* guards all below */
	u32 head;			/* counts events put */
	u32 tail;			/* counts events taken */
	bool lost;			/* events were dropped after head */
	wait_queue_head_t wait;
	struct pid_namespace *pid_ns;
	struct mdevd_event queue[QUEUE_LENGTH];
};

static DEFINE_SPINLOCK(listeners_lock);	/* taken before event_lock */
static LIST_HEAD(listeners);

/**
 * mdevd_listener_new - begin to queue events for a reader
 *
 * Return: the listener, or NULL.
 */
struct mdevd_listener *mdevd_listener_new(void)
{
	struct mdevd_listener *l;

	l = kvzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);
	if (!l)
		return NULL;

	spin_lock_init(&l->event_lock);
	init_waitqueue_head(&l->wait);
	l->pid_ns = get_pid_ns(task_active_pid_ns(current));

	spin_lock(&listeners_lock);
	list_add_tail(&l->node, &listeners);
	spin_unlock(&listeners_lock);

	return l;
}

/**
 * mdevd_listener_free - a reader goes
 * @l: its listener or NULL
 */
void mdevd_listener_free(struct mdevd_listener *l)
{
	if (!l)
		return;

	spin_lock(&listeners_lock);
	list_del(&l->node);
	spin_unlock(&listeners_lock);

	put_pid_ns(l->pid_ns);
	kvfree(l);
}

/**
 * mdevd_event_one - tell one reader
 * @l: the reader
 * @event: the event, its pid left out
 * @pid: whom it is about, or NULL
 */
void mdevd_event_one(struct mdevd_listener *l, const struct mdevd_event *event,
		     struct pid *pid)
{
	struct mdevd_event *e;

	spin_lock(&l->event_lock);
	/* once one is lost, none after it may come before the LOST record */
	if (l->lost || l->head - l->tail == QUEUE_LENGTH) {
		l->lost = true;
	} else {
		e = &l->queue[l->head++ % QUEUE_LENGTH];
		*e = *event;
		e->pid = pid_nr_ns(pid, l->pid_ns);
	}
	spin_unlock(&l->event_lock);

	wake_up_interruptible(&l->wait);
}

/**
 * mdevd_event - tell every reader
 * @type: enum mdevd_event_type
 * @parent: the parent
 * @claim: the device or NULL
 *
 * Called under mdevd_lock, so that events come in the order of what they
 * tell.
 */
void mdevd_event(u32 type, const struct mdevd_parent *parent,
		 const struct mdevd_claim *claim)
{
	struct mdevd_event event = { .size = sizeof(event), .type = type };
	struct mdevd_listener *l;
	struct pid *pid = NULL;

	lockdep_assert_held(&mdevd_lock);

	strscpy(event.parent, parent->name, sizeof(event.parent));
	if (claim)
		memcpy(event.uuid, claim->uuid, sizeof(event.uuid));
	if (type == MDEVD_EVENT_DEVICE_OPENED ||
	    type == MDEVD_EVENT_DEVICE_REVOKED) {
		strscpy(event.comm, claim->opener_comm, sizeof(event.comm));
		pid = claim->opener;
	}

	spin_lock(&listeners_lock);
	list_for_each_entry(l, &listeners, node)
		mdevd_event_one(l, &event, pid);
	spin_unlock(&listeners_lock);
}

static bool pending(struct mdevd_listener *l)
{
	bool ret;

	spin_lock(&l->event_lock);
	ret = l->head != l->tail || l->lost;
	spin_unlock(&l->event_lock);

	return ret;
}

static bool take(struct mdevd_listener *l, struct mdevd_event *event)
{
	bool ret = true;

	spin_lock(&l->event_lock);
	if (l->head != l->tail) {
		*event = l->queue[l->tail++ % QUEUE_LENGTH];
	} else if (l->lost) {
		l->lost = false;
		memset(event, 0, sizeof(*event));
		event->size = sizeof(*event);
		event->type = MDEVD_EVENT_LOST;
	} else {
		ret = false;
	}
	spin_unlock(&l->event_lock);

	return ret;
}

/**
 * mdevd_listener_read - read() of /dev/mdevd
 * @l: the reader
 * @buf: where to
 * @count: room
 * @nonblock: do not wait
 *
 * Return: bytes of whole records, or an error.  A record that could not be
 * copied is lost, and a LOST record says so.
 */
ssize_t mdevd_listener_read(struct mdevd_listener *l, char __user *buf,
			    size_t count, bool nonblock)
{
	struct mdevd_event event;
	size_t done = 0;
	int ret;

	if (count < sizeof(event))
		return -EINVAL;

	while (!done) {
		while (count - done >= sizeof(event) && take(l, &event)) {
			if (copy_to_user(buf + done, &event, sizeof(event))) {
				spin_lock(&l->event_lock);
				l->lost = true;
				spin_unlock(&l->event_lock);
				return done ? done : -EFAULT;
			}
			done += sizeof(event);
		}
		if (done)
			break;
		if (nonblock)
			return -EAGAIN;
		ret = wait_event_interruptible(l->wait, pending(l));
		if (ret)
			return ret;
	}

	return done;
}

/**
 * mdevd_listener_poll - poll() of /dev/mdevd
 * @l: the reader
 * @file: its file
 * @wait: poll table
 *
 * Return: EPOLLIN when there is something to read.
 */
__poll_t mdevd_listener_poll(struct mdevd_listener *l, struct file *file,
			     struct poll_table_struct *wait)
{
	poll_wait(file, &l->wait, wait);
	return pending(l) ? EPOLLIN | EPOLLRDNORM : 0;
}

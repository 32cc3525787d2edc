// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/mdevd: verbs as ioctls, events by read() and poll().
 *
 * Its mode is the whole authorisation: who may open it may divide every
 * parent.  A verb is found by its number alone; the size that the number also
 * encodes is not looked at, because the struct says its own.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mdevd.h"

/* One open descriptor. */
struct mdevd_ctl {
	struct mdevd_listener *listener;	/* NULL if opened for writing */
};

union mdevd_arg {
	struct {
		u32 size;
		u32 flags;
	} head;
	struct mdevd_get_info info;
	struct mdevd_configure configure;
	struct mdevd_unconfigure unconfigure;
	struct mdevd_reserve reserve;
	struct mdevd_release release;
	struct mdevd_query query;
	struct mdevd_suspend suspend;
	struct mdevd_resume resume;
	struct mdevd_answer answer;
	struct mdevd_set_available available;
	struct mdevd_move move;
};

static int do_get_info(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	arg->info.api_version = MDEVD_API_VERSION;
	arg->info.page_size = PAGE_SIZE;
	arg->info.features = MDEVD_HUGE ? MDEVD_FEATURE_HUGE : 0;
	return 0;
}

static int do_configure(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	return mdevd_configure(&arg->configure);
}

static int do_unconfigure(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	return mdevd_unconfigure(&arg->unconfigure);
}

static int do_reserve(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	return mdevd_reserve(ctl, &arg->reserve);
}

static int do_release(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	return mdevd_release(ctl, &arg->release);
}

static int do_query(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	return mdevd_query(&arg->query);
}

static int do_suspend(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	return mdevd_suspend(ctl, &arg->suspend);
}

static int do_resume(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	return mdevd_resume(ctl, &arg->resume);
}

static int do_listen(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	return mdevd_listen(ctl);
}

static int do_answer(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	return mdevd_answer(ctl, &arg->answer);
}

static int do_set_available(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	return mdevd_set_available(&arg->available);
}

static int do_move(struct mdevd_ctl *ctl, union mdevd_arg *arg)
{
	return mdevd_move(&arg->move);
}

#define NR(cmd) (_IOC_NR(cmd) - _IOC_NR(MDEVD_GET_INFO))

/*
 * @size is what we know of the struct, @min what its first version had.
 */
static const struct {
	u32 dir;
	u32 size;
	u32 min;
	int (*fn)(struct mdevd_ctl *ctl, union mdevd_arg *arg);
	u32 flags;
} verbs[] = {
	[NR(MDEVD_GET_INFO)] = {
		_IOC_READ | _IOC_WRITE,
		sizeof(struct mdevd_get_info),
		offsetofend(struct mdevd_get_info, features),
		do_get_info,
	},
	[NR(MDEVD_CONFIGURE)] = {
		_IOC_WRITE,
		sizeof(struct mdevd_configure),
		offsetofend(struct mdevd_configure, types),
		do_configure,
		MDEVD_CONFIGURE_UNSAFE_DMA,
	},
	[NR(MDEVD_UNCONFIGURE)] = {
		_IOC_WRITE,
		sizeof(struct mdevd_unconfigure),
		offsetofend(struct mdevd_unconfigure, parent),
		do_unconfigure,
	},
	[NR(MDEVD_RESERVE)] = {
		_IOC_WRITE,
		sizeof(struct mdevd_reserve),
		offsetofend(struct mdevd_reserve, extents),
		do_reserve,
	},
	[NR(MDEVD_RELEASE)] = {
		_IOC_WRITE,
		sizeof(struct mdevd_release),
		offsetofend(struct mdevd_release, uuid),
		do_release,
	},
	[NR(MDEVD_QUERY)] = {
		_IOC_READ | _IOC_WRITE,
		sizeof(struct mdevd_query),
		offsetofend(struct mdevd_query, length),
		do_query,
		MDEVD_QUERY_ONE,
	},
	[NR(MDEVD_SUSPEND)] = {
		_IOC_WRITE,
		sizeof(struct mdevd_suspend),
		offsetofend(struct mdevd_suspend, __reserved),
		do_suspend,
	},
	[NR(MDEVD_RESUME)] = {
		_IOC_WRITE,
		sizeof(struct mdevd_resume),
		offsetofend(struct mdevd_resume, uuid),
		do_resume,
	},
	[NR(MDEVD_LISTEN)] = {
		_IOC_WRITE,
		sizeof(struct mdevd_listen),
		offsetofend(struct mdevd_listen, flags),
		do_listen,
	},
	[NR(MDEVD_ANSWER)] = {
		_IOC_WRITE,
		sizeof(struct mdevd_answer),
		offsetofend(struct mdevd_answer, extents),
		do_answer,
	},
	[NR(MDEVD_SET_AVAILABLE)] = {
		_IOC_WRITE,
		sizeof(struct mdevd_set_available),
		offsetofend(struct mdevd_set_available, __reserved),
		do_set_available,
	},
	[NR(MDEVD_MOVE)] = {
		_IOC_READ | _IOC_WRITE,
		sizeof(struct mdevd_move),
		offsetofend(struct mdevd_move, moved),
		do_move,
		MDEVD_MOVE_BACK | MDEVD_MOVE_RELEASE |
			MDEVD_MOVE_RELEASE_IF_CLOSED,
	},
};

/**
 * mdevd_ctl_listener - the event queue of a descriptor
 * @ctl: the descriptor
 *
 * Return: the queue, or NULL if it is not open for reading.
 */
struct mdevd_listener *mdevd_ctl_listener(const struct mdevd_ctl *ctl)
{
	return ctl->listener;
}

static long mdevd_ctl_ioctl(struct file *file, unsigned int cmd,
			    unsigned long addr)
{
	u32 nr = NR(cmd);
	void __user *user = (void __user *)addr;
	struct mdevd_ctl *ctl = file->private_data;
	union mdevd_arg arg;
	u32 size;
	int ret;

	if (_IOC_TYPE(cmd) != _IOC_TYPE(MDEVD_GET_INFO) ||
	    nr >= ARRAY_SIZE(verbs))
		return -ENOTTY;
	nr = array_index_nospec(nr, ARRAY_SIZE(verbs));
	if (!verbs[nr].fn || _IOC_DIR(cmd) != verbs[nr].dir)
		return -ENOTTY;

	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < verbs[nr].min)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;

	memset(&arg, 0, sizeof(arg));
	ret = copy_struct_from_user(&arg, verbs[nr].size, user, size);
	if (ret)
		return ret;
	/* not what a second thread may have made of it meanwhile */
	arg.head.size = size;
	if (arg.head.flags & ~verbs[nr].flags)
		return -EINVAL;

	ret = verbs[nr].fn(ctl, &arg);
	/* too small a buffer is the one error that comes with an answer */
	if ((verbs[nr].dir & _IOC_READ) && (!ret || ret == -ENOSPC) &&
	    copy_to_user(user, &arg, min(size, verbs[nr].size)))
		ret = -EFAULT;

	return ret;
}

static ssize_t mdevd_ctl_read(struct file *file, char __user *buf,
			      size_t count, loff_t *ppos)
{
	struct mdevd_ctl *ctl = file->private_data;

	return mdevd_listener_read(ctl->listener, buf, count,
				   file->f_flags & O_NONBLOCK);
}

static __poll_t mdevd_ctl_poll(struct file *file,
			       struct poll_table_struct *wait)
{
	struct mdevd_ctl *ctl = file->private_data;

	if (!ctl->listener)
		return EPOLLERR;

	return mdevd_listener_poll(ctl->listener, file, wait);
}

static int mdevd_ctl_open(struct inode *inode, struct file *file)
{
	struct mdevd_ctl *ctl;

	ctl = kzalloc(sizeof(*ctl), GFP_KERNEL_ACCOUNT);
	if (!ctl)
		return -ENOMEM;

	if (file->f_mode & FMODE_READ) {
		ctl->listener = mdevd_listener_new();
		if (!ctl->listener) {
			kfree(ctl);
			return -ENOMEM;
		}
	}

	file->private_data = ctl;
	return stream_open(inode, file);
}

static int mdevd_ctl_release(struct inode *inode, struct file *file)
{
	struct mdevd_ctl *ctl = file->private_data;

	mdevd_claims_forget(ctl);
	mdevd_listener_free(ctl->listener);
	kfree(ctl);
	return 0;
}

static const struct file_operations mdevd_ctl_fops = {
	.owner = THIS_MODULE,
	.open = mdevd_ctl_open,
	.release = mdevd_ctl_release,
	.read = mdevd_ctl_read,
	.poll = mdevd_ctl_poll,
	.unlocked_ioctl = mdevd_ctl_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice mdevd_ctl_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = MDEVD_NAME,
	.fops = &mdevd_ctl_fops,
	.mode = 0600,
};

/**
 * mdevd_ctl_init - make /dev/mdevd
 *
 * Return: 0 or an error.
 */
int mdevd_ctl_init(void)
{
	return misc_register(&mdevd_ctl_misc);
}

/**
 * mdevd_ctl_exit - remove /dev/mdevd, which nobody has open
 */
void mdevd_ctl_exit(void)
{
	misc_deregister(&mdevd_ctl_misc);
}

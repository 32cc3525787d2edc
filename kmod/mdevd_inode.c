// SPDX-License-Identifier: GPL-2.0-only
/*
 * An inode per device for kernels whose vfio core has none (before 6.10).
 *
 * There every vfio device file shares the one anonymous inode, and to unmap
 * "all VMAs of this file" would hit the mappings of everybody.  So mmap() gives
 * the VMA another file, of an inode of ours, which holds the device's file
 * until it is released itself.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "mdevd.h"

#define MDEVD_FS_MAGIC 0x4d444556	/* "MDEV" */

/*
 * The mount pins this module, so it exists only while a device does; else the
 * module could never be unloaded.
 */
static struct vfsmount *mdevd_mnt;
static int mdevd_mnt_count;

static int mdevd_fs_init(struct fs_context *fc)
{
	return init_pseudo(fc, MDEVD_FS_MAGIC) ? 0 : -ENOMEM;
}

static struct file_system_type mdevd_fs = {
	.name = MDEVD_NAME,
	.owner = THIS_MODULE,
	.init_fs_context = mdevd_fs_init,
	.kill_sb = kill_anon_super,
};

static int proxy_release(struct inode *inode, struct file *file)
{
	fput(file->private_data);
	return 0;
}

static const struct file_operations proxy_fops = {
	.owner = THIS_MODULE,
	.release = proxy_release,
};

/**
 * mdevd_inode_new - make the inode of a device
 * @v: the device
 *
 * Return: 0 or an error.
 */
int mdevd_inode_new(struct mdevd_vdev *v)
{
	struct inode *inode;
	int ret;

	ret = simple_pin_fs(&mdevd_fs, &mdevd_mnt, &mdevd_mnt_count);
	if (ret)
		return ret;

	inode = alloc_anon_inode(mdevd_mnt->mnt_sb);
	if (IS_ERR(inode)) {
		simple_release_fs(&mdevd_mnt, &mdevd_mnt_count);
		return PTR_ERR(inode);
	}

	v->inode = inode;
	return 0;
}

/**
 * mdevd_inode_free - give up the inode of a device
 * @v: the device
 */
void mdevd_inode_free(struct mdevd_vdev *v)
{
	iput(v->inode);
	simple_release_fs(&mdevd_mnt, &mdevd_mnt_count);
}

/**
 * mdevd_inode_adopt - move a new VMA to the inode of its device
 * @v: the device
 * @vma: the VMA, in mmap()
 *
 * Return: 0 or an error.
 */
int mdevd_inode_adopt(struct mdevd_vdev *v, struct vm_area_struct *vma)
{
	struct file *proxy;

	/* put by __fput() of the proxy */
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;

	ihold(v->inode);
	proxy = alloc_file_pseudo(v->inode, mdevd_mnt, "mdevd-bar", O_RDWR,
				  &proxy_fops);
	if (IS_ERR(proxy)) {
		iput(v->inode);
		module_put(THIS_MODULE);
		return PTR_ERR(proxy);
	}

	/* put by proxy_release() */
	proxy->private_data = get_file(vma->vm_file);
	vma_set_file(vma, proxy);
	fput(proxy);
	return 0;
}

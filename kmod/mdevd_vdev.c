// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vfio device of an mdev: made from a reservation at create, opened and
 * closed by a VMM, gone with the mdev or with its parent.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>

#include "mdevd.h"

static void reset_config(struct mdevd_vdev *v)
{
	mutex_lock(&v->cfg_lock);
	mdevd_cfg_init(&v->cfg, &v->type, v->parent->pdev->revision);
	if (v->msix_table)
		mdevd_msix_reset(v->msix_table, v->msix.vectors);
	mutex_unlock(&v->cfg_lock);
}

/**
 * mdevd_vdev_reset - a function level reset by the guest
 * @v: the device
 *
 * Memory keeps its contents, as it would on hardware; it is zeroed when the
 * owner changes, not when a guest reboots.
 */
void mdevd_vdev_reset(struct mdevd_vdev *v)
{
	mdevd_vendor_reset(v);
	reset_config(v);
}

/**
 * mdevd_vdev_lost - the parent of a device goes away
 * @v: the device
 *
 * What its VMM has mapped becomes a page of ones that is its own, and the VMM
 * is asked to let go.
 */
void mdevd_vdev_lost(struct mdevd_vdev *v)
{
	mdevd_map_revoke(v);
	mdevd_vendor_revoke(v);
	mdevd_irq_request(v);
}

/**
 * mdevd_vdev_region_size - size of a region
 * @v: the device
 * @index: any number
 *
 * Return: bytes, 0 where there is no region.
 */
u64 mdevd_vdev_region_size(const struct mdevd_vdev *v, u32 index)
{
	if (index < MDEVD_MAX_BARS)
		return v->bars[index].size;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return MDEVD_CFG_SIZE;
	return 0;
}

/* From an offset in the parent's BAR to an address. */
static void build_piece(const struct mdevd_vdev *v, struct mdevd_piece *piece)
{
	const struct mdevd_backing *from = &v->claim->backing[piece->backing];

	if (piece->kind > MDEVD_PART_TRAPPED)
		return;
	piece->phys = from->phys + piece->at;
	piece->cache = from->cache;
}

static int build_bars(struct mdevd_vdev *v)
{
	const struct mdevd_claim *claim = v->claim;
	struct mdevd_extent *extents;
	struct mdevd_bar *b;
	u32 i;

	extents = kcalloc(claim->n, sizeof(*extents), GFP_KERNEL);
	v->pieces = kcalloc(MDEVD_MAX_PIECES(claim->n), sizeof(*v->pieces),
			    GFP_KERNEL_ACCOUNT);
	if (!extents || !v->pieces) {
		kfree(extents);
		return -ENOMEM;
	}

	for (i = 0; i < claim->n; i++)
		extents[i] = claim->backing[i].ext;
	for (i = 0; i < MDEVD_MAX_BARS; i++) {
		b = &v->bars[i];
		b->pieces = &v->pieces[v->n_pieces];
		b->length = v->type.bars[i].length;
		b->size = b->length ? mdevd_bar_size(b->length) : 0;
		b->n = mdevd_layout_bar(&v->type, i, extents, claim->n,
					b->pieces);
		v->n_pieces += b->n;
	}
	for (i = 0; i < v->n_pieces; i++)
		build_piece(v, &v->pieces[i]);

	kfree(extents);
	return 0;
}

static int build_msix(struct mdevd_vdev *v)
{
	int ret;

	ret = mdevd_layout_msix(&v->type, &v->msix);
	if (ret || !v->msix.vectors)
		return ret;

	v->bars[v->msix.bar].size = v->msix.size;
	v->msix_table = kvcalloc(v->msix.vectors, PCI_MSIX_ENTRY_SIZE,
				 GFP_KERNEL_ACCOUNT);
	return v->msix_table ? 0 : -ENOMEM;
}

static void build_ids(struct mdevd_vdev *v)
{
	const struct mdevd_ids *ids = &v->claim->ids;

	v->type.vendor = ids->vendor;
	v->type.device = ids->device;
	v->type.subvendor = ids->subvendor;
	v->type.subdevice = ids->subdevice;
	v->type.class = ids->class;
}

static int mdevd_vdev_init(struct vfio_device *vdev)
{
	struct mdevd_vdev *v = to_mdevd_vdev(vdev);

	init_rwsem(&v->memory_lock);
	init_waitqueue_head(&v->hold_wait);
	mutex_init(&v->fill_lock);
	mutex_init(&v->cfg_lock);
	mutex_init(&v->irq_lock);
	mutex_init(&v->vendor_lock);
	spin_lock_init(&v->vector_lock);
	spin_lock_init(&v->eager_lock);
	INIT_LIST_HEAD(&v->eager);
	spin_lock_init(&v->dma_lock);
	INIT_LIST_HEAD(&v->dma_threads);
	v->dma_barred = 1;

	return mdevd_inode_new(v);
}

static void mdevd_vdev_release(struct vfio_device *vdev)
{
	struct mdevd_vdev *v = to_mdevd_vdev(vdev);

	mdevd_irq_detach(v);
	mdevd_map_done(v);
	mdevd_inode_free(v);
	kvfree(v->msix_table);
	kfree(v->memory);
	kfree(v->pieces);
	mutex_destroy(&v->vendor_lock);
	mutex_destroy(&v->irq_lock);
	mutex_destroy(&v->cfg_lock);
	mutex_destroy(&v->fill_lock);
	if (v->claim)
		mdevd_claim_put(v->claim);
	mdevd_vfio_free(vdev);
}

static bool may_open(const struct mdevd_vdev *v)
{
	return !READ_ONCE(v->claim->unclean) || READ_ONCE(v->dying) ||
	       READ_ONCE(v->lost);
}

static int mdevd_vdev_open(struct vfio_device *vdev)
{
	struct mdevd_vdev *v = to_mdevd_vdev(vdev);
	struct mdevd_claim *claim = v->claim;
	int ret;

	/* vfio core lets one opener at a time in here */
	ret = wait_event_interruptible(claim->clean_wait, may_open(v));
	if (ret)
		return ret;

	ret = mdevd_vendor_open(v);
	if (ret)
		return ret;

	mutex_lock(&mdevd_lock);
	if (v->dying || v->lost) {
		ret = -ENODEV;
	} else {
		claim->opened = true;
		claim->opener = get_pid(task_tgid(current));
		get_task_comm(claim->opener_comm, current->group_leader);
		/* a vendor's DMA may write without a page being mapped */
		if (v->vendor)
			mdevd_claim_touch(claim);
		mdevd_claim_announce(claim);
		mdevd_changed();
		mdevd_event(MDEVD_EVENT_DEVICE_OPENED, claim->parent, claim);
	}
	mutex_unlock(&mdevd_lock);

	if (ret)
		mdevd_vendor_close(v);
	else
		reset_config(v);
	return ret;
}

static void mdevd_vdev_close(struct vfio_device *vdev)
{
	struct mdevd_vdev *v = to_mdevd_vdev(vdev);
	struct mdevd_claim *claim = v->claim;

	mdevd_vendor_close(v);
	mdevd_irq_disarm(v);
	mdevd_map_done(v);

	/* No VMA is left: each holds the device's file. */
	mutex_lock(&mdevd_lock);
	mdevd_move_end(claim);
	claim->opened = false;
	/* got in mdevd_vdev_open() */
	put_pid(claim->opener);
	claim->opener = NULL;
	mdevd_changed();
	mdevd_event(MDEVD_EVENT_DEVICE_CLOSED, claim->parent, claim);
	if (claim->unclean)
		mdevd_scrub_start(claim);
	else
		mdevd_event(MDEVD_EVENT_DEVICE_CLEAN, claim->parent, claim);
	mutex_unlock(&mdevd_lock);
}

/* vfio core wants the VMM to let go of the device. */
static void mdevd_vdev_request(struct vfio_device *vdev, unsigned int count)
{
	mdevd_irq_request(to_mdevd_vdev(vdev));
}

static const struct vfio_device_ops mdevd_vdev_ops = {
	.name = MDEVD_NAME,
	.init = mdevd_vdev_init,
	.release = mdevd_vdev_release,
	.open_device = mdevd_vdev_open,
	.close_device = mdevd_vdev_close,
	.read = mdevd_region_read,
	.write = mdevd_region_write,
	.ioctl = mdevd_vdev_ioctl,
	.mmap = mdevd_map_mmap,
	.request = mdevd_vdev_request,
	MDEVD_IOMMUFD_OPS
};

/*
 * mdev core shows "remove" before the probe, which may wait for the daemon.  A
 * write there meanwhile takes the file away, removes nothing and returns
 * -EAGAIN: what would then be made nobody could ever remove.
 */
static bool is_unwanted(struct mdev_device *mdev)
{
	struct kernfs_node *kn;

	kn = sysfs_get_dirent(mdev->dev.kobj.sd, "remove");
	sysfs_put(kn);
	return !kn;
}

/*
 * A write after that, and before mdev core makes the device active, does the
 * same to a device that stays: it gets its file again.  Nothing tells when it is
 * active, which is some links and a uevent after the probe.  One that is being
 * removed never is again, and mdevd_vdev_remove() ends this.
 *
 * Whoever has just taken the file away from an active device is about to be
 * heeded, so it must be away at two looks, with some time in between.
 */
static void vdev_mend(struct work_struct *work)
{
	struct mdevd_vdev *v = container_of(to_delayed_work(work),
					    struct mdevd_vdev, mend);
	struct mdev_device *mdev = to_mdev_device(v->vdev.dev);
	struct kobject *kobj = &mdev->dev.kobj;

	if (READ_ONCE(mdev->active)) {
		if (!is_unwanted(mdev))
			return;
		if (v->lacking) {
			if (sysfs_update_groups(kobj, mdev->dev.groups))
				dev_warn(&mdev->dev,
					 "cannot be removed before its parent\n");
			else if (!READ_ONCE(mdev->active))
				sysfs_remove_groups(kobj, mdev->dev.groups);
			return;
		}
		v->lacking = true;
	}
	schedule_delayed_work(&v->mend, v->lacking ? HZ / 10 : 1);
}

static struct mdevd_vdev *vdev_new(struct mdev_device *mdev,
				   struct mdevd_parent *parent,
				   const struct mdevd_type_entry *entry)
{
	struct mdevd_claim *claim;
	struct mdevd_vdev *v;
	int ret;

	claim = mdevd_claim_take(parent, entry, &mdev->uuid);
	if (IS_ERR(claim))
		return ERR_CAST(claim);

	v = vfio_alloc_device(mdevd_vdev, vdev, &mdev->dev, &mdevd_vdev_ops);
	if (IS_ERR(v)) {
		mdevd_claim_return(claim);
		return v;
	}

	v->parent = parent;
	v->entry = entry;
	v->type = entry->conf;
	v->claim = claim;
	kref_get(&claim->ref);

	INIT_DELAYED_WORK(&v->mend, vdev_mend);
	build_ids(v);
	ret = mdevd_vendor_begin(v);
	if (!ret)
		ret = build_bars(v);
	if (!ret)
		ret = build_msix(v);
	if (!ret)
		ret = mdevd_irq_attach(v);
	if (!ret)
		ret = mdevd_vendor_create(v);
	if (!ret && is_unwanted(mdev))
		ret = -ECANCELED;
	if (!ret)
		ret = mdevd_claim_publish(claim, v);
	if (ret) {
		mdevd_vendor_destroy(v);
		/* its vectors may be another's once the claim is returned */
		mdevd_irq_detach(v);
		mdevd_claim_return(claim);
		vfio_put_device(&v->vdev);
		return ERR_PTR(ret);
	}

	/* what publish gave to the claim is now the device's to retire */
	mdevd_claim_put(claim);
	return v;
}

static int mdevd_vdev_probe(struct mdev_device *mdev)
{
	struct mdevd_parent *parent = container_of(mdev->type->parent,
						   struct mdevd_parent, mdev);
	const struct mdevd_type_entry *entry =
		container_of(mdev->type, struct mdevd_type_entry, mtype);
	struct mdevd_vdev *v;
	int ret;

	v = vdev_new(mdev, parent, entry);
	if (IS_ERR(v))
		return PTR_ERR(v);

	dev_set_drvdata(&mdev->dev, v);

	ret = vfio_register_emulated_iommu_dev(&v->vdev);
	if (ret) {
		mdevd_vendor_destroy(v);
		mdevd_irq_detach(v);
		kref_get(&v->claim->ref);
		mdevd_claim_return(v->claim);
		vfio_put_device(&v->vdev);
		return ret;
	}

	mutex_lock(&mdevd_lock);
	mdevd_claim_announce(v->claim);
	if (v->claim->unclean && !v->claim->opened)
		mdevd_scrub_start(v->claim);
	mutex_unlock(&mdevd_lock);

	schedule_delayed_work(&v->mend, 0);
	return 0;
}

static void mdevd_vdev_remove(struct mdev_device *mdev)
{
	struct mdevd_vdev *v = dev_get_drvdata(&mdev->dev);

	cancel_delayed_work_sync(&v->mend);

	/* 6.1 still lets an opener in while it waits for another one */
	mutex_lock(&mdevd_lock);
	v->dying = true;
	wake_up_all(&v->claim->clean_wait);
	mutex_unlock(&mdevd_lock);

	/* Waits until the VMM has closed it. */
	vfio_unregister_group_dev(&v->vdev);
	mdevd_vendor_destroy(v);
	mdevd_irq_detach(v);
	mdevd_claim_retire(v->claim);
	vfio_put_device(&v->vdev);
}

static unsigned int mdevd_vdev_available(struct mdev_type *mtype)
{
	struct mdevd_type_entry *entry =
		container_of(mtype, struct mdevd_type_entry, mtype);

	/* what nobody would answer for is not available */
	return mdevd_listening() ? READ_ONCE(entry->available) : 0;
}

static ssize_t mdevd_vdev_description(struct mdev_type *mtype, char *buf)
{
	const struct mdevd_type_entry *entry =
		container_of(mtype, struct mdevd_type_entry, mtype);
	int i, at = 0;

	for (i = 0; i < MDEVD_MAX_BARS; i++)
		if (entry->conf.bars[i].length)
			at += sysfs_emit_at(buf, at, "bar%d=%llu,", i,
					    entry->conf.bars[i].length);

	return at + sysfs_emit_at(buf, at, "vectors=%u,map=%s\n",
				  entry->conf.vectors,
				  entry->conf.map == MDEVD_MAP_EAGER ?
				  "eager" : "fault");
}

struct mdev_driver mdevd_mdev_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.driver = {
		.name = "mdevd_mdev",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
		.dev_groups = mdevd_attr_groups,
		/* an mdev that was unbound could never be bound again */
		.suppress_bind_attrs = true,
	},
	.probe = mdevd_vdev_probe,
	.remove = mdevd_vdev_remove,
	.get_available = mdevd_vdev_available,
	.show_description = mdevd_vdev_description,
};

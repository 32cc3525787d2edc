/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vendor's module needs to make devices of mdevd.ko live: registers
 * that are trapped, pages that are bound late, interrupts, DMA.
 *
 * kmod/vendor/README.md is the guide, kmod/vendor/mdevd_edu.c the example.
 *
 * The division of labour: mdevd.ko owns the PCI function whose BARs are
 * divided (the parent), its extents, the VMAs and page tables, vfio and the
 * lifetimes.  The vendor owns whatever else the card has (another function, a
 * firmware) and says what its devices do.  It never makes a PFN: it answers
 * with offsets into the device's own memory, and mdevd.ko checks them, so that
 * no mistake of a vendor maps one device's memory into another.
 *
 * Life of a vendor, as seen by its callbacks:
 *
 *   mdevd_vendor_register()
 *     attach()                 MDEVD_CONFIGURE of a parent names the vendor
 *       create()               an mdev is made
 *         open()               a VMM opens it; its memory is zero
 *           read() write() reset() validate_map_request()   any number, at once
 *           revoke()           at most once, at any time from create() on
 *         close()              the last descriptor; then its memory is zeroed
 *       destroy()
 *     detach()                 unconfigured, unbound or unplugged
 *   mdevd_vendor_unregister()
 *
 * Locks: mdevd.ko holds none of its own locks in any callback but
 * validate_map_request() and revoke(), which say what they hold.
 */
#ifndef MDEVD_VENDOR_H
#define MDEVD_VENDOR_H

#include <linux/types.h>

#include "include/uapi/mdevd.h"

struct mdevd_vdev;
struct module;
struct pci_dev;

/**
 * struct mdevd_vendor_bar - a BAR that the vendor adds to every device
 * @index: BAR of the device; the types of the parent leave it free
 * @flags: MDEVD_BAR_*
 * @length: bytes, page aligned, not zero; the guest sees the next power of
 *	two, and what is beyond reads as ones
 * @map_start: first byte that may be mapped, page aligned
 * @map_length: bytes that may be mapped, page aligned; 0: none
 *
 * What may be mapped is backed by the device's own memory as
 * validate_map_request() says; the rest is trapped: read() and write().
 */
struct mdevd_vendor_bar {
	u32 index;
	u32 flags;
	u64 length;
	u64 map_start;
	u64 map_length;
};

/**
 * struct mdevd_vendor_memory - where a piece of a device's memory is
 * @phys: physical address, for dma_map_resource()
 * @length: bytes that follow each other there, of one extent
 * @map: mdevd.ko's mapping of it, for the CPU; valid from create() to
 *	destroy()
 */
struct mdevd_vendor_memory {
	phys_addr_t phys;
	u64 length;
	void __iomem *map;
};

/**
 * struct mdevd_vendor_ops - a vendor
 * @owner: THIS_MODULE.  Pinned while a parent is configured with this vendor:
 *	until then rmmod answers -EBUSY, so no callback ever runs in a module
 *	that is going away.
 * @name: what MDEVD_CONFIGURE calls it; [A-Za-z0-9_.+-].  The module should
 *	carry MODULE_ALIAS("mdevd-vendor-<name>"): it is then loaded by the
 *	first configure that names it.
 * @max_vectors: MSI-X vectors that a type may have, 0..2048.  They are the
 *	device's own and not taken from the parent: mdevd_vendor_signal().
 * @n_bars: how many
 * @bars: the BARs that it adds
 *
 * @attach: a parent is being configured with this vendor.  @pdev is the
 *	function bound to mdevd.ko, memory enabled, bus mastering off; it stays
 *	bound until detach().  Its IOMMU group's DMA ownership is *not* claimed
 *	(it would be without a vendor), so that another function of the card,
 *	bound to a driver of the vendor's, may use the DMA API.  The vendor
 *	answers for what such DMA reaches.
 *	Context: process, may sleep; the parent's configuration is locked.
 *	Return: 0 and @card, or an error that the configure fails with.
 * @detach: the parent has no device any more and forgets @card.  @pdev may
 *	be physically gone.
 *	Context: process, may sleep.
 *
 * @create: an mdev is being made.  Its extents are its own from now on, their
 *	contents not yet zero.  Store what belongs to the device by
 *	mdevd_vendor_set_data().
 *	Context: process, may sleep; mdev core's locks of the parent are held,
 *	the parent's device lock must not be taken.
 *	Return: 0, or an error that the writer of sysfs "create" gets.
 * @destroy: the mdev is gone: free what create() made.  No other callback of
 *	the device runs or will.
 *	Context: process, may sleep.
 *
 * @open: the first descriptor of the device is being opened; its memory has
 *	been zeroed.  Pairs with close(), never nests.
 *	Context: process, may sleep; vfio core's lock of the device is held.
 *	Return: 0, or an error that the opener gets.
 * @close: the last descriptor is gone and no VMA is left.  When this returns
 *	nothing of the vendor's may reach the device's memory or its guest's:
 *	DMA has ended, work is cancelled.  mdevd_vendor_dma_rw() fails from
 *	before the call, so work that is in it comes to an end.  The memory is zeroed next and may
 *	then be given to anybody.
 *	Context: as open().
 * @reset: the guest or VMM resets the device: registers to their defaults,
 *	DMA ended.  mdevd_vendor_dma_rw() fails meanwhile.  Memory keeps its contents.  Optional.
 *	Context: process, may sleep; concurrent with read(), write().
 * @scrub: make one extent of a pool that is MDEVD_SCRUB_VENDOR so that its next
 *	owner finds nothing of the last: before a device's first open, after
 *	each last close, and after its mdev has gone.  The device may not exist
 *	any more, so it is told by its @memory, and @card is attach()'s.
 *	Optional; without it no such pool can be configured.
 *	Context: process (a worker), may sleep; several at once, of different
 *	extents.  Not while the parent is known to be reset; after a reset in
 *	between it is called again.
 *	Return: 0, or an error: the extent stays nobody's, and is tried again
 *	until the parent is unbound.
 * @revoke: the parent is being unbound or has been pulled out.  mdevd.ko has
 *	already replaced all that was mapped, and no access of the guest begins
 *	any more; a read() or write() that was on its way may still come in, and
 *	so may reset().  Stop using the hardware on behalf of this device, in
 *	these too; do not wait for its VMM.  close() and destroy() still come.  Optional.
 *	Context: process, may sleep; a lock that keeps the device from
 *	destroy() is held.
 *
 * @read: a trapped access to one of @bars, or to a part that the type gives to
 *	the vendor (MDEVD_PART_VENDOR); naturally aligned, @width is 1, 2,
 *	4 or 8, and all of it is inside that part.
 *	Context: process (a thread of the VMM), may sleep; several at once.
 *	Return: the value, in CPU order; bits above @width are dropped.
 * @write: same.  May call mdevd_rebind() and mdevd_vendor_signal().
 *
 * @validate_map_request: which of the device's own memory lies behind @offset
 *	of BAR @bar, a page of the mappable part of one of @bars?  Asked at the
 *	first touch of a page, after every mdevd_rebind() of it, and for read()
 *	and write() of a VMM that does not map.  Answer @dev_offset, an offset
 *	into the device's memory (0 is the first byte of its first extent, see
 *	mdevd_vendor_memory()) for the byte at @offset, and @run, how many bytes
 *	from @offset on follow each other there: at least to the end of the
 *	page.  A page is bound whole: both agree in the bits below PAGE_SIZE.
 *	The memory type is that of the pool of the extent: aliases must agree,
 *	so it is not the vendor's to choose.
 *	Optional where no BAR has a mappable part.
 *	Context: a page fault.  mmap_lock or the VMA lock of some process and
 *	the device's memory_lock (for read) are held: spin locks and short
 *	mutexes are fine that are never held over a copy from or to user space,
 *	mdevd_vendor_dma_rw() or mdevd_rebind().
 *	Return: 0, or an error: whoever touches the page gets SIGBUS, and a
 *	read() ones.
 *
 * All are called from process context.  Those not marked optional are needed.
 */
struct mdevd_vendor_ops {
	struct module *owner;
	const char *name;
	u32 max_vectors;
	u32 n_bars;
	const struct mdevd_vendor_bar *bars;

	int (*attach)(struct pci_dev *pdev, void **card);
	void (*detach)(void *card);

	int (*create)(struct mdevd_vdev *v, void *card);
	void (*destroy)(struct mdevd_vdev *v);

	int (*open)(struct mdevd_vdev *v);
	void (*close)(struct mdevd_vdev *v);
	void (*reset)(struct mdevd_vdev *v);
	void (*revoke)(struct mdevd_vdev *v);
	int (*scrub)(void *card, const struct mdevd_vendor_memory *memory);

	u64 (*read)(struct mdevd_vdev *v, u32 bar, u64 offset, u32 width);
	void (*write)(struct mdevd_vdev *v, u32 bar, u64 offset, u32 width,
		      u64 value);

	int (*validate_map_request)(struct mdevd_vdev *v, u32 bar, u64 offset,
				    u64 *dev_offset, u64 *run);
};

int mdevd_vendor_register(const struct mdevd_vendor_ops *ops);
void mdevd_vendor_unregister(const struct mdevd_vendor_ops *ops);

void mdevd_vendor_set_data(struct mdevd_vdev *v, void *data);
void *mdevd_vendor_data(const struct mdevd_vdev *v);

u64 mdevd_vendor_memory_size(const struct mdevd_vdev *v);
int mdevd_vendor_memory(const struct mdevd_vdev *v, u64 dev_offset,
			struct mdevd_vendor_memory *memory);

void mdevd_rebind(struct mdevd_vdev *v, u32 bar, u64 offset, u64 length);
void mdevd_vendor_signal(struct mdevd_vdev *v, u32 vector);

int mdevd_vendor_dma_rw(struct mdevd_vdev *v, u64 iova, void *data,
			size_t length, bool write);
int mdevd_vendor_dma_wait(struct mdevd_vdev *v);
int mdevd_vendor_dma_begin(struct mdevd_vdev *v, u32 *cookie);
int mdevd_vendor_dma_end(struct mdevd_vdev *v, u32 cookie);

#endif /* MDEVD_VENDOR_H */

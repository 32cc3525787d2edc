/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private header of mdevd.ko: the objects, who owns them, and the locks.
 *
 * Objects
 *   parent   a PCI function bound to our driver; reference counted, the
 *            driver binding holds one reference, every claim another
 *   config   its pools and types; lives while mdev core knows the types
 *   claim    extents that belong to one UUID: a reservation, then a device,
 *            then extents being scrubbed; on the parent's list all its life
 *   vdev     the vfio device; the claim's face to a VMM while the mdev exists
 *   ctl      one open descriptor of /dev/mdevd
 *
 * Locks, outermost first
 *   parent->config_lock   one configure or unconfigure at a time; held over
 *                         mdev_register_parent() and mdev_unregister_parent()
 *   mdevd_lock            all control state: parents, their states, claims,
 *                         who owns what.  Never held while waiting for a user,
 *                         for mdev core or for vfio core, nor over a copy from
 *                         or to user space.  sysfs readers take it, so it must
 *                         not be held where sysfs files go away.
 *   mmap_lock or VMA lock of some process (not ours; faults arrive with it)
 *   vdev->memory_lock     read: touching or mapping what backs a BAR; write:
 *                         changing what that is.  No user copy below it.
 *   vdev->fill_lock       filling page tables, so that a window is filled and
 *                         counted once
 *   vdev->cfg_lock        config space; a leaf
 *   vdev->irq_lock        eventfds
 *   vdev->dma_lock        the vendor's threads in the guest's memory; a leaf
 *                         spinlock
 *   vdev->vector_lock     those that interrupts signal; a leaf spinlock
 *   vdev->vendor_lock     whether the vendor knows the device; held over the
 *                         vendor's revoke() and destroy() and nothing else
 *   ctl->event_lock       a queue of events; a leaf spinlock
 */
#ifndef MDEVD_H
#define MDEVD_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mdev.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/vfio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "mdevd_compat.h"
#include "mdevd_pure.h"

#define MDEVD_NAME "mdevd"

/* A region's index in the file offset of a vfio device, as in vfio-pci. */
#define MDEVD_OFFSET_SHIFT	40
#define MDEVD_OFFSET_MASK	((1ULL << MDEVD_OFFSET_SHIFT) - 1)

struct mdevd_ctl;
struct mdevd_vdev;
struct mdevd_vendor_ops;

/**
 * struct mdevd_type_entry - a type and its place in mdev core
 * @mtype: mdev core's part
 * @conf: as configured, ids filled in
 * @available: what sysfs available_instances shows
 * @shared: kernel mappings of its parts that all devices see
 */
struct mdevd_type_entry {
	struct mdev_type mtype;
	struct mdevd_type conf;
	u32 available;
	void __iomem *shared[MDEVD_MAX_PARTS];
};

/**
 * struct mdevd_config - pools and types of a parent
 * @unsafe: MDEVD_CONFIGURE_UNSAFE_DMA was given
 * @vendor: name of the vendor; empty: none
 * @n_pools: how many pools
 * @n_types: how many types
 * @pools: the pools
 * @types: the types
 * @mtypes: pointers to their @mtype, for mdev core
 */
struct mdevd_config {
	bool unsafe;
	char vendor[MDEVD_NAME_LEN];
	u32 n_pools;
	u32 n_types;
	struct mdevd_pool *pools;
	struct mdevd_type_entry *types;
	struct mdev_type **mtypes;
};

#define MDEVD_RESET_FUNCTION	0x1	/* for a user, by the PCI core */
#define MDEVD_RESET_LINK	0x2	/* a recovery from an error */

/**
 * struct mdevd_parent - a PCI function bound to our driver
 * @ref: references
 * @node: in mdevd_parents; mdevd_lock
 * @pdev: the function; not to be touched once @removing
 * @name: its name on the bus
 * @config_lock: see above
 * @config: NULL unless configured; mdevd_lock
 * @state: enum mdevd_parent_state; mdevd_lock
 * @removing: the driver is being unbound; mdevd_lock
 * @resetting: MDEVD_RESET_*: why the function is being reset; mdevd_lock
 * @resets: how many resets have begun, and other errors; mdevd_lock
 * @cut: the function is physically gone or has failed: scrubbing is pointless
 * @recovery: the work that ends a recovery from an error which does not end
 * @mdev: mdev core's part while configured
 * @bounds: what the hardware allows; constant
 * @bar_start: host physical addresses of its BARs; constant
 * @bars: mask of the BARs that we requested; constant
 * @group: its IOMMU group or NULL; constant
 * @dma: enum mdevd_dma; @config_lock
 * @unsafe: it masters the bus by MDEVD_CONFIGURE_UNSAFE_DMA; mdevd_lock
 * @settling: counts the calls of mdevd_parent_settle(); mdevd_lock
 * @vectors_used: which interrupt vectors a claim has; NULL while none are
 *	allocated.  Comes and goes under @config_lock while there is no claim;
 *	its bits: mdevd_lock
 * @vendor: whose devices they are, or NULL; @config_lock, constant while
 *	configured
 * @card: the vendor's
 * @claims: claims; mdevd_lock
 * @taken: who owns which range of each BAR; mdevd_lock
 * @idle: woken when @claims becomes empty, @resetting, @removing or @cut changes
 */
struct mdevd_parent {
	struct kref ref;
	struct list_head node;
	struct pci_dev *pdev;
	char name[MDEVD_PARENT_LEN];
	struct mutex config_lock;	/* see the head of this file */
	struct mdevd_config *config;
	u32 state;
	bool removing;
	u32 resetting;
	u32 resets;
	bool cut;
	struct delayed_work recovery;
	struct mdev_parent mdev;
	struct mdevd_bounds bounds;
	phys_addr_t bar_start[MDEVD_PCI_BARS];
	int bars;
	struct iommu_group *group;
	u32 dma;
	bool unsafe;
	u32 settling;
	unsigned long *vectors_used;
	const struct mdevd_vendor_ops *vendor;
	void *card;
	struct list_head claims;
	struct mdevd_spans taken[MDEVD_PCI_BARS];
	wait_queue_head_t idle;
};

/**
 * struct mdevd_backing - an extent and the way to it
 * @ext: the extent
 * @phys: host physical address
 * @map: kernel mapping of the extent's memory type, NULL while reserved
 * @cache: of its pool
 * @scrub: of its pool
 */
struct mdevd_backing {
	struct mdevd_extent ext;
	phys_addr_t phys;
	void __iomem *map;
	u8 cache;
	u8 scrub;
};

/**
 * struct mdevd_other - the second place of a claim while an extent moves
 * @used: there is one; mdevd_lock
 * @busy: a call is at work on it; mdevd_lock
 * @stop: that call is to stop after its chunk
 * @finished: nothing of the device is there any more; mdevd_lock
 * @index: extent that moves
 * @backing: the place
 */
struct mdevd_other {
	bool used;
	bool busy;
	bool stop;
	bool finished;
	u32 index;
	struct mdevd_backing backing;
};

/**
 * struct mdevd_claim - extents that belong to one UUID
 * @ref: references: the parent's list, the vdev, a queued scrub
 * @node: in parent->claims; mdevd_lock
 * @parent: referenced
 * @ctl: descriptor that reserved it, NULL when that closed; mdevd_lock
 * @maker: thread group that may consume it
 * @vdev: while the mdev exists; mdevd_lock
 * @uuid: RFC 4122 byte order
 * @type: name of its type
 * @owner: label
 * @consumed: it became a device; mdevd_lock
 * @announced: DEVICE_ADDED was sent; mdevd_lock
 * @opened: between open_device and close_device; mdevd_lock
 * @opener: thread group that opened it, while @opened; mdevd_lock
 * @opener_comm: its name then
 * @retired: its mdev has gone; mdevd_lock
 * @zeroed: one of its extents is of a pool that is zeroed; constant
 * @scrubbing: @scrub is queued or runs; mdevd_lock
 * @holder: descriptor that suspended it, or NULL; mdevd_lock
 * @hold_until: when that ends, in jiffies; mdevd_lock
 * @hold: the work that ends it
 * @unclean: may hold what the next opener must not see.  Set without a lock
 *	while open, cleared under mdevd_lock while closed.
 * @scrub: the work that zeroes it
 * @clean_wait: openers that wait for it
 * @ids: what the guest sees; constant
 * @n_vectors: interrupt vectors of its type; constant
 * @vectors: the vector of the parent behind each; constant
 * @faults: see struct mdevd_device_record
 * @faults_huge: same
 * @insertions: same
 * @insertions_eager: same
 * @pages: same
 * @other: see there
 * @n: number of extents
 * @backing: the extents in the order given at reserve
 */
struct mdevd_claim {
	struct kref ref;
	struct list_head node;
	struct mdevd_parent *parent;
	struct mdevd_ctl *ctl;
	struct pid *maker;
	struct mdevd_vdev *vdev;
	u8 uuid[16];
	char type[MDEVD_NAME_LEN];
	char owner[MDEVD_LABEL_LEN];
	bool consumed;
	bool announced;
	bool opened;
	struct pid *opener;
	char opener_comm[TASK_COMM_LEN];
	bool retired;
	bool zeroed;
	bool scrubbing;
	bool unclean;
	struct mdevd_ctl *holder;
	unsigned long hold_until;
	struct delayed_work hold;
	struct work_struct scrub;
	wait_queue_head_t clean_wait;
	struct mdevd_ids ids;
	u32 n_vectors;
	u32 *vectors;
	atomic64_t faults;
	atomic64_t faults_huge;
	atomic64_t insertions;
	atomic64_t insertions_eager;
	atomic64_t pages;
	struct mdevd_other other;
	u32 n;
	struct mdevd_backing backing[];
};

/**
 * struct mdevd_order - what a claim is to be made of, as copied from the caller
 * @uuid: RFC 4122 byte order
 * @owner: label
 * @ids: 0 where the type's are meant
 * @n: number of extents
 * @extents: the extents
 * @n_vectors: number of vectors; 0: any
 * @vectors: the vectors of the parent
 */
struct mdevd_order {
	const u8 *uuid;
	const char *owner;
	struct mdevd_ids ids;
	u32 n;
	struct mdevd_extent *extents;
	u32 n_vectors;
	u32 *vectors;
};

/**
 * struct mdevd_vector - an MSI-X vector of a device
 * @v: the device
 * @irq: of the parent's vector; 0: none
 * @ctx: eventfd; @v->vector_lock
 */
struct mdevd_vector {
	struct mdevd_vdev *v;
	int irq;
	struct eventfd_ctx *ctx;
};

/**
 * struct mdevd_bar - a BAR as the guest sees it
 * @length: bytes that are there
 * @size: with the padding, a power of two; 0: absent
 * @pieces: what backs it
 * @n: how many pieces
 */
struct mdevd_bar {
	u64 length;
	u64 size;
	struct mdevd_piece *pieces;
	u32 n;
};

#define MDEVD_HELD_VERB		0x1	/* MDEVD_SUSPEND */
#define MDEVD_HELD_RESET	0x2	/* the parent is being reset */

/**
 * struct mdevd_vdev - the vfio device
 * @vdev: vfio core's part; first, because vfio core allocates it
 * @parent: referenced through @claim
 * @claim: referenced
 * @entry: its type; while the mdev exists
 * @type: copy of its type, with the ids of its own
 * @mend: looks whether its users can remove it; until @dying
 * @lacking: it has been seen without "remove"; @mend's own
 * @dying: the mdev is being removed, no new opens; mdevd_lock
 * @lost: the parent is going away, no new opens; mdevd_lock
 * @settled: the last round of mdevd_parent_settle(); mdevd_lock
 * @memory_lock: see the head of this file
 * @gone: nothing backs the BARs any more: @dummy does; memory_lock
 * @held: MDEVD_HELD_*: why whoever touches the BARs waits, or 0; memory_lock
 * @moving: @moved is in force; memory_lock
 * @moved: an extent that is in two places; memory_lock
 * @hold_seq: counts what those in @hold_wait wait for; memory_lock
 * @hold_wait: who waits
 * @dummy: the page behind every address once @gone; memory_lock
 * @fill_lock: see the head of this file
 * @cfg_lock: see the head of this file
 * @cfg: config space; @cfg_lock
 * @msix: where its MSI-X table is; constant
 * @msix_table: the table; @cfg_lock
 * @irq_lock: see the head of this file
 * @err_ctx: eventfd of VFIO_PCI_ERR_IRQ_INDEX; @irq_lock
 * @req_ctx: eventfd of VFIO_PCI_REQ_IRQ_INDEX; @irq_lock
 * @vector_lock: guards the eventfds of @vectors, which interrupts use
 * @n_vectors: how many; constant while it is registered
 * @vectors: its MSI-X vectors
 * @irq_name: what /proc/interrupts says
 * @bars: the BARs; constant
 * @pieces: the pieces of all of them; their addresses: memory_lock
 * @n_pieces: how many; constant
 * @inode: whose mapping all its VMAs are in, where vfio core has none
 * @eager_lock: guards @eager
 * @eager: processes that filled a VMA which may not be linked yet
 * @n_eager: length of @eager
 * @vendor: of its parent, or NULL; constant
 * @vendor_data: the vendor's
 * @vendor_lock: see the head of this file
 * @vendor_live: the vendor knows it; @vendor_lock
 * @dma_lock: guards the next two; a leaf spinlock
 * @dma_barred: for how many reasons the vendor's DMA is not to be
 * @dma_threads: kernel threads that copy from or to the guest's memory
 * @dma_busy: engines at work on the device's memory
 * @memory: its extents one after the other, as the vendor sees them; constant
 */
struct mdevd_vdev {
	struct vfio_device vdev;
	struct mdevd_parent *parent;
	struct mdevd_claim *claim;
	const struct mdevd_type_entry *entry;
	struct mdevd_type type;
	struct delayed_work mend;
	bool lacking;
	bool dying;
	bool lost;
	u32 settled;
	struct rw_semaphore memory_lock;
	bool gone;
	u32 held;
	bool moving;
	struct mdevd_moved moved;
	u32 hold_seq;
	wait_queue_head_t hold_wait;
	struct page *dummy;
	struct mutex fill_lock;		/* see the head of this file */
	struct mutex cfg_lock;		/* same */
	struct mdevd_cfg cfg;
	struct mdevd_msix msix;
	u8 *msix_table;
	struct mutex irq_lock;		/* same */
	struct eventfd_ctx *err_ctx;
	struct eventfd_ctx *req_ctx;
	spinlock_t vector_lock;		/* see above */
	u32 n_vectors;
	struct mdevd_vector *vectors;
	char *irq_name;
	struct mdevd_bar bars[MDEVD_MAX_BARS];
	struct mdevd_piece *pieces;
	u32 n_pieces;
	struct inode *inode;
	spinlock_t eager_lock;		/* guards eager and n_eager */
	struct list_head eager;
	u32 n_eager;
	const struct mdevd_vendor_ops *vendor;
	void *vendor_data;
	struct mutex vendor_lock;	/* see the head of this file */
	bool vendor_live;
	spinlock_t dma_lock;		/* see above */
	u32 dma_barred;
	struct list_head dma_threads;
	atomic_t dma_busy;
	struct mdevd_piece *memory;
};

/* Called before anybody may write to what backs an open device. */
static inline void mdevd_claim_touch(struct mdevd_claim *claim)
{
	if (claim->zeroed && !READ_ONCE(claim->unclean))
		WRITE_ONCE(claim->unclean, true);
}

static inline struct mdevd_vdev *to_mdevd_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct mdevd_vdev, vdev);
}

extern struct mutex mdevd_lock;		/* see the head of this file */
extern struct list_head mdevd_parents;
extern struct workqueue_struct *mdevd_wq;
extern struct mdev_driver mdevd_mdev_driver;
extern struct pci_driver mdevd_pci_driver;
extern const struct pci_error_handlers mdevd_error_handlers;
extern const struct attribute_group *mdevd_attr_groups[];

/* mdevd_parent.c */
struct mdevd_parent *mdevd_parent_new(struct pci_dev *pdev);
void mdevd_parent_put(struct mdevd_parent *parent);
int mdevd_parent_link(struct mdevd_parent *parent);
void mdevd_parent_unlink(struct mdevd_parent *parent);
void mdevd_parent_settle(struct mdevd_parent *parent);
void mdevd_parent_fail(struct mdevd_parent *parent);
void mdevd_parent_shut(struct mdevd_parent *parent);
struct mdevd_parent *mdevd_parent_find(const char *name);
struct mdevd_type_entry *mdevd_parent_type(struct mdevd_parent *parent,
					   const char *name);

/* mdevd_reset.c */
void mdevd_reset_note(struct mdevd_parent *parent);
void mdevd_reset_begin(struct mdevd_parent *parent, u32 why);
void mdevd_reset_end(struct mdevd_parent *parent, u32 why);
bool mdevd_reset_decodes(const struct mdevd_parent *parent);
int mdevd_reset_proof(struct mdevd_parent *parent, const bool *stop,
		      int (*fn)(void *data), void *data);

/* mdevd_error.c */
void mdevd_error_expire(struct work_struct *work);

/* mdevd_config.c */
int mdevd_configure(const struct mdevd_configure *arg);
int mdevd_set_available(const struct mdevd_set_available *arg);
int mdevd_unconfigure(const struct mdevd_unconfigure *arg);
int mdevd_copy_array(void **ret, u64 addr, u32 n, u32 max, u32 size,
		     size_t ksize, size_t min);
void mdevd_config_drop(struct mdevd_parent *parent);

/* mdevd_reserve.c */
int mdevd_order_copy(struct mdevd_order *order, u64 extents, u32 n,
		     u32 extent_size, u64 vectors, u32 n_vectors);
void mdevd_order_free(struct mdevd_order *order);
int mdevd_reserve(struct mdevd_ctl *ctl, const struct mdevd_reserve *arg);
int mdevd_release(struct mdevd_ctl *ctl, const struct mdevd_release *arg);
void mdevd_claims_forget(struct mdevd_ctl *ctl);
void mdevd_claims_drop(struct mdevd_parent *parent);

/* mdevd_claim.c */
struct mdevd_claim *mdevd_claim_make(struct mdevd_parent *parent,
				     const struct mdevd_type_entry *entry,
				     const struct mdevd_order *order);
struct mdevd_claim *mdevd_claim_take(struct mdevd_parent *parent,
				     const struct mdevd_type_entry *entry,
				     const guid_t *guid);
struct mdevd_claim *mdevd_claim_find(const u8 *uuid);
struct mdevd_claim *mdevd_claim_answer(struct mdevd_parent *parent,
				       const struct mdevd_type_entry *entry,
				       const struct mdevd_order *order);
int mdevd_claim_publish(struct mdevd_claim *claim, struct mdevd_vdev *v);
void mdevd_claim_announce(struct mdevd_claim *claim);
void mdevd_claim_return(struct mdevd_claim *claim);
void mdevd_claim_retire(struct mdevd_claim *claim);
void mdevd_claim_end(struct mdevd_claim *claim);
void mdevd_claim_unlink(struct mdevd_claim *claim);
void mdevd_claim_put(struct mdevd_claim *claim);
u32 mdevd_claim_state(const struct mdevd_claim *claim);

/* mdevd_dma.c */
void mdevd_dma_claim(struct mdevd_parent *parent);
void mdevd_dma_return(struct mdevd_parent *parent);
void mdevd_dma_override(struct mdevd_parent *parent);
int mdevd_dma_check_vectors(const struct mdevd_parent *parent);

/* mdevd_vector.c */
int mdevd_vectors_enable(struct mdevd_parent *parent,
			 const struct mdevd_config *config);
void mdevd_vectors_disable(struct mdevd_parent *parent);
u32 mdevd_vectors_free(const struct mdevd_parent *parent);
int mdevd_vectors_take(struct mdevd_claim *claim, const u32 *vectors);
void mdevd_vectors_drop(struct mdevd_claim *claim);

/* mdevd_backing.c */
int mdevd_backing_take(struct mdevd_claim *claim);
void mdevd_backing_fill(struct mdevd_claim *claim,
			const struct mdevd_config *config);
int mdevd_backing_map(struct mdevd_claim *claim);
void mdevd_backing_unmap(struct mdevd_claim *claim);
int mdevd_backing_add(struct mdevd_claim *claim, u32 index,
		      const struct mdevd_extent *ext);
void mdevd_backing_drop_other(struct mdevd_claim *claim);

/* mdevd_request.c */
struct mdevd_claim *mdevd_request_create(struct mdevd_parent *parent,
					 const struct mdevd_type_entry *entry,
					 const u8 *uuid);
void mdevd_requests_cancel(const struct mdevd_parent *parent);
int mdevd_listen(struct mdevd_ctl *ctl);
void mdevd_listen_end(const struct mdevd_ctl *ctl);
bool mdevd_listening(void);
int mdevd_answer(struct mdevd_ctl *ctl, const struct mdevd_answer *arg);

/* mdevd_hold.c */
int mdevd_suspend(struct mdevd_ctl *ctl, const struct mdevd_suspend *arg);
int mdevd_resume(struct mdevd_ctl *ctl, const struct mdevd_resume *arg);
void mdevd_hold_abandon(struct mdevd_claim *claim);
void mdevd_hold_end(struct mdevd_claim *claim);
void mdevd_hold_expire(struct work_struct *work);

/* mdevd_move.c */
int mdevd_move(struct mdevd_move *arg);
void mdevd_move_end(struct mdevd_claim *claim);

/* mdevd_scrub.c */
bool mdevd_scrub_zero(struct mdevd_claim *claim, struct mdevd_backing *b);
void mdevd_scrub_work(struct work_struct *work);
void mdevd_scrub_start(struct mdevd_claim *claim);

/* mdevd_query.c */
int mdevd_query(struct mdevd_query *arg);
void mdevd_changed(void);

/* mdevd_ctl.c */
struct mdevd_listener *mdevd_ctl_listener(const struct mdevd_ctl *ctl);
int mdevd_ctl_init(void);
void mdevd_ctl_exit(void);

/* mdevd_event.c */
struct mdevd_listener;
struct mdevd_listener *mdevd_listener_new(void);
void mdevd_listener_free(struct mdevd_listener *l);
ssize_t mdevd_listener_read(struct mdevd_listener *l, char __user *buf,
			    size_t count, bool nonblock);
__poll_t mdevd_listener_poll(struct mdevd_listener *l, struct file *file,
			     struct poll_table_struct *wait);
void mdevd_event_one(struct mdevd_listener *l, const struct mdevd_event *event,
		     struct pid *pid);
void mdevd_event(u32 type, const struct mdevd_parent *parent,
		 const struct mdevd_claim *claim);

/* mdevd_vdev.c */
u64 mdevd_vdev_region_size(const struct mdevd_vdev *v, u32 index);
void mdevd_vdev_reset(struct mdevd_vdev *v);
void mdevd_vdev_lost(struct mdevd_vdev *v);

/* mdevd_ioctl.c */
long mdevd_vdev_ioctl(struct vfio_device *vdev, unsigned int cmd,
		      unsigned long arg);

/* mdevd_irq.c */
u32 mdevd_irq_count(const struct mdevd_vdev *v, u32 index);
int mdevd_irq_set(struct mdevd_vdev *v, const struct vfio_irq_set *set,
		  const void *data);
void mdevd_irq_signal(struct mdevd_vdev *v, u32 n);
int mdevd_irq_attach(struct mdevd_vdev *v);
void mdevd_irq_detach(struct mdevd_vdev *v);
void mdevd_irq_request(struct mdevd_vdev *v);
void mdevd_irq_error(struct mdevd_vdev *v);
void mdevd_irq_disarm(struct mdevd_vdev *v);

/* mdevd_trap.c */
int mdevd_trap_map(const struct mdevd_parent *parent,
		   struct mdevd_type_entry *entry);
void mdevd_trap_unmap(struct mdevd_type_entry *entry);
void mdevd_trap_access(struct mdevd_vdev *v, const struct mdevd_target *target,
		       u64 pos, size_t width, bool write, u64 *value);
void mdevd_trap_msix(struct mdevd_vdev *v, u64 pos, size_t width, bool write,
		     u64 *value);

/* mdevd_region.c */
u64 mdevd_mmio_read(const void __iomem *at, size_t width);
ssize_t mdevd_region_read(struct vfio_device *vdev, char __user *buf,
			  size_t count, loff_t *ppos);
ssize_t mdevd_region_write(struct vfio_device *vdev, const char __user *buf,
			   size_t count, loff_t *ppos);

/* mdevd_map.c */
int mdevd_map_mmap(struct vfio_device *vdev, struct vm_area_struct *vma);
int mdevd_map_zap_range(struct mdevd_vdev *v, u32 bar, u64 start, u64 length);
void mdevd_map_move(struct mdevd_vdev *v, bool moving, u64 lo, u64 hi);
void mdevd_map_set_held(struct mdevd_vdev *v, u32 why, bool held);
int mdevd_map_zap(struct mdevd_vdev *v);
void mdevd_map_cut(struct mdevd_vdev *v);
void mdevd_map_settle(struct mdevd_vdev *v, unsigned long until);
void mdevd_map_revoke(struct mdevd_vdev *v);
u64 mdevd_map_bytes(struct mdevd_vdev *v);
void mdevd_map_done(struct mdevd_vdev *v);
int mdevd_map_validate_request(struct mdevd_vdev *v, u32 bar, u64 offset,
			       struct mdevd_target *target);

/* mdevd_vendors.c */
int mdevd_vendor_attach(struct mdevd_parent *parent, const char *name);
void mdevd_vendor_detach(struct mdevd_parent *parent);

/* Callers make pointers of errors: a vendor that counts may not be one. */
static inline int mdevd_vendor_verdict(int ret)
{
	return WARN_ON_ONCE(ret > 0) ? -EINVAL : ret;
}

/* mdevd_vendor_dma.c */
void mdevd_vendor_dma_bar(struct mdevd_vdev *v);
void mdevd_vendor_dma_allow(struct mdevd_vdev *v);
int mdevd_vendor_dma_drain(struct mdevd_vdev *v);

/* mdevd_vendor.c */
int mdevd_vendor_scrub(const struct mdevd_parent *parent,
		       const struct mdevd_backing *b);
int mdevd_vendor_check(const struct mdevd_parent *parent,
		       const struct mdevd_type *type);
int mdevd_vendor_begin(struct mdevd_vdev *v);
int mdevd_vendor_create(struct mdevd_vdev *v);
void mdevd_vendor_destroy(struct mdevd_vdev *v);
int mdevd_vendor_open(struct mdevd_vdev *v);
void mdevd_vendor_close(struct mdevd_vdev *v);
void mdevd_vendor_reset(struct mdevd_vdev *v);
void mdevd_vendor_revoke(struct mdevd_vdev *v);
void mdevd_vendor_access(struct mdevd_vdev *v, bool write, u32 bar, u64 offset,
			 size_t width, u64 *value);
int mdevd_vendor_resolve(struct mdevd_vdev *v, u32 bar, u64 offset,
			 struct mdevd_target *target);

/* mdevd_inode.c: where vfio core has no inode per device */
#ifdef MDEVD_HAVE_VFIO_INODE
static inline int mdevd_inode_new(struct mdevd_vdev *v)
{
	return 0;
}

static inline void mdevd_inode_free(struct mdevd_vdev *v)
{
}

static inline int mdevd_inode_adopt(struct mdevd_vdev *v,
				    struct vm_area_struct *vma)
{
	return 0;
}

static inline struct address_space *mdevd_inode_mapping(struct mdevd_vdev *v)
{
	return v->vdev.inode->i_mapping;
}
#else
int mdevd_inode_new(struct mdevd_vdev *v);
void mdevd_inode_free(struct mdevd_vdev *v);
int mdevd_inode_adopt(struct mdevd_vdev *v, struct vm_area_struct *vma);

static inline struct address_space *mdevd_inode_mapping(struct mdevd_vdev *v)
{
	return v->inode->i_mapping;
}
#endif

#endif /* MDEVD_H */

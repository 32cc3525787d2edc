/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The control interface of mdevd.ko: ioctls and events of /dev/mdevd.
 *
 * Every struct starts with its own @size in bytes and may grow at its end.  A
 * caller built against an older header passes the smaller size and what it
 * does not know reads as zero; a caller that is newer than the module must
 * leave what the module does not know zero, or gets -E2BIG (the rule of
 * copy_struct_from_user(), Documentation/userspace-api and lib/usercopy.c).
 * Arrays are passed as {address, count, size of one element} under the same
 * rule.  Unknown flags are -EINVAL.  Nothing changes when a call fails.
 *
 * All offsets and sizes are bytes; extents and pools are page aligned.
 * Strings are NUL terminated inside their arrays; one that is not is -EINVAL.
 */
#ifndef _UAPI_MDEVD_H
#define _UAPI_MDEVD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MDEVD_API_VERSION	1

#define MDEVD_PARENT_LEN	32	/* device name on its bus, "0000:00:05.0" */
#define MDEVD_NAME_LEN		32	/* pool or type id; [A-Za-z0-9_.+-] */
#define MDEVD_LABEL_LEN		64	/* human readable name; owner label */

#define MDEVD_MAX_BARS		6	/* guest BARs of one device */
#define MDEVD_MAX_POOLS		32	/* pools of one parent */
#define MDEVD_MAX_TYPES		64	/* types of one parent */
#define MDEVD_MAX_EXTENTS	32	/* extents of one device */
#define MDEVD_MAX_PARTS		8	/* special parts of the BARs of a type */
#define MDEVD_MAX_VECTORS	2048	/* MSI-X vectors of one device */
#define MDEVD_MAX_PARENTS	256
#define MDEVD_MAX_RESERVATIONS	1024	/* unconsumed, of one descriptor */

/* ---- what a parent is made of ---- */

enum mdevd_pool_kind {
	MDEVD_POOL_MEMORY	= 0,	/* plain memory: scrubbed by zeroing */
	MDEVD_POOL_REGISTERS	= 1,	/* never zeroed by the module */
};

enum mdevd_cache {
	MDEVD_CACHE_UC		= 0,	/* uncached (x86: UC-) */
	MDEVD_CACHE_WC		= 1,	/* write combining */
};

enum mdevd_scrub {
	MDEVD_SCRUB_ZERO	= 0,	/* memory pools only */
	MDEVD_SCRUB_NONE	= 1,	/* contents survive; must be said in words */
	MDEVD_SCRUB_VENDOR	= 2,	/* by the parent's vendor, which can */
};

/**
 * struct mdevd_pool - a range of one parent BAR that may be handed out
 * @name: unique among the parent's pools
 * @bar: BAR of the parent, 0..5; a memory BAR of at least one page
 * @kind: enum mdevd_pool_kind
 * @cache: enum mdevd_cache, the host's memory type of its mappings
 * @scrub: enum mdevd_scrub; a registers pool cannot be zeroed
 * @offset: first byte, from the start of the BAR, page aligned
 * @length: bytes, page aligned, not zero; within the BAR, overlapping neither
 *	another pool nor the pages of the parent's MSI-X table and PBA
 */
struct mdevd_pool {
	char name[MDEVD_NAME_LEN];
	__u8 bar;
	__u8 kind;
	__u8 cache;
	__u8 scrub;
	__u32 __reserved;
	__aligned_u64 offset;
	__aligned_u64 length;
};

#define MDEVD_BAR_64BIT		0x1	/* consumes BAR index + 1 too */
#define MDEVD_BAR_PREFETCH	0x2

/**
 * struct mdevd_type_bar - one BAR of a type, as the guest sees it
 * @length: bytes that are there: backed by extents, but for parts that have
 *	something else behind them; page aligned; 0: the BAR is absent.  The
 *	guest sees the next power of two, the rest reads as ones.
 * @flags: MDEVD_BAR_*
 */
struct mdevd_type_bar {
	__aligned_u64 length;
	__u32 flags;
	__u32 __reserved;
};

enum mdevd_part_kind {
	MDEVD_PART_NONE		= 0,	/* this element says nothing */
	MDEVD_PART_TRAPPED	= 1,	/* of the device's extents, not mapped */
	MDEVD_PART_SHARED	= 2,	/* of the parent, for all, read only */
	MDEVD_PART_VENDOR	= 3,	/* of the vendor's module */
};

/**
 * struct mdevd_part - a part of a BAR of a type that is not simply mapped
 * @bar: the guest BAR
 * @kind: enum mdevd_part_kind; with MDEVD_PART_NONE all else is 0
 * @parent_bar: of MDEVD_PART_SHARED: BAR of the parent, else 0
 * @__reserved: 0
 * @offset: first byte, from the start of the guest BAR, page aligned
 * @length: bytes, page aligned, not zero; within the BAR's length, and
 *	overlapping no other part
 * @parent_offset: of MDEVD_PART_SHARED: first byte, from the start of the
 *	parent's BAR, page aligned, else 0.  The range lies in the BAR and
 *	overlaps neither a pool nor the pages of the MSI-X table and PBA.
 *
 * No part can be mapped: the guest's accesses come to the module, one by one,
 * naturally aligned and of 1, 2, 4 or 8 bytes.  A TRAPPED part is backed by the
 * extents as if it were none.  A SHARED one shows the same bytes of the parent
 * to every device, and writes to it are dropped: a page table entry could not
 * enforce that, because a guest's page becomes writable behind the back of who
 * made it.  A VENDOR one is answered by the vendor's module, and refused where
 * the parent has none.  The last two take nothing of the extents, and no extent
 * may lie on both sides of one.
 */
struct mdevd_part {
	__u8 bar;
	__u8 kind;
	__u8 parent_bar;
	__u8 __reserved[5];
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 parent_offset;
};

/**
 * struct mdevd_ids - what a device says it is
 * @vendor: PCI vendor id
 * @device: PCI device id
 * @subvendor: PCI subsystem vendor id
 * @subdevice: PCI subsystem id
 * @class: PCI class code, 24 bits
 */
struct mdevd_ids {
	__u16 vendor;
	__u16 device;
	__u16 subvendor;
	__u16 subdevice;
	__u32 class;
};

enum mdevd_map_mode {
	MDEVD_MAP_FAULT		= 0,	/* pages appear at first touch */
	MDEVD_MAP_EAGER		= 1,	/* pages appear at mmap() */
};

/* Nothing but the CPU writes to what backs its devices: they can be moved. */
#define MDEVD_TYPE_MOVABLE	0x1

/**
 * struct mdevd_type - what a device of the parent looks like
 * @name: sysfs id is "<driver>-<name>"
 * @label: sysfs "name", free text, one line
 * @map: enum mdevd_map_mode
 * @vectors: MSI-X vectors, 0..MDEVD_MAX_VECTORS; their table gets the first BAR
 *	that is free, 32 bits wide, and there must be one
 * @vendor: PCI vendor id that the guest sees; 0 here and in @device: the
 *	parent's own are shown
 * @device: PCI device id
 * @subvendor: PCI subsystem vendor id; 0 here and in @subdevice: the parent's
 * @subdevice: PCI subsystem id
 * @class: PCI class code, 24 bits; 0: the parent's
 * @flags: MDEVD_TYPE_*
 * @bars: the BARs
 * @parts: what of them is not simply mapped
 */
struct mdevd_type {
	char name[MDEVD_NAME_LEN];
	char label[MDEVD_LABEL_LEN];
	__u32 map;
	__u32 vectors;
	__u16 vendor;
	__u16 device;
	__u16 subvendor;
	__u16 subdevice;
	__u32 class;
	__u32 flags;
	struct mdevd_type_bar bars[MDEVD_MAX_BARS];
	struct mdevd_part parts[MDEVD_MAX_PARTS];
};

/**
 * struct mdevd_extent - a piece of a pool that backs a piece of a guest BAR
 * @offset: first byte, from the start of the pool's BAR of the parent
 * @length: bytes; page aligned, not zero
 * @bar: BAR of the parent
 * @guest_bar: BAR of the device; its extents follow each other in array order
 *	and must add up to exactly the type's length, less the parts that have
 *	something else behind them
 */
struct mdevd_extent {
	__aligned_u64 offset;
	__aligned_u64 length;
	__u8 bar;
	__u8 guest_bar;
	__u8 __reserved[6];
};

/* ---- what the guest sees ---- */

#define MDEVD_GUEST_CAP_MAGIC	0x6476646d	/* "mdvd" */
#define MDEVD_GUEST_CAP_VERSION	1

/**
 * struct mdevd_guest_cap - vendor capability in a device's PCI config space
 * @id: PCI_CAP_ID_VNDR
 * @next: next capability
 * @length: of this one in bytes
 * @version: MDEVD_GUEST_CAP_VERSION
 * @magic: MDEVD_GUEST_CAP_MAGIC
 * @bar_length: of each BAR the bytes that are there; what a BAR has beyond is
 *	padding.  0: no BAR of the type (the one of the MSI-X table is not)
 * @label: the type's label, or its name if it has none
 *
 * Little endian.  Tells the driver in the guest what it can use: the size of a
 * BAR is a power of two and may be more than there is.
 */
struct mdevd_guest_cap {
	__u8 id;
	__u8 next;
	__u8 length;
	__u8 version;
	__u32 magic;
	__aligned_u64 bar_length[MDEVD_MAX_BARS];
	char label[MDEVD_LABEL_LEN];
};

/* ---- verbs ---- */

/**
 * struct mdevd_get_info - MDEVD_GET_INFO
 * @size: sizeof this struct
 * @flags: in: 0
 * @api_version: out: MDEVD_API_VERSION
 * @features: out: MDEVD_FEATURE_*
 * @page_size: out: granularity of extents
 */
struct mdevd_get_info {
	__u32 size;
	__u32 flags;
	__u32 api_version;
	__u32 page_size;
	__aligned_u64 features;
};

#define MDEVD_FEATURE_HUGE	0x1ULL	/* maps 2 MiB entries */

/*
 * The parent masters the bus although what it writes is not contained: its
 * devices may then reach the host's memory (where there is no IOMMU, or its
 * group is shared) or raise any interrupt.  Logged, and taints the kernel.  No
 * effect where it is contained (MDEVD_DMA_ISOLATED).  Where the IOMMU group is
 * the module's own its DMA goes on reaching nothing.
 */
#define MDEVD_CONFIGURE_UNSAFE_DMA	0x1

/**
 * struct mdevd_configure - MDEVD_CONFIGURE
 * @size: sizeof this struct
 * @flags: MDEVD_CONFIGURE_*
 * @parent: a device bound to the driver "mdevd"
 * @n_pools: 1..MDEVD_MAX_POOLS
 * @pool_size: sizeof(struct mdevd_pool)
 * @n_types: 1..MDEVD_MAX_TYPES
 * @type_size: sizeof(struct mdevd_type)
 * @pools: address of the array
 * @types: address of the array
 * @vendor: a vendor's module that makes the devices live (it adds registers,
 *	late binding, interrupts, DMA; see kmod/vendor/README.md), loaded as
 *	"mdevd-vendor-<name>" where it is not; empty: none, a plain division.
 *	The types leave the vendor's BARs free, are not movable, and their
 *	vectors are the vendor's and not the parent's
 *
 * Registers the parent with mdev core once everything has been checked.
 * Errors: -ENODEV no such bound device or it is going away; -EEXIST it is
 * configured already; -EINVAL, -ERANGE a pool or a shared part outside its BAR;
 * -EBUSY pools or shared parts overlap or cover the MSI-X table or PBA.
 *
 * A type with vectors has the parent master the bus, because an interrupt is a
 * write.  So these are refused unless the parent's DMA reaches nothing and its
 * interrupts are isolated: -EOPNOTSUPP there is no IOMMU in front of it; -EXDEV
 * its IOMMU group is also another driver's; -EPERM there is no interrupt
 * remapping.  MDEVD_CONFIGURE_UNSAFE_DMA overrides these three.  -ENOSPC a type
 * wants more vectors than the parent has (struct mdevd_parent_record).  And
 * -EOPNOTSUPP for a vendor part without a vendor, or MDEVD_SCRUB_VENDOR without
 * one that scrubs.
 *
 * Of a vendor: -ENOPKG there is none of that name; -EINVAL a type is in the way
 * of its BARs or is movable, or MDEVD_CONFIGURE_UNSAFE_DMA is given too; -ENOSPC
 * a type wants more vectors than it has; and what it says when it does not know
 * the card.
 */
struct mdevd_configure {
	__u32 size;
	__u32 flags;
	char parent[MDEVD_PARENT_LEN];
	__u32 n_pools;
	__u32 pool_size;
	__u32 n_types;
	__u32 type_size;
	__aligned_u64 pools;
	__aligned_u64 types;
	char vendor[MDEVD_NAME_LEN];
};

/**
 * struct mdevd_unconfigure - MDEVD_UNCONFIGURE
 * @size: sizeof this struct
 * @flags: 0
 * @parent: a configured parent
 *
 * Errors: -ENODEV; -ENOENT not configured; -EBUSY a device, a reservation or
 * a running scrub exists.
 */
struct mdevd_unconfigure {
	__u32 size;
	__u32 flags;
	char parent[MDEVD_PARENT_LEN];
};

/**
 * struct mdevd_reserve - MDEVD_RESERVE
 * @size: sizeof this struct
 * @flags: 0
 * @parent: a configured parent
 * @type: a type's name (without "<driver>-")
 * @owner: label kept with the device, may be empty
 * @uuid: of the device to come, in RFC 4122 byte order
 * @n_extents: 1..MDEVD_MAX_EXTENTS
 * @extent_size: sizeof(struct mdevd_extent)
 * @extents: address of the array
 * @ids: what the guest sees; where they are 0, what the type says
 * @n_vectors: 0, or the number of vectors of the type
 * @vectors: address of an array of __u32: the vector of the parent behind each
 *	of the device's; with @n_vectors of 0 the module takes the first that
 *	are free
 *
 * All extents, vectors and ids or none.  Consumed by the create of @uuid on @parent with @type
 * that the same process (thread group) writes to sysfs; an unconsumed
 * reservation ends with the descriptor that made it.  Never blocks.
 * Errors: -ENODEV; -ENOENT no such type; -EEXIST the UUID is reserved or
 * alive; -ERANGE an extent outside every pool; -EINVAL lengths that do not
 * make up the type, an extent that is not aligned or overlaps another of the
 * same call, vectors that are too many, too few or not the parent's, or a @uuid
 * of zeros; -EBUSY an extent or a vector is another's or is being scrubbed, or
 * so is what @uuid had before, a vector is there twice, or too few are left; -ENOSPC too many
 * reservations.
 * The create that consumes it fails with -ENOENT when there is no reservation,
 * -EBUSY when it is another process's, -EINVAL when @parent or @type differ.
 */
struct mdevd_reserve {
	__u32 size;
	__u32 flags;
	char parent[MDEVD_PARENT_LEN];
	char type[MDEVD_NAME_LEN];
	char owner[MDEVD_LABEL_LEN];
	__u8 uuid[16];
	__u32 n_extents;
	__u32 extent_size;
	__aligned_u64 extents;
	struct mdevd_ids ids;
	__u32 n_vectors;
	__aligned_u64 vectors;
};

/**
 * struct mdevd_release - MDEVD_RELEASE
 * @size: sizeof this struct
 * @flags: 0
 * @uuid: of an unconsumed reservation made through this descriptor
 *
 * Errors: -ENOENT no such reservation here; -EBUSY it became a device.
 */
struct mdevd_release {
	__u32 size;
	__u32 flags;
	__u8 uuid[16];
};

/* One reservation or device: what follows an event that names it. */
#define MDEVD_QUERY_ONE		0x1

/**
 * struct mdevd_query - MDEVD_QUERY
 * @size: sizeof this struct
 * @flags: 0, or MDEVD_QUERY_ONE
 * @generation: out: changes whenever the answer would, counters (opened,
 *	faults, insertions, mapped) apart
 * @buffer: address for records, each a struct mdevd_record and its payload;
 *	0 asks for the length only
 * @length: in: bytes at @buffer; out: bytes needed
 * @uuid: of what is asked for with MDEVD_QUERY_ONE, else zeros; a caller whose
 *	struct ends before it asks for everything
 *
 * One consistent snapshot: every parent with its pools, types, reservations
 * and devices; with MDEVD_QUERY_ONE the record of the parent alone and what
 * has @uuid.
 *
 * Errors: -ENOSPC @length was too small (it then says what is needed; nothing
 * was written to @buffer); -ENOENT nothing has @uuid; -EINVAL @uuid without
 * MDEVD_QUERY_ONE.
 */
struct mdevd_query {
	__u32 size;
	__u32 flags;
	__aligned_u64 generation;
	__aligned_u64 buffer;
	__aligned_u64 length;
	__u8 uuid[16];
};

enum mdevd_record_type {
	MDEVD_RECORD_PARENT	= 1,	/* struct mdevd_parent_record */
	MDEVD_RECORD_POOL	= 2,	/* struct mdevd_pool, of the last parent */
	MDEVD_RECORD_TYPE	= 3,	/* struct mdevd_type, of the last parent */
	MDEVD_RECORD_DEVICE	= 4,	/* struct mdevd_device_record, same */
	MDEVD_RECORD_EXTENT	= 5,	/* struct mdevd_extent, of the last device */
	MDEVD_RECORD_MOVE	= 6,	/* struct mdevd_move_record, same */
	MDEVD_RECORD_VECTORS	= 7,	/* struct mdevd_vectors_record, same */
};

/**
 * struct mdevd_record - header of one record
 * @length: of header and payload, a multiple of 8; step by this
 * @type: enum mdevd_record_type; skip what is not known
 */
struct mdevd_record {
	__u32 length;
	__u32 type;
};

enum mdevd_parent_state {
	MDEVD_PARENT_BOUND	= 0,	/* bound, not configured */
	MDEVD_PARENT_CONFIGURED	= 1,
	MDEVD_PARENT_CLOSING	= 2,	/* going away, no new devices */
};

enum mdevd_dma {
	MDEVD_DMA_NO_IOMMU	= 0,	/* nothing stands in front of it */
	MDEVD_DMA_SHARED	= 1,	/* its IOMMU group is not ours alone */
	MDEVD_DMA_NO_REMAP	= 2,	/* its DMA reaches nothing; its interrupts
					 * could be any
					 */
	MDEVD_DMA_ISOLATED	= 3,	/* nor that: its types may have vectors */
};

/* It masters the bus by MDEVD_CONFIGURE_UNSAFE_DMA. */
#define MDEVD_PARENT_UNSAFE_DMA		0x1
/* It was configured with that flag, whether or not it has an effect. */
#define MDEVD_PARENT_UNSAFE_ASKED	0x2

/**
 * struct mdevd_parent_record - a parent
 * @name: name on its bus
 * @state: enum mdevd_parent_state
 * @dma: enum mdevd_dma
 * @vectors: interrupt vectors that it has (MSI-X, else MSI)
 * @vectors_free: of these, while configured with a type that has some: not
 *	taken by a device or reservation
 * @flags: MDEVD_PARENT_*
 * @__reserved: 0
 * @vendor: as it was configured; empty: none
 */
struct mdevd_parent_record {
	char name[MDEVD_PARENT_LEN];
	__u32 state;
	__u32 dma;
	__u32 vectors;
	__u32 vectors_free;
	__u32 flags;
	__u32 __reserved;
	char vendor[MDEVD_NAME_LEN];
};

enum mdevd_device_state {
	MDEVD_DEVICE_RESERVED	= 0,	/* no mdev yet */
	MDEVD_DEVICE_LIVE	= 1,
	MDEVD_DEVICE_SCRUBBING	= 2,	/* live, closed, contents being zeroed */
	MDEVD_DEVICE_DYING	= 3,	/* mdev gone, extents being zeroed */
	MDEVD_DEVICE_REVOKED	= 4,	/* parent gone, kept open by a VMM */
	MDEVD_DEVICE_SUSPENDED	= 5,	/* its BARs hold whoever touches them */
};

/**
 * struct mdevd_device_record - a reservation or a device
 * @uuid: RFC 4122 byte order
 * @type: name of its type
 * @owner: label given at reserve
 * @state: enum mdevd_device_state
 * @opened: number of open device descriptors
 * @faults: page faults taken by mappings of its BARs since it was made
 * @faults_huge: of these, answered with a 2 MiB entry
 * @insertions: page table fills, each of one 2 MiB entry or of the missing
 *	pages of one 2 MiB window: a BAR of 16 MiB takes 8
 * @insertions_eager: of these, made at mmap()
 * @mapped: bytes of its BARs that VMAs cover now
 * @pages: pages (of PAGE_SIZE) that the insertions put in
 * @ids: what the guest sees
 * @__reserved: 0
 */
struct mdevd_device_record {
	__u8 uuid[16];
	char type[MDEVD_NAME_LEN];
	char owner[MDEVD_LABEL_LEN];
	__u32 state;
	__u32 opened;
	__aligned_u64 faults;
	__aligned_u64 faults_huge;
	__aligned_u64 insertions;
	__aligned_u64 insertions_eager;
	__aligned_u64 mapped;
	__aligned_u64 pages;
	struct mdevd_ids ids;
	__u32 __reserved;
};

/**
 * struct mdevd_vectors_record - the vectors of a device that has any
 * @n: how many
 * @vectors: the vector of the parent behind each
 */
struct mdevd_vectors_record {
	__u32 n;
	__u32 vectors[];
};

/**
 * struct mdevd_move_record - a device has the place of a move too
 * @other: the second extent; the first is where the device would be without
 *	the move, or is since the move was done
 * @extent: index of the extent that moves
 * @finished: 1: nothing of the device is at @other any more
 * @moved: bytes of the device that are at @other
 */
struct mdevd_move_record {
	struct mdevd_extent other;
	__u32 extent;
	__u32 finished;
	__aligned_u64 moved;
};

#define MDEVD_HOLD_MS_DEFAULT	2000
#define MDEVD_HOLD_MS_MAX	60000

/**
 * struct mdevd_suspend - MDEVD_SUSPEND
 * @size: sizeof this struct
 * @flags: 0
 * @uuid: of a device
 * @timeout_ms: the device resumes by itself after this time; 0 stands for
 *	MDEVD_HOLD_MS_DEFAULT, at most MDEVD_HOLD_MS_MAX
 * @__reserved: 0
 *
 * From its return until the resume no access of the VMM or its guest reaches
 * the device's BARs: whoever touches them waits.  Nor does a vendor's engine: it
 * ends what it is doing before this returns, and goes on with the device's jobs
 * after the resume.  The hold belongs to this
 * descriptor and ends with it; to suspend again through it begins the time
 * anew.  A held vCPU makes the VMM's own changes to the guest's memory wait.
 * Errors: -ENOENT no such device; -EBUSY suspended through another descriptor;
 * -ENODEV its parent is going away; -EINVAL; -EINTR the caller was killed: then
 * it is held until the descriptor is closed, but may be reached yet.
 */
struct mdevd_suspend {
	__u32 size;
	__u32 flags;
	__u8 uuid[16];
	__u32 timeout_ms;
	__u32 __reserved;
};

/**
 * struct mdevd_resume - MDEVD_RESUME
 * @size: sizeof this struct
 * @flags: 0
 * @uuid: of a device suspended through this descriptor
 *
 * Errors: -ENOENT it is not, or not any more.
 */
struct mdevd_resume {
	__u32 size;
	__u32 flags;
	__u8 uuid[16];
};

/**
 * struct mdevd_listen - MDEVD_LISTEN
 * @size: sizeof this struct
 * @flags: 0
 *
 * Makes this descriptor, which must be open for reading, the one that answers
 * create requests: UUIDs that a process wrote to sysfs "create" without a
 * reservation.  The newest listener takes over; whoever listens, again or for
 * the first time, gets an event for every request not yet answered.  Without a
 * listener such a create fails at once, and available_instances reads 0.
 * Errors: -EBADF not open for reading.
 */
struct mdevd_listen {
	__u32 size;
	__u32 flags;
};

/**
 * struct mdevd_answer - MDEVD_ANSWER
 * @size: sizeof this struct
 * @flags: 0
 * @cookie: of the request
 * @error: 0, or the errno (1..133) that the writer gets
 * @__reserved: 0
 * @owner: see struct mdevd_reserve
 * @n_extents: see struct mdevd_reserve; 0 with @error
 * @extent_size: same
 * @extents: same
 * @ids: same
 * @n_vectors: same; 0 with @error
 * @vectors: same
 *
 * Reserves for the writer that waits, and only for it.  When the extents are
 * refused (errors as of MDEVD_RESERVE) the request is still to be answered.
 * Errors besides those: -ESTALE the writer has gone or was answered; -EPERM
 * this descriptor is not the listener.
 */
struct mdevd_answer {
	__u32 size;
	__u32 flags;
	__aligned_u64 cookie;
	__u32 error;
	__u32 __reserved;
	char owner[MDEVD_LABEL_LEN];
	__u32 n_extents;
	__u32 extent_size;
	__aligned_u64 extents;
	struct mdevd_ids ids;
	__u32 n_vectors;
	__aligned_u64 vectors;
};

/**
 * struct mdevd_set_available - MDEVD_SET_AVAILABLE
 * @size: sizeof this struct
 * @flags: 0
 * @parent: a configured parent
 * @type: a type's name
 * @available: what sysfs available_instances shows while there is a listener
 * @__reserved: 0
 *
 * Errors: -ENODEV; -ENOENT no such type.
 */
struct mdevd_set_available {
	__u32 size;
	__u32 flags;
	char parent[MDEVD_PARENT_LEN];
	char type[MDEVD_NAME_LEN];
	__u32 available;
	__u32 __reserved;
};

/* Go back to where it was. */
#define MDEVD_MOVE_BACK		0x1
/*
 * Zero and free the other extent once done.  Else it stays the device's until
 * its last close: a guest that itself runs VMs may have told the processor of
 * one of its pages, where no revocation reaches.
 */
#define MDEVD_MOVE_RELEASE	0x2
/* The same if the device is not open when the last byte has been moved. */
#define MDEVD_MOVE_RELEASE_IF_CLOSED	0x4

/**
 * struct mdevd_move - MDEVD_MOVE
 * @size: sizeof this struct
 * @flags: MDEVD_MOVE_*
 * @uuid: of a device of a movable type
 * @extent: index of one of its extents
 * @bar: BAR of the parent to move it to; a memory pool of the same cache and
 *	scrub
 * @offset: first byte there
 * @max_chunks: stop after so many chunks of 2 MiB; 0: do all
 * @longest_us: out: the longest time that a touch may have waited
 * @moved: out: bytes that are at @bar and @offset now
 *
 * Moves under a running VMM, chunk by chunk: only who touches the chunk under
 * way waits.  Returns 0 when done or when @max_chunks was reached.  A call that
 * ends early, or whose caller dies, stops at the end of a chunk; the device
 * then has both extents, which query shows, and the same call goes on with it,
 * with MDEVD_MOVE_BACK in the other direction.
 * Errors: -ENOENT no such device or extent; -ENODEV its parent is going away;
 * -EPERM its type is not movable; -EINVAL, -ERANGE as of MDEVD_RESERVE or a
 * pool of another kind; -EBUSY the target is another's, or another move of the
 * device is under way or not yet released, or it is being scrubbed; -EINTR
 * a signal came; -ECANCELED it was closed, with which a move ends.
 */
struct mdevd_move {
	__u32 size;
	__u32 flags;
	__u8 uuid[16];
	__u32 extent;
	__u32 bar;
	__aligned_u64 offset;
	__u32 max_chunks;
	__u32 longest_us;
	__aligned_u64 moved;
};

#define MDEVD_GET_INFO		_IOWR('m', 0xd0, struct mdevd_get_info)
#define MDEVD_CONFIGURE		_IOW('m', 0xd1, struct mdevd_configure)
#define MDEVD_UNCONFIGURE	_IOW('m', 0xd2, struct mdevd_unconfigure)
#define MDEVD_RESERVE		_IOW('m', 0xd3, struct mdevd_reserve)
#define MDEVD_RELEASE		_IOW('m', 0xd4, struct mdevd_release)
#define MDEVD_QUERY		_IOWR('m', 0xd5, struct mdevd_query)
#define MDEVD_SUSPEND		_IOW('m', 0xd6, struct mdevd_suspend)
#define MDEVD_RESUME		_IOW('m', 0xd7, struct mdevd_resume)
#define MDEVD_LISTEN		_IOW('m', 0xd8, struct mdevd_listen)
#define MDEVD_ANSWER		_IOW('m', 0xd9, struct mdevd_answer)
#define MDEVD_SET_AVAILABLE	_IOW('m', 0xda, struct mdevd_set_available)
#define MDEVD_MOVE		_IOWR('m', 0xdb, struct mdevd_move)

/* ---- events: read() and poll() ---- */

enum mdevd_event_type {
	MDEVD_EVENT_LOST	= 0,	/* the queue was full: QUERY again */
	MDEVD_EVENT_PARENT_ADDED = 1,	/* bound to the driver */
	MDEVD_EVENT_PARENT_GONE	= 2,	/* unbound, nothing of it is left */
	MDEVD_EVENT_PARENT_CONFIGURED = 3,
	MDEVD_EVENT_PARENT_UNCONFIGURED = 4,
	MDEVD_EVENT_DEVICE_ADDED = 5,	/* a reservation became a device */
	MDEVD_EVENT_DEVICE_GONE	= 6,	/* mdev removed; extents not yet clean */
	MDEVD_EVENT_DEVICE_OPENED = 7,	/* first open */
	MDEVD_EVENT_DEVICE_CLOSED = 8,	/* last close */
	MDEVD_EVENT_DEVICE_CLEAN = 9,	/* its extents are zeroed: after CLOSED
					 * it may be opened, after GONE its
					 * extents are free
					 */
	MDEVD_EVENT_PARENT_CLOSING = 10, /* going away: its devices are
					  * revoked, GONE follows when the last
					  * VMM has closed
					  */
	MDEVD_EVENT_DEVICE_SUSPENDED = 11,
	MDEVD_EVENT_DEVICE_RESUMED = 12, /* by a verb, its time or its holder's
					  * end
					  */
	MDEVD_EVENT_REQUEST	= 13,	/* a create request; listener only */
	MDEVD_EVENT_REQUEST_GONE = 14,	/* its writer gave up; listener only */
	MDEVD_EVENT_DEVICE_REVOKED = 15, /* its parent goes away while it is
					  * open: follows PARENT_CLOSING and
					  * names whom that waits for
					  */
};

/**
 * struct mdevd_event - one event, read() in whole records
 * @size: of this record; a reader steps by it
 * @type: enum mdevd_event_type
 * @parent: name of the parent
 * @uuid: of the device, zero where there is none
 * @pid: opener, for DEVICE_OPENED and DEVICE_REVOKED, or writer, for REQUEST:
 *	thread group in the reader's pid namespace, 0 when it has ended or is
 *	not in there.  An opener may have passed its descriptor on.
 * @comm: opener's or writer's name
 * @cookie: of a REQUEST or REQUEST_GONE
 * @name: of a REQUEST: the name of the type
 *
 * Each descriptor opened for reading sees what happens after it was opened.
 * read() of less than one record is -EINVAL.
 */
struct mdevd_event {
	__u32 size;
	__u32 type;
	char parent[MDEVD_PARENT_LEN];
	__u8 uuid[16];
	__s32 pid;
	char comm[16];
	__u32 __reserved;
	__aligned_u64 cookie;
	char name[MDEVD_NAME_LEN];
};

#endif /* _UAPI_MDEVD_H */

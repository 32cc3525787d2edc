/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the module that only compute: what may be configured and
 * reserved, who owns which range, what lies behind a guest's address, and the
 * guest's PCI config space.  No locks, no allocation, no kernel calls, so that
 * the same files are built in userspace under sanitizers and fuzzers.
 */
#ifndef MDEVD_PURE_H
#define MDEVD_PURE_H

#ifdef __KERNEL__
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/pci_regs.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/pci_regs.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
#define IS_ALIGNED(x, a) (((x) & ((a) - 1)) == 0)
#endif

#include "include/uapi/mdevd.h"

/* Counts the comparisons of a lookup; only the userspace build fills it in. */
#ifndef MDEVD_COMPARED
#define MDEVD_COMPARED() do { } while (0)
#endif

#define MDEVD_PCI_BARS		6
#define MDEVD_CFG_SIZE		256
#define MDEVD_CFG_MSIX		0x40	/* place of the MSI-X capability */
#define MDEVD_CFG_VENDOR	0x50	/* same of struct mdevd_guest_cap */

/* ---- mdevd_spans.c: who owns which range of a BAR ---- */

/**
 * struct mdevd_span - the range [start, end) and whose it is
 * @start: first byte
 * @end: byte after the last
 * @owner: not dereferenced here
 */
struct mdevd_span {
	u64 start;
	u64 end;
	void *owner;
};

/**
 * struct mdevd_spans - disjoint spans in ascending order
 * @items: the spans
 * @n: how many
 * @room: for how many there is memory
 */
struct mdevd_spans {
	struct mdevd_span *items;
	size_t n;
	size_t room;
};

size_t mdevd_spans_after(const struct mdevd_spans *set, u64 pos);
struct mdevd_span *mdevd_spans_overlap(const struct mdevd_spans *set,
				       u64 start, u64 end);
void mdevd_spans_add(struct mdevd_spans *set, u64 start, u64 end, void *owner);
bool mdevd_spans_del(struct mdevd_spans *set, u64 start, const void *owner);

/* ---- mdevd_resolve.c: what lies behind a guest's address ---- */

/*
 * A kind of part that no configuration has: what is behind it is bound late, by
 * the vendor's module, to memory of the device.
 */
#define MDEVD_PART_LATE		0x80

/**
 * struct mdevd_piece - a piece of a guest BAR and what is behind it
 * @guest: first byte, from the start of the guest BAR
 * @length: bytes
 * @phys: host physical address of the first byte
 * @at: offset of the first byte in what backs it
 * @backing: index of the extent that it is made of, or of the part in the type
 *	where that has something else behind it
 * @cache: enum mdevd_cache
 * @kind: enum mdevd_part_kind; MDEVD_PART_NONE and _LATE: may be mapped
 */
struct mdevd_piece {
	u64 guest;
	u64 length;
	u64 phys;
	u64 at;
	u32 backing;
	u32 cache;
	u32 kind;
};

/**
 * struct mdevd_target - answer of mdevd_resolve()
 * @phys: host physical address behind the offset asked for
 * @start: first guest offset of the run around it: contiguous, of one extent
 *	and one memory type
 * @end: guest offset after the run
 * @at: offset of @start in what backs it
 * @backing: as of struct mdevd_piece
 * @cache: enum mdevd_cache
 * @kind: enum mdevd_part_kind
 * @moved: @phys is in the place that the extent moves to
 */
struct mdevd_target {
	u64 phys;
	u64 start;
	u64 end;
	u64 at;
	u32 backing;
	u32 cache;
	u32 kind;
	bool moved;
};

/**
 * struct mdevd_moved - how far an extent has moved
 * @backing: index of the extent
 * @phys: host physical address of the place that it moves to
 * @lo: what is below this offset in the extent is there
 * @hi: what is from here on is where it was; between them it is on its way
 */
struct mdevd_moved {
	u32 backing;
	u64 phys;
	u64 lo;
	u64 hi;
};

int mdevd_resolve_moved(const struct mdevd_moved *moved, u64 offset,
			struct mdevd_target *target);
int mdevd_resolve(const struct mdevd_piece *pieces, size_t n, u64 offset,
		  struct mdevd_target *target);
bool mdevd_resolve_mappable(const struct mdevd_piece *pieces, size_t n,
			    u64 *start, u64 *end);

/* ---- mdevd_layout.c: what a device's BARs are made of ---- */

/* Pieces that the BARs of a device of so many extents have at most. */
#define MDEVD_MAX_PIECES(n_extents) ((n_extents) + 2 * MDEVD_MAX_PARTS)

/**
 * struct mdevd_msix - where a type has its MSI-X table and PBA
 * @vectors: how many; 0: none, and all else is 0
 * @bar: guest BAR, which has nothing else in it
 * @pba: offset of the PBA in it; the table is at 0
 * @size: of the BAR
 */
struct mdevd_msix {
	u32 vectors;
	u32 bar;
	u32 pba;
	u32 size;
};

bool mdevd_layout_in_extents(const struct mdevd_part *part);
int mdevd_layout_msix(const struct mdevd_type *type, struct mdevd_msix *msix);
size_t mdevd_layout_bar(const struct mdevd_type *type, u32 bar,
			const struct mdevd_extent *extents, size_t n,
			struct mdevd_piece *pieces);

/* ---- mdevd_msix.c: the guest's MSI-X table ---- */

void mdevd_msix_reset(u8 *table, u32 vectors);
void mdevd_msix_read(const u8 *table, u32 vectors, u64 pos, u8 *buf,
		     size_t count);
void mdevd_msix_write(u8 *table, u32 vectors, u64 pos, const u8 *buf,
		      size_t count);

/* ---- mdevd_text.c: names and labels ---- */

bool mdevd_check_string(const char *s, size_t room);
bool mdevd_check_name(const char *s, size_t room);
bool mdevd_check_label(const char *s, size_t room);

int mdevd_resolve_late(const struct mdevd_piece *memory, size_t n, u64 page,
		       u64 limit, u64 offset, u64 dev_offset, u64 run,
		       struct mdevd_target *target);

/* ---- mdevd_check.c: what may be configured and reserved ---- */

/**
 * struct mdevd_bounds - what the hardware of a parent allows
 * @page: granularity, a power of two
 * @bar_length: bytes of each memory BAR, 0 where there is none
 * @n_holes: how many of @holes are used
 * @holes: page aligned ranges that are in no pool: MSI-X table and PBA
 * @holes.bar: BAR of the range
 * @holes.start: first byte
 * @holes.end: byte after the last
 * @vectors: interrupt vectors that there are
 * @vendor: there is a vendor's module
 * @vendor_scrub: which can scrub
 */
struct mdevd_bounds {
	u64 page;
	u64 bar_length[MDEVD_PCI_BARS];
	u32 vectors;
	bool vendor;
	bool vendor_scrub;
	u32 n_holes;
	struct {
		u32 bar;
		u64 start;
		u64 end;
	} holes[2];
};

int mdevd_check_pools(const struct mdevd_bounds *bounds,
		      const struct mdevd_pool *pools, size_t n);
int mdevd_check_types(const struct mdevd_bounds *bounds,
		      const struct mdevd_pool *pools, size_t n_pools,
		      const struct mdevd_type *types, size_t n);
int mdevd_check_vectors(const struct mdevd_bounds *bounds,
			const struct mdevd_type *type, const u32 *vectors,
			u32 n);
bool mdevd_check_ids(const struct mdevd_ids *ids);
const struct mdevd_pool *mdevd_check_find_pool(const struct mdevd_pool *pools,
					       size_t n_pools,
					       const struct mdevd_extent *e);
int mdevd_check_extents(const struct mdevd_bounds *bounds,
			const struct mdevd_pool *pools, size_t n_pools,
			const struct mdevd_type *type,
			const struct mdevd_extent *extents, size_t n);
u64 mdevd_bar_size(u64 length);

/* ---- mdevd_cfgspace.c: the guest's PCI config space ---- */

/**
 * struct mdevd_cfg - emulated config space
 * @data: what the guest reads
 * @mask: bits that the guest may write
 */
struct mdevd_cfg {
	u8 data[MDEVD_CFG_SIZE];
	u8 mask[MDEVD_CFG_SIZE];
};

void mdevd_cfg_init(struct mdevd_cfg *cfg, const struct mdevd_type *type,
		    u8 revision);
void mdevd_cfg_read(const struct mdevd_cfg *cfg, size_t pos, u8 *buf,
		    size_t count);
void mdevd_cfg_write(struct mdevd_cfg *cfg, size_t pos, const u8 *buf,
		     size_t count);

#endif /* MDEVD_PURE_H */

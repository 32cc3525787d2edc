// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's PCI config space: 256 bytes and a mask of what may be written.
 *
 * BAR sizing needs nothing more: the address bits below the size are not in
 * the mask and stay zero.  Nothing here ever reaches the physical device;
 * COMMAND.MEM is a bit in memory and the physical enable is the host's.
 */
#include "mdevd_pure.h"

static void put(u8 *at, u64 value, size_t bytes)
{
	while (bytes--) {
		*at++ = value & 0xff;
		value >>= 8;
	}
}

static void init_bar(struct mdevd_cfg *cfg, size_t i,
		     const struct mdevd_type_bar *bar)
{
	size_t at = PCI_BASE_ADDRESS_0 + 4 * i;
	u64 mask = ~(mdevd_bar_size(bar->length) - 1);
	u32 flags = PCI_BASE_ADDRESS_SPACE_MEMORY;

	if (bar->flags & MDEVD_BAR_PREFETCH)
		flags |= PCI_BASE_ADDRESS_MEM_PREFETCH;
	if (bar->flags & MDEVD_BAR_64BIT) {
		flags |= PCI_BASE_ADDRESS_MEM_TYPE_64;
		put(&cfg->mask[at + 4], mask >> 32, 4);
	}

	put(&cfg->data[at], flags, 4);
	/* a size below 16 bytes cannot be: BARs are whole pages */
	put(&cfg->mask[at], mask & 0xfffffff0, 4);
}

/* PCI Local Bus Specification 3.0, section 6.8.2. */
static void init_msix(struct mdevd_cfg *cfg, const struct mdevd_msix *msix)
{
	u8 *cap = &cfg->data[MDEVD_CFG_MSIX];

	cap[PCI_CAP_LIST_ID] = PCI_CAP_ID_MSIX;
	cap[PCI_CAP_LIST_NEXT] = MDEVD_CFG_VENDOR;
	put(&cap[PCI_MSIX_FLAGS], msix->vectors - 1, 2);
	put(&cap[PCI_MSIX_TABLE], msix->bar, 4);
	put(&cap[PCI_MSIX_PBA], msix->pba | msix->bar, 4);
	put(&cfg->mask[MDEVD_CFG_MSIX + PCI_MSIX_FLAGS],
	    PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
}

static void init_vendor(struct mdevd_cfg *cfg, const struct mdevd_type *type)
{
	const size_t lengths = offsetof(struct mdevd_guest_cap, bar_length);
	const size_t label = offsetof(struct mdevd_guest_cap, label);
	const char *text = type->label[0] ? type->label : type->name;
	u8 *cap = &cfg->data[MDEVD_CFG_VENDOR];
	size_t i;

	cap[PCI_CAP_LIST_ID] = PCI_CAP_ID_VNDR;
	cap[offsetof(struct mdevd_guest_cap, length)] =
		sizeof(struct mdevd_guest_cap);
	cap[offsetof(struct mdevd_guest_cap, version)] =
		MDEVD_GUEST_CAP_VERSION;
	put(&cap[offsetof(struct mdevd_guest_cap, magic)],
	    MDEVD_GUEST_CAP_MAGIC, 4);
	for (i = 0; i < MDEVD_MAX_BARS; i++)
		put(&cap[lengths + 8 * i], type->bars[i].length, 8);
	for (i = 0; i < MDEVD_LABEL_LEN - 1 && text[i]; i++)
		cap[label + i] = text[i];
}

/**
 * mdevd_cfg_init - config space as after a reset
 * @cfg: filled in
 * @type: type of the device, which has been checked
 * @revision: revision id
 */
void mdevd_cfg_init(struct mdevd_cfg *cfg, const struct mdevd_type *type,
		    u8 revision)
{
	struct mdevd_type_bar table = {};
	struct mdevd_msix msix;
	size_t i;

	memset(cfg, 0, sizeof(*cfg));

	put(&cfg->data[PCI_VENDOR_ID], type->vendor, 2);
	put(&cfg->data[PCI_DEVICE_ID], type->device, 2);
	put(&cfg->data[PCI_STATUS], PCI_STATUS_CAP_LIST, 2);
	put(&cfg->data[PCI_CLASS_REVISION], revision, 1);
	put(&cfg->data[PCI_CLASS_PROG], type->class, 3);
	put(&cfg->data[PCI_SUBSYSTEM_VENDOR_ID], type->subvendor, 2);
	put(&cfg->data[PCI_SUBSYSTEM_ID], type->subdevice, 2);
	cfg->data[PCI_CAPABILITY_LIST] = MDEVD_CFG_VENDOR;

	put(&cfg->mask[PCI_COMMAND], PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
	    PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE,
	    2);
	cfg->mask[PCI_CACHE_LINE_SIZE] = 0xff;
	cfg->mask[PCI_LATENCY_TIMER] = 0xff;
	cfg->mask[PCI_INTERRUPT_LINE] = 0xff;

	for (i = 0; i < MDEVD_MAX_BARS; i++)
		if (type->bars[i].length)
			init_bar(cfg, i, &type->bars[i]);

	init_vendor(cfg, type);
	if (!mdevd_layout_msix(type, &msix) && msix.vectors) {
		table.length = msix.size;
		init_bar(cfg, msix.bar, &table);
		init_msix(cfg, &msix);
		cfg->data[PCI_CAPABILITY_LIST] = MDEVD_CFG_MSIX;
	}
}

/**
 * mdevd_cfg_read - read config space
 * @cfg: config space
 * @pos: first byte; @pos + @count is at most MDEVD_CFG_SIZE
 * @buf: filled in
 * @count: bytes
 */
void mdevd_cfg_read(const struct mdevd_cfg *cfg, size_t pos, u8 *buf,
		    size_t count)
{
	memcpy(buf, &cfg->data[pos], count);
}

/**
 * mdevd_cfg_write - write config space
 * @cfg: config space
 * @pos: first byte; @pos + @count is at most MDEVD_CFG_SIZE
 * @buf: what the guest writes
 * @count: bytes
 */
void mdevd_cfg_write(struct mdevd_cfg *cfg, size_t pos, const u8 *buf,
		     size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		u8 mask = cfg->mask[pos + i];

		cfg->data[pos + i] &= ~mask;
		cfg->data[pos + i] |= buf[i] & mask;
	}
}

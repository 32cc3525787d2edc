/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * parent.h: a device that can be divided, its pools and its types. Plain data: what is linked here
 * was seen by an event (a uevent, a record of /dev/mdevd), or stands in the configuration.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/types.h"
#include "util/list.h"

#define BARS_MAX 6
#define PARTS_MAX 8

typedef enum ParentState {
        PARENT_ABSENT,     /* configured or has definitions, but no such device */
        PARENT_PRESENT,    /* the device is there */
        PARENT_BOUND,      /* bound to our driver, not configured */
        PARENT_REGISTERED, /* mdev types are offered */
        PARENT_CLOSING,    /* going away */
        _PARENT_STATE_MAX,
} ParentState;

typedef enum PoolKind {
        POOL_MEMORY,
        POOL_REGISTERS,
        _POOL_KIND_MAX,
} PoolKind;

typedef enum Cache {
        CACHE_UC,
        CACHE_WC,
        _CACHE_MAX,
} Cache;

typedef enum Scrub {
        SCRUB_ZERO,
        SCRUB_NONE,
        SCRUB_VENDOR, /* by the module of the parent's vendor */
        _SCRUB_MAX,
} Scrub;

typedef enum MapMode {
        MAP_FAULT,
        MAP_EAGER,
        _MAP_MODE_MAX,
} MapMode;

/* What stands behind a part of a BAR that is not simply mapped. */
typedef enum PartKind {
        PART_NONE,    /* this element says nothing */
        PART_TRAPPED, /* the pool's bytes, reached access by access */
        PART_SHARED,  /* of the parent, the same for every device, read only */
        PART_VENDOR,  /* what the module of the parent's vendor answers */
        _PART_KIND_MAX,
} PartKind;

/* What becomes of who has a device open when its parent goes away. */
typedef enum OnUnplug {
        ON_UNPLUG_WAIT, /* the removal waits until they close it by themselves */
        ON_UNPLUG_KILL, /* they are killed after a while */
        _ON_UNPLUG_MAX,
} OnUnplug;

DECLARE_STRING_TABLE(parent_state, ParentState)
DECLARE_STRING_TABLE(pool_kind, PoolKind)
DECLARE_STRING_TABLE(cache, Cache)
DECLARE_STRING_TABLE(scrub, Scrub)
DECLARE_STRING_TABLE(map_mode, MapMode)
DECLARE_STRING_TABLE(part_kind, PartKind)
DECLARE_STRING_TABLE(on_unplug, OnUnplug)

struct Pool {
        List node; /* in parent->pools */
        char *name;
        uint64_t offset; /* bytes, from the start of the BAR */
        uint64_t size;   /* bytes; 0 in a configuration: to the end of the BAR */
        uint64_t slot;   /* bytes: every extent takes a slot of this size; 0: powers of two */
        uint8_t bar;
        PoolKind kind;
        Cache cache;
        Scrub scrub;
};

typedef struct TypeBar TypeBar;

struct TypeBar {
        uint64_t size; /* bytes backed by the pool, page aligned; 0: none */
        char *pool;    /* name of the pool of the same parent */
        bool is_64bit;
        bool prefetch;
};

typedef struct TypePart TypePart;

/* Whole pages of a BAR. Foreign ones, not the pool's, lie before or behind the pool's bytes. */
struct TypePart {
        PartKind kind;
        uint8_t bar;        /* of the type */
        uint8_t parent_bar; /* of PART_SHARED: where it is on the parent; else 0 */
        uint64_t offset;    /* bytes, from the start of the BAR */
        uint64_t size;      /* bytes */
        uint64_t parent_offset;
};

struct Type {
        List node;     /* in parent->types */
        char *id;      /* name in sysfs, "mdevd-fb-16M" or "nvidia-22" */
        char *name;    /* of our own types: the id without "mdevd-", else the id */
        char *label;   /* sysfs "name", NULL where there is none */
        char *device_api;
        char *description;
        unsigned available; /* available_instances as last read */
        uint64_t told;      /* of it to our module, as available; and 1 added: 0 is nothing */
        bool ours;          /* placed by our policy into our pools: the rest is valid */
        bool movable;       /* nothing but the CPU writes its pools: an extent can be moved */
        MapMode map;
        unsigned vectors;
        uint16_t vendor, device, subvendor, subdevice;
        uint32_t class;
        TypeBar bars[BARS_MAX];
        TypePart parts[PARTS_MAX]; /* those that say something come first */
};

struct Parent {
        List node;   /* in model->parents */
        Model *model; /* borrowed; NULL while unlinked */
        char *name;  /* as in /sys/class/mdev_bus, "0000:00:05.0" */
        char *path;  /* sysfs path below the root, "devices/pci0000:00/…"; NULL while absent */
        char *driver;
        char *unit;    /* what it shares its capacity with: its physical function; NULL: nothing */
        int numa_node; /* -1: none */
        ParentState state;
        bool ours;       /* configured for our module */
        bool in_config;
        char *vendor;    /* ours: whose module makes the devices live; NULL: nobody's */
        bool unsafe_dma; /* ours: may master the bus although that is not contained */
        OnUnplug on_unplug;         /* of a configuration */
        uint32_t on_unplug_timeout; /* of a configuration: seconds */
        bool evicting; /* who has its devices open is given time, or ended: core/unplug.c */
        bool outdated; /* ours: the kernel has another configuration of it than our files */
        List pools;
        List types;
        List functions;   /* of Function: what bears its devices, where they are no mdevs */
        List devices;     /* of Device, by parent_node */
        uint64_t changes; /* counts what policy may have to look at anew, see parent_changed() */
        uint64_t arrivals; /* counts devices that were linked: no change, the list has them last */
        uint64_t told_of; /* what told of its types rests on, see core/available.c; 0: nothing */
        void *view;       /* policy's own memory of this parent, freed by view_free */
        void (*view_free)(void *view);
        uint64_t bar_sizes[BARS_MAX]; /* bytes, as sysfs "resource" says; 0: absent */
};

int pool_new(Pool **ret, const char *name);
/* All but where it is linked: the model gives and takes parents whole, so each has its own. */
int pool_copy(Pool **ret, const Pool *from);
Pool *pool_free(Pool *p);
DEFINE_CLEANUP(Pool *, pool_free)

int type_new(Type **ret, const char *id);
/* As pool_copy(). What is available is as last read, of the parent that @from is linked in. */
int type_copy(Type **ret, const Type *from);
Type *type_free(Type *t);
DEFINE_CLEANUP(Type *, type_free)

/* Backed by something else than the device's own pool. */
bool part_is_foreign(const TypePart *p);
/*
 * Bytes of foreign parts of a BAR: with the pool's they are what the guest sees; 0 and 0: no BAR.
 */
uint64_t type_foreign_size(const Type *t, unsigned bar);

int parent_new(Parent **ret, const char *name);
/* Unlinks, frees pools and types. Devices of it must be gone from the model. */
Parent *parent_free(Parent *p);
DEFINE_CLEANUP(Parent *, parent_free)

/* By its PCI address. */
Function *parent_find_function(const Parent *p, const char *name);
Pool *parent_find_pool(const Parent *p, const char *name);
/* By id or, for our own types, by name. */
Type *parent_find_type(const Parent *p, const char *name);
/* Whatever the configuration wants of it: another driver than ours has it now. */
bool parent_has_other_driver(const Parent *p);
void parent_link_pool(Parent *p, Pool *pool);
void parent_link_type(Parent *p, Type *type);

/*
 * To be called after a change that no link or setter of the model made: to a pool, or to a linked
 * device's type. Linking pools and types, unlinking, freeing and the setters call it themselves.
 */
void parent_changed(Parent *p);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * allocator.h: which bytes of one range of a BAR are free, and the best place for some more.
 *
 * Without slots a size is a power of two of at least a page and gets a place at a multiple of
 * itself, counted from the start of the BAR. So free space is a set of *blocks*: powers of two at
 * multiples of themselves, as large as can be. Best fit takes the smallest block that is large
 * enough, of these the first, and its front. For such sizes this loses nothing: a set of sizes has
 * room if and only if it can be placed one after the other, in any order, by best fit; which is why
 * the number of blocks of each order (BlockCounts) answers whether a set has room.
 *
 * With slots the range is divided into slots of one size and every extent takes one.
 *
 * What is free decides everything; the history does not. So a layout that was adopted after a
 * restart behaves as the one that grew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

#define ALLOCATOR_PAGE 4096
#define ALLOCATOR_ORDERS 53 /* blocks of 1 unit … 2^52 units */

typedef struct Allocator Allocator;
typedef struct AllocatorNode AllocatorNode;
typedef struct BlockCounts BlockCounts;

enum {
        _ALLOCATOR_SUCCESS,
        ALLOCATOR_FULL,     /* no block is large enough */
        ALLOCATOR_BAD_SIZE, /* such a size has no place here, however much is free */
};

/* How many free blocks there are of each order, in units. */
struct BlockCounts {
        uint32_t n[ALLOCATOR_ORDERS];
        uint64_t mask; /* bit k: n[k] > 0 */
};

struct Allocator {
        uint64_t offset; /* the range: bytes from the start of the BAR */
        uint64_t size;
        uint64_t slot;   /* bytes; 0: natural alignment */
        uint64_t unit;   /* bytes: a page or a slot */
        uint64_t base;   /* where unit 0 is: 0, or with slots @offset */
        unsigned order;  /* of the root block */
        uint32_t root;
        BlockCounts counts;
        AllocatorNode *nodes;
        uint32_t n_nodes;    /* used or on the list of unused ones */
        uint32_t size_nodes; /* allocated */
        uint32_t unused;     /* first of them, 0: none */
        uint32_t n_unused;
};

typedef struct AllocatorUsage AllocatorUsage;

struct AllocatorUsage {
        uint64_t used; /* bytes */
        uint64_t free;
        uint64_t largest_hole;  /* longest run of free bytes, however aligned */
        uint64_t largest_block; /* largest size that has room now */
        unsigned holes;
        unsigned fragmentation; /* per mille of the free bytes outside the largest hole */
};

/*
 * All free. @offset and @size are multiples of a page. @first: where slots are counted from, at or
 * before @offset; slots that the range cuts belong to nobody. -EINVAL, -ENOMEM; after a failure
 * allocator_done() is harmless.
 */
int allocator_init(Allocator *a, uint64_t offset, uint64_t size, uint64_t slot, uint64_t first);
void allocator_done(Allocator *a);
int allocator_copy(Allocator *a, const Allocator *from);

/* 0, ALLOCATOR_FULL, ALLOCATOR_BAD_SIZE or -ENOMEM, and then nothing has changed. */
int allocator_alloc(Allocator *a, uint64_t size, uint64_t *ret_offset);
/* Where allocator_alloc() would put it. */
int allocator_find(const Allocator *a, uint64_t size, uint64_t *ret_offset);
/*
 * Marks as taken whatever of the range the extent touches, free or not: for a layout that others
 * made. -ENOMEM, and then nothing has changed.
 */
int allocator_take(Allocator *a, uint64_t offset, uint64_t size);
/* The reverse. With slots, of an extent that lay in slots of its own. */
int allocator_release(Allocator *a, uint64_t offset, uint64_t size);
/* True if no byte of the extent is taken and all are in the range. */
bool allocator_is_free(const Allocator *a, uint64_t offset, uint64_t size);

void allocator_usage(const Allocator *a, AllocatorUsage *ret);

/* The order of block that @size needs, or negative: such a size has no place here. */
int allocator_order(const Allocator *a, uint64_t size);

/* Takes a block of @order by best fit from a count alone. False: there is none, nothing changed. */
bool block_counts_take(BlockCounts *c, unsigned order);
/*
 * The same up to @n times, from blocks of at most order @largest; how many were taken. Takes no
 * longer for many than for one.
 */
uint64_t block_counts_take_many(BlockCounts *c, unsigned order, unsigned largest, uint64_t n);
/* How many blocks of @order could be taken. */
uint64_t block_counts_room(const BlockCounts *c, unsigned order);

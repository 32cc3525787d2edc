/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * allocator.c: a binary tree over the units of the range. A node is a block of 2^order units; it is
 * wholly taken, wholly free (neither needs storage: both are an index), or has two halves that are
 * not alike. So the tree depends on what is free and on nothing else, and has at most as many nodes
 * as there are borders between free and taken times the depth.
 *
 * A node knows of its block: which orders of free blocks are in it (one bit an order, the index by
 * alignment class; best fit is one look at the root and one way down), and the lengths of the free
 * runs at its ends and of the longest one, so that holes cost nothing to know.
 */
#include "policy/allocator.h"

#include <string.h>

enum {
        TAKEN,
        FREE,
        FIRST_NODE,
};

struct AllocatorNode {
        uint32_t child[2]; /* lower half, upper half; of an unused node [0] is the next one */
        uint32_t holes;
        uint64_t mask;   /* bit k: a free block of order k is inside */
        uint64_t free;   /* units */
        uint64_t prefix; /* units of the free run at the lower end */
        uint64_t suffix;
        uint64_t largest;
};

static uint64_t units_in(unsigned order) {
        return UINT64_C(1) << order;
}

/* @leaf: where to put what a block that is all alike would say. */
static const AllocatorNode *node_of(const Allocator *a, uint32_t i, unsigned order,
                                    AllocatorNode *leaf) {
        uint64_t n = units_in(order);

        if (i >= FIRST_NODE)
                return &a->nodes[i];
        if (i == TAKEN)
                *leaf = (AllocatorNode) {};
        else
                *leaf = (AllocatorNode) { .holes = 1, .mask = n, .free = n, .prefix = n,
                                          .suffix = n, .largest = n };
        return leaf;
}

/* Brings a node in line with its halves, which are of @order. */
static void node_pull(Allocator *a, uint32_t i, unsigned order) {
        AllocatorNode *p = &a->nodes[i];
        AllocatorNode leaves[2];
        const AllocatorNode *low = node_of(a, p->child[0], order, &leaves[0]);
        const AllocatorNode *high = node_of(a, p->child[1], order, &leaves[1]);
        uint64_t half = units_in(order), middle = low->suffix + high->prefix;

        p->mask = low->mask | high->mask;
        p->free = low->free + high->free;
        p->prefix = low->prefix == half ? half + high->prefix : low->prefix;
        p->suffix = high->suffix == half ? half + low->suffix : high->suffix;
        p->largest = MAX(low->largest, high->largest);
        p->largest = MAX(p->largest, middle);
        p->holes = low->holes + high->holes - (low->suffix > 0 && high->prefix > 0);
}

static void count_block(Allocator *a, unsigned order, int by) {
        a->counts.n[order] += (uint32_t) by;
        if (a->counts.n[order] > 0)
                a->counts.mask |= units_in(order);
        else
                a->counts.mask &= ~units_in(order);
}

/* A range has two ends, and each may need a node on every level below the root. */
static int nodes_ensure(Allocator *a) {
        uint32_t need = 2 * a->order + 2, size;
        AllocatorNode *bigger;

        if ((uint64_t) a->size_nodes + a->n_unused >= (uint64_t) a->n_nodes + need)
                return 0;
        if (__builtin_mul_overflow(a->size_nodes, 2U, &size) || a->n_nodes > UINT32_MAX - need)
                return -ENOMEM;
        size = MAX(size, a->n_nodes + need);
        bigger = reallocarray(a->nodes, size, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        a->nodes = bigger;
        a->size_nodes = size;
        return 0;
}

/* Never fails: nodes_ensure() came before. */
static uint32_t node_new(Allocator *a) {
        uint32_t i = a->unused;

        if (i) {
                a->unused = a->nodes[i].child[0];
                a->n_unused--;
                return i;
        }
        assert(a->n_nodes < a->size_nodes);
        return a->n_nodes++;
}

static void node_drop(Allocator *a, uint32_t i) {
        a->nodes[i].child[0] = a->unused;
        a->unused = i;
        a->n_unused++;
}

/* Forgets all that is below a node that will be wholly taken or free. */
static void subtree_drop(Allocator *a, uint32_t i, unsigned order) {
        if (i == FREE)
                count_block(a, order, -1);
        if (i < FIRST_NODE)
                return;
        subtree_drop(a, a->nodes[i].child[0], order - 1);
        subtree_drop(a, a->nodes[i].child[1], order - 1);
        node_drop(a, i);
}

/* A node for a block that was all alike. */
static uint32_t node_split(Allocator *a, uint32_t leaf, unsigned order) {
        uint32_t i = node_new(a);

        a->nodes[i].child[0] = a->nodes[i].child[1] = leaf;
        if (leaf == FREE) {
                count_block(a, order, -1);
                count_block(a, order - 1, 2);
        }
        return i;
}

/* The node that stands for two halves: itself, or what both are. */
static uint32_t node_join(Allocator *a, uint32_t i, unsigned order) {
        uint32_t leaf = a->nodes[i].child[0];

        if (leaf >= FIRST_NODE || a->nodes[i].child[1] != leaf) {
                node_pull(a, i, order - 1);
                return i;
        }
        if (leaf == FREE) {
                count_block(a, order - 1, -2);
                count_block(a, order, 1);
        }
        node_drop(a, i);
        return leaf;
}

/* Makes units [from, to) of the block at @start all @leaf; returns the node that stands for it. */
static uint32_t set_units(Allocator *a, uint32_t i, unsigned order, uint64_t start, uint64_t from,
                          uint64_t to, uint32_t leaf) {
        uint64_t middle = start + units_in(order) / 2, end = start + units_in(order);

        if (i == leaf || from >= end || to <= start)
                return i;
        if (from <= start && to >= end) {
                subtree_drop(a, i, order);
                if (leaf == FREE)
                        count_block(a, order, 1);
                return leaf;
        }
        if (i < FIRST_NODE)
                i = node_split(a, i, order);
        for (int half = 0; half < 2; half++) {
                uint32_t child = set_units(a, a->nodes[i].child[half], order - 1,
                                           half ? middle : start, from, to, leaf);

                a->nodes[i].child[half] = child;
        }
        return node_join(a, i, order);
}

static int set_range(Allocator *a, uint64_t from, uint64_t to, uint32_t leaf) {
        int r;

        r = nodes_ensure(a);
        if (r < 0)
                return r;
        a->root = set_units(a, a->root, a->order, 0, from, to, leaf);
        return 0;
}

/* The units that bytes [offset, offset + size) touch, none of them beyond the range. */
static void units_touched(const Allocator *a, uint64_t offset, uint64_t size, uint64_t *ret_from,
                          uint64_t *ret_to) {
        uint64_t end;

        if (__builtin_add_overflow(offset, size, &end))
                end = UINT64_MAX;
        offset = MAX(offset, a->offset);
        end = MIN(end, a->offset + a->size);
        if (offset >= end) {
                *ret_from = *ret_to = 0;
                return;
        }
        *ret_from = (offset - a->base) / a->unit;
        *ret_to = (end - a->base - 1) / a->unit + 1;
}

static void whole_units(const Allocator *a, uint64_t *ret_from, uint64_t *ret_to) {
        *ret_from = (a->offset - a->base + a->unit - 1) / a->unit;
        *ret_to = (a->offset + a->size - a->base) / a->unit;
}

int allocator_init(Allocator *a, uint64_t offset, uint64_t size, uint64_t slot, uint64_t first) {
        uint64_t end, from, to;
        int r;

        *a = (Allocator) { .offset = offset, .size = size, .slot = slot };
        if (size == 0 || (offset | size | slot | first) % ALLOCATOR_PAGE != 0 || first > offset ||
            __builtin_add_overflow(offset, size, &end) || end > UINT64_C(1) << 63)
                return -EINVAL;
        a->unit = slot ?: ALLOCATOR_PAGE;
        a->base = slot ? first : 0;
        a->n_nodes = FIRST_NODE;
        a->root = TAKEN;

        whole_units(a, &from, &to);
        while (units_in(a->order) < to)
                a->order++;
        if (from >= to)
                return 0; /* cut slots only: a range with no room */
        r = set_range(a, from, to, FREE);
        if (r < 0)
                allocator_done(a);
        return r;
}

void allocator_done(Allocator *a) {
        free(a->nodes);
        *a = (Allocator) {};
}

int allocator_copy(Allocator *a, const Allocator *from) {
        AllocatorNode *nodes;

        nodes = calloc(from->size_nodes ?: 1, sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;
        if (from->n_nodes > FIRST_NODE)
                memcpy(nodes + FIRST_NODE, from->nodes + FIRST_NODE,
                       (from->n_nodes - FIRST_NODE) * sizeof(*nodes));
        *a = *from;
        a->nodes = nodes;
        return 0;
}

int allocator_order(const Allocator *a, uint64_t size) {
        if (size == 0)
                return -1;
        if (a->slot)
                return size <= a->slot ? 0 : -1;
        if ((size & (size - 1)) != 0 || size < a->unit)
                return -1;
        return __builtin_ctzll(size / a->unit);
}

int allocator_find(const Allocator *a, uint64_t size, uint64_t *ret_offset) {
        int want = allocator_order(a, size);
        uint64_t mask, start = 0;
        unsigned best, order = a->order;
        uint32_t i = a->root;

        if (want < 0)
                return ALLOCATOR_BAD_SIZE;
        mask = a->counts.mask >> want;
        if (!mask)
                return ALLOCATOR_FULL;

        /* the smallest order that will do; then the lowest address that has one */
        best = (unsigned) want + (unsigned) __builtin_ctzll(mask);
        while (i >= FIRST_NODE) {
                uint32_t low = a->nodes[i].child[0];
                AllocatorNode leaf;

                order--;
                if (node_of(a, low, order, &leaf)->mask & units_in(best)) {
                        i = low;
                } else {
                        i = a->nodes[i].child[1];
                        start += units_in(order);
                }
        }
        assert(i == FREE && order == best);
        *ret_offset = a->base + start * a->unit;
        return 0;
}

int allocator_alloc(Allocator *a, uint64_t size, uint64_t *ret_offset) {
        uint64_t offset, from, to;
        int r;

        r = allocator_find(a, size, &offset);
        if (r != 0)
                return r;
        units_touched(a, offset, size, &from, &to);
        r = set_range(a, from, to, TAKEN);
        if (r < 0)
                return r;
        *ret_offset = offset;
        return 0;
}

int allocator_take(Allocator *a, uint64_t offset, uint64_t size) {
        uint64_t from, to;

        units_touched(a, offset, size, &from, &to);
        return set_range(a, from, to, TAKEN);
}

int allocator_release(Allocator *a, uint64_t offset, uint64_t size) {
        uint64_t from, to, first, last;

        units_touched(a, offset, size, &from, &to);
        whole_units(a, &first, &last); /* a cut slot is never free */
        from = MAX(from, first);
        to = MIN(to, last);
        return from < to ? set_range(a, from, to, FREE) : 0;
}

static bool units_are_free(const Allocator *a, uint32_t i, unsigned order, uint64_t start,
                           uint64_t from, uint64_t to) {
        uint64_t middle = start + units_in(order) / 2;

        if (from >= start + units_in(order) || to <= start)
                return true;
        if (i < FIRST_NODE)
                return i == FREE;
        return units_are_free(a, a->nodes[i].child[0], order - 1, start, from, to) &&
               units_are_free(a, a->nodes[i].child[1], order - 1, middle, from, to);
}

bool allocator_is_free(const Allocator *a, uint64_t offset, uint64_t size) {
        uint64_t from, to;

        if (offset < a->offset || size > a->size || offset - a->offset > a->size - size)
                return false;
        units_touched(a, offset, size, &from, &to);
        return units_are_free(a, a->root, a->order, 0, from, to);
}

void allocator_usage(const Allocator *a, AllocatorUsage *ret) {
        AllocatorNode leaf;
        const AllocatorNode root = *node_of(a, a->root, a->order, &leaf);
        unsigned largest = a->counts.mask ? 63 - (unsigned) __builtin_clzll(a->counts.mask) : 0;

        *ret = (AllocatorUsage) {
                .used = a->size - root.free * a->unit,
                .free = root.free * a->unit,
                .largest_hole = root.largest * a->unit,
                .holes = root.holes,
        };
        if (a->counts.mask)
                ret->largest_block = a->slot ? a->slot : units_in(largest) * a->unit;
        if (root.free > 0)
                ret->fragmentation =
                        (unsigned) (1000 - (unsigned __int128) 1000 * root.largest / root.free);
}

bool block_counts_take(BlockCounts *c, unsigned order) {
        uint64_t mask = order < ALLOCATOR_ORDERS ? c->mask >> order : 0;
        unsigned best;

        if (!mask)
                return false;
        best = order + (unsigned) __builtin_ctzll(mask);
        if (--c->n[best] == 0)
                c->mask &= ~units_in(best);
        /* what is left of the block: one half, one quarter … down to the size itself */
        for (unsigned i = order; i < best; i++) {
                c->n[i]++;
                c->mask |= units_in(i);
        }
        return true;
}

static void add_blocks(BlockCounts *c, unsigned order, int64_t n) {
        c->n[order] += (uint32_t) n;
        if (c->n[order] > 0)
                c->mask |= units_in(order);
        else
                c->mask &= ~units_in(order);
}

/* One block after the other is used up; what is left of the last one is its pieces in binary. */
uint64_t block_counts_take_many(BlockCounts *c, unsigned order, unsigned largest, uint64_t n) {
        uint64_t left = n, rest = 0;

        for (unsigned i = order; i <= largest && i < ALLOCATOR_ORDERS && left > 0; i++) {
                uint64_t each = units_in(i - order), whole = MIN(left / each, c->n[i]);

                add_blocks(c, i, -(int64_t) whole);
                left -= whole * each;
                if (left == 0 || c->n[i] == 0)
                        continue;
                add_blocks(c, i, -1);
                rest = each - left;
                left = 0;
        }
        for (unsigned i = order; rest > 0; i++, rest /= 2)
                if (rest & 1)
                        add_blocks(c, i, 1);
        return n - left;
}

uint64_t block_counts_room(const BlockCounts *c, unsigned order) {
        uint64_t n = 0;

        for (unsigned i = order; i < ALLOCATOR_ORDERS; i++)
                n += (uint64_t) c->n[i] << (i - order);
        return n;
}

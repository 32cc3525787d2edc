/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * picture.h: who has what of a pool, as a bar of characters. Each device has a letter, and on a
 * screen with colours a colour as well: a bar says the same without them.
 */
#pragma once

#include "cli/own/state.h"

typedef struct Range Range;
typedef struct Picture Picture;

/* A part of a pool; with no device it is free. */
struct Range {
        uint64_t offset, size; /* bytes, from the start of the BAR */
        const char *device, *owner, *state;
        size_t index; /* of those with a device, from 0: which letter it has */
};

struct Picture {
        uint64_t offset, size; /* of the pool */
        Range *ranges;         /* by offset; together they are the whole pool */
        size_t n;
        uint64_t smallest; /* bytes of the smallest one that a device has; the pool's if none */
};

/* @pool: of Describe(). Strings are borrowed. */
int picture_new(const JsonNode *pool, Picture *ret);
void picture_done(Picture *p);
/* The letter of a range; more than there are letters share "#". */
char picture_letter(const Range *r);
/* Whom it is for, in words. */
const char *picture_owner(const Range *r);
/* A bar of @columns characters for @size bytes from @offset. Where one shows several: "+". */
void picture_bar(const Screen *s, const Picture *p, uint64_t offset, uint64_t size,
                 size_t columns);
/* The largest power of two that is not above @n; extents then begin and end between characters. */
size_t picture_columns(size_t n);

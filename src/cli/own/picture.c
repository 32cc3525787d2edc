/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* picture.c owns which character of a bar shows which device. */
#include "cli/own/picture.h"

#define FREE_CELL (-1)
#define MIXED_CELL (-2)

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static int compare_offsets(const void *a, const void *b) {
        const Range *x = a, *y = b;

        return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int add(Picture *p, const Range *r) {
        Range *ranges = reallocarray(p->ranges, p->n + 1, sizeof(*ranges));

        if (!ranges)
                return -ENOMEM;
        p->ranges = ranges;
        p->ranges[p->n++] = *r;
        return 0;
}

/* What lies between the devices' is free. */
static int add_holes(Picture *p) {
        uint64_t at = p->offset;
        size_t n = p->n;
        int r = 0;

        for (size_t i = 0; i <= n && r >= 0; i++) {
                uint64_t next = i < n ? p->ranges[i].offset : p->offset + p->size;

                if (next > at)
                        r = add(p, &(Range) { .offset = at, .size = next - at });
                if (i < n)
                        at = MAX(at, p->ranges[i].offset + p->ranges[i].size);
        }
        return r;
}

int picture_new(const JsonNode *pool, Picture *ret) {
        Picture p = {
                .offset = node_number(pool, "offset"), .size = node_number(pool, "size"),
        };
        int r = 0;

        p.smallest = p.size;
        json_foreach(m, node_list(pool, "map")) {
                Range x = {
                        .offset = node_number(m, "offset"), .size = node_number(m, "size"),
                        .device = node_text(m, "device"), .owner = node_text(m, "owner"),
                        .state = node_text(m, "state"),
                };

                p.smallest = MIN(p.smallest, x.size);
                if (r >= 0)
                        r = add(&p, &x);
        }
        if (p.n > 0)
                qsort(p.ranges, p.n, sizeof(*p.ranges), compare_offsets);
        for (size_t i = 0; i < p.n; i++)
                p.ranges[i].index = i;
        if (r >= 0)
                r = add_holes(&p);
        if (r < 0) {
                picture_done(&p);
                return r;
        }
        if (p.n > 0)
                qsort(p.ranges, p.n, sizeof(*p.ranges), compare_offsets);
        *ret = p;
        return 0;
}

void picture_done(Picture *p) {
        free(p->ranges);
        *p = (Picture) {};
}

char picture_letter(const Range *r) {
        if (!r->device)
                return ' ';
        return r->index < strlen(letters) ? letters[r->index] : '#';
}

const char *picture_owner(const Range *r) {
        if (!r->device)
                return "free";
        return r->owner && r->owner[0] ? r->owner : "(nobody named)";
}

size_t picture_columns(size_t n) {
        size_t columns = 1;

        while (columns * 2 <= n)
                columns *= 2;
        return columns;
}

/* Which range the bytes of a cell belong to, or FREE_CELL, or MIXED_CELL. */
static long cell(const Picture *p, uint64_t begin, uint64_t end) {
        long found = FREE_CELL;

        for (size_t i = 0; i < p->n; i++) {
                const Range *r = &p->ranges[i];

                if (!r->device || r->offset >= end || r->offset + r->size <= begin)
                        continue;
                if (found != FREE_CELL)
                        return MIXED_CELL;
                found = (long) i;
        }
        return found;
}

/* @i of @columns parts of @size bytes: where it begins. Sizes are below 2^52, columns 2^10. */
static uint64_t part(uint64_t size, size_t i, size_t columns) {
        return size / columns * i + size % columns * i / columns;
}

void picture_bar(const Screen *s, const Picture *p, uint64_t offset, uint64_t size,
                 size_t columns) {
        long before = MIXED_CELL - 1;

        (void) putchar('|');
        for (size_t i = 0; i < columns; i++) {
                uint64_t begin = offset + part(size, i, columns);
                uint64_t end = offset + part(size, i + 1, columns);
                long c = size == 0 ? FREE_CELL : cell(p, begin, MAX(end, begin + 1));

                if (c != before)
                        (void) printf("%s%s", screen_colour(s, COLOUR_NONE),
                                      c == FREE_CELL    ? screen_colour(s, COLOUR_DIM)
                                      : c == MIXED_CELL ? screen_colour(s, COLOUR_BOLD)
                                      : screen_background(s, p->ranges[c].index));
                before = c;
                (void) putchar(c == FREE_CELL ? '.' : c == MIXED_CELL ? '+'
                                              : picture_letter(&p->ranges[c]));
        }
        (void) printf("%s|", screen_colour(s, COLOUR_NONE));
}

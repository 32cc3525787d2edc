/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fuzzer's model: which parent has which pools and types, who owns which page, and what QUERY
 * must therefore say.
 */
#include <stdlib.h>
#include "ioctl.h"

struct model model;

static const struct mdevd_pool pools[POOLS] = {
        { .name = "mem", .bar = 2, .cache = MDEVD_CACHE_WC, .length = 4 * MIB },
        { .name = "raw", .bar = 2, .kind = MDEVD_POOL_REGISTERS, .scrub = MDEVD_SCRUB_NONE,
          .offset = 4 * MIB, .length = 2 * MIB },
};

static const struct mdevd_type types[TYPES] = {
        { .name = "page", .bars = { { .length = PAGE } } },
        { .name = "three", .label = "three of four pages",
          .bars = { {}, { .length = 3 * PAGE, .flags = MDEVD_BAR_64BIT } } },
        { .name = "two", .map = MDEVD_MAP_EAGER,
          .bars = { { .length = 2 * PAGE, .flags = MDEVD_BAR_PREFETCH }, {},
                    { .length = 5 * PAGE, .flags = MDEVD_BAR_64BIT | MDEVD_BAR_PREFETCH } },
          .parts = { {}, { .bar = 2, .kind = MDEVD_PART_TRAPPED, .offset = 2 * PAGE,
                           .length = PAGE } } },
        { .name = "big", .bars = { { .length = 2 * MIB } } },
};

void model_init(void) {
        static const uint64_t sizes[PARENTS] = { 64 * MIB, 16 * MIB };

        for (int i = 0; i < PARENTS; i++) {
                struct model_parent *p = &model.parents[i];

                snprintf(p->name, sizeof(p->name), "%s", parent_name((unsigned)i));
                memcpy(p->pools, pools, sizeof(pools));
                memcpy(p->types, types, sizeof(types));
                p->bar_pages = sizes[i] / PAGE;
        }
}

static bool terminated(const char *s, size_t room) {
        return strnlen(s, room) < room;
}

int model_parent(const char *name) {
        for (int i = 0; i < PARENTS; i++)
                if (strcmp(model.parents[i].name, name) == 0)
                        return i;
        return -1;
}

const struct mdevd_type *model_type(int parent, const char *name) {
        for (int i = 0; i < TYPES; i++)
                if (strcmp(model.parents[parent].types[i].name, name) == 0)
                        return &model.parents[parent].types[i];
        return NULL;
}

int model_claim(const uint8_t *uuid) {
        for (int i = 0; i < CLAIMS; i++)
                if (model.claims[i].used && memcmp(model.claims[i].uuid, uuid, 16) == 0)
                        return i;
        return -1;
}

static bool extent_ok(const struct model_parent *p, const struct mdevd_type *type,
                      const struct mdevd_extent *e) {
        for (size_t i = 0; i < sizeof(e->__reserved); i++)
                if (e->__reserved[i])
                        return false;
        if (e->bar != 2 || e->guest_bar >= MDEVD_MAX_BARS || !type->bars[e->guest_bar].length)
                return false;
        if (!e->length || e->length % PAGE || e->offset % PAGE)
                return false;
        for (int i = 0; i < POOLS; i++) {
                uint64_t end = p->pools[i].offset + p->pools[i].length;

                if (e->offset >= p->pools[i].offset && e->offset < end &&
                    e->length <= end - e->offset)
                        return true;
        }
        return false;
}

/* Marks the pages with @mark, or says which extent cannot be and takes the marks back. */
static bool mark_extents(struct model_parent *p, const struct mdevd_extent *extents, uint32_t n,
                         uint16_t mark) {
        for (uint32_t i = 0; i < n; i++)
                for (uint64_t at = 0; at < extents[i].length; at += PAGE)
                        if (p->owner[(extents[i].offset + at) / PAGE] && mark)
                                goto undo;
                        else
                                p->owner[(extents[i].offset + at) / PAGE] = mark;
        return true;
undo:
        for (uint64_t page = 0; page < BAR2_PAGES; page++)
                if (p->owner[page] == mark)
                        p->owner[page] = 0;
        return false;
}

static bool extents_ok(const struct model_parent *p, const struct mdevd_type *type,
                       const struct mdevd_extent *extents, uint32_t n) {
        uint64_t sum[MDEVD_MAX_BARS] = {};

        for (uint32_t i = 0; i < n; i++) {
                if (!extent_ok(p, type, &extents[i]))
                        return false;
                sum[extents[i].guest_bar] += extents[i].length;
        }
        for (int i = 0; i < MDEVD_MAX_BARS; i++)
                if (sum[i] != type->bars[i].length)
                        return false;
        return true;
}

static bool text_ok(const char *s, size_t room) {
        for (size_t i = 0; i < room && s[i]; i++)
                if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
                        return false;
        return terminated(s, room);
}

/* Reads what the array holds as the module will; false if it cannot. */
static bool read_extents(const struct mdevd_reserve *arg, struct mdevd_extent *extents) {
        if (arg->n_extents < 1 || arg->n_extents > MDEVD_MAX_EXTENTS ||
            arg->extent_size < sizeof(*extents) || arg->extent_size > PAGE)
                return false;
        for (uint32_t i = 0; i < arg->n_extents; i++) {
                uint64_t at = arg->extents + (uint64_t)i * arg->extent_size;

                if (!memory_reaches(at, arg->extent_size, REACH_READ) ||
                    !memory_zero(at + sizeof(*extents), arg->extent_size - sizeof(*extents)))
                        return false;
                memcpy(&extents[i], (const void *)(uintptr_t)at, sizeof(*extents));
        }
        return true;
}

/* What a RESERVE of this does; the model follows if it is to succeed. */
bool model_reserve(int ctl, const struct mdevd_reserve *arg) {
        static const uint8_t nobody[16];
        struct mdevd_extent extents[MDEVD_MAX_EXTENTS];
        const struct mdevd_type *type;
        struct model_claim *claim = NULL;
        int parent, index;

        if (arg->flags || !terminated(arg->parent, sizeof(arg->parent)) ||
            !terminated(arg->type, sizeof(arg->type)) || !text_ok(arg->owner, sizeof(arg->owner)))
                return false;
        /* no type here has vectors, so none can be asked for */
        if (arg->n_vectors || arg->ids.class > 0xffffff)
                return false;
        parent = model_parent(arg->parent);
        if (parent < 0 || !model.parents[parent].configured)
                return false;
        type = model_type(parent, arg->type);
        if (!type || memcmp(arg->uuid, nobody, 16) == 0 || model_claim(arg->uuid) >= 0 ||
            !read_extents(arg, extents) ||
            !extents_ok(&model.parents[parent], type, extents, arg->n_extents))
                return false;

        for (index = 0; index < CLAIMS && !claim; index++)
                if (!model.claims[index].used)
                        claim = &model.claims[index];
        EXPECT(claim, "the fuzzer has no room for another reservation");
        if (!mark_extents(&model.parents[parent], extents, arg->n_extents, (uint16_t)index))
                return false;
        *claim = (struct model_claim){
                .used = true, .parent = parent, .ctl = ctl, .n = arg->n_extents,
        };
        memcpy(claim->uuid, arg->uuid, 16);
        memcpy(claim->extents, extents, arg->n_extents * sizeof(*extents));
        snprintf(claim->type, sizeof(claim->type), "%s", arg->type);
        snprintf(claim->owner, sizeof(claim->owner), "%s", arg->owner);
        return true;
}

void model_drop(int index) {
        struct model_claim *claim = &model.claims[index];

        mark_extents(&model.parents[claim->parent], claim->extents, claim->n, 0);
        claim->used = false;
}

void model_forget_ctl(int ctl) {
        for (int i = 0; i < CLAIMS; i++)
                if (model.claims[i].used && !model.claims[i].live && model.claims[i].ctl == ctl)
                        model_drop(i);
}

/* ---- QUERY ---- */

struct walk {
        int parent;
        int claim;
        uint32_t n_extents;
        unsigned pools, types;
        bool seen[CLAIMS];
        bool parent_seen[PARENTS];
};

static void end_claim(const struct walk *w) {
        if (w->claim >= 0)
                EXPECT(w->n_extents == model.claims[w->claim].n,
                       "QUERY: claim %d has %u extents, not %u", w->claim, w->n_extents,
                       model.claims[w->claim].n);
}

static void on_parent(struct walk *w, const struct mdevd_parent_record *r) {
        end_claim(w);
        w->claim = -1;
        w->parent = model_parent(r->name);
        EXPECT(w->parent >= 0, "QUERY: unknown parent %.32s", r->name);
        EXPECT(!w->parent_seen[w->parent], "QUERY: parent %s twice", r->name);
        w->parent_seen[w->parent] = true;
        EXPECT(r->state == (model.parents[w->parent].configured ? MDEVD_PARENT_CONFIGURED :
                                                                  MDEVD_PARENT_BOUND),
               "QUERY: parent %s is in state %u", r->name, r->state);
}

static void on_device(struct walk *w, const struct mdevd_device_record *r) {
        const struct model_claim *c;

        end_claim(w);
        w->claim = model_claim(r->uuid);
        w->n_extents = 0;
        EXPECT(w->claim >= 0, "QUERY: a device that nobody made, type %.32s state %u", r->type,
               r->state);
        c = &model.claims[w->claim];
        EXPECT(!w->seen[w->claim], "QUERY: claim %d twice", w->claim);
        w->seen[w->claim] = true;
        EXPECT(c->parent == w->parent, "QUERY: claim %d on the wrong parent", w->claim);
        EXPECT(strcmp(c->type, r->type) == 0 && strcmp(c->owner, r->owner) == 0,
               "QUERY: claim %d is '%s' of '%s', not '%s' of '%s'", w->claim, r->type, r->owner,
               c->type, c->owner);
        if (c->live)
                EXPECT(r->state == MDEVD_DEVICE_LIVE || r->state == MDEVD_DEVICE_SCRUBBING,
                       "QUERY: live claim %d is in state %u", w->claim, r->state);
        else
                EXPECT(r->state == MDEVD_DEVICE_RESERVED, "QUERY: claim %d is in state %u",
                       w->claim, r->state);
        EXPECT((r->opened > 0) == vfio_is_open(w->claim), "QUERY: claim %d opened %u", w->claim,
               r->opened);
}

static void on_extent(struct walk *w, const struct mdevd_extent *e) {
        EXPECT(w->claim >= 0 && w->n_extents < model.claims[w->claim].n,
               "QUERY: an extent too many");
        EXPECT(memcmp(e, &model.claims[w->claim].extents[w->n_extents], sizeof(*e)) == 0,
               "QUERY: extent %u of claim %d differs", w->n_extents, w->claim);
        w->n_extents++;
}

void model_compare(int ctl) {
        struct walk w = { .parent = -1, .claim = -1 };
        size_t length, at = 0;
        char *buf = ctl_snapshot(ctl, &length, NULL);

        EXPECT(buf, "QUERY fails");
        while (at < length) {
                const struct mdevd_record *r = (const void *)(buf + at);
                const void *payload = r + 1;

                EXPECT(r->length >= sizeof(*r) && r->length % 8 == 0 && r->length <= length - at,
                       "QUERY: a record of %u bytes at %zu of %zu", r->length, at, length);
                if (r->type == MDEVD_RECORD_PARENT)
                        on_parent(&w, payload);
                else if (r->type == MDEVD_RECORD_POOL)
                        w.pools++;
                else if (r->type == MDEVD_RECORD_TYPE)
                        w.types++;
                else if (r->type == MDEVD_RECORD_DEVICE)
                        on_device(&w, payload);
                else if (r->type == MDEVD_RECORD_EXTENT)
                        on_extent(&w, payload);
                at += r->length;
        }
        end_claim(&w);
        free(buf);

        for (int i = 0; i < PARENTS; i++) {
                EXPECT(w.parent_seen[i], "QUERY: parent %d is missing", i);
                w.pools -= model.parents[i].configured ? POOLS : 0;
                w.types -= model.parents[i].configured ? TYPES : 0;
        }
        EXPECT(w.pools == 0 && w.types == 0, "QUERY: pools or types too many or too few");
        for (int i = 0; i < CLAIMS; i++)
                EXPECT(w.seen[i] == model.claims[i].used, "QUERY: claim %d is missing", i);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kmod-snapshot.c: owns the reading of what MDEVD_QUERY answered: a list of records to a tree. */
#include <mdevd.h>

#include "backend/kmod.h"
#include "names.h"
#include "util/parse.h"

static KmodDevice *kmod_device_free(KmodDevice *d) {
        if (!d)
                return NULL;
        list_unlink(&d->node);
        free(d);
        return NULL;
}
DEFINE_CLEANUP(KmodDevice *, kmod_device_free)

static KmodParent *kmod_parent_free(KmodParent *p) {
        if (!p)
                return NULL;
        list_unlink(&p->node);
        if (p->devices.next)
                list_foreach_safe(d, &p->devices, KmodDevice, node)
                        kmod_device_free(d);
        parent_free(p->config);
        free(p->name);
        free(p);
        return NULL;
}
DEFINE_CLEANUP(KmodParent *, kmod_parent_free)

KmodSnapshot *kmod_snapshot_free(KmodSnapshot *s) {
        if (!s)
                return NULL;
        list_foreach_safe(p, &s->parents, KmodParent, node)
                kmod_parent_free(p);
        free(s);
        return NULL;
}

/* The last of each kind: what follows belongs to it. */
typedef struct Cursor Cursor;

struct Cursor {
        KmodSnapshot *snapshot;
        KmodParent *parent;
        KmodDevice *device;
};

static int take_string(const char *from, size_t size, char **ret) {
        if (!memchr(from, '\0', size))
                return -EBADMSG;
        *ret = strdup(from);
        return *ret ? 0 : -ENOMEM;
}

/*
 * The module takes any label of root's, in whatever encoding. With one that can be no owner of ours
 * the device could not even be removed, since no record could name it.
 */
static int copy_owner(const char from[static MDEVD_LABEL_LEN], KmodDevice *d) {
        size_t n = strnlen(from, MDEVD_LABEL_LEN);

        static_assert(sizeof(d->owner) >= MDEVD_LABEL_LEN, "a label fits");
        if (n == MDEVD_LABEL_LEN)
                return -EBADMSG;
        memcpy(d->owner, from, n + 1);
        if (name_is_valid_owner(d->owner))
                return 0;
        for (char *c = d->owner; *c; c++)
                if ((unsigned char) *c < 0x20 || (unsigned char) *c >= 0x7f)
                        *c = '?';
        return 0;
}

#define TYPE_PREFIX MDEVD_DRIVER "-"

static int copy_type_id(const char name[static MDEVD_NAME_LEN],
                        char to[static sizeof(TYPE_PREFIX) - 1 + MDEVD_NAME_LEN]) {
        size_t n = strnlen(name, MDEVD_NAME_LEN);

        if (n == MDEVD_NAME_LEN)
                return -EBADMSG;
        memcpy(to, TYPE_PREFIX, sizeof(TYPE_PREFIX) - 1);
        memcpy(to + sizeof(TYPE_PREFIX) - 1, name, n + 1);
        return 0;
}

static int on_parent(Cursor *c, const void *payload) {
        static const ParentState states[] = {
                [MDEVD_PARENT_BOUND] = PARENT_BOUND,
                [MDEVD_PARENT_CONFIGURED] = PARENT_REGISTERED,
                [MDEVD_PARENT_CLOSING] = PARENT_CLOSING,
        };
        const struct mdevd_parent_record *in = payload;
        _cleanup_(kmod_parent_freep) KmodParent *p = NULL;
        int r;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        list_init(&p->node);
        list_init(&p->devices);
        r = take_string(in->name, sizeof(in->name), &p->name);
        if (r >= 0)
                r = parent_new(&p->config, p->name);
        if (r >= 0 && in->vendor[0])
                r = take_string(in->vendor, sizeof(in->vendor), &p->config->vendor);
        if (r < 0)
                return r;
        p->config->unsafe_dma = in->flags & MDEVD_PARENT_UNSAFE_ASKED;
        /* A state that we do not know is one in which nothing new should be made. */
        p->state = in->state < ARRAY_SIZE(states) ? states[in->state] : PARENT_CLOSING;

        c->device = NULL;
        c->parent = TAKE_PTR(p);
        list_append(&c->snapshot->parents, &c->parent->node);
        return 0;
}

/* A way that we do not know is none that we could rely on. */
static Scrub scrub_from_kernel(uint8_t scrub) {
        static const Scrub scrubs[] = {
                [MDEVD_SCRUB_ZERO] = SCRUB_ZERO,
                [MDEVD_SCRUB_NONE] = SCRUB_NONE,
                [MDEVD_SCRUB_VENDOR] = SCRUB_VENDOR,
        };

        return scrub < ARRAY_SIZE(scrubs) ? scrubs[scrub] : SCRUB_NONE;
}

static int on_pool(Cursor *c, const void *payload) {
        const struct mdevd_pool *in = payload;
        _cleanup_(pool_freep) Pool *p = NULL;
        _cleanup_(freep) char *name = NULL;
        int r;

        if (!c->parent)
                return -EBADMSG;
        r = take_string(in->name, sizeof(in->name), &name);
        if (r >= 0)
                r = pool_new(&p, name);
        if (r < 0)
                return r;
        p->bar = in->bar;
        p->kind = in->kind == MDEVD_POOL_REGISTERS ? POOL_REGISTERS : POOL_MEMORY;
        p->cache = in->cache == MDEVD_CACHE_WC ? CACHE_WC : CACHE_UC;
        p->scrub = scrub_from_kernel(in->scrub);
        p->offset = in->offset;
        p->size = in->length;
        parent_link_pool(c->parent->config, TAKE_PTR(p));
        return 0;
}

/* One of a kind that we do not know takes something that we cannot tell. */
static int take_parts(const struct mdevd_type *in, Type *t) {
        static const PartKind kinds[] = {
                [MDEVD_PART_NONE] = PART_NONE,
                [MDEVD_PART_TRAPPED] = PART_TRAPPED,
                [MDEVD_PART_SHARED] = PART_SHARED,
                [MDEVD_PART_VENDOR] = PART_VENDOR,
        };
        size_t n = 0;

        for (size_t i = 0; i < PARTS_MAX; i++) {
                const struct mdevd_part *p = &in->parts[i];

                if (p->kind == MDEVD_PART_NONE)
                        continue;
                if (p->kind >= ARRAY_SIZE(kinds) || p->bar >= BARS_MAX ||
                    p->length > in->bars[p->bar].length)
                        return -EBADMSG;
                t->parts[n++] = (TypePart){
                        .kind = kinds[p->kind],
                        .bar = p->bar,
                        .offset = p->offset,
                        .size = p->length,
                        .parent_bar = p->parent_bar,
                        .parent_offset = p->parent_offset,
                };
        }
        return 0;
}

static int on_type(Cursor *c, const void *payload) {
        const struct mdevd_type *in = payload;
        char id[sizeof(TYPE_PREFIX) - 1 + MDEVD_NAME_LEN];
        _cleanup_(type_freep) Type *t = NULL;
        int r;

        if (!c->parent)
                return -EBADMSG;
        r = copy_type_id(in->name, id);
        if (r >= 0)
                r = type_new(&t, id);
        if (r < 0)
                return r;
        free(t->name);
        t->name = NULL;
        r = take_string(in->name, sizeof(in->name), &t->name);
        if (r >= 0)
                r = take_string(in->label, sizeof(in->label), &t->label);
        if (r < 0)
                return r;
        t->ours = true;
        t->map = in->map == MDEVD_MAP_EAGER ? MAP_EAGER : MAP_FAULT;
        t->vectors = in->vectors;
        t->vendor = in->vendor;
        t->device = in->device;
        t->subvendor = in->subvendor;
        t->subdevice = in->subdevice;
        t->class = in->class;
        t->movable = in->flags & MDEVD_TYPE_MOVABLE;
        r = take_parts(in, t);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < BARS_MAX; i++) {
                uint64_t foreign = type_foreign_size(t, i);

                if (in->bars[i].length < foreign)
                        return -EBADMSG;
                t->bars[i].size = in->bars[i].length - foreign;
                t->bars[i].is_64bit = in->bars[i].flags & MDEVD_BAR_64BIT;
                t->bars[i].prefetch = in->bars[i].flags & MDEVD_BAR_PREFETCH;
        }
        parent_link_type(c->parent->config, TAKE_PTR(t));
        return 0;
}

static int on_device(Cursor *c, const void *payload) {
        static const DeviceState states[] = {
                [MDEVD_DEVICE_RESERVED] = DEVICE_RESERVED,
                [MDEVD_DEVICE_LIVE] = DEVICE_LIVE,
                [MDEVD_DEVICE_SCRUBBING] = DEVICE_SCRUBBING,
                [MDEVD_DEVICE_DYING] = DEVICE_DYING,
                [MDEVD_DEVICE_REVOKED] = DEVICE_REVOKED,
                [MDEVD_DEVICE_SUSPENDED] = DEVICE_SUSPENDED,
        };
        const struct mdevd_device_record *in = payload;
        _cleanup_(kmod_device_freep) KmodDevice *d = NULL;
        int r;

        if (!c->parent)
                return -EBADMSG;
        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        list_init(&d->node);
        static_assert(sizeof(d->type) >= sizeof(TYPE_PREFIX) - 1 + MDEVD_NAME_LEN, "an id fits");
        r = copy_type_id(in->type, d->type);
        if (r >= 0)
                r = copy_owner(in->owner, d);
        if (r < 0)
                return r;
        memcpy(d->uuid.bytes, in->uuid, sizeof(d->uuid.bytes));
        d->state = in->state < ARRAY_SIZE(states) ? states[in->state] : DEVICE_DYING;
        d->opened = in->opened;
        d->faults = in->faults;
        d->faults_huge = in->faults_huge;
        d->insertions = in->insertions;
        d->mapped = in->mapped;

        c->device = TAKE_PTR(d);
        list_append(&c->parent->devices, &c->device->node);
        return 0;
}

static int on_extent(Cursor *c, const void *payload) {
        const struct mdevd_extent *in = payload;
        KmodDevice *d = c->device;

        if (!d || d->n_extents >= EXTENTS_MAX || in->offset + in->length < in->offset)
                return -EBADMSG;
        d->extents[d->n_extents++] = (Extent){
                .offset = in->offset,
                .size = in->length,
                .bar = in->bar,
                .guest_bar = in->guest_bar,
        };
        return 0;
}

static int on_move(Cursor *c, const void *payload) {
        const struct mdevd_move_record *in = payload;
        KmodDevice *d = c->device;

        if (!d || in->extent >= EXTENTS_MAX ||
            in->other.offset + in->other.length < in->other.offset)
                return -EBADMSG;
        d->other = (Other){
                .used = true,
                .finished = in->finished,
                .extent = in->extent,
                .place = {
                        .offset = in->other.offset,
                        .size = in->other.length,
                        .bar = in->other.bar,
                        .guest_bar = in->other.guest_bar,
                },
                .moved = in->moved,
        };
        if (!in->finished && d->state == DEVICE_LIVE)
                d->state = DEVICE_MOVING;
        return 0;
}

typedef union Payload Payload;

union Payload {
        struct mdevd_parent_record parent;
        struct mdevd_pool pool;
        struct mdevd_type type;
        struct mdevd_device_record device;
        struct mdevd_extent extent;
        struct mdevd_move_record move;
};

static const struct {
        int (*fn)(Cursor *c, const void *payload);
        size_t size; /* what we know of it; more may follow */
} handlers[] = {
        [MDEVD_RECORD_PARENT] = { on_parent, sizeof(struct mdevd_parent_record) },
        [MDEVD_RECORD_POOL] = { on_pool, sizeof(struct mdevd_pool) },
        [MDEVD_RECORD_TYPE] = { on_type, sizeof(struct mdevd_type) },
        [MDEVD_RECORD_DEVICE] = { on_device, sizeof(struct mdevd_device_record) },
        [MDEVD_RECORD_EXTENT] = { on_extent, sizeof(struct mdevd_extent) },
        [MDEVD_RECORD_MOVE] = { on_move, sizeof(struct mdevd_move_record) },
};

int kmod_snapshot_parse(KmodSnapshot **ret, const void *buffer, size_t size) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
        Cursor c = {};

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        list_init(&s->parents);
        c.snapshot = s;

        for (size_t at = 0; at < size;) {
                struct mdevd_record head;
                Payload payload = {};
                size_t n;
                int r;

                if (size - at < sizeof(head))
                        return -EBADMSG;
                memcpy(&head, (const char *) buffer + at, sizeof(head));
                if (head.length < sizeof(head) || head.length % 8 != 0 || head.length > size - at)
                        return -EBADMSG;
                n = head.length - sizeof(head);

                if (head.type < ARRAY_SIZE(handlers) && handlers[head.type].fn) {
                        /* An older module's record is shorter: the rest reads as zero. */
                        memcpy(&payload, (const char *) buffer + at + sizeof(head),
                               MIN(n, handlers[head.type].size));
                        r = handlers[head.type].fn(&c, &payload);
                        if (r < 0)
                                return r;
                }
                at += head.length;
        }

        *ret = TAKE_PTR(s);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kmod.c: owns the descriptor of /dev/mdevd and the translation between the model and the structs
 * of the uAPI header. What the kernel says is checked as far as we rely on it: lengths, termination
 * and order of the records.
 */
#include "backend/kmod.h"

#include <fcntl.h>
#include <mdevd.h>
#include <sys/ioctl.h>

#include "names.h"

#define QUERY_TRIES_MAX 16
#define QUERY_SIZE_MAX (64U * 1024U * 1024U)

static_assert(EXTENTS_MAX == MDEVD_MAX_EXTENTS, "an extent list must fit its record");
static_assert(BARS_MAX == MDEVD_MAX_BARS, "a type must fit its record");
static_assert(PARTS_MAX == MDEVD_MAX_PARTS, "a type must fit its record");

struct Kmod {
        int fd;
        size_t query_room; /* bytes that the last snapshot fitted into */
        size_t one_room;   /* the same of one device */
};

int kmod_open(Kmod **ret, int root_fd) {
        int fd = openat(root_fd, MDEVD_PATH_CONTROL, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        return fd < 0 ? -errno : kmod_new(ret, fd);
}

int kmod_get_fd(const Kmod *k) {
        return k->fd;
}

int kmod_new(Kmod **ret, int fd) {
        struct mdevd_get_info info = { .size = sizeof(info) };
        _cleanup_(kmod_freep) Kmod *k = NULL;

        k = calloc(1, sizeof(*k));
        if (!k) {
                safe_close(fd);
                return -ENOMEM;
        }
        k->fd = fd;
        if (ioctl(k->fd, MDEVD_GET_INFO, &info) < 0)
                return errno == ENOTTY ? -EPROTO : -errno;
        if (info.api_version != MDEVD_API_VERSION)
                return -EPROTO;

        *ret = TAKE_PTR(k);
        return 0;
}

Kmod *kmod_free(Kmod *k) {
        if (!k)
                return NULL;
        safe_close(k->fd);
        free(k);
        return NULL;
}

/* Fixed-size strings of the uAPI: -EINVAL when one does not fit with its NUL. */
static int put_string(char *to, size_t size, const char *from) {
        size_t n = strlen(from ?: "");

        if (n >= size)
                return -EINVAL;
        memcpy(to, from ?: "", n + 1);
        return 0;
}

static void put_extents(struct mdevd_extent to[static EXTENTS_MAX], const Record *r) {
        for (size_t i = 0; i < r->n_extents; i++)
                to[i] = (struct mdevd_extent){
                        .offset = r->extents[i].offset,
                        .length = r->extents[i].size,
                        .bar = r->extents[i].bar,
                        .guest_bar = r->extents[i].guest_bar,
                };
}

int kmod_reserve(Kmod *k, const Record *r) {
        struct mdevd_extent extents[EXTENTS_MAX] = {};
        struct mdevd_reserve arg = {
                .size = sizeof(arg),
                .n_extents = r->n_extents,
                .extent_size = sizeof(extents[0]),
                .extents = (uintptr_t) extents,
        };

        if (put_string(arg.parent, sizeof(arg.parent), r->parent) < 0 ||
            put_string(arg.type, sizeof(arg.type), r->type_name) < 0 ||
            put_string(arg.owner, sizeof(arg.owner), r->owner) < 0)
                return -EINVAL;
        memcpy(arg.uuid, r->uuid.bytes, sizeof(arg.uuid));
        put_extents(extents, r);
        return RET_NERRNO(ioctl(k->fd, MDEVD_RESERVE, &arg));
}

int kmod_listen(Kmod *k) {
        struct mdevd_listen arg = { .size = sizeof(arg) };

        return RET_NERRNO(ioctl(k->fd, MDEVD_LISTEN, &arg));
}

int kmod_answer(Kmod *k, uint64_t cookie, const Record *r) {
        struct mdevd_extent extents[EXTENTS_MAX] = {};
        struct mdevd_answer arg = {
                .size = sizeof(arg),
                .cookie = cookie,
                .n_extents = r->n_extents,
                .extent_size = sizeof(extents[0]),
                .extents = (uintptr_t) extents,
        };

        if (put_string(arg.owner, sizeof(arg.owner), r->owner) < 0)
                return -EINVAL;
        put_extents(extents, r);
        return RET_NERRNO(ioctl(k->fd, MDEVD_ANSWER, &arg));
}

int kmod_refuse(Kmod *k, uint64_t cookie, int error) {
        struct mdevd_answer arg = { .size = sizeof(arg), .cookie = cookie, .error = error };

        return RET_NERRNO(ioctl(k->fd, MDEVD_ANSWER, &arg));
}

int kmod_set_available(Kmod *k, const char *parent, const char *type, unsigned n) {
        struct mdevd_set_available arg = { .size = sizeof(arg), .available = n };

        if (put_string(arg.parent, sizeof(arg.parent), parent) < 0 ||
            put_string(arg.type, sizeof(arg.type), type) < 0)
                return -EINVAL;
        return RET_NERRNO(ioctl(k->fd, MDEVD_SET_AVAILABLE, &arg));
}

static int put_pool(struct mdevd_pool *to, const Pool *p) {
        static const uint8_t scrubs[_SCRUB_MAX] = {
                [SCRUB_ZERO] = MDEVD_SCRUB_ZERO,
                [SCRUB_NONE] = MDEVD_SCRUB_NONE,
                [SCRUB_VENDOR] = MDEVD_SCRUB_VENDOR,
        };

        *to = (struct mdevd_pool){
                .bar = p->bar,
                .kind = p->kind == POOL_REGISTERS ? MDEVD_POOL_REGISTERS : MDEVD_POOL_MEMORY,
                .cache = p->cache == CACHE_WC ? MDEVD_CACHE_WC : MDEVD_CACHE_UC,
                .scrub = scrubs[p->scrub],
                .offset = p->offset,
                .length = p->size,
        };
        return put_string(to->name, sizeof(to->name), p->name);
}

static void put_part(struct mdevd_part *to, const TypePart *p) {
        static const uint8_t kinds[_PART_KIND_MAX] = {
                [PART_NONE] = MDEVD_PART_NONE,
                [PART_TRAPPED] = MDEVD_PART_TRAPPED,
                [PART_SHARED] = MDEVD_PART_SHARED,
                [PART_VENDOR] = MDEVD_PART_VENDOR,
        };

        *to = (struct mdevd_part){
                .kind = kinds[p->kind],
                .bar = p->bar,
                .offset = p->offset,
                .length = p->size,
                .parent_bar = p->parent_bar,
                .parent_offset = p->parent_offset,
        };
}

static int put_type(struct mdevd_type *to, const Type *t) {
        *to = (struct mdevd_type){
                .map = t->map == MAP_EAGER ? MDEVD_MAP_EAGER : MDEVD_MAP_FAULT,
                .vectors = t->vectors,
                .vendor = t->vendor,
                .device = t->device,
                .subvendor = t->subvendor,
                .subdevice = t->subdevice,
                .class = t->class,
                .flags = t->movable ? MDEVD_TYPE_MOVABLE : 0,
        };
        for (size_t i = 0; i < PARTS_MAX; i++)
                put_part(&to->parts[i], &t->parts[i]);
        for (unsigned i = 0; i < BARS_MAX; i++) {
                to->bars[i].length = t->bars[i].size + type_foreign_size(t, i);
                if (t->bars[i].is_64bit)
                        to->bars[i].flags |= MDEVD_BAR_64BIT;
                if (t->bars[i].prefetch)
                        to->bars[i].flags |= MDEVD_BAR_PREFETCH;
        }
        if (put_string(to->label, sizeof(to->label), t->label ?: t->name) < 0)
                return -EINVAL;
        return put_string(to->name, sizeof(to->name), t->name);
}

int kmod_configure(Kmod *k, const Parent *config) {
        _cleanup_(freep) struct mdevd_pool *pools = NULL;
        _cleanup_(freep) struct mdevd_type *types = NULL;
        struct mdevd_configure arg = {
                .size = sizeof(arg),
                .pool_size = sizeof(*pools),
                .type_size = sizeof(*types),
                .flags = config->unsafe_dma ? MDEVD_CONFIGURE_UNSAFE_DMA : 0,
        };

        if (put_string(arg.parent, sizeof(arg.parent), config->name) < 0 ||
            put_string(arg.vendor, sizeof(arg.vendor), config->vendor) < 0)
                return -EINVAL;
        pools = calloc(list_length(&config->pools) + 1, sizeof(*pools));
        types = calloc(list_length(&config->types) + 1, sizeof(*types));
        if (!pools || !types)
                return -ENOMEM;
        list_foreach(p, &config->pools, Pool, node)
                if (put_pool(&pools[arg.n_pools++], p) < 0)
                        return -EINVAL;
        list_foreach(t, &config->types, Type, node)
                if (t->ours && put_type(&types[arg.n_types++], t) < 0)
                        return -EINVAL;
        arg.pools = (uintptr_t) pools;
        arg.types = (uintptr_t) types;
        return RET_NERRNO(ioctl(k->fd, MDEVD_CONFIGURE, &arg));
}

int kmod_unconfigure(Kmod *k, const char *parent) {
        struct mdevd_unconfigure arg = { .size = sizeof(arg) };

        if (put_string(arg.parent, sizeof(arg.parent), parent) < 0)
                return -EINVAL;
        return RET_NERRNO(ioctl(k->fd, MDEVD_UNCONFIGURE, &arg));
}

/* @room: what the last such answer took, and this one. */
static int query(Kmod *k, const Uuid *one, size_t *room_inout, KmodSnapshot **ret) {
        _cleanup_(freep) void *buffer = NULL;
        struct mdevd_query arg = { .size = sizeof(arg), .length = *room_inout };

        if (one) {
                arg.flags = MDEVD_QUERY_ONE;
                memcpy(arg.uuid, one->bytes, sizeof(arg.uuid));
        }
        if (arg.length > 0) {
                buffer = malloc(arg.length);
                if (!buffer)
                        return -ENOMEM;
                arg.buffer = (uintptr_t) buffer;
        }
        /* It may grow between two calls; each answer says what it wants. Without a buffer success
         * just says the length. */
        for (unsigned i = 0; i < QUERY_TRIES_MAX; i++) {
                size_t room = arg.length;
                int r;

                r = RET_NERRNO(ioctl(k->fd, MDEVD_QUERY, &arg));
                if (r < 0 && r != -ENOSPC)
                        return r;
                if (r >= 0 && (buffer || arg.length == 0)) {
                        r = kmod_snapshot_parse(ret, buffer, MIN(room, (size_t) arg.length));
                        *room_inout = room; /* the next answer will be about as long */
                        if (r >= 0)
                                (*ret)->generation = arg.generation;
                        return r;
                }
                if (arg.length > QUERY_SIZE_MAX)
                        return -EMSGSIZE;

                arg.length += arg.length / 4 + 1024;
                free(buffer);
                buffer = malloc(arg.length);
                if (!buffer)
                        return -ENOMEM;
                arg.buffer = (uintptr_t) buffer;
        }
        return -EAGAIN;
}

int kmod_query(Kmod *k, KmodSnapshot **ret) {
        return query(k, NULL, &k->query_room, ret);
}

int kmod_query_one(Kmod *k, const Uuid *uuid, KmodSnapshot **ret) {
        int r = query(k, uuid, &k->one_room, ret);

        return r == -EINVAL || r == -E2BIG ? -EOPNOTSUPP : r;
}

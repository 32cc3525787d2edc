/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * parents-config.c: owns the meeting of a parent's configuration with its device: sizes that were
 * left open are filled in from the BARs, and what the kernel was told before is compared with it.
 */
#include <inttypes.h>

#include "core/internal.h"
#include "util/parse.h"

const Parent *parents_find_config(const Manager *m, const char *name) {
        if (m->config)
                list_foreach(p, &m->config->parents, Parent, node)
                        if (streq(p->name, name))
                                return p;
        return NULL;
}

static int copy_string(char **to, const char *from) {
        char *copy = NULL;

        if (from) {
                copy = strdup(from);
                if (!copy)
                        return -ENOMEM;
        }
        free(*to);
        *to = copy;
        return 0;
}

static int copy_pool(Parent *to, const Pool *from) {
        Pool *p;
        int r;

        r = pool_copy(&p, from);
        if (r < 0)
                return r;
        if (p->size == 0 && to->bar_sizes[p->bar] > p->offset)
                p->size = to->bar_sizes[p->bar] - p->offset;
        parent_link_pool(to, p);
        return 0;
}

static int copy_type(Parent *to, const Type *from) {
        Type *t;
        int r;

        r = type_copy(&t, from);
        if (r < 0)
                return r;
        parent_link_type(to, t);
        return 0;
}

/* What concerns the parent as a whole. */
static int copy_whole(Parent *to, const Parent *from) {
        to->unsafe_dma = from->unsafe_dma;
        return copy_string(&to->vendor, from->vendor);
}

static void clear_config(Parent *p) {
        list_foreach_safe(pool, &p->pools, Pool, node)
                pool_free(pool);
        list_foreach_safe(t, &p->types, Type, node)
                type_free(t);
}

int parents_copy_config(Parent *to, const Parent *from) {
        int r;

        clear_config(to);
        r = copy_whole(to, from);
        list_foreach(pool, &from->pools, Pool, node)
                if (r >= 0)
                        r = copy_pool(to, pool);
        list_foreach(t, &from->types, Type, node)
                if (r >= 0)
                        r = copy_type(to, t);
        return r;
}

/* What all devices see of the parent must be there. */
static int check_shared(const Parent *p, const Type *t, Reason *reason) {
        for (size_t i = 0; i < PARTS_MAX; i++) {
                const TypePart *part = &t->parts[i];
                uint64_t bar = p->bar_sizes[part->parent_bar];

                if (part->kind != PART_SHARED ||
                    (part->parent_offset <= bar && part->size <= bar - part->parent_offset))
                        continue;
                return reason_set(reason, OUTCOME_INVALID,
                                  "Type %s of %s is to share %s at %s of BAR %u of the parent, "
                                  "which has %s; correct \"parent_bar\", \"parent_offset\" or "
                                  "\"size\" in the configuration.",
                                  t->name, p->name, SIZE_STR(part->size),
                                  SIZE_STR(part->parent_offset), part->parent_bar, SIZE_STR(bar));
        }
        return 0;
}

int parents_check_config(const Parent *p, Reason *reason) {
        int r;

        list_foreach(pool, &p->pools, Pool, node) {
                uint64_t bar = p->bar_sizes[pool->bar];

                if (bar == 0)
                        return reason_set(reason, OUTCOME_INVALID,
                                          "%s has no BAR %u, and pool %s is to be in it; correct "
                                          "\"bar\" in the configuration.",
                                          p->name, pool->bar, pool->name);
                if (pool->offset >= bar || pool->size > bar - pool->offset)
                        return reason_set(reason, OUTCOME_INVALID,
                                          "Pool %s of %s is to end at %s of BAR %u, which has only "
                                          "%s; correct \"offset\" or \"size\" in the "
                                          "configuration.",
                                          pool->name, p->name, SIZE_STR(pool->offset + pool->size),
                                          pool->bar, SIZE_STR(bar));
        }
        list_foreach(t, &p->types, Type, node) {
                r = check_shared(p, t, reason);
                if (r != 0)
                        return r;
        }
        if (list_is_empty(&p->pools) || list_is_empty(&p->types))
                return reason_set(reason, OUTCOME_INVALID,
                                  "%s is configured without a pool or a type; give it both.",
                                  p->name);
        return 0;
}

static bool pool_equals(const Pool *a, const Pool *b) {
        return streq(a->name, b->name) && a->bar == b->bar && a->offset == b->offset &&
               a->size == b->size && a->kind == b->kind && a->cache == b->cache &&
               a->scrub == b->scrub;
}

/* Where @a names none the kernel has put the parent's own: each pair, and the class, by itself. */
static bool ids_equal(const Type *a, const Type *b) {
        if ((a->vendor || a->device) && (a->vendor != b->vendor || a->device != b->device))
                return false;
        if ((a->subvendor || a->subdevice) &&
            (a->subvendor != b->subvendor || a->subdevice != b->subdevice))
                return false;
        return !a->class || a->class == b->class;
}

static bool part_equals(const TypePart *a, const TypePart *b) {
        return a->kind == b->kind && a->bar == b->bar && a->offset == b->offset &&
               a->size == b->size && a->parent_bar == b->parent_bar &&
               a->parent_offset == b->parent_offset;
}

/* Not the label, which nothing rests on. */
static bool type_equals(const Type *a, const Type *b) {
        if (!streq(a->name, b->name) || a->map != b->map || a->vectors != b->vectors ||
            a->movable != b->movable || !ids_equal(a, b))
                return false;
        for (size_t i = 0; i < PARTS_MAX; i++)
                if (!part_equals(&a->parts[i], &b->parts[i]))
                        return false;
        for (size_t i = 0; i < BARS_MAX; i++)
                if (a->bars[i].size != b->bars[i].size ||
                    (a->bars[i].size > 0 && (a->bars[i].is_64bit != b->bars[i].is_64bit ||
                                             a->bars[i].prefetch != b->bars[i].prefetch)))
                        return false;
        return true;
}

static Type *find_ours(const Parent *p, const char *name) {
        list_foreach(t, &p->types, Type, node)
                if (t->ours && streq_ptr(t->name, name))
                        return t;
        return NULL;
}

bool parents_config_equals(const Parent *p, const Parent *kernel) {
        size_t n = 0;

        if (!streq_ptr(p->vendor, kernel->vendor) || p->unsafe_dma != kernel->unsafe_dma ||
            list_length(&p->pools) != list_length(&kernel->pools))
                return false;
        list_foreach(pool, &p->pools, Pool, node) {
                const Pool *other = parent_find_pool(kernel, pool->name);

                if (!other || !pool_equals(pool, other))
                        return false;
        }
        list_foreach(t, &p->types, Type, node) {
                const Type *other = find_ours(kernel, t->name);

                if (!t->ours)
                        continue;
                if (!other || !type_equals(t, other))
                        return false;
                n++;
        }
        return n == list_length(&kernel->types);
}

/* The pool of @p that the devices of @type there are have that BAR from. */
static const Pool *find_used_pool(const Parent *p, const KmodParent *k, const Type *type,
                                  size_t bar) {
        list_foreach(d, &k->devices, KmodDevice, node)
                for (size_t i = 0; streq(d->type, type->id) && i < d->n_extents; i++) {
                        const Extent *e = &d->extents[i];

                        if (e->guest_bar != bar)
                                continue;
                        list_foreach(pool, &p->pools, Pool, node)
                                if (pool->bar == e->bar && e->offset >= pool->offset &&
                                    e->offset - pool->offset < pool->size)
                                        return pool;
                }
        return NULL;
}

/*
 * The kernel does not say from which pool a BAR is to come: what our files named, or where the
 * devices are, or the only one there is. Else it is not known, and policy makes none of that type
 * until a file says so: a guess would put one tenant's memory where another kind of it was meant.
 */
static int adopt_bars(Parent *p, Type *to, const Type *from, const KmodParent *k) {
        const Pool *only = list_length(&p->pools) == 1 ? list_first(&p->pools, Pool, node) : NULL;

        for (size_t i = 0; i < BARS_MAX; i++) {
                TypeBar *bar = &to->bars[i];
                const Pool *pool;
                int r;

                bar->size = from->bars[i].size;
                bar->is_64bit = from->bars[i].is_64bit;
                bar->prefetch = from->bars[i].prefetch;
                if (bar->size == 0 || (bar->pool && parent_find_pool(p, bar->pool)))
                        continue;
                pool = find_used_pool(p, k, to, i) ?: only;
                r = copy_string(&bar->pool, pool ? pool->name : NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* sysfs may have shown it already, as one that our files do not know. */
static Type *find_by_id(const Parent *p, const char *id) {
        list_foreach(t, &p->types, Type, node)
                if (streq(t->id, id))
                        return t;
        return NULL;
}

static int adopt_type(Parent *p, const Type *kernel, const KmodParent *k) {
        Type *t = find_by_id(p, kernel->id);
        int r;

        r = t ? copy_string(&t->name, kernel->name) : copy_type(p, kernel);
        if (r < 0)
                return r;
        t = find_by_id(p, kernel->id);
        t->ours = true;
        t->map = kernel->map;
        t->vectors = kernel->vectors;
        t->vendor = kernel->vendor;
        t->device = kernel->device;
        t->subvendor = kernel->subvendor;
        t->subdevice = kernel->subdevice;
        t->class = kernel->class;
        t->movable = kernel->movable;
        memcpy(t->parts, kernel->parts, sizeof(t->parts));
        return adopt_bars(p, t, kernel, k);
}

/* Slots are a matter of ours: the kernel knows nothing of them. */
static void keep_slot(const Parent *config, Pool *pool) {
        const Pool *from = config ? parent_find_pool(config, pool->name) : NULL;

        if (from)
                pool->slot = from->slot;
}

int parents_adopt_config(Parent *p, const Parent *config, const KmodParent *k, bool busy) {
        const Parent *kernel = k->config;
        int r;

        r = copy_whole(p, kernel);
        /* Pools are never borrowed beyond a call, types are while an operation runs. */
        list_foreach_safe(pool, &p->pools, Pool, node)
                pool_free(pool);
        list_foreach(pool, &kernel->pools, Pool, node)
                if (r >= 0)
                        r = copy_pool(p, pool);
        list_foreach(pool, &p->pools, Pool, node)
                keep_slot(config, pool);
        list_foreach(t, &kernel->types, Type, node)
                if (r >= 0)
                        r = adopt_type(p, t, k);
        if (r >= 0 && !busy)
                list_foreach_safe(t, &p->types, Type, node)
                        if (t->ours && !find_ours(kernel, t->name))
                                type_free(t);
        parent_changed(p);
        return r;
}

static int adopt_pools_of_bars(Type *to, const Type *from, bool *changed) {
        for (size_t i = 0; i < BARS_MAX; i++) {
                int r;

                if (streq_ptr(to->bars[i].pool, from->bars[i].pool))
                        continue;
                r = copy_string(&to->bars[i].pool, from->bars[i].pool);
                if (r < 0)
                        return r;
                *changed = true;
        }
        return 0;
}

int parents_adopt_rest(Parent *p, const Parent *config, bool *changed) {
        int r = 0;

        list_foreach(pool, &p->pools, Pool, node) {
                uint64_t before = pool->slot;

                keep_slot(config, pool);
                *changed |= pool->slot != before;
        }
        list_foreach(t, &p->types, Type, node) {
                const Type *from = t->ours ? find_ours(config, t->name) : NULL;

                if (!from || r < 0)
                        continue;
                r = adopt_pools_of_bars(t, from, changed);
        }
        if (*changed)
                parent_changed(p);
        return r;
}

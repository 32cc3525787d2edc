/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * view.c: making views. The model stays as it is: parent->view is memory of ours that lies there,
 * so that it goes with its parent.
 */
#include "policy/view.h"

#include "policy/match.h"

static void view_free(void *p) {
        View *v = p;

        if (v->planned)
                view_free(v->planned);
        for (size_t i = 0; i < v->n_regions; i++)
                allocator_done(&v->regions[i].allocator);
        free(v->regions);
        free(v->groups);
        free(v->tallies);
        free(v->owners);
        free(v);
}

static void view_freep(View **v) {
        if (*v)
                view_free(*v);
}

static int add_region(View *v, const Pool *pool, const Group *group, uint64_t offset,
                      uint64_t size) {
        Region *bigger;

        bigger = reallocarray(v->regions, v->n_regions + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        v->regions = bigger;
        bigger[v->n_regions++] = (Region) { .pool = pool, .group = group };
        return allocator_init(&bigger[v->n_regions - 1].allocator, offset, size, pool->slot,
                              pool->offset);
}

static bool partition_is_of(const Partition *p, const Parent *parent, const Pool *pool) {
        return streq(p->parent, parent->name) && streq(p->pool, pool->name) &&
               p->offset >= pool->offset && p->size <= pool->size &&
               p->offset - pool->offset <= pool->size - p->size;
}

static int add_partitions(View *v, const Rules *rules, const Pool *pool) {
        int r;

        list_foreach(g, &rules->groups, Group, node)
                list_foreach(p, &g->partitions, Partition, node) {
                        if (!partition_is_of(p, v->parent, pool))
                                continue;
                        r = add_region(v, pool, g, p->offset, p->size);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int add_pool(View *v, const Rules *rules, const Pool *pool) {
        size_t first = v->n_regions;
        int r;

        if (rules) {
                r = add_partitions(v, rules, pool);
                if (r < 0)
                        return r;
        }
        r = add_region(v, pool, NULL, pool->offset, pool->size);
        for (size_t i = first; r >= 0 && i + 1 < v->n_regions; i++)
                r = allocator_take(&v->regions[v->n_regions - 1].allocator,
                                   v->regions[i].allocator.offset, v->regions[i].allocator.size);
        return r;
}

static int add_tally(View *v, bool is_pool, const char *name, unsigned group, uint64_t n) {
        Tally *bigger;

        for (size_t i = 0; i < v->n_tallies; i++) {
                Tally *t = &v->tallies[i];

                if (t->is_pool == is_pool && t->group == group && streq(t->name, name)) {
                        t->n += n;
                        return 0;
                }
        }
        bigger = reallocarray(v->tallies, v->n_tallies + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        v->tallies = bigger;
        bigger[v->n_tallies++] =
                (Tally) { .name = name, .group = group, .is_pool = is_pool, .n = n };
        return 0;
}

static int add_extent(View *v, const Extent *e, unsigned group) {
        const Pool *counted = NULL;
        int r;

        for (size_t i = 0; i < v->n_regions; i++) {
                Region *region = &v->regions[i];
                const Pool *pool = region->pool;

                if (pool->bar != e->bar || e->offset >= pool->offset + pool->size ||
                    extent_end(e) <= pool->offset)
                        continue;
                r = allocator_take(&region->allocator, e->offset, e->size);
                if (r >= 0 && pool != counted)
                        r = add_tally(v, true, pool->name, group, e->size);
                if (r < 0)
                        return r;
                counted = pool;
        }
        return 0;
}

/* Space alone: who has it is counted where the device is. */
static int take_place(View *v, const Extent *e) {
        for (size_t i = 0; i < v->n_regions; i++) {
                Region *region = &v->regions[i];
                int r;

                if (region->pool->bar != e->bar)
                        continue;
                r = allocator_take(&region->allocator, e->offset, e->size);
                if (r < 0)
                        return r;
        }
        return 0;
}

static uint64_t hash_string(const char *s) {
        uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

        for (; *s; s++)
                h = (h ^ (unsigned char) *s) * UINT64_C(0x100000001b3);
        return h;
}

static int add_owner(View *v, const char *owner) {
        /* full at every power of two: a view is made anew for every change of its parent */
        if ((v->n_devices & (v->n_devices - 1)) == 0) {
                uint64_t *bigger = reallocarray(v->owners, v->n_devices ? v->n_devices * 2 : 1,
                                                sizeof(*bigger));

                if (!bigger)
                        return -ENOMEM;
                v->owners = bigger;
        }
        v->owners[v->n_devices++] = hash_string(owner);
        return 0;
}

static int add_device(View *v, const Rules *rules, const char *type, const char *owner,
                      const Extent *extents, size_t n_extents) {
        unsigned group = match_group_index(rules, match_group(rules, owner));
        const Type *t = NULL;
        int r;

        list_foreach(i, &v->parent->types, Type, node)
                if (streq(i->id, type))
                        t = i;
        r = add_owner(v, owner);
        if (r < 0)
                return r;
        v->groups[group].devices++;
        v->groups[group].vectors += t && t->ours ? t->vectors : 0;
        for (size_t i = 0; i < n_extents; i++) {
                v->groups[group].bytes += extents[i].size;
                r = add_extent(v, &extents[i], group);
                if (r < 0)
                        return r;
        }
        return add_tally(v, false, type, group, 1);
}

bool planned_is_leaving(const List *planned, const Device *d) {
        if (planned)
                list_foreach(p, planned, Planned, node)
                        if (p->leaving && p->parent == d->parent && uuid_equal(&p->uuid, &d->uuid))
                                return true;
        return false;
}

/* Few plans remove anything, and then it need not be asked of each device. */
bool planned_has_leaving(const List *planned) {
        if (planned)
                list_foreach(p, planned, Planned, node)
                        if (p->leaving)
                                return true;
        return false;
}

static bool is_there(const Model *model, const List *planned, const Parent *parent,
                     const Uuid *uuid) {
        const Device *d = model_find_device(model, parent, uuid, NULL);

        return d && !planned_is_leaving(planned, d);
}

/*
 * Pools are plain data that others fill in, so what a view was made of is compared, not believed.
 */
static uint64_t pools_digest(const Parent *parent) {
        uint64_t h = hash_string(parent->driver ?: ""); /* rules may go by it */

        list_foreach(p, &parent->pools, Pool, node) {
                const uint64_t values[] = { (uintptr_t) p, (uintptr_t) p->name, p->offset,
                                            p->size,       p->slot,             p->bar };

                for (size_t i = 0; i < ARRAY_SIZE(values); i++)
                        h = (h ^ values[i]) * UINT64_C(0x100000001b3);
        }
        return h;
}

static int add_there(View *v, const Rules *rules, const Device *d) {
        int r = add_device(v, rules, d->type, d->owner, d->extents, d->n_extents);

        return r >= 0 && d->other.used ? take_place(v, &d->other.place) : r;
}

/* As it is, or as if what @planned says is leaving had left; NULL: nothing is. */
static int view_new(View **ret, const Model *model, const List *planned, const Parent *parent) {
        _cleanup_(view_freep) View *v = NULL;
        int r;

        v = calloc(1, sizeof(*v));
        if (!v)
                return -ENOMEM;
        v->parent = parent;
        v->changes = parent->changes;
        v->arrivals = parent->arrivals;
        v->rules_changes = model->rules_changes;
        v->pools = pools_digest(parent);
        v->rule = match_parent_rule(model->rules, parent);
        v->n_groups = (model->rules ? model->rules->n_groups : 0) + 1;
        v->groups = calloc(v->n_groups, sizeof(*v->groups));
        if (!v->groups)
                return -ENOMEM;

        list_foreach(pool, &parent->pools, Pool, node) {
                r = pool->size > 0 ? add_pool(v, model->rules, pool) : 0;
                if (r < 0)
                        return r;
        }
        list_foreach(d, &parent->devices, Device, parent_node) {
                r = planned && planned_is_leaving(planned, d) ? 0 : add_there(v, model->rules, d);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(v);
        return 0;
}

/* Those that have come since: the last of the list, for one that goes makes the view anew. */
static int add_arrivals(View *v, const Rules *rules) {
        const List *devices = &v->parent->devices, *at = devices;

        for (; v->arrivals < v->parent->arrivals; v->arrivals++)
                at = at->prev;
        for (; at != devices; at = at->next) {
                int r = add_there(v, rules, list_entry(at, Device, parent_node));

                if (r < 0) {
                        v->spoilt = true;
                        return r;
                }
        }
        return 0;
}

/* With room for @room of them, at least @n. NULL: no memory. */
static void *copy_array(const void *from, size_t n, size_t room, size_t size) {
        void *copy = calloc(MAX(room, (size_t) 1), size);

        if (copy && n > 0)
                memcpy(copy, from, n * size);
        return copy;
}

/* What add_owner() has allocated, and expects to be. */
static size_t room_for_owners(size_t n) {
        size_t room = 1;

        while (room < n)
                room *= 2;
        return room;
}

static int view_copy(View **ret, const View *from) {
        _cleanup_(view_freep) View *v = NULL;
        int r;

        v = calloc(1, sizeof(*v));
        if (!v)
                return -ENOMEM;
        *v = *from;
        v->planned = NULL;
        v->n_regions = 0; /* of those that have allocators of their own */
        v->groups = copy_array(from->groups, from->n_groups, from->n_groups, sizeof(*v->groups));
        v->tallies = copy_array(from->tallies, from->n_tallies, from->n_tallies,
                                sizeof(*v->tallies));
        v->owners = copy_array(from->owners, from->n_devices, room_for_owners(from->n_devices),
                               sizeof(*v->owners));
        v->regions = copy_array(from->regions, from->n_regions, from->n_regions,
                                sizeof(*v->regions));
        r = v->groups && v->tallies && v->owners && v->regions ? 0 : -ENOMEM;
        while (r >= 0 && v->n_regions < from->n_regions) {
                r = allocator_copy(&v->regions[v->n_regions].allocator,
                                   &from->regions[v->n_regions].allocator);
                v->n_regions += r >= 0;
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(v);
        return 0;
}

static int add_planned(View *v, const Model *model, const List *planned) {
        list_foreach(p, planned, Planned, node) {
                int r = 0;

                if (p->parent != v->parent || p->still || p->leaving)
                        continue;
                if (p->of_move)
                        r = take_place(v, &p->extents[0]);
                else if (!is_there(model, planned, v->parent, &p->uuid)) /* else it counts */
                        r = add_device(v, model->rules, p->type->id, p->owner, p->extents,
                                       p->n_extents);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_planned_for(const List *planned, const Parent *parent) {
        if (planned)
                list_foreach(p, planned, Planned, node)
                        if (p->parent == parent && !p->still)
                                return true;
        return false;
}

/* Without plans. */
static int view_of_now(const Model *model, const Parent *parent, View **ret) {
        Parent *home = (Parent *) parent; /* only its ->view is ours to change */
        View *v = parent->view;
        int r;

        if (v && !v->spoilt && v->changes == parent->changes &&
            v->rules_changes == model->rules_changes && v->pools == pools_digest(parent)) {
                *ret = v;
                return add_arrivals(v, model->rules);
        }
        r = view_new(&v, model, NULL, parent);
        if (r < 0)
                return r;
        if (home->view)
                view_free(home->view);
        home->view = v;
        home->view_free = view_free;
        *ret = v;
        return 0;
}

int view_get(const Model *model, const List *planned, const Parent *parent, View **ret) {
        _cleanup_(view_freep) View *v = NULL;
        View *now;
        int r;

        r = view_of_now(model, parent, &now);
        if (r < 0)
                return r;
        if (!is_planned_for(planned, parent)) {
                *ret = now;
                return 0;
        }
        r = planned_has_leaving(planned) ? view_new(&v, model, planned, parent) :
                                           view_copy(&v, now);
        if (r >= 0)
                r = add_planned(v, model, planned);
        if (r < 0)
                return r;
        if (now->planned)
                view_free(now->planned);
        *ret = now->planned = TAKE_PTR(v);
        return 0;
}

uint64_t view_count_type(const View *v, const char *type) {
        uint64_t n = 0;

        for (size_t i = 0; i < v->n_tallies; i++)
                if (!v->tallies[i].is_pool && streq(v->tallies[i].name, type))
                        n += v->tallies[i].n;
        return n;
}

const char *view_other_type(const View *v, const char *type) {
        for (size_t i = 0; i < v->n_tallies; i++)
                if (!v->tallies[i].is_pool && !streq(v->tallies[i].name, type))
                        return v->tallies[i].name;
        return NULL;
}

uint64_t view_tally(const View *v, bool is_pool, const char *name, unsigned group) {
        for (size_t i = 0; i < v->n_tallies; i++)
                if (v->tallies[i].is_pool == is_pool && v->tallies[i].group == group &&
                    streq(v->tallies[i].name, name))
                        return v->tallies[i].n;
        return 0;
}

bool view_has_owner(const View *v, const List *planned, const char *owner) {
        uint64_t h = hash_string(owner);
        unsigned i = 0;

        while (i < v->n_devices && v->owners[i] != h)
                i++;
        if (i == v->n_devices)
                return false;
        /* owners are chosen by clients, so a hash proves nothing */
        list_foreach(d, &v->parent->devices, Device, parent_node)
                if (streq(d->owner, owner))
                        return true;
        if (planned)
                list_foreach(p, planned, Planned, node)
                        if (p->parent == v->parent && !p->of_move && !p->leaving && !p->still &&
                            streq(p->owner, owner))
                                return true;
        return false;
}

Region *view_next_region(View *v, const Pool *pool, const Group *group, const Region *after) {
        for (size_t i = after ? (size_t) (after - v->regions) + 1 : 0; i < v->n_regions; i++)
                if (v->regions[i].pool == pool &&
                    (!v->regions[i].group || v->regions[i].group == group))
                        return &v->regions[i];
        return NULL;
}

Region *view_find_region(View *v, const Pool *pool, const Group *group, uint64_t size,
                         unsigned *ret_order) {
        for (Region *r = view_next_region(v, pool, group, NULL); r;
             r = view_next_region(v, pool, group, r)) {
                int order = allocator_order(&r->allocator, size);
                uint64_t mask = order < 0 ? 0 : r->allocator.counts.mask >> order;

                if (!mask)
                        continue;
                *ret_order = (unsigned) order + (unsigned) __builtin_ctzll(mask);
                return r;
        }
        return NULL;
}

size_t type_order_bars(const Type *type, size_t order[static BARS_MAX]) {
        size_t n = 0;

        for (size_t bar = 0; bar < BARS_MAX; bar++) {
                size_t i = n;

                if (type->bars[bar].size == 0)
                        continue;
                for (; i > 0 && type->bars[order[i - 1]].size < type->bars[bar].size; i--)
                        order[i] = order[i - 1];
                order[i] = bar;
                n++;
        }
        return n;
}

const Pool *view_pool(const View *v, const TypeBar *bar) {
        const Pool *pool = bar->pool ? parent_find_pool(v->parent, bar->pool) : NULL;

        return pool && pool->size > 0 ? pool : NULL;
}

/*
 * As view_place(), of one BAR. *@ret_region is where it was taken; NULL: only look. @ret NULL: only
 * whether there is a place, which the numbers of blocks know.
 */
static int place_bar(View *v, const Group *group, const Type *type, size_t bar, Extent *ret,
                     Region **ret_region) {
        const TypeBar *b = &type->bars[bar];
        const Pool *pool = view_pool(v, b);
        unsigned order;
        Region *region;
        int r;

        if (!pool)
                return -EINVAL;
        region = view_find_region(v, pool, group, b->size, &order);
        if (!region) {
                region = view_next_region(v, pool, group, NULL);
                return allocator_order(&region->allocator, b->size) < 0 ? ALLOCATOR_BAD_SIZE :
                                                                          ALLOCATOR_FULL;
        }
        if (!ret)
                return 0;
        *ret = (Extent) {
                .size = b->size,
                .bar = pool->bar,
                .guest_bar = (uint8_t) bar,
        };
        if (!ret_region)
                return allocator_find(&region->allocator, ret->size, &ret->offset);
        r = allocator_alloc(&region->allocator, ret->size, &ret->offset);
        if (r == 0)
                *ret_region = region;
        return r;
}

int view_place(View *v, const Group *group, const Type *type, Extent *extents, size_t *ret_n,
               size_t *ret_bar) {
        Extent placed[BARS_MAX] = {};
        Region *regions[BARS_MAX] = {};
        size_t order[BARS_MAX], n = type_order_bars(type, order), i;
        int r = 0;

        for (i = 0; i < n && r == 0; i++) {
                *ret_bar = order[i];
                r = place_bar(v, group, type, order[i],
                              n > 1 || extents ? &placed[order[i]] : NULL,
                              n > 1 ? &regions[order[i]] : NULL);
        }
        if (r == 0 && extents)
                for (size_t bar = *ret_n = 0; bar < BARS_MAX; bar++)
                        if (placed[bar].size > 0)
                                extents[(*ret_n)++] = placed[bar];
        for (size_t bar = 0; bar < BARS_MAX; bar++)
                if (regions[bar] &&
                    allocator_release(&regions[bar]->allocator, placed[bar].offset,
                                      placed[bar].size) < 0) {
                        v->spoilt = true; /* no memory to give it back */
                        r = -ENOMEM;
                }
        return r;
}

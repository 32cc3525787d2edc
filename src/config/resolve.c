/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resolve.c owns what only all files together can say: a parent's types are looked up and held
 * against its pools, and what fits becomes the configuration.
 */
#include "config/spec.h"

#include <stdarg.h>

#include "util/parse.h"

int loader_problem(Loader *l, const char *file, unsigned line, unsigned column, const char *format,
                   ...) {
        _cleanup_(freep) char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return config_problem_add(&l->config->problems, file, line, column, false, text);
}

static const TypeSpec *loader_find_type(const Loader *l, const char *name) {
        list_foreach(t, &l->types, TypeSpec, node)
                if (streq(t->name, name))
                        return t;
        return NULL;
}

static bool is_power_of_two(uint64_t n) {
        return n > 0 && (n & (n - 1)) == 0;
}

/* The sizes that a pool hands out: powers of two at multiples of themselves, or what has a slot. */
static int check_size(Loader *l, const ParentSpec *spec, const TypeRef *ref, const Type *type,
                      const TypeBar *bar, const Pool *pool) {
        int r;

        if (pool->slot ? bar->size <= pool->slot : is_power_of_two(bar->size))
                return 0;
        if (pool->slot)
                r = loader_problem(l, spec->file, ref->line, ref->column,
                                   "type \"%s\" is not offered on %s: expected at most one slot of "
                                   "pool \"%s\", which is %s, found %s",
                                   type->name, spec->address, pool->name, SIZE_STR(pool->slot),
                                   SIZE_STR(bar->size));
        else
                r = loader_problem(l, spec->file, ref->line, ref->column,
                                   "type \"%s\" is not offered on %s: expected a power of two in "
                                   "pool \"%s\", which has no slots, found %s",
                                   type->name, spec->address, pool->name, SIZE_STR(bar->size));
        return r < 0 ? r : 1;
}

/* 1: it does not fit, and that was said. */
static int check_pools(Loader *l, const ParentSpec *spec, const TypeRef *ref, const Type *type,
                       const Parent *parent) {
        int r;

        for (size_t i = 0; i < BARS_MAX; i++) {
                const TypeBar *bar = &type->bars[i];
                const Pool *pool;

                if (bar->size == 0)
                        continue;
                pool = parent_find_pool(parent, bar->pool);
                if (pool && (pool->size == 0 || pool->size >= bar->size)) {
                        r = check_size(l, spec, ref, type, bar, pool);
                        if (r != 0)
                                return r;
                        continue;
                }
                if (!pool)
                        r = loader_problem(l, spec->file, ref->line, ref->column,
                                           "type \"%s\" is not offered on %s: expected a pool "
                                           "\"%.31s\" there, found none",
                                           type->name, parent->name, bar->pool);
                else
                        r = loader_problem(l, spec->file, ref->line, ref->column,
                                           "type \"%s\" is not offered on %s: expected %s in pool "
                                           "\"%s\", found %s",
                                           type->name, parent->name, SIZE_STR(bar->size),
                                           pool->name, SIZE_STR(pool->size));
                return r < 0 ? r : 1;
        }
        return 0;
}

static bool has_part(const Type *type, PartKind kind) {
        for (size_t i = 0; i < PARTS_MAX; i++)
                if (type->parts[i].kind == kind)
                        return true;
        return false;
}

/* As check_pools(). What only a vendor can do, and what the module refuses beside one. */
static int check_vendor(Loader *l, const ParentSpec *spec, const TypeRef *ref, const Type *type,
                        const Parent *parent) {
        int r;

        if (!parent->vendor && has_part(type, PART_VENDOR))
                r = loader_problem(l, spec->file, ref->line, ref->column,
                                   "type \"%s\" is not offered on %s: expected a \"vendor\" of the "
                                   "parent for its part of kind \"vendor\", found none",
                                   type->name, parent->name);
        else if (parent->vendor && type->movable)
                r = loader_problem(l, spec->file, ref->line, ref->column,
                                   "type \"%s\" is not offered on %s: expected one that is not "
                                   "\"movable\", since the vendor's DMA writes to it too",
                                   type->name, parent->name);
        else
                return 0;
        return r < 0 ? r : 1;
}

/* As check_pools(). What all devices see is no device's own. */
static int check_shared(Loader *l, const ParentSpec *spec, const TypeRef *ref, const Type *type,
                        const Parent *parent) {
        for (size_t i = 0; i < PARTS_MAX; i++) {
                const TypePart *part = &type->parts[i];

                list_foreach(pool, &parent->pools, Pool, node) {
                        uint64_t end = pool->size > 0 ? pool->offset + pool->size : UINT64_MAX;
                        int r;

                        if (part->kind != PART_SHARED || part->parent_bar != pool->bar ||
                            part->parent_offset >= end ||
                            part->parent_offset + part->size <= pool->offset)
                                continue;
                        r = loader_problem(l, spec->file, ref->line, ref->column,
                                           "type \"%s\" is not offered on %s: expected shared "
                                           "parts outside of every pool, found one in pool \"%s\" "
                                           "at %s of BAR %u",
                                           type->name, parent->name, pool->name,
                                           SIZE_STR(part->parent_offset), part->parent_bar);
                        return r < 0 ? r : 1;
                }
        }
        return 0;
}

static int resolve_type(Loader *l, const ParentSpec *spec, const TypeRef *ref, Parent *parent) {
        const TypeSpec *found = loader_find_type(l, ref->name);
        Type *type = NULL;
        int r;

        if (!found || found->broken) {
                _cleanup_(freep) char *name = json_printable(ref->name);

                if (!name)
                        return -ENOMEM;
                if (!found)
                        return loader_problem(l, spec->file, ref->line, ref->column,
                                              "type \"%.31s\" is not offered on %s: expected it "
                                              "under \"types\", found none",
                                              name, parent->name);
                return loader_problem(l, spec->file, ref->line, ref->column,
                                      "type \"%.31s\" is not offered on %s: it is wrong, see %s "
                                      "line %u",
                                      name, parent->name, found->file, found->line);
        }

        r = check_vendor(l, spec, ref, found->type, parent);
        if (r == 0)
                r = check_shared(l, spec, ref, found->type, parent);
        if (r == 0)
                r = check_pools(l, spec, ref, found->type, parent);
        if (r != 0)
                return r < 0 ? r : 0;
        r = type_copy(&type, found->type);
        if (r < 0)
                return r;
        parent_link_type(parent, type);
        return 0;
}

static int resolve_parent(Loader *l, ParentSpec *spec) {
        _cleanup_(parent_freep) Parent *parent = NULL;
        int r;

        r = parent_new(&parent, spec->address);
        if (r < 0)
                return r;
        parent->ours = parent->in_config = true;
        parent->on_unplug = spec->on_unplug;
        parent->on_unplug_timeout = spec->on_unplug_timeout;
        parent->vendor = TAKE_PTR(spec->vendor);
        parent->unsafe_dma = spec->unsafe_dma;
        list_foreach_safe(pool, &spec->pools, Pool, node) {
                list_unlink(&pool->node);
                parent_link_pool(parent, pool);
        }
        for (size_t i = 0; i < spec->n_types; i++) {
                r = resolve_type(l, spec, &spec->types[i], parent);
                if (r < 0)
                        return r;
        }
        if (list_is_empty(&parent->types))
                return loader_problem(l, spec->file, spec->line, spec->column,
                                      "%s is left out: expected at least one type that it can "
                                      "offer, found none",
                                      spec->address);

        list_append(&l->config->parents, &TAKE_PTR(parent)->node);
        return 0;
}

int loader_resolve(Loader *l) {
        unsigned n = 0;
        int r;

        list_foreach(spec, &l->parents, ParentSpec, node) {
                if (spec->broken)
                        continue;
                if (n++ >= CONFIG_PARENTS_MAX)
                        return loader_problem(l, spec->file, spec->line, spec->column,
                                              "%s and those after it are left out: expected at "
                                              "most %u parents",
                                              spec->address, CONFIG_PARENTS_MAX);
                r = resolve_parent(l, spec);
                if (r < 0)
                        return r;
        }
        return 0;
}

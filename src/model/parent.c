/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* parent.c: life of parents, pools and types. A parent owns the pools and types linked in it. */
#include "model/parent.h"

#include "model/function.h"
#include "names.h"

static const char *const parent_state_table[_PARENT_STATE_MAX] = {
        [PARENT_ABSENT] = "absent",
        [PARENT_PRESENT] = "present",
        [PARENT_BOUND] = "bound",
        [PARENT_REGISTERED] = "registered",
        [PARENT_CLOSING] = "closing",
};

static const char *const pool_kind_table[_POOL_KIND_MAX] = {
        [POOL_MEMORY] = "memory",
        [POOL_REGISTERS] = "registers",
};

static const char *const cache_table[_CACHE_MAX] = {
        [CACHE_UC] = "uc",
        [CACHE_WC] = "wc",
};

static const char *const scrub_table[_SCRUB_MAX] = {
        [SCRUB_ZERO] = "zero",
        [SCRUB_NONE] = "none",
        [SCRUB_VENDOR] = "vendor",
};

static const char *const map_mode_table[_MAP_MODE_MAX] = {
        [MAP_FAULT] = "fault",
        [MAP_EAGER] = "eager",
};

DEFINE_STRING_TABLE(parent_state, ParentState, _PARENT_STATE_MAX)
DEFINE_STRING_TABLE(pool_kind, PoolKind, _POOL_KIND_MAX)
DEFINE_STRING_TABLE(cache, Cache, _CACHE_MAX)
DEFINE_STRING_TABLE(scrub, Scrub, _SCRUB_MAX)
DEFINE_STRING_TABLE(map_mode, MapMode, _MAP_MODE_MAX)

static const char *const part_kind_table[_PART_KIND_MAX] = {
        [PART_NONE] = "none",
        [PART_TRAPPED] = "trapped",
        [PART_SHARED] = "shared",
        [PART_VENDOR] = "vendor",
};
DEFINE_STRING_TABLE(part_kind, PartKind, _PART_KIND_MAX)

static const char *const on_unplug_table[_ON_UNPLUG_MAX] = {
        [ON_UNPLUG_WAIT] = "wait",
        [ON_UNPLUG_KILL] = "kill",
};
DEFINE_STRING_TABLE(on_unplug, OnUnplug, _ON_UNPLUG_MAX)

int pool_new(Pool **ret, const char *name) {
        _cleanup_(pool_freep) Pool *p = NULL;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        list_init(&p->node);
        p->name = strdup(name);
        if (!p->name)
                return -ENOMEM;

        *ret = TAKE_PTR(p);
        return 0;
}

/* The whole struct first, so that no field can be forgotten; then what it owns is replaced. */
int pool_copy(Pool **ret, const Pool *from) {
        _cleanup_(pool_freep) Pool *p = NULL;

        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;
        *p = *from;
        list_init(&p->node);
        p->name = strdup(from->name);
        if (!p->name)
                return -ENOMEM;

        *ret = TAKE_PTR(p);
        return 0;
}

Pool *pool_free(Pool *p) {
        if (!p)
                return NULL;

        list_unlink(&p->node);
        free(p->name);
        free(p);
        return NULL;
}

/* The kernel puts the driver's name before the type's; nobody else's may begin with ours. */
static const char *type_name_from_id(const char *id) {
        static const char prefix[] = MDEVD_DRIVER "-";
        size_t n = strlen(prefix);

        return strncmp(id, prefix, n) == 0 && id[n] ? id + n : id;
}

int type_new(Type **ret, const char *id) {
        _cleanup_(type_freep) Type *t = NULL;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        list_init(&t->node);
        t->id = strdup(id);
        t->name = strdup(type_name_from_id(id));
        if (!t->id || !t->name)
                return -ENOMEM;

        *ret = TAKE_PTR(t);
        return 0;
}

/* NULL stays NULL. */
static int copy_string(char **to, const char *from) {
        if (!from)
                return 0;
        *to = strdup(from);
        return *to ? 0 : -ENOMEM;
}

/* As pool_copy(). */
int type_copy(Type **ret, const Type *from) {
        _cleanup_(type_freep) Type *t = NULL;
        int r;

        t = malloc(sizeof(*t));
        if (!t)
                return -ENOMEM;
        *t = *from;
        list_init(&t->node);
        t->id = t->name = t->label = t->device_api = t->description = NULL;
        for (size_t i = 0; i < BARS_MAX; i++)
                t->bars[i].pool = NULL;

        r = copy_string(&t->id, from->id);
        if (r == 0)
                r = copy_string(&t->name, from->name);
        if (r == 0)
                r = copy_string(&t->label, from->label);
        if (r == 0)
                r = copy_string(&t->device_api, from->device_api);
        if (r == 0)
                r = copy_string(&t->description, from->description);
        for (size_t i = 0; i < BARS_MAX && r == 0; i++)
                r = copy_string(&t->bars[i].pool, from->bars[i].pool);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

Type *type_free(Type *t) {
        if (!t)
                return NULL;

        list_unlink(&t->node);
        for (size_t i = 0; i < BARS_MAX; i++)
                free(t->bars[i].pool);
        free(t->id);
        free(t->name);
        free(t->label);
        free(t->device_api);
        free(t->description);
        free(t);
        return NULL;
}

bool part_is_foreign(const TypePart *p) {
        return p->kind == PART_SHARED || p->kind == PART_VENDOR;
}

uint64_t type_foreign_size(const Type *t, unsigned bar) {
        uint64_t size = 0;

        for (size_t i = 0; i < PARTS_MAX; i++)
                if (t->parts[i].bar == bar && part_is_foreign(&t->parts[i]))
                        size += t->parts[i].size;
        return size;
}

int parent_new(Parent **ret, const char *name) {
        _cleanup_(parent_freep) Parent *p = NULL;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        list_init(&p->node);
        list_init(&p->pools);
        list_init(&p->types);
        list_init(&p->functions);
        list_init(&p->devices);
        p->numa_node = -1;
        p->name = strdup(name);
        if (!p->name)
                return -ENOMEM;

        *ret = TAKE_PTR(p);
        return 0;
}

Parent *parent_free(Parent *p) {
        if (!p)
                return NULL;

        assert(list_is_empty(&p->devices));
        list_unlink(&p->node);
        if (p->view)
                p->view_free(p->view);
        list_foreach_safe(t, &p->types, Type, node)
                type_free(t);
        list_foreach_safe(f, &p->functions, Function, node)
                function_free(f);
        list_foreach_safe(pool, &p->pools, Pool, node)
                pool_free(pool);
        free(p->name);
        free(p->path);
        free(p->unit);
        free(p->driver);
        free(p->vendor);
        free(p);
        return NULL;
}

Function *parent_find_function(const Parent *p, const char *name) {
        list_foreach(f, &p->functions, Function, node)
                if (streq(f->name, name))
                        return f;
        return NULL;
}

Pool *parent_find_pool(const Parent *p, const char *name) {
        list_foreach(pool, &p->pools, Pool, node)
                if (streq(pool->name, name))
                        return pool;
        return NULL;
}

Type *parent_find_type(const Parent *p, const char *name) {
        list_foreach(t, &p->types, Type, node)
                if (streq(t->id, name))
                        return t;
        list_foreach(t, &p->types, Type, node)
                if (t->ours && streq(t->name, name))
                        return t;
        return NULL;
}

bool parent_has_other_driver(const Parent *p) {
        return p->driver && !streq(p->driver, MDEVD_DRIVER);
}

void parent_link_pool(Parent *p, Pool *pool) {
        list_append(&p->pools, &pool->node);
        parent_changed(p);
}

void parent_link_type(Parent *p, Type *type) {
        list_append(&p->types, &type->node);
        parent_changed(p);
}

void parent_changed(Parent *p) {
        p->changes++;
}

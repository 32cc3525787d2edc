/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record-config.c: owns how a parent's configuration travels to the worker that applies it: pools
 * and types of our own module as JSON, strictly, since what comes out goes to an ioctl.
 */
#include "backend/record-internal.h"

#include <mdevd.h>

#include "backend/record.h"
#include "names.h"
#include "util/parse.h"

int json_get_string(json_object *o, const char *key, const char **ret) {
        json_object *v;

        if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string))
                return -EBADMSG;
        /* A NUL inside would make the value end early. */
        if (strlen(json_object_get_string(v)) != (size_t) json_object_get_string_len(v))
                return -EBADMSG;
        *ret = json_object_get_string(v);
        return 0;
}

int json_get_u64(json_object *o, const char *key, uint64_t max, uint64_t *ret) {
        json_object *v;
        uint64_t n;

        if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_int))
                return -EBADMSG;
        if (json_object_get_int64(v) < 0)
                return -EBADMSG;
        n = json_object_get_uint64(v);
        if (n > max)
                return -EBADMSG;
        *ret = n;
        return 0;
}

int json_get_array(json_object *o, const char *key, size_t max, json_object **ret, size_t *ret_n) {
        json_object *v;

        if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_array) ||
            json_object_array_length(v) > max)
                return -EBADMSG;
        *ret = v;
        *ret_n = json_object_array_length(v);
        return 0;
}

int json_put(json_object *o, const char *key, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(o, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

int json_append(json_object *array, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_array_add(array, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

int json_put_string(json_object *o, const char *key, const char *value) {
        return value ? json_put(o, key, json_object_new_string(value)) : 0;
}

int json_put_u64(json_object *o, const char *key, uint64_t value) {
        return json_put(o, key, json_object_new_uint64(value));
}

/* One number of a pool or a type: where it is in the struct and what it may be. */
typedef struct NumberField NumberField;

struct NumberField {
        const char *key;
        size_t offset;
        size_t size;
        uint64_t max;
};

#define NUMBER(type, member, limit)                                                                \
        { #member, offsetof(type, member), sizeof(((type *) NULL)->member), (limit) }

static const NumberField pool_numbers[] = {
        NUMBER(Pool, offset, UINT64_MAX),
        NUMBER(Pool, size, UINT64_MAX),
        NUMBER(Pool, bar, BARS_MAX - 1),
        NUMBER(Pool, kind, _POOL_KIND_MAX - 1),
        NUMBER(Pool, cache, _CACHE_MAX - 1),
        NUMBER(Pool, scrub, _SCRUB_MAX - 1),
};

static const NumberField type_numbers[] = {
        NUMBER(Type, map, _MAP_MODE_MAX - 1),
        NUMBER(Type, vectors, 2048),
        NUMBER(Type, movable, 1),
        NUMBER(Type, vendor, UINT16_MAX),
        NUMBER(Type, device, UINT16_MAX),
        NUMBER(Type, subvendor, UINT16_MAX),
        NUMBER(Type, subdevice, UINT16_MAX),
        NUMBER(Type, class, 0xffffff),
};

static const NumberField part_numbers[] = {
        NUMBER(TypePart, kind, _PART_KIND_MAX - 1),
        NUMBER(TypePart, bar, BARS_MAX - 1),
        NUMBER(TypePart, parent_bar, BARS_MAX - 1),
        NUMBER(TypePart, offset, UINT64_MAX),
        NUMBER(TypePart, size, UINT64_MAX),
        NUMBER(TypePart, parent_offset, UINT64_MAX),
};

static uint64_t number_load(const void *base, const NumberField *f) {
        uint64_t v = 0;

        memcpy(&v, (const char *) base + f->offset, f->size); /* little endian, as all mdev hosts */
        return v;
}

static void number_store(void *base, const NumberField *f, uint64_t v) {
        memcpy((char *) base + f->offset, &v, f->size);
}

static int numbers_from_json(json_object *o, const NumberField *fields, size_t n, void *base) {
        for (size_t i = 0; i < n; i++) {
                uint64_t v;
                int r;

                r = json_get_u64(o, fields[i].key, fields[i].max, &v);
                if (r < 0)
                        return r;
                number_store(base, &fields[i], v);
        }
        return 0;
}

static int numbers_to_json(json_object *o, const NumberField *fields, size_t n, const void *base) {
        for (size_t i = 0; i < n; i++) {
                int r = json_put_u64(o, fields[i].key, number_load(base, &fields[i]));

                if (r < 0)
                        return r;
        }
        return 0;
}

static int pool_from_json(json_object *o, Parent *p) {
        _cleanup_(pool_freep) Pool *pool = NULL;
        const char *name;
        int r;

        if (json_get_string(o, "name", &name) < 0 || !name_is_valid_id(name) ||
            parent_find_pool(p, name))
                return -EBADMSG;
        r = pool_new(&pool, name);
        if (r < 0)
                return r;
        r = numbers_from_json(o, pool_numbers, ARRAY_SIZE(pool_numbers), pool);
        if (r < 0)
                return r;
        parent_link_pool(p, TAKE_PTR(pool));
        return 0;
}

static int bar_from_json(json_object *o, TypeBar *bar) {
        uint64_t bits, wide;
        int r;

        r = json_get_u64(o, "size", UINT64_MAX, &bar->size);
        if (r >= 0)
                r = json_get_u64(o, "64bit", 1, &wide);
        if (r >= 0)
                r = json_get_u64(o, "prefetch", 1, &bits);
        if (r < 0)
                return r;
        bar->is_64bit = wide;
        bar->prefetch = bits;
        return 0;
}

static int parts_from_json(json_object *o, Type *t) {
        json_object *parts;
        size_t n;
        int r;

        r = json_get_array(o, "parts", PARTS_MAX, &parts, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = numbers_from_json(json_object_array_get_idx(parts, i), part_numbers,
                                      ARRAY_SIZE(part_numbers), &t->parts[i]);
        return r;
}

static int type_from_json(json_object *o, Parent *p) {
        _cleanup_(type_freep) Type *t = NULL;
        _cleanup_(freep) char *id = NULL;
        const char *name, *label;
        json_object *bars;
        size_t n;
        int r;

        if (json_get_string(o, "name", &name) < 0 || !name_is_valid_id(name))
                return -EBADMSG;
        if (asprintf(&id, MDEVD_DRIVER "-%s", name) < 0)
                return -ENOMEM;
        r = type_new(&t, id);
        if (r < 0)
                return r;
        free(t->name);
        t->name = strdup(name);
        if (!t->name)
                return -ENOMEM;
        if (json_get_string(o, "label", &label) >= 0) {
                t->label = strdup(label);
                if (!t->label)
                        return -ENOMEM;
        }
        t->ours = true;
        r = numbers_from_json(o, type_numbers, ARRAY_SIZE(type_numbers), t);
        if (r >= 0)
                r = json_get_array(o, "bars", BARS_MAX, &bars, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = bar_from_json(json_object_array_get_idx(bars, i), &t->bars[i]);
        if (r >= 0)
                r = parts_from_json(o, t);
        if (r < 0)
                return r;
        parent_link_type(p, TAKE_PTR(t));
        return 0;
}

/* What concerns the parent as a whole. */
static int parent_from_json(json_object *o, Parent *p) {
        const char *vendor;
        uint64_t unsafe;
        int r;

        r = json_get_u64(o, "unsafe_dma", 1, &unsafe);
        if (r < 0)
                return r;
        p->unsafe_dma = unsafe;
        if (!json_object_object_get_ex(o, "vendor", NULL))
                return 0;
        if (json_get_string(o, "vendor", &vendor) < 0 || !name_is_valid_id(vendor))
                return -EBADMSG;
        p->vendor = strdup(vendor);
        return p->vendor ? 0 : -ENOMEM;
}

int record_config_from_json(json_object *o, const char *name, Parent **ret) {
        _cleanup_(parent_freep) Parent *p = NULL;
        json_object *pools, *types;
        size_t n_pools, n_types;
        int r;

        if (json_get_array(o, "pools", MDEVD_MAX_POOLS, &pools, &n_pools) < 0 ||
            json_get_array(o, "types", MDEVD_MAX_TYPES, &types, &n_types) < 0)
                return -EBADMSG;

        r = parent_new(&p, name);
        if (r >= 0)
                r = parent_from_json(o, p);
        for (size_t i = 0; r >= 0 && i < n_pools; i++)
                r = pool_from_json(json_object_array_get_idx(pools, i), p);
        for (size_t i = 0; r >= 0 && i < n_types; i++)
                r = type_from_json(json_object_array_get_idx(types, i), p);
        if (r < 0)
                return r;

        p->ours = true;
        *ret = TAKE_PTR(p);
        return 0;
}

static json_object *pool_to_json(const Pool *pool) {
        json_object *o = json_object_new_object();

        if (o && json_put_string(o, "name", pool->name) >= 0 &&
            numbers_to_json(o, pool_numbers, ARRAY_SIZE(pool_numbers), pool) >= 0)
                return o;
        json_object_put(o);
        return NULL;
}

static json_object *bar_to_json(const TypeBar *bar) {
        json_object *o = json_object_new_object();

        if (o && json_put_u64(o, "size", bar->size) >= 0 &&
            json_put_u64(o, "64bit", bar->is_64bit) >= 0 &&
            json_put_u64(o, "prefetch", bar->prefetch) >= 0)
                return o;
        json_object_put(o);
        return NULL;
}

static json_object *part_to_json(const TypePart *part) {
        json_object *o = json_object_new_object();

        if (o && numbers_to_json(o, part_numbers, ARRAY_SIZE(part_numbers), part) >= 0)
                return o;
        json_object_put(o);
        return NULL;
}

static json_object *type_to_json(const Type *t) {
        json_object *o = json_object_new_object(), *bars = json_object_new_array(),
                    *parts = json_object_new_array();
        int r = o && bars && parts ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < BARS_MAX; i++)
                r = json_append(bars, bar_to_json(&t->bars[i]));
        for (size_t i = 0; r >= 0 && i < PARTS_MAX && t->parts[i].kind != PART_NONE; i++)
                r = json_append(parts, part_to_json(&t->parts[i]));
        if (r >= 0)
                r = json_put_string(o, "name", t->name);
        if (r >= 0)
                r = json_put_string(o, "label", t->label);
        if (r >= 0)
                r = numbers_to_json(o, type_numbers, ARRAY_SIZE(type_numbers), t);
        if (r >= 0)
                r = json_put(o, "bars", TAKE_PTR(bars));
        if (r >= 0)
                r = json_put(o, "parts", TAKE_PTR(parts));
        if (r >= 0)
                return o;
        json_object_put(parts);
        json_object_put(bars);
        json_object_put(o);
        return NULL;
}

json_object *record_config_to_json(const Parent *p) {
        json_object *o = json_object_new_object(), *pools = json_object_new_array(),
                    *types = json_object_new_array();
        int r = o && pools && types ? 0 : -ENOMEM;

        if (r >= 0)
                list_foreach(pool, &p->pools, Pool, node)
                        if (r >= 0)
                                r = json_append(pools, pool_to_json(pool));
        if (r >= 0)
                list_foreach(t, &p->types, Type, node)
                        if (r >= 0 && t->ours)
                                r = json_append(types, type_to_json(t));
        if (r >= 0)
                r = json_put_string(o, "vendor", p->vendor);
        if (r >= 0)
                r = json_put_u64(o, "unsafe_dma", p->unsafe_dma);
        if (r >= 0)
                r = json_put(o, "pools", TAKE_PTR(pools));
        if (r >= 0)
                r = json_put(o, "types", TAKE_PTR(types));
        if (r >= 0)
                return o;
        json_object_put(pools);
        json_object_put(types);
        json_object_put(o);
        return NULL;
}

int record_set_config(Record *r, const Parent *p) {
        json_object *o = record_config_to_json(p);
        Parent *config;
        int k;

        if (!o)
                return -ENOMEM;
        /* By way of JSON, so that what the record holds is what a reader will get. */
        k = record_config_from_json(o, p->name, &config);
        json_object_put(o);
        if (k < 0)
                return k;
        parent_free(r->config);
        r->config = config;
        return 0;
}

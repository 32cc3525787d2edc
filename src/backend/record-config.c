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

static void numbers_to_text(const void *base, const NumberField *fields, size_t n, JsonText *t) {
        for (size_t i = 0; i < n; i++)
                json_text_u64(t, fields[i].key, number_load(base, &fields[i]));
}

static void pool_to_text(const Pool *pool, JsonText *t) {
        json_text_begin(t, NULL, '{');
        json_text_string(t, "name", pool->name);
        numbers_to_text(pool, pool_numbers, ARRAY_SIZE(pool_numbers), t);
        json_text_end(t, '}');
}

static void bars_to_text(const Type *type, JsonText *t) {
        json_text_begin(t, "bars", '[');
        for (size_t i = 0; i < BARS_MAX; i++) {
                json_text_begin(t, NULL, '{');
                json_text_u64(t, "size", type->bars[i].size);
                json_text_u64(t, "64bit", type->bars[i].is_64bit);
                json_text_u64(t, "prefetch", type->bars[i].prefetch);
                json_text_end(t, '}');
        }
        json_text_end(t, ']');
}

static void parts_to_text(const Type *type, JsonText *t) {
        json_text_begin(t, "parts", '[');
        for (size_t i = 0; i < PARTS_MAX && type->parts[i].kind != PART_NONE; i++) {
                json_text_begin(t, NULL, '{');
                numbers_to_text(&type->parts[i], part_numbers, ARRAY_SIZE(part_numbers), t);
                json_text_end(t, '}');
        }
        json_text_end(t, ']');
}

static void type_to_text(const Type *type, JsonText *t) {
        json_text_begin(t, NULL, '{');
        json_text_string(t, "name", type->name);
        json_text_string(t, "label", type->label);
        numbers_to_text(type, type_numbers, ARRAY_SIZE(type_numbers), t);
        bars_to_text(type, t);
        parts_to_text(type, t);
        json_text_end(t, '}');
}

void record_config_to_text(const Parent *p, const char *key, JsonText *t) {
        json_text_begin(t, key, '{');
        json_text_string(t, "vendor", p->vendor);
        json_text_u64(t, "unsafe_dma", p->unsafe_dma);
        json_text_begin(t, "pools", '[');
        list_foreach(pool, &p->pools, Pool, node)
                pool_to_text(pool, t);
        json_text_end(t, ']');
        json_text_begin(t, "types", '[');
        list_foreach(type, &p->types, Type, node)
                if (type->ours)
                        type_to_text(type, t);
        json_text_end(t, ']');
        json_text_end(t, '}');
}

int record_set_config(Record *r, const Parent *p) {
        _cleanup_(freep) char *text = NULL;
        json_object *o = NULL;
        JsonText t = {};
        Parent *config;
        int k;

        /* By way of JSON, so that what the record holds is what a reader will get. */
        record_config_to_text(p, NULL, &t);
        k = json_text_take(&t, "", &text);
        if (k >= 0)
                k = record_parse_object(text, strlen(text), &o);
        if (k >= 0)
                k = record_config_from_json(o, p->name, &config);
        json_object_put(o);
        if (k < 0)
                return k;
        parent_free(r->config);
        r->config = config;
        return 0;
}

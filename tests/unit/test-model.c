/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-model.c: life of every noun, with and without memory; finding in the registry. */
#include "model/model.h"

#include "alloc.h"
#include "test.h"

static const Uuid uuid_a = { .bytes = { 0xa } }, uuid_b = { .bytes = { 0xb } };

static void check_table(const char *(*to)(int), int (*from)(const char *), int max) {
        for (int i = 0; i < max; i++) {
                ASSERT_NOT_NULL(to(i));
                ASSERT_EQ(from(to(i)), i);
        }
        ASSERT_NULL(to(max));
        ASSERT_NULL(to(-1));
        ASSERT_EQ(from("no such word"), -EINVAL);
}

#define CHECK_TABLE(name, type, max)                                                               \
        static const char *name##_text(int v) {                                                    \
                return name##_to_string((type) v);                                                 \
        }                                                                                          \
        TEST(name##_names) {                                                                       \
                check_table(name##_text, name##_from_string, max);                                 \
        }

CHECK_TABLE(device_state, DeviceState, _DEVICE_STATE_MAX)
CHECK_TABLE(origin, Origin, _ORIGIN_MAX)
CHECK_TABLE(parent_state, ParentState, _PARENT_STATE_MAX)
CHECK_TABLE(pool_kind, PoolKind, _POOL_KIND_MAX)
CHECK_TABLE(cache, Cache, _CACHE_MAX)
CHECK_TABLE(scrub, Scrub, _SCRUB_MAX)
CHECK_TABLE(map_mode, MapMode, _MAP_MODE_MAX)

TEST(extents_that_touch_do_not_overlap) {
        const Extent a = { .offset = 0x1000, .size = 0x1000, .bar = 2 };
        Extent b = { .offset = 0x2000, .size = 0x1000, .bar = 2 };

        ASSERT_FALSE(extent_overlaps(&a, &b));
        ASSERT_FALSE(extent_overlaps(&b, &a));
        b.offset--;
        ASSERT_TRUE(extent_overlaps(&a, &b));
        ASSERT_TRUE(extent_overlaps(&b, &a));
        b.bar = 0;
        ASSERT_FALSE(extent_overlaps(&a, &b));
}

TEST(type_names) {
        static const struct {
                const char *id;
                const char *name;
        } cases[] = {
                { "mdevd-fb-16M", "fb-16M" },
                { "nvidia-22", "nvidia-22" },
                { "mdevd-", "mdevd-" },
                { "mdevd", "mdevd" },
                { "mdevdx-1", "mdevdx-1" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(type_freep) Type *t = NULL;

                ASSERT_OK(type_new(&t, cases[i].id));
                ASSERT_STREQ(t->id, cases[i].id);
                ASSERT_STREQ(t->name, cases[i].name);
                ASSERT_FALSE(t->ours);
        }
}

/* Frees @free_fn(NULL) too: it must be harmless. */
#define CHECK_NEW(type, expr, free_fn)                                                             \
        do {                                                                                       \
                long _before = alloc_balance();                                                    \
                size_t _failures = 0;                                                              \
                type *x = NULL;                                                                    \
                int r;                                                                             \
                                                                                                   \
                FOR_EACH_ALLOCATION_FAILURE(r, expr) {                                             \
                        ASSERT_EQ(r, -ENOMEM);                                                     \
                        ASSERT_NULL(x);                                                            \
                        ASSERT_EQ(alloc_balance(), _before);                                       \
                        _failures++;                                                               \
                }                                                                                  \
                ASSERT_OK(r);                                                                      \
                ASSERT_TRUE(_failures > 0);                                                        \
                ASSERT_NULL(free_fn(x));                                                           \
                ASSERT_NULL(free_fn(NULL));                                                        \
                ASSERT_EQ(alloc_balance(), _before);                                               \
        } while (0)

TEST(new_without_memory) {
        Parent *p = NULL;

        ASSERT_OK(parent_new(&p, "p"));
        CHECK_NEW(Model, model_new(&x), model_free);
        CHECK_NEW(Parent, parent_new(&x, "p"), parent_free);
        CHECK_NEW(Pool, pool_new(&x, "fb"), pool_free);
        CHECK_NEW(Type, type_new(&x, "mdevd-t"), type_free);
        CHECK_NEW(Device, device_new(&x, p, &uuid_a, "mdevd-t"), device_free);
        CHECK_NEW(Definition, definition_new(&x, "p", &uuid_a), definition_free);
        CHECK_NEW(Request, request_new(&x, "t"), request_free);
        parent_free(p);
}

TEST(copies_of_pools) {
        _cleanup_(parent_freep) Parent *p = NULL;
        Pool *from, *copy;

        ASSERT_OK(parent_new(&p, "p"));
        ASSERT_OK(pool_new(&from, "fb"));
        from->offset = 4096;
        from->size = 8192;
        from->slot = 16384;
        from->bar = 5;
        from->kind = POOL_REGISTERS;
        from->cache = CACHE_WC;
        from->scrub = SCRUB_NONE;
        parent_link_pool(p, from);

        CHECK_NEW(Pool, pool_copy(&x, from), pool_free);
        ASSERT_OK(pool_copy(&copy, from));
        ASSERT_FALSE(list_is_linked(&copy->node));
        ASSERT_TRUE(copy->name != from->name);
        ASSERT_STREQ(copy->name, "fb");
        ASSERT_EQ(copy->offset, 4096);
        ASSERT_EQ(copy->size, 8192);
        ASSERT_EQ(copy->slot, 16384);
        ASSERT_EQ(copy->bar, 5);
        ASSERT_EQ(copy->kind, POOL_REGISTERS);
        ASSERT_EQ(copy->cache, CACHE_WC);
        ASSERT_EQ(copy->scrub, SCRUB_NONE);
        ASSERT_NULL(pool_free(copy));
        ASSERT_EQ(list_length(&p->pools), 1); /* the copy was in nobody's list */
        ASSERT_STREQ(from->name, "fb");
}

/* Every string is another one, so that both can be freed. */
static void check_type_copy(const Type *copy, const Type *from) {
        const char *const strings[][2] = {
                { copy->id, from->id },
                { copy->name, from->name },
                { copy->label, from->label },
                { copy->device_api, from->device_api },
                { copy->description, from->description },
                { copy->bars[0].pool, from->bars[0].pool },
                { copy->bars[5].pool, from->bars[5].pool },
        };

        for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
                ASSERT_TRUE(streq_ptr(strings[i][0], strings[i][1]));
                ASSERT_TRUE(!strings[i][1] || strings[i][0] != strings[i][1]);
        }
        ASSERT_FALSE(list_is_linked(&copy->node));
        ASSERT_EQ(copy->available, from->available);
        ASSERT_EQ(copy->ours, from->ours);
        ASSERT_EQ(copy->movable, from->movable);
        ASSERT_EQ(copy->map, from->map);
        ASSERT_EQ(copy->vectors, from->vectors);
        ASSERT_EQ(copy->vendor, from->vendor);
        ASSERT_EQ(copy->device, from->device);
        ASSERT_EQ(copy->subvendor, from->subvendor);
        ASSERT_EQ(copy->subdevice, from->subdevice);
        ASSERT_EQ(copy->class, from->class);
        for (size_t i = 0; i < BARS_MAX; i++) {
                ASSERT_EQ(copy->bars[i].size, from->bars[i].size);
                ASSERT_EQ(copy->bars[i].is_64bit, from->bars[i].is_64bit);
                ASSERT_EQ(copy->bars[i].prefetch, from->bars[i].prefetch);
        }
}

TEST(copies_of_types) {
        _cleanup_(parent_freep) Parent *p = NULL;
        Type *bare, *full, *copy;

        ASSERT_OK(parent_new(&p, "p"));
        ASSERT_OK(type_new(&bare, "vendor-1"));
        parent_link_type(p, bare);
        ASSERT_OK(type_new(&full, "mdevd-fb-16M"));
        parent_link_type(p, full);
        ASSERT_NOT_NULL(full->label = strdup("label"));
        ASSERT_NOT_NULL(full->device_api = strdup("vfio-pci"));
        ASSERT_NOT_NULL(full->description = strdup("words"));
        full->available = 7;
        full->ours = full->movable = true;
        full->map = MAP_EAGER;
        full->vectors = 8;
        full->vendor = 1;
        full->device = 2;
        full->subvendor = 3;
        full->subdevice = 4;
        full->class = 5;
        full->bars[0] = (TypeBar) { .size = 4096, .pool = strdup("fb"), .is_64bit = true };
        full->bars[5] = (TypeBar) { .size = 8192, .pool = strdup("regs"), .prefetch = true };

        CHECK_NEW(Type, type_copy(&x, bare), type_free);
        CHECK_NEW(Type, type_copy(&x, full), type_free);
        ASSERT_OK(type_copy(&copy, bare));
        check_type_copy(copy, bare);
        type_free(copy);
        ASSERT_OK(type_copy(&copy, full));
        check_type_copy(copy, full);
        type_free(copy);
        ASSERT_EQ(list_length(&p->types), 2); /* the copies were in nobody's list */
        ASSERT_STREQ(full->bars[5].pool, "regs");
}

TEST(attributes_keep_order_and_duplicates) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(request_freep) Request *q = NULL;
        int r;

        ASSERT_OK(definition_new(&d, "p", &uuid_a));
        ASSERT_OK(request_new(&q, "t"));
        ASSERT_OK(definition_add_attribute(d, "assign_adapter", "5"));
        FOR_EACH_ALLOCATION_FAILURE(r, definition_add_attribute(d, "assign_adapter", "6")) {
                ASSERT_EQ(r, -ENOMEM);
                ASSERT_EQ(d->n_attributes, 1);
        }
        ASSERT_OK(r);
        ASSERT_EQ(d->n_attributes, 2);
        ASSERT_STREQ(d->attributes[0].value, "5");
        ASSERT_STREQ(d->attributes[1].name, "assign_adapter");
        ASSERT_STREQ(d->attributes[1].value, "6");
        ASSERT_OK(request_add_attribute(q, "x", ""));
        ASSERT_STREQ(q->attributes[0].value, "");
}

TEST(request_defaults) {
        _cleanup_(request_freep) Request *q = NULL;

        ASSERT_OK(request_new(&q, "t"));
        ASSERT_STREQ(q->owner, "");
        ASSERT_NULL(q->parent);
        ASSERT_FALSE(uuid_is_null(&q->uuid));
        ASSERT_FALSE(q->uuid_given);
        ASSERT_EQ(q->numa_node, -1);
        ASSERT_EQ(q->origin, ORIGIN_REQUEST);
}

static Parent *add_parent(Model *m, const char *name) {
        Parent *p;

        ASSERT_OK(parent_new(&p, name));
        model_link_parent(m, p);
        return p;
}

static Device *add_device(Model *m, Parent *p, const Uuid *uuid) {
        Device *d;

        ASSERT_OK(device_new(&d, p, uuid, "t"));
        model_link_device(m, d);
        return d;
}

static Definition *add_definition(Model *m, const char *parent, const Uuid *uuid) {
        Definition *d;

        ASSERT_OK(definition_new(&d, parent, uuid));
        model_link_definition(m, d);
        return d;
}

TEST(registry) {
        long before = alloc_balance();
        Model *m = NULL;
        Parent *p, *q;
        Device *d;
        Definition *e;
        size_t n;

        ASSERT_OK(model_new(&m));
        p = add_parent(m, "p");
        q = add_parent(m, "q");
        ASSERT_TRUE(model_find_parent(m, "q") == q && q->model == m);
        ASSERT_NULL(model_find_parent(m, "r"));

        d = add_device(m, p, &uuid_a);
        add_device(m, q, &uuid_a);
        ASSERT_TRUE(model_find_device(m, NULL, &uuid_a, &n) == d);
        ASSERT_EQ(n, 2);
        ASSERT_TRUE(model_find_device(m, q, &uuid_a, &n)->parent == q);
        ASSERT_EQ(n, 1);
        ASSERT_NULL(model_find_device(m, NULL, &uuid_b, &n));
        ASSERT_EQ(n, 0);
        ASSERT_NULL(device_free(d));
        ASSERT_EQ(list_length(&m->devices), 1);

        e = add_definition(m, "p", &uuid_b);
        add_definition(m, "absent", &uuid_b);
        ASSERT_TRUE(model_find_definition(m, NULL, &uuid_b, &n) == e);
        ASSERT_EQ(n, 2);
        ASSERT_STREQ(model_find_definition(m, "absent", &uuid_b, NULL)->parent, "absent");
        ASSERT_NULL(model_find_definition(m, "q", &uuid_b, NULL));
        ASSERT_NULL(definition_free(e));
        ASSERT_EQ(list_length(&m->definitions), 1);

        ASSERT_NULL(model_free(m));
        ASSERT_EQ(alloc_balance(), before);
}

/*
 * As people give them, by counting: they would all be alike in a table that looks at other bytes.
 */
TEST(uuids_that_are_counted_are_found_at_once) {
        for (size_t at = 0; at < sizeof(uuid_a.bytes) - 1; at++) {
                _cleanup_(model_freep) Model *m = NULL;
                size_t longest = 0;
                Parent *p;
                Device *d;

                ASSERT_OK(model_new(&m));
                ASSERT_OK(parent_new(&p, "0000:00:05.0"));
                model_link_parent(m, p);
                for (unsigned i = 0; i < 2048; i++) {
                        Uuid u = { .bytes = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 } };

                        u.bytes[at] = (uint8_t) (i >> 8);
                        u.bytes[at + 1] = (uint8_t) i;
                        ASSERT_OK(device_new(&d, p, &u, "t"));
                        model_link_device(m, d);
                }
                for (size_t i = 0; i < MODEL_BUCKETS; i++) {
                        size_t n = 0;

                        for (d = m->buckets[i]; d; d = d->next_alike)
                                n++;
                        longest = n > longest ? n : longest;
                }
                if (longest > 16)
                        test_fail(__FILE__, __LINE__, "counted in byte %zu: %zu are alike", at,
                                  longest);
        }
}

/* Whichever comes first, and goes first. */
TEST(a_definition_knows_its_device) {
        _cleanup_(model_freep) Model *m = NULL;
        Definition *one, *other;
        Parent *p, *q;
        Device *d;

        ASSERT_OK(model_new(&m));
        ASSERT_OK(parent_new(&p, "0000:00:05.0"));
        model_link_parent(m, p);
        ASSERT_OK(parent_new(&q, "0000:00:06.0"));
        model_link_parent(m, q);
        ASSERT_OK(definition_new(&one, p->name, &uuid_a));
        model_link_definition(m, one);
        ASSERT_OK(definition_new(&other, p->name, &uuid_b));
        model_link_definition(m, other);
        ASSERT_NULL(one->device);

        ASSERT_OK(device_new(&d, q, &uuid_a, "t")); /* that of another parent is none of its own */
        model_link_device(m, d);
        ASSERT_NULL(one->device);
        device_free(d);
        ASSERT_OK(device_new(&d, p, &uuid_a, "t"));
        model_link_device(m, d);
        ASSERT_TRUE(one->device == d);
        ASSERT_NULL(other->device);

        model_unlink_definition(one);
        ASSERT_NULL(one->device);
        model_link_definition(m, one);
        ASSERT_TRUE(one->device == d);
        device_free(d);
        ASSERT_NULL(one->device);
        definition_free(one);
        definition_free(other);
}

static Definition *link_one(Model *m, unsigned n, const char *parent, const char *type) {
        Uuid u = { .bytes = { 0xd, (uint8_t) n } };
        Definition *d;

        ASSERT_OK(definition_new(&d, parent, &u));
        ASSERT_NOT_NULL(d->type = strdup(type));
        model_link_definition(m, d);
        return d;
}

TEST(definitions_know_whether_they_are_as_the_one_before) {
        _cleanup_(model_freep) Model *m = NULL;
        Definition *d[5], *now;

        ASSERT_OK(model_new(&m));
        d[0] = link_one(m, 0, "p", "t");
        d[1] = link_one(m, 1, "p", "t");
        d[2] = link_one(m, 2, "p", "u");
        d[3] = link_one(m, 3, "p", "t");
        d[4] = link_one(m, 4, "q", "t");
        ASSERT_FALSE(d[0]->as_before);
        ASSERT_TRUE(d[1]->as_before);
        ASSERT_FALSE(d[2]->as_before || d[3]->as_before || d[4]->as_before);

        definition_free(d[2]);
        ASSERT_TRUE(d[3]->as_before);
        /* another owner: neither it nor the one behind it is alike any more, and then both again */
        for (unsigned again = 0; again < 2; again++) {
                ASSERT_OK(definition_new(&now, "p", &d[1]->uuid));
                ASSERT_NOT_NULL(now->type = strdup("t"));
                free(now->owner);
                ASSERT_NOT_NULL(now->owner = strdup(again ? "" : "vm1"));
                definition_take(d[1], now);
                ASSERT_EQ(d[1]->as_before, again);
                ASSERT_EQ(d[3]->as_before, again);
        }
        definition_free(d[0]);
        ASSERT_FALSE(d[1]->as_before);
        definition_free(d[4]);
        definition_free(d[3]);
}

TEST(pools_and_types_of_a_parent) {
        _cleanup_(parent_freep) Parent *p = NULL;
        Type *ours, *vendors;
        Pool *pool;

        ASSERT_OK(parent_new(&p, "p"));
        ASSERT_EQ(p->numa_node, -1);
        ASSERT_EQ(p->state, PARENT_ABSENT);
        ASSERT_OK(pool_new(&pool, "fb"));
        parent_link_pool(p, pool);
        ASSERT_TRUE(parent_find_pool(p, "fb") == pool);
        ASSERT_NULL(parent_find_pool(p, "f"));

        ASSERT_OK(type_new(&vendors, "vendor-1"));
        parent_link_type(p, vendors);
        ASSERT_OK(type_new(&ours, "mdevd-fb"));
        ours->ours = true;
        parent_link_type(p, ours);
        ASSERT_TRUE(parent_find_type(p, "fb") == ours);
        ASSERT_TRUE(parent_find_type(p, "mdevd-fb") == ours);
        ASSERT_TRUE(parent_find_type(p, "vendor-1") == vendors);
        ASSERT_NULL(parent_find_type(p, "1"));
}

TESTS_MAIN

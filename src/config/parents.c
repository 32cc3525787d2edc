/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* parents.c owns the "parents" of a file: which devices are divided, and into which pools. */
#include "config/spec.h"

#include "util/parse.h"

#define BYTES_MAX (UINT64_C(1) << 52) /* no BAR is larger; keeps every sum far from overflow */
#define ON_UNPLUG_TIMEOUT 30         /* seconds, unless said */
#define ON_UNPLUG_TIMEOUT_MAX 86400
#define ADDRESS_MAX 31                /* bytes: the module's word for a device's name */

ParentSpec *parent_spec_free(ParentSpec *p) {
        if (!p)
                return NULL;

        list_unlink(&p->node);
        list_foreach_safe(pool, &p->pools, Pool, node)
                pool_free(pool);
        for (size_t i = 0; i < p->n_types; i++)
                free(p->types[i].name);
        free(p->types);
        free(p->address);
        free(p->vendor);
        free(p->file);
        free(p);
        return NULL;
}

/* domain:bus:device.function, as sysfs has it; a domain can have more than four digits. */
static bool address_is_valid(const char *s) {
        size_t digits = strspn(s, "0123456789abcdef");

        return digits >= 4 && strlen(s) <= ADDRESS_MAX && s[digits] == ':' &&
               strspn(s + digits + 1, "0123456789abcdef") == 2 && s[digits + 3] == ':' &&
               strspn(s + digits + 4, "0123456789abcdef") == 2 && s[digits + 6] == '.' &&
               s[digits + 7] >= '0' && s[digits + 7] <= '7' && s[digits + 8] == '\0';
}

int decode_offset(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        const uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
        JsonField bounded = *field;
        uint64_t v;
        int r;

        bounded.max = BYTES_MAX;
        r = json_decode_size(sink, node, &bounded, &v);
        if (r != 0)
                return r;
        if (v % page != 0)
                return json_problem(sink, node,
                                    "expected a multiple of the page size, %s, found %s",
                                    SIZE_STR(page), JSON_FOUND(node));
        *(uint64_t *) value = v;
        return 0;
}

int decode_pages(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        uint64_t v;
        int r;

        r = decode_offset(sink, node, field, &v);
        if (r != 0)
                return r;
        if (v == 0)
                return json_problem(sink, node, "expected a size of at least one page, found %s",
                                    JSON_FOUND(node));
        *(uint64_t *) value = v;
        return 0;
}

static const JsonField pool_fields[] = {
        { "name", JSON_FIELD(Pool, name, json_decode_string), .flags = JSON_REQUIRED,
          .is_valid = name_is_valid_id, .expect = "a name of 1 to 31 of A-Z a-z 0-9 _ . + -" },
        { "bar", JSON_FIELD(Pool, bar, json_decode_number), .flags = JSON_REQUIRED,
          .max = BARS_MAX - 1, .expect = "the number of a BAR" },
        { "offset", JSON_FIELD(Pool, offset, decode_offset) },
        { "size", JSON_FIELD(Pool, size, decode_pages) },
        { "slot", JSON_FIELD(Pool, slot, decode_offset) },
        { "kind", JSON_FIELD(Pool, kind, json_decode_enum), .from_string = pool_kind_from_string,
          .expect = "\"memory\" or \"registers\"" },
        { "cache", JSON_FIELD(Pool, cache, json_decode_enum), .from_string = cache_from_string,
          .expect = "\"uc\" or \"wc\"" },
        { "scrub", JSON_FIELD(Pool, scrub, json_decode_enum), .from_string = scrub_from_string,
          .expect = "\"zero\", \"none\" or \"vendor\"" },
        {},
};

/* A pool without size ends with its BAR, wherever that is. */
static uint64_t pool_end(const Pool *p) {
        return p->size == 0 ? UINT64_MAX : p->offset + p->size;
}

static int pool_check(JsonSink *sink, const JsonNode *node, const Pool *pool,
                      const ParentSpec *parent) {
        const JsonNode *scrub = json_find(node, "scrub");

        if (pool->kind == POOL_REGISTERS && pool->scrub == SCRUB_ZERO)
                return json_problem(sink, scrub ?: node,
                                    "expected \"scrub\": \"none\" (or \"vendor\") for a pool of "
                                    "registers, since these cannot be zeroed");

        if (pool->size > 0 && pool->slot > pool->size)
                return json_problem(sink, json_find(node, "slot") ?: node,
                                    "expected slots that the pool has room for, found one of %s in "
                                    "%s", SIZE_STR(pool->slot), SIZE_STR(pool->size));

        list_foreach(other, &parent->pools, Pool, node) {
                if (streq(other->name, pool->name))
                        return json_problem(sink, node,
                                            "expected pools of different names, found \"%s\" again",
                                            pool->name);
                if (other->bar == pool->bar && other->offset < pool_end(pool) &&
                    pool->offset < pool_end(other))
                        return json_problem(sink, node,
                                            "expected pools that do not overlap, found \"%s\" and "
                                            "\"%s\" sharing BAR %u from %s on",
                                            other->name, pool->name, pool->bar,
                                            SIZE_STR(MAX(other->offset, pool->offset)));
        }
        return 0;
}

static int decode_pools(JsonSink *sink, const JsonNode *node, const JsonField *field,
                        void *value) {
        ParentSpec *parent = container_of(value, ParentSpec, pools);
        int r, result = 0;

        if (node->kind != JSON_LIST || node->n_members == 0)
                return json_unexpected(sink, node, field->expect);
        if (node->n_members > CONFIG_POOLS_MAX)
                return json_problem(sink, node, "expected at most %u pools, found %u",
                                    CONFIG_POOLS_MAX, node->n_members);

        json_foreach(i, node) {
                _cleanup_(pool_freep) Pool *pool = NULL;

                r = pool_new(&pool, "");
                if (r < 0)
                        return r;
                r = json_decode_fields(sink, i, pool_fields, "a pool in { }", pool);
                if (r == 0)
                        r = pool_check(sink, i, pool, parent);
                if (r < 0)
                        return r;
                result |= r;
                if (r == 0)
                        list_append(&parent->pools, &TAKE_PTR(pool)->node);
        }
        return result;
}

static int decode_type_refs(JsonSink *sink, const JsonNode *node, const JsonField *field,
                            void *value) {
        ParentSpec *parent = container_of(value, ParentSpec, types);

        if (node->kind != JSON_LIST || node->n_members == 0)
                return json_unexpected(sink, node, field->expect);
        if (node->n_members > CONFIG_TYPES_MAX)
                return json_problem(sink, node, "expected at most %u types, found %u",
                                    CONFIG_TYPES_MAX, node->n_members);
        parent->types = calloc(node->n_members, sizeof(*parent->types));
        if (!parent->types)
                return -ENOMEM;

        json_foreach(i, node) {
                TypeRef *ref = &parent->types[parent->n_types];

                if (i->kind != JSON_STRING)
                        return json_unexpected(sink, i, "the name of a type");
                for (size_t k = 0; k < parent->n_types; k++)
                        if (streq(parent->types[k].name, i->text))
                                return json_problem(sink, i,
                                                    "expected each type once, found %s again",
                                                    JSON_FOUND(i));
                ref->name = strdup(i->text);
                if (!ref->name)
                        return -ENOMEM;
                ref->line = i->line;
                ref->column = i->column;
                parent->n_types++;
        }
        return 0;
}

static const JsonField parent_fields[] = {
        { "address", JSON_FIELD(ParentSpec, address, json_decode_string), .flags = JSON_REQUIRED,
          .is_valid = address_is_valid,
          .expect = "a PCI address in lower case such as \"0000:00:05.0\"" },
        { "pools", JSON_FIELD(ParentSpec, pools, decode_pools), .flags = JSON_REQUIRED,
          .expect = "a list of pools" },
        { "types", JSON_FIELD(ParentSpec, types, decode_type_refs), .flags = JSON_REQUIRED,
          .expect = "a list of names of types" },
        { "on_unplug", JSON_FIELD(ParentSpec, on_unplug, json_decode_enum),
          .from_string = on_unplug_from_string, .expect = "\"wait\" or \"kill\"" },
        { "on_unplug_timeout", JSON_FIELD(ParentSpec, on_unplug_timeout, json_decode_number),
          .max = ON_UNPLUG_TIMEOUT_MAX, .expect = "a number of seconds" },
        { "vendor", JSON_FIELD(ParentSpec, vendor, json_decode_string),
          .is_valid = name_is_valid_id, .expect = "a name of 1 to 31 of A-Z a-z 0-9 _ . + -" },
        { "unsafe_dma", JSON_FIELD(ParentSpec, unsafe_dma, json_decode_bool) },
        {},
};

/* What a vendor has to be there for, and what must not stand beside one. */
static int parent_check(JsonSink *sink, const JsonNode *node, const ParentSpec *parent) {
        const JsonNode *pools = json_find(node, "pools");

        if (parent->vendor && parent->unsafe_dma)
                return json_problem(sink, json_find(node, "unsafe_dma"),
                                    "expected no \"unsafe_dma\" beside \"vendor\": the vendor's "
                                    "module sees to its own DMA, and the parent masters no bus");
        if (parent->vendor)
                return 0;
        json_foreach(pool, pools) {
                const JsonNode *scrub = json_find(pool, "scrub");

                if (scrub && streq_ptr(scrub->text, "vendor"))
                        return json_problem(sink, scrub,
                                            "expected a \"vendor\" of the parent, who would scrub, "
                                            "found none; name one, or another \"scrub\"");
        }
        return 0;
}

/* Takes the place of an earlier one. Twice in one file it is not said which is meant. */
static int parent_spec_link(Loader *l, const JsonNode *node, ParentSpec *parent) {
        int r = 0;

        list_foreach(other, &l->parents, ParentSpec, node) {
                if (!streq(other->address, parent->address))
                        continue;
                if (streq(other->file, l->file)) {
                        r = json_problem(&l->sink, node,
                                         "expected each parent once, found %s again after line %u",
                                         parent->address, other->line);
                        if (r > 0)
                                other->broken = true;
                        parent_spec_free(parent);
                        return r;
                }
                list_link_before(&other->node, &parent->node);
                parent_spec_free(other);
                return 0;
        }
        list_append(&l->parents, &parent->node);
        return 0;
}

int decode_parents(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        Loader *l = container_of(sink, Loader, sink);
        int r, result = 0;

        if (node->kind != JSON_LIST)
                return json_unexpected(sink, node, field->expect);

        json_foreach(i, node) {
                _cleanup_(parent_spec_freep) ParentSpec *parent = NULL;

                parent = calloc(1, sizeof(*parent));
                if (!parent)
                        return -ENOMEM;
                list_init(&parent->node);
                list_init(&parent->pools);
                parent->on_unplug_timeout = ON_UNPLUG_TIMEOUT;
                parent->line = i->line;
                parent->column = i->column;
                parent->file = strdup(l->file);
                if (!parent->file)
                        return -ENOMEM;

                r = json_decode_fields(sink, i, parent_fields, "a parent in { }", parent);
                if (r == 0)
                        r = parent_check(sink, i, parent);
                if (r < 0)
                        return r;
                parent->broken = r > 0;
                result |= r;
                if (!parent->address)
                        continue;
                r = parent_spec_link(l, i, TAKE_PTR(parent));
                if (r < 0)
                        return r;
                result |= r;
        }
        return result;
}

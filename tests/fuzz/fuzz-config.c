/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-config.c: whatever stands in a file, what is loaded fits together and can be handed to the
 * module, and what is said about the rest points into the file and is fit for a terminal.
 */
#include "config/config.h"
#include "fuzz.h"
#include "util/parse.h"

static void check_problems(const List *problems, const char *data, size_t size) {
        unsigned lines = 1;
        size_t n = 0;

        for (size_t i = 0; i < size; i++)
                lines += data[i] == '\n';
        list_foreach(p, problems, ConfigProblem, node) {
                n++;
                assert(streq(p->file, "f") && p->text[0]);
                assert(p->line <= lines && (p->line > 0 || size > 1024 * 1024));
                assert((p->line > 0) == (p->column > 0));
                for (const char *s = p->text; *s; s++)
                        assert((unsigned char) *s >= 0x20 && *s != 0x7f);
        }
        /* the cap is the reader's; what does not fit together is bounded by parents and types */
        assert(n <= CONFIG_PROBLEMS_MAX + 1 + CONFIG_PARENTS_MAX * (CONFIG_TYPES_MAX + 1) + 1);
}

static void check_pools(const Parent *p) {
        size_t n = 0;

        list_foreach(a, &p->pools, Pool, node) {
                n++;
                assert(name_is_valid_id(a->name) && a->bar < BARS_MAX);
                assert(a->offset % 4096 == 0 && a->size % 4096 == 0);
                assert(a->offset + a->size >= a->offset);
                assert(pool_kind_to_string(a->kind) && cache_to_string(a->cache));
                assert(a->kind == POOL_MEMORY || a->scrub == SCRUB_NONE);
                list_foreach(b, &p->pools, Pool, node) {
                        const uint64_t a_end = a->size ? a->offset + a->size : UINT64_MAX;
                        const uint64_t b_end = b->size ? b->offset + b->size : UINT64_MAX;

                        if (a == b)
                                continue;
                        assert(!streq(a->name, b->name));
                        assert(a->bar != b->bar || a_end <= b->offset || b_end <= a->offset);
                }
        }
        assert(n > 0 && n <= CONFIG_POOLS_MAX);
}

static void check_type(const Parent *p, const Type *t) {
        size_t n = 0;

        assert(t->ours && name_is_valid_id(t->name) && parent_find_type(p, t->name) == t);
        assert(strlen(t->label ?: "") < 64 && t->vectors <= CONFIG_VECTORS_MAX);
        assert(t->class <= 0xffffff && (t->vendor == 0) == (t->device == 0));
        for (size_t i = 0; i < BARS_MAX; i++) {
                const TypeBar *b = &t->bars[i];
                const Pool *pool;

                if (b->size == 0)
                        continue;
                n++;
                pool = parent_find_pool(p, b->pool);
                assert(pool && (pool->size == 0 || pool->size >= b->size));
                assert(b->size % 4096 == 0);
                assert(!b->is_64bit || (i < BARS_MAX - 1 && t->bars[i + 1].size == 0));
                assert(b->is_64bit || b->size <= UINT64_C(1) << 31);
        }
        assert(n > 0);
}

static void check_parents(const List *parents) {
        size_t n = 0;

        list_foreach(p, parents, Parent, node) {
                n++;
                assert(name_is_valid_parent(p->name) && strlen(p->name) < 32);
                assert(!list_is_empty(&p->types) && list_length(&p->types) <= CONFIG_TYPES_MAX);
                check_pools(p);
                list_foreach(t, &p->types, Type, node)
                        check_type(p, t);
                list_foreach(other, parents, Parent, node)
                        assert(other == p || !streq(other->name, p->name));
        }
        assert(n <= CONFIG_PARENTS_MAX);
}

static void check_group(const Group *g) {
        assert(name_is_valid_id(g->name) && g->source.line > 0);
        assert(g->n_owners > 0);
        list_foreach(n, &g->guarantees, Guarantee, node) {
                assert(!n->type != !n->pool);
                assert(n->type ? n->n_devices > 0 && n->bytes == 0 : n->bytes > 0);
                assert(n->pool || n->n_devices > 0);
        }
        list_foreach(p, &g->partitions, Partition, node)
                assert(p->size > 0 && p->offset + p->size > p->offset && p->pool[0] &&
                       p->parent[0]);
}

static void check_rules(const Rules *rules) {
        unsigned n = 0;

        list_foreach(g, &rules->groups, Group, node) {
                assert(g->index == n++);
                check_group(g);
        }
        assert(n == rules->n_groups && n <= GROUPS_MAX);
        list_foreach(p, &rules->profiles, Profile, node)
                list_foreach(w, &p->wants, Want, node)
                        assert(w->type[0] && w->count > 0 && w->count <= WANT_COUNT_MAX &&
                               (uuid_is_null(&w->uuid) || w->count == 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(config_freep) Config *c = NULL;

        assert(config_load_text(&c, "f", (const char *) data, size) == 0);
        check_problems(&c->problems, (const char *) data, size);
        check_parents(&c->parents);
        check_rules(c->rules);
        return 0;
}

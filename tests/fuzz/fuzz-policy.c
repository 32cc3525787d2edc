/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-policy.c: whatever the model says, even what no kernel or config would, policy answers and
 * its answers are sound: a placement lies in its pool, aligned, where nothing is; moves go from
 * where extents are to where nothing is. Bytes are read as numbers until they run out.
 */
#include "fuzz.h"
#include "policy/policy.h"

typedef struct Input Input;

struct Input {
        const uint8_t *data;
        size_t size;
        unsigned serial;
};

static uint8_t byte(Input *in) {
        if (in->size == 0)
                return 0;
        in->size--;
        return *in->data++;
}

/* Pages mostly; sometimes what must not be. */
static uint64_t bytes(Input *in) {
        uint8_t kind = byte(in);
        uint64_t n = byte(in);

        if (kind == 255)
                return UINT64_MAX - n;
        if (kind == 254)
                return n << 56 | n;
        if (kind & 64)
                return UINT64_C(4096) << n % 24;
        return n * 4096;
}

static const char *name(Input *in) {
        static const char *const names[] = { "a", "b", "c", "t0", "t1", "t2", "fb", "*" };

        return names[byte(in) % ARRAY_SIZE(names)];
}

static Parent *any_parent(Model *m, Input *in) {
        size_t n = byte(in) % list_length(&m->parents);

        list_foreach(p, &m->parents, Parent, node)
                if (n-- == 0)
                        return p;
        return NULL;
}

static void add_type(Parent *p, Input *in, unsigned i) {
        char id[32];
        Type *t;

        (void) snprintf(id, sizeof(id), "mdevd-t%u", i);
        assert(type_new(&t, id) == 0);
        t->ours = byte(in) % 8 != 0;
        t->movable = byte(in) % 4 != 0;
        t->available = byte(in) % 4;
        t->vectors = byte(in);
        for (size_t bar = 0; bar < 2; bar++) {
                t->bars[bar].size = bar && byte(in) % 2 ? 0 : bytes(in);
                t->bars[bar].pool = byte(in) % 16 ? strdup(byte(in) % 4 ? "fb" : "regs") : NULL;
        }
        parent_link_type(p, t);
}

/*
 * Pools as the config reader lets them through: of pages, not wrapping, the two on BARs of theirs.
 */
static void add_pool(Parent *p, Input *in, const char *pool_name, uint8_t bar) {
        Pool *pool;

        assert(pool_new(&pool, pool_name) == 0);
        pool->bar = bar;
        pool->offset = (uint64_t) byte(in) * 4096;
        pool->size = bytes(in) & ~UINT64_C(4095);
        pool->size &= (UINT64_C(1) << 40) - 1;
        pool->slot = byte(in) % 4 ? 0 : ((uint64_t) byte(in) + 1) * 4096;
        parent_link_pool(p, pool);
}

static void add_parents(Model *m, Input *in) {
        static const char *const names[] = { "a", "b", "c" };
        size_t n = 1 + byte(in) % 3;

        for (size_t i = 0; i < n; i++) {
                Parent *p;

                assert(parent_new(&p, names[i]) == 0);
                p->state = byte(in) % 8 ? PARENT_REGISTERED : PARENT_CLOSING;
                p->numa_node = byte(in) % 3 - 1;
                if (byte(in) % 4 == 0)
                        p->unit = strdup("pf");
                add_pool(p, in, "fb", 2);
                if (byte(in) % 2)
                        add_pool(p, in, "regs", 0);
                for (unsigned k = 0; k < 3; k++)
                        add_type(p, in, k);
                model_link_parent(m, p);
        }
}

static uint64_t limit(Input *in) {
        return byte(in) % 2 ? LIMIT_NONE : byte(in);
}

static void add_group(Rules *r, Input *in, const char *group_name) {
        Guarantee *g;
        Partition *p;
        Group *group;

        assert(rules_add_group(r, &group, NULL, 0, 0, group_name) == 0);
        assert(group_add_owner(group, name(in)) == 0);
        group->limit.devices = limit(in);
        group->limit_per_parent.vectors = limit(in);
        if (byte(in) % 2) {
                assert(group_add_guarantee(group, &g, NULL, 0, 0) == 0);
                g->parent = byte(in) % 2 ? strdup(name(in)) : NULL;
                if (byte(in) % 2) {
                        g->type = strdup(name(in));
                        g->n_devices = byte(in);
                } else {
                        g->pool = strdup("fb");
                        g->bytes = bytes(in);
                }
        }
        if (byte(in) % 2) {
                assert(group_add_partition(group, &p, NULL, 0, 0, name(in), "fb") == 0);
                p->offset = bytes(in);
                p->size = bytes(in);
        }
}

static int ignore(const Source *source, bool warning, const char *text, void *userdata) {
        assert(text[0]);
        return 0;
}

/* Rules that contradict themselves are not put in force, as in the daemon. */
static void add_rules(Model *m, Input *in) {
        PlacementRule *placement;
        ParentRule *parent;
        Rules *r;

        assert(rules_new(&r) == 0);
        add_group(r, in, "g");
        add_group(r, in, "h");
        assert(rules_add_placement(r, &placement, NULL, 0, 0) == 0);
        placement->order = byte(in) % _ORDER_MAX;
        placement->fallback = byte(in) % 2;
        placement->numa = byte(in) % _NUMA_MAX;
        placement->affinity = byte(in) % _AFFINITY_MAX;
        placement->affinity_required = byte(in) % 2;
        assert(rules_add_parent(r, &parent, NULL, 0, 0) == 0);
        parent->one_type = byte(in) % 4 == 0;
        parent->max_devices = limit(in);
        assert(parent_rule_add_maximum(parent, name(in), byte(in)) == 0);
        if (policy_check_rules(r, &m->parents, m, ignore, NULL) == 0)
                model_set_rules(m, r);
        else
                rules_free(r);
}

static void make_uuid(Input *in, Uuid *ret) {
        *ret = (Uuid) { .bytes = { 1 } };
        in->serial++;
        memcpy(ret->bytes + 4, &in->serial, sizeof(in->serial));
}

/* What others made lies anywhere, on anything. */
static void add_device(Model *m, Input *in) {
        Extent e[2] = {};
        Device *d;
        Uuid uuid;

        make_uuid(in, &uuid);
        assert(device_new(&d, any_parent(m, in), &uuid,
                          byte(in) % 2 ? "mdevd-t0" : "mdevd-t1") == 0);
        assert(device_set_owner(d, name(in)) == 0);
        d->state = byte(in) % _DEVICE_STATE_MAX;
        for (size_t i = 0; i < 2; i++) {
                e[i] = (Extent) { .offset = bytes(in), .size = bytes(in), .bar = byte(in) % 3 };
                if (e[i].size > UINT64_MAX - e[i].offset) /* the kernel's record is checked so */
                        e[i].size = UINT64_MAX - e[i].offset;
        }
        device_set_extents(d, e, byte(in) % 3);
        model_link_device(m, d);
}

static void add_definition(Model *m, Input *in) {
        Definition *d;
        Uuid uuid;

        make_uuid(in, &uuid);
        assert(definition_new(&d, name(in), &uuid) == 0);
        d->type = byte(in) % 8 ? strdup(name(in)) : NULL;
        d->reserve = byte(in) % 2;
        model_link_definition(m, d);
}

static void check_extent(const Parent *p, const Extent *e) {
        bool inside = false;

        assert(e->size > 0);
        list_foreach(pool, &p->pools, Pool, node) {
                if (pool->bar != e->bar)
                        continue;
                inside = e->offset >= pool->offset && e->size <= pool->size &&
                         e->offset - pool->offset <= pool->size - e->size;
                assert((pool->slot ? (e->offset - pool->offset) % pool->slot
                                   : e->offset % e->size) == 0);
        }
        assert(inside);
        list_foreach(d, &p->devices, Device, parent_node)
                for (size_t i = 0; i < d->n_extents; i++)
                        assert(d->extents[i].size == 0 || !extent_overlaps(e, &d->extents[i]));
}

/* To where nothing is; its own other bytes are in the way, too. */
static void carry_out(const Move *move, const Parent *parent) {
        Extent all[EXTENTS_MAX];
        Device *d = move->device;

        assert(move->extent < d->n_extents);
        memcpy(all, d->extents, sizeof(all));
        assert(all[move->extent].offset == move->from && all[move->extent].size == move->size);
        all[move->extent].offset = move->to;
        check_extent(parent, &all[move->extent]);
        device_set_extents(d, all, d->n_extents);
}

static void create(Model *m, Input *in) {
        Reason reason = {}, again = {};
        Placement placement;
        Moves moves = {};
        Request *q;
        Device *d;
        int r;

        assert(request_new(&q, name(in)) == 0);
        make_uuid(in, &q->uuid);
        free(q->owner);
        q->owner = strdup(name(in));
        q->numa_node = byte(in) % 3 - 1;
        q->parent = byte(in) % 4 ? NULL : strdup(name(in));
        r = policy_place(m, NULL, q, &placement, &reason);
        assert(r >= 0 && (r == 0) == !reason.text);
        if (r == 0) {
                for (size_t i = 0; i < placement.n_extents; i++)
                        check_extent(placement.parent, &placement.extents[i]);
                assert(device_new(&d, placement.parent, &q->uuid, placement.type->id) == 0);
                assert(device_set_owner(d, q->owner) == 0);
                device_set_extents(d, placement.extents, placement.n_extents);
                if (!placement.type->ours)
                        placement.type->available--;
                model_link_device(m, d);
        } else {
                r = policy_plan_moves(m, NULL, q, MOVES_FEWEST, &moves, &again);
                assert(r >= 0 && (r > 0 || moves.n > 0));
                for (size_t i = 0; i < moves.n; i++)
                        carry_out(&moves.moves[i], moves.parent);
                if (r == 0)
                        assert(policy_place(m, NULL, q, &placement, &again) == 0);
                moves_done(&moves);
                r = policy_plan_moves(m, NULL, q, MOVES_PACK, &moves, &again);
                assert(r >= 0);
                for (size_t i = 0; i < moves.n; i++)
                        carry_out(&moves.moves[i], moves.parent);
        }
        moves_done(&moves);
        reason_done(&reason);
        reason_done(&again);
        request_free(q);
}

static void ask(Model *m, Input *in) {
        Parent *p = any_parent(m, in);
        Moves moves = {};
        PoolUsage usage;

        list_foreach(t, &p->types, Type, node)
                (void) policy_count_available(m, NULL, p, t);
        list_foreach(pool, &p->pools, Pool, node) {
                assert(policy_pool_usage(m, NULL, p, pool, &usage) == 0);
                assert(usage.used + usage.free == pool->size && usage.largest_hole <= usage.free);
                assert(usage.fragmentation <= 1000 && usage.largest_block <= usage.largest_hole);
                assert(policy_plan_defragment(m, NULL, p, pool, bytes(in), &moves) >= 0);
                moves_done(&moves);
        }
}

static void remove_device(Model *m, Input *in) {
        size_t n = byte(in);

        list_foreach(d, &m->devices, Device, node)
                if (n-- == 0) {
                        device_free(d);
                        return;
                }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const steps[])(Model *m, Input *in) = {
                create, create, create, add_device, add_definition, ask, remove_device,
        };
        Input in = { .data = data, .size = MIN(size, (size_t) 1024) };
        Model *m;

        assert(model_new(&m) == 0);
        add_parents(m, &in);
        if (byte(&in) % 2)
                add_rules(m, &in);
        while (in.size > 0)
                steps[byte(&in) % ARRAY_SIZE(steps)](m, &in);
        model_free(m);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rule.c: life of rules. Rules own all that is linked in them; strings are copied. */
#include "model/rule.h"

static const char *const order_table[_ORDER_MAX] = {
        [ORDER_PACK] = "pack",
        [ORDER_SPREAD] = "spread",
};

static const char *const moves_mode_table[_MOVES_MODE_MAX] = {
        [MOVES_NEVER] = "never",
        [MOVES_ASK] = "ask",
        [MOVES_AUTO] = "auto",
};

static const char *const moves_aim_table[_MOVES_AIM_MAX] = {
        [MOVES_FEWEST] = "fewest",
        [MOVES_PACK] = "pack",
};

static const char *const numa_table[_NUMA_MAX] = {
        [NUMA_REQUIRE] = "require",
        [NUMA_PREFER] = "prefer",
};

static const char *const affinity_table[_AFFINITY_MAX] = {
        [AFFINITY_NONE] = "none",
        [AFFINITY_TOGETHER] = "together",
        [AFFINITY_APART] = "apart",
};

DEFINE_STRING_TABLE(order, Order, _ORDER_MAX)
DEFINE_STRING_TABLE(moves_mode, MovesMode, _MOVES_MODE_MAX)
DEFINE_STRING_TABLE(moves_aim, MovesAim, _MOVES_AIM_MAX)
DEFINE_STRING_TABLE(numa, Numa, _NUMA_MAX)
DEFINE_STRING_TABLE(affinity, Affinity, _AFFINITY_MAX)

char *source_format(const Source *s, char buf[static SOURCE_STRING_MAX]) {
        if (s->file)
                (void) snprintf(buf, SOURCE_STRING_MAX, "%s:%u:%u", s->file, s->line, s->column);
        else
                (void) snprintf(buf, SOURCE_STRING_MAX, "built in");
        return buf;
}

static int source_init(Source *s, const char *file, unsigned line, unsigned column) {
        *s = (Source) { .line = line, .column = column };
        if (!file)
                return 0;
        s->file = strdup(file);
        return s->file ? 0 : -ENOMEM;
}

static void *guarantee_free(Guarantee *g) {
        list_unlink(&g->node);
        free(g->source.file);
        free(g->parent);
        free(g->type);
        free(g->pool);
        free(g);
        return NULL;
}

static void *partition_free(Partition *p) {
        list_unlink(&p->node);
        free(p->source.file);
        free(p->parent);
        free(p->pool);
        free(p);
        return NULL;
}

static void *group_free(Group *g) {
        list_unlink(&g->node);
        list_foreach_safe(i, &g->guarantees, Guarantee, node)
                guarantee_free(i);
        list_foreach_safe(i, &g->partitions, Partition, node)
                partition_free(i);
        for (size_t i = 0; i < g->n_owners; i++)
                free(g->owners[i]);
        free(g->owners);
        free(g->users);
        free(g->source.file);
        free(g->name);
        free(g);
        return NULL;
}

static void *placement_rule_free(PlacementRule *r) {
        list_unlink(&r->node);
        free(r->source.file);
        free(r->owners);
        free(r->types);
        free(r);
        return NULL;
}

static void *parent_rule_free(ParentRule *r) {
        list_unlink(&r->node);
        for (size_t i = 0; i < r->n_maxima; i++)
                free(r->maxima[i].type);
        free(r->maxima);
        free(r->source.file);
        free(r->parents);
        free(r->driver);
        free(r);
        return NULL;
}

static void *writer_rule_free(WriterRule *r) {
        list_unlink(&r->node);
        free(r->source.file);
        free(r->units);
        free(r->owner);
        free(r);
        return NULL;
}

static void *want_free(Want *w) {
        list_unlink(&w->node);
        for (size_t i = 0; i < w->n_attributes; i++)
                attribute_done(&w->attributes[i]);
        free(w->attributes);
        free(w->source.file);
        free(w->type);
        free(w->parent);
        free(w->owner);
        free(w);
        return NULL;
}

static void *profile_free(Profile *p) {
        list_unlink(&p->node);
        list_foreach_safe(i, &p->wants, Want, node)
                want_free(i);
        free(p->source.file);
        free(p->name);
        free(p);
        return NULL;
}

DEFINE_CLEANUP(Guarantee *, guarantee_free)
DEFINE_CLEANUP(Partition *, partition_free)
DEFINE_CLEANUP(Group *, group_free)
DEFINE_CLEANUP(PlacementRule *, placement_rule_free)
DEFINE_CLEANUP(ParentRule *, parent_rule_free)
DEFINE_CLEANUP(WriterRule *, writer_rule_free)
DEFINE_CLEANUP(Want *, want_free)
DEFINE_CLEANUP(Profile *, profile_free)

int rules_new(Rules **ret) {
        Rules *r;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        list_init(&r->groups);
        list_init(&r->placements);
        list_init(&r->parents);
        list_init(&r->writers);
        list_init(&r->profiles);

        *ret = r;
        return 0;
}

Rules *rules_free(Rules *r) {
        if (!r)
                return NULL;

        list_foreach_safe(i, &r->groups, Group, node)
                group_free(i);
        list_foreach_safe(i, &r->placements, PlacementRule, node)
                placement_rule_free(i);
        list_foreach_safe(i, &r->parents, ParentRule, node)
                parent_rule_free(i);
        list_foreach_safe(i, &r->writers, WriterRule, node)
                writer_rule_free(i);
        list_foreach_safe(i, &r->profiles, Profile, node)
                profile_free(i);
        free(r);
        return NULL;
}

int rules_add_group(Rules *r, Group **ret, const char *file, unsigned line, unsigned column,
                    const char *name) {
        _cleanup_(group_freep) Group *g = NULL;

        g = calloc(1, sizeof(*g));
        if (!g)
                return -ENOMEM;
        list_init(&g->node);
        list_init(&g->guarantees);
        list_init(&g->partitions);
        g->limit = g->limit_per_parent = (Limits) LIMITS_NONE;
        g->name = strdup(name);
        if (!g->name || source_init(&g->source, file, line, column) < 0)
                return -ENOMEM;

        g->index = r->n_groups++;
        list_append(&r->groups, &g->node);
        *ret = TAKE_PTR(g);
        return 0;
}

int rules_add_placement(Rules *r, PlacementRule **ret, const char *file, unsigned line,
                        unsigned column) {
        _cleanup_(placement_rule_freep) PlacementRule *p = NULL;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        list_init(&p->node);
        p->fallback = true;
        p->moves = MOVES_ASK;
        p->pause_max = PAUSE_MAX_DEFAULT;
        if (source_init(&p->source, file, line, column) < 0)
                return -ENOMEM;

        list_append(&r->placements, &p->node);
        *ret = TAKE_PTR(p);
        return 0;
}

int rules_add_parent(Rules *r, ParentRule **ret, const char *file, unsigned line,
                     unsigned column) {
        _cleanup_(parent_rule_freep) ParentRule *p = NULL;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        list_init(&p->node);
        p->max_devices = LIMIT_NONE;
        if (source_init(&p->source, file, line, column) < 0)
                return -ENOMEM;

        list_append(&r->parents, &p->node);
        *ret = TAKE_PTR(p);
        return 0;
}

int rules_add_writer(Rules *r, WriterRule **ret, const char *file, unsigned line, unsigned column,
                     const char *owner) {
        _cleanup_(writer_rule_freep) WriterRule *w = NULL;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        list_init(&w->node);
        w->owner = strdup(owner);
        if (!w->owner || source_init(&w->source, file, line, column) < 0)
                return -ENOMEM;

        list_append(&r->writers, &w->node);
        *ret = TAKE_PTR(w);
        return 0;
}

int rules_add_profile(Rules *r, Profile **ret, const char *file, unsigned line, unsigned column,
                      const char *name) {
        _cleanup_(profile_freep) Profile *p = NULL;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        list_init(&p->node);
        list_init(&p->wants);
        p->name = strdup(name);
        if (!p->name || source_init(&p->source, file, line, column) < 0)
                return -ENOMEM;

        list_append(&r->profiles, &p->node);
        *ret = TAKE_PTR(p);
        return 0;
}

int group_add_owner(Group *g, const char *glob) {
        char **bigger, *copy;

        bigger = reallocarray(g->owners, g->n_owners + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        g->owners = bigger;
        copy = strdup(glob);
        if (!copy)
                return -ENOMEM;
        g->owners[g->n_owners++] = copy;
        return 0;
}

int group_add_user(Group *g, uid_t uid) {
        uid_t *bigger;

        bigger = reallocarray(g->users, g->n_users + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        g->users = bigger;
        g->users[g->n_users++] = uid;
        return 0;
}

int group_add_guarantee(Group *g, Guarantee **ret, const char *file, unsigned line,
                        unsigned column) {
        _cleanup_(guarantee_freep) Guarantee *n = NULL;

        n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;
        list_init(&n->node);
        if (source_init(&n->source, file, line, column) < 0)
                return -ENOMEM;

        list_append(&g->guarantees, &n->node);
        *ret = TAKE_PTR(n);
        return 0;
}

int group_add_partition(Group *g, Partition **ret, const char *file, unsigned line,
                        unsigned column, const char *parent, const char *pool) {
        _cleanup_(partition_freep) Partition *n = NULL;

        n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;
        list_init(&n->node);
        n->parent = strdup(parent);
        n->pool = strdup(pool);
        if (!n->parent || !n->pool || source_init(&n->source, file, line, column) < 0)
                return -ENOMEM;

        list_append(&g->partitions, &n->node);
        *ret = TAKE_PTR(n);
        return 0;
}

int parent_rule_add_maximum(ParentRule *r, const char *type, uint64_t n) {
        Maximum *bigger;

        bigger = reallocarray(r->maxima, r->n_maxima + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        r->maxima = bigger;
        bigger[r->n_maxima] = (Maximum) { .type = strdup(type), .n = n };
        if (!bigger[r->n_maxima].type)
                return -ENOMEM;
        r->n_maxima++;
        return 0;
}

int profile_add_want(Profile *p, Want **ret, const char *file, unsigned line, unsigned column,
                     const char *type) {
        _cleanup_(want_freep) Want *w = NULL;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        list_init(&w->node);
        w->count = 1;
        w->type = strdup(type);
        w->owner = strdup("");
        if (!w->type || !w->owner || source_init(&w->source, file, line, column) < 0)
                return -ENOMEM;

        list_append(&p->wants, &w->node);
        *ret = TAKE_PTR(w);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* explain.c: the effective rules as text, in the order in which they count. */
#include <inttypes.h>

#include "policy/match.h"
#include "policy/policy.h"
#include "util/parse.h"

static void print_limits(FILE *f, const Limits *l, const char *where) {
        if (l->devices != LIMIT_NONE)
                fprintf(f, "       at most %" PRIu64 " devices %s\n", l->devices, where);
        if (l->bytes != LIMIT_NONE)
                fprintf(f, "       at most %s of memory %s\n", SIZE_STR(l->bytes), where);
        if (l->vectors != LIMIT_NONE)
                fprintf(f, "       at most %" PRIu64 " vectors %s\n", l->vectors, where);
}

static void print_guarantee(FILE *f, const Guarantee *g) {
        if (g->type)
                fprintf(f, "       can always have %" PRIu64 " of %s", g->n_devices, g->type);
        else
                fprintf(f, "       can always have %s of pools named %s", SIZE_STR(g->bytes),
                        g->pool);
        fprintf(f, " on %s (%s)\n", g->parent ?: "any parent", SOURCE_STR(&g->source));
}

static void print_users(FILE *f, const Group *g) {
        fprintf(f, "       root may name its owners");
        for (size_t i = 0; i < g->n_users; i++)
                fprintf(f, ", uid %u", (unsigned) g->users[i]);
        fprintf(f, "\n");
}

static void print_group(FILE *f, const Group *g) {
        fprintf(f, "  %u. group %s: owners", g->index + 1, g->name);
        for (size_t i = 0; i < g->n_owners; i++)
                fprintf(f, "%s %s", i ? "," : "", g->owners[i]);
        fprintf(f, " (%s)\n", SOURCE_STR(&g->source));
        print_users(f, g);
        print_limits(f, &g->limit, "on this host");
        print_limits(f, &g->limit_per_parent, "on one parent");
        list_foreach(i, &g->guarantees, Guarantee, node)
                print_guarantee(f, i);
        list_foreach(i, &g->partitions, Partition, node)
                fprintf(f, "       has %s to %s of pool %s on %s to itself (%s)\n",
                        SIZE_STR(i->offset), SIZE_STR(i->offset + i->size), i->pool, i->parent,
                        SOURCE_STR(&i->source));
}

static void print_moves(FILE *f, const PlacementRule *p) {
        static const char *const modes[_MOVES_MODE_MAX] = {
                [MOVES_NEVER] = "nothing is moved to make room",
                [MOVES_ASK] = "others are moved to make room when the request says so",
                [MOVES_AUTO] = "others are moved to make room",
        };

        fprintf(f, "; %s", modes[p->moves]);
        if (p->moves != MOVES_NEVER && p->pause_max > 0)
                fprintf(f, ", and stand still for at most %u ms at a time", p->pause_max);
        fprintf(f, "%s\n",
                p->moves_aim == MOVES_PACK ? "; the fullest parent that has the bytes" : "");
}

static void print_placement(FILE *f, unsigned n, const PlacementRule *p) {
        fprintf(f, "  %u. types %s of owners %s (%s): ", n, p->types ?: "*", p->owners ?: "*",
                SOURCE_STR(&p->source));
        if (p->order == ORDER_PACK)
                fprintf(f, "the fullest parent that has room");
        else
                fprintf(f, "a parent without that type, %s",
                        p->fallback ? "else the fullest that has room" : "else none");
        if (p->affinity != AFFINITY_NONE)
                fprintf(f, "; one owner's devices %s %s",
                        p->affinity_required ? "must be" : "if possible",
                        p->affinity == AFFINITY_APART ? "on different parents" : "on one parent");
        fprintf(f, "; a NUMA node that is named is %s",
                p->numa == NUMA_REQUIRE ? "required" : "preferred");
        print_moves(f, p);
}

static void print_parent_rule(FILE *f, unsigned n, const ParentRule *r) {
        fprintf(f, "  %u. parents %s", n, r->parents ?: "*");
        if (r->driver)
                fprintf(f, " with driver %s", r->driver);
        fprintf(f, " (%s): ", SOURCE_STR(&r->source));
        if (r->max_devices == LIMIT_NONE)
                fprintf(f, "as many devices as have room");
        else
                fprintf(f, "at most %" PRIu64 " devices", r->max_devices);
        if (r->one_type)
                fprintf(f, ", all of one type");
        for (size_t i = 0; i < r->n_maxima; i++)
                fprintf(f, ", at most %" PRIu64 " of %s", r->maxima[i].n, r->maxima[i].type);
        fprintf(f, "\n");
}

/* The place of a rule in its list, from 1; one behind the last is the rule that is built in. */
static unsigned number_of(const Rules *rules, const ParentRule *rule) {
        unsigned n = 1;

        if (rules)
                list_foreach(r, &rules->parents, ParentRule, node) {
                        if (r == rule)
                                break;
                        n++;
                }
        return n;
}

static void print_parents(FILE *f, const Rules *rules, const List *parents) {
        unsigned n = 0;

        fprintf(f, "What parents bear, siblings as one; the first rule that matches counts:\n");
        if (rules)
                list_foreach(r, &rules->parents, ParentRule, node)
                        print_parent_rule(f, ++n, r);
        print_parent_rule(f, n + 1, &(ParentRule) { .max_devices = LIMIT_NONE });
        list_foreach(p, parents, Parent, node) {
                fprintf(f, "  %s", p->name);
                if (p->unit)
                        fprintf(f, " (with all of %s)", p->unit);
                fprintf(f, ": rule %u\n", number_of(rules, match_parent_rule(rules, p)));
        }
}

static void print_writer(FILE *f, unsigned n, const WriterRule *w) {
        fprintf(f, "  %u. unit %s (%s): ", n, w->units ?: "*", SOURCE_STR(&w->source));
        fputs(w->owner[0] ? w->owner : "nobody", f);
        fputc('\n', f);
}

static void print_writers(FILE *f, const Rules *rules) {
        unsigned n = 0;

        fprintf(f, "For whom a device is that is made in sysfs and not defined; the first rule "
                   "that matches counts:\n");
        if (rules)
                list_foreach(w, &rules->writers, WriterRule, node)
                        print_writer(f, ++n, w);
        print_writer(f, n + 1, &(WriterRule) { .owner = (char[1]){} });
}

int policy_explain_rules(const Rules *rules, const List *parents, char **ret) {
        char *text = NULL;
        unsigned n = 0;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        fprintf(f, "Groups; an owner is in the first that has it:\n");
        if (rules)
                list_foreach(g, &rules->groups, Group, node)
                        print_group(f, g);
        fprintf(f, "  %u. group default: all other owners (built in)\n"
                   "       root may name its owners\n"
                   "Where a device goes; the first rule that matches counts:\n",
                rules ? rules->n_groups + 1 : 1);
        if (rules)
                list_foreach(p, &rules->placements, PlacementRule, node)
                        print_placement(f, ++n, p);
        print_placement(f, n + 1, match_placement(NULL, "", NULL));
        print_parents(f, rules, parents);
        print_writers(f, rules);
        if (fclose(f) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

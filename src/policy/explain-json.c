/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * explain-json.c: the effective rules for programs. A failed write (no memory) shows when the
 * stream is closed.
 */
#include <inttypes.h>

#include "policy/match.h"
#include "policy/policy.h"
#include "util/json.h"

static void write_string(FILE *f, const char *key, const char *value) {
        fprintf(f, "\"%s\":", key);
        if (value)
                json_write_string(f, value);
        else
                fputs("null", f);
}

static void write_limit(FILE *f, const char *key, uint64_t n) {
        fprintf(f, "\"%s\":", key);
        if (n == LIMIT_NONE)
                fputs("null", f);
        else
                fprintf(f, "%" PRIu64, n);
}

static void write_flag(FILE *f, const char *key, bool value) {
        fprintf(f, "\"%s\":%s", key, value ? "true" : "false");
}

/* Ends every object, so that no comma is to be thought of before. */
static void write_source(FILE *f, const Source *s) {
        if (!s->file) {
                fputs("\"source\":null}", f);
                return;
        }
        fputs("\"source\":{", f);
        write_string(f, "file", s->file);
        fprintf(f, ",\"line\":%u,\"column\":%u}}", s->line, s->column);
}

static void write_limits(FILE *f, const char *key, const Limits *l) {
        fprintf(f, "\"%s\":{", key);
        write_limit(f, "devices", l->devices);
        fputc(',', f);
        write_limit(f, "bytes", l->bytes);
        fputc(',', f);
        write_limit(f, "vectors", l->vectors);
        fputs("},", f);
}

static void write_guarantee(FILE *f, const Guarantee *g) {
        fputc('{', f);
        write_string(f, "parent", g->parent);
        fputc(',', f);
        write_string(f, g->type ? "type" : "pool", g->type ?: g->pool);
        fprintf(f, ",\"%s\":%" PRIu64 ",", g->type ? "devices" : "bytes",
                g->type ? g->n_devices : g->bytes);
        write_source(f, &g->source);
}

static void write_partition(FILE *f, const Partition *p) {
        fputc('{', f);
        write_string(f, "parent", p->parent);
        fputc(',', f);
        write_string(f, "pool", p->pool);
        fprintf(f, ",\"offset\":%" PRIu64 ",\"size\":%" PRIu64 ",", p->offset, p->size);
        write_source(f, &p->source);
}

static void write_group(FILE *f, const Group *g) {
        fputs("\n  {", f);
        write_string(f, "name", g->name);
        fputs(",\"owners\":[", f);
        for (size_t i = 0; i < g->n_owners; i++) {
                fputs(i ? "," : "", f);
                json_write_string(f, g->owners[i]);
        }
        fputs("],\"users\":[0", f);
        for (size_t i = 0; i < g->n_users; i++)
                fprintf(f, ",%u", (unsigned) g->users[i]);
        fputs("],", f);
        write_limits(f, "limit", &g->limit);
        write_limits(f, "limit_per_parent", &g->limit_per_parent);
        fputs("\"guarantees\":[", f);
        list_foreach(i, &g->guarantees, Guarantee, node) {
                fputs(&i->node == g->guarantees.next ? "" : ",", f);
                write_guarantee(f, i);
        }
        fputs("],\"partitions\":[", f);
        list_foreach(i, &g->partitions, Partition, node) {
                fputs(&i->node == g->partitions.next ? "" : ",", f);
                write_partition(f, i);
        }
        fputs("],", f);
        write_source(f, &g->source);
}

static void write_default_group(FILE *f) {
        char name[] = "default", all[] = "*";
        char *owners[] = { all };
        Group g = {
                .name = name,
                .owners = owners,
                .n_owners = 1,
                .limit = LIMITS_NONE,
                .limit_per_parent = LIMITS_NONE,
        };

        list_init(&g.guarantees);
        list_init(&g.partitions);
        write_group(f, &g);
}

static void write_placement(FILE *f, const PlacementRule *p) {
        fputs("\n  {", f);
        write_string(f, "owners", p->owners ?: "*");
        fputc(',', f);
        write_string(f, "types", p->types ?: "*");
        fputc(',', f);
        write_string(f, "order", order_to_string(p->order));
        fputc(',', f);
        write_flag(f, "fallback", p->fallback);
        fputc(',', f);
        write_string(f, "numa", numa_to_string(p->numa));
        fputc(',', f);
        write_string(f, "affinity", affinity_to_string(p->affinity));
        fputc(',', f);
        write_flag(f, "affinity_required", p->affinity_required);
        fputc(',', f);
        write_string(f, "moves", moves_mode_to_string(p->moves));
        fputc(',', f);
        write_string(f, "moves_aim", moves_aim_to_string(p->moves_aim));
        fprintf(f, ",\"pause_max\":%u,", p->pause_max);
        write_source(f, &p->source);
}

static void write_parent_rule(FILE *f, const ParentRule *r) {
        fputs("\n  {", f);
        write_string(f, "parents", r->parents ?: "*");
        fputc(',', f);
        write_string(f, "driver", r->driver ?: "*");
        fputc(',', f);
        write_flag(f, "one_type", r->one_type);
        fputc(',', f);
        write_limit(f, "max_devices", r->max_devices);
        fputs(",\"max_of_type\":{", f);
        for (size_t i = 0; i < r->n_maxima; i++) {
                fputs(i ? "," : "", f);
                json_write_string(f, r->maxima[i].type);
                fprintf(f, ":%" PRIu64, r->maxima[i].n);
        }
        fputs("},", f);
        write_source(f, &r->source);
}

static void write_writer(FILE *f, const WriterRule *w) {
        fputs("\n  {", f);
        write_string(f, "unit", w->units ?: "*");
        fputc(',', f);
        write_string(f, "owner", w->owner);
        fputc(',', f);
        write_source(f, &w->source);
}

static void write_known_parent(FILE *f, const Rules *rules, const Parent *p) {
        const ParentRule *rule = match_parent_rule(rules, p);
        unsigned n = 0;

        if (rules)
                list_foreach(r, &rules->parents, ParentRule, node) {
                        if (r == rule)
                                break;
                        n++;
                }
        fputs("\n  {", f);
        write_string(f, "name", p->name);
        fputc(',', f);
        write_string(f, "unit", p->unit);
        fprintf(f, ",\"rule\":%u}", n);
}

static void write_rules(FILE *f, const Rules *rules, const List *parents) {
        fputs("{\n\"groups\":[", f);
        if (rules)
                list_foreach(g, &rules->groups, Group, node) {
                        write_group(f, g);
                        fputc(',', f);
                }
        write_default_group(f);
        fputs("],\n\"placement\":[", f);
        if (rules)
                list_foreach(p, &rules->placements, PlacementRule, node) {
                        write_placement(f, p);
                        fputc(',', f);
                }
        write_placement(f, match_placement(NULL, "", NULL));
        fputs("],\n\"parents\":[", f);
        if (rules)
                list_foreach(p, &rules->parents, ParentRule, node) {
                        write_parent_rule(f, p);
                        fputc(',', f);
                }
        write_parent_rule(f, &(ParentRule) { .max_devices = LIMIT_NONE });
        fputs("],\n\"writers\":[", f);
        if (rules)
                list_foreach(w, &rules->writers, WriterRule, node) {
                        write_writer(f, w);
                        fputc(',', f);
                }
        write_writer(f, &(WriterRule) { .owner = (char[1]){} });
        fputs("],\n\"known_parents\":[", f);
        list_foreach(p, parents, Parent, node) {
                fputs(&p->node == parents->next ? "" : ",", f);
                write_known_parent(f, rules, p);
        }
        fputs("]\n}\n", f);
}

int policy_explain_rules_json(const Rules *rules, const List *parents, char **ret) {
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        write_rules(f, rules, parents);
        if (fclose(f) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

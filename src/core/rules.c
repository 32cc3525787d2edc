/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rules.c: owns which rules are in force. They are held against the parents as configured, with the
 * sizes of their BARs as far as these were seen, and against the other drivers' parents.
 */
#include "core/internal.h"
#include "util/log-ids.h"
#include "util/log.h"

static int copy_string(char **to, const char *from) {
        if (!from)
                return 0;
        *to = strdup(from);
        return *to ? 0 : -ENOMEM;
}

static unsigned count_live(const Parent *p, const Type *t) {
        unsigned n = 0;

        list_foreach(d, &p->devices, Device, parent_node)
                n += streq(d->type, t->id);
        return n;
}

/* As it would be with nothing on it. @seen NULL: it is only configured; @config NULL: only seen. */
static int add_parent(List *list, const Parent *seen, const Parent *config) {
        const Parent *from = config ?: seen;
        _cleanup_(parent_freep) Parent *p = NULL;
        int r;

        r = parent_new(&p, from->name);
        if (r < 0)
                return r;
        p->ours = from->ours;
        if (seen) {
                memcpy(p->bar_sizes, seen->bar_sizes, sizeof(p->bar_sizes));
                r = copy_string(&p->driver, seen->driver);
                if (r == 0)
                        r = copy_string(&p->unit, seen->unit);
        }
        if (r == 0)
                r = parents_copy_config(p, from);
        if (r < 0)
                return r;
        if (!config)
                list_foreach(t, &p->types, Type, node)
                        t->available += t->ours ? 0 : count_live(seen, t);
        list_append(list, &TAKE_PTR(p)->node);
        return 0;
}

static void free_parents(List *list) {
        list_foreach_safe(p, list, Parent, node)
                parent_free(p);
}

static int list_parents(const Manager *m, const Config *config, List *ret) {
        int r = 0;

        list_foreach(p, &config->parents, Parent, node)
                if (r >= 0)
                        r = add_parent(ret, model_find_parent(m->model, p->name), p);
        list_foreach(p, &m->model->parents, Parent, node)
                if (r >= 0 && !p->ours)
                        r = add_parent(ret, p, NULL);
        return r;
}

static int report_rule(const Source *source, bool warning, const char *text, void *userdata) {
        Config *config = userdata;

        return config_problem_add(&config->problems, source->file ?: "rules", source->line,
                                  source->column, warning, text);
}

/* Returns the number of errors; all that was found is among the config's problems. */
static int check(Manager *m, Config *config, const Rules *rules) {
        List parents = LIST_INIT(parents);
        int r;

        r = list_parents(m, config, &parents);
        if (r >= 0)
                r = policy_check_rules(rules, &parents, m->model, report_rule, config);
        free_parents(&parents);
        return r;
}

void rules_begin(Manager *m) {
        model_set_rules(m->model, TAKE_PTR(m->config->rules));
}

int rules_check(Manager *m) {
        size_t before = list_length(&m->config->problems), n = 0;
        int r;

        r = check(m, m->config, m->model->rules);
        if (r < 0)
                return r;
        list_foreach(p, &m->config->problems, ConfigProblem, node)
                if (n++ >= before)
                        log_warning(FIELDS(.message_id = LOG_ID_CONFIG_INVALID, .topic = "config"),
                                    "%s:%u:%u: %s", p->file, p->line, p->column, p->text);
        return 0;
}

int rules_take(Manager *m, Config *config) {
        int r;

        r = check(m, config, config->rules);
        if (r < 0)
                return r;
        if (r == 0 && !config->rules_wrong) {
                model_set_rules(m->model, TAKE_PTR(config->rules));
                available_note(m);
        } else
                log_warning(FIELDS(.message_id = LOG_ID_CONFIG_INVALID, .topic = "config"),
                            "The rules as they are now written are not put in force; those that "
                            "were in force still are.");
        return 0;
}

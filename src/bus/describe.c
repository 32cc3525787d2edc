/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * describe.c: the writer of Describe()'s JSON: one line an object, so that grep and diff are of
 * use. A failed write (no memory) shows when the stream is closed, so the writers do not look.
 */
#include "bus/describe.h"

#include <inttypes.h>

#include "bus/bus-error.h"
#include "bus/path.h"
#include "bus/text.h"
#include "policy/policy.h"
#include "util/json.h"

typedef struct Writer Writer;

struct Writer {
        FILE *file;
        Manager *manager;
        bool secrets;
        bool first; /* of the members or elements at hand */
};

static void separate(Writer *w) {
        if (!w->first)
                fputs(",", w->file);
        w->first = false;
}

static void key(Writer *w, const char *name) {
        separate(w);
        fprintf(w->file, "\"%s\":", name);
}

static void open_with(Writer *w, const char *bracket) {
        fputs(bracket, w->file);
        w->first = true;
}

static void close_with(Writer *w, const char *bracket) {
        fputs(bracket, w->file);
        w->first = false;
}

/* Starts an object in a list, on a line of its own. */
static void open_item(Writer *w) {
        separate(w);
        open_with(w, "\n{");
}

static void string(Writer *w, const char *name, const char *value) {
        _cleanup_(freep) char *own = NULL;

        key(w, name);
        if (value)
                value = text_printable(value, &own);
        if (value)
                json_write_string(w->file, value);
        else
                fputs("null", w->file);
}

static void number(Writer *w, const char *name, uint64_t value) {
        key(w, name);
        fprintf(w->file, "%" PRIu64, value);
}

static void boolean(Writer *w, const char *name, bool value) {
        key(w, name);
        fputs(value ? "true" : "false", w->file);
}

static void write_range(Writer *w, const Extent *x, const Uuid *uuid, const char *owner,
                        const char *state) {
        open_item(w);
        number(w, "offset", x->offset);
        number(w, "size", x->size);
        string(w, "device", UUID_STR(uuid));
        string(w, "owner", owner);
        string(w, "state", state);
        close_with(w, "}");
}

/* Who has what of a pool. What is planned and there already is shown once, as what is there. */
static void write_map(Writer *w, const Parent *p, const Pool *pool) {
        const Extent range = { .offset = pool->offset, .size = pool->size, .bar = pool->bar };
        const Model *model = manager_get_model(w->manager);

        key(w, "map");
        open_with(w, "[");
        list_foreach(d, &model->devices, Device, node)
                for (size_t i = 0; d->parent == p && i < d->n_extents; i++)
                        if (extent_overlaps(&d->extents[i], &range))
                                write_range(w, &d->extents[i], &d->uuid, d->owner,
                                            device_state_to_string(
                                                    manager_get_state(w->manager, d)));
        list_foreach(n, manager_get_planned(w->manager), Planned, node) {
                if (n->parent != p || (!n->of_move && model_find_device(model, p, &n->uuid, NULL)))
                        continue;
                for (size_t i = 0; i < n->n_extents; i++)
                        if (extent_overlaps(&n->extents[i], &range))
                                write_range(w, &n->extents[i], &n->uuid, n->owner, "planned");
        }
        close_with(w, "]");
}

static int write_pool(Writer *w, const Parent *p, const Pool *pool) {
        PoolUsage usage = {};
        int r;

        r = policy_pool_usage(manager_get_model(w->manager), manager_get_planned(w->manager), p,
                              pool, &usage);
        if (r < 0)
                return r;
        open_item(w);
        string(w, "name", pool->name);
        number(w, "bar", pool->bar);
        string(w, "kind", pool_kind_to_string(pool->kind));
        string(w, "cache", cache_to_string(pool->cache));
        string(w, "scrub", scrub_to_string(pool->scrub));
        number(w, "offset", pool->offset);
        number(w, "size", pool->size);
        number(w, "used", usage.used);
        number(w, "free", usage.free);
        number(w, "largest_hole", usage.largest_hole);
        write_map(w, p, pool);
        close_with(w, "}");
        return 0;
}

static void write_type(Writer *w, const Parent *p, const Type *t) {
        open_item(w);
        string(w, "id", t->id);
        string(w, "name", t->name ?: t->id);
        string(w, "label", t->label);
        string(w, "device_api", t->device_api);
        number(w, "available", policy_count_available(manager_get_model(w->manager),
                                                      manager_get_planned(w->manager), p, t));
        close_with(w, "}");
}

static int write_parent(Writer *w, const Parent *p) {
        int r;

        open_item(w);
        string(w, "name", p->name);
        string(w, "driver", p->driver);
        key(w, "numa_node");
        fprintf(w->file, "%d", p->numa_node);
        string(w, "state", parent_state_to_string(p->state));
        boolean(w, "managed", p->ours);
        string(w, "vendor", p->vendor);
        boolean(w, "unsafe_dma", p->unsafe_dma);
        key(w, "pools");
        open_with(w, "[");
        list_foreach(pool, &p->pools, Pool, node) {
                r = write_pool(w, p, pool);
                if (r < 0)
                        return r;
        }
        close_with(w, "]");
        key(w, "types");
        open_with(w, "[");
        list_foreach(t, &p->types, Type, node)
                write_type(w, p, t);
        close_with(w, "]}");
        return 0;
}

static void write_device(Writer *w, const Device *d) {
        open_item(w);
        string(w, "uuid", UUID_STR(&d->uuid));
        string(w, "parent", d->parent->name);
        string(w, "type", d->type);
        if (d->function)
                string(w, "function", d->function);
        string(w, "owner", d->owner);
        string(w, "state", device_state_to_string(manager_get_state(w->manager, d)));
        string(w, "origin", origin_to_string(d->origin));
        number(w, "opened", d->ours ? d->opened : d->n_users);
        string(w, "lease", lease_kind_to_string(d->lease.kind));
        number(w, "lease_until_usec", d->lease.until_usec);
        number(w, "linger", d->lease.linger_sec);
        number(w, "faults", d->faults);
        number(w, "huge_faults", d->faults_huge);
        number(w, "insertions", d->insertions);
        number(w, "mapped_bytes", d->mapped);
        key(w, "extents");
        open_with(w, "[");
        for (size_t i = 0; i < d->n_extents; i++) {
                separate(w);
                open_with(w, "{");
                number(w, "bar", d->extents[i].bar);
                number(w, "guest_bar", d->extents[i].guest_bar);
                number(w, "offset", d->extents[i].offset);
                number(w, "size", d->extents[i].size);
                close_with(w, "}");
        }
        close_with(w, "]}");
}

static void write_definition(Writer *w, const Definition *d) {
        open_item(w);
        string(w, "uuid", UUID_STR(&d->uuid));
        string(w, "parent", d->parent);
        string(w, "type", d->type);
        string(w, "owner", d->owner);
        boolean(w, "autostart", d->autostart);
        boolean(w, "reserve", d->reserve);
        string(w, "invalid", d->invalid);
        if (w->secrets) {
                key(w, "attributes");
                open_with(w, "[");
                for (size_t i = 0; i < d->n_attributes; i++) {
                        separate(w);
                        open_with(w, "{");
                        string(w, "name", d->attributes[i].name);
                        string(w, "value", d->attributes[i].value);
                        close_with(w, "}");
                }
                close_with(w, "]");
        }
        close_with(w, "}");
}

static void write_operation(Writer *w, const Operation *op) {
        const Record *record = op->record;

        open_item(w);
        number(w, "id", op->id);
        string(w, "kind", record_kind_to_string(record->kind));
        string(w, "state", operation_state_to_string(op->state));
        string(w, "step", record_step_to_string(record->step));
        string(w, "parent", record->parent);
        string(w, "uuid", uuid_is_null(&record->uuid) ? NULL : UUID_STR(&record->uuid));
        string(w, "type", record->type);
        string(w, "owner", record->owner);
        string(w, "client", record->client);
        string(w, "blocked", op->blocked_by);
        number(w, "started_usec", op->started_usec);
        number(w, "ended_usec", op->ended_usec);
        if (op->state == OPERATION_FAILED) {
                string(w, "error_name", bus_error_name(record->outcome));
                string(w, "error", record->text);
        }
        close_with(w, "}");
}

static void write_problem(Writer *w, const ConfigProblem *p) {
        open_item(w);
        string(w, "file", p->file);
        number(w, "line", p->line);
        number(w, "column", p->column);
        boolean(w, "warning", p->warning);
        string(w, "text", p->text);
        close_with(w, "}");
}

static int write_all(Writer *w) {
        const Model *model = manager_get_model(w->manager);
        int r;

        (void) manager_refresh_counters(w->manager); /* else the last ones seen */
        open_with(w, "{");
        string(w, "version", MDEVD_VERSION);
        key(w, "parents");
        open_with(w, "[");
        list_foreach(p, &model->parents, Parent, node) {
                r = write_parent(w, p);
                if (r < 0)
                        return r;
        }
        close_with(w, "],\n\"devices\":");
        open_with(w, "[");
        list_foreach(d, &model->devices, Device, node)
                write_device(w, d);
        close_with(w, "],\n\"definitions\":");
        open_with(w, "[");
        list_foreach(d, &model->definitions, Definition, node)
                write_definition(w, d);
        close_with(w, "],\n\"operations\":");
        open_with(w, "[");
        list_foreach(op, manager_get_operations(w->manager), Operation, node)
                write_operation(w, op);
        close_with(w, "],\n\"problems\":");
        open_with(w, "[");
        list_foreach(p, manager_get_problems(w->manager), ConfigProblem, node)
                write_problem(w, p);
        close_with(w, "]}");
        return 0;
}

int describe(Manager *m, bool secrets, char **ret) {
        _cleanup_(freep) char *text = NULL;
        Writer w = { .manager = m, .secrets = secrets };
        size_t size;
        int r, q;

        w.file = open_memstream(&text, &size);
        if (!w.file)
                return -errno;
        r = write_all(&w);
        q = RET_NERRNO(fclose(w.file));
        if (r < 0)
                return r;
        if (q < 0)
                return q;
        *ret = TAKE_PTR(text);
        return 0;
}

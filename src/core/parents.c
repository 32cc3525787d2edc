/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * parents.c: owns the parents of the model: configured ones, which may be absent; those that
 * definitions name; and every parent that any driver registers. A configured one that is present is
 * brought up by a worker: bound to our driver and configured.
 */
#include "core/functions.h"
#include "sysfs/functions.h"
#include "util/log-ids.h"
#include "util/log.h"
#include "util/parse.h"

bool parents_is_governed(const Manager *m, const Parent *p) {
        return m->kmod && p->ours && !parent_has_other_driver(p);
}

/* ---- linking ---- */

static int link_parent(Manager *m, const char *name, Parent **ret) {
        Parent *p;
        int r;

        r = parent_new(&p, name);
        if (r < 0)
                return r;
        p->state = PARENT_ABSENT;
        p->numa_node = -1;
        model_link_parent(m->model, p);
        *ret = p;
        return 0;
}

int parents_link_configured(Manager *m) {
        int r;

        list_foreach(config, &m->config->parents, Parent, node) {
                Parent *p = model_find_parent(m->model, config->name);
                bool fresh = !p;

                r = fresh ? link_parent(m, config->name, &p) : 0;
                if (r < 0)
                        return r;
                p->ours = p->in_config = true;
                if (fresh) {
                        r = parents_copy_config(p, config);
                        if (r < 0)
                                return r;
                        manager_tell(m, parent_added, p);
                }
        }
        list_foreach(d, &m->model->definitions, Definition, node) {
                Parent *p;

                if (model_find_parent(m->model, d->parent) || !name_is_valid_parent(d->parent))
                        continue;
                r = link_parent(m, d->parent, &p);
                if (r < 0)
                        return r;
                manager_tell(m, parent_added, p);
        }
        return 0;
}

static bool is_named(Manager *m, const Parent *p) {
        if (p->in_config || !list_is_empty(&p->devices) || operation_parent_is_busy(m, p->name))
                return true;
        list_foreach(d, &m->model->definitions, Definition, node)
                if (streq(d->parent, p->name))
                        return true;
        return false;
}

/* What nobody names is of interest only while it offers types or is our driver's. */
static bool is_wanted(Manager *m, const Parent *p) {
        return p->state >= PARENT_BOUND || is_named(m, p);
}

void parents_collect(Manager *m) {
        list_foreach_safe(p, &m->model->parents, Parent, node) {
                if (is_wanted(m, p))
                        continue;
                manager_tell(m, parent_removed, p);
                parent_free(p);
        }
}

/* ---- looking ---- */

static void forget_path(Parent *p) {
        p->state = PARENT_ABSENT;
        free(p->path);
        free(p->driver);
        p->path = p->driver = NULL;
        p->numa_node = -1;
        memset(p->bar_sizes, 0, sizeof(p->bar_sizes));
}

static uint64_t sum_available(const Parent *p) {
        uint64_t sum = 0;

        /* Different vectors of counts with the same value are told apart by their places. */
        list_foreach(t, &p->types, Type, node)
                sum = sum * 31 + t->available + 1;
        return sum;
}

static void log_change(const Parent *p, ParentState before) {
        const LogFields f = { .message_id = LOG_ID_PARENT_REGISTERED, .topic = "parent",
                              .parent = p->name };
        const LogFields gone = { .message_id = LOG_ID_PARENT_GONE, .topic = "parent",
                                 .parent = p->name };

        if (p->state == PARENT_REGISTERED && before != PARENT_CLOSING)
                log_info(&f, "Parent %s offers %zu types of mediated devices.", p->name,
                         list_length(&p->types));
        else if (before == PARENT_REGISTERED || before == PARENT_CLOSING)
                log_info(&gone, "Parent %s offers mediated devices no more; it is %s.", p->name,
                         parent_state_to_string(p->state));
}

/* It (or a new one of its name) offers types now: what was waiting for it may start. */
static void note_state(Manager *m, Parent *p, ParentState before) {
        if (p->state == before)
                return;
        log_change(p, before);
        if (p->state == PARENT_REGISTERED) {
                autostart_retry(m, p->name, true);
                refresh_autostart(m);
        }
        /* Its devices went with it, whether or not a uevent of each arrives. */
        if (before >= PARENT_REGISTERED && p->state < PARENT_REGISTERED)
                list_foreach(d, &p->devices, Device, parent_node)
                        refresh_device(m, &d->uuid);
}

static int read_types(Manager *m, Parent *p) {
        int r;

        r = sysfs_read_types(m->root_fd, p, operation_parent_is_busy(m, p->name));
        return r < 0 ? r : functions_update(m, p);
}

static int read_parent(Manager *m, Parent *p, const char *path) {
        ParentState before = p->state;
        int r;

        r = sysfs_read_parent(m->root_fd, path, p);
        if (r == -ENOENT) {
                forget_path(p);
                return read_types(m, p);
        }
        if (r < 0)
                return r;
        if (before == PARENT_CLOSING && p->state == PARENT_REGISTERED &&
            !parent_has_other_driver(p))
                p->state = before; /* only the module's snapshot says otherwise */
        if (streq_ptr(p->driver, MDEVD_DRIVER))
                p->ours = true;
        else if (!p->in_config)
                p->ours = false;
        return read_types(m, p);
}

/* While nothing is built on it yet, the files say what it will be like. */
static int take_config(Manager *m, Parent *p) {
        const Parent *config = parents_find_config(m, p->name);

        if (!config || p->state >= PARENT_REGISTERED || !list_is_empty(&p->devices) ||
            operation_parent_is_busy(m, p->name))
                return 0;
        p->outdated = false;
        return parents_copy_config(p, config);
}

static void note_counts(Manager *m, Parent *p) {
        autostart_retry(m, p->name, false);
        refresh_autostart(m);
        manager_tell(m, parent_changed, p);
}

int parents_update_counts(Manager *m, const char *name) {
        Parent *p = model_find_parent(m->model, name);
        uint64_t available;
        int r;

        if (!p || p->state != PARENT_REGISTERED)
                return parents_update(m, name, NULL);
        if (functions_are_busy(m, name))
                return 0; /* at the end of that */
        available = sum_available(p);
        r = sysfs_read_counts(m->root_fd, p);
        if (r == -ENOENT)
                return parents_update(m, name, NULL); /* it is going */
        if (r >= 0 && sum_available(p) != available)
                note_counts(m, p);
        return r < 0 ? r : functions_update(m, p);
}

int parents_update(Manager *m, const char *name, const char *hint) {
        Parent *p = model_find_parent(m->model, name);
        ParentState before = p ? p->state : PARENT_ABSENT;
        uint64_t available = p ? sum_available(p) : 0;
        _cleanup_(freep) char *path = NULL;
        bool fresh = !p;
        int r;

        if (functions_are_busy(m, name))
                return 0; /* at the end of that */
        r = sysfs_find_parent(m->root_fd, name, &path, NULL);
        if (r == -ENOENT && hint)
                r = (path = strdup(hint)) ? 0 : -ENOMEM;
        if (r == -ENOENT && fresh)
                return 0;
        if (r < 0 && r != -ENOENT)
                return r;

        if (fresh) {
                r = link_parent(m, name, &p);
                if (r < 0)
                        return r;
        }
        r = read_parent(m, p, path ?: "");
        if (r >= 0)
                r = take_config(m, p);
        if (r < 0)
                return r;

        if (!is_wanted(m, p)) {
                if (!fresh) {
                        log_change(p, before);
                        manager_tell(m, parent_removed, p);
                }
                parent_free(p);
                return 0;
        }
        if (fresh)
                manager_tell(m, parent_added, p);
        else if (p->state != before || sum_available(p) != available)
                note_counts(m, p);
        note_state(m, p, before);
        return 0;
}

static int update_one(const char *name, void *userdata) {
        return parents_update(userdata, name, NULL);
}

int parents_update_all(Manager *m) {
        int r;

        /* Noted, not looked at: a look may free the one it is about. */
        list_foreach(p, &m->model->parents, Parent, node)
                refresh_parent(m, p->name, NULL);
        r = sysfs_foreach_parent(m->root_fd, update_one, m);
        if (r >= 0)
                r = sysfs_foreach_physical(m->root_fd, update_one, m);
        return r < 0 ? r : 0;
}

/* ---- the module's word ---- */

/* A parent as the files want it, without touching the one in the model. */
static int plan_config(Manager *m, const Parent *p, Parent **ret) {
        _cleanup_(parent_freep) Parent *plan = NULL;
        const Parent *config = parents_find_config(m, p->name);
        int r;

        if (!config)
                return -ENOENT;
        r = parent_new(&plan, p->name);
        if (r < 0)
                return r;
        memcpy(plan->bar_sizes, p->bar_sizes, sizeof(plan->bar_sizes));
        r = parents_copy_config(plan, config);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(plan);
        return 0;
}

static int find_or_link(Manager *m, const char *name, Parent **ret) {
        int r;

        *ret = model_find_parent(m->model, name);
        if (*ret)
                return 0;
        r = parents_update(m, name, NULL);
        if (r < 0)
                return r;
        *ret = model_find_parent(m->model, name);
        if (*ret)
                return 0;
        /* gone from sysfs, and kept in the module by who has a device of it open */
        r = link_parent(m, name, ret);
        if (r < 0)
                return r;
        manager_tell(m, parent_added, *ret);
        return 0;
}

/* What the kernel has holds, whatever the files say. */
static int compare_config(Manager *m, Parent *p, const KmodParent *k, bool *changed) {
        _cleanup_(parent_freep) Parent *plan = NULL;
        const Parent *kernel = k->config;
        bool outdated;
        int r;

        r = plan_config(m, p, &plan);
        if (r < 0 && r != -ENOENT)
                return r;
        outdated = plan && !parents_config_equals(plan, kernel);
        if (outdated && !p->outdated)
                log_warning(FIELDS(.topic = "parent", .parent = p->name),
                            "Parent %s is configured in the kernel otherwise than in the files; it "
                            "is configured anew when it has no device.",
                            p->name);
        p->outdated = outdated;

        *changed = !parents_config_equals(p, kernel);
        if (!*changed)
                return plan && !outdated ? parents_adopt_rest(p, plan, changed) : 0;
        return parents_adopt_config(p, plan, k, operation_parent_is_busy(m, p->name));
}

int parents_apply_kmod(Manager *m, const KmodParent *k, Parent **ret) {
        bool changed = false;
        ParentState before;
        Parent *p;
        int r;

        r = find_or_link(m, k->name, &p);
        if (r < 0)
                return r;
        p->ours = true;
        before = p->state;
        if (k->state == PARENT_CLOSING)
                p->state = PARENT_CLOSING;
        else if (p->state == PARENT_CLOSING)
                p->state = k->state;
        if (k->state == PARENT_REGISTERED)
                r = compare_config(m, p, k, &changed);
        if (r < 0)
                return r;
        if (changed || p->state != before)
                manager_tell(m, parent_changed, p);
        note_state(m, p, before);
        *ret = p;
        return 0;
}

/* ---- bringing up ---- */

static Tried *find_tried(Manager *m, const char *name) {
        list_foreach(t, &m->tried, Tried, node)
                if (streq(t->parent, name))
                        return t;
        return NULL;
}

static void tried_free(Tried *t) {
        list_unlink(&t->node);
        free(t->parent);
        free(t);
}

static Tried *note_tried(Manager *m, const char *name) {
        Tried *t = find_tried(m, name);

        if (t)
                return t;
        t = calloc(1, sizeof(*t));
        if (!t)
                return NULL; /* it is tried once more then */
        list_init(&t->node);
        t->parent = strdup(name);
        list_append(&m->tried, &t->node);
        if (t->parent)
                return t;
        tried_free(t);
        return NULL;
}

void parents_forgive(Manager *m, const char *name) {
        list_foreach(op, &m->active, Operation, active_node)
                if (op->state == OPERATION_RUNNING && op->record->kind == RECORD_CONFIGURE &&
                    (!name || streq(op->record->parent, name)))
                        op->overtaken = true;
        if (!m->tried.next)
                return;
        list_foreach_safe(t, &m->tried, Tried, node)
                if (!name || streq(t->parent, name))
                        tried_free(t);
}

static bool wants_bring_up(Manager *m, const Parent *p) {
        const Tried *t = find_tried(m, p->name);

        if (!p->in_config || !m->kmod || operation_parent_is_busy(m, p->name))
                return false;
        if (t && !t->again && !(t->unbound && p->state == PARENT_BOUND))
                return false;
        if (p->state == PARENT_PRESENT || p->state == PARENT_BOUND)
                return true;
        return p->state == PARENT_REGISTERED && p->outdated && list_is_empty(&p->devices);
}

static int make_record(const Parent *p, const Parent *config, Record **ret) {
        _cleanup_(record_freep) Record *record = NULL;
        int r;

        r = record_new(&record, RECORD_CONFIGURE);
        if (r < 0)
                return r;
        record->ours = true;
        record->parent = strdup(p->name);
        record->parent_path = strdup(p->path);
        record->client = strdup("config");
        if (!record->parent || !record->parent_path || !record->client)
                return -ENOMEM;
        r = record_set_config(record, config);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(record);
        return 0;
}

static int bring_up(Manager *m, Parent *p) {
        _cleanup_(parent_freep) Parent *plan = NULL;
        _cleanup_(reason_done) Reason reason = {};
        Record *record = NULL;
        Operation *op;
        int r;

        r = plan_config(m, p, &plan);
        if (r < 0)
                return r;
        r = parents_check_config(plan, &reason);
        if (r > 0) {
                log_error(FIELDS(.message_id = LOG_ID_PARENT_FAILED, .topic = "parent",
                                 .parent = p->name),
                          "%s", reason.text);
                (void) note_tried(m, p->name);
                return 0;
        }
        if (r >= 0)
                r = make_record(p, plan, &record);
        if (r < 0)
                return r;
        return operation_new(m, record, OPERATION_QUEUED, &op);
}

void parents_bring_up(Manager *m) {
        list_foreach(p, &m->model->parents, Parent, node) {
                int r;

                if (!wants_bring_up(m, p))
                        continue;
                r = bring_up(m, p);
                if (r < 0) {
                        (void) note_tried(m, p->name);
                        (void) log_error_errno(r,
                                               FIELDS(.message_id = LOG_ID_PARENT_FAILED,
                                                      .topic = "parent", .parent = p->name),
                                               "Cannot bring up parent %s: %m", p->name);
                }
        }
        operation_dispatch(m);
}

void parents_configure_ended(Manager *m, const Operation *op) {
        Tried *t = note_tried(m, op->record->parent);

        if (t) {
                t->again = (op->killed && ++t->kills <= TRIED_KILLS_MAX) ||
                           (op->overtaken && op->state == OPERATION_FAILED);
                t->unbound = op->record->outcome == OUTCOME_NOT_READY;
        }
        refresh_parent(m, op->record->parent, NULL);
        refresh_query(m);
}

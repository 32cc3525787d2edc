/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * define.c: owns the way from a wish about a definition to an operation: what is left open is
 * filled in from the device or the definition that there is, and the same wish joins the operation
 * that is under way.
 */
#include "core/internal.h"

/* ---- the same wish ---- */

static bool wish_equals(const Record *a, const Record *b) {
        return a->kind == b->kind && uuid_equal(&a->uuid, &b->uuid) &&
               streq(a->parent, b->parent) && streq_ptr(a->type, b->type) &&
               streq(a->owner ?: "", b->owner ?: "") && a->define == b->define &&
               a->autostart == b->autostart && a->reserve == b->reserve && a->live == b->live &&
               a->relabel == b->relabel &&
               attributes_equal(a->attributes, a->n_attributes, b->attributes, b->n_attributes);
}

/* The operation that defined what is there still, when it is asked for once more. */
static Operation *find_repeated(Manager *m, const Record *record) {
        _cleanup_(definition_freep) Definition *wanted = NULL;
        const Definition *d = model_find_definition(m->model, record->parent, &record->uuid, NULL);

        if (!d || record_to_definition(record, &wanted) < 0 || !definition_equals(d, wanted))
                return NULL;
        list_foreach(op, &m->operations, Operation, node)
                if (op->state == OPERATION_DONE && wish_equals(op->record, record))
                        return op;
        return NULL;
}

/* @record is taken when it becomes an operation. *@ret: that, or the one it joins. */
static int start(Manager *m, Record **record, Operation **ret, Reason *reason) {
        Operation *op;
        int r;

        op = operation_find_running(m, (*record)->parent, &(*record)->uuid);
        if (op && !wish_equals(op->record, *record))
                return request_refuse_running(op, &(*record)->uuid, reason);
        *ret = op;
        if (op)
                return 0;
        r = load_check(m, (*record)->parent, reason);
        if (r != 0)
                return r;
        r = operation_new(m, TAKE_PTR(*record), OPERATION_QUEUED, ret);
        if (r < 0)
                return r;
        operation_dispatch(m);
        return 0;
}

/* ---- records ---- */

static int make_record(RecordKind kind, const char *parent, const Uuid *uuid, const char *type,
                       const char *owner, const char *client, Record **ret) {
        _cleanup_(record_freep) Record *record = NULL;
        int r;

        r = record_new(&record, kind);
        if (r >= 0)
                r = request_set_string(&record->parent, parent);
        if (r >= 0 && type[0])
                r = request_set_string(&record->type, type);
        if (r >= 0)
                r = request_set_string(&record->owner, owner);
        if (r >= 0)
                r = request_set_client(record, client);
        if (r < 0)
                return r;
        record->uuid = *uuid;
        record->origin = ORIGIN_DEFINITION;
        *ret = TAKE_PTR(record);
        return 0;
}

static int add_attributes(Record *record, const Attribute *attributes, size_t n, Reason *reason) {
        int r = 0;

        if (n > RECORD_ATTRIBUTES_MAX)
                return reason_set(reason, OUTCOME_INVALID,
                                  "%zu attributes are too many; at most %d.", n,
                                  RECORD_ATTRIBUTES_MAX);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = record_add_attribute(record, attributes[i].name, attributes[i].value);
        return r < 0 ? r : 0;
}

static bool choose(Choice choice, bool otherwise) {
        return choice == CHOICE_OPEN ? otherwise : choice == CHOICE_YES;
}

/* Files have a type as sysfs names it; clients may say it without our prefix. */
static const char *type_id(Manager *m, const char *parent, const char *type) {
        Parent *p = model_find_parent(m->model, parent);
        const Type *t = p ? parent_find_type(p, type) : NULL;

        return t ? t->id : type;
}

/* ---- define ---- */

/* The device whose definition it is to be, if it is there and there is but one. */
static int find_active(Manager *m, const Request *q, Device **ret, Reason *reason) {
        Parent *p = q->parent ? model_find_parent(m->model, q->parent) : NULL;
        size_t n = 0;

        *ret = NULL;
        if (q->uuid_given && (p || !q->parent))
                *ret = model_find_device(m->model, p, &q->uuid, &n);
        if (n > 1)
                return reason_set(reason, OUTCOME_AMBIGUOUS,
                                  "Device %s is known under several parents; name one.",
                                  UUID_STR(&q->uuid));
        if (!*ret && !q->parent)
                return reason_set(reason, OUTCOME_INVALID,
                                  "A definition belongs to a parent: name one, or the UUID of a "
                                  "device that is there.");
        if (!*ret && !q->type[0])
                return reason_set(reason, OUTCOME_INVALID,
                                  "A definition needs a type: name one, or the UUID of a device "
                                  "that is there.");
        return 0;
}

static int make_define(Manager *m, const Request *q, const Device *d, const char *client,
                       Record **ret, Reason *reason) {
        const char *parent = q->parent ?: d->parent->name;
        const char *type = q->type[0] ? type_id(m, parent, q->type) : d->type;
        int r;

        r = make_record(RECORD_DEFINE, parent, &q->uuid, type,
                        q->owner_given || !d ? q->owner : d->owner, client, ret);
        if (r < 0)
                return r;
        (*ret)->define = true;
        (*ret)->force = q->force;
        (*ret)->autostart = choose(q->autostart, false);
        (*ret)->reserve = choose(q->reserve, (*ret)->autostart);
        return add_attributes(*ret, q->attributes, q->n_attributes, reason);
}

int definitions_check_new(Manager *m, const char *parent, const Uuid *uuid, Reason *reason) {
        if (!model_find_definition(m->model, parent, uuid, NULL))
                return 0;
        return reason_set(reason, OUTCOME_EXISTS,
                          "Device %s on %s already defined; modify that definition, or undefine it "
                          "first.",
                          UUID_STR(uuid), parent);
}

int manager_define(Manager *m, Request *request, const char *client, Operation **ret,
                   Reason *reason) {
        _cleanup_(request_freep) Request *q = request;
        _cleanup_(record_freep) Record *record = NULL;
        Device *d;
        int r;

        *ret = NULL;
        r = find_active(m, q, &d, reason);
        if (r != 0)
                return r;
        r = manager_refuse_profile(m, &q->uuid, reason);
        if (r == 0)
                r = leases_check_define(d, reason);
        if (r != 0)
                return r;
        r = make_define(m, q, d, client, &record, reason);
        if (r != 0)
                return r;
        *ret = find_repeated(m, record);
        if (*ret)
                return 0;
        if (!operation_find_running(m, record->parent, &record->uuid)) {
                r = definitions_check_new(m, record->parent, &record->uuid, reason);
                if (r != 0)
                        return r;
        }
        return start(m, &record, ret, reason);
}

/* ---- undefine ---- */

int manager_undefine(Manager *m, Definition *definition, bool force, const char *client,
                     Operation **ret, Reason *reason) {
        _cleanup_(record_freep) Record *record = NULL;
        int r;

        *ret = NULL;
        r = make_record(RECORD_UNDEFINE, definition->parent, &definition->uuid, definition->type,
                        definition->owner, client, &record);
        if (r < 0)
                return r;
        record->force = force;
        /* what is removed: callout scripts want to know */
        record->autostart = definition->autostart;
        r = add_attributes(record, definition->attributes, definition->n_attributes, reason);
        return r != 0 ? r : start(m, &record, ret, reason);
}

/* ---- modify ---- */

/* What may be changed where; @d or @def may be NULL. */
static int check_modify(const Request *q, const Device *d, const Definition *def, bool config,
                        bool live, Reason *reason) {
        const char *uuid = UUID_STR(d ? &d->uuid : &def->uuid);
        const char *parent = d ? d->parent->name : def->parent;
        bool of_definition = q->type[0] || q->autostart != CHOICE_OPEN ||
                             q->reserve != CHOICE_OPEN;

        if (config && !def)
                return reason_set(reason, OUTCOME_NO_DEFINITION,
                                  "Mediated device %s on %s is not defined; define it, or modify "
                                  "it live.", uuid, parent);
        if (live && !d)
                return reason_set(reason, OUTCOME_NO_DEVICE,
                                  "Mediated device %s on %s is not active; start it, or modify its "
                                  "definition alone.", uuid, parent);
        if (!of_definition && !q->attributes_given)
                return reason_set(reason, OUTCOME_INVALID,
                                  "Nothing of %s is to be changed: give attributes, autostart, "
                                  "reserve or type.", uuid);
        if (!config && of_definition)
                return reason_set(reason, OUTCOME_INVALID,
                                  "Type, autostart and reserve are a definition's; of the live "
                                  "device %s only attributes can be changed.", uuid);
        if (live && !q->attributes_given)
                return reason_set(reason, OUTCOME_INVALID,
                                  "Only attributes of %s can be changed live: give them, or leave "
                                  "out \"live\".", uuid);
        if (q->type[0] && d && !streq(q->type, def->type))
                return reason_set(reason, OUTCOME_BUSY,
                                  "%s on %s is active, and its type cannot be changed meanwhile; "
                                  "stop it first.", uuid, parent);
        if (config && def->invalid)
                return reason_set(reason, OUTCOME_INVALID,
                                  "The definition of %s on %s cannot be used, so it cannot be "
                                  "changed: %s", uuid, parent, def->invalid);
        return 0;
}

static int make_modify(Manager *m, const Request *q, const Device *d, const Definition *def,
                       bool config, bool live, const char *client, Record **ret, Reason *reason) {
        const char *parent = d ? d->parent->name : def->parent;
        const char *type = config ? def->type : d->type;
        int r;

        if (q->type[0])
                type = type_id(m, parent, q->type);
        r = make_record(RECORD_MODIFY, parent, d ? &d->uuid : &def->uuid, type,
                        config ? def->owner : d->owner, client, ret);
        if (r >= 0 && live && d->parent->path)
                r = request_set_string(&(*ret)->parent_path, d->parent->path);
        if (r < 0)
                return r;
        (*ret)->define = config;
        (*ret)->force = q->force;
        (*ret)->live = live;
        if (config) {
                (*ret)->autostart = choose(q->autostart, def->autostart);
                /* what was left to follow the start still follows it */
                (*ret)->reserve = choose(q->reserve, def->reserve == def->autostart
                                                             ? (*ret)->autostart
                                                             : def->reserve);
        }
        if (q->attributes_given)
                return add_attributes(*ret, q->attributes, q->n_attributes, reason);
        return add_attributes(*ret, def->attributes, def->n_attributes, reason);
}

int manager_modify(Manager *m, Device *d, Definition *def, Request *request, const char *client,
                   Operation **ret, Reason *reason) {
        _cleanup_(request_freep) Request *q = request;
        _cleanup_(record_freep) Record *record = NULL;
        bool live = choose(q->live, false), config = choose(q->config, !live);
        int r;

        *ret = NULL;
        r = manager_refuse_profile(m, d ? &d->uuid : &def->uuid, reason);
        if (r != 0)
                return r;
        r = check_modify(q, d, def, config, live, reason);
        if (r != 0)
                return r;
        if (live && !d->parent->path)
                return reason_set(reason, OUTCOME_NO_PARENT, "Parent %s has just gone.",
                                  d->parent->name);
        r = make_modify(m, q, d, def, config, live, client, &record, reason);
        return r != 0 ? r : start(m, &record, ret, reason);
}

/* ---- owner ---- */

/*
 * Would it be made for that owner where it is? The policy is asked as if it were not there. What it
 * has of the parent stays what it has: whether another place would be chosen is of no account.
 */
static int check_owner(Manager *m, Device *d, const char *owner, Reason *reason) {
        _cleanup_(request_freep) Request *q = NULL;
        Placement where;
        int r;

        r = request_new(&q, d->type);
        if (r >= 0)
                r = request_set_string(&q->parent, d->parent->name);
        if (r < 0)
                return r;
        free(q->owner);
        q->owner = strdup(owner);
        if (!q->owner)
                return -ENOMEM;
        q->uuid = d->uuid;
        q->uuid_given = true;
        model_unlink_device(d);
        r = policy_place(m->model, &m->planned, q, &where, reason);
        model_link_device(m->model, d);
        return r;
}

static int make_owner(const Device *d, const Definition *def, const char *owner,
                      const char *client, Record **ret, Reason *reason) {
        int r;

        r = make_record(RECORD_MODIFY, def->parent, &def->uuid, def->type, owner, client, ret);
        if (r < 0)
                return r;
        (*ret)->define = true;
        (*ret)->relabel = d;
        (*ret)->autostart = def->autostart;
        (*ret)->reserve = def->reserve;
        return add_attributes(*ret, def->attributes, def->n_attributes, reason);
}

int manager_set_owner(Manager *m, Device *d, Definition *def, const char *owner,
                      const char *client, Operation **ret, Reason *reason) {
        _cleanup_(record_freep) Record *record = NULL;
        Operation *running;
        int r;

        *ret = NULL;
        if (def && def->invalid)
                return reason_set(reason, OUTCOME_INVALID,
                                  "The definition of %s on %s cannot be used, so it cannot be "
                                  "changed: %s", UUID_STR(&def->uuid), def->parent, def->invalid);
        running = operation_find_running(m, d ? d->parent->name : def->parent,
                                         d ? &d->uuid : &def->uuid);
        if (running && !def)
                return request_refuse_running(running, &d->uuid, reason);
        r = d && !running ? check_owner(m, d, owner, reason) : 0;
        if (r != 0)
                return r;
        if (!def)
                return devices_set_owner(m, d, owner);
        r = make_owner(d, def, owner, client, &record, reason);
        return r != 0 ? r : start(m, &record, ret, reason);
}

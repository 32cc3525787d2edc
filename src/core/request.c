/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * request.c: owns the way from a wish to an operation: whether it is the same wish as one under
 * way, whether it may be, where, and the record that the worker gets.
 */
#include "backend/origin.h"
#include "core/functions.h"
#include "util/parse.h"

#define CLIENT_LENGTH_MAX 255

/*
 * The same wish, as far as it was uttered: whoever left the parent open takes any. What is to go
 * with one client is not what is to go with another.
 */
static bool is_same(const Request *q, const char *client, const Record *r) {
        return r->kind == RECORD_CREATE && uuid_equal(&q->uuid, &r->uuid) &&
               (!q->parent || streq(q->parent, r->parent)) &&
               (streq(q->type, r->type) || streq_ptr(q->type, r->type_name)) &&
               streq(q->owner ?: "", r->owner ?: "") && q->define == r->define &&
               q->lease == r->lease && (q->lease != LEASE_CLIENT || streq_ptr(client, r->client)) &&
               (!q->lease || q->linger_sec == r->linger_sec) &&
               (q->autostart == CHOICE_YES) == r->autostart &&
               attributes_equal(q->attributes, q->n_attributes, r->attributes, r->n_attributes);
}

/*
 * The create that made a device which is there still, when this is the same request once more. One
 * that is removed already, and whose memory is not clean yet, is nobody's answer.
 */
static Operation *find_repeated(Manager *m, const Request *q, const char *client) {
        list_foreach(op, &m->operations, Operation, node)
                if (op->state == OPERATION_DONE && op->device &&
                    op->device->state != DEVICE_DYING && is_same(q, client, op->record))
                        return op;
        return NULL;
}

int request_refuse_running(const Operation *op, const Uuid *uuid, Reason *reason) {
        return reason_set(reason, OUTCOME_BUSY,
                          "An operation (%s, by %s) on %s of %s is running; wait for its end.",
                          record_kind_to_string(op->record->kind), op->record->client ?: "?",
                          UUID_STR(uuid), op->record->parent);
}

int request_set_string(char **to, const char *from) {
        char *copy;

        if (!from)
                return 0;
        copy = strdup(from);
        if (!copy)
                return -ENOMEM;
        free(*to);
        *to = copy;
        return 0;
}

int request_set_client(Record *r, const char *client) {
        if (!client || strlen(client) > CLIENT_LENGTH_MAX)
                return 0;
        return request_set_string(&r->client, client);
}

static int set_place(Record *r, const Parent *p, const char *type, const char *owner,
                     const char *client) {
        int k;

        if (!p->path)
                return -ENODEV;
        k = request_set_string(&r->parent, p->name);
        if (k >= 0)
                k = request_set_string(&r->parent_path, p->path);
        if (k >= 0)
                k = request_set_string(&r->type, type);
        if (k >= 0)
                k = request_set_string(&r->owner, owner ?: "");
        return k < 0 ? k : request_set_client(r, client);
}

int request_make_record(Record **ret, RecordKind kind, const Parent *p, const char *client) {
        _cleanup_(record_freep) Record *r = NULL;
        int k;

        if (!p->path)
                return -ENODEV;
        k = record_new(&r, kind);
        if (k >= 0)
                k = request_set_string(&r->parent, p->name);
        if (k >= 0)
                k = request_set_string(&r->parent_path, p->path);
        if (k >= 0)
                k = request_set_client(r, client);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}

int request_make_create(const Request *q, const Placement *place, const char *client,
                        Record **ret) {
        _cleanup_(record_freep) Record *r = NULL;
        int k;

        k = record_new(&r, RECORD_CREATE);
        if (k >= 0)
                k = set_place(r, place->parent, place->type->id, q->owner, client);
        if (k < 0)
                return k;
        r->uuid = q->uuid;
        r->origin = q->origin;
        r->ours = place->type->ours;
        if (r->ours)
                k = request_set_string(&r->type_name, place->type->name);
        if (k >= 0)
                k = request_set_string(&r->profile, q->profile);
        for (size_t i = 0; k >= 0 && i < q->n_attributes; i++)
                k = record_add_attribute(r, q->attributes[i].name, q->attributes[i].value);
        if (k < 0)
                return k;
        r->lease = q->lease;
        r->linger_sec = q->lease ? q->linger_sec : 0;
        r->force = q->force;
        r->define = q->define;
        r->autostart = q->autostart == CHOICE_YES;
        r->reserve = q->reserve == CHOICE_OPEN ? r->autostart : q->reserve == CHOICE_YES;
        memcpy(r->extents, place->extents, place->n_extents * sizeof(r->extents[0]));
        r->n_extents = place->n_extents;

        *ret = TAKE_PTR(r);
        return 0;
}

static int describe_moves(const Moves *moves, Reason *reason) {
        int r = 0;

        if (moves->n > 0)
                r = reason_add(reason, "Before that, %zu moves of %s, in this order.", moves->n,
                               SIZE_STR(moves->bytes));
        for (size_t i = 0; r >= 0 && i < moves->n; i++) {
                const Move *move = &moves->moves[i];

                r = reason_add(reason, "Device %s: %s from 0x%llx to 0x%llx of BAR %u.",
                               UUID_STR(&move->device->uuid), SIZE_STR(move->size),
                               (unsigned long long) move->from, (unsigned long long) move->to,
                               move->device->extents[move->extent].bar);
        }
        return r;
}

static int describe_plan(const Request *q, const Placement *place, const Moves *moves,
                         Reason *reason) {
        int r;

        r = reason_add(reason, "A %s for %s would be made on %s.", place->type->id,
                       q->owner && q->owner[0] ? q->owner : "nobody in particular",
                       place->parent->name);
        for (size_t i = 0; r >= 0 && i < place->n_extents; i++) {
                const Extent *e = &place->extents[i];

                r = reason_add(reason, "BAR %u of it: %s at 0x%llx of BAR %u of the parent.",
                               e->guest_bar, SIZE_STR(e->size), (unsigned long long) e->offset,
                               e->bar);
        }
        if (r >= 0)
                r = describe_moves(moves, reason);
        return r < 0 ? r : OUTCOME_OK;
}

/* What is known of the UUID before any room is looked for. Positive: an Outcome. */
static int check_create(Manager *m, const Request *q, const char *client, Operation **ret,
                        Reason *reason) {
        Operation *op;

        op = operation_find_running(m, NULL, &q->uuid);
        if (op && !is_same(q, client, op->record))
                return request_refuse_running(op, &q->uuid, reason);
        if (!op)
                op = find_repeated(m, q, client);
        *ret = op;
        if (op)
                return 0;
        if (q->n_attributes > RECORD_ATTRIBUTES_MAX)
                return reason_set(reason, OUTCOME_INVALID,
                                  "%zu attributes are too many; at most %d.",
                                  q->n_attributes, RECORD_ATTRIBUTES_MAX);
        return load_check(m, q->parent, reason);
}

static int refuse_without_module(const Placement *place, Reason *reason) {
        return reason_set(reason, OUTCOME_FAILED,
                          "%s is divided by the kernel module mdevd, which cannot be reached: "
                          "modprobe mdevd.",
                          place->parent->name);
}

/*
 * The last resort before no: a reservation that died since the last look leaves no event, and no
 * driver tells what else its virtual functions could bear by now.
 */
int request_place(Manager *m, const Request *q, Placement *ret, Reason *reason) {
        _cleanup_(reason_done) Reason first = {};
        bool again = false;
        int r;

        r = refresh_counts_now(m);
        if (r < 0)
                return r;
        r = policy_place(m->model, &m->planned, q, ret, &first);
        if (r == OUTCOME_NO_ROOM)
                list_foreach(d, &m->model->devices, Device, node)
                        if (d->state == DEVICE_RESERVED)
                                again = m->refresh.query = true;
        if (r == OUTCOME_NO_ROOM || r == OUTCOME_NO_TYPE)
                again |= functions_look_again(m, q->parent, q->plan);
        if (again) {
                r = refresh_now(m);
                if (r < 0)
                        return r;
                return policy_place(m->model, &m->planned, q, ret, reason);
        }
        if (first.text && reason_add(reason, "%s", first.text) < 0)
                return -ENOMEM;
        return r;
}

/* Positive: no moves would do it. What they cost is in @reason's way out already. */
static int plan_moves(Manager *m, const Request *q, const PlacementRule *rule, Moves *ret) {
        _cleanup_(reason_done) Reason unsaid = {};

        return policy_plan_moves(m->model, &m->planned, q, rule->moves_aim, ret, &unsaid);
}

static int refuse_unasked(Manager *m, const Request *q, const PlacementRule *rule,
                          Reason *reason) {
        _cleanup_(moves_done) Moves moves = {};
        int r = plan_moves(m, q, rule, &moves);

        if (r == 0)
                r = reason_add(reason,
                               "Option \"moves\" of the request carries out the moves (%s) that "
                               "make room.",
                               SIZE_STR(moves.bytes));
        return r < 0 ? r : OUTCOME_NO_ROOM;
}

/* As things are or, where the policy or the request says so, after @moves. */
static int place_or_move(Manager *m, const Request *q, Placement *ret, Moves *moves,
                         Reason *reason) {
        const PlacementRule *rule = policy_moves_rule_of(m->model, q);
        bool may = rule && (rule->moves == MOVES_AUTO || (rule->moves == MOVES_ASK && q->moves));
        int r = OUTCOME_NO_ROOM;

        if (!may || rule->moves_aim != MOVES_PACK)
                r = request_place(m, q, ret, reason);
        if (r == OUTCOME_NO_ROOM && may) {
                r = plan_moves(m, q, rule, moves);
                if (r == 0)
                        *ret = moves->placement;
                if (r > 0 && rule->moves_aim == MOVES_PACK)
                        return request_place(m, q, ret, reason);
                return r > 0 ? (int) OUTCOME_NO_ROOM : r;
        }
        if (r == OUTCOME_NO_ROOM && rule && rule->moves == MOVES_ASK)
                return refuse_unasked(m, q, rule, reason);
        return r;
}

static int start_create(Manager *m, const Request *q, const Placement *where, const Moves *moves,
                        const char *client, Operation **ret, Reason *reason) {
        _cleanup_(record_freep) Record *record = NULL;
        int r;

        r = load_check(m, where->parent->name, reason);
        if (r != 0)
                return r;
        r = request_make_create(q, where, client, &record);
        if (r == -ENODEV)
                return reason_set(reason, OUTCOME_NO_PARENT, "Parent %s has just gone.",
                                  where->parent->name);
        if (r == 0)
                r = functions_choose(m, where->parent, record, reason);
        if (r == 0)
                r = moves_add_to_record(m, moves, record, reason);
        if (r == 0)
                r = operation_new(m, TAKE_PTR(record), OPERATION_QUEUED, ret);
        if (r != 0)
                return r;
        operation_dispatch(m);
        return 0;
}

static int check_place(Manager *m, const Request *q, Placement *ret, Moves *moves,
                       Reason *reason) {
        int r;

        r = place_or_move(m, q, ret, moves, reason);
        if (r != 0)
                return r;
        r = leases_check_request(m, q, ret->parent, reason);
        if (r != 0)
                return r;
        r = q->define ? definitions_check_new(m, ret->parent->name, &q->uuid, reason) : 0;
        if (r != 0)
                return r;
        return ret->type->ours && !m->kmod ? refuse_without_module(ret, reason) : 0;
}

/* The device is what @q asks for, by all that is known of it without the operation that made it. */
static bool is_answer(Manager *m, const Request *q, const Device *d) {
        const Definition *def = model_find_definition(m->model, d->parent->name, &d->uuid, NULL);
        const Type *t = parent_find_type(d->parent, d->type);

        if (d->origin != ORIGIN_REQUEST || d->state == DEVICE_RESERVED ||
            d->state == DEVICE_DYING ||
            (q->parent && !streq(q->parent, d->parent->name)) ||
            !(streq(q->type, d->type) || (t && streq(q->type, t->name))) ||
            !streq(q->owner ?: "", d->owner) || q->define != (def != NULL) ||
            q->lease != d->lease.kind || (q->lease && q->linger_sec != d->lease.linger_sec))
                return false;
        if (!def)
                return q->n_attributes == 0;
        return def->autostart == (q->autostart == CHOICE_YES) &&
               attributes_equal(q->attributes, q->n_attributes, def->attributes,
                                def->n_attributes);
}

/*
 * A daemon that died between the device and the answer has left nobody who knows of the call. Who
 * repeats it gets the answer all the same, as long as it would from a daemon that lived.
 */
static int answer_lost(Manager *m, const Request *q, const char *client, Operation **ret) {
        Device *d = model_find_device(m->model, NULL, &q->uuid, NULL);
        Placement place = {};
        Record *record = NULL;
        int r;

        if (!d || !is_answer(m, q, d) ||
            (q->lease == LEASE_CLIENT && !streq_ptr(client, d->lease.client)) ||
            !origin_is_recent(m->root_fd, &d->uuid, OPERATION_LINGER_USEC))
                return 0;
        place.parent = d->parent;
        place.type = parent_find_type(d->parent, d->type);
        if (!place.type)
                return 0;
        memcpy(place.extents, d->extents, d->n_extents * sizeof(d->extents[0]));
        place.n_extents = d->n_extents;
        r = request_make_create(q, &place, client, &record);
        if (r < 0)
                return r;
        record->define = false; /* that is done, too */
        record_set_result(record, OUTCOME_OK, 0, NULL);
        r = operation_new(m, record, OPERATION_SETTLING, ret);
        if (r >= 0)
                refresh_wake(m);
        return r;
}

int manager_plan(Manager *m, const Request *q, Placement *ret, Reason *reason) {
        _cleanup_(moves_done) Moves moves = {};
        Operation *op;
        int r;

        r = check_create(m, q, NULL, &op, reason);
        if (r == 0)
                r = check_place(m, q, ret, &moves, reason);
        return r != 0 ? r : describe_plan(q, ret, &moves, reason);
}

int manager_create(Manager *m, Request *request, const char *client, Operation **ret,
                   Reason *reason) {
        _cleanup_(request_freep) Request *q = request;
        _cleanup_(moves_done) Moves moves = {};
        Placement where;
        int r;

        *ret = NULL;
        r = check_create(m, q, client, ret, reason);
        if (r == 0 && !*ret && !q->plan)
                r = answer_lost(m, q, client, ret);
        if (r != 0 || (*ret && !q->plan))
                return r;
        r = check_place(m, q, &where, &moves, reason);
        if (r != 0)
                return r;
        if (q->plan) {
                *ret = NULL;
                return describe_plan(q, &where, &moves, reason);
        }
        return start_create(m, q, &where, &moves, client, ret, reason);
}

/*
 * Who joins wants it no less than he would alone. What the worker and the scripts were not told yet
 * they are told now; whether somebody has it open is looked at again when the answer was that.
 */
static bool join_stop(Operation *op, const StopOptions *options) {
        if (op->phase == OPERATION_QUEUED && !op->agreed)
                op->record->force |= options->force;
        else if (options->force && !op->record->force && op->phase == OPERATION_CALLING)
                return false; /* the scripts may refuse it */
        if (op->adopted && options->insist && !op->record->insist)
                return false; /* begun again, its scripts would meet those of the earlier daemon */
        if (op->phase == OPERATION_QUEUED || op->phase == OPERATION_CALLING)
                op->record->insist |= options->insist;
        else
                op->insisted |= options->insist;
        return true;
}

static int check_stop(Manager *m, const Device *d, const StopOptions *options, Operation **ret,
                      Reason *reason) {
        Operation *op;

        op = operation_find_running(m, NULL, &d->uuid);
        if (op && (op->record->kind != RECORD_STOP ||
                   !streq(op->record->parent, d->parent->name) || !join_stop(op, options)))
                return request_refuse_running(op, &d->uuid, reason);
        *ret = op;
        if (op)
                return 0;
        if (d->state == DEVICE_RESERVED || d->state == DEVICE_DYING)
                return reason_set(reason, OUTCOME_BUSY,
                                  "%s on %s is %s: there is nothing to remove.",
                                  UUID_STR(&d->uuid), d->parent->name,
                                  device_state_to_string(d->state));
        return load_check(m, d->parent->name, reason);
}

int manager_stop(Manager *m, Device *device, const char *client, Operation **ret, Reason *reason) {
        return manager_stop_with(m, device, &(StopOptions){}, client, ret, reason);
}

int manager_stop_with(Manager *m, Device *device, const StopOptions *options, const char *client,
                      Operation **ret, Reason *reason) {
        _cleanup_(record_freep) Record *record = NULL;
        int r;

        *ret = NULL;
        r = check_stop(m, device, options, ret, reason);
        if (r != 0 || *ret)
                return r;

        r = record_new(&record, RECORD_STOP);
        if (r >= 0)
                r = set_place(record, device->parent, device->type, device->owner, client);
        if (r == -ENODEV)
                return reason_set(reason, OUTCOME_NO_DEVICE,
                                  "Parent %s of %s is gone; so is the device when it is closed.",
                                  device->parent->name, UUID_STR(&device->uuid));
        if (r < 0)
                return r;
        record->uuid = device->uuid;
        record->origin = device->origin;
        record->ours = device->ours;
        record->force = options->force;
        record->insist = options->insist;
        record->caller = options->caller;
        r = operation_new(m, TAKE_PTR(record), OPERATION_QUEUED, ret);
        if (r < 0)
                return r;
        operation_dispatch(m);
        return 0;
}

static int make_request(const Definition *d, Request **ret) {
        _cleanup_(request_freep) Request *q = NULL;
        int r;

        r = request_new(&q, d->type);
        if (r < 0)
                return r;
        free(q->parent);
        free(q->owner);
        q->parent = strdup(d->parent);
        q->owner = strdup(d->owner ?: "");
        q->uuid = d->uuid;
        q->uuid_given = true;
        q->origin = ORIGIN_DEFINITION;
        q->numa_node = -1;
        q->autostart = d->autostart ? CHOICE_YES : CHOICE_NO;
        if (!q->parent || !q->owner)
                return -ENOMEM;
        for (size_t i = 0; i < d->n_attributes; i++) {
                r = request_add_attribute(q, d->attributes[i].name, d->attributes[i].value);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(q);
        return 0;
}

int manager_start_definition(Manager *m, Definition *definition, bool force, const char *client,
                             Operation **ret, Reason *reason) {
        Request *q = NULL;
        int r;

        *ret = NULL;
        if (definition->invalid)
                return reason_set(reason, OUTCOME_INVALID,
                                  "The definition of %s on %s is invalid: %s",
                                  UUID_STR(&definition->uuid), definition->parent,
                                  definition->invalid);
        r = make_request(definition, &q);
        if (r < 0)
                return r;
        q->force = force;
        return manager_create(m, q, client, ret, reason);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * moves.c: owns what moves, and why. What becomes of a move that was left in the middle: mends.c.
 */
#include "core/internal.h"
#include "sysfs/sysfs.h"
#include "util/closest.h"
#include "util/fs.h"
#include "util/log.h"
#include "util/parse.h"

#define NESTED_VMX MDEVD_PATH_SYSFS "/module/kvm_intel/parameters/nested"

/*
 * A guest that runs guests on Intel's processors may have told the processor where one of its pages
 * is, and no revocation reaches that: what such a device leaves goes to another when it was closed.
 */
bool moves_has_nested_vmx(Manager *m) {
        _cleanup_(freep) char *text = NULL;

        return read_attr_at(m->root_fd, NESTED_VMX, &text) >= 0 &&
               (text[0] == 'Y' || text[0] == '1');
}

static bool any_is_open(const Manager *m, const Record *record) {
        for (size_t i = 0; i < record->n_moves; i++) {
                const Device *d = model_find_device(m->model, NULL, &record->moves[i].uuid, NULL);

                if (d && d->opened > 0)
                        return true;
        }
        return false;
}

static int start(Manager *m, Record *record, Operation **ret) {
        int r = operation_new(m, record, OPERATION_QUEUED, ret);

        if (r < 0)
                return r;
        operation_dispatch(m);
        return 0;
}

static int make(Manager *m, RecordKind kind, const Parent *p, const char *client, Record **ret,
                Reason *reason) {
        int r;

        r = load_check(m, p->name, reason);
        if (r == 0)
                r = request_make_record(ret, kind, p, client);
        if (r == -ENODEV)
                return reason_set(reason, OUTCOME_NO_PARENT, "Parent %s has just gone.", p->name);
        if (r == 0)
                (*ret)->ours = true;
        return r;
}

/* Whoever's move it is: the rule of the device's own owner says how long it may stand still. */
static unsigned pause_of(const Manager *m, const Device *d) {
        const unsigned limit =
                policy_moves_rule(m->model, d->owner, parent_find_type(d->parent, d->type))
                        ->pause_max;

        return limit ?: PAUSE_MAX_MAX + 1;
}

/* ---- one ---- */

static int find_extent(const Device *d, int wanted, size_t *ret, Reason *reason) {
        if (wanted < 0 && d->n_extents != 1)
                return reason_set(reason, OUTCOME_INVALID,
                                  "%s on %s has %zu extents; say which one moves, by its place in "
                                  "the list of its Extents: option \"extent\".",
                                  UUID_STR(&d->uuid), d->parent->name, d->n_extents);
        if (wanted >= 0 && (size_t) wanted >= d->n_extents)
                return reason_set(reason, OUTCOME_INVALID,
                                  "%s on %s has no extent %d: it has %zu, counted from 0.",
                                  UUID_STR(&d->uuid), d->parent->name, wanted, d->n_extents);
        *ret = wanted < 0 ? 0 : (size_t) wanted;
        return 0;
}

static int refuse_pool(const Parent *p, const char *pool, Reason *reason) {
        Closest c = closest_begin_typo(pool);

        list_foreach(i, &p->pools, Pool, node)
                (void) closest_offer(&c, i->name);
        return reason_set(reason, OUTCOME_INVALID, "Parent %s has no pool %s%s%s%s", p->name, pool,
                          c.name ? "; did you mean \"" : "", c.name ?: "", c.name ? "\"?" : ".");
}

static int check_move(Manager *m, const Device *d, const char *pool, Pool **ret, Reason *reason) {
        Operation *op = operation_find_running(m, NULL, &d->uuid);
        int r;

        if (op)
                return request_refuse_running(op, &d->uuid, reason);
        r = policy_check_movable(d, reason);
        if (r != 0)
                return r;
        *ret = parent_find_pool(d->parent, pool);
        return *ret ? 0 : refuse_pool(d->parent, pool, reason);
}

int manager_move(Manager *m, Device *d, const MoveTarget *target, const char *client,
                 Operation **ret, Reason *reason) {
        _cleanup_(record_freep) Record *record = NULL;
        const bool releases = d->opened == 0 || !moves_has_nested_vmx(m);
        RecordMove move = { .uuid = d->uuid };
        size_t extent = 0;
        Pool *pool;
        int r;

        *ret = NULL;
        r = check_move(m, d, target->pool, &pool, reason);
        if (r == 0)
                r = find_extent(d, target->extent, &extent, reason);
        if (r == 0)
                r = policy_place_move(m->model, &m->planned, d, extent, pool, target->offset,
                                      releases, &move.to, reason);
        if (r == 0)
                r = make(m, RECORD_MOVE, d->parent, client, &record, reason);
        if (r != 0)
                return r;
        move.extent = extent;
        record->uuid = d->uuid;
        record->origin = d->origin;
        record->pause_ms = pause_of(m, d) > PAUSE_MAX_MAX ? 0 : pause_of(m, d);
        r = request_set_string(&record->type, d->type);
        if (r >= 0)
                r = request_set_string(&record->owner, d->owner);
        if (r >= 0)
                r = record_add_move(record, &move);
        if (r < 0)
                return r;
        record->release = !moves_has_nested_vmx(m);
        return start(m, TAKE_PTR(record), ret);
}

/* ---- many ---- */

int moves_add_to_record(Manager *m, const Moves *moves, Record *record, Reason *reason) {
        int r;

        for (size_t i = 0; i < moves->n; i++) {
                const Move *from = &moves->moves[i];
                const Extent *e = &from->device->extents[from->extent];
                const RecordMove move = {
                        .uuid = from->device->uuid,
                        .extent = (unsigned) from->extent,
                        .to = { .offset = from->to, .size = from->size, .bar = e->bar,
                                .guest_bar = e->guest_bar },
                };

                r = record_add_move(record, &move);
                if (r < 0)
                        return r;
        }
        if (moves->n == 0)
                return 0;
        record->release = !moves_has_nested_vmx(m);
        record->pause_ms = PAUSE_MAX_MAX + 1;
        for (size_t i = 0; i < moves->n; i++)
                record->pause_ms = MIN(record->pause_ms, pause_of(m, moves->moves[i].device));
        if (record->pause_ms > PAUSE_MAX_MAX)
                record->pause_ms = 0;
        if (!any_is_open(m, record) || !moves_has_nested_vmx(m))
                return 0;
        return reason_set(reason, OUTCOME_NOT_SUPPORTED,
                          "Devices that would have to move are in use, and what they leave would "
                          "not be free before they are closed, for kvm_intel allows guests of "
                          "guests: load it with nested=0.");
}

static int describe_defragment(const Parent *p, const char *pool, Reason *reason) {
        return reason_set(reason, OUTCOME_NO_ROOM,
                          "No moves make the largest free block of %s%s%s larger.", p->name,
                          pool ? " pool " : "", pool ?: "");
}

/* The first pool for which there is something to be done; the next call finds the next. */
static int plan_defragment(Manager *m, Parent *p, const char *name, uint64_t max_bytes, Moves *ret,
                           Reason *reason) {
        list_foreach(pool, &p->pools, Pool, node) {
                int r;

                if (name && !streq(name, pool->name))
                        continue;
                r = policy_plan_defragment(m->model, &m->planned, p, pool, max_bytes, ret);
                if (r != OUTCOME_NO_ROOM)
                        return r;
        }
        return describe_defragment(p, name, reason);
}

static bool is_in(const Pool *pool, const Extent *e) {
        return pool->bar == e->bar && e->offset >= pool->offset &&
               extent_end(e) <= pool->offset + pool->size;
}

/* One that runs already is joined, or waited for when it is of another pool than the one named. */
static int join_defragment(Manager *m, const Parent *p, const char *name, Operation **ret,
                           Reason *reason) {
        const Pool *pool = name ? parent_find_pool(p, name) : NULL;

        list_foreach(op, &m->active, Operation, active_node) {
                if (op->state != OPERATION_RUNNING || op->record->kind != RECORD_DEFRAGMENT ||
                    !streq(op->record->parent, p->name))
                        continue;
                if (pool && !is_in(pool, &op->record->moves[0].to))
                        return reason_set(reason, OUTCOME_BUSY,
                                          "Another pool than %s of %s is being defragmented; wait "
                                          "for the end of that.",
                                          name, p->name);
                *ret = op;
                return 0;
        }
        return 0;
}

int manager_defragment(Manager *m, Parent *p, const char *pool, uint64_t max_bytes,
                       const char *client, Operation **ret, Reason *reason) {
        _cleanup_(record_freep) Record *record = NULL;
        _cleanup_(moves_done) Moves moves = {};
        int r;

        *ret = NULL;
        if (pool && !parent_find_pool(p, pool))
                return refuse_pool(p, pool, reason);
        r = join_defragment(m, p, pool, ret, reason);
        if (r != 0 || *ret)
                return r;
        r = plan_defragment(m, p, pool, max_bytes, &moves, reason);
        if (r == 0)
                r = make(m, RECORD_DEFRAGMENT, p, client, &record, reason);
        if (r == 0)
                r = moves_add_to_record(m, &moves, record, reason);
        if (r != 0)
                return r;
        return start(m, TAKE_PTR(record), ret);
}

/* ---- what is seen ---- */

void moves_tell(Operation *op) {
        for (size_t i = 0; i < op->record->n_moves; i++) {
                Device *d = model_find_device(op->manager->model, NULL, &op->record->moves[i].uuid,
                                              NULL);

                if (d)
                        manager_tell(op->manager, device_changed, d);
        }
}

DeviceState manager_get_state(Manager *m, const Device *d) {
        if (d->state == DEVICE_LIVE)
                list_foreach(op, &m->active, Operation, active_node)
                        if (op->state == OPERATION_RUNNING && op->phase == OPERATION_WORKING &&
                            operation_moves(op, &d->uuid))
                                return DEVICE_MOVING;
        return d->state;
}

int manager_get_progress(Manager *m, const Operation *op, Progress *ret) {
        _cleanup_(record_freep) Record *record = NULL;
        const Record *r = op->record;

        if (op->application) {
                application_get_progress(op->application, ret);
                return 0;
        }
        if (r->n_moves > 0 && op->phase == OPERATION_WORKING && op->state == OPERATION_RUNNING &&
            worker_read_record(m->root_fd, r, &record) >= 0)
                r = record;
        *ret = (Progress) { .done = r->moved, .total = record_moves_size(r),
                            .longest_us = r->longest_us };
        return 0;
}

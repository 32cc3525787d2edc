/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * functions.c: owns which device a virtual function is that bears a vGPU, where the driver makes
 * no mdevs. It has no UUID of its own. One that we made has the UUID that was asked for, by its
 * operation or the file that an earlier daemon left; any other has one that follows from the
 * machine and the function, the same after every boot. All else that is done with devices knows
 * nothing of functions.
 */
#include "core/functions.h"

#include "backend/origin.h"
#include "sysfs/functions.h"
#include "util/fs.h"
#include "util/log.h"

#define CURRENT "/nvidia/current_vgpu_type"
#define MACHINE_ID "etc/machine-id"

/* ---- which device ---- */

static int derive_uuid(Manager *m, const Function *f, Uuid *ret) {
        static const Uuid space = { { 0x5b, 0x1f, 0x7c, 0x52, 0x0e, 0x8d, 0x4b, 0x5e, 0x9a, 0x33,
                                      0x8f, 0x46, 0xd2, 0x07, 0x6c, 0xe1 } };
        _cleanup_(freep) char *machine = NULL;
        int r;

        r = read_file_at(m->root_fd, MACHINE_ID, 64, &machine, NULL);
        if (r == -ENOMEM)
                return r;
        /* without one there is no other machine that we could be taken for */
        uuid_from_name(&space, r < 0 ? "" : machine, f->name, ret);
        return 0;
}

static const char *type_of(const Function *f, char buf[static FUNCTION_TYPE_MAX]) {
        return function_type_id(f->type, buf);
}

static Device *find_linked(const Parent *p, const Function *f) {
        char type[FUNCTION_TYPE_MAX];

        list_foreach(d, &p->devices, Device, parent_node)
                if (streq_ptr(d->function, f->name) && streq(d->type, type_of(f, type)))
                        return d;
        return NULL;
}

/* Its worker has not begun, or is gone and had not got as far as that. */
static bool cannot_have_filled(const Operation *op) {
        const Record *r = op->record;

        return op->phase != OPERATION_WORKING &&
               (r->step == STEP_DONE ? r->outcome != OUTCOME_OK : r->step < STEP_RESERVED);
}

/* A create that is to fill, or has filled, just this one. */
static const Operation *find_maker(Manager *m, const Parent *p, const Function *f) {
        char type[FUNCTION_TYPE_MAX];

        list_foreach(op, &m->active, Operation, active_node) {
                const Record *r = op->record;

                if (op->state == OPERATION_RUNNING && r->kind == RECORD_CREATE &&
                    streq_ptr(r->function, f->path) && streq(r->parent, p->name) &&
                    streq(r->type, type_of(f, type)) && !cannot_have_filled(op))
                        return op;
        }
        return NULL;
}

static int identify(Manager *m, const Parent *p, Function *f) {
        const Operation *op = find_maker(m, p, f);
        const Device *d = find_linked(p, f);
        char type[FUNCTION_TYPE_MAX];
        int r;

        if (op || d) {
                f->uuid = op ? op->record->uuid : d->uuid;
                return 0;
        }
        r = origin_find(m->root_fd, p->name, type_of(f, type), f->name, &f->uuid);
        if (r == -ENOMEM)
                return r;
        /* what a create that was refused had announced is not what somebody else has made there */
        if (r >= 0 && !operation_is_creating(m, &f->uuid))
                return 0;
        return derive_uuid(m, f, &f->uuid);
}

int functions_find_device(Manager *m, const Uuid *uuid, SysfsDevice *ret) {
        char type[FUNCTION_TYPE_MAX];

        list_foreach(p, &m->model->parents, Parent, node)
                list_foreach(f, &p->functions, Function, node) {
                        if (f->type == 0 || !uuid_equal(&f->uuid, uuid))
                                continue;
                        *ret = (SysfsDevice){
                                .uuid = *uuid,
                                .path = strdup(f->path),
                                .parent = strdup(p->name),
                                .type = strdup(type_of(f, type)),
                                .function = strdup(f->name),
                        };
                        if (ret->path && ret->parent && ret->type && ret->function)
                                return 0;
                        sysfs_device_done(ret);
                        return -ENOMEM;
                }
        return -ENOENT;
}

/* ---- after a look ---- */

static void on_touch(const char *key, void *userdata) {
        if (key)
                refresh_counts(userdata, key);
        else
                refresh_all(userdata);
}

/* From now on whoever writes there is noticed. */
static int watch_all(Manager *m, const Parent *p) {
        size_t n = 0, size = list_length(&p->functions);
        char **paths;
        int r = 0;

        if (!m->touch && size == 0)
                return 0;
        if (!m->touch)
                r = touch_new(&m->touch, m->event, m->root_fd, on_touch, m);
        if (r < 0)
                return r;
        paths = calloc(size + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;
        list_foreach(f, &p->functions, Function, node) {
                if (asprintf(&paths[n], MDEVD_PATH_SYSFS "/%s" CURRENT, f->path) < 0) {
                        r = -ENOMEM;
                        break;
                }
                n++;
        }
        if (r >= 0)
                r = touch_set(m->touch, p->name, paths, n);
        while (n > 0)
                free(paths[--n]);
        free(paths);
        return r;
}

int functions_update(Manager *m, Parent *p) {
        int r;

        list_foreach(f, &p->functions, Function, node) {
                if (f->type == 0)
                        continue;
                r = identify(m, p, f);
                if (r < 0)
                        return r;
                if (!find_linked(p, f))
                        refresh_device(m, &f->uuid);
        }
        list_foreach(d, &p->devices, Device, parent_node) {
                const Function *f = d->function ? parent_find_function(p, d->function) : NULL;

                if (d->function && (!f || find_linked(p, f) != d))
                        refresh_device(m, &d->uuid);
        }
        r = watch_all(m, p);
        if (r < 0)
                (void) log_warning_errno(r, FIELDS(.topic = "parent", .parent = p->name),
                                         "Cannot watch what others make on %s; it is seen at the "
                                         "next change of ours, or a reload: %m",
                                         p->name);
        return r == -ENOMEM ? r : 0;
}

/* ---- which parent ---- */

int functions_note_uevent(Manager *m, const Uevent *event) {
        _cleanup_(freep) char *name = NULL;
        int r;

        r = sysfs_find_physical(m->root_fd, event->devpath, &name);
        if (r >= 0) {
                refresh_parent(m, name, NULL);
                return 0;
        }
        /* one that has gone says no more whose it was */
        list_foreach(p, &m->model->parents, Parent, node)
                if (parent_find_function(p, event->sysname))
                        refresh_parent(m, p->name, NULL);
        return r == -ENOENT ? 0 : r;
}

bool functions_look_again(Manager *m, const char *parent) {
        bool any = false;

        list_foreach(p, &m->model->parents, Parent, node)
                if (!list_is_empty(&p->functions) && (!parent || streq(p->name, parent))) {
                        refresh_counts(m, p->name);
                        any = true;
                }
        return any;
}

/* ---- for an operation ---- */

static bool is_taken(Manager *m, const Function *f) {
        list_foreach(op, &m->active, Operation, active_node)
                if (op->state == OPERATION_RUNNING && streq_ptr(op->record->function, f->path))
                        return true;
        return f->type > 0;
}

int functions_choose(Manager *m, const Parent *p, Record *record, Reason *reason) {
        unsigned type;

        if (list_is_empty(&p->functions))
                return 0;
        if (function_type_parse(record->type, &type) >= 0)
                list_foreach(f, &p->functions, Function, node)
                        if (function_offers(f, type) && !is_taken(m, f))
                                return request_set_string(&record->function, f->path);
        return reason_set(reason, OUTCOME_NO_ROOM,
                          "%s has no virtual function left that a %s could be made on; remove a "
                          "device, or have its driver make more of them.",
                          p->name, record->type);
}

int functions_note(const Device *d, Record *record) {
        const Function *f = d && d->function ? parent_find_function(d->parent, d->function) : NULL;

        return f && !record->function ? request_set_string(&record->function, f->path) : 0;
}

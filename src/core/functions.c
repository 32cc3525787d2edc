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

/* Everybody may ask where a device would be made, and a look reads files of every function. */
#define LOOK_AGAIN_USEC UINT64_C(100000)

/* ---- which device ---- */

/*
 * Who makes a device chooses its UUID. So one that follows from a function may be another's: of
 * what is there or comes, here or on a parent that is yet to be looked at, or of a definition
 * elsewhere. A definition on this card is of this device.
 */
static int is_in_use(Manager *m, const Parent *p, const Function *f, const Uuid *uuid) {
        SysfsDevice sd = {};
        int r;

        if (operation_is_creating(m, uuid) ||
            (origin_is_known(m->root_fd, uuid) &&
             !origin_names(m->root_fd, uuid, p->name, f->name)))
                return 1;
        list_foreach(d, &m->model->devices, Device, node)
                if (uuid_equal(&d->uuid, uuid) &&
                    !(d->parent == p && streq_ptr(d->function, f->name)))
                        return 1;
        list_foreach(d, &m->model->definitions, Definition, node)
                if (uuid_equal(&d->uuid, uuid) && !streq(d->parent, p->name))
                        return 1;
        r = sysfs_read_device(m->root_fd, uuid, &sd);
        sysfs_device_done(&sd);
        return r >= 0 ? 1 : r == -ENOMEM ? r : 0;
}

static int derive_uuid(Manager *m, const Parent *p, const Function *f, Uuid *ret) {
        static const Uuid space = { { 0x5b, 0x1f, 0x7c, 0x52, 0x0e, 0x8d, 0x4b, 0x5e, 0x9a, 0x33,
                                      0x8f, 0x46, 0xd2, 0x07, 0x6c, 0xe1 } };
        _cleanup_(freep) char *machine = NULL;
        int r;

        r = read_file_at(m->root_fd, MACHINE_ID, 64, &machine, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0) { /* without one there is no other machine that we could be taken for */
                machine = strdup("");
                if (!machine)
                        return -ENOMEM;
        }
        uuid_from_name(&space, machine, f->name, ret);
        /* each that is in use is somebody's, so this has an end */
        for (unsigned n = 1; (r = is_in_use(m, p, f, ret)) > 0; n++) {
                char name[sizeof("0000:00:00.0 4294967295") + NAME_MAX];

                (void) snprintf(name, sizeof(name), "%s %u", f->name, n);
                uuid_from_name(&space, machine, name, ret);
        }
        return r;
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
        return r >= 0 || r == -ENOMEM ? MIN(r, 0) : derive_uuid(m, p, f, &f->uuid);
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

bool functions_needs_card(const Operation *op) {
        const Record *r = op->record;

        return r->function && !op->second &&
               (r->kind == RECORD_CREATE || r->kind == RECORD_STOP ||
                (r->kind == RECORD_MODIFY && r->live));
}

static bool has_worker(const Operation *op) {
        return op->state == OPERATION_RUNNING && op->phase == OPERATION_WORKING &&
               functions_needs_card(op);
}

bool functions_are_busy(Manager *m, const char *parent) {
        if (recover_has_card(m, parent))
                return true;
        list_foreach(op, &m->active, Operation, active_node)
                if (has_worker(op) && streq(op->record->parent, parent))
                        return true;
        return false;
}

static bool is_current_of(const char *path, const Function *f) {
        size_t n = strlen(MDEVD_PATH_SYSFS "/"), size = strlen(f->path);

        return strncmp(path, MDEVD_PATH_SYSFS "/", n) == 0 &&
               strncmp(path + n, f->path, size) == 0 && streq(path + n + size, CURRENT);
}

static bool is_ours_writing(Manager *m, const Function *f) {
        list_foreach(op, &m->active, Operation, active_node)
                if (has_worker(op) && streq(op->record->function, f->path))
                        return true;
        return false;
}

/*
 * The driver took what somebody else has written, so what we had made there is gone: also where the
 * same type is there again by the time that it is looked at. What is written while ours is at it,
 * too, is taken for ours.
 */
static void note_write(Manager *m, const char *parent, const char *path) {
        Parent *p = model_find_parent(m->model, parent);

        if (!p || !m->started)
                return;
        list_foreach_safe(d, &p->devices, Device, parent_node) {
                const Function *f = d->function ? parent_find_function(p, d->function) : NULL;

                if (!f || d->origin == ORIGIN_FOREIGN || !is_current_of(path, f) ||
                    is_ours_writing(m, f))
                        continue;
                log_notice(FIELDS(.topic = "device", .parent = p->name,
                                  .device = UUID_STR(&d->uuid), .owner = d->owner),
                           "Somebody else has written to %s of %s, which bore %s: what it bears "
                           "now is theirs.", f->name, p->name, UUID_STR(&d->uuid));
                devices_unlink(m, d);
                return;
        }
}

static void on_touch(const char *key, const char *path, void *userdata) {
        if (path)
                note_write(userdata, key, path);
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
                return function_waits_note(m, event, name);
        }
        if (!model_find_parent(m->model, event->sysname) &&
            sysfs_has_functions(m->root_fd, event->devpath))
                refresh_parent(m, event->sysname, event->devpath); /* the card itself */
        /* one that has gone says no more whose it was */
        list_foreach(p, &m->model->parents, Parent, node)
                if (parent_find_function(p, event->sysname))
                        refresh_parent(m, p->name, NULL);
        return r == -ENOENT ? 0 : r;
}

bool functions_look_again(Manager *m, const char *parent, bool only_asked) {
        uint64_t now = operation_monotonic_usec();
        bool any = false;

        if (only_asked && now < m->functions_usec + LOOK_AGAIN_USEC)
                return false;
        m->functions_usec = now;
        list_foreach(p, &m->model->parents, Parent, node)
                if (!list_is_empty(&p->functions) && (!parent || streq(p->name, parent)) &&
                    !functions_are_busy(m, p->name)) {
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

static const Function *find_free(Manager *m, const Parent *p, const Record *record) {
        unsigned type;

        if (function_type_parse(record->type, &type) >= 0)
                list_foreach(f, &p->functions, Function, node)
                        if (function_offers(f, type) && !is_taken(m, f))
                                return f;
        return NULL;
}

int functions_choose(Manager *m, const Parent *p, Record *record, Reason *reason) {
        const Function *f;

        if (list_is_empty(&p->functions))
                return 0;
        f = find_free(m, p, record);
        if (f)
                return request_set_string(&record->function, f->path);
        return reason_set(reason, OUTCOME_NO_ROOM,
                          "%s has no virtual function left that a %s could be made on; remove a "
                          "device, or have its driver make more of them.",
                          p->name, record->type);
}

/* @record's function is there, and can still bear its type, as far as we know. */
static bool is_still_free(const Parent *p, const Record *record) {
        unsigned type;

        if (function_type_parse(record->type, &type) >= 0)
                list_foreach(f, &p->functions, Function, node)
                        if (streq(f->path, record->function))
                                return f->type == 0 && function_offers(f, type);
        return false;
}

int functions_choose_anew(Manager *m, Record *record) {
        const Parent *p = record->function ? model_find_parent(m->model, record->parent) : NULL;
        const Function *f;

        if (!p || is_still_free(p, record))
                return 0;
        f = find_free(m, p, record); /* NULL: its worker says what is wrong with the one it has */
        return f ? request_set_string(&record->function, f->path) : 0;
}

bool functions_is_of(const Record *record, const Device *d) {
        const char *slash = record->function ? strrchr(record->function, '/') : NULL;

        return streq_ptr(slash ? slash + 1 : NULL, d->function);
}

int functions_note(const Device *d, Record *record) {
        const Function *f = d && d->function ? parent_find_function(d->parent, d->function) : NULL;

        return f && !record->function ? request_set_string(&record->function, f->path) : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus.c: the connection: what is exported where, what the manager's observer turns into signals,
 * and the order of start and stop. All objects are there before the name is taken, so no client
 * sees half of them.
 */
#include "bus/bus.h"

#include <inttypes.h>
#include <stdarg.h>
#include <time.h>

#include "bus/bus-error.h"
#include "bus/bus-holders.h"
#include "bus/bus-internal.h"
#include "bus/call.h"
#include "bus/path.h"
#include "names.h"
#include "policy/policy.h"
#include "util/log.h"
#include "util/notify.h"

/* Each costs a socket, and nobody reads faster. */
#define STATUS_USEC 100000

static const char *const action_names[_BUS_ACTION_MAX] = {
        [BUS_ACTION_CREATE] = MDEVD_BUS_NAME ".create",
        [BUS_ACTION_MANAGE] = MDEVD_BUS_NAME ".manage",
        [BUS_ACTION_CONFIGURE] = MDEVD_BUS_NAME ".configure",
};

int bus_authorize(Bus *b, sd_bus_message *m, BusAction action, const Subject *subject,
                  uid_t *ret_uid, sd_bus_error *e) {
        const char *const details[] = {
                "uuid", subject->uuid ?: "", "parent", subject->parent ?: "",
                "type", subject->type ?: "", "owner", subject->owner ?: "", NULL,
        };
        uid_t uid;
        int r;

        r = peers_get_uid(b->peers, m, &uid, e);
        if (r <= 0)
                return r;
        r = authz_check(b->authz, m, uid, action_names[action], details, e);
        if (r <= 0)
                return r;
        *ret_uid = uid;
        return 1;
}

int bus_check_owner(Bus *b, sd_bus_message *m, const char *owner, sd_bus_error *e) {
        const Rules *rules = manager_get_model(b->manager)->rules;
        uid_t uid;
        int r;

        r = peers_get_uid(b->peers, m, &uid, e);
        if (r <= 0)
                return r;
        if (!owner[0] || uid == geteuid() || policy_may_name_owner(rules, uid, owner))
                return 1;
        return sd_bus_error_setf(e, SD_BUS_ERROR_ACCESS_DENIED,
                                 "User %u may not name the owner \"%s\": that is for root and for "
                                 "the \"users\" of the policy's group, which is %s; name no owner, "
                                 "or have the user added there.", (unsigned) uid, BUS_QUOTE(owner),
                                 BUS_QUOTE(policy_group_of(rules, owner)));
}

Bus *bus_current(sd_bus *bus) {
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(bus));
}

int bus_reply(Bus *b, sd_bus_message *call, const char *types, ...) {
        va_list ap;
        int r;

        changes_flush(&b->changes);
        va_start(ap, types);
        r = sd_bus_reply_method_returnv(call, types, ap);
        va_end(ap);
        return r;
}

/* Clients that wait for what is to be up; told once a turn, not once a device. */
static void tell_autostart(Bus *b) {
        int r;

        r = sd_bus_emit_properties_changed(b->bus, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER,
                                           "AutostartPending", "AutostartFailed", NULL);
        if (r < 0)
                (void) log_warning_errno(r, &(LogFields){ .topic = "bus" },
                                         "How many devices are to be up was not told: %m");
}

/* For `systemctl status`: once for all that comes together, and only where something has come. */
static int on_status(sd_event_source *s, uint64_t usec, void *userdata) {
        Bus *b = userdata;
        const Model *model = manager_get_model(b->manager);
        size_t n_devices = list_length(&model->devices), n_parents = list_length(&model->parents);
        char rest[64] = "";
        unsigned pending, failed;

        manager_count_autostart(b->manager, &pending, &failed);
        if (n_devices == b->n_devices && n_parents == b->n_parents && pending == b->n_pending &&
            failed == b->n_failed)
                return 0;
        if (pending != b->n_pending || failed != b->n_failed)
                tell_autostart(b);
        b->n_devices = n_devices;
        b->n_parents = n_parents;
        b->n_pending = pending;
        b->n_failed = failed;
        if (pending + failed > 0)
                (void) snprintf(rest, sizeof(rest), " %u to come, %u failed.", pending, failed);
        (void) notify_send(false, -1, "STATUS=%zu device%s on %zu parent%s.%s", n_devices,
                          n_devices == 1 ? "" : "s", n_parents, n_parents == 1 ? "" : "s", rest);
        return 0;
}

static int watch_status(Bus *b) {
        int r;

        b->n_devices = b->n_parents = SIZE_MAX; /* nothing was told */
        r = sd_event_add_time_relative(b->event, &b->status, CLOCK_MONOTONIC, 0,
                                       STATUS_USEC / 2, on_status, b);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(b->status, "bus-status");
        return sd_event_source_set_priority(b->status, SD_EVENT_PRIORITY_IDLE);
}

static void status_later(Bus *b) {
        int enabled = SD_EVENT_OFF;

        (void) sd_event_source_get_enabled(b->status, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(b->status, STATUS_USEC);
        (void) sd_event_source_set_enabled(b->status, SD_EVENT_ONESHOT);
}

static void added(Bus *b, ObjectKind kind, void *object) {
        status_later(b);
        changes_announce(&b->changes, kind, object);
}

/* Before it is unlinked: afterwards sd-bus would find none of its interfaces to name. */
static void removed(Bus *b, ObjectKind kind, void *object) {
        _cleanup_(freep) char *path = NULL;
        int r;

        status_later(b);
        if (changes_forget(&b->changes, object))
                return; /* nobody had heard of it */
        r = path_of(kind, object, &path);
        if (r >= 0)
                r = sd_bus_emit_object_removed(b->bus, path);
        if (r < 0)
                (void) log_warning_errno(r, &(LogFields){ .topic = "bus" },
                                         "That %s has gone was not told to clients: %m",
                                         path ?: "an object");
}

static void on_parent_added(Parent *p, void *userdata) {
        added(userdata, OBJECT_PARENT, p);
}

static void on_parent_changed(Parent *p, void *userdata) {
        Bus *b = userdata;

        changes_add(&b->changes, OBJECT_PARENT, p);
}

static void on_parent_removed(Parent *p, void *userdata) {
        removed(userdata, OBJECT_PARENT, p);
}

static Definition *definition_of(Bus *b, const Device *d) {
        return model_find_definition(manager_get_model(b->manager), d->parent->name, &d->uuid,
                                     NULL);
}

/*
 * A device and its definition are one object: it comes with the first of them and goes with the
 * last. What is used and free in the pools, and how many devices can still be made, changes with a
 * device.
 */
static void on_device_added(Device *d, void *userdata) {
        Bus *b = userdata;
        Definition *definition = definition_of(b, d);

        status_later(b);
        clients_note(b->clients, d);
        if (definition)
                changes_start(&b->changes, definition, d);
        else
                added(b, OBJECT_DEVICE, d);
        changes_add(&b->changes, OBJECT_PARENT, d->parent);
}

static void on_device_changed(Device *d, void *userdata) {
        Bus *b = userdata;

        changes_add(&b->changes, OBJECT_DEVICE, d);
}

static void on_device_removed(Device *d, void *userdata) {
        Bus *b = userdata;

        Definition *definition = definition_of(b, d);

        if (definition) {
                changes_stop(&b->changes, d, definition);
                status_later(b);
        } else
                removed(b, OBJECT_DEVICE, d);
        changes_add(&b->changes, OBJECT_PARENT, d->parent);
}

static void tell_problems(Bus *b) {
        changes_add(&b->changes, OBJECT_MANAGER, b->manager);
}

static void tell_validity(Bus *b, Definition *d) {
        if (d->invalid || d->told_invalid)
                tell_problems(b);
        d->told_invalid = d->invalid;
}

static void on_definition_added(Definition *d, void *userdata) {
        Bus *b = userdata;

        if (d->device)
                changes_add(&b->changes, OBJECT_DEVICE, d->device);
        else
                added(b, OBJECT_DEFINITION, d);
        tell_validity(b, d);
}

static void on_definition_changed(Definition *d, void *userdata) {
        Bus *b = userdata;

        changes_add(&b->changes, d->device ? OBJECT_DEVICE : OBJECT_DEFINITION,
                    d->device ? (void *) d->device : d);
        tell_validity(b, d);
}

static void on_definition_removed(Definition *d, void *userdata) {
        Bus *b = userdata;

        if (d->device)
                changes_replace(&b->changes, d, OBJECT_DEVICE, d->device);
        else
                removed(b, OBJECT_DEFINITION, d);
        if (d->told_invalid)
                tell_problems(b);
}

static void on_operation_added(Operation *op, void *userdata) {
        Bus *b = userdata;

        untold_added(b->untold, op);
}

static void on_operation_changed(Operation *op, void *userdata) {
        Bus *b = userdata;

        untold_changed(b->untold, op);
}

static void on_operation_removed(Operation *op, void *userdata) {
        if (op->told)
                removed(userdata, OBJECT_OPERATION, op);
}

static void on_autostart_changed(void *userdata) {
        Bus *b = userdata;

        status_later(b);
}

static void observe(Bus *b) {
        const Observer observer = {
                .parent_added = on_parent_added,
                .parent_changed = on_parent_changed,
                .parent_removed = on_parent_removed,
                .device_added = on_device_added,
                .device_changed = on_device_changed,
                .device_removed = on_device_removed,
                .definition_added = on_definition_added,
                .definition_changed = on_definition_changed,
                .definition_removed = on_definition_removed,
                .operation_added = on_operation_added,
                .operation_changed = on_operation_changed,
                .operation_removed = on_operation_removed,
                .autostart_changed = on_autostart_changed,
                .userdata = b,
        };

        manager_set_observer(b->manager, &observer);
}

typedef struct Export Export;

struct Export {
        const char *path; /* prefix of the objects, or the one object where find is NULL */
        const char *iface;
        const sd_bus_vtable *vtable;
        sd_bus_object_find_t find;
        sd_bus_node_enumerator_t enumerate;
};

static const Export exports[] = {
        { MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, bus_manager_vtable, NULL, NULL },
        { MDEVD_OBJECT_PARENT, MDEVD_IFACE_PARENT, bus_parent_vtable, bus_parent_find,
          bus_parent_enumerate },
        { MDEVD_OBJECT_DEVICE, MDEVD_IFACE_DEVICE, bus_device_vtable, bus_device_find,
          bus_device_enumerate },
        { MDEVD_OBJECT_OPERATION, MDEVD_IFACE_OPERATION, bus_operation_vtable, bus_operation_find,
          bus_operation_enumerate },
        { "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", bus_log_control_vtable,
          NULL, NULL },
};

static int bus_export(Bus *b, const Export *x) {
        int r;

        if (!x->find)
                return sd_bus_add_object_vtable(b->bus, NULL, x->path, x->iface, x->vtable, b);
        r = sd_bus_add_fallback_vtable(b->bus, NULL, x->path, x->iface, x->vtable, x->find, b);
        if (r < 0)
                return r;
        /* without one, GetManagedObjects passes over objects of a fallback vtable */
        return sd_bus_add_node_enumerator(b->bus, NULL, x->path, x->enumerate, b);
}

static int bus_connect(Bus *b) {
        int r;

        /* no message of ours has file descriptors, and those of strangers would use up our own */
        r = bus_open_system("mdevd", false, &b->bus);
        if (r < 0)
                return log_error_errno(r, &(LogFields){ .topic = "bus" },
                                       "Cannot connect to the system bus: %m");
        /* a daemon that nobody can reach ends; the service manager starts another */
        r = sd_bus_set_exit_on_disconnect(b->bus, true);
        if (r >= 0) /* not at the end of the loop: bus_free() has something to say then */
                r = sd_bus_set_close_on_exit(b->bus, false);
        if (r >= 0)
                r = sd_bus_attach_event(b->bus, b->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_add_object_manager(b->bus, NULL, MDEVD_OBJECT_ROOT);
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(exports); i++)
                r = bus_export(b, &exports[i]);
        if (r < 0)
                return log_error_errno(r, &(LogFields){ .topic = "bus" },
                                       "Cannot set up the objects on the bus: %m");
        return 0;
}

int bus_new(Bus **ret, sd_event *event, Manager *manager) {
        _cleanup_(bus_freep) Bus *b = NULL;
        int r;

        b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        list_init(&b->calls);
        list_init(&b->holder_calls);
        b->event = sd_event_ref(event);
        b->manager = manager;

        r = bus_connect(b);
        if (r < 0)
                return r;
        r = changes_init(&b->changes, b->bus, event);
        if (r < 0)
                return r;
        r = peers_new(&b->peers, b->bus);
        if (r < 0)
                return r;
        r = clients_new(&b->clients, b->bus, manager);
        if (r < 0)
                return r;
        r = authz_new(&b->authz, b->bus);
        if (r < 0)
                return r;
        r = untold_new(&b->untold, b);
        if (r < 0)
                return r;
        r = watch_status(b);
        if (r < 0)
                return r;
        r = turns_new(&b->turns, b->bus, event);
        if (r < 0)
                return r;
        list_foreach(d, &manager_get_model(manager)->devices, Device, node)
                clients_note(b->clients, d);
        observe(b);
        *ret = TAKE_PTR(b);
        return 0;
}

Bus *bus_free(Bus *b) {
        if (!b)
                return NULL;
        manager_set_observer(b->manager, &(Observer){});
        turns_free(b->turns);
        calls_stop(b);
        holder_calls_stop(b);
        untold_free(b->untold);
        clients_free(b->clients);
        authz_free(b->authz);
        peers_free(b->peers);
        changes_done(&b->changes);
        sd_event_source_disable_unref(b->status);
        manager_set_launch(b->manager, &(EscortLaunch){});
        bus_flush_close(b->launcher);
        bus_flush_close(b->bus);
        sd_event_unref(b->event);
        free(b);
        return NULL;
}

int bus_start(Bus *b) {
        int r;

        r = sd_bus_request_name(b->bus, MDEVD_BUS_NAME, 0);
        if (r == -EEXIST)
                return log_error_errno(r, &(LogFields){ .topic = "bus" },
                                       "Another process owns %s on the bus; stop it first.",
                                       MDEVD_BUS_NAME);
        if (r < 0)
                return log_error_errno(r, &(LogFields){ .topic = "bus" },
                                       "Cannot take the name %s on the bus: %m", MDEVD_BUS_NAME);
        return 0;
}

int bus_reload(Bus *b) {
        struct timespec now;
        int r;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        (void) notify_send(true, -1, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                           (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000);
        r = manager_reload(b->manager);
        if (r < 0)
                (void) log_error_errno(r, &(LogFields){ .topic = "config" },
                                       "The configuration was not read anew: %m");
        tell_problems(b);
        changes_flush(&b->changes);
        (void) notify_send(true, -1, "READY=1");
        return r;
}

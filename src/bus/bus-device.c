/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-device.c: org.mdevd1.Device, documented in dbus/org.mdevd1.Device.xml. */
#include "bus/bus-error.h"
#include "bus/bus-internal.h"
#include "bus/call.h"
#include "bus/nodes.h"
#include "bus/path.h"
#include "bus/text.h"

static int stop(sd_bus_message *m, Device *d, CallAnswer answer, sd_bus_error *e) {
        const Subject subject = {
                .uuid = UUID_STR(&d->uuid),
                .parent = d->parent->name,
                .type = d->type,
                .owner = d->owner,
        };
        _cleanup_(reason_done) Reason reason = {};
        Bus *b = bus_current(sd_bus_message_get_bus(m));
        Operation *op;
        uid_t uid;
        int r;

        r = bus_authorize(b, m, BUS_ACTION_MANAGE, &subject, &uid, e);
        if (r < 0)
                return r;
        if (r == 0)
                return 1; /* runs again, after another look for the device */
        r = call_check_limit(b, uid, e);
        if (r < 0)
                return r;
        r = manager_stop(b->manager, d, sd_bus_message_get_sender(m), &op, &reason);
        if (r > 0)
                return bus_error_set_outcome(e, (Outcome) r, reason.text);
        if (r < 0)
                return r;
        return call_start(b, m, uid, op, answer, e);
}

static int method_stop(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return stop(m, userdata, CALL_ANSWER_EMPTY, e);
}

static int method_stop_async(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return stop(m, userdata, CALL_ANSWER_NOW, e);
}

static int get_uuid(sd_bus *bus, const char *path, const char *iface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Device *d = userdata;

        return sd_bus_message_append(reply, "s", UUID_STR(&d->uuid));
}

static int get_parent(sd_bus *bus, const char *path, const char *iface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        _cleanup_(freep) char *parent = NULL;
        const Device *d = userdata;
        int r;

        r = path_of_parent(d->parent, &parent);
        if (r < 0)
                return r;
        return sd_bus_message_append(reply, "o", parent);
}

static int get_parent_name(sd_bus *bus, const char *path, const char *iface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Device *d = userdata;

        return sd_bus_message_append(reply, "s", d->parent->name);
}

static int get_type(sd_bus *bus, const char *path, const char *iface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Device *d = userdata;

        return text_append(reply, d->type);
}

static int get_owner(sd_bus *bus, const char *path, const char *iface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Device *d = userdata;

        return text_append(reply, d->owner);
}

static int get_state(sd_bus *bus, const char *path, const char *iface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Device *d = userdata;

        return sd_bus_message_append(reply, "s", device_state_to_string(d->state));
}

static int get_origin(sd_bus *bus, const char *path, const char *iface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Device *d = userdata;

        return sd_bus_message_append(reply, "s", origin_to_string(d->origin));
}

static int get_extents(sd_bus *bus, const char *path, const char *iface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Device *d = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(yytt)");
        if (r < 0)
                return r;
        for (size_t i = 0; i < d->n_extents; i++) {
                const Extent *x = &d->extents[i];

                r = sd_bus_message_append(reply, "(yytt)", x->bar, x->guest_bar, x->offset,
                                          x->size);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

/*
 * The kernel counts and tells nobody: what is shown is read when it is asked for, all counters of
 * all devices at once. If that fails, the last ones seen are still true of some moment.
 */
static uint64_t counter(sd_bus *bus, const uint64_t *value) {
        (void) manager_refresh_counters(bus_current(bus)->manager);
        return *value;
}

static int get_faults(sd_bus *bus, const char *path, const char *iface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Device *d = userdata;

        return sd_bus_message_append(reply, "t", counter(bus, &d->faults));
}

static int get_huge_faults(sd_bus *bus, const char *path, const char *iface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Device *d = userdata;

        return sd_bus_message_append(reply, "t", counter(bus, &d->faults_huge));
}

static int get_insertions(sd_bus *bus, const char *path, const char *iface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Device *d = userdata;

        return sd_bus_message_append(reply, "t", counter(bus, &d->insertions));
}

static int get_mapped(sd_bus *bus, const char *path, const char *iface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Device *d = userdata;

        return sd_bus_message_append(reply, "t", counter(bus, &d->mapped));
}

int bus_device_find(sd_bus *bus, const char *path, const char *iface, void *userdata,
                    void **ret_found, sd_bus_error *e) {
        Bus *b = userdata;

        *ret_found = path_find_device(b->manager, path);
        return !!*ret_found;
}

int bus_device_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                         sd_bus_error *e) {
        _cleanup_(nodes_done) Nodes nodes = {};
        Bus *b = userdata;
        int r;

        list_foreach(d, &manager_get_model(b->manager)->devices, Device, node) {
                r = nodes_add(&nodes, OBJECT_DEVICE, d);
                if (r < 0)
                        return r;
        }
        *ret_nodes = TAKE_PTR(nodes.paths);
        nodes.n = 0;
        return 0;
}

const sd_bus_vtable bus_device_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_stop,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("StopAsync", SD_BUS_NO_ARGS, SD_BUS_RESULT("o", operation),
                                method_stop_async, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Uuid", "s", get_uuid, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Parent", "o", get_parent, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ParentName", "s", get_parent_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Type", "s", get_type, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Owner", "s", get_owner, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Origin", "s", get_origin, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Extents", "a(yytt)", get_extents, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Opened", "u", NULL, offsetof(Device, opened),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Faults", "t", get_faults, 0, 0),
        SD_BUS_PROPERTY("HugeFaults", "t", get_huge_faults, 0, 0),
        SD_BUS_PROPERTY("Insertions", "t", get_insertions, 0, 0),
        SD_BUS_PROPERTY("MappedBytes", "t", get_mapped, 0, 0),
        SD_BUS_VTABLE_END,
};

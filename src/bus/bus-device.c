/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-device.c: org.mdevd1.Device, documented in dbus/org.mdevd1.Device.xml. */
#include "bus/bus-holders.h"
#include "bus/bus-internal.h"
#include "bus/device-verb.h"
#include "bus/interfaces.h"
#include "bus/nodes.h"
#include "bus/path.h"
#include "bus/text.h"
#include "names.h"

#define GETTER(name)                                                                               \
        static int get_##name(sd_bus *bus, const char *path, const char *iface,                    \
                              const char *property, sd_bus_message *reply, void *userdata,         \
                              sd_bus_error *e)

/* InterfacesAdded is put together outside of any slot, see bus_device_emit_added(). */
static Manager *manager_of(void *found) {
        return container_of(found, Bus, found)->manager;
}

static int append_bool(sd_bus_message *m, int yes) {
        return sd_bus_message_append_basic(m, 'b', &yes);
}

static int append_u32(sd_bus_message *m, uint32_t n) {
        return sd_bus_message_append_basic(m, 'u', &n);
}

static int append_u64(sd_bus_message *m, uint64_t n) {
        return sd_bus_message_append_basic(m, 't', &n);
}

GETTER(uuid) {
        const Mdev *d = userdata;

        return sd_bus_message_append_basic(reply, 's', UUID_STR(&d->uuid));
}

GETTER(parent) {
        _cleanup_(freep) char *parent = NULL;
        const Mdev *d = userdata;
        int r;

        r = sd_bus_path_encode(MDEVD_OBJECT_PARENT, d->parent, &parent);
        if (r < 0)
                return r;
        return sd_bus_message_append_basic(reply, 'o', parent);
}

GETTER(parent_name) {
        const Mdev *d = userdata;

        return sd_bus_message_append_basic(reply, 's', d->parent);
}

GETTER(type) {
        return text_append(reply, mdev_type(userdata));
}

GETTER(function) {
        const Mdev *d = userdata;

        return text_append(reply, d->device ? d->device->function : NULL);
}

GETTER(owner) {
        return text_append(reply, mdev_owner(userdata));
}

GETTER(state) {
        const Mdev *d = userdata;

        return sd_bus_message_append_basic(
                reply, 's',
                d->device ? device_state_to_string(manager_get_state(manager_of(userdata),
                                                                     d->device)) :
                            "defined");
}

GETTER(origin) {
        const Mdev *d = userdata;

        return sd_bus_message_append_basic(reply, 's',
                                           origin_to_string(d->device ? d->device->origin :
                                                                        ORIGIN_DEFINITION));
}

GETTER(persistent) {
        const Mdev *d = userdata;

        return append_bool(reply, d->definition != NULL);
}

GETTER(autostart) {
        const Mdev *d = userdata;

        return append_bool(reply, d->definition && d->definition->autostart);
}

GETTER(reserve) {
        const Mdev *d = userdata;

        return append_bool(reply, d->definition && d->definition->reserve);
}

GETTER(defined_type) {
        const Mdev *d = userdata;

        return text_append(reply, d->definition ? d->definition->type : NULL);
}

GETTER(invalid) {
        const Mdev *d = userdata;

        return text_append(reply, d->definition ? d->definition->invalid : NULL);
}

GETTER(opened) {
        const Mdev *d = userdata;

        return append_u32(reply, !d->device      ? 0 :
                                 d->device->ours ? d->device->opened :
                                                   d->device->n_users);
}

GETTER(lease) {
        const Mdev *d = userdata;

        return sd_bus_message_append_basic(reply, 's',
                                           lease_kind_to_string(d->device ? d->device->lease.kind :
                                                                            LEASE_NONE));
}

GETTER(lease_until) {
        const Mdev *d = userdata;

        return append_u64(reply, d->device ? d->device->lease.until_usec : 0);
}

GETTER(linger) {
        const Mdev *d = userdata;

        return append_u32(reply, d->device ? d->device->lease.linger_sec : 0);
}

GETTER(extents) {
        const Mdev *m = userdata;
        const Device *d = m->device;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(yytt)");
        if (r < 0)
                return r;
        for (size_t i = 0; d && i < d->n_extents; i++) {
                const Extent *x = &d->extents[i];

                r = sd_bus_message_append(reply, "(yytt)", x->bar, x->guest_bar, x->offset,
                                          x->size);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

/*
 * The kernel counts and tells nobody: what is shown is read when it is asked for. If that fails,
 * the last ones seen are still true of some moment.
 */
#define COUNTER(name, member)                                                                      \
        GETTER(name) {                                                                             \
                const Mdev *d = userdata;                                                          \
                                                                                                   \
                if (d->device) /* nobody counts for other modules' */                              \
                        (void) manager_refresh_counters_of(manager_of(userdata), d->device);       \
                return append_u64(reply, d->device ? d->device->member : 0);                       \
        }

COUNTER(faults, faults)
COUNTER(huge_faults, faults_huge)
COUNTER(insertions, insertions)
COUNTER(mapped, mapped)

int bus_device_find(sd_bus *bus, const char *path, const char *iface, void *userdata,
                    void **ret_found, sd_bus_error *e) {
        Bus *b = userdata;

        if (!path_find_mdev(b->manager, path, &b->found))
                return 0;
        *ret_found = &b->found;
        return 1;
}

int bus_device_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                         sd_bus_error *e) {
        _cleanup_(nodes_done) Nodes nodes = {};
        Bus *b = userdata;
        const Model *model = manager_get_model(b->manager);
        int r;

        list_foreach(d, &model->devices, Device, node) {
                r = nodes_add(&nodes, OBJECT_DEVICE, d);
                if (r < 0)
                        return r;
        }
        list_foreach(d, &model->definitions, Definition, node) {
                Mdev found;

                if (mdev_find(model, d->parent, &d->uuid, &found) && found.device)
                        continue; /* it is there already */
                r = nodes_add(&nodes, OBJECT_DEFINITION, d);
                if (r < 0)
                        return r;
        }
        *ret_nodes = TAKE_PTR(nodes.paths);
        nodes.n = 0;
        return 0;
}

#define METHOD(name, verb)                                                                         \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, device_method_##verb,      \
                                SD_BUS_VTABLE_UNPRIVILEGED),                                       \
        SD_BUS_METHOD_WITH_ARGS(name "Async", SD_BUS_NO_ARGS, SD_BUS_RESULT("o", operation),       \
                                device_method_##verb##_async, SD_BUS_VTABLE_UNPRIVILEGED)
#define METHOD_WITH_OPTIONS(name, verb)                                                            \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,             \
                                device_method_##verb, SD_BUS_VTABLE_UNPRIVILEGED),                 \
        SD_BUS_METHOD_WITH_ARGS(name "Async", SD_BUS_ARGS("a{sv}", options),                       \
                                SD_BUS_RESULT("o", operation), device_method_##verb##_async,       \
                                SD_BUS_VTABLE_UNPRIVILEGED)
#define MOVE_ARGS SD_BUS_ARGS("s", pool, "a{sv}", options)
#define CHANGING(name, signature, getter)                                                          \
        SD_BUS_PROPERTY(name, signature, get_##getter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

const sd_bus_vtable bus_device_vtable[] = {
        SD_BUS_VTABLE_START(0),
        METHOD("Start", start),
        METHOD_WITH_OPTIONS("StartWithOptions", start_with_options),
        METHOD("Stop", stop),
        METHOD_WITH_OPTIONS("StopWithOptions", stop_with_options),
        METHOD_WITH_OPTIONS("Modify", modify),
        METHOD("Undefine", undefine),
        METHOD_WITH_OPTIONS("UndefineWithOptions", undefine_with_options),
        SD_BUS_METHOD_WITH_ARGS("Suspend", SD_BUS_ARGS("u", milliseconds), SD_BUS_NO_RESULT,
                                device_method_suspend, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SuspendAsync", SD_BUS_ARGS("u", milliseconds),
                                SD_BUS_RESULT("o", operation), device_method_suspend_async,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        METHOD("Resume", resume),
        SD_BUS_METHOD_WITH_ARGS("Move", MOVE_ARGS, SD_BUS_NO_RESULT, device_method_move,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("MoveAsync", MOVE_ARGS, SD_BUS_RESULT("o", operation),
                                device_method_move_async, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetOwner", SD_BUS_ARGS("s", owner), SD_BUS_NO_RESULT,
                                device_method_set_owner, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetAttributes", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ss)", attributes),
                                device_method_get_attributes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetHolders", SD_BUS_NO_ARGS,
                                SD_BUS_RESULT("a(usss)", holders, "u", total),
                                device_method_get_holders, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Uuid", "s", get_uuid, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Parent", "o", get_parent, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ParentName", "s", get_parent_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        CHANGING("Type", "s", type),
        CHANGING("Function", "s", function),
        CHANGING("State", "s", state),
        CHANGING("Owner", "s", owner),
        CHANGING("Origin", "s", origin),
        CHANGING("Persistent", "b", persistent),
        CHANGING("Autostart", "b", autostart),
        CHANGING("Reserve", "b", reserve),
        CHANGING("DefinedType", "s", defined_type),
        CHANGING("Invalid", "s", invalid),
        CHANGING("Extents", "a(yytt)", extents),
        CHANGING("Opened", "u", opened),
        CHANGING("Lease", "s", lease),
        CHANGING("LeaseUntil", "t", lease_until),
        CHANGING("Linger", "u", linger),
        SD_BUS_PROPERTY("Faults", "t", get_faults, 0, 0),
        SD_BUS_PROPERTY("HugeFaults", "t", get_huge_faults, 0, 0),
        SD_BUS_PROPERTY("Insertions", "t", get_insertions, 0, 0),
        SD_BUS_PROPERTY("MappedBytes", "t", get_mapped, 0, 0),
        SD_BUS_VTABLE_END,
};

int bus_device_emit_added(Bus *b, const char *parent, const Uuid *uuid, const char *path) {
        if (!mdev_find(manager_get_model(b->manager), parent, uuid, &b->found))
                return -ENOENT;
        return interfaces_emit_added(b->bus, path, MDEVD_IFACE_DEVICE, bus_device_vtable,
                                     &b->found);
}

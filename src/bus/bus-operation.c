/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-operation.c: org.mdevd1.Operation, documented in dbus/org.mdevd1.Operation.xml. */
#include "bus/bus-error.h"
#include "bus/bus-internal.h"
#include "bus/nodes.h"
#include "bus/path.h"
#include "bus/text.h"

/*
 * All strings of the record by one getter, by name. A string that a record of this kind does not
 * have is "".
 */
typedef struct RecordString RecordString;

struct RecordString {
        const char *property;
        const char *(*get)(const Operation *op, char buf[static UUID_STRING_MAX]);
};

static const char *get_kind(const Operation *op, char buf[static UUID_STRING_MAX]) {
        return record_kind_to_string(op->record->kind);
}

static const char *get_state(const Operation *op, char buf[static UUID_STRING_MAX]) {
        return operation_state_to_string(op->state);
}

static const char *get_step(const Operation *op, char buf[static UUID_STRING_MAX]) {
        return record_step_to_string(op->record->step);
}

static const char *get_uuid(const Operation *op, char buf[static UUID_STRING_MAX]) {
        return uuid_is_null(&op->record->uuid) ? NULL : uuid_format(&op->record->uuid, buf);
}

static const char *get_parent(const Operation *op, char buf[static UUID_STRING_MAX]) {
        return op->record->parent;
}

static const char *get_type(const Operation *op, char buf[static UUID_STRING_MAX]) {
        return op->record->type;
}

static const char *get_owner(const Operation *op, char buf[static UUID_STRING_MAX]) {
        return op->record->owner;
}

static const char *get_client(const Operation *op, char buf[static UUID_STRING_MAX]) {
        return op->record->client;
}

static const char *get_error_name(const Operation *op, char buf[static UUID_STRING_MAX]) {
        return op->state == OPERATION_FAILED ? bus_error_name(op->record->outcome) : NULL;
}

static const char *get_error(const Operation *op, char buf[static UUID_STRING_MAX]) {
        return op->state == OPERATION_FAILED ? op->record->text : NULL;
}

static const char *get_blocked(const Operation *op, char buf[static UUID_STRING_MAX]) {
        return op->blocked_by;
}

static const RecordString record_strings[] = {
        { "Kind", get_kind },     { "State", get_state },          { "Step", get_step },
        { "Uuid", get_uuid },     { "Parent", get_parent },        { "Type", get_type },
        { "Owner", get_owner },   { "Client", get_client },        { "ErrorName", get_error_name },
        { "Error", get_error },   { "Blocked", get_blocked },
};

static int get_string(sd_bus *bus, const char *path, const char *iface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Operation *op = userdata;
        char buf[UUID_STRING_MAX];

        for (size_t i = 0; i < ARRAY_SIZE(record_strings); i++)
                if (streq(record_strings[i].property, property))
                        return text_append(reply, record_strings[i].get(op, buf));
        return -EINVAL;
}

static int get_device(sd_bus *bus, const char *path, const char *iface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        _cleanup_(freep) char *device = NULL;
        const Operation *op = userdata;
        Mdev d;
        int r;

        /* of the others: what there is of that name now */
        if (op->record->kind == RECORD_CREATE ? op->device != NULL :
            op->state == OPERATION_DONE && op->record->kind != RECORD_CONFIGURE &&
                    mdev_find(manager_get_model(bus_current(bus)->manager), op->record->parent,
                              &op->record->uuid, &d)) {
                r = path_of_mdev(op->record->parent, &op->record->uuid, &device);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_append(reply, "o", device ?: "/");
}

static int get_progress(sd_bus *bus, const char *path, const char *iface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        Progress progress;
        int r;

        r = manager_get_progress(bus_current(bus)->manager, userdata, &progress);
        if (r < 0)
                return r;
        return sd_bus_message_append(reply, "(ttu)", progress.done, progress.total,
                                     (uint32_t) progress.longest_us);
}

int bus_operation_find(sd_bus *bus, const char *path, const char *iface, void *userdata,
                       void **ret_found, sd_bus_error *e) {
        Bus *b = userdata;
        Operation *op;

        op = path_find_operation(b->manager, path);
        if (op)
                untold_seen(b->untold, op);
        *ret_found = op;
        return !!op;
}

int bus_operation_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                            sd_bus_error *e) {
        _cleanup_(nodes_done) Nodes nodes = {};
        Bus *b = userdata;
        int r;

        list_foreach(op, manager_get_operations(b->manager), Operation, node) {
                r = nodes_add(&nodes, OBJECT_OPERATION, op);
                if (r < 0)
                        return r;
        }
        untold_all_seen(b->untold);
        *ret_nodes = TAKE_PTR(nodes.paths);
        nodes.n = 0;
        return 0;
}

const sd_bus_vtable bus_operation_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "t", NULL, offsetof(Operation, id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Kind", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Step", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Uuid", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Parent", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Type", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Owner", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Client", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("StartedUsec", "t", NULL, offsetof(Operation, started_usec),
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("EndedUsec", "t", NULL, offsetof(Operation, ended_usec),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Progress", "(ttu)", get_progress, 0, 0),
        SD_BUS_PROPERTY("Device", "o", get_device, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ErrorName", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Error", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Blocked", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};

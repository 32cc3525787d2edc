/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-device.c: org.mdevd1.Device, documented in dbus/org.mdevd1.Device.xml. */
#include "bus/bus-error.h"
#include "bus/bus-internal.h"
#include "bus/call.h"
#include "bus/nodes.h"
#include "bus/options.h"
#include "bus/path.h"
#include "bus/text.h"
#include "names.h"

/* What one method does, once it is allowed. @q has its options; it is taken where it is used. */
typedef int (*VerbRun)(Bus *b, const Mdev *d, sd_bus_message *m, Request **q, Operation **ret,
                       Reason *reason);

/*
 * What a verb is about. A device and its definition need not be for the same owner: whoever knows
 * the UUID of a definition can make a device of it.
 */
#define PART_DEVICE 1U
#define PART_DEFINITION 2U

typedef struct Verb Verb;

struct Verb {
        VerbRun run;
        unsigned options; /* OPTIONS_… of its a{sv}; 0: it has none */
        unsigned (*parts)(const Request *q);
};

static int run_start(Bus *b, const Mdev *d, sd_bus_message *m, Request **q, Operation **ret,
                     Reason *reason) {
        if (!d->definition)
                return reason_set(reason, OUTCOME_NO_DEFINITION,
                                  "Mediated device %s on %s is active and not defined, so there is "
                                  "nothing to start.", UUID_STR(&d->uuid), d->parent);
        return manager_start_definition(b->manager, d->definition, (*q)->force,
                                        sd_bus_message_get_sender(m), ret, reason);
}

static int run_stop(Bus *b, const Mdev *d, sd_bus_message *m, Request **q, Operation **ret,
                    Reason *reason) {
        const StopOptions options = {
                .force = (*q)->force,
                .insist = (*q)->insist,
                .caller = peers_get_pid(b->peers, m),
        };

        if (!d->device)
                return reason_set(reason, OUTCOME_NO_DEVICE,
                                  "Mediated device %s on %s is defined and not active, so there is "
                                  "nothing to stop.", UUID_STR(&d->uuid), d->parent);
        return manager_stop_with(b->manager, d->device, &options, sd_bus_message_get_sender(m), ret,
                                 reason);
}

static int run_undefine(Bus *b, const Mdev *d, sd_bus_message *m, Request **q, Operation **ret,
                        Reason *reason) {
        int r = manager_refuse_profile(b->manager, &d->uuid, reason);

        if (r != 0)
                return r;
        if (!d->definition)
                return reason_set(reason, OUTCOME_NO_DEFINITION,
                                  "Mediated device %s on %s is not defined.", UUID_STR(&d->uuid),
                                  d->parent);
        return manager_undefine(b->manager, d->definition, (*q)->force,
                                sd_bus_message_get_sender(m), ret, reason);
}

static int run_modify(Bus *b, const Mdev *d, sd_bus_message *m, Request **q, Operation **ret,
                      Reason *reason) {
        return manager_modify(b->manager, d->device, d->definition, TAKE_PTR(*q),
                              sd_bus_message_get_sender(m), ret, reason);
}

static unsigned of_device(const Request *q) {
        return PART_DEVICE;
}

static unsigned of_definition(const Request *q) {
        return PART_DEFINITION;
}

/* As manager_modify(). */
static unsigned of_modify(const Request *q) {
        bool live = q->live == CHOICE_YES;
        bool config = q->config == CHOICE_OPEN ? !live : q->config == CHOICE_YES;

        return (live ? PART_DEVICE : 0) | (config ? PART_DEFINITION : 0);
}

static const Verb verb_start = { run_start, 0, of_definition };
static const Verb verb_start_with_options = { run_start, OPTIONS_START, of_definition };
static const Verb verb_stop = { run_stop, 0, of_device };
static const Verb verb_stop_with_options = { run_stop, OPTIONS_STOP, of_device };
static const Verb verb_undefine = { run_undefine, 0, of_definition };
static const Verb verb_undefine_with_options = { run_undefine, OPTIONS_UNDEFINE, of_definition };
static const Verb verb_modify = { run_modify, OPTIONS_MODIFY, of_modify };

/* polkit is asked about one owner; what is of two is changed in two calls, or by root. */
static int check_owners(const Mdev *d, uid_t uid, sd_bus_error *e) {
        if (!d->device || !d->definition || streq(d->device->owner, d->definition->owner) ||
            uid == 0 || uid == geteuid())
                return 1;
        return sd_bus_error_setf(e, SD_BUS_ERROR_ACCESS_DENIED,
                                 "Mediated device %s on %s and its definition have different "
                                 "owners; change one at a time, or call as root.",
                                 UUID_STR(&d->uuid), d->parent);
}

static int authorize(Bus *b, sd_bus_message *m, const Mdev *d, unsigned parts, uid_t *ret_uid,
                     sd_bus_error *e) {
        const Subject subject = {
                .uuid = UUID_STR(&d->uuid),
                .parent = d->parent,
                .type = mdev_type(d),
                .owner = parts == PART_DEFINITION && d->definition ? d->definition->owner :
                                                                     mdev_owner(d),
        };
        int r;

        r = bus_authorize(b, m, BUS_ACTION_MANAGE, &subject, ret_uid, e);
        if (r <= 0 || parts != (PART_DEVICE | PART_DEFINITION))
                return r;
        return check_owners(d, *ret_uid, e);
}

static int verb(sd_bus_message *m, void *userdata, const Verb *v, CallAnswer answer,
                sd_bus_error *e) {
        const Mdev d = *(const Mdev *) userdata; /* sd-bus may look for others meanwhile */
        Bus *b = bus_current(sd_bus_message_get_bus(m));
        _cleanup_(request_freep) Request *q = NULL;
        _cleanup_(reason_done) Reason reason = {};
        Operation *op = NULL;
        uid_t uid;
        int r;

        r = request_new(&q, "");
        if (r >= 0 && v->options)
                r = options_read(m, v->options, q, e);
        if (r >= 0)
                r = authorize(b, m, &d, v->parts(q), &uid, e);
        if (r < 0)
                return r;
        if (r == 0)
                return 1; /* runs again, after another look for the device */
        r = call_check_limit(b, uid, e);
        if (r < 0)
                return r;
        r = v->run(b, &d, m, &q, &op, &reason);
        if (r > 0)
                return bus_error_set_outcome(e, (Outcome) r, reason.text);
        if (r < 0)
                return r;
        return call_start(b, m, uid, op, answer, e);
}

/* Each in two forms: answered at its end, and at once. */
#define VERB(name)                                                                                 \
        static int method_##name(sd_bus_message *m, void *userdata, sd_bus_error *e) {             \
                return verb(m, userdata, &verb_##name, CALL_ANSWER_EMPTY, e);                      \
        }                                                                                          \
        static int method_##name##_async(sd_bus_message *m, void *userdata, sd_bus_error *e) {     \
                return verb(m, userdata, &verb_##name, CALL_ANSWER_NOW, e);                        \
        }

VERB(start)
VERB(start_with_options)
VERB(stop)
VERB(stop_with_options)
VERB(undefine)
VERB(undefine_with_options)
VERB(modify)

static int method_set_owner(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const Mdev d = *(const Mdev *) userdata;
        Bus *b = bus_current(sd_bus_message_get_bus(m));
        _cleanup_(reason_done) Reason reason = {};
        const char *owner;
        Operation *op;
        uid_t uid;
        int r;

        r = sd_bus_message_read_basic(m, 's', &owner);
        if (r >= 0)
                r = options_check_owner(owner, e);
        if (r < 0)
                return r;
        r = bus_check_owner(b, m, owner, e);
        if (r > 0)
                r = authorize(b, m, &d, PART_DEVICE | PART_DEFINITION, &uid, e);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = call_check_limit(b, uid, e);
        if (r < 0)
                return r;
        r = manager_set_owner(b->manager, d.device, d.definition, owner,
                              sd_bus_message_get_sender(m), &op, &reason);
        if (r > 0)
                return bus_error_set_outcome(e, (Outcome) r, reason.text);
        if (r < 0)
                return r;
        return op ? call_start(b, m, uid, op, CALL_ANSWER_EMPTY, e) : bus_reply(b, m, "");
}

static int append_attributes(sd_bus_message *reply, const Definition *d) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(ss)");
        for (size_t i = 0; r >= 0 && i < d->n_attributes; i++) {
                r = sd_bus_message_open_container(reply, 'r', "ss");
                if (r >= 0)
                        r = text_append(reply, d->attributes[i].name);
                if (r >= 0)
                        r = text_append(reply, d->attributes[i].value);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_get_attributes(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Mdev d = *(const Mdev *) userdata;
        Bus *b = bus_current(sd_bus_message_get_bus(m));
        uid_t uid;
        int r;

        r = authorize(b, m, &d, PART_DEFINITION, &uid, e);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (!d.definition)
                return sd_bus_error_setf(e, bus_error_name(OUTCOME_NO_DEFINITION),
                                         "Mediated device %s on %s is not defined.",
                                         UUID_STR(&d.uuid), d.parent);
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_attributes(reply, d.definition);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}

#define GETTER(name)                                                                               \
        static int get_##name(sd_bus *bus, const char *path, const char *iface,                    \
                              const char *property, sd_bus_message *reply, void *userdata,         \
                              sd_bus_error *e)

GETTER(uuid) {
        const Mdev *d = userdata;

        return sd_bus_message_append(reply, "s", UUID_STR(&d->uuid));
}

GETTER(parent) {
        _cleanup_(freep) char *parent = NULL;
        const Mdev *d = userdata;
        int r;

        r = sd_bus_path_encode(MDEVD_OBJECT_PARENT, d->parent, &parent);
        if (r < 0)
                return r;
        return sd_bus_message_append(reply, "o", parent);
}

GETTER(parent_name) {
        const Mdev *d = userdata;

        return sd_bus_message_append(reply, "s", d->parent);
}

GETTER(type) {
        return text_append(reply, mdev_type(userdata));
}

GETTER(owner) {
        return text_append(reply, mdev_owner(userdata));
}

GETTER(state) {
        const Mdev *d = userdata;

        return sd_bus_message_append(reply, "s",
                                     d->device ? device_state_to_string(d->device->state) :
                                                 "defined");
}

GETTER(origin) {
        const Mdev *d = userdata;

        return sd_bus_message_append(reply, "s",
                                     origin_to_string(d->device ? d->device->origin :
                                                                  ORIGIN_DEFINITION));
}

GETTER(persistent) {
        const Mdev *d = userdata;

        return sd_bus_message_append(reply, "b", (int) (d->definition != NULL));
}

GETTER(autostart) {
        const Mdev *d = userdata;

        return sd_bus_message_append(reply, "b", (int) (d->definition && d->definition->autostart));
}

GETTER(reserve) {
        const Mdev *d = userdata;

        return sd_bus_message_append(reply, "b", (int) (d->definition && d->definition->reserve));
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

        return sd_bus_message_append(reply, "u", d->device ? d->device->opened : 0U);
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
 * The kernel counts and tells nobody: what is shown is read when it is asked for, all counters of
 * all devices at once. If that fails, the last ones seen are still true of some moment.
 */
#define COUNTER(name, member)                                                                      \
        GETTER(name) {                                                                             \
                const Mdev *d = userdata;                                                          \
                                                                                                   \
                if (d->device && d->device->ours) /* nobody counts for the others */               \
                        (void) manager_refresh_counters(bus_current(bus)->manager);                \
                return sd_bus_message_append(reply, "t",                                           \
                                             d->device ? d->device->member : UINT64_C(0));         \
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
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_##verb,             \
                                SD_BUS_VTABLE_UNPRIVILEGED),                                       \
        SD_BUS_METHOD_WITH_ARGS(name "Async", SD_BUS_NO_ARGS, SD_BUS_RESULT("o", operation),       \
                                method_##verb##_async, SD_BUS_VTABLE_UNPRIVILEGED)
#define METHOD_WITH_OPTIONS(name, verb)                                                            \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,             \
                                method_##verb, SD_BUS_VTABLE_UNPRIVILEGED),                        \
        SD_BUS_METHOD_WITH_ARGS(name "Async", SD_BUS_ARGS("a{sv}", options),                       \
                                SD_BUS_RESULT("o", operation), method_##verb##_async,              \
                                SD_BUS_VTABLE_UNPRIVILEGED)
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
        SD_BUS_METHOD_WITH_ARGS("SetOwner", SD_BUS_ARGS("s", owner), SD_BUS_NO_RESULT,
                                method_set_owner, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetAttributes", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ss)", attributes),
                                method_get_attributes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Uuid", "s", get_uuid, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Parent", "o", get_parent, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ParentName", "s", get_parent_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        CHANGING("Type", "s", type),
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
        SD_BUS_PROPERTY("Faults", "t", get_faults, 0, 0),
        SD_BUS_PROPERTY("HugeFaults", "t", get_huge_faults, 0, 0),
        SD_BUS_PROPERTY("Insertions", "t", get_insertions, 0, 0),
        SD_BUS_PROPERTY("MappedBytes", "t", get_mapped, 0, 0),
        SD_BUS_VTABLE_END,
};

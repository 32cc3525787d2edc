/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * device-verb.c: the methods of org.mdevd1.Device, documented in dbus/org.mdevd1.Device.xml: read,
 * authorise, one call of the manager, and the answer at its end.
 */
#include "bus/device-verb.h"

#include "bus/bus-error.h"
#include "bus/call.h"
#include "bus/options.h"
#include "bus/text.h"

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

static int refuse_inactive(const Mdev *d, const char *what, Reason *reason) {
        return reason_set(reason, OUTCOME_NO_DEVICE,
                          "Mediated device %s on %s is defined and not active, so there is nothing "
                          "to %s.", UUID_STR(&d->uuid), d->parent, what);
}

static int run_stop(Bus *b, const Mdev *d, sd_bus_message *m, Request **q, Operation **ret,
                    Reason *reason) {
        const StopOptions options = {
                .force = (*q)->force,
                .insist = (*q)->insist,
                .caller = peers_get_pid(b->peers, m),
        };

        if (!d->device)
                return refuse_inactive(d, "stop", reason);
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

/* Both are read from the message: Suspend() has no options, and Move() a pool before them. */
static int run_suspend(Bus *b, const Mdev *d, sd_bus_message *m, Request **q, Operation **ret,
                       Reason *reason) {
        uint32_t ms;
        int r;

        r = sd_bus_message_read_basic(m, 'u', &ms);
        if (r < 0)
                return r;
        if (!d->device)
                return refuse_inactive(d, "suspend", reason);
        return manager_suspend(b->manager, d->device, ms, sd_bus_message_get_sender(m), ret,
                               reason);
}

static int run_resume(Bus *b, const Mdev *d, sd_bus_message *m, Request **q, Operation **ret,
                      Reason *reason) {
        if (!d->device)
                return refuse_inactive(d, "resume", reason);
        return manager_resume(b->manager, d->device, ret, reason);
}

static int run_move(Bus *b, const Mdev *d, sd_bus_message *m, Request **q, Operation **ret,
                    Reason *reason) {
        const MoveTarget target = {
                .pool = (*q)->pool,
                .offset = (*q)->offset,
                .extent = (*q)->extent,
        };

        if (!d->device)
                return refuse_inactive(d, "move", reason);
        return manager_move(b->manager, d->device, &target, sd_bus_message_get_sender(m), ret,
                            reason);
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
static const Verb verb_suspend = { run_suspend, 0, of_device };
static const Verb verb_resume = { run_resume, 0, of_device };
static const Verb verb_move = { run_move, OPTIONS_MOVE, of_device };
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

int device_authorize(Bus *b, sd_bus_message *m, const Mdev *d, uid_t *ret_uid, sd_bus_error *e) {
        return authorize(b, m, d, PART_DEVICE, ret_uid, e);
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
        if (r >= 0 && v->options == OPTIONS_MOVE)
                r = options_read_pool(m, q, e);
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

/* Each in two forms: answered at its end (a hold: once it holds), and at once. */
#define VERB(name) VERB_WITH(name, CALL_ANSWER_EMPTY)
#define VERB_WITH(name, answer)                                                                    \
        int device_method_##name(sd_bus_message *m, void *userdata, sd_bus_error *e) {             \
                return verb(m, userdata, &verb_##name, answer, e);                                 \
        }                                                                                          \
        int device_method_##name##_async(sd_bus_message *m, void *userdata, sd_bus_error *e) {     \
                return verb(m, userdata, &verb_##name, CALL_ANSWER_NOW, e);                        \
        }

VERB(start)
VERB(start_with_options)
VERB(stop)
VERB(stop_with_options)
VERB(undefine)
VERB(undefine_with_options)
VERB(modify)
VERB_WITH(suspend, CALL_ANSWER_REACHED)
VERB(resume)
VERB(move)

int device_method_set_owner(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const Mdev d = *(const Mdev *) userdata;
        Bus *b = bus_current(sd_bus_message_get_bus(m));
        _cleanup_(reason_done) Reason reason = {};
        const char *owner;
        Operation *op;
        uid_t uid;
        int r;

        r = options_read_owner(m, &owner, e);
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

int device_method_get_attributes(sd_bus_message *m, void *userdata, sd_bus_error *e) {
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

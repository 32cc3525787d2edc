/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-manager.c: org.mdevd1.Manager, documented in dbus/org.mdevd1.Manager.xml. */
#include "bus/bus-error.h"
#include "bus/bus-internal.h"
#include "bus/bus-profile.h"
#include "bus/call.h"
#include "bus/describe.h"
#include "bus/find.h"
#include "bus/options.h"
#include "bus/path.h"
#include "bus/text.h"
#include "names.h"

/* Reads a request whose parent, if it names one, is there. */
static int read_request(Bus *b, sd_bus_message *m, Request **ret, sd_bus_error *e) {
        _cleanup_(request_freep) Request *request = NULL;
        Parent *parent;
        int r;

        r = options_read_request(m, OPTIONS_CREATE, &request, e);
        if (r < 0)
                return r;
        if (request->parent) {
                r = find_parent(b->manager, request->parent, &parent, e);
                if (r < 0)
                        return r;
        }
        if (!request->define &&
            (request->autostart != CHOICE_OPEN || request->reserve != CHOICE_OPEN))
                return sd_bus_error_set(e, BUS_ERROR_INVALID_ARGUMENT,
                                        "Options \"autostart\" and \"reserve\" are of a "
                                        "definition; give \"define\" as well.");
        *ret = TAKE_PTR(request);
        return 0;
}

static int authorize_create(Bus *b, sd_bus_message *m, const Request *request, uid_t *ret_uid,
                            sd_bus_error *e) {
        const Subject subject = {
                /* a random one is another at the handler's second run */
                .uuid = request->uuid_given ? UUID_STR(&request->uuid) : NULL,
                .parent = request->parent,
                .type = request->type,
                .owner = request->owner,
        };
        int r;

        r = bus_check_owner(b, m, request->owner, e);
        if (r <= 0)
                return r;
        return bus_authorize(b, m, BUS_ACTION_CREATE, &subject, ret_uid, e);
}

/* What CreateDevice() would answer. */
static int plan(Bus *b, sd_bus_message *m, const Request *request, sd_bus_error *e) {
        _cleanup_(freep) char *path = NULL;
        _cleanup_(reason_done) Reason reason = {};
        Placement where;
        int r;

        r = manager_plan(b->manager, request, &where, &reason);
        if (r > 0)
                return bus_error_set_outcome(e, (Outcome) r, reason.text);
        if (r >= 0)
                r = path_of_mdev(where.parent->name, &request->uuid, &path);
        if (r < 0)
                return r;
        return bus_reply(b, m, "os", path, UUID_STR(&request->uuid));
}

static int create(Bus *b, sd_bus_message *m, CallAnswer answer, sd_bus_error *e) {
        _cleanup_(request_freep) Request *request = NULL;
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        uid_t uid;
        int r;

        r = read_request(b, m, &request, e);
        if (r < 0)
                return r;
        if (request->plan && answer == CALL_ANSWER_NOW)
                return sd_bus_error_set(e, BUS_ERROR_INVALID_ARGUMENT,
                                        "A plan makes no operation; call CreateDevice with "
                                        "\"plan\", or PlanDevice.");
        r = authorize_create(b, m, request, &uid, e);
        if (r < 0)
                return r;
        if (r == 0)
                return 1; /* runs again */
        if (request->plan)
                return plan(b, m, request, e);
        r = call_check_limit(b, uid, e);
        if (r < 0)
                return r;
        r = manager_create(b->manager, TAKE_PTR(request), sd_bus_message_get_sender(m), &op,
                           &reason);
        if (r > 0)
                return bus_error_set_outcome(e, (Outcome) r, reason.text);
        if (r < 0)
                return r;
        return call_start(b, m, uid, op, answer, e);
}

static int method_create_device(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return create(userdata, m, CALL_ANSWER_DEVICE, e);
}

static int method_create_device_async(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return create(userdata, m, CALL_ANSWER_NOW, e);
}

static int method_plan_device(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        _cleanup_(request_freep) Request *request = NULL;
        _cleanup_(reason_done) Reason reason = {};
        Bus *b = userdata;
        Placement where;
        int r;

        r = read_request(b, m, &request, e);
        if (r < 0)
                return r;
        r = bus_check_owner(b, m, request->owner, e);
        if (r <= 0)
                return r < 0 ? r : 1;
        request->plan = true;
        r = manager_plan(b->manager, request, &where, &reason);
        if (r > 0)
                return bus_error_set_outcome(e, (Outcome) r, reason.text);
        if (r < 0)
                return r;
        return bus_reply(b, m, "s", reason.text ?: "");
}

/* Whose definition it will be, when none is named: that of the device that is there. */
static const char *effective_owner(Bus *b, const Request *q) {
        Mdev d;

        if (q->owner_given || !q->uuid_given)
                return q->owner;
        if (q->parent ? mdev_find(manager_get_model(b->manager), q->parent, &q->uuid, &d) :
                        mdev_count(manager_get_model(b->manager), &q->uuid, &d) == 1)
                return mdev_owner(&d);
        return q->owner;
}

static int authorize_define(Bus *b, sd_bus_message *m, const Request *q, uid_t *ret_uid,
                            sd_bus_error *e) {
        const Subject subject = {
                .uuid = q->uuid_given ? UUID_STR(&q->uuid) : NULL,
                .parent = q->parent,
                .type = q->type,
                .owner = effective_owner(b, q),
        };
        int r;

        r = bus_check_owner(b, m, subject.owner, e);
        if (r <= 0)
                return r;
        return bus_authorize(b, m, BUS_ACTION_CREATE, &subject, ret_uid, e);
}

static int define(Bus *b, sd_bus_message *m, CallAnswer answer, sd_bus_error *e) {
        _cleanup_(request_freep) Request *request = NULL;
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        uid_t uid;
        int r;

        r = options_read_request(m, OPTIONS_DEFINE, &request, e);
        if (r >= 0)
                r = authorize_define(b, m, request, &uid, e);
        if (r < 0)
                return r;
        if (r == 0)
                return 1; /* runs again */
        r = call_check_limit(b, uid, e);
        if (r < 0)
                return r;
        r = manager_define(b->manager, TAKE_PTR(request), sd_bus_message_get_sender(m), &op,
                           &reason);
        if (r > 0)
                return bus_error_set_outcome(e, (Outcome) r, reason.text);
        if (r < 0)
                return r;
        return call_start(b, m, uid, op, answer, e);
}

static int method_define_device(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return define(userdata, m, CALL_ANSWER_DEVICE, e);
}

static int method_define_device_async(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return define(userdata, m, CALL_ANSWER_NOW, e);
}

static int method_get_device(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        _cleanup_(freep) char *path = NULL;
        const char *uuid, *parent;
        Bus *b = userdata;
        Mdev d;
        int r;

        r = sd_bus_message_read(m, "ss", &uuid, &parent);
        if (r < 0)
                return r;
        r = find_mdev(b->manager, uuid, parent, &d, e);
        if (r < 0)
                return r;
        r = path_of_mdev(d.parent, &d.uuid, &path);
        if (r < 0)
                return r;
        return bus_reply(b, m, "o", path);
}

static int method_get_parent(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        _cleanup_(freep) char *path = NULL;
        Bus *b = userdata;
        const char *name;
        Parent *p;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        r = find_parent(b->manager, name, &p, e);
        if (r < 0)
                return r;
        r = path_of_parent(p, &path);
        if (r < 0)
                return r;
        return bus_reply(b, m, "o", path);
}

static int method_describe(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        _cleanup_(freep) char *text = NULL;
        Bus *b = userdata;
        uid_t uid;
        int r;

        r = peers_get_uid(b->peers, m, &uid, e);
        if (r < 0)
                return r;
        if (r == 0)
                return 1;
        r = describe(b->manager, uid == 0 || uid == geteuid(), &text);
        if (r < 0)
                return r;
        untold_all_seen(b->untold);
        return bus_reply(b, m, "s", text);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Bus *b = userdata;
        uid_t uid;
        int r;

        r = bus_authorize(b, m, BUS_ACTION_CONFIGURE, &(Subject){}, &uid, e);
        if (r < 0)
                return r;
        if (r == 0)
                return 1;
        r = bus_reload(b);
        if (r < 0)
                return sd_bus_error_set_errnof(e, r, "The configuration could not be read anew "
                                               "(%s); what was in force still is.", strerror(-r));
        return bus_reply(b, m, "");
}

static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Bus *b = userdata;
        uid_t uid;
        int r;

        r = peers_get_uid(b->peers, m, &uid, e);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = clients_listen(b->clients, sd_bus_message_get_sender(m), uid);
        if (r == -EUSERS)
                return sd_bus_error_setf(e, BUS_ERROR_LIMIT,
                                         "%d clients of user %u have subscribed already; let one "
                                         "of them call Unsubscribe().",
                                         CLIENTS_LISTEN_MAX, (unsigned) uid);
        if (r < 0)
                return r;
        untold_tell(b->untold);
        return bus_reply(b, m, "");
}

static int method_unsubscribe(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Bus *b = userdata;

        clients_stop_listening(b->clients, sd_bus_message_get_sender(m));
        return bus_reply(b, m, "");
}

static int get_version(sd_bus *bus, const char *path, const char *iface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "s", MDEVD_VERSION);
}

static int append_problem(sd_bus_message *reply, const char *file, unsigned line, unsigned column,
                          const char *text) {
        int r;

        r = sd_bus_message_open_container(reply, 'r', "suus");
        if (r >= 0)
                r = text_append(reply, file);
        if (r >= 0)
                r = sd_bus_message_append(reply, "uu", (uint32_t) line, (uint32_t) column);
        if (r >= 0)
                r = text_append(reply, text);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* An invalid definition says of itself "file:line:column: text". */
static int append_invalid(sd_bus_message *reply, const Definition *d) {
        _cleanup_(freep) char *file = NULL;
        unsigned line = 0, column = 0;
        const char *text = d->invalid;
        int n = 0;

        if (asprintf(&file, "/" MDEVD_PATH_DEFINITIONS "/%s/%s", d->parent,
                     UUID_STR(&d->uuid)) < 0)
                return -ENOMEM;
        if (strncmp(text, file, strlen(file)) == 0 && text[strlen(file)] == ':') {
                text += strlen(file) + 1;
                if (sscanf(text, "%u:%u:%n", &line, &column, &n) == 2)
                        text += n;
                text += strspn(text, " ");
        }
        return append_problem(reply, file, line, column, text);
}

static int get_problems(sd_bus *bus, const char *path, const char *iface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        Bus *b = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(suus)");
        if (r < 0)
                return r;
        list_foreach(p, manager_get_problems(b->manager), ConfigProblem, node) {
                r = append_problem(reply, p->file, p->line, p->column, p->text);
                if (r < 0)
                        return r;
        }
        list_foreach(d, &manager_get_model(b->manager)->definitions, Definition, node) {
                r = d->invalid ? append_invalid(reply, d) : 0;
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

static int get_pending(sd_bus *bus, const char *path, const char *iface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        unsigned pending, failed;
        Bus *b = userdata;

        manager_count_autostart(b->manager, &pending, &failed);
        return sd_bus_message_append(reply, "u", pending);
}

static int get_failed(sd_bus *bus, const char *path, const char *iface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        unsigned pending, failed;
        Bus *b = userdata;

        manager_count_autostart(b->manager, &pending, &failed);
        return sd_bus_message_append(reply, "u", failed);
}

#define CREATE_ARGS SD_BUS_ARGS("s", parent, "s", type, "a{sv}", options)

const sd_bus_vtable bus_manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("CreateDevice", CREATE_ARGS,
                                SD_BUS_RESULT("o", device, "s", uuid), method_create_device,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateDeviceAsync", CREATE_ARGS, SD_BUS_RESULT("o", operation),
                                method_create_device_async, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("PlanDevice", CREATE_ARGS, SD_BUS_RESULT("s", plan),
                                method_plan_device, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DefineDevice", CREATE_ARGS,
                                SD_BUS_RESULT("o", device, "s", uuid), method_define_device,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DefineDeviceAsync", CREATE_ARGS, SD_BUS_RESULT("o", operation),
                                method_define_device_async, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetDevice", SD_BUS_ARGS("s", uuid, "s", parent),
                                SD_BUS_RESULT("o", device), method_get_device,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetParent", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", parent),
                                method_get_parent, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("PlanProfile", SD_BUS_ARGS("s", name, "a{sv}", options),
                                SD_BUS_RESULT("a(sssss)", steps), bus_method_plan_profile,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ApplyProfile", SD_BUS_ARGS("s", name, "a{sv}", options),
                                SD_BUS_NO_RESULT, bus_method_apply_profile,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ApplyProfileAsync", SD_BUS_ARGS("s", name, "a{sv}", options),
                                SD_BUS_RESULT("o", operation), bus_method_apply_profile_async,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json),
                                method_describe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_subscribe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unsubscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                                method_unsubscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ConfigProblems", "a(suus)", get_problems, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("AutostartPending", "u", get_pending, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("AutostartFailed", "u", get_failed, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};

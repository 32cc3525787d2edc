/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* call.c: the calls that wait for an operation. A client that has left gets its reply all the same:
 * the bus drops it. */
#include "bus/call.h"

#include "bus/bus-error.h"
#include "bus/bus-holders.h"
#include "bus/path.h"
#include "util/log.h"

typedef struct Call Call;

struct Call {
        List node; /* in bus->calls */
        Bus *bus;
        sd_bus_message *message; /* NULL: answered */
        Operation *op;           /* borrowed, until it has ended */
        uid_t uid;
        CallAnswer answer;
};

static Call *call_free(Call *c) {
        if (!c)
                return NULL;
        if (c->op)
                operation_forget(c->op, c);
        list_unlink(&c->node);
        sd_bus_message_unref(c->message);
        free(c);
        return NULL;
}
DEFINE_CLEANUP(Call *, call_free)

static int reply_device(Call *c, const Operation *op) {
        _cleanup_(freep) char *path = NULL;
        int r;

        if (op->record->kind == RECORD_CREATE && !op->device)
                return sd_bus_reply_method_errorf(c->message, BUS_ERROR_NO_SUCH_DEVICE,
                                                  "Device %s was made on %s, and removed again by "
                                                  "somebody else.", UUID_STR(&op->record->uuid),
                                                  op->record->parent);
        r = path_of_mdev(op->record->parent, &op->record->uuid, &path);
        if (r < 0)
                return r;
        if (!op->device)
                return bus_reply(c->bus, c->message, "os", path, UUID_STR(&op->record->uuid));
        changes_tell(&c->bus->changes, op->device);
        return sd_bus_reply_method_return(c->message, "os", path, UUID_STR(&op->record->uuid));
}

/* Who calls may manage the device, so he is told who has it open; of an operation all can read. */
static int reply_failed(Call *c, const Operation *op) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_(freep) char *text = NULL;

        if (op->record->text && op->record->who &&
            asprintf(&text, "%s It is open in %s.", op->record->text, op->record->who) < 0)
                return -ENOMEM;
        (void) bus_error_set_outcome(&e, op->record->outcome, text ?: op->record->text);
        changes_flush(&c->bus->changes);
        return sd_bus_reply_method_error(c->message, &e);
}

static void on_operation_done(Operation *op, void *userdata) {
        _cleanup_(call_freep) Call *c = userdata;
        int r = 0;

        c->op = NULL; /* it has forgotten us */
        if (!c->message)
                return;
        if (op->state == OPERATION_FAILED)
                r = reply_failed(c, op);
        else if (c->answer == CALL_ANSWER_DEVICE)
                r = reply_device(c, op);
        else
                r = bus_reply(c->bus, c->message, "");
        if (r < 0)
                (void) log_warning_errno(r, &(LogFields){ .topic = "bus" },
                                         "The answer to %s was not sent: %m",
                                         sd_bus_message_get_member(c->message));
}

int call_check_limit(Bus *b, uid_t uid, sd_bus_error *e) {
        size_t n = holder_calls_count(b, uid);

        list_foreach(c, &b->calls, Call, node)
                n += c->uid == uid;
        if (n >= BUS_CALLS_PER_UID_MAX)
                return sd_bus_error_setf(e, BUS_ERROR_LIMIT,
                                         "User %u has %d calls under way already; wait for their "
                                         "answers.", (unsigned) uid, BUS_CALLS_PER_UID_MAX);
        return 0;
}

static int reply_operation(Bus *b, sd_bus_message *m, Operation *op) {
        _cleanup_(freep) char *path = NULL;
        int r;

        untold_seen(b->untold, op);
        r = path_of_operation(op, &path);
        if (r < 0)
                return r;
        return bus_reply(b, m, "o", path);
}

int call_start(Bus *b, sd_bus_message *m, uid_t uid, Operation *op, CallAnswer answer,
               sd_bus_error *e) {
        _cleanup_(call_freep) Call *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        list_init(&c->node);
        c->bus = b;
        c->uid = uid;
        c->answer = answer;

        r = (answer == CALL_ANSWER_REACHED ? operation_wait_reached : operation_wait)(
                op, on_operation_done, c);
        if (r == -EUSERS)
                return sd_bus_error_setf(e, BUS_ERROR_LIMIT,
                                         "%d calls wait for this operation already; look at its "
                                         "State instead.", OPERATION_WAITERS_MAX);
        if (r < 0)
                return r;
        c->op = op;
        if (answer == CALL_ANSWER_NOW) {
                r = reply_operation(b, m, op);
                if (r < 0)
                        return r;
        } else
                c->message = sd_bus_message_ref(m);
        list_append(&b->calls, &c->node);
        TAKE_PTR(c);
        return 1;
}

void calls_stop(Bus *b) {
        list_foreach_safe(c, &b->calls, Call, node) {
                if (c->message)
                        (void) sd_bus_reply_method_errorf(
                                c->message, BUS_ERROR_STOPPING,
                                "mdevd is being stopped. What was begun goes on; repeat the call "
                                "with the same UUID when the daemon is back.");
                call_free(c);
        }
}

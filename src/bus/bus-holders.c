/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-holders.c: the calls that wait for a look at who has a device open. */
#include "bus/bus-holders.h"

#include "bus/bus-error.h"
#include "bus/call.h"
#include "bus/device-verb.h"
#include "bus/text.h"
#include "util/log.h"

typedef struct HolderCall HolderCall;

struct HolderCall {
        List node; /* in bus->holder_calls */
        Bus *bus;
        sd_bus_message *message;
        uid_t uid;
};

static HolderCall *call_free(HolderCall *c) {
        if (!c)
                return NULL;
        list_unlink(&c->node);
        sd_bus_message_unref(c->message);
        free(c);
        return NULL;
}
DEFINE_CLEANUP(HolderCall *, call_free)

static int append_holder(sd_bus_message *reply, const Holder *h) {
        int r;

        r = sd_bus_message_open_container(reply, 'r', "usss");
        if (r >= 0)
                r = sd_bus_message_append(reply, "u", (uint32_t) h->pid);
        if (r >= 0)
                r = text_append(reply, h->command);
        if (r >= 0)
                r = text_append(reply, h->machine);
        if (r >= 0)
                r = text_append(reply, h->where);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int reply_holders(sd_bus_message *m, const Holders *holders) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(usss)");
        for (size_t i = 0; r >= 0 && i < MIN(holders->n, (size_t) HOLDERS_MAX); i++)
                r = append_holder(reply, &holders->holders[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "u", (uint32_t) holders->n);
        return r < 0 ? r : sd_bus_message_send(reply);
}

static void on_holders(Manager *manager, const Holders *holders, void *userdata) {
        _cleanup_(call_freep) HolderCall *c = userdata;
        int r;

        if (holders)
                r = reply_holders(c->message, holders);
        else
                r = sd_bus_reply_method_errorf(c->message, bus_error_name(OUTCOME_FAILED),
                                               "Who has it open could not be found out: the worker "
                                               "that looked has died, or did not end in 30 s; see "
                                               "the journal, and ask again.");
        if (r < 0)
                (void) log_warning_errno(r, &(LogFields){ .topic = "bus" },
                                         "The answer to GetHolders was not sent: %m");
}

int device_method_get_holders(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const Mdev d = *(const Mdev *) userdata;
        Bus *b = bus_current(sd_bus_message_get_bus(m));
        _cleanup_(reason_done) Reason reason = {};
        HolderCall *c;
        uid_t uid;
        int r;

        r = device_authorize(b, m, &d, &uid, e);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (!d.device) /* nobody can have it open */
                return reply_holders(m, &(Holders){});
        r = call_check_limit(b, uid, e);
        if (r < 0)
                return r;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        list_init(&c->node);
        c->bus = b;
        c->uid = uid;
        c->message = sd_bus_message_ref(m);
        r = manager_find_holders(b->manager, d.device, on_holders, c, &reason);
        if (r != 0)
                call_free(c);
        if (r > 0)
                return bus_error_set_outcome(e, (Outcome) r, reason.text);
        if (r < 0)
                return r;
        list_append(&b->holder_calls, &c->node);
        return 1;
}

size_t holder_calls_count(const Bus *b, uid_t uid) {
        size_t n = 0;

        list_foreach(c, &b->holder_calls, HolderCall, node)
                n += c->uid == uid;
        return n;
}

void holder_calls_stop(Bus *b) {
        list_foreach_safe(c, &b->holder_calls, HolderCall, node) {
                manager_forget_holders(b->manager, c);
                (void) sd_bus_reply_method_errorf(c->message, BUS_ERROR_STOPPING,
                                                  "mdevd is being stopped; ask again when it is "
                                                  "back.");
                call_free(c);
        }
}

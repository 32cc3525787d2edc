/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* client.c owns the calls to the daemon, and the sentences for when it cannot be reached. */
#include "cli/client.h"

#include <inttypes.h>

#include "cli/answer.h"
#include "cli/argument.h"
#include "cli/daemon.h"
#include "names.h"

#define QUIET_USEC UINT64_C(2000000)
#define EACH_USEC UINT64_C(1000000)

void client_done(Client *c) {
        sd_bus_error_free(&c->error);
        c->bus = sd_bus_flush_close_unref(c->bus);
}

static int client_connect(Client *c) {
        int r;

        if (c->bus)
                return 0;
        if (!daemon_is_of_this_root()) {
                (void) sd_bus_error_setf(&c->error, SD_BUS_ERROR_FAILED, DAEMON_OTHER_ROOT,
                                         argument_root());
                return CLIENT_REFUSED;
        }
        r = sd_bus_open_system(&c->bus);
        if (r >= 0)
                return 0;
        (void) sd_bus_error_setf(&c->error, SD_BUS_ERROR_NO_SERVER, DAEMON_NO_BUS, strerror(-r));
        return CLIENT_REFUSED;
}

static int append_pairs(sd_bus_message *m, const Definition *d) {
        int r = sd_bus_message_open_container(m, 'a', "(ss)");

        for (size_t i = 0; r >= 0 && i < d->n_attributes; i++)
                r = sd_bus_message_append(m, "(ss)", d->attributes[i].name,
                                          d->attributes[i].value);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int client_append_attributes(sd_bus_message *m, const Definition *d) {
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "attributes");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a(ss)");
        if (r >= 0)
                r = append_pairs(m, d);
        for (int i = 0; r >= 0 && i < 2; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

/* ---- a call and its answer ---- */

uint64_t client_now_usec(clockid_t clock) {
        struct timespec ts;

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        *(sd_bus_message **) userdata = sd_bus_message_ref(m);
        return 0;
}

/* The wait has come to where it must be told of; @n: how often it was. */
static void tell(Client *c, unsigned n) {
        if (c->waits)
                c->waits(c->userdata);
        else if (n == 0)
                (void) fputs("mdevd has not answered yet (`systemctl status mdevd` shows how it "
                             "is); Ctrl-C ends the waiting.\n", stderr);
}

/* Until *@answer is there. @tells: who waits has a person before it. */
static int await_answer(Client *c, sd_bus_message *const *answer, bool tells) {
        uint64_t began = client_now_usec(CLOCK_MONOTONIC), next = tells ? QUIET_USEC : UINT64_MAX;
        uint64_t limit = c->limit > 0 ? c->limit : UINT64_MAX;
        unsigned n = 0;

        for (;;) {
                int r = sd_bus_process(c->bus, NULL);
                uint64_t age = client_now_usec(CLOCK_MONOTONIC) - began, until;

                if (*answer)
                        return 0;
                if (r < 0 && r != -EINTR)
                        return r;
                if (r > 0)
                        continue;
                if (c->stop && *c->stop)
                        return -EINTR;
                if (age >= limit)
                        return -ETIMEDOUT;
                if (age >= next) {
                        tell(c, n++);
                        next = age + EACH_USEC;
                }
                until = MIN(next, limit);
                r = sd_bus_wait(c->bus, until == UINT64_MAX ? UINT64_MAX : until - age);
                if (r < 0 && r != -EINTR)
                        return r;
        }
}

static int call(Client *c, sd_bus_message *m, bool tells, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        int r;

        (void) sd_bus_message_set_allow_interactive_authorization(m, true);
        sd_bus_error_free(&c->error);
        r = sd_bus_call_async(c->bus, &slot, m, on_answer, &answer, UINT64_MAX);
        if (r >= 0)
                r = await_answer(c, &answer, tells);
        if (r == -EINTR)
                return r;
        if (r == -ETIMEDOUT)
                (void) sd_bus_error_setf(&c->error, SD_BUS_ERROR_TIMEOUT,
                                         "mdevd is there, and has not answered within %" PRIu64
                                         " s: see `systemctl status mdevd`; `systemctl restart "
                                         "mdevd` does no harm to devices and virtual machines.",
                                         c->limit / 1000000);
        else if (r < 0)
                (void) sd_bus_error_set_errno(&c->error, r);
        else if (sd_bus_message_is_method_error(answer, NULL))
                (void) sd_bus_error_copy(&c->error, sd_bus_message_get_error(answer));
        else {
                *ret = TAKE_PTR(answer);
                return 0;
        }
        return CLIENT_REFUSED;
}

int client_send(Client *c, sd_bus_message *m, sd_bus_message **ret) {
        return call(c, m, true, ret);
}

int client_get(Client *c, const char *path, const char *iface, const char *name,
               sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = client_method(c, path, "org.freedesktop.DBus.Properties", "Get", &m);
        if (r == 0)
                r = sd_bus_message_append(m, "ss", iface, name);
        if (r < 0)
                return r;
        r = client_send(c, m, &reply);
        if (r == 0)
                *ret = TAKE_PTR(reply);
        return r;
}

int client_method(Client *c, const char *path, const char *iface, const char *member,
                  sd_bus_message **ret) {
        int r = client_connect(c);

        return r != 0 ? r
                      : sd_bus_message_new_method_call(c->bus, ret, MDEVD_BUS_NAME, path, iface,
                                                       member);
}

int client_find_device(Client *c, const char *uuid, const char *parent, char **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *path;
        int r;

        r = client_method(c, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, "GetDevice", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "ss", uuid, parent);
        if (r < 0)
                return r;
        r = call(c, m, false, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        *ret = strdup(path);
        return *ret ? 0 : -ENOMEM;
}

static Refusal refusal(const Client *c) {
        return (Refusal) { c->error.name ?: "", c->error.message ?: "" };
}

bool client_was_answered(const Client *c) {
        Refusal r = refusal(c);

        return refusal_is_an_answer(&r);
}

bool client_is_daemon_missing(const Client *c) {
        Refusal r = refusal(c);

        return !c->bus || refusal_is_daemon_missing(&r);
}

int client_failed(const Client *c) {
        Refusal r = refusal(c);

        return refusal_say(&r);
}

int client_is_running(Client *c) {
        int r = client_connect(c);

        if (r < 0)
                return r;
        return r == 0 && sd_bus_get_name_creds(c->bus, MDEVD_BUS_NAME, 0, NULL) >= 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* client.c owns the calls to the daemon, and the sentences for when it cannot be reached. */
#include "cli/client.h"

#include <fcntl.h>
#include <inttypes.h>

#include "cli/answer.h"
#include "cli/argument.h"
#include "names.h"

#define SYSTEMD_ERROR_PREFIX "org.freedesktop.systemd1."
#define DBUS_ERROR_PREFIX "org.freedesktop.DBus.Error."
#define QUIET_USEC UINT64_C(2000000)
#define EACH_USEC UINT64_C(1000000)

static bool has_prefix(const char *s, const char *prefix) {
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

void client_done(Client *c) {
        sd_bus_error_free(&c->error);
        c->bus = sd_bus_flush_close_unref(c->bus);
}

/*
 * Another root has other devices than the daemon of this system: it must not be asked to change
 * those that happen to have the same names. A test brings its own bus along with its own root.
 */
static int check_root(Client *c) {
        if (streq(argument_root(), "/") || secure_getenv("DBUS_SYSTEM_BUS_ADDRESS"))
                return 0;
        (void) sd_bus_error_setf(&c->error, SD_BUS_ERROR_FAILED,
                                 "MDEVCTL_ENV_ROOT is %s, and the daemon on this system's bus is "
                                 "not that root's; set DBUS_SYSTEM_BUS_ADDRESS to the bus of its "
                                 "own.", argument_root());
        return CLIENT_REFUSED;
}

static int client_connect(Client *c) {
        int r;

        if (c->bus)
                return 0;
        r = check_root(c);
        if (r != 0)
                return r;
        r = sd_bus_open_system(&c->bus);
        if (r >= 0)
                return 0;
        (void) sd_bus_error_setf(&c->error, SD_BUS_ERROR_NO_SERVER,
                                 "mdevd cannot be reached, for the system bus cannot: %s; see "
                                 "that dbus.socket is there.", strerror(-r));
        return CLIENT_REFUSED;
}

static int append_bool(sd_bus_message *m, const char *name, bool value) {
        return sd_bus_message_append(m, "{sv}", name, "b", (int) value);
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

static int append_wish(sd_bus_message *m, const Wish *w) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && w->uuid)
                r = sd_bus_message_append(m, "{sv}", "uuid", "s", UUID_STR(w->uuid));
        if (r >= 0 && w->autostart)
                r = append_bool(m, "autostart", *w->autostart);
        if (r >= 0 && w->type)
                r = sd_bus_message_append(m, "{sv}", "type", "s", w->type);
        if (r >= 0 && w->attributes)
                r = client_append_attributes(m, w->attributes);
        if (r >= 0 && w->live)
                r = append_bool(m, "live", true);
        if (r >= 0 && w->config)
                r = append_bool(m, "config", true);
        if (r >= 0 && w->force)
                r = append_bool(m, "force", true);
        return r < 0 ? r : sd_bus_message_close_container(m);
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

int client_make(Client *c, const char *member, const char *parent, const char *type,
                const Wish *wish, Uuid *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *path, *uuid;
        int r;

        r = client_method(c, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, member, &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "ss", parent, type);
        if (r >= 0)
                r = append_wish(m, wish);
        if (r < 0)
                return r;
        r = call(c, m, false, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "os", &path, &uuid);
        if (r < 0)
                return r;
        return ret ? uuid_parse(uuid, ret) : 0;
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

int client_change(Client *c, const char *member, const Uuid *uuid, const char *parent,
                  const Wish *wish) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(freep) char *path = NULL;
        int r;

        r = client_find_device(c, UUID_STR(uuid), parent, &path);
        if (r == 0)
                r = client_method(c, path, MDEVD_IFACE_DEVICE, member, &m);
        if (r == 0)
                r = append_wish(m, wish);
        return r != 0 ? r : call(c, m, false, &reply);
}

bool client_was_answered(const Client *c) {
        return c->error.name && has_prefix(c->error.name, MDEVD_ERROR_PREFIX);
}

bool client_was_refused_by_script(const Client *c) {
        return client_was_answered(c) && has_prefix(c->error.message ?: "", "Script ");
}

/* The bus has a name for whom to start, and there is nobody to be started. */
static bool nobody_to_start(const char *name) {
        return streq(name, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
               streq(name, SYSTEMD_ERROR_PREFIX "NoSuchUnit") ||
               streq(name, DBUS_ERROR_PREFIX "Spawn.ServiceNotFound") ||
               streq(name, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

bool client_is_daemon_missing(const Client *c) {
        const char *name = c->error.name ?: "";

        return !c->bus || nobody_to_start(name) || has_prefix(name, SYSTEMD_ERROR_PREFIX) ||
               has_prefix(name, DBUS_ERROR_PREFIX "Spawn.");
}

int client_failed(const Client *c) {
        const char *name = c->error.name ?: "", *text = c->error.message ?: "";

        if (nobody_to_start(name))
                return answer_failed("mdevd is not running, and it is not enabled, so that it "
                                     "would be started now: systemctl enable --now mdevd");
        if (has_prefix(name, SYSTEMD_ERROR_PREFIX) || has_prefix(name, DBUS_ERROR_PREFIX "Spawn."))
                return answer_failed("mdevd is not running and could not be started: %s "
                                     "(`journalctl -u mdevd` says more)", text);
        if (streq(name, SD_BUS_ERROR_NO_REPLY) || streq(name, SD_BUS_ERROR_DISCONNECTED))
                return answer_failed("mdevd went away before it answered; what it had begun goes "
                                     "on: see `mdevctl list`, and try again");
        return answer_failed("%s", text[0] ? text : name[0] ? name : "mdevd gave no reason");
}

int client_not_asked(int error, const char *otherwise) {
        return error == -EINVAL ? answer_no_text("parent, type or attribute")
                                : answer_failed_errno(error, otherwise);
}

int client_is_running(Client *c) {
        int r = client_connect(c);

        if (r < 0)
                return r;
        return r == 0 && sd_bus_get_name_creds(c->bus, MDEVD_BUS_NAME, 0, NULL) >= 0;
}

bool client_daemon_is_responsible(Client *c, int root_fd) {
        static const char *const links[] = {
                "etc/systemd/system/dbus-org.mdevd1.service",
                "etc/systemd/system/multi-user.target.wants/mdevd.service",
                "run/systemd/system/dbus-org.mdevd1.service",
        };

        /* udev may call before there is a bus */
        for (size_t i = 0; i < ARRAY_SIZE(links); i++)
                if (faccessat(root_fd, links[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        return true;
        return client_is_running(c) > 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * launch.c: owns starting a process outside of the service and its sandbox: a transient unit of
 * systemd. The process talks to us over its standard input, which is a socket, so nobody waits for
 * the answer of systemd: should it be no, the socket's other end goes, and that is heard.
 */
#include <systemd/sd-bus.h>

#include "bus/bus-internal.h"
#include "util/log.h"
#include "util/process.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_IFACE "org.freedesktop.systemd1.Manager"

static int on_started(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        if (error)
                log_warning(&(LogFields){ .topic = "callout" },
                            "systemd does not start a unit for callout scripts: %s",
                            error->message ?: error->name);
        return 0;
}

/* One of its own, for the other takes no file descriptors; nobody knows its name. */
static int open_connection(sd_event *event, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = bus_open_system("mdevd-launch", true, &bus);
        if (r >= 0) /* what sd-event would do then has no limit: bus_flush_close() */
                r = sd_bus_set_close_on_exit(bus, false);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                *ret = TAKE_PTR(bus);
        return r;
}

static int append_exec(sd_bus_message *m, const char *path, const char *root) {
        _cleanup_(freep) char *option = NULL;

        if (asprintf(&option, "--root=%s", root) < 0)
                return -ENOMEM;
        return sd_bus_message_append(m, "(sv)", "ExecStart", "a(sasb)", 1, path, 3, "mdevd",
                                     "--escort", option, 0);
}

static int make_call(sd_bus *bus, const char *name, const char *root, int socket_fd,
                     sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        char path[PATH_MAX];
        int r;

        r = own_program_path(path, sizeof(path));
        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &m, SYSTEMD_NAME, SYSTEMD_PATH,
                                                   SYSTEMD_IFACE, "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", name, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        /* User= is what sets $HOME and the like */
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)", "Description", "s",
                                          "Callout Scripts of a Mediated Device", "User", "s",
                                          "root", "CollectMode", "s", "inactive-or-failed",
                                          "SyslogIdentifier", "s", "mdevd",
                                          "StandardInputFileDescriptor", "h", socket_fd);
        if (r >= 0)
                r = append_exec(m, path, root);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0)
                *ret = TAKE_PTR(m);
        return r;
}

static int launch(const char *name, const char *root, int socket_fd, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Bus *b = userdata;
        int r;

        if (b->launcher && sd_bus_is_open(b->launcher) <= 0)
                b->launcher = sd_bus_close_unref(b->launcher);
        if (!b->launcher) {
                r = open_connection(b->event, &b->launcher);
                if (r < 0)
                        return r;
        }
        r = make_call(b->launcher, name, root, socket_fd, &m);
        if (r < 0)
                return r;
        return sd_bus_call_async(b->launcher, NULL, m, on_started, NULL, 0);
}

void bus_launch_outside(Bus *b) {
        manager_set_launch(b->manager, &(EscortLaunch){ .launch = launch, .userdata = b });
}

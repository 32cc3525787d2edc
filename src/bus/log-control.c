/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log-control.c: org.freedesktop.LogControl1, for `systemctl service-log-level mdevd debug`. The
 * setters carry no UNPRIVILEGED flag: sd-bus lets only root through.
 */
#include "bus/bus-error.h"
#include "bus/bus-internal.h"
#include "util/log.h"

static int get_level(sd_bus *bus, const char *path, const char *iface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "s", log_level_to_string(log_get_max_level()));
}

static int set_level(sd_bus *bus, const char *path, const char *iface, const char *property,
                     sd_bus_message *value, void *userdata, sd_bus_error *e) {
        const char *name;
        int r, level;

        r = sd_bus_message_read_basic(value, 's', &name);
        if (r < 0)
                return r;
        level = log_level_from_string(name);
        if (level < 0)
                return sd_bus_error_setf(e, SD_BUS_ERROR_INVALID_ARGS,
                                         "\"%s\" is no log level; give one of emerg, alert, crit, "
                                         "err, warning, notice, info, debug.", BUS_QUOTE(name));
        log_set_max_level(level);
        return 1;
}

static const char *target(void) {
        return getenv("JOURNAL_STREAM") ? "journal" : "console";
}

static int get_target(sd_bus *bus, const char *path, const char *iface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "s", target());
}

/* Who starts the daemon decides where records go; the interface wants there to be a setter. */
static int set_target(sd_bus *bus, const char *path, const char *iface, const char *property,
                      sd_bus_message *value, void *userdata, sd_bus_error *e) {
        const char *name;
        int r;

        r = sd_bus_message_read_basic(value, 's', &name);
        if (r < 0)
                return r;
        if (streq(name, target()) || streq(name, "auto"))
                return 1;
        return sd_bus_error_setf(e, SD_BUS_ERROR_NOT_SUPPORTED,
                                 "The log target is \"%s\", where standard error leads, and cannot "
                                 "be set to \"%s\".", target(), BUS_QUOTE(name));
}

static int get_identifier(sd_bus *bus, const char *path, const char *iface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "s", "mdevd");
}

const sd_bus_vtable bus_log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, 0),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, 0),
        SD_BUS_VTABLE_END,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * systemd.c: owns asking systemd to kill what we may not (org.freedesktop.systemd1(5)). Runs in a
 * worker, so it may block; systemd lets root do it, whatever capabilities we have.
 */
#include <signal.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "bus/bus.h"
#include "util/macro.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define CALL_USEC (UINT64_C(10) * 1000000)

static int get_main_pid(sd_bus *bus, const char *unit, sd_bus_error *error, uint32_t *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = sd_bus_call_method(bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD ".Manager", "GetUnit", error,
                               &reply, "s", unit);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = sd_bus_get_property_trivial(bus, SYSTEMD, path, SYSTEMD ".Service", "MainPID",
                                                error, 'u', ret);
        return r;
}

int bus_kill_unit(const char *unit, bool whole, pid_t pid, char **ret_why) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        uint32_t main_pid = 0;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, CALL_USEC);
        if (r >= 0 && !whole)
                r = get_main_pid(bus, unit, &error, &main_pid);
        if (r >= 0 && !whole && main_pid != (uint32_t) pid) {
                if (asprintf(ret_why, "it is another user's and not the main process of %s, in "
                                      "which more may run", unit) < 0)
                        *ret_why = NULL;
                return -EBUSY;
        }
        if (r >= 0)
                r = sd_bus_call_method(bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD ".Manager", "KillUnit",
                                       &error, NULL, "ssi", unit, whole ? "all" : "main", SIGKILL);
        if (r < 0 && asprintf(ret_why, "systemd does not kill %s: %s", unit,
                              error.message ?: strerrordesc_np(-r) ?: "unknown error") < 0)
                *ret_why = NULL;
        return r < 0 ? r : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* connection.c: how a connection to the system bus begins, and how it ends. */
#include <inttypes.h>
#include <systemd/sd-bus.h>

#include "bus/bus-internal.h"
#include "util/log.h"

#define SYSTEM_BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"
/* For what the socket has no room for at the end: some MiB, which a bus that reads soon has. */
#define FLUSH_USEC 1000000

int bus_open_system(const char *description, bool takes_fds, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_description(bus, description);
        if (r >= 0)
                r = sd_bus_set_address(bus, secure_getenv("DBUS_SYSTEM_BUS_ADDRESS") ?:
                                                    SYSTEM_BUS_ADDRESS);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, takes_fds);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

void bus_flush_close(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        uint64_t n = 0;
        int r;

        if (bus && sd_bus_is_ready(bus) > 0 && sd_bus_get_n_queued_write(bus, &n) >= 0 && n > 0) {
                /*
                 * sd_bus_flush() has no limit; a call has, and is answered after what came before
                 */
                r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.DBus",
                                                   "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                   "GetId");
                if (r >= 0)
                        r = sd_bus_call(bus, m, FLUSH_USEC, NULL, NULL);
                if (r < 0)
                        log_warning_errno(r, &(LogFields){ .topic = "bus" },
                                          "The bus has not taken the last %" PRIu64 " messages: %m",
                                          n);
        }
        sd_bus_close_unref(bus);
}

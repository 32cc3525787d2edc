/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wait.c: owns `mdevd --wait-devices`, a client of the running service: it ends when all that is to
 * be up is up or has failed. It looks, and looks again whenever the daemon says that something has
 * changed or another daemon has taken its place.
 */
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "bus/bus.h"
#include "names.h"
#include "util/macro.h"

typedef struct Wait Wait;

struct Wait {
        sd_event *event;
        sd_bus *bus;
        unsigned pending, failed;
        bool asked; /* the daemon has answered */
};

static int get_number(Wait *w, const char *property, unsigned *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        uint32_t n = 0;
        int r;

        r = sd_bus_get_property_trivial(w->bus, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                        MDEVD_IFACE_MANAGER, property, &e, 'u', &n);
        if (r >= 0)
                *ret = n;
        return r;
}

static int look(Wait *w) {
        int r;

        r = get_number(w, "AutostartFailed", &w->failed);
        if (r >= 0)
                r = get_number(w, "AutostartPending", &w->pending);
        w->asked |= r >= 0;
        if (r < 0)
                return 0; /* it is not there, or not yet: its name will appear */
        return w->pending == 0 ? sd_event_exit(w->event, EXIT_SUCCESS) : 0;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return look(userdata);
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        return sd_event_exit(sd_event_source_get_event(s), EXIT_FAILURE);
}

static int begin(Wait *w, unsigned seconds) {
        int r;

        r = sd_event_default(&w->event);
        if (r >= 0)
                r = sd_bus_open_system(&w->bus);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(w->bus, true);
        if (r >= 0)
                r = sd_bus_attach_event(w->bus, w->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_event_add_time_relative(w->event, NULL, CLOCK_MONOTONIC,
                                               (uint64_t) seconds * 1000000, 0, on_timeout, w);
        /* the ears first */
        if (r >= 0)
                r = sd_bus_match_signal(w->bus, NULL, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                        "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                        on_signal, w);
        if (r >= 0)
                r = sd_bus_add_match(w->bus, NULL,
                                     "type='signal',sender='org.freedesktop.DBus',"
                                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                     "arg0='" MDEVD_BUS_NAME "'",
                                     on_signal, w);
        return r < 0 ? r : look(w);
}

static int tell(const Wait *w, int status, unsigned seconds) {
        if (!w->asked)
                fprintf(stderr,
                        "mdevd: no daemon has answered within %u s; systemctl start mdevd.\n",
                        seconds);
        else if (status != EXIT_SUCCESS)
                fprintf(stderr, "mdevd: after %u s %u devices that are to be up are not; "
                                "journalctl -u mdevd says what each waits for.\n",
                        seconds, w->pending);
        else if (w->failed > 0)
                fprintf(stderr, "mdevd: %u devices that are to be up could not be; journalctl -u "
                                "mdevd says why.\n",
                        w->failed);
        return status;
}

int bus_wait_devices(unsigned seconds) {
        Wait w = {};
        int r;

        r = begin(&w, seconds);
        if (r >= 0)
                r = sd_event_loop(w.event);
        if (r < 0)
                fprintf(stderr, "mdevd: cannot wait at the system bus: %s.\n", strerror(-r));
        else
                r = tell(&w, r, seconds);
        sd_bus_flush_close_unref(w.bus);
        sd_event_unref(w.event);
        return r == EXIT_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}

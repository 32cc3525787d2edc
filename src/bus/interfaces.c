/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* interfaces.c: which interfaces, and which of their properties, InterfacesAdded has. */
#include "bus/interfaces.h"

#include <stdbool.h>

#include "names.h"
#include "util/macro.h"

/* Those of all objects; none has a property. */
static const char *const common[] = {
        "org.freedesktop.DBus.Peer",
        "org.freedesktop.DBus.Introspectable",
        "org.freedesktop.DBus.Properties",
};

/* What sd-bus keeps to itself here: a value that a change only invalidates is in no signal. */
#define UNTOLD                                                                                     \
        (SD_BUS_VTABLE_HIDDEN | SD_BUS_VTABLE_PROPERTY_EXPLICIT |                                  \
         SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION)

static bool is_told(const sd_bus_vtable *v) {
        return (v->type == _SD_BUS_VTABLE_PROPERTY ||
                v->type == _SD_BUS_VTABLE_WRITABLE_PROPERTY) && !(v->flags & UNTOLD);
}

static int open_interface(sd_bus_message *m, const char *iface) {
        int r;

        r = sd_bus_message_open_container(m, 'e', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', iface);
        return r < 0 ? r : sd_bus_message_open_container(m, 'a', "{sv}");
}

static int close_two(sd_bus_message *m) {
        int r;

        r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_property(sd_bus_message *m, const char *path, const char *iface,
                           const sd_bus_vtable *v, void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', v->x.property.member);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', v->x.property.signature);
        if (r >= 0)
                r = v->x.property.get(sd_bus_message_get_bus(m), path, iface,
                                      v->x.property.member, m, userdata, &e);
        if (r >= 0 && sd_bus_error_is_set(&e))
                r = -sd_bus_error_get_errno(&e);
        return r < 0 ? r : close_two(m);
}

static int append_interfaces(sd_bus_message *m, const char *path, const char *iface,
                             const sd_bus_vtable *vtable, void *userdata) {
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
                r = open_interface(m, common[i]);
                if (r >= 0)
                        r = close_two(m);
                if (r < 0)
                        return r;
        }
        r = open_interface(m, iface);
        for (const sd_bus_vtable *v = vtable; r >= 0 && v->type != _SD_BUS_VTABLE_END; v++)
                if (is_told(v))
                        r = append_property(m, path, iface, v, userdata);
        return r < 0 ? r : close_two(m);
}

int interfaces_emit_added(sd_bus *bus, const char *path, const char *iface,
                          const sd_bus_vtable *vtable, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_signal(bus, &m, MDEVD_OBJECT_ROOT,
                                      "org.freedesktop.DBus.ObjectManager", "InterfacesAdded");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 'o', path);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sa{sv}}");
        if (r >= 0)
                r = append_interfaces(m, path, iface, vtable, userdata);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_send(bus, m, NULL);
}

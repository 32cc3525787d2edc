/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interfaces.h: InterfacesAdded of one object, as sd_bus_emit_object_added() sends it, from the
 * same vtable. sd-bus looks for the object and for its vtables at every step of its path, and keeps
 * a slot for each getter; who knows the object has that for less.
 */
#pragma once

#include <systemd/sd-bus.h>

/*
 * The object has the interface @iface and those that sd-bus gives to all; every property of @vtable
 * has a getter, which runs outside of any slot and finds all that it needs by @userdata.
 */
int interfaces_emit_added(sd_bus *bus, const char *path, const char *iface,
                          const sd_bus_vtable *vtable, void *userdata);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clients.h: the clients that devices are leased to. The bus tells when one leaves; unique names are
 * never given twice, so that is for good.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "core/manager.h"

typedef struct Clients Clients;

int clients_new(Clients **ret, sd_bus *bus, Manager *manager);
Clients *clients_free(Clients *c);
DEFINE_CLEANUP(Clients *, clients_free)

/*
 * A device has come or changed: whom it is leased to is watched from now on, until he leaves; also
 * when he has left before we began to.
 */
void clients_note(Clients *c, const Device *d);

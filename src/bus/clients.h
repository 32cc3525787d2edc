/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clients.h: the clients that devices are leased to, and those that listen: who wants to be told of
 * every operation. The bus tells when one leaves; unique names are never given twice, so that is
 * for good.
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

#define CLIENTS_LISTEN_MAX 16 /* of one user */

/*
 * @name: a unique one, of user @uid. It listens until it stops or leaves. -EUSERS:
 * CLIENTS_LISTEN_MAX others of that user do.
 */
int clients_listen(Clients *c, const char *name, uid_t uid);
void clients_stop_listening(Clients *c, const char *name);
bool clients_any_listens(const Clients *c);

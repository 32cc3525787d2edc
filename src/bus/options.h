/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.h: the arguments of methods that have an a{sv}, as a validated Request. */
#pragma once

#include <systemd/sd-bus.h>

#include "model/request.h"

#define OPTION_ATTRIBUTES_MAX 256 /* of a matrix of crypto adapters and domains: many */

/* Which methods: each has options of its own. */
#define OPTIONS_CREATE (1U << 0)
#define OPTIONS_DEFINE (1U << 1)
#define OPTIONS_MODIFY (1U << 2)
#define OPTIONS_STOP (1U << 3)
#define OPTIONS_START (1U << 4)
#define OPTIONS_UNDEFINE (1U << 5)
#define OPTIONS_MOVE (1U << 6)
#define OPTIONS_DEFRAGMENT (1U << 7)
#define OPTIONS_PROFILE (1U << 8)

/* The next argument, an owner's name, once its form is found good; it is the message's. */
int options_read_owner(sd_bus_message *m, const char **ret, sd_bus_error *e);
/* Reads "a{sv}" from @m into @request. The form of everything is checked here, existence is not. */
int options_read(sd_bus_message *m, unsigned methods, Request *request, sd_bus_error *e);
/* The name of a pool. */
int options_read_pool(sd_bus_message *m, Request *request, sd_bus_error *e);
/* The same of "ssa{sv}": parent or "", type, options. A definition's type may be left open. */
int options_read_request(sd_bus_message *m, unsigned methods, Request **ret, sd_bus_error *e);

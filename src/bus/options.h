/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.h: the arguments of CreateDevice and its kin, as a validated Request. */
#pragma once

#include <systemd/sd-bus.h>

#include "model/request.h"

#define OPTION_ATTRIBUTES_MAX 64

/* Reads "ssa{sv}" from @m. The form of everything is checked here, existence is not. */
int options_read_request(sd_bus_message *m, Request **ret, sd_bus_error *e);

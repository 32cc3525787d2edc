/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-profile.h: handlers for the vtable of org.mdevd1.Manager; userdata is the Bus. */
#pragma once

#include "bus/call.h"

int bus_method_plan_profile(sd_bus_message *m, void *userdata, sd_bus_error *e);
int bus_method_apply_profile(sd_bus_message *m, void *userdata, sd_bus_error *e);
int bus_method_apply_profile_async(sd_bus_message *m, void *userdata, sd_bus_error *e);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * short-timers.h: relative timers of the code under test run a thousand times as fast. For a
 * program that is linked with --wrap=sd_event_add_time_relative, once.
 */
#include <systemd/sd-event.h>

int __real_sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock,
                                      uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t callback, void *userdata);
int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock,
                                      uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t callback, void *userdata);

int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock,
                                      uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t callback, void *userdata) {
        return __real_sd_event_add_time_relative(e, ret, clock, usec / 1000, 1, callback, userdata);
}

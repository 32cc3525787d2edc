/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call.h: a method call whose answer is the end of an operation. It keeps the message, waits, and
 * replies once. A call that was answered at once (…Async) is kept as well, without its message:
 * what it asked of the workers counts for its user until it has ended.
 */
#pragma once

#include "bus/bus-internal.h"

typedef enum CallAnswer {
        CALL_ANSWER_NOW,    /* the operation's path, at once */
        CALL_ANSWER_DEVICE, /* the device's path and UUID */
        CALL_ANSWER_EMPTY,
        CALL_ANSWER_REACHED, /* nothing, when a device is held; the operation goes on */
} CallAnswer;

/* LimitExceeded when @uid has as many calls under way as it may. Before anything is begun. */
int call_check_limit(Bus *b, uid_t uid, sd_bus_error *e);
/* Answers @m when @op has ended, or at once. Returns what the method's handler returns. */
int call_start(Bus *b, sd_bus_message *m, uid_t uid, Operation *op, CallAnswer answer,
               sd_bus_error *e);
/* All calls: their operations go on without us. */
void calls_stop(Bus *b);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus-error.h: the names of errors, and the one place where an Outcome gets its name. Sentences
 * name the value, the reason and the way out.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "model/outcome.h"
#include "names.h"

#define BUS_ERROR_INVALID_ARGUMENT MDEVD_ERROR_PREFIX "InvalidArgument"
#define BUS_ERROR_INVALID_UUID MDEVD_ERROR_PREFIX "InvalidUuid"
#define BUS_ERROR_INVALID_OWNER MDEVD_ERROR_PREFIX "InvalidOwner"
#define BUS_ERROR_TOO_LONG MDEVD_ERROR_PREFIX "TooLong"
#define BUS_ERROR_UNKNOWN_OPTION MDEVD_ERROR_PREFIX "UnknownOption"
#define BUS_ERROR_DUPLICATE_OPTION MDEVD_ERROR_PREFIX "DuplicateOption"
#define BUS_ERROR_WRONG_OPTION_TYPE MDEVD_ERROR_PREFIX "WrongOptionType"
#define BUS_ERROR_NO_SUCH_PARENT MDEVD_ERROR_PREFIX "NoSuchParent"
#define BUS_ERROR_NO_SUCH_DEVICE MDEVD_ERROR_PREFIX "NoSuchDevice"
#define BUS_ERROR_AMBIGUOUS MDEVD_ERROR_PREFIX "Ambiguous"
#define BUS_ERROR_LIMIT MDEVD_ERROR_PREFIX "LimitExceeded"
#define BUS_ERROR_STOPPING MDEVD_ERROR_PREFIX "Stopping"

/* Never NULL. */
const char *bus_error_name(Outcome outcome);
/* Fills @e from a positive outcome and its sentence (may be NULL); returns a negative errno. */
int bus_error_set_outcome(sd_bus_error *e, Outcome outcome, const char *text);

/* What a client sent, fit for a sentence: cut to some 60 bytes, no control characters. */
#define BUS_QUOTE_MAX 80
char *bus_quote(const char *s, char buf[static BUS_QUOTE_MAX]);
#define BUS_QUOTE(s) bus_quote((s), (char[BUS_QUOTE_MAX]){})

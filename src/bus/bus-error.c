/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-error.c: the table of outcomes, and how foreign text gets into a sentence. */
#include "bus/bus-error.h"

#include "bus/text.h"
#include "util/utf8.h"

#define QUOTE_BYTES 60

static const char *const error_names[_OUTCOME_MAX] = {
        [OUTCOME_INVALID] = BUS_ERROR_INVALID_ARGUMENT,
        [OUTCOME_NO_PARENT] = BUS_ERROR_NO_SUCH_PARENT,
        [OUTCOME_NO_TYPE] = MDEVD_ERROR_PREFIX "NoSuchType",
        [OUTCOME_NO_DEVICE] = BUS_ERROR_NO_SUCH_DEVICE,
        [OUTCOME_NO_DEFINITION] = MDEVD_ERROR_PREFIX "NoSuchDefinition",
        [OUTCOME_AMBIGUOUS] = BUS_ERROR_AMBIGUOUS,
        [OUTCOME_EXISTS] = MDEVD_ERROR_PREFIX "DeviceExists",
        [OUTCOME_NO_ROOM] = MDEVD_ERROR_PREFIX "NoRoom",
        [OUTCOME_BUSY] = MDEVD_ERROR_PREFIX "Busy",
        [OUTCOME_FAILED] = MDEVD_ERROR_PREFIX "Failed",
        [OUTCOME_LIMIT] = BUS_ERROR_LIMIT,
        [OUTCOME_NOT_SUPPORTED] = MDEVD_ERROR_PREFIX "NotSupported",
        [OUTCOME_NOT_READY] = MDEVD_ERROR_PREFIX "NotReady",
};

const char *bus_error_name(Outcome outcome) {
        if ((int) outcome <= OUTCOME_OK || outcome >= _OUTCOME_MAX || !error_names[outcome])
                return error_names[OUTCOME_FAILED];
        return error_names[outcome];
}

int bus_error_set_outcome(sd_bus_error *e, Outcome outcome, const char *text) {
        _cleanup_(freep) char *own = NULL;
        const char *sentence = text ? text_printable(text, &own) : "";

        if (!sentence)
                return -ENOMEM;
        return sd_bus_error_set(e, bus_error_name(outcome),
                                sentence[0] ? sentence :
                                              "It failed, and nobody said why; see the journal of "
                                              "mdevd.service.");
}

char *bus_quote(const char *s, char buf[static BUS_QUOTE_MAX]) {
        size_t cut = utf8_cut(s, QUOTE_BYTES); /* sd-bus lets only UTF-8 through */

        for (size_t i = 0; i < cut; i++)
                buf[i] = (unsigned char) s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i];
        strcpy(buf + cut, s[cut] ? "…" : "");
        return buf;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* text.c: strings that were not ours are made fit to be sent. */
#include "bus/text.h"

#include "util/json.h"
#include "util/utf8.h"

const char *text_printable(const char *s, char **ret_own) {
        *ret_own = NULL;
        if (utf8_is_sendable(s))
                return s;
        *ret_own = json_printable(s);
        return *ret_own;
}

int text_append(sd_bus_message *m, const char *s) {
        _cleanup_(freep) char *own = NULL;

        s = text_printable(s ?: "", &own);
        if (!s)
                return -ENOMEM;
        return sd_bus_message_append_basic(m, 's', s);
}

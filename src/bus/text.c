/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* text.c: UTF-8 as D-Bus has it: RFC 3629, so no surrogates and no longer form than needed. */
#include "bus/text.h"

#include <stdint.h>

#include "util/json.h"

/* Bytes of the character at @s; 0: none begins there. The NUL is no continuation, so it ends us. */
static size_t character_length(const unsigned char *s) {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
        uint32_t c = s[0];

        if (n == 1)
                return 1;
        if (s[0] < 0xc0 || s[0] > 0xf4)
                return 0;
        c &= 0x7fU >> n;
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3f);
        }
        return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

bool text_is_utf8(const char *s) {
        for (size_t n; *s; s += n) {
                n = character_length((const unsigned char *) s);
                if (n == 0)
                        return false;
        }
        return true;
}

const char *text_printable(const char *s, char **ret_own) {
        *ret_own = NULL;
        if (text_is_utf8(s))
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

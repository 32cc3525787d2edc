/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* utf8.c owns what a character of UTF-8 is: all that reads text of others asks here. */
#include "util/utf8.h"

#include <string.h>

#include "util/macro.h"

size_t utf8_decode(const char *s, size_t size, uint32_t *ret) {
        static const uint32_t least[] = { 0, 0x01, 0x80, 0x800, 0x10000 };
        const unsigned char *u = (const unsigned char *) s;
        size_t n;
        uint32_t c;

        if (size == 0)
                return 0;
        if (u[0] < 0x80)
                n = 1;
        else if ((u[0] & 0xe0) == 0xc0)
                n = 2;
        else if ((u[0] & 0xf0) == 0xe0)
                n = 3;
        else if ((u[0] & 0xf8) == 0xf0)
                n = 4;
        else
                return 0;
        if (size < n)
                return 0;

        c = n == 1 ? u[0] : u[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                /* a NUL is no continuation byte, so this stops there */
                if ((u[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (u[i] & 0x3f);
        }
        if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;

        if (ret)
                *ret = c;
        return n;
}

size_t utf8_cut(const char *s, size_t max) {
        size_t n = strlen(s), cut = MIN(n, max);

        while (cut > 0 && cut < n && ((unsigned char) s[cut] & 0xc0) == 0x80)
                cut--;
        return cut;
}

bool utf8_is_valid(const char *s) {
        for (size_t n; *s; s += n) {
                n = utf8_decode(s, SIZE_MAX, NULL);
                if (n == 0)
                        return false;
        }
        return true;
}

static bool is_control(uint32_t c) {
        return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

static bool is_noncharacter(uint32_t c) {
        return (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

bool utf8_is_plain(uint32_t c) {
        return !is_control(c) && !is_noncharacter(c);
}

bool utf8_is_sendable(const char *s) {
        uint32_t c = 0;

        for (size_t n; *s; s += n) {
                n = utf8_decode(s, SIZE_MAX, &c);
                if (n == 0 || is_noncharacter(c))
                        return false;
        }
        return true;
}

void utf8_make_plain(char *s) {
        while (*s) {
                uint32_t c = 0;
                size_t n = utf8_decode(s, SIZE_MAX, &c);

                if (n == 0 || !utf8_is_plain(c)) {
                        n = MAX(n, (size_t) 1);
                        memset(s, '?', n);
                }
                s += n;
        }
}

void utf8_write_escaped(FILE *f, const char *s) {
        while (*s) {
                uint32_t c = 0;
                size_t n = utf8_decode(s, SIZE_MAX, &c);

                bool good = n > 0 && (utf8_is_plain(c) || c == '\n');

                n = MAX(n, (size_t) 1);
                if (good)
                        (void) fwrite(s, 1, n, f);
                for (size_t i = 0; !good && i < n; i++)
                        (void) fprintf(f, "\\x%02x", (unsigned char) s[i]);
                s += n;
        }
}

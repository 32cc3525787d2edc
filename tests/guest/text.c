/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns taking command lines apart.
 */
#include "guest.h"

bool text_equal(const char *a, const char *b)
{
        while (*a && *a == *b) {
                a++;
                b++;
        }
        return *a == *b;
}

unsigned text_split(char *line, char **words, unsigned max)
{
        unsigned n = 0;

        while (n < max) {
                while (*line == ' ')
                        line++;
                if (!*line)
                        break;
                words[n++] = line;
                while (*line && *line != ' ')
                        line++;
                if (*line)
                        *line++ = 0;
        }
        return n;
}

static int digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

bool text_number(const char *text, uint64_t *ret)
{
        unsigned base = 10, n = 0;
        uint64_t v = 0;

        if (text[0] == '0' && text[1] == 'x') {
                base = 16;
                text += 2;
        }
        for (; digit(*text) >= 0 && digit(*text) < (int) base; text++, n++)
                v = v * base + (unsigned) digit(*text);
        if (*text == 'K' || *text == 'M')
                v <<= *text++ == 'K' ? 10 : 20;
        *ret = v;
        return n > 0 && !*text;
}

const char *text_option(const char *line, const char *key)
{
        for (; *line; line++) {
                const char *l = line, *k = key;

                while (*k && *l == *k) {
                        l++;
                        k++;
                }
                if (!*k && *l == '=')
                        return l + 1;
                while (*line && *line != ' ')
                        line++;
                if (!*line)
                        break;
        }
        return NULL;
}

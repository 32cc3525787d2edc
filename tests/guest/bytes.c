/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns the commands that read and write bytes of the window.
 */
#include "commands.h"

#define PAGE 4096U

void do_fill(char **words, unsigned n)
{
        struct range r;
        uint64_t pattern;

        if (n < 2 || !text_number(words[1], &pattern) || !parse_range(words, n, 2, 8, &r)) {
                err("fill PATTERN [OFF LEN], multiples of 8 inside the BAR");
                return;
        }
        for (uint32_t i = 0; i < r.size; i += 8) {
                volatile uint32_t *p = (volatile uint32_t *) (window + r.offset + i);

                p[0] = (uint32_t) pattern;
                p[1] = (uint32_t) (pattern >> 32);
        }
        put("ok filled");
        put_field("off", r.offset);
        put_field("len", r.size);
        put("\n");
}

void do_check(char **words, unsigned n)
{
        struct range r;
        uint64_t pattern, got;

        if (n < 2 || !text_number(words[1], &pattern) || !parse_range(words, n, 2, 8, &r)) {
                err("check PATTERN [OFF LEN], multiples of 8 inside the BAR");
                return;
        }
        for (uint32_t i = 0; i < r.size; i += 8) {
                volatile uint32_t *p = (volatile uint32_t *) (window + r.offset + i);

                got = p[0];
                got |= (uint64_t) p[1] << 32;
                if (got == pattern)
                        continue;
                put("err differs");
                put_field("at", r.offset + i);
                put_field("got", got);
                put_field("expected", pattern);
                put("\n");
                return;
        }
        put("ok all of");
        put_field("len", r.size);
        put_field("is", pattern);
        put("\n");
}

void do_touch(char **words, unsigned n)
{
        bool writing = n > 1 && text_equal(words[1], "write");
        unsigned skip = n > 1 && (writing || text_equal(words[1], "read")) ? 2 : 1;
        uint32_t pages = 0, sum = 0;
        struct range r;

        if (!parse_range(words, n, skip, 4, &r)) {
                err("touch [read|write] [OFF LEN], multiples of 4 inside the BAR");
                return;
        }
        for (uint32_t i = 0; i < r.size; i += PAGE, pages++) {
                volatile uint32_t *p = (volatile uint32_t *) (window + r.offset + i);

                if (writing)
                        *p = pages;
                else
                        sum ^= *p;
        }
        put("ok pages=");
        put_dec(pages);
        put_field("xor", sum);
        put("\n");
}

static uint64_t load(volatile uint8_t *p, unsigned width)
{
        uint64_t low;

        if (width == 1)
                return *p;
        if (width == 2)
                return *(volatile uint16_t *) p;
        low = *(volatile uint32_t *) p;
        return width == 4 ? low : low | (uint64_t) ((volatile uint32_t *) p)[1] << 32;
}

static void store(volatile uint8_t *p, unsigned width, uint64_t v)
{
        if (width == 1)
                *p = (uint8_t) v;
        else if (width == 2)
                *(volatile uint16_t *) p = (uint16_t) v;
        else
                *(volatile uint32_t *) p = (uint32_t) v;
        if (width == 8)
                ((volatile uint32_t *) p)[1] = (uint32_t) (v >> 32);
}

/* Offsets past the BAR are lawful here: that is what these two are for. */
void do_peek(char **words, unsigned n)
{
        uint64_t offset;
        unsigned width;

        if (n < 2 || n > 3 || !text_number(words[1], &offset) || offset >= WINDOW_SIZE / 2 ||
            !parse_width(n > 2 ? words[2] : NULL, &width)) {
                err("peek OFF [1|2|4|8]");
                return;
        }
        put("ok ");
        put_hex(load(window + (uint32_t) offset, width));
        put("\n");
}

void do_poke(char **words, unsigned n)
{
        uint64_t offset, v;
        unsigned width;

        if (n < 3 || n > 4 || !text_number(words[1], &offset) || offset >= WINDOW_SIZE / 2 ||
            !text_number(words[2], &v) || !parse_width(n > 3 ? words[3] : NULL, &width)) {
                err("poke OFF VALUE [1|2|4|8]");
                return;
        }
        store(window + (uint32_t) offset, width, v);
        put("ok\n");
}

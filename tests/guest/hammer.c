/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns a load that notices when anybody else writes to its memory, or when it is taken away and
 * given back changed: every word holds a value made of the pass and its index, which is verified
 * right after it was written and again a whole pass later.
 */
#include "guest.h"

#define CHUNK_WORDS 4096U

static uint32_t value(uint32_t pass, uint32_t index)
{
        return index * 2654435761U ^ pass * 0x9e3779b9U ^ 0x5bd1e995U;
}

void hammer_start(struct hammer *h, volatile uint8_t *base, uint32_t size)
{
        *h = (struct hammer){
                .running = true,
                .base = (volatile uint32_t *) base,
                .words = size / 4,
                .pass = 1,
        };
}

static void verify(struct hammer *h, uint32_t begin, uint32_t end, uint32_t pass)
{
        for (uint32_t i = begin; i < end; i++) {
                uint32_t got = h->base[i];

                if (got == value(pass, i))
                        continue;
                if (h->errors++ == 0) {
                        h->first_error = i;
                        h->first_got = got;
                }
        }
}

void hammer_step(struct hammer *h)
{
        uint32_t begin = h->at, end = begin + CHUNK_WORDS;

        if (end > h->words)
                end = h->words;
        if (h->pass > 1)
                verify(h, begin, end, h->pass - 1);
        for (uint32_t i = begin; i < end; i++)
                h->base[i] = value(h->pass, i);
        verify(h, begin, end, h->pass);
        h->chunks++;
        h->at = end;
        if (h->at == h->words) {
                h->at = 0;
                h->pass++;
        }
}

void hammer_report(const struct hammer *h)
{
        put(h->errors ? "err" : "ok");
        put(" passes=");
        put_dec(h->pass - 1);
        put(" chunks=");
        put_dec(h->chunks);
        put(" errors=");
        put_dec(h->errors);
        if (h->errors) {
                put_field("first", (uint64_t) h->first_error * 4);
                put_field("got", h->first_got);
        }
        put("\n");
}

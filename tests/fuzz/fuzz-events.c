/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-events.c: what a read() of /dev/mdevd gives: names end, and no more is taken than is there.
 */
#include "backend/kmod.h"
#include "fuzz.h"

static void on_event(const KmodEvent *e, void *userdata) {
        size_t *n = userdata;

        assert(e && memchr(e->parent, '\0', sizeof(e->parent)));
        assert(memchr(e->comm, '\0', sizeof(e->comm)));
        (*n)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t n = 0;

        kmod_parse_events(data, size, on_event, &n);
        assert(n <= size / 8);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-wire.c: whatever bytes are taken for a message, what is read from it lies in it. */
#include "cli/wire.h"
#include "fuzz.h"
#include "util/macro.h"

static void check_inside(const char *s, const char *bytes, size_t size) {
        assert(!s[0] || (s >= bytes && s + strlen(s) < bytes + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *bytes = malloc(size ?: 1);
        WireReader strings, numbers;
        uint32_t number;
        const char *s;
        WireMessage m;

        assert(bytes);
        memcpy(bytes, data, size);
        if (wire_read(bytes, size, &m) < 0)
                return 0;
        check_inside(m.error, bytes, size);
        check_inside(m.signature, bytes, size);
        assert(m.body >= bytes && m.body + m.body_size == bytes + size);
        strings = numbers = (WireReader) { .bytes = m.body, .size = m.body_size };
        while (wire_next_string(&strings, &s) >= 0)
                check_inside(s, bytes, size);
        while (wire_next_u32(&numbers, &number) >= 0)
                assert(numbers.at <= numbers.size);
        return 0;
}

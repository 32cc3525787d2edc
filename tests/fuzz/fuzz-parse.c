/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-parse.c: numbers, sizes, UUIDs and names: what is accepted is written back the same. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "util/macro.h"
#include "util/parse.h"
#include "util/uuid.h"

static void check_number(const char *s) {
        char text[32];
        uint64_t v = 7, again;

        if (parse_u64(s, &v) == 0) {
                assert(strspn(s, "0123456789abcdefABCDEFxX") == strlen(s));
                (void) snprintf(text, sizeof(text), "%" PRIu64, v);
                assert(parse_u64(text, &again) == 0 && again == v);
                assert(parse_size(s, &again) == 0 && again == v);
        } else
                assert(v == 7);
        v = 7;
        if (parse_size(s, &v) < 0)
                assert(v == 7);
}

static void check_uuid(const char *s) {
        char text[UUID_STRING_MAX];
        Uuid uuid, again;

        if (uuid_parse(s, &uuid) < 0)
                return;
        assert(strlen(s) == UUID_STRING_MAX - 1);
        assert(uuid_parse(uuid_format(&uuid, text), &again) == 0 && uuid_equal(&uuid, &again));
        assert(strcasecmp(s, text) == 0);
}

static void check_names(const char *s) {
        size_t n = strlen(s);

        if (name_is_valid_parent(s))
                assert(n > 0 && n < 64 && !strchr(s, '/') && !streq(s, ".") && !streq(s, ".."));
        if (name_is_valid_id(s))
                assert(n > 0 && n < 32 && !strchr(s, '/') && !streq(s, ".") && !streq(s, ".."));
        if (name_is_valid_owner(s)) {
                assert(n < 64);
                for (size_t i = 0; i < n; i++)
                        assert((unsigned char) s[i] >= 0x20 && s[i] != 0x7f);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *s = malloc(size + 1);

        assert(s);
        memcpy(s, data, size);
        s[size] = '\0';
        check_number(s);
        check_uuid(s);
        check_names(s);
        return 0;
}

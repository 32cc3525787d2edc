/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-extras.c: extras are right or say why not, and mean the same when they are written again. */
#include "config/extras.h"
#include "fuzz.h"
#include "util/parse.h"

static void check_equal(const ExtrasValues *a, const ExtrasValues *b) {
        assert(streq(a->owner ?: "", b->owner ?: ""));
        assert(name_is_valid_owner(a->owner ?: ""));
        assert(a->reserve_set == b->reserve_set && a->reserve == b->reserve);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *why = NULL, *text = NULL, *text_again = NULL;
        _cleanup_(extras_done) Extras e = {}, again = {};
        int r;

        r = extras_parse("f", (const char *) data, size, &e, &why);
        assert(r == 0 || r == 1);
        if (r > 0) {
                assert(why && strncmp(why, "/f:", 3) == 0);
                for (const char *s = why; *s; s++)
                        assert((unsigned char) *s >= 0x20 && *s != 0x7f);
                return 0;
        }

        assert(!why && extras_format(&e, &text) == 0);
        assert(extras_parse("f", text, strlen(text), &again, &why) == 0);
        check_equal(&again.now, &e.now);
        check_equal(&again.before, &e.before);
        assert(streq_ptr(again.until, e.until));
        assert(extras_format(&again, &text_again) == 0 && streq(text, text_again));
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outcome.c: the names of the outcomes, and the sentences that go with one. */
#include "model/outcome.h"

#include <stdarg.h>

static const char *const outcome_table[_OUTCOME_MAX] = {
        [OUTCOME_OK] = "ok",
        [OUTCOME_INVALID] = "invalid",
        [OUTCOME_NO_PARENT] = "no-parent",
        [OUTCOME_NO_TYPE] = "no-type",
        [OUTCOME_NO_DEVICE] = "no-device",
        [OUTCOME_NO_DEFINITION] = "no-definition",
        [OUTCOME_AMBIGUOUS] = "ambiguous",
        [OUTCOME_EXISTS] = "exists",
        [OUTCOME_NO_ROOM] = "no-room",
        [OUTCOME_BUSY] = "busy",
        [OUTCOME_FAILED] = "failed",
        [OUTCOME_LIMIT] = "limit",
        [OUTCOME_NOT_SUPPORTED] = "not-supported",
        [OUTCOME_NOT_READY] = "not-ready",
};

DEFINE_STRING_TABLE(outcome, Outcome, _OUTCOME_MAX)

void reason_done(Reason *r) {
        free(r->text);
        r->text = NULL;
}

static int _printf_(2, 0) reason_addv(Reason *r, const char *format, va_list ap) {
        _cleanup_(freep) char *line = NULL;
        size_t size, add;
        char *text;

        if (vasprintf(&line, format, ap) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        if (!r->text) {
                r->text = TAKE_PTR(line);
                return 0;
        }

        size = strlen(r->text);
        add = strlen(line);
        text = realloc(r->text, size + 1 + add + 1);
        if (!text)
                return -ENOMEM;
        text[size] = '\n';
        memcpy(text + size + 1, line, add + 1);
        r->text = text;
        return 0;
}

int reason_add(Reason *r, const char *format, ...) {
        va_list ap;
        int ret;

        va_start(ap, format);
        ret = reason_addv(r, format, ap);
        va_end(ap);
        return ret;
}

int reason_set(Reason *r, Outcome outcome, const char *format, ...) {
        va_list ap;
        int ret;

        va_start(ap, format);
        ret = reason_addv(r, format, ap);
        va_end(ap);
        return ret < 0 ? ret : (int) outcome;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-record.c: what is read as an operation's record can name nothing outside of the device, and
 * means the same when it is written and read again; a worker's line after it is read like the
 * first. A line that is read without json-c is what json-c reads.
 */
#include "backend/record-internal.h"
#include "fuzz.h"
#include "sysfs/sysfs.h"
#include "util/parse.h"

static void check(const Record *r) {
        _cleanup_(freep) char *name = NULL;

        assert(record_kind_to_string(r->kind) && record_step_to_string(r->step));
        assert(name_is_valid_parent(r->parent) && sysfs_path_is_valid(r->parent_path));
        assert(r->kind != RECORD_CREATE || (r->type && !strchr(r->type, '/')));
        assert(!r->owner || name_is_valid_owner(r->owner));
        assert(r->n_extents <= EXTENTS_MAX && r->n_attributes <= RECORD_ATTRIBUTES_MAX);
        for (size_t i = 0; i < r->n_extents; i++)
                assert(r->extents[i].bar < BARS_MAX && r->extents[i].guest_bar < BARS_MAX);
        assert(r->pid >= 0 && r->error <= 0);
        assert(r->step != STEP_DONE || outcome_to_string(r->outcome));
        assert(record_name(r, &name) == 0 && !strchr(name, '/'));
}

static void check_again(const Record *r) {
        _cleanup_(record_freep) Record *again = NULL;
        _cleanup_(freep) char *text = NULL, *text_again = NULL, *change = NULL, *both = NULL;
        int k;

        k = record_format(r, &text);
        assert(k == 0 || k == -E2BIG);
        if (k < 0)
                return;
        assert(record_parse(&again, text, strlen(text)) == 0);
        assert(record_format(again, &text_again) == 0 && streq(text, text_again));

        if (record_format_change(r, &change) < 0)
                return;
        assert(asprintf(&both, "%s%s", text, change) > 0);
        again = record_free(again);
        free(text_again);
        text_again = NULL;
        assert(record_parse(&again, both, strlen(both)) == 0);
        assert(record_format(again, &text_again) == 0 && streq(text, text_again));
}

static void assert_same(const Record *a, const Record *b) {
        _cleanup_(freep) char *text_a = NULL, *text_b = NULL, *last_a = NULL, *last_b = NULL;

        assert(record_format(a, &text_a) == 0 && record_format(b, &text_b) == 0);
        assert(record_format_change(a, &last_a) == 0 && record_format_change(b, &last_b) == 0);
        assert(streq(text_a, text_b) && streq(last_a, last_b));
}

static void check_line(const char *line, size_t size) {
        _cleanup_(record_freep) Record *r = NULL, *again = NULL;

        assert(record_new(&r, RECORD_CREATE) == 0 && record_new(&again, RECORD_CREATE) == 0);
        r->took_us = again->took_us = 5;
        if (record_change_from_plain(r, line, size))
                assert(record_change_by_json(again, line, size) == 0);
        assert_same(r, again);
        if (!record_first_from_plain(r, line, size))
                return;
        assert(record_first_by_json(again, line, size) == 0);
        assert_same(r, again);
}

static void check_lines(const char *text, size_t size) {
        for (const char *end; (end = memchr(text, '\n', size)); text = end + 1) {
                check_line(text, end - text);
                size -= end + 1 - text;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(record_freep) Record *r = NULL;
        int k;

        check_lines((const char *) data, size);
        k = record_parse(&r, (const char *) data, size);
        assert(k == 0 || k == -EBADMSG || k == -E2BIG);
        if (k < 0) {
                assert(!r);
                return 0;
        }
        check(r);
        check_again(r);
        return 0;
}

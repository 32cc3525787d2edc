/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record-plain.c: the lines of a record that most are, read as they were written, one member after
 * the other: json-c makes a tree of each, of which every member is then looked for. What is checked
 * is the same. Of what a line has beyond that (attributes, moves, sentences …) json-c is asked.
 */
#include "backend/record-internal.h"
#include "model/device.h"

static bool extents_from_plain(Record *r, JsonPlain *p) {
        if (!json_plain_has(p, "extents"))
                return true;
        if (!json_plain_begin(p, "extents", '['))
                return false;
        while (!json_plain_end(p, ']')) {
                Extent *e = &r->extents[r->n_extents];
                uint64_t bar, guest_bar;

                if (r->n_extents == EXTENTS_MAX || !json_plain_begin(p, NULL, '{') ||
                    !json_plain_u64(p, "bar", BARS_MAX - 1, &bar) ||
                    !json_plain_u64(p, "guest", BARS_MAX - 1, &guest_bar) ||
                    !json_plain_u64(p, "offset", UINT64_MAX, &e->offset) ||
                    !json_plain_u64(p, "size", UINT64_MAX, &e->size) || !json_plain_end(p, '}'))
                        return false;
                e->bar = bar;
                e->guest_bar = guest_bar;
                r->n_extents++;
        }
        return true;
}

/* Up to the end of the line. @r stays as it is where it is not plain. */
static bool change_from_plain(Record *r, JsonPlain *p) {
        uint64_t pid, error = 0, took_us = r->took_us;
        int step, outcome = (int) r->outcome;
        bool done;

        if (!json_plain_word(p, "step", record_step_from_string, &step) ||
            !json_plain_u64(p, "pid", INT32_MAX, &pid))
                return false;
        done = step == STEP_DONE || step == STEP_SETTLING;
        if (done && (!json_plain_word(p, "outcome", outcome_from_string, &outcome) ||
                     !json_plain_u64(p, "errno", 4095, &error) ||
                     (json_plain_has(p, "took_us") &&
                      !json_plain_u64(p, "took_us", INT64_MAX, &took_us))))
                return false;
        if (!json_plain_end(p, '}') || p->at != p->end)
                return false;

        r->step = step;
        r->pid = (pid_t) pid;
        if (done) {
                r->outcome = outcome;
                r->error = -(int) error;
                r->took_us = took_us;
        }
        return true;
}

bool record_change_from_plain(Record *r, const char *line, size_t size) {
        JsonPlain p = { line, line, line + size };

        return json_plain_begin(&p, NULL, '{') && change_from_plain(r, &p);
}

bool record_first_from_plain(Record *r, const char *line, size_t size) {
        JsonPlain p = { line, line, line + size };
        char uuid[JSON_PLAIN_STRING_MAX];
        int kind, origin;
        uint64_t ours;

        if (!json_plain_begin(&p, NULL, '{') ||
            !json_plain_word(&p, "kind", record_kind_from_string, &kind) ||
            !json_plain_string(&p, "uuid", uuid) || uuid_parse(uuid, &r->uuid) < 0 ||
            !json_plain_word(&p, "origin", origin_from_string, &origin) ||
            !json_plain_u64(&p, "ours", 1, &ours) || kind == RECORD_CONFIGURE)
                return false;
        r->kind = kind;
        r->origin = origin;
        r->ours = ours;
        return record_fields_from_plain(r, &p) && extents_from_plain(r, &p) &&
               change_from_plain(r, &p);
}

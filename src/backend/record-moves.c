/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record-moves.c: the moves of a record, which are planned once, and how far they are. */
#include "backend/record-internal.h"
#include "backend/record.h"

int record_add_move(Record *r, const RecordMove *move) {
        RecordMove *bigger;

        if (r->n_moves >= MOVES_MAX)
                return -E2BIG;
        bigger = reallocarray(r->moves, r->n_moves + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        r->moves = bigger;
        bigger[r->n_moves++] = *move;
        return 0;
}

uint64_t record_moves_size(const Record *r) {
        uint64_t size = 0;

        for (size_t i = 0; i < r->n_moves; i++)
                size += r->moves[i].to.size;
        return size;
}

static int move_from_json(Record *r, json_object *o) {
        uint64_t extent, bar;
        const char *uuid;
        RecordMove move;

        if (json_get_string(o, "uuid", &uuid) < 0 || uuid_parse(uuid, &move.uuid) < 0 ||
            json_get_u64(o, "extent", EXTENTS_MAX - 1, &extent) < 0 ||
            json_get_u64(o, "bar", BARS_MAX - 1, &bar) < 0 ||
            json_get_u64(o, "offset", UINT64_MAX, &move.to.offset) < 0 ||
            json_get_u64(o, "size", UINT64_MAX, &move.to.size) < 0)
                return -EBADMSG;
        move.extent = extent;
        move.to.bar = bar;
        move.to.guest_bar = 0;
        return record_add_move(r, &move);
}

int record_moves_from_json(Record *r, json_object *o) {
        json_object *array;
        size_t n;
        int k = 0;

        if (!json_object_object_get_ex(o, "moves", NULL))
                return 0;
        if (json_get_array(o, "moves", MOVES_MAX, &array, &n) < 0)
                return -EBADMSG;
        for (size_t i = 0; k >= 0 && i < n; i++)
                k = move_from_json(r, json_object_array_get_idx(array, i));
        return k;
}

void record_moves_to_text(const Record *r, JsonText *t) {
        if (r->n_moves == 0)
                return;
        json_text_begin(t, "moves", '[');
        for (size_t i = 0; i < r->n_moves; i++) {
                const RecordMove *m = &r->moves[i];

                json_text_begin(t, NULL, '{');
                json_text_string(t, "uuid", UUID_STR(&m->uuid));
                json_text_u64(t, "extent", m->extent);
                json_text_u64(t, "bar", m->to.bar);
                json_text_u64(t, "offset", m->to.offset);
                json_text_u64(t, "size", m->to.size);
                json_text_end(t, '}');
        }
        json_text_end(t, ']');
}

int record_progress_from_json(Record *r, json_object *o) {
        uint64_t done, bytes, longest;

        if (!json_object_object_get_ex(o, "done", NULL))
                return 0;
        if (json_get_u64(o, "done", MOVES_MAX, &done) < 0 ||
            json_get_u64(o, "bytes", UINT64_MAX, &bytes) < 0 ||
            json_get_u64(o, "longest_us", UINT32_MAX, &longest) < 0)
                return -EBADMSG;
        r->n_moved = done;
        r->moved = bytes;
        r->longest_us = longest;
        return 0;
}

void record_progress_to_text(const Record *r, JsonText *t) {
        if (r->n_moves == 0)
                return;
        json_text_u64(t, "done", r->n_moved);
        json_text_u64(t, "bytes", r->moved);
        json_text_u64(t, "longest_us", r->longest_us);
}

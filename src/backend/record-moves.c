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

static int move_to_json(const RecordMove *m, json_object *o) {
        int k;

        k = json_put_string(o, "uuid", UUID_STR(&m->uuid));
        if (k >= 0)
                k = json_put_u64(o, "extent", m->extent);
        if (k >= 0)
                k = json_put_u64(o, "bar", m->to.bar);
        if (k >= 0)
                k = json_put_u64(o, "offset", m->to.offset);
        return k < 0 ? k : json_put_u64(o, "size", m->to.size);
}

int record_moves_to_json(const Record *r, json_object *o) {
        json_object *array;
        int k;

        if (r->n_moves == 0)
                return 0;
        array = json_object_new_array();
        k = json_put(o, "moves", array);
        for (size_t i = 0; k >= 0 && i < r->n_moves; i++) {
                json_object *move = json_object_new_object();

                k = json_append(array, move);
                if (k >= 0)
                        k = move_to_json(&r->moves[i], move);
        }
        return k;
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

int record_progress_to_json(const Record *r, json_object *o) {
        int k;

        if (r->n_moves == 0)
                return 0;
        k = json_put_u64(o, "done", r->n_moved);
        if (k >= 0)
                k = json_put_u64(o, "bytes", r->moved);
        return k < 0 ? k : json_put_u64(o, "longest_us", r->longest_us);
}

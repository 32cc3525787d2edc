/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-move.c: owns the moves of an operation: one chunk a call of the module, so that how long
 * each took is seen before the next. A worker that is killed leaves a move at the end of a chunk,
 * in two places; the operation that mends that (core/moves.c) has the same record, and goes the
 * shorter way, on or back.
 */
#include "backend/worker-internal.h"

#define CLOSED_TRIES_MAX 3
/* A long move is noted that often, since a record has no room for each chunk of many. */
#define NOTES_MAX 64

static const KmodDevice *find_device(const KmodSnapshot *s, const Uuid *uuid) {
        list_foreach(p, &s->parents, KmodParent, node)
                list_foreach(d, &p->devices, KmodDevice, node)
                        if (uuid_equal(&d->uuid, uuid))
                                return d;
        return NULL;
}

static bool is_at(const Extent *e, const Extent *to) {
        return e->bar == to->bar && e->offset == to->offset;
}

/*
 * What an earlier worker has done of it. Positive: all, or who only mends what was left finds that
 * the device is in one place again, for it was closed meanwhile. *@ret is what is there already.
 */
static int look(Job *j, const RecordMove *move, uint64_t *ret) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
        const KmodDevice *d;
        int r;

        r = kmod_query(j->kmod, &s);
        if (r < 0)
                return r;
        *ret = 0;
        d = find_device(s, &move->uuid);
        if (!d || move->extent >= d->n_extents)
                return j->record->mend; /* else the module will say so */
        if (d->other.used && !d->other.finished && d->other.extent == move->extent &&
            is_at(&d->other.place, &move->to)) {
                *ret = d->other.moved;
                return 0;
        }
        return j->record->mend || is_at(&d->extents[move->extent], &move->to);
}

static void note(Job *j, uint64_t before, uint64_t moved, uint64_t *noted) {
        uint64_t step = record_moves_size(j->record) / NOTES_MAX;

        j->record->moved = before + moved;
        if (j->record->moved < *noted + step)
                return;
        *noted = j->record->moved;
        job_reach(j, STEP_MOVING);
}

/* Until all is there, or with @arg->back nothing is. */
static int go(Job *j, KmodMove *arg, uint64_t size, uint64_t before) {
        uint64_t noted = j->record->moved;
        unsigned closed = 0;
        int r;

        do {
                uint64_t last = arg->moved;

                r = kmod_move_chunk(j->kmod, arg);
                if ((r == -ECANCELED || r == -ENOENT) && j->record->mend)
                        return 0; /* it was closed, or is gone: nothing is in two places */
                if (r == 0 && j->record->mend && !arg->back && arg->moved <= last)
                        arg->back = true; /* closed just now, so this began a new move */
                if (r == -ECANCELED && ++closed < CLOSED_TRIES_MAX)
                        continue; /* it is where it was: from the beginning */
                if (r < 0)
                        return r;
                j->record->longest_us = MAX(j->record->longest_us, arg->longest_us);
                if (!arg->back && j->record->pause_ms > 0 && arg->moved < size &&
                    arg->longest_us > (uint64_t) j->record->pause_ms * 1000)
                        return -ETIME;
                note(j, before, arg->moved, &noted);
        } while (r < 0 || arg->moved != (arg->back ? 0 : size));
        return 0;
}

static int refuse_slow(Job *j, const KmodMove *arg, bool back) {
        char *text = NULL;

        if (asprintf(&text,
                     "A chunk of %s took %u.%03u ms on its way, and pauses may be %u ms: %s; raise "
                     "\"pause_max\" or move it when nobody uses it.",
                     UUID_STR(&arg->uuid), j->record->longest_us / 1000,
                     j->record->longest_us % 1000, j->record->pause_ms,
                     back ? "it is where it was" : "it was moved all the same, for more than half "
                                                   "of it had been") < 0)
                text = NULL;
        record_set_result(j->record, OUTCOME_FAILED, -ETIME, text);
        return -ETIME;
}

/* One chunk was too slow: the shorter way out. */
static int turn_round(Job *j, KmodMove *arg, uint64_t size, uint64_t before) {
        bool back = arg->moved * 2 < size;
        int r;

        j->record->pause_ms = j->record->pause_ms ?: 1;
        arg->back = back;
        do {
                r = kmod_move_chunk(j->kmod, arg);
                if (r < 0)
                        return r;
                j->record->moved = before + arg->moved;
        } while (arg->moved != (back ? 0 : size));
        return refuse_slow(j, arg, back);
}

static int move_one(Job *j, const RecordMove *move, uint64_t before) {
        KmodMove arg = {
                .uuid = move->uuid,
                .extent = move->extent,
                .bar = move->to.bar,
                .offset = move->to.offset,
                .release = j->record->release,
        };
        uint64_t there;
        int r;

        r = look(j, move, &there);
        if (r != 0)
                return MIN(r, 0);
        /* who only mends what was left goes the shorter way; others want it there */
        arg.moved = there;
        arg.back = j->record->mend && there * 2 < move->to.size;
        r = go(j, &arg, move->to.size, before);
        return r == -ETIME ? turn_round(j, &arg, move->to.size, before) : r;
}

int job_move(Job *j) {
        Record *record = j->record;
        uint64_t before = 0;
        int r;

        if (record->n_moves == 0)
                return 0;
        r = j->kmod ? 0 : kmod_open(&j->kmod, j->root_fd);
        if (r < 0)
                return job_refuse(j, REFUSAL_OPEN_CONTROL, r, NULL);
        job_reach(j, STEP_MOVING);
        for (size_t i = 0; i < record->n_moves; i++) {
                const RecordMove *move = &record->moves[i];

                if (i >= record->n_moved) {
                        r = move_one(j, move, before);
                        if (r < 0 && record->step == STEP_DONE)
                                return r;
                        if (r < 0)
                                return job_refuse(j, REFUSAL_MOVE, r, UUID_STR(&move->uuid));
                        record->n_moved++;
                        record->moved = before + move->to.size;
                        job_reach(j, STEP_MOVING);
                }
                before += move->to.size;
        }
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan.c: when a request finds no room, what would have to move; and what to move when nobody asks
 * for anything, so that the next large one finds room.
 */
#include "policy/match.h"
#include "policy/moves.h"
#include "policy/search.h"
#include "util/parse.h"

/* "moving devices a, b (12 MiB)": in @ret. */
static int describe_moves(const Moves *m, const char *verb, const char *end, char **ret) {
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        fprintf(f, "%s %s", verb, m->n == 1 ? "device" : "devices");
        for (size_t i = 0; i < m->n && i < 8; i++)
                fprintf(f, "%s %s", i ? "," : "", UUID_STR(&m->moves[i].device->uuid));
        if (m->n > 8)
                fprintf(f, " and %zu more", m->n - 8);
        fprintf(f, " (%s) %s", SIZE_STR(m->bytes), end);
        if (fclose(f) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

/* Moves on one parent, and whether nobody's guarantee would then be in the way. */
static int plan_on(Search *s, Candidate *c, bool remove, Moves *ret) {
        _cleanup_(layout_freep) Layout *l = NULL;
        int r;

        r = layout_new(&l, s->host.places[c->place].view, s->host.planned);
        if (r < 0)
                return r;
        r = layout_make_room(l, s->group, c->type, remove, ret);
        if (r == 0)
                r = layout_drop_placed(l);
        if (r != 0)
                return r;
        layout_exchange(l);
        r = candidate_check_promises(s, c, NULL);
        layout_exchange(l);
        return r;
}

int explain_way_out(Search *s, Candidate *c, char **ret) {
        _cleanup_(moves_done) Moves moves = {}, removals = {};
        int r;

        r = plan_on(s, c, false, &moves);
        if (r < 0)
                return r;
        if (r == 0)
                return describe_moves(&moves, "moving", "would make room", ret);
        r = plan_on(s, c, true, &removals);
        if (r < 0)
                return r;
        if (r == 0)
                return describe_moves(&removals, "removing", "would make room", ret);
        *ret = strdup("no device stands in the way that could go");
        return *ret ? 0 : -ENOMEM;
}

/* Fewest bytes over all parents on which only room is wanting. */
static int search_moves(Search *s, Moves *ret) {
        bool found = false;

        for (size_t i = 0; i < s->n; i++) {
                _cleanup_(moves_done) Moves moves = {};
                Candidate *c = &s->candidates[i];
                int r;

                r = candidate_check_but_space(s, c);
                if (r == 0)
                        r = c->type->ours ? plan_on(s, c, false, &moves) : OUTCOME_NO_ROOM;
                if (r < 0)
                        return r;
                if (r > 0 || (found && moves.bytes >= ret->bytes))
                        continue;
                moves_done(ret);
                *ret = moves;
                ret->parent = s->host.places[c->place].parent;
                moves = (Moves) {};
                found = true;
        }
        return found ? 0 : OUTCOME_NO_ROOM;
}

static int plan_once(const Model *model, const List *planned, const Request *request, Moves *ret,
                     Reason *reason) {
        _cleanup_(search_done) Search s = {};
        _cleanup_(moves_done) Moves moves = {};
        Placement placement;
        int r;

        r = search_init(&s, model, planned, request, reason);
        if (r != 0)
                return r;
        r = search_run(&s, &placement);
        if (r == 0)
                moves.parent = placement.parent;
        else if (r > 0)
                r = search_moves(&s, &moves);
        if (r > 0)
                return search_explain(&s, reason);
        if (r < 0)
                return r;
        *ret = moves;
        moves = (Moves) {};
        return 0;
}

int policy_plan_moves(const Model *model, const List *planned, const Request *request, Moves *ret,
                      Reason *reason) {
        int r;

        r = plan_once(model, planned, request, ret, reason);
        return r == -ESTALE ? plan_once(model, planned, request, ret, reason) : r;
}

int policy_plan_defragment(const Model *model, const List *planned, const Parent *parent,
                           const Pool *pool, uint64_t max_bytes, Moves *ret) {
        _cleanup_(layout_freep) Layout *l = NULL;
        _cleanup_(moves_done) Moves moves = {};
        View *v;
        int r;

        r = view_get(model, planned, parent, &v);
        if (r < 0)
                return r;
        r = layout_new(&l, v, planned);
        if (r < 0)
                return r;
        r = layout_restore_block(l, pool, max_bytes, &moves);
        if (r != 0)
                return r;
        moves.parent = (Parent *) parent;
        *ret = moves;
        moves = (Moves) {};
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan.c: when a request finds no room, what would have to move; and what to move when nobody asks
 * for anything, so that the next large one finds room.
 */
#include "policy/match.h"
#include "policy/moves.h"
#include "policy/search.h"
#include "util/parse.h"

#define DEVICES_NAMED_MAX 8

/* Devices that are to move, each once, though it may have several extents, or move twice. */
static size_t list_movers(const Moves *m, const Device *ret[static DEVICES_NAMED_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < m->n; i++) {
                size_t j = 0;

                while (j < i && m->moves[j].device != m->moves[i].device)
                        j++;
                if (j < i)
                        continue;
                if (n < DEVICES_NAMED_MAX)
                        ret[n] = m->moves[i].device;
                n++;
        }
        return n;
}

/* "moving devices a, b (12 MiB)": in @ret. */
static int describe_moves(const Moves *m, const char *verb, const char *end, char **ret) {
        const Device *movers[DEVICES_NAMED_MAX];
        size_t n = list_movers(m, movers);
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        fprintf(f, "%s %s", verb, n == 1 ? "device" : "devices");
        for (size_t i = 0; i < n && i < DEVICES_NAMED_MAX; i++)
                fprintf(f, "%s %s", i ? "," : "", UUID_STR(&movers[i]->uuid));
        if (n > DEVICES_NAMED_MAX)
                fprintf(f, " and %zu more", n - DEVICES_NAMED_MAX);
        fprintf(f, " (%s) %s", SIZE_STR(m->bytes), end);
        if (fclose(f) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

/* Where the new device goes: what room was made for, in order of its BARs. */
static void note_placement(const Layout *l, Candidate *c, Parent *parent, Placement *ret) {
        size_t order[BARS_MAX];

        (void) type_order_bars(c->type, order);
        *ret = (Placement) { .parent = parent, .type = c->type };
        for (size_t bar = 0; bar < BARS_MAX; bar++)
                for (size_t i = 0; i < l->n_placed; i++)
                        if (order[i] == bar)
                                ret->extents[ret->n_extents++] = (Extent) {
                                        .offset = l->placed[i].offset,
                                        .size = c->type->bars[bar].size,
                                        .bar = l->view->regions[l->placed_region[i]].pool->bar,
                                        .guest_bar = (uint8_t) bar,
                                };
}

/*
 * Moves on one parent, and whether nobody's guarantee would then be in the way. That is no reason
 * for a refusal: as things are the guarantee may have its room.
 */
static int plan_on(Search *s, Candidate *c, bool remove, Moves *ret) {
        _cleanup_(layout_freep) Layout *l = NULL;
        const Refusal refusal = c->refusal;
        int r;

        r = layout_new(&l, s->host.places[c->place].view, s->host.planned);
        if (r < 0)
                return r;
        r = layout_make_room(l, s->group, c->type, remove, ret);
        if (r == 0 && !remove)
                note_placement(l, c, s->host.places[c->place].parent, &ret->placement);
        if (r == 0)
                r = layout_drop_placed(l);
        if (r != 0)
                return r;
        layout_exchange(l);
        r = candidate_check_promises(s, c, NULL);
        layout_exchange(l);
        c->refusal = refusal;
        return r;
}

int explain_way_out(Search *s, Candidate *c, char **ret) {
        _cleanup_(moves_done) Moves moves = {}, removals = {};
        char end[64] = "would make room";
        int r;

        r = plan_on(s, c, false, &moves);
        if (r < 0)
                return r;
        if (r == 0)
                return describe_moves(&moves, "moving", end, ret);
        if (moves.too_many)
                (void) snprintf(end, sizeof(end),
                                "would make room, moving takes more than %d moves", MOVES_MAX);
        r = plan_on(s, c, true, &removals);
        if (r < 0)
                return r;
        if (r == 0)
                return describe_moves(&removals, "removing", end, ret);
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

                if (c->refusal < REFUSAL_SPACE || !c->type->ours)
                        continue;
                r = plan_on(s, c, false, &moves);
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

/* Parents on which only room in one piece is wanting are in the order as well. */
static int rank_by_bytes(Search *s) {
        for (size_t i = 0; i < s->n; i++) {
                Candidate *c = &s->candidates[i];
                int r;

                r = candidate_check(s, c, NULL);
                if (r < 0)
                        return r;
                if (!c->type->ours || (r > 0 && c->refusal != REFUSAL_SPACE))
                        continue;
                c->refusal = REFUSAL_NONE;
                candidate_rank_bytes(s, c);
        }
        return 0;
}

/* With no moves there, or with some. */
static int try_packed(Search *s, Candidate *c, Moves *ret) {
        int r;

        r = c->type->ours ? plan_on(s, c, false, ret) : OUTCOME_NO_ROOM;
        if (r <= 0)
                return r;
        moves_done(ret);
        r = candidate_check(s, c, NULL); /* so that it has a reason to say */
        return r ?: candidate_check_promises(s, c, NULL);
}

/* The parent first in rank by its free bytes, however many pieces they are in. */
static int search_packed(Search *s, Moves *ret) {
        Candidate *c;
        int r;

        r = rank_by_bytes(s);
        if (r < 0)
                return r;
        while ((c = search_next(s))) {
                r = try_packed(s, c, ret);
                if (r == 0)
                        ret->parent = s->host.places[c->place].parent;
                if (r == 0 && !c->type->ours)
                        ret->placement = (Placement) { .parent = ret->parent, .type = c->type };
                if (r <= 0)
                        return r;
                c->tried = true;
        }
        return OUTCOME_NO_ROOM;
}

static int search_fewest(Search *s, Moves *ret) {
        Placement placement;
        int r;

        r = search_run(s, &placement);
        if (r == 0) {
                ret->parent = placement.parent;
                ret->placement = placement;
        }
        return r > 0 ? search_moves(s, ret) : r;
}

static int plan_once(const Model *model, const List *planned, const Request *request,
                     MovesAim aim, Moves *ret, Reason *reason) {
        _cleanup_(search_done) Search s = {};
        _cleanup_(moves_done) Moves moves = {};
        int r;

        r = search_init(&s, model, planned, request, reason);
        if (r != 0)
                return r;
        r = (aim == MOVES_PACK ? search_packed : search_fewest)(&s, &moves);
        if (r > 0)
                return search_explain(&s, reason);
        if (r < 0)
                return r;
        *ret = moves;
        moves = (Moves) {};
        return 0;
}

int policy_plan_moves(const Model *model, const List *planned, const Request *request,
                      MovesAim aim, Moves *ret, Reason *reason) {
        int r;

        r = plan_once(model, planned, request, aim, ret, reason);
        return r == -ESTALE ? plan_once(model, planned, request, aim, ret, reason) : r;
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * refusal.c: why all parents said no. A host can have a thousand, and nobody reads a thousand
 * sentences: those of the parents that came nearest to yes are said, the others are counted.
 */
#include "policy/search.h"

/* After "and N more parents: M". */
static const char *const refusal_texts[_REFUSAL_MAX] = {
        [REFUSAL_STATE] = "take no devices now",
        [REFUSAL_AMBIGUOUS] = "have several types of that name",
        [REFUSAL_NUMA] = "are on another NUMA node",
        [REFUSAL_ONE_TYPE] = "may hold devices of one type only and have another",
        [REFUSAL_MAXIMA] = "have as many devices as they may",
        [REFUSAL_SPREAD] = "have a device of the type already",
        [REFUSAL_AFFINITY] = "are not where the owner's devices must be",
        [REFUSAL_LIMITS] = "are beyond the limit of the owner's group",
        [REFUSAL_VENDOR] = "are full, as their drivers say",
        [REFUSAL_SPACE] = "have no free piece that is large enough",
        [REFUSAL_PROMISES] = "have room for what is promised to others only",
};

/* In the model's order, but those that came nearest to yes before all others. */
static void choose_in_full(Search *s) {
        size_t left = REFUSALS_IN_FULL_MAX;

        for (Refusal kind = _REFUSAL_MAX - 1; kind > REFUSAL_NONE && left > 0; kind--)
                for (size_t i = 0; i < s->n && left > 0; i++)
                        if (s->candidates[i].refusal == kind) {
                                s->candidates[i].in_full = true;
                                left--;
                        }
}

static int explain_others(const Search *s, Reason *reason) {
        size_t count[_REFUSAL_MAX] = {}, n = 0;
        char *text = NULL, *before = "";
        size_t size;
        FILE *f;
        int r;

        for (size_t i = 0; i < s->n; i++)
                if (!s->candidates[i].in_full) {
                        count[s->candidates[i].refusal]++;
                        n++;
                }
        if (n == 0)
                return 0;
        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        fprintf(f, "and %zu more parent%s:", n, n == 1 ? "" : "s");
        for (Refusal kind = REFUSAL_NONE + 1; kind < _REFUSAL_MAX; kind++) {
                if (count[kind] == 0)
                        continue;
                fprintf(f, "%s %zu %s", before, count[kind], refusal_texts[kind]);
                before = ",";
        }
        fprintf(f, "; ask for one of them by name to hear its own reason");
        r = fclose(f) == 0 ? reason_add(reason, "%s", text) : -ENOMEM;
        free(text);
        return r;
}

int search_explain(Search *s, Reason *reason) {
        choose_in_full(s);
        for (size_t i = 0; i < s->n; i++) {
                Candidate *c = &s->candidates[i];
                int r;

                if (!c->in_full)
                        continue;
                r = c->refusal == REFUSAL_PROMISES ? candidate_check_promises(s, c, reason) :
                                                     candidate_check(s, c, reason);
                if (r < 0)
                        return r;
                assert(r > 0);
        }
        return explain_others(s, reason) < 0 ? -ENOMEM : (int) OUTCOME_NO_ROOM;
}

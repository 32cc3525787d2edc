/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy.c: the one entry for a new device. Parents that offer the type are candidates; each is
 * checked (check.c), those that bear the device are ranked, and the first that breaks nobody's
 * guarantee gets it. When all refuse, the same checks are asked for their sentences (refusal.c).
 */
#include "policy/policy.h"

#include "policy/match.h"
#include "policy/search.h"
#include "util/closest.h"

#define OFFERS_MAX 8

typedef struct Offers Offers;

/* The types that there are, for who has named one that there is not. */
struct Offers {
        Closest closest;
        const char *names[OFFERS_MAX]; /* each once */
        size_t n;
        bool more; /* than have room */
};

void search_done(Search *s) {
        promises_done(&s->promises);
        host_done(&s->host);
        free(s->candidates);
}

/* The kernel takes a UUID once, whatever the parent. */
static int check_uuid(const Model *model, const List *planned, const Uuid *uuid, Reason *reason) {
        const Device *d = model_find_device(model, NULL, uuid, NULL);

        if (d && !planned_is_leaving(planned, d))
                return reason_set(reason, OUTCOME_EXISTS,
                                  "UUID %s is that of a device on %s, which is %s; choose another",
                                  UUID_STR(uuid), d->parent->name,
                                  device_state_to_string(d->state));
        if (!planned)
                return 0;
        list_foreach(p, planned, Planned, node)
                if (!p->leaving && !p->still && uuid_equal(&p->uuid, uuid))
                        return reason_set(reason, OUTCOME_EXISTS,
                                          "UUID %s is that of a device that is being made on %s; "
                                          "choose another",
                                          UUID_STR(uuid), p->parent->name);
        return 0;
}

/* Candidates are the parents that have a type named in the first way that any parent has. */
static int find_candidates(Search *s) {
        const Request *q = s->request;

        s->candidates = calloc(s->host.n ?: 1, sizeof(*s->candidates));
        if (!s->candidates)
                return -ENOMEM;
        for (int how = 0; how < _TYPE_MATCH_MAX && s->n == 0; how++)
                for (size_t i = 0; i < s->host.n; i++) {
                        Parent *parent = s->host.places[i].parent;
                        Candidate c = { .place = i };

                        if (q->parent && !streq(parent->name, q->parent))
                                continue;
                        c.type = match_type(parent, q->type, (TypeMatch) how, &c.n_alike);
                        if (c.type)
                                s->candidates[s->n++] = c;
                }
        return 0;
}

static void offers_add(Offers *o, const Type *t) {
        const char *name = t->ours ? t->name : t->id;

        (void) closest_offer(&o->closest, name);
        (void) closest_offer(&o->closest, t->id);
        for (size_t i = 0; i < o->n; i++)
                if (streq(o->names[i], name))
                        return;
        if (o->n < OFFERS_MAX)
                o->names[o->n++] = name;
        else
                o->more = true;
}

static int append(char **text, const char *before, const char *name) {
        char *longer;

        if (asprintf(&longer, "%s%s%s", *text ?: "", before, name) < 0)
                return -ENOMEM;
        free(*text);
        *text = longer;
        return 0;
}

static int append_names(char **text, const Offers *o) {
        const char *before = o->n == 1 ? "; there is only " : "; there are ";

        for (size_t i = 0; i < o->n; i++) {
                int r = append(text, before, o->names[i]);

                if (r < 0)
                        return r;
                before = i + 2 == o->n && !o->more ? " and " : ", ";
        }
        return o->more ? append(text, " and others", "") : 0;
}

/* The end of the sentence. *@ret stays NULL where no type exists at all. */
static int offers_to_text(const Offers *o, char **ret) {
        _cleanup_(freep) char *text = NULL;
        int r = 0;

        if (o->closest.name) {
                r = append(&text, "; did you mean \"", o->closest.name);
                if (r == 0)
                        r = append(&text, "\"?", "");
        } else
                r = append_names(&text, o);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(text);
        return 0;
}

static int refuse_type(const Search *s, Reason *reason) {
        const Request *q = s->request;
        Offers offers = { .closest = closest_begin_typo(q->type) };
        _cleanup_(freep) char *rest = NULL;
        int r;

        for (size_t i = 0; i < s->host.n; i++) {
                const Parent *parent = s->host.places[i].parent;

                if (q->parent && !streq(parent->name, q->parent))
                        continue;
                list_foreach(t, &parent->types, Type, node)
                        offers_add(&offers, t);
        }
        r = offers_to_text(&offers, &rest);
        if (r < 0)
                return r;
        if (q->parent)
                return reason_set(reason, OUTCOME_NO_TYPE, "Parent %s offers no type %s%s",
                                  q->parent, q->type, rest ?: "");
        return reason_set(reason, OUTCOME_NO_TYPE, "No parent offers a type %s%s", q->type,
                          rest ?: "");
}

int search_init(Search *s, const Model *model, const List *planned, const Request *q,
                       Reason *reason) {
        bool definition = q->origin == ORIGIN_DEFINITION && q->parent;
        int r;

        *s = (Search) { .request = q, .rules = model->rules };
        if (q->parent && !model_find_parent(model, q->parent))
                return reason_set(reason, OUTCOME_NO_PARENT, "There is no parent %s", q->parent);
        r = check_uuid(model, planned, &q->uuid, reason);
        if (r != 0)
                return r;
        r = host_init(&s->host, model, planned);
        if (r < 0)
                return r;
        r = find_candidates(s);
        if (r < 0)
                return r;
        if (s->n == 0)
                return refuse_type(s, reason);

        s->group = match_group(s->rules, q->owner);
        s->group_index = match_group_index(s->rules, s->group);
        s->rule = match_placement(s->rules, q->owner, s->candidates[0].type);
        s->in_all = host_group_in_all(&s->host, s->group_index);
        if (s->rule->affinity == AFFINITY_TOGETHER)
                for (size_t i = 0; i < s->host.n && !s->owner_exists; i++)
                        s->owner_exists =
                                view_has_owner(s->host.places[i].view, planned, q->owner);
        return promises_init(&s->promises, &s->host, definition ? &q->uuid : NULL, q->parent);
}

/* Below zero: @a first. What comes first counts most. */
static int rank(const Search *s, const Candidate *a, const Candidate *b) {
        const bool spread = s->rule->order == ORDER_SPREAD && !a->has_type && !b->has_type;
        const struct {
                uint64_t a, b;
        } keys[] = {
                { a->wrong_node, b->wrong_node },
                { a->wrong_company, b->wrong_company },
                { a->has_type, b->has_type },
                { spread ? a->devices : 0, spread ? b->devices : 0 },
                { spread ? 0 : a->cut, spread ? 0 : b->cut },
                { spread ? 0 : a->free, spread ? 0 : b->free },
        };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (keys[i].a != keys[i].b)
                        return keys[i].a < keys[i].b ? -1 : 1;
        return 0;
}

Candidate *search_next(Search *s) {
        Candidate *best = NULL;

        for (size_t i = 0; i < s->n; i++) {
                Candidate *c = &s->candidates[i];

                if (c->refusal == REFUSAL_NONE && !c->tried && (!best || rank(s, c, best) < 0))
                        best = c;
        }
        return best;
}

static bool overlaps(const Placement *p, const Extent *extents, size_t n) {
        for (size_t i = 0; i < p->n_extents; i++)
                for (size_t j = 0; j < n; j++)
                        if (extents[j].size > 0 && extent_overlaps(&p->extents[i], &extents[j]))
                                return true;
        return false;
}

/*
 * The view is a memory, and who changes a linked device without a word leaves it behind. So the
 * answer is compared with the devices themselves: a conflict makes the view anew, once.
 */
static bool is_taken(const Search *s, const Placement *p) {
        bool leaving = planned_has_leaving(s->host.planned);

        list_foreach(d, &p->parent->devices, Device, parent_node)
                if (!(leaving && planned_is_leaving(s->host.planned, d)) &&
                    (overlaps(p, d->extents, d->n_extents) ||
                     (d->other.used && overlaps(p, &d->other.place, 1))))
                        return true;
        if (s->host.planned)
                list_foreach(i, s->host.planned, Planned, node)
                        if (i->parent == p->parent && overlaps(p, i->extents, i->n_extents))
                                return true;
        return false;
}

static int take(Search *s, const Candidate *c, Placement *ret) {
        const Place *place = &s->host.places[c->place];
        size_t bar;
        int r;

        *ret = (Placement) { .parent = place->parent, .type = c->type };
        if (!c->type->ours)
                return 0;
        r = view_place(place->view, c->space, c->type, ret->extents, &ret->n_extents, &bar);
        if (r == 0 && is_taken(s, ret)) {
                parent_changed(place->parent);
                return -ESTALE;
        }
        return r;
}

int search_run(Search *s, Placement *ret) {
        Candidate *c;
        int r;

        for (size_t i = 0; i < s->n; i++) {
                r = candidate_check(s, &s->candidates[i], NULL);
                if (r < 0)
                        return r;
        }
        while ((c = search_next(s))) {
                r = candidate_check_promises(s, c, NULL);
                if (r < 0)
                        return r;
                if (r == 0)
                        return take(s, c, ret);
                c->tried = true;
        }
        return OUTCOME_NO_ROOM;
}

static int place_once(const Model *model, const List *planned, const Request *request,
                      Placement *ret, Reason *reason) {
        _cleanup_(search_done) Search s = {};
        Placement placement;
        int r;

        r = search_init(&s, model, planned, request, reason);
        if (r != 0)
                return r;
        r = search_run(&s, &placement);
        if (r > 0)
                return search_explain(&s, reason);
        if (r == 0)
                *ret = placement;
        return r;
}

int policy_place(const Model *model, const List *planned, const Request *request, Placement *ret,
                 Reason *reason) {
        int r;

        r = place_once(model, planned, request, ret, reason);
        if (r == -ESTALE)
                r = place_once(model, planned, request, ret, reason);
        return r;
}

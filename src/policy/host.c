/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host.c: the views of all parents, and sums over siblings. */
#include "policy/host.h"

#include "policy/match.h"

static int compare_units(const void *a, const void *b) {
        const Place *const *x = a, *const *y = b;
        int c = strcmp(parent_unit((*x)->parent), parent_unit((*y)->parent));

        if (c != 0)
                return c;
        return *x < *y ? -1 : *x > *y; /* the model's order */
}

/* Most hosts have no siblings, and then this is one look at each parent. */
static int tie_siblings(Host *h) {
        _cleanup_(freep) Place **sorted = NULL;
        bool any = false;

        for (size_t i = 0; i < h->n; i++)
                any = any || h->places[i].parent->unit;
        if (!any)
                return 0;
        sorted = calloc(h->n, sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < h->n; i++)
                sorted[i] = &h->places[i];
        qsort(sorted, h->n, sizeof(*sorted), compare_units);
        for (size_t i = 1; i < h->n; i++) {
                Place *before = sorted[i - 1], *p = sorted[i];

                if (!streq(parent_unit(before->parent), parent_unit(p->parent)))
                        continue;
                p->unit = before->unit;
                before->sibling = (size_t) (p - h->places);
        }
        return 0;
}

int host_init(Host *h, const Model *model, const List *planned) {
        size_t n = list_length(&model->parents);
        int r;

        *h = (Host) { .model = model, .planned = planned };
        h->places = calloc(n ?: 1, sizeof(*h->places));
        if (!h->places)
                return -ENOMEM;
        list_foreach(p, &model->parents, Parent, node) {
                Place *place = &h->places[h->n];

                *place = (Place) { .parent = p, .unit = h->n++ };
                r = view_get(model, planned, p, &place->view);
                if (r < 0)
                        return r;
        }
        return tie_siblings(h);
}

void host_done(Host *h) {
        free(h->places);
        *h = (Host) {};
}

#define host_foreach_sibling(iter, host, i)                                                        \
        for (const Place *iter = &(host)->places[(host)->places[i].unit]; iter;                    \
             iter = iter->sibling ? &(host)->places[iter->sibling] : NULL)

uint64_t host_count_devices(const Host *h, size_t i) {
        uint64_t n = 0;

        host_foreach_sibling(p, h, i)
                n += p->view->n_devices;
        return n;
}

uint64_t host_count_type(const Host *h, size_t i, const char *type) {
        uint64_t n = 0;

        host_foreach_sibling(p, h, i)
                n += view_count_type(p->view, type);
        return n;
}

const char *host_other_type(const Host *h, size_t i, const char *type) {
        const char *other = NULL;

        host_foreach_sibling(p, h, i)
                other = other ?: view_other_type(p->view, type);
        return other;
}

bool host_has_owner(const Host *h, size_t i, const char *owner) {
        host_foreach_sibling(p, h, i)
                if (view_has_owner(p->view, h->planned, owner))
                        return true;
        return false;
}

static void limits_add(Limits *sum, const Limits *more) {
        sum->devices += more->devices;
        sum->bytes += more->bytes;
        sum->vectors += more->vectors;
}

Limits host_group_on_unit(const Host *h, size_t i, unsigned group) {
        Limits sum = {};

        host_foreach_sibling(p, h, i)
                limits_add(&sum, &p->view->groups[group]);
        return sum;
}

Limits host_group_in_all(const Host *h, unsigned group) {
        Limits sum = {};

        for (size_t i = 0; i < h->n; i++)
                limits_add(&sum, &h->places[i].view->groups[group]);
        return sum;
}

/* available_instances knows nothing of what is planned; of what has arrived it was read after. */
uint64_t host_vendor_coming(const Host *h, const Parent *parent, const Type *type) {
        uint64_t n = 0;

        if (h->planned)
                list_foreach(p, h->planned, Planned, node)
                        n += p->parent == parent && p->type == type &&
                             !model_find_device(h->model, parent, &p->uuid, NULL);
        return n;
}

uint64_t host_vendor_room(const Host *h, const Parent *parent, const Type *type) {
        const uint64_t coming = host_vendor_coming(h, parent, type);

        return type->available > coming ? type->available - coming : 0;
}

Limits type_needs(const Type *type) {
        Limits needs = { .devices = 1 };

        if (!type->ours)
                return needs;
        needs.vectors = type->vectors;
        for (size_t i = 0; i < BARS_MAX; i++)
                needs.bytes += type->bars[i].size;
        return needs;
}

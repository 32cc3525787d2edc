/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* empty.c: copies of parents, as far as policy looks at them. */
#include "policy/empty.h"

/* NULL stays NULL. */
static int copy_string(char **to, const char *from) {
        if (!from)
                return 0;
        *to = strdup(from);
        return *to ? 0 : -ENOMEM;
}

static int copy_pool(Parent *to, const Pool *from) {
        Pool *pool;
        int r;

        r = pool_copy(&pool, from);
        if (r < 0)
                return r;
        parent_link_pool(to, pool);
        return 0;
}

/*
 * Of a vendor's type, with nothing there. How its types share a device is the driver's secret: what
 * a device of another type, or on another part of the same unit, has taken of this one nobody can
 * say.
 */
static unsigned count_room(const List *parents, const Parent *parent, const Type *type) {
        unsigned n = type->available;

        list_foreach(p, parents, Parent, node) {
                if (p != parent && !(p->unit && streq_ptr(p->unit, parent->unit)))
                        continue;
                list_foreach(d, &p->devices, Device, parent_node) {
                        if (p != parent || !streq(d->type, type->id))
                                return EMPTY_UNKNOWN;
                        n++;
                }
        }
        return n;
}

static int copy_type(Parent *to, const List *parents, const Parent *parent, const Type *from) {
        Type *t;
        int r;

        r = type_copy(&t, from);
        if (r < 0)
                return r;
        if (!from->ours)
                t->available = count_room(parents, parent, from);
        parent_link_type(to, t);
        return 0;
}

static int copy_parent(Model *model, const List *parents, const Parent *from) {
        _cleanup_(parent_freep) Parent *p = NULL;
        int r;

        r = parent_new(&p, from->name);
        if (r == 0)
                r = copy_string(&p->unit, from->unit);
        if (r == 0)
                r = copy_string(&p->driver, from->driver);
        if (r < 0)
                return r;
        p->numa_node = from->numa_node;
        p->ours = from->ours;
        p->state = PARENT_REGISTERED;
        list_foreach(pool, &from->pools, Pool, node) {
                r = copy_pool(p, pool);
                if (r < 0)
                        return r;
        }
        list_foreach(t, &from->types, Type, node) {
                r = copy_type(p, parents, from, t);
                if (r < 0)
                        return r;
        }
        model_link_parent(model, TAKE_PTR(p));
        return 0;
}

int empty_model_new(Model **ret, const List *parents) {
        _cleanup_(model_freep) Model *m = NULL;
        int r;

        r = model_new(&m);
        if (r < 0)
                return r;
        list_foreach(p, parents, Parent, node) {
                r = copy_parent(m, parents, p);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(m);
        return 0;
}

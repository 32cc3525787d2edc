/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * available.c: owns what sysfs says of our types in "available_instances": as many as whoever
 * writes UUIDs there without any rule for him would be granted. The module is told when that has
 * changed, and shows it as long as we listen to create requests.
 */
#include "core/internal.h"
#include "util/log.h"

#define MANY 4 /* operations at a time */
#define LATER_USEC_MAX UINT64_C(50000)

void available_note(Manager *m) {
        m->refresh.available = true;
        if (m->kmod && !m->refresh.running) /* else it comes at the end of that */
                refresh_wake(m);
}

static uint64_t mix(uint64_t h, uint64_t value) {
        return (h ^ value) * UINT64_C(0x100000001b3);
}

static uint64_t mix_uuid(uint64_t h, const Uuid *uuid) {
        uint64_t halves[2];

        memcpy(halves, uuid->bytes, sizeof(halves));
        return mix(mix(h, halves[0]), halves[1]);
}

/*
 * All that the numbers of one parent rest on, as long as no rule speaks of groups and it has no
 * siblings: what others do is of no account then. 0: that cannot be said.
 */
static uint64_t digest(Manager *m, const Parent *p) {
        uint64_t h = mix(mix(mix(UINT64_C(0xcbf29ce484222325), p->changes), p->arrivals),
                         m->model->rules_changes);

        if (p->unit || (m->model->rules && !list_is_empty(&m->model->rules->groups)))
                return 0;
        list_foreach(pool, &p->pools, Pool, node)
                h = mix(mix(mix(h, pool->offset), pool->size), pool->slot);
        list_foreach(i, &m->planned, Planned, node)
                if (i->parent == p)
                        h = mix(mix_uuid(h, &i->uuid), i->still + 2 * i->leaving + 4 * i->of_move);
        list_foreach(d, &m->model->definitions, Definition, node)
                if (d->reserve && !d->invalid && d->type && streq(d->parent, p->name))
                        h = mix_uuid(h, &d->uuid);
        return h ?: 1;
}

static void forget(Parent *p) {
        p->told_of = 0;
        list_foreach(t, &p->types, Type, node)
                t->told = 0;
}

void available_forget(Manager *m, const char *parent) {
        list_foreach(p, &m->model->parents, Parent, node)
                if (!parent || streq(p->name, parent))
                        forget(p);
        available_note(m);
}

static int tell_type(Manager *m, const Parent *p, Type *t) {
        unsigned n;
        int r;

        r = policy_count_granted(m->model, &m->planned, p, t, &n);
        if (r < 0 || t->told == (uint64_t) n + 1)
                return r;
        r = kmod_set_available(m->kmod, p->name, t->name, n);
        if (r == -ENODEV || r == -ENOENT)
                return 0; /* it is going, or is not what we last saw: an event is on its way */
        if (r >= 0)
                t->told = (uint64_t) n + 1;
        return r;
}

static int tell_parent(Manager *m, Parent *p) {
        uint64_t now = digest(m, p);
        bool all = true;
        int r = 0;

        if (now != 0 && now == p->told_of)
                return 0;
        list_foreach(t, &p->types, Type, node) {
                if (t->ours && r >= 0)
                        r = tell_type(m, p, t);
                all = all && (!t->ours || t->told > 0);
        }
        p->told_of = r >= 0 && all ? now : 0;
        return r;
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata) {
        refresh_wake(userdata);
        return 0;
}

/*
 * While many are made at a time each makes it another number, which takes longer to find than to
 * make one: it is told of now and then, and after the last.
 */
static bool may_wait(Manager *m) {
        uint64_t now = operation_monotonic_usec();

        if (m->n_running - m->n_blocked < MANY || now - m->available_usec > LATER_USEC_MAX) {
                m->available_usec = now;
                return false;
        }
        return manager_set_timer(m, &m->available_timer, m->available_usec + LATER_USEC_MAX + 1,
                                 on_time) >= 0;
}

void available_tell(Manager *m) {
        int r = 0;

        if (!m->refresh.available || !m->kmod || may_wait(m))
                return;
        m->refresh.available = false;
        list_foreach(p, &m->model->parents, Parent, node) {
                if (!parents_is_governed(m, p) || p->state != PARENT_REGISTERED)
                        forget(p);
                else if (r >= 0)
                        r = tell_parent(m, p);
        }
        if (r < 0)
                (void) log_warning_errno(r, FIELDS(.topic = "available"),
                                         "Cannot say in sysfs how many devices can be made: %m");
}

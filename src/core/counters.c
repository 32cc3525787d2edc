/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * counters.c: owns the reading of what the kernel counts and tells nobody: faults, insertions,
 * mapped bytes. It is read when somebody asks, once a turn of the loop: of one device, or of all
 * where all are asked for.
 */
#include "core/internal.h"

/* Asked for one by one in a turn; who wants more wants all. */
#define SINGLES_MAX 8

void counters_take(Device *d, const KmodDevice *k) {
        d->faults = k->faults;
        d->faults_huge = k->faults_huge;
        d->insertions = k->insertions;
        d->mapped = k->mapped;
}

static void take_all(Manager *m, const KmodSnapshot *s) {
        list_foreach(k, &s->parents, KmodParent, node) {
                Parent *p = model_find_parent(m->model, k->name);

                list_foreach(kd, &k->devices, KmodDevice, node) {
                        Device *d = p ? model_find_device(m->model, p, &kd->uuid, NULL) : NULL;

                        if (d)
                                counters_take(d, kd);
                }
        }
}

void counters_are_new(Manager *m) {
        (void) sd_event_get_iteration(m->event, &m->counters.all);
}

void counters_are_new_of(Manager *m, Device *d) {
        (void) sd_event_get_iteration(m->event, &d->counted);
}

int manager_refresh_counters(Manager *m) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
        uint64_t turn = 0;
        int r;

        (void) sd_event_get_iteration(m->event, &turn);
        if (!m->kmod || m->counters.all == turn)
                return 0;
        r = kmod_query(m->kmod, &s);
        if (r < 0)
                return r;
        m->counters.all = turn;
        take_all(m, s);
        return 0;
}

int manager_refresh_counters_of(Manager *m, Device *d) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;
        uint64_t turn = 0;
        int r;

        (void) sd_event_get_iteration(m->event, &turn);
        if (!m->kmod || !d->ours || m->counters.all == turn || d->counted == turn)
                return 0;
        if (m->counters.turn != turn) {
                m->counters.turn = turn;
                m->counters.n_singles = 0;
        }
        if (++m->counters.n_singles > SINGLES_MAX)
                return manager_refresh_counters(m);
        r = kmod_query_one(m->kmod, &d->uuid, &s);
        if (r == -EOPNOTSUPP)
                return manager_refresh_counters(m);
        if (r < 0)
                return r;
        list_foreach(k, &s->parents, KmodParent, node)
                list_foreach(kd, &k->devices, KmodDevice, node)
                        counters_take(d, kd);
        d->counted = turn;
        return 0;
}

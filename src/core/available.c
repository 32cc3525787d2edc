/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * available.c: owns what sysfs says of our types in "available_instances": as many as whoever writes
 * UUIDs there without any rule for him would be granted. The module is told when that has changed, and
 * shows it as long as we listen to create requests.
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

static void forget(Parent *p) {
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

static int on_time(sd_event_source *s, uint64_t usec, void *userdata) {
        refresh_wake(userdata);
        return 0;
}

/*
 * While many are made at a time each makes it another number, which takes longer to find than to make
 * one: it is told of now and then, and after the last.
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
                if (!parents_is_governed(m, p) || p->state != PARENT_REGISTERED) {
                        forget(p);
                        continue;
                }
                list_foreach(t, &p->types, Type, node)
                        if (t->ours && r >= 0)
                                r = tell_type(m, p, t);
        }
        if (r < 0)
                (void) log_warning_errno(r, FIELDS(.topic = "available"),
                                         "Cannot say in sysfs how many devices can be made: %m");
}

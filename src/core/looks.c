/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * looks.c: owns the questions who has a device open. A worker answers them, since it reads all of
 * /proc; one after the other, for more at once would only take turns. Who asks of a device that is
 * asked about already, and not yet looked at, gets the same answer.
 */
#include "core/functions.h"

typedef struct Look Look;
typedef struct Asker Asker;

struct Look {
        List node; /* in manager->looks; the first one is under way while there is a worker */
        Record *question;
        List askers;
};

struct Asker {
        List node;
        HoldersDone done;
        void *userdata;
        bool own; /* the daemon itself */
};

static Look *look_free(Look *l) {
        if (!l)
                return NULL;
        list_unlink(&l->node);
        list_foreach_safe(a, &l->askers, Asker, node) {
                list_unlink(&a->node);
                free(a);
        }
        record_free(l->question);
        free(l);
        return NULL;
}
DEFINE_CLEANUP(Look *, look_free)

int looks_note_opened(const Device *d, Record *record) {
        record->opened = d->opened;
        record->opener = d->opener;
        return request_set_string(&record->opener_name, d->opener > 0 ? d->opener_name : "");
}

int looks_make_question(const char *parent, const char *parent_path, const Uuid *uuid,
                        const Device *d, bool ours, Record **ret) {
        _cleanup_(record_freep) Record *record = NULL;
        int r;

        r = record_new(&record, RECORD_LOOK);
        if (r < 0)
                return r;
        record->uuid = *uuid;
        record->ours = ours;
        r = request_set_string(&record->parent, parent);
        if (r >= 0)
                r = request_set_string(&record->parent_path, parent_path);
        if (r >= 0)
                r = functions_note(d, record);
        if (r >= 0 && d && ours)
                r = looks_note_opened(d, record);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(record);
        return 0;
}

static void answer(Manager *m, Look *l, const Holders *holders) {
        while (!list_is_empty(&l->askers)) {
                Asker *a = list_first(&l->askers, Asker, node);
                HoldersDone done = a->done;
                void *userdata = a->userdata;

                list_unlink(&a->node);
                free(a);
                done(m, holders, userdata);
        }
        look_free(l);
}

static void begin_next(Manager *m);

static void on_look(Worker *w, const Record *record, void *userdata) {
        Manager *m = userdata;
        Look *l = list_first(&m->looks, Look, node);
        bool found = record && record->step == STEP_DONE && record->outcome == OUTCOME_OK;

        list_unlink(&l->node); /* whoever asks from now on is for the next one */
        m->looking = worker_free(w);
        answer(m, l, found ? record->holders : NULL);
        begin_next(m);
}

static int begin(Manager *m, const Look *l) {
        int r = worker_ask(&m->looking, m->workers, l->question, m->look_usec, on_look, m);

        return r >= 0 ? 0 :
               log_warning_errno(r, FIELDS(.topic = "holders", .parent = l->question->parent,
                                           .device = UUID_STR(&l->question->uuid)),
                                 "Cannot look who has %s open: %m", UUID_STR(&l->question->uuid));
}

static void begin_next(Manager *m) {
        while (!m->looking && !list_is_empty(&m->looks)) {
                Look *l = list_first(&m->looks, Look, node);

                if (list_is_empty(&l->askers)) {
                        look_free(l);
                        continue;
                }
                if (begin(m, l) >= 0)
                        return;
                list_unlink(&l->node);
                answer(m, l, NULL);
        }
}

/* One that waits, or a new one at the end; the one under way may have passed a new holder by. */
static int find_look(Manager *m, const Device *d, Look **ret) {
        _cleanup_(look_freep) Look *l = NULL;
        int r;

        list_foreach(i, &m->looks, Look, node)
                if (!(m->looking && i == list_first(&m->looks, Look, node)) &&
                    uuid_equal(&i->question->uuid, &d->uuid) &&
                    streq(i->question->parent, d->parent->name)) {
                        *ret = i;
                        return 0;
                }
        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        list_init(&l->node);
        list_init(&l->askers);
        if (!d->parent->path)
                return -ENODEV;
        r = looks_make_question(d->parent->name, d->parent->path, &d->uuid, d, d->ours,
                                &l->question);
        if (r < 0)
                return r;
        list_append(&m->looks, &l->node);
        *ret = TAKE_PTR(l);
        return 0;
}

static size_t count_calls(Manager *m) {
        size_t n = 0;

        list_foreach(l, &m->looks, Look, node)
                list_foreach(a, &l->askers, Asker, node)
                        n += !a->own;
        return n;
}

static int refuse_stuck(Reason *reason) {
        return reason_set(reason, OUTCOME_BUSY,
                          "Who has a device open cannot be found out now: earlier workers that "
                          "looked were killed after %u s, and the kernel does not let them go. Its "
                          "log may say which process is "
                          "stuck.", (unsigned) (LOOK_LIMIT_USEC / 1000000));
}

static int ask(Manager *m, const Device *d, HoldersDone done, void *userdata, bool own,
               Reason *reason) {
        Asker *a;
        Look *l;
        int r;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        r = find_look(m, d, &l);
        if (r < 0) {
                free(a);
                return r == -ENODEV ? reason_set(reason, OUTCOME_NO_DEVICE,
                                                 "Parent %s of %s has just gone.", d->parent->name,
                                                 UUID_STR(&d->uuid)) :
                                      r;
        }
        a->done = done;
        a->userdata = userdata;
        a->own = own;
        list_init(&a->node);
        list_append(&l->askers, &a->node);
        /* if others wait or are being answered, its turn comes */
        if (m->looking || list_length(&m->looks) > 1 || list_length(&l->askers) > 1)
                return 0;
        r = begin(m, l);
        if (r < 0)
                look_free(l); /* with who asks: the call fails, and he is told nothing more */
        return r == -EBUSY ? refuse_stuck(reason) : r;
}

int looks_ask(Manager *m, const Device *d, HoldersDone done, void *userdata, Reason *reason) {
        return ask(m, d, done, userdata, true, reason);
}

int manager_find_holders(Manager *m, const Device *d, HoldersDone done, void *userdata,
                         Reason *reason) {
        if (count_calls(m) >= LOOKS_MAX)
                return reason_set(reason, OUTCOME_LIMIT,
                                  "%d calls ask who has a device open already; wait for their "
                                  "answers.", LOOKS_MAX);
        return ask(m, d, done, userdata, false, reason);
}

void manager_forget_holders(Manager *m, const void *userdata) {
        list_foreach(l, &m->looks, Look, node)
                list_foreach_safe(a, &l->askers, Asker, node)
                        if (a->userdata == userdata) {
                                list_unlink(&a->node);
                                free(a);
                        }
}

void looks_done(Manager *m) {
        m->looking = worker_free(m->looking);
        list_foreach_safe(l, &m->looks, Look, node)
                look_free(l);
}

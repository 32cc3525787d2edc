/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue.c: owns which operation has a worker, and when: so many in all, so many a parent, the
 * oldest first. A worker that is blocked in the kernel cannot be ended; it stops counting after a
 * while, so that it holds up nobody but itself. What is counted is kept by parent, so that neither
 * a parent's blocked workers nor its queue take anything from another.
 */
#include "core/functions.h"
#include "util/log.h"

/* ---- what keeps a parent busy ---- */

static Load *load_find(Manager *m, const char *parent) {
        list_foreach(l, &m->loads, Load, node)
                if (streq(l->parent, parent))
                        return l;
        return NULL;
}

int load_add(Operation *op) {
        Manager *m = op->manager;
        Load *l = load_find(m, op->record->parent);

        if (!l) {
                l = calloc(1, sizeof(*l));
                if (!l)
                        return -ENOMEM;
                list_init(&l->node);
                l->parent = strdup(op->record->parent);
                if (!l->parent) {
                        free(l);
                        return -ENOMEM;
                }
                l->n_allowed = WORKERS_PER_PARENT_QUICK;
                list_append(&m->loads, &l->node);
        }
        l->n_running++;
        op->load = l;
        return 0;
}

static void count_worker(const Operation *op, int by) {
        size_t *of_parent = op->blocked ? &op->load->n_blocked : &op->load->n_working;
        size_t *of_all = op->blocked ? &op->manager->n_blocked : &op->manager->n_working;

        *of_parent += by;
        *of_all += by;
}

/* By its phase, which is to change or has. */
static void count_phase(const Operation *op, int by) {
        if (op->phase == OPERATION_WORKING)
                count_worker(op, by);
        else if (op->load && op->phase == OPERATION_IN_LINE)
                op->load->n_in_line += by;
}

void load_remove(Operation *op) {
        Load *l = op->load;

        if (!l)
                return;
        count_phase(op, -1);
        if (l->first == op)
                l->first = NULL;
        op->load = NULL;
        if (--l->n_running > 0)
                return;
        list_unlink(&l->node);
        free(l->parent);
        free(l);
}

void operation_set_phase(Operation *op, OperationPhase phase) {
        count_phase(op, -1);
        if (op->load && op->load->first == op)
                op->load->first = NULL;
        if (op->blocked)
                blocked_forget(op);
        op->blocked = false;
        op->phase = phase;
        count_phase(op, 1);
}

/* By CLOCK_MONOTONIC, for a wall clock that is set back would hold the queue up. */
static uint64_t worked_usec(const Operation *op) {
        uint64_t now = operation_monotonic_usec();

        return now > op->working_since_usec ? now - op->working_since_usec : 0;
}

static size_t count_followers(const Operation *op) {
        size_t n = op->worker ? worker_count_followers(op->worker) : 0;

        return n == SIZE_MAX ? 0 : n;
}

/* More workers than it has at work do not become it; so who waits may as well wait with one. */
static bool is_full(const Load *l) {
        return !l->quick && l->n_allowed == WORKERS_PER_PARENT_MAX &&
               l->n_working >= WORKERS_PER_PARENT_MAX;
}

/*
 * It takes its time: who waits behind it may do better elsewhere, but where all take theirs. There
 * one stays behind each, as long as no worker is free, and is begun without our being asked.
 */
static void let_line_go(Operation *op, uint64_t usec) {
        Load *l = op->load;
        size_t n = count_followers(op);

        l->quick = false;
        if (l->first == op)
                l->first = NULL;
        if (n == 0 || (n == 1 && usec <= WORKER_BLOCKED_USEC && l->n_free == 0 &&
                       l->n_allowed == WORKERS_PER_PARENT_MAX))
                return;
        l->n_free -= MIN(n, l->n_free);
        worker_recall_followers(op->worker);
}

static void mark_slow(Manager *m) {
        if (m->n_working == 0)
                return;
        list_foreach(l, &m->loads, Load, node) {
                l->n_slow = 0;
                l->n_free = l->n_allowed - MIN(l->n_working, l->n_allowed);
        }
        list_foreach(op, &m->active, Operation, active_node) {
                uint64_t usec = worked_usec(op);

                if (!op->load || op->phase != OPERATION_WORKING || op->blocked ||
                    usec <= (op->begun ? WORKER_QUICK_USEC : WORKER_BLOCKED_USEC))
                        continue;
                let_line_go(op, usec);
                if (op->phase != OPERATION_WORKING)
                        continue; /* it was taken back, too, and could not be given again */
                if (usec <= WORKER_BLOCKED_USEC) {
                        op->load->n_slow++;
                        continue;
                }
                count_worker(op, -1);
                op->blocked = true;
                op->n_looks = 0;
                op->look_usec = 0;
                count_worker(op, 1);
        }
        list_foreach(l, &m->loads, Load, node)
                if (l->n_slow >= l->n_allowed)
                        l->n_allowed = MIN(2 * l->n_allowed, (size_t) WORKERS_PER_PARENT_MAX);
}

static int check_parent(const Load *l, Reason *reason) {
        if (l->n_blocked >= WORKERS_BLOCKED_PER_PARENT_MAX)
                return reason_set(reason, OUTCOME_LIMIT,
                                  "%zu operations on %s are blocked in its driver, which is the "
                                  "limit; end what has its devices open, or see the kernel's log.",
                                  l->n_blocked, l->parent);
        if (l->n_running - l->n_blocked >= OPERATIONS_PER_PARENT_MAX)
                return reason_set(reason, OUTCOME_LIMIT,
                                  "%d operations on %s are running or waiting, which is the limit; "
                                  "try again later.",
                                  OPERATIONS_PER_PARENT_MAX, l->parent);
        return 0;
}

int load_check(Manager *m, const char *parent, Reason *reason) {
        const Load *l = parent ? load_find(m, parent) : NULL;
        size_t n = operations_count_running(m);

        if (n - m->n_blocked >= OPERATIONS_RUNNING_MAX)
                mark_slow(m); /* there may be more of them by now */
        if (n - m->n_blocked >= OPERATIONS_RUNNING_MAX)
                return reason_set(reason, OUTCOME_LIMIT,
                                  "%d operations are running or waiting, which is the limit; try "
                                  "again later.",
                                  OPERATIONS_RUNNING_MAX);
        return l ? check_parent(l, reason) : 0;
}

size_t load_count(Manager *m, const char *parent) {
        const Load *l = load_find(m, parent);

        return l ? l->n_running - l->n_blocked : 0;
}

/* ---- workers ---- */

static bool succeeded(const Operation *op) {
        return op->record->step == STEP_DONE && op->record->outcome == OUTCOME_OK;
}

/* Nothing but a device that is made: what is begun of it is done, or has failed, at once. */
static bool may_be_in_line(const Operation *op) {
        const Record *r = op->record;

        return r->kind == RECORD_CREATE && !r->define && !r->function && r->n_attributes == 0 &&
               r->n_moves == 0 && !op->escort && !op->agreed;
}

/*
 * That a stop is quick, or one of several steps, or that a create is refused at once, says nothing
 * of creates. The worker's own word (@record; NULL: there is none) counts: we may hear of its
 * beginning when it has ended.
 */
static void note_time(Operation *op, const Record *record) {
        uint64_t usec = record && record->took_us > 0 ? record->took_us : worked_usec(op);
        Load *l = op->load;

        if (usec > WORKER_QUICK_USEC)
                l->quick = false;
        else if (may_be_in_line(op) && record && record->step == STEP_DONE &&
                 record->outcome == OUTCOME_OK) {
                l->quick = true;
                l->n_allowed = WORKERS_PER_PARENT_QUICK;
        }
}

/*
 * The process is gone. What it left is taken over; the rest follows when the model is up to date.
 */
void operation_on_worker(Worker *w, const Record *record, void *userdata) {
        Operation *op = userdata;
        Manager *m = op->manager;

        if (op->load && op->begun)
                note_time(op, record);
        operation_set_phase(op, OPERATION_SETTLING);
        op->worker = worker_free(w);
        if (record) {
                char *text = record->text ? strdup(record->text) : NULL;

                if (record->step == STEP_DONE)
                        record_set_result(op->record, record->outcome, record->error, text);
                else
                        op->record->step = record->step;
                free(op->record->who);
                op->record->who = record->who ? strdup(record->who) : NULL;
                op->record->pid = record->pid;
                op->record->n_moved = record->n_moved;
                op->record->moved = record->moved;
                op->record->longest_us = record->longest_us;
        }

        refresh_wake(m);
        if (functions_needs_card(op))
                refresh_parent(m, op->record->parent, NULL); /* nobody has, meanwhile */
        if (op->second || !operation_changes_kernel(op))
                return;
        if (op->record->kind == RECORD_CONFIGURE)
                refresh_parent(m, op->record->parent, NULL);
        else
                refresh_counts(m, op->record->parent);
        /* what was refused may have met somebody else's reservation, of which no event tells */
        if (op->record->kind == RECORD_CONFIGURE || op->record->n_moves > 0 ||
            (op->record->ours && !succeeded(op)))
                refresh_query(m);
        else if (op->record->ours)
                refresh_claim(m, &op->record->uuid);
        /* of ours the module has just been asked; sysfs would only say that it is to be */
        if (!op->record->ours &&
            (op->record->kind == RECORD_CREATE || op->record->kind == RECORD_STOP))
                refresh_device(m, &op->record->uuid);
}

/* Who waited for the end of one begins the next on the same device: the file is that one's now. */
static void close_namesakes(const Operation *op) {
        list_foreach(i, &op->manager->active, Operation, active_node)
                if (i->closing && uuid_equal(&i->record->uuid, &op->record->uuid) &&
                    streq(i->record->parent, op->record->parent))
                        operation_close(i);
}

/* As it is now: since it was asked for, others had their turn, and scripts their minute. */
static int note_opened(Operation *op) {
        Record *r = op->record;
        const Device *d = r->kind == RECORD_STOP ? operation_device_of(op->manager, r) : NULL;

        return d ? looks_note_opened(d, r) : 0;
}

/* What it was asked for is not what the function bears by now: others have been there. */
static bool has_gone(const Operation *op) {
        const Record *r = op->record;
        const Device *d = operation_device_of(op->manager, r);

        return functions_needs_card(op) && r->kind != RECORD_CREATE &&
               (!d || !functions_is_of(r, d));
}

static void end_gone(Operation *op) {
        if (op->record->kind == RECORD_STOP)
                record_set_result(op->record, OUTCOME_OK, 0, NULL);
        else
                operation_set_result(op, OUTCOME_NO_DEVICE, 0,
                                     "%s on %s has gone meanwhile; nothing is changed.",
                                     UUID_STR(&op->record->uuid), op->record->parent);
        operation_end(op);
}

/* The one that has been at it for longest, and that nobody follows. */
static Operation *find_unfollowed(const Load *l, const Manager *m) {
        if (l->n_in_line >= l->n_working)
                return NULL;
        list_foreach(op, &m->active, Operation, active_node)
                if (op->load == l && op->phase == OPERATION_WORKING && op->begun && !op->blocked &&
                    may_be_in_line(op) && op->worker && worker_count_followers(op->worker) == 0)
                        return op;
        return NULL;
}

/* Whom it may follow; NULL: nobody. */
static Operation *line_of(const Operation *op) {
        const Load *l = op->load;

        if (!may_be_in_line(op))
                return NULL;
        if (is_full(l)) /* nobody gets ahead of an older one by it */
                return l->held_up ? NULL : find_unfollowed(l, op->manager);
        return l->quick && l->first && worker_count_followers(l->first->worker) < WORKER_LINE_MAX ?
                       l->first :
                       NULL;
}

static void note_begun(Operation *op) {
        op->working_since_usec = operation_monotonic_usec();
        op->look_usec = op->working_since_usec + WORKER_BLOCKED_USEC; /* of one that is blocked */
        op->begun = worker_has_begun(op->worker);
        if (op->begun && operation_changes_kernel(op))
                uevents_hold(op->manager->uevents);
}

static void note_working(Operation *op) {
        op->started_usec = operation_now_usec();
        note_begun(op);
        operation_set_phase(op, OPERATION_WORKING); /* nothing that is told has changed */
        if (may_be_in_line(op) && !op->load->first)
                op->load->first = op;
}

void operation_on_turn(Worker *w, Turn turn, void *userdata) {
        Operation *op = userdata;

        if (turn == TURN_COME && op->phase == OPERATION_WORKING) {
                note_begun(op); /* its process was new, and is there */
                return;
        }
        if (turn == TURN_COME) {
                op->load->first = NULL; /* that one has ended */
                note_working(op);
                return;
        }
        op->worker = worker_free(w);
        operation_set_phase(op, OPERATION_QUEUED);
        refresh_wake(op->manager);
}

void operations_recall(Manager *m) {
        list_foreach(op, &m->active, Operation, active_node)
                if (op->phase == OPERATION_IN_LINE)
                        worker_recall_followers(op->worker);
}

static int start_worker(Operation *op) {
        Operation *first = line_of(op);
        int r = -EAGAIN;

        if (first)
                r = worker_follow(&op->worker, first->worker, op->record, operation_on_worker,
                                  operation_on_turn, op);
        if (r == -EAGAIN)
                return worker_start(&op->worker, op->manager->workers, op->record,
                                    operation_on_worker, operation_on_turn, op);
        if (r >= 0)
                operation_set_phase(op, OPERATION_IN_LINE);
        return r;
}

static int start(Operation *op) {
        Manager *m = op->manager;
        int r;

        r = callouts_begin(op);
        if (r != 0)
                return MIN(r, 0);
        close_namesakes(op);
        if (has_gone(op)) {
                end_gone(op);
                return 0;
        }
        if (op->record->kind == RECORD_UNDEFINE)
                return definitions_start_undefine(op);
        if (op->record->kind == RECORD_CREATE) {
                r = functions_choose_anew(m, op->record);
                if (r >= 0)
                        r = devices_announce(m, op->record);
        } else
                r = note_opened(op);
        if (r >= 0)
                r = start_worker(op);
        if (r < 0)
                return r;
        if (op->phase != OPERATION_IN_LINE)
                note_working(op);
        moves_tell(op); /* but for the state of who moves */
        return 0;
}

/*
 * What one virtual function bears decides what its siblings can: between the look at that and the
 * write nobody else of ours is at the card, not even one that its driver does not let go.
 */
static bool is_alone(const Operation *op) {
        return !functions_needs_card(op) || !functions_are_busy(op->manager, op->record->parent);
}

static bool may_start(const Operation *op) {
        const Manager *m = op->manager;
        const Load *l = op->load;

        if (is_full(l) || (l->quick && l->first && may_be_in_line(op)))
                return line_of(op) && callouts_may_start(op);
        return is_alone(op) && m->n_working < WORKERS_MAX &&
               m->n_working + m->n_blocked < WORKERS_BLOCKED_MAX &&
               l->n_working < l->n_allowed &&
               l->n_working + l->n_blocked < WORKERS_BLOCKED_PER_PARENT_MAX &&
               callouts_may_start(op);
}

/* Who is in line there, if the one before it turns out to be slow. */
static bool may_do_better(const Load *l) {
        return !is_full(l) || l->n_in_line > l->n_working;
}

void operation_dispatch(Manager *m) {
        uint64_t usec = 0; /* until it is of use to look again; 0: not before one ends */

        mark_slow(m);
        list_foreach(l, &m->loads, Load, node)
                l->held_up = false;
        list_foreach(op, &m->active, Operation, active_node) {
                int r;

                if (op->state == OPERATION_RUNNING && op->phase == OPERATION_IN_LINE &&
                    may_do_better(op->load))
                        usec = WORKER_QUICK_USEC; /* they wait, too */
                if (op->state != OPERATION_RUNNING || op->phase != OPERATION_QUEUED)
                        continue;
                if (!may_start(op)) {
                        op->load->held_up |= !may_be_in_line(op);
                        /* the shortest that somebody waits for */
                        usec = op->load->n_allowed < WORKERS_PER_PARENT_MAX ||
                                               usec == WORKER_QUICK_USEC ?
                                       WORKER_QUICK_USEC :
                                       WORKER_BLOCKED_USEC;
                        continue;
                }
                r = start(op);
                if (r < 0) {
                        mends_settle(op);
                        operation_set_result(op, OUTCOME_FAILED, r,
                                   "No worker could be started for %s on %s: %s.",
                                   record_kind_to_string(op->record->kind), op->record->parent,
                                   strerrordesc_np(-r));
                        operation_end(op);
                } else if (op->phase == OPERATION_IN_LINE && may_do_better(op->load))
                        usec = WORKER_QUICK_USEC;
        }
        blocked_watch(m, usec);
}

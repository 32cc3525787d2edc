/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-core-line.c: operations whose records lie with a worker that is at another one still: how
 * many, in which order they are done, and what becomes of them when it does not get to them.
 */
#include <signal.h>

#include "fixture.h"

#define MANY 64

static const char *nth_uuid(unsigned i) {
        static char text[UUID_STRING_MAX];

        (void) snprintf(text, sizeof(text), "44444444-4444-4444-8444-%012u", i);
        return text;
}

static unsigned count_phase(Fixture *f, OperationPhase phase) {
        unsigned n = 0;

        list_foreach(op, manager_get_operations(f->manager), Operation, node)
                n += op->state == OPERATION_RUNNING && op->phase == phase;
        return n;
}

static Operation *find_working(Fixture *f) {
        list_foreach(op, manager_get_operations(f->manager), Operation, node)
                if (op->state == OPERATION_RUNNING && op->phase == OPERATION_WORKING)
                        return op;
        return NULL;
}

/* However slow this machine is, none takes its time. */
static void freeze(Fixture *f) {
        list_foreach(op, manager_get_operations(f->manager), Operation, node)
                op->working_since_usec = operation_monotonic_usec() + 3600 * UINT64_C(1000000);
}

static void run_frozen(Fixture *f) {
        while (operations_count_running(f->manager) > 0) {
                freeze(f);
                list_foreach(l, &f->manager->loads, Load, node)
                        l->quick = true; /* whatever a worker says of its time at the gate */
                ASSERT_TRUE(sd_event_run(f->event, UINT64_MAX) >= 0);
        }
        run_pending(f);
}

/* The first is at the gate, and @n are asked for after that. */
static Operation *begin(Fixture *f, unsigned n) {
        Operation *first;

        add_vendor(f, P1, MANY);
        fake_fifo(f->tree, FAKE(P1, "create-block"));
        fixture_start(f);
        first = create_device(f, P1, "vendor-1", nth_uuid(0), "vm");
        ASSERT_EQ(first->phase, OPERATION_WORKING);
        ASSERT_TRUE(first->load->first == first);
        first->load->quick = true; /* as one before it would have shown */
        for (unsigned i = 1; i <= n; i++) {
                freeze(f);
                (void) create_device(f, P1, "vendor-1", nth_uuid(i), "vm");
        }
        freeze(f);
        return first;
}

/* Its process is there, and has been at it for longer than a quick one takes. */
static void make_slow(Operation *op) {
        op->begun = true;
        op->working_since_usec = operation_monotonic_usec() - WORKER_QUICK_USEC - 1;
}

TEST(line_has_a_limit_and_an_order) {
        const unsigned n = WORKER_LINE_MAX + 3;
        _cleanup_(closep) int gate = -EBADF;
        unsigned i = 0;
        FIXTURE(f);

        (void) begin(&f, n);
        ASSERT_EQ(count_phase(&f, OPERATION_WORKING), 1);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), WORKER_LINE_MAX);
        ASSERT_EQ(count_phase(&f, OPERATION_QUEUED), 3);
        ASSERT_EQ(count_records(&f), 1 + WORKER_LINE_MAX);
        ASSERT_EQ(f.manager->n_working, 1);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_frozen(&f);
        ASSERT_EQ(f.devices_added, n + 1);
        list_foreach(d, &manager_get_model(f.manager)->devices, Device, node) {
                ASSERT_STREQ(UUID_STR(&d->uuid), nth_uuid(i++));
                ASSERT_STREQ(d->owner, "vm");
        }
        ASSERT_EQ(count_records(&f), 0);
        ASSERT_EQ(f.manager->n_working, 0);
}

/* Exactly as many as there is room for: the next one would be the first to wait. */
TEST(a_full_line_is_no_queue) {
        _cleanup_(closep) int gate = -EBADF;
        FIXTURE(f);

        (void) begin(&f, WORKER_LINE_MAX);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), WORKER_LINE_MAX);
        ASSERT_EQ(count_phase(&f, OPERATION_QUEUED), 0);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_frozen(&f);
        ASSERT_EQ(f.devices_added, WORKER_LINE_MAX + 1);
}

TEST(who_waits_behind_a_slow_one_gets_other_workers) {
        _cleanup_(closep) int gate = -EBADF;
        Operation *first;
        FIXTURE(f);

        first = begin(&f, 3);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), 3);
        make_slow(first);
        operation_dispatch(f.manager);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), 0);
        ASSERT_EQ(count_phase(&f, OPERATION_WORKING), 2);
        ASSERT_EQ(count_phase(&f, OPERATION_QUEUED), 2);
        ASSERT_EQ(count_records(&f), 2);
        ASSERT_TRUE(first->load->first != first);
        /* nobody follows one of whom it is not known how long it takes */
        (void) create_device(&f, P1, "vendor-1", nth_uuid(4), "vm");
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), 0);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 5);
        ASSERT_EQ(count_records(&f), 0);
}

/* Its process is there, or is not even that: seen late, it is blocked at once. */
static void check_blocked(bool begun) {
        _cleanup_(closep) int gate = -EBADF;
        Operation *first, *other;
        FIXTURE(f);

        first = begin(&f, 3);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), 3);
        first->begun = begun;
        first->working_since_usec = operation_monotonic_usec() - WORKER_BLOCKED_USEC - 1;
        operation_dispatch(f.manager);
        ASSERT_TRUE(first->blocked);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), 0);
        /* nor does anybody get in line behind it later */
        first->load->quick = true;
        freeze(&f);
        other = create_device(&f, P1, "vendor-1", nth_uuid(4), "vm");
        ASSERT_TRUE(other->load->first != first);
        ASSERT_EQ(worker_count_followers(first->worker), 0);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 5);
        ASSERT_EQ(count_records(&f), 0);
}

TEST(nobody_waits_behind_a_blocked_one) {
        check_blocked(true);
        check_blocked(false);
}

/* The line moves on, and so does what it is that takes its time. */
TEST(the_next_one_is_slow) {
        Operation *first, *next;
        size_t n;
        FIXTURE(f);

        first = begin(&f, 5);
        unblock(&f, FAKE(P1, "create-block"));
        /* who comes to the gate before we have closed it passes, too */
        while (first->state == OPERATION_RUNNING || !(next = find_working(&f))) {
                freeze(&f);
                ASSERT_TRUE(sd_event_run(f.event, UINT64_MAX) >= 0);
        }
        n = operations_count_running(f.manager);
        ASSERT_TRUE(n > 1);
        ASSERT_TRUE(next->load->first == next);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE) + count_phase(&f, OPERATION_SETTLING), n - 1);
        ASSERT_EQ(f.manager->n_working, 1);
        make_slow(next);
        operation_dispatch(f.manager);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), 0);
        ASSERT_EQ(count_phase(&f, OPERATION_WORKING) + count_phase(&f, OPERATION_SETTLING) +
                          count_phase(&f, OPERATION_QUEUED),
                  n);
        ASSERT_TRUE(count_phase(&f, OPERATION_WORKING) > 1);
        safe_close(hold_open(&f, FAKE(P1, "create-block")));
        while (operations_count_running(f.manager) > 0) {
                safe_close(hold_open(&f, FAKE(P1, "create-block")));
                ASSERT_TRUE(sd_event_run(f.event, 10000) >= 0);
        }
        ASSERT_EQ(f.devices_added, 6);
}

/* Dead, and not reaped: that is for whoever watches it. */
static void kill_process(pid_t pid) {
        siginfo_t info;

        ASSERT_TRUE(pid > 0);
        ASSERT_EQ(kill(pid, SIGKILL), 0);
        ASSERT_EQ(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
}

TEST(worker_dies_and_who_waited_goes_on) {
        _cleanup_(closep) int gate = -EBADF;
        Operation *first;
        FIXTURE(f);

        first = begin(&f, 3);
        kill_process(await_begun(&f, first));
        wait_for(&f, first);
        ASSERT_EQ(first->state, OPERATION_FAILED);
        ASSERT_CONTAINS(first->record->text, "killed");
        ASSERT_EQ(operations_count_running(f.manager), 3);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 3);
        ASSERT_NULL(find_device(&f, nth_uuid(0)));
        for (unsigned i = 1; i <= 3; i++)
                ASSERT_NOT_NULL(find_device(&f, nth_uuid(i)));
        ASSERT_EQ(count_records(&f), 0);
}

/* Killed while nobody looks: the next job is in the socket of a process that is no more. */
TEST(idle_worker_dies) {
        Operation *op;
        FIXTURE(f);

        add_vendor(&f, P1, MANY);
        fixture_start(&f);
        op = create_device(&f, P1, "vendor-1", U1, "");
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        kill_process(op->record->pid);
        op = create_device(&f, P1, "vendor-1", U2, "");
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_EQ(f.devices_added, 2);
}

/* A daemon that is stopped takes back what it had handed out too early. */
TEST(stop_leaves_the_first_one_only) {
        Operation *op;
        int gate;
        FIXTURE(f);

        (void) begin(&f, 3);
        ASSERT_EQ(count_records(&f), 4);
        fixture_restart(&f);
        ASSERT_EQ(count_records(&f), 1);
        ASSERT_EQ(operations_count_running(f.manager), 1);
        op = first_operation(&f);
        ASSERT_EQ(op->phase, OPERATION_WORKING);
        ASSERT_STREQ(UUID_STR(&op->record->uuid), nth_uuid(0));
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 1);
        safe_close(gate);
}

/* One that was killed could not: its worker does all that it has, and the next daemon awaits it. */
TEST(what_is_in_line_is_adopted) {
        unsigned n = 0;
        int gate;
        FIXTURE(f);

        (void) begin(&f, 3);
        list_foreach(op, manager_get_operations(f.manager), Operation, node)
                list_unlink(&op->active_node); /* nothing is taken back */
        fixture_restart(&f);
        ASSERT_EQ(count_records(&f), 4);
        ASSERT_EQ(count_phase(&f, OPERATION_WORKING), 4);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 4);
        list_foreach(d, &manager_get_model(f.manager)->devices, Device, node) {
                ASSERT_STREQ(d->owner, "vm");
                n++;
        }
        ASSERT_EQ(n, 4);
        ASSERT_EQ(count_records(&f), 0);
        safe_close(gate);
}

/* The same with the worker: what it had not begun was not done, and is settled as that. */
TEST(daemon_and_worker_die) {
        Operation *first;
        pid_t pid;
        FIXTURE(f);

        first = begin(&f, 3);
        pid = await_begun(&f, first);
        list_foreach(op, manager_get_operations(f.manager), Operation, node)
                list_unlink(&op->active_node);
        fixture_stop(&f);
        kill_process(pid);
        reap_workers();
        ASSERT_EQ(count_records(&f), 4);
        fixture_start(&f);
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 0);
        list_foreach(op, manager_get_operations(f.manager), Operation, node)
                ASSERT_EQ(op->state, OPERATION_FAILED);
        ASSERT_EQ(count_records(&f), 0);
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 0);
}

TEST(same_request_joins) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *first, *second;
        int gate;
        FIXTURE(f);

        first = begin(&f, 2);
        second = list_entry(first->node.next, Operation, node);
        ASSERT_EQ(second->phase, OPERATION_IN_LINE);
        ASSERT_TRUE(create_device(&f, P1, "vendor-1", nth_uuid(1), "vm") == second);
        ASSERT_EQ(refuse_create(&f, new_request(P1, "vendor-1", nth_uuid(1), "other"), &reason),
                  OUTCOME_BUSY);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_frozen(&f);
        ASSERT_EQ(f.devices_added, 3);
        safe_close(gate);
}

/* What takes more than one step is not begun before its turn. */
TEST(only_plain_creates_get_in_line) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *with_attributes, *other;
        Request *q;
        int gate;
        FIXTURE(f);

        (void) begin(&f, 1);
        q = new_request(P1, "vendor-1", U1, "");
        ASSERT_OK(request_add_attribute(q, "vram", "1"));
        ASSERT_EQ(manager_create(f.manager, q, ":1.7", &with_attributes, &reason), 0);
        freeze(&f);
        ASSERT_EQ(with_attributes->phase, OPERATION_WORKING); /* with a worker of its own */
        q = new_request(P1, "vendor-1", U2, "");
        q->define = true;
        ASSERT_EQ(manager_create(f.manager, q, ":1.7", &other, &reason), 0);
        freeze(&f);
        ASSERT_EQ(other->phase, OPERATION_QUEUED);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), 1);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_frozen(&f);
        ASSERT_EQ(other->state, OPERATION_DONE);
        safe_close(gate);
}

/* As many workers as a parent gets, all of them slow, and @n operations in all. */
static void begin_slow(Fixture *f, unsigned n) {
        Operation *op = begin(f, n - 1);

        for (unsigned i = 1; i <= WORKERS_PER_PARENT_MAX; i *= 2) {
                list_foreach(o, &f->manager->active, Operation, active_node)
                        if (o->phase == OPERATION_WORKING)
                                make_slow(o);
                operation_dispatch(f->manager);
        }
        ASSERT_FALSE(op->load->quick);
        ASSERT_EQ(op->load->n_allowed, WORKERS_PER_PARENT_MAX);
}

TEST(where_all_are_slow_one_waits_behind_each) {
        const unsigned n = 2 * WORKERS_PER_PARENT_MAX + 2;
        _cleanup_(closep) int gate = -EBADF;
        unsigned i = 0;
        FIXTURE(f);

        begin_slow(&f, n);
        ASSERT_EQ(count_phase(&f, OPERATION_WORKING), WORKERS_PER_PARENT_MAX);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), WORKERS_PER_PARENT_MAX);
        ASSERT_EQ(count_phase(&f, OPERATION_QUEUED), 2);
        ASSERT_EQ(first_operation(&f)->load->n_in_line, WORKERS_PER_PARENT_MAX);
        list_foreach(op, &f.manager->active, Operation, active_node) {
                ASSERT_EQ(op->phase, i < WORKERS_PER_PARENT_MAX     ? OPERATION_WORKING :
                                     i < 2 * WORKERS_PER_PARENT_MAX ? OPERATION_IN_LINE :
                                                                      OPERATION_QUEUED);
                if (op->phase == OPERATION_WORKING)
                        ASSERT_EQ(worker_count_followers(op->worker), 1);
                i++;
        }
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, n);
        ASSERT_EQ(count_records(&f), 0);
        ASSERT_EQ(f.manager->n_working, 0);
}

/* It waits no longer behind one that takes its time. */
TEST(a_worker_that_is_free_takes_who_waits_behind_another) {
        const unsigned n = WORKERS_PER_PARENT_MAX + 3;
        _cleanup_(closep) int gate = -EBADF;
        Operation *last = NULL;
        pid_t pid;
        Load *l;
        FIXTURE(f);

        begin_slow(&f, n);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), 3);
        list_foreach(op, &f.manager->active, Operation, active_node)
                if (op->phase == OPERATION_WORKING)
                        last = op;
        ASSERT_EQ(worker_count_followers(last->worker), 0);
        pid = await_begun(&f, last);
        l = last->load;
        make_slow(last);
        kill_process(pid);
        wait_for(&f, last);
        ASSERT_EQ(last->state, OPERATION_FAILED);
        ASSERT_FALSE(l->quick);
        ASSERT_EQ(l->n_allowed, WORKERS_PER_PARENT_MAX);
        RUN_UNTIL(&f, l->n_working == WORKERS_PER_PARENT_MAX);
        ASSERT_EQ(l->n_allowed, WORKERS_PER_PARENT_MAX);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), 2); /* the others stay where they are */
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, n - 1);
}

/* It is young yet, and when it gets old is not told: somebody has to look. */
TEST(a_line_whose_parent_is_no_longer_quick_is_looked_at) {
        _cleanup_(closep) int gate = -EBADF;
        Operation *first;
        uint64_t set;
        FIXTURE(f);

        first = begin(&f, 5);
        first->load->quick = false; /* a stop took long */
        f.manager->blocked = sd_event_source_disable_unref(f.manager->blocked);
        first->begun = true;
        first->working_since_usec = operation_monotonic_usec();
        operation_dispatch(f.manager);
        ASSERT_TRUE(count_phase(&f, OPERATION_IN_LINE) > 0);
        ASSERT_EQ(count_phase(&f, OPERATION_QUEUED), 0);
        ASSERT_TRUE(sd_event_source_get_time(f.manager->blocked, &set) >= 0);
        ASSERT_TRUE(set <= operation_monotonic_usec() + WORKER_QUICK_USEC);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 6);
}

/* What is executed in place of workers ends at once, or cannot be executed. */
static void check_other_program(const char *path) {
        _cleanup_(closep) int gate = -EBADF;
        Operation *first, *second;
        FIXTURE(f);

        first = begin(&f, 0);
        manager_set_worker_program(f.manager, open(path, O_PATH | O_CLOEXEC));
        add_vendor(&f, P2, 1);
        RUN_UNTIL(&f, model_find_parent(manager_get_model(f.manager), P2) != NULL);
        second = create_device(&f, P2, "vendor-1", U2, "");
        wait_for(&f, second);
        ASSERT_EQ(second->state, OPERATION_DONE);
        ASSERT_EQ(first->state, OPERATION_RUNNING);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 2);
}

TEST(worker_program_that_is_none) {
        check_other_program("/bin/false");
        check_other_program("/dev/null");
}

/* A worker of its own is what it gets next; were others in line, none would ever be free. */
TEST(nobody_gets_in_line_ahead_of_who_cannot) {
        const unsigned n = WORKERS_PER_PARENT_MAX;
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(closep) int gate = -EBADF;
        Operation *with_attributes, *later;
        Request *q;
        FIXTURE(f);

        begin_slow(&f, n);
        q = new_request(P1, "vendor-1", U1, "");
        ASSERT_OK(request_add_attribute(q, "vram", "1"));
        ASSERT_EQ(manager_create(f.manager, q, ":1.7", &with_attributes, &reason), 0);
        ASSERT_EQ(with_attributes->phase, OPERATION_QUEUED);
        later = create_device(&f, P1, "vendor-1", U2, "");
        ASSERT_EQ(later->phase, OPERATION_QUEUED);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), 0);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(later->state, OPERATION_DONE);
        ASSERT_EQ(with_attributes->state, OPERATION_FAILED); /* no type has such an attribute */
        ASSERT_EQ(f.devices_added, n + 1);
}

WORKER_TESTS_MAIN

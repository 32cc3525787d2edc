/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-core-nursery.c: the process that workers are born of: that they are, and what becomes of
 * those that were asked for and of what they had been given, when it dies, is held up or cannot.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "backend/worker-line.h"
#include "fixture.h"

static WorkerPool *pool_of(Fixture *f) {
        return f->manager->workers;
}

static pid_t nursery_of(Fixture *f) {
        RUN_UNTIL(f, pool_of(f)->nursery && pool_of(f)->nursery->begun);
        return pool_of(f)->nursery->pid;
}

static void stop_process(pid_t pid) {
        siginfo_t info;

        ASSERT_OK(kill(pid, SIGSTOP));
        ASSERT_OK(waitid(P_PID, (id_t) pid, &info, WSTOPPED | WNOWAIT));
}

static size_t count_unborn(Fixture *f) {
        size_t n = 0;

        list_foreach(p, &pool_of(f)->processes, Process, node)
                n += p->nursery != NULL;
        return n;
}

/* Two parents at whose gates creates wait, and one worker that has nothing to do. */
static void begin(Fixture *f) {
        add_vendor(f, P1, 64);
        add_vendor(f, P2, 64);
        fake_fifo(f->tree, FAKE(P1, "create-block"));
        fixture_start(f);
        RUN_UNTIL(f, pool_of(f)->n_idle == 1 && count_unborn(f) == 0);
}

static Process *last_process(Fixture *f) {
        return list_entry(pool_of(f)->processes.prev, Process, node);
}

/* Of two creates the first has the worker that there is; that of the other, returned, is unborn. */
static Operation *ask_for_birth(Fixture *f) {
        Operation *second;

        stop_process(nursery_of(f));
        (void) create_device(f, P1, "vendor-1", U1, "");
        second = create_device(f, P2, "vendor-1", U2, "");
        ASSERT_EQ(count_unborn(f), 1);
        return second;
}

/* AT_RANDOM and the places of all that is loaded are other in each program that is executed. */
static size_t read_auxv(pid_t pid, char *buf, size_t size) {
        char path[32];
        ssize_t n;
        int fd;

        (void) snprintf(path, sizeof(path), "/proc/%d/auxv", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ASSERT_TRUE(fd >= 0);
        n = read(fd, buf, size);
        ASSERT_TRUE(n > 0 && n < (ssize_t) size);
        (void) close(fd);
        return (size_t) n;
}

TEST(workers_are_born_and_are_our_children) {
        _cleanup_(closep) int gate = -EBADF;
        char a[1024], b[1024];
        Operation *op;
        siginfo_t info;
        size_t n;
        FIXTURE(f);

        begin(&f);
        op = create_device(&f, P1, "vendor-1", U1, "");
        n = read_auxv(nursery_of(&f), a, sizeof(a));
        ASSERT_EQ(read_auxv(await_begun(&f, op), b, sizeof(b)), n);
        ASSERT_EQ(memcmp(a, b, n), 0);
        ASSERT_TRUE(worker_pid(op->worker) > 0);
        ASSERT_EQ(getpgid(worker_pid(op->worker)), worker_pid(op->worker));
        ASSERT_OK(waitid(P_PID, (id_t) worker_pid(op->worker), &info, WEXITED | WNOHANG));
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 1);
}

/* What was given to those that it did not come to is done by others. */
TEST(nursery_dies_before_it_has_answered) {
        _cleanup_(closep) int gate = -EBADF;
        Operation *first, *second, *third;
        pid_t nursery;
        FIXTURE(f);

        begin(&f);
        nursery = nursery_of(&f);
        stop_process(nursery);
        first = create_device(&f, P1, "vendor-1", U1, "");
        second = create_device(&f, P2, "vendor-1", U2, "");
        third = create_device(&f, P2, "vendor-1", U3, "");
        run_pending(&f);
        ASSERT_TRUE(count_unborn(&f) > 0);
        ASSERT_EQ(second->state, OPERATION_RUNNING);
        ASSERT_OK(kill(nursery, SIGKILL));
        wait_for(&f, second);
        wait_for(&f, third);
        ASSERT_EQ(second->state, OPERATION_DONE);
        ASSERT_EQ(third->state, OPERATION_DONE);
        ASSERT_EQ(first->state, OPERATION_RUNNING);
        ASSERT_TRUE(nursery_of(&f) != nursery);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 3);
        ASSERT_EQ(count_records(&f), 0);
}

/* Born, at work already, and neither it nor the nursery was heard of before that died. */
TEST(nursery_dies_when_one_is_at_work) {
        _cleanup_(closep) int gate = -EBADF;
        Operation *first, *second;
        siginfo_t info;
        pid_t nursery;
        FIXTURE(f);

        begin(&f);
        fake_fifo(f.tree, FAKE(P2, "create-block"));
        nursery = nursery_of(&f);
        first = create_device(&f, P1, "vendor-1", U1, "");
        second = create_device(&f, P2, "vendor-1", U2, "");
        ASSERT_EQ(count_unborn(&f), 1);
        (void) await_begun(&f, second);
        ASSERT_OK(kill(nursery, SIGKILL));
        ASSERT_OK(waitid(P_PID, (id_t) nursery, &info, WEXITED | WNOWAIT));
        RUN_UNTIL(&f, !pool_of(&f)->nursery);
        run_pending(&f);
        ASSERT_EQ(first->phase, OPERATION_WORKING);
        ASSERT_EQ(second->phase, OPERATION_WORKING);
        ASSERT_EQ(second->record->n_attributes, 0);
        safe_close(hold_open(&f, FAKE(P2, "create-block")));
        wait_for(&f, second);
        ASSERT_EQ(second->state, OPERATION_DONE);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 2);
}

/* It dies before it was ever heard of: its end is seen all the same. */
TEST(one_that_dies_at_once_has_an_end) {
        _cleanup_(closep) int gate = -EBADF;
        Operation *second;
        siginfo_t info;
        pid_t pid;
        FIXTURE(f);

        begin(&f);
        fake_fifo(f.tree, FAKE(P2, "create-block"));
        (void) create_device(&f, P1, "vendor-1", U1, "");
        second = create_device(&f, P2, "vendor-1", U2, "");
        pid = await_begun(&f, second);
        ASSERT_EQ(worker_pid(second->worker), 0);
        ASSERT_OK(kill(pid, SIGKILL));
        ASSERT_OK(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT));
        wait_for(&f, second);
        ASSERT_EQ(second->state, OPERATION_FAILED);
        ASSERT_CONTAINS(second->record->text, "killed");
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 1);
}

/* The nursery says that it cannot: memory is short, or such a copy is forbidden. */
TEST(nursery_that_cannot) {
        _cleanup_(closep) int gate = -EBADF;
        Birth birth = { .pid = -EPERM };
        Operation *second;
        const Process *p;
        pid_t nursery;
        FIXTURE(f);

        begin(&f);
        nursery = nursery_of(&f);
        second = ask_for_birth(&f);
        p = last_process(&f);
        birth.number = p->birth;
        nursery_on_message(pool_of(&f), (const char *) &birth, sizeof(birth));
        ASSERT_EQ(count_unborn(&f), 0);
        ASSERT_TRUE(p->pid > 0); /* it was executed, and has what it was given */
        wait_for(&f, second);
        ASSERT_EQ(second->state, OPERATION_DONE);
        ASSERT_EQ(second->record->pid, p->pid);
        ASSERT_OK(kill(nursery, SIGKILL));
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 2);
        ASSERT_EQ(count_records(&f), 0);
}

/* Its first byte is that of the number: the birth's, which is the second after that record's. */
TEST(answer_that_looks_like_a_greeting) {
        _cleanup_(closep) int gate = -EBADF;
        Birth birth = { .pid = -EAGAIN };
        Operation *second;
        FIXTURE(f);

        begin(&f);
        stop_process(nursery_of(&f));
        (void) create_device(&f, P1, "vendor-1", U1, "");
        pool_of(&f)->last_number = 0x0101010101010101 * WORKER_GREETING - 2;
        second = create_device(&f, P2, "vendor-1", U2, "");
        birth.number = last_process(&f)->birth;
        ASSERT_EQ(send(pool_of(&f)->nursery->worker_fd, &birth, sizeof(birth), 0), sizeof(birth));
        run_pending(&f);
        ASSERT_EQ(count_unborn(&f), 0);
        ASSERT_OK(kill(pool_of(&f)->nursery->pid, SIGKILL));
        wait_for(&f, second);
        ASSERT_EQ(second->state, OPERATION_DONE);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
}

/* Neither a number that nobody has, nor half a message, is anybody's birth. */
TEST(messages_of_nobody) {
        _cleanup_(closep) int gate = -EBADF;
        Birth birth = { .number = WORKER_BIRTH | 4711, .pid = 1 };
        Operation *second;
        FIXTURE(f);

        begin(&f);
        second = ask_for_birth(&f);
        nursery_on_message(pool_of(&f), (const char *) &birth, sizeof(birth));
        birth.number = last_process(&f)->birth;
        nursery_on_message(pool_of(&f), (const char *) &birth, sizeof(birth) - 1);
        ASSERT_EQ(count_unborn(&f), 1);
        ASSERT_OK(kill(pool_of(&f)->nursery->pid, SIGCONT));
        wait_for(&f, second);
        ASSERT_EQ(second->state, OPERATION_DONE);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
}

#define LONG_USEC (3600 * UINT64_C(1000000))

static unsigned n_ended, n_unended;

static void on_look_end(Worker *w, const Record *record, void *userdata) {
        *(record && record->step == STEP_DONE ? &n_ended : &n_unended) += 1;
}

/* The time of its question is over before it is there: it is killed when it is. */
TEST(killed_before_it_is_born) {
        _cleanup_(closep) int gate = -EBADF;
        _cleanup_(record_freep) Record *question = NULL;
        _cleanup_(worker_freep) Worker *w = NULL;
        const Device *d;
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, P2, "vendor-1", U2, ""));
        (void) create_device(&f, P1, "vendor-1", U1, "");
        d = find_device(&f, U2);
        ASSERT_OK(looks_make_question(P2, d->parent->path, &d->uuid, d, false, &question));
        stop_process(nursery_of(&f));
        n_unended = 0;
        ASSERT_OK(worker_ask(&w, pool_of(&f), question, 1000, on_look_end, NULL));
        RUN_UNTIL(&f, n_unended == 1);
        ASSERT_EQ(worker_pool_count_killed(pool_of(&f)), 1);
        ASSERT_OK(kill(pool_of(&f)->nursery->pid, SIGCONT));
        RUN_UNTIL(&f, worker_pool_count_killed(pool_of(&f)) == 0);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
}

/* Whoever it goes to has no more time for it. */
TEST(time_goes_with_a_question) {
        _cleanup_(closep) int gate = -EBADF;
        _cleanup_(record_freep) Record *question = NULL;
        _cleanup_(worker_freep) Worker *w = NULL;
        const Process *nursery, *last;
        const Device *d;
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, P2, "vendor-1", U2, ""));
        (void) create_device(&f, P1, "vendor-1", U1, "");
        d = find_device(&f, U2);
        ASSERT_OK(looks_make_question(P2, d->parent->path, &d->uuid, d, false, &question));
        stop_process(nursery_of(&f));
        nursery = pool_of(&f)->nursery;
        n_ended = 0;
        ASSERT_OK(worker_ask(&w, pool_of(&f), question, LONG_USEC, on_look_end, NULL));
        ASSERT_OK(kill(nursery->pid, SIGKILL));
        RUN_UNTIL(&f, pool_of(&f)->nursery != nursery);
        last = last_process(&f);
        ASSERT_EQ(last->n_assignments, 1);
        ASSERT_NOT_NULL(last->limit);
        ASSERT_TRUE(sd_event_source_get_userdata(last->limit) == last);
        RUN_UNTIL(&f, n_ended == 1);
        ASSERT_NULL(last->limit);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
}

/* The daemon is killed: who was asked for is born, and does what it was given. */
TEST(daemon_dies_before_one_is_born) {
        _cleanup_(closep) int gate = -EBADF;
        pid_t nursery;
        FIXTURE(f);

        begin(&f);
        nursery = nursery_of(&f);
        (void) ask_for_birth(&f);
        list_foreach(op, manager_get_operations(f.manager), Operation, node)
                list_unlink(&op->active_node);
        fixture_stop(&f);
        ASSERT_EQ(count_records(&f), 2);
        ASSERT_OK(kill(nursery, SIGCONT));
        fixture_start(&f);
        RUN_UNTIL(&f, f.devices_added == 1);
        ASSERT_NOT_NULL(find_device(&f, U2));
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, 2);
        ASSERT_EQ(count_records(&f), 0);
}

WORKER_TESTS_MAIN

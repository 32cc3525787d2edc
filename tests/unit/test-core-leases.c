/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-core-leases.c: devices that go by themselves. What time it is the tests say; what is open
 * our module's fake says, and of a vendor's device a /proc that is made up.
 */
#include <sys/resource.h>

#include "backend/origin.h"
#include "fixture.h"

#define MIB (UINT64_C(1) << 20)
#define SEC UINT64_C(1000000)
#define CLIENT ":1.7" /* who fixture.h's calls are from */

/* ---- the states alone ---- */

TEST(states) {
        Lease l = { .kind = LEASE_VM, .linger_sec = 5 };

        lease_begin(&l, 7 * SEC);
        ASSERT_EQ(l.until_usec, 607 * SEC);
        ASSERT_FALSE(lease_is_due(&l, 607 * SEC - 1));
        ASSERT_TRUE(lease_is_due(&l, 607 * SEC));
        ASSERT_FALSE(lease_update(&l, false, 8 * SEC)); /* nobody had it */
        ASSERT_FALSE(lease_client_left(&l, 8 * SEC));
        ASSERT_TRUE(lease_update(&l, true, 8 * SEC));
        ASSERT_FALSE(lease_update(&l, true, 9 * SEC));
        ASSERT_FALSE(lease_is_due(&l, UINT64_MAX));
        ASSERT_TRUE(lease_update(&l, false, 20 * SEC));
        ASSERT_EQ(l.phase, LEASE_CLOSED);
        ASSERT_FALSE(lease_update(&l, false, 21 * SEC)); /* the time runs from the first */
        ASSERT_FALSE(lease_is_due(&l, 25 * SEC - 1));
        ASSERT_TRUE(lease_is_due(&l, 25 * SEC));
        ASSERT_TRUE(lease_update(&l, true, 26 * SEC));
        ASSERT_FALSE(lease_is_due(&l, UINT64_MAX));
}

TEST(a_clients_lease) {
        Lease l = { .kind = LEASE_CLIENT, .client = strdup(CLIENT), .linger_sec = 5 };

        lease_begin(&l, SEC);
        ASSERT_FALSE(lease_is_due(&l, UINT64_MAX));
        ASSERT_TRUE(lease_client_left(&l, 9 * SEC));
        ASSERT_FALSE(lease_client_left(&l, 10 * SEC));
        ASSERT_TRUE(lease_is_due(&l, 9 * SEC));
        /* opened before it could be removed: it is the machine's now, and no client's */
        ASSERT_TRUE(lease_update(&l, true, 11 * SEC));
        ASSERT_EQ(l.kind, LEASE_VM);
        ASSERT_NULL(l.client);
        ASSERT_FALSE(lease_client_left(&l, 12 * SEC));
        lease_done(&l);
}

TEST(tries_come_less_often) {
        static const unsigned waits[] = { 1, 2, 4, 8, 16, 32, 64, 64 };
        Lease l = { .kind = LEASE_VM, .phase = LEASE_CLOSED, .until_usec = 1 };

        for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
                lease_note_try(&l, 100 * SEC);
                ASSERT_EQ(l.until_usec, (100 + waits[i]) * SEC);
        }
        ASSERT_TRUE(lease_update(&l, true, 200 * SEC));
        ASSERT_TRUE(lease_update(&l, false, 200 * SEC));
        lease_note_try(&l, 300 * SEC);
        ASSERT_EQ(l.until_usec, 301 * SEC);
}

/* ---- time ---- */

/* The host has slept for so long. */
static time_t slept_sec;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret) {
        int r = __real_clock_gettime(clock, ret);

        if (clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME)
                ret->tv_sec += slept_sec;
        return r;
}

/* Who was to open the device slept as well: no lease ends by that. */
TEST(the_host_sleeps) {
        uint64_t before = leases_now_usec();

        slept_sec = 1000000;
        ASSERT_TRUE(leases_now_usec() < before + 1000 * SEC);
        slept_sec = 0;
}

/* ---- our module's devices ---- */

static const char config[] =
        "{ \"parents\": [ { \"address\": \"" P1 "\","
        "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2 } ], \"types\": [ \"fb-16M\" ] } ],"
        "  \"types\": { \"fb-16M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"16M\" } ] } } }";

static void begin(Fixture *f) {
        fake_pci(f->tree, P1, "other", 0x1000, 64 * MIB);
        fake_write(f->tree, config, "etc/mdevd/mdevd.json");
        fake_load_module(f->tree);
        fixture_start(f);
        run_idle(f);
        ASSERT_EQ(state_of(f, P1), PARENT_REGISTERED);
}

static Request *new_lease(const char *type, LeaseKind kind, unsigned linger) {
        Request *q = new_request(P1, type, U1, "vm1");

        q->lease = kind;
        q->linger_sec = linger;
        return q;
}

static Device *lease_out(Fixture *f, const char *type, LeaseKind kind, unsigned linger) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;

        ASSERT_EQ(manager_create(f->manager, new_lease(type, kind, linger), CLIENT, &op, &reason),
                  0);
        wait_for(f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        run_pending(f);
        return find_device(f, U1);
}

static void open_it(Fixture *f) {
        Uuid u = uuid_of(U1);

        fake_module_open(f->tree->root, u.bytes, 4711, "qemu");
        RUN_UNTIL(f, find_device(f, U1)->opened == 1 &&
                     find_device(f, U1)->lease.phase == LEASE_OPEN);
}

static void close_it(Fixture *f) {
        Uuid u = uuid_of(U1);

        fake_module_close(f->tree->root, u.bytes);
        RUN_UNTIL(f, find_device(f, U1)->opened == 0);
        run_pending(f);
        ASSERT_EQ(find_device(f, U1)->lease.phase, LEASE_CLOSED);
}

/* It is there until @until, and goes then. */
static void expect_end(Fixture *f, uint64_t until) {
        leases_check_at(f->manager, until - 1);
        run_idle(f);
        ASSERT_NOT_NULL(find_device(f, U1));
        leases_check_at(f->manager, until);
        run_idle(f);
        ASSERT_NULL(find_device(f, U1));
        ASSERT_FALSE(fake_exists(f->tree, MDEVD_PATH_DEVICES "/" U1));
}

/* A restart in each state changes none of it. */
static void expect_same_after_restart(Fixture *f) {
        Lease before = {};
        const Lease *after;

        ASSERT_OK(lease_copy(&before, &find_device(f, U1)->lease));
        fixture_restart(f);
        run_idle(f);
        after = &find_device(f, U1)->lease;
        ASSERT_EQ(after->kind, before.kind);
        ASSERT_EQ(after->phase, before.phase);
        ASSERT_EQ(after->linger_sec, before.linger_sec);
        ASSERT_EQ(after->until_usec, before.until_usec);
        ASSERT_TRUE(streq_ptr(after->client, before.client));
        lease_done(&before);
}

TEST(never_opened) {
        clockid_t clock;
        uint64_t until;
        FIXTURE(f);

        begin(&f);
        (void) lease_out(&f, "fb-16M", LEASE_VM, 5);
        ASSERT_OK(sd_event_source_get_time_clock(f.manager->lease_timer, &clock));
        ASSERT_EQ(clock, CLOCK_MONOTONIC);
        until = find_device(&f, U1)->lease.until_usec;
        ASSERT_TRUE(until > leases_now_usec() && until <= leases_now_usec() + LEASE_UNOPENED_USEC);
        expect_same_after_restart(&f);
        expect_end(&f, until);
}

TEST(opened_and_closed) {
        uint64_t until;
        FIXTURE(f);

        begin(&f);
        (void) lease_out(&f, "fb-16M", LEASE_VM, LEASE_LINGER_SEC_MAX);
        open_it(&f);
        expect_same_after_restart(&f);
        leases_check_at(f.manager, UINT64_MAX - 1);
        run_idle(&f);
        ASSERT_EQ(find_device(&f, U1)->opened, 1);
        close_it(&f);
        until = find_device(&f, U1)->lease.until_usec;
        ASSERT_TRUE(until > leases_now_usec() + (LEASE_LINGER_SEC_MAX - 600) * SEC);
        expect_same_after_restart(&f);
        /* a machine that is started anew */
        open_it(&f);
        leases_check_at(f.manager, until);
        run_idle(&f);
        close_it(&f);
        ASSERT_TRUE(find_device(&f, U1)->lease.until_usec >= until);
        expect_end(&f, find_device(&f, U1)->lease.until_usec);
}

/* The daemon was away when it was closed: the time runs from when that is seen. */
TEST(closed_while_nobody_looked) {
        Uuid u = uuid_of(U1);
        FIXTURE(f);

        begin(&f);
        (void) lease_out(&f, "fb-16M", LEASE_VM, 50);
        open_it(&f);
        fixture_stop(&f);
        fake_module_close(f.tree->root, u.bytes);
        fixture_start(&f);
        run_idle(&f);
        ASSERT_EQ(find_device(&f, U1)->lease.phase, LEASE_CLOSED);
        expect_end(&f, find_device(&f, U1)->lease.until_usec);
}

TEST(client_leaves) {
        FIXTURE(f);

        begin(&f);
        (void) lease_out(&f, "fb-16M", LEASE_CLIENT, 5);
        ASSERT_STREQ(find_device(&f, U1)->lease.client, CLIENT);
        expect_same_after_restart(&f);
        leases_check_at(f.manager, UINT64_MAX - 1);
        manager_client_left(f.manager, ":1.77");
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
        manager_client_left(f.manager, CLIENT);
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
}

/* He has left, and the daemon with him before it could remove it. */
TEST(client_left_and_restart) {
        FIXTURE(f);

        begin(&f);
        (void) lease_out(&f, "fb-16M", LEASE_CLIENT, 5);
        manager_client_left(f.manager, CLIENT);
        ASSERT_EQ(find_device(&f, U1)->lease.phase, LEASE_OVER);
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
}

TEST(client_leaves_an_open_one) {
        FIXTURE(f);

        begin(&f);
        (void) lease_out(&f, "fb-16M", LEASE_CLIENT, 5);
        open_it(&f);
        ASSERT_EQ(find_device(&f, U1)->lease.kind, LEASE_VM);
        manager_client_left(f.manager, CLIENT);
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
        expect_same_after_restart(&f);
        close_it(&f);
        expect_end(&f, find_device(&f, U1)->lease.until_usec);
}

/*
 * While its removal is under way nothing is due: its end wakes us, and no timer turns without end.
 */
TEST(no_timer_while_it_is_removed) {
        uint64_t usec;
        Device *d;
        FIXTURE(f);

        begin(&f);
        d = lease_out(&f, "fb-16M", LEASE_VM, 5);
        leases_check_at(f.manager, d->lease.until_usec);
        ASSERT_NOT_NULL(operation_find_running(f.manager, NULL, &d->uuid));
        usec = d->lease.until_usec;
        leases_check_at(f.manager, usec + 5 * SEC);
        ASSERT_EQ(sd_event_source_get_enabled(f.manager->lease_timer, NULL), 0);
        ASSERT_EQ(d->lease.until_usec, usec);
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
}

/* It is not removed, and its lease is that of a machine that has it open. */
static void expect_kept(Fixture *f) {
        run_idle(f);
        ASSERT_EQ(find_device(f, U1)->state, DEVICE_LIVE);
        ASSERT_EQ(find_device(f, U1)->lease.phase, LEASE_OPEN);
        leases_check_at(f->manager, UINT64_MAX - 1);
        run_idle(f);
        ASSERT_NOT_NULL(find_device(f, U1));
        close_it(f);
        expect_end(f, find_device(f, U1)->lease.until_usec);
}

/* The first open comes when the end has been decided, and its removal waits for its turn. */
TEST(opened_as_it_ends) {
        FIXTURE(f);

        begin(&f);
        (void) lease_out(&f, "fb-16M", LEASE_CLIENT, 5);
        f.manager->n_working += WORKERS_MAX;
        manager_client_left(f.manager, CLIENT);
        RUN_UNTIL(&f, operations_count_running(f.manager) == 1);
        open_it(&f);
        f.manager->n_working -= WORKERS_MAX;
        operation_dispatch(f.manager);
        expect_kept(&f);
}

/* Its worker is on its way already, and the daemon has not heard of the open: it looks itself. */
TEST(opened_behind_the_daemons_back) {
        Uuid u = uuid_of(U1);
        uint64_t until;
        FIXTURE(f);

        begin(&f);
        (void) lease_out(&f, "fb-16M", LEASE_VM, 5);
        until = find_device(&f, U1)->lease.until_usec;
        fake_module_open(f.tree->root, u.bytes, 4711, "qemu");
        ASSERT_EQ(find_device(&f, U1)->opened, 0);
        leases_check_at(f.manager, until);
        ASSERT_EQ(operations_count_running(f.manager), 1);
        expect_kept(&f);
}

static const char definition[] = "{ \"mdev_type\": \"mdevd-fb-16M\", \"start\": \"manual\" }";

/* Others' tools write a definition of one that is leased. */
TEST(defined_later) {
        FIXTURE(f);

        begin(&f);
        (void) lease_out(&f, "fb-16M", LEASE_VM, 0);
        fake_write(f.tree, definition, "etc/mdevctl.d/" P1 "/" U1);
        RUN_UNTIL(&f, find_device(&f, U1)->lease.kind == LEASE_NONE);
        leases_check_at(f.manager, UINT64_MAX - 1);
        run_idle(&f);
        expect_same_after_restart(&f);
        ASSERT_EQ(find_device(&f, U1)->lease.kind, LEASE_NONE);
}

TEST(leased_or_defined) {
        _cleanup_(reason_done) Reason both = {}, before = {}, later = {};
        Request *q = new_lease("fb-16M", LEASE_CLIENT, 5);
        Operation *op;
        FIXTURE(f);

        begin(&f);
        q->define = true;
        ASSERT_EQ(refuse_create(&f, q, &both), OUTCOME_INVALID);
        ASSERT_CONTAINS(both.text, "cannot be leased (lease \"client\")");
        (void) lease_out(&f, "fb-16M", LEASE_VM, 5);
        ASSERT_EQ(manager_define(f.manager, new_request(P1, "fb-16M", U1, "vm1"), CLIENT, &op,
                                 &later), OUTCOME_INVALID);
        ASSERT_CONTAINS(later.text, "is leased (lease \"vm\") and goes by itself");
        wait_for(&f, stop_device(&f, U1));
        run_idle(&f);
        fake_write(f.tree, definition, "etc/mdevctl.d/" P1 "/" U1);
        RUN_UNTIL(&f, !list_is_empty(&manager_get_model(f.manager)->definitions));
        ASSERT_EQ(refuse_create(&f, new_lease("fb-16M", LEASE_VM, 5), &before), OUTCOME_INVALID);
        ASSERT_CONTAINS(before.text, "a defined device stays until it is stopped");
}

/* ---- a vendor's devices ---- */

static void begin_vendor(Fixture *f) {
        add_vendor(f, P1, 2);
        fixture_start(f);
        fake_write(f->tree, "1:3\n", "sys/class/vfio/7/dev"); /* null */
        fake_mkdir(f->tree, "proc");
}

static void add_process(Fixture *f, pid_t pid, const char *comm, bool uses) {
        fake_write(f->tree, comm, "proc/%d/comm", pid);
        fake_write(f->tree, "0::/\n", "proc/%d/cgroup", pid);
        fake_link(f->tree, "/dev/null", "proc/%d/fd/3", pid);
        if (uses)
                fake_link(f->tree, "anon_inode:[vfio-device]", "proc/%d/fd/4", pid);
}

static void look(Fixture *f, uint64_t now) {
        leases_check_at(f->manager, now);
        RUN_UNTIL(f, !f->manager->looking);
        run_idle(f);
}

TEST(vendors_device) {
        pid_t pid;
        FIXTURE(f);

        begin_vendor(&f);
        pid = fork();
        ASSERT_TRUE(pid >= 0);
        if (pid == 0)
                for (;;)
                        (void) pause();
        (void) lease_out(&f, "vendor-1", LEASE_VM, 0);
        fake_link(f.tree, "../../../../kernel/iommu_groups/7",
                  "sys/" FAKE_DEVPATH "/" P1 "/" U1 "/iommu_group");
        /* libvirt opens it for the machine, and that is no use of it */
        add_process(&f, getpid(), "virtqemud\n", true);
        look(&f, leases_now_usec() + 100 * SEC);
        ASSERT_EQ(find_device(&f, U1)->lease.phase, LEASE_UNOPENED);
        add_process(&f, pid, "qemu-system-x86\n", true);
        look(&f, leases_now_usec() + 200 * SEC);
        ASSERT_EQ(find_device(&f, U1)->lease.phase, LEASE_OPEN);
        ASSERT_EQ(find_device(&f, U1)->n_users, 1);
        look(&f, UINT64_MAX - 1);
        ASSERT_NOT_NULL(find_device(&f, U1));
        /* the end of who uses it is an event, so no timer is needed */
        fake_remove(f.tree, "sys/" FAKE_DEVPATH "/" P1 "/" U1 "/iommu_group");
        ASSERT_TRUE(sd_event_source_set_enabled(f.manager->lease_timer, SD_EVENT_OFF) >= 0);
        ASSERT_EQ(kill(pid, SIGKILL), 0);
        RUN_UNTIL(&f, !find_device(&f, U1));
        ASSERT_TRUE(list_is_empty(&f.manager->lease_users));
}

/* ---- the question who has it open ---- */

static unsigned n_answers, n_unknown;
static bool asking;

static void on_answer(Manager *m, const Holders *holders, void *userdata) {
        ASSERT_FALSE(asking);
        n_answers++;
        n_unknown += !holders;
}

static int ask(Fixture *f, void *userdata, Reason *reason) {
        int r;

        asking = true;
        r = manager_find_holders(f->manager, find_device(f, U1), on_answer, userdata, reason);
        asking = false;
        return r;
}

TEST(limit_of_askers) {
        _cleanup_(reason_done) Reason reason = {};
        char askers[LOOKS_MAX];
        FIXTURE(f);

        begin_vendor(&f);
        wait_for(&f, create_device(&f, P1, "vendor-1", U1, ""));
        n_answers = n_unknown = 0;
        for (size_t i = 0; i < LOOKS_MAX; i++)
                ASSERT_EQ(ask(&f, &askers[i], &reason), 0);
        ASSERT_EQ(ask(&f, NULL, &reason), OUTCOME_LIMIT);
        ASSERT_CONTAINS(reason.text, "256 calls ask who has a device open already");
        /* one forgets the matter: there is room for one */
        manager_forget_holders(f.manager, &askers[9]);
        ASSERT_EQ(ask(&f, &askers[9], &reason), 0);
        RUN_UNTIL(&f, n_answers == LOOKS_MAX);
        ASSERT_EQ(n_unknown, 0);
        ASSERT_TRUE(list_is_empty(&f.manager->looks));
}

/* The daemon's own looks are as many as there are leased devices: no call keeps them waiting. */
TEST(leases_are_not_kept_waiting) {
        _cleanup_(reason_done) Reason reason = {};
        char askers[LOOKS_MAX];
        FIXTURE(f);

        begin_vendor(&f);
        (void) lease_out(&f, "vendor-1", LEASE_VM, 5);
        RUN_UNTIL(&f, !f.manager->looking);
        n_answers = 0;
        ASSERT_EQ(looks_ask(f.manager, find_device(&f, U1), on_answer, &f, &reason), 0);
        for (size_t i = 0; i < LOOKS_MAX; i++)
                ASSERT_EQ(ask(&f, &askers[i], &reason), 0);
        ASSERT_EQ(looks_ask(f.manager, find_device(&f, U1), on_answer, &f, &reason), 0);
        ASSERT_EQ(ask(&f, NULL, &reason), OUTCOME_LIMIT);
        RUN_UNTIL(&f, n_answers == LOOKS_MAX + 2);
}

static unsigned n_ended, n_unended;
static pid_t pids[2]; /* of who has ended one */

static void on_look_end(Worker *w, const Record *record, void *userdata) {
        if (record && record->step == STEP_DONE)
                pids[n_ended++ % ARRAY_SIZE(pids)] = record->pid;
        else
                n_unended++;
}

/* Two workers that have nothing to do, and would do nothing. */
static void stop_workers(Fixture *f, const Record *question) {
        Worker *w[2];
        int status;

        n_ended = n_unended = 0;
        for (size_t i = 0; i < 2; i++)
                ASSERT_OK(worker_ask(&w[i], f->manager->workers, question, LOOK_LIMIT_USEC,
                                     on_look_end, NULL));
        RUN_UNTIL(f, n_ended == 2);
        for (size_t i = 0; i < 2; i++) {
                worker_free(w[i]);
                ASSERT_EQ(kill(pids[i], SIGSTOP), 0);
                ASSERT_EQ(waitpid(pids[i], &status, WUNTRACED), pids[i]);
                ASSERT_TRUE(WIFSTOPPED(status));
        }
}

/* What a look reads may hold it: who asks is told, and no more than two are ever left behind. */
TEST(a_look_that_does_not_end) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(record_freep) Record *question = NULL;
        _cleanup_(worker_freep) Worker *w = NULL;
        const Device *d;
        FIXTURE(f);

        begin_vendor(&f);
        wait_for(&f, create_device(&f, P1, "vendor-1", U1, ""));
        run_idle(&f);
        d = find_device(&f, U1);
        ASSERT_OK(looks_make_question(P1, d->parent->path, &d->uuid, d, false, &question));
        stop_workers(&f, question);
        n_answers = n_unknown = 0;
        f.manager->look_usec = 1000;
        ASSERT_EQ(ask(&f, &f, &reason), 0);
        ASSERT_OK(worker_ask(&w, f.manager->workers, question, 1000, on_look_end, NULL));
        RUN_UNTIL(&f, n_answers == 1 && n_unended == 1);
        ASSERT_EQ(n_unknown, 1);
        /* killed, and not seen to have ended */
        ASSERT_EQ(worker_pool_count_killed(f.manager->workers), 2);
        ASSERT_EQ(ask(&f, &f, &reason), OUTCOME_BUSY);
        ASSERT_CONTAINS(reason.text, "the kernel does not let them go");
        ASSERT_TRUE(list_is_empty(&f.manager->looks));
        RUN_UNTIL(&f, worker_pool_count_killed(f.manager->workers) == 0);
        f.manager->look_usec = LOOK_LIMIT_USEC;
        ASSERT_EQ(ask(&f, &f, &reason), 0);
        RUN_UNTIL(&f, n_answers == 2);
        ASSERT_EQ(n_unknown, 1);
}

/* No descriptor is left for a worker: the call says so, and nobody is called back. */
TEST(a_look_that_cannot_begin) {
        _cleanup_(reason_done) Reason reason = {};
        struct rlimit before, none;
        FIXTURE(f);

        begin_vendor(&f);
        (void) lease_out(&f, "vendor-1", LEASE_VM, 5);
        RUN_UNTIL(&f, !f.manager->looking);
        n_answers = 0;
        ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){ .rlim_max = before.rlim_max };
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
        ASSERT_TRUE(ask(&f, &f, &reason) < 0);
        ASSERT_TRUE(list_is_empty(&f.manager->looks));
        /* nor does the lease forget to look again */
        leases_check_at(f.manager, leases_now_usec() + 100 * SEC);
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
        ASSERT_EQ(n_answers, 0);
        leases_check_at(f.manager, leases_now_usec() + 200 * SEC);
        ASSERT_NOT_NULL(f.manager->looking);
        ASSERT_EQ(ask(&f, &f, &reason), 0);
        RUN_UNTIL(&f, n_answers == 1);
}

WORKER_TESTS_MAIN

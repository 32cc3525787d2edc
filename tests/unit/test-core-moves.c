/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager holding, moving and making room by moves, on the fake module; and all that dies. */
#include "fixture.h"

#define MIB (UINT64_C(1) << 20)
#define CONFIG_FILE "etc/mdevd/mdevd.json"
#define BAR(size) "\"bars\": [ { \"pool\": \"fb\", \"size\": \"" size "\" } ]"
#define KILL_AT "fake/kill-at"
#define KILLED "fake/killed"
#define KILL_ALL "fake/kill-all"
#define U4 "44444444-4444-4444-8444-444444444444"

static void add_module(Fixture *f, const char *rule) {
        _cleanup_(freep) char *text = NULL;

        ASSERT_TRUE(asprintf(&text,
                "{ \"parents\": [ { \"address\": \"" P1 "\","
                "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2 },"
                "               { \"name\": \"rest\", \"bar\": 0 } ],"
                "  \"types\": [ \"fb-16M\", \"fb-8M\", \"fb-32M\", \"stay-16M\" ] } ],"
                "  \"types\": {"
                "  \"fb-32M\": { \"movable\": true, " BAR("32M") " },"
                "  \"fb-16M\": { \"movable\": true, " BAR("16M") " },"
                "  \"stay-16M\": { " BAR("16M") " },"
                "  \"fb-8M\": { \"movable\": true, " BAR("8M") " } },"
                "  \"policy\": { \"placement\": [ { %s } ] } }", rule) >= 0);
        fake_pci(f->tree, P1, "other", 0x100000, 64 * MIB);
        fake_write(f->tree, text, CONFIG_FILE);
        fake_load_module(f->tree);
}

static void bring_up(Fixture *f, const char *rule) {
        add_module(f, rule);
        fixture_start(f);
        run_idle(f);
        ASSERT_EQ(state_of(f, P1), PARENT_REGISTERED);
}

/* 64 MiB of which 16 are free in the second quarter and 16 in the fourth: no room for 32. */
static void fragment(Fixture *f, const char *type) {
        static const char *const uuids[] = { U1, U2, U3 };

        for (size_t i = 0; i < ARRAY_SIZE(uuids); i++)
                wait_for(f, create_device(f, P1, type, uuids[i], "vm"));
        wait_for(f, stop_device(f, U2));
        run_pending(f);
        ASSERT_EQ(find_device(f, U1)->extents[0].offset, 0);
        ASSERT_EQ(find_device(f, U3)->extents[0].offset, 32 * MIB);
}

static Operation *suspend(Fixture *f, const char *uuid, unsigned ms) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        int r;

        r = manager_suspend(f->manager, find_device(f, uuid), ms, ":1.7", &op, &reason);
        if (r != 0)
                test_fail(__FILE__, __LINE__, "suspend: %d, %s", r, reason.text);
        return op;
}

static int move(Fixture *f, const char *uuid, uint64_t offset, Operation **ret, Reason *reason) {
        const MoveTarget target = { .pool = "fb", .offset = offset, .extent = -1 };

        return manager_move(f->manager, find_device(f, uuid), &target, ":1.7", ret, reason);
}

static void note_reached(Operation *op, void *userdata) {
        *(bool *) userdata = true;
}

TEST(a_hold_lasts_until_the_resume) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op, *again, *resume;
        bool reached = false;
        FIXTURE(f);

        bring_up(&f, "");
        wait_for(&f, create_device(&f, NULL, "stay-16M", U1, "vm1"));
        ASSERT_EQ(manager_resume(f.manager, find_device(&f, U1), &resume, &reason),
                  OUTCOME_INVALID);
        ASSERT_CONTAINS(reason.text, "is not suspended: it is live");
        op = suspend(&f, U1, 60000);
        ASSERT_OK(operation_wait_reached(op, note_reached, &reached));
        RUN_UNTIL(&f, reached);
        ASSERT_EQ(op->state, OPERATION_RUNNING);
        ASSERT_EQ(op->record->step, STEP_HOLDING);
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_SUSPENDED);

        again = suspend(&f, U1, 60000);
        ASSERT_TRUE(again == op);
        ASSERT_EQ(manager_suspend(f.manager, find_device(&f, U1), 1000, ":1.7", &again, &reason),
                  OUTCOME_BUSY);
        ASSERT_EQ(manager_stop(f.manager, find_device(&f, U1), ":1.7", &again, &reason),
                  OUTCOME_BUSY);
        ASSERT_CONTAINS(reason.text, "(suspend, by :1.7)");

        ASSERT_EQ(manager_resume(f.manager, find_device(&f, U1), &resume, &reason), 0);
        ASSERT_TRUE(resume == op);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_LIVE);
        run_idle(&f);
        ASSERT_EQ(count_records(&f), 0);
}

TEST(a_hold_has_an_end) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "");
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        ASSERT_EQ(manager_suspend(f.manager, find_device(&f, U1), 60001, ":1.7", &op, &reason),
                  OUTCOME_INVALID);
        ASSERT_CONTAINS(reason.text, "at most 60000 ms, and 60001");
        op = suspend(&f, U1, 0);
        ASSERT_EQ(op->record->hold_ms, 2000);
        run_pending(&f);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        op = suspend(&f, U1, 1);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_LIVE);
}

/* Its descriptor goes with it, and so does the hold. */
TEST(the_death_of_who_holds_resumes) {
        _cleanup_(record_freep) Record *record = NULL;
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "");
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        op = suspend(&f, U1, 60000);
        RUN_UNTIL(&f, op->reached);
        ASSERT_OK(worker_read_record(f.tree->root_fd, op->record, &record));
        ASSERT_TRUE(record->pid > 0);
        ASSERT_EQ(kill(record->pid, SIGKILL), 0);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_FAILED);
        ASSERT_CONTAINS(op->record->text, "was killed: the device has resumed");
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_LIVE);
}

/* A later daemon adopts the hold, and can end it. */
TEST(a_hold_outlives_the_daemon) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "");
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        op = suspend(&f, U1, 60000);
        RUN_UNTIL(&f, op->reached);
        fixture_restart(&f);
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_SUSPENDED);
        RUN_UNTIL(&f, first_operation(&f)->reached);
        ASSERT_EQ(manager_resume(f.manager, find_device(&f, U1), &op, &reason), 0);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_LIVE);
}

TEST(an_extent_moves) {
        _cleanup_(reason_done) Reason reason = {};
        Progress progress;
        PoolUsage usage;
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "");
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        ASSERT_EQ(move(&f, U1, 8 * MIB, &op, &reason), OUTCOME_NO_ROOM);
        ASSERT_EQ(move(&f, U1, 64 * MIB, &op, &reason), OUTCOME_NO_ROOM);
        ASSERT_EQ(move(&f, U1, 0, &op, &reason), OUTCOME_INVALID);
        ASSERT_CONTAINS(reason.text, "is there already");
        ASSERT_EQ(move(&f, U1, 48 * MIB, &op, &reason), 0);
        /* from now on both places are taken */
        ASSERT_OK(policy_pool_usage(manager_get_model(f.manager), manager_get_planned(f.manager),
                                    find_parent(&f, P1),
                                    parent_find_pool(find_parent(&f, P1), "fb"), &usage));
        ASSERT_EQ(usage.free, 32 * MIB);
        ASSERT_EQ(manager_get_state(f.manager, find_device(&f, U1)), DEVICE_MOVING);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_OK(manager_get_progress(f.manager, op, &progress));
        ASSERT_EQ(progress.done, 16 * MIB);
        ASSERT_EQ(progress.total, 16 * MIB);
        ASSERT_EQ(progress.longest_us, 100);
        ASSERT_EQ(find_device(&f, U1)->extents[0].offset, 48 * MIB);
        ASSERT_FALSE(find_device(&f, U1)->other.used);
        ASSERT_EQ(manager_get_state(f.manager, find_device(&f, U1)), DEVICE_LIVE);
        ASSERT_OK(policy_pool_usage(manager_get_model(f.manager), manager_get_planned(f.manager),
                                    find_parent(&f, P1),
                                    parent_find_pool(find_parent(&f, P1), "fb"), &usage));
        ASSERT_EQ(usage.free, 48 * MIB);
        ASSERT_EQ(move(&f, U1, UINT64_MAX, &op, &reason), 0);
        wait_for(&f, op);
        /* so that half of the pool is in one piece */
        ASSERT_EQ(find_device(&f, U1)->extents[0].offset, 32 * MIB);
}

TEST(who_does_not_say_movable_stays) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "\"moves\": \"auto\"");
        fragment(&f, "stay-16M");
        ASSERT_EQ(move(&f, U1, 48 * MIB, &op, &reason), OUTCOME_NOT_SUPPORTED);
        ASSERT_CONTAINS(reason.text, "nothing but the CPU writes its memory");
        ASSERT_EQ(refuse_create(&f, new_request(NULL, "fb-32M", U4, ""), &reason),
                  OUTCOME_NO_ROOM);
        ASSERT_NOT_NULL(find_device(&f, U1));
}

TEST(never_asks_nobody) {
        _cleanup_(reason_done) Reason reason = {};
        Request *q;
        FIXTURE(f);

        bring_up(&f, "\"moves\": \"never\"");
        fragment(&f, "fb-16M");
        q = new_request(NULL, "fb-32M", U4, "");
        q->moves = true;
        ASSERT_EQ(refuse_create(&f, q, &reason), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "32 MiB are free in 2 pieces");
}

TEST(ask_says_what_it_would_take) {
        _cleanup_(reason_done) Reason reason = {}, plan = {};
        _cleanup_(request_freep) Request *planned = NULL;
        Placement where;
        Operation *op;
        Request *q;
        FIXTURE(f);

        bring_up(&f, "");
        fragment(&f, "fb-16M");
        ASSERT_EQ(refuse_create(&f, new_request(NULL, "fb-32M", U4, ""), &reason),
                  OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "would make room");
        ASSERT_CONTAINS(reason.text, "\"moves\" of the request carries out the moves (16 MiB)");

        planned = new_request(NULL, "fb-32M", U4, "");
        planned->moves = true;
        ASSERT_EQ(manager_plan(f.manager, planned, &where, &plan), 0);
        ASSERT_CONTAINS(plan.text, "Before that, 1 moves of 16 MiB");
        ASSERT_CONTAINS(plan.text, U1);

        q = new_request(NULL, "fb-32M", U4, "");
        q->moves = true;
        ASSERT_EQ(manager_create(f.manager, q, ":1.7", &op, &reason), 0);
        ASSERT_EQ(op->record->n_moves, 1);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_EQ(find_device(&f, U4)->n_extents, 1);
        ASSERT_EQ(find_device(&f, U4)->extents[0].offset, where.extents[0].offset);
        ASSERT_EQ(find_device(&f, U4)->extents[0].size, 32 * MIB);
        ASSERT_EQ(op->record->n_moved, 1);
}

TEST(auto_moves_and_creates) {
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "\"moves\": \"auto\"");
        fragment(&f, "fb-16M");
        op = create_device(&f, NULL, "fb-32M", U4, "");
        /* whoever is about to be moved is not removed meanwhile, and moves for one only */
        {
                _cleanup_(reason_done) Reason reason = {};
                Operation *other;

                ASSERT_EQ(manager_stop(f.manager, find_device(&f, U1), ":1.8", &other, &reason),
                          OUTCOME_BUSY);
                ASSERT_EQ(refuse_create(&f, new_request(NULL, "fb-32M", U2, ""), &reason),
                          OUTCOME_NO_ROOM);
        }
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_NOT_NULL(find_device(&f, U4));
        ASSERT_FALSE(find_device(&f, U1)->other.used);
}

/* It would go in the middle of the moves, and they fail; so the other one moves. */
TEST(who_is_being_stopped_does_not_move) {
        Operation *stop, *op;
        FIXTURE(f);

        bring_up(&f, "\"moves\": \"auto\"");
        fragment(&f, "fb-16M");
        stop = stop_device(&f, U1);
        op = create_device(&f, NULL, "fb-32M", U4, "");
        ASSERT_EQ(op->record->n_moves, 1);
        ASSERT_TRUE(uuid_equal(&op->record->moves[0].uuid, &find_device(&f, U3)->uuid));
        wait_for(&f, stop);
        ASSERT_EQ(stop->state, OPERATION_DONE);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
}

/* The same where no other could: the next try finds the room that the stop leaves. */
TEST(a_later_plan_knows_more) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *stop;
        FIXTURE(f);

        bring_up(&f, "\"moves\": \"auto\"");
        fragment(&f, "fb-16M");
        stop = stop_device(&f, U1);
        (void) stop_device(&f, U3);
        ASSERT_EQ(refuse_create(&f, new_request(NULL, "fb-32M", U4, ""), &reason),
                  OUTCOME_NO_ROOM);
        wait_for(&f, stop);
        run_idle(&f);
        wait_for(&f, create_device(&f, NULL, "fb-32M", U4, ""));
        ASSERT_NOT_NULL(find_device(&f, U4));
}

TEST(a_chunk_that_is_too_slow_ends_it) {
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "\"moves\": \"auto\", \"pause_max\": 20");
        fragment(&f, "fb-16M");
        fake_write(f.tree, "20001", "fake/chunk-us");
        op = create_device(&f, NULL, "fb-32M", U4, "");
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_FAILED);
        ASSERT_CONTAINS(op->record->text, "took 20.001 ms on its way, and pauses may be 20 ms: it "
                                          "is where it was");
        ASSERT_EQ(find_device(&f, U1)->extents[0].offset, 0);
        ASSERT_FALSE(find_device(&f, U1)->other.used);
        ASSERT_NULL(find_device(&f, U4));

        fake_write(f.tree, "20000", "fake/chunk-us");
        op = create_device(&f, NULL, "fb-32M", U4, "");
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
}

TEST(nested_vmx_keeps_what_was_left) {
        _cleanup_(reason_done) Reason reason = {};
        Uuid u1 = uuid_of(U1), u3 = uuid_of(U3);
        FIXTURE(f);

        bring_up(&f, "\"moves\": \"auto\"");
        fragment(&f, "fb-16M");
        fake_write(f.tree, "Y\n", "sys/module/kvm_intel/parameters/nested");
        fake_module_open(f.tree->root, u1.bytes, 4711, "qemu");
        fake_module_open(f.tree->root, u3.bytes, 4712, "qemu");
        RUN_UNTIL(&f, find_device(&f, U1)->opened == 1 && find_device(&f, U3)->opened == 1);
        ASSERT_EQ(refuse_create(&f, new_request(NULL, "fb-32M", U4, ""), &reason),
                  OUTCOME_NOT_SUPPORTED);
        ASSERT_CONTAINS(reason.text, "nested=0");
        fake_write(f.tree, "N\n", "sys/module/kvm_intel/parameters/nested");
        wait_for(&f, create_device(&f, NULL, "fb-32M", U4, ""));
        ASSERT_NOT_NULL(find_device(&f, U4));
}

/* The module frees it at once only where no guest can have told of it. */
TEST(nested_vmx_frees_what_a_closed_device_left) {
        _cleanup_(reason_done) Reason reason = {};
        Uuid u1 = uuid_of(U1);
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "");
        fake_write(f.tree, "Y\n", "sys/module/kvm_intel/parameters/nested");
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        ASSERT_EQ(move(&f, U1, 48 * MIB, &op, &reason), 0);
        wait_for(&f, op);
        run_idle(&f);
        ASSERT_FALSE(find_device(&f, U1)->other.used);

        fake_module_open(f.tree->root, u1.bytes, 4711, "qemu");
        RUN_UNTIL(&f, find_device(&f, U1)->opened == 1);
        ASSERT_EQ(move(&f, U1, 0, &op, &reason), 0);
        wait_for(&f, op);
        run_idle(&f);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_EQ(find_device(&f, U1)->extents[0].offset, 0);
        ASSERT_TRUE(find_device(&f, U1)->other.used);
        fake_module_close(f.tree->root, u1.bytes);
        RUN_UNTIL(&f, !find_device(&f, U1)->other.used);
}

TEST(defragment_packs_a_pool) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "");
        fragment(&f, "fb-16M");
        ASSERT_EQ(manager_defragment(f.manager, find_parent(&f, P1), "nope", UINT64_MAX, ":1.7",
                                     &op, &reason), OUTCOME_INVALID);
        ASSERT_EQ(manager_defragment(f.manager, find_parent(&f, P1), "fb", 16 * MIB - 1, ":1.7",
                                     &op, &reason), OUTCOME_NO_ROOM);
        ASSERT_EQ(manager_defragment(f.manager, find_parent(&f, P1), NULL, 16 * MIB, ":1.7", &op,
                                     &reason), 0);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_EQ(op->record->moved, 16 * MIB);
        wait_for(&f, create_device(&f, NULL, "fb-32M", U4, ""));
        ASSERT_EQ(find_device(&f, U4)->extents[0].size, 32 * MIB);
}

/* Who named another pool has not had it done. */
TEST(defragment_joins_its_own_pool_only) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op, *again;
        FIXTURE(f);

        bring_up(&f, "");
        fragment(&f, "fb-16M");
        ASSERT_EQ(manager_defragment(f.manager, find_parent(&f, P1), "fb", UINT64_MAX, ":1.7", &op,
                                     &reason), 0);
        ASSERT_EQ(manager_defragment(f.manager, find_parent(&f, P1), "rest", UINT64_MAX, ":1.7",
                                     &again, &reason), OUTCOME_BUSY);
        ASSERT_CONTAINS(reason.text, "Another pool than rest");
        ASSERT_EQ(manager_defragment(f.manager, find_parent(&f, P1), "fb", UINT64_MAX, ":1.7",
                                     &again, &reason), 0);
        ASSERT_TRUE(again == op);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
}

/* Somebody died in the middle, and the daemon with its record: the next one ends it. */
static void check_left(Fixture *f, unsigned chunks, uint64_t expected) {
        KmodMove arg = { .bar = 2, .offset = 48 * MIB };
        Kmod *k;

        arg.uuid = uuid_of(U1);
        ASSERT_OK(kmod_open(&k, f->tree->root_fd));
        for (unsigned i = 0; i < chunks; i++)
                ASSERT_OK(kmod_move_chunk(k, &arg));
        kmod_free(k);
        fixture_restart(f);
        ASSERT_EQ(find_device(f, U1)->state, DEVICE_MOVING);
        run_idle(f);
        ASSERT_EQ(find_device(f, U1)->state, DEVICE_LIVE);
        ASSERT_FALSE(find_device(f, U1)->other.used);
        ASSERT_EQ(find_device(f, U1)->extents[0].offset, expected);
}

TEST(what_was_left_goes_the_shorter_way) {
        FIXTURE(f);

        bring_up(&f, "");
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        check_left(&f, 3, 0);
        check_left(&f, 4, 48 * MIB);
}

/* A worker that is to mend what nobody left any more does not begin it anew. */
TEST(a_mend_begins_nothing) {
        Uuid u1 = uuid_of(U1);
        KmodMove arg = { .bar = 2, .offset = 48 * MIB, .uuid = u1 };
        Operation *op;
        Kmod *k;
        FIXTURE(f);

        bring_up(&f, "");
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        ASSERT_OK(kmod_open(&k, f.tree->root_fd));
        for (unsigned i = 0; i < 6; i++)
                ASSERT_OK(kmod_move_chunk(k, &arg));
        fixture_stop(&f);
        fixture_build(&f);
        /* as at a close, before the worker looks, and before the daemon hears of it */
        arg.back = true;
        for (unsigned i = 0; i < 6; i++)
                ASSERT_OK(kmod_move_chunk(k, &arg));
        kmod_free(k);
        ASSERT_OK(manager_autostart(f.manager));
        op = first_operation(&f);
        ASSERT_NOT_NULL(op);
        ASSERT_TRUE(op->record->mend);
        wait_for(&f, op);
        run_idle(&f);
        ASSERT_FALSE(find_device(&f, U1)->other.used);
        ASSERT_EQ(find_device(&f, U1)->extents[0].offset, 0);
}

/* The daemon's next life finds @U1 in the middle of a move, and each worker dies at once. */
static void leave_and_kill(Fixture *f) {
        KmodMove arg = { .bar = 2, .offset = 48 * MIB, .uuid = uuid_of(U1) };
        Kmod *k;

        ASSERT_OK(kmod_open(&k, f->tree->root_fd));
        for (unsigned i = 0; i < 3; i++)
                ASSERT_OK(kmod_move_chunk(k, &arg));
        kmod_free(k);
        fixture_stop(f);
        fake_write(f->tree, "0", KILL_AT);
        fake_write(f->tree, "", KILL_ALL);
}

static void let_live(Fixture *f) {
        fake_remove(f->tree, KILL_AT);
        fake_remove(f->tree, KILL_ALL);
}

/* The clock is where the next try is due. */
static void pass_pause(Fixture *f) {
        find_device(f, U1)->mend_usec = 1;
        ASSERT_OK(sd_event_source_set_time(f->manager->mends, 1));
}

/* The @n-th has died at once, not before @since; nothing is tried before its pause is over. */
static void assert_pause(Fixture *f, unsigned n, uint64_t since) {
        const uint64_t pause = UINT64_C(1000000) << (n - 1);
        Device *d = find_device(f, U1);
        uint64_t due;

        RUN_UNTIL(f, d->mends >= n || list_length(manager_get_operations(f->manager)) > 20);
        ASSERT_EQ(d->mends, n);
        run_pending(f);
        ASSERT_EQ(d->mends, n);
        ASSERT_EQ(operations_count_running(f->manager), 0);
        ASSERT_TRUE(d->mend_usec >= since + pause);
        ASSERT_TRUE(d->mend_usec <= operation_monotonic_usec() + pause);
        ASSERT_OK(sd_event_source_get_time(f->manager->mends, &due));
        ASSERT_EQ(due, d->mend_usec);
        ASSERT_TRUE(sd_event_source_get_enabled(f->manager->mends, NULL) > 0);
}

static void assert_pauses(Fixture *f, uint64_t since) {
        Device *d = find_device(f, U1);

        for (unsigned n = 1; n <= 4; n++) {
                assert_pause(f, n, since);
                since = operation_monotonic_usec();
                pass_pause(f);
        }
        RUN_UNTIL(f, d->mends >= 5 || list_length(manager_get_operations(f->manager)) > 20);
        ASSERT_EQ(d->mends, 5);
        run_pending(f);
        ASSERT_EQ(operations_count_running(f->manager), 0);
        ASSERT_EQ(d->mend_usec, 0);
        ASSERT_EQ(sd_event_source_get_enabled(f->manager->mends, NULL), 0);
        ASSERT_EQ(d->state, DEVICE_MOVING);
        ASSERT_EQ(count_records(f), 0);
}

static void assert_mended(Fixture *f) {
        RUN_UNTIL(f, !find_device(f, U1)->other.used);
        run_idle(f);
        ASSERT_EQ(find_device(f, U1)->state, DEVICE_LIVE);
        ASSERT_EQ(find_device(f, U1)->mends, 0);
        ASSERT_EQ(find_device(f, U1)->extents[0].offset, 0);
        ASSERT_EQ(sd_event_source_get_enabled(f->manager->mends, NULL), 0);
}

/* A move is left in the middle, and no worker lives long enough to end it. */
static void give_up(Fixture *f) {
        uint64_t since;

        bring_up(f, "");
        wait_for(f, create_device(f, NULL, "fb-16M", U1, "vm1"));
        leave_and_kill(f);
        since = operation_monotonic_usec();
        fixture_start(f);
        assert_pauses(f, since);
}

/* A worker that always dies is not all that this machine does from now on. */
TEST(a_mend_that_dies_is_tried_five_times) {
        uint64_t since;
        FIXTURE(f);

        give_up(&f);
        ASSERT_EQ(list_length(manager_get_operations(f.manager)), 5);
        ASSERT_CONTAINS(first_operation(&f)->record->text, "was killed before it had reported");

        /* a reload tries as often as ever, and one that goes on ends it */
        since = operation_monotonic_usec();
        ASSERT_OK(manager_reload(f.manager));
        assert_pauses(&f, since);
        ASSERT_OK(manager_reload(f.manager));
        assert_pause(&f, 1, 0);
        let_live(&f);
        pass_pause(&f);
        assert_mended(&f);
}

TEST(a_mend_that_was_given_up_is_tried_at_the_next_start) {
        FIXTURE(f);

        give_up(&f);
        let_live(&f);
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_LIVE);
        ASSERT_FALSE(find_device(&f, U1)->other.used);
}

/* What another has done while it waited is done. */
TEST(a_mend_that_waits_is_forgotten_when_the_move_has_ended) {
        KmodMove arg = { .bar = 2, .offset = 48 * MIB, .back = true };
        Kmod *k;
        FIXTURE(f);

        bring_up(&f, "");
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        leave_and_kill(&f);
        fixture_start(&f);
        assert_pause(&f, 1, 0);
        arg.uuid = uuid_of(U1);
        ASSERT_OK(kmod_open(&k, f.tree->root_fd));
        for (unsigned i = 0; i < 3; i++)
                ASSERT_OK(kmod_move_chunk(k, &arg));
        kmod_free(k);
        refresh_query(f.manager);
        assert_mended(&f);
        ASSERT_EQ(find_device(&f, U1)->mend_usec, 0);
        ASSERT_EQ(list_length(manager_get_operations(f.manager)), 1);
}

/* It takes its time by its own moves: nothing in the kernel holds it up. */
TEST(a_create_with_moves_is_not_called_blocked) {
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "\"moves\": \"auto\"");
        fragment(&f, "fb-16M");
        op = create_device(&f, NULL, "fb-32M", U4, "");
        ASSERT_EQ(op->phase, OPERATION_WORKING);
        op->working_since_usec -= WORKER_BLOCKED_USEC + 1000000;
        operation_dispatch(f.manager);
        ASSERT_NULL(op->blocked_by);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
}

static void assert_settled(Fixture *f, const char *when) {
        Device *d = find_device(f, U4);

        list_foreach(i, &manager_get_model(f->manager)->devices, Device, node) {
                if (i->other.used || i->state != DEVICE_LIVE)
                        test_fail(__FILE__, __LINE__, "%s: %s is in two places", when,
                                  UUID_STR(&i->uuid));
                list_foreach(k, &manager_get_model(f->manager)->devices, Device, node)
                        if (i != k && extent_overlaps(&i->extents[0], &k->extents[0]))
                                test_fail(__FILE__, __LINE__, "%s: two in one place", when);
        }
        ASSERT_TRUE(list_is_empty(manager_get_planned(f->manager)));
        ASSERT_EQ(count_records(f), 0);
        ASSERT_EQ(fake_module_count(f->tree->root), d ? 3 : 2);
}

/* A worker that is killed at every call that changes something; with the daemon, and without. */
static void kill_everywhere(bool daemon) {
        unsigned n = 0, made = 0;

        for (bool killed = true; killed; n++) {
                char at[16], when[64];
                Operation *op;
                FIXTURE(f);

                (void) snprintf(at, sizeof(at), "%u", n / 2);
                (void) snprintf(when, sizeof(when), "killed %s call %u%s",
                                n % 2 ? "after" : "before", n / 2, daemon ? ", with the daemon" : "");
                if (n % 2)
                        (void) snprintf(at, sizeof(at), "-%u", n / 2);
                bring_up(&f, "\"moves\": \"auto\"");
                fragment(&f, "fb-16M");
                fake_write(f.tree, at, KILL_AT);
                op = create_device(&f, NULL, "fb-32M", U4, "");
                if (daemon) {
                        RUN_UNTIL(&f, op->worker == NULL && op->phase != OPERATION_QUEUED);
                        killed = fake_exists(f.tree, KILLED);
                        fixture_restart(&f);
                } else
                        wait_for(&f, op);
                run_idle(&f);
                killed = fake_exists(f.tree, KILLED);
                assert_settled(&f, when);
                made += find_device(&f, U4) != NULL;
        }
        ASSERT_TRUE(n > 2 * 12); /* it was killed between the chunks */
        ASSERT_TRUE(made > 0);
}

TEST(a_killed_worker_leaves_nothing_in_two_places) {
        kill_everywhere(false);
}

TEST(a_killed_worker_and_daemon_leave_nothing_in_two_places) {
        kill_everywhere(true);
}

WORKER_TESTS_MAIN

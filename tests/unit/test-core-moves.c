/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager moving, and making room by moves, on the fake module. */
#include "movable.h"

static int move(Fixture *f, const char *uuid, uint64_t offset, Operation **ret, Reason *reason) {
        const MoveTarget target = { .pool = "fb", .offset = offset, .extent = -1 };

        return manager_move(f->manager, find_device(f, uuid), &target, ":1.7", ret, reason);
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

WORKER_TESTS_MAIN

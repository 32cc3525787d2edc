/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager holding a device of our module suspended, on the fake module. */
#include "movable.h"

static Operation *suspend(Fixture *f, const char *uuid, unsigned ms) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        int r;

        r = manager_suspend(f->manager, find_device(f, uuid), ms, ":1.7", &op, &reason);
        if (r != 0)
                test_fail(__FILE__, __LINE__, "suspend: %d, %s", r, reason.text);
        return op;
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

WORKER_TESTS_MAIN

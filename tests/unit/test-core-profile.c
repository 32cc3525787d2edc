/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager making a host what a profile says, and back when that fails. */
#include "fixture.h"

#define MIB (UINT64_C(1) << 20)
#define CONFIG_FILE "etc/mdevd/mdevd.json"
#define U4 "44444444-4444-4444-8444-444444444444"

/* @devices: of profile p. */
static void write_config(Fixture *f, const char *devices) {
        _cleanup_(freep) char *text = NULL;

        ASSERT_TRUE(asprintf(&text,
                "{ \"parents\": [ { \"address\": \"" P1 "\","
                "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2 } ],"
                "  \"types\": [ \"fb-16M\", \"fb-8M\", \"fb-32M\" ] } ],"
                "  \"types\": {"
                "  \"fb-32M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"32M\" } ] },"
                "  \"fb-16M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"16M\" } ] },"
                "  \"fb-8M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"8M\" } ] } },"
                "  \"profiles\": { \"p\": { \"devices\": [ %s ] } } }", devices) >= 0);
        fake_write(f->tree, text, CONFIG_FILE);
}

static void bring_up(Fixture *f, const char *devices) {
        fake_pci(f->tree, P1, "other", 0x1000, 64 * MIB);
        write_config(f, devices);
        fake_load_module(f->tree);
        fixture_start(f);
        run_idle(f);
        ASSERT_EQ(state_of(f, P1), PARENT_REGISTERED);
}

static Operation *apply(Fixture *f) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        int r;

        r = manager_apply_profile(f->manager, "p", false, ":1.7", &op, &reason);
        if (r != 0)
                test_fail(__FILE__, __LINE__, "apply: %d, %s", r, reason.text);
        return op;
}

static void apply_well(Fixture *f) {
        Operation *op = apply(f);

        wait_for(f, op);
        if (op->state != OPERATION_DONE)
                test_fail(__FILE__, __LINE__, "apply: %s", op->record->text);
}

static void reload(Fixture *f, const char *devices) {
        write_config(f, devices);
        ASSERT_OK(manager_reload(f->manager));
}

static Device *device_at(Fixture *f, uint64_t index) {
        Uuid uuid;

        profile_uuid("p", index, &uuid);
        return model_find_device(manager_get_model(f->manager), NULL, &uuid, NULL);
}

static size_t count_devices(Fixture *f) {
        return list_length(&manager_get_model(f->manager)->devices);
}

static size_t count_steps(Fixture *f, ProfileAction action) {
        _cleanup_(profile_diff_done) ProfileDiff d = {};
        size_t n = 0;

        ASSERT_OK(manager_plan_profile(f->manager, "p", &d, NULL));
        for (size_t i = 0; i < d.n; i++)
                n += d.items[i].action == action;
        return n;
}

TEST(a_profile_is_applied_and_the_plan_is_empty_then) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(profile_diff_done) ProfileDiff diff = {};
        Operation *op, *again;
        Progress progress;
        FIXTURE(f);

        bring_up(&f, "{ \"type\": \"fb-16M\", \"count\": 2, \"owner\": \"vm\" }");
        ASSERT_EQ(manager_plan_profile(f.manager, "q", &diff, &reason), OUTCOME_INVALID);
        ASSERT_CONTAINS(reason.text, "no profile q in the configuration; there is, for one, p");
        ASSERT_EQ(count_steps(&f, PROFILE_CREATE), 2);
        op = apply(&f);
        again = apply(&f);
        ASSERT_TRUE(op == again);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_OK(manager_get_progress(f.manager, op, &progress));
        ASSERT_EQ(progress.done, 2);
        ASSERT_EQ(progress.total, 2);
        ASSERT_EQ(count_steps(&f, PROFILE_KEEP), 2);
        ASSERT_EQ(device_at(&f, 1)->origin, ORIGIN_PROFILE);
        ASSERT_STREQ(device_at(&f, 1)->owner, "vm");
        apply_well(&f);
        ASSERT_EQ(count_devices(&f), 2);
        run_idle(&f);
        ASSERT_EQ(count_records(&f), 0);
}

/* What others made is not touched. */
TEST(what_is_wanted_otherwise_is_made_anew) {
        FIXTURE(f);

        bring_up(&f, "{ \"type\": \"fb-16M\", \"count\": 3 }");
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "other"));
        apply_well(&f);
        ASSERT_EQ(count_devices(&f), 4);
        reload(&f, "{ \"type\": \"fb-32M\" }");
        ASSERT_EQ(count_steps(&f, PROFILE_REMOVE), 3);
        ASSERT_EQ(count_steps(&f, PROFILE_CREATE), 1);
        apply_well(&f);
        ASSERT_EQ(count_devices(&f), 2);
        ASSERT_EQ(device_at(&f, 0)->extents[0].size, 32 * MIB);
        ASSERT_NOT_NULL(find_device(&f, U1));
}

/* There is room for the new one at once, so nobody is without a device in between. */
TEST(creations_come_first_where_there_is_room) {
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "{ \"type\": \"fb-16M\", \"uuid\": \"" U1 "\" }");
        apply_well(&f);
        reload(&f, "{ \"type\": \"fb-16M\", \"uuid\": \"" U2 "\" }");
        op = apply(&f);
        RUN_UNTIL(&f, find_device(&f, U2));
        ASSERT_NOT_NULL(find_device(&f, U1));
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_NULL(find_device(&f, U1));
}

TEST(who_is_in_use_stays) {
        Uuid u1 = uuid_of(U1);
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "{ \"type\": \"fb-16M\", \"uuid\": \"" U1 "\" }");
        apply_well(&f);
        fake_module_open(f.tree->root, u1.bytes, 4711, "qemu");
        RUN_UNTIL(&f, find_device(&f, U1)->opened == 1);
        reload(&f, "{ \"type\": \"fb-16M\", \"uuid\": \"" U2 "\" }");
        op = apply(&f);
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_BUSY);
        ASSERT_CONTAINS(op->record->text, U1 " on " P1 " is wanted no more, or otherwise, and "
                                          "in use");
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_NOT_NULL(find_device(&f, U2));
}

/* What was to come fails after two have gone: they come again, and the third has never gone. */
TEST(a_failure_makes_again_what_was_removed) {
        _cleanup_(freep) char *value = NULL;
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "{ \"type\": \"fb-16M\", \"uuid\": \"" U1 "\", \"owner\": \"vm1\","
                     "  \"attributes\": [ { \"good\": \"7\" } ] },"
                     "{ \"type\": \"fb-16M\", \"uuid\": \"" U2 "\" },"
                     "{ \"type\": \"fb-16M\", \"uuid\": \"" U3 "\" }");
        fake_write(f.tree, "good bad", FAKE(P1, "attributes"));
        fake_write(f.tree, "22", FAKE(P1, "attribute-bad-errno"));
        apply_well(&f);
        reload(&f, "{ \"type\": \"fb-32M\", \"attributes\": [ { \"bad\": \"1\" } ] }");
        op = apply(&f);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_FAILED);
        ASSERT_CONTAINS(op->record->text, "Profile p: ");
        ASSERT_CONTAINS(op->record->text, "refused attribute bad");
        ASSERT_CONTAINS(op->record->text, "Made again with the same UUID and attributes; what was "
                                          "in them is lost: " U2 " " U1);
        ASSERT_EQ(count_devices(&f), 3);
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm1");
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_PROFILE);
        value = fake_read(f.tree, "sys/" FAKE_DEVPATH "/" P1 "/" U1 "/good");
        ASSERT_STREQ(value, "7\n");

        /* and it is not too late to try again */
        fake_remove(f.tree, FAKE(P1, "attribute-bad-errno"));
        apply_well(&f);
        ASSERT_EQ(count_devices(&f), 1);
        ASSERT_EQ(count_steps(&f, PROFILE_KEEP), 1);
}

/* A room that others have is not made; nothing is removed in vain, nor left undone. */
TEST(no_room_takes_all_back) {
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "{ \"type\": \"fb-8M\", \"uuid\": \"" U1 "\" }");
        apply_well(&f);
        wait_for(&f, create_device(&f, NULL, "fb-32M", U2, "other"));
        reload(&f, "{ \"type\": \"fb-16M\" }, { \"type\": \"fb-32M\" }");
        op = apply(&f);
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(op->record->text, "largest hole");
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_NOT_NULL(find_device(&f, U2));
}

/* One that is wanted too many costs nobody his device. */
TEST(nothing_is_removed_for_what_has_no_room_after_it) {
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "{ \"type\": \"fb-16M\", \"uuid\": \"" U1 "\" }");
        apply_well(&f);
        reload(&f, "{ \"type\": \"fb-32M\", \"count\": 3 }");
        op = apply(&f);
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_NO_ROOM);
        ASSERT_NULL(strstr(op->record->text, "Made again"));
        ASSERT_NOT_NULL(find_device(&f, U1));
        /* and two of them do cost it */
        reload(&f, "{ \"type\": \"fb-32M\", \"count\": 2 }");
        apply_well(&f);
        ASSERT_NULL(find_device(&f, U1));
}

/* All but the one that is in use becomes what is wanted. */
TEST(who_is_in_use_stays_as_he_is) {
        Uuid u1 = uuid_of(U1);
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "{ \"type\": \"fb-16M\", \"uuid\": \"" U1 "\" },"
                     "{ \"type\": \"fb-16M\", \"uuid\": \"" U2 "\" }");
        apply_well(&f);
        fake_module_open(f.tree->root, u1.bytes, 4711, "qemu");
        RUN_UNTIL(&f, find_device(&f, U1)->opened == 1);
        reload(&f, "{ \"type\": \"fb-8M\", \"uuid\": \"" U1 "\" },"
                   "{ \"type\": \"fb-8M\", \"uuid\": \"" U2 "\" }");
        op = apply(&f);
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_BUSY);
        ASSERT_CONTAINS(op->record->text, U1);
        ASSERT_EQ(find_device(&f, U1)->extents[0].size, 16 * MIB);
        ASSERT_EQ(find_device(&f, U2)->extents[0].size, 8 * MIB);
}

/* The room of what was removed is free when it is clean, and not before. */
TEST(what_is_dying_is_waited_for) {
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "{ \"type\": \"fb-32M\", \"uuid\": \"" U1 "\" },"
                     "{ \"type\": \"fb-32M\", \"uuid\": \"" U2 "\" }");
        apply_well(&f);
        reload(&f, "{ \"type\": \"fb-16M\", \"uuid\": \"" U1 "\" },"
                   "{ \"type\": \"fb-32M\", \"uuid\": \"" U3 "\" }");
        fake_module_hold_scrub(f.tree->root, 1);
        op = apply(&f);
        RUN_UNTIL(&f, find_device(&f, U1)->state == DEVICE_DYING ||
                              find_device(&f, U2)->state == DEVICE_DYING);
        run_pending(&f);
        ASSERT_EQ(op->state, OPERATION_RUNNING);
        ASSERT_EQ(count_steps(&f, PROFILE_KEEP), 0);
        fake_module_hold_scrub(f.tree->root, 0);
        wait_for(&f, op);
        if (op->state != OPERATION_DONE)
                test_fail(__FILE__, __LINE__, "apply: %s", op->record->text);
        ASSERT_EQ(find_device(&f, U1)->extents[0].size, 16 * MIB);
        ASSERT_NULL(find_device(&f, U2));
        ASSERT_NOT_NULL(find_device(&f, U3));
}

/* A wanted one that somebody removes is not there, though it is not clean yet. */
TEST(a_wanted_one_that_is_dying_is_made_again) {
        Operation *op;
        FIXTURE(f);

        bring_up(&f, "{ \"type\": \"fb-32M\", \"uuid\": \"" U1 "\" }");
        apply_well(&f);
        fake_module_hold_scrub(f.tree->root, 1);
        wait_for(&f, stop_device(&f, U1));
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_DYING);
        ASSERT_EQ(count_steps(&f, PROFILE_KEEP), 0);
        ASSERT_EQ(count_steps(&f, PROFILE_CREATE), 1);
        op = apply(&f);
        run_pending(&f);
        ASSERT_EQ(op->state, OPERATION_RUNNING);
        fake_module_hold_scrub(f.tree->root, 0);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_LIVE);
}

/* U1 takes half; then U2 is made in its place, and what comes after that fails. */
static Operation *fail_after_one(Fixture *f) {
        Operation *op;

        bring_up(f, "{ \"type\": \"fb-32M\", \"uuid\": \"" U1 "\" }");
        wait_for(f, create_device(f, NULL, "fb-32M", U4, "other"));
        fake_write(f->tree, "good bad", FAKE(P1, "attributes"));
        fake_write(f->tree, "22", FAKE(P1, "attribute-bad-errno"));
        apply_well(f);
        reload(f, "{ \"type\": \"fb-16M\", \"uuid\": \"" U2 "\" },"
                  "{ \"type\": \"fb-16M\", \"uuid\": \"" U3 "\","
                  "  \"attributes\": [ { \"bad\": \"1\" } ] }");
        op = apply(f);
        RUN_UNTIL(f, find_device(f, U2) && find_device(f, U2)->state == DEVICE_LIVE);
        return op;
}

TEST(taking_back_waits_for_what_is_dying) {
        Operation *op;
        FIXTURE(f);

        op = fail_after_one(&f);
        fake_module_hold_scrub(f.tree->root, 1);
        RUN_UNTIL(&f, find_device(&f, U2)->state == DEVICE_DYING);
        run_pending(&f);
        ASSERT_EQ(op->state, OPERATION_RUNNING);
        fake_module_hold_scrub(f.tree->root, 0);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_FAILED);
        ASSERT_CONTAINS(op->record->text, "what was in them is lost: " U1);
        ASSERT_NULL(strstr(op->record->text, "Could not be made again"));
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_LIVE);
        ASSERT_NULL(find_device(&f, U2));
}

TEST(taking_back_waits_for_others_operations) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op, *hold, *resume;
        FIXTURE(f);

        op = fail_after_one(&f);
        ASSERT_EQ(manager_suspend(f.manager, find_device(&f, U2), 60000, ":1.8", &hold, &reason),
                  0);
        RUN_UNTIL(&f, hold->reached);
        run_pending(&f);
        ASSERT_EQ(op->state, OPERATION_RUNNING);
        ASSERT_EQ(manager_resume(f.manager, find_device(&f, U2), &resume, &reason), 0);
        wait_for(&f, op);
        ASSERT_CONTAINS(op->record->text, "what was in them is lost: " U1);
        ASSERT_NULL(strstr(op->record->text, "Could not be made again"));
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_NULL(find_device(&f, U2));
}

/* Its UUID is that of one that somebody else made meanwhile. */
TEST(taking_back_removes_nothing_of_others) {
        Operation *op;
        FIXTURE(f);

        op = fail_after_one(&f);
        find_device(&f, U2)->origin = ORIGIN_REQUEST;
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_FAILED);
        ASSERT_CONTAINS(op->record->text, "Could not be made again");
        ASSERT_NOT_NULL(find_device(&f, U2));
}

WORKER_TESTS_MAIN

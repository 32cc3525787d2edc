/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-core-functions.c: vGPUs of a driver that makes no mdevs: they are devices like any other,
 * each on a virtual function; whoever made them, whoever dies meanwhile.
 */
#include "fixture-vgpu.h"

/* ---- what there is ---- */

TEST(a_card_is_a_parent) {
        const Type *t;
        FIXTURE(f);

        begin(&f);
        ASSERT_EQ(state_of(&f, CARD), PARENT_REGISTERED);
        ASSERT_NULL(find_parent(&f, F0));
        t = parent_find_type(find_parent(&f, CARD), "nvidia-16");
        ASSERT_NOT_NULL(t);
        ASSERT_STREQ(t->label, "NVIDIA L40S-16Q");
        ASSERT_STREQ(t->device_api, "vfio-pci");
        ASSERT_EQ(t->available, 4);
        ASSERT_EQ(available(&f, "nvidia-4"), 4);
        ASSERT_EQ(find_parent(&f, CARD)->numa_node, 1);
}

/* Headings, blanks, rubbish, a line twice, a number that is none. */
TEST(lines_are_read_as_they_come) {
        static const char text[] = "ID : vGPU Name\n  12\t:  NVIDIA A-1 B \n12 : again\n\nrubbish\n"
                                   "0 : none\n-3 : less\n99999999999 : more\n7:x";
        FIXTURE(f);

        fake_vgpu_add(f.tree->root, CARD);
        fake_write(f.tree, text, FILE_OF(F0, "creatable_vgpu_types"));
        for (const char *c = "567"; *c; c++)
                fake_write(f.tree, "",
                           "sys/" FAKE_DEVPATH "/0000:41:00.%c/nvidia/creatable_vgpu_types", *c);
        fixture_start(&f);
        ASSERT_EQ(list_length(&find_parent(&f, CARD)->types), 2);
        ASSERT_EQ(available(&f, "nvidia-12"), 1);
        ASSERT_STREQ(parent_find_type(find_parent(&f, CARD), "nvidia-12")->label, "again");
        ASSERT_EQ(available(&f, "nvidia-7"), 1);
}

TEST(names_of_types) {
        static const char *const bad[] = { "nvidia-", "nvidia-0", "nvidia-01", "nvidia-0x10",
                                           "nvidia-1 ", "nvidia-4294967296", "12", "mdevd-12",
                                           "" };
        char id[FUNCTION_TYPE_MAX];
        unsigned n;

        ASSERT_OK(function_type_parse("nvidia-4294967295", &n));
        ASSERT_EQ(n, 4294967295U);
        ASSERT_STREQ(function_type_id(n, id), "nvidia-4294967295");
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ASSERT_EQ(function_type_parse(bad[i], &n), -EINVAL);
}

/* SR-IOV is switched on while we run, and off again. */
TEST(functions_come_and_go) {
        FIXTURE(f);

        fake_vgpu_add(f.tree->root, CARD);
        fake_vgpu_remove_functions(f.tree->root, CARD);
        fixture_start(&f);
        ASSERT_NULL(find_parent(&f, CARD));
        fake_vgpu_add_functions(f.tree->root, CARD);
        uevent(&f, "bind", F0);
        run_idle(&f);
        ASSERT_EQ(state_of(&f, CARD), PARENT_REGISTERED);
        wait_for(&f, create_device(&f, NULL, "nvidia-16", U1, "vm1"));
        fake_vgpu_remove_functions(f.tree->root, CARD);
        uevent(&f, "remove", F0);
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_NULL(find_parent(&f, CARD));
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 0);
}

static void is_still_ours(Fixture *f, const char *uuid) {
        uevent(f, "change", F1);
        run_idle(f);
        ASSERT_NOT_NULL(find_device(f, uuid));
        ASSERT_STREQ(find_device(f, uuid)->owner, "vm2");
        ASSERT_EQ(find_device(f, uuid)->origin, ORIGIN_REQUEST);
}

/*
 * A card in trouble, a function that was taken away before it: neither takes a device from its
 * owner.
 */
TEST(what_cannot_be_read_has_not_gone) {
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, NULL, "nvidia-16", U1, "vm1"));
        wait_for(&f, create_device(&f, NULL, "nvidia-16", U2, "vm2"));
        ASSERT_STREQ(find_device(&f, U2)->function, F1);
        fake_remove(f.tree, CURRENT(F1)); /* not written to, as others would */
        fake_write(f.tree, "Not Applicable\n", CURRENT(F1));
        is_still_ours(&f, U2);
        fake_remove(f.tree, CURRENT(F1));
        fake_write(f.tree, "16\n", CURRENT(F1));
        is_still_ours(&f, U2);
        fake_remove(f.tree, "sys/bus/pci/devices/" F0);
        is_still_ours(&f, U2);
        ASSERT_NULL(find_device(&f, U1));
        fake_write(f.tree, "4\n", "sys/" FAKE_DEVPATH "/" CARD "/sriov_totalvfs");
        fake_remove(f.tree, "sys/" FAKE_DEVPATH "/" CARD "/virtfn0");
        is_still_ours(&f, U2);
}

/* ---- made by us ---- */

TEST(made_and_removed_like_any_other) {
        Device *d;
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, CARD, "nvidia-16", U1, "vm1"));
        run_idle(&f);
        d = find_device(&f, U1);
        ASSERT_NOT_NULL(d);
        ASSERT_STREQ(d->function, F0);
        ASSERT_STREQ(d->type, "nvidia-16");
        ASSERT_STREQ(d->owner, "vm1");
        ASSERT_EQ(d->origin, ORIGIN_REQUEST);
        ASSERT_EQ(borne(&f, F0), 16);
        /* what its siblings can bear is less; a type that was seen is not forgotten */
        ASSERT_EQ(available(&f, "nvidia-16"), 3);
        ASSERT_EQ(available(&f, "nvidia-8"), 0);
        ASSERT_EQ(count_records(&f), 0);

        fixture_restart(&f);
        run_idle(&f);
        d = find_device(&f, U1);
        ASSERT_NOT_NULL(d);
        ASSERT_STREQ(d->function, F0);
        ASSERT_STREQ(d->owner, "vm1");
        ASSERT_EQ(d->origin, ORIGIN_REQUEST);

        wait_for(&f, stop_device(&f, U1));
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_EQ(borne(&f, F0), 0);
        ASSERT_EQ(available(&f, "nvidia-8"), 4);
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 0);
}

/* Each is told another function, and none is at the card while another is. */
TEST(many_at_once_take_turns) {
        static const char *const uuids[] = { U1, U2, U3 };
        Operation *ops[3];
        FIXTURE(f);

        begin(&f);
        fake_fifo(f.tree, FAKE(F0, "vgpu-block"));
        for (size_t i = 0; i < 3; i++)
                ops[i] = create_device(&f, NULL, "nvidia-16", uuids[i], "vm");
        ASSERT_EQ(ops[0]->phase, OPERATION_WORKING);
        ASSERT_EQ(ops[1]->phase, OPERATION_QUEUED);
        ASSERT_EQ(ops[2]->phase, OPERATION_QUEUED);
        unblock(&f, FAKE(F0, "vgpu-block"));
        for (size_t i = 0; i < 3; i++)
                wait_for(&f, ops[i]);
        run_idle(&f);
        for (size_t i = 0; i < 3; i++)
                ASSERT_EQ(ops[i]->state, OPERATION_DONE);
        ASSERT_EQ(borne(&f, F0), 16);
        ASSERT_EQ(borne(&f, F1), 16);
        ASSERT_EQ(borne(&f, F2), 16);
        ASSERT_EQ(available(&f, "nvidia-16"), 0); /* the function is there, the memory is not */
}

/* What somebody fills while our create for that function waits is his, and is seen. */
TEST(filled_while_ours_waits) {
        Operation *op;
        FIXTURE(f);

        begin(&f);
        f.manager->n_working += WORKERS_MAX;
        op = create_device(&f, NULL, "nvidia-16", U1, "vm1");
        ASSERT_EQ(op->phase, OPERATION_QUEUED);
        write_type(&f, F0, "16\n");
        uevent(&f, "change", F0);
        RUN_UNTIL(&f, device_on(&f, F0));
        ASSERT_EQ(device_on(&f, F0)->origin, ORIGIN_FOREIGN);
        ASSERT_NULL(find_device(&f, U1));
        f.manager->n_working -= WORKERS_MAX;
        operation_dispatch(f.manager);
        wait_for(&f, op);
        run_idle(&f);
        /* and ours takes another */
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_STREQ(find_device(&f, U1)->function, F1);
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm1");
        ASSERT_EQ(device_on(&f, F0)->origin, ORIGIN_FOREIGN);
        ASSERT_EQ(borne(&f, F0), 16);
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 1);
}

/* By the counts there is room for two; by the card's memory for one. */
TEST(who_comes_too_late_is_told_so) {
        Operation *first, *second;
        FIXTURE(f);

        begin(&f);
        first = create_device(&f, NULL, "nvidia-48", U1, "vm");
        second = create_device(&f, NULL, "nvidia-48", U2, "vm");
        wait_for(&f, first);
        wait_for(&f, second);
        ASSERT_EQ(first->state, OPERATION_DONE);
        ASSERT_EQ(second->state, OPERATION_FAILED);
        ASSERT_EQ(second->record->outcome, OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(second->record->text, F1 " of " CARD " offers no nvidia-48 beside what its "
                                              "siblings bear");
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U2));
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 1);
}

TEST(no_more_than_there_are_functions) {
        static const char *const uuids[] = { U1, U2, U3, "44444444-4444-4444-8444-444444444444" };
        _cleanup_(reason_done) Reason reason = {};
        FIXTURE(f);

        begin(&f);
        for (size_t i = 0; i < FAKE_VGPU_FUNCTIONS; i++)
                wait_for(&f, create_device(&f, NULL, "nvidia-4", uuids[i], "vm"));
        run_idle(&f);
        ASSERT_EQ(borne(&f, F3), 4);
        ASSERT_EQ(refuse_create(&f, new_request(NULL, "nvidia-4",
                                                "55555555-5555-4555-8555-555555555555", "vm"),
                                &reason),
                  OUTCOME_NO_ROOM);
}

TEST(what_the_driver_refuses_or_forgets) {
        Operation *op;
        FIXTURE(f);

        begin(&f);
        fake_write(f.tree, "5", FAKE(F0, "vgpu-errno")); /* EIO */
        op = create_device(&f, NULL, "nvidia-16", U1, "vm");
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_FAILED);
        ASSERT_CONTAINS(op->record->text, CARD " refused the creation of " U1 " (nvidia-16)");
        fake_remove(f.tree, FAKE(F0, "vgpu-errno"));
        fake_write(f.tree, "", FAKE(F0, "vgpu-mute"));
        op = create_device(&f, NULL, "nvidia-16", U2, "vm");
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_FAILED);
        ASSERT_CONTAINS(op->record->text, "took the creation of nvidia-16 on " F0 ", and has not "
                                          "done it");
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_NULL(find_device(&f, U2));
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 0);
}

/* The driver does not empty a function that a VM uses. */
TEST(in_use) {
        Operation *op;
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, NULL, "nvidia-16", U1, "vm1"));
        fake_write(f.tree, "", FAKE(F0, "in-use"));
        op = stop_device(&f, U1);
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_BUSY);
        ASSERT_CONTAINS(op->record->text, "does not let it go, as while a virtual machine uses it "
                                          "(EPERM)");
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_EQ(borne(&f, F0), 16);
}

/* Nothing tells what else could be made by now: before a no it is looked at once more. */
TEST(what_nothing_tells_is_looked_at_before_a_no) {
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, NULL, "nvidia-16", U1, "vm1"));
        run_idle(&f);
        ASSERT_EQ(available(&f, "nvidia-8"), 0);
        fake_write(f.tree, "", FAKE(CARD, "mixed"));
        fake_vgpu_tell(f.tree->root, CARD);
        wait_for(&f, create_device(&f, NULL, "nvidia-8", U2, "vm1"));
        ASSERT_STREQ(find_device(&f, U2)->function, F1);
}

/* ---- attributes ---- */

static Operation *create_with(Fixture *f, const char *uuid, const char *name, const char *value) {
        _cleanup_(reason_done) Reason reason = {};
        Request *q = new_request(CARD, "nvidia-16", uuid, "vm1");
        Operation *op;

        ASSERT_OK(request_add_attribute(q, name, value));
        ASSERT_OK(manager_create(f->manager, q, ":1.7", &op, &reason));
        wait_for(f, op);
        run_idle(f);
        return op;
}

TEST(attributes_are_the_drivers) {
        static const char *const bad[] = { "driver_override", "nvidia", "nvidia/current_vgpu_type",
                                           "nvidia/../driver_override", "physfn/reset", "remove",
                                           "nvidia//current_vgpu_type",
                                           "nvidia/./current_vgpu_type", "nvidia/" };
        _cleanup_(freep) char *params = NULL;
        Operation *op;
        FIXTURE(f);

        begin(&f);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                op = create_with(&f, U1, bad[i], "1");
                ASSERT_EQ(op->record->outcome, OUTCOME_INVALID);
                ASSERT_CONTAINS(op->record->text, bad[i]);
                ASSERT_EQ(borne(&f, F0), 0);
        }
        ASSERT_EQ(create_with(&f, U1, "nvidia/vgpu_params", "disable_vnc=1")->state,
                  OPERATION_DONE);
        params = fake_read(f.tree, FILE_OF(F0, "vgpu_params"));
        ASSERT_STREQ(params, "disable_vnc=1\n");

        /* one that is refused takes the vGPU down again */
        fake_write(f.tree, "22", FAKE(F1, "attribute-vgpu_params-errno"));
        op = create_with(&f, U2, "nvidia/vgpu_params", "x");
        ASSERT_EQ(op->record->outcome, OUTCOME_INVALID);
        ASSERT_EQ(borne(&f, F1), 0);
        ASSERT_NULL(find_device(&f, U2));
}

TEST(placements) {
        _cleanup_(freep) char *placement = NULL;
        Operation *op;
        FIXTURE(f);

        begin(&f);
        op = create_with(&f, U1, "nvidia/placement_id", "first");
        ASSERT_EQ(op->record->outcome, OUTCOME_INVALID);
        ASSERT_CONTAINS(op->record->text, "Placement 'first' is not one");
        ASSERT_EQ(create_with(&f, U1, "nvidia/placement_id", "16")->state, OPERATION_DONE);
        placement = fake_read(f.tree, FILE_OF(F0, "placement_id"));
        ASSERT_STREQ(placement, "16\n");
        op = create_with(&f, U2, "nvidia/placement_id", "16");
        ASSERT_EQ(op->record->outcome, OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(op->record->text, "Placement 16 of " CARD " is taken, by " F0);
        ASSERT_EQ(borne(&f, F1), 0);
        ASSERT_EQ(create_with(&f, U2, "nvidia/placement_id", "32")->state, OPERATION_DONE);
}

/* ---- kills ---- */

/*
 * The worker is killed at its n-th change, before or after it: until it lives through all of
 * them.
 */
static void try_kills(const char *sign, bool attribute, bool stop) {
        bool killed = true;

        for (unsigned n = 0; killed; n++) {
                char at[16];
                Device *d;
                FIXTURE(f);

                ASSERT_TRUE(n < 16);
                begin(&f);
                if (stop)
                        wait_for(&f, create_device(&f, CARD, "nvidia-16", U1, "vm1"));
                (void) snprintf(at, sizeof(at), "%s%u", sign, n);
                fake_write(f.tree, at, KILL_AT);
                if (stop)
                        (void) stop_device(&f, U1);
                else if (attribute)
                        (void) create_with(&f, U1, "nvidia/vgpu_params", "a=1");
                else
                        (void) create_device(&f, CARD, "nvidia-16", U1, "vm1");
                run_idle(&f);
                killed = fake_exists(f.tree, "fake/killed");

                d = find_device(&f, U1);
                ASSERT_EQ(d != NULL, borne(&f, F0) > 0);
                if (d) {
                        ASSERT_STREQ(d->function, F0);
                        ASSERT_STREQ(d->owner, "vm1");
                        ASSERT_EQ(d->origin, ORIGIN_REQUEST);
                }
                ASSERT_TRUE(killed || (d != NULL) == !stop);
                ASSERT_EQ(count_records(&f), 0);
                ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), d ? 1 : 0);
                ASSERT_TRUE(list_is_empty(manager_get_planned(f.manager)));
        }
}

TEST(worker_killed_in_a_create) {
        try_kills("", false, false);
        try_kills("-", false, false);
}

TEST(worker_killed_in_a_create_with_attributes) {
        try_kills("", true, false);
        try_kills("-", true, false);
}

TEST(worker_killed_in_a_stop) {
        try_kills("", false, true);
        try_kills("-", false, true);
}

/* Worker and daemon die, and the next daemon finds the record. */
TEST(both_killed) {
        static const char *const points[] = { "2", "-2" }; /* the write of the type */

        for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
                Device *d;
                FIXTURE(f);

                begin(&f);
                fake_write(f.tree, points[i], KILL_AT);
                (void) create_device(&f, CARD, "nvidia-16", U1, "vm1");
                fixture_stop(&f);
                reap_workers();
                ASSERT_TRUE(fake_exists(f.tree, "fake/killed"));
                ASSERT_EQ(count_records(&f), 1);
                ASSERT_EQ(borne(&f, F0), i == 0 ? 0 : 16);
                fixture_start(&f);
                run_idle(&f);
                d = find_device(&f, U1);
                ASSERT_EQ(d != NULL, i == 1);
                if (d) {
                        ASSERT_STREQ(d->function, F0);
                        ASSERT_STREQ(d->owner, "vm1");
                        ASSERT_EQ(d->origin, ORIGIN_REQUEST);
                }
                ASSERT_EQ(count_records(&f), 0);
                ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), d ? 1 : 0);
        }
}

/*
 * Ours was killed before it had looked; while nobody of us is there somebody else makes the same.
 */
TEST(killed_and_made_by_others) {
        FIXTURE(f);

        begin(&f);
        fake_write(f.tree, "1", KILL_AT);
        (void) create_device(&f, CARD, "nvidia-16", U1, "vm1");
        fixture_stop(&f);
        reap_workers();
        ASSERT_TRUE(fake_exists(f.tree, "fake/killed"));
        write_type(&f, F0, "16");
        fixture_start(&f);
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_NOT_NULL(device_on(&f, F0));
        ASSERT_EQ(device_on(&f, F0)->origin, ORIGIN_FOREIGN);
        ASSERT_EQ(borne(&f, F0), 16);
        ASSERT_EQ(count_records(&f), 0);
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 0);
}

/* The daemon alone: its worker goes on, and is adopted. */
TEST(daemon_killed) {
        FIXTURE(f);

        begin(&f);
        fake_fifo(f.tree, FAKE(F0, "vgpu-block"));
        (void) create_device(&f, CARD, "nvidia-16", U1, "vm1");
        fixture_stop(&f);
        fixture_start(&f);
        ASSERT_EQ(operations_count_running(f.manager), 1);
        /* what is under way takes its function, and the card */
        (void) create_device(&f, CARD, "nvidia-16", U2, "vm2");
        unblock(&f, FAKE(F0, "vgpu-block"));
        run_idle(&f);
        ASSERT_STREQ(find_device(&f, U1)->function, F0);
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm1");
        ASSERT_STREQ(find_device(&f, U2)->function, F1);
}

/* Whose stop goes on under another daemon is joined, but not by who wants more of it. */
TEST(daemon_killed_in_a_stop) {
        _cleanup_(reason_done) Reason reason = {};
        const StopOptions insist = { .insist = true };
        Operation *op;
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, CARD, "nvidia-16", U1, "vm1"));
        run_idle(&f);
        fake_fifo(f.tree, FAKE(F0, "vgpu-block"));
        (void) stop_device(&f, U1);
        fixture_restart(&f);
        ASSERT_EQ(manager_stop_with(f.manager, find_device(&f, U1), &insist, ":1.8", &op, &reason),
                  OUTCOME_BUSY);
        op = stop_device(&f, U1);
        ASSERT_EQ(op, first_operation(&f));
        unblock(&f, FAKE(F0, "vgpu-block"));
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
}

/* ---- definitions ---- */

TEST(a_definition_is_started_when_the_functions_come) {
        FIXTURE(f);

        fake_vgpu_add(f.tree->root, CARD);
        fake_vgpu_remove_functions(f.tree->root, CARD);
        fake_write(f.tree,
                   "{\"mdev_type\":\"nvidia-16\",\"start\":\"auto\","
                   "\"attrs\":[{\"nvidia/vgpu_params\":\"a=1\"}]}",
                   "etc/mdevctl.d/" CARD "/" U1);
        fixture_start(&f);
        run_idle(&f);
        ASSERT_EQ(state_of(&f, CARD), PARENT_PRESENT);
        ASSERT_NULL(find_device(&f, U1));
        fake_vgpu_add_functions(f.tree->root, CARD);
        uevent(&f, "bind", F3);
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_DEFINITION);
        ASSERT_STREQ(find_device(&f, U1)->function, F0);
        ASSERT_EQ(borne(&f, F0), 16);
}

WORKER_TESTS_MAIN

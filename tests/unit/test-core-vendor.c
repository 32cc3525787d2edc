/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager on parents of a vendor's driver: what it sees, makes, removes, refuses and joins. */
#include <sys/resource.h>

#include "fixture.h"

TEST(start_sees_what_is_there) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        add_vendor(&f, P2, 0);
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U1));
        fixture_start(&f);
        ASSERT_EQ(state_of(&f, P1), PARENT_REGISTERED);
        ASSERT_STREQ(find_parent(&f, P1)->driver, "vendor");
        ASSERT_FALSE(find_parent(&f, P1)->ours);
        ASSERT_EQ(find_parent(&f, P1)->bar_sizes[0], 0x1000);
        ASSERT_EQ(parent_find_type(find_parent(&f, P1), "vendor-1")->available, 1);
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_FOREIGN);
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_LIVE);
        ASSERT_EQ(f.devices_added, 1);
}

static unsigned n_done;

static void count_done(Operation *op, void *userdata) {
        ASSERT_TRUE(op->state != OPERATION_RUNNING);
        n_done++;
}

TEST(create_and_stop) {
        FIXTURE(f);
        Operation *op;

        add_vendor(&f, P1, 2);
        fixture_start(&f);
        op = create_device(&f, NULL, "vendor-1", U1, "vm1");
        ASSERT_EQ(op->state, OPERATION_RUNNING);
        ASSERT_NULL(find_device(&f, U1));
        n_done = 0;
        ASSERT_OK(operation_wait(op, count_done, &f));
        RUN_UNTIL(&f, n_done > 0);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_TRUE(op->device == find_device(&f, U1));
        ASSERT_STREQ(op->device->owner, "vm1");
        ASSERT_EQ(op->device->origin, ORIGIN_REQUEST);
        ASSERT_TRUE(fake_exists(f.tree, "sys/bus/mdev/devices/" U1));
        ASSERT_EQ(count_records(&f), 0);
        run_pending(&f);
        ASSERT_EQ(n_done, 1);
        ASSERT_EQ(parent_find_type(find_parent(&f, P1), "vendor-1")->available, 1);

        op = stop_device(&f, U1);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_EQ(f.devices_removed, 1);
        ASSERT_FALSE(fake_exists(f.tree, MDEVD_PATH_DEVICES "/" U1));
        run_pending(&f);
        ASSERT_EQ(parent_find_type(find_parent(&f, P1), "vendor-1")->available, 2);

        /* after its end, too, who waits is called, but not at once */
        n_done = 0;
        ASSERT_OK(operation_wait(op, count_done, &f));
        ASSERT_EQ(n_done, 0);
        RUN_UNTIL(&f, n_done == 1);
}

TEST(kernel_refusal_is_a_sentence) {
        static const struct {
                const char *error;
                Outcome outcome;
                const char *part;
        } cases[] = {
                { "87", OUTCOME_NO_ROOM, "no instance is left" },
                { "5", OUTCOME_FAILED, "(EIO)" },
                { "11", OUTCOME_FAILED, "try again" },
                { "17", OUTCOME_EXISTS, "exists already" },
                { "33", OUTCOME_FAILED, "(EDOM); the kernel's log may say more" },
        };
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fixture_start(&f);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Operation *op;

                fake_write(f.tree, cases[i].error, FAKE(P1, "create-errno"));
                op = create_device(&f, P1, "vendor-1", U1, "");
                wait_for(&f, op);
                ASSERT_EQ(op->state, OPERATION_FAILED);
                ASSERT_EQ(op->record->outcome, cases[i].outcome);
                ASSERT_EQ(op->record->error, -atoi(cases[i].error));
                ASSERT_CONTAINS(op->record->text, P1 " refused the creation of " U1 " (vendor-1)");
                ASSERT_CONTAINS(op->record->text, cases[i].part);
                ASSERT_NULL(find_device(&f, U1));
                ASSERT_EQ(count_records(&f), 0);
        }
        ASSERT_TRUE(list_is_empty(manager_get_planned(f.manager)));
}

TEST(refusals_before_anything_is_done) {
        _cleanup_(reason_done) Reason type = {}, parent = {}, uuid = {}, room = {};
        FIXTURE(f);

        add_vendor(&f, P1, 1);
        add_vendor(&f, P2, 1);
        fixture_start(&f);
        wait_for(&f, create_device(&f, P1, "vendor-1", U1, ""));
        run_pending(&f);
        ASSERT_EQ(refuse_create(&f, new_request(NULL, "nonesuch", U2, ""), &type),
                  OUTCOME_NO_TYPE);
        ASSERT_CONTAINS(type.text, "nonesuch");
        ASSERT_EQ(refuse_create(&f, new_request("0000:09:00.0", "vendor-1", U2, ""), &parent),
                  OUTCOME_NO_PARENT);
        ASSERT_CONTAINS(parent.text, "0000:09:00.0");
        /* UUIDs are global: the other parent's room does not help */
        ASSERT_EQ(refuse_create(&f, new_request(P2, "vendor-1", U1, ""), &uuid), OUTCOME_EXISTS);
        ASSERT_CONTAINS(uuid.text, P1);
        ASSERT_EQ(refuse_create(&f, new_request(P1, "vendor-1", U2, ""), &room), OUTCOME_NO_ROOM);
        ASSERT_EQ(f.operations_added, 1);
}

TEST(plan_does_nothing) {
        _cleanup_(reason_done) Reason reason = {};
        Request *q = new_request(NULL, "vendor-1", U1, "vm1");
        FIXTURE(f);

        add_vendor(&f, P1, 1);
        fixture_start(&f);
        q->plan = true;
        ASSERT_EQ(refuse_create(&f, q, &reason), OUTCOME_OK);
        ASSERT_CONTAINS(reason.text, "vendor-1 for vm1 would be made on " P1);
        ASSERT_EQ(f.operations_added, 0);
}

TEST(others_devices_come_and_go) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fixture_start(&f);
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U1));
        RUN_UNTIL(&f, find_device(&f, U1));
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_FOREIGN);
        run_pending(&f);
        ASSERT_EQ(parent_find_type(find_parent(&f, P1), "vendor-1")->available, 1);
        ASSERT_OK(fake_destroy(f.tree, P1, U1));
        RUN_UNTIL(&f, !find_device(&f, U1));
        /* an explicit call works on any device */
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U2));
        RUN_UNTIL(&f, find_device(&f, U2));
        wait_for(&f, stop_device(&f, U2));
        ASSERT_NULL(find_device(&f, U2));
}

/* The add uevent comes before the type can be read; no other event follows the last link. */
TEST(incomplete_device_is_looked_at_again) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fixture_start(&f);
        fake_mkdir(f.tree, "sys/" FAKE_DEVPATH "/" P1 "/" U1);
        fake_link(f.tree, "../../../" FAKE_DEVPATH "/" P1 "/" U1, "sys/bus/mdev/devices/" U1);
        fake_uevent(f.tree, "add", "/" FAKE_DEVPATH "/" P1 "/" U1, "mdev", NULL);
        run_pending(&f);
        ASSERT_NULL(find_device(&f, U1));
        fake_link(f.tree, "../mdev_supported_types/vendor-1",
                  "sys/" FAKE_DEVPATH "/" P1 "/" U1 "/mdev_type");
        RUN_UNTIL(&f, find_device(&f, U1));
        ASSERT_STREQ(find_device(&f, U1)->type, "vendor-1");
}

TEST(parents_come_and_go) {
        FIXTURE(f);

        fixture_start(&f);
        ASSERT_NULL(find_parent(&f, P1));
        add_vendor(&f, P1, 2);
        RUN_UNTIL(&f, state_of(&f, P1) == PARENT_REGISTERED);
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U1));
        RUN_UNTIL(&f, find_device(&f, U1));
        ASSERT_OK(fake_destroy(f.tree, P1, U1));
        fake_unregister(f.tree, P1);
        RUN_UNTIL(&f, !find_parent(&f, P1));
        ASSERT_NULL(find_device(&f, U1));
        fake_register(f.tree, P1);
        fake_type(f.tree, P1, "vendor-1", 2);
        RUN_UNTIL(&f, state_of(&f, P1) == PARENT_REGISTERED);
}

/* It was ours, and going away when we last looked: who has it now is not. */
TEST(closing_ends_with_another_driver) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fixture_start(&f);
        find_parent(&f, P1)->state = PARENT_CLOSING;
        fake_uevent(f.tree, "bind", "/" FAKE_DEVPATH "/" P1, "pci", NULL);
        RUN_UNTIL(&f, state_of(&f, P1) == PARENT_REGISTERED);
        wait_for(&f, create_device(&f, NULL, "vendor-1", U1, ""));
        ASSERT_NOT_NULL(find_device(&f, U1));
}

/* The device is pulled with an mdev on it, and not one uevent of the mdev arrives. */
TEST(parent_vanishes_with_its_devices) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U1));
        fixture_start(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
        fake_remove(f.tree, "sys/bus/mdev/devices/" U1);
        fake_pci_remove(f.tree, P1);
        RUN_UNTIL(&f, !find_device(&f, U1));
        ASSERT_EQ(f.devices_removed, 1);
        fake_uevent(f.tree, "remove", "/" FAKE_DEVPATH "/" P1, "pci", NULL);
        RUN_UNTIL(&f, !find_parent(&f, P1));
}

static Request *with_attributes(const char *uuid, const char *name, const char *value) {
        Request *q = new_request(P1, "vendor-1", uuid, "vm1");

        ASSERT_OK(request_add_attribute(q, "first", "1"));
        ASSERT_OK(request_add_attribute(q, name, value));
        return q;
}

static Operation *create_with(Fixture *f, Request *q) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op = NULL;

        ASSERT_OK(manager_create(f->manager, q, ":1.7", &op, &reason));
        return op;
}

TEST(attributes_are_written) {
        _cleanup_(freep) char *first = NULL, *second = NULL;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_write(f.tree, "first second", FAKE(P1, "attributes"));
        fixture_start(&f);
        wait_for(&f, create_with(&f, with_attributes(U1, "second", "two\n")));
        ASSERT_NOT_NULL(find_device(&f, U1));
        first = fake_read(f.tree, "sys/" FAKE_DEVPATH "/" P1 "/" U1 "/first");
        second = fake_read(f.tree, "sys/" FAKE_DEVPATH "/" P1 "/" U1 "/second");
        ASSERT_STREQ(first, "1\n");
        ASSERT_STREQ(second, "two\n");
}

TEST(refused_attribute_takes_the_device_down) {
        Operation *op;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_write(f.tree, "first second", FAKE(P1, "attributes"));
        fake_write(f.tree, "22", FAKE(P1, "attribute-second-errno"));
        fixture_start(&f);
        op = create_with(&f, with_attributes(U1, "second", "two"));
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_INVALID);
        ASSERT_EQ(op->record->error, -EINVAL);
        ASSERT_CONTAINS(op->record->text, "refused attribute second of " U1);
        /* who may read errors may not read attributes */
        ASSERT_NULL(strstr(op->record->text, "two"));
        ASSERT_FALSE(fake_exists(f.tree, "sys/bus/mdev/devices/" U1));
        run_pending(&f);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_EQ(f.devices_added, 0);
}

TEST(attribute_names_stay_in_the_device) {
        static const char *const bad[] = { "../x", "/etc/passwd", "a/../../x", "", "a//b", "a/",
                                           ".", "..", "a/." };
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_write(f.tree, "first second", FAKE(P1, "attributes"));
        fixture_start(&f);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                Operation *op = create_with(&f, with_attributes(U1, bad[i], "x"));

                wait_for(&f, op);
                ASSERT_EQ(op->record->outcome, OUTCOME_INVALID);
                ASSERT_CONTAINS(op->record->text, "is not one");
        }
        ASSERT_FALSE(fake_exists(f.tree, "sys/bus/mdev/devices/" U1));
}

/*
 * A device has links to its type, its bus and its driver, each with files to make and remove
 * others.
 */
TEST(attributes_follow_no_link) {
        static const char *const bad[] = { "mdev_type/create", "mdev_type" };
        FIXTURE(f);

        add_vendor(&f, P1, 4);
        fake_write(f.tree, "first second", FAKE(P1, "attributes"));
        fixture_start(&f);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                Operation *op = create_with(&f, with_attributes(U1, bad[i], U2));

                wait_for(&f, op);
                ASSERT_EQ(op->record->outcome, OUTCOME_INVALID);
                ASSERT_CONTAINS(op->record->text, bad[i]);
                ASSERT_FALSE(fake_exists(f.tree, "sys/bus/mdev/devices/" U2));
                ASSERT_FALSE(fake_exists(f.tree, "sys/bus/mdev/devices/" U1));
        }
}

TEST(same_request_joins) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op, *again;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        add_vendor(&f, P2, 2);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        fixture_start(&f);
        op = create_device(&f, P1, "vendor-1", U1, "vm1");
        ASSERT_TRUE(create_device(&f, P1, "vendor-1", U1, "vm1") == op);
        ASSERT_TRUE(create_device(&f, NULL, "vendor-1", U1, "vm1") == op);
        ASSERT_EQ(refuse_create(&f, new_request(P1, "vendor-1", U1, "vm2"), &reason),
                  OUTCOME_BUSY);
        ASSERT_EQ(refuse_create(&f, new_request(P2, "vendor-1", U1, "vm1"), &reason),
                  OUTCOME_BUSY);
        unblock(&f, FAKE(P1, "create-block"));
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        /* whoever lost the reply asks again */
        again = create_device(&f, P1, "vendor-1", U1, "vm1");
        ASSERT_TRUE(again == op);
        ASSERT_EQ(refuse_create(&f, new_request(P1, "vendor-1", U1, "vm2"), &reason),
                  OUTCOME_EXISTS);
        ASSERT_EQ(f.operations_added, 1);
}

TEST(blocked_parent_holds_up_no_other) {
        Operation *blocked, *op;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        add_vendor(&f, P2, 2);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        fixture_start(&f);
        blocked = create_device(&f, P1, "vendor-1", U1, "");
        op = create_device(&f, P2, "vendor-1", U2, "");
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        wait_for(&f, stop_device(&f, U2));
        ASSERT_EQ(blocked->state, OPERATION_RUNNING);
        unblock(&f, FAKE(P1, "create-block"));
        wait_for(&f, blocked);
        ASSERT_EQ(blocked->state, OPERATION_DONE);
}

TEST(stop_joins_and_refuses) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_fifo(f.tree, FAKE(P1, "remove-block"));
        fixture_start(&f);
        wait_for(&f, create_device(&f, P1, "vendor-1", U1, ""));
        op = stop_device(&f, U1);
        ASSERT_TRUE(stop_device(&f, U1) == op);
        ASSERT_EQ(refuse_create(&f, new_request(P1, "vendor-1", U1, ""), &reason), OUTCOME_BUSY);
        unblock(&f, FAKE(P1, "remove-block"));
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        /* the UUID is free again, and this is a new device */
        op = create_device(&f, P1, "vendor-1", U1, "");
        ASSERT_EQ(op->state, OPERATION_RUNNING);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
}

/* Who started us may have SIGCHLD ignored; that is inherited, and workers still have an end. */
TEST(ignored_children_end_all_the_same) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fixture_start(&f);
        ASSERT_TRUE(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
        wait_for(&f, create_device(&f, P1, "vendor-1", U1, "vm1"));
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_TRUE(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
}

/* As mdev core does it for who writes there too early: nobody can remove that device any more. */
TEST(device_that_has_no_remove) {
        Operation *op;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fixture_start(&f);
        wait_for(&f, create_device(&f, P1, "vendor-1", U1, "vm1"));
        fake_remove(f.tree, "sys/" FAKE_DEVPATH "/" P1 "/" U1 "/remove");
        op = stop_device(&f, U1);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_FAILED);
        ASSERT_CONTAINS(op->record->text, "takes that file away");
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm1");
}

static unsigned count_children(void) {
        FILE *file = fopen("/proc/thread-self/children", "re");
        unsigned n = 0;
        int pid;

        ASSERT_NOT_NULL(file);
        while (fscanf(file, "%d", &pid) == 1)
                n++;
        (void) fclose(file);
        return n;
}

static void kill_children(Fixture *f) {
        FILE *file = fopen("/proc/thread-self/children", "re");
        int pid;

        ASSERT_NOT_NULL(file);
        while (fscanf(file, "%d", &pid) == 1)
                ASSERT_OK(kill(pid, SIGKILL));
        (void) fclose(file);
        RUN_UNTIL(f, count_children() == 0);
}

/* Executed ahead of need, kept for the next job; those that are too many end. */
TEST(processes_are_kept) {
        Operation *first, *op;
        FIXTURE(f);

        reap_workers(); /* of the tests before this one */
        add_vendor(&f, P1, 8);
        fixture_start(&f);
        RUN_UNTIL(&f, count_children() == 2); /* the other is what they are born of */
        first = create_device(&f, P1, "vendor-1", U1, "");
        wait_for(&f, first);
        op = create_device(&f, P1, "vendor-1", U2, "");
        wait_for(&f, op);
        ASSERT_EQ(op->record->pid, first->record->pid);
        ASSERT_EQ(count_children(), 2);
        /* one that is killed while it has nothing to do is replaced, and reaped */
        kill_children(&f);
        op = create_device(&f, P1, "vendor-1", U3, "");
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_TRUE(op->record->pid != first->record->pid);
        ASSERT_EQ(count_children(), 2);
        /* two at a time, and then one again, after a while */
        (void) stop_device(&f, U1);
        (void) stop_device(&f, U2);
        RUN_UNTIL(&f, count_children() == 3);
        RUN_UNTIL(&f, count_children() == 2);
        ASSERT_EQ(operations_count_running(f.manager), 0);
}

/* From now on that many descriptors more can be had. */
static void limit_files(rlim_t room) {
        struct rlimit limit;
        int fd = dup(0);

        ASSERT_TRUE(fd >= 0);
        ASSERT_OK(close(fd));
        ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
        limit.rlim_cur = fd + room;
        ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

/* Whichever descriptor cannot be had: nothing is done, no process and no record are left. */
TEST(process_that_cannot_be_started_or_watched) {
        struct rlimit all;
        unsigned refused = 0;
        Operation *op = NULL;
        FIXTURE(f);

        reap_workers();
        add_vendor(&f, P1, 1);
        fixture_start(&f);
        run_idle(&f);
        ASSERT_OK(getrlimit(RLIMIT_NOFILE, &all));
        for (rlim_t room = 0; !op || op->state == OPERATION_FAILED; room++) {
                kill_children(&f);
                limit_files(room);
                op = create_device(&f, P1, "vendor-1", U1, "");
                ASSERT_OK(setrlimit(RLIMIT_NOFILE, &all));
                if (op->state != OPERATION_FAILED) {
                        wait_for(&f, op);
                        break;
                }
                refused++;
                ASSERT_CONTAINS(op->record->text, "No worker could be started");
                ASSERT_EQ(count_children(), 0);
                ASSERT_EQ(count_records(&f), 0);
                run_idle(&f);
        }
        ASSERT_EQ(op->state, OPERATION_DONE);
        /* record, both ends of the socket; what watches the process takes the place of one */
        ASSERT_TRUE(refused >= 3);
}

/* Somebody else makes it while it waits for its turn, and then it cannot even begin. */
TEST(create_without_a_worker_hides_nothing) {
        _cleanup_(closep) int gate = -EBADF;
        Operation *op;
        FIXTURE(f);

        add_vendor(&f, P1, 8);
        add_vendor(&f, P2, 1);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        fixture_start(&f);
        (void) create_device(&f, P1, "vendor-1", U1, "");
        (void) create_device(&f, P1, "vendor-1", U2, "");
        op = create_device(&f, P1, "vendor-1", U3, "");
        ASSERT_EQ(op->phase, OPERATION_QUEUED);
        ASSERT_OK(fake_create(f.tree, P2, "vendor-1", U3));
        run_pending(&f);
        ASSERT_NULL(find_device(&f, U3));
        fake_remove(f.tree, MDEVD_PATH_DEVICES);
        fake_write(f.tree, "", MDEVD_PATH_DEVICES); /* it cannot be announced */
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(op->state, OPERATION_FAILED);
        ASSERT_CONTAINS(op->record->text, "No worker could be started");
        ASSERT_NOT_NULL(find_device(&f, U3));
}

TEST(refused_stop_leaves_it) {
        Operation *op;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fixture_start(&f);
        wait_for(&f, create_device(&f, P1, "vendor-1", U1, "vm1"));
        fake_write(f.tree, "16", FAKE(P1, "remove-errno"));
        op = stop_device(&f, U1);
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_BUSY);
        ASSERT_CONTAINS(op->record->text, "refused the removal of " U1);
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm1");
}

WORKER_TESTS_MAIN

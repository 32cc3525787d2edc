/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ends of daemons and workers at every point: after each, the model of the next daemon equals the
 * kernel, no record and no reservation is left, and nothing was forgotten of what was made.
 */
#include "fixture.h"

#define MIB (UINT64_C(1) << 20)
#define KILL_AT "fake/kill-at"

static const char config[] =
        "{ \"parents\": [ { \"address\": \"" P2 "\","
        "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2 } ], \"types\": [ \"fb-16M\" ] } ],"
        "  \"types\": { \"fb-16M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"16M\" } ] } } }";

static void add_machine(Fixture *f) {
        add_vendor(f, P1, 2);
        fake_write(f->tree, "first second", FAKE(P1, "attributes"));
        fake_pci(f->tree, P2, "other", 0x1000, 64 * MIB);
        fake_write(f->tree, config, "etc/mdevd/mdevd.json");
        fake_load_module(f->tree);
}

static bool kernel_has(Fixture *f, const char *uuid) {
        return fake_exists(f->tree, "sys/bus/mdev/devices/%s", uuid);
}

/* What must hold when nothing is under way. */
static void check(Fixture *f, const char *uuid, const char *owner) {
        Device *d;

        run_idle(f);
        d = find_device(f, uuid);
        ASSERT_EQ(d != NULL, kernel_has(f, uuid));
        ASSERT_EQ(count_records(f), 0);
        ASSERT_TRUE(list_is_empty(manager_get_planned(f->manager)));
        ASSERT_EQ(fake_module_count(f->tree->root), count_files(f, "sys/bus/mdev/devices") -
                                                            fake_exists(f->tree,
                                                                        "sys/" FAKE_DEVPATH
                                                                        "/" P1 "/" U1));
        if (d) {
                ASSERT_EQ(d->origin, ORIGIN_REQUEST);
                ASSERT_STREQ(d->owner, owner);
        }
        ASSERT_EQ(count_files(f, MDEVD_PATH_DEVICES),
                  list_length(&manager_get_model(f->manager)->devices));
}

static Operation *create_vendor(Fixture *f, bool attributes) {
        _cleanup_(reason_done) Reason reason = {};
        Request *q = new_request(P1, "vendor-1", U1, "vm1");
        Operation *op;

        if (attributes) {
                ASSERT_OK(request_add_attribute(q, "first", "1"));
                ASSERT_OK(request_add_attribute(q, "second", "2"));
        }
        ASSERT_OK(manager_create(f->manager, q, ":1.7", &op, &reason));
        return op;
}

static Operation *create_ours(Fixture *f) {
        return create_device(f, P2, "fb-16M", U2, "vm2");
}

static void set_kill(Fixture *f, int at, bool after) {
        char text[16];

        /* "-0" is after the first one */
        snprintf(text, sizeof(text), "%s%d", after ? "-" : "", at);
        fake_write(f->tree, text, KILL_AT);
}

/*
 * Kills the worker of @start before and after its n-th effect, for each n until it is not reached
 * any more. Answers how many kills were survived.
 */
static unsigned kill_at_each(Operation *(*start)(Fixture *f), const char *uuid, const char *owner,
                             bool prepare) {
        unsigned kills = 0;
        bool killed = true;

        for (int i = 0; killed; i++) {
                FIXTURE(f);
                Operation *op;

                add_machine(&f);
                fixture_start(&f);
                run_idle(&f);
                if (prepare) {
                        (void) create_vendor(&f, false);
                        (void) create_ours(&f);
                        run_idle(&f);
                }
                set_kill(&f, i / 2, i % 2);
                op = start(&f);
                RUN_UNTIL(&f, op->state != OPERATION_RUNNING);
                fake_remove(f.tree, KILL_AT);
                killed = fake_exists(f.tree, "fake/killed");
                kills += killed;
                check(&f, uuid, owner);
                if (!killed)
                        ASSERT_EQ(op->state, OPERATION_DONE);
        }
        return kills;
}

static Operation *start_plain(Fixture *f) {
        return create_vendor(f, false);
}

static Operation *start_attributes(Fixture *f) {
        return create_vendor(f, true);
}

static Operation *start_stop_vendor(Fixture *f) {
        return stop_device(f, U1);
}

static Operation *start_stop_ours(Fixture *f) {
        return stop_device(f, U2);
}

TEST(worker_killed_at_each_step_of_a_vendors_create) {
        ASSERT_TRUE(kill_at_each(start_plain, U1, "vm1", false) >= 6);
}

TEST(worker_killed_at_each_step_of_a_create_with_attributes) {
        ASSERT_TRUE(kill_at_each(start_attributes, U1, "vm1", false) >= 10);
}

TEST(worker_killed_at_each_step_of_our_create) {
        ASSERT_TRUE(kill_at_each(create_ours, U2, "vm2", false) >= 8);
}

TEST(worker_killed_at_each_step_of_a_vendors_stop) {
        ASSERT_TRUE(kill_at_each(start_stop_vendor, U1, "vm1", true) >= 4);
}

TEST(worker_killed_at_each_step_of_our_stop) {
        ASSERT_TRUE(kill_at_each(start_stop_ours, U2, "vm2", true) >= 4);
}

/* Bringing up: whatever was reached, the next daemon brings it to its end. */
TEST(worker_killed_at_each_step_of_configure) {
        unsigned kills = 0;
        bool killed = true;

        for (int i = 0; killed; i++) {
                FIXTURE(f);

                add_machine(&f);
                set_kill(&f, i / 2, i % 2);
                fixture_start(&f);
                run_idle(&f);
                fake_remove(f.tree, KILL_AT);
                killed = fake_exists(f.tree, "fake/killed");
                kills += killed;
                fixture_restart(&f);
                run_idle(&f);
                ASSERT_EQ(state_of(&f, P2), PARENT_REGISTERED);
                ASSERT_EQ(count_records(&f), 0);
                wait_for(&f, create_ours(&f));
                check(&f, U2, "vm2");
        }
        ASSERT_TRUE(kills >= 14);
}

/* A killed worker has left the device without a driver, maybe; the same daemon puts that right. */
TEST(configure_is_tried_again_after_a_kill) {
        bool killed = true;

        for (int i = 0; killed; i++) {
                FIXTURE(f);

                add_machine(&f);
                set_kill(&f, i / 2, i % 2);
                fixture_start(&f);
                RUN_UNTIL(&f, state_of(&f, P2) == PARENT_REGISTERED);
                killed = fake_exists(f.tree, "fake/killed");
                fake_remove(f.tree, KILL_AT);
                run_idle(&f);
                ASSERT_EQ(count_records(&f), 0);
                wait_for(&f, create_ours(&f));
                check(&f, U2, "vm2");
        }
}

/*
 * The daemon ends after its n-th turn of the loop; its worker goes on, and may be done before or
 * after the next daemon starts.
 */
static unsigned restart_at_each(Operation *(*start)(Fixture *f), const char *uuid,
                                const char *owner, bool prepare) {
        unsigned turns = 0;

        for (bool ended = false; !ended; turns++) {
                FIXTURE(f);
                Operation *op;

                add_machine(&f);
                fixture_start(&f);
                run_idle(&f);
                if (prepare) {
                        (void) create_vendor(&f, false);
                        (void) create_ours(&f);
                        run_idle(&f);
                }
                op = start(&f);
                for (unsigned i = 0; i < turns && op->state == OPERATION_RUNNING; i++)
                        ASSERT_TRUE(sd_event_run(f.event, UINT64_MAX) >= 0);
                ended = op->state != OPERATION_RUNNING;
                fixture_restart(&f);
                check(&f, uuid, owner);
                ASSERT_EQ(kernel_has(&f, uuid), !prepare);
        }
        return turns;
}

TEST(daemon_ends_at_each_turn_of_a_vendors_create) {
        ASSERT_TRUE(restart_at_each(start_attributes, U1, "vm1", false) >= 2);
}

TEST(daemon_ends_at_each_turn_of_our_create) {
        ASSERT_TRUE(restart_at_each(create_ours, U2, "vm2", false) >= 2);
}

TEST(daemon_ends_at_each_turn_of_a_stop) {
        ASSERT_TRUE(restart_at_each(start_stop_vendor, U1, "vm1", true) >= 2);
        ASSERT_TRUE(restart_at_each(start_stop_ours, U2, "vm2", true) >= 2);
}

/* The worker is blocked over two restarts; a client that comes back joins. */
TEST(blocked_worker_is_adopted) {
        Operation *op;
        FIXTURE(f);

        add_machine(&f);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        fixture_start(&f);
        run_idle(&f);
        (void) create_vendor(&f, false);
        ASSERT_EQ(count_records(&f), 1);
        for (int i = 0; i < 2; i++) {
                fixture_restart(&f);
                run_pending(&f);
                op = first_operation(&f);
                ASSERT_NOT_NULL(op);
                ASSERT_EQ(op->state, OPERATION_RUNNING);
                ASSERT_EQ(op->phase, OPERATION_WORKING);
                ASSERT_EQ(op->record->kind, RECORD_CREATE);
                ASSERT_STREQ(op->record->owner, "vm1");
        }
        ASSERT_TRUE(create_vendor(&f, false) == op);
        unblock(&f, FAKE(P1, "create-block"));
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        check(&f, U1, "vm1");
        ASSERT_TRUE(kernel_has(&f, U1));
}

static bool is_worker(pid_t pid) {
        char path[32], text[PATH_MAX + 64] = {};
        const char *second;
        FILE *file;

        (void) snprintf(path, sizeof(path), "/proc/%d/cmdline", (int) pid);
        file = fopen(path, "re");
        if (!file)
                return false;
        (void) fread(text, 1, sizeof(text) - 1, file);
        (void) fclose(file);
        second = text + strlen(text) + 1;
        return streq(second, "--worker");
}

/* The child of this process that is no worker; 0: there is none. */
static pid_t find_waiter(void) {
        FILE *file = fopen("/proc/thread-self/children", "re");
        pid_t found = 0;
        int pid;

        ASSERT_NOT_NULL(file);
        while (fscanf(file, "%d", &pid) == 1)
                if (!is_worker(pid))
                        found = pid;
        (void) fclose(file);
        return found;
}

/* An adopted worker's lock is waited for by a process, which can be killed like any other. */
TEST(killed_waiter_is_not_the_workers_end) {
        Operation *op;
        FIXTURE(f);

        add_machine(&f);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        fixture_start(&f);
        run_idle(&f);
        (void) create_vendor(&f, false);
        fixture_restart(&f);
        run_pending(&f);
        op = first_operation(&f);
        ASSERT_NOT_NULL(op);
        for (unsigned i = 0; i < 2; i++) {
                pid_t waiter = find_waiter();

                ASSERT_TRUE(waiter > 0);
                ASSERT_OK(kill(waiter, SIGKILL));
                RUN_UNTIL(&f, find_waiter() != waiter);
                ASSERT_EQ(op->state, OPERATION_RUNNING);
                ASSERT_EQ(op->phase, OPERATION_WORKING);
                ASSERT_EQ(count_records(&f), 1);
        }
        unblock(&f, FAKE(P1, "create-block"));
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        check(&f, U1, "vm1");
}

/* It is done while no daemon is there. */
TEST(worker_that_ended_meanwhile_is_settled) {
        FIXTURE(f);

        add_machine(&f);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        fixture_start(&f);
        run_idle(&f);
        (void) create_vendor(&f, true);
        fixture_stop(&f);
        unblock(&f, FAKE(P1, "create-block"));
        reap_workers();
        ASSERT_TRUE(kernel_has(&f, U1));
        ASSERT_EQ(count_files(&f, MDEVD_PATH_OPERATIONS), 1);
        fixture_start(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
        check(&f, U1, "vm1");
}

TEST(what_is_no_record_is_removed) {
        static const char *const texts[] = {
                "", "\n", "{}\n", "[]\n", "{", "null\n", "\"\n", "{\"kind\":\"create\"}\n",
                "{\"kind\":\"create\",\"uuid\":\"" U1 "\",\"origin\":\"request\",\"ours\":0,"
                "\"parent\":\"" P1 "\",\"path\":\"../../etc\",\"type\":\"vendor-1\","
                "\"step\":\"written\",\"pid\":0}\n",
                "{\"kind\":\"stop\",\"uuid\":\"" U2 "\",\"origin\":\"request\",\"ours\":0,"
                "\"parent\":\"" P1 "\",\"path\":\"" FAKE_DEVPATH "/" P1 "\","
                "\"step\":\"written\",\"pid\":0}\n", /* right, but under another's name */
        };
        FIXTURE(f);

        add_machine(&f);
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                fake_write(f.tree, texts[i], MDEVD_PATH_OPERATIONS "/" P1 ":%08zu-1111-4111-8111-"
                                                                   "111111111111", i);
        fake_fifo(f.tree, MDEVD_PATH_OPERATIONS "/fifo");
        fake_link(f.tree, "/etc/passwd", MDEVD_PATH_OPERATIONS "/link");
        fake_mkdir(f.tree, MDEVD_PATH_DEVICES);
        fake_write(f.tree, "{\"parent\":1}", MDEVD_PATH_DEVICES "/" U1);
        fake_link(f.tree, "{\"parent\":1}", MDEVD_PATH_DEVICES "/" U2);
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U1));
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U2));
        fixture_start(&f);
        ASSERT_EQ(count_records(&f), 0);
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_FOREIGN);
        ASSERT_EQ(find_device(&f, U2)->origin, ORIGIN_FOREIGN);
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
}

static void write_record(Fixture *f, const char *step, const char *attributes) {
        _cleanup_(freep) char *text = NULL;

        ASSERT_TRUE(asprintf(&text,
                             "{\"kind\":\"create\",\"uuid\":\"" U1 "\",\"origin\":\"definition\","
                             "\"ours\":0,\"parent\":\"" P1 "\",\"path\":\"" FAKE_DEVPATH "/" P1
                             "\",\"type\":\"vendor-1\",\"attributes\":[%s],\"step\":\"written\","
                             "\"pid\":0}\n{\"step\":\"%s\",\"pid\":1}\n",
                             attributes, step) >= 0);
        fake_mkdir(f->tree, MDEVD_PATH_OPERATIONS);
        fake_write(f->tree, text, MDEVD_PATH_OPERATIONS "/" P1 ":" U1);
}

/*
 * Daemon and worker were killed, and somebody made the device by hand before the daemon came back.
 * The record does not say that ours had made it, so it is not ours to remove.
 */
TEST(device_made_by_hand_meanwhile_is_left_alone) {
        FIXTURE(f);

        add_machine(&f);
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U1));
        write_record(&f, "written", "{\"name\":\"first\",\"value\":\"1\"}");
        fixture_start(&f);
        run_idle(&f);
        ASSERT_TRUE(kernel_has(&f, U1));
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_FOREIGN);
        ASSERT_EQ(first_operation(&f)->state, OPERATION_FAILED);
        ASSERT_CONTAINS(first_operation(&f)->record->text, "left alone");
        ASSERT_EQ(count_records(&f), 0);
}

TEST(half_made_device_is_undone_by_the_next_daemon) {
        FIXTURE(f);

        add_machine(&f);
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U1));
        write_record(&f, "created", "{\"name\":\"first\",\"value\":\"1\"}");
        fixture_start(&f);
        run_idle(&f);
        ASSERT_FALSE(kernel_has(&f, U1));
        ASSERT_NULL(find_device(&f, U1));
}

/* The second worker goes on behind what was written whole. */
TEST(line_that_a_kill_has_torn_is_dropped) {
        FIXTURE(f);

        add_machine(&f);
        fake_mkdir(f.tree, MDEVD_PATH_OPERATIONS);
        fake_write(f.tree,
                   "{\"kind\":\"undefine\",\"uuid\":\"" U1 "\",\"origin\":\"definition\","
                   "\"ours\":0,\"parent\":\"" P1 "\",\"step\":\"settling\",\"pid\":0,"
                   "\"outcome\":\"ok\",\"errno\":0}\n{\"step\":\"done\",\"pid\":1,\"outc",
                   MDEVD_PATH_OPERATIONS "/" P1 ":" U1);
        fixture_start(&f);
        run_idle(&f);
        ASSERT_STREQ(first_operation(&f)->record->text ?: "", "");
        ASSERT_EQ(first_operation(&f)->state, OPERATION_DONE);
        ASSERT_EQ(count_records(&f), 0);
}

/* The result of an operation may make its record longer than the daemon would write one. */
TEST(long_record_keeps_nobody_from_starting) {
        const size_t n = 126 * 1024;
        _cleanup_(freep) char *value = malloc(n + 1), *attributes = NULL, *text = NULL;
        _cleanup_(freep) char *before = NULL;
        FIXTURE(f);

        ASSERT_NOT_NULL(value);
        memset(value, 'x', n);
        value[n] = '\0';
        ASSERT_TRUE(asprintf(&attributes, "{\"name\":\"first\",\"value\":\"%s\"}", value) >= 0);
        value[4096] = '\0';
        add_machine(&f);
        write_record(&f, "written", attributes);
        before = fake_read(f.tree, MDEVD_PATH_OPERATIONS "/" P1 ":" U1);
        ASSERT_TRUE(asprintf(&text,
                             "%s{\"step\":\"done\",\"pid\":1,\"outcome\":\"failed\",\"errno\":5,"
                             "\"text\":\"%s\"}\n",
                             before, value) >= 0);
        fake_write(f.tree, text, MDEVD_PATH_OPERATIONS "/" P1 ":" U1);
        fixture_start(&f);
        run_idle(&f);
        ASSERT_EQ(first_operation(&f)->state, OPERATION_FAILED);
        ASSERT_STREQ(first_operation(&f)->record->text, value);
        ASSERT_EQ(count_records(&f), 0);
}

/* The file speaks of another device of that UUID: this one is somebody else's. */
TEST(origin_of_another_device_is_not_taken) {
        FIXTURE(f);

        add_machine(&f);
        add_vendor(&f, "0000:00:07.0", 2);
        fixture_start(&f);
        run_idle(&f);
        wait_for(&f, create_vendor(&f, false));
        fixture_stop(&f);
        ASSERT_OK(fake_destroy(f.tree, P1, U1));
        ASSERT_OK(fake_create(f.tree, "0000:00:07.0", "vendor-1", U1));
        fixture_start(&f);
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_FOREIGN);
        ASSERT_STREQ(find_device(&f, U1)->owner, "");
}

TEST(two_daemons_on_one_root) {
        Manager *second;
        FIXTURE(f);

        add_machine(&f);
        fixture_start(&f);
        ASSERT_OK(manager_new(&second, f.event, f.tree->root));
        ASSERT_EQ(manager_start(second), -EWOULDBLOCK);
        manager_free(second);
}

WORKER_TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions that are to be up, the queue of operations, and reloading. */
#include "fixture.h"

#define DEFINITION(parent, uuid) MDEVD_PATH_DEFINITIONS "/" parent "/" uuid

static void define(Fixture *f, const char *parent, const char *uuid, const char *type,
                   const char *start) {
        _cleanup_(freep) char *text = NULL;

        ASSERT_TRUE(asprintf(&text, "{\"mdev_type\":\"%s\",\"start\":\"%s\",\"attrs\":[]}", type,
                             start) >= 0);
        fake_write(f->tree, text, MDEVD_PATH_DEFINITIONS "/%s/%s", parent, uuid);
}

static const char *nth_uuid(unsigned n) {
        static char text[UUID_STRING_MAX];

        (void) snprintf(text, sizeof(text), "%08x-aaaa-4aaa-8aaa-aaaaaaaaaaaa", n);
        return text;
}

TEST(definitions_are_started) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        add_vendor(&f, P2, 2);
        define(&f, P1, U1, "vendor-1", "auto");
        define(&f, P2, U2, "vendor-1", "auto");
        define(&f, P2, U3, "vendor-1", "manual");
        fixture_start(&f);
        ASSERT_EQ(f.operations_added, 0); /* READY comes first */
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_NOT_NULL(find_device(&f, U2));
        ASSERT_NULL(find_device(&f, U3));
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_DEFINITION);
        ASSERT_EQ(f.operations_added, 2);

        /* what is there is success, whoever made it */
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_EQ(f.operations_added, 0);
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_DEFINITION);
}

TEST(parent_that_comes_late) {
        FIXTURE(f);

        define(&f, P1, U1, "vendor-1", "auto");
        fixture_start(&f);
        run_idle(&f);
        ASSERT_EQ(state_of(&f, P1), PARENT_ABSENT);
        add_vendor(&f, P1, 2);
        RUN_UNTIL(&f, find_device(&f, U1));
        /* it goes, and comes back: so does the device */
        fake_remove(f.tree, "sys/bus/mdev/devices/" U1);
        fake_pci_remove(f.tree, P1);
        RUN_UNTIL(&f, !find_device(&f, U1) && state_of(&f, P1) == PARENT_ABSENT);
        run_idle(&f);
        add_vendor(&f, P1, 2);
        RUN_UNTIL(&f, find_device(&f, U1));
}

TEST(who_stops_it_wants_it_stopped) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        define(&f, P1, U1, "vendor-1", "auto");
        fixture_start(&f);
        run_idle(&f);
        wait_for(&f, stop_device(&f, U1));
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_OK(manager_reload(f.manager));
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
}

TEST(no_room_until_somebody_goes) {
        FIXTURE(f);

        add_vendor(&f, P1, 1);
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U2));
        define(&f, P1, U1, "vendor-1", "auto");
        fixture_start(&f);
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_OK(fake_destroy(f.tree, P1, U2));
        RUN_UNTIL(&f, find_device(&f, U1));
}

TEST(refused_once_is_not_hammered) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_write(f.tree, "5", FAKE(P1, "create-errno"));
        define(&f, P1, U1, "vendor-1", "auto");
        fixture_start(&f);
        run_idle(&f);
        ASSERT_EQ(f.operations_added, 1);
        fake_remove(f.tree, FAKE(P1, "create-errno"));
        ASSERT_OK(manager_reload(f.manager));
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_EQ(f.operations_added, 2);
}

/* A client's call for the very same device is joined; its end is the attempt's. */
TEST(joined_call_fails_and_is_tried_again) {
        Operation *op;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        fixture_start(&f);
        run_pending(&f);
        op = create_device(&f, P1, "vendor-1", U1, "");
        define(&f, P1, U1, "vendor-1", "auto");
        ASSERT_OK(manager_reload(f.manager));
        run_pending(&f);
        ASSERT_EQ(f.operations_added, 1);
        fake_write(f.tree, "5", FAKE(P1, "create-errno"));
        unblock(&f, FAKE(P1, "create-block"));
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_FAILED);
        fake_remove(f.tree, FAKE(P1, "create-errno"));
        fake_remove(f.tree, FAKE(P1, "create-block"));
        ASSERT_OK(manager_reload(f.manager));
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
}

TEST(uuid_in_use_elsewhere) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        add_vendor(&f, P2, 2);
        ASSERT_OK(fake_create(f.tree, P2, "vendor-1", U1));
        define(&f, P1, U1, "vendor-1", "auto");
        fixture_start(&f);
        run_idle(&f);
        ASSERT_STREQ(find_device(&f, U1)->parent->name, P2);
        ASSERT_EQ(f.operations_added, 0);
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_FOREIGN);
}

TEST(invalid_definition_hurts_only_itself) {
        _cleanup_(reason_done) Reason reason = {};
        Uuid u1 = uuid_of(U1);
        Operation *op;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_write(f.tree, "{ nonsense", DEFINITION(P1, U1));
        define(&f, P1, U2, "vendor-1", "auto");
        fixture_start(&f);
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_NOT_NULL(find_device(&f, U2));
        ASSERT_EQ(manager_start_definition(
                          f.manager,
                          model_find_definition(manager_get_model(f.manager), P1, &u1, NULL),
                          false, "x", &op, &reason),
                  OUTCOME_INVALID);
        ASSERT_CONTAINS(reason.text, U1);
}

TEST(parents_are_restored_in_parallel) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        add_vendor(&f, P2, 2);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        define(&f, P1, U1, "vendor-1", "auto");
        define(&f, P2, U2, "vendor-1", "auto");
        fixture_start(&f);
        RUN_UNTIL(&f, find_device(&f, U2));
        ASSERT_NULL(find_device(&f, U1));
        unblock(&f, FAKE(P1, "create-block"));
        RUN_UNTIL(&f, find_device(&f, U1));
}

/* ---- trying again ---- */

static Attempt *first_attempt(Fixture *f) {
        return list_first(&f->manager->attempts, Attempt, node);
}

static unsigned count_pending(Fixture *f) {
        unsigned pending, failed;

        manager_count_autostart(f->manager, &pending, &failed);
        return pending;
}

/* A service makes the parent ready, and nothing tells of that. */
TEST(late_vendor_needs_no_event) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_write(f.tree, "11", FAKE(P1, "create-errno"));
        define(&f, P1, U1, "vendor-1", "auto");
        fixture_start(&f);
        ASSERT_EQ(count_pending(&f), 1);
        run_idle(&f);
        ASSERT_EQ(f.operations_added, 1);
        ASSERT_EQ(first_attempt(&f)->state, ATTEMPT_WAITING);
        ASSERT_EQ(count_pending(&f), 1);
        fake_remove(f.tree, FAKE(P1, "create-errno"));
        RUN_UNTIL(&f, find_device(&f, U1));
        run_idle(&f);
        ASSERT_EQ(f.operations_added, 2);
        ASSERT_EQ(count_pending(&f), 0);
}

/* No worker could be started: one try, of which the operation told before it was known. */
/*
 * Two wait for different times, and the first one's success is no reason to forget the other: P2
 * has failed twice when P1 fails for the first time, so P1 is tried before it.
 */
TEST(each_waits_for_its_own_time) {
        FIXTURE(f);

        add_vendor(&f, P2, 2);
        fake_write(f.tree, "11", FAKE(P2, "create-errno"));
        define(&f, P1, U1, "vendor-1", "auto");
        define(&f, P2, U2, "vendor-1", "auto");
        fixture_start(&f);
        RUN_UNTIL(&f, f.operations_added == 2);
        add_vendor(&f, P1, 2);
        fake_write(f.tree, "11", FAKE(P1, "create-errno"));
        RUN_UNTIL(&f, f.operations_added == 3);
        run_idle(&f);
        fake_remove(f.tree, FAKE(P1, "create-errno"));
        fake_remove(f.tree, FAKE(P2, "create-errno"));
        RUN_UNTIL(&f, find_device(&f, U1));
        ASSERT_NULL(find_device(&f, U2));
        RUN_UNTIL(&f, find_device(&f, U2));
}

TEST(what_cannot_begin_is_one_failure) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        define(&f, P1, U1, "vendor-1", "auto");
        fixture_start(&f);
        fake_mkdir(f.tree, MDEVD_PATH_OPERATIONS "/" P1 ":" U1);
        run_idle(&f);
        ASSERT_EQ(f.operations_added, 1);
        ASSERT_EQ(first_attempt(&f)->state, ATTEMPT_WAITING);
        ASSERT_EQ(first_attempt(&f)->failures, 1);
        fake_remove(f.tree, MDEVD_PATH_OPERATIONS "/" P1 ":" U1);
        RUN_UNTIL(&f, find_device(&f, U1));
        run_idle(&f);
        ASSERT_EQ(count_pending(&f), 0);
}

/* Later and later, and then no more: an idle daemon with a device that cannot be is idle. */
TEST(trying_again_has_an_end) {
        uint64_t before = 0;
        int enabled;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_write(f.tree, "5", FAKE(P1, "create-errno"));
        define(&f, P1, U1, "vendor-1", "auto");
        fixture_start(&f);
        for (unsigned i = 0; i < AUTOSTART_TRIES_MAX; i++) {
                uint64_t now = operation_monotonic_usec(), wait;

                RUN_UNTIL(&f, first_attempt(&f)->state == ATTEMPT_WAITING);
                wait = first_attempt(&f)->due_usec - now;
                ASSERT_TRUE(wait >= AUTOSTART_BACKOFF_USEC << i);
                ASSERT_TRUE(first_attempt(&f)->due_usec > before);
                before = first_attempt(&f)->due_usec;
                ASSERT_EQ(count_pending(&f), 1);
                /* as if that time were over */
                first_attempt(&f)->due_usec = 0;
                ASSERT_OK(sd_event_source_set_time(f.manager->backoff, 0));
                RUN_UNTIL(&f, first_attempt(&f)->state == ATTEMPT_RUNNING);
        }
        RUN_UNTIL(&f, first_attempt(&f)->state == ATTEMPT_FAILED);
        ASSERT_EQ(f.operations_added, 1 + AUTOSTART_TRIES_MAX);
        ASSERT_EQ(count_pending(&f), 0);
        ASSERT_OK(sd_event_source_get_enabled(f.manager->backoff, &enabled));
        ASSERT_EQ(enabled, SD_EVENT_OFF);
        /* an event that could help is one more chance */
        fake_remove(f.tree, FAKE(P1, "create-errno"));
        fake_unregister(f.tree, P1);
        RUN_UNTIL(&f, state_of(&f, P1) != PARENT_REGISTERED);
        fake_type(f.tree, P1, "vendor-1", 2);
        fake_register(f.tree, P1);
        RUN_UNTIL(&f, find_device(&f, U1));
}

/* Clients do not wait for a whole restore; it goes on as places become free. */
TEST(restore_leaves_room_for_others) {
        const unsigned n = AUTOSTART_AT_ONCE_MAX + 5;
        int gate;
        FIXTURE(f);

        add_vendor(&f, P1, n + 1);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        for (unsigned i = 0; i < n; i++)
                define(&f, P1, nth_uuid(i), "vendor-1", "auto");
        fixture_start(&f);
        run_pending(&f);
        ASSERT_EQ(operations_count_running(f.manager), AUTOSTART_AT_ONCE_MAX);
        ASSERT_EQ(count_pending(&f), n);
        (void) create_device(&f, P1, "vendor-1", U1, "");
        gate = hold_open(&f, FAKE(P1, "create-block"));
        RUN_UNTIL(&f, count_pending(&f) == 0);
        run_idle(&f);
        ASSERT_EQ(f.devices_added, n + 1);
        safe_close(gate);
}

/* Room that a definition reserves is not given away while its parent's restore is under way. */
TEST(reserved_room_is_kept_during_the_restore) {
        _cleanup_(reason_done) Reason reason = {};
        int gate;
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        define(&f, P1, U1, "vendor-1", "auto");
        define(&f, P1, U2, "vendor-1", "auto");
        fixture_start(&f);
        run_pending(&f);
        ASSERT_EQ(refuse_create(&f, new_request(P1, "vendor-1", U3, ""), &reason),
                  OUTCOME_NO_ROOM);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        RUN_UNTIL(&f, find_device(&f, U1) && find_device(&f, U2));
        safe_close(gate);
}

/* ---- profiles ---- */

#define PROFILE(text)                                                                              \
        "{ \"profiles\": { \"night\": { \"apply\": true, \"devices\": [" text "] } } }"
#define CONFIG_FILE "etc/mdevd/mdevd.json"

static void nth_of_profile(uint64_t index, char text[static UUID_STRING_MAX]) {
        Uuid u;

        profile_uuid("night", index, &u);
        (void) uuid_format(&u, text);
}

TEST(profile_is_applied_at_start) {
        char first[UUID_STRING_MAX], second[UUID_STRING_MAX];
        FIXTURE(f);

        nth_of_profile(0, first);
        nth_of_profile(1, second);
        fake_write(f.tree,
                   PROFILE("{ \"type\": \"vendor-1\", \"count\": 2, \"owner\": \"vm1\" },"
                           "{ \"type\": \"vendor-1\", \"parent\": \"" P2 "\","
                           "  \"uuid\": \"" U1 "\" }"),
                   CONFIG_FILE);
        add_vendor(&f, P1, 2);
        fixture_start(&f);
        ASSERT_EQ(count_pending(&f), 3);
        RUN_UNTIL(&f, find_device(&f, first) && find_device(&f, second));
        ASSERT_STREQ(find_device(&f, first)->parent->name, P1);
        ASSERT_STREQ(find_device(&f, first)->owner, "vm1");
        ASSERT_EQ(find_device(&f, first)->origin, ORIGIN_PROFILE);
        ASSERT_STREQ(find_device(&f, first)->profile, "night");
        run_idle(&f);
        ASSERT_EQ(count_pending(&f), 1);
        /* its parent comes late */
        add_vendor(&f, P2, 2);
        RUN_UNTIL(&f, find_device(&f, U1));
        run_idle(&f);
        ASSERT_EQ(count_pending(&f), 0);

        /* the next daemon knows whose they are, and has nothing to do */
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_EQ(f.operations_added, 0);
        ASSERT_STREQ(find_device(&f, second)->profile, "night");

        /* what the profile wants no more goes, what others made stays */
        ASSERT_OK(fake_create(f.tree, P2, "vendor-1", U3));
        fake_write(f.tree, PROFILE("{ \"type\": \"vendor-1\", \"owner\": \"vm1\" }"), CONFIG_FILE);
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, first));
        ASSERT_NULL(find_device(&f, second));
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_NOT_NULL(find_device(&f, U3));
}

TEST(profile_that_is_not_to_be_applied) {
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_write(f.tree,
                   "{ \"profiles\": { \"night\": { \"devices\": [ { \"type\": \"vendor-1\" } ] } } "
                   "}",
                   CONFIG_FILE);
        fixture_start(&f);
        run_idle(&f);
        ASSERT_EQ(f.operations_added, 0);
        /* a reload that says otherwise is a wish like any other */
        fake_write(f.tree, PROFILE("{ \"type\": \"vendor-1\", \"uuid\": \"" U1 "\" }"),
                   CONFIG_FILE);
        ASSERT_OK(manager_reload(f.manager));
        RUN_UNTIL(&f, find_device(&f, U1));
        ASSERT_OK(manager_reload(f.manager));
        run_idle(&f);
        ASSERT_EQ(f.operations_added, 1);
}

static const ConfigProblem *only_problem(Fixture *f) {
        ASSERT_EQ(list_length(manager_get_problems(f->manager)), 1);
        return list_first(manager_get_problems(f->manager), ConfigProblem, node);
}

TEST(uuid_of_a_profile_and_of_a_definition) {
        _cleanup_(reason_done) Reason reason = {};
        Uuid u1 = uuid_of(U1), u2 = uuid_of(U2);
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        add_vendor(&f, P2, 2);
        define(&f, P2, U1, "vendor-1", "auto");
        fake_write(f.tree,
                   PROFILE("{ \"type\": \"vendor-1\", \"parent\": \"" P1 "\", \"uuid\": \"" U1 "\" "
                           "},\n{ \"type\": \"vendor-1\", \"parent\": "
                           "\"" P1 "\", \"uuid\": \"" U2 "\" }"),
                   CONFIG_FILE);
        fixture_start(&f);
        run_idle(&f);
        ASSERT_CONTAINS(only_problem(&f)->file, "mdevd.json");
        ASSERT_EQ(only_problem(&f)->line, 1);
        ASSERT_CONTAINS(only_problem(&f)->text, "profile night");
        ASSERT_CONTAINS(only_problem(&f)->text, "mdevctl.d/" P2 "/" U1);
        ASSERT_STREQ(find_device(&f, U1)->parent->name, P2);
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_DEFINITION);
        ASSERT_STREQ(find_device(&f, U2)->parent->name, P1);

        /* the file is where a profile's device is changed; the definition can be given up */
        ASSERT_EQ(manager_refuse_profile(f.manager, &u2, &reason), OUTCOME_INVALID);
        ASSERT_CONTAINS(reason.text, "mdevd.json:2:");
        ASSERT_EQ(manager_refuse_profile(f.manager, &u1, &reason), 0);
}

/* ---- the queue ---- */

static unsigned count_phase(Fixture *f, OperationPhase phase) {
        unsigned n = 0;

        list_foreach(op, manager_get_operations(f->manager), Operation, node)
                n += op->state == OPERATION_RUNNING && op->phase == phase;
        return n;
}

/* As if their workers had been at it so long, or on their way; however slow this machine is. */
static void age_workers(Fixture *f, uint64_t usec, bool begun) {
        list_foreach(op, manager_get_operations(f->manager), Operation, node)
                if (op->state == OPERATION_RUNNING && op->phase == OPERATION_WORKING) {
                        op->working_since_usec = operation_monotonic_usec() - usec;
                        op->begun = begun;
                }
        operation_dispatch(f->manager);
}

/* So that their time never comes. */
static void freeze_workers(Fixture *f) {
        list_foreach(op, manager_get_operations(f->manager), Operation, node)
                op->working_since_usec = operation_monotonic_usec() + 3600 * UINT64_C(1000000);
}

TEST(workers_of_a_parent_are_limited) {
        const unsigned n = WORKERS_PER_PARENT_MAX + 3;
        _cleanup_(closep) int gate = -EBADF;
        FIXTURE(f);

        add_vendor(&f, P1, n);
        add_vendor(&f, P2, 1);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        fixture_start(&f);
        for (unsigned i = 0; i < n; i++) {
                (void) create_device(&f, P1, "vendor-1", nth_uuid(i), "");
                freeze_workers(&f);
        }
        /* two take turns; when one takes long, more are of use */
        ASSERT_EQ(count_phase(&f, OPERATION_WORKING), WORKERS_PER_PARENT_QUICK);
        ASSERT_EQ(count_records(&f), WORKERS_PER_PARENT_QUICK);
        /* but for the time that a process takes to get there, more only take longer */
        age_workers(&f, WORKER_QUICK_USEC + 1, false);
        ASSERT_EQ(count_phase(&f, OPERATION_WORKING), WORKERS_PER_PARENT_QUICK);
        /* those that were started last are given the time, too */
        for (unsigned i = WORKERS_PER_PARENT_QUICK; i < WORKERS_PER_PARENT_MAX; i *= 2) {
                freeze_workers(&f);
                operation_dispatch(f.manager);
                ASSERT_EQ(count_phase(&f, OPERATION_WORKING), i);
                age_workers(&f, WORKER_QUICK_USEC + 1, true);
                ASSERT_EQ(count_phase(&f, OPERATION_WORKING), 2 * i);
        }
        age_workers(&f, WORKER_QUICK_USEC + 1, true);
        ASSERT_EQ(count_phase(&f, OPERATION_WORKING), WORKERS_PER_PARENT_MAX);
        ASSERT_EQ(count_phase(&f, OPERATION_IN_LINE), 3);
        ASSERT_EQ(count_records(&f), n);
        /* the other parent has workers of its own */
        wait_for(&f, create_device(&f, P2, "vendor-1", U2, ""));
        ASSERT_NOT_NULL(find_device(&f, U2));
        /* a worker that is blocked long enough no longer counts: those that wait start */
        RUN_UNTIL(&f, count_phase(&f, OPERATION_IN_LINE) == 0);
        ASSERT_EQ(count_phase(&f, OPERATION_WORKING), n);
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(f.devices_added, n + 1);
}

static void refuse_for_limit(Fixture *f, const char *parent, const char *part) {
        _cleanup_(reason_done) Reason reason = {};

        ASSERT_EQ(refuse_create(f, new_request(parent, "vendor-1", U1, ""), &reason),
                  OUTCOME_LIMIT);
        ASSERT_CONTAINS(reason.text, part);
}

TEST(operations_are_limited) {
        const unsigned each = OPERATIONS_PER_PARENT_MAX, n = OPERATIONS_RUNNING_MAX;
        int gates[2];
        static const char *const parents[] = { P1, P2 };
        FIXTURE(f);

        ASSERT_EQ(n, 2 * each);
        for (unsigned i = 0; i < 2; i++) {
                add_vendor(&f, parents[i], n);
                fake_fifo(f.tree, "sys/" FAKE_DEVPATH "/%s/fake/create-block", parents[i]);
        }
        add_vendor(&f, P3, n);
        fixture_start(&f);
        for (unsigned i = 0; i < each; i++) {
                (void) create_device(&f, P1, "vendor-1", nth_uuid(i), "");
                freeze_workers(&f);
        }
        refuse_for_limit(&f, P1, "512 operations on " P1);
        /* which takes nothing from the others */
        for (unsigned i = 0; i < each; i++) {
                (void) create_device(&f, P2, "vendor-1", nth_uuid(each + i), "");
                freeze_workers(&f);
        }
        refuse_for_limit(&f, P3, "1024 operations are");
        /* joining one takes no room */
        ASSERT_NOT_NULL(create_device(&f, P1, "vendor-1", nth_uuid(7), ""));
        /* most wait */
        ASSERT_TRUE(count_records(&f) >= WORKERS_PER_PARENT_QUICK);
        ASSERT_TRUE(count_records(&f) < OPERATIONS_RUNNING_MAX);
        fixture_stop(&f);
        gates[0] = hold_open(&f, FAKE(P1, "create-block"));
        gates[1] = hold_open(&f, FAKE(P2, "create-block"));
        reap_workers();
        safe_close(gates[0]);
        safe_close(gates[1]);
}

/* A parent whose driver holds up all that it can: that is its own affair. */
TEST(blocked_parent_fills_only_itself) {
        const unsigned n = WORKERS_BLOCKED_PER_PARENT_MAX;
        int gate;
        FIXTURE(f);

        add_vendor(&f, P1, n + 1);
        add_vendor(&f, P2, 2);
        fake_fifo(f.tree, FAKE(P1, "create-block"));
        fixture_start(&f);
        for (unsigned i = 0; i < n; i++)
                (void) create_device(&f, P1, "vendor-1", nth_uuid(i), "");
        while (count_phase(&f, OPERATION_QUEUED) > 0)
                age_workers(&f, WORKER_BLOCKED_USEC + 1, true);
        age_workers(&f, WORKER_BLOCKED_USEC + 1, true);
        ASSERT_EQ(count_phase(&f, OPERATION_WORKING), n);
        refuse_for_limit(&f, P1, "256 operations on " P1 " are blocked");
        wait_for(&f, create_device(&f, P2, "vendor-1", U1, ""));
        wait_for(&f, stop_device(&f, U1));
        ASSERT_EQ(count_phase(&f, OPERATION_WORKING), n);
        /* and when one ends there is room for one more */
        unblock(&f, FAKE(P1, "create-block"));
        RUN_UNTIL(&f, count_phase(&f, OPERATION_WORKING) == n - 1);
        (void) create_device(&f, P1, "vendor-1", U1, "");
        gate = hold_open(&f, FAKE(P1, "create-block"));
        run_idle(&f);
        ASSERT_EQ(list_length(&f.manager->loads), 0);
        ASSERT_EQ(f.manager->n_blocked, 0);
        ASSERT_EQ(f.manager->n_working, 0);
        safe_close(gate);
}

TEST(waiters_are_limited) {
        Operation *op;
        FIXTURE(f);

        add_vendor(&f, P1, 1);
        fixture_start(&f);
        op = create_device(&f, P1, "vendor-1", U1, "");
        for (unsigned i = 0; i < OPERATION_WAITERS_MAX; i++)
                ASSERT_OK(operation_wait(op, NULL, &f));
        ASSERT_EQ(operation_wait(op, NULL, &f), -EUSERS);
        operation_forget(op, &f);
        ASSERT_TRUE(list_is_empty(&op->waiters));
        wait_for(&f, op);
}

TEST(ended_operations_are_forgotten) {
        const unsigned n = OPERATIONS_ENDED_MAX + 5;
        FIXTURE(f);

        add_vendor(&f, P1, 1);
        fake_write(f.tree, "5", FAKE(P1, "create-errno"));
        fixture_start(&f);
        for (unsigned i = 0; i < n; i++)
                wait_for(&f, create_device(&f, P1, "vendor-1", nth_uuid(i), ""));
        run_pending(&f);
        ASSERT_EQ(list_length(manager_get_operations(f.manager)), OPERATIONS_ENDED_MAX);
        ASSERT_EQ(f.operations_removed, 5);
        ASSERT_EQ(first_operation(&f)->id, 6);
        ASSERT_NULL(manager_find_operation(f.manager, 5));
        ASSERT_TRUE(manager_find_operation(f.manager, 6) == first_operation(&f));
}

WORKER_TESTS_MAIN

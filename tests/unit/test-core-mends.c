/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves that were left in the middle, by whoever died, and how they are ended. */
#include "movable.h"

#define KILL_AT "fake/kill-at"
#define KILLED "fake/killed"
#define KILL_ALL "fake/kill-all"

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
                                n % 2 ? "after" : "before", n / 2,
                                daemon ? ", with the daemon" : "");
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

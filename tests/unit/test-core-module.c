/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager on parents of our own module: bringing up, extents, events, reconfiguration. */
#include "fixture.h"

#define MIB (UINT64_C(1) << 20)

static const char config[] =
        "{ \"parents\": [ { \"address\": \"" P1 "\","
        "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2 } ],"
        "  \"types\": [ \"fb-16M\", \"fb-8M\" ] } ],"
        "  \"types\": { \"fb-16M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"16M\" } ] },"
        "               \"fb-8M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"8M\" } ] } } }";

#define CONFIG_FILE "etc/mdevd/mdevd.json"

static void add_module(Fixture *f) {
        fake_pci(f->tree, P1, "other", 0x1000, 64 * MIB);
        fake_write(f->tree, config, CONFIG_FILE);
        fake_load_module(f->tree);
}

static void bring_up(Fixture *f) {
        add_module(f);
        fixture_start(f);
        run_idle(f);
        ASSERT_EQ(state_of(f, P1), PARENT_REGISTERED);
}

TEST(parent_is_bound_and_configured) {
        _cleanup_(freep) char *override = NULL;
        const Pool *pool;
        FIXTURE(f);

        add_module(&f);
        fixture_start(&f);
        ASSERT_EQ(state_of(&f, P1), PARENT_PRESENT);
        run_idle(&f);
        ASSERT_EQ(state_of(&f, P1), PARENT_REGISTERED);
        ASSERT_STREQ(find_parent(&f, P1)->driver, "mdevd");
        override = fake_read(f.tree, "sys/" FAKE_DEVPATH "/" P1 "/driver_override");
        ASSERT_STREQ(override, "mdevd\n");
        /* "to the end of the BAR" was resolved */
        pool = parent_find_pool(find_parent(&f, P1), "fb");
        ASSERT_EQ(pool->size, 64 * MIB);
        ASSERT_FALSE(find_parent(&f, P1)->outdated);
        ASSERT_EQ(count_records(&f), 0);
}

TEST(create_reserves_and_stop_frees) {
        Device *d, *e;
        FIXTURE(f);

        bring_up(&f);
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        wait_for(&f, create_device(&f, P1, "mdevd-fb-8M", U2, "vm2"));
        d = find_device(&f, U1);
        e = find_device(&f, U2);
        ASSERT_TRUE(d && e && d->ours);
        ASSERT_EQ(d->n_extents, 1);
        ASSERT_EQ(d->extents[0].size, 16 * MIB);
        ASSERT_EQ(d->extents[0].bar, 2);
        ASSERT_FALSE(extent_overlaps(&d->extents[0], &e->extents[0]));
        ASSERT_STREQ(d->owner, "vm1");
        ASSERT_STREQ(d->type, "mdevd-fb-16M");
        ASSERT_EQ(d->origin, ORIGIN_REQUEST);
        ASSERT_EQ(fake_module_count(f.tree->root), 2);
        wait_for(&f, stop_device(&f, U1));
        run_pending(&f);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_EQ(fake_module_count(f.tree->root), 1);
}

/* Four at once fill the pool exactly; the fifth is told why. */
TEST(planned_room_is_taken) {
        static const char *const uuids[] = { U1, U2, U3, "44444444-4444-4444-8444-444444444444" };
        _cleanup_(reason_done) Reason reason = {};
        Operation *ops[4];
        FIXTURE(f);

        bring_up(&f);
        for (size_t i = 0; i < 4; i++)
                ops[i] = create_device(&f, NULL, "fb-16M", uuids[i], "");
        ASSERT_EQ(refuse_create(&f, new_request(NULL, "fb-16M", NULL, ""), &reason),
                  OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, P1);
        for (size_t i = 0; i < 4; i++) {
                wait_for(&f, ops[i]);
                ASSERT_EQ(ops[i]->state, OPERATION_DONE);
        }
        ASSERT_EQ(fake_module_count(f.tree->root), 4);
}

TEST(open_close_and_scrub) {
        Uuid u1 = uuid_of(U1);
        Operation *op;
        FIXTURE(f);

        bring_up(&f);
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        fake_module_open(f.tree->root, u1.bytes, 4711, "qemu");
        RUN_UNTIL(&f, find_device(&f, U1)->opened == 1 && find_device(&f, U1)->opener == 4711);
        op = stop_device(&f, U1);
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_BUSY);
        ASSERT_CONTAINS(op->record->who, "qemu (pid 4711)");
        /* the module says pid 0 of who is in no namespace that we see */
        fake_module_open(f.tree->root, u1.bytes, 0, "");
        RUN_UNTIL(&f, find_device(&f, U1)->opened == 2 && find_device(&f, U1)->opener == 0);
        op = stop_device(&f, U1);
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_BUSY);
        ASSERT_CONTAINS(op->record->text, "is open in 2 places; ");

        fake_module_hold_scrub(f.tree->root, 1);
        fake_module_close(f.tree->root, u1.bytes);
        RUN_UNTIL(&f, find_device(&f, U1)->state == DEVICE_SCRUBBING);
        ASSERT_EQ(find_device(&f, U1)->opened, 0);
        fake_module_hold_scrub(f.tree->root, 0);
        RUN_UNTIL(&f, find_device(&f, U1)->state == DEVICE_LIVE);

        /* removed, and its memory not clean: its room is not free */
        fake_module_hold_scrub(f.tree->root, 1);
        wait_for(&f, stop_device(&f, U1));
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_DYING);
        ASSERT_EQ(find_device(&f, U1)->n_extents, 1);
        fake_module_hold_scrub(f.tree->root, 0);
        RUN_UNTIL(&f, !find_device(&f, U1));
}

/* A stop that has waited for its turn goes by who has the device open then. */
TEST(opened_while_the_stop_waits) {
        Uuid u1 = uuid_of(U1);
        Operation *op;
        FIXTURE(f);

        bring_up(&f);
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        f.manager->n_working += WORKERS_MAX;
        op = stop_device(&f, U1);
        ASSERT_EQ(op->phase, OPERATION_QUEUED);
        fake_module_open(f.tree->root, u1.bytes, 4711, "qemu");
        RUN_UNTIL(&f, find_device(&f, U1)->opened == 1 && find_device(&f, U1)->opener == 4711);
        f.manager->n_working -= WORKERS_MAX;
        operation_dispatch(f.manager);
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_BUSY);
        ASSERT_CONTAINS(op->record->who, "qemu (pid 4711)");
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_LIVE);
}

/* Until its memory is clean it is still there; that does not make it the answer to a new wish. */
TEST(repeated_request_gets_no_dying_device) {
        _cleanup_(reason_done) Reason reason = {};
        FIXTURE(f);

        bring_up(&f);
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        fake_module_hold_scrub(f.tree->root, 1);
        wait_for(&f, stop_device(&f, U1));
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_DYING);
        ASSERT_EQ(refuse_create(&f, new_request(NULL, "fb-16M", U1, "vm1"), &reason),
                  OUTCOME_EXISTS);
        ASSERT_CONTAINS(reason.text, "dying");
        fake_module_hold_scrub(f.tree->root, 0);
        RUN_UNTIL(&f, !find_device(&f, U1));
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        ASSERT_EQ(find_device(&f, U1)->state, DEVICE_LIVE);
}

/* The configuration names it, and another driver divides it already: its devices are its own. */
TEST(configured_parent_of_another_driver) {
        _cleanup_(reason_done) Reason reason = {};
        FIXTURE(f);

        add_vendor(&f, P1, 2);
        fake_write(f.tree, config, CONFIG_FILE);
        fake_load_module(f.tree);
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U1));
        fixture_start(&f);
        run_idle(&f);
        ASSERT_STREQ(find_parent(&f, P1)->driver, "vendor");
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_OK(fake_create(f.tree, P1, "vendor-1", U2));
        RUN_UNTIL(&f, find_device(&f, U2));
        ASSERT_EQ(refuse_create(&f, new_request(NULL, "fb-16M", NULL, ""), &reason),
                  OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "divided by its driver vendor");
        ASSERT_EQ(f.operations_added, 0);
        wait_for(&f, stop_device(&f, U1));
        ASSERT_NULL(find_device(&f, U1));
}

TEST(restart_asks_the_kernel) {
        Uuid u1 = uuid_of(U1);
        Operation *op;
        Extent before;
        FIXTURE(f);

        bring_up(&f);
        wait_for(&f, create_device(&f, NULL, "fb-8M", U2, "vm2"));
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        before = find_device(&f, U1)->extents[0];
        fake_module_open(f.tree->root, u1.bytes, 4711, "qemu");
        run_pending(&f);
        fixture_restart(&f);
        ASSERT_EQ(state_of(&f, P1), PARENT_REGISTERED);
        ASSERT_EQ(f.devices_added, 2);
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_EQ(find_device(&f, U1)->extents[0].offset, before.offset);
        ASSERT_EQ(find_device(&f, U1)->extents[0].size, before.size);
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm1");
        ASSERT_EQ(find_device(&f, U1)->opened, 1);
        ASSERT_EQ(find_device(&f, U1)->faults, 3);
        ASSERT_EQ(find_device(&f, U1)->origin, ORIGIN_REQUEST);
        run_pending(&f);
        ASSERT_EQ(f.operations_added, 0); /* nothing is configured twice */
        op = stop_device(&f, U1);
        wait_for(&f, op);
        ASSERT_EQ(op->record->outcome, OUTCOME_BUSY);
        ASSERT_CONTAINS(op->record->text, "is open in 1 place; ");

        /* without any file of ours: only the origin is forgotten */
        fake_remove(f.tree, "run/mdevd");
        fixture_restart(&f);
        ASSERT_EQ(f.devices_added, 2);
        ASSERT_STREQ(find_device(&f, U2)->owner, "vm2");
        ASSERT_EQ(find_device(&f, U2)->origin, ORIGIN_FOREIGN);
        run_pending(&f);
        ASSERT_NOT_NULL(find_device(&f, U1));
}

#define LIVE(vendor, page)                                                                         \
        "{ \"parents\": [ { \"address\": \"" P1 "\"," vendor                                       \
        "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2, \"offset\": \"1M\", "                      \
        "\"size\": \"32M\" } ],"                                                                   \
        "  \"types\": [ \"t\" ] } ],"                                                              \
        "  \"types\": { \"t\": { \"bars\": [ { \"index\": 2, \"pool\": \"fb\", "                   \
        "\"size\": \"1M\" } ],"                                                                    \
        "  \"device\": \"0x77\", \"vendor\": \"0x1af4\","                                          \
        "  \"parts\": [ { \"bar\": 2, \"kind\": \"shared\", \"size\": \"4K\", \"parent_bar\": 2,"  \
        "  \"parent_offset\": \"" page "\" } ] } } }"

/* All that the module is told and says again: none of it makes a restarted daemon begin anew. */
TEST(restart_knows_the_layout_again) {
        for (size_t i = 0; i < 3; i++) {
                static const char *const texts[] = { LIVE("\"vendor\": \"edu\",", "4K"),
                                                     LIVE("\"unsafe_dma\": true,", "4K"),
                                                     LIVE("", "4K") };
                static const char *const others[] = { LIVE("\"vendor\": \"other\",", "4K"),
                                                      LIVE("", "4K"), LIVE("", "8K") };
                FIXTURE(f);

                add_module(&f);
                fake_write(f.tree, texts[i], CONFIG_FILE);
                fixture_start(&f);
                run_idle(&f);
                ASSERT_EQ(state_of(&f, P1), PARENT_REGISTERED);
                wait_for(&f, create_device(&f, NULL, "t", U1, "vm1"));
                ASSERT_EQ(find_device(&f, U1)->extents[0].size, MIB);
                fixture_restart(&f);
                run_idle(&f);
                ASSERT_EQ(f.operations_added, 0);
                ASSERT_FALSE(find_parent(&f, P1)->outdated);
                ASSERT_STREQ(find_parent(&f, P1)->vendor ?: "", i == 0 ? "edu" : "");
                ASSERT_EQ(find_parent(&f, P1)->unsafe_dma, i == 1);
                ASSERT_EQ(parent_find_type(find_parent(&f, P1), "t")->parts[0].parent_offset, 4096);

                /* another word of the files waits for the last device */
                fake_write(f.tree, others[i], CONFIG_FILE);
                ASSERT_OK(manager_reload(f.manager));
                run_idle(&f);
                ASSERT_TRUE(find_parent(&f, P1)->outdated);
                ASSERT_EQ(f.operations_added, 0);
        }
}

/* Nothing is told to a module that would refuse it. */
TEST(shared_part_beyond_its_bar_touches_nothing) {
        FIXTURE(f);

        add_module(&f);
        fake_write(f.tree, LIVE("", "64M"), CONFIG_FILE);
        fixture_start(&f);
        run_idle(&f);
        ASSERT_EQ(state_of(&f, P1), PARENT_PRESENT);
        ASSERT_EQ(f.operations_added, 0);
}

/* Whatever becomes of one device, the others are not read for it, however many there are. */
static void live_a_life(Fixture *f) {
        Uuid u2 = uuid_of(U2);

        wait_for(f, create_device(f, NULL, "fb-8M", U2, "vm2"));
        ASSERT_EQ(find_device(f, U2)->state, DEVICE_LIVE);
        ASSERT_STREQ(find_device(f, U2)->owner, "vm2");
        ASSERT_EQ(find_device(f, U2)->extents[0].size, 8 * MIB);
        fake_module_open(f->tree->root, u2.bytes, 4711, "qemu");
        RUN_UNTIL(f, find_device(f, U2)->opened == 1);
        fake_module_hold_scrub(f->tree->root, 1);
        fake_module_close(f->tree->root, u2.bytes);
        RUN_UNTIL(f, find_device(f, U2)->state == DEVICE_SCRUBBING);
        wait_for(f, stop_device(f, U2));
        ASSERT_EQ(find_device(f, U2)->state, DEVICE_DYING);
        fake_module_hold_scrub(f->tree->root, 0);
        RUN_UNTIL(f, !find_device(f, U2));
}

TEST(one_device_is_asked_for_alone) {
        unsigned all, one;
        FIXTURE(f);

        bring_up(&f);
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        run_idle(&f);
        fake_module_count_queries(f.tree->root, &all, &one);
        live_a_life(&f);
        fake_module_count_queries(f.tree->root, &all, &one);
        ASSERT_EQ(all, 0);
        ASSERT_TRUE(one > 0);
        ASSERT_NOT_NULL(find_device(&f, U1));

        ASSERT_OK(manager_refresh_counters_of(f.manager, find_device(&f, U1)));
        ASSERT_OK(manager_refresh_counters_of(f.manager, find_device(&f, U1)));
        fake_module_count_queries(f.tree->root, &all, &one);
        ASSERT_EQ(all, 0);
        ASSERT_EQ(one, 1); /* in a turn */
        run_idle(&f);
        fake_module_lose(f.tree->root, 0);
        run_idle(&f);
        fake_module_count_queries(f.tree->root, &all, &one);
        ASSERT_TRUE(all > 0);
}

TEST(older_module_is_asked_for_everything) {
        unsigned all, one;
        FIXTURE(f);

        bring_up(&f);
        fake_module_set_older(f.tree->root, 1);
        fake_module_count_queries(f.tree->root, &all, &one);
        live_a_life(&f);
        fake_module_count_queries(f.tree->root, &all, &one);
        ASSERT_TRUE(all > 0);
        ASSERT_EQ(one, 0);
}

static void open_both(Fixture *f, bool answers) {
        Uuid u1 = uuid_of(U1), u2 = uuid_of(U2);

        fake_write(f->tree, answers ? "0" : "12", "fake/query-errno");
        fake_module_open(f->tree->root, u1.bytes, 4711, "qemu");
        fake_module_open(f->tree->root, u2.bytes, 4712, "qemu");
        run_idle(f);
}

/* Nobody tells of it once more: at the next event, and if none comes after a while. */
TEST(what_could_not_be_asked_is_asked_again) {
        FIXTURE(f);

        bring_up(&f);
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        wait_for(&f, create_device(&f, NULL, "fb-16M", U2, "vm2"));
        run_idle(&f);
        for (unsigned older = 0; older < 2; older++) {
                const unsigned before = 3 * older;

                fake_module_set_older(f.tree->root, older);
                open_both(&f, false);
                ASSERT_EQ(find_device(&f, U1)->opened, before);
                ASSERT_EQ(find_device(&f, U2)->opened, before);
                open_both(&f, true);
                ASSERT_EQ(find_device(&f, U1)->opened, before + 2);
                ASSERT_EQ(find_device(&f, U2)->opened, before + 2);

                open_both(&f, false);
                fake_write(f.tree, "0", "fake/query-errno");
                RUN_UNTIL(&f, find_device(&f, U1)->opened == before + 3 &&
                                      find_device(&f, U2)->opened == before + 3);
        }
}

/* What vendors' parents count is no matter of the module's. */
TEST(others_are_counted_while_it_does_not_answer) {
        FIXTURE(f);

        add_vendor(&f, P2, 2);
        bring_up(&f);
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        wait_for(&f, create_device(&f, NULL, "fb-16M", U2, "vm2"));
        run_idle(&f);
        ASSERT_OK(fake_create(f.tree, P2, "vendor-1", U3));
        open_both(&f, false);
        ASSERT_EQ(find_device(&f, U1)->opened, 0);
        ASSERT_NOT_NULL(find_device(&f, U3));
        ASSERT_EQ(parent_find_type(find_parent(&f, P2), "vendor-1")->available, 1);
}

/* The first 16 MiB, for U3. No event tells of it. */
static void reserve_by_other(Fixture *f, Kmod **ret) {
        _cleanup_(record_freep) Record *r = NULL;

        ASSERT_OK(kmod_open(ret, f->manager->root_fd));
        ASSERT_OK(record_new(&r, RECORD_CREATE));
        r->uuid = uuid_of(U3);
        r->parent = strdup(P1);
        r->type = strdup("mdevd-fb-16M");
        r->type_name = strdup("fb-16M");
        r->owner = strdup("somebody");
        r->extents[0] = (Extent){ .bar = 2, .guest_bar = 0, .offset = 0, .size = 16 * MIB };
        r->n_extents = 1;
        ASSERT_OK(kmod_reserve(*ret, r));
}

/* Whoever is refused for it looks at everything, and the next goes elsewhere. */
TEST(reservation_of_somebody_else_is_seen_after_a_refusal) {
        _cleanup_(kmod_freep) Kmod *other = NULL;
        Operation *op;
        FIXTURE(f);

        bring_up(&f);
        reserve_by_other(&f, &other);

        op = create_device(&f, NULL, "fb-16M", U1, "vm1");
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_FAILED);
        op = create_device(&f, NULL, "fb-16M", U1, "vm1");
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_EQ(find_device(&f, U1)->extents[0].offset, 16 * MIB);
        ASSERT_EQ(find_device(&f, U3)->state, DEVICE_RESERVED);
}

/* What is known by that UUID is not this mdev, and a reservation does not go for it to come. */
TEST(mdev_of_the_uuid_of_a_reservation) {
        _cleanup_(kmod_freep) Kmod *other = NULL;
        Uuid u3 = uuid_of(U3);
        FIXTURE(f);

        add_vendor(&f, P2, 1);
        bring_up(&f);
        reserve_by_other(&f, &other);
        refresh_query(f.manager);
        run_pending(&f);
        ASSERT_EQ(find_device(&f, U3)->state, DEVICE_RESERVED);
        ASSERT_OK(fake_create(f.tree, P2, "vendor-1", U3));
        run_pending(&f);
        ASSERT_NOT_NULL(model_find_device(manager_get_model(f.manager), find_parent(&f, P2), &u3,
                                          NULL));
}

/* More than are worth asking one by one. */
TEST(many_devices_are_asked_for_together) {
        char uuid[37];
        unsigned all, one;
        FIXTURE(f);

        fake_pci(f.tree, P1, "other", 0x1000, 64 * MIB);
        fake_write(f.tree,
                   "{ \"parents\": [ { \"address\": \"" P1 "\", \"types\": [ \"s\" ],"
                   "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2 } ] } ],"
                   "  \"types\": { \"s\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"64K\" } ] "
                   "} } }",
                   CONFIG_FILE);
        fake_load_module(f.tree);
        fixture_start(&f);
        run_idle(&f);
        for (unsigned i = 0; i < 17; i++) {
                (void) snprintf(uuid, sizeof(uuid), "cccccccc-2222-3333-4444-5555555555%02x", i);
                wait_for(&f, create_device(&f, NULL, "s", uuid, "vm"));
        }
        run_idle(&f);
        for (unsigned n = 16; n <= 17; n++) {
                fake_module_count_queries(f.tree->root, &all, &one);
                for (unsigned i = 0; i < n; i++) {
                        Uuid u;

                        (void) snprintf(uuid, sizeof(uuid),
                                        "cccccccc-2222-3333-4444-5555555555%02x", i);
                        u = uuid_of(uuid);
                        fake_module_open(f.tree->root, u.bytes, 4711, "qemu");
                }
                RUN_UNTIL(&f, find_device(&f, uuid)->opened > 0);
                fake_module_count_queries(f.tree->root, &all, &one);
                ASSERT_EQ(all > 0, n == 17);
                if (n == 16)
                        ASSERT_EQ(one, 16);
                for (unsigned i = 0; i < 16; i++) {
                        (void) snprintf(uuid, sizeof(uuid),
                                        "cccccccc-2222-3333-4444-5555555555%02x", i);
                        ASSERT_EQ(find_device(&f, uuid)->opened, n - 15);
                }
        }
}

TEST(counters_are_read_on_demand) {
        Uuid u1 = uuid_of(U1);
        FIXTURE(f);

        bring_up(&f);
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        run_pending(&f);
        fake_module_open(f.tree->root, u1.bytes, 1, "qemu");
        ASSERT_EQ(find_device(&f, U1)->faults, 0);
        ASSERT_OK(manager_refresh_counters(f.manager));
        ASSERT_EQ(find_device(&f, U1)->faults, 3);
}

TEST(absent_parent_is_brought_up_when_it_comes) {
        _cleanup_(reason_done) Reason reason = {};
        FIXTURE(f);

        fake_write(f.tree, config, CONFIG_FILE);
        fake_load_module(f.tree);
        fixture_start(&f);
        run_pending(&f);
        ASSERT_EQ(state_of(&f, P1), PARENT_ABSENT);
        ASSERT_EQ(refuse_create(&f, new_request(NULL, "fb-16M", NULL, ""), &reason),
                  OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "absent");
        fake_pci(f.tree, P1, NULL, 0x1000, 64 * MIB);
        fake_uevent(f.tree, "add", "/" FAKE_DEVPATH "/" P1, "pci", NULL);
        RUN_UNTIL(&f, state_of(&f, P1) == PARENT_REGISTERED);
}

TEST(module_that_comes_late) {
        FIXTURE(f);

        fake_pci(f.tree, P1, "other", 0x1000, 64 * MIB);
        fake_write(f.tree, config, CONFIG_FILE);
        fixture_start(&f);
        run_pending(&f);
        ASSERT_EQ(state_of(&f, P1), PARENT_PRESENT);
        ASSERT_STREQ(find_parent(&f, P1)->driver, "other");
        ASSERT_EQ(f.operations_added, 0);
        fake_load_module(f.tree);
        RUN_UNTIL(&f, state_of(&f, P1) == PARENT_REGISTERED);
}

/* The driver does not take it: it goes back to whom it had belonged, and is not tried for ever. */
TEST(refused_bind_gives_back) {
        _cleanup_(freep) char *override = NULL;
        Operation *op;
        FIXTURE(f);

        add_module(&f);
        fake_write(f.tree, "1", FAKE(P1, "probe-errno"));
        fixture_start(&f);
        RUN_UNTIL(&f, first_operation(&f) && first_operation(&f)->state != OPERATION_RUNNING);
        op = first_operation(&f);
        ASSERT_EQ(op->state, OPERATION_FAILED);
        ASSERT_CONTAINS(op->record->text, P1 " refused the driver mdevd");
        override = fake_read(f.tree, "sys/" FAKE_DEVPATH "/" P1 "/driver_override");
        ASSERT_STREQ(override, "(null)\n");
        run_pending(&f);
        ASSERT_STREQ(find_parent(&f, P1)->driver, "other");
        ASSERT_EQ(f.operations_added, 1);

        /* a reload is a wish to try again */
        fake_remove(f.tree, FAKE(P1, "probe-errno"));
        ASSERT_OK(manager_reload(f.manager));
        RUN_UNTIL(&f, state_of(&f, P1) == PARENT_REGISTERED);
}

/* Its "add" came while the kernel gave it no driver yet; that it has ours now is a "bind". */
TEST(parent_that_is_bound_late) {
        _cleanup_(freep) char *override = NULL;
        FIXTURE(f);

        fake_write(f.tree, config, CONFIG_FILE);
        fake_load_module(f.tree);
        fake_pci(f.tree, P1, NULL, 0x1000, 64 * MIB);
        fake_write(f.tree, "1", FAKE(P1, "probe-errno"));
        fixture_start(&f);
        RUN_UNTIL(&f, first_operation(&f) && first_operation(&f)->state != OPERATION_RUNNING);
        ASSERT_EQ(first_operation(&f)->record->outcome, OUTCOME_NOT_READY);
        run_pending(&f);
        ASSERT_EQ(f.operations_added, 1);
        override = fake_read(f.tree, "sys/" FAKE_DEVPATH "/" P1 "/driver_override");
        ASSERT_STREQ(override, "mdevd\n");

        fake_remove(f.tree, FAKE(P1, "probe-errno"));
        fake_link(f.tree, "../../../bus/pci/drivers/mdevd",
                  "sys/" FAKE_DEVPATH "/" P1 "/driver");
        fake_uevent(f.tree, "bind", "/" FAKE_DEVPATH "/" P1, "pci", NULL);
        RUN_UNTIL(&f, state_of(&f, P1) == PARENT_REGISTERED);
}

TEST(pool_beyond_its_bar_touches_nothing) {
        FIXTURE(f);

        add_module(&f);
        fake_pci(f.tree, P1, "other", 0x1000, 0);
        fixture_start(&f);
        run_pending(&f);
        ASSERT_EQ(state_of(&f, P1), PARENT_PRESENT);
        ASSERT_STREQ(find_parent(&f, P1)->driver, "other");
        ASSERT_EQ(f.operations_added, 0);
}

static const char small[] =
        "{ \"parents\": [ { \"address\": \"" P1 "\","
        "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2, \"size\": \"32M\" } ],"
        "  \"types\": [ \"fb-16M\" ] } ],"
        "  \"types\": { \"fb-16M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"16M\" } ] } } }";

TEST(changed_configuration_waits_for_the_last_device) {
        FIXTURE(f);

        bring_up(&f);
        wait_for(&f, create_device(&f, NULL, "fb-8M", U1, "vm1"));
        fake_write(f.tree, small, CONFIG_FILE);
        fixture_restart(&f);
        run_pending(&f);
        ASSERT_TRUE(find_parent(&f, P1)->outdated);
        ASSERT_EQ(parent_find_pool(find_parent(&f, P1), "fb")->size, 64 * MIB);
        ASSERT_NOT_NULL(find_device(&f, U1));
        ASSERT_EQ(f.operations_added, 0);

        wait_for(&f, stop_device(&f, U1));
        run_idle(&f);
        ASSERT_FALSE(find_parent(&f, P1)->outdated);
        ASSERT_EQ(state_of(&f, P1), PARENT_REGISTERED);
        ASSERT_EQ(parent_find_pool(find_parent(&f, P1), "fb")->size, 32 * MIB);
        ASSERT_NULL(parent_find_type(find_parent(&f, P1), "fb-8M"));
        wait_for(&f, create_device(&f, NULL, "fb-16M", U2, "vm2"));
        ASSERT_NOT_NULL(find_device(&f, U2));
}

#define TWO_POOLS(pool)                                                                            \
        "{ \"parents\": [ { \"address\": \"" P1 "\", \"pools\": ["                                 \
        "  { \"name\": \"a\", \"bar\": 2, \"size\": \"32M\" },"                                    \
        "  { \"name\": \"b\", \"bar\": 2, \"offset\": \"32M\" } ], \"types\": [ \"t\" ] } ],"      \
        "  \"types\": { \"t\": { \"bars\": [ { \"pool\": \"" pool "\", \"size\": \"4M\" } ] } } }"

/* From which pool a BAR comes the kernel is not told: no reason to wait for the last device. */
TEST(reload_takes_what_the_kernel_need_not_know) {
        FIXTURE(f);

        add_module(&f);
        fake_write(f.tree, TWO_POOLS("a"), CONFIG_FILE);
        fixture_start(&f);
        run_idle(&f);
        wait_for(&f, create_device(&f, NULL, "t", U1, "vm1"));
        ASSERT_TRUE(find_device(&f, U1)->extents[0].offset < 32 * MIB);

        fake_write(f.tree, TWO_POOLS("b"), CONFIG_FILE);
        ASSERT_OK(manager_reload(f.manager));
        run_idle(&f);
        ASSERT_FALSE(find_parent(&f, P1)->outdated);
        wait_for(&f, create_device(&f, NULL, "t", U2, "vm2"));
        ASSERT_TRUE(find_device(&f, U2)->extents[0].offset >= 32 * MIB);
        ASSERT_EQ(f.operations_added, 3);
}

#define NO_PARENT "{ \"parents\": [] }"

/* The files are silent: where the devices are says where others of their type go. */
TEST(layout_that_only_the_kernel_knows) {
        _cleanup_(reason_done) Reason reason = {};
        Type *t;
        FIXTURE(f);

        add_module(&f);
        fake_write(f.tree, TWO_POOLS("b"), CONFIG_FILE);
        fixture_start(&f);
        run_idle(&f);
        wait_for(&f, create_device(&f, NULL, "t", U1, "vm1"));
        fixture_stop(&f);
        fake_write(f.tree, NO_PARENT, CONFIG_FILE);
        fixture_start(&f);
        run_idle(&f);
        t = parent_find_type(find_parent(&f, P1), "t");
        ASSERT_STREQ(t->bars[0].pool, "b");
        wait_for(&f, create_device(&f, NULL, "t", U2, "vm2"));
        ASSERT_TRUE(find_device(&f, U2)->extents[0].offset >= 32 * MIB);

        /* nothing says it, so it is not guessed */
        wait_for(&f, stop_device(&f, U1));
        wait_for(&f, stop_device(&f, U2));
        run_idle(&f);
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_EQ(refuse_create(&f, new_request(NULL, "t", U3, ""), &reason), OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(reason.text, "BAR 0 of type t is to come from pool (none)");
}

TEST(lost_events_are_made_up_for) {
        FIXTURE(f);

        bring_up(&f);
        wait_for(&f, create_device(&f, NULL, "fb-16M", U1, "vm1"));
        run_pending(&f);
        fake_remove(f.tree, "run/mdevd/uevent");
        ASSERT_OK(fake_destroy(f.tree, P1, U1));
        refresh_on_uevent(NULL, f.manager);
        RUN_UNTIL(&f, !find_device(&f, U1));
}

WORKER_TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-core-functions-others.c: what others do to a card whose functions bear vGPUs: they make some
 * of their own, also of what was ours, and while we are at it.
 */
#include "backend/origin.h"
#include "fixture-vgpu.h"

static void hold_queue(Fixture *f) {
        f->manager->n_working += WORKERS_MAX;
}

/* @f's model is as old as the caller has left it. */
static void release_queue(Fixture *f) {
        f->manager->n_working -= WORKERS_MAX;
        operation_dispatch(f->manager);
}

static Operation *modify_live(Fixture *f) {
        _cleanup_(reason_done) Reason reason = {};
        Request *q = new_request(NULL, "", NULL, "");
        Operation *op;

        q->live = CHOICE_YES;
        q->attributes_given = true;
        ASSERT_OK(request_add_attribute(q, "nvidia/vgpu_params", "a=1"));
        ASSERT_OK(manager_modify(f->manager, find_device(f, U1), NULL, q, ":1.7", &op, &reason));
        return op;
}

/* It is seen at once, has the same UUID ever after, and can be removed like any other. */
TEST(what_others_make) {
        char uuid[UUID_STRING_MAX];
        Device *d;
        FIXTURE(f);

        begin(&f);
        write_type(&f, F2, "8");
        RUN_UNTIL(&f, device_on(&f, F2));
        d = device_on(&f, F2);
        ASSERT_EQ(d->origin, ORIGIN_FOREIGN);
        ASSERT_STREQ(d->type, "nvidia-8");
        uuid_format(&d->uuid, uuid);
        ASSERT_EQ(d->uuid.bytes[6] >> 4, 5); /* by name */
        ASSERT_EQ(available(&f, "nvidia-8"), 3);

        fixture_restart(&f);
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, uuid));
        ASSERT_EQ(find_device(&f, uuid)->origin, ORIGIN_FOREIGN);
        write_type(&f, F2, "0");
        RUN_UNTIL(&f, !device_on(&f, F2));
        write_type(&f, F2, "4");
        RUN_UNTIL(&f, device_on(&f, F2));
        ASSERT_EQ(device_on(&f, F2), find_device(&f, uuid));
        wait_for(&f, stop_device(&f, uuid));
        run_idle(&f);
        ASSERT_EQ(borne(&f, F2), 0);

        /* another machine's are others */
        write_type(&f, F2, "8");
        fake_write(f.tree, "ffeeddccbbaa99887766554433221100\n", "etc/machine-id");
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_NOT_NULL(device_on(&f, F2));
        ASSERT_NULL(find_device(&f, uuid));
}

/* Who is to be refused looks once more, and what has come of that is known in the same moment. */
TEST(what_others_make_is_seen_before_a_refusal) {
        _cleanup_(reason_done) Reason reason = {};
        FIXTURE(f);

        begin(&f);
        write_type(&f, F0, "48");
        RUN_UNTIL(&f, device_on(&f, F0));
        run_idle(&f);
        write_type(&f, F0, "0");
        write_type(&f, F1, "8");
        ASSERT_TRUE(refuse_create(&f, new_request(CARD, "nvidia-4", U1, ""), &reason) > 0);
        ASSERT_NULL(device_on(&f, F0));
        ASSERT_NOT_NULL(device_on(&f, F1));
}

/* Somebody has emptied ours and made another: that is not ours, and we do not take it down. */
TEST(what_others_make_anew_is_theirs) {
        _cleanup_(freep) char *path = NULL;
        Operation *op;
        int fd;
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, NULL, "nvidia-16", U1, "vm1"));
        run_idle(&f);
        fake_fifo(f.tree, FAKE(F1, "vgpu-block"));
        (void) create_device(&f, NULL, "nvidia-16", U2, "vm2");
        op = stop_device(&f, U1); /* it has to wait */
        ASSERT_EQ(op->phase, OPERATION_QUEUED);
        ASSERT_TRUE(asprintf(&path, "%s/" FAKE(F1, "vgpu-block"), f.tree->root) > 0);
        fd = open(path, O_WRONLY | O_CLOEXEC); /* when the other has looked, and is to write */
        ASSERT_TRUE(fd >= 0);
        write_type(&f, F0, "0");
        write_type(&f, F0, "8");
        safe_close(fd);
        wait_for(&f, op);
        run_idle(&f);
        ASSERT_EQ(borne(&f, F0), 8);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_EQ(device_on(&f, F0)->origin, ORIGIN_FOREIGN);
        ASSERT_STREQ(device_on(&f, F0)->owner, "");
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 0);
}

/* It was free when we looked, and nothing was heard since. */
TEST(others_are_faster) {
        Operation *op;
        FIXTURE(f);

        begin(&f);
        hold_queue(&f);
        op = create_device(&f, NULL, "nvidia-16", U1, "vm1");
        write_type(&f, F0, "16");
        release_queue(&f);
        wait_for(&f, op);
        run_idle(&f);
        ASSERT_EQ(op->record->outcome, OUTCOME_NO_ROOM);
        ASSERT_CONTAINS(op->record->text, F0 " of " CARD " bears a vGPU already (type 16)");
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_EQ(device_on(&f, F0)->origin, ORIGIN_FOREIGN);
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 0);
}

/* Our write was one, too; what others write after it takes it from us, whatever is there then. */
TEST(filled_anew_with_the_same) {
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, NULL, "nvidia-16", U1, "vm1"));
        run_idle(&f);
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm1");
        write_type(&f, F0, "0");
        write_type(&f, F0, "16");
        RUN_UNTIL(&f, device_on(&f, F0) && device_on(&f, F0)->origin == ORIGIN_FOREIGN);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_STREQ(device_on(&f, F0)->owner, "");
        run_idle(&f);
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 0);
}

TEST(filled_anew_while_a_stop_waits) {
        Operation *op;
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, NULL, "nvidia-16", U1, "vm1"));
        run_idle(&f);
        hold_queue(&f);
        op = stop_device(&f, U1);
        write_type(&f, F0, "0");
        write_type(&f, F0, "16");
        RUN_UNTIL(&f, device_on(&f, F0) && device_on(&f, F0)->origin == ORIGIN_FOREIGN);
        release_queue(&f);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        run_idle(&f);
        ASSERT_EQ(borne(&f, F0), 16);
}

/* What is written is for what was there. */
TEST(filled_anew_while_a_modify_waits) {
        static const char *const now[] = { "8", "0" };

        for (size_t i = 0; i < ARRAY_SIZE(now); i++) {
                _cleanup_(freep) char *params = NULL;
                Operation *op;
                FIXTURE(f);

                begin(&f);
                wait_for(&f, create_device(&f, NULL, "nvidia-16", U1, "vm1"));
                run_idle(&f);
                hold_queue(&f);
                op = modify_live(&f);
                write_type(&f, F0, "0");
                write_type(&f, F0, now[i]);
                release_queue(&f);
                wait_for(&f, op);
                ASSERT_EQ(op->record->outcome, OUTCOME_NO_DEVICE);
                params = fake_read(f.tree, FILE_OF(F0, "vgpu_params"));
                ASSERT_STREQ(params, "");
                run_idle(&f);
        }
}

/* What the function would be called that somebody else fills. */
static void learn_uuid(Fixture *f, const char *function, char uuid[static UUID_STRING_MAX]) {
        write_type(f, function, "16");
        RUN_UNTIL(f, device_on(f, function));
        uuid_format(&device_on(f, function)->uuid, uuid);
        write_type(f, function, "0");
        RUN_UNTIL(f, !device_on(f, function));
}

/* One that was made with the UUID which the next foreign one on a function would have. */
TEST(a_derived_uuid_is_in_use) {
        char uuid[UUID_STRING_MAX], other[UUID_STRING_MAX];
        FIXTURE(f);

        add_vendor(&f, P1, 4);
        begin(&f);
        learn_uuid(&f, F0, uuid);

        /* by one on the same card, of the same type even */
        wait_for(&f, create_device(&f, CARD, "nvidia-16", U1, "vm1"));
        wait_for(&f, create_device(&f, CARD, "nvidia-16", uuid, "vm1"));
        wait_for(&f, stop_device(&f, U1));
        run_idle(&f);
        write_type(&f, F0, "16");
        RUN_UNTIL(&f, device_on(&f, F0));
        uuid_format(&device_on(&f, F0)->uuid, other);
        ASSERT_TRUE(!streq(uuid, other));
        ASSERT_STREQ(find_device(&f, uuid)->function, F1);
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_STREQ(find_device(&f, uuid)->function, F1);
        ASSERT_STREQ(find_device(&f, uuid)->owner, "vm1");
        fake_remove(f.tree, MDEVD_PATH_DEVICES "/%s", uuid); /* somebody clears the folder */
        write_type(&f, F0, "0");
        RUN_UNTIL(&f, !device_on(&f, F0));
        write_type(&f, F0, "16");
        RUN_UNTIL(&f, device_on(&f, F0));
        ASSERT_STREQ(find_device(&f, other)->function, F0);
        wait_for(&f, stop_device(&f, uuid));
        run_idle(&f);
        ASSERT_EQ(borne(&f, F1), 0);
        ASSERT_EQ(borne(&f, F0), 16);

        /* by an mdev, which is looked at after the cards */
        wait_for(&f, create_device(&f, P1, "vendor-1", uuid, "vm1"));
        fixture_stop(&f);
        fake_remove(f.tree, MDEVD_PATH_DEVICES "/%s", uuid);
        fixture_start(&f);
        run_idle(&f);
        ASSERT_STREQ(find_device(&f, uuid)->parent->name, P1);
        ASSERT_NOT_NULL(device_on(&f, F0));
        wait_for(&f, stop_device(&f, uuid));
        run_idle(&f);

        /* by a definition elsewhere; one on the card is of just this device */
        fake_write(f.tree, "{\"mdev_type\":\"vendor-1\",\"start\":\"manual\"}",
                   "etc/mdevctl.d/" P1 "/%s", uuid);
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_STREQ(find_device(&f, other)->function, F0);
        fake_remove(f.tree, "etc/mdevctl.d/" P1 "/%s", uuid);
        fake_write(f.tree, "{\"mdev_type\":\"nvidia-16\",\"start\":\"manual\"}",
                   "etc/mdevctl.d/" CARD "/%s", uuid);
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_STREQ(find_device(&f, uuid)->function, F0);
}

/* A create that is still to begin has a claim to its UUID, and none to what others make. */
TEST(a_derived_uuid_is_to_be_made) {
        char uuid[UUID_STRING_MAX];
        Operation *op;
        FIXTURE(f);

        begin(&f);
        learn_uuid(&f, F2, uuid);
        hold_queue(&f);
        op = create_device(&f, CARD, "nvidia-16", uuid, "vm1");
        write_type(&f, F2, "16");
        RUN_UNTIL(&f, device_on(&f, F2));
        ASSERT_NULL(find_device(&f, uuid));
        release_queue(&f);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_STREQ(find_device(&f, uuid)->function, F0);
        ASSERT_EQ(device_on(&f, F2)->origin, ORIGIN_FOREIGN);
}

/* The daemon dies after it has said for whom a device will be, and before there is a record. */
TEST(announced_and_made_by_others) {
        _cleanup_(record_freep) Record *r = NULL;
        FIXTURE(f);

        begin(&f);
        fixture_stop(&f);
        ASSERT_OK(record_new(&r, RECORD_CREATE));
        r->uuid = uuid_of(U1);
        r->origin = ORIGIN_REQUEST;
        r->parent = strdup(CARD);
        r->type = strdup("nvidia-16");
        r->owner = strdup("vm1");
        r->function = strdup(FAKE_DEVPATH "/" F0);
        ASSERT_OK(origin_announce(f.tree->root_fd, r));
        write_type(&f, F0, "16");
        fixture_start(&f);
        run_idle(&f);
        ASSERT_NULL(find_device(&f, U1));
        ASSERT_EQ(device_on(&f, F0)->origin, ORIGIN_FOREIGN);
        ASSERT_STREQ(device_on(&f, F0)->owner, "");
        ASSERT_EQ(count_files(&f, MDEVD_PATH_DEVICES), 0);
}

/* ---- when it is looked, and when not ---- */

/* The driver may let nobody read while it writes, and the loop waits for nobody. */
TEST(nobody_looks_at_a_card_at_work) {
        FIXTURE(f);

        begin(&f);
        fake_fifo(f.tree, FAKE(F0, "vgpu-block"));
        (void) create_device(&f, NULL, "nvidia-16", U1, "vm1");
        write_type(&f, F2, "16");
        uevent(&f, "change", F2);
        run_pending(&f);
        ASSERT_NULL(device_on(&f, F2));
        unblock(&f, FAKE(F0, "vgpu-block"));
        run_idle(&f);
        ASSERT_EQ(device_on(&f, F2)->origin, ORIGIN_FOREIGN);
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm1");
}

/* What was put off is made up for, also after what itself changes nothing that we show. */
TEST(it_is_looked_at_after_the_work) {
        Operation *op;
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, NULL, "nvidia-16", U1, "vm1"));
        run_idle(&f);
        op = modify_live(&f);
        ASSERT_EQ(op->phase, OPERATION_WORKING);
        write_type(&f, F2, "16");
        wait_for(&f, op);
        run_idle(&f);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_NOT_NULL(device_on(&f, F2));
}

/* Who changes a definition has no business at the card. */
TEST(definitions_wait_for_no_card) {
        static const char *const verbs[] = { "define", "modify", "undefine" };
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, NULL, "nvidia-16", U1, "vm1"));
        run_idle(&f);
        fake_fifo(f.tree, FAKE(F1, "vgpu-block"));
        (void) create_device(&f, NULL, "nvidia-16", U2, "vm2");
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
                _cleanup_(reason_done) Reason reason = {};
                const Uuid uuid = uuid_of(U1);
                Definition *def = model_find_definition(manager_get_model(f.manager), CARD, &uuid,
                                                        NULL);
                Request *q = new_request(i == 0 ? CARD : NULL, i == 0 ? "nvidia-16" : "",
                                         i == 0 ? U1 : NULL, "vm1");
                Operation *op;

                q->autostart = CHOICE_YES;
                if (i == 0)
                        ASSERT_OK(manager_define(f.manager, q, ":1.7", &op, &reason));
                else if (i == 1)
                        ASSERT_OK(manager_modify(f.manager, find_device(&f, U1), def, q, ":1.7",
                                                 &op, &reason));
                else {
                        request_free(q);
                        ASSERT_OK(manager_undefine(f.manager, def, false, ":1.7", &op, &reason));
                }
                if (op->phase == OPERATION_QUEUED)
                        test_fail(__FILE__, __LINE__, "%s waits", verbs[i]);
                wait_for(&f, op);
                ASSERT_EQ(op->state, OPERATION_DONE);
        }
        ASSERT_NULL(find_device(&f, U2));
        unblock(&f, FAKE(F1, "vgpu-block"));
        run_idle(&f);
        ASSERT_NOT_NULL(find_device(&f, U2));
}

static int plan(Fixture *f, bool only_asked) {
        _cleanup_(request_freep) Request *q = new_request(CARD, "nvidia-8", U2, "vm1");
        _cleanup_(reason_done) Reason reason = {};
        Placement where;

        q->plan = only_asked;
        return manager_plan(f->manager, q, &where, &reason);
}

/* Everybody may ask, and would have every card's files read each time. */
TEST(who_only_asks_makes_nobody_look_again_and_again) {
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, NULL, "nvidia-16", U1, "vm1"));
        run_idle(&f);
        ASSERT_EQ(plan(&f, true), OUTCOME_NO_ROOM);
        ASSERT_TRUE(f.manager->functions_usec > 0);
        fake_write(f.tree, "", FAKE(CARD, "mixed"));
        fake_vgpu_tell(f.tree->root, CARD);
        f.manager->functions_usec = operation_monotonic_usec() + 60 * UINT64_C(1000000);
        ASSERT_EQ(plan(&f, true), OUTCOME_NO_ROOM);
        f.manager->functions_usec = 0;
        ASSERT_EQ(plan(&f, true), OUTCOME_OK);
}

/* ---- who tells of a card ---- */

/* A definition names a function as its parent, as of a driver that makes mdevs there. */
TEST(a_function_that_a_definition_names) {
        FIXTURE(f);

        fake_vgpu_add(f.tree->root, CARD);
        fake_vgpu_remove_functions(f.tree->root, CARD);
        fake_write(f.tree, "{\"mdev_type\":\"nvidia-16\",\"start\":\"manual\"}",
                   "etc/mdevctl.d/" F0 "/" U3);
        fixture_start(&f);
        ASSERT_NOT_NULL(find_parent(&f, F0));
        ASSERT_NULL(find_parent(&f, CARD));
        fake_vgpu_add_functions(f.tree->root, CARD);
        uevent(&f, "bind", F0);
        run_idle(&f);
        ASSERT_EQ(state_of(&f, CARD), PARENT_REGISTERED);
}

TEST(the_card_itself_tells) {
        FIXTURE(f);

        fake_vgpu_add(f.tree->root, CARD);
        fake_vgpu_remove_functions(f.tree->root, CARD);
        fixture_start(&f);
        fake_vgpu_add_functions(f.tree->root, CARD);
        uevent(&f, "change", CARD);
        run_idle(&f);
        ASSERT_EQ(state_of(&f, CARD), PARENT_REGISTERED);
}

static void hide_files(Fixture *f, const char *function, bool hide) {
        char shown[128], hidden[128];

        (void) snprintf(shown, sizeof(shown), "sys/" FAKE_DEVPATH "/%s/nvidia", function);
        (void) snprintf(hidden, sizeof(hidden), "sys/" FAKE_DEVPATH "/%s/hidden", function);
        ASSERT_TRUE(renameat(f->tree->root_fd, hide ? shown : hidden, f->tree->root_fd,
                             hide ? hidden : shown) >= 0);
}

/* The driver makes its files some time after it was bound, and nobody tells of that. */
TEST(files_come_later) {
        static const char *const functions[] = { F0, F1, F2, F3 };
        FIXTURE(f);

        fake_vgpu_add(f.tree->root, CARD);
        for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
                hide_files(&f, functions[i], true);
        fixture_start(&f);
        uevent(&f, "bind", F0);
        run_pending(&f);
        ASSERT_NULL(find_parent(&f, CARD));
        for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
                hide_files(&f, functions[i], false);
        RUN_UNTIL(&f, find_parent(&f, CARD));
        ASSERT_EQ(state_of(&f, CARD), PARENT_REGISTERED);
        run_pending(&f);
        ASSERT_TRUE(list_is_empty(&f.manager->function_waits));
}

/* A driver of another kind has no such files, and one that has gone has none to come. */
TEST(files_that_nobody_waits_for) {
        FIXTURE(f);

        fake_vgpu_add(f.tree->root, CARD);
        hide_files(&f, F0, true);
        fixture_start(&f);
        fake_uevent(f.tree, "bind", "/" FAKE_DEVPATH "/" F0, "pci", "DRIVER=iavf");
        run_pending(&f);
        ASSERT_TRUE(list_is_empty(&f.manager->function_waits));
        uevent(&f, "bind", F0);
        uevent(&f, "change", F0);
        run_pending(&f);
        ASSERT_EQ(list_length(&f.manager->function_waits), 1);
        uevent(&f, "unbind", F0);
        run_pending(&f);
        ASSERT_TRUE(list_is_empty(&f.manager->function_waits));
}

WORKER_TESTS_MAIN

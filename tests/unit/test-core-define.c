/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manager's definitions: what becomes of a wish that leaves things open, the moment at which a
 * change is true, files that others write; and how many processes of callout scripts there are.
 */
#include <sys/socket.h>

#include "fixture.h"

#define ETC MDEVD_PATH_DEFINITIONS "/" P1 "/"
#define TEMPORARY MDEVD_PATH_DEFINITIONS "/." P1 ":" U1 ".mdevd"
#define EXTRAS MDEVD_PATH_EXTRAS "/" P1 "/"

static void begin(Fixture *f) {
        add_vendor(f, P1, 4);
        fixture_start(f);
        run_idle(f);
        ASSERT_EQ(state_of(f, P1), PARENT_REGISTERED);
}

static Definition *find_definition(Fixture *f, const char *uuid) {
        Uuid u = uuid_of(uuid);

        return model_find_definition(manager_get_model(f->manager), P1, &u, NULL);
}

static Operation *define(Fixture *f, Request *q) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        int r;

        r = manager_define(f->manager, q, ":1.7", &op, &reason);
        if (r != 0)
                test_fail(__FILE__, __LINE__, "define: %d, %s", r, reason.text);
        return op;
}

static void expect_no_define(Fixture *f, Request *q, Outcome outcome, const char *part) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;

        ASSERT_EQ(manager_define(f->manager, q, ":1.7", &op, &reason), (int) outcome);
        ASSERT_CONTAINS(reason.text, part);
        ASSERT_NULL(op);
}

static Operation *modify(Fixture *f, Request *q) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        int r;

        r = manager_modify(f->manager, find_device(f, U1), find_definition(f, U1), q, ":1.7", &op,
                           &reason);
        if (r != 0)
                test_fail(__FILE__, __LINE__, "modify: %d, %s", r, reason.text);
        return op;
}

static Request *request_of(const char *owner) {
        return new_request(P1, "vendor-1", U1, owner);
}

/* ---- wishes ---- */

TEST(what_a_definition_must_have) {
        FIXTURE(f);

        begin(&f);
        expect_no_define(&f, new_request(NULL, "vendor-1", U1, ""), OUTCOME_INVALID,
                         "belongs to a parent");
        expect_no_define(&f, new_request(P1, "", U1, ""), OUTCOME_INVALID, "needs a type");
        expect_no_define(&f, new_request(NULL, "", U1, ""), OUTCOME_INVALID, "belongs to a parent");
        ASSERT_EQ(count_files(&f, ETC), 0);
}

/* The rest is the device's. */
TEST(a_device_that_is_there_is_defined_as_it_is) {
        Definition *d;
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, P1, "vendor-1", U1, "vm1"));
        wait_for(&f, define(&f, new_request(NULL, "", U1, "")));
        d = find_definition(&f, U1);
        ASSERT_NOT_NULL(d);
        ASSERT_STREQ(d->type, "vendor-1");
        ASSERT_STREQ(d->owner, "vm1");
        ASSERT_FALSE(d->autostart || d->reserve);
}

TEST(what_starts_by_itself_reserves_if_nobody_says_otherwise) {
        Request *q;
        FIXTURE(f);

        begin(&f);
        q = request_of("vm1");
        q->autostart = CHOICE_YES;
        wait_for(&f, define(&f, q));
        ASSERT_TRUE(find_definition(&f, U1)->reserve);
        ASSERT_TRUE(fake_exists(f.tree, EXTRAS U1 ".json"));
        q = request_of("");
        q->type[0] = '\0';
        q->autostart = CHOICE_NO;
        wait_for(&f, modify(&f, q));
        ASSERT_FALSE(find_definition(&f, U1)->autostart || find_definition(&f, U1)->reserve);
        ASSERT_STREQ(find_definition(&f, U1)->owner, "vm1");
        q = request_of("");
        q->type[0] = '\0';
        q->reserve = CHOICE_YES;
        wait_for(&f, modify(&f, q));
        q = request_of("");
        q->type[0] = '\0';
        q->autostart = CHOICE_YES;
        wait_for(&f, modify(&f, q));
        q = request_of("");
        q->type[0] = '\0';
        q->autostart = CHOICE_NO;
        q->reserve = CHOICE_YES;
        wait_for(&f, modify(&f, q));
        /* it is said on its own now, and follows no more */
        ASSERT_TRUE(find_definition(&f, U1)->reserve);
        ASSERT_FALSE(find_definition(&f, U1)->autostart);
}

TEST(the_same_wish_joins_and_another_waits) {
        Operation *op;
        FIXTURE(f);

        begin(&f);
        op = define(&f, request_of("vm1"));
        ASSERT_TRUE(define(&f, request_of("vm1")) == op);
        expect_no_define(&f, request_of("vm2"), OUTCOME_BUSY, "(define, by :1.7)");
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        /* its answer may have been lost */
        ASSERT_TRUE(define(&f, request_of("vm1")) == op);
        expect_no_define(&f, request_of("vm2"), OUTCOME_EXISTS, "already defined");
}

TEST(attributes_have_a_limit) {
        FIXTURE(f);

        begin(&f);
        for (size_t n = RECORD_ATTRIBUTES_MAX; n <= RECORD_ATTRIBUTES_MAX + 1; n++) {
                Request *q = request_of("");

                for (size_t i = 0; i < n; i++)
                        ASSERT_OK(request_add_attribute(q, "a", "1"));
                if (n > RECORD_ATTRIBUTES_MAX) {
                        q->uuid = uuid_of(U2);
                        expect_no_define(&f, q, OUTCOME_INVALID, "257 attributes are too many");
                } else {
                        wait_for(&f, define(&f, q));
                        ASSERT_EQ(find_definition(&f, U1)->n_attributes, n);
                }
        }
}

typedef struct Refused Refused;

struct Refused {
        bool device, definition; /* are there */
        Choice live, config, autostart;
        const char *type;
        bool attributes;
        Outcome outcome;
        const char *part;
};

static const Refused refused[] = {
        { true, false, CHOICE_NO, CHOICE_OPEN, CHOICE_YES, "", false, OUTCOME_NO_DEFINITION,
          "is not defined; define it" },
        { false, true, CHOICE_YES, CHOICE_OPEN, CHOICE_OPEN, "", true, OUTCOME_NO_DEVICE,
          "is not active; start it" },
        { true, true, CHOICE_NO, CHOICE_OPEN, CHOICE_OPEN, "", false, OUTCOME_INVALID,
          "Nothing of " U1 },
        { true, true, CHOICE_YES, CHOICE_OPEN, CHOICE_YES, "", true, OUTCOME_INVALID,
          "are a definition's" },
        { true, true, CHOICE_YES, CHOICE_YES, CHOICE_YES, "", false, OUTCOME_INVALID,
          "Only attributes of " U1 },
        { true, true, CHOICE_NO, CHOICE_OPEN, CHOICE_OPEN, "vendor-2", false, OUTCOME_BUSY,
          "its type cannot be changed meanwhile" },
};

TEST(what_cannot_be_changed) {
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, P1, "vendor-1", U1, "vm1"));
        wait_for(&f, define(&f, request_of("vm1")));
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
                _cleanup_(reason_done) Reason reason = {};
                const Refused *c = &refused[i];
                Request *q = new_request(NULL, c->type, U1, "");
                Operation *op;

                q->live = c->live;
                q->config = c->config;
                q->autostart = c->autostart;
                q->attributes_given = c->attributes;
                ASSERT_EQ(manager_modify(f.manager, c->device ? find_device(&f, U1) : NULL,
                                         c->definition ? find_definition(&f, U1) : NULL, q, ":1.7",
                                         &op, &reason),
                          (int) c->outcome);
                ASSERT_CONTAINS(reason.text, c->part);
                ASSERT_NULL(op);
        }
}

/* ---- the moment of a change ---- */

TEST(a_definition_is_true_when_its_file_is_there) {
        Operation *op;
        FIXTURE(f);

        begin(&f);
        op = define(&f, request_of("vm1"));
        while (op->state == OPERATION_RUNNING) {
                ASSERT_EQ(!!find_definition(&f, U1), fake_exists(f.tree, ETC U1));
                ASSERT_TRUE(sd_event_run(f.event, UINT64_MAX) >= 0);
        }
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_NOT_NULL(find_definition(&f, U1));
        run_idle(&f);
        ASSERT_EQ(count_records(&f), 0);
        ASSERT_FALSE(fake_exists(f.tree, TEMPORARY));
}

TEST(a_definition_is_gone_at_once_and_its_extras_with_the_answer) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        FIXTURE(f);

        begin(&f);
        wait_for(&f, define(&f, request_of("vm1")));
        ASSERT_TRUE(fake_exists(f.tree, EXTRAS U1 ".json"));
        ASSERT_OK(manager_undefine(f.manager, find_definition(&f, U1), false, ":1.7", &op,
                                   &reason));
        ASSERT_NULL(find_definition(&f, U1));
        ASSERT_FALSE(fake_exists(f.tree, ETC U1));
        ASSERT_EQ(op->state, OPERATION_RUNNING);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_DONE);
        ASSERT_FALSE(fake_exists(f.tree, EXTRAS U1 ".json"));
}

/* Its place is taken by something that no file can replace. */
TEST(a_commit_that_fails_leaves_nothing) {
        Operation *op;
        FIXTURE(f);

        begin(&f);
        op = define(&f, request_of("vm1"));
        while (!fake_exists(f.tree, TEMPORARY))
                ; /* its worker writes it, whether we turn the loop or not */
        fake_mkdir(f.tree, ETC U1);
        wait_for(&f, op);
        ASSERT_EQ(op->state, OPERATION_FAILED);
        ASSERT_CONTAINS(op->record->text, "could not be put in its place");
        run_idle(&f);
        ASSERT_TRUE(!find_definition(&f, U1) || find_definition(&f, U1)->invalid);
        ASSERT_FALSE(fake_exists(f.tree, TEMPORARY));
        ASSERT_EQ(count_records(&f), 0);
}

/* ---- owners ---- */

static int set_owner(Fixture *f, const char *owner, Operation **ret, Reason *reason) {
        return manager_set_owner(f->manager, find_device(f, U1), find_definition(f, U1), owner,
                                 ":1.7", ret, reason);
}

TEST(an_owner_of_device_and_definition) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        FIXTURE(f);

        begin(&f);
        wait_for(&f, create_device(&f, P1, "vendor-1", U1, "vm1"));
        ASSERT_OK(set_owner(&f, "vm2", &op, &reason));
        ASSERT_NULL(op); /* it is done */
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm2");
        wait_for(&f, define(&f, request_of("vm2")));
        ASSERT_OK(set_owner(&f, "vm3", &op, &reason));
        wait_for(&f, op);
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm3");
        ASSERT_STREQ(find_definition(&f, U1)->owner, "vm3");
        /* the next daemon has it from the files */
        fixture_restart(&f);
        run_idle(&f);
        ASSERT_STREQ(find_device(&f, U1)->owner, "vm3");
        ASSERT_STREQ(find_definition(&f, U1)->owner, "vm3");
}

/* ---- files that others write ---- */

#define GOOD "{ \"mdev_type\": \"vendor-1\", \"start\": \"manual\", \"attrs\": [] }"

TEST(files_of_others) {
        FIXTURE(f);

        begin(&f);
        fake_write(f.tree, GOOD, ETC U1);
        RUN_UNTIL(&f, find_definition(&f, U1));
        ASSERT_NULL(find_definition(&f, U1)->invalid);
        fake_write(f.tree, "{ \"mdev_type\": 7 }", ETC U1);
        RUN_UNTIL(&f, find_definition(&f, U1)->invalid);
        fake_write(f.tree, GOOD, ETC U1);
        RUN_UNTIL(&f, !find_definition(&f, U1)->invalid);
        fake_write(f.tree, GOOD, ETC "no-uuid");
        fake_write(f.tree, GOOD, ETC U2);
        RUN_UNTIL(&f, find_definition(&f, U2));
        ASSERT_EQ(list_length(&manager_get_model(f.manager)->definitions), 2);
        fake_remove(f.tree, ETC U1);
        RUN_UNTIL(&f, !find_definition(&f, U1));
        ASSERT_NOT_NULL(find_definition(&f, U2));
        /* the whole folder; its parent is here for itself */
        ASSERT_EQ(renameat(f.tree->root_fd, MDEVD_PATH_DEFINITIONS "/" P1, f.tree->root_fd,
                           "aside"), 0);
        RUN_UNTIL(&f, !find_definition(&f, U2));
        ASSERT_EQ(state_of(&f, P1), PARENT_REGISTERED);
        ASSERT_EQ(renameat(f.tree->root_fd, "aside", f.tree->root_fd,
                           MDEVD_PATH_DEFINITIONS "/" P1), 0);
        RUN_UNTIL(&f, find_definition(&f, U2));
}

/* ---- callout scripts ---- */

typedef struct Escorts Escorts;

struct Escorts {
        int fds[ESCORTS_MAX + 2];
        size_t n;
};

/* They are started, and take their time. */
static int launch(const char *name, const char *root, int socket_fd, void *userdata) {
        Escorts *e = userdata;

        ASSERT_TRUE(e->n < ARRAY_SIZE(e->fds));
        e->fds[e->n] = fcntl(socket_fd, F_DUPFD_CLOEXEC, 3);
        ASSERT_EQ(send(e->fds[e->n], "!", 1, MSG_NOSIGNAL), 1);
        e->n++;
        return 0;
}

/* Each operation on a type of its own: none has to wait for another's turn. */
TEST(processes_of_scripts_have_a_limit) {
        const EscortLaunch how = { .launch = launch, .userdata = &(Escorts){} };
        Escorts *e = how.userdata;
        Operation *ops[ESCORTS_MAX + 1];
        FIXTURE(f);

        fake_write(f.tree, "", "usr/lib/mdevctl/scripts.d/callouts/a.sh");
        begin(&f);
        manager_set_launch(f.manager, &how);
        for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
                char type[32], uuid[UUID_STRING_MAX];

                (void) snprintf(type, sizeof(type), "type-%zu", i);
                (void) snprintf(uuid, sizeof(uuid), "11111111-1111-4111-8111-%012zu", i);
                ops[i] = define(&f, new_request(P1, type, uuid, ""));
        }
        run_pending(&f);
        ASSERT_EQ(e->n, ESCORTS_MAX);
        ASSERT_EQ(ops[ESCORTS_MAX - 1]->phase, OPERATION_CALLING);
        ASSERT_EQ(ops[ESCORTS_MAX]->phase, OPERATION_QUEUED);
        safe_close(e->fds[0]); /* it has died */
        wait_for(&f, ops[0]);
        RUN_UNTIL(&f, e->n == ESCORTS_MAX + 1);
        ASSERT_EQ(ops[ESCORTS_MAX]->phase, OPERATION_CALLING);
        for (size_t i = 1; i < e->n; i++)
                safe_close(e->fds[i]);
        run_idle(&f);
        ASSERT_EQ(ops[ESCORTS_MAX]->state, OPERATION_FAILED);
}

WORKER_TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fixture.h: a manager on a fake tree, in a loop that a test turns until what it waits for is so.
 * There is no time limit in here: what never comes is ended by the test runner.
 */
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#include "config/store.h"
#include "core/internal.h"
#include "fake-kernel.h"
#include "fake-tree.h"
#include "names.h"
#include "test.h"

typedef struct Fixture Fixture;

struct Fixture {
        FakeTree *tree;
        sd_event *event;
        Manager *manager;
        unsigned devices_added, devices_removed, operations_added, operations_removed;
};

static inline void on_device_added(Device *d, void *userdata) {
        Fixture *f = userdata;

        ASSERT_TRUE(d->model != NULL);
        f->devices_added++;
}

static inline void on_device_removed(Device *d, void *userdata) {
        Fixture *f = userdata;

        ASSERT_TRUE(d->model != NULL);
        f->devices_removed++;
}

static inline void on_operation_added(Operation *op, void *userdata) {
        ((Fixture *) userdata)->operations_added++;
}

static inline void on_operation_removed(Operation *op, void *userdata) {
        ((Fixture *) userdata)->operations_removed++;
}

/* A daemon begins its life on the tree, and knows what there is; it has done nothing yet. */
static inline void fixture_build(Fixture *f) {
        const Observer observer = {
                .device_added = on_device_added,
                .device_removed = on_device_removed,
                .operation_added = on_operation_added,
                .operation_removed = on_operation_removed,
                .userdata = f,
        };

        f->devices_added = f->devices_removed = f->operations_added = f->operations_removed = 0;
        ASSERT_TRUE(sd_event_new(&f->event) >= 0);
        ASSERT_OK(manager_new(&f->manager, f->event, f->tree->root));
        manager_set_observer(f->manager, &observer);
        ASSERT_OK(manager_start(f->manager));
}

static inline void fixture_start(Fixture *f) {
        fixture_build(f);
        ASSERT_OK(manager_autostart(f->manager));
}

/* It ends, as by a kill: nothing is waited for. */
static inline void fixture_stop(Fixture *f) {
        f->manager = manager_free(f->manager);
        f->event = sd_event_unref(f->event);
}

static inline void fixture_restart(Fixture *f) {
        fixture_stop(f);
        fixture_start(f);
}

static inline Fixture fixture_new(void) {
        return (Fixture){ .tree = fake_tree_new() };
}

static inline void fixture_done(Fixture *f) {
        fixture_stop(f);
        f->tree = fake_tree_free(f->tree);
}

#define FIXTURE(name) _cleanup_(fixture_done) Fixture name = fixture_new()

#define RUN_UNTIL(f, condition)                                                                    \
        do {                                                                                       \
                while (!(condition))                                                               \
                        ASSERT_TRUE(sd_event_run((f)->event, UINT64_MAX) >= 0);                    \
        } while (0)

/* Turns the loop as long as there is something to do at once. */
static inline void run_pending(Fixture *f) {
        while (sd_event_run(f->event, 0) > 0)
                ;
}

/* Until no operation is under way and all is seen. */
static inline void run_idle(Fixture *f) {
        run_pending(f);
        while (operations_count_running(f->manager) > 0) {
                ASSERT_TRUE(sd_event_run(f->event, UINT64_MAX) >= 0);
                run_pending(f);
        }
}

static inline Uuid uuid_of(const char *s) {
        Uuid u;

        ASSERT_OK(uuid_parse(s, &u));
        return u;
}

static inline Parent *find_parent(Fixture *f, const char *name) {
        return model_find_parent(manager_get_model(f->manager), name);
}

static inline Device *find_device(Fixture *f, const char *uuid) {
        Uuid u = uuid_of(uuid);

        return model_find_device(manager_get_model(f->manager), NULL, &u, NULL);
}

static inline ParentState state_of(Fixture *f, const char *name) {
        const Parent *p = find_parent(f, name);

        return p ? p->state : _PARENT_STATE_MAX;
}

static inline Request *new_request(const char *parent, const char *type, const char *uuid,
                                   const char *owner) {
        Request *q;

        ASSERT_OK(request_new(&q, type));
        if (parent)
                q->parent = strdup(parent);
        if (uuid) {
                q->uuid = uuid_of(uuid);
                q->uuid_given = true;
        }
        free(q->owner);
        q->owner = strdup(owner);
        return q;
}

static inline Operation *create_device(Fixture *f, const char *parent, const char *type,
                                       const char *uuid, const char *owner) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        int r;

        r = manager_create(f->manager, new_request(parent, type, uuid, owner), ":1.7", &op,
                           &reason);
        if (r != 0)
                test_fail(__FILE__, __LINE__, "create of %s: %d, %s", uuid, r, reason.text);
        return op;
}

/* Its worker says so in the record, of which nobody is told. The worker's pid. */
static inline pid_t await_begun(Fixture *f, const Operation *op) {
        pid_t pid = 0;

        while (pid == 0) {
                _cleanup_(record_freep) Record *record = NULL;

                ASSERT_OK(worker_read_record(f->tree->root_fd, op->record, &record));
                pid = record->pid;
                (void) sched_yield();
        }
        return pid;
}

static inline int refuse_create(Fixture *f, Request *q, Reason *reason) {
        Operation *op;

        return manager_create(f->manager, q, ":1.7", &op, reason);
}

static inline Operation *stop_device(Fixture *f, const char *uuid) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        int r;

        r = manager_stop(f->manager, find_device(f, uuid), ":1.7", &op, &reason);
        if (r != 0)
                test_fail(__FILE__, __LINE__, "stop of %s: %d, %s", uuid, r, reason.text);
        return op;
}

static inline void wait_for(Fixture *f, Operation *op) {
        RUN_UNTIL(f, op->state != OPERATION_RUNNING);
}

static inline Operation *first_operation(Fixture *f) {
        return list_first(manager_get_operations(f->manager), Operation, node);
}

static inline size_t count_files(Fixture *f, const char *folder) {
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closedirp) DIR *dir = NULL;
        size_t n = 0;

        ASSERT_TRUE(asprintf(&path, "%s/%s", f->tree->root, folder) >= 0);
        dir = opendir(path);
        for (struct dirent *de; dir && (de = readdir(dir));)
                n += de->d_name[0] != '.';
        return n;
}

#define count_records(f) count_files((f), MDEVD_PATH_OPERATIONS)

/* Lets a write go that waits at a FIFO; waits itself until somebody is there. */
static inline void unblock(Fixture *f, const char *path) {
        _cleanup_(freep) char *full = NULL;
        FILE *file;

        ASSERT_TRUE(asprintf(&full, "%s/%s", f->tree->root, path) >= 0);
        file = fopen(full, "we");
        ASSERT_NOT_NULL(file);
        (void) fclose(file);
}

/* From now on nobody waits at that FIFO; until the answer is closed. */
static inline int hold_open(Fixture *f, const char *path) {
        int fd = openat(f->tree->root_fd, path, O_RDWR | O_CLOEXEC);

        ASSERT_TRUE(fd >= 0);
        return fd;
}

/* All workers, of whichever daemon, have ended: they are this process's children. */
static inline void reap_workers(void) {
        while (waitpid(-1, NULL, 0) > 0)
                ;
}

#define U1 "11111111-1111-4111-8111-111111111111"
#define U2 "22222222-2222-4222-8222-222222222222"
#define U3 "33333333-3333-4333-8333-333333333333"
#define P1 "0000:00:05.0"
#define P2 "0000:00:06.0"
#define P3 "0000:00:07.0"
#define FAKE(name, file) "sys/" FAKE_DEVPATH "/" name "/fake/" file

/* Two parents of a vendor's driver with a type each. */
static inline void add_vendor(Fixture *f, const char *name, unsigned available) {
        fake_pci(f->tree, name, "vendor", 0x1000, 0);
        fake_type(f->tree, name, "vendor-1", available);
        fake_register(f->tree, name);
}

static const WorkerAbove worker_above _unused_ = {
        .prepare = store_prepare,
        .settle = store_settle,
};

/* A test program is its own worker; the manager executes it with --worker. */
#define WORKER_TESTS_MAIN                                                                          \
        int main(int argc, char **argv) {                                                          \
                if (argc == 3 && streq(argv[1], "--worker"))                                       \
                        return worker_main(WORKER_SOCKET_FD, argv[2] + strlen("--root="),          \
                                           &worker_above);                                         \
                return tests_called_as_program(argc, argv) ? EXIT_FAILURE : tests_run();           \
        }

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-callout.c: callout and notifier scripts around the daemon's operations: who their parent is,
 * that "post" follows "pre" whatever dies, and that operations on one type take turns. What the
 * scripts are called with, and what their answers mean, is in tests/cli/changes.table.
 */
#include "fixture.h"

#define SCRIPTS "usr/lib/mdevctl/scripts.d/"
#define ON1                                                                                        \
        "/org/mdevd1/device/_30000_3a00_3a05_2e0/_311111111_2d2222_2d3333_2d4444_2d555555555501",  \
                MDEVD_IFACE_DEVICE
#define CREATE MANAGER, "CreateDevice", "ssa{sv}"

static void write_script(Fixture *f, const char *name, const char *text) {
        _cleanup_(freep) char *path = NULL, *script = NULL;

        ASSERT_TRUE(asprintf(&path, SCRIPTS "%s", name) > 0);
        ASSERT_TRUE(asprintf(&script, "#!/bin/sh\ncd %s\n%s\n", f->tree.path, text) > 0);
        tree_write(&f->tree, path, script);
        ASSERT_EQ(fchmodat(f->tree.fd, path, 0755, 0), 0);
}

/* One line a call: "EVENT ACTION STATE UUID PPID". */
#define RECORDS "echo \"$4 $6 $8 ${10} $PPID\" >>calls"

static char *read_calls(Fixture *f) {
        char *text;

        ASSERT_OK(read_file_at(f->tree.fd, "calls", 1 << 16, &text, NULL));
        return text;
}

typedef struct Called Called;

struct Called {
        Fixture *f;
        const char *part;
};

static bool was_called(void *userdata) {
        const Called *c = userdata;
        _cleanup_(freep) char *text = NULL;

        return file_exists(c->f, "calls") && strstr((text = read_calls(c->f)), c->part);
}

/* The parent of every call, which must be the same for all. */
static long one_parent(const char *calls) {
        long found = 0;

        for (const char *line = calls; *line; line = strchr(line, '\n') + 1) {
                const char *end = strchr(line, '\n'), *word = end;
                long pid;

                while (word > line && word[-1] != ' ')
                        word--;
                pid = strtol(word, NULL, 10);
                ASSERT_TRUE(pid > 1);
                ASSERT_TRUE(found == 0 || found == pid);
                found = pid;
        }
        return found;
}

TEST(one_parent_from_pre_to_post_and_no_worker) {
        _cleanup_(freep) char *calls = NULL, *comm = NULL;
        size_t size;
        char path[64];
        Reply r = {};
        Fixture f;
        int fd;

        fixture_init(&f);
        write_script(&f, "callouts/a.sh", RECORDS);
        write_script(&f, "notifiers/n.sh", RECORDS);
        gate_make(&f, "gate-create-" PARENT);
        fixture_start(&f);
        call_begin(f.client, &r, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        fd = gate_hold(&f, "gate-create-" PARENT);
        /* the worker is at it now: "pre" was before, and its parent waits */
        calls = read_calls(&f);
        ASSERT_CONTAINS(calls, "pre start none " UUID1);
        ASSERT_NULL(strstr(calls, "post"));
        (void) snprintf(path, sizeof(path), "proc/%ld/cmdline", one_parent(calls));
        {
                int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

                ASSERT_OK(read_file_at(root, path, 4096, &comm, &size));
                safe_close(root);
        }
        ASSERT_NOT_NULL(memmem(comm, size, "\0--escort", sizeof("\0--escort")));
        gate_release(&f, "gate-create-" PARENT, fd);
        call_wait(&f, &r);
        ASSERT_REPLY(&r);
        reply_done(&r);

        free(calls);
        calls = read_calls(&f);
        ASSERT_CONTAINS(calls, "post start success " UUID1);
        ASSERT_CONTAINS(strstr(calls, "post"), "notify start success " UUID1);
        ASSERT_TRUE(one_parent(calls) > 1);
        fixture_done(&f);
}

TEST(a_refusal_is_the_answer_and_nothing_is_done) {
        _cleanup_(freep) char *calls = NULL;
        Fixture f;

        fixture_init(&f);
        write_script(&f, "callouts/a.sh", RECORDS "; [ $4 != pre ] || { echo taken >&2; exit 1; }");
        write_script(&f, "notifiers/n.sh", RECORDS);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "Failed", "a.sh: taken", CREATE, PARENT, TYPE, 1, "uuid", "s",
                   UUID1);
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        CALL_ERROR(&f, f.client, "Failed", "status '1'", MANAGER, "DefineDevice", "ssa{sv}", PARENT,
                   TYPE, 1, "uuid", "s", UUID2);
        ASSERT_FALSE(file_exists(&f, "etc/mdevctl.d/" PARENT "/" UUID2));
        ASSERT_FALSE(file_exists(&f, "etc/mdevctl.d/." PARENT ":" UUID2 ".mdevd"));
        calls = read_calls(&f);
        ASSERT_CONTAINS(calls, "notify start none " UUID1);
        ASSERT_CONTAINS(calls, "notify define none " UUID2);
        ASSERT_NULL(strstr(calls, "post"));
        fixture_done(&f);
}

/* What fails is told as such, and the error is the operation's own. */
TEST(post_says_failure) {
        _cleanup_(freep) char *calls = NULL;
        Fixture f;

        fixture_init(&f);
        write_script(&f, "callouts/a.sh", RECORDS);
        write_fake(&f, "errno-create-" PARENT, "5");
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "Failed", "EIO", CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        calls = read_calls(&f);
        ASSERT_CONTAINS(calls, "post start failure " UUID1);
        fixture_done(&f);
}

/* The daemon dies between "pre" and "post": its worker goes on, and so does "post". */
TEST(post_follows_pre_though_the_daemon_dies) {
        _cleanup_(freep) char *calls = NULL;
        Reply r = {};
        Fixture f;
        int fd;

        fixture_init(&f);
        write_script(&f, "callouts/a.sh", RECORDS);
        gate_make(&f, "gate-create-" PARENT);
        fixture_start(&f);
        call_begin(f.client, &r, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        fd = gate_hold(&f, "gate-create-" PARENT);
        (void) fixture_end(&f, SIGKILL);
        reply_done(&r);
        fixture_start(&f);
        gate_release(&f, "gate-create-" PARENT, fd);
        fixture_wait(&f, was_called, &(Called){ &f, "post start" }, "post");
        calls = read_calls(&f);
        ASSERT_CONTAINS(calls, "post start success " UUID1);
        ASSERT_TRUE(one_parent(calls) > 1);
        fixture_done(&f);
}

/* Of a definition that changes there is nothing but the record to tell how it went. */
TEST(post_of_a_modify_that_was_never_begun_says_failure) {
        _cleanup_(freep) char *calls = NULL, *pid = NULL;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL(&f, f.client, &r, MANAGER, "DefineDevice", "ssa{sv}", PARENT, TYPE, 1, "uuid", "s",
             UUID1);
        reply_done(&r);
        write_script(&f, "callouts/a.sh", RECORDS "; [ $4 != pre ] || kill -9 $(cat pid)");
        ASSERT_TRUE(asprintf(&pid, "%d", f.daemon_pid) > 0);
        tree_write(&f.tree, "pid", pid);
        call_begin(f.client, &r, ON1, "Modify", "a{sv}", 1, "autostart", "b", 1);
        (void) fixture_wait_end(&f);
        reply_done(&r);
        fixture_wait(&f, was_called, &(Called){ &f, "post" }, "post");
        calls = read_calls(&f);
        ASSERT_CONTAINS(calls, "post modify failure " UUID1);
        fixture_done(&f);
}

#define RECORD1 "run/mdevd/ops/" PARENT ":" UUID1
#define VRAM1 "sys/devices/pci0000:00/" PARENT "/" UUID1 "/vram"

static pid_t worker_of(Fixture *f) {
        _cleanup_(freep) char *text = NULL;
        const char *pid = NULL;

        ASSERT_OK(read_file_at(f->tree.fd, RECORD1, 1 << 16, &text, NULL));
        for (const char *s = text; (s = strstr(s, "\"pid\":")); s++)
                pid = s + strlen("\"pid\":");
        ASSERT_NOT_NULL(pid);
        return (pid_t) strtol(pid, NULL, 10);
}

/* The record of the create before it may still be there. */
static bool is_prepared(void *userdata) {
        const Fixture *f = userdata;
        _cleanup_(freep) char *text = NULL;

        return read_file_at(f->tree.fd, RECORD1, 1 << 16, &text, NULL) >= 0 &&
               strstr(text, "\"kind\":\"modify\"") && strstr(text, "\"step\":\"prepared\"");
}

/* Daemon and worker are killed: the device has another value than its definition, which stays. */
TEST(post_of_a_modify_that_was_given_up_says_failure) {
        _cleanup_(freep) char *calls = NULL;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        write_script(&f, "callouts/a.sh", RECORDS);
        fixture_start(&f);
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1, "define", "b", 1);
        reply_done(&r);
        /* who opens it to write waits for a reader that does not come */
        ASSERT_OK(RET_NERRNO(unlinkat(f.tree.fd, VRAM1, 0)));
        ASSERT_OK(RET_NERRNO(mkfifoat(f.tree.fd, VRAM1, 0600)));
        call_begin(f.client, &r, ON1, "Modify", "a{sv}", 3, "live", "b", 1, "config", "b", 1,
                   "attributes", "a(ss)", 1, "vram", "4");
        fixture_wait(&f, is_prepared, &f, "the worker");
        (void) fixture_end(&f, SIGKILL);
        reply_done(&r);
        ASSERT_EQ(kill(worker_of(&f), SIGKILL), 0);
        fixture_start(&f);
        fixture_wait(&f, was_called, &(Called){ &f, "post modify" }, "post");
        calls = read_calls(&f);
        ASSERT_CONTAINS(calls, "post modify failure " UUID1);
        fixture_done(&f);
}

/* Scripts of two operations on a type never meet, whatever their parents. */
TEST(operations_on_a_type_take_turns) {
        _cleanup_(freep) char *calls = NULL;
        Reply first = {}, second = {};
        Fixture f;
        int fd;

        fixture_init(&f);
        write_script(&f, "callouts/a.sh",
                     "if [ $4 = pre ]; then mkdir busy || echo met >>calls; fi\n"
                     "if [ $4 = post ]; then rmdir busy; fi\n" RECORDS);
        gate_make(&f, "gate-create-" PARENT);
        fixture_start(&f);
        call_begin(f.client, &first, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        fd = gate_hold(&f, "gate-create-" PARENT);
        forget_signals(&f);
        call_begin(f.client, &second, CREATE, OTHER, TYPE, 1, "uuid", "s", UUID2);
        /* whatever is answered after it finds it in the queue */
        wait_signal(&f, "InterfacesAdded /org/mdevd1/operation/");
        calls = read_calls(&f);
        ASSERT_NULL(strstr(calls, UUID2));
        gate_release(&f, "gate-create-" PARENT, fd);
        call_wait(&f, &first);
        call_wait(&f, &second);
        ASSERT_REPLY(&first);
        ASSERT_REPLY(&second);
        reply_done(&first);
        reply_done(&second);
        free(calls);
        calls = read_calls(&f);
        ASSERT_NULL(strstr(calls, "met"));
        ASSERT_CONTAINS(calls, "post start success " UUID2);
        ASSERT_FALSE(file_exists(&f, "busy"));
        fixture_done(&f);
}

/* A removal waits for somebody who has the device open: nobody waits with it. */
TEST(a_removal_that_waits_holds_up_nobody) {
        Reply create = {}, stop = {};
        Fixture f;
        int fd;

        fixture_init(&f);
        write_script(&f, "callouts/a.sh", RECORDS);
        gate_make(&f, "gate-remove-" PARENT);
        fixture_start(&f);
        CALL(&f, f.client, &create, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        reply_done(&create);
        call_begin(f.client, &stop, ON1, "Stop", "");
        fd = gate_hold(&f, "gate-remove-" PARENT);
        CALL(&f, f.client, &create, CREATE, OTHER, TYPE, 1, "uuid", "s", UUID2);
        ASSERT_NULL(stop.m);
        reply_done(&create);
        gate_release(&f, "gate-remove-" PARENT, fd);
        call_wait(&f, &stop);
        ASSERT_REPLY(&stop);
        reply_done(&stop);
        fixture_done(&f);
}

/*
 * The process of the scripts is killed: before it has answered that is a no, later it is silence.
 */
TEST(an_escort_that_is_killed) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        write_script(&f, "callouts/a.sh", "[ $4 != pre ] || kill -9 $PPID; sleep 1");
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "Failed", "ended before they had answered", CREATE, PARENT, TYPE,
                   1, "uuid", "s", UUID1);
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        write_script(&f, "callouts/a.sh", "[ $4 != post ] || kill -9 $PPID");
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        reply_done(&r);
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        CALL(&f, f.client, &r, ON1, "Stop", "");
        reply_done(&r);
        fixture_done(&f);
}

TESTS_MAIN

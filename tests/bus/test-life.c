/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-life.c: start, reload, stop, death and what is known afterwards. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "fixture.h"

#define CREATE MANAGER, "CreateDevice", "ssa{sv}"
#define CONFIG "etc/mdevd/mdevd.json"

static size_t count_problems(Fixture *f, const char *part) {
        const char *file, *text;
        uint32_t line, column;
        size_t n = 0;
        Reply r = {};

        CALL(f, f->client, &r, MDEVD_OBJECT_ROOT, GET, MDEVD_IFACE_MANAGER, "ConfigProblems");
        ASSERT_TRUE(sd_bus_message_enter_container(r.m, 'v', "a(suus)") > 0);
        ASSERT_TRUE(sd_bus_message_enter_container(r.m, 'a', "(suus)") > 0);
        while (sd_bus_message_read(r.m, "(suus)", &file, &line, &column, &text) > 0)
                n += strstr(file, part) != NULL && text[0] != '\0';
        reply_done(&r);
        return n;
}

TEST(ready_comes_when_clients_can_call) {
        _cleanup_(freep) char *version = NULL, *path = NULL;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        wait_notified(&f, "STATUS=0 devices on 2 parents.");
        path = create_device(&f, PARENT, UUID1, "");
        wait_notified(&f, "STATUS=1 device on 2 parents.");
        version = get_property(&f, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, "Version");
        ASSERT_STREQ(version, MDEVD_VERSION);
        ASSERT_EQ(fixture_end(&f, SIGTERM), 0);
        wait_notified(&f, "STOPPING=1");
        fixture_done(&f);
}

TEST(interrupt_ends_it_too) {
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        ASSERT_EQ(fixture_end(&f, SIGINT), 0);
        fixture_done(&f);
}

TEST(the_watchdog_is_fed) {
        Fixture f;

        fixture_init(&f);
        ASSERT_EQ(setenv("WATCHDOG_USEC", "200000", 1), 0);
        fixture_start(&f);
        ASSERT_EQ(unsetenv("WATCHDOG_USEC"), 0);
        wait_notified(&f, "WATCHDOG=1");
        fixture_done(&f);
}

TEST(a_killed_daemon_knows_everything_afterwards) {
        _cleanup_(freep) char *path = NULL, *owner = NULL, *origin = NULL, *foreign = NULL,
                              *create = NULL;
        Reply r = {};
        Fixture f;
        int status;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "vm1");
        ASSERT_TRUE(asprintf(&create, "%s/sys/devices/pci0000:00/" OTHER
                             "/mdev_supported_types/" TYPE "/create", f.tree.path) > 0);
        ASSERT_EQ(fake_kernel_write(f.tree.path, create, UUID3, 36), 36);
        wait_signal(&f, "5503 ");
        status = fixture_end(&f, SIGKILL);
        ASSERT_TRUE(WIFSIGNALED(status));
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));

        fixture_start(&f);
        owner = get_property(&f, path, MDEVD_IFACE_DEVICE, "Owner");
        origin = get_property(&f, path, MDEVD_IFACE_DEVICE, "Origin");
        ASSERT_STREQ(owner, "vm1");
        ASSERT_STREQ(origin, "request");
        foreign = get_property(&f, "/org/mdevd1/device/_30000_3a00_3a06_2e0/"
                               "_311111111_2d2222_2d3333_2d4444_2d555555555503",
                               MDEVD_IFACE_DEVICE, "Origin");
        ASSERT_STREQ(foreign, "foreign");
        CALL(&f, f.client, &r, path, MDEVD_IFACE_DEVICE, "Stop", "");
        reply_done(&r);
        fixture_done(&f);
}

static void set_age(Fixture *f, const char *uuid, time_t seconds) {
        struct timespec times[2];
        char path[96];

        ASSERT_EQ(clock_gettime(CLOCK_REALTIME, &times[0]), 0);
        times[0].tv_sec -= seconds;
        times[1] = times[0];
        (void) snprintf(path, sizeof(path), MDEVD_PATH_DEVICES "/%s", uuid);
        ASSERT_EQ(utimensat(f->tree.fd, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* The device was made, the daemon died before it had said so: the same call gets the answer. */
TEST(a_create_whose_answer_was_lost_is_answered_again) {
        _cleanup_(freep) char *path = NULL, *defined = NULL;
        const char *again, *uuid;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "vm1");
        CALL(&f, f.client, &r, CREATE, OTHER, TYPE, 2, "uuid", "s", UUID2, "define", "b", 1);
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &again, &uuid) > 0);
        defined = strdup(again);
        reply_done(&r);
        (void) fixture_end(&f, SIGKILL);
        fixture_start(&f);

        set_age(&f, UUID1, 0); /* however slow this machine is */
        set_age(&f, UUID2, 0);
        CALL(&f, f.client, &r, CREATE, "", TYPE, 2, "uuid", "s", UUID1, "owner", "s", "vm1");
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &again, &uuid) > 0);
        ASSERT_STREQ(again, path);
        ASSERT_STREQ(uuid, UUID1);
        reply_done(&r);
        CALL(&f, f.client, &r, CREATE, OTHER, TYPE, 2, "uuid", "s", UUID2, "define", "b", 1);
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &again, &uuid) > 0);
        ASSERT_STREQ(again, defined);
        reply_done(&r);

        /*
         * Other requests. An answer comes before the operation's record goes; killed in between,
         * the daemon would take it up again and call these busy. The next call is answered after
         * both.
         */
        free(get_property(&f, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, "Version"));
        (void) fixture_end(&f, SIGKILL);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "DeviceExists", UUID1, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1,
                   "owner", "s", "vm2");
        CALL_ERROR(&f, f.client, "DeviceExists", UUID1, CREATE, OTHER, TYPE, 2, "uuid", "s", UUID1,
                   "owner", "s", "vm1");
        CALL_ERROR(&f, f.client, "DeviceExists", UUID1, CREATE, PARENT, TYPE, 3, "uuid", "s", UUID1,
                   "owner", "s", "vm1", "define", "b", 1);
        CALL_ERROR(&f, f.client, "DeviceExists", UUID2, CREATE, OTHER, TYPE, 1, "uuid", "s", UUID2);
        /* nobody waits that long for an answer */
        set_age(&f, UUID1, 62);
        CALL_ERROR(&f, f.client, "DeviceExists", UUID1, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1,
                   "owner", "s", "vm1");
        set_age(&f, UUID1, getenv("MDEVD_TEST_WRAPPER") ? 30 : 58);
        CALL(&f, f.client, &r, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1, "owner", "s", "vm1");
        reply_done(&r);
        fixture_done(&f);
}

TEST(one_change_is_one_signal) {
        _cleanup_(freep) char *path = NULL;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "vm1");
        /* what is sent later, once for all that was before, has come */
        wait_notified(&f, "STATUS=1 device");
        wait_signal(&f, " org.mdevd1.Parent");
        CALL(&f, f.watcher, &r, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.Peer", "Ping", "");
        reply_done(&r);
        ASSERT_EQ(count_lines(f.signals, "InterfacesAdded /org/mdevd1/device"), 1);
        ASSERT_EQ(count_lines(f.signals, " org.mdevd1.Parent"), 1);
        ASSERT_EQ(count_lines(f.signals, " /org/mdevd1") -
                          count_lines(f.signals, " /org/mdevd1/operation/"), 2); /* test-untold.c */

        forget_signals(&f);
        CALL(&f, f.client, &r, path, MDEVD_IFACE_DEVICE, "SetOwner", "s", "vm2");
        reply_done(&r);
        wait_signal(&f, "PropertiesChanged");
        CALL(&f, f.watcher, &r, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.Peer", "Ping", "");
        reply_done(&r);
        ASSERT_EQ(count_lines(f.signals, "PropertiesChanged"), 1);
        ASSERT_EQ(count_lines(f.signals, " /org/mdevd1"), 1);
        fixture_done(&f);
}

TEST(an_operation_outlives_a_killed_daemon) {
        Reply lost = {};
        Fixture f;
        int gate;

        fixture_init(&f);
        gate_make(&f, "gate-create-" PARENT);
        fixture_start(&f);
        call_begin(f.client, &lost, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1, "owner", "s",
                   "vm1");
        gate = gate_hold(&f, "gate-create-" PARENT);
        ASSERT_TRUE(WIFSIGNALED(fixture_end(&f, SIGKILL)));
        call_wait(&f, &lost);
        ASSERT_ERROR(&lost, SD_BUS_ERROR_NO_REPLY, "");
        reply_done(&lost);

        /* the worker is at it still; who repeats the call joins it */
        fixture_start(&f);
        call_begin(f.client, &lost, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1, "owner", "s",
                   "vm1");
        CALL_ERROR(&f, f.watcher, "Busy", UUID1, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        ASSERT_NULL(lost.m);
        gate_release(&f, "gate-create-" PARENT, gate);
        call_wait(&f, &lost);
        ASSERT_REPLY(&lost);
        reply_done(&lost);
        fixture_done(&f);
}

TEST(a_stopping_daemon_answers_and_waits_for_no_worker) {
        Reply waiting = {}, again = {};
        Fixture f;
        int gate;

        fixture_init(&f);
        gate_make(&f, "gate-create-" PARENT);
        fixture_start(&f);
        call_begin(f.client, &waiting, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        gate = gate_hold(&f, "gate-create-" PARENT);
        ASSERT_EQ(fixture_end(&f, SIGTERM), 0);
        call_wait(&f, &waiting);
        ASSERT_ERROR(&waiting, "Stopping", "repeat the call");
        reply_done(&waiting);

        gate_release(&f, "gate-create-" PARENT, gate);
        fixture_start(&f);
        CALL(&f, f.client, &again, CREATE, PARENT, TYPE, 1, "uuid", "s", UUID1);
        reply_done(&again);
        fixture_done(&f);
}

#define CROWD "0000:00:07.0"
#define CROWD_SIZE 200
#define LOOKS 120

static void make_crowd(Fixture *f) {
        _cleanup_(freep) char *create = NULL;
        char uuid[40];

        ASSERT_OK(fake_kernel_add_parent(f->tree.path, CROWD, TYPE, CROWD_SIZE));
        ASSERT_TRUE(asprintf(&create, "%s/sys/devices/pci0000:00/" CROWD
                             "/mdev_supported_types/" TYPE "/create", f->tree.path) > 0);
        for (unsigned i = 0; i < CROWD_SIZE; i++) {
                (void) snprintf(uuid, sizeof(uuid), "99999999-2222-3333-4444-%012x", i);
                ASSERT_EQ(fake_kernel_write(f->tree.path, create, uuid, 36), 36);
        }
}

/*
 * A bus that has stopped, after the daemon was given a create, and before that more calls than its
 * socket has room for their answers (16 MiB).
 */
static void ask_too_much(Fixture *f, Reply *looks, Reply *create) {
        Reply r = {};

        ASSERT_EQ(kill(f->daemon_pid, SIGSTOP), 0);
        for (size_t i = 0; i < LOOKS; i++)
                call_begin(f->client, &looks[i], MDEVD_OBJECT_ROOT,
                           "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "");
        call_begin(f->client, create, CREATE, OTHER, TYPE, 1, "uuid", "s", UUID2);
        /* whoever answers this has passed on what came before */
        ASSERT_TRUE(sd_bus_call_method(f->client, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "GetId", NULL, &r.m, "") >= 0);
        reply_done(&r);
        ASSERT_EQ(kill(f->bus_pid, SIGSTOP), 0);
        ASSERT_EQ(kill(f->daemon_pid, SIGCONT), 0);
}

TEST(a_bus_that_reads_no_more_keeps_nobody_from_stopping) {
        _cleanup_(freep) char *path = NULL, *owner = NULL, *log = NULL;
        Reply waiting = {}, again = {}, looks[LOOKS] = {};
        Fixture f;
        int gate;

        fixture_init(&f);
        make_crowd(&f);
        gate_make(&f, "gate-create-" OTHER);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "vm1");
        ask_too_much(&f, looks, &waiting);
        gate = gate_hold(&f, "gate-create-" OTHER);
        ASSERT_EQ(fixture_end(&f, SIGTERM), 0);
        ASSERT_TRUE(read_file_at(f.tree.fd, "log", 1 << 20, &log, NULL) >= 0);
        ASSERT_CONTAINS(log, "The bus has not taken the last");

        /* who waited was told nothing but that the daemon has left; what it did is there */
        ASSERT_EQ(kill(f.bus_pid, SIGCONT), 0);
        call_wait(&f, &waiting);
        ASSERT_ERROR(&waiting, SD_BUS_ERROR_NO_REPLY, "");
        reply_done(&waiting);
        for (size_t i = 0; i < LOOKS; i++)
                reply_done(&looks[i]);
        fixture_start(&f);
        owner = get_property(&f, path, MDEVD_IFACE_DEVICE, "Owner");
        ASSERT_STREQ(owner, "vm1");
        call_begin(f.client, &again, CREATE, OTHER, TYPE, 1, "uuid", "s", UUID2);
        gate_release(&f, "gate-create-" OTHER, gate);
        call_wait(&f, &again);
        ASSERT_REPLY(&again);
        reply_done(&again);
        fixture_done(&f);
}

TEST(a_definition_is_there_at_once) {
        _cleanup_(freep) char *origin = NULL;
        const char *path;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        write_definition(&f, PARENT, UUID1, TYPE);
        fixture_start(&f);
        /* the object is there from the start, its device a little later */
        wait_signal(&f, "PropertiesChanged /org/mdevd1/device/");
        CALL(&f, f.client, &r, MANAGER, "GetDevice", "ss", UUID1, PARENT);
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &path) > 0);
        origin = get_property(&f, path, MDEVD_IFACE_DEVICE, "Origin");
        ASSERT_STREQ(origin, "definition");
        reply_done(&r);
        fixture_done(&f);
}

TEST(config_problems_are_shown_and_the_rest_runs) {
        _cleanup_(freep) char *path = NULL;
        Fixture f;

        fixture_init(&f);
        tree_write(&f.tree, CONFIG, "{\n  \"parents\": [ 7 ],\n  \"types\": {}\n}\n");
        write_definition(&f, PARENT, UUID2, "");
        tree_write(&f.tree, "etc/mdevctl.d/" PARENT "/" UUID3, "{ no json");
        fixture_start(&f);
        ASSERT_TRUE(count_problems(&f, "mdevd.json") > 0);
        ASSERT_TRUE(count_problems(&f, UUID3) > 0);
        path = create_device(&f, PARENT, UUID1, "");
        fixture_done(&f);
}

TEST(what_is_not_text_can_be_shown) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        tree_write(&f.tree, "etc/mdevd/mdevd.d/\xff\n.json", "{ \"\xff\": \xff }");
        tree_write(&f.tree, "etc/mdevctl.d/" PARENT "/\xff\xfe", "{}");
        tree_write(&f.tree, "etc/mdevctl.d/" PARENT "/" UUID2, "{ \"mdev_type\": \"\xff\" }");
        tree_write(&f.tree, "etc/mdevctl.d/\xff/" UUID3, "{}");
        tree_write(&f.tree, "sys/devices/pci0000:00/" PARENT "/mdev_supported_types/" TYPE "/name",
                   "\xff label\n");
        fixture_start(&f);
        ASSERT_TRUE(count_problems(&f, "json") > 0);
        CALL(&f, f.client, &r, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager",
             "GetManagedObjects", "");
        reply_done(&r);
        CALL(&f, f.client, &r, MANAGER, "Describe", "");
        reply_done(&r);
        fixture_done(&f);
}

TEST(hangup_reads_the_configuration_anew) {
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        ASSERT_EQ(count_problems(&f, ""), 0);
        tree_write(&f.tree, CONFIG, "{ nonsense");
        free(f.notified);
        f.notified = NULL;
        ASSERT_EQ(kill(f.daemon_pid, SIGHUP), 0);
        wait_notified(&f, "RELOADING=1");
        wait_notified(&f, "READY=1");
        wait_signal(&f, "PropertiesChanged " MDEVD_OBJECT_ROOT " " MDEVD_IFACE_MANAGER);
        ASSERT_EQ(count_problems(&f, "mdevd.json"), 1);
        ASSERT_EQ(unlinkat(f.tree.fd, CONFIG, 0), 0);
        ASSERT_EQ(kill(f.daemon_pid, SIGHUP), 0);
        forget_signals(&f);
        wait_signal(&f, "PropertiesChanged " MDEVD_OBJECT_ROOT " " MDEVD_IFACE_MANAGER);
        ASSERT_EQ(count_problems(&f, ""), 0);
        fixture_done(&f);
}

TEST(reload_by_call_is_done_when_it_replies) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        tree_write(&f.tree, CONFIG, "{ nonsense");
        CALL(&f, f.client, &r, MANAGER, "Reload", "");
        reply_done(&r);
        ASSERT_EQ(count_problems(&f, "mdevd.json"), 1);
        /* a definition that came along is started */
        write_definition(&f, PARENT, UUID1, TYPE);
        CALL(&f, f.client, &r, MANAGER, "Reload", "");
        reply_done(&r);
        wait_signal(&f, "InterfacesAdded /org/mdevd1/device/");
        wait_signal(&f, "PropertiesChanged /org/mdevd1/device/");
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        fixture_done(&f);
}

TEST(a_parent_comes_and_goes) {
        _cleanup_(freep) char *path = NULL;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        ASSERT_OK(fake_kernel_add_parent(f.tree.path, "0000:00:07.0", TYPE, 1));
        fake_kernel_tell_parent(f.tree.path, "0000:00:07.0", "change", "registered");
        wait_signal(&f, "InterfacesAdded /org/mdevd1/parent/_30000_3a00_3a07_2e0");
        path = create_device(&f, "0000:00:07.0", UUID1, "");
        fixture_done(&f);
}

TEST(a_second_daemon_does_not_take_the_name) {
        Fixture f;
        sd_bus *thief;
        int status;

        fixture_init(&f);
        thief = fixture_connect(&f, 0);
        ASSERT_TRUE(sd_bus_request_name(thief, MDEVD_BUS_NAME, 0) >= 0);
        fixture_spawn(&f, NULL);
        status = fixture_wait_end(&f);
        ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 0);
        ASSERT_NULL(strstr(f.notified ?: "", "READY=1"));
        sd_bus_flush_close_unref(thief);
        fixture_start(&f);
        fixture_done(&f);
}

TEST(a_second_daemon_on_one_root_ends) {
        Fixture f;
        pid_t first;
        int status;

        fixture_init(&f);
        fixture_start(&f);
        first = f.daemon_pid;
        fixture_spawn(&f, NULL);
        status = fixture_wait_end(&f);
        ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 0);
        f.daemon_pid = first;
        fixture_done(&f);
}

TEST(without_its_bus_it_ends_with_a_failure) {
        Fixture f;
        int status;

        fixture_init(&f);
        fixture_start(&f);
        ASSERT_TRUE(sd_bus_set_exit_on_disconnect(f.client, false) >= 0);
        ASSERT_EQ(kill(f.bus_pid, SIGKILL), 0);
        status = fixture_wait_end(&f);
        ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 0);
        fixture_done(&f);
}

TEST(without_a_bus_it_does_not_start) {
        Fixture f;
        int status;

        fixture_init(&f);
        (void) snprintf(f.address, sizeof(f.address), "unix:path=%s/none", f.tree.path);
        fixture_spawn(&f, NULL);
        status = fixture_wait_end(&f);
        ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 0);
        fixture_done(&f);
}

TEST(the_log_level_can_be_set) {
        _cleanup_(freep) char *level = NULL, *identifier = NULL;
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL(&f, f.client, &r, "/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties",
             "Set", "ssv", "org.freedesktop.LogControl1", "LogLevel", "s", "notice");
        reply_done(&r);
        level = get_property(&f, "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1",
                             "LogLevel");
        identifier = get_property(&f, "/org/freedesktop/LogControl1",
                                  "org.freedesktop.LogControl1", "SyslogIdentifier");
        ASSERT_STREQ(level, "notice");
        ASSERT_STREQ(identifier, "mdevd");
        CALL_ERROR(&f, f.client, SD_BUS_ERROR_INVALID_ARGS, "loud", "/org/freedesktop/LogControl1",
                   "org.freedesktop.DBus.Properties", "Set", "ssv", "org.freedesktop.LogControl1",
                   "LogLevel", "s", "loud");
        CALL_ERROR(&f, f.client, SD_BUS_ERROR_NOT_SUPPORTED, "syslog",
                   "/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties", "Set", "ssv",
                   "org.freedesktop.LogControl1", "LogTarget", "s", "syslog");
        fixture_done(&f);
}

TESTS_MAIN

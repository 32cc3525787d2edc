/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-unplug.c: "on_unplug". A parent of our module goes away while a process has its device open:
 * what the configuration says is done to that process, by ourselves or by a fake systemd1, since
 * the daemon of a test may no more kill another user's process than that of the unit.
 *
 * A character device plays the device's own, or the VFIO group. /proc shows the one process
 * that holds it, with the cgroup that the test wants.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "../unit/fake-kernel.h"
#include "trial.h"
#include "util/uuid.h"

#define GROUP "/dev/zero"
#define MACHINE "0::/machine.slice/machine-qemu\\x2d1\\x2dvm1.scope/libvirt/emulator\n"

typedef struct Unplug Unplug;

struct Unplug {
        Trial t;
        sd_bus *systemd;
        pid_t holder; /* 0: it was killed */
        char *killed; /* "unit whom signal" of each KillUnit */
        uint32_t main_pid; /* of every service */
        const char *refusal; /* systemd's; NULL: it does as it is told */
        unsigned n_refusals; /* so many times, then no more; 0: for ever */
};

/* ---- systemd ---- */

static bool holder_is_gone(Unplug *u) {
        return u->holder == 0 || waitpid(u->holder, NULL, WNOHANG) == u->holder;
}

static int method_kill_unit(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *unit, *whom;
        Unplug *u = userdata;
        char *longer = NULL;
        int32_t signal;

        ASSERT_TRUE(sd_bus_message_read(m, "ssi", &unit, &whom, &signal) > 0);
        ASSERT_TRUE(asprintf(&longer, "%s%s %s %d\n", u->killed ?: "", unit, whom, signal) > 0);
        free(u->killed);
        u->killed = longer;
        if (u->refusal) {
                const char *text = u->refusal;

                if (u->n_refusals > 0 && --u->n_refusals == 0)
                        u->refusal = NULL;
                return sd_bus_reply_method_errorf(m, "org.freedesktop.systemd1.NoSuchUnit", "%s",
                                                  text);
        }
        ASSERT_EQ(kill(u->holder, signal), 0);
        return sd_bus_reply_method_return(m, "");
}

static int method_get_unit(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/unit/any");
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("KillUnit", "ssi", "", method_kill_unit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetUnit", "s", "o", method_get_unit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable service_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("MainPID", "u", NULL, offsetof(Unplug, main_pid), 0),
        SD_BUS_VTABLE_END,
};

static void start_systemd(Unplug *u) {
        u->systemd = fixture_connect(&u->t.f, 0);
        ASSERT_TRUE(sd_bus_add_object_vtable(u->systemd, NULL, "/org/freedesktop/systemd1",
                                             "org.freedesktop.systemd1.Manager", manager_vtable,
                                             u) >= 0);
        ASSERT_TRUE(sd_bus_add_object_vtable(u->systemd, NULL,
                                             "/org/freedesktop/systemd1/unit/any",
                                             "org.freedesktop.systemd1.Service", service_vtable,
                                             u) >= 0);
        ASSERT_TRUE(sd_bus_request_name(u->systemd, "org.freedesktop.systemd1", 0) >= 0);
}

/* ---- who has it open ---- */

static void show(Unplug *u, const char *cgroup) {
        FakeTree *tree = &u->t.tree;
        char target[64];

        fake_write(tree, cgroup, "proc/%d/cgroup", u->holder);
        fake_write(tree, "qemu-system-x86\n", "proc/%d/comm", u->holder);
        (void) snprintf(target, sizeof(target), "/proc/%d/fd", u->holder);
        fake_link(tree, target, "proc/%d/fd", u->holder);
}

/* ---- the course ---- */

static void configure(Unplug *u, const char *keys) {
        fake_write(&u->t.tree, "", "etc/mdevd/mdevd.json");
        {
                _cleanup_(freep) char *text = NULL;

                ASSERT_TRUE(asprintf(&text,
                                     "{ \"parents\": [ { \"address\": \"" MODULE "\", %s"
                                     " \"pools\": [ { \"name\": \"fb\", \"bar\": 2 } ],"
                                     " \"types\": [ \"" MODULE_TYPE "\" ] } ], \"types\": { \""
                                     MODULE_TYPE "\": { \"bars\": [ { \"pool\": \"fb\","
                                     " \"size\": \"16M\" } ] } } }", keys) > 0);
                tree_write(&u->t.f.tree, "etc/mdevd/mdevd.json", text);
        }
}

/* What the one who has it open is not, of what he mostly is. */
typedef enum Lacks {
        LACKS_DEVICE = 1 << 0, /* has but the group open */
        LACKS_OPENER = 1 << 1, /* it was handed to him */
} Lacks;

static void begin_with(Unplug *u, const char *name, const char *keys, uid_t uid, const char *cgroup,
                       Lacks lacks) {
        static Scenario scenario;
        struct stat st;
        char number[32];
        Reply r = {};
        Uuid uuid;

        *u = (Unplug){};
        scenario = (Scenario){ .name = name, .boots = true };
        trial_prepare(&u->t, &scenario);
        configure(u, keys);
        ASSERT_EQ(stat(GROUP, &st), 0);
        (void) snprintf(number, sizeof(number), "%u:%u\n", major(st.st_rdev), minor(st.st_rdev));
        if (lacks & LACKS_DEVICE)
                tree_write(&u->t.f.tree, "sys/class/vfio/7/dev", number);
        start_systemd(u);
        fixture_start(&u->t.f);
        json_object_put(trial_settle(&u->t, false));
        CALL(&u->t.f, u->t.f.client, &r, MANAGER, "CreateDevice", "ssa{sv}", MODULE, MODULE_TYPE, 1,
             "uuid", "s", UUID1);
        reply_done(&r);
        fake_link(&u->t.tree, "../../../../kernel/iommu_groups/7",
                  "sys/" FAKE_DEVPATH "/" MODULE "/" UUID1 "/iommu_group");
        if (!(lacks & LACKS_DEVICE))
                fake_write(&u->t.tree, number,
                           "sys/" FAKE_DEVPATH "/" MODULE "/" UUID1 "/vfio-dev/vfio0/dev");

        u->holder = fixture_hold(GROUP, uid);
        u->main_pid = (uint32_t) u->holder;
        show(u, cgroup);
        ASSERT_OK(uuid_parse(UUID1, &uuid));
        fake_module_open(u->t.f.tree.path, uuid.bytes, lacks & LACKS_OPENER ? 1 : u->holder,
                         "qemu-system-x86");
        fake_module_unplug(u->t.f.tree.path, MODULE);
}

static void begin(Unplug *u, const char *name, const char *keys, uid_t uid, const char *cgroup) {
        begin_with(u, name, keys, uid, cgroup, 0);
}

/* What was killed closes what it had. */
static void closes(Unplug *u) {
        Uuid uuid;

        ASSERT_OK(uuid_parse(UUID1, &uuid));
        u->holder = 0;
        fake_module_close(u->t.f.tree.path, uuid.bytes);
}

static void end(Unplug *u) {
        if (u->holder > 0) {
                ASSERT_EQ(kill(u->holder, SIGKILL), 0);
                ASSERT_EQ(waitpid(u->holder, NULL, 0), u->holder);
        }
        sd_bus_flush_close_unref(u->systemd);
        free(u->killed);
        fixture_done(&u->t.f);
}

static bool has_signal(void *userdata) {
        const Fixture *f = userdata;

        return f->signals != NULL;
}

/* Until an eviction has ended in @state; its sentence, to be freed, or NULL. */
static char *await_evicted(Unplug *u, const char *state) {
        char *text;

        for (;;) {
                json_object *all, *op;

                forget_signals(&u->t.f);
                all = trial_describe(&u->t);
                op = trial_find(all, "operations", "kind", "evict");
                if (op && !streq(trial_string(op, "state"), "running")) {
                        ASSERT_STREQ(trial_string(op, "state"), state);
                        ASSERT_STREQ(trial_string(op, "uuid"), UUID1);
                        ASSERT_STREQ(trial_string(op, "parent"), MODULE);
                        ASSERT_STREQ(trial_string(op, "client"), "config");
                        text = trial_string(op, "error") ? strdup(trial_string(op, "error")) : NULL;
                        json_object_put(all);
                        return text;
                }
                json_object_put(all);
                fixture_wait(&u->t.f, has_signal, &u->t.f, "the end of an eviction");
        }
}

static bool is_gone(void *userdata) {
        return holder_is_gone(userdata);
}

#define AT_ONCE "\"on_unplug\": \"kill\", \"on_unplug_timeout\": 0,"

typedef struct Said Said;

struct Said {
        const Fixture *f;
        const char *text;
};

static bool is_in_log(void *userdata) {
        const Said *said = userdata;
        _cleanup_(freep) char *text = NULL;

        return read_file_at(said->f->tree.fd, "log", 1 << 20, &text, NULL) >= 0 &&
               strstr(text, said->text);
}

/*
 * Everybody reads what the operation says; why somebody stays may name his unit: that has the
 * journal.
 */
static void journal_alone_says(Unplug *u, const char *public, const char *why) {
        ASSERT_CONTAINS(public, "stays open in a process that could not be ended");
        ASSERT_NULL(strstr(public, why));
        ASSERT_NULL(strstr(public, ".service"));
        ASSERT_NULL(strstr(public, ".scope"));
        ASSERT_NULL(strstr(public, "qemu-system-x86"));
        fixture_wait(&u->t.f, is_in_log, &(Said){ &u->t.f, why }, why);
}

TEST(roots_own_process_is_killed_without_systemd) {
        Unplug u;

        begin(&u, "root", AT_ONCE, 0, MACHINE);
        ASSERT_NULL(await_evicted(&u, "done"));
        ASSERT_TRUE(holder_is_gone(&u));
        ASSERT_NULL(u.killed);
        closes(&u);
        end(&u);
}

TEST(another_users_machine_is_killed_by_its_scope) {
        Unplug u;

        begin(&u, "machine", AT_ONCE, NOBODY, MACHINE);
        ASSERT_NULL(await_evicted(&u, "done"));
        ASSERT_TRUE(holder_is_gone(&u));
        ASSERT_STREQ(u.killed, "machine-qemu\\x2d1\\x2dvm1.scope all 9\n");
        closes(&u);
        end(&u);
}

TEST(a_services_main_process_is_killed) {
        Unplug u;

        begin(&u, "service", AT_ONCE, NOBODY, "0::/system.slice/vm1.service\n");
        ASSERT_NULL(await_evicted(&u, "done"));
        ASSERT_STREQ(u.killed, "vm1.service main 9\n");
        ASSERT_TRUE(holder_is_gone(&u));
        closes(&u);
        end(&u);
}

/* It may be libvirtd's: that has other machines in it. */
TEST(another_process_of_a_service_stays) {
        _cleanup_(freep) char *text = NULL;
        Unplug u;

        begin(&u, "libvirtd", "\"on_unplug\": \"kill\", \"on_unplug_timeout\": 1,", NOBODY,
              "0::/system.slice/libvirtd.service\n");
        u.main_pid = 1;
        text = await_evicted(&u, "failed");
        journal_alone_says(&u, text, "not the main process of libvirtd.service");
        ASSERT_NULL(u.killed);
        ASSERT_FALSE(holder_is_gone(&u));
        end(&u);
}

/* libvirt has the group open while it asks for a removal: it does not use the device. */
TEST(who_has_the_group_only_stays) {
        _cleanup_(freep) char *text = NULL;
        Unplug u;

        begin_with(&u, "group", AT_ONCE, 0, "0::/system.slice/libvirtd.service\n", LACKS_DEVICE);
        text = await_evicted(&u, "failed");
        ASSERT_CONTAINS(text, "no process was found that has it");
        ASSERT_FALSE(holder_is_gone(&u));
        end(&u);
}

/* A descriptor that lies in dbus-daemon's socket is no reason to kill that. */
TEST(a_service_that_has_not_opened_it_stays) {
        _cleanup_(freep) char *text = NULL;
        Unplug u;

        begin_with(&u, "handed", AT_ONCE, NOBODY, "0::/system.slice/dbus.service\n", LACKS_OPENER);
        text = await_evicted(&u, "failed");
        journal_alone_says(&u, text,
                           "it is in dbus.service and has not opened the device itself");
        ASSERT_NULL(u.killed);
        ASSERT_FALSE(holder_is_gone(&u));
        end(&u);
}

TEST(a_persons_session_stays) {
        _cleanup_(freep) char *text = NULL;
        Unplug u;

        begin(&u, "session", AT_ONCE, NOBODY, "0::/user.slice/user-1000.slice/session-3.scope\n");
        text = await_evicted(&u, "failed");
        journal_alone_says(&u, text, "in no scope or service of its own");
        ASSERT_NULL(u.killed);
        ASSERT_FALSE(holder_is_gone(&u));
        end(&u);
}

/* And it is tried again, after a while. */
TEST(systemd_may_refuse) {
        _cleanup_(freep) char *text = NULL;
        Unplug u;

        begin(&u, "refused", "\"on_unplug\": \"kill\", \"on_unplug_timeout\": 1,", NOBODY, MACHINE);
        u.refusal = "Unit is not loaded.";
        u.n_refusals = 1;
        text = await_evicted(&u, "failed");
        journal_alone_says(&u, text,
                           "systemd does not kill machine-qemu\\x2d1\\x2dvm1.scope: Unit is not "
                           "loaded.");
        fixture_wait(&u.t.f, is_gone, &u, "the second try");
        ASSERT_EQ(count_lines(u.killed, "machine-"), 2);
        closes(&u);
        end(&u);
}

/* Nobody is found who has it open: nothing is killed by the number that the module had said. */
TEST(a_number_alone_is_not_killed) {
        _cleanup_(freep) char *text = NULL;
        Unplug u;

        begin(&u, "number", "\"on_unplug\": \"kill\", \"on_unplug_timeout\": 1,", 0, MACHINE);
        fake_remove(&u.t.tree, "proc/%d/fd", u.holder);
        text = await_evicted(&u, "failed");
        ASSERT_CONTAINS(text, "no process was found that has it");
        ASSERT_NULL(strstr(text, "qemu-system-x86")); /* who it is the journal says */
        ASSERT_FALSE(holder_is_gone(&u));
        end(&u);
}

/* A callout script, as a removal that waits for just this, may hold up all changes of the type. */
TEST(no_callout_script_is_waited_for) {
        static const char script[] =
                "#!/bin/sh\n[ $4 != pre ] || [ $6 != define ] || cat "
                "\"${0%/usr*}/fake/gate-define\"\n";
        static const char path[] = "usr/lib/mdevctl/scripts.d/callouts/a.sh";
        Reply define = {}, r = {};
        Unplug u;
        int fd;

        begin(&u, "turn", "\"on_unplug_timeout\": 0,", 0, MACHINE);
        tree_write(&u.t.f.tree, path, script);
        ASSERT_EQ(fchmodat(u.t.f.tree.fd, path, 0755, 0), 0);
        gate_make(&u.t.f, "gate-define");
        call_begin(u.t.f.client, &define, MANAGER, "DefineDevice", "ssa{sv}", MODULE, MODULE_TYPE,
                   1, "uuid", "s", UUID2);
        fd = gate_hold(&u.t.f, "gate-define");
        configure(&u, AT_ONCE);
        CALL(&u.t.f, u.t.f.client, &r, MANAGER, "Reload", "");
        reply_done(&r);
        ASSERT_NULL(await_evicted(&u, "done"));
        ASSERT_NULL(define.m);
        gate_release(&u.t.f, "gate-define", fd);
        call_wait(&u.t.f, &define);
        reply_done(&define);
        closes(&u);
        end(&u);
}

static bool is_closing(void *userdata) {
        const Unplug *u = userdata;

        return u->t.f.signals && strstr(u->t.f.signals, "_30000_3a00_3a07_2e0");
}

/* Waiting is what is done unless the configuration says otherwise; a reload begins the time. */
TEST(waiting_is_the_default_and_a_reload_ends_it) {
        json_object *state;
        Reply r = {};
        Unplug u;

        begin(&u, "wait", "\"on_unplug_timeout\": 0,", 0, MACHINE);
        fixture_wait(&u.t.f, is_closing, &u, "the parent that is going away");
        json_object_put(trial_describe(&u.t));
        CALL(&u.t.f, u.t.f.client, &r, MANAGER, "CreateDevice", "ssa{sv}", PARENT, TYPE, 0);
        reply_done(&r);
        state = trial_describe(&u.t);
        ASSERT_STREQ(trial_string(trial_find(state, "parents", "name", MODULE), "state"),
                     "closing");
        ASSERT_NULL(trial_find(state, "operations", "kind", "evict"));
        json_object_put(state);
        ASSERT_FALSE(holder_is_gone(&u));

        configure(&u, AT_ONCE);
        CALL(&u.t.f, u.t.f.client, &r, MANAGER, "Reload", "");
        reply_done(&r);
        ASSERT_NULL(await_evicted(&u, "done"));
        ASSERT_TRUE(holder_is_gone(&u));
        closes(&u);
        end(&u);
}

TESTS_MAIN

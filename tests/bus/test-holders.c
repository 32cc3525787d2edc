/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-holders.c: removing a device that somebody has open. A character device that next to nobody
 * uses plays the VFIO group: who has that open holds the device.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "fixture.h"

#define DEVICE1                                                                                    \
        "/org/mdevd1/device/_30000_3a00_3a05_2e0/_311111111_2d2222_2d3333_2d4444_2d555555555501"
#define ON1 DEVICE1, MDEVD_IFACE_DEVICE
#define GROUP "/dev/full"

/* A device in group 7, which is GROUP; processes are the machine's. */
static void begin(Fixture *f) {
        _cleanup_(freep) char *path = NULL;
        struct stat st;
        char number[32];

        fixture_init(f);
        ASSERT_EQ(stat(GROUP, &st), 0);
        (void) snprintf(number, sizeof(number), "%u:%u\n", major(st.st_rdev), minor(st.st_rdev));
        tree_write(&f->tree, "sys/class/vfio/7/dev", number);
        ASSERT_EQ(symlinkat("/proc", f->tree.fd, "proc"), 0);
        fixture_start(f);
        path = create_device(f, PARENT, UUID1, "");
        ASSERT_EQ(symlinkat("../../../../kernel/iommu_groups/7", f->tree.fd,
                            "sys/devices/pci0000:00/" PARENT "/" UUID1 "/iommu_group"), 0);
}

/* The fake kernel knows nothing of the link, and could not remove its folder. */
static void drop_group(Fixture *f) {
        ASSERT_EQ(unlinkat(f->tree.fd, "sys/devices/pci0000:00/" PARENT "/" UUID1 "/iommu_group",
                           0), 0);
}

static void end(Fixture *f) {
        fixture_done(f);
}

static void let_go(pid_t pid) {
        ASSERT_EQ(kill(pid, SIGKILL), 0);
        ASSERT_EQ(waitpid(pid, NULL, 0), pid);
}

TEST(who_holds_it_is_named) {
        char part[64];
        Reply r = {};
        Fixture f;
        pid_t pid;

        begin(&f);
        pid = fixture_hold(GROUP, 0);
        (void) snprintf(part, sizeof(part), "(pid %d", pid);
        CALL_ERROR(&f, f.client, "Busy", part, ON1, "Stop", "");
        CALL_ERROR(&f, f.client, "Busy", "test-bus-holder", ON1, "Stop", "");
        CALL_ERROR(&f, f.client, "Busy", part, ON1, "StopWithOptions", "a{sv}", 1, "insist", "b",
                   0);
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        let_go(pid);
        drop_group(&f);
        CALL(&f, f.client, &r, ON1, "Stop", "");
        reply_done(&r);
        end(&f);
}

/* The kernel cuts a name at 15 bytes, be it in a character; and who chooses it may mean harm. */
TEST(a_holders_name_is_made_plain) {
        Fixture f;
        pid_t pid;

        begin(&f);
        ASSERT_EQ(prctl(PR_SET_NAME, "x\x1b[2J\xd0\x9a\xd0"), 0);
        pid = fixture_hold(GROUP, 0);
        ASSERT_EQ(prctl(PR_SET_NAME, "test-bus-holder"), 0);
        CALL_ERROR(&f, f.client, "Busy", "x?[2J\xd0\x9a? (pid", ON1, "Stop", "");
        let_go(pid);
        drop_group(&f);
        end(&f);
}

TEST(another_users_process_is_found) {
        char part[64];
        Fixture f;
        pid_t pid;

        begin(&f);
        pid = fixture_hold(GROUP, NOBODY);
        (void) snprintf(part, sizeof(part), "(pid %d", pid);
        CALL_ERROR(&f, f.client, "Busy", part, ON1, "Stop", "");
        let_go(pid);
        drop_group(&f);
        end(&f);
}

/* As libvirt: the caller itself has the group open. The fake device's group stays for that. */
TEST(the_caller_may_hold_the_group) {
        Reply r = {};
        Fixture f;
        int fd;

        begin(&f);
        fd = open(GROUP, O_RDWR | O_CLOEXEC);
        ASSERT_TRUE(fd >= 0);
        gate_make(&f, "gate-remove-" PARENT);
        call_begin(f.client, &r, ON1, "Stop", "");
        /* it has come as far as the write to "remove" */
        {
                int gate = gate_hold(&f, "gate-remove-" PARENT);

                drop_group(&f);
                gate_release(&f, "gate-remove-" PARENT, gate);
        }
        call_wait(&f, &r);
        ASSERT_REPLY(&r);
        reply_done(&r);
        safe_close(fd);
        end(&f);
}

TEST(who_insists_gets_an_operation_that_blocks_nobody) {
        _cleanup_(freep) char *op = NULL, *state = NULL, *other = NULL, *done = NULL;
        const char *path;
        Reply r = {};
        Fixture f;
        pid_t pid;
        int gate;

        begin(&f);
        pid = fixture_hold(GROUP, 0);
        gate_make(&f, "gate-remove-" PARENT); /* the kernel waits for the holder */
        CALL(&f, f.client, &r, ON1, "StopWithOptionsAsync", "a{sv}", 1, "insist", "b", 1);
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &path) > 0);
        op = strdup(path);
        reply_done(&r);
        gate = gate_hold(&f, "gate-remove-" PARENT);
        state = get_property(&f, op, MDEVD_IFACE_OPERATION, "State");
        ASSERT_STREQ(state, "running");
        other = create_device(&f, OTHER, UUID2, "");
        /* nor does the end of the daemon wait for it; the next one knows of it */
        ASSERT_EQ(fixture_end(&f, SIGTERM), 0);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "Busy", UUID1, MANAGER, "CreateDevice", "ssa{sv}", PARENT, TYPE, 1,
                   "uuid", "s", UUID1);
        let_go(pid);
        drop_group(&f);
        gate_release(&f, "gate-remove-" PARENT, gate);
        done = wait_operation(&f, "/org/mdevd1/operation/1");
        ASSERT_STREQ(done, "done");
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        end(&f);
}

typedef struct Said Said;

struct Said {
        Fixture *f;
        const char *operation, *part;
        char *text;
};

static bool has_said(void *userdata) {
        Said *s = userdata;

        free(s->text);
        s->text = get_property(s->f, s->operation, MDEVD_IFACE_OPERATION, "Blocked");
        return s->text && strstr(s->text, s->part);
}

/* Until the operation says so; each time anew only after a signal of its change. */
static void wait_said(Fixture *f, const char *operation, const char *part) {
        Said s = { f, operation, part, NULL };
        char change[160];

        (void) snprintf(change, sizeof(change), "PropertiesChanged %s", operation);
        while (!has_said(&s)) {
                wait_signal(f, change);
                forget_signals(f);
        }
        free(s.text);
}

static char *begin_removal(Fixture *f) {
        const char *operation;
        Reply r = {};
        char *ret;

        CALL(f, f->client, &r, ON1, "StopWithOptionsAsync", "a{sv}", 1, "insist", "b", 1);
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &operation) > 0);
        ret = strdup(operation);
        reply_done(&r);
        return ret;
}

static void signal_workers(const Fixture *f, int signal) {
        char path[64];
        FILE *file;
        int pid, n = 0;

        (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children", f->daemon_pid,
                        f->daemon_pid);
        file = fopen(path, "re");
        ASSERT_NOT_NULL(file);
        for (; fscanf(file, "%d", &pid) == 1; n++)
                ASSERT_EQ(kill(pid, signal), 0);
        (void) fclose(file);
        ASSERT_TRUE(n > 0);
}

/* The worker of the one that he joins was told before that it is not to be. */
TEST(who_insists_does_so_also_when_he_joins_another) {
        Reply plain = {}, insisting = {};
        Fixture f;
        pid_t pid;
        int fd;

        begin(&f);
        gate_make(&f, "gate-remove-" PARENT);
        pid = fixture_hold(GROUP, 0);
        signal_workers(&f, SIGSTOP);
        call_begin(f.client, &plain, ON1, "Stop", "");
        call_begin(f.client, &insisting, ON1, "StopWithOptions", "a{sv}", 1, "insist", "b", 1);
        free(get_property(&f, DEVICE1, MDEVD_IFACE_DEVICE, "State")); /* both were taken */
        signal_workers(&f, SIGCONT);
        fd = gate_hold(&f, "gate-remove-" PARENT);
        drop_group(&f);
        gate_release(&f, "gate-remove-" PARENT, fd);
        call_wait(&f, &plain);
        call_wait(&f, &insisting);
        ASSERT_REPLY(&plain);
        ASSERT_REPLY(&insisting);
        ASSERT_EQ(waitpid(pid, NULL, WNOHANG), 0);
        ASSERT_FALSE(file_exists(&f, "sys/bus/mdev/devices/" UUID1));
        reply_done(&plain);
        reply_done(&insisting);
        let_go(pid);
        end(&f);
}

/* Everybody can read an operation, so who it is is told to the caller alone, who may manage it. */
TEST(only_the_caller_is_told_who_it_is) {
        _cleanup_(freep) char *op = NULL, *state = NULL, *error = NULL;
        char pid_text[32], how_many[] = UUID1 " on " PARENT " is open in 1 process; ";
        sd_bus *other;
        const char *text;
        Reply r = {};
        Fixture f;
        pid_t pid;

        begin(&f);
        pid = fixture_hold(GROUP, 0);
        (void) snprintf(pid_text, sizeof(pid_text), "(pid %d", pid);
        CALL_ERROR(&f, f.client, "Busy", how_many, ON1, "Stop", "");
        CALL_ERROR(&f, f.client, "Busy", pid_text, ON1, "Stop", "");
        CALL(&f, f.client, &r, ON1, "StopAsync", "");
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &text) > 0);
        op = strdup(text);
        reply_done(&r);
        state = wait_operation(&f, op);
        ASSERT_STREQ(state, "failed");
        error = get_property(&f, op, MDEVD_IFACE_OPERATION, "Error");
        ASSERT_CONTAINS(error, how_many);
        ASSERT_NULL(strstr(error, "pid"));
        ASSERT_NULL(strstr(error, "test-bus-holder"));
        other = fixture_connect(&f, NOBODY);
        CALL(&f, other, &r, MANAGER, "Describe", "");
        ASSERT_TRUE(sd_bus_message_read(r.m, "s", &text) > 0);
        ASSERT_CONTAINS(text, how_many);
        ASSERT_NULL(strstr(text, pid_text));
        ASSERT_NULL(strstr(text, "test-bus-holder"));
        reply_done(&r);
        CALL_ERROR(&f, other, SD_BUS_ERROR_ACCESS_DENIED, "", ON1, "GetHolders", "");
        sd_bus_flush_close_unref(other);
        let_go(pid);
        drop_group(&f);
        end(&f);
}

/* Also when others have it open than before; and no more when it is over. */
TEST(a_blocked_removal_says_in_how_many_the_device_is_open) {
        _cleanup_(freep) char *op = NULL, *before = NULL, *state = NULL, *after = NULL;
        pid_t first, second;
        Fixture f;
        int gate;

        begin(&f);
        first = fixture_hold(GROUP, 0);
        gate_make(&f, "gate-remove-" PARENT);
        op = begin_removal(&f);
        before = get_property(&f, op, MDEVD_IFACE_OPERATION, "Blocked");
        ASSERT_STREQ(before, "");
        gate = gate_hold(&f, "gate-remove-" PARENT);
        wait_said(&f, op, "; it is open in 1 process.");
        second = fixture_hold(GROUP, NOBODY);
        wait_said(&f, op, "; it is open in 2 processes.");
        let_go(first);
        wait_said(&f, op, "; it is open in 1 process.");
        let_go(second);
        wait_said(&f, op, "nobody was found who has it open");
        drop_group(&f);
        gate_release(&f, "gate-remove-" PARENT, gate);
        state = wait_operation(&f, op);
        ASSERT_STREQ(state, "done");
        after = get_property(&f, op, MDEVD_IFACE_OPERATION, "Blocked");
        ASSERT_STREQ(after, "");
        end(&f);
}

/* Who has it open, told to root; how many there are when it is nobody. */
TEST(holders_are_told) {
        const char *command, *machine, *where;
        uint32_t pid, total;
        pid_t holder;
        Reply r = {};
        Fixture f;

        begin(&f);
        CALL(&f, f.client, &r, ON1, "GetHolders", "");
        ASSERT_EQ(sd_bus_message_read(r.m, "a(usss)u", 0, &total), 1);
        ASSERT_EQ(total, 0);
        reply_done(&r);
        holder = fixture_hold(GROUP, NOBODY);
        CALL(&f, f.client, &r, ON1, "GetHolders", "");
        ASSERT_EQ(sd_bus_message_read(r.m, "a(usss)u", 1, &pid, &command, &machine, &where, &total),
                  1);
        ASSERT_EQ(pid, (uint32_t) holder);
        ASSERT_STREQ(command, "test-bus-holder");
        ASSERT_STREQ(machine, "");
        ASSERT_EQ(total, 1);
        reply_done(&r);
        let_go(holder);
        drop_group(&f);
        end(&f);
}

TEST(a_blocked_create_says_so) {
        _cleanup_(freep) char *op = NULL, *state = NULL;
        const char *path;
        Reply r = {};
        Fixture f;
        int gate;

        fixture_init(&f);
        fixture_start(&f);
        gate_make(&f, "gate-create-" PARENT);
        CALL(&f, f.client, &r, MANAGER, "CreateDeviceAsync", "ssa{sv}", PARENT, TYPE, 0);
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &path) > 0);
        op = strdup(path);
        reply_done(&r);
        gate = gate_hold(&f, "gate-create-" PARENT);
        wait_said(&f, op, "the kernel has not answered the create on " PARENT " (worker pid");
        gate_release(&f, "gate-create-" PARENT, gate);
        state = wait_operation(&f, op);
        ASSERT_STREQ(state, "done");
        fixture_done(&f);
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-functions.c: vGPUs of a driver that makes no mdevs, as a client meets them: the same
 * verbs, objects and files; over kills of the worker, of the daemon, and beside others who write
 * to sysfs. On a fake of such a card: no real one was at hand.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "../unit/fake-kernel.h"
#include "../unit/fake-vgpu.h"
#include "trial.h"

#define CARD "0000:41:00.0"
#define F0 "0000:41:00.4"
#define F1 "0000:41:00.5"
#define F2 "0000:41:00.6"
#define FUNCTION0 "sys/" FAKE_DEVPATH "/" F0
#define CARD_PATH "/org/mdevd1/parent/_30000_3a41_3a00_2e0"
#define DEVICE "/org/mdevd1/device/_30000_3a41_3a00_2e0/"
#define D1 DEVICE "_311111111_2d2222_2d3333_2d4444_2d555555555501"
#define D2 DEVICE "_311111111_2d2222_2d3333_2d4444_2d555555555502"
#define CREATE MANAGER, "CreateDevice", "ssa{sv}"
#define VERB(path, name) (path), MDEVD_IFACE_DEVICE, (name), ""
#define FILE1 "etc/mdevctl.d/" CARD "/" UUID1

static const Scenario nothing = { .name = "functions" };

static void prepare(Trial *t) {
        trial_prepare(t, &nothing);
        fake_vgpu_add(t->f.tree.path, CARD);
        tree_write(&t->f.tree, "etc/machine-id", "00112233445566778899aabbccddeeff\n");
}

static void begin(Trial *t) {
        prepare(t);
        fixture_start(&t->f);
}

static void expect(Fixture *f, const char *path, const char *name, const char *value) {
        _cleanup_(freep) char *got = get_property(f, path, MDEVD_IFACE_DEVICE, name);

        ASSERT_STREQ(got, value);
}

static void done(Fixture *f, const char *path, const char *verb) {
        Reply r = {};

        CALL(f, f->client, &r, VERB(path, verb));
        reply_done(&r);
}

static void apply_profile(Trial *t, const char *profile) {
        Reply r = {};

        CALL(&t->f, t->f.client, &r, MANAGER, "ApplyProfile", "sa{sv}", profile, 0);
        reply_done(&r);
}

/* What the function bears; its file has more bytes than the number. */
static long borne(Trial *t, const char *function) {
        char path[128], text[16] = "";
        int fd;

        (void) snprintf(path, sizeof(path), "sys/" FAKE_DEVPATH "/%s/nvidia/current_vgpu_type",
                        function);
        fd = openat(t->f.tree.fd, path, O_RDONLY | O_CLOEXEC);
        ASSERT_TRUE(fd >= 0);
        ASSERT_TRUE(read(fd, text, sizeof(text) - 1) > 0);
        safe_close(fd);
        return strtol(text, NULL, 10);
}

/* Somebody else does. */
static void write_type(Trial *t, const char *function, const char *type) {
        char path[128];

        (void) snprintf(path, sizeof(path), "sys/" FAKE_DEVPATH "/%s/nvidia/current_vgpu_type",
                        function);
        ASSERT_OK(write_attr_at(t->f.tree.fd, path, type));
}

static void create(Trial *t, const char *parent, const char *type, const char *uuid,
                   const char *path) {
        const char *made, *given;
        Reply r = {};

        CALL(&t->f, t->f.client, &r, CREATE, parent, type, 2, "uuid", "s", uuid, "owner", "s",
             "vm1");
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &made, &given) > 0);
        ASSERT_STREQ(made, path);
        ASSERT_STREQ(given, uuid);
        reply_done(&r);
}

static unsigned available(Trial *t, const char *type) {
        json_object *state = trial_describe(t), *types, *v;
        json_object *p = trial_find(state, "parents", "name", CARD);
        unsigned n = 0;

        ASSERT_NOT_NULL(p);
        ASSERT_TRUE(json_object_object_get_ex(p, "types", &types));
        for (size_t i = 0; i < json_object_array_length(types); i++) {
                json_object *o = json_object_array_get_idx(types, i);

                if (streq_ptr(trial_string(o, "id"), type) &&
                    json_object_object_get_ex(o, "available", &v))
                        n = (unsigned) json_object_get_uint64(v);
        }
        json_object_put(state);
        return n;
}

TEST(the_same_verbs_and_objects) {
        json_object *state, *d;
        const char *plan;
        Reply r = {};
        Trial t;

        begin(&t);
        CALL(&t.f, t.f.client, &r, CARD_PATH, GET, MDEVD_IFACE_PARENT, "State");
        reply_done(&r);
        ASSERT_EQ(available(&t, "nvidia-16"), 4);
        CALL(&t.f, t.f.client, &r, MANAGER, "PlanDevice", "ssa{sv}", "", "NVIDIA L40S-16Q", 0);
        ASSERT_TRUE(sd_bus_message_read(r.m, "s", &plan) > 0);
        ASSERT_CONTAINS(plan, "A nvidia-16 for nobody in particular would be made on " CARD);
        reply_done(&r);

        /* by its id, and by the last word of its name */
        create(&t, "", "nvidia-16", UUID1, D1);
        create(&t, CARD, "L40S-16Q", UUID2, D2);
        expect(&t.f, D1, "State", "live");
        expect(&t.f, D1, "Function", F0);
        expect(&t.f, D1, "Type", "nvidia-16");
        expect(&t.f, D1, "Owner", "vm1");
        expect(&t.f, D1, "ParentName", CARD);
        expect(&t.f, D2, "Function", F1);
        ASSERT_EQ(count_lines(t.f.signals, "InterfacesAdded " D1), 1);
        ASSERT_EQ(borne(&t, F0), 16);
        ASSERT_EQ(borne(&t, F1), 16);
        ASSERT_EQ(available(&t, "nvidia-16"), 2);
        ASSERT_EQ(available(&t, "nvidia-8"), 0);

        state = trial_describe(&t);
        d = trial_find(state, "devices", "uuid", UUID1);
        ASSERT_NOT_NULL(d);
        ASSERT_STREQ(trial_string(d, "function"), F0);
        json_object_put(state);
        /* mdevctl and libvirt look on another bus, and see none of it */
        ASSERT_EQ(trial_count_names(&t, "sys/bus/mdev/devices"), 0);

        CALL(&t.f, t.f.client, &r, D1, MDEVD_IFACE_DEVICE, "SetOwner", "s", "vm7");
        reply_done(&r);
        expect(&t.f, D1, "Owner", "vm7");
        CALL_ERROR(&t.f, t.f.client, "DeviceExists", UUID1, CREATE, CARD, "nvidia-16", 1, "uuid",
                   "s", UUID1);
        done(&t.f, D1, "Stop");
        done(&t.f, D2, "Stop");
        ASSERT_EQ(borne(&t, F0), 0);
        ASSERT_EQ(trial_count_names(&t, MDEVD_PATH_DEVICES), 0);
        CALL_ERROR(&t.f, t.f.client, SD_BUS_ERROR_UNKNOWN_OBJECT, "", VERB(D1, "Stop"));
        fixture_done(&t.f);
}

/* /etc/mdevctl.d stays the only place of definitions; a parent's folder is the card's. */
TEST(defined_started_modified_undefined) {
        Reply r = {};
        Trial t;

        begin(&t);
        CALL(&t.f, t.f.client, &r, MANAGER, "DefineDevice", "ssa{sv}", CARD, "nvidia-8", 4, "uuid",
             "s", UUID1, "owner", "s", "db1", "autostart", "b", 1, "attributes", "a(ss)", 1,
             "nvidia/vgpu_params", "a=1");
        reply_done(&r);
        ASSERT_TRUE(file_exists(&t.f, FILE1));
        expect(&t.f, D1, "State", "defined");
        expect(&t.f, D1, "Function", "");
        done(&t.f, D1, "Start");
        expect(&t.f, D1, "State", "live");
        expect(&t.f, D1, "Function", F0);
        expect(&t.f, D1, "Owner", "db1");
        ASSERT_EQ(borne(&t, F0), 8);
        CALL(&t.f, t.f.client, &r, D1, MDEVD_IFACE_DEVICE, "Modify", "a{sv}", 2, "live", "b", 1,
             "attributes", "a(ss)", 1, "nvidia/vgpu_params", "a=2");
        reply_done(&r);
        ASSERT_TRUE(file_exists(&t.f, FUNCTION0 "/nvidia/vgpu_params"));
        CALL_ERROR(&t.f, t.f.client, "InvalidArgument", "only what its driver has", D1,
                   MDEVD_IFACE_DEVICE, "Modify", "a{sv}", 2, "live", "b", 1, "attributes", "a(ss)",
                   1, "driver_override", "vfio-pci");

        /* it comes back with the daemon, after a boot that has emptied the card */
        ASSERT_EQ(fixture_end(&t.f, SIGTERM), 0);
        write_type(&t, F0, "0");
        fixture_start(&t.f);
        json_object_put(trial_settle(&t, false));
        expect(&t.f, D1, "State", "live");
        expect(&t.f, D1, "Origin", "definition");
        done(&t.f, D1, "Stop");
        expect(&t.f, D1, "State", "defined");
        ASSERT_EQ(borne(&t, F0), 0);
        done(&t.f, D1, "Undefine");
        ASSERT_FALSE(file_exists(&t.f, FILE1));
        fixture_done(&t.f);
}

/* No uevent tells of it; who looks at the bus sees it all the same. */
TEST(what_others_make_is_seen) {
        _cleanup_(freep) char *path = NULL;
        json_object *state, *d;
        const char *object;
        Reply r = {};
        Trial t;

        begin(&t);
        forget_signals(&t.f);
        write_type(&t, F1, "48");
        wait_signal(&t.f, "InterfacesAdded " DEVICE);
        state = trial_describe(&t);
        d = trial_find(state, "devices", "function", F1);
        ASSERT_NOT_NULL(d);
        ASSERT_STREQ(trial_string(d, "origin"), "foreign");
        ASSERT_STREQ(trial_string(d, "type"), "nvidia-48");
        CALL(&t.f, t.f.client, &r, MANAGER, "GetDevice", "ss", trial_string(d, "uuid"), "");
        ASSERT_TRUE(sd_bus_message_read(r.m, "o", &object) > 0);
        path = strdup(object);
        reply_done(&r);
        json_object_put(state);
        CALL_ERROR(&t.f, t.f.client, "NoRoom", CARD, CREATE, "", "nvidia-48", 0);
        forget_signals(&t.f);
        write_type(&t, F1, "0");
        wait_signal(&t.f, "InterfacesRemoved ");
        create(&t, "", "nvidia-48", UUID1, D1);
        ASSERT_EQ(borne(&t, F0), 48);
        fixture_done(&t.f);
}

TEST(a_vm_uses_it) {
        Trial t;

        begin(&t);
        create(&t, "", "nvidia-16", UUID1, D1);
        fake_write(&t.tree, "", FUNCTION0 "/fake/in-use");
        CALL_ERROR(&t.f, t.f.client, "Busy", "does not let it go", VERB(D1, "Stop"));
        expect(&t.f, D1, "State", "live");
        fake_remove(&t.tree, FUNCTION0 "/fake/in-use");
        done(&t.f, D1, "Stop");
        fixture_done(&t.f);
}

/* Leases know nothing of functions. */
TEST(it_goes_with_its_client) {
        const char *path, *uuid;
        sd_bus *client;
        Reply r = {};
        Trial t;

        begin(&t);
        client = fixture_connect(&t.f, 0);
        CALL(&t.f, client, &r, CREATE, CARD, "nvidia-16", 2, "uuid", "s", UUID1, "lease", "s",
             "client");
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &path, &uuid) > 0);
        ASSERT_STREQ(path, D1);
        reply_done(&r);
        ASSERT_EQ(borne(&t, F0), 16);
        forget_signals(&t.f);
        sd_bus_flush_close_unref(client);
        wait_signal(&t.f, "InterfacesRemoved " D1);
        ASSERT_EQ(borne(&t, F0), 0);
        fixture_done(&t.f);
}

/* Until the function bears nothing; the daemon tells of it. */
static void await_empty(Trial *t, const char *function) {
        for (;;) {
                forget_signals(&t->f);
                if (borne(t, function) == 0)
                        return;
                wait_signal(&t->f, "");
        }
}

/*
 * A lease ends while the driver holds who makes another on the same card: the function is emptied
 * after that, by this daemon or by the next one.
 */
static void end_behind_a_sibling(bool kill_daemon) {
        sd_bus *client;
        Reply r = {};
        Trial t;
        int fd;

        begin(&t);
        client = fixture_connect(&t.f, 0);
        CALL(&t.f, client, &r, CREATE, CARD, "nvidia-16", 2, "uuid", "s", UUID1, "lease", "s",
             "client");
        reply_done(&r);
        gate_make(&t.f, "block");
        fake_link(&t.tree, "../../../../../fake/block", "sys/" FAKE_DEVPATH "/" F1
                  "/fake/vgpu-block");
        call_begin(t.f.client, &r, CREATE, CARD, "nvidia-16", 2, "uuid", "s", UUID2, "owner", "s",
                   "vm2");
        fd = gate_hold(&t.f, "block");
        forget_signals(&t.f);
        sd_bus_flush_close_unref(client);
        wait_signal(&t.f, "InterfacesAdded " MDEVD_OBJECT_ROOT "/operation");
        ASSERT_EQ(borne(&t, F0), 16);
        if (kill_daemon) {
                (void) fixture_end(&t.f, SIGKILL);
                fixture_start(&t.f);
        }
        gate_release(&t.f, "block", fd);
        call_wait(&t.f, &r);
        reply_done(&r);
        await_empty(&t, F0);
        json_object_put(trial_settle(&t, false));
        CALL_ERROR(&t.f, t.f.client, SD_BUS_ERROR_UNKNOWN_OBJECT, "", VERB(D1, "Stop"));
        expect(&t.f, D2, "Function", F1);
        expect(&t.f, D2, "Owner", "vm2");
        ASSERT_EQ(trial_count_names(&t, MDEVD_PATH_DEVICES), 1);
        fixture_done(&t.f);
}

TEST(a_lease_ends_behind_a_sibling) {
        end_behind_a_sibling(false);
}

TEST(the_daemon_is_killed_as_a_lease_ends) {
        end_behind_a_sibling(true);
}

/* Until the property is that; whatever changes it is told. */
static void await(Fixture *f, const char *path, const char *name, const char *value) {
        for (;;) {
                _cleanup_(freep) char *got = NULL;

                forget_signals(f);
                got = get_property(f, path, MDEVD_IFACE_DEVICE, name);
                if (streq(got, value))
                        return;
                wait_signal(f, path);
        }
}

/*
 * The other end of a terminal plays the function's own character device of VFIO: nobody else has
 * it.
 */
static int add_vfio(Trial *t, char device[static 32]) {
        int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        struct stat st;
        char number[32];

        ASSERT_TRUE(fd >= 0 && unlockpt(fd) == 0 && ptsname_r(fd, device, 32) == 0);
        ASSERT_EQ(stat(device, &st), 0);
        (void) snprintf(number, sizeof(number), "%u:%u\n", major(st.st_rdev), minor(st.st_rdev));
        tree_write(&t->f.tree, FUNCTION0 "/vfio-dev/vfio0/dev", number);
        ASSERT_EQ(symlinkat("/proc", t->f.tree.fd, "proc"), 0);
        return fd;
}

/* Who has the function open is found, and his end is the end of a lease "vm". */
TEST(it_goes_with_its_machine) {
        const char *command, *machine, *where;
        uint32_t pid, total;
        char device[32];
        Reply r = {};
        pid_t user;
        Trial t;
        int fd;

        begin(&t);
        fd = add_vfio(&t, device);
        CALL(&t.f, t.f.client, &r, CREATE, CARD, "nvidia-16", 3, "uuid", "s", UUID1, "lease", "s",
             "vm", "linger", "u", 0);
        reply_done(&r);
        user = fixture_hold(device, 0);
        CALL(&t.f, t.f.client, &r, VERB(D1, "GetHolders"));
        ASSERT_TRUE(sd_bus_message_enter_container(r.m, 'a', "(usss)") > 0);
        ASSERT_TRUE(sd_bus_message_read(r.m, "(usss)", &pid, &command, &machine, &where) > 0);
        ASSERT_EQ((pid_t) pid, user);
        ASSERT_TRUE(sd_bus_message_exit_container(r.m) > 0);
        ASSERT_TRUE(sd_bus_message_read(r.m, "u", &total) > 0);
        ASSERT_EQ(total, 1);
        reply_done(&r);
        await(&t.f, D1, "Opened", "1");
        await(&t.f, D1, "LeaseUntil", "0");
        CALL_ERROR(&t.f, t.f.client, "Busy", "is open in 1 process", VERB(D1, "Stop"));
        ASSERT_EQ(borne(&t, F0), 16);

        forget_signals(&t.f);
        ASSERT_EQ(kill(user, SIGKILL), 0);
        ASSERT_EQ(waitpid(user, NULL, 0), user);
        wait_signal(&t.f, "InterfacesRemoved " D1);
        ASSERT_EQ(borne(&t, F0), 0);
        safe_close(fd);
        fixture_done(&t.f);
}

static bool is_success(const Reply *r) {
        return r->m && !sd_bus_message_get_error(r->m);
}

/* Model, function and files say the same, and who asks once more gets what he asks for. */
static void check_kill(Trial *t, bool answered) {
        json_object *state = trial_settle(t, false);
        json_object *d = trial_find(state, "devices", "uuid", UUID1);

        ASSERT_EQ(d != NULL, borne(t, F0) > 0);
        ASSERT_TRUE(!answered || d);
        if (d) {
                ASSERT_STREQ(trial_string(d, "function"), F0);
                ASSERT_STREQ(trial_string(d, "owner"), "vm1");
                ASSERT_STREQ(trial_string(d, "origin"), "request");
        }
        json_object_put(state);
        ASSERT_EQ(trial_count_names(t, MDEVD_PATH_OPERATIONS), 0);
        ASSERT_EQ(trial_count_names(t, MDEVD_PATH_DEVICES), d ? 1 : 0);
        if (!d)
                create(t, "", "nvidia-16", UUID1, D1);
        done(&t->f, D1, "Stop");
        ASSERT_EQ(borne(t, F0), 0);
}

/* Of the worker, before or after each thing that it changes. */
TEST(the_worker_is_killed) {
        static const char *const signs[] = { "", "-" };
        unsigned hits = 0;

        for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
                for (unsigned n = 0, hit = 1; hit; n++) {
                        char at[16];
                        Reply r = {};
                        Trial t;

                        ASSERT_TRUE(n < 16);
                        begin(&t);
                        json_object_put(trial_settle(&t, false));
                        (void) snprintf(at, sizeof(at), "%s%u", signs[i], n);
                        write_fake(&t.f, "kill-at", at);
                        call_begin(t.f.client, &r, CREATE, "", "nvidia-16", 2, "uuid", "s", UUID1,
                                   "owner", "s", "vm1");
                        call_wait(&t.f, &r);
                        hit = file_exists(&t.f, "fake/killed");
                        remove_fake(&t.f, "kill-at");
                        hits += hit;
                        check_kill(&t, is_success(&r));
                        reply_done(&r);
                        fixture_done(&t.f);
                }
        /* that it is begun, that the function is free, the type, the result: before and after */
        ASSERT_EQ(hits, 8);
}

/*
 * Of the daemon, while its worker is at the card: the next one finds both, and answers who asks
 * again.
 */
TEST(the_daemon_is_killed) {
        Reply r = {};
        Trial t;
        int fd;

        begin(&t);
        gate_make(&t.f, "block");
        fake_link(&t.tree, "../../../../../fake/block", FUNCTION0 "/fake/vgpu-block");
        call_begin(t.f.client, &r, CREATE, "", "nvidia-16", 2, "uuid", "s", UUID1, "owner", "s",
                   "vm1");
        fd = gate_hold(&t.f, "block");
        (void) fixture_end(&t.f, SIGKILL);
        call_wait(&t.f, &r);
        ASSERT_FALSE(is_success(&r));
        reply_done(&r);

        fixture_start(&t.f);
        call_begin(t.f.client, &r, CREATE, "", "nvidia-16", 2, "uuid", "s", UUID1, "owner", "s",
                   "vm1");
        gate_release(&t.f, "block", fd);
        call_wait(&t.f, &r);
        ASSERT_REPLY(&r);
        reply_done(&r);
        expect(&t.f, D1, "Function", F0);
        expect(&t.f, D1, "Owner", "vm1");

        /* and what there is outlives it */
        (void) fixture_end(&t.f, SIGKILL);
        fixture_start(&t.f);
        expect(&t.f, D1, "Function", F0);
        expect(&t.f, D1, "Owner", "vm1");
        expect(&t.f, D1, "Origin", "request");
        done(&t.f, D1, "Stop");
        fixture_done(&t.f);
}

/*
 * The driver hangs in what an earlier daemon's worker has written, and lets nobody read: the next
 * daemon is there all the same, and the other devices of the card are what they were, later.
 */
TEST(the_driver_hangs_at_the_start) {
        static const char creatable[] = "sys/" FAKE_DEVPATH "/" F1 "/nvidia/creatable_vgpu_types";
        static const char away[] = "sys/" FAKE_DEVPATH "/" F1 "/nvidia/away";
        static const struct timespec long_ago[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
        Reply r = {};
        Trial t;
        int fd;

        begin(&t);
        create(&t, "", "nvidia-16", UUID1, D1); /* takes the first function */
        expect(&t.f, D1, "Function", F0);
        gate_make(&t.f, "block");
        fake_link(&t.tree, "../../../../../fake/block", "sys/" FAKE_DEVPATH "/" F1
                  "/fake/vgpu-block");
        call_begin(t.f.client, &r, CREATE, "", "nvidia-16", 2, "uuid", "s", UUID2, "owner", "s",
                   "vm2");
        fd = gate_hold(&t.f, "block");
        (void) fixture_end(&t.f, SIGKILL);
        call_wait(&t.f, &r);
        reply_done(&r);
        ASSERT_EQ(utimensat(t.f.tree.fd, MDEVD_PATH_OPERATIONS "/" CARD ":" UUID2, long_ago, 0), 0);
        ASSERT_EQ(renameat(t.f.tree.fd, creatable, t.f.tree.fd, away), 0);
        fake_fifo(&t.tree, "%s", creatable); /* an open() that waits for ever */

        fixture_start(&t.f);
        json_object_put(trial_describe(&t));
        call_begin(t.f.client, &r, CREATE, "", "nvidia-16", 2, "uuid", "s", UUID2, "owner", "s",
                   "vm2");
        ASSERT_EQ(renameat(t.f.tree.fd, away, t.f.tree.fd, creatable), 0);
        gate_release(&t.f, "block", fd);
        call_wait(&t.f, &r);
        ASSERT_REPLY(&r);
        reply_done(&r);
        json_object_put(trial_settle(&t, false));
        expect(&t.f, D1, "Function", F0);
        expect(&t.f, D1, "Owner", "vm1");
        expect(&t.f, D1, "Origin", "request");
        expect(&t.f, D2, "Function", F1);
        expect(&t.f, D2, "Owner", "vm2");
        fixture_done(&t.f);
}

/* NVIDIA's own file of what a host is to have, for cards of both kinds. */
TEST(nvidias_profiles_name_the_card) {
        _cleanup_(freep) char *command = NULL;
        char text[1024] = "";
        FILE *f;
        Trial t;

        prepare(&t);
        tree_write(&t.f.tree, "vgpu.yaml",
                   "version: v1\nvgpu-configs:\n  half:\n  - devices: [0]\n"
                   "    vgpu-devices: { L40S-16Q: 2 }\n");
        ASSERT_TRUE(asprintf(&command, "%s --root=%s --convert-vgpu-config=%s/vgpu.yaml",
                             getenv("MDEVD_TEST_DAEMON"), t.f.tree.path, t.f.tree.path) > 0);
        f = popen(command, "r");
        ASSERT_NOT_NULL(f);
        ASSERT_TRUE(fread(text, 1, sizeof(text) - 1, f) > 0);
        ASSERT_EQ(pclose(f), 0);
        ASSERT_STREQ(text, "{\n  \"profiles\": {\n    \"half\": { \"devices\": [\n"
                           "        { \"type\": \"L40S-16Q\", \"parent\": \"" CARD "\", "
                           "\"count\": 2 } ] }\n  }\n}\n");

        /* and the daemon makes what it says */
        tree_write(&t.f.tree, "etc/mdevd/mdevd.d/vgpu.json", text);
        fixture_start(&t.f);
        apply_profile(&t, "half");
        ASSERT_EQ(borne(&t, F0), 16);
        ASSERT_EQ(borne(&t, F1), 16);
        ASSERT_EQ(borne(&t, F2), 0);
        fixture_done(&t.f);
}

TESTS_MAIN

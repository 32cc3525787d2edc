/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-find-holders.c: who has a device open, on a /proc and a sysfs that are made up. */
#include <sys/sysmacros.h>

#include "fake-tree.h"
#include "test.h"

#include "backend/holders.h"

#define FOLDER "sys/devices/p/u"

/* ---- where a process belongs ---- */

TEST(units) {
        static const struct {
                const char *cgroup;
                int kind;
                const char *unit, *where;
        } cases[] = {
                { "0::/system.slice/vm1.service\n", HOLDER_UNIT_SERVICE, "vm1.service",
                  "unit vm1.service" },
                { "0::/machine.slice/machine-qemu\\x2d1\\x2dvm1.scope/libvirt/emulator\n",
                  HOLDER_UNIT_SCOPE, "machine-qemu\\x2d1\\x2dvm1.scope", "machine qemu-1-vm1" },
                /* of two, systemd knows the outer one; a container's are its own */
                { "0::/system.slice/docker-ab.scope/system.slice/vm.service\n", HOLDER_UNIT_SCOPE,
                  "docker-ab.scope", "unit vm.service" },
                /* a person's session, manager, or the init of a container */
                { "0::/user.slice/user-1000.slice/session-3.scope\n", 0, "",
                  "unit session-3.scope" },
                { "0::/user.slice/user-1000.slice/user@1000.service/app.slice/vm.scope\n", 0, "",
                  "unit vm.scope" },
                { "0::/init.scope\n", 0, "", "unit init.scope" },
                { "0::/\n", 0, "", "" },
                { "0::/a.slice/b\n", 0, "", "" },
                { "", 0, "", "" },
                { "nonsense", 0, "", "" },
                { "0::/.service/.scope\n", 0, "", "" },
                { "0::/system.slice/vm1.service", HOLDER_UNIT_SERVICE, "vm1.service",
                  "unit vm1.service" },
                /* the old hierarchies beside it */
                { "12:devices:/x.service\n1:name=systemd:/system.slice/y.service\n",
                  HOLDER_UNIT_SERVICE, "y.service", "unit y.service" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char unit[HOLDER_UNIT_MAX], where[HOLDER_WHERE_MAX];

                ASSERT_EQ(holder_unit(cases[i].cgroup, unit), cases[i].kind);
                ASSERT_STREQ(unit, cases[i].unit);
                holder_where(cases[i].cgroup, where);
                ASSERT_STREQ(where, cases[i].where);
        }
}

/* systemd's longest name of a unit is 255 bytes. */
TEST(longest_unit) {
        char text[512], unit[HOLDER_UNIT_MAX];

        for (int n = 255; n <= 256; n++) {
                (void) snprintf(text, sizeof(text), "0::/%0*d.service\n", n - 8, 0);
                ASSERT_EQ(holder_unit(text, unit), n == 255 ? HOLDER_UNIT_SERVICE : 0);
                ASSERT_EQ(strlen(unit), n == 255 ? 255 : 0);
        }
}

/* ---- the device's numbers ---- */

static void add_device(FakeTree *t) {
        fake_link(t, "../../kernel/iommu_groups/7", FOLDER "/iommu_group");
        fake_write(t, "1:3\n", "sys/class/vfio/7/dev"); /* null */
}

TEST(numbers) {
        _cleanup_(fake_tree_freep) FakeTree *t = fake_tree_new();
        HolderDevice numbers[HOLDER_DEVICES_MAX];
        size_t n = 9;

        fake_mkdir(t, FOLDER);
        ASSERT_OK(holders_devices_of(t->root_fd, FOLDER, numbers, &n));
        ASSERT_EQ(n, 0);
        add_device(t);
        ASSERT_OK(holders_devices_of(t->root_fd, FOLDER, numbers, &n));
        ASSERT_EQ(n, 1);
        ASSERT_EQ(numbers[0].number, makedev(1, 3));
        fake_write(t, "1:5\n", FOLDER "/vfio-dev/vfio0/dev");
        ASSERT_OK(holders_devices_of(t->root_fd, FOLDER, numbers, &n));
        ASSERT_EQ(n, 2);
        ASSERT_EQ(numbers[1].number, makedev(1, 5));
        /* no more than there is room for, and nonsense is none */
        fake_write(t, "1\n", FOLDER "/vfio-dev/vfio1/dev");
        for (unsigned i = 2; i < 8; i++)
                fake_write(t, "1:7\n", FOLDER "/vfio-dev/vfio%u/dev", i);
        ASSERT_OK(holders_devices_of(t->root_fd, FOLDER, numbers, &n));
        ASSERT_EQ(n, HOLDER_DEVICES_MAX);
        /* the group has gone meanwhile */
        fake_remove(t, "sys/class/vfio/7/dev");
        ASSERT_OK(holders_devices_of(t->root_fd, FOLDER, numbers, &n));
        ASSERT_TRUE(n >= 1 && numbers[0].number != makedev(1, 3));
}

/* ---- the search ---- */

static void add_process(FakeTree *t, int pid, int parent, const char *comm, const char *cgroup) {
        char stat[96];

        (void) snprintf(stat, sizeof(stat), "%d (a) b) S %d 1 1", pid, parent);
        fake_write(t, stat, "proc/%d/stat", pid);
        fake_write(t, comm, "proc/%d/comm", pid);
        fake_write(t, cgroup, "proc/%d/cgroup", pid);
        fake_mkdir(t, "proc/%d/fd", pid);
}

static void add_descriptor(FakeTree *t, int pid, int fd, const char *target) {
        fake_link(t, target, "proc/%d/fd/%d", pid, fd);
}

TEST(search) {
        _cleanup_(fake_tree_freep) FakeTree *t = fake_tree_new();
        const HolderDevice null = { makedev(1, 3), .is_group = true };
        Holders h = {};

        add_process(t, 10, 1, "libvirtd\n", "0::/system.slice/libvirtd.service\n");
        add_process(t, 11, 10, "busctl\n", "0::/system.slice/libvirtd.service\n");
        add_process(t, 12, 1, "qemu-system-x86\n", "0::/machine.slice/machine-vm1.scope\n");
        add_process(t, 13, 1, "cat\n", "0::/\n");
        add_descriptor(t, 10, 3, "/dev/null");
        add_descriptor(t, 12, 0, "/dev/zero");
        add_descriptor(t, 12, 21, "/dev/null");
        add_descriptor(t, 12, 22, "anon_inode:[vfio-device]");
        add_descriptor(t, 13, 3, "/dev/zero");
        fake_write(t, "no process\n", "proc/version");

        ASSERT_OK(holders_find(t->root_fd, &null, 0, 0, &h));
        ASSERT_EQ(h.n, 0);
        ASSERT_OK(holders_find(t->root_fd, &null, 1, 0, &h));
        ASSERT_EQ(h.n, 2);
        /* the caller and those above it may have the group, unless they use a device */
        ASSERT_OK(holders_find(t->root_fd, &null, 1, 11, &h));
        ASSERT_EQ(h.n, 1);
        ASSERT_EQ(h.holders[0].pid, 12);
        ASSERT_STREQ(h.holders[0].command, "qemu-system-x86");
        ASSERT_STREQ(h.holders[0].where, "machine vm1");
        add_descriptor(t, 10, 4, "anon_inode:[vfio-device]");
        ASSERT_OK(holders_find(t->root_fd, &null, 1, 11, &h));
        ASSERT_EQ(h.n, 2);

        ASSERT_TRUE(holder_uses(t->root_fd, 12, &null, 1));
        ASSERT_FALSE(holder_uses(t->root_fd, 13, &null, 1));
        ASSERT_FALSE(holder_uses(t->root_fd, 99, &null, 1));
}

/*
 * Who has the group open and no device keeps nothing alive: libvirt does, while it asks for a stop.
 */
/* One that cannot be looked at may be a holder; one that is gone is none. */
TEST(unseen) {
        _cleanup_(fake_tree_freep) FakeTree *t = fake_tree_new();
        const HolderDevice null = { makedev(1, 3), .is_group = true };
        Holders h = {};

        add_process(t, 10, 1, "qemu-system-x86\n", "0::/\n");
        fake_mkdir(t, "proc/11"); /* its descriptors went a moment ago */
        ASSERT_OK(holders_find(t->root_fd, &null, 1, 0, &h));
        ASSERT_EQ(h.n, 0);
        fake_link(t, "fd", "proc/11/fd"); /* ELOOP */
        ASSERT_EQ(holders_find(t->root_fd, &null, 1, 0, &h), -ELOOP);
        ASSERT_EQ(holders_find_users(t->root_fd, &null, 1, &h), -ELOOP);
        ASSERT_FALSE(holder_uses(t->root_fd, 11, &null, 1));
        /* but who is found is found */
        add_descriptor(t, 10, 3, "/dev/null");
        ASSERT_OK(holders_find(t->root_fd, &null, 1, 0, &h));
        ASSERT_EQ(h.n, 1);
}

TEST(users) {
        _cleanup_(fake_tree_freep) FakeTree *t = fake_tree_new();
        const HolderDevice group = { makedev(1, 3), .is_group = true };
        const HolderDevice own = { makedev(1, 3), .is_group = false };
        Holders h = {};

        add_process(t, 10, 1, "libvirtd\n", "0::/system.slice/libvirtd.service\n");
        add_process(t, 12, 1, "qemu-system-x86\n", "0::/machine.slice/machine-vm1.scope\n");
        add_descriptor(t, 10, 3, "/dev/null");
        add_descriptor(t, 12, 22, "anon_inode:[vfio-device]");
        ASSERT_OK(holders_find_users(t->root_fd, &group, 1, &h));
        ASSERT_EQ(h.n, 0); /* another device's user is none of this one */
        ASSERT_FALSE(holder_uses(t->root_fd, 10, &group, 1));
        add_descriptor(t, 12, 21, "/dev/null");
        ASSERT_OK(holders_find_users(t->root_fd, &group, 1, &h));
        ASSERT_EQ(h.n, 1);
        ASSERT_EQ(h.holders[0].pid, 12);
        /* the device's own character device is the device */
        ASSERT_TRUE(holder_uses(t->root_fd, 10, &own, 1));
        ASSERT_OK(holders_find_users(t->root_fd, &own, 1, &h));
        ASSERT_EQ(h.n, 2);
}

TEST(many_are_counted) {
        _cleanup_(fake_tree_freep) FakeTree *t = fake_tree_new();
        const HolderDevice null = { makedev(1, 3), .is_group = true };
        Holders h = {};

        for (int i = 0; i < HOLDERS_MAX + 1; i++) {
                add_process(t, 100 + i, 1, "qemu\n", "0::/\n");
                add_descriptor(t, 100 + i, 3, "/dev/null");
        }
        ASSERT_OK(holders_find(t->root_fd, &null, 1, 0, &h));
        ASSERT_EQ(h.n, HOLDERS_MAX + 1);
        ASSERT_EQ(h.holders[HOLDERS_MAX - 1].pid / 100, 1);
}

TEST(one_process) {
        _cleanup_(fake_tree_freep) FakeTree *t = fake_tree_new();
        char unit[HOLDER_UNIT_MAX];
        Holder h;

        add_process(t, 12, 1, "a-name-that-is-far-too-long\n", "0::/system.slice/x.service\n");
        holder_describe(t->root_fd, 12, &h);
        ASSERT_STREQ(h.command, "a-name-that-is-f");
        ASSERT_STREQ(h.where, "unit x.service");
        ASSERT_EQ(holder_unit_of(t->root_fd, 12, unit), HOLDER_UNIT_SERVICE);
        ASSERT_STREQ(unit, "x.service");
        holder_describe(t->root_fd, 77, &h);
        ASSERT_EQ(h.pid, 77);
        ASSERT_STREQ(h.command, "");
        ASSERT_EQ(holder_unit_of(t->root_fd, 77, unit), 0);
}

TESTS_MAIN

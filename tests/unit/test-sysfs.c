/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reader of the kernel's mdev tree, whole and while it vanishes. */
#include "test.h"

#include <pthread.h>

#include "fake-tree.h"
#include "sysfs/sysfs.h"

#define P1 "0000:00:05.0"
#define U1 "11111111-1111-4111-8111-111111111111"
#define DEV "sys/" FAKE_DEVPATH "/" P1

static FakeTree *new_tree(void) {
        FakeTree *t = fake_tree_new();

        fake_pci(t, P1, "i915", 0x2000, UINT64_C(1) << 32);
        fake_type(t, P1, "i915-GVTg_V5_4", 3);
        fake_register(t, P1);
        return t;
}

static Parent *new_parent(void) {
        Parent *p;

        ASSERT_OK(parent_new(&p, P1));
        return p;
}

TEST(paths) {
        static const char *const good[] = { "devices/a", "devices/pci0000:00/0000:00:05.0",
                                            "devices/virtual/mtty/mtty", "devices/..a/b" };
        static const char *const bad[] = { "", "devices", "devices/", "/devices/a", "devices//a",
                                           "devices/a/", "devices/../a", "devices/a/..",
                                           "devices/./a", "class/a", "Devices/a" };

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                ASSERT_TRUE(sysfs_path_is_valid(good[i]));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ASSERT_FALSE(sysfs_path_is_valid(bad[i]));
}

TEST(parent_whole) {
        _cleanup_(fake_tree_freep) FakeTree *t = new_tree();
        _cleanup_(parent_freep) Parent *p = new_parent();
        _cleanup_(freep) char *path = NULL;
        bool registered;
        const Type *type;

        fake_write(t, "1\n", DEV "/numa_node");
        fake_link(t, "../0000:00:04.0", DEV "/physfn");
        ASSERT_OK(sysfs_find_parent(t->root_fd, P1, &path, &registered));
        ASSERT_STREQ(path, FAKE_DEVPATH "/" P1);
        ASSERT_TRUE(registered);
        ASSERT_OK(sysfs_read_parent(t->root_fd, path, p));
        ASSERT_OK(sysfs_read_types(t->root_fd, p, false));
        ASSERT_EQ(p->state, PARENT_REGISTERED);
        ASSERT_STREQ(p->driver, "i915");
        ASSERT_STREQ(p->unit, "0000:00:04.0");
        ASSERT_EQ(p->numa_node, 1);
        ASSERT_EQ(p->bar_sizes[0], 0x2000);
        ASSERT_EQ(p->bar_sizes[1], 0);
        ASSERT_EQ(p->bar_sizes[2], UINT64_C(1) << 32);
        type = parent_find_type(p, "i915-GVTg_V5_4");
        ASSERT_NOT_NULL(type);
        ASSERT_STREQ(type->label, "A label");
        ASSERT_STREQ(type->device_api, "vfio-pci");
        ASSERT_NULL(type->description);
        ASSERT_EQ(type->available, 3);
        ASSERT_FALSE(type->ours);
}

/* Each file in turn is missing, empty, or nonsense: the rest is read, nothing fails. */
TEST(parent_in_pieces) {
        static const char *const files[] = {
                "driver", "numa_node", "resource", "mdev_supported_types/i915-GVTg_V5_4/name",
                "mdev_supported_types/i915-GVTg_V5_4/device_api",
                "mdev_supported_types/i915-GVTg_V5_4/available_instances",
                "mdev_supported_types/i915-GVTg_V5_4", "mdev_supported_types",
        };
        static const char *const texts[] = { NULL, "", "nonsense", "\n\n\n", "-1",
                                             "0xffffffffffffffff 0x0 0x1\n0x",
                                             "99999999999999999999" };

        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
                        _cleanup_(fake_tree_freep) FakeTree *t = new_tree();
                        _cleanup_(parent_freep) Parent *p = new_parent();

                        fake_remove(t, DEV "/%s", files[i]);
                        if (texts[k])
                                fake_write(t, texts[k], DEV "/%s", files[i]);
                        ASSERT_OK(sysfs_read_parent(t->root_fd, FAKE_DEVPATH "/" P1, p));
                        ASSERT_OK(sysfs_read_types(t->root_fd, p, false));
                        ASSERT_TRUE(p->state >= PARENT_PRESENT);
                        ASSERT_TRUE(p->numa_node >= -1);
                }
}

TEST(types_follow_sysfs) {
        _cleanup_(fake_tree_freep) FakeTree *t = new_tree();
        _cleanup_(parent_freep) Parent *p = new_parent();
        const Type *kept;
        Type *ours;

        ASSERT_OK(sysfs_read_parent(t->root_fd, FAKE_DEVPATH "/" P1, p));
        ASSERT_OK(type_new(&ours, "mdevd-x"));
        ours->ours = true;
        parent_link_type(p, ours);
        ASSERT_OK(sysfs_read_types(t->root_fd, p, false));
        kept = parent_find_type(p, "i915-GVTg_V5_4");
        fake_type(t, P1, "i915-GVTg_V5_8", 7);
        fake_write(t, "1\n", DEV "/mdev_supported_types/i915-GVTg_V5_4/available_instances");
        ASSERT_OK(sysfs_read_types(t->root_fd, p, false));
        ASSERT_TRUE(parent_find_type(p, "i915-GVTg_V5_4") == kept);
        ASSERT_EQ(kept->available, 1);
        ASSERT_EQ(parent_find_type(p, "i915-GVTg_V5_8")->available, 7);

        fake_remove(t, DEV "/mdev_supported_types/i915-GVTg_V5_4");
        ASSERT_OK(sysfs_read_types(t->root_fd, p, true)); /* borrowed: kept */
        ASSERT_TRUE(parent_find_type(p, "i915-GVTg_V5_4") == kept);
        ASSERT_OK(sysfs_read_types(t->root_fd, p, false));
        ASSERT_NULL(parent_find_type(p, "i915-GVTg_V5_4"));
        ASSERT_TRUE(parent_find_type(p, "mdevd-x") == ours); /* the configuration's */
}

TEST(device_whole_incomplete_gone) {
        _cleanup_(fake_tree_freep) FakeTree *t = new_tree();
        SysfsDevice d = {};
        Uuid uuid;

        ASSERT_OK(uuid_parse(U1, &uuid));
        ASSERT_EQ(sysfs_read_device(t->root_fd, &uuid, &d), -ENOENT);
        ASSERT_OK(fake_create(t, P1, "i915-GVTg_V5_4", U1));
        ASSERT_OK(sysfs_read_device(t->root_fd, &uuid, &d));
        ASSERT_STREQ(d.parent, P1);
        ASSERT_STREQ(d.type, "i915-GVTg_V5_4");
        ASSERT_STREQ(d.path, FAKE_DEVPATH "/" P1 "/" U1);
        sysfs_device_done(&d);
        fake_remove(t, DEV "/" U1 "/mdev_type");
        ASSERT_EQ(sysfs_read_device(t->root_fd, &uuid, &d), SYSFS_INCOMPLETE);
        fake_remove(t, DEV "/" U1);
        ASSERT_EQ(sysfs_read_device(t->root_fd, &uuid, &d), -ENOENT); /* the link dangles */
}

/* A link that leads elsewhere is no device, and is never followed out of the root. */
TEST(links_stay_inside) {
        static const char *const targets[] = { "/etc/passwd", "../../../../../etc", "devices/../x",
                                               "../../..", ".", "../../../devices" };
        _cleanup_(fake_tree_freep) FakeTree *t = new_tree();
        SysfsDevice d = {};
        char *path;
        Uuid uuid;

        ASSERT_OK(uuid_parse(U1, &uuid));
        for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
                fake_link(t, targets[i], "sys/bus/mdev/devices/" U1);
                fake_link(t, targets[i], "sys/class/mdev_bus/0000:00:09.0");
                ASSERT_EQ(sysfs_read_device(t->root_fd, &uuid, &d), -ENOENT);
                ASSERT_EQ(sysfs_find_parent(t->root_fd, "0000:00:09.0", &path, NULL), -ENOENT);
        }
        ASSERT_EQ(sysfs_find_parent(t->root_fd, "../../etc", &path, NULL), -ENOENT);
        ASSERT_EQ(sysfs_find_parent(t->root_fd, "..", &path, NULL), -ENOENT);
}

static int count(const char *name, void *userdata) {
        ++*(unsigned *) userdata;
        return 0;
}

static int count_device(const Uuid *uuid, void *userdata) {
        return ++*(unsigned *) userdata == 2 ? 7 : 0;
}

TEST(foreach) {
        _cleanup_(fake_tree_freep) FakeTree *t = new_tree();
        unsigned n = 0;

        fake_write(t, "", "sys/class/mdev_bus/no blank");
        ASSERT_OK(sysfs_foreach_parent(t->root_fd, count, &n));
        ASSERT_EQ(n, 1);
        n = 0;
        ASSERT_OK(sysfs_foreach_device(t->root_fd, count_device, &n));
        ASSERT_EQ(n, 0);
        fake_write(t, "", "sys/bus/mdev/devices/" U1);
        fake_write(t, "", "sys/bus/mdev/devices/21111111-1111-4111-8111-111111111111");
        fake_write(t, "", "sys/bus/mdev/devices/nonsense");
        ASSERT_EQ(sysfs_foreach_device(t->root_fd, count_device, &n), 7);

        fake_remove(t, "sys/class/mdev_bus");
        fake_remove(t, "sys/bus/mdev");
        n = 0;
        ASSERT_OK(sysfs_foreach_parent(t->root_fd, count, &n));
        ASSERT_OK(sysfs_foreach_device(t->root_fd, count_device, &n));
        ASSERT_EQ(n, 0);
}

/* ---- while somebody takes it down and builds it up ---- */

typedef struct Churn Churn;

struct Churn {
        FakeTree *tree;
        bool stop;
        unsigned rounds;
};

static void *churn(void *userdata) {
        Churn *c = userdata;

        while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
                fake_pci_remove(c->tree, P1);
                fake_remove(c->tree, "sys/bus/mdev/devices/" U1);
                fake_pci(c->tree, P1, "i915", 0x2000, 0);
                fake_type(c->tree, P1, "i915-GVTg_V5_4", 3);
                fake_register(c->tree, P1);
                if (fake_create(c->tree, P1, "i915-GVTg_V5_4", U1) < 0)
                        abort();
                __atomic_fetch_add(&c->rounds, 1, __ATOMIC_RELAXED);
        }
        return NULL;
}

TEST(reading_while_it_vanishes) {
        _cleanup_(fake_tree_freep) FakeTree *t = new_tree();
        Churn c = { .tree = t };
        unsigned whole = 0, gone = 0;
        pthread_t thread;
        Uuid uuid;

        ASSERT_OK(uuid_parse(U1, &uuid));
        ASSERT_OK(-pthread_create(&thread, NULL, churn, &c));
        while (__atomic_load_n(&c.rounds, __ATOMIC_RELAXED) < 200) {
                _cleanup_(parent_freep) Parent *p = new_parent();
                SysfsDevice d = {};
                int r;

                r = sysfs_read_parent(t->root_fd, FAKE_DEVPATH "/" P1, p);
                ASSERT_TRUE(r == 0 || r == -ENOENT);
                ASSERT_OK(sysfs_read_types(t->root_fd, p, false));
                r = sysfs_read_device(t->root_fd, &uuid, &d);
                ASSERT_TRUE(r == 0 || r == -ENOENT || r == SYSFS_INCOMPLETE);
                if (r == 0) {
                        ASSERT_STREQ(d.type, "i915-GVTg_V5_4");
                        sysfs_device_done(&d);
                        whole++;
                } else
                        gone++;
        }
        __atomic_store_n(&c.stop, true, __ATOMIC_RELAXED);
        (void) pthread_join(thread, NULL);
        ASSERT_TRUE(whole > 0 && gone > 0);
}

TESTS_MAIN

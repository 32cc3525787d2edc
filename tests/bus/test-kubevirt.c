/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-kubevirt.c: a node's virt-handler beside us, as it reads and writes sysfs: its clean-up
 * removes every mdev whose type it was not told of, then it fills each parent that has none with
 * all instances of one type, under random UUIDs. (Its source: kubevirt/kubevirt,
 * pkg/virt-handler/device-manager/mediated_devices_types.go.) What becomes of devices of ours is
 * what conf/kubevirt.md says.
 */
#include <dirent.h>

#include "../unit/fake-kernel.h"
#include "trial.h"

#define UUID4 "11111111-2222-3333-4444-555555555504"

#define SECOND "0000:00:08.0" /* another one that our module divides */
#define BIG "mdevd-fb-16M"
#define BIG_NAME "16_MiB_of_frame_buffer" /* its label, as KubeVirt writes it */
#define SMALL "mdevd-fb-8M"
#define DEVICES "sys/bus/mdev/devices"
#define BUS "sys/class/mdev_bus"
#define TYPES BUS "/%s/mdev_supported_types"
#define BY_UNIT "\"writers\": [ { \"unit\": \"cri-containerd-*.scope\", \"owner\": \"kubevirt\" } ]"
#define DEVICE "/org/mdevd1/device/_30000_3a00_3a07_2e0/"
#define D1 DEVICE "_311111111_2d2222_2d3333_2d4444_2d555555555501"
#define D2 DEVICE "_311111111_2d2222_2d3333_2d4444_2d555555555502"
#define CREATE MANAGER, "CreateDevice", "ssa{sv}"
#define WRITER 4711
#define NAMES_MAX 16
#define ROUNDS 3 /* after which we believe that it never ends */

static const char config[] =
        "{ \"parents\": ["
        "  { \"address\": \"" MODULE "\", \"pools\": [ { \"name\": \"fb\", \"bar\": 2 } ],"
        "    \"types\": [ \"fb-16M\", \"fb-8M\" ] },"
        "  { \"address\": \"" SECOND "\", \"pools\": [ { \"name\": \"fb\", \"bar\": 2 } ],"
        "    \"types\": [ \"fb-16M\", \"fb-8M\" ] } ],"
        "  \"types\": {"
        "  \"fb-16M\": { \"label\": \"16 MiB of frame buffer\","
        "                \"bars\": [ { \"pool\": \"fb\", \"size\": \"16M\" } ] },"
        "  \"fb-8M\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"8M\" } ] } },"
        "  \"policy\": { %s } }";

static const Scenario nothing = { .name = "kubevirt" };

typedef struct Node Node;

/* The node's part of the cluster's configuration: types by id, or by name with _ for blanks. */
struct Node {
        Trial *t;
        const char *desired, *external; /* NULL: none */
        unsigned made, refused;
};

/* ---- the node, as virt-handler sees it ---- */

static char *read_sysfs(Trial *t, const char *path) {
        char *text = fake_read(&t->tree, "%s", path);

        for (char *c = text; c && *c; c++)
                *c = *c == ' ' ? '_' : *c == '\n' ? '\0' : *c;
        return text;
}

/* The names in a folder, sorted as it reads them; how many. */
static size_t list_names(Trial *t, const char *folder, char ret[static NAMES_MAX][64]) {
        struct dirent **entries;
        int n = scandirat(t->f.tree.fd, folder, &entries, NULL, alphasort);
        size_t k = 0;

        ASSERT_TRUE(n >= 0);
        for (int i = 0; i < n; i++) {
                if (entries[i]->d_name[0] != '.') {
                        ASSERT_TRUE(k < NAMES_MAX);
                        (void) snprintf(ret[k++], 64, "%.63s", entries[i]->d_name);
                }
                free(entries[i]);
        }
        free(entries);
        return k;
}

static bool is_named(const char *wanted, const char *id, const char *name) {
        return wanted && (streq(wanted, id) || streq_ptr(wanted, name));
}

static void link_of(Trial *t, const char *path, char ret[static PATH_MAX]) {
        ssize_t n = readlinkat(t->f.tree.fd, path, ret, PATH_MAX - 1);

        ASSERT_TRUE(n > 0);
        ret[n] = '\0';
}

static void clean_up(Node *k) {
        char names[NAMES_MAX][64], path[PATH_MAX], type[PATH_MAX];
        size_t n = list_names(k->t, DEVICES, names);

        for (size_t i = 0; i < n; i++) {
                _cleanup_(freep) char *name = NULL;
                const char *id;

                (void) snprintf(path, sizeof(path), DEVICES "/%s/mdev_type/name", names[i]);
                name = read_sysfs(k->t, path);
                (void) snprintf(path, sizeof(path), DEVICES "/%s/mdev_type", names[i]);
                link_of(k->t, path, type);
                id = strrchr(type, '/') + 1;
                if (is_named(k->desired, id, name) || is_named(k->external, id, name))
                        continue;
                (void) snprintf(path, sizeof(path), DEVICES "/%s/remove", names[i]);
                ASSERT_EQ(write_attr_at(k->t->f.tree.fd, path, "1"), 0);
        }
}

static bool has_devices(Trial *t, const char *parent) {
        char names[NAMES_MAX][64], path[PATH_MAX], target[PATH_MAX];
        size_t n = list_names(t, DEVICES, names);

        for (size_t i = 0; i < n; i++) {
                (void) snprintf(path, sizeof(path), DEVICES "/%s", names[i]);
                link_of(t, path, target);
                *strrchr(target, '/') = '\0';
                if (streq(strrchr(target, '/') + 1, parent))
                        return true;
        }
        return false;
}

static bool is_ours(const char *type) {
        return strncmp(type, "mdevd-", 6) == 0;
}

static int available(Trial *t, const char *parent, const char *type) {
        _cleanup_(freep) char *text = NULL;
        char path[PATH_MAX];

        if (is_ours(type)) /* the module knows; the fake one does not write it down */
                return fake_module_available(t->f.tree.path, parent, type + 6);
        (void) snprintf(path, sizeof(path), TYPES "/%s/available_instances", parent, type);
        text = read_sysfs(t, path);
        ASSERT_NOT_NULL(text);
        return (int) strtol(text, NULL, 10);
}

typedef struct Write Write;

struct Write {
        const char *root;
        uint64_t cookie;
};

static bool is_answered(void *userdata) {
        const Write *w = userdata;

        return fake_module_outcome(w->root, w->cookie) != 1;
}

/* One write to "create"; its result. */
static int write_one(Trial *t, const char *parent, const char *type) {
        Write w = { t->f.tree.path, 0 };
        Uuid uuid;

        ASSERT_OK(uuid_random(&uuid));
        if (!is_ours(type))
                return fake_create(&t->tree, parent, type, UUID_STR(&uuid));
        w.cookie = fake_module_request(w.root, parent, type + 6, uuid.bytes, WRITER, "virt-chroot");
        fixture_wait(&t->f, is_answered, &w, "the answer to a write");
        return fake_module_outcome(w.root, w.cookie);
}

/* All instances, as many as sysfs says before the first; the first error ends it. */
static int fill_parent(Node *k, const char *parent, const char *type) {
        int n = available(k->t, parent, type);

        for (int i = 0; i < n; i++) {
                int r = write_one(k->t, parent, type);

                if (r < 0) {
                        k->refused++;
                        ASSERT_EQ(r, -ENOSPC);
                        return r;
                }
                k->made++;
        }
        return 0;
}

/* The parents without a device that have a type it was told of, and that type's id. */
static size_t find_parents(Node *k, char parents[static NAMES_MAX][64], char type[static 64]) {
        char all[NAMES_MAX][64], types[NAMES_MAX][64], path[PATH_MAX];
        size_t n = list_names(k->t, BUS, all), found = 0;

        for (size_t i = 0; i < n; i++) {
                size_t n_types;

                (void) snprintf(path, sizeof(path), TYPES, all[i]);
                n_types = list_names(k->t, path, types);
                for (size_t j = 0; j < n_types; j++) {
                        _cleanup_(freep) char *name = NULL;

                        (void) snprintf(path, sizeof(path), TYPES "/%s/name", all[i],
                                        types[j]);
                        name = read_sysfs(k->t, path);
                        if (!is_named(k->desired, types[j], name) || has_devices(k->t, all[i]))
                                continue;
                        memcpy(parents[found++], all[i], 64);
                        memcpy(type, types[j], 64);
                }
        }
        return found;
}

/*
 * Answers whether it has ended. The list of parents is shortened by a success only, or when the one
 * tried was its last; so a first parent that refuses is tried for ever.
 */
static bool fill(Node *k) {
        char parents[NAMES_MAX][64], type[64];
        size_t n = find_parents(k, parents, type), next = 0;

        for (unsigned rounds = 0; next < n; rounds++) {
                if (rounds == n + ROUNDS)
                        return false;
                if (fill_parent(k, parents[next], type) >= 0 || next == n - 1)
                        next++;
        }
        return true;
}

/* At virt-handler's start, at a heartbeat, and when the cluster's configuration changes. */
static bool reconcile(Node *k) {
        clean_up(k);
        return fill(k);
}

/* ---- our side ---- */

static bool are_registered(void *userdata) {
        static const char *const paths[] = { "_30000_3a00_3a07_2e0", "_30000_3a00_3a08_2e0" };
        bool all = true;

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                _cleanup_(freep) char *path = NULL, *state = NULL;

                ASSERT_TRUE(asprintf(&path, "/org/mdevd1/parent/%s", paths[i]) > 0);
                state = get_property(userdata, path, MDEVD_IFACE_PARENT, "State");
                all = all && streq(state, "registered");
        }
        return all;
}

/* Two parents of 64 MiB; @policy: the members of "policy". */
static void begin(Trial *t, const char *policy) {
        _cleanup_(freep) char *text = NULL;

        trial_prepare(t, &nothing);
        fake_pci(&t->tree, SECOND, "other", 0x1000, 64 * MIB);
        ASSERT_TRUE(asprintf(&text, config, policy) > 0);
        tree_write(&t->f.tree, "etc/mdevd/mdevd.json", text);
        fake_write(&t->tree,
                   "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1a2b.slice/"
                   "cri-containerd-0123456789ab.scope\n", "proc/4711/cgroup");
        fixture_start(&t->f);
        fixture_wait(&t->f, are_registered, &t->f, "the parents");
}

static void create(Trial *t, const char *uuid, const char *type, const char *owner, bool define) {
        Reply r = {};

        CALL(&t->f, t->f.client, &r, CREATE, MODULE, type, define ? 4 : 2, "uuid", "s", uuid,
             "owner", "s", owner, "define", "b", 1, "autostart", "b", 1);
        reply_done(&r);
}

static size_t count_devices(Trial *t, const char *key, const char *value) {
        json_object *state = trial_settle(t, false), *devices = NULL;
        size_t n = 0;

        ASSERT_TRUE(json_object_object_get_ex(state, "devices", &devices));
        for (size_t i = 0; i < json_object_array_length(devices); i++)
                n += streq_ptr(trial_string(json_object_array_get_idx(devices, i), key), value);
        json_object_put(state);
        return n;
}

static void expect_state(Trial *t, const char *path, const char *state) {
        _cleanup_(freep) char *got = get_property(&t->f, path, MDEVD_IFACE_DEVICE, "State");

        ASSERT_STREQ(got, state);
}

TEST(a_parent_is_filled_by_the_policy) {
        Node k = { .desired = BIG_NAME };
        Trial t;

        begin(&t, BY_UNIT);
        k.t = &t;
        ASSERT_TRUE(reconcile(&k));
        ASSERT_EQ(k.made, 8);
        ASSERT_EQ(k.refused, 0);
        ASSERT_EQ(count_devices(&t, "owner", "kubevirt"), 8);
        ASSERT_EQ(count_devices(&t, "origin", "sysfs"), 8);
        ASSERT_EQ(count_devices(&t, "type", BIG), 8);
        ASSERT_EQ(available(&t, MODULE, BIG), 0);
        CALL_ERROR(&t.f, t.f.client, "NoRoom", "", CREATE, "", "fb-8M", 0);
        /* the next time it finds what it wants */
        ASSERT_TRUE(reconcile(&k));
        ASSERT_EQ(k.made, 8);
        ASSERT_EQ(count_devices(&t, "origin", "sysfs"), 8);
        fixture_done(&t.f);
}

/* What is promised to others is not in the number that it reads, so it is never refused. */
TEST(it_leaves_what_is_promised_to_others) {
        Node k = { .desired = BIG };
        Trial t;

        begin(&t, "\"groups\": [ { \"name\": \"gold\", \"owners\": [ \"gold-*\" ],"
                  "  \"guarantees\": [ { \"type\": \"fb-16M\", \"devices\": 1,"
                  "                      \"parent\": \"" MODULE "\" } ] } ]");
        k.t = &t;
        ASSERT_TRUE(reconcile(&k));
        ASSERT_EQ(k.made, 7);
        ASSERT_EQ(k.refused, 0);
        create(&t, UUID1, "fb-16M", "gold-1", false);
        expect_state(&t, D1, "live");
        fixture_done(&t.f);
}

/* A limit of the owner that its writes have, and that the number in sysfs does not know. */
TEST(a_limit_that_sysfs_does_not_show_is_met_for_ever) {
        Node k = { .desired = BIG };
        Trial t;

        begin(&t, BY_UNIT ", \"groups\": [ { \"name\": \"kubevirt\", \"owners\": [ \"kubevirt\" ],"
                  "                \"limit_per_parent\": { \"devices\": 2 } } ]");
        k.t = &t;
        ASSERT_EQ(available(&t, MODULE, BIG), 4);
        ASSERT_FALSE(reconcile(&k));
        ASSERT_EQ(k.made, 2); /* the second parent is never reached */
        ASSERT_TRUE(k.refused > ROUNDS);
        ASSERT_EQ(fake_module_count(t.f.tree.path), 2);
        fixture_done(&t.f);
}

/* The same limit, of a group that those are in, too, whom nobody has named. */
TEST(a_limit_that_sysfs_shows_is_kept) {
        Node k = { .desired = BIG };
        Trial t;

        begin(&t, BY_UNIT ", \"groups\": [ { \"name\": \"kubevirt\","
                  "                \"owners\": [ \"kubevirt\", \"\" ],"
                  "                \"limit_per_parent\": { \"devices\": 2 } } ]");
        k.t = &t;
        ASSERT_EQ(available(&t, MODULE, BIG), 2);
        ASSERT_TRUE(reconcile(&k));
        ASSERT_EQ(k.made, 4);
        ASSERT_EQ(k.refused, 0);
        create(&t, UUID1, "fb-16M", "vm1", false);
        fixture_done(&t.f);
}

/* It was told of no type at all, which is what a cluster without such a configuration says. */
TEST(its_clean_up_removes_what_it_was_not_told_of) {
        Node k = {};
        Reply r = {};
        Trial t;

        begin(&t, "");
        k.t = &t;
        create(&t, UUID1, "fb-16M", "vm1", false);
        create(&t, UUID2, "fb-16M", "db1", true);
        free(create_device(&t.f, PARENT, UUID3, "vm3"));
        CALL(&t.f, t.f.client, &r, MANAGER, "CreateDevice", "ssa{sv}", MODULE, "fb-16M", 2, "uuid",
             "s", UUID4, "lease", "s", "vm");
        reply_done(&r);
        ASSERT_TRUE(reconcile(&k));
        ASSERT_EQ(count_devices(&t, "state", "live"), 0);
        /* a lease keeps nothing, and has ended with its device */
        ASSERT_EQ(trial_count_names(&t, MDEVD_PATH_DEVICES), 0);

        /* what was not defined is gone for good, what was is defined still, and stays down */
        CALL_ERROR(&t.f, t.f.client, SD_BUS_ERROR_UNKNOWN_OBJECT, "", D1, MDEVD_IFACE_DEVICE,
                   "Start", "");
        expect_state(&t, D2, "defined");
        ASSERT_TRUE(file_exists(&t.f, "etc/mdevctl.d/" MODULE "/" UUID2));

        /* its room is kept whatever is written meanwhile */
        k.desired = BIG;
        ASSERT_TRUE(reconcile(&k));
        ASSERT_EQ(k.made, 7);
        ASSERT_EQ(k.refused, 0);
        CALL(&t.f, t.f.client, &r, D2, MDEVD_IFACE_DEVICE, "Start", "");
        reply_done(&r);
        expect_state(&t, D2, "live");
        fixture_done(&t.f);
}

static bool is_live(void *userdata) {
        _cleanup_(freep) char *state = get_property(userdata, D2, MDEVD_IFACE_DEVICE, "State");

        return streq(state, "live");
}

/* We start again what is to be up, at our next start; and it removes that again. */
TEST(a_definition_comes_back_with_us) {
        Node k = {};
        Trial t;

        begin(&t, "");
        k.t = &t;
        create(&t, UUID2, "fb-8M", "db1", true);
        ASSERT_EQ(fixture_end(&t.f, SIGTERM), 0);
        clean_up(&k);
        ASSERT_EQ(fake_module_count(t.f.tree.path), 0);
        fixture_start(&t.f);
        fixture_wait(&t.f, is_live, &t.f, "the start of what is defined");
        clean_up(&k);
        json_object_put(trial_settle(&t, false));
        expect_state(&t, D2, "defined");
        fixture_done(&t.f);
}

/* "externalResourceProvider": such types it neither removes nor makes. */
TEST(what_is_said_to_be_others_stays) {
        Node k = { .desired = SMALL, .external = BIG_NAME };
        Trial t;

        begin(&t, "");
        k.t = &t;
        create(&t, UUID1, "fb-16M", "vm1", false);
        ASSERT_TRUE(reconcile(&k));
        expect_state(&t, D1, "live");
        /* and a parent on which there is anything is not filled */
        ASSERT_EQ(k.made, 8);
        ASSERT_EQ(k.refused, 0);
        ASSERT_FALSE(has_devices(&t, PARENT));
        ASSERT_EQ(count_devices(&t, "parent", MODULE), 1);
        ASSERT_EQ(count_devices(&t, "parent", SECOND), 8);
        fixture_done(&t.f);
}

/* What a profile has made is of a type that it wants: it takes these, and makes none. */
TEST(what_it_wants_and_is_there_is_left_alone) {
        Node k = { .desired = SMALL };
        Trial t;

        begin(&t, "");
        k.t = &t;
        create(&t, UUID1, "fb-8M", "vm1", false);
        ASSERT_TRUE(reconcile(&k));
        expect_state(&t, D1, "live");
        ASSERT_EQ(count_devices(&t, "parent", MODULE), 1);
        fixture_done(&t.f);
}

TESTS_MAIN

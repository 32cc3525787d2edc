/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-storm.c: twenty clients make, remove and look for devices on all parents at once, each with
 * its next call as soon as the last is answered. The same UUIDs are wanted by several. What is
 * answered may be a success or a refusal with a name of the interface; at the end model, kernel,
 * module and files say the same. 1,000 calls; with $MDEVD_TEST_LONG 10,000.
 */
#include <dirent.h>
#include <sys/random.h>

#include "../unit/fake-kernel.h"
#include "trial.h"

#define CLIENTS 20
#define UUIDS 40

typedef struct Client Client;
typedef struct Storm Storm;

struct Client {
        Storm *storm;
        sd_bus *bus;
        bool idle;
};

struct Storm {
        Trial t;
        Client clients[CLIENTS];
        unsigned begun, answered, total;
        unsigned made, removed, found, refused;
        uint64_t seed;
};

static uint64_t random_next(Storm *s) {
        s->seed ^= s->seed << 13;
        s->seed ^= s->seed >> 7;
        s->seed ^= s->seed << 17;
        return s->seed >> 11;
}

static void format_uuid(char uuid[static 37], unsigned i) {
        (void) snprintf(uuid, 37, "cccccccc-2222-3333-4444-5555555555%02x", i);
}

/* Any that might be right; the same UUID may be on any parent. */
static void format_path(char path[static 160], unsigned parent, unsigned i) {
        (void) snprintf(path, 160,
                        "/org/mdevd1/device/_30000_3a00_3a0%u_2e0/"
                        "cccccccc_2d2222_2d3333_2d4444_2d5555555555%02x", 5 + parent, i);
}

static void next_call(Client *c);

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *unused) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Client *c = userdata;
        Storm *s = c->storm;

        s->answered++;
        if (!e) {
                const char *signature = sd_bus_message_get_signature(m, true);

                s->made += streq(signature, "os");
                s->found += streq(signature, "o") || streq(signature, "s");
                s->removed += streq(signature, "");
        } else {
                s->refused++;
                if (strncmp(e->name, MDEVD_ERROR_PREFIX, strlen(MDEVD_ERROR_PREFIX)) != 0 &&
                    !streq(e->name, SD_BUS_ERROR_UNKNOWN_OBJECT))
                        test_fail(__FILE__, __LINE__, "%s: %s", e->name, e->message);
                ASSERT_TRUE(strlen(e->message) > 8);
        }
        next_call(c);
        return 0;
}

static sd_bus_message *make_create(Client *c, const char *uuid, unsigned tail) {
        static const char *const parents[] = { "", PARENT, OTHER, MODULE };
        sd_bus_message *m = NULL;
        unsigned which = random_next(c->storm) % ARRAY_SIZE(parents);
        char owner[16];

        (void) snprintf(owner, sizeof(owner), "vm-%u", tail);
        ASSERT_TRUE(sd_bus_message_new_method_call(c->bus, &m, MDEVD_BUS_NAME, MANAGER,
                                                   "CreateDevice") >= 0);
        ASSERT_TRUE(sd_bus_message_append(m, "ssa{sv}", parents[which],
                                          which == 3 || (which == 0 && tail % 2) ? MODULE_TYPE
                                                                                 : TYPE, 2,
                                          "uuid", "s", uuid, "owner", "s", owner) >= 0);
        return m;
}

static sd_bus_message *make_call(Client *c) {
        unsigned tail = random_next(c->storm) % UUIDS, kind = random_next(c->storm) % 100;
        sd_bus_message *m = NULL;
        char uuid[37], path[160];

        format_uuid(uuid, tail);
        if (kind < 45)
                return make_create(c, uuid, tail);
        if (kind < 90) {
                format_path(path, random_next(c->storm) % 3, tail);
                ASSERT_TRUE(sd_bus_message_new_method_call(c->bus, &m, MDEVD_BUS_NAME, path,
                                                           MDEVD_IFACE_DEVICE, "Stop") >= 0);
        } else if (kind < 98) {
                ASSERT_TRUE(sd_bus_message_new_method_call(c->bus, &m, MDEVD_BUS_NAME, MANAGER,
                                                           "GetDevice") >= 0);
                ASSERT_TRUE(sd_bus_message_append(m, "ss", uuid, "") >= 0);
        } else
                ASSERT_TRUE(sd_bus_message_new_method_call(c->bus, &m, MDEVD_BUS_NAME, MANAGER,
                                                           "Describe") >= 0);
        return m;
}

static void next_call(Client *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        if (c->storm->begun >= c->storm->total) {
                c->idle = true;
                return;
        }
        c->storm->begun++;
        m = make_call(c);
        ASSERT_TRUE(sd_bus_call_async(c->bus, NULL, m, on_answer, c, UINT64_MAX) >= 0);
}

typedef struct Progress Progress;

struct Progress {
        const Storm *storm;
        unsigned wanted;
};

/* A limit for so many answers, not for all of them. */
static bool has_progressed(void *userdata) {
        const Progress *p = userdata;

        return p->storm->answered >= p->wanted;
}

static const char *member_of(json_object *o, const char *key) {
        json_object *v = NULL;

        ASSERT_TRUE(json_object_object_get_ex(o, key, &v));
        return json_object_get_string(v);
}

static void check_pool(json_object *state, size_t n_ours) {
        json_object *parents = NULL, *pools = NULL, *used = NULL;

        ASSERT_TRUE(json_object_object_get_ex(state, "parents", &parents));
        for (size_t i = 0; i < json_object_array_length(parents); i++) {
                json_object *p = json_object_array_get_idx(parents, i);

                if (!streq(member_of(p, "name"), MODULE))
                        continue;
                ASSERT_TRUE(json_object_object_get_ex(p, "pools", &pools));
                ASSERT_TRUE(json_object_object_get_ex(json_object_array_get_idx(pools, 0), "used",
                                                      &used));
                ASSERT_EQ(json_object_get_uint64(used), n_ours * 16 * MIB);
        }
}

static void check(Storm *s) {
        json_object *state = trial_settle(&s->t, false), *devices = NULL;
        size_t n, n_ours = 0, n_vendors[2] = {};
        char path[128], owner[16];

        ASSERT_TRUE(json_object_object_get_ex(state, "devices", &devices));
        n = json_object_array_length(devices);
        for (size_t i = 0; i < n; i++) {
                json_object *d = json_object_array_get_idx(devices, i);
                const char *uuid = member_of(d, "uuid"), *parent = member_of(d, "parent");

                (void) snprintf(owner, sizeof(owner), "vm-%lu", strtoul(uuid + 34, NULL, 16));
                ASSERT_STREQ(member_of(d, "owner"), owner);
                ASSERT_STREQ(member_of(d, "origin"), "request");
                ASSERT_STREQ(member_of(d, "state"), "live");
                (void) snprintf(path, sizeof(path), "sys/bus/mdev/devices/%s", uuid);
                ASSERT_TRUE(file_exists(&s->t.f, path));
                (void) snprintf(path, sizeof(path), MDEVD_PATH_DEVICES "/%s", uuid);
                ASSERT_TRUE(file_exists(&s->t.f, path));
                n_ours += streq(parent, MODULE);
                n_vendors[0] += streq(parent, PARENT);
                n_vendors[1] += streq(parent, OTHER);
        }
        ASSERT_EQ(trial_count_names(&s->t, "sys/bus/mdev/devices"), n);
        ASSERT_EQ(trial_count_names(&s->t, MDEVD_PATH_DEVICES), n);
        ASSERT_EQ(trial_count_names(&s->t, MDEVD_PATH_OPERATIONS), 0);
        ASSERT_EQ(fake_module_count(s->t.f.tree.path), n_ours);
        check_pool(state, n_ours);
        for (size_t i = 0; i < 2; i++) {
                _cleanup_(freep) char *text = fake_read(&s->t.tree, "sys/" FAKE_DEVPATH "/%s"
                                                        "/mdev_supported_types/" TYPE
                                                        "/available_instances",
                                                        i ? OTHER : PARENT);

                ASSERT_EQ(strtol(text, NULL, 10), 4 - (long) n_vendors[i]);
        }
        json_object_put(state);
        printf("# %u calls: %u made, %u removed, %u found, %u refused; %zu devices left\n",
               s->answered, s->made, s->removed, s->found, s->refused, n);
}

TEST(twenty_clients_at_once) {
        static const Scenario scenario = { .name = "storm" };
        const char *given = getenv("MDEVD_TEST_SEED");
        Storm s = { .total = getenv("MDEVD_TEST_LONG") ? 10000 : 1000 };

        if (given)
                s.seed = strtoull(given, NULL, 0);
        else
                ASSERT_EQ(getrandom(&s.seed, sizeof(s.seed), 0), (ssize_t) sizeof(s.seed));
        s.seed |= 1;
        printf("# MDEVD_TEST_SEED=%#" PRIx64 "\n", s.seed);
        trial_prepare(&s.t, &scenario);
        fixture_start(&s.t.f);
        json_object_put(trial_settle(&s.t, false));
        for (size_t i = 0; i < CLIENTS; i++) {
                s.clients[i] = (Client){ .storm = &s, .bus = fixture_connect(&s.t.f, 0) };
                next_call(&s.clients[i]);
        }
        for (unsigned n = 50; n <= s.total; n += 50)
                fixture_wait(&s.t.f, has_progressed, &(Progress){ &s, n }, "fifty answers more");
        ASSERT_EQ(s.begun, s.total);
        ASSERT_EQ(s.answered, s.total);
        ASSERT_TRUE(s.made > s.total / 50 && s.removed > s.total / 50);
        check(&s);
        for (size_t i = 0; i < CLIENTS; i++)
                sd_bus_flush_close_unref(s.clients[i].bus);
        /* the next daemon sees it the same way */
        ASSERT_EQ(fixture_end(&s.t.f, SIGTERM), 0);
        fixture_start(&s.t.f);
        check(&s);
        fixture_done(&s.t.f);
}

TESTS_MAIN

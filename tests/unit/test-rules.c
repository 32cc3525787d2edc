/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-rules.c: the table tests/data/rules.txt; the rules as text; who may name whom. */
#include "scenario.h"

#include "alloc.h"
#include "test.h"

typedef struct Said Said;

struct Said {
        char text[8192];
        size_t n;
        int n_errors;
};

static int report(const Source *source, bool warning, const char *text, void *userdata) {
        Said *said = userdata;

        ASSERT_STREQ(source->file, "policy");
        said->n += (size_t) snprintf(said->text + said->n, sizeof(said->text) - said->n, "%s: %s\n",
                                     warning ? "warning" : "error", text);
        said->n_errors += !warning;
        return 0;
}

static bool run_case(char *fields[], char *got, size_t size) {
        _cleanup_(scenario_done) Scenario s = {};
        Said said = {};
        const char *expected = fields[3];
        int r;

        ASSERT_OK(scenario_init(&s));
        if (!scenario_add_parents(&s, fields[1]) || !scenario_add_rules(&s, fields[2])) {
                (void) snprintf(got, size, "%s", s.why);
                return false;
        }
        r = policy_check_rules(s.rules, &s.model->parents, NULL, report, &said);
        ASSERT_EQ(r, said.n_errors);
        (void) snprintf(got, size, "%s", said.text);
        if (streq(expected, "-"))
                return said.n == 0;
        return (strncmp(expected, "error", 5) == 0) == (r > 0) &&
               (strncmp(expected, "warning", 7) == 0) == (r == 0) &&
               scenario_has_parts(said.text, expected);
}

TEST(table) {
        scenario_table("rules.txt", 4, 35, run_case);
}

TEST(globs_that_nobody_matches) {
        _cleanup_(scenario_done) Scenario s = {};
        Said said = {};

        ASSERT_OK(scenario_init(&s));
        ASSERT_TRUE(scenario_add_parents(&s, "a=64M"));
        ASSERT_TRUE(scenario_add_rules(&s, "group=g:vm*:web* group=h:db* group=i:x"));
        ASSERT_TRUE(scenario_add_devices(&s, "16M@a+0:vm7 reserve:16M@a:db1"));
        ASSERT_EQ(policy_check_rules(s.rules, &s.model->parents, s.model, report, &said), 0);
        ASSERT_STREQ(said.text, "warning: group g: no known owner matches web*\n"
                                "warning: group i: no known owner matches x\n");
}

/* "nvidia-22 guaranteed" on hosts with devices: what the check says. */
static void check_vendor(const char *parents, const char *devices, const char *expected) {
        _cleanup_(scenario_done) Scenario s = {};
        Said said = {};
        int r;

        ASSERT_OK(scenario_init(&s));
        ASSERT_TRUE(scenario_add_parents(&s, parents));
        ASSERT_TRUE(scenario_add_rules(&s, "group=g:vm* guarantee=nvidia-22*4"));
        ASSERT_TRUE(scenario_add_devices(&s, devices));
        r = policy_check_rules(s.rules, &s.model->parents, s.model, report, &said);
        ASSERT_EQ(r, expected[0] != '\0');
        ASSERT_CONTAINS(said.text, expected);
}

TEST(what_a_vendors_other_types_have_taken_is_the_drivers_secret) {
        /* as many as are live and available, and not one more */
        check_vendor("b,vendor=nvidia-22:2", "nvidia-22@b:vm1 nvidia-22@b:vm2", "");
        check_vendor("b,vendor=nvidia-22:1", "nvidia-22@b:vm1 nvidia-22@b:vm2",
                     "1 have no room when all guarantees are taken up; their drivers offer 3 in");
        /* none is available, because of the other type or not */
        check_vendor("b,vendor=nvidia-22:0,vendor=nvidia-45:0", "nvidia-45@b:vm1", "");
        check_vendor("b,vendor=nvidia-22:0,vendor=nvidia-45:1", "",
                     "4 have no room when all guarantees are taken up; their drivers offer 0 in");
        /* somebody's device elsewhere on the same card, and on another */
        check_vendor("b,vendor=nvidia-22:0,unit=0000:41:00.0 "
                     "c,vendor=nvidia-45:0,unit=0000:41:00.0", "nvidia-45@c:vm1", "");
        check_vendor("b,vendor=nvidia-22:0,unit=0000:41:00.0 "
                     "c,vendor=nvidia-45:0,unit=0000:42:00.0", "nvidia-45@c:vm1",
                     "their drivers offer 0 in");
}

static int stop(const Source *source, bool warning, const char *text, void *userdata) {
        return -ECANCELED;
}

TEST(the_reporter_may_end_it) {
        _cleanup_(scenario_done) Scenario s = {};

        ASSERT_OK(scenario_init(&s));
        ASSERT_TRUE(scenario_add_parents(&s, "a=64M"));
        ASSERT_TRUE(scenario_add_rules(&s, "group=g:vm* guarantee=32M*3"));
        ASSERT_EQ(policy_check_rules(s.rules, &s.model->parents, NULL, stop, NULL), -ECANCELED);
}

TEST(no_memory) {
        _cleanup_(scenario_done) Scenario s = {};
        Said said = {};
        size_t failures = 0;
        long before;
        int r;

        ASSERT_OK(scenario_init(&s));
        ASSERT_TRUE(scenario_add_parents(&s, "a=64M,regs=4K b,vendor=nvidia-22:4"));
        ASSERT_TRUE(scenario_add_rules(&s, "group=g:vm* guarantee=32M*1 guarantee=fb:4M "
                                           "guarantee=nvidia-22*2 guarantee=pair-1M*1"));
        before = alloc_balance();
        FOR_EACH_ALLOCATION_FAILURE(r, policy_check_rules(s.rules, &s.model->parents, NULL, report,
                                                          &said)) {
                ASSERT_EQ(r, -ENOMEM);
                ASSERT_EQ(alloc_balance(), before);
                failures++;
        }
        ASSERT_EQ(r, 0);
        ASSERT_TRUE(failures > 50);
        ASSERT_EQ(said.n, 0);
}

static void add_writer(Scenario *s, const char *units, const char *owner) {
        WriterRule *w;

        ASSERT_OK(rules_add_writer(s->rules, &w, "policy", 50, 1, owner));
        w->units = strdup(units);
        ASSERT_NOT_NULL(w->units);
}

TEST(for_whom_a_writer_makes_it) {
        _cleanup_(scenario_done) Scenario s = {};

        ASSERT_OK(scenario_init(&s));
        ASSERT_STREQ(policy_owner_of_writer(NULL, "x.service"), "");
        ASSERT_STREQ(policy_owner_of_writer(s.rules, "x.service"), "");
        add_writer(&s, "*vdsmd.service", "ovirt");
        add_writer(&s, "crio-*.scope", "kubevirt");
        ASSERT_STREQ(policy_owner_of_writer(s.rules, "supervdsmd.service"), "ovirt");
        ASSERT_STREQ(policy_owner_of_writer(s.rules, "crio-12.scope"), "kubevirt");
        ASSERT_STREQ(policy_owner_of_writer(s.rules, ""), "");
        add_writer(&s, "*", "others");
        ASSERT_STREQ(policy_owner_of_writer(s.rules, ""), "others");
        ASSERT_STREQ(policy_owner_of_writer(s.rules, "vdsmd.service"), "ovirt");
}

TEST(as_text) {
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(freep) char *text = NULL;

        ASSERT_OK(scenario_init(&s));
        ASSERT_TRUE(scenario_add_parents(&s, "a=64M b=64M,unit=0000:41:00.0"));
        ASSERT_TRUE(scenario_add_rules(&s, "spread no-fallback apart! group=g:vm*:web* "
                                           "limit=bytes:32M guarantee=16M*1@a "
                                           "partition=a:0:16M parents=b one-type max=8 max=16M:2"));
        ASSERT_OK(group_add_user(list_first(&s.rules->groups, Group, node), 1000));
        add_writer(&s, "supervdsmd.service", "ovirt");
        ASSERT_OK(policy_explain_rules(s.rules, &s.model->parents, &text));
        ASSERT_STREQ(
                text,
                "Groups; an owner is in the first that has it:\n"
                "  1. group g: owners vm*, web* (policy:10:1)\n"
                "       root may name its owners, uid 1000\n"
                "       at most 32 MiB of memory on this host\n"
                "       can always have 1 of 16M on a (policy:20:1)\n"
                "       has 0 to 16 MiB of pool fb on a to itself (policy:30:1)\n"
                "  2. group default: all other owners (built in)\n"
                "       root may name its owners\n"
                "Where a device goes; the first rule that matches counts:\n"
                "  1. types * of owners * (policy:1:1): a parent without that type, else none; one "
                "owner's devices must be on different parents; a NUMA node that is named is "
                "required; others are moved to make room when the request says so, and stand "
                "still for at most 500 ms at a time\n"
                "  2. types * of owners * (built in): the fullest parent that has room; a NUMA "
                "node that is named is required; others are moved to make room when the request "
                "says so, and stand still for at most 500 ms at a time\n"
                "What parents bear, siblings as one; the first rule that matches counts:\n"
                "  1. parents b (policy:40:1): at most 8 devices, all of one type, at most 2 of "
                "16M\n  2. parents * (built in): as many devices as have room\n"
                "  a: rule 2\n"
                "  b (with all of 0000:41:00.0): rule 1\n"
                "For whom a device is that is made in sysfs and not defined; the first rule that "
                "matches counts:\n"
                "  1. unit supervdsmd.service (policy:50:1): ovirt\n"
                "  2. unit * (built in): nobody\n");
}

TEST(as_json) {
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(freep) char *text = NULL, *none = NULL;

        ASSERT_OK(scenario_init(&s));
        ASSERT_TRUE(scenario_add_parents(&s, "a=64M b=64M,unit=0000:41:00.0"));
        ASSERT_TRUE(scenario_add_rules(&s, "spread no-fallback apart! group=g:vm*:we\"b "
                                           "limit=bytes:32M guarantee=16M*1@a guarantee=fb:4M "
                                           "partition=a:0:16M parents=b one-type max=8 max=16M:2"));
        ASSERT_OK(group_add_user(list_first(&s.rules->groups, Group, node), 1000));
        add_writer(&s, "supervdsmd.service", "ovirt");
        ASSERT_OK(policy_explain_rules_json(s.rules, &s.model->parents, &text));
        ASSERT_STREQ(
                text,
                "{\n\"groups\":[\n"
                "  {\"name\":\"g\",\"owners\":[\"vm*\",\"we\\\"b\"],\"users\":[0,1000],"
                "\"limit\":{\"devices\":null,\"bytes\":33554432,\"vectors\":null},"
                "\"limit_per_parent\":{\"devices\":null,\"bytes\":null,\"vectors\":null},"
                "\"guarantees\":[{\"parent\":\"a\",\"type\":\"16M\",\"devices\":1,"
                "\"source\":{\"file\":\"policy\",\"line\":20,\"column\":1}},"
                "{\"parent\":null,\"pool\":\"fb\",\"bytes\":4194304,"
                "\"source\":{\"file\":\"policy\",\"line\":20,\"column\":1}}],"
                "\"partitions\":[{\"parent\":\"a\",\"pool\":\"fb\",\"offset\":0,"
                "\"size\":16777216,\"source\":{\"file\":\"policy\",\"line\":30,\"column\":1}}],"
                "\"source\":{\"file\":\"policy\",\"line\":10,\"column\":1}},\n"
                "  {\"name\":\"default\",\"owners\":[\"*\"],\"users\":[0],"
                "\"limit\":{\"devices\":null,\"bytes\":null,\"vectors\":null},"
                "\"limit_per_parent\":{\"devices\":null,\"bytes\":null,\"vectors\":null},"
                "\"guarantees\":[],\"partitions\":[],\"source\":null}],\n"
                "\"placement\":[\n"
                "  {\"owners\":\"*\",\"types\":\"*\",\"order\":\"spread\",\"fallback\":false,"
                "\"numa\":\"require\",\"affinity\":\"apart\",\"affinity_required\":true,"
                "\"moves\":\"ask\",\"moves_aim\":\"fewest\",\"pause_max\":500,"
                "\"source\":{\"file\":\"policy\",\"line\":1,\"column\":1}},\n"
                "  {\"owners\":\"*\",\"types\":\"*\",\"order\":\"pack\",\"fallback\":true,"
                "\"numa\":\"require\",\"affinity\":\"none\",\"affinity_required\":false,"
                "\"moves\":\"ask\",\"moves_aim\":\"fewest\",\"pause_max\":500,"
                "\"source\":null}],\n"
                "\"parents\":[\n"
                "  {\"parents\":\"b\",\"driver\":\"*\",\"one_type\":true,\"max_devices\":8,"
                "\"max_of_type\":{\"16M\":2},"
                "\"source\":{\"file\":\"policy\",\"line\":40,\"column\":1}},\n"
                "  {\"parents\":\"*\",\"driver\":\"*\",\"one_type\":false,\"max_devices\":null,"
                "\"max_of_type\":{},\"source\":null}],\n"
                "\"writers\":[\n"
                "  {\"unit\":\"supervdsmd.service\",\"owner\":\"ovirt\","
                "\"source\":{\"file\":\"policy\",\"line\":50,\"column\":1}},\n"
                "  {\"unit\":\"*\",\"owner\":\"\",\"source\":null}],\n"
                "\"known_parents\":[\n"
                "  {\"name\":\"a\",\"unit\":null,\"rule\":1},\n"
                "  {\"name\":\"b\",\"unit\":\"0000:41:00.0\",\"rule\":0}]\n}\n");
        ASSERT_OK(policy_explain_rules_json(NULL, &s.model->parents, &none));
        ASSERT_CONTAINS(none, "{\n\"groups\":[\n  {\"name\":\"default\"");
}

TEST(who_may_name_whom) {
        _cleanup_(scenario_done) Scenario s = {};

        ASSERT_OK(scenario_init(&s));
        ASSERT_TRUE(scenario_add_rules(&s, "group=g:vm* group=h:*"));
        ASSERT_OK(group_add_user(list_first(&s.rules->groups, Group, node), 1000));
        ASSERT_TRUE(policy_may_name_owner(s.rules, 1000, "vm1"));
        ASSERT_FALSE(policy_may_name_owner(s.rules, 1001, "vm1"));
        ASSERT_FALSE(policy_may_name_owner(s.rules, 1000, "web"));
        ASSERT_FALSE(policy_may_name_owner(s.rules, 1000, ""));
        ASSERT_TRUE(policy_may_name_owner(s.rules, 0, "web"));
        ASSERT_FALSE(policy_may_name_owner(NULL, 1000, "vm1"));
        ASSERT_TRUE(policy_may_name_owner(NULL, 0, "vm1"));
        ASSERT_STREQ(policy_group_of(s.rules, "vm1"), "g");
        ASSERT_STREQ(policy_group_of(s.rules, "x"), "h");
        ASSERT_STREQ(policy_group_of(NULL, "x"), "default");
}

TESTS_MAIN

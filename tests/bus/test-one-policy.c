/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-one-policy.c: that CreateDevice, PlanDevice and the simulator ask the same policy. One of
 * its rules is mutated, in one symbol (mutant.c), and all three must answer otherwise.
 */
#include "fixture.h"

#include <sys/wait.h>

#define CREATE MANAGER, "CreateDevice", "ssa{sv}"
#define PLAN MANAGER, "PlanDevice", "ssa{sv}"

/* Where the second device of a type goes when the first is on one of two parents. */
typedef struct Answers Answers;

struct Answers {
        bool planned_apart, created_apart, simulated_apart;
};

static const char *parent_in(const char *text) {
        return strstr(text, "0000_3a00_3a06") || strstr(text, OTHER) ? OTHER : PARENT;
}

static void ask_daemon(const char *daemon, Answers *ret) {
        _cleanup_(freep) char *first = NULL, *second = NULL;
        const char *plan;
        Reply r = {};
        Fixture f;

        ASSERT_EQ(setenv("MDEVD_TEST_DAEMON", daemon, true), 0);
        fixture_init(&f);
        fixture_start(&f);
        first = create_device(&f, "", UUID1, "vm1");
        CALL(&f, f.client, &r, PLAN, "", TYPE, 1, "owner", "s", "vm2");
        ASSERT_TRUE(sd_bus_message_read(r.m, "s", &plan) > 0);
        ret->planned_apart = !streq(parent_in(plan), parent_in(first));
        reply_done(&r);
        second = create_device(&f, "", UUID2, "vm2");
        ret->created_apart = !streq(parent_in(second), parent_in(first));
        fixture_done(&f);
}

static void run_simulator(const Tree *t, const char *simulator) {
        char trace[128], placements[128];
        char *argv[] = { (char *) simulator, (char *) "--parents", (char *) "2", (char *) "--trace",
                         trace, (char *) "--placements", placements, NULL };
        int status;
        pid_t pid;

        (void) snprintf(trace, sizeof(trace), "%s/trace.csv", t->path);
        (void) snprintf(placements, sizeof(placements), "%s/placements.csv", t->path);
        tree_write(t, "trace.csv",
                   "arrival,lifetime,size,owner\n0,10,16M,vm1\n1,10,16M,vm2\n");
        pid = fork();
        ASSERT_TRUE(pid >= 0);
        if (pid == 0) {
                if (!freopen("/dev/null", "w", stdout))
                        _exit(126);
                (void) execv(argv[0], argv);
                _exit(127);
        }
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        ASSERT_EQ(status, 0);
}

static void ask_simulator(const char *simulator, Answers *ret) {
        static const char *const first = "\npack,1,vm1,16777216,p0,0\n";
        _cleanup_(freep) char *text = NULL;
        size_t size;
        Tree t;

        tree_init(&t);
        run_simulator(&t, simulator);
        ASSERT_OK(read_file_at(t.fd, "placements.csv", 1 << 20, &text, &size));
        ASSERT_CONTAINS(text, first);
        ret->simulated_apart = strstr(text, "\npack,2,vm2,16777216,p1,0\n") != NULL;
        if (!ret->simulated_apart)
                ASSERT_CONTAINS(text, "\npack,2,vm2,16777216,p0,16777216\n");
        tree_done(&t);
}

TEST(a_rule_that_is_mutated_changes_all_three) {
        const char *daemon = getenv("MDEVD_TEST_DAEMON");
        const char *simulator = getenv("MDEVD_TEST_SIMULATOR");
        const char *daemon_mutant = getenv("MDEVD_TEST_MUTANT");
        const char *simulator_mutant = getenv("MDEVD_TEST_SIMULATOR_MUTANT");
        Answers real = {}, mutated = {};

        ASSERT_TRUE(daemon && simulator && daemon_mutant && simulator_mutant);
        daemon = strdup(daemon); /* it is set anew */
        ask_daemon(daemon, &real);
        ask_simulator(simulator, &real);
        ask_daemon(daemon_mutant, &mutated);
        ask_simulator(simulator_mutant, &mutated);

        ASSERT_FALSE(real.planned_apart || real.created_apart || real.simulated_apart);
        ASSERT_TRUE(mutated.planned_apart);
        ASSERT_TRUE(mutated.created_apart);
        ASSERT_TRUE(mutated.simulated_apart);
        free((char *) daemon);
}

TESTS_MAIN

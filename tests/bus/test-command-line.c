/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-command-line.c: mdevd as somebody types it. */
#include <sys/wait.h>

#include "tree.h"

static Tree tree;
static char *out;

/* Runs it with these arguments; standard output and error together are in @out. */
static int run3(const char *first, const char *second, const char *third) {
        char *const argv[] = { (char *) "mdevd", (char *) first, (char *) second, (char *) third,
                               NULL };
        int status, fds[2];
        char text[16384];
        size_t n = 0;
        ssize_t k;
        pid_t pid;

        ASSERT_EQ(pipe(fds), 0);
        pid = fork();
        ASSERT_TRUE(pid >= 0);
        if (pid == 0) {
                if (dup2(fds[1], STDOUT_FILENO) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
                        _exit(126);
                (void) close(fds[0]);
                (void) close(fds[1]);
                (void) execv(getenv("MDEVD_TEST_DAEMON"), argv);
                _exit(127);
        }
        (void) close(fds[1]);
        while ((k = read(fds[0], text + n, sizeof(text) - 1 - n)) > 0)
                n += (size_t) k;
        text[n] = '\0';
        (void) close(fds[0]);
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        ASSERT_TRUE(WIFEXITED(status));
        free(out);
        out = strdup(text);
        return WEXITSTATUS(status);
}

static int run(const char *first, const char *second) {
        return run3(first, second, NULL);
}

static char *path_in_tree(const char *name) {
        char *path = NULL;

        ASSERT_TRUE(asprintf(&path, "%s/%s", tree.path, name) > 0);
        return path;
}

TEST(help_teaches) {
        ASSERT_EQ(run("--help", NULL), 0);
        ASSERT_CONTAINS(out, "--check-config");
        ASSERT_CONTAINS(out, "busctl call org.mdevd1 /org/mdevd1 org.mdevd1.Manager");
        ASSERT_CONTAINS(out, "CreateDevice");
        ASSERT_CONTAINS(out, "/etc/mdevd/mdevd.json");
        ASSERT_EQ(run("-h", NULL), 0);
        for (const char *line = out; line; line = strchr(line, '\n') ? strchr(line,
                                                                              '\n') + 1 : NULL)
                ASSERT_TRUE(strcspn(line, "\n") <= 100);
}

TEST(version_is_one_line) {
        ASSERT_EQ(run("--version", NULL), 0);
        ASSERT_STREQ(out, "mdevd " MDEVD_VERSION "\n");
}

TEST(what_is_wrong_is_said) {
        ASSERT_EQ(run("--nix", NULL), 1);
        ASSERT_CONTAINS(out, "--help");
        ASSERT_EQ(run("nix", NULL), 1);
        ASSERT_CONTAINS(out, "\"nix\"");
        ASSERT_EQ(run("--log-level=loud", NULL), 1);
        ASSERT_CONTAINS(out, "\"loud\"");
}

TEST(check_config_of_a_file_points_at_it) {
        _cleanup_(freep) char *path = NULL;

        tree_init(&tree);
        path = path_in_tree("some.json");
        tree_write(&tree, "some.json", "{\n  \"parents\": [ 7 ]\n}\n");
        ASSERT_EQ(run("--check-config", path), 1);
        ASSERT_CONTAINS(out, "some.json:2:16: ");
        tree_write(&tree, "some.json", "{ \"parents\": [] }");
        ASSERT_EQ(run("--check-config", path), 0);
        ASSERT_CONTAINS(out, "No error found");
        ASSERT_EQ(unlinkat(tree.fd, "some.json", 0), 0);
        ASSERT_EQ(run("--check-config", path), 1);
        ASSERT_CONTAINS(out, "No such file");
        tree_done(&tree);
}

TEST(rules_are_checked_and_explained) {
        _cleanup_(freep) char *path = NULL;

        tree_init(&tree);
        path = path_in_tree("some.json");
        tree_write(&tree, "some.json",
                   "{ \"policy\": { \"groups\": [\n"
                   "  { \"name\": \"g\", \"owners\": [ \"vm*\" ], \"limit\": { \"devices\": 1 },\n"
                   "    \"guarantees\": [ { \"type\": \"nvidia-22\", \"devices\": 2 } ] } ] } }\n");
        ASSERT_EQ(run("--check-config", path), 1);
        ASSERT_CONTAINS(out, "some.json:2:3: group g: 2 devices are guaranteed and its limit is 1\n");
        ASSERT_EQ(run("--explain-policy", path), 1);
        ASSERT_CONTAINS(out, "some.json:2:3: group g: 2 devices are guaranteed and its limit is 1\n");
        ASSERT_CONTAINS(out, "would not be put in force");
        ASSERT_NULL(strstr(out, "Groups;"));

        tree_write(&tree, "some.json",
                   "{ \"policy\": { \"placement\": [\n"
                   "  { \"types\": \"nvidia-*\", \"order\": \"spread\" } ] } }\n");
        ASSERT_EQ(run("--explain-policy", path), 0);
        ASSERT_CONTAINS(out, "  1. types nvidia-* of owners * (");
        ASSERT_CONTAINS(out, "some.json:2:3): a parent without that type, else the fullest");
        ASSERT_EQ(run3("--explain-policy", "--json", path), 0);
        ASSERT_CONTAINS(out, "{\"owners\":\"*\",\"types\":\"nvidia-*\",\"order\":\"spread\",");
        ASSERT_EQ(run("--json", NULL), 1);
        ASSERT_CONTAINS(out, "--json goes with --explain-policy");
        tree_done(&tree);
}

TEST(check_config_reads_all_that_the_daemon_would) {
        _cleanup_(freep) char *root = NULL;

        tree_init(&tree);
        ASSERT_TRUE(asprintf(&root, "--root=%s", tree.path) > 0);
        ASSERT_EQ(run(root, "--check-config"), 0);
        tree_write(&tree, "etc/mdevd/mdevd.d/50-x.json", "{ \"parents\": 1 }");
        tree_write(&tree, "etc/mdevctl.d/0000:00:05.0/11111111-2222-3333-4444-555555555501", "{");
        ASSERT_EQ(run(root, "--check-config"), 1);
        ASSERT_CONTAINS(out, "50-x.json:1:14: ");
        ASSERT_CONTAINS(out, "555555555501:1:");
        tree_done(&tree);
}

TEST(a_worker_without_a_record_fails) {
        ASSERT_TRUE(run("--worker", NULL) != 0);
}

TESTS_MAIN

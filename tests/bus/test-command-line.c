/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-command-line.c: mdevd as somebody types it. */
#include <sys/wait.h>

#include "fake-kernel.h"
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
        ASSERT_EQ(run3("--check-config", "--json", path), 1);
        ASSERT_CONTAINS(out, "some.json\",\"line\":2,\"column\":16,\"warning\":false,"
                             "\"text\":\"exp");
        ASSERT_CONTAINS(out, "\"good\":false,\"parents\":0}");
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
        ASSERT_CONTAINS(out, "some.json:2:3: group g: 2 devices are guaranteed and its limit is "
                             "1\n");
        ASSERT_EQ(run("--explain-policy", path), 1);
        ASSERT_CONTAINS(out, "some.json:2:3: group g: 2 devices are guaranteed and its limit is "
                             "1\n");
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
        ASSERT_CONTAINS(out, "--json goes with --check-config or --explain-policy");
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

static void add_gpu(const char *name, const char *driver) {
        _cleanup_(freep) char *link = NULL, *label = NULL, *device = NULL, *vendor = NULL,
                              *target = NULL;

        ASSERT_OK(fake_kernel_add_parent(tree.path, name, "nvidia-222", 16));
        ASSERT_TRUE(asprintf(&link, "sys/devices/pci0000:00/%s/driver", name) > 0);
        ASSERT_TRUE(asprintf(&target, "../../../bus/pci/drivers/%s", driver) > 0);
        ASSERT_TRUE(asprintf(&label, "sys/devices/pci0000:00/%s/mdev_supported_types/"
                                     "nvidia-222/name", name) > 0);
        ASSERT_TRUE(asprintf(&device, "sys/bus/pci/devices/%s/device", name) > 0);
        ASSERT_TRUE(asprintf(&vendor, "sys/bus/pci/devices/%s/vendor", name) > 0);
        ASSERT_EQ(unlinkat(tree.fd, link, 0), 0);
        ASSERT_EQ(symlinkat(target, tree.fd, link), 0);
        tree_write(&tree, label, "GRID T4-1Q\n");
        tree_write(&tree, device, streq(name, "0000:00:06.0") ? "0x1eb8\n" : "0x20b0\n");
        tree_write(&tree, vendor, "0x10de\n");
}

/* Numbers with something behind them, and those that are read in two ways. */
static const struct {
        const char *entry, *sentence;
} bad_words[] = {
        { "{devices: all, vgpu-devices: {T4-1Q: 1x}}",
          "vgpu.yaml:4: expected a type and how many" },
        { "{devices: all, vgpu-devices: {T4-1Q: 010}}", "expected a type and how many, 1 to 4096" },
        { "{devices: all, vgpu-devices: {T4-1Q: 4097}}",
          "expected a type and how many, 1 to 4096" },
        { "{devices: all, vgpu-devices: {T4-1Q: 4096, T4-1Q: 1}}", "found a key that was there" },
        { "{devices: [0, 1x], vgpu-devices: {T4-1Q: 1}}", "numbers of GPUs, from 0, found \"1x\"" },
        { "{devices: 010, vgpu-devices: {T4-1Q: 1}}", "numbers of GPUs, from 0, found \"010\"" },
        { "{devices: {a: 1}, vgpu-devices: {T4-1Q: 1}}", "or a list of that, found a map" },
        { "{devices: [[0]], vgpu-devices: {T4-1Q: 1}}", "from 0, found a list or a map" },
        { "{device-filter: 0x1EB810DEx, devices: all, vgpu-devices: {T4-1Q: 1}}",
          "such as 0x1EB810DE, found \"0x1EB810DEx\"" },
        { "{device-filter: 0x11EB810DE, devices: all, vgpu-devices: {T4-1Q: 1}}",
          "such as 0x1EB810DE, found \"0x11EB810DE\"" },
};

/* A file with a NUL byte between two texts. */
static void add_nul(const char *name, const char *before, const char *after) {
        _cleanup_(freep) char *path = path_in_tree(name);
        FILE *f = fopen(path, "w");

        ASSERT_NOT_NULL(f);
        ASSERT_TRUE(fputs(before, f) >= 0 && fputc('\0', f) == '\0' && fputs(after, f) >= 0);
        ASSERT_EQ(fclose(f), 0);
}

/* By number of a GPU, in order of addresses, and by what it is; other drivers' parents are none. */
TEST(nvidias_profiles_become_ours) {
        _cleanup_(freep) char *root = NULL, *option = NULL, *file = NULL, *check = NULL;

        tree_init(&tree);
        file = path_in_tree("vgpu.yaml");
        check = path_in_tree("ours.json");
        ASSERT_TRUE(asprintf(&root, "--root=%s", tree.path) > 0);
        ASSERT_TRUE(asprintf(&option, "--convert-vgpu-config=%s", file) > 0);
        add_gpu("0000:00:06.0", "nvidia");
        add_gpu("0000:00:05.0", "nvidia");
        add_gpu("0000:00:04.0", "other");
        tree_write(&tree, "vgpu.yaml",
                   "version: v1\n"
                   "vgpu-configs:\n"
                   "  none: []\n"
                   "  small:  # of each GPU\n"
                   "    - devices: all\n"
                   "      vgpu-devices:\n"
                   "        \"T4-1Q\": 2\n"
                   "  mixed:\n"
                   "  - devices: [0]\n"
                   "    vgpu-devices: { T4-1Q: 1 }\n"
                   "  - device-filter: [\"0x1EB810DE\"]\n"
                   "    devices: all\n"
                   "    vgpu-devices: { T4-1Q: 16 }\n");
        ASSERT_EQ(run(root, option), 0);
        ASSERT_STREQ(out,
                     "{\n  \"profiles\": {\n"
                     "    \"none\": { \"devices\": [ ] },\n"
                     "    \"small\": { \"devices\": [\n"
                     "        { \"type\": \"T4-1Q\", \"parent\": \"0000:00:05.0\", \"count\": 2 "
                     "},\n        { \"type\": \"T4-1Q\", \"parent\": \"0000:00:06.0\", \"count\": "
                     "2 } ] },\n    \"mixed\": { \"devices\": [\n"
                     "        { \"type\": \"T4-1Q\", \"parent\": \"0000:00:05.0\", \"count\": 1 "
                     "},\n        { \"type\": \"T4-1Q\", \"parent\": \"0000:00:06.0\", \"count\": "
                     "16 } ] }\n  }\n}\n");
        tree_write(&tree, "ours.json", out);
        ASSERT_EQ(run("--check-config", check), 0);

        tree_write(&tree, "vgpu.yaml", "version: v1\nvgpu-configs:\n  a:\n  - \"T4-1Q\"\n");
        ASSERT_EQ(run(root, option), 1);
        ASSERT_CONTAINS(out, "vgpu.yaml:4: expected a map");
        tree_write(&tree, "vgpu.yaml", "version: v1\nvgpu-configs:\n  a:\n  - devices: [2]\n"
                                       "    vgpu-devices: { T4-1Q: 1 }\n");
        ASSERT_EQ(run(root, option), 1);
        ASSERT_CONTAINS(out, "vgpu.yaml:4: none of the 2 GPUs of this host is meant");
        tree_write(&tree, "vgpu.yaml", "version: v1\nvgpu-configs:\n  a:\n  - devices: all\n"
                                       "    vgpu-devices: { A100-4C: 1 }\n");
        ASSERT_EQ(run(root, option), 1);
        ASSERT_CONTAINS(out, "GPU 0 (0000:00:05.0) of this host has no place for 1 of 1 A100-4C");
        for (size_t i = 0; i < ARRAY_SIZE(bad_words); i++) {
                _cleanup_(freep) char *text = NULL;

                ASSERT_TRUE(asprintf(&text, "version: v1\nvgpu-configs:\n  a:\n  - %s\n",
                                     bad_words[i].entry) > 0);
                tree_write(&tree, "vgpu.yaml", text);
                ASSERT_EQ(run(root, option), 1);
                ASSERT_CONTAINS(out, bad_words[i].sentence);
        }
        add_nul("vgpu.yaml", "version: v1\n", "vgpu-configs: {}\n");
        ASSERT_EQ(run(root, option), 1);
        ASSERT_CONTAINS(out, "vgpu.yaml:2: found a NUL byte");
        tree_write(&tree, "vgpu.yaml", "version: &x v1\n");
        ASSERT_EQ(run(root, option), 1);
        ASSERT_CONTAINS(out, "vgpu.yaml:1: found something of YAML that is not understood");
        tree_write(&tree, "vgpu.yaml", "version: v1\n\ta: b\n");
        ASSERT_EQ(run(root, option), 1);
        ASSERT_CONTAINS(out, "vgpu.yaml:2: found a tab");
        tree_done(&tree);
}

TEST(a_worker_without_a_record_fails) {
        ASSERT_TRUE(run("--worker", NULL) != 0);
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-introspection.c: the daemon shows the interfaces that dbus/ documents, and no others. */
#include <sys/wait.h>

#include "fixture.h"

static void introspect_to(Fixture *f, const char *path, const char *file) {
        const char *text;
        Reply r = {};

        CALL(f, f->client, &r, path, "org.freedesktop.DBus.Introspectable", "Introspect", "");
        ASSERT_TRUE(sd_bus_message_read(r.m, "s", &text) > 0);
        tree_write(&f->tree, file, text);
        reply_done(&r);
}

static int run(char *const argv[], const Fixture *f, const char *out) {
        pid_t pid = fork();
        int status;

        ASSERT_TRUE(pid >= 0);
        if (pid == 0) {
                if (fchdir(f->tree.fd) < 0)
                        _exit(126);
                if (out) {
                        int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);

                        if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
                                _exit(126);
                }
                (void) execv(argv[0], argv);
                _exit(127);
        }
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void compare(Fixture *f, const char *live[], size_t n) {
        char *argv[8], script[256], folder[256];
        size_t k = 0;

        (void) snprintf(script, sizeof(script), "%s/tests/bus/introspection.py",
                        getenv("MDEVD_TEST_SOURCE"));
        (void) snprintf(folder, sizeof(folder), "%s/dbus", getenv("MDEVD_TEST_SOURCE"));
        argv[k++] = (char *) "/usr/bin/python3";
        argv[k++] = script;
        argv[k++] = folder;
        for (size_t i = 0; i < n; i++)
                argv[k++] = (char *) live[i];
        argv[k] = NULL;
        if (run(argv, f, "comparison") != 0) {
                _cleanup_(freep) char *text = NULL;

                ASSERT_OK(read_file_at(f->tree.fd, "comparison", 1 << 20, &text, NULL));
                test_fail(__FILE__, __LINE__, "they differ:\n%s", text);
        }
}

TEST(the_live_interfaces_are_the_documented_ones) {
        const char *live[] = { "manager.xml", "parent.xml", "device.xml", "operation.xml" };
        _cleanup_(freep) char *device = NULL;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        device = create_device(&f, PARENT, UUID1, "");
        introspect_to(&f, MDEVD_OBJECT_ROOT, live[0]);
        introspect_to(&f, "/org/mdevd1/parent/_30000_3a00_3a05_2e0", live[1]);
        introspect_to(&f, device, live[2]);
        introspect_to(&f, "/org/mdevd1/operation/1", live[3]);
        compare(&f, live, ARRAY_SIZE(live));
        fixture_done(&f);
}

TEST(the_printed_interfaces_are_the_documented_ones) {
        const char *live[] = { "0.xml", "1.xml", "2.xml", "3.xml" };
        char *argv[] = { getenv("MDEVD_TEST_DAEMON"), (char *) "--bus-introspect", NULL };
        _cleanup_(freep) char *text = NULL;
        Fixture f;
        char *s;

        fixture_init(&f);
        ASSERT_EQ(run(argv, &f, "printed"), 0);
        ASSERT_OK(read_file_at(f.tree.fd, "printed", 1 << 20, &text, NULL));
        /* a document an interface */
        s = text;
        for (size_t i = 0; i < ARRAY_SIZE(live); i++) {
                char *next;

                ASSERT_NOT_NULL(s);
                next = strstr(s + 1, "<!DOCTYPE");
                tree_write_bytes(&f.tree, live[i], s, next ? (size_t) (next - s) : strlen(s));
                s = next;
        }
        ASSERT_NULL(s);
        compare(&f, live, ARRAY_SIZE(live));
        fixture_done(&f);
}

TEST(every_error_name_is_documented) {
        _cleanup_(freep) char *text = NULL, *xml = NULL, *path = NULL, *xml_path = NULL;
        size_t n = 0;
        int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        /* the names stand in the sources as literals after MDEVD_ERROR_PREFIX */
        ASSERT_TRUE(asprintf(&path, "%s/src/bus/bus-error.c", getenv("MDEVD_TEST_SOURCE")) > 0);
        ASSERT_TRUE(asprintf(&xml_path, "%s/dbus/org.mdevd1.Manager.xml",
                             getenv("MDEVD_TEST_SOURCE")) > 0);
        ASSERT_OK(read_file_at(fd, xml_path + 1, 1 << 20, &xml, NULL));
        for (int file = 0; file < 2; file++) {
                path[strlen(path) - 1] = file ? 'h' : 'c';
                free(text);
                text = NULL;
                ASSERT_OK(read_file_at(fd, path + 1, 1 << 20, &text, NULL));
                for (char *s = text; (s = strstr(s, "MDEVD_ERROR_PREFIX \""));) {
                        char name[128];

                        s += strlen("MDEVD_ERROR_PREFIX \"");
                        (void) snprintf(name, sizeof(name), MDEVD_ERROR_PREFIX "%.*s:",
                                        (int) strcspn(s, "\""), s);
                        ASSERT_CONTAINS(xml, name);
                        n++;
                }
        }
        ASSERT_TRUE(n >= 18);
        safe_close(fd);
}

TESTS_MAIN

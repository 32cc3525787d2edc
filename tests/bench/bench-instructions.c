/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-instructions.c: how many instructions of its own the daemon needs for one device more: made
 * over one connection, 100 calls at a time, or restored; on the fake kernel's tree and a bus of its
 * own, counted by callgrind. What a start and an end cost is in both of two runs, and cancels out.
 * The workers are not in it, nor is the kernel's work.
 */
#include <inttypes.h>

#include "figure.h"
#include "fixture.h"

#define CARD "0000:00:07.0"
#define CARD_TYPE "big-1"
#define AT_ONCE 100
#define MORE 200 /* devices of the second run */

static int n_answered;

static void format_uuid(char buf[static 37], unsigned i) {
        (void) snprintf(buf, 37, "11111111-2222-3333-4444-55555555%04x", i);
}

static int on_created(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const sd_bus_error *error = sd_bus_message_get_error(m);

        if (error)
                test_fail(__FILE__, __LINE__, "%s: %s", error->name, error->message);
        n_answered++;
        return 0;
}

static bool all_answered(void *userdata) {
        const int *want = userdata;

        return n_answered == *want;
}

static void create(Fixture *f, int n) {
        n_answered = 0;
        for (int sent = 0; sent < n;) {
                for (int end = MIN(sent + AT_ONCE, n); sent < end; sent++) {
                        char uuid[37];

                        format_uuid(uuid, (unsigned) sent);
                        ASSERT_TRUE(sd_bus_call_method_async(
                                            f->client, NULL, MDEVD_BUS_NAME, MANAGER,
                                            "CreateDevice", on_created, NULL, "ssa{sv}", CARD,
                                            CARD_TYPE, 1, "uuid", "s", uuid) >= 0);
                }
                fixture_wait(f, all_answered, &sent, "answers");
        }
}

static void define(Fixture *f, int n) {
        for (int i = 0; i < n; i++) {
                char uuid[37];

                format_uuid(uuid, (unsigned) i);
                write_definition(f, CARD, uuid, CARD_TYPE);
        }
}

/* Callgrind's file ends with "totals: N". */
static double read_total(const char *path) {
        _cleanup_(freep) char *line = NULL;
        FILE *file = fopen(path, "r");
        uint64_t total = 0;
        size_t size = 0;

        ASSERT_NOT_NULL(file);
        while (getline(&line, &size, file) >= 0)
                (void) sscanf(line, "totals: %" SCNu64, &total);
        (void) fclose(file);
        if (total == 0)
                test_fail(__FILE__, __LINE__, "%s has no total", path);
        return (double) total;
}

static double count(bool restore, int n) {
        char path[] = "/tmp/mdevd-callgrind-XXXXXX", wrapper[256], text[64];
        int fd = mkstemp(path);
        double total;
        Fixture f;

        ASSERT_TRUE(fd >= 0);
        (void) close(fd);
        fixture_init_for(&f, restore ? "restore" : "create");
        ASSERT_OK(fake_kernel_add_parent(f.tree.path, CARD, CARD_TYPE, 100000));
        if (restore)
                define(&f, n);
        (void) snprintf(wrapper, sizeof(wrapper),
                        VALGRIND " -q --tool=callgrind --callgrind-out-file=%s", path);
        f.wrapper = wrapper;
        fixture_start(&f);
        if (!restore)
                create(&f, n);
        (void) snprintf(text, sizeof(text), "STATUS=%d devices", n);
        wait_notified(&f, text);
        fixture_done(&f);
        total = read_total(path);
        (void) unlink(path);
        return total;
}

static void measure(const char *name, bool restore, int there) {
        char of[64];

        (void) snprintf(of, sizeof(of), "one of a vendor's, beside %d", there);
        figure(name, of, (count(restore, there + MORE) - count(restore, there)) / MORE, "",
               FIGURE_NO_GOAL);
}

int main(void) {
        (void) setenv("MDEVD_TEST_DAEMON", DAEMON, true);
        (void) setenv("MDEVD_TEST_PRELOAD", VALGRIND_PRELOAD ":" FAKE_KERNEL, true);
        (void) setenv("MDEVD_TEST_SOURCE", SOURCE, true);
        measure("instructions of the daemon for a create", false, 100);
        measure("instructions of the daemon for a create", false, 1000);
        measure("instructions of the daemon for a restore", true, 100);
        measure("instructions of the daemon for a restore", true, 1000);
        return EXIT_SUCCESS;
}

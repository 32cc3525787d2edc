/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-escort.c: an escort whose process does not come, or comes too late. Time runs a thousand
 * times faster here. What it does otherwise is in tests/bus/test-callout.c.
 */
#include "backend/escort.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "backend/escort-internal.h"
#include "short-timers.h"
#include "names.h"
#include "tree.h"
#include "util/fs.h"
#include "util/utf8.h"

#define SECOND UINT64_C(1000000)
#define SCRIPTS "usr/lib/mdevctl/scripts.d/callouts/"
#define SCRIPT SCRIPTS "a.sh"

typedef struct Host Host;

struct Host {
        sd_event *event;
        int its_fd; /* what the process would have as its standard input */
        unsigned n_answers;
        EscortAnswer last;
        char *why;
};

/* systemd has the call, and does nothing about it. */
static int launch(const char *name, const char *root, int socket_fd, void *userdata) {
        Host *h = userdata;

        h->its_fd = fcntl(socket_fd, F_DUPFD_CLOEXEC, 3);
        return RET_NERRNO(h->its_fd);
}

static void on_answer(EscortAnswer answer, const char *why, void *userdata) {
        Host *h = userdata;

        h->n_answers++;
        h->last = answer;
        free(h->why);
        h->why = why ? strdup(why) : NULL;
}

static Record *make_record(RecordKind kind, uint64_t id) {
        Record *record;

        ASSERT_OK(record_new(&record, kind));
        record->id = id;
        record->parent = strdup("0000:00:05.0");
        record->parent_path = strdup("devices/pci0000:00/0000:00:05.0");
        record->type = strdup("t-1");
        ASSERT_TRUE(record->parent && record->parent_path && record->type);
        return record;
}

static Escort *begin_with(Host *h, const char *root, Record *record) {
        const EscortLaunch how = { .launch = launch, .userdata = h };
        Escort *e;

        *h = (Host){ .its_fd = -EBADF };
        ASSERT_TRUE(sd_event_new(&h->event) >= 0);
        ASSERT_OK(escort_start(&e, h->event, root, &how, record, on_answer, h));
        record_free(record);
        return e;
}

static Escort *begin_in(Host *h, const char *root) {
        return begin_with(h, root, make_record(RECORD_CREATE, 0));
}

static Escort *begin(Host *h) {
        return begin_in(h, "/nowhere");
}

static void done(Host *h, Escort *e) {
        escort_free(e);
        safe_close(h->its_fd);
        sd_event_unref(h->event);
        free(h->why);
}

static void say(Host *h, const char *what) {
        ASSERT_EQ(send(h->its_fd, what, strlen(what), MSG_NOSIGNAL), (ssize_t) strlen(what));
}

static void turn_until(Host *h, unsigned n_answers) {
        while (h->n_answers < n_answers)
                ASSERT_TRUE(sd_event_run(h->event, UINT64_MAX) >= 0);
}

TEST(a_process_that_is_not_started_has_refused) {
        Host h;
        Escort *e = begin(&h);

        turn_until(&h, 1);
        ASSERT_EQ(h.last, ESCORT_REFUSED);
        ASSERT_CONTAINS(h.why, "systemd has not started the process");
        /* whatever it does now, nobody is told */
        say(&h, "!");
        ASSERT_EQ(sd_event_run(h.event, 0), 0);
        ASSERT_EQ(h.n_answers, 1);
        done(&h, e);
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata) {
        *(bool *) userdata = true;
        return 0;
}

/* Its scripts may take as long as they are allowed to. */
TEST(one_that_runs_is_waited_for) {
        sd_event_source *longer = NULL;
        bool is_over = false;
        Host h;
        Escort *e = begin(&h);

        say(&h, "!");
        ASSERT_TRUE(sd_event_add_time_relative(h.event, &longer, CLOCK_MONOTONIC, 60 * SECOND, 0,
                                               on_time, &is_over) >= 0);
        while (!is_over)
                ASSERT_TRUE(sd_event_run(h.event, UINT64_MAX) >= 0);
        sd_event_source_unref(longer);
        ASSERT_EQ(h.n_answers, 0);
        say(&h, "1");
        turn_until(&h, 1);
        ASSERT_EQ(h.last, ESCORT_AGREED);
        escort_finish(e, true);
        say(&h, ".");
        turn_until(&h, 2);
        ASSERT_EQ(h.last, ESCORT_OVER);
        done(&h, e);
}

static void add_script(const Tree *t) {
        tree_write(t, SCRIPT, "#!/bin/sh\ncd \"${0%/usr/*}\" && echo \"$4 $6 $8\" >>calls\n");
        ASSERT_EQ(fchmodat(t->fd, SCRIPT, 0755, 0), 0);
}

static void expect_calls(const Tree *t, const char *expected) {
        _cleanup_(freep) char *text = NULL;

        if (read_file_at(t->fd, "calls", 4096, &text, NULL) < 0)
                text = NULL;
        ASSERT_STREQ(text, expected);
}

/* The daemon has given it up, or has died before it had asked anybody. */
TEST(one_that_comes_too_late_asks_nobody) {
        Tree t;
        Host h;

        tree_init(&t);
        add_script(&t);
        for (unsigned i = 0; i < 2; i++) {
                Escort *e = begin_in(&h, t.path);

                if (i == 0)
                        turn_until(&h, 1);
                e = escort_free(e);
                ASSERT_EQ(escort_main(h.its_fd, t.path), EXIT_SUCCESS);
                done(&h, e);
        }
        expect_calls(&t, NULL);
        tree_done(&t);
}

/* A sentence that is too long for a message ends before a character, not in one. */
TEST(a_long_no_is_cut_between_characters) {
        static const char *const names[] = { SCRIPT, SCRIPTS "aa.sh" };
        _cleanup_(freep) char *script = NULL;
        Tree t;
        Host h;

        tree_init(&t);
        ASSERT_TRUE(asprintf(&script, "#!/bin/sh\n[ $4 != pre ] || "
                             "{ printf '%%05000d' 0 | sed 's/0/\xc3\xa4/g' >&2; exit 1; }\n") > 0);
        /* the name is part of what is said: one byte more */
        for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
                Escort *e = begin_in(&h, t.path);
                pid_t pid;

                tree_write(&t, names[i], script);
                ASSERT_EQ(fchmodat(t.fd, names[i], 0755, 0), 0);
                pid = fork();
                ASSERT_TRUE(pid >= 0);
                if (pid == 0) {
                        /* its own copy of our end would keep the socket open */
                        escort_free(e);
                        _exit(escort_main(h.its_fd, t.path));
                }
                turn_until(&h, 1);
                ASSERT_EQ(waitpid(pid, NULL, 0), pid);
                ASSERT_EQ(h.last, ESCORT_REFUSED);
                ASSERT_TRUE(strlen(h.why) > 8000);
                ASSERT_TRUE(utf8_is_valid(h.why));
                done(&h, e);
                ASSERT_OK(RET_NERRNO(unlinkat(t.fd, names[i], 0)));
        }
        tree_done(&t);
}

/* What is on record as the end of another operation of the same name, which came later. */
static void write_record(const Tree *t, uint64_t id) {
        _cleanup_(freep) char *first = NULL, *change = NULL, *name = NULL, *path = NULL;
        _cleanup_(freep) char *text = NULL;
        Record *record = make_record(RECORD_MODIFY, id);

        ASSERT_OK(record_format(record, &first));
        ASSERT_OK(record_name(record, &name));
        record_set_result(record, OUTCOME_OK, 0, NULL);
        ASSERT_OK(record_format_change(record, &change));
        ASSERT_TRUE(asprintf(&path, MDEVD_PATH_OPERATIONS "/%s", name) > 0);
        ASSERT_TRUE(asprintf(&text, "%s%s", first, change) > 0);
        tree_write(t, path, text);
        record_free(record);
}

/* The daemon has died, and the next one is at another operation already. */
TEST(a_later_operations_record_is_not_its_own) {
        Escort *e;
        pid_t pid;
        Tree t;
        Host h;

        tree_init(&t);
        add_script(&t);
        e = begin_with(&h, t.path, make_record(RECORD_MODIFY, 7));
        pid = fork();
        ASSERT_TRUE(pid >= 0);
        if (pid == 0) {
                escort_free(e);
                _exit(escort_main(h.its_fd, t.path));
        }
        turn_until(&h, 1);
        ASSERT_EQ(h.last, ESCORT_AGREED);
        write_record(&t, 8);
        e = escort_free(e);
        ASSERT_EQ(waitpid(pid, NULL, 0), pid);
        expect_calls(&t, "get capabilities none\npre modify none\npost modify failure\n");
        done(&h, e);
        tree_done(&t);
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-watch.c: what is told of the definitions' folders, whatever comes and goes in which order.
 * After each deed a file is written whose event is awaited: all that was before it has been told by
 * then.
 */
#include "backend/watch.h"

#include <fcntl.h>

#include "names.h"
#include "tree.h"

#define STORE MDEVD_PATH_DEFINITIONS
#define LAST "last" /* of what is told, for the one that is awaited */

typedef struct Seen Seen;

struct Seen {
        Tree tree;
        sd_event *event;
        Watch *watch;
        char *text; /* "parent/name;", "-" for none */
};

static void on_change(const char *parent, const char *name, void *userdata) {
        Seen *s = userdata;
        char *longer = NULL;

        ASSERT_TRUE(asprintf(&longer, "%s%s/%s;", s->text ?: "", parent ?: "-", name ?: "-") > 0);
        free(s->text);
        s->text = longer;
}

static void seen_begin(Seen *s, const char *folder) {
        *s = (Seen){};
        tree_init(&s->tree);
        if (folder)
                tree_mkdir(&s->tree, folder);
        ASSERT_TRUE(sd_event_new(&s->event) >= 0);
        ASSERT_OK(watch_new(&s->watch, s->event, s->tree.fd, on_change, s));
}

static void seen_end(Seen *s) {
        watch_free(s->watch);
        sd_event_unref(s->event);
        free(s->text);
        tree_done(&s->tree);
}

/* What was told until @part was. */
static void expect(Seen *s, const char *part, const char *text) {
        while (!s->text || !strstr(s->text, part))
                ASSERT_TRUE(sd_event_run(s->event, UINT64_MAX) >= 0);
        ASSERT_STREQ(s->text, text);
        free(s->text);
        s->text = NULL;
}

static void write_last(Seen *s, const char *parent) {
        _cleanup_(freep) char *path = NULL;

        ASSERT_TRUE(asprintf(&path, STORE "/%s/" LAST, parent) > 0);
        tree_write(&s->tree, path, "");
}

static void rename_to(Seen *s, const char *from, const char *to) {
        ASSERT_EQ(renameat(s->tree.fd, from, s->tree.fd, to), 0);
}

TEST(a_file_is_told_of_when_it_is_whole) {
        Seen s;
        int fd;

        seen_begin(&s, STORE "/p");
        fd = openat(s.tree.fd, STORE "/p/one", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(write(fd, "x", 1), 1);
        write_last(&s, "p");
        expect(&s, LAST, "p/last;"); /* its writer is at it still */
        safe_close(fd);
        expect(&s, "one", "p/one;");
        rename_to(&s, STORE "/p/one", STORE "/p/two");
        expect(&s, "two", "p/one;p/two;");
        ASSERT_EQ(unlinkat(s.tree.fd, STORE "/p/two", 0), 0);
        expect(&s, "two", "p/two;");
        tree_mkdir(&s.tree, STORE "/p/folder");
        write_last(&s, "p");
        expect(&s, LAST, "p/last;");
        seen_end(&s);
}

/* Wherever the way to it ended. Each step of it says: look at everything. */
TEST(a_store_that_comes_later) {
        static const char *const ways[] = { NULL, "etc" };

        for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
                Seen s;

                seen_begin(&s, ways[i]);
                tree_mkdir(&s.tree, "unrelated");
                if (ways[i])
                        tree_mkdir(&s.tree, "etc/unrelated");
                else
                        tree_mkdir(&s.tree, "etc");
                tree_mkdir(&s.tree, STORE);
                expect(&s, "-/-;", "-/-;");
                tree_mkdir(&s.tree, STORE "/p");
                /* the folder may have been found on the way, or be told of */
                while (!s.text || !strstr(s.text, "p/-;"))
                        ASSERT_TRUE(sd_event_run(s.event, UINT64_MAX) >= 0);
                free(s.text);
                s.text = NULL;
                write_last(&s, "p");
                expect(&s, LAST, "p/last;");
                seen_end(&s);
        }
}

TEST(a_parents_folder_comes_goes_and_has_another_name) {
        Seen s;

        seen_begin(&s, STORE);
        tree_mkdir(&s.tree, STORE "/p");
        expect(&s, "p/-;", "p/-;");
        write_last(&s, "p");
        expect(&s, LAST, "p/last;");
        rename_to(&s, STORE "/p", STORE "/q");
        expect(&s, "q/-;", "p/-;q/-;");
        /* not by the name that it had */
        write_last(&s, "q");
        expect(&s, LAST, "q/last;");
        rename_to(&s, STORE "/q", "outside");
        expect(&s, "q/-;", "q/-;");
        tree_write(&s.tree, "outside/one", "");
        tree_mkdir(&s.tree, STORE "/r");
        expect(&s, "r/-;", "r/-;");
        ASSERT_EQ(unlinkat(s.tree.fd, STORE "/r", AT_REMOVEDIR), 0);
        expect(&s, "r/-;", "r/-;");
        tree_mkdir(&s.tree, STORE "/r");
        expect(&s, "r/-;", "r/-;");
        write_last(&s, "r");
        expect(&s, LAST, "r/last;");
        seen_end(&s);
}

/* mdevctl's and our own, and folders that are not ours to follow. */
TEST(what_is_no_parents_folder) {
        Seen s;

        seen_begin(&s, STORE "/p");
        tree_write(&s.tree, STORE "/.p:temporary", "");
        tree_write(&s.tree, STORE "/file", "");
        tree_mkdir(&s.tree, STORE "/.hidden");
        tree_mkdir(&s.tree, "elsewhere");
        ASSERT_EQ(symlinkat("../../elsewhere", s.tree.fd, STORE "/link"), 0);
        tree_write(&s.tree, "elsewhere/one", "");
        write_last(&s, "p");
        expect(&s, LAST, "p/last;");
        seen_end(&s);
}

TEST(the_store_goes_and_comes_back) {
        Seen s;

        seen_begin(&s, STORE "/p");
        rename_to(&s, STORE, "etc/aside");
        expect(&s, "-/-;", "-/-;");
        tree_write(&s.tree, "etc/aside/p/one", "");
        rename_to(&s, "etc/aside", STORE);
        expect(&s, "-/-;", "-/-;");
        write_last(&s, "p");
        expect(&s, LAST, "p/last;");
        seen_end(&s);
}

static unsigned long queue_length(void) {
        FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
        unsigned long n = 0;

        ASSERT_NOT_NULL(f);
        ASSERT_EQ(fscanf(f, "%lu", &n), 1);
        (void) fclose(f);
        return n;
}

/* More than the kernel keeps: then all is to be looked at, and what comes next is told again. */
TEST(events_that_were_lost) {
        Seen s;

        seen_begin(&s, STORE "/p");
        for (unsigned long i = 0; i <= queue_length() / 2; i++) {
                write_last(&s, "p");
                ASSERT_EQ(unlinkat(s.tree.fd, STORE "/p/" LAST, 0), 0);
        }
        rename_to(&s, STORE "/p", STORE "/q"); /* nobody is told */
        while (!s.text || !strstr(s.text, "-/-;")) {
                free(s.text);
                s.text = NULL;
                ASSERT_TRUE(sd_event_run(s.event, UINT64_MAX) >= 0);
        }
        free(s.text);
        s.text = NULL;
        write_last(&s, "q");
        expect(&s, LAST, "q/last;");
        seen_end(&s);
}

TESTS_MAIN

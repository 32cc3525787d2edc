/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-script.c: programs that are run for an answer, and the limits of that. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "callout/callout.h"
#include "callout/script.h"
#include "tree.h"

/* A process in an uninterruptible call does not end by a SIGKILL: here, none is sent. */
static bool deaf;

int __real_kill(pid_t pid, int signal);
int __wrap_kill(pid_t pid, int signal);

int __wrap_kill(pid_t pid, int signal) {
        return deaf ? 0 : __real_kill(pid, signal);
}

static int shell(const char *text, const char *input, unsigned limit, ScriptResult *ret) {
        const char *argv[] = { "/bin/sh", "-c", text, NULL };

        (void) signal(SIGPIPE, SIG_IGN);

        return script_run((char *const *) argv, input, limit, ret);
}

TEST(what_a_script_says) {
        ScriptResult r = {};

        ASSERT_OK(shell("cat; echo no >&2; exit 7", "given", 60, &r));
        ASSERT_STREQ(r.output, "given");
        ASSERT_EQ(r.output_size, 5);
        ASSERT_STREQ(r.errors, "no\n");
        ASSERT_EQ(r.status, 7);
        ASSERT_EQ(r.signal, 0);
        ASSERT_FALSE(r.timed_out);
        script_result_done(&r);

        ASSERT_OK(shell("kill -9 $$", NULL, 60, &r));
        ASSERT_EQ(r.signal, SIGKILL);
        script_result_done(&r);
}

TEST(a_program_that_is_none) {
        const char *argv[] = { "/nowhere", NULL };
        ScriptResult r = {};

        ASSERT_EQ(script_run((char *const *) argv, NULL, 60, &r), -ENOENT);
}

/* More than a pipe holds, both ways, while nothing is read. */
TEST(a_script_that_does_not_read) {
        _cleanup_(freep) char *input = malloc(1 << 20);
        ScriptResult r = {};

        ASSERT_NOT_NULL(input);
        memset(input, 'x', (1 << 20) - 1);
        input[(1 << 20) - 1] = '\0';
        ASSERT_OK(shell("exit 0", input, 60, &r));
        ASSERT_EQ(r.status, 0);
        script_result_done(&r);
        ASSERT_OK(shell("head -c 300000 /dev/zero; cat | wc -c >&2", input, 60, &r));
        ASSERT_EQ(r.output_size, 300000);
        ASSERT_STREQ(r.errors, "1048575\n");
        script_result_done(&r);
}

TEST(output_has_a_limit) {
        ScriptResult r = {};

        ASSERT_OK(shell("head -c 1048576 /dev/zero", NULL, 60, &r));
        ASSERT_EQ(r.output_size, SCRIPT_OUTPUT_MAX);
        script_result_done(&r);
        ASSERT_OK(shell("head -c 1048577 /dev/zero; echo; exit 3", NULL, 60, &r));
        ASSERT_EQ(r.status, 3);
        ASSERT_TRUE(r.output_size <= SCRIPT_OUTPUT_MAX);
        script_result_done(&r);
}

/* With all that it has started, and what was said until then is there. */
TEST(a_script_that_hangs_is_killed) {
        ScriptResult r = {};
        pid_t child;

        ASSERT_OK(shell("sleep 1000 & echo $!; wait", NULL, 1, &r));
        ASSERT_TRUE(r.timed_out);
        child = (pid_t) strtol(r.output, NULL, 10);
        ASSERT_TRUE(child > 1);
        /* it is nobody's by now, or a zombie of whoever reaps here */
        while (kill(child, 0) == 0) {
                char path[64], text[512] = "";
                FILE *file;

                (void) snprintf(path, sizeof(path), "/proc/%d/stat", child);
                file = fopen(path, "re");
                if (!file)
                        break;
                ASSERT_TRUE(fread(text, 1, sizeof(text) - 1, file) > 0);
                (void) fclose(file);
                if (strstr(text, ") Z "))
                        break;
        }
        script_result_done(&r);
}

/* Who called it goes on, although it is there still. */
TEST(a_script_that_not_even_a_kill_ends_is_left_behind) {
        ScriptResult r = {};
        pid_t child;

        deaf = true;
        ASSERT_OK(shell("echo $$; exec sleep 1000", NULL, 1, &r));
        deaf = false;
        ASSERT_TRUE(r.timed_out);
        ASSERT_EQ(r.status, 0);
        child = (pid_t) strtol(r.output, NULL, 10);
        ASSERT_TRUE(child > 1);
        ASSERT_EQ(waitpid(child, NULL, WNOHANG), 0);
        ASSERT_EQ(kill(child, SIGKILL), 0);
        ASSERT_EQ(waitpid(child, NULL, 0), child);
        script_result_done(&r);
}

/* Its end counts, not that of what it leaves behind with its pipes. */
TEST(what_stays_in_the_background_holds_up_nobody) {
        ScriptResult r = {};
        pid_t child;

        ASSERT_OK(shell("sleep 1000 & echo $!", NULL, 60, &r));
        ASSERT_FALSE(r.timed_out);
        child = (pid_t) strtol(r.output, NULL, 10);
        ASSERT_EQ(kill(child, SIGKILL), 0);
        script_result_done(&r);
}

static void write_script(const Tree *t, const char *name, const char *text) {
        _cleanup_(freep) char *path = NULL, *script = NULL;

        ASSERT_TRUE(asprintf(&path, "usr/lib/mdevctl/scripts.d/callouts/%s", name) > 0);
        ASSERT_TRUE(asprintf(&script, "#!/bin/sh\n%s\n", text) > 0);
        tree_write(t, path, script);
        ASSERT_EQ(fchmodat(t->fd, path, 0755, 0), 0);
}

/* Makes the folder's last change one that is long over. */
static void settle(const Tree *t, CalloutSeen *seen) {
        struct timespec second = { .tv_sec = 1 };

        while (!seen->empty) {
                ASSERT_FALSE(callout_exists_since(t->path, seen));
                if (!seen->empty)
                        (void) nanosleep(&second, NULL); /* its clock is the kernel's, not ours */
        }
}

TEST(a_script_that_comes_and_goes_is_noticed) {
        CalloutSeen seen = {};
        Tree t;

        tree_init(&t);
        ASSERT_FALSE(callout_exists_since(t.path, &seen));
        ASSERT_TRUE(seen.empty); /* there is no folder */
        write_script(&t, "one.sh", "exit 2");
        ASSERT_TRUE(callout_exists_since(t.path, &seen));
        ASSERT_TRUE(callout_exists_since(t.path, &seen));
        ASSERT_OK(RET_NERRNO(unlinkat(t.fd, "usr/lib/mdevctl/scripts.d/callouts/one.sh", 0)));
        ASSERT_FALSE(callout_exists_since(t.path, &seen));
        ASSERT_FALSE(seen.empty); /* it may change once more, and nothing would show it */
        settle(&t, &seen);
        ASSERT_FALSE(callout_exists_since(t.path, &seen));
        write_script(&t, "two.sh", "exit 2");
        ASSERT_TRUE(callout_exists_since(t.path, &seen));
        tree_done(&t);
}

TEST(a_time_that_is_over_is_a_refusal) {
        _cleanup_(definition_freep) Definition *d = NULL;
        Callout c;
        Tree t;

        (void) signal(SIGPIPE, SIG_IGN);
        tree_init(&t);
        ASSERT_FALSE(callout_exists(t.path));
        write_script(&t, "hangs.sh", "[ $4 = get ] || sleep 1000");
        ASSERT_TRUE(callout_exists(t.path));
        ASSERT_OK(definition_new(&d, "matrix", &(Uuid){}));
        d->type = strdup("vfio_ap-passthrough");
        callout_init(&c, t.path, d);
        c.limit_sec = 1;
        ASSERT_OK(callout_find(&c));
        ASSERT_NULL(c.script);
        ASSERT_EQ(callout_call(&c, CALLOUT_PRE, CALLOUT_START), CALLOUT_REFUSED);
        ASSERT_CONTAINS(c.why, "hangs.sh\"' did not end within 1 s");
        callout_done(&c);
        tree_done(&t);
}

/* What a version 2 script said once holds, whatever it says later. */
TEST(supports_that_are_no_supports) {
        static const char *const answers[] = {
                "", "x", "[]", "{}", "{\"supports\":null}", "{\"supports\":{}}",
                "{\"supports\":{\"version\":\"2\",\"actions\":[],\"events\":[]}}",
                "{\"supports\":{\"version\":2,\"actions\":{},\"events\":[]}}",
                "{\"supports\":{\"version\":2,\"actions\":[1],\"events\":[]}}",
                "{\"supports\":{\"version\":2,\"actions\":[]}}",
        };
        _cleanup_(definition_freep) Definition *d = NULL;
        Callout c;
        Tree t;

        (void) signal(SIGPIPE, SIG_IGN);
        tree_init(&t);
        ASSERT_OK(definition_new(&d, "matrix", &(Uuid){}));
        d->type = strdup("x");
        for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
                tree_write(&t, "answer", answers[i]);
                write_script(&t, "a.sh", "cat \"${0%/usr*}/answer\"");
                callout_init(&c, t.path, d);
                ASSERT_OK(callout_find(&c));
                ASSERT_NULL(c.script);
                callout_done(&c);
        }
        tree_write(&t, "answer",
                   "{\"supports\":{\"version\":2,\"actions\":[\"stop\",\"new\"],"
                   "\"events\":[\"live\"]}}");
        callout_init(&c, t.path, d);
        ASSERT_OK(callout_find(&c));
        ASSERT_TRUE(c.versioned);
        ASSERT_EQ(c.actions, UINT32_C(1) << CALLOUT_STOP);
        ASSERT_EQ(c.events, UINT32_C(1) << CALLOUT_LIVE);
        ASSERT_EQ(callout_call(&c, CALLOUT_LIVE, CALLOUT_START), CALLOUT_REFUSED);
        ASSERT_CONTAINS(c.why, "does not support action 'Start'");
        ASSERT_EQ(callout_call(&c, CALLOUT_PRE, CALLOUT_STOP), CALLOUT_REFUSED);
        ASSERT_CONTAINS(c.why, "does not support event 'Pre'");
        callout_done(&c);
        tree_done(&t);
}

TESTS_MAIN

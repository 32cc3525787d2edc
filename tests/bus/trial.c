/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* trial.c: owns the course of a trial and the comparison of model, kernel and files. */
#include "trial.h"

#include <dirent.h>
#include <sys/wait.h>

#include "../unit/fake-kernel.h"
#include "util/uuid.h"

static const char config[] =
        "{ \"parents\": [ { \"address\": \"" MODULE "\","
        "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2 } ], \"types\": [ \"" MODULE_TYPE "\" ] } ],"
        "  \"types\": { \"" MODULE_TYPE "\": { \"bars\": [ { \"pool\": \"fb\", \"size\": \"16M\" }"
        "  ] } } }";

static const Wanted bystanders[] = {
        { BYSTANDER1, OTHER, "by1", "request", true, true },
        { BYSTANDER2, MODULE, "by2", "request", true, true },
};

/* ---- asking ---- */

json_object *trial_describe(Trial *t) {
        json_object *state;
        const char *text;
        Reply r = {};

        CALL(&t->f, t->f.client, &r, MANAGER, "Describe", "");
        ASSERT_TRUE(sd_bus_message_read(r.m, "s", &text) > 0);
        state = json_tokener_parse(text);
        ASSERT_NOT_NULL(state);
        reply_done(&r);
        return state;
}

const char *trial_string(json_object *o, const char *key) {
        json_object *v = NULL;

        return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

static uint64_t number_of(json_object *o, const char *key) {
        json_object *v = NULL;

        ASSERT_TRUE(json_object_object_get_ex(o, key, &v));
        return json_object_get_uint64(v);
}

json_object *trial_find(json_object *state, const char *list, const char *key, const char *value) {
        json_object *array = NULL;

        ASSERT_TRUE(json_object_object_get_ex(state, list, &array));
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                json_object *o = json_object_array_get_idx(array, i);

                if (streq_ptr(trial_string(o, key), value))
                        return o;
        }
        return NULL;
}

static size_t length_of(json_object *o, const char *key) {
        json_object *array = NULL;

        ASSERT_TRUE(json_object_object_get_ex(o, key, &array));
        return json_object_array_length(array);
}

static const Wanted *find_wanted(const Trial *t, const char *uuid) {
        for (size_t i = 0; i < ARRAY_SIZE(bystanders) && !t->s->boots; i++)
                if (streq(bystanders[i].uuid, uuid))
                        return &bystanders[i];
        for (const Wanted *w = t->s->devices; w->uuid; w++)
                if (streq(w->uuid, uuid))
                        return w;
        return NULL;
}

/* ---- what must hold ---- */

size_t trial_count_names(const Trial *t, const char *folder) {
        int fd = openat(t->f.tree.fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        size_t n = 0;

        for (struct dirent *de; dir && (de = readdir(dir));)
                n += !streq(de->d_name, ".") && !streq(de->d_name, "..");
        if (dir)
                (void) closedir(dir);
        return n;
}

static bool kernel_has(Trial *t, const char *uuid) {
        char path[128];

        (void) snprintf(path, sizeof(path), "sys/bus/mdev/devices/%s", uuid);
        return file_exists(&t->f, path);
}

static void check_extents(json_object *device, bool ours) {
        json_object *extents = NULL, *e;

        ASSERT_TRUE(json_object_object_get_ex(device, "extents", &extents));
        ASSERT_EQ(json_object_array_length(extents), ours ? 1 : 0);
        if (!ours)
                return;
        e = json_object_array_get_idx(extents, 0);
        ASSERT_EQ(number_of(e, "size"), 16 * MIB);
        if (streq(trial_string(device, "uuid"), BYSTANDER2)) {
                ASSERT_EQ(number_of(e, "offset"), 0);
                ASSERT_EQ(number_of(device, "opened"), 1);
        }
}

/* @strict: nothing may be left that only a restart would clear away. */
static void check_devices(Trial *t, json_object *state, bool strict) {
        json_object *devices = NULL;
        char path[128];
        size_t n;

        ASSERT_TRUE(json_object_object_get_ex(state, "devices", &devices));
        n = json_object_array_length(devices);
        ASSERT_EQ(n, trial_count_names(t, "sys/bus/mdev/devices"));
        for (size_t i = 0; i < n; i++) {
                json_object *d = json_object_array_get_idx(devices, i);
                const char *uuid = trial_string(d, "uuid");
                const Wanted *w = find_wanted(t, uuid);

                ASSERT_NOT_NULL(w);
                ASSERT_TRUE(kernel_has(t, uuid));
                ASSERT_STREQ(trial_string(d, "parent"), w->parent);
                ASSERT_STREQ(trial_string(d, "state"), "live");
                check_extents(d, streq(w->parent, MODULE));
                if (!strict)
                        continue;
                ASSERT_STREQ(trial_string(d, "owner"), w->owner);
                ASSERT_STREQ(trial_string(d, "origin"), w->origin);
                ASSERT_STREQ(trial_string(d, "lease"), w->lease ?: "none");
                ASSERT_EQ(number_of(d, "lease_until_usec") > 0, w->lease != NULL);
                (void) snprintf(path, sizeof(path), MDEVD_PATH_DEVICES "/%s", uuid);
                ASSERT_TRUE(file_exists(&t->f, path));
        }
        if (strict)
                ASSERT_EQ(trial_count_names(t, MDEVD_PATH_DEVICES), n);
}

static size_t count_on(Trial *t, const char *parent) {
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(bystanders) && !t->s->boots; i++)
                n += streq(bystanders[i].parent, parent) && kernel_has(t, bystanders[i].uuid);
        for (const Wanted *w = t->s->devices; w->uuid; w++)
                n += streq(w->parent, parent) && kernel_has(t, w->uuid);
        return n;
}

/* Room in the model, in the module and in sysfs is what the devices leave. */
static void check_room(Trial *t, json_object *state) {
        static const char *const vendors[] = { PARENT, OTHER };
        json_object *p = trial_find(state, "parents", "name", MODULE), *pools = NULL;
        size_t n = count_on(t, MODULE);

        ASSERT_NOT_NULL(p);
        if (streq(trial_string(p, "state"), "registered")) {
                ASSERT_TRUE(json_object_object_get_ex(p, "pools", &pools));
                p = json_object_array_get_idx(pools, 0);
                ASSERT_EQ(number_of(p, "used"), n * 16 * MIB);
        }
        ASSERT_EQ(fake_module_count(t->f.tree.path), n);
        for (size_t i = 0; i < ARRAY_SIZE(vendors); i++) {
                _cleanup_(freep) char *text = fake_read(&t->tree, "sys/" FAKE_DEVPATH
                                                        "/%s/mdev_supported_types/" TYPE
                                                        "/available_instances", vendors[i]);

                ASSERT_NOT_NULL(text);
                ASSERT_EQ(strtol(text, NULL, 10),
                          (long) (i == 0 && t->s->instances ? t->s->instances : 4) -
                                  (long) count_on(t, vendors[i]));
        }
}

static void check(Trial *t, json_object *state, bool strict, bool done) {
        for (size_t i = 0; i < ARRAY_SIZE(bystanders) && !t->s->boots; i++)
                ASSERT_NOT_NULL(trial_find(state, "devices", "uuid", bystanders[i].uuid));
        check_devices(t, state, strict);
        check_room(t, state);
        if (strict)
                ASSERT_EQ(trial_count_names(t, MDEVD_PATH_OPERATIONS), 0);
        if (t->s->check_files)
                t->s->check_files(t, state, strict, done);
}

static void check_effect(Trial *t) {
        for (const Wanted *w = t->s->devices; w->uuid; w++)
                if (kernel_has(t, w->uuid) != w->finally)
                        test_fail(__FILE__, __LINE__, "%s is %s", w->uuid,
                                  w->finally ? "missing" : "still there");
}

/* ---- waiting ---- */

static bool is_settled(Trial *t, json_object *state, bool finally) {
        json_object *p = trial_find(state, "parents", "name", MODULE);

        if (trial_find(state, "operations", "state", "running") || !p ||
            !streq(trial_string(p, "state"), "registered"))
                return false;
        for (const Wanted *w = t->s->devices; finally && w->uuid; w++)
                if ((trial_find(state, "devices", "uuid", w->uuid) != NULL) != w->finally)
                        return false;
        for (size_t i = 0; i < length_of(state, "devices"); i++) {
                json_object *devices = NULL;

                (void) json_object_object_get_ex(state, "devices", &devices);
                if (!streq(trial_string(json_object_array_get_idx(devices, i), "state"), "live"))
                        return false;
        }
        return true;
}

static bool has_signal(void *userdata) {
        const Trial *t = userdata;

        return t->f.signals || t->ended;
}

json_object *trial_settle(Trial *t, bool finally) {
        json_object *state;

        for (;;) {
                forget_signals(&t->f);
                state = trial_describe(t);
                if (is_settled(t, state, finally))
                        return state;
                json_object_put(state);
                fixture_wait(&t->f, has_signal, t, "the end of all operations");
        }
}

static int on_ended(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Trial *t = userdata;

        t->ended = true;
        (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
        return 0;
}

/* ---- the course ---- */

static void start_traced(Trial *t, const char *point, const char *deed, const char *log) {
        char options[512], *before;
        int fds[2];

        ASSERT_EQ(pipe(fds), 0);
        ASSERT_TRUE(fcntl(fds[0], F_SETFD, FD_CLOEXEC) >= 0);
        /* blanks of a point are underscores for the wrapper's words */
        ASSERT_TRUE((size_t) snprintf(t->wrapper, sizeof(t->wrapper),
                                      "%s --root=%s --log=%s --ended=%d --freeze "
                                      "--armed=%s/fake/armed%s%s%s%s -- "
                                      "%s", getenv("MDEVD_TEST_TRACER"), t->f.tree.path,
                                      log, fds[1], t->f.tree.path, point ? " --point-file=" : "",
                                      point ? log : "", point ? ".point --do=" : "",
                                      point ? deed : "", getenv("MDEVD_TEST_WRAPPER") ?: "") <
                    sizeof(t->wrapper));
        free(t->f.notified);
        t->f.notified = NULL;
        t->f.wrapper = t->wrapper;
        if (!t->s->act)
                write_fake(&t->f, "armed", "");
        /* who looks for leaks is a tracer, too, and there can be only one */
        before = getenv("ASAN_OPTIONS");
        (void) snprintf(options, sizeof(options), "%s:detect_leaks=0", before ?: "");
        before = before ? strdup(before) : NULL;
        ASSERT_EQ(setenv("ASAN_OPTIONS", options, 1), 0);
        fixture_spawn(&t->f, NULL);
        ASSERT_EQ(before ? setenv("ASAN_OPTIONS", before, 1) : unsetenv("ASAN_OPTIONS"), 0);
        free(before);
        t->f.wrapper = NULL;
        t->tracer = t->f.daemon_pid;
        t->f.daemon_pid = 0; /* whose end the fixture takes for a failure */
        safe_close(fds[1]);
        t->ended_fd = fds[0];
        t->ended = false;
        ASSERT_TRUE(sd_event_add_io(t->f.event, NULL, fds[0], EPOLLIN, on_ended, t) >= 0);
}

static bool is_ready(void *userdata) {
        const Trial *t = userdata;

        return t->ended || (t->f.notified && strstr(t->f.notified, "READY=1"));
}

static bool has_ended(void *userdata) {
        return ((const Trial *) userdata)->ended;
}

static bool is_success(const Reply *r) {
        return r->m && !sd_bus_message_get_error(r->m);
}

/*
 * One call more that changes nothing: what followed the reply is done when it is answered. A daemon
 * that does not answer has been killed.
 */
static void await_turn(Trial *t) {
        Reply r = {};

        call_begin(t->f.client, &r, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.Peer", "Ping", "");
        call_wait(&t->f, &r);
        if (!is_success(&r))
                fixture_wait(&t->f, has_ended, t, "the end of a daemon that gives no answer");
        reply_done(&r);
}

/* A sentence under a name that the interface has; or no answer, of a daemon that is gone. */
static void check_reply(Trial *t, const Reply *r) {
        const sd_bus_error *e = sd_bus_message_get_error(r->m);

        if (!e)
                return;
        if (streq(e->name, SD_BUS_ERROR_NO_REPLY) || streq(e->name, SD_BUS_ERROR_SERVICE_UNKNOWN)) {
                ASSERT_TRUE(t->ended);
                return;
        }
        if (!streq(e->name, SD_BUS_ERROR_NO_MEMORY) &&
            strncmp(e->name, MDEVD_ERROR_PREFIX, strlen(MDEVD_ERROR_PREFIX)) != 0)
                test_fail(__FILE__, __LINE__, "%s is no error of the interface: %s", e->name,
                          e->message);
        ASSERT_TRUE(e->message && strlen(e->message) > 8);
}

/* Nothing happens any more; a daemon that was killed by its last answer is known to be. */
static void disarm(Trial *t) {
        (void) unlinkat(t->f.tree.fd, "fake/armed", 0);
        if (!t->ended)
                await_turn(t);
}

/* Answers whether the caller was told that it is done. */
static bool act_traced(Trial *t) {
        Reply r = {};
        bool done;

        write_fake(&t->f, "armed", "");
        t->s->act(t, &r);
        call_wait(&t->f, &r); /* the bus has an answer even if the daemon has none */
        await_turn(t);
        disarm(t);
        done = is_success(&r);
        check_reply(t, &r);
        reply_done(&r);
        return done;
}

static void start_quietly(Trial *t) {
        while (!t->ended) {
                json_object *state;
                bool settled;
                Reply r = {};

                forget_signals(&t->f);
                call_begin(t->f.client, &r, MANAGER, "Describe", "");
                call_wait(&t->f, &r);
                if (is_success(&r)) {
                        const char *text;

                        ASSERT_TRUE(sd_bus_message_read(r.m, "s", &text) > 0);
                        state = json_tokener_parse(text);
                        settled = !trial_find(state, "operations", "state", "running") &&
                                  t->f.signals == NULL;
                        /* what failed at the start is not tried again by itself */
                        settled = settled && (is_settled(t, state, true) ||
                                              trial_find(state, "operations", "state", "failed"));
                        json_object_put(state);
                        reply_done(&r);
                        if (settled)
                                return;
                } else
                        reply_done(&r);
                if (!t->ended)
                        fixture_wait(&t->f, has_signal, t, "the end of the start, or the end");
        }
}

static void finish_traced(Trial *t) {
        if (!t->ended) {
                ASSERT_EQ(kill(t->tracer, SIGTERM), 0);
                fixture_wait(&t->f, has_ended, t, "the end of the daemon");
        }
        safe_close(t->ended_fd);
}

bool trial_was_hit(const char *log) {
        char line[1024] = "";
        FILE *file = fopen(log, "re");

        while (file && line[0] != '!' && fgets(line, sizeof(line), file))
                ;
        if (file)
                (void) fclose(file);
        return line[0] == '!';
}

void trial_prepare(Trial *t, const Scenario *s) {
        *t = (Trial){ .s = s };
        fixture_init_for(&t->f, s->name);
        t->tree = (FakeTree){ .root = t->f.tree.path, .root_fd = t->f.tree.fd };
        fake_mkdir(&t->tree, "sys/bus/pci/devices");
        fake_write(&t->tree, "", "sys/bus/pci/drivers_probe");
        fake_write(&t->tree, "first second", "sys/" FAKE_DEVPATH "/" PARENT "/fake/attributes");
        fake_pci(&t->tree, MODULE, "other", 0x1000, 64 * MIB);
        fake_load_module(&t->tree);
        tree_write(&t->f.tree, "etc/mdevd/mdevd.json", config);
}

static void make_bystanders(Trial *t) {
        Uuid uuid;

        for (size_t i = 0; i < ARRAY_SIZE(bystanders); i++) {
                const Wanted *w = &bystanders[i];
                Reply r = {};

                CALL(&t->f, t->f.client, &r, MANAGER, "CreateDevice", "ssa{sv}", w->parent,
                     streq(w->parent, MODULE) ? MODULE_TYPE : TYPE, 2, "uuid", "s", w->uuid,
                     "owner", "s", w->owner);
                reply_done(&r);
        }
        ASSERT_OK(uuid_parse(BYSTANDER2, &uuid));
        fake_module_open(t->f.tree.path, uuid.bytes, 4711, "guest");
}

static void make_devices(Trial *t) {
        for (const Wanted *w = t->s->devices; w->uuid; w++) {
                Reply r = {};

                if (!w->initially)
                        continue;
                CALL(&t->f, t->f.client, &r, MANAGER, "CreateDevice", "ssa{sv}", w->parent,
                     streq(w->parent, MODULE) ? MODULE_TYPE : TYPE, 3, "uuid", "s", w->uuid,
                     "owner", "s", w->owner, "lease", "s", w->lease ?: "none");
                reply_done(&r);
        }
}

/* What there is before the daemon that is looked at. */
static void make_past(Trial *t) {
        if (!t->s->boots) {
                fixture_start(&t->f);
                json_object_put(trial_settle(t, false));
                make_bystanders(t);
                make_devices(t);
                ASSERT_EQ(fixture_end(&t->f, SIGTERM), 0);
        }
        if (t->s->prepare)
                t->s->prepare(t);
}

static void repeat(Trial *t) {
        Reply r = {};

        if (!t->s->act)
                return;
        t->s->act(t, &r);
        call_wait(&t->f, &r);
        if (!is_success(&r)) {
                const sd_bus_error *e = sd_bus_message_get_error(r.m);

                if (!t->s->done_error || !strstr(e->name, t->s->done_error))
                        test_fail(__FILE__, __LINE__, "repeated: %s: %s", e->name, e->message);
        }
        reply_done(&r);
}

/* The next daemon: everything is as it was, or as it was to be; and can be done once more. */
static void check_afterwards(Trial *t, bool done, bool thaw_late) {
        json_object *state;

        if (!thaw_late)
                (void) kill(t->tracer, SIGUSR1);
        fixture_start(&t->f);
        if (thaw_late)
                (void) kill(t->tracer, SIGUSR1);
        state = trial_settle(t, !t->s->act);
        check(t, state, true, done);
        json_object_put(state);
        if (done)
                check_effect(t);
        repeat(t);
        state = trial_settle(t, true);
        check(t, state, true, true);
        json_object_put(state);
        check_effect(t);
}

void trial_run(const Scenario *s, const char *point, const char *deed, bool thaw_late,
               const char *log) {
        json_object *state;
        bool done = false;
        Trial t;

        trial_prepare(&t, s);
        make_past(&t);
        start_traced(&t, point, deed, log);
        fixture_wait(&t.f, is_ready, &t, "READY=1, or the end");
        if (!t.ended && s->act) {
                state = trial_settle(&t, false);
                json_object_put(state);
                done = act_traced(&t);
        } else if (!t.ended)
                start_quietly(&t);
        disarm(&t);
        if (!t.ended) {
                /* an error, or none: the daemon that met it is right as it is */
                state = s->act ? trial_settle(&t, false) : trial_describe(&t);
                check(&t, state, false, done);
                json_object_put(state);
        }
        finish_traced(&t);
        check_afterwards(&t, done, thaw_late);
        ASSERT_EQ(waitpid(t.tracer, NULL, 0), t.tracer);
        fixture_done(&t.f);
}

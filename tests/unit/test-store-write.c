/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-store-write.c: a change of a definition and its extras is whole or is not, whoever dies and
 * whenever. At every call that changes the disk the process is killed, with and without a loss of
 * power in which each folder loses or keeps what was not synced; and every one of them fails.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "config/store.h"
#include "disk.h"
#include "model/model.h"
#include "names.h"
#include "tree.h"

#define UUID "11111111-2222-3333-4444-555555555555"
#define PARENT "0000:00:05.0"
#define DEFINITION MDEVD_PATH_DEFINITIONS "/" PARENT "/" UUID
#define EXTRAS MDEVD_PATH_EXTRAS "/" PARENT "/" UUID ".json"
#define TEMPORARY MDEVD_PATH_DEFINITIONS "/." PARENT ":" UUID ".mdevd"
#define TEXT(type, start) "{\"mdev_type\":\"" type "\",\"start\":\"" start "\"}"

typedef struct Change Change;

struct Change {
        const char *name;
        const char *definition; /* that is there before, NULL: none */
        const char *extras;     /* NULL: none */
        /* what it is to become; type NULL: it is undefined */
        const char *type;
        bool autostart;
        const char *owner;
        bool reserve;
        const char *before, *after; /* as state_text() says them */
        unsigned spare; /* of its last syncs: they only tidy up, or what they sync did not change */
};

static const Change changes[] = {
        { "define", NULL, NULL, "t", true, "vm1", false, "none", "t auto 'vm1'" },
        { "define without extras", NULL, NULL, "t", true, "", true, "none", "t auto '' reserve" },
        { "define beside stale extras", NULL, "{\"owner\":\"stale\"}", "t", false, "", false,
         "none",
         "t manual ''" },
        { "define over stale extras", NULL, "{\"owner\":\"stale\"}", "t", false, "vm1", true,
         "none",
         "t manual 'vm1' reserve" },
        { "modify", TEXT("t", "auto"), "{\"owner\":\"vm1\"}", "u", false, "vm2", true,
         "t auto 'vm1' reserve", "u manual 'vm2' reserve", 1 },
        { "modify the type", TEXT("t", "auto"), "{\"owner\":\"vm1\"}", "u", true, "vm1", true,
         "t auto 'vm1' reserve", "u auto 'vm1' reserve" },
        { "modify the start", TEXT("t", "auto"), NULL, "t", false, "", false, "t auto '' reserve",
         "t manual ''" },
        { "modify the owner",
         "{\n  \"mdev_type\": \"t\",\n  \"start\": \"auto\",\n  \"attrs\": []\n}",
         "{\"owner\":\"vm1\"}", "t", true, "vm2", true, "t auto 'vm1' reserve",
         "t auto 'vm2' reserve", 1 },
        { "give an owner", TEXT("t", "auto"), NULL, "u", true, "vm1", true, "t auto '' reserve",
         "u auto 'vm1' reserve", 1 },
        { "take the owner", TEXT("t", "auto"), "{\"owner\":\"vm1\"}", "u", true, "", true,
         "t auto 'vm1' reserve", "u auto '' reserve", 1 },
        { "modify after a crash", TEXT("t", "auto"),
         "{\"owner\":\"vm8\",\"until\":{\"definition\":\"0123456789abcdef\",\"owner\":\"vm9\"}}",
         "u", true, "vm2", true, "t auto 'vm8' reserve", "u auto 'vm2' reserve", 1 },
        { "modify after an undone one", TEXT("t", "auto"),
         "{\"owner\":\"vm8\",\"until\":{\"definition\":\"c92eca58dc2ab337\",\"owner\":\"vm9\"}}",
         "u", true, "vm2", true, "t auto 'vm9' reserve", "u auto 'vm2' reserve", 1 },
        { "undefine", TEXT("t", "auto"), "{\"owner\":\"vm1\",\"reserve\":false}", NULL, false, NULL,
         false, "t auto 'vm1'", "none", 1 },
        { "undefine without extras", TEXT("t", "auto"), NULL, NULL, false, NULL, false,
         "t auto '' reserve", "none" },
};

static Uuid the_uuid(void) {
        Uuid uuid;

        ASSERT_OK(uuid_parse(UUID, &uuid));
        return uuid;
}

/* What readers see: "type start 'owner' reserve", "none", or the reason why it is of no use. */
static char *state_text(const Tree *t, List *problems) {
        _cleanup_(model_freep) Model *m = NULL;
        const Uuid uuid = the_uuid();
        const Definition *d;
        char *text;

        ASSERT_OK(model_new(&m));
        ASSERT_OK(store_load(m, t->fd, problems));
        ASSERT_TRUE(list_length(&m->definitions) <= 1);
        d = model_find_definition(m, PARENT, &uuid, NULL);
        if (!d)
                text = strdup("none");
        else if (d->invalid)
                text = strdup(d->invalid);
        else
                ASSERT_TRUE(asprintf(&text, "%s %s '%s'%s", d->type,
                                     d->autostart ? "auto" : "manual", d->owner,
                                     d->reserve ? " reserve" : "") > 0);
        ASSERT_NOT_NULL(text);
        return text;
}

static void set_up(const Tree *t, const Change *c) {
        tree_mkdir(t, MDEVD_PATH_DEFINITIONS);
        tree_mkdir(t, "side");
        if (c->definition)
                tree_write(t, DEFINITION, c->definition);
        if (c->extras)
                tree_write(t, EXTRAS, c->extras);
}

/* The change as worker and loop make it; settled in every case. */
static int make_change(const Tree *t, const Change *c) {
        const Uuid uuid = the_uuid();
        int r, settled;

        if (c->type) {
                _cleanup_(definition_freep) Definition *d = NULL;

                ASSERT_OK(definition_new(&d, PARENT, &uuid));
                free(d->owner);
                d->owner = strdup(c->owner);
                d->type = strdup(c->type);
                ASSERT_TRUE(d->owner && d->type);
                d->autostart = c->autostart;
                d->reserve = c->reserve;
                r = store_prepare(t->fd, d);
                if (r == 0)
                        r = store_commit(t->fd, PARENT, &uuid);
        } else
                r = store_remove(t->fd, PARENT, &uuid);
        settled = store_settle(t->fd, PARENT, &uuid);
        return r < 0 ? r : settled;
}

static void start_disk(const Tree *t) {
        char side[128];

        (void) snprintf(side, sizeof(side), "%s/side", t->path);
        disk_start(t->path, side);
}

/* Nothing is left over: no temporary, no extras without a definition or in two minds. */
static bool is_tidy(const Tree *t) {
        List problems = LIST_INIT(problems);
        _cleanup_(freep) char *text = NULL;
        bool tidy;
        DIR *dir;

        free(state_text(t, &problems));
        tidy = list_is_empty(&problems);
        config_problems_clear(&problems);
        tidy &= faccessat(t->fd, TEMPORARY, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
        if (read_file_at(t->fd, EXTRAS, 4096, &text, NULL) >= 0)
                tidy &= !strstr(text, "until");
        dir = fdopendir(openat(t->fd, MDEVD_PATH_EXTRAS "/" PARENT,
                               O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        for (struct dirent *e; dir && (e = readdir(dir));)
                tidy &= streq(e->d_name, ".") || streq(e->d_name, "..") || e->d_name[0] != '.';
        if (dir)
                (void) closedir(dir);
        return tidy;
}

/* 0: before, 1: after, -1: neither, which must never be. */
static int which_state(const Tree *t, const Change *c) {
        List problems = LIST_INIT(problems);
        _cleanup_(freep) char *state = state_text(t, &problems);

        config_problems_clear(&problems);
        return streq(state, c->after) ? 1 : streq(state, c->before) ? 0 : -1;
}

TEST(changes_without_faults) {
        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                const Change *c = &changes[i];
                _cleanup_(tree_done) Tree t;
                Uuid uuid;

                tree_init(&t);
                set_up(&t, c);
                if (which_state(&t, c) != 0)
                        test_fail(__FILE__, __LINE__, "%s: does not begin as it says", c->name);
                ASSERT_OK(make_change(&t, c));
                if (which_state(&t, c) != 1 || !is_tidy(&t))
                        test_fail(__FILE__, __LINE__, "%s: does not end as it says", c->name);
                /* and settling again changes nothing */
                uuid = the_uuid();
                ASSERT_OK(store_settle(t.fd, PARENT, &uuid));
                ASSERT_EQ(which_state(&t, c), 1);
        }
}

typedef struct Trial Trial;

struct Trial {
        bool ended;        /* the change was not interrupted */
        bool told;         /* it had been told of as done */
        unsigned folders;  /* that had something to lose */
        int state, settled; /* as which_state() */
        bool tidy;
};

/* Kills at call @n, loses power as @mask says (-1: not at all), looks, sweeps and looks again. */
static Trial try_kill(const Change *c, unsigned n, int mask, unsigned skipped_sync) {
        _cleanup_(tree_done) Tree t;
        Trial trial = {};
        int status;
        pid_t pid;

        tree_init(&t);
        set_up(&t, c);
        start_disk(&t);
        disk_fault(DISK_KILL, n, 0);
        disk_fault(DISK_SKIP, skipped_sync, 0);
        (void) fflush(stdout);
        pid = fork();
        ASSERT_TRUE(pid >= 0);
        if (pid == 0)
                _exit(make_change(&t, c) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        ASSERT_TRUE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);

        trial.ended = !WIFSIGNALED(status);
        trial.told = trial.ended;
        trial.folders = disk_folders();
        if (mask >= 0)
                disk_lose_power((unsigned) mask);
        disk_stop();
        trial.state = which_state(&t, c);
        ASSERT_OK(store_sweep(t.fd));
        trial.settled = which_state(&t, c);
        trial.tidy = is_tidy(&t);
        return trial;
}

/* What is wrong with it, or NULL. */
static const char *judge(const Trial *trial) {
        if (trial->state < 0)
                return "half a change";
        if (trial->settled != trial->state)
                return "sweeping changed what holds";
        if (!trial->tidy)
                return "something was left over";
        if (trial->told && trial->state != 1)
                return "what was told is not so";
        return NULL;
}

/* Number of kills, and what was wrong in @ret_why with the last that was. */
static unsigned kill_everywhere(const Change *c, bool power, unsigned skipped_sync,
                                char ret_why[static 256]) {
        unsigned kills = 0;

        ret_why[0] = '\0';
        for (unsigned n = 1;; n++) {
                Trial trial = { .folders = 0 };

                for (int mask = power ? 0 : -1; mask < (power ? 1 << trial.folders : 0); mask++) {
                        const char *why;

                        trial = try_kill(c, n, mask, skipped_sync);
                        kills++;
                        why = judge(&trial);
                        if (why)
                                (void) snprintf(ret_why, 256,
                                                "%s: killed at call %u, folders %d: %s", c->name, n,
                                                mask, why);
                }
                if (trial.ended)
                        return kills;
        }
}

TEST(kill_at_every_call) {
        unsigned kills = 0;

        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                char why[256];

                kills += kill_everywhere(&changes[i], false, 0, why);
                if (why[0])
                        test_fail(__FILE__, __LINE__, "%s", why);
        }
        printf("# %u kills\n", kills);
        ASSERT_TRUE(kills > 100);
}

TEST(power_lost_at_every_call) {
        unsigned kills = 0;

        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                char why[256];

                kills += kill_everywhere(&changes[i], true, 0, why);
                if (why[0])
                        test_fail(__FILE__, __LINE__, "%s", why);
        }
        printf("# %u losses of power\n", kills);
        ASSERT_TRUE(kills > 200);
}

static unsigned count_syncs(const Change *c) {
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        set_up(&t, c);
        start_disk(&t);
        ASSERT_OK(make_change(&t, c));
        disk_stop();
        return disk_syncs();
}

/* A fork is slow with the address sanitizer, and what is asked here is not asked of memory. */
#define SYNC_STEP (TEST_SANITIZED ? 4 : 1)

/* The test above would see it: each sync that is left out breaks some change at some instant. */
TEST(every_sync_is_needed) {
        for (size_t i = 0; i < ARRAY_SIZE(changes); i += SYNC_STEP) {
                const unsigned syncs = count_syncs(&changes[i]);

                for (unsigned s = 1; s <= syncs; s++) {
                        char why[256];

                        (void) kill_everywhere(&changes[i], true, s, why);
                        if (!why[0] != (s > syncs - changes[i].spare))
                                test_fail(__FILE__, __LINE__, "%s, without sync %u of %u: '%s'",
                                          changes[i].name, s, syncs, why);
                }
        }
}

/* The change fails, or does not need what failed; what is there is whole, and settling ends it. */
static bool fail_one(const Change *c, unsigned n, int error) {
        const Uuid uuid = the_uuid();
        _cleanup_(tree_done) Tree t;
        int r, state;
        bool faulted;

        tree_init(&t);
        set_up(&t, c);
        start_disk(&t);
        disk_fault(DISK_ERROR, n, error);
        r = make_change(&t, c);
        disk_stop();
        faulted = disk_faulted(DISK_ERROR);
        state = which_state(&t, c);
        if (state < 0 || (r == 0 && (state != 1 || !is_tidy(&t))) || (r < 0 && !faulted))
                test_fail(__FILE__, __LINE__, "%s, call %u fails: %d, state %d", c->name, n, r,
                          state);

        ASSERT_OK(store_settle(t.fd, PARENT, &uuid));
        ASSERT_OK(store_sweep(t.fd));
        if (which_state(&t, c) != state || !is_tidy(&t))
                test_fail(__FILE__, __LINE__, "%s, call %u fails: settling does not end it",
                          c->name, n);
        /* and again, now that it works */
        if (state == 0)
                ASSERT_OK(make_change(&t, c));
        ASSERT_EQ(which_state(&t, c), 1);
        return faulted;
}

TEST(fail_at_every_call) {
        static const int errors[] = { EIO, ENOSPC, ENOMEM };
        unsigned failures = 0;

        for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
                for (size_t e = 0; e < ARRAY_SIZE(errors); e++)
                        for (unsigned n = 1; fail_one(&changes[i], n, errors[e]); n++)
                                failures++;
        printf("# %u failures\n", failures);
        ASSERT_TRUE(failures > 300);
}

TEST(modes_and_owners) {
        const Change *c = &changes[4];
        _cleanup_(tree_done) Tree t;
        const mode_t mask = umask(077);
        struct stat st;

        tree_init(&t);
        set_up(&t, c);
        ASSERT_EQ(unlinkat(t.fd, DEFINITION, 0), 0);
        ASSERT_EQ(unlinkat(t.fd, EXTRAS, 0), 0);
        ASSERT_OK(make_change(&t, c));
        ASSERT_EQ(fstatat(t.fd, DEFINITION, &st, 0), 0);
        ASSERT_EQ(st.st_mode & 07777U, 0644U);
        ASSERT_EQ(fstatat(t.fd, EXTRAS, &st, 0), 0);
        ASSERT_EQ(st.st_mode & 07777U, 0600U);
        /* what somebody closed stays closed */
        ASSERT_EQ(fchmodat(t.fd, DEFINITION, 0600, 0), 0);
        if (geteuid() == 0)
                ASSERT_EQ(fchownat(t.fd, DEFINITION, 65534, 65534, 0), 0);
        ASSERT_OK(make_change(&t, c));
        ASSERT_EQ(fstatat(t.fd, DEFINITION, &st, 0), 0);
        ASSERT_EQ(st.st_mode & 07777U, 0600U);
        if (geteuid() == 0)
                ASSERT_EQ(st.st_uid, 65534U);
        (void) umask(mask);
}

/* What is in the way is replaced, and nothing is written through it. */
TEST(hostile_folders) {
        static const char *const ways[] = { DEFINITION, TEMPORARY, EXTRAS };

        for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
                _cleanup_(freep) char *text = NULL;
                _cleanup_(tree_done) Tree t;

                tree_init(&t);
                set_up(&t, &changes[0]);
                tree_write(&t, "victim", "untouched");
                ASSERT_OK(mkdir_parents_at(t.fd, ways[i], 0755));
                ASSERT_EQ(symlinkat("../../../victim", t.fd, ways[i]), 0);
                ASSERT_OK(make_change(&t, &changes[0]));
                ASSERT_OK(read_file_at(t.fd, "victim", 100, &text, NULL));
                ASSERT_STREQ(text, "untouched");
                ASSERT_EQ(which_state(&t, &changes[0]), 1);
                ASSERT_TRUE(is_tidy(&t));
        }
}

/* What a running operation began is its own to end. */
TEST(sweep_leaves_the_busy) {
        const char *record = MDEVD_PATH_OPERATIONS "/" PARENT ":" UUID;
        const char *hidden = MDEVD_PATH_EXTRAS "/" PARENT "/." UUID ".json.0123456789abcdef";
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        tree_mkdir(&t, MDEVD_PATH_DEFINITIONS);
        tree_write(&t, TEMPORARY, "{");
        tree_write(&t, EXTRAS, "{\"owner\":\"vm1\"}");
        tree_write(&t, hidden, "{");
        tree_write(&t, MDEVD_PATH_DEFINITIONS "/.other", "");
        tree_write(&t, MDEVD_PATH_EXTRAS "/" PARENT "/README", "");
        tree_write(&t, record, "");
        ASSERT_OK(store_sweep(t.fd));
        ASSERT_EQ(faccessat(t.fd, TEMPORARY, F_OK, 0), 0);
        ASSERT_EQ(faccessat(t.fd, EXTRAS, F_OK, 0), 0);
        ASSERT_EQ(faccessat(t.fd, hidden, F_OK, 0), 0);

        ASSERT_EQ(unlinkat(t.fd, record, 0), 0);
        ASSERT_OK(store_sweep(t.fd));
        ASSERT_TRUE(faccessat(t.fd, TEMPORARY, F_OK, 0) < 0);
        ASSERT_TRUE(faccessat(t.fd, EXTRAS, F_OK, 0) < 0);
        ASSERT_TRUE(faccessat(t.fd, hidden, F_OK, 0) < 0);
        /* others' files are nobody's business */
        ASSERT_EQ(faccessat(t.fd, MDEVD_PATH_DEFINITIONS "/.other", F_OK, 0), 0);
        ASSERT_EQ(faccessat(t.fd, MDEVD_PATH_EXTRAS "/" PARENT "/README", F_OK, 0), 0);
}

/* Our three keys and those of other tools; one object has 1024. */
TEST(what_could_not_be_read_is_not_written) {
        for (unsigned n = 1021; n <= 1022; n++) {
                _cleanup_(freep) char *text = NULL, *after = NULL;
                _cleanup_(tree_done) Tree t;
                size_t size;
                FILE *f;

                f = open_memstream(&text, &size);
                ASSERT_NOT_NULL(f);
                (void) fputs("{\"mdev_type\":\"t\",\"start\":\"auto\"", f);
                for (unsigned i = 0; i < n; i++)
                        (void) fprintf(f, ",\"key%u\":%u", i, i);
                (void) fputs("}", f);
                ASSERT_EQ(fclose(f), 0);
                tree_init(&t);
                set_up(&t, &changes[6]);
                tree_write(&t, DEFINITION, text);
                ASSERT_EQ(make_change(&t, &changes[6]), n == 1021 ? 0 : -EFBIG);
                ASSERT_EQ(which_state(&t, &changes[6]), n == 1021 ? 1 : 0);
                ASSERT_OK(read_file_at(t.fd, DEFINITION, 1 << 20, &after, NULL));
                ASSERT_EQ(streq(after, text), n == 1022);
                ASSERT_TRUE(is_tidy(&t));
        }
}

TEST(nothing_to_remove) {
        const Uuid uuid = the_uuid();
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        ASSERT_EQ(store_remove(t.fd, PARENT, &uuid), -ENOENT);
        ASSERT_EQ(store_commit(t.fd, PARENT, &uuid), -ENOENT);
        ASSERT_OK(store_settle(t.fd, PARENT, &uuid));
        ASSERT_OK(store_sweep(t.fd));
}

TESTS_MAIN

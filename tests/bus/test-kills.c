/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-kills.c: every system call that changes something is met by a kill (before it and after it,
 * of daemon and workers) and by ENOSPC, EIO and ENOMEM, while devices are made, removed and
 * restored. Afterwards model, kernel and files are equal and nothing is lost; the same call once
 * more does what it is to do.
 *
 * A scenario is first run undisturbed, which lists its calls: the points. Each misfortune then is a
 * process of its own, which must report that its point was hit. With $MDEVD_TEST_LONG all of them
 * are lived through; else as many as $MDEVD_TEST_TRIALS says of each scenario, chosen by a seed
 * that is printed ($MDEVD_TEST_SEED sets it). Sabotage comes first: a rename that is taken out must
 * be noticed.
 */
#include <sys/random.h>
#include <sys/wait.h>

#include "kills.h"

#define JOBS 2
#define TRIES 8 /* for a point that two processes race to */
#define SAMPLE 12
#define RUNS 3

typedef struct Job Job;
typedef struct Misfortune Misfortune;

struct Misfortune {
        char point[640];
        char deed[16];
        bool thaw_late;
        unsigned tries;
        bool hit, failed;
};

struct Job {
        pid_t pid;
        Misfortune *what;
        char log[128], output[128];
};

static char work[] = "/tmp/mdevd-kills-XXXXXX";
static unsigned n_tests, n_jobs_made;
static bool anything_failed;
static uint64_t seed;

static void tell(bool ok, const char *format, ...) _printf_(2, 3);

static void tell(bool ok, const char *format, ...) {
        va_list ap;

        printf("%sok %u - ", ok ? "" : "not ", ++n_tests);
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        printf("\n");
        (void) fflush(stdout);
        anything_failed |= !ok;
}

static uint64_t random_next(void) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return seed;
}

/* ---- one process a trial ---- */

static void start_job(Job *j, const Scenario *s, Misfortune *m) {
        char point[160];

        *j = (Job){ .what = m };
        (void) snprintf(j->log, sizeof(j->log), "%s/%u", work, n_jobs_made);
        (void) snprintf(j->output, sizeof(j->output), "%s/%u.output", work, n_jobs_made++);
        (void) fflush(stdout);
        j->pid = fork();
        ASSERT_TRUE(j->pid >= 0);
        if (j->pid > 0)
                return;

        if (!freopen(j->output, "w", stdout))
                _exit(1);
        if (m) {
                FILE *file;

                (void) snprintf(point, sizeof(point), "%s.point", j->log);
                file = fopen(point, "we");
                ASSERT_TRUE(file && fprintf(file, "%s\n", m->point) > 0 && fclose(file) == 0);
        }
        trial_run(s, m ? m->point : NULL, m ? m->deed : NULL, m && m->thaw_late, j->log);
        exit(EXIT_SUCCESS);
}

static void show(const char *path) {
        char line[1024];
        FILE *file = fopen(path, "re");

        while (file && fgets(line, sizeof(line), file))
                printf("#   %s", line);
        if (file)
                (void) fclose(file);
}

/* Answers false if it is to be run once more. */
static bool end_job(const Job *j, const Scenario *s, int status, bool quiet) {
        Misfortune *m = j->what;

        m->hit = trial_was_hit(j->log);
        m->failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        if (!m->hit && !m->failed && ++m->tries < TRIES)
                return false;
        if (quiet)
                return true;
        printf("# %s: %s: %s: %s\n", s->name, m->point, m->deed,
               m->failed ? "FAILED" : m->hit ? "hit" : "NOT HIT");
        if (m->failed)
                show(j->output);
        (void) fflush(stdout);
        return true;
}

static void run_all(const Scenario *s, Misfortune *all, size_t n, bool quiet) {
        Job jobs[JOBS] = {};
        size_t next = 0, running = 0;

        while (next < n || running > 0) {
                int status;
                pid_t pid;

                for (size_t i = 0; i < JOBS && next < n; i++)
                        if (jobs[i].pid == 0) {
                                start_job(&jobs[i], s, &all[next++]);
                                running++;
                        }
                pid = waitpid(-1, &status, 0);
                ASSERT_TRUE(pid > 0);
                for (size_t i = 0; i < JOBS; i++) {
                        Misfortune *m = jobs[i].what;

                        if (jobs[i].pid != pid)
                                continue;
                        jobs[i].pid = 0;
                        running--;
                        if (end_job(&jobs[i], s, status, quiet))
                                continue;
                        start_job(&jobs[i], s, m);
                        running++;
                }
        }
}

/* ---- the points of a scenario ---- */

static size_t n_misfortunes;
static Misfortune *misfortunes;

static void add(const char *point, const char *deed, bool thaw_late) {
        misfortunes = reallocarray(misfortunes, n_misfortunes + 1, sizeof(*misfortunes));
        ASSERT_NOT_NULL(misfortunes);
        misfortunes[n_misfortunes] = (Misfortune){ .thaw_late = thaw_late };
        (void) snprintf(misfortunes[n_misfortunes].point, sizeof(misfortunes->point), "%s", point);
        (void) snprintf(misfortunes[n_misfortunes].deed, sizeof(misfortunes->deed), "%s", deed);
        n_misfortunes++;
}

static void add_all(const char *point, bool fallible) {
        static const int errors[] = { ENOSPC, EIO, ENOMEM };
        char deed[16];

        add(point, "kill", n_misfortunes % 2);
        add(point, "kill-after", n_misfortunes % 4 < 2);
        for (size_t i = 0; fallible && i < ARRAY_SIZE(errors); i++) {
                (void) snprintf(deed, sizeof(deed), "errno:%d", errors[i]);
                add(point, deed, false);
        }
}

typedef struct Lines Lines;

struct Lines {
        char **text;
        size_t n;
};

static void lines_done(Lines *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->text[i]);
        free(l->text);
        *l = (Lines){};
}

static bool lines_have(const Lines *l, const char *text) {
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->text[i], text))
                        return true;
        return false;
}

/* Lives through @s undisturbed; the calls that it met. False: it did not get through. */
static bool record_calls(const Scenario *s, Lines *ret) {
        char line[1024];
        FILE *file;
        int status;
        Job j;

        start_job(&j, s, NULL);
        ASSERT_EQ(waitpid(j.pid, &status, 0), j.pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                show(j.output);
                return false;
        }
        file = fopen(j.log, "re");
        ASSERT_NOT_NULL(file);
        while (fgets(line, sizeof(line), file)) {
                line[strcspn(line, "\n")] = '\0';
                ret->text = reallocarray(ret->text, ret->n + 1, sizeof(*ret->text));
                ASSERT_NOT_NULL(ret->text);
                ret->text[ret->n] = strdup(line);
                ASSERT_NOT_NULL(ret->text[ret->n++]);
        }
        (void) fclose(file);
        return true;
}

/*
 * The points of @s: calls that each of some undisturbed runs had. How many signals there are
 * depends on what comes together in a turn of the loop, so a single run knows of more than there
 * always is. 0: it did not get through.
 */
static size_t enumerate(const Scenario *s) {
        Lines runs[RUNS] = {};
        bool passed = true;
        size_t n = 0;

        n_misfortunes = 0;
        for (size_t i = 0; i < RUNS; i++)
                passed = passed && record_calls(s, &runs[i]);
        for (size_t i = 0; passed && i < runs[0].n; i++) {
                const char *line = runs[0].text[i];
                bool always = true;

                for (size_t k = 1; k < RUNS; k++)
                        always = always && lines_have(&runs[k], line);
                if (!always)
                        continue;
                printf("# %s: point %zu: %s\n", s->name, ++n, line + 2);
                add_all(line + 2, line[0] == '+');
        }
        for (size_t i = 0; i < RUNS; i++)
                lines_done(&runs[i]);
        return n;
}

static size_t choose(size_t n) {
        if (n >= n_misfortunes)
                return n_misfortunes;
        for (size_t i = 0; i < n; i++) {
                size_t k = i + random_next() % (n_misfortunes - i);
                Misfortune m = misfortunes[i];

                misfortunes[i] = misfortunes[k];
                misfortunes[k] = m;
        }
        return n;
}

static void campaign(const Scenario *s) {
        const char *trials = getenv("MDEVD_TEST_TRIALS");
        size_t n_points = enumerate(s), n, n_kills = 0, n_hit = 0, n_failed = 0;

        if (n_points == 0) {
                tell(false, "%s: undisturbed", s->name);
                return;
        }
        n = choose(trials ? (size_t) atoi(trials) : getenv("MDEVD_TEST_LONG") ? SIZE_MAX : SAMPLE);
        run_all(s, misfortunes, n, false);
        for (size_t i = 0; i < n; i++) {
                n_kills += misfortunes[i].deed[0] == 'k';
                n_hit += misfortunes[i].hit;
                n_failed += misfortunes[i].failed;
        }
        tell(n_failed == 0 && n_hit == n,
             "%s: %zu points, %zu misfortunes in all; of these %zu: %zu kills, %zu errors; %zu "
             "hit, %zu failed", s->name, n_points, n_misfortunes, n, n_kills, n - n_kills, n_hit,
             n_failed);
}

/* ---- sabotage ---- */

/* All calls that begin so are taken out of a scenario, and success reported: it must fail. */
static void sabotage(const Sabotage *what) {
        Misfortune m = { .deed = "skip" };

        (void) snprintf(m.point, sizeof(m.point), "%s", what->point);
        run_all(what->scenario, &m, 1, true);
        tell(m.hit && m.failed, "sabotage: %s without \"%s\" is noticed", what->scenario->name,
             what->point);
}

int main(int argc, char *argv[]) {
        const char *given = getenv("MDEVD_TEST_SEED"), *only = getenv("MDEVD_TEST_SCENARIO");

        if (tests_called_as_program(argc, argv))
                return EXIT_FAILURE;
        ASSERT_NOT_NULL(mkdtemp(work));
        if (given)
                seed = strtoull(given, NULL, 0);
        else
                ASSERT_EQ(getrandom(&seed, sizeof(seed), 0), (ssize_t) sizeof(seed));
        seed |= 1;
        printf("# MDEVD_TEST_SEED=%#" PRIx64 "\n", seed);

        for (size_t i = 0; kills_sabotages[i].scenario; i++)
                if (!only || streq(only, "sabotage"))
                        sabotage(&kills_sabotages[i]);
        for (size_t i = 0; kills_scenarios[i]; i++)
                if (!only || streq(only, kills_scenarios[i]->name))
                        campaign(kills_scenarios[i]);
        free(misfortunes);
        (void) nftw(work, tree_unlink, 4, FTW_DEPTH | FTW_PHYS);
        printf("1..%u\n", n_tests);
        return anything_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

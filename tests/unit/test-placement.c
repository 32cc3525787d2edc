/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-placement.c: runs the table tests/data/placement.txt, one case a line. */
#include "scenario.h"

#include <fcntl.h>

#include "test.h"
#include "util/fs.h"

#define FIELDS 6

static char *trim(char *s) {
        size_t n;

        while (*s == ' ')
                s++;
        n = strlen(s);
        while (n > 0 && s[n - 1] == ' ')
                s[--n] = '\0';
        return s;
}

static size_t split(char *line, char *fields[static FIELDS]) {
        size_t n = 0;

        for (char *p = line; p && n < FIELDS; n++) {
                char *bar = n + 1 < FIELDS ? strchr(p, '|') : NULL;

                if (bar)
                        *bar++ = '\0';
                fields[n] = trim(p);
                p = bar;
        }
        return n;
}

/* All parts of @expected, separated by ';', the first of which is the outcome. */
static bool answers(const char *expected, const char *outcome, const char *text) {
        size_t n = strcspn(expected, ";");

        if (strlen(outcome) != n || strncmp(outcome, expected, n) != 0)
                return false;
        while (expected[n]) {
                char part[512];
                size_t start = n + 1 + strspn(expected + n + 1, " ");

                n = start + strcspn(expected + start, ";");
                (void) snprintf(part, sizeof(part), "%.*s", (int) (n - start), expected + start);
                if (!strstr(text, part))
                        return false;
        }
        return true;
}

static bool run_case(char *fields[static FIELDS], char *got, size_t size) {
        _cleanup_(request_freep) Request *q = NULL;
        _cleanup_(scenario_done) Scenario s = {};
        _cleanup_(reason_done) Reason reason = {};
        Placement placement;
        char where[256] = "";
        bool ok;
        int r;

        ASSERT_OK(scenario_init(&s));
        if (!scenario_add_parents(&s, fields[1]) || !scenario_add_rules(&s, fields[2]) ||
            !scenario_add_devices(&s, fields[3]) || !scenario_parse_request(&s, fields[4], &q)) {
                (void) snprintf(got, size, "%s", s.why);
                return false;
        }
        r = policy_place(s.model, NULL, q, &placement, &reason);
        ASSERT_TRUE(r >= 0);
        if (r == 0) {
                scenario_format(&placement, where);
                ok = streq(where, fields[5]) && !reason.text;
        } else {
                ok = answers(fields[5], outcome_to_string((Outcome) r), reason.text);
        }
        (void) snprintf(got, size, "%s%s%s", r ? outcome_to_string((Outcome) r) : where,
                        reason.text ? "; " : "", reason.text ?: "");
        return ok;
}

TEST(table) {
        const char *folder = getenv("MDEVD_TEST_DATA") ?: "tests/data";
        _cleanup_(freep) char *text = NULL;
        _cleanup_(closep) int dir = -EBADF;
        unsigned n = 0, failed = 0, line = 0;

        dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_TRUE(dir >= 0);
        ASSERT_OK(read_file_at(dir, "placement.txt", 1 << 20, &text, NULL));
        for (char *p = text, *next; p; p = next) {
                char *fields[FIELDS], got[8192];

                next = strchr(p, '\n');
                if (next)
                        *next++ = '\0';
                line++;
                if (!*trim(p) || *trim(p) == '#')
                        continue;
                if (split(p, fields) != FIELDS)
                        test_fail("placement.txt", (int) line, "not %d fields", FIELDS);
                n++;
                if (run_case(fields, got, sizeof(got)))
                        continue;
                printf("# placement.txt:%u: %s\n#   expected: %s\n#   got:      %s\n", line,
                       fields[0], fields[5], got);
                failed++;
        }
        printf("# %u cases\n", n);
        ASSERT_EQ(failed, 0);
        ASSERT_TRUE(n > 50);
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-placement.c: runs the table tests/data/placement.txt. */
#include "scenario.h"

#include "test.h"

/* The outcome, then parts of the sentences. */
static bool answers(const char *expected, const char *outcome, const char *text) {
        size_t n = strcspn(expected, ";");

        return strlen(outcome) == n && strncmp(outcome, expected, n) == 0 &&
               scenario_has_parts(text, expected[n] ? expected + n + 1 : "");
}

static bool run_case(char *fields[], char *got, size_t size) {
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
        scenario_table("placement.txt", 6, 100, run_case);
}

TESTS_MAIN

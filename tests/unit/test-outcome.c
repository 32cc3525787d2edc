/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-outcome.c: every outcome has a name; sentences survive a lack of memory. */
#include "model/outcome.h"

#include "alloc.h"
#include "test.h"

TEST(names) {
        for (int i = 0; i < _OUTCOME_MAX; i++) {
                ASSERT_NOT_NULL(outcome_to_string((Outcome) i));
                ASSERT_EQ(outcome_from_string(outcome_to_string((Outcome) i)), i);
        }
        ASSERT_NULL(outcome_to_string(_OUTCOME_MAX));
        ASSERT_EQ(outcome_from_string("none of these"), -EINVAL);
        ASSERT_EQ(outcome_from_string(NULL), -EINVAL);
}

TEST(lines) {
        _cleanup_(reason_done) Reason reason = {};

        ASSERT_OK(reason_add(&reason, "pool %s", "fb"));
        ASSERT_STREQ(reason.text, "pool fb");
        ASSERT_EQ(reason_set(&reason, OUTCOME_NO_ROOM, "%d short", 3), OUTCOME_NO_ROOM);
        ASSERT_STREQ(reason.text, "pool fb\n3 short");
}

TEST(no_memory_changes_nothing) {
        long before = alloc_balance();
        Reason reason = {};
        int r;

        FOR_EACH_ALLOCATION_FAILURE(r, reason_add(&reason, "first")) {
                ASSERT_EQ(r, -ENOMEM);
                ASSERT_NULL(reason.text);
        }
        FOR_EACH_ALLOCATION_FAILURE(r, reason_set(&reason, OUTCOME_BUSY, "second")) {
                ASSERT_EQ(r, -ENOMEM);
                ASSERT_STREQ(reason.text, "first");
        }
        ASSERT_EQ(r, OUTCOME_BUSY);
        ASSERT_STREQ(reason.text, "first\nsecond");
        reason_done(&reason);
        reason_done(&reason);
        ASSERT_EQ(alloc_balance(), before);
}

TESTS_MAIN

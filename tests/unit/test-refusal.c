/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said of a step that the kernel refused: an errno means another thing with a vendor. */
#include "test.h"

#include "backend/refusal.h"

static char *configure_text(const char *vendor, int error, int *ret_outcome) {
        _cleanup_(record_freep) Record *r = NULL;
        char *text = NULL;

        ASSERT_OK(record_new(&r, RECORD_CONFIGURE));
        r->parent = strdup("0000:00:05.0");
        ASSERT_OK(parent_new(&r->config, r->parent));
        r->config->vendor = vendor ? strdup(vendor) : NULL;
        *ret_outcome = refusal_describe(REFUSAL_CONFIGURE, error, r, NULL, &text);
        ASSERT_NOT_NULL(text);
        return text;
}

TEST(configure) {
        static const struct {
                const char *vendor;
                int error;
                int outcome;
                const char *text;
        } cases[] = {
                { "edu", -ENOPKG, OUTCOME_NOT_SUPPORTED,
                  "0000:00:05.0 refused its configuration with vendor edu: there is no such "
                  "vendor's module: install it" },
                { "edu", -EOPNOTSUPP, OUTCOME_NOT_SUPPORTED,
                  "with vendor edu: a pool is to be scrubbed by the vendor's module, and that "
                  "cannot" },
                { "edu", -ENOSPC, OUTCOME_NOT_SUPPORTED,
                  "with vendor edu: a type has more vectors than the vendor's module signals" },
                { "edu", -EINVAL, OUTCOME_FAILED,
                  "with vendor edu: a type is in the way of the BARs that the vendor's module "
                  "adds" },
                { "edu", -ENODEV, OUTCOME_FAILED,
                  "with vendor edu: the vendor's module does not know the card" },
                /* what does not depend on it */
                { "edu", -ERANGE, OUTCOME_FAILED, "does not lie in its BAR of the parent" },
                { NULL, -EOPNOTSUPP, OUTCOME_NOT_SUPPORTED,
                  "0000:00:05.0 refused its configuration: a type has vectors, and no IOMMU" },
                { NULL, -ENOSPC, OUTCOME_NOT_SUPPORTED, "a type has more vectors than the parent" },
                { NULL, -ENODEV, OUTCOME_FAILED, "it is not bound to mdevd" },
                /* nothing that could be meant */
                { NULL, -ENOPKG, OUTCOME_FAILED, "the kernel's log may say more." },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(freep) char *text = NULL;
                int outcome;

                text = configure_text(cases[i].vendor, cases[i].error, &outcome);
                ASSERT_CONTAINS(text, cases[i].text);
                ASSERT_CONTAINS(text, strerrorname_np(-cases[i].error));
                ASSERT_EQ(outcome, cases[i].outcome);
        }
}

/* Only our module divides by extents. */
TEST(create_and_remove) {
        static const struct {
                bool ours;
                RefusalStep step;
                int error;
                const char *text;
        } cases[] = {
                { true, REFUSAL_CREATE, -EBUSY, "the extents overlap another device's" },
                { false, REFUSAL_CREATE, -EBUSY, "what it needs of the parent is in use" },
                { false, REFUSAL_REMOVE, -EPERM, "its driver does not let it go" },
                { false, REFUSAL_REMOVE, -EBUSY, "it is in use" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(record_freep) Record *r = NULL;
                _cleanup_(freep) char *text = NULL;

                ASSERT_OK(record_new(&r, RECORD_CREATE));
                r->parent = strdup("0000:00:05.0");
                r->ours = cases[i].ours;
                ASSERT_TRUE(refusal_describe(cases[i].step, cases[i].error, r, NULL, &text) > 0);
                ASSERT_CONTAINS(text, cases[i].text);
        }
}

TESTS_MAIN

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* refusal.h: what a kernel's errno means for the step that got it, as a sentence for people. */
#pragma once

#include "backend/record.h"

typedef enum RefusalStep {
        REFUSAL_OPEN_CONTROL, /* opening /dev/mdevd */
        REFUSAL_UNBIND,
        REFUSAL_OVERRIDE,
        REFUSAL_PROBE,
        REFUSAL_CONFIGURE,
        REFUSAL_UNCONFIGURE,
        REFUSAL_RESERVE,
        REFUSAL_CREATE,
        REFUSAL_ATTRIBUTE,
        REFUSAL_REMOVE,
        REFUSAL_SUSPEND,
        REFUSAL_MOVE, /* @detail: the device that was to move */
        REFUSAL_DEFINE, /* writing a definition */
        REFUSAL_SETTLE, /* making sure that it is on disk */
        _REFUSAL_STEP_MAX,
} RefusalStep;

/*
 * *@ret is the sentence and the answer the outcome that it amounts to; -ENOMEM. @detail (may be
 * NULL) is what the step was about beyond the record: an attribute, a driver.
 */
int refusal_describe(RefusalStep step, int error, const Record *r, const char *detail, char **ret);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * outcome.h: the ways in which a request can end short of success that a person must be told of.
 * Functions return them as positive numbers, with a sentence in a Reason; negative errno stays for
 * the unexpected. One table in bus/ turns them into D-Bus errors.
 */
#pragma once

#include "util/macro.h"

typedef enum Outcome {
        OUTCOME_OK,
        OUTCOME_INVALID,       /* an argument that can never be right */
        OUTCOME_NO_PARENT,     /* no such parent */
        OUTCOME_NO_TYPE,       /* no parent offers such a type */
        OUTCOME_NO_DEVICE,     /* no such device */
        OUTCOME_NO_DEFINITION, /* no such definition */
        OUTCOME_AMBIGUOUS,     /* the UUID is known under several parents */
        OUTCOME_EXISTS,        /* the UUID is taken */
        OUTCOME_NO_ROOM,       /* every candidate parent refused; the sentence lists why */
        OUTCOME_BUSY,          /* an operation on it is running, or a VM has it open */
        OUTCOME_FAILED,        /* the kernel or a driver refused; the sentence has the errno */
        OUTCOME_LIMIT,         /* too much at once from one client */
        OUTCOME_NOT_SUPPORTED,
        OUTCOME_NOT_READY, /* the parent has not got its driver; no client's call ends so */
        _OUTCOME_MAX,
} Outcome;

DECLARE_STRING_TABLE(outcome, Outcome)

typedef struct Reason Reason;

/* Grows by lines; empty is { NULL }. No newline at the end. */
struct Reason {
        char *text;
};

void reason_done(Reason *r);
/* Appends a line. -ENOMEM is the only failure. */
int reason_add(Reason *r, const char *format, ...) _printf_(2, 3);
/* Appends a line, returns @outcome or -ENOMEM: `return reason_set(&reason, OUTCOME_X, "…")`. */
int reason_set(Reason *r, Outcome outcome, const char *format, ...) _printf_(3, 4);

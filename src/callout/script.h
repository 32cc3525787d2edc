/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* script.h: a program that is run with words and a text, and ends within a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Of each of its two outputs; what is more is read and dropped. */
#define SCRIPT_OUTPUT_MAX (1024 * 1024)

typedef struct ScriptResult ScriptResult;

struct ScriptResult {
        bool timed_out; /* it was killed, and left behind if it did not end by that */
        int signal; /* 0: it ended by itself */
        int status; /* of its exit */
        char *output, *errors; /* terminated; never NULL after script_run() */
        size_t output_size;
};

void script_result_done(ScriptResult *r);
/*
 * Runs argv[0] (a path) with a clean signal mask, in a process group of its own, and waits. @input:
 * NULL for none; SIGPIPE must be ignored. Negative errno: it could not be executed, or not be
 * waited for.
 */
int script_run(char *const argv[], const char *input, unsigned limit_sec, ScriptResult *ret);

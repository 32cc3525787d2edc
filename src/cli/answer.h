/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * answer.h: how a command of mdevctl ends: its exit status, and what it says on stderr. The first
 * line is mdevctl 1.4.0's, word for word, because people and scripts look for it; what lies behind
 * it and the way out stand below.
 */
#pragma once

#include <stdarg.h>

#include "util/macro.h"

/* As mdevctl's: 1, it failed, with one "Error:" line; 2, the command line is wrong. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define ANSWER_ERROR "Error: "

/* "Error: …"; EXIT_FAILED. The line may be followed by others after a newline. */
int answer_failed(const char *format, ...) _printf_(1, 2);
/* "Error: …", an empty line, "Caused by:" and @cause, which may be several lines. */
int answer_failed_because(const char *cause, const char *format, ...) _printf_(2, 3);
/* "Error: what: the system's words for @error", a negative errno. */
int answer_failed_errno(int error, const char *what);
/* The same of @what, which somebody typed: it cannot be sent, see utf8_is_sendable(). */
int answer_no_text(const char *what);
/* Words of a sentence, to stderr; what somebody chose is escaped, as in all sentences here. */
void answer_print(const char *format, va_list ap) _printf_(1, 0);
/* "Warning: …" */
void answer_warn(const char *format, ...) _printf_(1, 2);
/* What was printed to stdout is out, or EXIT_FAILED. A reader that has gone is no failure. */
int answer_flush(void);

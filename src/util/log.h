/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log.h: structured log. Native journal records when stderr is the journal's stream, else lines on
 * stderr with a <N> prefix when it is no terminal. Only core, bus, main and workers log; a failure
 * is logged once, by whoever decides what it means.
 */
#pragma once

#include <errno.h>
#include <sys/uio.h>
#include <syslog.h>

#include "util/macro.h"

typedef struct LogFields LogFields;

/* All borrowed, NULL where there is none. They become MDEVD_DEVICE= and so on. */
struct LogFields {
        const char *message_id; /* 32 hex digits, from log-ids.h */
        const char *topic;
        const char *parent;
        const char *device;
        const char *type;
        const char *owner;
        const char *operation;
        const char *client;
};

/* sd_journal_sendv(), or what comes to that: who hardly logs need not load its library. */
typedef int (*LogSend)(const struct iovec *fields, int n);

/* @send NULL: always as lines. */
void log_open(const char *identifier, LogSend send);
void log_set_max_level(int level); /* LOG_ERR … LOG_DEBUG */
int log_get_max_level(void);
DECLARE_STRING_TABLE(log_level, int) /* "emerg" … "debug" */

int log_full(int level, int error, const LogFields *fields, const char *file, int line,
             const char *func, const char *format, ...) _printf_(7, 8);

/* @error is a negative errno or 0, and the value returned. "%m" in the format is its text. */
#define log_at(level, error, fields, ...)                                                          \
        log_full((level), (error), (fields), __FILE__, __LINE__, __func__, __VA_ARGS__)
#define log_debug(fields, ...) ((void) log_at(LOG_DEBUG, 0, (fields), __VA_ARGS__))
#define log_info(fields, ...) ((void) log_at(LOG_INFO, 0, (fields), __VA_ARGS__))
#define log_notice(fields, ...) ((void) log_at(LOG_NOTICE, 0, (fields), __VA_ARGS__))
#define log_warning(fields, ...) ((void) log_at(LOG_WARNING, 0, (fields), __VA_ARGS__))
#define log_error(fields, ...) ((void) log_at(LOG_ERR, 0, (fields), __VA_ARGS__))
#define log_warning_errno(error, fields, ...) log_at(LOG_WARNING, (error), (fields), __VA_ARGS__)
#define log_error_errno(error, fields, ...) log_at(LOG_ERR, (error), (fields), __VA_ARGS__)

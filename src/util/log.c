/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log.c: where a record goes. Decided once, in log_open(): to the journal with its fields when
 * stderr is the journal's stream (its device and inode stand in $JOURNAL_STREAM), else as lines.
 * The only global state of the tree lives here.
 */
#include "util/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>

#define MESSAGE_MAX 8192
#define IOVECS_MAX 20

static const char *const log_level_table[LOG_DEBUG + 1] = {
        [LOG_EMERG] = "emerg", [LOG_ALERT] = "alert",     [LOG_CRIT] = "crit",
        [LOG_ERR] = "err",     [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
};
DEFINE_STRING_TABLE(log_level, int, LOG_DEBUG + 1)

static int max_level = LOG_INFO;
static LogSend to_journal; /* NULL: elsewhere */
static bool to_terminal;
static char identifier[64] = "mdevd";

static bool stderr_is_journal(void) {
        unsigned long long dev, ino;
        const char *stream = secure_getenv("JOURNAL_STREAM");
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
               fstat(STDERR_FILENO, &st) >= 0 && (unsigned long long) st.st_dev == dev &&
               (unsigned long long) st.st_ino == ino;
}

void log_open(const char *name, LogSend send) {
        (void) snprintf(identifier, sizeof(identifier), "%s", name);
        to_journal = stderr_is_journal() ? send : NULL;
        to_terminal = !to_journal && isatty(STDERR_FILENO);
}

void log_set_max_level(int level) {
        max_level = level;
}

int log_get_max_level(void) {
        return max_level;
}

typedef struct Fields Fields;

struct Fields {
        struct iovec iov[IOVECS_MAX];
        char *strings[IOVECS_MAX];
        size_t n;
};

/* A field that finds no memory is left out: a record with less in it is better than none. */
static void fields_add(Fields *f, const char *name, const char *value) {
        int n;

        if (!value || f->n >= IOVECS_MAX)
                return;
        n = asprintf(&f->strings[f->n], "%s=%s", name, value);
        if (n < 0)
                return;
        f->iov[f->n] = (struct iovec) { .iov_base = f->strings[f->n], .iov_len = (size_t) n };
        f->n++;
}

static void fields_add_int(Fields *f, const char *name, int value) {
        char buf[16];

        (void) snprintf(buf, sizeof(buf), "%d", value);
        fields_add(f, name, buf);
}

static void fields_done(Fields *f) {
        for (size_t i = 0; i < f->n; i++)
                free(f->strings[i]);
}

static int write_journal(int level, int error, const LogFields *fields, const char *file, int line,
                         const char *func, const char *message) {
        static const struct {
                const char *name;
                size_t offset;
        } table[] = {
                { "MESSAGE_ID", offsetof(LogFields, message_id) },
                { "MDEVD_TOPIC", offsetof(LogFields, topic) },
                { "MDEVD_PARENT", offsetof(LogFields, parent) },
                { "MDEVD_DEVICE", offsetof(LogFields, device) },
                { "MDEVD_TYPE", offsetof(LogFields, type) },
                { "MDEVD_OWNER", offsetof(LogFields, owner) },
                { "MDEVD_OPERATION", offsetof(LogFields, operation) },
                { "MDEVD_CLIENT", offsetof(LogFields, client) },
        };
        Fields f = {};
        int r;

        fields_add(&f, "MESSAGE", message);
        fields_add_int(&f, "PRIORITY", level);
        fields_add(&f, "SYSLOG_IDENTIFIER", identifier);
        fields_add(&f, "CODE_FILE", file);
        fields_add_int(&f, "CODE_LINE", line);
        fields_add(&f, "CODE_FUNC", func);
        if (error < 0)
                fields_add_int(&f, "ERRNO", -error);
        for (size_t i = 0; fields && i < ARRAY_SIZE(table); i++)
                fields_add(&f, table[i].name,
                           *(const char *const *) ((const char *) fields + table[i].offset));

        r = to_journal(f.iov, (int) f.n);
        fields_done(&f);
        return r;
}

/* Each line gets its own prefix, so that no value with a newline in it can pass for a record. */
static void write_lines(int level, const char *message) {
        while (*message) {
                size_t n = strcspn(message, "\n");

                if (to_terminal)
                        (void) dprintf(STDERR_FILENO, "%.*s\n", (int) n, message);
                else
                        (void) dprintf(STDERR_FILENO, "<%d>%s: %.*s\n", level, identifier, (int) n,
                                       message);
                message += n + (message[n] == '\n');
        }
}

int log_full(int level, int error, const LogFields *fields, const char *file, int line,
             const char *func, const char *format, ...) {
        char message[MESSAGE_MAX];
        int saved = errno;
        va_list ap;

        if (level > max_level)
                return error;

        errno = error < 0 ? -error : 0; /* for %m */
        va_start(ap, format);
        (void) vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);

        if (!to_journal || write_journal(level, error, fields, file, line, func, message) < 0)
                write_lines(level, message);
        errno = saved;
        return error;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* answer.c owns the shape of what is said on stderr. */
#include "cli/answer.h"

#include "util/utf8.h"

static void say(const char *begin, const char *format, va_list ap) _printf_(2, 0);

static void say(const char *begin, const char *format, va_list ap) {
        (void) fputs(begin, stderr);
        answer_print(format, ap);
        (void) fputc('\n', stderr);
}

void answer_print(const char *format, va_list ap) {
        char *text;

        if (vasprintf(&text, format, ap) < 0)
                return;
        utf8_write_escaped(stderr, text);
        free(text);
}

int answer_failed(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        say(ANSWER_ERROR, format, ap);
        va_end(ap);
        return EXIT_FAILED;
}

int answer_failed_because(const char *cause, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        say(ANSWER_ERROR, format, ap);
        va_end(ap);
        (void) fputs("\nCaused by:\n", stderr);
        for (const char *c = cause;; c++) {
                size_t n = strcspn(c, "\n");
                _cleanup_(freep) char *line = strndup(c, n);

                (void) fputs("    ", stderr);
                utf8_write_escaped(stderr, line ?: "");
                (void) fputc('\n', stderr);
                c += n;
                if (!*c)
                        break;
        }
        return EXIT_FAILED;
}

int answer_failed_errno(int error, const char *what) {
        return answer_failed("%s: %s", what, strerror(-error));
}

int answer_no_text(const char *what) {
        return answer_failed("That %s is not text in UTF-8; use a plain name.", what);
}

void answer_warn(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        say("Warning: ", format, ap);
        va_end(ap);
}

int answer_flush(void) {
        if (fflush(stdout) == 0 && !ferror(stdout))
                return EXIT_SUCCESS;
        return errno == EPIPE ? EXIT_SUCCESS
                              : answer_failed_errno(-errno, "cannot write to stdout");
}

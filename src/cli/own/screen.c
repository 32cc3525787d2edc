/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* screen.c owns what is known of the terminal, and the pager. */
#include "cli/own/screen.h"

#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <wchar.h>

#include "cli/answer.h"
#include "util/utf8.h"

#define WIDTH_DEFAULT 80
#define WIDTH_MIN 20
#define WIDTH_MAX 1000
#define HEIGHT_MAX 10000
#define PAGER_WORDS_MAX 16

static const char *environment(const char *name) {
        const char *value = getenv(name);

        return value && value[0] ? value : NULL;
}

static unsigned height_of_terminal(int fd) {
        const char *lines = environment("LINES");
        struct winsize ws = {};
        unsigned long n = lines ? strtoul(lines, NULL, 10) : 0;

        if (n == 0 && ioctl(fd, TIOCGWINSZ, &ws) >= 0)
                n = ws.ws_row;
        return (unsigned) MIN(n, (unsigned long) HEIGHT_MAX);
}

/* @fd: the terminal, or negative: there is none. */
static unsigned width_of_terminal(int fd) {
        const char *columns = environment("COLUMNS");
        struct winsize ws = {};
        unsigned long n = 0;

        if (columns)
                n = strtoul(columns, NULL, 10);
        if (n == 0 && fd >= 0 && ioctl(fd, TIOCGWINSZ, &ws) >= 0)
                n = ws.ws_col;
        if (n == 0)
                return WIDTH_DEFAULT;
        n = MAX(n, (unsigned long) WIDTH_MIN);
        return (unsigned) MIN(n, (unsigned long) WIDTH_MAX);
}

/* The locale is asked what it can show; to count columns any UTF-8 one will do. */
static bool setup_locale(void) {
        bool utf8;

        (void) setlocale(LC_CTYPE, "");
        utf8 = streq(nl_langinfo(CODESET), "UTF-8");
        if (!utf8)
                (void) setlocale(LC_CTYPE, "C.UTF-8");
        return utf8;
}

bool screen_stderr_is_terminal(void) {
        const char *term = environment("TERM");

        return isatty(STDERR_FILENO) && term && !streq(term, "dumb");
}

void screen_look_at_stderr(Screen *s) {
        *s = (Screen) { .terminal = screen_stderr_is_terminal(), .utf8 = setup_locale() };
        s->width = width_of_terminal(s->terminal ? STDERR_FILENO : -1);
        s->cut_at = s->terminal ? s->width : 0;
}

/* ---- the pager ---- */

/* Root's rights by sudo, pkexec or a setuid bit: nobody gets a shell of them from "less". */
static bool is_elevated(void) {
        return environment("SUDO_UID") || environment("PKEXEC_UID") || geteuid() != getuid() ||
               getegid() != getgid();
}

/* NULL: none is wanted. An empty variable counts: it says so. */
static const char *wanted_pager(void) {
        const char *names[] = { "MDEVDCTL_PAGER", "PAGER" }, *value = NULL;

        if (is_elevated()) {
                value = getenv("MDEVDCTL_PAGER");
                return value && (!value[0] || streq(value, "cat")) ? NULL : "less";
        }
        for (size_t i = 0; i < ARRAY_SIZE(names) && !value; i++)
                value = getenv(names[i]);
        if (!value)
                return "less";
        return value[0] && !streq(value, "cat") ? value : NULL;
}

_Noreturn static void become_pager(char *command, int in) {
        char *words[PAGER_WORDS_MAX + 1] = {}, *state = NULL;
        size_t n = 0;

        (void) signal(SIGPIPE, SIG_DFL);
        (void) setenv("LESS", environment("MDEVDCTL_LESS") ?: "FRSXMK", true);
        (void) setenv("LESSCHARSET", "utf-8", false);
        if (is_elevated())
                (void) setenv("LESSSECURE", "1", true);
        for (char *w = strtok_r(command, " ", &state); w && n < PAGER_WORDS_MAX;
             w = strtok_r(NULL, " ", &state))
                words[n++] = w;
        if (dup2(in, STDIN_FILENO) >= 0 && n > 0)
                (void) execvp(words[0], words);
        /* no pager is there: what would have been paged is shown all the same */
        for (;;) {
                char buf[4096];
                ssize_t size = read(in, buf, sizeof(buf));

                if (size <= 0 || write(STDOUT_FILENO, buf, (size_t) size) != size)
                        _exit(EXIT_SUCCESS);
        }
}

/* stdout becomes its input. It ends by itself when that does. */
static void start_pager(Screen *s) {
        const char *wanted = wanted_pager();
        _cleanup_(freep) char *command = wanted ? strdup(wanted) : NULL;
        int fds[2];
        pid_t pid;

        if (!command || pipe(fds) < 0)
                return;
        (void) fflush(stdout);
        pid = fork();
        if (pid == 0) {
                safe_close(fds[1]);
                become_pager(command, fds[0]);
        }
        safe_close(fds[0]);
        if (pid > 0 && dup2(fds[1], STDOUT_FILENO) >= 0)
                s->pager = pid;
        safe_close(fds[1]);
}

/* ---- open and close ---- */

void screen_open(Screen *s, JsonMode json, bool legend, bool page) {
        const char *term = environment("TERM");
        bool clever;

        *s = (Screen) {
                .terminal = isatty(STDOUT_FILENO), .json = json, .legend = legend,
                .utf8 = setup_locale(),
        };
        s->width = width_of_terminal(s->terminal ? STDOUT_FILENO : -1);
        s->cut_at = s->terminal || environment("COLUMNS") ? s->width : 0;
        s->height = s->terminal ? height_of_terminal(STDOUT_FILENO) : 0;
        clever = s->terminal && term && !streq(term, "dumb");
        s->redraws = clever && json == JSON_OFF;
        s->colour = s->redraws && !environment("NO_COLOR");
        if (page && clever && json != JSON_SHORT)
                start_pager(s);
}

int screen_close(Screen *s) {
        int r = answer_flush();

        if (s->pager > 0) {
                (void) fclose(stdout);
                while (waitpid(s->pager, NULL, 0) < 0 && errno == EINTR)
                        ;
                s->pager = 0;
        }
        return r;
}

/* ---- what would be printed ---- */

/* Bytes and columns of the character that @text begins with; what cannot be shown is one "?". */
static size_t next_character(const char *text, int *ret_columns) {
        uint32_t c;
        size_t n = utf8_decode(text, SIZE_MAX, &c);

        *ret_columns = n == 0 ? -1 : wcwidth((wchar_t) c);
        return MAX(n, (size_t) 1);
}

int screen_divert(Diverted *d) {
        FILE *f;

        *d = (Diverted) { .before = stdout };
        f = open_memstream(&d->text, &d->size);
        if (!f)
                return -errno;
        stdout = f; /* a variable in glibc, see "Standard Streams" in its manual */
        return 0;
}

void screen_restore(Diverted *d) {
        (void) fclose(stdout);
        stdout = d->before;
}

/* Of one line without its end; colours take no columns. */
static size_t columns_of_line(const char *line, size_t n) {
        const char *end = line + n;
        size_t columns = 0;

        while (line < end) {
                int width;

                if (line[0] == '\033') {
                        line += strcspn(line, "m");
                        line += line < end;
                        continue;
                }
                line += next_character(line, &width);
                columns += (size_t) (width < 0 ? 1 : width);
        }
        return columns;
}

size_t screen_lines(const Screen *s, const char *text) {
        size_t lines = 0;

        while (text[0]) {
                size_t n = strcspn(text, "\n"), columns = columns_of_line(text, n);

                lines += s->cut_at > 0 && columns > s->cut_at
                                 ? (columns + s->cut_at - 1) / s->cut_at : 1;
                text += n + (text[n] == '\n');
        }
        return lines;
}

/* ---- text ---- */

const char *screen_colour(const Screen *s, Colour c) {
        static const char *const codes[_COLOUR_MAX] = {
                [COLOUR_NONE] = "\033[0m",   [COLOUR_BOLD] = "\033[1m",
                [COLOUR_DIM] = "\033[2m",    [COLOUR_RED] = "\033[31m",
                [COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m",
        };

        return s->colour ? codes[c] : "";
}

const char *screen_background(const Screen *s, size_t index) {
        /* black on it is legible on all of them */
        static const char *const codes[] = {
                "\033[30;46m", "\033[30;42m", "\033[30;43m", "\033[30;45m",
                "\033[30;106m", "\033[30;102m", "\033[30;103m", "\033[30;105m",
        };

        return s->colour ? codes[index % ARRAY_SIZE(codes)] : "";
}

size_t screen_columns(const char *text) {
        size_t columns = 0;
        int n;

        while (text[0]) {
                text += next_character(text, &n);
                columns += (size_t) (n < 0 ? 1 : n);
        }
        return columns;
}

void screen_print_cut(const Screen *s, FILE *f, const char *text, size_t columns) {
        const char *more = screen_glyph(s, "…", ".");
        bool cut = screen_columns(text) > columns;
        size_t used = 0;
        int n;

        if (columns == 0)
                return;
        while (text[0]) {
                size_t bytes = next_character(text, &n);
                size_t width = (size_t) (n < 0 ? 1 : n);

                if (used + width > columns - cut)
                        break;
                if (n < 0 || (bytes > 1 && s->terminal && !s->utf8))
                        (void) fputc('?', f);
                else
                        (void) fwrite(text, 1, bytes, f);
                used += width;
                text += bytes;
        }
        if (cut)
                (void) fputs(more, f);
}

const char *screen_glyph(const Screen *s, const char *utf8, const char *ascii) {
        return s->utf8 ? utf8 : ascii;
}

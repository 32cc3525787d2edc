/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wrap.c owns where a text that is longer than a line is broken: at blanks only. */
#include "cli/own/wrap.h"

#include "util/macro.h"

unsigned wrap_begin(const Screen *s, unsigned used, unsigned indent, const char *text) {
        size_t width = s->cut_at, column = used;
        bool blank = false; /* one is due before the next word */

        while (text[0]) {
                size_t n = strcspn(text, " \n");
                _cleanup_(freep) char *word = strndup(text, n);
                size_t columns = word ? screen_columns(word) : n;

                if (width > indent && blank && column + 1 + columns > width) {
                        (void) printf("\n%*s", (int) indent, "");
                        column = indent;
                } else if (blank) {
                        (void) putchar(' ');
                        column++;
                }
                if (word)
                        screen_print_cut(s, stdout, word, SIZE_MAX);
                column += columns;
                text += n;
                blank = text[0] == ' ';
                if (text[0] == '\n') {
                        (void) printf("\n%*s", (int) indent, "");
                        column = indent;
                }
                text += text[0] != '\0';
        }
        return (unsigned) column;
}

void wrap_line(const Screen *s, unsigned used, unsigned indent, const char *text) {
        (void) wrap_begin(s, used, indent, text);
        (void) putchar('\n');
}
